//! Turns requests for work into the work of jobs. Everything that can be checked is checked before anything is stored.

use std::sync::Arc;

use tokio::sync::Notify;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{DatasetId, SrsDigest};
use tribute_core::layout::Task;
use tribute_core::link::Link;
use tribute_core::numbers::LAMBDA_LIMIT_BITS;
use tribute_core::schema::Schema;
use tribute_core::statement::Statement;
use tribute_custody::Custody;
use tribute_inference::train::{check_loss, LossOptions, TrainError};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::calibrate::CalibrateJob;
use tribute_steps::circuit::CircuitJob;
use tribute_steps::dataset::{shards, DatasetBody, DatasetJob, ShardJob};
use tribute_steps::optimum::OptimumJob;
use tribute_steps::shape::{Profile, ShapeBody, Target};
use tribute_steps::train::TrainJob;
use tribute_steps::work::Work;
use tribute_store::artefacts::{ArtefactId, Artefacts};

use super::certificates::Certificates;
use super::off_thread;
use super::ownership::Ownership;
use super::sent::Sent;
use super::sessions::Sessions;
use super::uploads::{Share, Uploads};
use crate::chain::{Chain, ChainGrant, Registries, Training};
use crate::jobs::queue::Queue;
use crate::registry::Registry;
use crate::wire;

/// Work that may be queued, and the grants it uses.
pub(crate) struct Admitted {
    pub(crate) work: Work,
    pub(crate) grants: Vec<Grant>,
    /// Work that must succeed first, and is part of it. Parts have no parts and no note.
    pub(crate) parts: Vec<Admitted>,
    /// Name of a note that its job keeps from when it is queued, new or found.
    pub(crate) note: Option<String>,
    /// The share of memory for the files that it was made of, while its artefacts are held.
    pub(crate) share: Option<Share>,
}

/// A dataset of another account, and why the caller may use it.
#[derive(Clone, Copy)]
pub(crate) struct Grant {
    pub(super) dataset: DatasetId,
    /// Its first version, by which openings are lent.
    pub(super) root: DatasetId,
    pub(super) by: Right,
}

/// Why a dataset may be used.
#[derive(Clone, Copy)]
pub(super) enum Right {
    /// Its terms allow anyone.
    Open,
    /// By a grant: preferably one in the chain's registry, if it has one; otherwise one of this server.
    Granted(Option<ChainGrant>),
}

impl From<Work> for Admitted {
    fn from(work: Work) -> Self {
        Admitted { work, grants: Vec::new(), parts: Vec::new(), note: None, share: None }
    }
}

/// What a training begins with.
enum Beginning {
    /// Weights digest of an agent of the caller's; empty: nothing.
    Agent(Vec<u8>),
    /// An uploaded model, whether it takes quantised features, and how far it may be moved.
    Model(Vec<u8>, bool, Option<f64>),
}

/// Checks requests for work and queues them.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) queue: Queue,
    pub(crate) registry: Registry,
    pub(crate) artefacts: Artefacts,
    pub(crate) custody: Custody,
    pub(crate) certificates: Certificates,
    pub(crate) sessions: Sessions,
    pub(crate) ownership: Ownership,
    pub(crate) uploads: Uploads,
    pub(crate) chain: Option<Arc<dyn Chain>>,
    /// Registries it proves for in addition to those of `chain`.
    pub(crate) registries: Vec<Registries>,
    /// Default circuit profile: rows (log2), and data columns, if not those that fit the schema.
    pub(crate) profile: (u32, Option<usize>),
    /// Memory that a single job may need, MB.
    pub(crate) memory_mb: i64,
    /// Digest of the SRS that proofs use.
    pub(crate) srs: SrsDigest,
    /// Notified when a job is queued.
    pub(crate) wake: Arc<Notify>,
}

impl Admission {
    /// Checks a request's work and converts it into the work of a job. It is stored what the job reads, unless the artefacts
    /// are held.
    pub(super) async fn prepare(&self, caller: AccountAddress, work: v1::work::Work) -> Result<Admitted> {
        use v1::work::Work as W;
        match work {
            W::Calibrate(w) => calibrate(w).map(Into::into),
            W::Circuit(w) => circuit(w).map(Into::into),
            W::Dataset(w) => self.dataset_work(caller, w).await,
            W::Train(w) => self.train_work(caller, w.terms, w.name, Beginning::Agent(w.start)).await,
            W::Import(w) => {
                let model = Beginning::Model(w.upload, w.quantised_features, w.polish);
                self.train_work(caller, w.terms, w.name, model).await
            }
            W::Gradient(w) => self.gradient_work(caller, w).await.map(Into::into),
            W::Optimum(w) => self.optimum_work(caller, w).await.map(Into::into),
            W::Evaluation(w) => self.evaluation_work(caller, w).await,
            W::Coalition(w) => self.coalition_work(caller, w).await,
            W::Valuation(w) => self.valuation_work(caller, w).await,
            W::Service(w) => {
                let agent = self.ownership.agent(caller, &w.weights_digest).await?.body;
                self.sessions.service_work(agent, &w.sessions).await.map(Into::into)
            }
        }
    }

