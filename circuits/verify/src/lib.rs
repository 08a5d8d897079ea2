//! The verifier: everything that has to be trusted to believe a proof, a shown record or a certificate, in one small crate
//! on arkworks.
//!
//! It shares no code with the prover and does no arithmetic with halo2curves. From halo2's verifying key it reads the
//! constraint system, the digest and the commitments to fixed columns, as bytes and integers; the rest is here:
//!
//! | file | holds |
//! |---|---|
//! | `proof` | the protocol, top to bottom |
//! | `transcript` | challenges from what was read |
//! | `shplonk` | all evaluations in one pairing check |
//! | `domain` | the rows as a subgroup |
//! | `elements` | words and points, canonical or refused |
//! | `srs` | the three points of the SRS that a verifier needs |
//! | `rejected` | why a proof is not accepted |
//! | `record` | one record of a committed shard, shown |
//!
//! What it takes from elsewhere: from `tribute-core` the layouts, public inputs and relations, as integers; from whoever
//! calls it the verifying keys, which have to be derived anew, never taken from whoever made the proofs.

mod domain;
mod elements;
mod proof;
mod record;
mod rejected;
mod shplonk;
mod srs;
mod transcript;

pub use proof::{proof_length, verify, VerifyingKey};
pub use record::{verify_record, RecordRejected};
pub use rejected::{Element, Rejected};
pub use srs::VerifierSrs;
