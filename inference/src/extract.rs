//! Feature extractors: ONNX models that turn raw inputs into features, pinned by SHA-256.
//!
//! An extractor's `f32` results may differ in the last bits between machines, so certificates do not cover it: they
//! start from the quantised features.

use std::sync::Mutex;

use ort::session::Session;
use ort::value::TensorRef;
use sha2::{Digest as _, Sha256};

use crate::runtime::{Runtime, RuntimeError};

/// A model with one `f32` input `[batch, …]`, of which one `f32` output `[batch, features]` is used.
#[derive(Debug)]
pub struct Extractor {
    session: Mutex<Session>,
    input: String,
    output: String,
    sha256: [u8; 32],
}

impl Extractor {
    /// Loads a model. `output` names the output to use; without it, the first one.
    ///
    /// # Errors
    /// [`RuntimeError::Model`] if onnxruntime rejects the model, it does not have exactly one input, or the output does
    /// not exist.
    pub fn new(runtime: &Runtime, model: &[u8], output: Option<&str>) -> Result<Self, RuntimeError> {
        let session = runtime.load(model)?;
        let [input] = session.inputs() else {
            return Err(RuntimeError::Model(format!(
                "an extractor has one input, but this model has {}",
                session.inputs().len()
            )));
        };
        let names: Vec<&str> = session.outputs().iter().map(|o| o.name()).collect();
        let chosen = match output {
            Some(wanted) => names.iter().find(|n| **n == wanted),
            None => names.first(),
        };
        let Some(output) = chosen else {
            let known = names.join(", ");
            return Err(RuntimeError::Model(format!(
                "the model has no output `{}`, only {known}",
                output.unwrap_or_default()
            )));
        };
        let (input, output) = (input.name().to_owned(), (*output).to_owned());
        Ok(Extractor { session: Mutex::new(session), input, output, sha256: Sha256::digest(model).into() })
    }

    /// SHA-256 of the model file, as stored in a schema's `extractor`.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Computes the features of a batch, row-major. `shape` is the input's, with the batch size first.
    ///
    /// # Errors
    /// [`RuntimeError::Run`] if `shape` does not match `values`, or the model fails.
    pub fn run(&self, shape: &[usize], values: &[f32]) -> Result<Vec<f32>, RuntimeError> {
        let failed = |e: ort::Error| RuntimeError::Run(e.to_string());
        let input = TensorRef::from_array_view((shape, values)).map_err(failed)?;
        let mut session = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let outputs = session.run(ort::inputs![self.input.as_str() => input]).map_err(failed)?;
        let (_, features) = outputs[self.output.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
        Ok(features.to_vec())
    }
}
