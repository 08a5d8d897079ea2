//! Building blocks shared by several circuits.

pub mod argmax;
pub mod argument;
pub mod link;
pub mod logup;
pub mod poseidon2;
pub mod product;
