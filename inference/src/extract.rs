//! Feature extractors: ONNX models that turn raw inputs into features, pinned by SHA-256.
//!
//! A model of texts carries its tokenizer in its metadata, so that one digest pins everything between a text and its
//! features. An extractor's `f32` results may differ in the last bits between machines, so certificates do not cover it:
//! they start from the quantised features.

use std::borrow::Cow;
use std::sync::Mutex;

use ort::session::{Session, SessionInputValue};
use ort::value::{TensorElementType, TensorRef, ValueType};
use sha2::{Digest as _, Sha256};
use tokenizers::{Tokenizer, TruncationParams};

use crate::onnx;
use crate::runtime::{Runtime, RuntimeError};

/// Metadata entries and inputs of a model of texts.
mod key {
    /// JSON of the tokenizer, in the format of Hugging Face's `tokenizers`.
    pub(super) const TOKENIZER: &str = "tokenizer";
    /// Most tokens of a text; longer texts are cut.
    pub(super) const TOKENS: &str = "tokens";
    pub(super) const IDS: &str = "input_ids";
    pub(super) const MASK: &str = "attention_mask";
}

/// Most tokens of a text if the model does not say.
const TOKENS: usize = 512;
/// A smaller limit leaves no room for a text between the tokens that mark its ends.
const FEWEST_TOKENS: usize = 8;

/// A model with one `f32` output `[batch, features]`, of numbers or of texts.
#[derive(Debug)]
pub struct Extractor {
    session: Mutex<Session>,
    input: Input,
    output: String,
    sha256: [u8; 32],
}

#[derive(Debug)]
enum Input {
    Numbers {
        /// The name of the one `f32` input `[batch, …]`.
        name: String,
        /// Its declared sizes after the batch's; negative if unknown. Empty if no shape is declared.
        sizes: Vec<i64>,
    },
    Texts(Box<Tokenizer>),
}

impl Extractor {
    /// Loads a model. `output` names the output to use; without it, the first one.
    ///
    /// # Errors
    /// [`RuntimeError::Model`] if onnxruntime rejects the model, [`RuntimeError::NoExtractor`] if it has neither a tokenizer nor
    /// exactly one `f32` input of single records, the tokenizer is unusable, or the output does not exist or is not `f32`.
    pub fn new(runtime: &Runtime, model: &[u8], output: Option<&str>) -> Result<Self, RuntimeError> {
        let session = runtime.load(model)?;
        let (described, _) = onnx::decode(model)?;
        let inputs: Vec<&str> = session.inputs().iter().map(|i| i.name()).collect();
        let input = match onnx::metadata(&described, key::TOKENIZER) {
            Some(json) => {
                if !inputs.iter().all(|i| [key::IDS, key::MASK].contains(i)) || inputs.len() != 2 {
                    let found = inputs.join(", ");
                    return Err(RuntimeError::NoExtractor(format!(
                        "a model of texts has the inputs {} and {}, but this one has {found}",
                        key::IDS,
                        key::MASK
                    )));
                }
                Input::Texts(Box::new(tokenizer(json, onnx::metadata(&described, key::TOKENS))?))
            }
            None => {
                let [only] = inputs[..] else {
                    return Err(RuntimeError::NoExtractor(format!(
                        "an extractor has one input, or a tokenizer in its metadata, but this model has {} inputs",
                        inputs.len()
                    )));
                };
                let declared = session.inputs()[0].dtype();
                of_floats("input", only, declared)?;
                let shape = declared.tensor_shape().map_or(&[][..], |shape| &shape[..]);
                if let Some(records @ (0 | 2..)) = shape.first().copied().filter(|_| shape.len() > 1) {
                    return Err(RuntimeError::NoExtractor(format!(
                        "an extractor computes each record by itself, but this model takes {records} at once: export it with \
                         an open batch size, or a batch of 1"
                    )));
                }
                Input::Numbers { name: only.to_owned(), sizes: shape.iter().skip(1).copied().collect() }
            }
        };
        let outputs = session.outputs();
        let chosen = match output {
            Some(wanted) => outputs.iter().find(|o| o.name() == wanted),
            None => outputs.first(),
        };
        let Some(chosen) = chosen else {
            let known = outputs.iter().map(|o| o.name()).collect::<Vec<_>>().join(", ");
            return Err(RuntimeError::NoExtractor(format!(
                "the model has no output `{}`, only {known}",
                output.unwrap_or_default()
            )));
        };
        of_floats("output", chosen.name(), chosen.dtype())?;
        let output = chosen.name().to_owned();
        Ok(Extractor { session: Mutex::new(session), input, output, sha256: Sha256::digest(model).into() })
    }

    /// SHA-256 of the model file, as stored in a schema's `extractor`.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Whether it takes texts, rather than numbers.
    #[must_use]
    pub fn takes_texts(&self) -> bool {
        matches!(self.input, Input::Texts(_))
    }

