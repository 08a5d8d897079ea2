//! Tribute's circuits on halo2 (KZG, BN254).
//!
//! | module | holds |
//! |---|---|
//! | [`columns`] | committed columns: salts, seeded tails, commitments without proving; one record of them, shown |
//! | [`gadgets`] | lookups (logUp), Poseidon2, matrix products, arg max, named gates |
//! | [`statements`] | one statement each: what it proves, why, and what it does not check |
//! | [`arithmetization`], [`circuit`] | what every statement brings; what halo2 sees of it |
//! | [`keys`] | keys, keys in files, and their cache |
//! | [`prove`] | proofs |
//! | [`error`] | why there are no keys, or no proof |
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
