//! The proof system: PLONK with custom gates over KZG on BN254. It takes any constraint system, and knows no statement.
//!
//! | module | holds |
//! |---|---|
//! | [`plonk`] | the prover: from a verifying key, fixed columns and a witness to the bytes of a proof |
//! | [`column`] | a column whose commitment is known before the proof |
//! | [`proof`] | a proof with its public inputs; halo2's own verdict on it |
//! | [`msm`] | sums of points by scalars |
//! | [`transcript`] | Fiat–Shamir: Keccak over words |
//! | [`field`] | conversions of field elements and points |
//! | [`srs`] | the structured reference string: ceremonies, files, checks |
//! | [`checksummed`] | files that are written whole or not at all, and read back only if undamaged |

pub mod checksummed;
pub mod column;
pub mod field;
pub mod msm;
pub mod plonk;
pub mod proof;
pub mod srs;
pub mod transcript;

pub use halo2_proofs;
