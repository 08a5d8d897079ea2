//! The trained head in integers: logits, gradients, and what the `optimum` proof states about them.
//!
//! These functions are the oracle: the circuits' witnesses come from them and the trainer is judged by them.
//!
//! | file | holds |
//! |---|---|
//! | `weights` | a head's weights, its logits and its answer |
//! | `gradient` | the gradient of the loss over records |
//! | `optimum` | the optimum's numbers and the shares |
//! | `error` | numbers that do not fit what the proofs can state |

mod error;
mod gradient;
mod optimum;
mod weights;

pub use error::HeadError;
pub use gradient::{add, check_records, gradient, target_value};
pub use optimum::{
    epsilon_shift, gradient_limbs, gradient_limit, lambda_units, optimum, penalty_shift, share_denominator, Optimum,
    GRADIENT_RANGE_BITS,
};
pub use weights::{answer, real_logit, Weights};
