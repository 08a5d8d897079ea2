//! A participant's node in a training across nodes: requests and consents, rounds, proofs at home.

use prost::Message as _;
use tokio::runtime::Handle;
use tribute_core::hexed::{AccountAddress, Hex, HexBytes};
use tribute_core::id::{DatasetId, RequestId, SrsDigest, WeightsDigest};
use tribute_core::records::Records;
use tribute_custody::Custody;
use tribute_federation::node::Call;
use tribute_federation::numbers::Format;
use tribute_federation::query::Asks;
use tribute_federation::wire::consent;
use tribute_federation::{Answer, Asked, Consent, Node, NodeKeys, Participant, Request};
use tribute_problem::{field, Problem, Reason, Result, AWAITS};
use tribute_proto::v1;
use tribute_steps::dataset::DatasetBody;
use tribute_steps::dataset::SourceBody;
use tribute_steps::home::{HomeJob, HomeOutcome, HomeSecrets, LeastShare, SECRETS};
use tribute_steps::shape::{Profile, Target};
use tribute_steps::work::{Outcome, Work};

use super::admission::Admission;
use super::off_thread;
use super::uploads::Uploads;
use crate::jobs::{Job, State};
use crate::registry::training::{RequestRow, Said, Trainings};
use crate::registry::Registry;

/// A node's part in trainings.
#[derive(Clone)]
pub(crate) struct Participants {
    pub(crate) trainings: Trainings,
    pub(crate) registry: Registry,
    pub(crate) custody: Custody,
    pub(crate) uploads: Uploads,
    pub(crate) admission: Admission,
    /// Digest of the SRS that this node proves under.
    pub(crate) srs: SrsDigest,
}

/// What the participant's part would spend.
pub(crate) struct Expenses {
    pub(crate) shards: u32,
    pub(crate) openings_left: Vec<u64>,
    pub(crate) answer_bytes: u64,
    /// Of proving: what the shards' own proofs took.
    pub(crate) seconds: f64,
}

impl Participants {
    /// The public part of any dataset.
    pub(crate) async fn describe(&self, id: &[u8]) -> Result<(DatasetBody, i64)> {
        let id: DatasetId = field("dataset_id", id)?;
        let found = self.registry.dataset(id).await?;
        let found = found.ok_or_else(|| {
            Problem::new(Reason::NotFound, format!("dataset {id} is not at this node: ask its owner where it is"))
                .with("kind", "dataset")
                .with("id", id)
        })?;
        Ok((found.body, found.created_ms))
    }

    /// Leaves a request at its participants' node.
    pub(crate) async fn ask(
        &self,
        caller: AccountAddress,
        r: v1::AskTrainingRequest,
    ) -> Result<(RequestId, Vec<AccountAddress>)> {
        let asked = Asked::parse(&r.request_json)?;
        if asked.owner() != caller {
            let text = format!("the request is of {}, but {caller} sends it", asked.owner());
            return Err(Problem::new(Reason::NotAllowed, text));
        }
        let request = match &asked {
            Asked::Training(request) => request,
            Asked::Ranges(request) => return self.ask_ranges(request, &asked, &r.accounts).await,
            Asked::Other(other) => return Err(other.refusal.clone().into()),
        };
        request.check_program()?;
        if request.srs != self.srs {
            return Err(Problem::field(
                "request.srs",
                format!("it is {}, this node proves under {}: all nodes of a training need one", request.srs, self.srs),
            ));
        }
        // every further registry costs openings, so only known ones are proven for
        let contract = if request.chain_id == 0 { Vec::new() } else { request.agent_registry.to_vec() };
        let context = v1::ChainContext { chain_id: request.chain_id, contract };
        if self.admission.target(Some(context), |r| r.agents)? != target(request) {
            return Err(Problem::field("request.agent_registry", "is given, but the request is for no chain"));
        }
        let mut here = Vec::new();
        for participant in &request.participants {
            if self.sources(request, participant).await?.is_some() {
                self.trainings.ask(&asked, participant.account).await?;
                here.push(participant.account);
            }
        }
        if here.is_empty() {
            return Err(Problem::field("request.participants", "none of their datasets is at this node"));
        }
        Ok((request.id(), here))
    }

    /// A request, for its owner or a participant here.
    pub(crate) async fn request(&self, caller: AccountAddress, id: &[u8], account: &[u8]) -> Result<RequestRow> {
        let id: RequestId = field("id", id)?;
        let account = if account.is_empty() { caller } else { field("account", account)? };
        match self.trainings.get(id, account).await? {
            Some(row) if row.account == caller || row.request.owner() == caller => Ok(row),
            _ => Err(Problem::not_found("request", id)),
        }
    }

