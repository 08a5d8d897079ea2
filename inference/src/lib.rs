//! Agents: trained, written as ONNX in integer arithmetic, run with onnxruntime.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@train`] | a second-order fit of a head on quantised records, down to integer weights |
//! | [`optimum`] | whether a model is the optimum, in exact integers; where it is not |
//! | [`diagnosis`] | why a model is not the optimum: how it seems to have been trained instead |
//! | [`agent`] | the canonical agent: its ONNX file, the same bytes for the same weights |
//! | [`polish`] | how far a model moved when it was fitted on to the optimum |
//! | [`runtime`] | onnxruntime: the library found and loaded, agents run |
//! | [`mod@import`] | heads of models trained elsewhere (scikit-learn, PyTorch, plain ONNX) |
//! | [`extract`] | any ONNX model as an extractor of features |
//! | [`onnx`] | ONNX messages and tensors |
//!
//! Nothing here knows a circuit. Every integer function comes from [`tribute_core`]; what onnxruntime computes is held
//! against it in `tests/`.

pub mod agent;
pub mod diagnosis;
pub mod extract;
pub mod import;
mod names;
pub mod onnx;
pub mod optimum;
pub mod polish;
pub mod runtime;
pub mod train;

pub use agent::Agent;
pub use diagnosis::{Diagnosis, Looks};
pub use import::{import, ImportError, Imported, InputScale, NotAffine};
pub use optimum::{check as check_optimum, OptimumError, OptimumReport};
pub use polish::{moved, Moved};
pub use runtime::{Answer, Runtime};
pub use train::{polish, train, LossOptions, TrainError, Trained};
