//! Against the real onnxruntime and real data.

mod common;
mod exact;
mod import;
mod training;