    /// What a participant's part would spend.
    pub(crate) async fn expenses(&self, request: &Request, account: AccountAddress) -> Result<Expenses> {
        let participant = participant(request, account)?;
        let layout = request.layout()?;
        let mut openings_left = Vec::new();
        for shard in participant.shards() {
            let left = self.custody.openings_left(&shard.digest.into(), layout.opening_budget(), false).await?;
            openings_left.push(left);
        }
        let largest = Asks::Point(Some(request.largest()?));
        let answer_bytes = Format::of(request, &largest)?.bytes() as u64;
        let mut seconds = 0.0;
        for lot in &participant.datasets {
            let found = self.registry.dataset(lot.dataset).await?;
            seconds += found.map_or(0.0, |d| d.body.shards.iter().map(|s| s.proof.stats.seconds).sum());
        }
        Ok(Expenses { shards: openings_left.len() as u32, openings_left, answer_bytes, seconds })
    }

    /// The node's keys for a request, for the participant to sign.
    pub(crate) async fn prepare(&self, caller: AccountAddress, id: &[u8]) -> Result<NodeKeys> {
        let row = self.request(caller, id, caller.0.as_slice()).await?;
        self.open(&row)?;
        self.trainings.keys(row.id, caller).await
    }

    /// Stores a participant's consent.
    pub(crate) async fn approve(&self, caller: AccountAddress, r: v1::ApproveTrainingRequest) -> Result<RequestRow> {
        let v1::ApproveTrainingRequest { id, signature, numbers, least_share_bps, again } = r;
        let row = self.request(caller, &id, caller.0.as_slice()).await?;
        self.open(&row)?;
        if least_share_bps > 10_000 {
            return Err(Problem::field("least_share_bps", format!("{least_share_bps} is more than all, 10,000")));
        }
        let numbers = match &row.request {
            Asked::Other(other) => return Err(other.refusal.clone().into()),
            Asked::Training(request) if numbers.is_empty() => {
                request.check_program()?;
                None
            }
            Asked::Training(_) => return Err(Problem::field("numbers", "only a request for ranges takes numbers")),
            Asked::Ranges(request) => {
                request.check_program()?;
                if !again {
                    self.check_first(row.id, caller, request).await?;
                }
                let needed = request.bytes()?;
                if numbers.len() != needed {
                    let text = format!("{} bytes, {needed} are needed for the numeric features", numbers.len());
                    return Err(Problem::field("numbers", text));
                }
                Some(numbers)
            }
        };
        let keys = self.trainings.keys(row.id, caller).await?;
        let (mask_key, answer_key) = (keys.mask_key(), keys.answer_key());
        let signature = HexBytes(signature);
        let consent = Consent { request: row.id, account: caller, mask_key, answer_key, signature };
        consent.check(row.id)?;
        let stored = self.trainings.approve(&consent, least_share_bps, numbers.as_deref()).await?;
        let row = self.request(caller, &id, caller.0.as_slice()).await?;
        if let (false, Some(numbers)) = (stored, numbers) {
            self.approved_with(&row, &numbers).await?;
        }
        Ok(row)
    }

    /// Refuses to approve a request for ranges again with other numbers, or once it is answered.
    async fn approved_with(&self, row: &RequestRow, numbers: &[u8]) -> Result<()> {
        self.open(row)?;
        let refused = |what: &str| {
            let text = format!("request {}: {what}. Decline it, and have its owner ask again", row.id);
            Err(Problem::new(Reason::NotAllowed, text).with("account", row.account))
        };
        match self.trainings.numbers(row.id, row.account).await? {
            Some(known) if known == numbers => Ok(()),
            Some(_) => refused("it is approved with the numbers of another table"),
            None => refused("this node has answered it, once, and has forgotten your numbers"),
        }
    }

    /// Declines, or withdraws.
    pub(crate) async fn decline(&self, caller: AccountAddress, id: &[u8], reason: &str) -> Result<RequestRow> {
        let row = self.request(caller, id, caller.0.as_slice()).await?;
        if reason.trim().is_empty() || reason.len() > 500 || reason.chars().any(char::is_control) {
            let text = "say why, in one line of at most 500 bytes: the owner reads it";
            return Err(Problem::field("reason", text));
        }
        self.trainings.decline(row.id, caller, reason).await?;
        self.request(caller, id, caller.0.as_slice()).await
    }

