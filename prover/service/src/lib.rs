//! Tribute's service.
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | starting and stopping: stores, workers, the gRPC server |
//! | `rpc` | one file per gRPC service: messages in, messages out |
//! | `rules` | what is allowed and what follows from it, without gRPC |
//! | `wire` | between messages and what rows and rules hold |
//! | [`jobs`] | the durable queue and its workers |
//! | [`registry`] | what jobs leave behind: datasets, agents, proofs, circuits, sessions |
//! | [`auth`] | who makes a call, and the gate in front of all of them |
//! | [`chain`] | what the service asks a chain |

pub mod auth;
pub mod chain;
pub mod jobs;
pub mod registry;
mod rpc;
mod rules;
pub mod server;
mod wire;

pub use rules::uploads::Limits;
