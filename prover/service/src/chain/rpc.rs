//! Reads the chain over JSON-RPC.

use alloy::primitives::Address;
use tribute_chain::version::Stage;
use tribute_chain::{ChainError, Contracts as Deployed, Deployment, Options};
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{AgentId, DatasetId, SessionId};
use tribute_problem::Result;

use super::{Chain, ChainGrant, ChainSession, ChainVersion, Contracts, Training};

/// The contracts, read through a node.
#[derive(Clone, Debug)]
pub struct RpcChain {
    contracts: Deployed,
}

impl RpcChain {
    /// Connects to the node at `url`, which must serve the deployment's chain.
    pub async fn connect(url: &str, options: Options, deployment: Deployment) -> Result<Self> {
        let chain = tribute_chain::Chain::connect_with(url, options).await?;
        Ok(RpcChain { contracts: Deployed::new(&chain, deployment)? })
    }
}

/// Maps a revert named in `unknown` to `None`: the contract has no such item.
fn known<T>(result: tribute_chain::Result<T>, unknown: &[&str]) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ChainError::Reverted { revert, .. }) if unknown.contains(&revert.name.as_str()) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn address(a: Address) -> AccountAddress {
    Hex(a.into_array())
}

#[tonic::async_trait]
impl Chain for RpcChain {
    fn contracts(&self) -> Contracts {
        let d = self.contracts.deployment();
        Contracts {
            chain_id: d.chain_id,
            proof_gate: address(d.proof_gate.address),
            dataset_registry: address(d.dataset_registry.address),
            agent_registry: address(d.agent_registry.address),
            session_escrow: address(d.session_escrow.address),
            evaluations: address(d.evaluations.address),
            block: d.block,
        }
    }

    async fn latest(&self) -> Result<u64> {
        Ok(self.contracts.chain().time().await?)
    }

    async fn session(&self, id: SessionId) -> Result<Option<ChainSession>> {
        let found = known(self.contracts.session(&id).await, &["UnknownSession"])?;
        Ok(found.filter(|s| s.client != Address::ZERO).map(|s| ChainSession {
            client: address(s.client),
            session_key: address(s.session_key),
            agent_id: s.agent,
            version: s.version,
            count: s.count,
            transcript: s.transcript,
            thaw_end: s.thawing.map_or(0, |t| t.end),
            price: s.price,
            remaining: s.remaining,
        }))
    }

    async fn version(&self, agent: AgentId, version: u32) -> Result<Option<ChainVersion>> {
        let unknown = ["UnknownAgent", "UnknownVersion"];
        let Some(owner) = known(self.contracts.agent_owner(&agent).await, &unknown)? else { return Ok(None) };
        let found = known(self.contracts.version(&agent, version).await, &unknown)?;
        // a version in doubt sells no more answers
        Ok(found.map(|v| ChainVersion {
            owner: address(owner),
            weights_digest: v.weights,
            certified: v.stage == Stage::Certified,
        }))
    }

    async fn dataset_owner(&self, dataset: DatasetId) -> Result<Option<AccountAddress>> {
        Ok(self.contracts.find_dataset(&dataset).await?.map(|found| address(found.owner)))
    }

    async fn training(&self, dataset: DatasetId, account: AccountAddress) -> Result<Option<Training>> {
        let (unknown, address) = (["UnknownDataset"], Address::from(account.0));
        if !known(self.contracts.may_train(&dataset, address).await, &unknown)?.unwrap_or(false) {
            return Ok(None);
        }
        let Some(stored) = self.contracts.find_dataset(&dataset).await? else { return Ok(None) };
        if stored.owner == address || stored.terms.open_training {
            return Ok(Some(Training::Free));
        }
        let grant = self.contracts.training_grant(&dataset, address).await?;
        let (root, serial, uses) = (stored.root, grant.serial, grant.terms.uses);
        Ok(Some(Training::Granted(ChainGrant { root, serial, uses })))
    }
}
