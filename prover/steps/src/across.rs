//! The owner's end of a training across nodes: checks what every participant sent, before anything is opened, and makes the agent.

use serde::{Deserialize, Serialize};
use tribute_circuits::columns::masked::{from_bytes, matches, unmasked_sum};
use tribute_circuits::columns::CommittedGroup;
use tribute_core::certificate::contribution;
use tribute_core::context::gradient_ctx;
use tribute_core::digest::group_digest;
use tribute_core::head::{self, Contributions, Weights};
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{CircuitId, GroupDigest, ModelDigest, RequestId, ShardDigest, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::numbers::{distance_is_certified, link_error_units, relative_distance};
use tribute_core::receipt::to_word;
use tribute_core::schema::Schema;
use tribute_core::statement::{dataset as dataset_inputs, gradient as inputs, Statement, CTX};
use tribute_core::I256;
use tribute_engine::field::{point_from_bytes, to_u256};
use tribute_engine::halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use tribute_inference::Agent;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;
use tribute_verify::{verify, VerifierSrs};

use crate::circuit::{prepare, Prepared, ProofBody, ProofStats};
use crate::dataset::{DatasetBody, ShardBody, SourceBody};
use crate::gradient::GradientOutcome;
use crate::shape::{Profile, ShapeBody, Target};
use crate::toolbox::Toolbox;
use crate::train::{AcrossBody, AgentBody};

/// Purpose under which the owner seals what participants send, and the sum.
pub const COLUMN: &str = "gradient sum";

/// Checks the participants' proofs and masked gradients, and makes the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AcrossJob {
    /// The request.
    pub request: RequestId,
    /// The agent's owner.
    pub owner: AccountAddress,
    /// Display name.
    pub name: String,
    /// Canonical JSON of the schema.
    pub schema: String,
    /// Size of the circuits.
    pub profile: Profile,
    /// λ in units of 2^-44.
    pub lambda: u64,
    /// Link function of the loss.
    pub link: Link,
    /// The agent registry that the gradients were proven for.
    pub target: Target,
    /// The agent's file, sealed for the owner.
    pub model: ArtefactId,
    /// Digest of the committed weights.
    pub weights_digest: WeightsDigest,
    /// What every participant sent, in the request's order.
    pub parties: Vec<Party>,
}

/// What one participant sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Party {
    /// The participant.
    pub account: AccountAddress,
    /// Its node, for messages.
    pub node: String,
    /// Its datasets, in order.
    pub datasets: Vec<SentDataset>,
    /// The masked sum of its gradients, sealed for the owner.
    pub masked: ArtefactId,
    /// Commitments to the masks that it shares with every other participant, in order.
    pub masks: Vec<Hex<64>>,
}

/// The public part of a dataset at another node, with the gradient of each shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentDataset {
    /// The dataset without its shards, for which no records are here.
    pub body: DatasetBody,
    /// Digest and records of each shard, its `dataset` proof and its `gradient` proof.
    pub shards: Vec<SentShard>,
}

/// One shard's proofs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentShard {
    /// Digest of its commitments, as the request has it.
    pub digest: ShardDigest,
    /// Number of records, as the request has it.
    pub count: u64,
    /// The `dataset` proof.
    pub dataset: SentProof,
    /// The `gradient` proof.
    pub gradient: SentProof,
}

/// A proof as it was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentProof {
    /// Id of the circuit that it is said to be of.
    pub circuit: CircuitId,
    /// Public inputs.
    pub inputs: Vec<Hex<32>>,
    /// Its bytes.
    pub proof: ArtefactId,
}

/// The agent, and the participants' gradients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AcrossOutcome {
    /// The agent.
    pub agent: AgentBody,
    /// The gradient of every shard.
    pub gradients: Vec<GradientOutcome>,
}

/// The circuits of the statements that participants prove.
struct Circuits {
    dataset: Prepared,
    gradient: Prepared,
    srs: VerifierSrs,
}

