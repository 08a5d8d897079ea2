//! What is allowed, and what follows from it. Nothing here knows gRPC; messages are converted in [`crate::wire`].

pub(crate) mod admission;
pub(crate) mod agents;
pub(crate) mod certificates;
pub(crate) mod ownership;
pub(crate) mod records;
pub(crate) mod sessions;
pub(crate) mod tables;
