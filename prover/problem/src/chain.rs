//! Maps errors of the chain client to reasons.

use tribute_chain::ChainError;

use crate::{Problem, Reason};

impl From<ChainError> for Problem {
    fn from(e: ChainError) -> Self {
        // every error by name, so that a new one must be given a reason
        let reason = match &e {
            ChainError::Unreachable { .. }
            | ChainError::Tls { .. }
            | ChainError::NodeSilent { .. }
            | ChainError::Unavailable { .. }
            | ChainError::BadAnswer { .. }
            | ChainError::WebPage { .. }
            | ChainError::Unauthorised { .. }
            | ChainError::RateLimited { .. }
            | ChainError::GasPriceUnknown { .. }
            | ChainError::Refused { .. } => Reason::ChainUnavailable,
            ChainError::WrongChain { .. }
            | ChainError::NoCode { .. }
            | ChainError::CodeDiffers { .. }
            | ChainError::WiringDiffers { .. }
            | ChainError::NoTestToken
            | ChainError::CircuitIdDiffers { .. }
            | ChainError::CircuitDiffers { .. }
            | ChainError::EventMissing { .. }
            | ChainError::BadLog { .. } => Reason::ChainDiffers,
            ChainError::Reverted { .. } | ChainError::Failed { .. } => Reason::Reverted,
            ChainError::UnexpectedSuccess { .. }
            | ChainError::NotMined { .. }
            | ChainError::Unconfirmed { .. }
            | ChainError::NoReceipt { .. }
            | ChainError::Replaced { .. }
            | ChainError::Unclear { .. }
            | ChainError::NonceBusy { .. }
            | ChainError::GasAboveCap { .. }
            | ChainError::GasPriceAboveCap { .. }
            | ChainError::InsufficientFunds { .. }
            | ChainError::Signing { .. } => Reason::TransactionFailed,
            ChainError::VerifierRejected { .. } => Reason::ProofRejected,
            ChainError::ArtifactsMissing { .. }
            | ChainError::ArtifactUnreadable { .. }
            | ChainError::AnvilMissing { .. }
            | ChainError::HardhatMissing { .. }
            | ChainError::NodeFailed { .. } => Reason::ToolMissing,
            ChainError::KeyMissing { .. }
            | ChainError::PasswordMissing { .. }
            | ChainError::WrongPassword { .. }
            | ChainError::KeyAsName { .. }
            | ChainError::NotText { .. }
            | ChainError::KeyInvalid { .. }
            | ChainError::Keystore { .. }
            | ChainError::File { .. }
            | ChainError::AlreadyDeployed { .. }
            | ChainError::CannotContinue { .. }
            | ChainError::BadDeployOption { .. }
            | ChainError::BadMessage { .. }
            | ChainError::BadUrl { .. } => Reason::BadField,
        };
        let p = Problem::new(reason, e.to_string());
        match e {
            ChainError::Reverted { action, revert } | ChainError::Failed { action, revert, .. } => {
                let p = p.with("action", action).with("error", &revert.name);
                revert.operands.iter().fold(p, |p, (name, value)| p.with(name, value))
            }
            _ => p,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tribute_chain::Address;

    #[test]
    fn what_the_chain_says_keeps_its_reason() {
        let (action, from) = (String::from("claim"), Address::ZERO);
        for (error, reason, passes_later) in [
            (ChainError::WrongChain { url: "u".into(), expected: 1, found: 2 }, Reason::ChainDiffers, false),
            (ChainError::NoCode { contract: "ProofGate".into(), address: from }, Reason::ChainDiffers, false),
            (
                ChainError::InsufficientFunds { action: action.clone(), from, message: "poor".into(), open: None },
                Reason::TransactionFailed,
                false,
            ),
            (ChainError::GasAboveCap { action, needed: 2, cap: 1 }, Reason::TransactionFailed, false),
            (
                ChainError::RateLimited {
                    url: "u".into(),
                    method: "eth_call".into(),
                    seconds: 60,
                    told: None,
                    message: "slow down".into(),
                },
                Reason::ChainUnavailable,
                true,
            ),
            (ChainError::WrongPassword { path: "k.json".into(), ends_in_space: false }, Reason::BadField, false),
            (ChainError::Unreachable { url: "u".into(), cause: "refused".into() }, Reason::ChainUnavailable, true),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.reason, problem.may_pass_later()), (reason, passes_later), "{problem}");
        }
    }
}
