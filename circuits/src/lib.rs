//! Tribute's circuits on halo2 (KZG, BN254).
//!
//! | module | holds |
//! |---|---|
//! | [`columns`] | committed columns: salts, seeded tails, commitments without proving |
//! | [`gadgets`] | lookups (logUp), named gates, running sums |
//! | [`dataset`], [`gradient`], [`sum`], [`optimum`], [`evaluation`], [`service`] | one statement each: what it proves, why, and what it does not check |
//! | [`shape`], [`circuit`], [`prove`] | which circuit; what halo2 sees of it; keys, proofs |
//! | [`keys`] | keys in files, and their cache |
//! | [`msm`] | sums of points by scalars |
//! | [`plonk`] | the prover |
//! | [`verify`] | the verifier, on arkworks, apart from all the rest |
//! | [`srs`] | the structured reference string |

pub mod circuit;
pub mod columns;
pub mod dataset;
pub mod evaluation;
pub mod field;
pub mod gadgets;
pub mod gradient;
mod keygen;
pub mod keys;
pub mod msm;
pub mod optimum;
pub mod plonk;
pub mod prove;
mod sealed;
pub mod service;
pub mod shape;
pub mod srs;
pub mod sum;
pub mod transcript;
pub mod verify;

pub use halo2_proofs;
