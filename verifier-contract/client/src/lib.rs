//! Alloy client of the Tribute contracts.
pub mod abi;
