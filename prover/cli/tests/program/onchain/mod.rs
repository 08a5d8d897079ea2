//! `tribute chain …` as processes against the contracts on a real chain. The verifier behind the circuits accepts exactly what
//! a test commits to (see `tribute_testing::chain`), because these tests are about the command line, not about circuits.

mod books;
mod desk;
mod guard;
mod messages;
mod owners;
mod versions;
mod weights;
