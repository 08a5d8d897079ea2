//! What steps take and give, as it stands in job rows.

use serde::{Deserialize, Serialize};
use tribute_core::certificate::tree::plan;
use tribute_core::certificate::{Node, Proof};
use tribute_core::context::{Domain, Terms};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::schema::Schema;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;

use crate::artefacts::{ArtefactId, Artefacts};
use crate::hexed::{Hex20, Hex32};
use crate::problem::{Problem, Result};

/// A job's payload. Equal JSON is the same job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// Digest of the SRS that it is to be done under: commitments and proofs under another are others. `None` where an
    /// older version queued the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srs: Option<Hex32>,
    /// The work.
    #[serde(flatten)]
    pub work: Work,
}

/// A piece of work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Measure the machine.
    Calibrate(CalibrateJob),
    /// Make keys and verifier of a circuit.
    Circuit(CircuitJob),
    /// Commit records and prove the commitment.
    Dataset(DatasetJob),
    /// Fit a head, or take one that was fitted elsewhere.
    Train(TrainJob),
    /// Prove one shard's gradient.
    Gradient(GradientJob),
    /// Prove the optimum.
    Optimum(OptimumJob),
    /// Prove an accuracy.
    Evaluation(EvaluationJob),
    /// Prove the answers of sessions.
    Service(ServiceJob),
}

impl Work {
    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Calibrate(_) => "calibrate",
            Work::Circuit(_) => "circuit",
            Work::Dataset(_) => "dataset",
            Work::Train(_) => "train",
            Work::Gradient(_) => "gradient",
            Work::Optimum(_) => "optimum",
            Work::Evaluation(_) => "evaluation",
            Work::Service(_) => "service",
        }
    }
    /// Memory the work needs, in MB, estimated from its shape: proving holds some 30 vectors of `2^k` extended to four
    /// times the rows, per 8 columns.
    #[must_use]
    pub fn weight_mb(&self) -> i64 {
        let proof = |p: &Profile| (p.columns as i64 + 20) << (p.k.saturating_sub(10)).min(20);
        match self {
            Work::Calibrate(job) => 16 + (1 << job.k.saturating_sub(12)),
            Work::Circuit(job) => proof(&job.shape.profile),
            Work::Dataset(job) => proof(&job.profile),
            Work::Train(_) => 512,
            Work::Gradient(job) => proof(&job.agent.profile),
            Work::Optimum(job) => proof(&job.agent.profile),
            Work::Evaluation(job) => proof(&job.agent.profile),
            Work::Service(job) => proof(&job.agent.profile),
        }
    }
}

/// What came of it. Its JSON is a job's outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcome {
    /// The machine was measured.
    Calibrate(CalibrateOutcome),
    /// A circuit is ready.
    Circuit(CircuitBody),
    /// A dataset is committed and proven.
    Dataset(DatasetBody),
    /// An agent is trained.
    Train(AgentBody),
    /// A gradient is proven.
    Gradient(GradientOutcome),
    /// The optimum is proven.
    Optimum(OptimumOutcome),
    /// An accuracy is proven.
    Evaluation(EvaluationOutcome),
    /// Answers are proven.
    Service(ServiceOutcome),
}

/// Best of `rounds` commitments of `2^k` random scalars.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateJob {
    /// log2 of the scalars.
    pub k: u32,
    /// Commitments made.
    pub rounds: u32,
    /// Any text: distinguishes otherwise equal jobs.
    pub tag: String,
}

/// How fast the machine is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateOutcome {
    /// Best time of one commitment.
    pub milliseconds: f64,
    /// log2 of the scalars.
    pub k: u32,
    /// Commitments made.
    pub rounds: u32,
}

/// Rows and data columns of all circuits of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// log2 of the rows.
    pub k: u32,
    /// Data columns.
    pub columns: usize,
}

/// Chain and contract a proof is for; zeros off chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that will check the proof.
    pub contract: Hex20,
}

impl Target {
    /// As contexts take it.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.contract.0 }
    }
}

