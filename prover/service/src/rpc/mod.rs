//! The gRPC services, one file each. They only convert messages; decisions are made in [`crate::rules`].

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod circuits;
pub(crate) mod datasets;
pub(crate) mod jobs;
pub(crate) mod login;
pub(crate) mod operator;
pub(crate) mod server_info;
pub(crate) mod sessions;
pub(crate) mod training;
pub(crate) mod uploads;
