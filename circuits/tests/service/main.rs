//! The `service` circuit: true statements can be proven. Forgeries are in `tests/attacks`.

#[path = "../support/mod.rs"]
mod support;

mod agent;
mod honest;