    async fn dataset_work(&self, caller: AccountAddress, w: v1::DatasetWork) -> Result<Admitted> {
        let earlier = self.extended(caller, &w).await?;
        let sent = self.sent(caller, w.records).await?;
        let (schema, profile, target, terms) = match &earlier {
            Some(version) => (Schema::from_json(&version.schema)?, version.profile, version.target, version.terms),
            None => {
                let schema = wire::schema(&w.schema_json)?;
                let profile = self.profile(w.profile, &schema)?;
                let target = self.target(w.context, |r| r.datasets)?;
                (schema, profile, target, wire::terms(w.terms.unwrap_or_default())?)
            }
        };
        let layout = profile.layout(&schema)?;
        let read = schema.clone();
        // the share goes along: the memory is taken until the work ends, even if the caller leaves
        let (records, share) = off_thread(move || Ok((sent.records(&read)?, sent.into_share()))).await?;
        let count = records.len() as u64;
        let cuts = shards(records.len(), layout.capacity());
        Self::check_size(earlier.as_ref(), count, cuts.len())?;
        let tenant = caller.to_string();
        let stored = self.custody.put_records(&tenant, &records).await?;
        let mut added = Vec::with_capacity(cuts.len());
        for cut in &cuts {
            // a single shard is the whole table, which is stored already
            let whole = cuts.len() == 1;
            added.push(if whole {
                stored.clone()
            } else {
                self.custody.put_records(&tenant, &records.slice(cut.clone())).await?
            });
        }
        let schema = schema.canonical();
        let mut dataset =
            DatasetJob { owner: caller, schema, profile, target, terms, records: stored, count, earlier: None };
        let alone = dataset.clone();
        if let Some(version) = earlier {
            dataset.earlier = Some(self.extend(version, &records, &added).await?);
        }
        // several shards are proven by as many jobs, a single one by the dataset's own
        let mut parts = Vec::new();
        for (records, shard) in added.into_iter().zip(dataset.first_shard()..).filter(|_| cuts.len() > 1) {
            parts.push(Work::Shard(ShardJob { dataset: alone.clone(), shard, records }).into());
        }
        let extends = dataset.earlier.as_ref().map(|earlier| earlier.id);
        let work = Work::Dataset(dataset);
        if let Some(id) = extends {
            // whoever asks again for the same extension finds its job
            if self.queue.equal(&self.new_job(caller, &work, None)?).await?.is_none() {
                self.registry.check_latest(id).await?;
            }
        }
        Ok(Admitted { parts, share: Some(share), ..work.into() })
    }

    /// The caller's uploaded records, with their share of memory.
    async fn sent(&self, caller: AccountAddress, records: Option<v1::dataset_work::Records>) -> Result<Sent> {
        use v1::dataset_work::Records as R;
        match records {
            Some(R::Csv(csv)) => Ok(Sent::Table(Box::new(self.uploads.table(caller, Some(csv)).await?))),
            Some(R::Quantised(q)) => {
                Ok(Sent::Quantised(self.uploads.open(caller, "quantised.upload", &q.upload).await?))
            }
            None => Err(Problem::field("records", "is missing: name an uploaded table or quantised records")),
        }
    }

