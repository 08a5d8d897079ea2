//! The owner's own server in a training across nodes: commits to the weights, and makes the agent of what participants sent.

use prost::Message as _;
use tribute_core::digest::dataset_id;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{SrsDigest, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_custody::{Committed, Committer, Custody};
use tribute_engine::srs::SrsStore;
use tribute_federation::consent::check_all;
use tribute_federation::wire::{consent, weights_from_bytes};
use tribute_federation::{Consent, Participant, Request};
use tribute_inference::Agent;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::across::{model, AcrossJob, Party, SentDataset, SentProof, SentShard, COLUMN};
use tribute_steps::dataset::DatasetBody;
use tribute_steps::shape::Target;
use tribute_steps::work::Work;
use tribute_store::artefacts::Artefacts;

use super::admission::Admission;
use super::off_thread;
use super::training::{profile, target};
use super::uploads::Uploads;
use crate::jobs::Job;
use crate::wire;

/// An owner's end of trainings.
#[derive(Clone)]
pub(crate) struct Owners {
    pub(crate) custody: Custody,
    pub(crate) artefacts: Artefacts,
    pub(crate) uploads: Uploads,
    pub(crate) admission: Admission,
    pub(crate) parameters: SrsStore,
    pub(crate) srs: SrsDigest,
}

/// The weights of a training, committed.
struct Weighed {
    request: Request,
    agent: Agent,
    committed: Committed,
    blinding: Vec<u8>,
}

impl Owners {
    /// Commits to the final weights. Every participant's openings are counted before the blinding is returned.
    pub(crate) async fn commit(
        &self,
        caller: AccountAddress,
        r: v1::CommitWeightsRequest,
    ) -> Result<(WeightsDigest, Vec<u8>)> {
        let weighed = self.weigh(caller, &r.request_json, &r.weights_upload).await?;
        let id = weighed.request.id();
        let consents: Vec<Consent> = r.consents.iter().map(|c| consent(id, c)).collect::<Result<_>>()?;
        check_all(&weighed.request, &consents)?;
        for participant in &weighed.request.participants {
            let openings = u64::from(weighed.request.openings) * participant.shards().count() as u64;
            self.custody.allot(&weighed.committed, id, participant.account, openings).await?;
        }
        Ok((WeightsDigest::new(*weighed.committed.digest().as_bytes()), weighed.blinding))
    }

    /// Queues the check of everything that the participants sent.
    pub(crate) async fn gather(&self, caller: AccountAddress, r: v1::GatherAgentRequest) -> Result<Job> {
        let Weighed { request, agent, .. } = self.weigh(caller, &r.request_json, &r.weights_upload).await?;
        let file = self.uploads.open(caller, "parts_upload", &r.parts_upload).await?;
        let sent = v1::ParticipantParts::decode(file.bytes.as_slice())
            .map_err(|_| Problem::field("parts_upload", "is not a ParticipantParts message"))?;
        if sent.parts.len() != request.participants.len() {
            return Err(Problem::field(
                "parts_upload",
                format!("{} parts, the request has {} participants", sent.parts.len(), request.participants.len()),
            ));
        }
        let mut parties = Vec::with_capacity(sent.parts.len());
        for (participant, part) in request.participants.iter().zip(sent.parts) {
            parties.push(self.party(caller, &request, participant, part).await?);
        }
        let weights_digest: WeightsDigest = agent.certificate.parse().map_err(Problem::internal)?;
        let work = Work::Across(AcrossJob {
            request: request.id(),
            owner: caller,
            name: r.name,
            schema: request.schema.clone(),
            profile: profile(&request),
            lambda: request.lambda,
            link: request.link,
            target: target(&request),
            model: self.custody.put(&caller.to_string(), "model", agent.to_bytes()).await?,
            weights_digest,
            parties,
        });
        self.admission.queue_one(caller, work.into(), r.options.as_ref()).await
    }

    /// The caller's request with its committed weights.
    async fn weigh(&self, caller: AccountAddress, json: &[u8], upload: &[u8]) -> Result<Weighed> {
        let request = Request::parse(json)?;
        if request.owner != caller {
            return Err(Problem::new(
                Reason::NotAllowed,
                format!("the request is of {}, not of {caller}", request.owner),
            ));
        }
        request.check_program()?;
        if request.srs != self.srs {
            let text = format!("it is {}, this server proves under {}", request.srs, self.srs);
            return Err(Problem::field("request.srs", text));
        }
        let weights = weights_from_bytes(&self.uploads.open(caller, "weights_upload", upload).await?.bytes)?;
        let (layout, schema) = (request.layout()?, request.schema()?);
        let committer = self.custody.committer(&caller.to_string()).await?;
        let parameters = self.parameters.clone();
        let (agent, committed, blinding) = off_thread(move || {
            let mut agent = model(&layout, &schema, weights, WeightsDigest::ZERO)?;
            let (committed, blinding) = commit(&committer, &parameters, &layout, &agent)?;
            agent.certificate = hex::encode(committed.digest());
            Ok((agent, committed, blinding))
        })
        .await?;
        Ok(Weighed { request, agent, committed, blinding })
    }

    /// Stores what one participant sent. Its shape is checked here, everything else in the job.
    async fn party(
        &self,
        caller: AccountAddress,
        request: &Request,
        participant: &Participant,
        part: v1::ParticipantPart,
    ) -> Result<Party> {
        let wrong = |what: &str| {
            Problem::field("parts_upload", format!("{} at {}: {what}", participant.account, participant.node))
                .with("account", participant.account)
        };
        if part.account != participant.account.to_vec() || part.datasets.len() != participant.datasets.len() {
            return Err(wrong("is in another's place, or sent another number of datasets than the request has"));
        }
        let mut gradients = part.gradients.into_iter();
        let mut datasets = Vec::new();
        for (lot, message) in participant.datasets.iter().zip(part.datasets) {
            let body = public_part(request, participant, &message).map_err(|p| wrong(&p.message))?;
            let digests: Vec<_> = lot.shards.iter().map(|s| s.digest).collect();
            let schema = request.schema()?;
            let id = dataset_id(&schema.id(), &request.layout()?.hash(), body.count, &digests);
            if id != lot.dataset || message.shards.len() != lot.shards.len() {
                return Err(wrong("a dataset is not the one that the request lists"));
            }
            let mut shards = Vec::new();
            for (shard, sent) in lot.shards.iter().zip(message.shards) {
                let proof = sent.proof.ok_or_else(|| wrong("a dataset proof is missing"))?;
                let gradient = gradients.next().ok_or_else(|| wrong("a gradient proof is missing"))?;
                shards.push(SentShard {
                    digest: shard.digest,
                    count: shard.records,
                    dataset: self.proof(proof, 2).await.map_err(|p| wrong(&p.message))?,
                    gradient: self.proof(gradient, 2).await.map_err(|p| wrong(&p.message))?,
                });
            }
            datasets.push(SentDataset { body: DatasetBody { id, root: id, ..body }, shards });
        }
        if gradients.next().is_some() {
            return Err(wrong("sent more gradient proofs than it has shards"));
        }
        let masked = self.uploads.open(caller, "masked_upload", &part.masked_upload).await?.bytes;
        Ok(Party {
            account: participant.account,
            node: participant.node.clone(),
            datasets,
            masked: self.custody.put(&caller.to_string(), COLUMN, masked).await?,
            masks: part.masks.iter().map(|m| field("masks", m)).collect::<Result<Vec<Hex<64>>>>()?,
        })
    }

    async fn proof(&self, sent: v1::Proof, inputs: usize) -> Result<SentProof> {
        let proof = tribute_client::wire::proof(&sent)?;
        if proof.inputs.len() != inputs {
            return Err(Problem::field("proof.inputs", format!("{} of {inputs}", proof.inputs.len())));
        }
        Ok(SentProof { circuit: proof.circuit, inputs: proof.inputs, proof: self.artefacts.put(proof.bytes).await? })
    }
}

/// A dataset's public part from its message, without its shards.
fn public_part(request: &Request, participant: &Participant, d: &v1::Dataset) -> Result<DatasetBody> {
    let context = d.context.clone().unwrap_or_default();
    let contract = if context.contract.is_empty() {
        AccountAddress::default()
    } else {
        field("context.contract", &context.contract)?
    };
    let id = field("id", &d.id)?;
    Ok(DatasetBody {
        id,
        root: id,
        previous: None,
        owner: participant.account,
        schema: request.schema.clone(),
        profile: profile(request),
        layout_hash: request.layout()?.hash(),
        target: Target { chain_id: context.chain_id, contract },
        terms: wire::terms(d.terms.clone().unwrap_or_default())?,
        count: participant
            .datasets
            .iter()
            .find(|lot| lot.dataset.to_vec() == d.id)
            .map_or(0, |lot| lot.shards.iter().map(|s| s.records).sum()),
        shards: Vec::new(),
    })
}

/// Commits to an agent's weights; also what the commitment is blinded with.
pub(super) fn commit(
    committer: &Committer,
    parameters: &SrsStore,
    layout: &Layout,
    agent: &Agent,
) -> Result<(Committed, Vec<u8>)> {
    let srs = parameters
        .get(layout.k())
        .map_err(|e| Problem::new(Reason::NotReady, format!("no parameters for k = {}: {e}", layout.k())))?;
    let committed = committer.weights(&srs, layout, &agent.weights)?;
    Ok((committed, committer.weights_blinding(&srs, layout, &agent.weights).to_bytes()))
}