/// Checks everything and makes the agent.
///
/// # Errors
/// [`Reason::ProofRejected`], naming the participant whose proof or masked column is wrong, or the pair whose masks differ.
/// [`Reason::NotTheOptimum`] if the sum is not that of an optimum.
pub fn run(job: &AcrossJob, toolbox: &Toolbox) -> Result<AcrossOutcome> {
    let schema = Schema::from_json(&job.schema)?;
    let layout = job.profile.layout(&schema)?;
    let prepared = |statement| prepare(&ShapeBody::of(statement, &layout, job.link), toolbox);
    let (dataset, gradient) = (prepared(Statement::Dataset)?, prepared(Statement::Gradient)?);
    let srs = VerifierSrs::read(&gradient.srs.points()).ok_or_else(|| Problem::internal("the SRS has no points"))?;
    let circuits = Circuits { dataset, gradient, srs };
    let tenant = job.owner.to_string();

    let mut gathered = Gathered::default();
    for party in &job.parties {
        toolbox.progress("verify", gathered.points.len() as u64, job.parties.len() as u64);
        gathered.take(job, &layout, party, &circuits, toolbox)?;
    }
    // nothing has been opened so far, and nothing is until every column is what its gradients and masks say
    let masks = agreed_masks(&job.parties)?;
    let mut columns = Vec::with_capacity(job.parties.len());
    for (i, party) in job.parties.iter().enumerate() {
        toolbox.progress("masks", i as u64, job.parties.len() as u64);
        let bytes = toolbox.wait(toolbox.custody.get(&tenant, COLUMN, &party.masked))?;
        let rows = from_bytes(&layout, &bytes)
            .ok_or_else(|| cheated(party, "its masked gradient is not a column of this layout"))?;
        if !matches(&circuits.gradient.srs, &rows, &gathered.points[i], &masks[i]) {
            return Err(cheated(party, "its masked gradient is not the sum of its proven gradients and its masks"));
        }
        columns.push(rows);
    }
    let sum = unmasked_sum(&circuits.gradient.srs, &columns);
    let (agent, gradients) = (agent(job, &schema, &layout, &gathered, &sum, toolbox)?, gathered.gradients);
    Ok(AcrossOutcome { agent, gradients })
}

/// What has been checked.
#[derive(Default)]
struct Gathered {
    datasets: Vec<DatasetBody>,
    sources: Vec<SourceBody>,
    gradients: Vec<GradientOutcome>,
    /// Contribution of each dataset.
    contributions: Vec<i128>,
    /// Commitments to each participant's gradients.
    points: Vec<Vec<G1Affine>>,
}

impl Gathered {
    /// Checks one participant's proofs.
    fn take(
        &mut self,
        job: &AcrossJob,
        layout: &Layout,
        party: &Party,
        circuits: &Circuits,
        toolbox: &Toolbox,
    ) -> Result<()> {
        let mut points = Vec::new();
        for sent in &party.datasets {
            let mut body = sent.body.clone();
            let mut contributed = 0i128;
            for (shard, index) in sent.shards.iter().zip(0..) {
                let (dataset, bytes) = circuits.check(&circuits.dataset, party, &shard.dataset, toolbox)?;
                let columns = layout.columns() + 1;
                let counted = shard.dataset.inputs[dataset_inputs::N].0
                    == [&[0; 24][..], &shard.count.to_be_bytes()].concat()[..];
                if group(&bytes, 0, columns) != shard.digest.into() || !counted {
                    return Err(cheated(
                        party,
                        &format!("the dataset proof is not of shard {} with {} records", shard.digest, shard.count),
                    ));
                }
                let (gradient, bytes) = circuits.check(&circuits.gradient, party, &shard.gradient, toolbox)?;
                let ctx = gradient_ctx(&job.target.domain(), &job.owner.0, &job.weights_digest, &shard.digest);
                let bound = group(&bytes, 0, columns) == shard.digest.into()
                    && group(&bytes, columns, 1) == job.weights_digest.into()
                    && shard.gradient.inputs[CTX].0 == to_word(&ctx);
                if !bound {
                    return Err(cheated(
                        party,
                        &format!(
                            "the gradient proof is not of shard {} at the final weights, for this agent",
                            shard.digest
                        ),
                    ));
                }
                let point = bytes.get(64 * (columns + 1)..64 * (columns + 2)).and_then(|b| b.try_into().ok());
                points.push(point.and_then(point_from_bytes).ok_or_else(|| cheated(party, "a proof has no gradient"))?);
                contributed += contribution(&shard.gradient.inputs[inputs::CONTRIBUTION].0)
                    .ok_or_else(|| cheated(party, "a contribution is beyond any shard's"))?;
                self.sources.push(SourceBody {
                    dataset: body.id,
                    root: body.root,
                    owner: party.account,
                    shard: index,
                    digest: shard.digest,
                    count: shard.count,
                    records: ArtefactId::default(),
                });
                let slot = self.gradients.len() as u32;
                self.gradients.push(GradientOutcome {
                    weights_digest: job.weights_digest,
                    slot,
                    target: job.target,
                    proof: gradient,
                    gradient: None,
                });
                let records = ArtefactId::default();
                body.shards.push(ShardBody {
                    owner: party.account,
                    digest: shard.digest,
                    count: shard.count,
                    records,
                    proof: dataset,
                });
            }
            self.contributions.push(contributed);
            self.datasets.push(body);
        }
        self.points.push(points);
        Ok(())
    }
}

