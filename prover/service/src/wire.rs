//! Conversions between protobuf messages and the types of rows and rules: the only place that knows the wire format.

pub(crate) use tribute_client::wire::{link, terms};
use tribute_client::wire::{statement, terms_message, voucher};
use tribute_core::id::DatasetId;
use tribute_core::layout::Task;
use tribute_core::proof::Proof;
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::circuit::{CircuitBody, ProofBody};
use tribute_steps::dataset::{DatasetBody, ShardBody};
use tribute_steps::shape::{Profile, ShapeBody, Target};
use tribute_steps::toolbox::Progress;
use tribute_steps::train::AgentBody;
use tribute_steps::work::{Outcome, Payload, Work};
use tribute_store::artefacts::Artefacts;

use crate::chain::ChainSession;
use crate::jobs::{Event, EventRow, Job, State};
use crate::registry::datasets::Version;
use crate::registry::sessions::SessionRow;
use crate::registry::Proven;

/// Largest response, bytes: models and certificates are sent in a single message.
pub(crate) const MAX_RESPONSE: usize = 256 << 20;

pub(crate) fn state(state: State) -> v1::JobState {
    match state {
        State::Queued => v1::JobState::Queued,
        State::Running => v1::JobState::Running,
        State::Succeeded => v1::JobState::Succeeded,
        State::Failed => v1::JobState::Failed,
        State::Cancelled => v1::JobState::Cancelled,
    }
}

/// The job state to filter by; `None` for any.
pub(crate) fn state_filter(value: i32) -> Result<Option<State>> {
    Ok(match v1::JobState::try_from(value) {
        Ok(v1::JobState::Unspecified) => None,
        Ok(v1::JobState::Queued) => Some(State::Queued),
        Ok(v1::JobState::Running) => Some(State::Running),
        Ok(v1::JobState::Succeeded) => Some(State::Succeeded),
        Ok(v1::JobState::Failed) => Some(State::Failed),
        Ok(v1::JobState::Cancelled) => Some(State::Cancelled),
        Err(_) => return Err(Problem::field("state", format!("{value} is no job state"))),
    })
}

fn progress(p: Progress) -> v1::Progress {
    v1::Progress { phase: p.phase, done: p.done, total: p.total }
}

pub(crate) fn error(p: Problem) -> v1::JobError {
    v1::JobError { reason: p.reason.text().into(), message: p.message, metadata: p.metadata.into_iter().collect() }
}

pub(crate) fn event(row: EventRow) -> v1::JobEvent {
    use v1::job_event::Event as E;
    v1::JobEvent {
        sequence: row.sequence.unsigned_abs(),
        at_ms: row.at_ms.unsigned_abs(),
        event: Some(match row.event {
            Event::State(s) => E::State(state(s).into()),
            Event::Progress(p) => E::Progress(progress(p)),
            Event::Requeued(why) => E::Requeued(why),
        }),
    }
}

/// Converts a job's row; the caller has converted its `outcome`.
pub(crate) fn job(job: Job, outcome: Option<v1::Outcome>) -> v1::Job {
    v1::Job {
        title: title(&job),
        id: job.id,
        kind: job.kind,
        state: state(job.state).into(),
        starts: job.starts as u32,
        attempts: job.attempts as u32,
        max_attempts: job.max_attempts as u32,
        progress: (!job.progress.phase.is_empty()).then(|| progress(job.progress)),
        created_ms: job.created_ms.unsigned_abs(),
        started_ms: job.started_ms.unsigned_abs(),
        ended_ms: job.ended_ms.unsigned_abs(),
        error: job.problem.map(error),
        outcome,
    }
}

/// What a job is about, where its kind leaves that open.
fn title(job: &Job) -> String {
    if !["coalition", "valuation"].contains(&job.kind.as_str()) {
        return String::new();
    }
    match serde_json::from_str(&job.payload) {
        Ok(Payload { work: Work::Coalition(coalition), .. }) => coalition.title(),
        Ok(Payload { work: Work::Valuation(valuation), .. }) => valuation.title(),
        _ => String::new(),
    }
}

