//! Finds and loads the onnxruntime library, once per process, and creates sessions.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::session::Session;
use ort::value::TensorRef;
use thiserror::Error;

use crate::onnx::{self, ModelProto, OnnxError};
use crate::steady::{self, Unsteady};

/// Environment variable that names the library.
pub const LIBRARY_VARIABLE: &str = "TRIBUTE_ONNXRUNTIME";
/// Path below the repository's root where `make setup` installs the library.
pub const LIBRARY_PLACE: &str = ".deps/ort/libonnxruntime.so";

/// Path below the folder that the program's own folder is in, where packages install the library.
const INSTALLED_PLACE: &str = "lib/tribute/libonnxruntime.so";

/// Why onnxruntime cannot be found, loaded or run.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// No library at any of the paths searched.
    #[error(
        "the onnxruntime library was not found (searched {}): run `make setup`, or set {LIBRARY_VARIABLE} to the path of libonnxruntime.so",
        searched.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NotFound {
        /// Paths searched.
        searched: Vec<PathBuf>,
    },
    /// The file is not onnxruntime, or is too old a version.
    #[error("cannot use {} as onnxruntime ({source}): run `make setup`, or set {LIBRARY_VARIABLE} to the path of a newer libonnxruntime.so", path.display())]
    Load {
        /// The file tried.
        path: PathBuf,
        /// The loader's error, which names the version found and the one required.
        source: ort::LoadDynamicError,
    },
    /// The library failed to start.
    #[error("onnxruntime failed to start: {0}")]
    Start(String),
    /// The library rejected a model.
    #[error("onnxruntime rejected the model: {0}")]
    Model(String),
    /// Not an ONNX file, or one that refers to other files.
    #[error(transparent)]
    File(#[from] OnnxError),
    /// Its outputs for a record are not always the same.
    #[error(transparent)]
    Unsteady(#[from] Unsteady),
    /// A model that cannot be used as an extractor, and what one needs.
    #[error("{0}")]
    NoExtractor(String),
    /// The model failed to run.
    #[error("onnxruntime failed to run the model: {0}")]
    Run(String),
    /// An extractor's feature is infinite or not a number.
    #[error("the model gives {value} for feature e{index}, which is not a finite number: leave this record out, or export a model that is defined for it")]
    NotFinite {
        /// The feature's position.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A record's numbers do not fill the model's input.
    #[error("the model takes numbers of shape {wanted}, but a record has {got}: give it one for each place")]
    Shape {
        /// The declared shape, such as `[batch, 1, 28, 28]`; a size that is not declared is `?`.
        wanted: String,
        /// Number of values in the record.
        got: usize,
    },
    /// The batch is not a whole number of records.
    #[error("{values} feature values are not a whole number of records of {width} features")]
    Width {
        /// Number of feature values in the batch.
        values: usize,
        /// Features per record.
        width: usize,
    },
    /// An output has the wrong number of values.
    #[error("the model returned {got} values for output `{output}`, expected {expected}")]
    Output {
        /// Output name.
        output: &'static str,
        /// Number of values expected.
        expected: usize,
        /// Number of values returned.
        got: usize,
    },
}

impl RuntimeError {
    /// Whether no usable onnxruntime is available, independent of the model.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, RuntimeError::NotFound { .. } | RuntimeError::Load { .. } | RuntimeError::Start(_))
    }
}

/// The loaded library, shared by the whole process. Cheap to clone.
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
    /// Finds and loads the library: at `path` if given, else at the path in [`LIBRARY_VARIABLE`], else at
    /// [`LIBRARY_PLACE`] below the current directory or one of its parents, else where packages install it.
    ///
    /// onnxruntime allows one environment per process, so the first library loaded stays. Later calls return it,
    /// whatever path they give.
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

    /// Creates a session for a canonical agent with `features` features and `classes` classes.
    pub(crate) fn session(&self, model: &[u8], features: usize, classes: usize) -> Result<AgentSession, RuntimeError> {
        Ok(AgentSession { session: Mutex::new(self.load(model)?), features, classes })
    }

    /// Creates a session for any model. It uses one thread, so that answers never wait for a busy pool.
    pub(crate) fn load(&self, model: &[u8]) -> Result<Session, RuntimeError> {
        self.load_with(model, true)
    }

    /// Creates a session that computes a model as it is written: without the quantised activations with which onnxruntime
    /// multiplies quantised weights faster.
    pub(crate) fn load_as_written(&self, model: &[u8]) -> Result<Session, RuntimeError> {
        self.load_with(model, false)
    }

    fn load_with(&self, model: &[u8], quantised: bool) -> Result<Session, RuntimeError> {
        let (described, graph) = onnx::decode(model)?;
        steady::check(&described, &graph)?;
        fn refuse<R>(e: ort::Error<R>) -> RuntimeError {
            RuntimeError::Model(e.to_string())
        }
        ort::session::builder::SessionBuilder::new(&self.environment)
            .map_err(refuse)?
            .with_intra_threads(1)
            .map_err(refuse)?
            // errors are returned, so do not log them as well
            .with_log_level(ort::logging::LogLevel::Fatal)
            .map_err(refuse)?
            .with_quant_qdq(quantised)
            .map_err(refuse)?
            .commit_from_memory(model)
            .map_err(|e| RuntimeError::Model(advised(&e.to_string(), outdated(&described))))
    }
}

