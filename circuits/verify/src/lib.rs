//! The verifier: everything that has to be trusted to believe a proof, a record opening or a certificate, in one small
//! crate based on arkworks.
//!
//! It shares no code with the prover and does no arithmetic with halo2curves. It reads the constraint system, the
//! digest and the commitments to fixed columns from halo2's verifying key, as bytes and integers. The rest is here:
//!
//! | file | contents |
//! |---|---|
//! | `proof` | the verification protocol, top to bottom |
//! | `transcript` | challenges from absorbed data |
//! | `shplonk` | all evaluations in one pairing check |
//! | `domain` | the evaluation domain |
//! | `elements` | decoding of words and points; non-canonical encodings are rejected |
//! | `srs` | the three points of the SRS that a verifier needs |
//! | `rejected` | why a proof is rejected |
//! | `record` | the opening of one record of a committed shard |
//! | `certificate` | a certificate or evaluation file: all relations and all proofs |
//! | `report` | human-readable summary of a checked file |
//!
//! Its inputs from elsewhere are layouts, public inputs and relations from `tribute-core`, as integers, and the SRS and
//! the verifying keys from the caller ([`Trust`]). The caller must derive the keys itself and never take them from
//! whoever made the proofs.

mod certificate;
mod domain;
mod elements;
mod proof;
mod record;
mod rejected;
mod report;
mod shplonk;
mod srs;
mod transcript;

pub use certificate::{File, Refused, Trust, Verifier};
pub use proof::{proof_length, verify, VerifyingKey};
pub use record::{verify_record, RecordRejected};
pub use rejected::{Element, Rejected};
pub use report::{extracted, Report};
pub use srs::VerifierSrs;