/// A circuit, up to its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeBody {
    /// What is proven.
    pub statement: Statement,
    /// Rows and columns.
    pub profile: Profile,
    /// Feature count.
    pub features: usize,
    /// Classes.
    pub classes: usize,
    /// Classification or regression.
    pub task: Task,
    /// The link, for `gradient`.
    pub link: Option<Link>,
    /// Whether the bias is penalised, for `optimum`.
    pub reg_bias: bool,
    /// How many gradients are added, for `sum`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl ShapeBody {
    /// The circuit as [`tribute_circuits`] knows it.
    pub fn shape(&self) -> Result<Shape> {
        let layout = self.layout()?;
        match (self.statement, self.link) {
            (Statement::Dataset, _) => Ok(Shape::dataset(layout)),
            (Statement::Gradient, Some(link)) => Ok(Shape::gradient(layout, link)),
            (Statement::Sum, _) => Ok(Shape::sum(layout, self.parts)),
            (Statement::Optimum, _) => Ok(Shape::optimum(layout, self.reg_bias)),
            (Statement::Evaluation, _) => Ok(Shape::evaluation(layout)),
            (Statement::Service, _) => Ok(Shape::service(layout)),
            (other @ Statement::Gradient, None) => {
                Err(Problem::field("shape.statement", format!("there is no `{}` circuit of that shape", other.name())))
            }
        }
    }
    /// Its layout.
    pub fn layout(&self) -> Result<Layout> {
        Ok(Layout::new(self.profile.k, self.profile.columns, self.features, self.classes, self.task)?)
    }
    /// The statement's circuit for agents over a layout. What the statement does not depend on is set to a fixed value,
    /// so that equal circuits are equal here.
    #[must_use]
    pub fn of(statement: Statement, layout: &Layout, link: Link, reg_bias: bool) -> Self {
        ShapeBody {
            statement,
            profile: Profile { k: layout.k(), columns: layout.columns() },
            features: layout.features(),
            classes: layout.classes(),
            task: layout.task(),
            link: (statement == Statement::Gradient).then_some(link),
            reg_bias: statement != Statement::Optimum || reg_bias,
            parts: 0,
        }
    }
    /// The `sum` circuit of a layout for `parts` gradients.
    #[must_use]
    pub fn sum(layout: &Layout, parts: usize) -> Self {
        ShapeBody { parts, ..ShapeBody::of(Statement::Sum, layout, Link::Squared, true) }
    }
}

/// Make keys and verifier of a circuit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CircuitJob {
    /// Which.
    pub shape: ShapeBody,
}

/// A circuit with its verifier: everything that the proof gate registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CircuitBody {
    /// Which.
    pub shape: ShapeBody,
    /// The gate's id for it.
    pub circuit_id: Hex32,
    /// Digest of the verifying key.
    pub vk_digest: Hex32,
    /// Digest of the SRS.
    pub srs_digest: Hex32,
    /// Layout hash.
    pub layout_hash: Hex32,
    /// keccak256 of the deployed verifier.
    pub code_hash: Hex32,
    /// Size of the deployed verifier.
    pub code_bytes: u64,
    /// Length of every proof.
    pub proof_length: u64,
    /// Execution gas of checking one proof; 0 where an older version made the circuit.
    #[serde(default)]
    pub gas: u64,
    /// Code that deploys the verifier.
    pub creation: ArtefactId,
    /// Code of the deployed verifier.
    pub runtime: ArtefactId,
}

/// A proof, checked natively and by the verifier's bytecode.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProofBody {
    /// Its circuit, with which it stands in the registry.
    pub circuit: CircuitBody,
    /// Public inputs, big-endian words.
    pub inputs: Vec<Hex32>,
    /// The proof's bytes.
    pub proof: ArtefactId,
    /// Digests of the committed groups.
    pub groups: Vec<Hex32>,
    /// What it cost.
    pub stats: ProofStats,
}

impl ProofBody {
    /// The proof as files hold it.
    pub async fn load(&self, artefacts: &Artefacts) -> Result<Proof> {
        Ok(Proof::new(self.inputs.iter().map(|x| x.0), artefacts.get(&self.proof).await?))
    }
}

/// What a proof cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProofStats {
    /// Advice columns.
    pub columns: u32,
    /// Wall time, key generation excluded.
    pub seconds: f64,
    /// Length.
    pub bytes: u64,
    /// Native verification.
    pub verify_ms: f64,
    /// Execution gas of the verifier.
    pub gas_verify: u64,
    /// High-water mark of the proving process.
    pub peak_rss_mb: u64,
}

