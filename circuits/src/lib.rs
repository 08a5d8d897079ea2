//! Tribute's circuits on halo2 (KZG, BN254).
//!
//! | module | contents |
//! |---|---|
//! | [`columns`] | committed columns: salts, seeded tails, commitments without proving; opening one record |
//! | [`gadgets`] | lookups (logUp), Poseidon2, matrix products, arg max, named gates |
//! | [`statements`] | one statement each: what it proves, why, and what it does not check |
//! | [`arithmetization`], [`circuit`] | what every statement provides; the circuit in halo2's form |
//! | [`keys`] | keys, key files and their cache |
//! | [`prove`] | proofs |
//! | [`error`] | why key generation or proving fails |
//!
//! The proof system is `tribute-engine`, the offline verifier `tribute-verify`.

pub mod arithmetization;
pub mod circuit;
pub mod columns;
pub mod error;
pub mod gadgets;
pub mod keys;
pub mod prove;
pub mod statements;
