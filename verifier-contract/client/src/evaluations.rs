//! Accuracy of certified versions on registered datasets that they were not trained on.

use alloy::primitives::Address;
use tribute_core::id::{AgentId, CircuitId, DatasetId};
use tribute_core::proof::Proof;

use crate::abi::{bytes, inputs, word, IEvaluations as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

/// Evaluation counts of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Number of correct answers.
    pub correct: u64,
    /// Number of records counted.
    pub records: u64,
    /// Loss over these records, units of 2^-20.
    pub loss: u64,
    /// Number of shards counted.
    pub shards_done: u32,
    /// Shards of the dataset.
    pub shards: u32,
}

/// A shard that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// Index of the shard, from 0.
    pub shard: u32,
    /// Number of correct answers.
    pub correct: u64,
    /// Number of its records.
    pub records: u64,
    /// Loss over its records, units of 2^-20.
    pub loss: u64,
}

impl Contracts {
    /// Submits evaluation proofs of `circuit` for a dataset's shards, each with its index from 0.
    pub fn evaluate(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: &DatasetId,
        circuit: &CircuitId,
        shards: &[(u32, Proof)],
    ) -> Call<Abi::evaluateCall, Vec<Evaluated>> {
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
        self.call(self.evaluations_at(), action, &call, |e| {
            let counted = |e: Abi::ShardEvaluated| Evaluated {
                shard: e.shard,
                correct: e.correct,
                records: e.records,
                loss: e.loss,
            };
            Ok(e.all()?.into_iter().map(counted).collect())
        })
    }

    /// The counts so far by proofs of one circuit.
    pub async fn evaluation(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: &DatasetId,
        circuit: &CircuitId,
    ) -> Result<Evaluation> {
        let call =
            Abi::evaluationOfCall { agentId: word(agent), version, datasetId: word(dataset), circuitId: word(circuit) };
        let e = self.chain.read(self.evaluations_at(), &call).await?;
        Ok(Evaluation {
            correct: e.correct,
            records: e.records,
            loss: e.loss,
            shards_done: e.shardsDone,
            shards: e.shards,
        })
    }

    /// Correct answers and records of a whole dataset; `None` unless all of its shards were counted.
    pub async fn accuracy(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<Option<(u64, u64)>> {
        let call = Abi::accuracyOfCall { agentId: word(agent), version, datasetId: word(dataset) };
        let answer = Self::known(self.chain.read(self.evaluations_at(), &call).await, "NotEvaluated")?;
        Ok(answer.map(|counts| (counts.correct, counts.records)))
    }

    /// Loss, in units of 2^-20, and records of a whole dataset; `None` unless all of its shards were counted.
    pub async fn loss(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<Option<(u64, u64)>> {
        let call = Abi::lossOfCall { agentId: word(agent), version, datasetId: word(dataset) };
        let answer = Self::known(self.chain.read(self.evaluations_at(), &call).await, "NotEvaluated")?;
        Ok(answer.map(|counts| (counts.loss, counts.records)))
    }

    fn evaluations_at(&self) -> Address {
        self.deployment.evaluations.address
    }
}
