//! Accuracy of certified versions on registered datasets that they were not trained on.

use alloy::primitives::Address;
use tribute_core::id::{AgentId, CircuitId, DatasetId};
use tribute_core::proof::Proof;

use crate::abi::{bytes, inputs, word, IEvaluations as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

pub use crate::abi::IEvaluations::{Evaluation, ShardEvaluated};

impl Contracts {
    /// Brings evaluation proofs of a dataset's shards, each with its index from 0; `circuit` is theirs.
    pub fn evaluate(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: &DatasetId,
        circuit: &CircuitId,
        shards: &[(u32, Proof)],
    ) -> Call<Abi::evaluateCall, Vec<ShardEvaluated>> {
        let proof = |(shard, proof): &(u32, Proof)| Abi::EvaluationProof {
            shard: *shard,
            inputs: inputs(proof),
            proof: bytes(proof),
        };
        let call = Abi::evaluateCall {
            agentId: word(agent),
            version,
            datasetId: word(dataset),
            circuitId: word(circuit),
            proofs: shards.iter().map(proof).collect(),
        };
        let action = format!("evaluate agent {agent} version {version} on {} shard(s) of {dataset}", shards.len());
        self.call(self.evaluations_at(), action, &call, |e| e.all())
    }

    /// What proofs of one circuit have counted so far.
    pub async fn evaluation(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: &DatasetId,
        circuit: &CircuitId,
    ) -> Result<Evaluation> {
        let call =
            Abi::evaluationOfCall { agentId: word(agent), version, datasetId: word(dataset), circuitId: word(circuit) };
        self.chain.read(self.evaluations_at(), &call).await
    }

    /// Right answers and records of a whole dataset; `None` if not all of its shards were counted.
    pub async fn accuracy(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<Option<(u64, u64)>> {
        let call = Abi::accuracyOfCall { agentId: word(agent), version, datasetId: word(dataset) };
        let answer = Self::known(self.chain.read(self.evaluations_at(), &call).await, "NotEvaluated")?;
        Ok(answer.map(|counts| (counts.correct, counts.records)))
    }

    fn evaluations_at(&self) -> Address {
        self.deployment.evaluations.address
    }
}
