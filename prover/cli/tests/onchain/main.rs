//! `tribute chain …` as processes against the contracts on a real chain. The verifier behind the circuits accepts exactly what
//! a test commits to (see `tribute_testing::chain`): what is tested is the command line, not a circuit.

mod books;
mod desk;
mod guard;
mod messages;
mod owners;
mod versions;
