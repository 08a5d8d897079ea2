//! Trains an agent, or imports one and checks that it is the optimum.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tribute_core::head::{answer, Weights};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{DatasetId, ModelDigest, RequestId, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::layout::Task;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_inference::train::Pieces;
use tribute_inference::{
    check_optimum, import, polish, train, Agent, ImportError, InputScale, LossOptions, Moved, OptimumError, TrainError,
    AROUND,
};
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::dataset::{DatasetBody, SourceBody};
use crate::memory::in_memory;
use crate::refusal::{digit, not_optimal, unreadable, untrainable};
use crate::shape::Profile;
use crate::toolbox::Toolbox;

/// Trains a head, or imports one trained elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainJob {
    /// Address of the agent's owner.
    pub owner: AccountAddress,
    /// Display name.
    pub name: String,
    /// Canonical JSON of the schema.
    pub schema: String,
    /// Size of the circuits.
    pub profile: Profile,
    /// All shards of the listed datasets, in order.
    pub sources: Vec<SourceBody>,
    /// λ in units of 2^-44.
    pub lambda: u64,
    /// Link function of the loss.
    pub link: Link,
    /// Model of an agent of the owner's, of the same schema, from whose weights training starts; none: from zero.
    pub start: Option<ArtefactId>,
    /// Model to import the head from, instead of training.
    pub model: Option<ArtefactId>,
    /// Whether the model expects features in 256ths, as the circuits use them, instead of in the schema's units.
    #[serde(default)]
    pub quantised_features: bool,
    /// How far the model may be moved to the optimum, relative to the norm of its weights; none: not at all.
    pub polish: Option<f64>,
}

/// How far polishing moved a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolishBody {
    /// Of the weights, relative to the norm of those that were imported.
    pub moved: f64,
    /// Training records that it answers differently since.
    pub answers_changed: u64,
    /// Fraction of the training records that it answered correctly before.
    pub training_accuracy_before: f64,
}

/// An agent whose data stayed at other nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AcrossBody {
    /// The request.
    pub request: RequestId,
    /// The committed sum of all gradients, sealed for the owner.
    pub sum: ArtefactId,
    /// The datasets' public parts; their shards name no records.
    pub datasets: Vec<DatasetBody>,
}

/// A trained agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentBody {
    /// Digest of the committed weights, which identifies the agent.
    pub weights_digest: WeightsDigest,
    /// Address of the agent's owner.
    pub owner: AccountAddress,
    /// Display name.
    pub name: String,
    /// Canonical JSON of the schema.
    pub schema: String,
    /// Size of the circuits.
    pub profile: Profile,
    /// All shards of the listed datasets, in order.
    pub sources: Vec<SourceBody>,
    /// λ in units of 2^-44.
    pub lambda: u64,
    /// Link function of the loss.
    pub link: Link,
    /// The ONNX file, sealed for the owner.
    pub model: ArtefactId,
    /// SHA-256 of the ONNX file.
    pub model_sha256: ModelDigest,
    /// Total number of records.
    pub count: u64,
    /// ε as the proof states it, in units of 2^-44.
    pub epsilon: u64,
    /// Lower bound of ‖W‖, in units of 2^-10.
    pub norm: u64,
    /// Proven bound on the relative distance to the optimum.
    pub relative_distance: f64,
    /// Share of each dataset in the data fees; 0 for a negative contribution.
    pub shares: Vec<f64>,
    /// Fraction of the training records answered correctly; 0 if they stayed at other nodes.
    pub training_accuracy: f64,
    /// Of a model that was brought along and moved to the optimum: how far.
    pub polish: Option<PolishBody>,
    /// Of an agent whose data stayed at other nodes.
    pub across: Option<AcrossBody>,
}

