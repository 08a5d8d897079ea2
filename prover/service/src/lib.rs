//! Tribute's service.
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | starting and stopping: stores, workers, the gRPC server |
//! | `rpc` | one file per gRPC service: messages in, messages out |
//! | `rules` | authorization and business rules, independent of gRPC |
//! | `wire` | conversions between protobuf messages and internal types |
//! | [`jobs`] | the durable queue and its workers |
//! | [`registry`] | what jobs produce: datasets, agents, proofs, circuits; and sessions |
//! | [`observe`] | metrics, traces, the audit log and the state of the queue, for operators |
//! | [`auth`] | authenticating callers, and the gate in front of every service |
//! | [`connections`] | which connections are accepted, and when they end |
//! | [`outage`] | what happens while the database is gone |
//! | [`chain`] | what the service reads from a chain |

pub mod auth;
pub mod chain;
pub mod connections;
pub mod jobs;
pub mod observe;
pub mod outage;
pub mod registry;
mod rpc;
mod rules;
pub mod server;
mod wire;

pub use rules::uploads::Limits;
