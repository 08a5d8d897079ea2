//! WIP
use super::types::{OptimumJob, OptimumOutcome};
use super::Toolbox;
use crate::problem::{Problem, Result};
/// WIP
pub fn run(_job: &OptimumJob, _toolbox: &Toolbox) -> Result<OptimumOutcome> {
    Err(Problem::internal("WIP"))
}