impl AgentBody {
    /// The schema.
    pub fn schema(&self) -> Result<Schema> {
        Ok(Schema::from_json(&self.schema)?)
    }
    /// The layout.
    pub fn layout(&self) -> Result<Layout> {
        self.profile.layout(&self.schema()?)
    }
    /// The latest owner of a dataset that its proofs name: who registered its last shard.
    #[must_use]
    pub fn latest_owner(&self, dataset: &DatasetId) -> Option<AccountAddress> {
        self.sources.iter().rfind(|s| s.dataset == *dataset).map(|s| s.owner)
    }
    /// The latest owners of the datasets, in order of their first dataset.
    #[must_use]
    pub fn owners(&self) -> Vec<AccountAddress> {
        let mut owners = Vec::new();
        for owner in self.datasets().iter().filter_map(|id| self.latest_owner(id)) {
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        owners
    }
    /// Dataset ids in version order, each once.
    #[must_use]
    pub fn datasets(&self) -> Vec<DatasetId> {
        let mut ids: Vec<DatasetId> = self.sources.iter().map(|s| s.dataset).collect();
        ids.dedup();
        ids
    }
}

/// Trains the head or checks the imported one, and commits to its weights.
pub fn run(job: &TrainJob, toolbox: &Toolbox) -> Result<AgentBody> {
    let schema = Schema::from_json(&job.schema)?;
    let layout = job.profile.layout(&schema)?;
    let datasets = load(job, schema.features().len(), toolbox)?;
    let of_caller = by_dataset(&job.sources).map(|shards| shards.iter().all(|s| s.owner == job.owner));
    let of_caller: Vec<&Dataset<'_>> = datasets.iter().zip(of_caller).filter_map(|(d, own)| own.then_some(d)).collect();
    let datasets: Vec<&Dataset<'_>> = datasets.iter().collect();
    let options = LossOptions { link: job.link, lambda: job.lambda, intercept_scale: job.profile.intercept_scale };
    // of data that is all the caller's own nothing is a secret to it
    let own = job.sources.iter().all(|s| s.owner == job.owner);
    let fitted = |p: tribute_inference::train::Progress| toolbox.progress("fit", p.step as u64, 100);
    let untrainable = |e: TrainError| match &e {
        TrainError::Read { reason } => unread(&datasets, reason),
        _ => untrainable(&e, own),
    };
    let refused = |e: OptimumError| match &e {
        OptimumError::Read { reason } => unread(&datasets, reason),
        _ => not_optimal(&e, own),
    };
    let brought = job.model.as_ref().map(|model| imported(job, &schema, &of_caller, model, toolbox)).transpose()?;
    let (weights, polish) = match (brought, job.polish) {
        (None, _) => {
            let trained = match &job.start {
                None => train(&schema, &datasets, &options, fitted),
                Some(model) => polish(&schema, &datasets, &options, &started(job, model, toolbox)?, fitted),
            };
            (trained.map_err(untrainable)?.weights, None)
        }
        (Some(brought), None) => (brought, None),
        (Some(brought), Some(most)) => {
            let polished = polish(&schema, &datasets, &options, &brought, fitted).map_err(untrainable)?.weights;
            let told = how_far(&brought, &polished, &datasets, layout.task(), most, own).map_err(|mut far| {
                // of others' records no more is said
                let more = own && far.reason == Reason::NotTheOptimum;
                let unpolished = more.then(|| check_optimum(&schema, &layout, &brought, &datasets, &options));
                if let Some(Err(e)) = unpolished {
                    far.message = format!("{}. Unpolished, {}", far.message, refused(e).message);
                }
                far
            })?;
            (polished, Some(told))
        }
    };
    toolbox.progress("check", 0, 1);
    let report = check_optimum(&schema, &layout, &weights, &datasets, &options).map_err(refused)?;

    toolbox.progress("commit", 0, 1);
    let tenant = job.owner.to_string();
    let srs = toolbox.srs(layout.k())?;
    let digest = toolbox.custody.committer(&tenant)?.weights(&srs, &layout, &weights)?.digest();
    let agent = Agent { weights, schema: hex::encode(schema.id()), certificate: hex::encode(digest) };
    let training_accuracy = accuracy(&agent.weights, &datasets, layout.task())?;
    let model = toolbox.wait(toolbox.custody.put(&tenant, "model", &agent.to_bytes()))?;
    Ok(AgentBody {
        weights_digest: WeightsDigest::new(*digest.as_bytes()),
        owner: job.owner,
        name: job.name.clone(),
        schema: job.schema.clone(),
        profile: job.profile,
        sources: job.sources.clone(),
        lambda: job.lambda,
        link: job.link,
        model,
        model_sha256: ModelDigest::new(agent.sha256()),
        count: job.sources.iter().map(|s| s.count).sum(),
        epsilon: report.optimum.epsilon,
        norm: report.optimum.norm,
        relative_distance: report.relative_distance,
        shares: report.shares(),
        training_accuracy,
        polish,
        across: None,
    })
}

/// What polishing changed.
///
/// # Errors
/// If it moved the weights further than `most` of their norm: that is another model.
fn how_far(
    before: &Weights,
    after: &Weights,
    datasets: &[&Dataset<'_>],
    task: Task,
    most: f64,
    own: bool,
) -> Result<PolishBody> {
    let mut m = Moved::between(before, after);
    each_piece(datasets, |piece| {
        m.count(before, after, piece.iter().map(|(features, class)| (features, Some(class))))
    })?;
    if m.weights.is_nan() || m.weights > most {
        return Err(too_far(&m, most, own));
    }
    // a regression's answers are no classes
    let of_classes = if task == Task::Classes { m } else { Moved { changed: 0, right: [0; 2], ..m } };
    Ok(PolishBody {
        moved: m.weights,
        answers_changed: of_classes.changed as u64,
        training_accuracy_before: of_classes.right[0] as f64 / m.records.max(1) as f64,
    })
}

/// The refusal of a polish that moved the weights further than `most` of their norm.
fn too_far(m: &Moved, most: f64, own: bool) -> Problem {
    // no more than the whole norm can be allowed
    let way = if m.weights <= 1.0 { "allow more (`--polish=FRACTION`), or train instead" } else { "train instead" };
    if !own {
        let moved = digit(m.weights);
        let message = format!(
            "polishing would move the weights by about {moved} of their norm, further than the {most} that were allowed: {way}"
        );
        return Problem::new(Reason::NotTheOptimum, message).with("moved", moved).with("allowed", most);
    }
    let message = format!(
        "polishing would move the weights by {:.1e} of their norm and change {} of {} answers, further than the {most} that \
         were allowed: {way}",
        m.weights, m.changed, m.records
    );
    let problem = Problem::new(Reason::NotTheOptimum, message);
    problem.with("moved", m.weights).with("allowed", most).with("answers_changed", m.changed)
}

/// A dataset's records: in memory, or its shards in storage.
enum Dataset<'a> {
    Here(Records),
    Stored {
        sources: &'a [SourceBody],
        features: usize,
        toolbox: &'a Toolbox,
        /// Why a shard could not be read: the training itself carries only a text on.
        failed: OnceLock<Problem>,
    },
}

impl Dataset<'_> {
    /// Reads a piece.
    fn read(&self, index: usize) -> Result<Cow<'_, Records>> {
        match self {
            Dataset::Here(records) => Ok(Cow::Borrowed(records)),
            Dataset::Stored { sources, toolbox, .. } => {
                let source =
                    sources.get(index).ok_or_else(|| Problem::internal(format!("there is no shard {index}")))?;
                shard(source, toolbox).map(Cow::Owned)
            }
        }
    }
}

