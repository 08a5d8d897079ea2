//! Errors with stable reasons ([`Problem`]), shared by all parts of Tribute.

#[cfg(feature = "chain")]
mod chain;
mod problem;

pub use problem::{field, with_causes, Problem, Reason, Result, AWAITS, DOMAIN};
