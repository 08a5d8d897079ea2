//! Work that evaluates an agent on a dataset that it was not trained on.

use tribute_core::certificate::Certificate;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{DatasetId, RequestId, ShardDigest, WeightsDigest};
use tribute_core::layout::{Layout, Task};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::dataset::DatasetBody;
use tribute_steps::evaluation::{EvaluationJob, WeightsAt};
use tribute_steps::train::AgentBody;
use tribute_steps::work::Work;
use tribute_store::artefacts::ArtefactId;

use super::admission::{Admission, Admitted, Grant, Right};

/// An agent of this server, its certificate file, and a dataset that it can be evaluated on.
#[derive(Clone)]
pub(super) struct OwnEvaluation {
    pub(super) agent: AgentBody,
    pub(super) certificate: ArtefactId,
    pub(super) dataset: DatasetBody,
}

/// What decides whether an agent can be evaluated on a dataset.
pub(super) struct Evaluated<'a> {
    pub(super) weights_digest: WeightsDigest,
    /// Canonical JSON of the schema.
    pub(super) schema: &'a str,
    pub(super) layout: Layout,
    /// The shards that it was trained on: digest, position, dataset.
    pub(super) shards: Vec<(ShardDigest, u32, DatasetId)>,
}

impl Evaluated<'_> {
    /// The dataset must have the agent's schema and layout, and none of the shards that it was trained on.
    pub(super) fn check(&self, dataset: &DatasetBody) -> Result<()> {
        let id = dataset.id;
        if dataset.schema != self.schema || dataset.layout()? != self.layout {
            return Err(Problem::new(
                Reason::SchemaMismatch,
                format!("dataset {id} and the agent differ in schema or profile"),
            )
            .with("dataset", id)
            .with("agent", self.weights_digest));
        }
        if self.layout.task() == Task::Real {
            let message = "the agent's target is a real value: it answers no classes, and has no accuracy";
            return Err(Problem::field("weights_digest", message));
        }
        let known = self.shards.iter().find(|(digest, ..)| dataset.shards.iter().any(|d| d.digest == *digest));
        if let Some((_, shard, trained)) = known {
            let message = format!("the agent was trained on it (shard {shard} of dataset {trained})");
            return Err(Problem::field("dataset_id", message).with("dataset", id));
        }
        Ok(())
    }
}

/// A dataset and an agent's certificate must be proven for one chain.
pub(super) fn same_chain(dataset: &DatasetBody, certificate: &Certificate) -> Result<()> {
    let (id, chain) = (dataset.id, &certificate.chain);
    if (dataset.target.chain_id, dataset.target.contract) == (chain.chain_id, chain.dataset_registry) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::NotReady,
        format!(
            "dataset {id} is proven for chain {}, registry {}, the agent's certificate for chain {}, registry {}: \
             register it again for that one",
            dataset.target.chain_id, dataset.target.contract, chain.chain_id, chain.dataset_registry
        ),
    )
    .with("dataset", id))
}

/// The evaluation of an account's agent, with its certificate file, on a dataset of this server.
pub(super) fn evaluation_here(
    owner: AccountAddress,
    agent: &AgentBody,
    certificate: ArtefactId,
    dataset: DatasetBody,
) -> EvaluationJob {
    EvaluationJob {
        owner,
        weights_digest: agent.weights_digest,
        weights: WeightsAt::Here(agent.model.clone()),
        link: agent.link,
        certificate,
        dataset,
    }
}

/// Name of the note that the job of an evaluation with lent weights keeps.
pub(super) fn note_of(lending: RequestId) -> String {
    format!("lending {lending}")
}

impl Admission {
    /// A dataset that the caller may have an agent evaluated on at home, and the grant of this server that this takes. Open terms and
    /// grants on chain do not count: they are given for agents that are paid for, and a count with chosen weights tells single records.
    ///
    /// # Errors
    /// [`Reason::NoGrant`] if the caller never had a grant of this server. Whether a use is left is for [`Admission::check_use`].
    pub(super) async fn granted_here(
        &self,
        caller: AccountAddress,
        id: DatasetId,
    ) -> Result<(DatasetBody, Option<Grant>)> {
        let dataset = self.kept(id).await?;
        if self.owner_now(&dataset).await? == caller {
            let grant = self.grant_needed(caller, &dataset).await?;
            return Ok((dataset, grant));
        }
        self.registry.check_granted(id, caller).await?;
        let grant = Grant { dataset: id, root: dataset.root, by: Right::Granted(None) };
        Ok((dataset, Some(grant)))
    }

    /// Refuses an evaluation at home if no use of its grant is left. Under a `lending` of an evaluation that waits, runs or has
    /// succeeded it may be the same one, which has taken its use: whether it is the same is decided when it is queued.
    ///
    /// # Errors
    /// [`Reason::NoGrant`].
    pub(super) async fn check_use(
        &self,
        caller: AccountAddress,
        grant: Option<&Grant>,
        lending: RequestId,
    ) -> Result<()> {
        let Some(Grant { dataset, by: Right::Granted(_), .. }) = grant else { return Ok(()) };
        if self.queue.is_noted(&caller.to_string(), &note_of(lending)).await? {
            return Ok(());
        }
        self.registry.check_use_left(*dataset, caller).await
    }

    pub(super) async fn evaluation_work(&self, caller: AccountAddress, w: v1::EvaluationWork) -> Result<Admitted> {
        let (own, grants) = self.evaluation_of(caller, w).await?;
        let work = Work::Evaluation(evaluation_here(caller, &own.agent, own.certificate, own.dataset));
        Ok(Admitted { grants, ..work.into() })
    }

    /// An agent of the caller, and a dataset that it can be evaluated on.
    pub(super) async fn evaluation_of(
        &self,
        caller: AccountAddress,
        w: v1::EvaluationWork,
    ) -> Result<(OwnEvaluation, Vec<Grant>)> {
        let agent = self.ownership.agent(caller, &w.weights_digest).await?.body;
        let evaluated = Evaluated {
            weights_digest: agent.weights_digest,
            schema: &agent.schema,
            layout: agent.layout()?,
            shards: agent.sources.iter().map(|s| (s.digest, s.shard, s.dataset)).collect(),
        };
        let (dataset, grant) = self.usable(caller, field("dataset_id", &w.dataset_id)?).await?;
        evaluated.check(&dataset)?;
        let file = self.certificates.of(&agent).await?;
        same_chain(&dataset, &Certificate::from_json(&file).map_err(Problem::internal)?)?;
        let certificate = self.artefacts.put(file).await?;
        Ok((OwnEvaluation { agent, certificate, dataset }, grant.into_iter().collect()))
    }
}
