//! Forgeries, each with a real proof. The honest twin is accepted; the forgery is rejected by halo2's verifier and by the
//! generated EVM verifier; and the same forgery is *accepted* once the gate that guards against it is taken out, so that no
//! gate is decorative.
//!
//! Where a forgery concerns structure and not one gate, the test says why there is no such third part.

#[path = "../support/mod.rs"]
mod support;

mod columns;
mod dataset;
mod gradient;
mod harness;
mod optimum;
