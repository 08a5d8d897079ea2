//! What every part of Tribute says in the same way: errors with stable reasons ([`Problem`]).

#[cfg(feature = "chain")]
mod chain;
mod problem;

pub use problem::{field, Problem, Reason, Result, DOMAIN};
