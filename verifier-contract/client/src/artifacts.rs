//! Bytecode of the contracts, read at run time from forge's output folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alloy::primitives::{hex, Bytes};
use serde::Deserialize;

use crate::error::{ChainError, Result};

/// Environment variable that names forge's output folder.
pub const ARTIFACTS_VARIABLE: &str = "TRIBUTE_ARTIFACTS";
const USUAL_PLACE: &str = "verifier-contract/out";

/// Path below the folder that the program's own folder is in, where packages install the artefacts.
const INSTALLED_PLACE: &str = "share/tribute/contracts";

/// forge's output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifacts {
    folder: PathBuf,
}

/// One compiled contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Name of the contract.
    pub name: String,
    /// Creation code, without constructor arguments.
    pub creation: Bytes,
    /// Deployed code, immutables zero.
    pub runtime: Bytes,
    /// Positions of immutables in the deployed code: start and length of every occurrence, by immutable.
    pub immutables: BTreeMap<String, Vec<Span>>,
}

/// A range of bytes in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Bytes.
    pub length: usize,
}

impl Artifacts {
    /// The folder in `TRIBUTE_ARTIFACTS`, else `verifier-contract/out` in the current folder or one above it, else where
    /// packages install the artefacts.
    pub fn find() -> Result<Artifacts> {
        if let Some(folder) = std::env::var_os(ARTIFACTS_VARIABLE) {
            return Artifacts::at(Path::new(&folder));
        }
        let mut looked = upward(USUAL_PLACE);
        let program = std::env::current_exe().unwrap_or_default();
        looked.extend(program.ancestors().nth(2).map(|folder| folder.join(INSTALLED_PLACE)));
        for folder in &looked {
            if let Ok(found) = Artifacts::at(folder) {
                return Ok(found);
            }
        }
        Err(ChainError::ArtifactsMissing { looked })
    }

    /// The artefacts in `folder`; fails unless the session escrow is among them.
    pub fn at(folder: &Path) -> Result<Artifacts> {
        let artifacts = Artifacts { folder: folder.to_owned() };
        if artifacts.path("SessionEscrow").is_file() {
            return Ok(artifacts);
        }
        Err(ChainError::ArtifactsMissing { looked: vec![folder.to_owned()] })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.sol")).join(format!("{name}.json"))
    }

    /// One contract by its name.
    pub fn load(&self, name: &str) -> Result<Artifact> {
        let path = self.path(name);
        let wrong = |cause: String| ChainError::ArtifactUnreadable { path: path.clone(), cause };
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        let file: ArtifactFile = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        // placeholders of unlinked libraries are not hexadecimal, so they fail here too
        let code = |object: &str| hex::decode(object).map(Bytes::from).map_err(|e| wrong(e.to_string()));
        let artifact = Artifact {
            name: name.to_owned(),
            creation: code(&file.bytecode.object)?,
            runtime: code(&file.deployed_bytecode.object)?,
            immutables: file.deployed_bytecode.immutable_references,
        };
        if artifact.creation.is_empty() {
            return Err(wrong("no bytecode: an interface or abstract contract".to_owned()));
        }
        let inside = |s: &Span| s.start.checked_add(s.length).is_some_and(|end| end <= artifact.runtime.len());
        if !artifact.immutables.values().flatten().all(inside) {
            return Err(wrong("an immutable lies outside of the code".to_owned()));
        }
        Ok(artifact)
    }
}

impl Artifact {
    /// Creation code with constructor arguments.
    #[must_use]
    pub fn with_arguments(&self, arguments: &[u8]) -> Bytes {
        [self.creation.as_ref(), arguments].concat().into()
    }

    /// How `code` differs from this build; `None` if it matches. An immutable may have any value, but the same one at
    /// each occurrence.
    #[must_use]
    pub fn difference(&self, code: &[u8]) -> Option<String> {
        if code.len() != self.runtime.len() {
            return Some(format!("{} bytes instead of {}", code.len(), self.runtime.len()));
        }
        let mut masked = code.to_vec();
        for spans in self.immutables.values() {
            let value = |s: &Span| &code[s.start..s.start + s.length];
            if spans.windows(2).any(|pair| value(&pair[0]) != value(&pair[1])) {
                return Some("an immutable has two values".to_owned());
            }
            for span in spans {
                masked[span.start..span.start + span.length].fill(0);
            }
        }
        let at = masked.iter().zip(self.runtime.iter()).position(|(a, b)| a != b)?;
        Some(format!("first different byte at {at}: {:#04x} instead of {:#04x}", masked[at], self.runtime[at]))
    }
}

#[derive(Deserialize)]
struct ArtifactFile {
    bytecode: CodeObject,
    #[serde(rename = "deployedBytecode")]
    deployed_bytecode: CodeObject,
}

#[derive(Deserialize)]
struct CodeObject {
    object: String,
    #[serde(rename = "immutableReferences", default)]
    immutable_references: BTreeMap<String, Vec<Span>>,
}

/// The candidates for `relative` in the current folder and its ancestors.
pub(crate) fn upward(relative: &str) -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    here.ancestors().map(|folder| folder.join(relative)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact() -> Artifact {
        let immutables = [("7".to_owned(), vec![Span { start: 1, length: 2 }, Span { start: 4, length: 2 }])];
        Artifact {
            name: "Sample".to_owned(),
            creation: Bytes::from_static(&[1]),
            runtime: Bytes::from_static(&[0x60, 0, 0, 0x61, 0, 0, 0x62]),
            immutables: immutables.into(),
        }
    }

    #[test]
    fn immutables_may_have_any_value_but_one() {
        let sample = artifact();
        assert_eq!(sample.difference(&[0x60, 5, 6, 0x61, 5, 6, 0x62]), None);
        assert!(sample.difference(&[0x60, 5, 6, 0x61, 5, 7, 0x62]).unwrap().contains("two values"));
    }

    #[test]
    fn any_other_byte_counts() {
        let sample = artifact();
        assert!(sample.difference(&[0x60, 5, 6, 0x61, 5, 6, 0x63]).unwrap().contains("at 6"));
        assert!(sample.difference(&[0x60, 5, 6, 0x61, 5, 6]).unwrap().contains("6 bytes instead of 7"));
    }

    #[test]
    fn missing_artefacts_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = Artifacts::at(folder.path()).unwrap_err();
        assert!(matches!(error, ChainError::ArtifactsMissing { .. }));
        assert!(error.to_string().contains("make setup"), "{error}");
    }
}