/// Validates a requested page size; 0 means 100.
pub(crate) fn page_size(size: u32) -> Result<i64> {
    match size {
        0 => Ok(100),
        1..=1000 => Ok(size.into()),
        _ => Err(Problem::field("page_size", format!("{size} is more than 1,000"))),
    }
}

/// Parses a page token: creation time and id of the last item on the previous page.
pub(crate) fn page_token(token: &str) -> Result<Option<(i64, String)>> {
    if token.is_empty() {
        return Ok(None);
    }
    token
        .split_once(':')
        .and_then(|(at, id)| Some(Some((at.parse().ok()?, id.to_owned()))))
        .ok_or_else(|| Problem::field("page_token", format!("`{token}` comes from no previous page")))
}

/// The token of the next page; empty if this page is the last.
pub(crate) fn next_page(rows: usize, size: i64, last: Option<(i64, String)>) -> String {
    match last {
        Some((at, id)) if rows as i64 == size => format!("{at}:{id}"),
        _ => String::new(),
    }
}

pub(crate) fn schema(json: &[u8]) -> Result<Schema> {
    let text =
        std::str::from_utf8(json).map_err(|_| Problem::new(Reason::BadSchema, "the schema is not UTF-8 text"))?;
    Ok(Schema::from_json(text)?)
}

fn profile(p: Profile) -> v1::Profile {
    v1::Profile { k: p.k, columns: p.columns as u32, intercept_scale: p.intercept_scale }
}

pub(crate) fn target(t: Target) -> v1::ChainContext {
    v1::ChainContext { chain_id: t.chain_id, contract: t.contract.to_vec() }
}

pub(crate) fn shape(s: v1::CircuitShape) -> Result<ShapeBody> {
    let p = s.profile.unwrap_or_default();
    Ok(ShapeBody {
        statement: statement("shape.statement", s.statement)?,
        profile: Profile { k: p.k, columns: p.columns as usize, intercept_scale: p.intercept_scale },
        features: s.features as usize,
        classes: s.classes as usize,
        task: if s.real_target { Task::Real } else { Task::Classes },
        link: link(s.link)?,
    })
}

pub(crate) fn shape_message(s: &ShapeBody) -> v1::CircuitShape {
    v1::CircuitShape {
        statement: s.statement.code().into(),
        profile: Some(profile(s.profile)),
        features: s.features as u32,
        classes: s.classes as u32,
        real_target: s.task == Task::Real,
        link: s.link.map_or(0, |l| l.code().into()),
    }
}

pub(crate) fn circuit(c: &CircuitBody, gas: u64) -> v1::Circuit {
    let statement = c.shape.statement;
    v1::Circuit {
        shape: Some(shape_message(&c.shape)),
        circuit_id: c.circuit_id.to_vec(),
        vk_digest: c.vk_digest.to_vec(),
        srs_digest: c.srs_digest.to_vec(),
        layout_hash: c.layout_hash.to_vec(),
        code_hash: c.code_hash.to_vec(),
        code_bytes: c.code_bytes,
        proof_length: c.proof_length as u32,
        input_count: statement.inputs() as u32,
        gas_verify: gas,
        group_columns: statement.groups(c.shape.profile.columns).into_iter().map(|g| g as u32).collect(),
    }
}

/// Converts a session, combining its row with its on-chain state and its agent.
pub(crate) fn session(session: &SessionRow, on_chain: &ChainSession, agent: &AgentBody) -> v1::Session {
    let body = &session.body;
    v1::Session {
        id: body.id.to_vec(),
        weights_digest: body.weights_digest.to_vec(),
        agent_id: body.agent_id.to_vec(),
        version: body.version,
        client: body.client.to_vec(),
        session_key: body.session_key.to_vec(),
        price: body.price.to_string(),
        escrow: on_chain.remaining.to_string(),
        count: session.count,
        transcript: session.transcript.to_vec(),
        voucher: session.voucher.as_ref().map(voucher),
        claimed_count: on_chain.count,
        claimed_transcript: on_chain.transcript.to_vec(),
        schema_json: agent.schema.clone().into_bytes(),
        context: Some(target(body.target)),
    }
}

