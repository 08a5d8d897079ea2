//! What Tribute's circuits, contracts and service agree on, as plain integers.
//!
//! Nothing here proves anything and nothing here does input or output. Every native computation that a circuit repeats
//! lives in this crate exactly once: the circuit constrains it, the prover's witness comes from it, the trainer uses it,
//! and the tests hold the circuits against it.
//!
//! | module | holds |
//! |---|---|
//! | [`numbers`] | fixed-point scales and the limits of every public value |
//! | [`schema`], [`records`] | what records look like, and records |
//! | [`layout`] | where a record, a weight and a salt stand in a circuit's rows |
//! | [`link`] | the link functions as exact integer functions of the logits |
//! | [`head`] | logits, gradients, the optimum's numbers and the shares |
//! | [`receipt`] | the transcript a client and an agent extend together |
//! | [`statement`], [`shape`] | public inputs by name and order; committed groups by position; which circuit |
//! | [`srs`] | the SRS by name, and its three points that verifiers need |
//! | [`context`], [`digest`] | identifiers: contexts, shards, datasets, circuits, sessions |
//! | [`opening`] | what showing one record of a dataset states |
//! | [`id`], [`hexed`] | identifiers and digests, each of a type of its own; bytes as text |
//! | [`proof`] | a proof with what it is of |
//! | [`certificate`] | the certificate file and every relation between its fields |

pub mod certificate;
pub mod context;
pub mod digest;
pub mod head;
pub mod hexed;
pub mod id;
pub mod layout;
pub mod link;
pub mod numbers;
pub mod opening;
pub mod proof;
pub mod receipt;
pub mod records;
pub mod scale;
pub mod schema;
pub mod shape;
pub mod srs;
pub mod statement;

pub use ark_bn254::Fr;
pub use ethnum::{I256, U256};