    async fn train_work(
        &self,
        caller: AccountAddress,
        terms: Option<v1::TrainingTerms>,
        name: String,
        beginning: Beginning,
    ) -> Result<Admitted> {
        let terms = terms.ok_or_else(|| Problem::field("terms", "is missing"))?;
        let (datasets, grants) = self.training_data(caller, &terms.dataset_ids).await?;
        let link = wire::link(terms.link)?.ok_or_else(|| Problem::field("terms.link", "is missing"))?;
        if terms.lambda == 0 || terms.lambda >> LAMBDA_LIMIT_BITS != 0 {
            return Err(Problem::field("terms.lambda", format!("{}·2^-44 is not between 0 and 1", terms.lambda)));
        }
        let first = &datasets[0];
        let schema = Schema::from_json(&first.schema)?;
        if link != Link::Squared && schema.task() == Task::Real {
            let message = format!("the target is a real value, the {} link is for classes: use squared", link.name());
            return Err(Problem::field("terms.link", message));
        }
        // what depends on no record is refused before a use is taken
        let loss = LossOptions { link, lambda: terms.lambda, intercept_scale: first.profile.intercept_scale };
        check_loss(&schema, &loss).map_err(|e| match &e {
            TrainError::LambdaTooSmall { least, .. } => {
                Problem::field("terms.lambda", e.to_string()).with("least", least)
            }
            _ => Problem::field("terms", e.to_string()),
        })?;
        let sources = datasets.iter().flat_map(DatasetBody::sources).collect();
        let mut job = TrainJob {
            owner: caller,
            name,
            schema: first.schema.clone(),
            profile: first.profile,
            sources,
            lambda: terms.lambda,
            link,
            start: None,
            model: None,
            quantised_features: false,
            polish: None,
        };
        match beginning {
            Beginning::Agent(start) if start.is_empty() => {}
            Beginning::Agent(start) => job.start = Some(self.start(caller, &start, &job.schema).await?),
            Beginning::Model(_, _, Some(most)) if !(most > 0.0 && most <= 1.0) => {
                let message =
                    format!("{most}: how far weights may be moved is above 0 and at most 1, relative to their norm");
                return Err(Problem::field("polish", message));
            }
            Beginning::Model(upload, quantised_features, polish) => {
                let onnx = self.uploads.open(caller, "upload", &upload).await?.bytes;
                job.model = Some(self.custody.put(&caller.to_string(), "model", onnx).await?);
                (job.quantised_features, job.polish) = (quantised_features, polish);
            }
        }
        Ok(Admitted { grants, ..Work::Train(job).into() })
    }

    /// The model of the caller's agent that a training starts from.
    async fn start(&self, caller: AccountAddress, digest: &[u8], schema: &str) -> Result<ArtefactId> {
        let agent = self.ownership.agent(caller, digest).await?.body;
        if agent.schema != schema {
            let message = format!("agent {} has another schema than the datasets", agent.weights_digest);
            return Err(Problem::field("start", message));
        }
        Ok(agent.model)
    }

    /// A dataset that the caller may train on or test with, and the grant that this takes.
    pub(super) async fn usable(&self, caller: AccountAddress, id: DatasetId) -> Result<(DatasetBody, Option<Grant>)> {
        let dataset = self.kept(id).await?;
        let grant = self.grant_needed(caller, &dataset).await?;
        Ok((dataset, grant))
    }

    /// A dataset whose records are kept.
    pub(super) async fn kept(&self, id: DatasetId) -> Result<DatasetBody> {
        let found = self.registry.dataset(id).await?.ok_or_else(|| Problem::not_found("dataset", id))?;
        self.registry.check_kept(id).await?;
        Ok(found.body)
    }

    /// Loads the listed datasets, which must share one schema and profile, and the grants that they need.
    async fn training_data(&self, caller: AccountAddress, ids: &[Vec<u8>]) -> Result<(Vec<DatasetBody>, Vec<Grant>)> {
        if ids.is_empty() {
            return Err(Problem::field("terms.dataset_ids", "name at least one dataset"));
        }
        let mut datasets: Vec<DatasetBody> = Vec::with_capacity(ids.len());
        let mut grants = Vec::new();
        for bytes in ids {
            let id: DatasetId = field("terms.dataset_ids", bytes)?;
            let (dataset, grant) = self.usable(caller, id).await?;
            if datasets.iter().any(|d| d.id == id) {
                return Err(Problem::field("terms.dataset_ids", format!("dataset {id} is listed twice")));
            }
            if let Some(other) = datasets.iter().find(|d| d.root == dataset.root) {
                let message =
                    format!("{} and {id} are versions of one dataset, and share records: list one of them", other.id);
                return Err(Problem::field("terms.dataset_ids", message).with("first", other.id).with("second", id));
            }
            if let Some(first) = datasets.first() {
                if (&first.schema, first.profile) != (&dataset.schema, dataset.profile) {
                    return Err(Problem::new(
                        Reason::SchemaMismatch,
                        format!(
                            "datasets {} and {id} differ in schema or profile: one agent is trained over one schema",
                            first.id
                        ),
                    )
                    .with("first", first.id)
                    .with("second", id));
                }
            }
            grants.extend(grant);
            datasets.push(dataset);
        }
        Ok((datasets, grants))
    }

