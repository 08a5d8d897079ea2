//! What an operator sees of the service.
//!
//! | module | does |
//! |---|---|
//! | [`calls`] | a layer around every call: its span, its metrics and its line in the audit log |
//! | [`audit`] | the audit log |
//! | [`run`] | metrics of a job's run on a worker |
//! | [`state`] | the queue, the workers and the openings, read from the database |
//! | [`overview`] | the same for an operator's browser, with what is stored and what answers |
//! | [`endpoint`] | metrics for Prometheus over HTTP |

pub mod audit;
pub mod calls;
pub mod endpoint;
pub mod overview;
pub mod run;
pub mod state;
