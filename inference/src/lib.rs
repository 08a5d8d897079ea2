//! Agents: training, the canonical ONNX file in integer arithmetic, and inference with onnxruntime.
//!
//! | module | contents |
//! |---|---|
//! | [`mod@train`] | second-order training of a head on quantised records, with integer weights |
//! | [`optimum`] | checks in exact integers that a model is the optimum |
//! | [`diagnosis`] | guesses why a model is not the optimum |
//! | [`agent`] | the canonical agent: its ONNX file, with equal bytes for equal weights |
//! | [`polish`] | how far a model moved when it was polished to the optimum |
//! | [`runtime`] | finds and loads the onnxruntime library, runs agents |
//! | [`mod@import`] | imports heads of models trained elsewhere (scikit-learn, PyTorch, plain ONNX) |
//! | [`external`] | makes one file of a model with tensors in a second one |
//! | [`extract`] | uses any ONNX model as a feature extractor |
//! | [`split`] | cuts a network off at its last dense layer, to be an extractor |
//! | [`steady`] | refuses models whose outputs for a record depend on chance or on its batch |
//! | [`onnx`] | ONNX messages and tensors |
//!
//! Nothing here depends on a circuit. Every integer function comes from [`tribute_core`]; `tests/` compares them with
//! onnxruntime's results.

pub mod agent;
pub mod diagnosis;
pub mod external;
pub mod extract;
pub mod import;
mod names;
pub mod onnx;
pub mod optimum;
pub mod polish;
pub mod runtime;
pub mod split;
pub mod steady;
pub mod train;

pub use agent::Agent;
pub use diagnosis::{Diagnosis, Looks};
pub use import::{import, ImportError, Imported, InputScale, NotAffine, AROUND};
pub use optimum::{check as check_optimum, OptimumError, OptimumReport};
pub use polish::{moved, Moved};
pub use runtime::{Answer, Runtime};
pub use train::{polish, train, LossOptions, TrainError, Trained};
