//! The contracts of one deployment on one chain. Each contract's calls are in a file of their own.

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use tribute_core::context::Domain;

use crate::abi::{ISessionEscrow, ITestToken};
use crate::call::{Call, Events};
use crate::chain::Chain;
use crate::deployment::Deployment;
use crate::error::Result;

/// Handle on the contracts of one deployment; cheap to clone. Writes return a [`Call`], reads the answer.
#[derive(Clone, Debug)]
pub struct Contracts {
    pub(crate) chain: Chain,
    pub(crate) deployment: Deployment,
}

/// Money in the escrow contract. Always: `held ≥ liabilities = escrow + rewards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// Tokens that the contract holds.
    pub held: U256,
    /// Tokens that it owes.
    pub liabilities: U256,
    /// The part in escrow for sessions.
    pub escrow: U256,
    /// The part owed to agent owners and data providers, including rounding dust.
    pub rewards: U256,
}

impl Contracts {
    /// The contracts of `deployment`; fails if the node serves another chain.
    pub fn new(chain: &Chain, deployment: Deployment) -> Result<Contracts> {
        chain.require_id(deployment.chain_id)?;
        Ok(Contracts { chain: chain.clone(), deployment })
    }

    /// Addresses of the contracts.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The chain that the contracts are on.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The domain (chain and contract) of agent ids and of the contexts of `gradient` and `optimum` proofs.
    #[must_use]
    pub fn agent_domain(&self) -> Domain {
        self.domain(self.deployment.agent_registry.address)
    }

    /// The domain (chain and contract) of session ids, vouchers and the contexts of `service` proofs.
    #[must_use]
    pub fn session_domain(&self) -> Domain {
        self.domain(self.deployment.session_escrow.address)
    }

    /// The domain (chain and contract) of messages about agreed weights.
    #[must_use]
    pub fn weights_domain(&self) -> Domain {
        self.domain(self.deployment.agreed_weights.address)
    }

    fn domain(&self, contract: Address) -> Domain {
        Domain { chain_id: self.chain.id(), contract: contract.into() }
    }

    /// Balance and liabilities of the escrow contract.
    pub async fn holdings(&self) -> Result<Holdings> {
        let escrow = self.deployment.session_escrow.address;
        Ok(Holdings {
            held: self
                .chain
                .read(self.deployment.token.address, &ITestToken::balanceOfCall { account: escrow })
                .await?,
            liabilities: self.chain.read(escrow, &ISessionEscrow::liabilitiesCall {}).await?,
            escrow: self.chain.read(escrow, &ISessionEscrow::totalEscrowCall {}).await?,
            rewards: self.chain.read(escrow, &ISessionEscrow::totalRewardsCall {}).await?,
        })
    }

    /// Maps a revert with the error `unknown` to `None`.
    pub(crate) fn known<T>(answer: Result<T>, unknown: &str) -> Result<Option<T>> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_revert(unknown) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn call<C: alloy::sol_types::SolCall, T>(
        &self,
        to: Address,
        action: impl Into<String>,
        call: &C,
        outcome: fn(&Events<'_>) -> Result<T>,
    ) -> Call<C, T> {
        Call::new(&self.chain, to, action, call, outcome)
    }
}
