//! The proof system: PLONK with custom gates over KZG on BN254. It works for any constraint system and contains no
//! statement.
//!
//! | module | contents |
//! |---|---|
//! | [`plonk`] | the prover: turns a verifying key, fixed columns and a witness into a proof |
//! | [`column`] | a column whose commitment is known before the proof |
//! | [`proof`] | a proof with its public inputs; verification with halo2 |
//! | [`msm`] | multi-scalar multiplication |
//! | [`transcript`] | Fiat–Shamir: Keccak over words |
//! | [`field`] | conversions of field elements and points |
//! | [`srs`] | the structured reference string: ceremony files, files, checks |
//! | [`checksummed`] | files written atomically and checked for damage on reading |

pub mod checksummed;
pub mod column;
pub mod field;
pub mod msm;
pub mod plonk;
pub mod proof;
pub mod srs;
pub mod transcript;

pub use halo2_proofs;