/// Converts a dataset's row, without its proofs.
pub(crate) fn dataset(d: &DatasetBody, created_ms: i64) -> v1::Dataset {
    let shard =
        |s: &ShardBody| v1::Shard { digest: s.digest.to_vec(), records: s.count, proof: None, owner: s.owner.to_vec() };
    v1::Dataset {
        id: d.id.to_vec(),
        owner: d.owner.to_vec(),
        schema_id: d.schema_id().to_vec(),
        schema_json: d.schema.clone().into_bytes(),
        layout_hash: d.layout_hash.to_vec(),
        profile: Some(profile(d.profile)),
        records: d.count,
        terms: Some(terms_message(d.terms)),
        context: Some(target(d.target)),
        shards: d.shards.iter().map(shard).collect(),
        created_ms: created_ms.unsigned_abs(),
        root: d.root.to_vec(),
        previous: d.previous.map(|id| id.to_vec()).unwrap_or_default(),
        versions: Vec::new(),
    }
}

/// Converts how often a dataset's commitments are opened.
pub(crate) fn openings(dataset: DatasetId, planned: u64, left: u64) -> v1::DatasetOpenings {
    v1::DatasetOpenings { dataset_id: dataset.to_vec(), planned, left }
}

/// Converts a version of a dataset.
pub(crate) fn dataset_version(v: &Version) -> v1::DatasetVersion {
    v1::DatasetVersion { id: v.id.to_vec(), owner: v.owner.to_vec(), records: v.records, shards: v.shards }
}

/// Converts an agent's row, without its model.
pub(crate) fn agent(a: &AgentBody, proven: Proven, created_ms: i64) -> v1::Agent {
    v1::Agent {
        weights_digest: a.weights_digest.to_vec(),
        owner: a.owner.to_vec(),
        name: a.name.clone(),
        terms: Some(v1::TrainingTerms {
            dataset_ids: a.datasets().into_iter().map(|id| id.to_vec()).collect(),
            lambda: a.lambda,
            link: a.link.code().into(),
        }),
        schema_json: a.schema.clone().into_bytes(),
        profile: Some(profile(a.profile)),
        model_sha256: a.model_sha256.to_vec(),
        onnx: Vec::new(),
        epsilon: a.epsilon,
        norm: a.norm,
        relative_distance: a.relative_distance,
        shares: a.shares.clone(),
        training_accuracy: a.training_accuracy,
        records: a.count,
        gradients_proven: proven.gradients,
        shards: a.sources.len() as u32,
        optimum_proven: proven.optimum,
        created_ms: created_ms.unsigned_abs(),
        polish: a.polish.map(|p| v1::Polish {
            moved: p.moved,
            answers_changed: p.answers_changed,
            training_accuracy_before: p.training_accuracy_before,
        }),
        shows_scores: false,
    }
}

/// Converts a proof, loading its bytes.
pub(crate) async fn proof(artefacts: &Artefacts, p: &ProofBody) -> Result<v1::Proof> {
    let Proof { statement, circuit, inputs, bytes } = p.load(artefacts).await?;
    Ok(v1::Proof {
        statement: statement.code().into(),
        circuit_id: circuit.to_vec(),
        inputs: inputs.iter().map(|x| x.to_vec()).collect(),
        proof: bytes,
        groups: p.groups.iter().map(|g| g.to_vec()).collect(),
        stats: Some(v1::ProofStats {
            k: p.circuit.shape.profile.k,
            columns: p.stats.columns,
            seconds: p.stats.seconds,
            bytes: p.stats.bytes,
            verify_ms: p.stats.verify_ms,
            gas_verify: p.stats.gas_verify,
            peak_rss_mb: p.stats.peak_rss_mb,
        }),
    })
}

