//! Evaluation of an agent at the node that has the dataset: the records stay there, the weights are lent to it.

use tribute_core::certificate::Certificate;
use tribute_core::hexed::{AccountAddress, Hex, HexBytes};
use tribute_core::id::{DatasetId, WeightsDigest};
use tribute_custody::Custody;
use tribute_engine::srs::SrsStore;
use tribute_federation::wire::{weights_from_bytes, weights_to_bytes};
use tribute_inference::Agent;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::evaluation::{lending, lent_openings, EvaluationJob, LentSecrets, WeightsAt};
use tribute_steps::home::SECRETS;
use tribute_steps::work::Work;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

use super::admission::{Admission, Admitted};
use super::evaluations::{note_of, same_chain, Evaluated};
use super::files::FileChecks;
use super::gather::commit;
use super::off_thread;
use super::ownership::Ownership;
use super::uploads::Uploads;
use crate::jobs::lent::Lent;
use crate::jobs::Job;

/// Most shards of a dataset that weights are lent for.
const MOST_SHARDS: u32 = 4_096;

/// Both ends of an evaluation at another node.
#[derive(Clone)]
pub(crate) struct AtHome {
    pub(crate) database: Database,
    pub(crate) custody: Custody,
    pub(crate) artefacts: Artefacts,
    pub(crate) uploads: Uploads,
    pub(crate) admission: Admission,
    pub(crate) ownership: Ownership,
    pub(crate) files: FileChecks,
    pub(crate) parameters: SrsStore,
}

impl AtHome {
    /// At the owner's own server: the weights with their blinding. The openings that the other node may use are counted first.
    pub(crate) async fn lend(&self, caller: AccountAddress, r: v1::LendWeightsRequest) -> Result<(Vec<u8>, Vec<u8>)> {
        let agent = self.ownership.agent(caller, &r.weights_digest).await?.body;
        let dataset: DatasetId = field("dataset_id", &r.dataset_id)?;
        if r.shards == 0 || r.shards > MOST_SHARDS {
            return Err(Problem::field("shards", format!("{} is not from 1 to {MOST_SHARDS}", r.shards)));
        }
        let layout = agent.layout()?;
        let tenant = caller.to_string();
        let model = Agent::from_bytes(&self.custody.get(&tenant, "model", &agent.model).await?)
            .map_err(|e| Problem::new(Reason::ArtefactDamaged, e.to_string()))?;
        let committer = self.custody.committer(&tenant).await?;
        let parameters = self.parameters.clone();
        let (model, (committed, blinding)) = off_thread(move || {
            let sealed = commit(&committer, &parameters, &layout, &model)?;
            Ok((model, sealed))
        })
        .await?;
        let request = lending(&agent.weights_digest, &dataset, r.lending);
        // counted for the dataset: under an account that its node names, the same lending could be counted again
        self.custody.allot(&committed, request, caller, lent_openings(r.shards as usize)).await?;
        Ok((weights_to_bytes(model.weights.values()), blinding))
    }

    /// At the node that has the dataset: queues the evaluation for the agent's owner, to whom the dataset's owner has granted it
    /// here. Without weights it only checks whether it would, and queues nothing. The same evaluation with the same certificate, and
    /// weights of the same lending, is the same job while that waits, runs or is kept with success, and takes no further use.
    ///
    /// # Errors
    /// [`Reason::ProofRejected`] if the agent's certificate does not hold. That its weights were not chosen does not follow from it:
    /// of made-up datasets any weights are the optimum.
    pub(crate) async fn evaluate(&self, caller: AccountAddress, r: v1::EvaluateAtHomeRequest) -> Result<Option<Job>> {
        // before a file is read: whoever was never granted anything here costs no memory
        let id: DatasetId = field("dataset_id", &r.dataset_id)?;
        let (dataset, grant) = self.admission.granted_here(caller, id).await?;
        let file = self.uploads.open(caller, "certificate_upload", &r.certificate_upload).await?;
        // the share goes along: the memory is taken until the work ends, even if the caller leaves
        let (certificate, file) = off_thread(move || {
            let certificate = Certificate::from_json(&file.bytes);
            Ok((certificate.map_err(|e| Problem::field("certificate_upload", e.to_string()))?, file))
        })
        .await?;
        let weights_digest: WeightsDigest = certificate.agent.weights_digest;
        let request = lending(&weights_digest, &id, r.lending);
        self.admission.check_use(caller, grant.as_ref(), request).await?;
        if certificate.agent.owner != Hex(caller.0) {
            let text = format!("the agent is of {}: only its owner has it evaluated", certificate.agent.owner);
            return Err(Problem::new(Reason::NotAllowed, text));
        }
        let trained = certificate.datasets.iter().flat_map(|d| {
            let id = d.dataset_id;
            (0..).zip(&d.shards).map(move |(i, shard)| (shard.digest, i, id))
        });
        let evaluated = Evaluated {
            weights_digest,
            schema: &certificate.schema,
            layout: certificate.layout,
            shards: trained.collect(),
        };
        evaluated.check(&dataset)?;
        same_chain(&dataset, &certificate)?;
        let checked = self.files.check(file.bytes.clone()).await?;
        if !checked.holds {
            let text = format!("the agent's certificate does not hold: {}", checked.refusal);
            return Err(Problem::new(Reason::ProofRejected, text));
        }
        if r.weights_upload.is_empty() {
            return Ok(None);
        }
        let stored = self.artefacts.put(file.bytes).await?;
        // two files that wait for memory must not wait for each other: the weights have a share of their own
        drop(file.share);
        let weights = weights_from_bytes(&self.uploads.open(caller, "weights_upload", &r.weights_upload).await?.bytes)?;
        let secrets = LentSecrets { dataset: dataset.id, weights, blinding: HexBytes(r.blinding), number: r.lending };
        let (tenant, bytes) = (caller.to_string(), serde_json::to_vec(&secrets)?);
        let secrets = self.custody.put(&tenant, SECRETS, bytes.clone()).await?;
        let lent = Lent::new(&self.admission.queue, &self.custody, &secrets);
        let openings = lent_openings(dataset.shards.len());
        let mut tx = self.database.begin().await?;
        self.custody.accept_allotment(&mut tx, request, dataset.owner, weights_digest.into(), openings).await?;
        tx.commit().await?;
        let work = Work::Evaluation(EvaluationJob {
            owner: caller,
            weights_digest,
            weights: WeightsAt::Lent(secrets.clone()),
            link: certificate.loss.link,
            certificate: stored,
            dataset,
        });
        let admitted = Admitted { grants: grant.into_iter().collect(), note: Some(note_of(request)), ..work.into() };
        let queued = self.admission.queue_one(caller, admitted, r.options.as_ref()).await;
        if queued.as_ref().is_ok_and(|job| !job.state.has_ended()) {
            lent.queued();
            // again, because the end of an equal job may have deleted it before this one was there
            self.custody.put(&tenant, SECRETS, bytes).await?;
        } else {
            lent.unneeded().await?;
        }
        queued.map(Some)
    }
}
