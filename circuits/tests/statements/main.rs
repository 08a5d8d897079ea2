//! `sum` and `evaluation`, and every statement over any shape: what is true can be proven, at every boundary; what is not is refused by the native verifier and
//! by the EVM verifier, and accepted once the gate that guards against it is taken out.

#[path = "../support/mod.rs"]
mod support;

mod evaluation;
mod evaluation_attacks;
mod harness;
mod shapes;
mod sum;
