//! Tribute's service and command line.
//!
//! | module | holds |
//! |---|---|
//! | [`service`] | the gRPC server |
//! | [`jobs`] | the durable queue and its workers |
//! | [`pipeline`] | the steps that jobs run: one file each |
//! | [`registry`] | what jobs leave behind: datasets, agents, proofs, circuits |
//! | [`custody`] | records, secrets and opening budgets, touched nowhere else |
//! | [`offline`] | `tribute verify`: certificates checked with nothing at hand |
//! | [`membership`] | one record of a dataset, shown and checked |
//! | [`artefacts`] | content-addressed storage |
//! | [`auth`] | who sends a request |
//! | [`chain`] | what the service asks a chain |
//! | [`problem`] | errors with stable codes |
//! | [`cli`] | the commands |
//! | `demo` | the whole life cycle on one machine |

pub mod artefacts;
pub mod auth;
pub mod chain;
pub mod cli;
pub mod custody;
pub mod db;
mod demo;
pub mod hexed;
pub mod jobs;
pub mod membership;
pub mod offline;
pub mod pipeline;
pub mod problem;
pub mod registry;
pub mod service;