/// Commit records and prove the commitment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatasetJob {
    /// Who registers it.
    pub owner: Hex20,
    /// Canonical JSON.
    pub schema: String,
    /// Rows and columns.
    pub profile: Profile,
    /// The dataset registry.
    pub target: Target,
    /// Under which terms it may train agents.
    pub terms: Terms,
    /// All records, sealed for the owner.
    pub records: ArtefactId,
    /// How many.
    pub count: u64,
}

/// A committed and proven dataset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatasetBody {
    /// The registry's id for it.
    pub id: Hex32,
    /// Who registers it.
    pub owner: Hex20,
    /// Canonical JSON.
    pub schema: String,
    /// Rows and columns.
    pub profile: Profile,
    /// Layout hash.
    pub layout_hash: Hex32,
    /// Its proofs' target.
    pub target: Target,
    /// Its terms.
    pub terms: Terms,
    /// Records in all.
    pub count: u64,
    /// Its shards, in order.
    pub shards: Vec<ShardBody>,
}

/// One committed shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardBody {
    /// Digest of its commitments.
    pub digest: Hex32,
    /// Records in it.
    pub count: u64,
    /// They, sealed for the owner.
    pub records: ArtefactId,
    /// Its proof.
    pub proof: ProofBody,
}

/// What an agent is trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBody {
    /// Dataset id.
    pub dataset: Hex32,
    /// Its owner, for whom the records are sealed.
    pub owner: Hex20,
    /// Position within the dataset.
    pub shard: u32,
    /// Digest of the shard's commitments.
    pub digest: Hex32,
    /// Records in it.
    pub count: u64,
    /// They.
    pub records: ArtefactId,
}

/// What the slots of an optimum over these shards hold; `None` where every shard has its own.
pub fn tree(sources: &[SourceBody]) -> Result<Option<Vec<Node<()>>>> {
    let mut shards: Vec<usize> = Vec::new();
    for source in sources {
        match shards.last_mut() {
            Some(count) if source.shard > 0 => *count += 1,
            _ => shards.push(1),
        }
    }
    plan(&shards).map_err(|e| Problem::field("terms.dataset_ids", e.to_string()))
}

/// Fit a head, or take one that was fitted elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainJob {
    /// The agent's owner.
    pub owner: Hex20,
    /// For people.
    pub name: String,
    /// Canonical JSON.
    pub schema: String,
    /// Rows and columns.
    pub profile: Profile,
    /// All shards of the listed datasets, in order: the slots of the optimum.
    pub sources: Vec<SourceBody>,
    /// λ, units of 2^-32.
    pub lambda: u64,
    /// Link.
    pub link: Link,
    /// Whether the bias is penalised.
    pub reg_bias: bool,
    /// A model to take the head of instead of training.
    pub model: Option<ArtefactId>,
    /// Whether that takes features in 256ths, as the circuits see them, and not in the schema's units.
    #[serde(default)]
    pub quantised_features: bool,
}

/// A trained agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentBody {
    /// Digest of the committed weights: its name.
    pub weights_digest: Hex32,
    /// The agent's owner.
    pub owner: Hex20,
    /// For people.
    pub name: String,
    /// Canonical JSON.
    pub schema: String,
    /// Rows and columns.
    pub profile: Profile,
    /// The slots of the optimum.
    pub sources: Vec<SourceBody>,
    /// λ, units of 2^-32.
    pub lambda: u64,
    /// Link.
    pub link: Link,
    /// Whether the bias is penalised.
    pub reg_bias: bool,
    /// The ONNX file, sealed for the owner.
    pub model: ArtefactId,
    /// SHA-256 of the ONNX file.
    pub model_sha256: Hex32,
    /// Records in all.
    pub count: u64,
    /// ε as the proof will state it, units of 2^-32.
    pub epsilon: u64,
    /// Lower bound of ‖W‖, units of 2^-10.
    pub norm: u64,
    /// Proven relative distance to the optimum.
    pub relative_distance: f64,
    /// Share of each dataset, units of 2^-20.
    pub shares: Vec<i64>,
    /// Fraction of the training records answered correctly.
    pub training_accuracy: f64,
}

