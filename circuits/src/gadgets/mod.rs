//! Parts that several circuits are made of.

pub mod argument;
pub mod logup;