impl Pieces for Dataset<'_> {
    fn width(&self) -> usize {
        match self {
            Dataset::Here(records) => records.width(),
            Dataset::Stored { features, .. } => *features,
        }
    }
    fn lengths(&self) -> Vec<usize> {
        match self {
            Dataset::Here(records) => vec![records.len()],
            Dataset::Stored { sources, .. } => sources.iter().map(|s| s.count as usize).collect(),
        }
    }
    fn piece(&self, index: usize) -> std::result::Result<Cow<'_, Records>, String> {
        self.read(index).map_err(|problem| {
            let reason = problem.message.clone();
            if let Dataset::Stored { failed, .. } = self {
                // of several, the first is the one that ended the training
                let _ = failed.set(problem);
            }
            reason
        })
    }
    fn whole(&self) -> Option<&Records> {
        match self {
            Dataset::Here(records) => Some(records),
            Dataset::Stored { .. } => None,
        }
    }
}

/// The shards of each dataset.
fn by_dataset(sources: &[SourceBody]) -> impl Iterator<Item = &[SourceBody]> {
    sources.chunk_by(|_, next| next.shard > 0)
}

/// The datasets, with their shards concatenated if all of them fit in memory.
fn load<'a>(job: &'a TrainJob, features: usize, toolbox: &'a Toolbox) -> Result<Vec<Dataset<'a>>> {
    if !in_memory(job.sources.iter().map(|s| s.count).sum(), &job.schema)? {
        let stored = |sources| Dataset::Stored { sources, features, toolbox, failed: OnceLock::new() };
        return Ok(by_dataset(&job.sources).map(stored).collect());
    }
    let mut done = 0;
    let mut read = |source| {
        toolbox.progress("read", done, job.sources.len() as u64);
        done += 1;
        shard(source, toolbox)
    };
    let mut datasets = Vec::new();
    for sources in by_dataset(&job.sources) {
        let mut shards = sources.iter().map(&mut read);
        let mut all = shards.next().unwrap_or_else(|| Ok(Records::new(features)))?;
        for more in shards {
            all.extend(&more?);
        }
        datasets.push(Dataset::Here(all));
    }
    Ok(datasets)
}

