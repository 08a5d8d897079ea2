//! What a chain client's errors are to a caller.

use tribute_chain::ChainError;

use crate::{Problem, Reason};

impl From<ChainError> for Problem {
    fn from(e: ChainError) -> Self {
        // every error by name, so that a new one is given a reason of its own
        let reason = match &e {
            ChainError::Unreachable { .. }
            | ChainError::NodeSilent { .. }
            | ChainError::BadAnswer { .. }
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
            | ChainError::Replaced { .. }
            | ChainError::GasAboveCap { .. }
            | ChainError::InsufficientFunds { .. }
            | ChainError::Signing { .. } => Reason::TransactionFailed,
            ChainError::VerifierRejected { .. } => Reason::ProofRejected,
            ChainError::ArtifactsMissing { .. }
            | ChainError::ArtifactUnreadable { .. }
            | ChainError::AnvilMissing { .. }
            | ChainError::HardhatMissing { .. }
            | ChainError::NodeFailed { .. } => Reason::ToolMissing,
            ChainError::KeyMissing { .. }
            | ChainError::KeyInvalid { .. }
            | ChainError::Keystore { .. }
            | ChainError::File { .. }
            | ChainError::AlreadyDeployed { .. }
            | ChainError::CannotContinue { .. }
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
