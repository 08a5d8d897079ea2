//! Authorization and business rules. They do not depend on gRPC; messages are converted in [`crate::wire`].

pub(crate) mod admission;
pub(crate) mod agents;
pub(crate) mod at_home;
mod batches;
pub(crate) mod certificates;
mod coalitions;
mod estimate;
mod evaluations;
mod extension;
pub(crate) mod files;
mod forget;
pub(crate) mod gather;
mod gradients;
mod openings;
pub(crate) mod ownership;
mod ranges;
pub(crate) mod records;
mod sent;
pub(crate) mod sessions;
mod submission;
pub(crate) mod tables;
pub(crate) mod training;
pub(crate) mod uploads;

pub(crate) use crate::auth::off_thread;
