//! The steps of a life cycle: one file each, holding its job and outcome types beside the function that does it. A step
//! takes its job and a [`Toolbox`] and returns an outcome or a problem; it runs in a process of its own ([`child`]) and
//! touches no job rows.
//!
//! | module | holds |
//! |---|---|
//! | [`work`] | all kinds of work and their outcomes, as they stand in job rows |
//! | [`calibrate`] … [`train`] | the steps |
//! | [`toolbox`] | what a step may use |
//! | [`child`] | the process that does one job, and what it exchanges with its worker |
//! | [`rebuilt`] | a circuit derived from its shape, as the proof gate has to have it |
//! | [`membership`] | one record of a dataset, shown and checked |

pub mod calibrate;
pub mod child;
pub mod circuit;
pub mod dataset;
pub mod evaluation;
pub mod gradient;
pub mod membership;
pub mod optimum;
pub mod rebuilt;
pub mod service;
pub mod shape;
pub mod toolbox;
pub mod train;
pub mod work;

pub use toolbox::Toolbox;
