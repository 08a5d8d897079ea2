//! Assembles the certificate file from an agent's proofs.

use tribute_core::certificate::{Chain, DatasetParts, Parts, ShardParts, SrsName};
use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::dataset::DatasetBody;
use tribute_steps::train::AgentBody;
use tribute_store::artefacts::Artefacts;

use crate::registry::Registry;

/// Assembles certificates from stored proofs.
#[derive(Clone)]
pub(crate) struct Certificates {
    pub(crate) registry: Registry,
    pub(crate) artefacts: Artefacts,
}

impl Certificates {
    /// The `certificate.json` of an agent.
    ///
    /// # Errors
    /// [`Reason::NotReady`] if a proof is missing or the proofs are for different chains.
    pub(crate) async fn of(&self, agent: &AgentBody) -> Result<Vec<u8>> {
        let proofs = self.registry.agent_proofs(agent.weights_digest).await?;
        let not_ready = |what: &str| {
            Problem::new(Reason::NotReady, format!("the agent's {what}: prove it first"))
                .with("agent", agent.weights_digest)
        };
        let optimum = proofs.optimum.ok_or_else(|| not_ready("optimum is not proven yet"))?;
        let mut datasets: Vec<DatasetParts> = Vec::new();
        let mut registry = None;
        for (slot, source) in agent.sources.iter().enumerate() {
            let dataset = self.dataset(agent, source.dataset).await?;
            let shard = dataset.shards.get(source.shard as usize).ok_or_else(|| not_ready("dataset lost a shard"))?;
            if *registry.get_or_insert(dataset.target) != dataset.target {
                return Err(not_ready("datasets are proven for different chains or registries"));
            }
            let gradient =
                proofs.gradients.iter().find(|g| g.slot as usize == slot && g.target == optimum.target).ok_or_else(
                    || not_ready(&format!("gradient of slot {slot} is not proven for the optimum's chain")),
                )?;
            if source.shard == 0 {
                datasets.push(DatasetParts { terms: dataset.terms, shards: Vec::new() });
            }
            let parts = ShardParts {
                owner: shard.owner.0,
                dataset: shard.proof.load(&self.artefacts).await?.into(),
                gradient: gradient.proof.load(&self.artefacts).await?.into(),
            };
            match datasets.last_mut() {
                Some(last) => last.shards.push(parts),
                None => return Err(Problem::internal("an agent's first source is no first shard")),
            }
        }
        let registry = registry.ok_or_else(|| Problem::internal("an agent without sources"))?;
        if registry.chain_id != optimum.target.chain_id {
            return Err(not_ready("datasets are proven for another chain than its optimum"));
        }
        let circuit = &optimum.proof.circuit;
        let certificate = Parts {
            chain: Chain {
                chain_id: optimum.target.chain_id,
                dataset_registry: registry.contract,
                agent_registry: optimum.target.contract,
            },
            srs: SrsName {
                digest: circuit.srs_digest,
                development: circuit.srs_digest == tribute_engine::srs::Srs::development_digest(),
            },
            schema: agent.schema()?,
            layout: agent.layout()?,
            link: agent.link,
            agent: optimum.agent_id,
            version: optimum.version,
            owner: agent.owner.0,
            datasets,
            optimum: optimum.proof.load(&self.artefacts).await?.into(),
        }
        .assemble()
        .map_err(|e| Problem::internal(format!("the certificate does not fit together: {e}")))?;
        Ok(certificate.to_json().into_bytes())
    }

    /// A dataset of an agent: the public part that came with the agent if the data stayed at another node.
    async fn dataset(&self, agent: &AgentBody, id: DatasetId) -> Result<DatasetBody> {
        let sent = agent.across.iter().flat_map(|across| &across.datasets).find(|dataset| dataset.id == id);
        match sent {
            Some(dataset) => Ok(dataset.clone()),
            None => {
                let found = self.registry.dataset(id).await?;
                Ok(found.ok_or_else(|| Problem::not_found("dataset", id))?.body)
            }
        }
    }
}