    /// Why `caller` may use a dataset; `None` if it owns all its shards.
    ///
    /// # Errors
    /// [`Reason::NoGrant`] if it may not.
    pub(super) async fn grant_needed(&self, caller: AccountAddress, dataset: &DatasetBody) -> Result<Option<Grant>> {
        let granted = |by| Ok(Some(Grant { dataset: dataset.id, root: dataset.root, by }));
        if self.owner_now(dataset).await? == caller {
            // the shards that came with a transferred dataset are lent to its owner
            let own = dataset.shards.iter().all(|shard| shard.owner == caller);
            return if own { Ok(None) } else { granted(Right::Open) };
        }
        let right = match &self.chain {
            Some(chain) if !dataset.terms.open_training => chain.training(dataset.id, caller).await?,
            _ => None,
        };
        let by = match right {
            Some(Training::Free) => Right::Open,
            _ if dataset.terms.open_training => Right::Open,
            Some(Training::Granted(of_chain)) => Right::Granted(Some(of_chain)),
            None => {
                self.registry.check_granted(dataset.id, caller).await?;
                Right::Granted(None)
            }
        };
        granted(by)
    }

    async fn optimum_work(&self, caller: AccountAddress, w: v1::OptimumWork) -> Result<Work> {
        let agent = self.ownership.agent(caller, &w.weights_digest).await?.body;
        let target = self.target(w.context, |r| r.agents)?;
        let mut gradients = self.registry.agent_proofs(agent.weights_digest).await?.gradients;
        gradients.retain(|g| g.target == target);
        let (proven, shards) = (gradients.len(), agent.sources.len());
        if proven < shards {
            return Err(Problem::new(
                Reason::NotReady,
                format!(
                    "{proven} of the agent's {shards} gradients are proven for this chain: prove all of them first"
                ),
            )
            .with("proven", proven)
            .with("shards", shards));
        }
        Ok(Work::Optimum(OptimumJob {
            gradients: gradients.into_iter().filter_map(|g| g.gradient).collect(),
            target,
            agent_id: field("agent_id", &w.agent_id)?,
            version: w.version,
            agent,
        }))
    }

    /// A request's profile, with zero fields replaced by the server's defaults for this schema.
    pub(crate) fn profile(&self, profile: Option<v1::Profile>, schema: &Schema) -> Result<Profile> {
        let p = profile.unwrap_or_default();
        let (k, columns) = self.profile;
        let columns = columns.unwrap_or_else(|| schema.fitting_columns());
        Ok(Profile {
            k: if p.k == 0 { k } else { p.k },
            columns: if p.columns == 0 { columns } else { p.columns as usize },
            intercept_scale: p.intercept_scale,
        })
    }

    /// The target that a proof is bound to: the requested one or, if none is given, the server's own chain or, without
    /// a chain, off chain. Every further target costs another opening of the columns, so only known targets are
    /// accepted.
    pub(crate) fn target(
        &self,
        context: Option<v1::ChainContext>,
        pick: impl Fn(&Registries) -> Target,
    ) -> Result<Target> {
        let Some(c) = context else {
            return Ok(self.chain.as_ref().map_or(Target::default(), |chain| pick(&chain.contracts().into())));
        };
        let contract =
            if c.contract.is_empty() { AccountAddress::default() } else { field("context.contract", &c.contract)? };
        let asked = Target { chain_id: c.chain_id, contract };
        let own = self.chain.as_ref().map(|chain| chain.contracts().into());
        let mut known = own.iter().chain(&self.registries).map(pick);
        if asked == Target::default() || known.any(|target| target == asked) {
            return Ok(asked);
        }
        Err(Problem::field(
            "context",
            format!(
                "this server proves for no contract {contract} on chain {}: leave the context empty for the server's own, \
                 or have its operator add that one (`tribute serve --prove-for`)",
                c.chain_id
            ),
        ))
    }
}

fn calibrate(w: v1::CalibrateWork) -> Result<Work> {
    let k = if w.k == 0 { 15 } else { w.k };
    let rounds = if w.rounds == 0 { 3 } else { w.rounds };
    if !(10..=20).contains(&k) || rounds > 10_000 {
        return Err(Problem::field("calibrate", format!("k = {k} must be 10 to 20, rounds = {rounds} at most 10,000")));
    }
    Ok(Work::Calibrate(CalibrateJob { k, rounds, tag: w.tag }))
}

fn circuit(w: v1::CircuitWork) -> Result<Work> {
    let shape = wire::shape(w.shape.ok_or_else(|| Problem::field("shape", "is missing"))?)?;
    let link = shape.link.unwrap_or(Link::Squared);
    let full = ShapeBody::of(shape.statement, &shape.layout()?, link);
    if shape.statement == Statement::Gradient && shape.link.is_none() {
        return Err(Problem::field("shape.link", "a gradient circuit has a link"));
    }
    full.shape()?;
    Ok(Work::Circuit(CircuitJob { shape: full }))
}
