//! Why something is refused.

use thiserror::Error;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;
use tribute_problem::{Problem, Reason};

/// Why a request, a consent, a round or an answer is refused. Nothing is computed or stored for what is refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// The request itself cannot be trained.
    #[error("the request's {field}: {why}")]
    Request {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The consents are not one for each participant, each signed by its account under this request.
    #[error("the consent of {account} to request {request}: {why}")]
    Consent {
        /// The participant.
        account: AccountAddress,
        /// The request.
        request: RequestId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The keys of this node are not those that its account consented with.
    #[error("this node's keys are not those of {account}'s consent: it was approved at another node, or before data was restored")]
    OtherKeys {
        /// The participant.
        account: AccountAddress,
    },
    /// A round out of order.
    #[error("round {asked} was asked, but round {next} is next: rounds are answered once each, in order")]
    Order {
        /// The round asked.
        asked: u32,
        /// The round that may be asked.
        next: u32,
    },
    /// Another query for a round that was answered.
    #[error("round {round} was answered for another query: a round is answered once, so that no two queries can be subtracted")]
    Answered {
        /// The round.
        round: u32,
    },
    /// A query other than the rule's.
    #[error("round {round}: the query is not the one that follows from the answers so far; it is computed from them, never chosen")]
    Deviates {
        /// The round.
        round: u32,
    },
    /// More rounds than consented to.
    #[error("{rounds} rounds were consented to, and all of them have been answered without reaching the optimum: ask again with more rounds or a larger lambda")]
    Rounds {
        /// The cap.
        rounds: u32,
    },
    /// An answer that is not the participant's to this round.
    #[error("the answer of {account} to round {round}: {why}")]
    Answer {
        /// The participant that it is said to be from.
        account: AccountAddress,
        /// The round.
        round: u32,
        /// What is wrong with it.
        why: String,
    },
    /// Sums that no honest answers have.
    #[error("round {round}: {what} of {value:e} cannot be, over {records} records: a node sent other numbers than its data's. Which one cannot be told from a sum; nothing was trained")]
    Impossible {
        /// The round.
        round: u32,
        /// Which sum.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Records of all participants.
        records: u64,
    },
    /// Sums of this node's own records that no records have.
    #[error("round {round}: this node computed {what} of {value:e} over its {records} records, which cannot be: its records or its program are damaged. Nothing was sent; its owner checks the disk, restores the node from a backup, and the training goes on")]
    Own {
        /// The round.
        round: u32,
        /// Which sum.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The node's records.
        records: u64,
    },
    /// Values of a feature from which no range follows.
    #[error("feature `{feature}`: {why}")]
    Values {
        /// The feature's name.
        feature: String,
        /// What is wrong with them, and what to do.
        why: String,
    },
    /// The steps do not lead to an optimum.
    #[error("round {round}: no step lowers the loss any further, and the gradient's norm is still {gradient:.1e}: a node sends sums that are not those of a loss, or lambda is too small")]
    Stuck {
        /// The round.
        round: u32,
        /// 2-norm of the gradient.
        gradient: f64,
    },
    /// A weight too large for the circuits.
    #[error("the optimum's weight of feature block {block}, class {class} is {value:.3}, but weights must stay below 32: raise lambda")]
    Weight {
        /// Feature block: 0 is the bias.
        block: usize,
        /// Class.
        class: usize,
        /// Real value.
        value: f64,
    },
    /// The training has ended, or has not.
    #[error("{0}")]
    Ended(&'static str),
    /// A bug, or a broken store.
    #[error("{0}")]
    Internal(String),
}

impl Refusal {
    pub(crate) fn request(field: &'static str, why: impl Into<String>) -> Self {
        Refusal::Request { field, why: why.into() }
    }

    pub(crate) fn internal(e: impl std::fmt::Display) -> Self {
        Refusal::Internal(e.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let text = refusal.to_string();
        match refusal {
            Refusal::Request { field, why } => Problem::field(&format!("request.{field}"), why),
            Refusal::Consent { account, request, .. } => {
                Problem::new(Reason::NotAllowed, text).with("account", account).with("request", request)
            }
            Refusal::OtherKeys { account } => Problem::new(Reason::NotAllowed, text).with("account", account),
            Refusal::Answer { account, round, .. } => {
                Problem::new(Reason::NotAllowed, text).with("account", account).with("round", round)
            }
            Refusal::Order { asked, next } => {
                Problem::new(Reason::NotAllowed, text).with("asked", asked).with("next", next)
            }
            Refusal::Answered { round } | Refusal::Deviates { round } => {
                Problem::new(Reason::NotAllowed, text).with("round", round)
            }
            Refusal::Rounds { .. } | Refusal::Impossible { .. } | Refusal::Stuck { .. } | Refusal::Weight { .. } => {
                Problem::new(Reason::NotTheOptimum, text)
            }
            Refusal::Values { feature, .. } => {
                Problem::new(Reason::BadField, text).with("field", "range").with("feature", feature)
            }
            Refusal::Own { .. } => Problem::new(Reason::ArtefactDamaged, text),
            Refusal::Ended(_) => Problem::new(Reason::NotReady, text),
            Refusal::Internal(_) => Problem::internal(text),
        }
    }
}