fn each_piece(datasets: &[&Dataset<'_>], mut work: impl FnMut(&Records)) -> Result<()> {
    for dataset in datasets {
        for index in 0..dataset.lengths().len() {
            let piece = dataset.read(index)?;
            work(&piece);
        }
    }
    Ok(())
}

/// Reads a shard's records.
///
/// # Errors
/// As storage says, with the shard's name: what may pass later still may.
fn shard(source: &SourceBody, toolbox: &Toolbox) -> Result<Records> {
    toolbox.wait(toolbox.custody.records(&source.owner.to_string(), &source.records)).map_err(|e| of_shard(source, e))
}

fn of_shard(source: &SourceBody, problem: Problem) -> Problem {
    let message = format!("records of dataset {}, shard {}: {}", source.dataset, source.shard, problem.message);
    Problem { message, ..problem }.with("dataset", source.dataset).with("shard", source.shard)
}

/// Why a training could not read its records: what storage said, or else `reason`, of records that do not follow the schema.
fn unread(datasets: &[&Dataset<'_>], reason: &str) -> Problem {
    let failed = datasets.iter().find_map(|dataset| match dataset {
        Dataset::Stored { failed, .. } => failed.get().cloned(),
        Dataset::Here(_) => None,
    });
    failed.unwrap_or_else(|| unreadable(reason))
}

/// Pieces to evaluate a model around; of those in storage, no more than have as many records as are evaluated.
fn sample<'a>(datasets: &[&'a Dataset<'_>]) -> Result<Vec<Cow<'a, Records>>> {
    let (mut pieces, mut records) = (Vec::new(), 0);
    for dataset in datasets {
        if records >= AROUND && matches!(dataset, Dataset::Stored { .. }) {
            break;
        }
        let piece = dataset.read(0)?;
        records += piece.len();
        pieces.push(piece);
    }
    Ok(pieces)
}

/// The weights to start from.
fn started(job: &TrainJob, model: &str, toolbox: &Toolbox) -> Result<Weights> {
    let bytes = toolbox.wait(toolbox.custody.get(&job.owner.to_string(), "model", model))?;
    Ok(Agent::from_bytes(&bytes).map_err(Problem::internal)?.weights)
}

/// Weights of the imported model: those of a canonical agent unchanged, or the head of any other model. `own` are the datasets
/// whose records are all the caller's: a model may be made to differ at single records, and its refusal shows where, so nothing
/// that is said here depends on others' records.
fn imported(job: &TrainJob, schema: &Schema, own: &[&Dataset<'_>], model: &str, toolbox: &Toolbox) -> Result<Weights> {
    let some = sample(own)?;
    let some: Vec<&Records> = some.iter().map(AsRef::as_ref).collect();
    let bytes = toolbox.wait(toolbox.custody.get(&job.owner.to_string(), "model", model))?;
    let scale = if job.quantised_features { InputScale::Quantised } else { InputScale::Raw };
    let found = import(&bytes, schema, scale, job.link, job.profile.intercept_scale, &some).map_err(|e| match &e {
        ImportError::Runtime(missing) if missing.is_missing() => Problem::new(Reason::ToolMissing, e.to_string()),
        ImportError::Link { expected, got, .. } => {
            Problem::new(Reason::BadModel, format!("the model file: {e}")).with("expected", expected).with("got", got)
        }
        _ => Problem::new(Reason::BadModel, format!("the model file: {e}")),
    })?;
    tracing::info!(output = found.output, residual = found.residual, "model imported");
    Ok(found.weights)
}

/// Fraction of records that the integer head classifies correctly; 0 for a regression.
fn accuracy(weights: &Weights, datasets: &[&Dataset<'_>], task: Task) -> Result<f64> {
    if task == Task::Real {
        return Ok(0.0);
    }
    let (mut right, mut total) = (0, 0);
    each_piece(datasets, |piece| {
        right += piece.iter().filter(|(f, t)| answer(&weights.logits(f)) == *t).count();
        total += piece.len();
    })?;
    Ok(right as f64 / total.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SourceBody {
        SourceBody {
            dataset: DatasetId::new([1; 32]),
            root: DatasetId::new([1; 32]),
            owner: tribute_core::hexed::Hex([2; 20]),
            shard: 3,
            digest: tribute_core::id::ShardDigest::new([4; 32]),
            count: 5,
            records: ArtefactId::new(),
        }
    }

    #[test]
    fn what_moved_by_more_than_its_norm_is_to_be_trained() {
        for own in [true, false] {
            let told = |weights| {
                let moved = Moved { weights, records: 9, changed: 2, right: [0; 2], known: 0 };
                too_far(&moved, 1e-3, own).message
            };
            for allowed in [0.01, 1.0] {
                assert!(told(allowed).contains("--polish=FRACTION"), "{}", told(allowed));
            }
            for never in [1.01, f64::INFINITY, f64::NAN] {
                assert!(told(never).ends_with("allowed: train instead"), "{}", told(never));
            }
        }
    }

    #[test]
    fn what_storage_says_of_a_shard_keeps_its_reason_and_names_it() {
        for problem in [
            Problem::unavailable("no route"),
            Problem::storage("No space left on device"),
            Problem::new(Reason::ArtefactDamaged, "its digest differs").with("artefact", "a"),
        ] {
            let told = of_shard(&source(), problem.clone());
            assert_eq!((told.reason, told.may_pass_later()), (problem.reason, problem.may_pass_later()), "{told}");
            assert!(told.message.ends_with(&problem.message) && told.message.contains("shard 3"), "{told}");
            assert_eq!(told.metadata["shard"], "3");
            assert!(problem.metadata.iter().all(|(key, value)| told.metadata.get(key) == Some(value)), "{told}");
        }
    }
}
