//! Keys, witnesses, gates and proofs of the circuits.

mod backends;
mod challenges;
mod free_cells;
mod honest;
mod keys;
mod membership;
mod optimum;
mod properties;
mod srs;
#[path = "../support/mod.rs"]
mod support;
mod verify;
mod zero_knowledge;
