//! Parts that several circuits are made of.

pub mod argmax;
pub mod argument;
pub mod logup;
pub mod poseidon2;
pub mod product;
