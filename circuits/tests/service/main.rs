//! The `service` circuit: what is true can be proven. Forgeries are among the attacks.

#[path = "../support/mod.rs"]
mod support;

mod agent;
mod honest;