    /// Answers a round.
    pub(crate) async fn answer(&self, caller: AccountAddress, r: v1::AnswerRoundRequest) -> Result<Answer> {
        let row = self.approved(caller, &r.id, &r.account).await?;
        let consents = r.consents.iter().map(|c| consent(row.id, c)).collect::<Result<_>>()?;
        let previous = if r.round == 0 { Vec::new() } else { self.answers(caller, &r.previous_upload).await? };
        let query: Hex<32> = field("query", &r.query)?;
        let call = Call { round: r.round, query: query.0, consents, previous };
        let keys = self.trainings.keys(row.id, row.account).await?;
        let sources = self.own_sources(&row).await?;
        let (this, runtime) = (self.clone(), Handle::current());
        let store = self.trainings.store(row.id, row.account);
        off_thread(move || {
            let records = || runtime.block_on(this.records(row.account, &sources));
            Node::new(&row.request, row.account, &keys, store).answer(&call, records)
        })
        .await
    }

    /// Queues the proofs of a participant's gradients.
    pub(crate) async fn prove(&self, caller: AccountAddress, r: v1::ProveAtHomeRequest) -> Result<Job> {
        let row = self.approved(caller, &r.id, &r.account).await?;
        let weights_digest: WeightsDigest = field("weights_digest", &r.weights_digest)?;
        let previous = self.answers(caller, &r.previous_upload).await?;
        let keys = self.trainings.keys(row.id, row.account).await?;
        let store = self.trainings.store(row.id, row.account);
        let finished = row.clone();
        let (weights, masks) =
            off_thread(move || Ok(Node::new(&finished.request, finished.account, &keys, store).finish(&previous)?))
                .await?;
        let masks = masks.columns(&weights_digest).into_iter().map(|m| (m.adds, Hex(*m.seed))).collect();
        let secrets = HomeSecrets { weights, blinding: HexBytes(r.blinding), masks };
        let tenant = row.account.to_string();
        let secrets = self.custody.put(&tenant, SECRETS, serde_json::to_vec(&secrets)?).await?;
        let sources = self.own_sources(&row).await?;
        let openings = u64::from(row.request.openings) * sources.len() as u64;
        let work = Work::Home(HomeJob {
            request: row.id,
            account: row.account,
            owner: row.request.owner,
            schema: row.request.schema.clone(),
            profile: profile(&row.request),
            link: row.request.link,
            sources,
            target: target(&row.request),
            weights_digest,
            secrets,
            least_share: (row.least_share_bps > 0).then(|| LeastShare {
                bps: row.least_share_bps,
                records: row.request.records(),
                lambda: row.request.lambda,
            }),
        });
        let mut tx = self.trainings.database().begin().await?;
        self.custody.accept_allotment(&mut tx, row.id, row.account, weights_digest.into(), openings).await?;
        tx.commit().await?;
        let job = self.admission.queue_one(row.account, work.into(), None).await?;
        let mut tx = self.trainings.database().begin().await?;
        self.trainings.note_job(&mut tx, row.id, row.account, &job.id).await?;
        tx.commit().await?;
        Ok(job)
    }

    /// The proven gradients of a participant.
    pub(crate) async fn proven(&self, caller: AccountAddress, id: &[u8], account: &[u8]) -> Result<HomeOutcome> {
        let row = self.approved(caller, id, account).await?;
        let not_ready = |what: &str| Problem::new(Reason::NotReady, format!("{}'s gradients {what}", row.account));
        let job = row.job.as_deref().ok_or_else(|| not_ready("are not being proven: send the final weights first"))?;
        let job = self.admission.queue.get(job).await?.ok_or_else(|| not_ready("lost their job"))?;
        match (job.state, job.outcome, job.problem) {
            (State::Succeeded, Some(outcome), _) => match serde_json::from_str(&outcome)? {
                Outcome::Home(home) => Ok(home),
                _ => Err(Problem::internal("a job of another kind is noted")),
            },
            (State::Failed, _, Some(problem)) => Err(problem),
            (State::Cancelled, ..) => Err(not_ready("are not proven: their job was cancelled")),
            _ => Err(not_ready("are being proven").with(AWAITS, job.id)),
        }
    }

    /// A training that the participant approved, for the agent's owner.
    async fn approved(&self, caller: AccountAddress, id: &[u8], account: &[u8]) -> Result<RequestRow<Request>> {
        let row = self.approved_request(caller, id, account).await?.training()?;
        // the node may have been updated since
        row.request.check_program()?;
        Ok(row)
    }

    /// A request that the participant approved, for its owner.
    pub(super) async fn approved_request(
        &self,
        caller: AccountAddress,
        id: &[u8],
        account: &[u8],
    ) -> Result<RequestRow> {
        let row = self.request(caller, id, account).await?;
        if row.request.owner() != caller {
            return Err(Problem::new(Reason::NotAllowed, "only the request's owner asks rounds"));
        }
        match row.said {
            Said::Approved => Ok(row),
            Said::Asked => Err(Problem::new(
                Reason::NotReady,
                format!("{} has not approved the request yet (`tribute request approve {}`)", row.account, row.id),
            )),
            Said::Declined => Err(declined(&row)),
        }
    }

