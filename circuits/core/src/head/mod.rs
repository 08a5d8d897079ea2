//! The trained head in integers: logits, gradients, and what the `optimum` proof states about them.
//!
//! These functions are the oracle: the circuits' witnesses come from them and the trainer is judged by them.
//!
//! | file | holds |
//! |---|---|
//! | `weights` | a head's weights, its logits and its answer |
//! | `gradient` | the gradient of the loss over records |
//! | `contribution` | what each shard contributes, and the rules for shares |
//! | `optimum` | the optimum's numbers |
//! | `error` | numbers that do not fit what the proofs can state |

mod contribution;
mod error;
mod gradient;
mod optimum;
mod weights;

pub use contribution::{contribution, inner_product, ContributionError, Contributions};
pub use error::HeadError;
pub use gradient::{add, check_records, gradient, target_value};
pub use optimum::{epsilon_shift, gradient_limit, lambda_units, optimum, penalty_shift, Optimum, ResidualLimbs};
pub use weights::{answer, real_logit, Weights};