impl Circuits {
    /// Verifies a proof under this server's own key of the circuit.
    fn check(
        &self,
        circuit: &Prepared,
        party: &Party,
        sent: &SentProof,
        toolbox: &Toolbox,
    ) -> Result<(ProofBody, Vec<u8>)> {
        if sent.circuit != circuit.body.circuit_id {
            return Err(Problem::new(
                Reason::ProofRejected,
                format!(
                    "{} at {} proves with circuit {}, this server's is {}: both need the same version and SRS",
                    party.account, party.node, sent.circuit, circuit.body.circuit_id
                ),
            )
            .with("account", party.account)
            .with("node", &party.node));
        }
        let bytes = toolbox.wait(toolbox.artefacts.get(&sent.proof))?;
        let words: Vec<[u8; 32]> = sent.inputs.iter().map(|x| x.0).collect();
        verify(circuit.keys.vk(), &self.srs, &words, &bytes)
            .map_err(|e| cheated(party, &format!("a {} proof is invalid: {e}", circuit.shape().name())))?;
        let groups = circuit.shape().groups();
        let starts = groups.iter().scan(0, |at, columns| Some(std::mem::replace(at, *at + columns)));
        let body = ProofBody {
            circuit: circuit.body.clone(),
            inputs: sent.inputs.clone(),
            proof: sent.proof.clone(),
            groups: starts.zip(&groups).map(|(start, columns)| group(&bytes, start, *columns)).collect(),
            stats: ProofStats { bytes: bytes.len() as u64, gas_verify: circuit.body.gas, ..ProofStats::default() },
        };
        Ok((body, bytes))
    }
}

/// For every participant, the masks of its column: whether each is added, and its commitment. Both members of a pair must name the
/// same commitment.
fn agreed_masks(parties: &[Party]) -> Result<Vec<Vec<(bool, G1Affine)>>> {
    let members = parties.len();
    let mut all = Vec::with_capacity(members);
    for (own, party) in parties.iter().enumerate() {
        if party.masks.len() + 1 != members {
            return Err(cheated(party, &format!("{} masks, {} are needed", party.masks.len(), members - 1)));
        }
        let mut masks = Vec::with_capacity(members - 1);
        for (other, point) in (0..members).filter(|other| *other != own).zip(&party.masks) {
            // this participant's place among the other's others
            let theirs = parties[other].masks.get(if own < other { own } else { own - 1 });
            if theirs != Some(point) {
                return Err(Problem::new(
                    Reason::ProofRejected,
                    format!(
                        "{} at {} and {} at {} name different commitments to the mask that they share: one of them cheats, \
                         and it cannot be told which. Nothing was opened; the version ends",
                        party.account, party.node, parties[other].account, parties[other].node
                    ),
                )
                .with("account", party.account)
                .with("other", parties[other].account));
            }
            let point = point_from_bytes(&point.0).ok_or_else(|| cheated(party, "a mask's commitment is no point"))?;
            masks.push((own < other, point));
        }
        all.push(masks);
    }
    Ok(all)
}