    /// Refuses what was declined.
    fn open(&self, row: &RequestRow) -> Result<()> {
        if row.said == Said::Declined {
            return Err(declined(row));
        }
        Ok(())
    }

    /// The answers of an uploaded file.
    async fn answers(&self, caller: AccountAddress, upload: &[u8]) -> Result<Vec<Answer>> {
        let file = self.uploads.open(caller, "previous_upload", upload).await?;
        let read = v1::RoundAnswers::decode(file.bytes.as_slice())
            .map_err(|_| Problem::field("previous_upload", "is not a RoundAnswers message"))?;
        Ok(read.answers.into_iter().map(|a| Answer { numbers: a.numbers, signature: HexBytes(a.signature) }).collect())
    }

    /// The participant's shards in the request's order; `None` if none of its datasets is here.
    ///
    /// # Errors
    /// If one is here, and the request says something else of it.
    async fn sources(&self, request: &Request, participant: &Participant) -> Result<Option<Vec<SourceBody>>> {
        let mut sources = Vec::new();
        let mut absent = None;
        for lot in &participant.datasets {
            let Some(found) = self.registry.dataset(lot.dataset).await? else {
                absent = Some(lot.dataset);
                continue;
            };
            let body = found.body;
            let differs = |what: &str| {
                let text =
                    format!("dataset {}: its {what} is not the request's: ask again for it as it is", lot.dataset);
                Problem::field("request.participants", text).with("dataset", lot.dataset)
            };
            if body.owner != participant.account {
                return Err(differs("owner"));
            }
            if let Some(shard) = body.shards.iter().find(|shard| shard.owner != body.owner) {
                let text = format!(
                    "dataset {} has shards that an earlier owner, {}, committed: nodes train together on datasets that \
                     never changed hands",
                    lot.dataset, shard.owner
                );
                return Err(Problem::field("request.participants", text).with("dataset", lot.dataset));
            }
            if body.schema != request.schema || body.profile != profile(request) {
                return Err(Problem::new(
                    Reason::SchemaMismatch,
                    format!("dataset {} has another schema or profile than the request", lot.dataset),
                )
                .with("dataset", lot.dataset));
            }
            if body.target.chain_id != request.chain_id {
                return Err(differs("chain"));
            }
            let same = body.shards.len() == lot.shards.len()
                && body.shards.iter().zip(&lot.shards).all(|(a, b)| (a.digest, a.count) == (b.digest, b.records));
            if !same {
                return Err(differs("list of shards"));
            }
            sources.extend(body.sources());
        }
        match (absent, sources.is_empty()) {
            (None, _) => Ok(Some(sources)),
            (Some(_), true) => Ok(None),
            (Some(dataset), false) => Err(Problem::not_found("dataset", dataset)),
        }
    }

    async fn own_sources(&self, row: &RequestRow<Request>) -> Result<Vec<SourceBody>> {
        let sources = self.sources(&row.request, participant(&row.request, row.account)?).await?;
        sources.ok_or_else(|| Problem::internal("a participant's datasets are gone"))
    }

    /// All records of a participant, in the request's order.
    async fn records(&self, account: AccountAddress, sources: &[SourceBody]) -> Result<Records> {
        let mut all: Option<Records> = None;
        for source in sources {
            let records = self.custody.records(&account.to_string(), &source.records).await?;
            match &mut all {
                None => all = Some(records),
                Some(all) => all.extend(&records),
            }
        }
        all.ok_or_else(|| Problem::internal("a participant without shards"))
    }
}

fn participant(request: &Request, account: AccountAddress) -> Result<&Participant> {
    let position = request.position(account);
    let position = position.ok_or_else(|| Problem::internal("a stored request without its participant"))?;
    Ok(&request.participants[position])
}

fn declined(row: &RequestRow) -> Problem {
    Problem::new(
        Reason::NotAllowed,
        format!("{} declined the request: {}. Ask again without it, or with other terms", row.account, row.reason),
    )
    .with("account", row.account)
    .with("said", &row.reason)
}

/// The request's circuit profile.
pub(crate) fn profile(request: &Request) -> Profile {
    Profile { k: request.k, columns: request.columns, intercept_scale: request.intercept_scale }
}

/// The agent registry that the request's gradients are proven for.
pub(crate) fn target(request: &Request) -> Target {
    Target { chain_id: request.chain_id, contract: request.agent_registry }
}
