//! WIP
use super::types::{ServiceJob, ServiceOutcome};
use super::Toolbox;
use crate::problem::{Problem, Result};
use tribute_core::layout::Layout;
/// WIP
pub fn run(_job: &ServiceJob, _toolbox: &Toolbox) -> Result<ServiceOutcome> {
    Err(Problem::internal("WIP"))
}
/// Answers that one proof holds.
#[must_use]
pub fn capacity(layout: &Layout) -> usize {
    layout.capacity()
}
