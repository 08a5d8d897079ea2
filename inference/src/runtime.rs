//! The onnxruntime library: found, loaded once per process, turned into sessions.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::session::Session;
use ort::value::TensorRef;
use thiserror::Error;

use crate::onnx::{self, OnnxError};

/// Environment variable that names the library.
pub const LIBRARY_VARIABLE: &str = "TRIBUTE_ONNXRUNTIME";
/// Where `make setup` puts the library, below the repository's root.
pub const LIBRARY_PLACE: &str = ".deps/ort/libonnxruntime.so";

/// onnxruntime could not be found, loaded or run.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// No library in any of the places.
    #[error(
        "onnxruntime's library is not there (looked at {}): run `make setup`, or let {LIBRARY_VARIABLE} name libonnxruntime.so",
        searched.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NotFound {
        /// Places looked at.
        searched: Vec<PathBuf>,
    },
    /// A file is there, but it is no onnxruntime, or too old a one.
    #[error("cannot use {} as onnxruntime ({source}): run `make setup`, or let {LIBRARY_VARIABLE} name a newer libonnxruntime.so", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The loader's words; they name the version found and the one needed.
        source: ort::LoadDynamicError,
    },
    /// The library refused to start.
    #[error("onnxruntime does not start: {0}")]
    Start(String),
    /// The library refused a model.
    #[error("onnxruntime refuses the model: {0}")]
    Model(String),
    /// No ONNX file, or one that needs other files.
    #[error(transparent)]
    File(#[from] OnnxError),
    /// A run failed.
    #[error("onnxruntime failed to run the model: {0}")]
    Run(String),
    /// A batch that does not divide into records.
    #[error("{values} feature values do not divide into records of {width}")]
    Width {
        /// Values given.
        values: usize,
        /// Features per record.
        width: usize,
    },
    /// The outputs are not what an agent gives.
    #[error("the model returned {got} values for output `{output}`, expected {expected}")]
    Output {
        /// Output name.
        output: &'static str,
        /// Values wanted.
        expected: usize,
        /// Values returned.
        got: usize,
    },
}

impl RuntimeError {
    /// Whether there is no usable onnxruntime, whatever the model.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, RuntimeError::NotFound { .. } | RuntimeError::Load { .. } | RuntimeError::Start(_))
    }
}

/// The loaded library. Cheap to clone; a process has one.
#[derive(Clone)]
pub struct Runtime {
    environment: ort::environment::Environment,
    library: PathBuf,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("library", &self.library).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Finds and loads the library: `path` if given, else what [`LIBRARY_VARIABLE`] names, else [`LIBRARY_PLACE`] in the
    /// current directory or any above it.
    ///
    /// The first library loaded stays for the life of the process, and so does its environment: onnxruntime allows one.
    /// Later calls get that one, whatever they name.
    ///
    /// # Errors
    /// [`RuntimeError::NotFound`], [`RuntimeError::Load`] or [`RuntimeError::Start`].
    pub fn locate_and_init(path: Option<&Path>) -> Result<Self, RuntimeError> {
        static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);
        let library = locate(path)?;
        let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return Ok(runtime.clone());
        }
        let environment = ort::init_from(&library)
            .map_err(|source| RuntimeError::Load { path: library.clone(), source })?
            .with_name("tribute")
            .with_telemetry(false)
            .build()
            .map_err(|e| RuntimeError::Start(e.to_string()))?;
        tracing::debug!(library = %library.display(), "onnxruntime loaded");
        Ok(loaded.insert(Runtime { environment, library }).clone())
    }

    /// The library file in use.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Prepares a canonical agent of `features` features and `classes` classes for running.
    pub(crate) fn session(&self, model: &[u8], features: usize, classes: usize) -> Result<AgentSession, RuntimeError> {
        Ok(AgentSession { session: Mutex::new(self.load(model)?), features, classes })
    }

    /// A session for any model, on one thread so that answers never wait for a busy pool.
    pub(crate) fn load(&self, model: &[u8]) -> Result<Session, RuntimeError> {
        onnx::decode(model)?;
        let refuse = |e: ort::Error| RuntimeError::Model(e.to_string());
        ort::session::builder::SessionBuilder::new(&self.environment)
            .map_err(refuse)?
            .with_intra_threads(1)
            .map_err(|e| RuntimeError::Model(e.to_string()))?
            .commit_from_memory(model)
            .map_err(refuse)
    }
}

fn locate(path: Option<&Path>) -> Result<PathBuf, RuntimeError> {
    let named = path.map(Path::to_path_buf).or_else(|| std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from));
    let here = std::env::current_dir().unwrap_or_default();
    let searched = match named {
        Some(path) => vec![here.join(path)],
        None => here.ancestors().map(|d| d.join(LIBRARY_PLACE)).collect(),
    };
    match searched.iter().find(|p| p.is_file()) {
        Some(library) => Ok(library.clone()),
        None => Err(RuntimeError::NotFound { searched }),
    }
}

/// What an agent says about one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Exact integer logits, [`tribute_core::numbers::LOGIT_BITS`] fractional bits, one per class.
    pub logits: Vec<i64>,
    /// The class with the largest logit; the lowest one among equals.
    pub class: usize,
}

/// A canonical agent ready to run; share it between threads.
#[derive(Debug)]
pub struct AgentSession {
    session: Mutex<Session>,
    features: usize,
    classes: usize,
}

impl AgentSession {
    /// Answers for quantised records, one after another in `features` (`[batch][features]`, row-major).
    ///
    /// # Errors
    /// [`RuntimeError::Width`] for a broken batch, [`RuntimeError::Run`] and [`RuntimeError::Output`] when the library fails.
    pub fn run(&self, features: &[u8]) -> Result<Vec<Answer>, RuntimeError> {
        if !features.len().is_multiple_of(self.features) {
            return Err(RuntimeError::Width { values: features.len(), width: self.features });
        }
        let batch = features.len() / self.features;
        if batch == 0 {
            return Ok(Vec::new());
        }
        let failed = |e: ort::Error| RuntimeError::Run(e.to_string());
        let input = TensorRef::from_array_view(([batch, self.features], features)).map_err(failed)?;
        let mut session = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let outputs = session.run(ort::inputs!["features" => input]).map_err(failed)?;
        let (_, logits) = outputs["logits"].try_extract_tensor::<i64>().map_err(failed)?;
        let (_, classes) = outputs["answer"].try_extract_tensor::<i64>().map_err(failed)?;
        expect_len("logits", batch * self.classes, logits.len())?;
        expect_len("answer", batch, classes.len())?;
        let answers = logits.chunks_exact(self.classes).zip(classes);
        Ok(answers.map(|(z, class)| Answer { logits: z.to_vec(), class: *class as usize }).collect())
    }
}

fn expect_len(output: &'static str, expected: usize, got: usize) -> Result<(), RuntimeError> {
    if expected == got {
        Ok(())
    } else {
        Err(RuntimeError::Output { output, expected, got })
    }
}