/// The agent, if the sum is that of an optimum which can be certified.
fn agent(
    job: &AcrossJob,
    schema: &Schema,
    layout: &Layout,
    gathered: &Gathered,
    sum: &CommittedGroup,
    toolbox: &Toolbox,
) -> Result<AgentBody> {
    let tenant = job.owner.to_string();
    let model = Agent::from_bytes(&toolbox.wait(toolbox.custody.get(&tenant, "model", &job.model))?)
        .map_err(|e| Problem::new(Reason::ArtefactDamaged, e.to_string()))?;
    let not_optimal = |why: String| {
        Problem::new(
            Reason::NotTheOptimum,
            format!("the participants' gradients do not sum to those of an optimum: {why}"),
        )
    };
    let rows = &sum.columns[0].values;
    let total = gradient_of(layout, rows);
    let n = gathered.sources.iter().map(|s| s.count).sum();
    let optimum =
        head::optimum(layout, &model.weights, &total, n, job.lambda).map_err(|e| not_optimal(e.to_string()))?;
    let link_error = link_error_units(layout.features(), layout.classes(), layout.intercept_scale());
    if !distance_is_certified(optimum.epsilon, link_error, job.lambda, optimum.norm)
        || optimum.epsilon > job.link.largest_epsilon(link_error)
    {
        return Err(not_optimal(format!("epsilon is {} units of 2^-44, more than can be certified", optimum.epsilon)));
    }
    let shards = gathered.sources.len() as u64;
    let contributions =
        Contributions::check(layout, gathered.contributions.clone(), shards, n, job.lambda, optimum.norm)
            .map_err(|e| not_optimal(e.to_string()))?;
    let bytes = tribute_circuits::columns::masked::to_bytes(rows);
    let across = AcrossBody {
        request: job.request,
        sum: toolbox.wait(toolbox.custody.put(&tenant, COLUMN, &bytes))?,
        datasets: gathered.datasets.clone(),
    };
    Ok(AgentBody {
        weights_digest: job.weights_digest,
        owner: job.owner,
        name: job.name.clone(),
        schema: schema.canonical(),
        profile: job.profile,
        sources: gathered.sources.clone(),
        lambda: job.lambda,
        link: job.link,
        model: job.model.clone(),
        model_sha256: ModelDigest::new(model.sha256()),
        count: n,
        epsilon: optimum.epsilon,
        norm: optimum.norm,
        relative_distance: relative_distance(optimum.epsilon, link_error, job.lambda, optimum.norm),
        shares: (0..gathered.datasets.len()).map(|i| contributions.share(i)).collect(),
        training_accuracy: 0.0,
        polish: None,
        across: Some(across),
    })
}

/// The sum of gradients in a committed column.
pub(super) fn gradient_of(layout: &Layout, rows: &[Fr]) -> Vec<I256> {
    let signed = |x: &Fr| {
        let (plain, negated) = (to_u256(x), to_u256(&-x));
        if plain <= negated {
            plain.as_i256()
        } else {
            -negated.as_i256()
        }
    };
    rows[layout.weights_start()..layout.weights_end()].iter().map(signed).collect()
}

/// The weights' file of an agent whose weights are known.
///
/// # Errors
/// If the weights are out of range.
pub fn model(layout: &Layout, schema: &Schema, weights: Vec<i64>, digest: WeightsDigest) -> Result<Agent> {
    let weights = Weights::new(layout.features(), layout.classes(), weights)
        .map_err(|e| Problem::field("weights", e.to_string()))?
        .with_intercept_scale(layout.intercept_scale());
    let hex = |bytes: &[u8; 32]| hex::encode(bytes);
    Ok(Agent { weights, schema: hex(schema.id().as_bytes()), certificate: hex(digest.as_bytes()) })
}

fn group(proof: &[u8], start: usize, columns: usize) -> GroupDigest {
    GroupDigest::new(group_digest(proof.get(64 * start..64 * (start + columns)).unwrap_or_default()))
}

/// A participant that sent something wrong.
fn cheated(party: &Party, what: &str) -> Problem {
    Problem::new(Reason::ProofRejected, format!("{} at {}: {what}. Nothing was opened", party.account, party.node))
        .with("account", party.account)
        .with("node", &party.node)
}
