//! The owner's journal: a folder.

use std::path::{Path, PathBuf};

use prost::Message as _;
use tribute_client::files::write_file;
use tribute_federation::owner::{Journal, State};
use tribute_federation::{wire, Answer};
use tribute_problem::Result;
use tribute_proto::v1;

/// A folder with the state and the answers. It holds sums over all participants' records and their masked answers.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(path: &Path) -> Self {
        Folder(path.to_owned())
    }

    fn state_file(&self) -> PathBuf {
        self.0.join("state.json")
    }

    fn answer_file(&self, round: u32, participant: usize) -> PathBuf {
        self.0.join(format!("round-{round}-participant-{participant}"))
    }

    fn factors_file(&self, round: u32) -> PathBuf {
        self.0.join(format!("factors-{round}"))
    }

    /// Bytes of all answers kept.
    pub(super) fn bytes(&self) -> u64 {
        let files = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        files
            .filter(|f| f.file_name().to_string_lossy().starts_with("round-"))
            .filter_map(|f| Some(f.metadata().ok()?.len()))
            .sum()
    }
}

/// A file's contents, if there is one.
fn read(file: &Path) -> Result<Option<Vec<u8>>, String> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("cannot read {}: {e}", file.display())),
    }
}

impl Journal for Folder {
    fn state(&self) -> Result<Option<State>, String> {
        let file = self.state_file();
        let state = read(&file)?.map(|bytes| serde_json::from_slice(&bytes));
        state.transpose().map_err(|e| format!("{} is not a journal's state: {e}", file.display()))
    }

    fn keep_state(&self, state: &State) -> Result<(), String> {
        let bytes = serde_json::to_vec(state).map_err(|e| e.to_string())?;
        write_file(&self.state_file(), &bytes).map_err(|p| p.message)
    }

    fn factors(&self, round: u32) -> Result<Vec<u8>, String> {
        let file = self.factors_file(round);
        read(&file)?.ok_or_else(|| format!("{} is missing: the journal cannot be resumed without it", file.display()))
    }

    fn keep_factors(&self, round: u32, factors: &[u8]) -> Result<(), String> {
        write_file(&self.factors_file(round), factors).map_err(|p| p.message)
    }

    fn answer(&self, round: u32, participant: usize) -> Result<Option<Answer>, String> {
        let file = self.answer_file(round, participant);
        let answer = read(&file)?.map(|bytes| v1::RoundAnswer::decode(bytes.as_slice()));
        let answer = answer.transpose().map_err(|e| format!("{} is not an answer: {e}", file.display()))?;
        Ok(answer.map(wire::answer))
    }

    fn keep_answer(&self, round: u32, participant: usize, answer: &Answer) -> Result<(), String> {
        let bytes = wire::answer_message(answer).encode_to_vec();
        write_file(&self.answer_file(round, participant), &bytes).map_err(|p| p.message)
    }
}
