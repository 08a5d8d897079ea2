//! Tests with the real onnxruntime and real data.

mod cases;
mod common;
mod exact;
mod extract;
mod forms;
mod graphs;
mod import;
mod large;
mod refusals;
mod split;
mod training;
mod values;
