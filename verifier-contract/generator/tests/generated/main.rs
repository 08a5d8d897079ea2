//! The generated verifiers beside the native one.

mod circuits;
mod common;
mod direct;
mod errors;
mod forged;
mod reference;
mod statements;
