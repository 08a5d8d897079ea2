//! What Tribute's circuits, contracts and service agree on, in plain integers.
//!
//! This crate proves nothing and does no I/O. Every native computation that a circuit repeats is here exactly once: the
//! circuit constrains it, the prover's witness comes from it, the trainer uses it, and the tests check the circuits
//! against it.
//!
//! | module | contents |
//! |---|---|
//! | [`numbers`] | fixed-point scales and the limits of every public value |
//! | [`schema`], [`records`] | the format of records; records |
//! | [`layout`] | the rows of a circuit that hold records, weights and salts |
//! | [`link`] | the link functions as exact integer functions of the logits |
//! | [`head`] | logits, gradients, the optimum's numbers and the shares |
//! | [`receipt`] | the transcript a client and an agent extend together |
//! | [`statement`], [`shape`] | public inputs by name and order; committed groups by position; what determines a circuit |
//! | [`srs`] | the name of an SRS, and the three points that verifiers need |
//! | [`context`], [`digest`] | identifiers: contexts, shards, datasets, circuits, sessions |
//! | [`opening`] | the statement of an opening, which shows one record of a dataset |
//! | [`id`], [`hexed`] | identifiers and digests, each with its own type; bytes as text |
//! | [`proof`] | a proof with its statement and circuit |
//! | [`certificate`] | the certificate file and every relation between its fields |
//! | [`valuation`] | the valuation file, and Shapley values in exact integers |

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
pub mod valuation;

pub use ark_bn254::Fr;
pub use ethnum::{I256, U256};
