//! The trained head in integers: logits, gradients, and what the `optimum` proof states about them.
//!
//! These functions are the reference: the circuits' witnesses come from them, and the trainer's result is checked with
//! them.
//!
//! | file | contents |
//! |---|---|
//! | `weights` | a head's weights, its logits and its answer |
//! | `gradient` | the gradient of the loss over records |
//! | `loss` | the loss over records |
//! | `contribution` | what each shard contributes, and the rules for shares |
//! | `optimum` | the numbers that the `optimum` proof states |
//! | `error` | numbers outside the range that the proofs can state |

mod contribution;
mod error;
mod gradient;
mod loss;
mod optimum;
mod weights;

pub use contribution::{contribution, inner_product, ContributionError, Contributions};
pub use error::HeadError;
pub use gradient::{add, check_records, gradient, target_value};
pub use loss::{loss, loss_scale, record_loss, uniform_loss, LossRemainder};
pub use optimum::{epsilon_shift, gradient_limit, lambda_units, optimum, penalty_shift, Optimum, ResidualLimbs};
pub use weights::{answer, real_logit, Weights};