/// Converts a dataset, loading its proofs.
pub(crate) async fn dataset_with_proofs(
    artefacts: &Artefacts,
    d: &DatasetBody,
    created_ms: i64,
) -> Result<v1::Dataset> {
    let mut message = dataset(d, created_ms);
    for (shard, s) in message.shards.iter_mut().zip(&d.shards) {
        shard.proof = Some(proof(artefacts, &s.proof).await?);
    }
    Ok(message)
}

/// Converts a job's outcome, loading the artefacts it refers to.
async fn outcome(artefacts: &Artefacts, outcome: &Outcome, ended_ms: i64) -> Result<v1::Outcome> {
    use v1::outcome::Outcome as O;
    let message = match outcome {
        Outcome::Calibrate(c) => {
            O::Calibrate(v1::CalibrateOutcome { milliseconds: c.milliseconds, k: c.k, rounds: c.rounds })
        }
        Outcome::Circuit(c) => O::Circuit(v1::CircuitOutcome { circuit: Some(circuit(c, 0)) }),
        Outcome::Dataset(d) => {
            O::Dataset(v1::DatasetOutcome { dataset: Some(dataset_with_proofs(artefacts, d, ended_ms).await?) })
        }
        Outcome::Shard(s) => O::Shard(v1::Shard {
            digest: s.digest.to_vec(),
            records: s.count,
            proof: Some(proof(artefacts, &s.proof).await?),
            owner: s.owner.to_vec(),
        }),
        Outcome::Train(a) => O::Agent(v1::AgentOutcome { agent: Some(agent(a, Proven::default(), ended_ms)) }),
        Outcome::Across(a) => O::Agent(v1::AgentOutcome {
            agent: Some(agent(&a.agent, Proven { gradients: a.gradients.len() as u32, optimum: false }, ended_ms)),
        }),
        // its proofs and column are for the agent's owner: TrainingService.GetHomeGradients
        Outcome::Home(_) => return Ok(v1::Outcome::default()),
        Outcome::Gradient(g) => O::Proof(proof(artefacts, &g.proof).await?),
        Outcome::Optimum(o) => O::Proof(proof(artefacts, &o.proof).await?),
        Outcome::Evaluation(e) => O::Evaluation(v1::EvaluationOutcome {
            weights_digest: e.weights_digest.to_vec(),
            dataset_id: e.dataset.to_vec(),
            records: e.records,
            correct: e.correct,
            loss: e.loss,
            evaluation_json: artefacts.get(&e.file).await?,
        }),
        Outcome::Coalition(c) => O::Coalition(v1::CoalitionOutcome {
            owners: c.owners.clone(),
            loss: c.loss,
            proving_seconds: c.seconds,
            parts_json: artefacts.get(&c.parts).await?,
        }),
        Outcome::Valuation(v) => O::Valuation(v1::ValuationOutcome {
            evaluation_json: artefacts.get(&v.evaluation).await?,
            coalition_jobs: v.coalitions.iter().map(|proven| proven.job.clone()).collect(),
        }),
        Outcome::Service(s) => O::Service(v1::ServiceOutcome {
            proof: Some(proof(artefacts, &s.proof).await?),
            vouchers: s.vouchers.iter().map(voucher).collect(),
            agent_id: s.agent_id.to_vec(),
            version: s.version,
        }),
    };
    Ok(v1::Outcome { outcome: Some(message) })
}

/// Converts a job for its owner, loading the artefacts its outcome refers to.
pub(crate) async fn job_with_outcome(artefacts: &Artefacts, row: Job) -> Result<v1::Job> {
    let made: Option<Outcome> = row.outcome.as_deref().map(serde_json::from_str).transpose()?;
    let made = match &made {
        Some(made) => Some(outcome(artefacts, made, row.ended_ms).await?),
        None => None,
    };
    Ok(job(row, made))
}

/// [`job_with_outcome`] for each row.
pub(crate) async fn jobs_with_outcomes(artefacts: &Artefacts, rows: Vec<Job>) -> Result<Vec<v1::Job>> {
    let mut jobs = Vec::with_capacity(rows.len());
    for row in rows {
        jobs.push(job_with_outcome(artefacts, row).await?);
    }
    Ok(jobs)
}
