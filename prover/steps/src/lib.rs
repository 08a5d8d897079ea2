//! The steps of a life cycle. Each file holds one step: its job and outcome types and the function that runs it. A step
//! takes its job and a [`Toolbox`] and returns an outcome or a problem; it runs in a process of its own ([`child`]) and
//! does not access job rows.
//!
//! | module | contents |
//! |---|---|
//! | [`work`] | all kinds of work and their outcomes, as stored in job rows |
//! | `cache` | limits the folder of keys |
//! | `loaded` | a circuit's keys and verifier in memory |
//! | `memory` | what a training keeps in memory |
//! | `weight` | how much memory a piece of work needs |
//! | [`calibrate`] … [`train`] | the steps |
//! | `shared` | what many jobs have in common |
//! | `refusal` | what is told of data that no model can be made of |
//! | [`toolbox`] | resources available to a step |
//! | [`child`] | the process that executes one job, and its protocol with the worker |
//! | [`parent`] | the worker's end of that protocol |
//! | [`warm`] | what a process loads before it knows its job |
//! | [`place`] | where a service stores its data, and what of that a child may open |
//! | [`rebuilt`] | a circuit derived from its shape, for comparison with the proof gate |
//! | [`membership`] | opening one record of a dataset, and checking that |

pub mod across;
mod cache;
pub mod calibrate;
pub mod child;
pub mod circuit;
pub mod coalition;
pub mod dataset;
pub mod evaluation;
pub mod gradient;
pub mod home;
mod loaded;
pub mod membership;
mod memory;
pub mod optimum;
pub mod parent;
pub mod place;
pub mod rebuilt;
mod refusal;
pub mod service;
pub mod shape;
mod shared;
pub mod toolbox;
pub mod train;
pub mod valuation;
pub mod warm;
mod weight;
pub mod work;

pub use memory::training_mb;
pub use toolbox::Toolbox;
