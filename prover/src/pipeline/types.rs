//! What steps take and give, as it stands in job rows.

use serde::{Deserialize, Serialize};

/// A piece of work. Its JSON is a job's payload; equal JSON is the same job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Measure the machine.
    Calibrate(CalibrateJob),
}

impl Work {
    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Calibrate(_) => "calibrate",
        }
    }
    /// Memory the work needs, in MB, estimated from its shape.
    #[must_use]
    pub fn weight_mb(&self) -> i64 {
        match self {
            Work::Calibrate(job) => 16 + (1 << job.k.saturating_sub(12)),
        }
    }
}

/// What came of it. Its JSON is a job's outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcome {
    /// The machine was measured.
    Calibrate(CalibrateOutcome),
}

/// Best of `rounds` commitments of `2^k` random scalars.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateJob {
    /// log2 of the scalars.
    pub k: u32,
    /// Commitments made.
    pub rounds: u32,
    /// Any text: distinguishes otherwise equal jobs.
    pub tag: String,
}

/// How fast the machine is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateOutcome {
    /// Best time of one commitment.
    pub milliseconds: f64,
    /// log2 of the scalars.
    pub k: u32,
    /// Commitments made.
    pub rounds: u32,
}