/// Whether a model is written for older operators than onnxruntime has.
fn outdated(model: &ModelProto) -> bool {
    const OLDEST: i64 = 7;
    model.opset_import.iter().any(|set| matches!(set.domain.as_str(), "" | "ai.onnx") && set.version < OLDEST)
}

/// onnxruntime's reason for rejecting a model, with what to do about it.
fn advised(reason: &str, outdated: bool) -> String {
    let reason = reason.trim().trim_end_matches('.');
    let mentions = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if outdated || mentions(&["opset", "IR version"]) {
        format!("{reason}. Export it with an `opset_version` that this onnxruntime supports")
    } else if mentions(&["Could not find an implementation", "Type Error", "Type parameter", "bfloat16"]) {
        format!(
            "{reason}. Export it in float32 (PyTorch: after `model.float()`; skl2onnx: with a sample of numpy.float32)"
        )
    } else {
        reason.into()
    }
}

fn locate(path: Option<&Path>) -> Result<PathBuf, RuntimeError> {
    let named = path.map(Path::to_path_buf).or_else(|| std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from));
    let here = std::env::current_dir().unwrap_or_default();
    let searched = match named {
        Some(path) => vec![here.join(path)],
        None => {
            let program = std::env::current_exe().unwrap_or_default();
            let installed = program.ancestors().nth(2).map(|d| d.join(INSTALLED_PLACE));
            here.ancestors().map(|d| d.join(LIBRARY_PLACE)).chain(installed).collect()
        }
    };
    match searched.iter().find(|p| p.is_file()) {
        Some(library) => Ok(library.clone()),
        None => Err(RuntimeError::NotFound { searched }),
    }
}

/// The answer of an agent for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Exact integer logits with [`tribute_core::numbers::LOGIT_BITS`] fractional bits, one per class.
    pub logits: Vec<i64>,
    /// The class with the largest logit; on a tie, the lowest.
    pub class: usize,
}

/// A canonical agent ready to run; may be shared between threads.
#[derive(Debug)]
pub struct AgentSession {
    session: Mutex<Session>,
    features: usize,
    classes: usize,
}

impl AgentSession {
    /// Answers quantised records: `features` has shape `[batch][features]`, row-major.
    ///
    /// # Errors
    /// [`RuntimeError::Width`] if the batch is not a whole number of records, [`RuntimeError::Run`] or
    /// [`RuntimeError::Output`] if the library fails.
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