    /// Computes the features of a batch, row-major. `shape` is the input's, with the batch size first.
    ///
    /// # Errors
    /// [`RuntimeError::Run`] if the model takes texts, `shape` does not match `values`, or the model fails.
    pub fn run(&self, shape: &[usize], values: &[f32]) -> Result<Vec<f32>, RuntimeError> {
        let Input::Numbers { name, .. } = &self.input else {
            return Err(RuntimeError::Run("the extractor takes texts, not numbers".into()));
        };
        let input = TensorRef::from_array_view((shape, values)).map_err(failed)?;
        self.features(ort::inputs![name.as_str() => input])
    }

    /// Computes the features of one record of numbers, in the order of the input's places, row-major.
    ///
    /// # Errors
    /// [`RuntimeError::Shape`] if they do not fill the input's declared shape, otherwise as [`Extractor::run`].
    pub fn record(&self, values: &[f32]) -> Result<Vec<f32>, RuntimeError> {
        let shape = match &self.input {
            Input::Numbers { sizes, .. } => shape(sizes, values.len())?,
            Input::Texts(_) => vec![1, values.len()],
        };
        self.run(&shape, values)
    }

    /// Computes the features of a text. Texts are run alone: in a batch, the others' lengths would change the last bits.
    ///
    /// # Errors
    /// [`RuntimeError::Run`] if the model takes numbers, or fails.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>, RuntimeError> {
        let Input::Texts(tokenizer) = &self.input else {
            return Err(RuntimeError::Run("the extractor takes numbers, not texts: it has no tokenizer".into()));
        };
        let tokens = tokenizer.encode(text, true).map_err(|e| RuntimeError::Run(e.to_string()))?;
        let ids: Vec<i64> = tokens.get_ids().iter().map(|i| i64::from(*i)).collect();
        let mask: Vec<i64> = tokens.get_attention_mask().iter().map(|i| i64::from(*i)).collect();
        let shape = [1, ids.len()];
        let ids = TensorRef::from_array_view((shape, &ids[..])).map_err(failed)?;
        let mask = TensorRef::from_array_view((shape, &mask[..])).map_err(failed)?;
        self.features(ort::inputs![key::IDS => ids, key::MASK => mask])
    }

    fn features(&self, inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)>) -> Result<Vec<f32>, RuntimeError> {
        let mut session = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(failed)?;
        let (_, features) = outputs[self.output.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
        match features.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            Some((index, value)) => Err(RuntimeError::NotFinite { index, value: *value }),
            None => Ok(features.to_vec()),
        }
    }
}

/// Refuses an input or output that is not a tensor of `f32`.
fn of_floats(what: &str, name: &str, found: &ValueType) -> Result<(), RuntimeError> {
    match found {
        ValueType::Tensor { ty: TensorElementType::Float32, .. } => Ok(()),
        other => Err(RuntimeError::NoExtractor(format!(
            "the {what} `{name}` of an extractor is of float32, but in this model it is {other}: export it in float32, with the \
             features as its first output"
        ))),
    }
}

/// The shape of a record of `values` numbers, with a batch size of 1: the declared sizes after it, of which one may be unknown; one
/// row if none are declared.
fn shape(sizes: &[i64], values: usize) -> Result<Vec<usize>, RuntimeError> {
    if sizes.is_empty() {
        return Ok(vec![1, values]);
    }
    let known = || sizes.iter().filter_map(|size| usize::try_from(*size).ok());
    let product = known().try_fold(1usize, usize::checked_mul);
    let unknown = match (sizes.len() - known().count(), product) {
        (0, Some(product)) if product == values => 1,
        (1, Some(product)) if values.checked_rem(product) == Some(0) => values / product,
        _ => {
            let size = |size: &i64| if *size < 0 { "?".to_owned() } else { size.to_string() };
            let sizes: Vec<String> = sizes.iter().map(size).collect();
            return Err(RuntimeError::Shape { wanted: format!("[batch, {}]", sizes.join(", ")), got: values });
        }
    };
    Ok(std::iter::once(1).chain(sizes.iter().map(|size| usize::try_from(*size).unwrap_or(unknown))).collect())
}

fn failed(e: ort::Error) -> RuntimeError {
    RuntimeError::Run(e.to_string())
}

fn tokenizer(json: &str, tokens: Option<&str>) -> Result<Tokenizer, RuntimeError> {
    let unusable = |why: String| RuntimeError::NoExtractor(format!("the tokenizer in its metadata is unusable: {why}"));
    let max_length = match tokens {
        None => TOKENS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|most| *most >= FEWEST_TOKENS)
            .ok_or_else(|| unusable(format!("`{text}` tokens, expected a number from {FEWEST_TOKENS} on")))?,
    };
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(|e| unusable(e.to_string()))?;
    let cut = TruncationParams { max_length, ..TruncationParams::default() };
    tokenizer.with_padding(None).with_truncation(Some(cut)).map_err(|e| unusable(e.to_string()))?;
    Ok(tokenizer)
}
