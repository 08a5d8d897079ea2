//! Draws of sampled valuations: what the owner of an agent committed to, and the beacon that followed.

use std::collections::BTreeSet;

use tribute_core::digest::Digest;
use tribute_core::id::{AgentId, DatasetId};

use crate::abi::{digest, word, IAgreedWeights as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

/// A commitment to a sampled valuation of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The dataset that the valuation is made on.
    pub test_set: DatasetId,
    /// Number of permutations of the owners.
    pub permutations: u32,
    /// Commitments so far: each but the last was left to lapse.
    pub attempts: u32,
    /// Number of the block whose hash the beacon follows from.
    pub block: u64,
    /// What the permutations are drawn from; `None` until it is fixed.
    pub beacon: Option<Digest>,
}

/// What a commitment began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Number of the block whose hash the beacon follows from.
    pub block: u64,
    /// Counts the commitments for the version.
    pub attempt: u32,
}

impl Contracts {
    /// What a sampled valuation of a version must use; `None` if its agent's owner has not committed to any.
    pub async fn draw(&self, agent: &AgentId, version: u32) -> Result<Option<Draw>> {
        let call = Abi::drawOfCall { agentId: word(agent), version };
        let d = self.chain.read(self.weights_at(), &call).await?;
        let found = Draw {
            test_set: DatasetId::new(d.testSet.0),
            permutations: d.permutations,
            attempts: d.attempts,
            block: d.blockNumber,
            beacon: digest(d.beacon),
        };
        Ok((d.attempts != 0).then_some(found))
    }

    /// The agent's other versions over the same datasets, in whatever order, of which a valuation was committed to: each has a
    /// draw of its own.
    pub async fn other_draws(&self, agent: &AgentId, version: u32) -> Result<Vec<u32>> {
        let of = async |version: u32| -> Result<BTreeSet<DatasetId>> {
            Ok(self.listed(agent, version).await?.into_iter().collect())
        };
        let datasets = of(version).await?;
        let mut others = Vec::new();
        for other in (1..=self.version_count(agent).await?).filter(|other| *other != version) {
            if self.draw(agent, other).await?.is_some() && of(other).await? == datasets {
                others.push(other);
            }
        }
        Ok(others)
    }

    /// Commits to a sampled valuation, once for each version. Only the agent's owner.
    pub fn commit_valuation(
        &self,
        agent: &AgentId,
        version: u32,
        test_set: &DatasetId,
        permutations: u32,
    ) -> Call<Abi::commitValuationCall, Committed> {
        let call = Abi::commitValuationCall { agentId: word(agent), version, testSet: word(test_set), permutations };
        let action = format!("commit to a valuation of agent {agent} version {version}");
        self.call(self.weights_at(), action, &call, |events| {
            let e: Abi::ValuationCommitted = events.one()?;
            Ok(Committed { block: e.blockNumber, attempt: e.attempt })
        })
    }

    /// Fixes the beacon of the commitment, from the hash of its block; returns it. Reverts with `BlockToCome` before
    /// there is one, with `BeaconKnown` if somebody else fixed it, and with `DrawLapsed` once the chain forgot the hash.
    pub fn fix_beacon(&self, agent: &AgentId, version: u32) -> Call<Abi::fixBeaconCall, Digest> {
        let call = Abi::fixBeaconCall { agentId: word(agent), version };
        let action = format!("fix the beacon of agent {agent} version {version}");
        self.call(self.weights_at(), action, &call, |e| e.one().map(|e: Abi::BeaconFixed| e.beacon.0))
    }
}
