//! The `service` circuit. Every attack is tried three times: the honest twin is accepted, the forgery refused, and the same
//! forgery accepted once the gate that guards against it is left out.

#[path = "../support/gates.rs"]
mod gates;
#[path = "../support/mod.rs"]
mod support;

mod agent;
mod attacks;
mod honest;