impl AgentBody {
    /// The schema.
    pub fn schema(&self) -> Result<Schema> {
        Ok(Schema::from_json(&self.schema)?)
    }
    /// The layout.
    pub fn layout(&self) -> Result<Layout> {
        Ok(self.schema()?.layout(self.profile.k, self.profile.columns)?)
    }
    /// Dataset ids in version order, each once.
    #[must_use]
    pub fn datasets(&self) -> Vec<Hex32> {
        let mut ids: Vec<Hex32> = self.sources.iter().map(|s| s.dataset).collect();
        ids.dedup();
        ids
    }
    /// What the slots of the optimum hold; `None` where every shard has its own.
    pub fn tree(&self) -> Result<Option<Vec<Node<()>>>> {
        tree(&self.sources)
    }
}

/// Prove one shard's gradient.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GradientJob {
    /// The agent.
    pub agent: AgentBody,
    /// Which of its shards.
    pub slot: u32,
    /// The agent registry.
    pub target: Target,
}

/// A proven gradient.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GradientOutcome {
    /// The agent.
    pub weights_digest: Hex32,
    /// Which of its shards.
    pub slot: u32,
    /// The agent registry.
    pub target: Target,
    /// The proof.
    pub proof: ProofBody,
    /// The gradient, sealed for the agent's owner.
    pub gradient: ArtefactId,
}

/// Prove the optimum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OptimumJob {
    /// The agent.
    pub agent: AgentBody,
    /// The gradient of every slot.
    pub gradients: Vec<ArtefactId>,
    /// The agent registry.
    pub target: Target,
    /// On-chain id of the agent.
    pub agent_id: Hex32,
    /// Its version.
    pub version: u32,
}

/// A proven optimum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OptimumOutcome {
    /// The sums in its slots, where an agent has more shards than there are slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Vec<Node<ProofBody>>>,
    /// The agent.
    pub weights_digest: Hex32,
    /// The agent registry.
    pub target: Target,
    /// On-chain id of the agent.
    pub agent_id: Hex32,
    /// Its version.
    pub version: u32,
    /// The proof.
    pub proof: ProofBody,
}

/// Prove how many records of a dataset an agent answers correctly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationJob {
    /// The agent.
    pub agent: AgentBody,
    /// Its certificate file.
    pub certificate: ArtefactId,
    /// A dataset it was not trained on.
    pub dataset: DatasetBody,
}

/// A proven accuracy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationOutcome {
    /// The agent.
    pub weights_digest: Hex32,
    /// The dataset.
    pub dataset: Hex32,
    /// Records in it.
    pub records: u64,
    /// How many the agent gives their own class.
    pub correct: u64,
    /// The circuit of its proofs.
    pub circuit: CircuitBody,
    /// The evaluation file.
    pub file: ArtefactId,
}

/// Prove the answers of sessions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceJob {
    /// The agent.
    pub agent: AgentBody,
    /// On-chain id of the agent.
    pub agent_id: Hex32,
    /// Its version.
    pub version: u32,
    /// The session escrow.
    pub target: Target,
    /// In slot order.
    pub sessions: Vec<SlotBody>,
    /// [`QuerySlots`] of the sessions, sealed for the agent's owner.
    pub queries: ArtefactId,
}

/// One session's part in a `service` proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotBody {
    /// Session id.
    pub session: Hex32,
    /// Transcript as stored on chain.
    pub before: Hex32,
    /// The voucher to claim with: its count and transcript are where the slot ends.
    pub voucher: VoucherBody,
    /// Answers in between.
    pub count: u64,
}

/// A signed voucher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherBody {
    /// Session id.
    pub session: Hex32,
    /// Agent version.
    pub version: u32,
    /// Answers since the session was opened.
    pub count: u64,
    /// Transcript after the last of them.
    pub transcript: Hex32,
    /// r, s, v in hex.
    pub signature: String,
}

/// The queries of every slot: private, so they travel sealed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct QuerySlots(pub Vec<Vec<AnsweredQuery>>);

/// One answered query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredQuery {
    /// Quantised features, hex.
    #[serde(with = "hex::serde")]
    pub features: Vec<u8>,
    /// The client's salt.
    pub salt: Hex32,
    /// Class.
    pub answer: u16,
}

/// Proven answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceOutcome {
    /// The agent.
    pub weights_digest: Hex32,
    /// On-chain id of the agent.
    pub agent_id: Hex32,
    /// Its version.
    pub version: u32,
    /// The proof.
    pub proof: ProofBody,
    /// The vouchers to claim with, in slot order.
    pub vouchers: Vec<VoucherBody>,
}
