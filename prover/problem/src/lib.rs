//! What every part of Tribute says in the same way: errors with stable reasons ([`Problem`]), and fixed-size bytes that
//! read and print as `0x…` ([`hexed`]).

#[cfg(feature = "chain")]
mod chain;
pub mod hexed;
mod problem;

pub use problem::{Problem, Reason, Result, DOMAIN};
