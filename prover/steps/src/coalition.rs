//! One coalition of a valuation: the agent trained on some of its owners' datasets only, proven to be the optimum over
//! them, and evaluated on the test set. Weights and gradients leave no trace: the caller gets proofs, the loss and the
//! count of right answers.
//!
//! Finished proofs are noted with the job, under their context: a coalition that goes on on another worker, is cancelled and
//! asked for again, or evaluated on another test set, proves and opens nothing twice.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::certificate::{Certificate, FileProof};
use tribute_core::context::{gradient_ctx, list_hash, CoalitionContext};
use tribute_core::digest::keccak;
use tribute_core::head::{add, gradient, optimum};
use tribute_core::id::{DatasetId, WeightsDigest};
use tribute_core::numbers::{distance_is_certified, link_error_units};
use tribute_core::records::Records;
use tribute_core::statement::Statement;
use tribute_core::valuation::{CoalitionParts, Training};
use tribute_core::{Fr, I256};
use tribute_custody::{Committed, Opened};
use tribute_engine::field::from_core;
use tribute_inference::train::Progress;
use tribute_inference::{polish, LossOptions};
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::circuit::{prepare, CircuitBody, Prepared, ProofBody};
use crate::dataset::{DatasetBody, SourceBody};
use crate::evaluation::refused;
use crate::gradient::{shard, weights as agents_weights};
use crate::refusal::{head_of_others, no_gradient, training_of_others, unresolved};
use crate::shape::ShapeBody;
use crate::toolbox::Toolbox;
use crate::train::AgentBody;

/// Trains, proves and evaluates one coalition of some, but not all, of an agent's owners.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CoalitionJob {
    /// The agent that is valued.
    #[serde(with = "crate::shared")]
    pub agent: Arc<AgentBody>,
    /// Its certificate file.
    pub certificate: ArtefactId,
    /// The test set.
    #[serde(with = "crate::shared")]
    pub test: Arc<DatasetBody>,
    /// Positions of the coalition's owners among those of the agent's datasets, in order of their first dataset.
    pub owners: Vec<u32>,
}

/// A coalition's proofs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CoalitionOutcome {
    /// Positions of its owners.
    pub owners: Vec<u32>,
    /// Loss over the test set, units of 2^-20.
    pub loss: u64,
    /// The circuits of its proofs.
    pub circuits: Vec<CircuitBody>,
    /// Time spent on its proofs, in seconds.
    pub seconds: f64,
    /// JSON of its [`CoalitionParts`].
    pub parts: ArtefactId,
}

/// What a coalition's proofs have in common.
struct Coalition<'a> {
    job: &'a CoalitionJob,
    toolbox: &'a Toolbox,
    context: CoalitionContext,
    steps: u64,
    done: std::cell::Cell<u64>,
    seconds: std::cell::Cell<f64>,
}

/// Runs the job.
pub fn run(job: &CoalitionJob, toolbox: &Toolbox) -> Result<CoalitionOutcome> {
    let agent = &job.agent;
    let layout = agent.layout()?;
    let certificate = Certificate::from_json(&toolbox.wait(toolbox.artefacts.get(&job.certificate))?)
        .map_err(|e| Problem::new(Reason::ArtefactDamaged, format!("the certificate {}: {e}", job.certificate)))?;
    let sources = job.sources();
    let gradients = prepare(&ShapeBody::of(Statement::Gradient, &layout, agent.link), toolbox)?;
    let optima = prepare(&ShapeBody::of(Statement::Optimum, &layout, agent.link), toolbox)?;
    let counts = prepare(&ShapeBody::of(Statement::Evaluation, &layout, agent.link), toolbox)?;
    let srs = &gradients.srs;

    let mut shards: Vec<(Records, Committed)> = Vec::with_capacity(sources.len());
    for (i, source) in sources.iter().enumerate() {
        toolbox.progress("read", i as u64, sources.len() as u64);
        shards.push(shard(source, agent.owner, &layout, srs, toolbox)?);
    }
    let options = LossOptions { link: agent.link, lambda: agent.lambda, intercept_scale: layout.intercept_scale() };
    let records: Vec<&Records> = shards.iter().map(|(records, _)| records).collect();
    // the agent's weights are nearer to the coalition's than none
    let (start, _) = agents_weights(agent, &layout, srs, toolbox)?;
    let fitted = |p: Progress| toolbox.progress("fit", p.step as u64, 100);
    let weights = polish(&agent.schema()?, &records, &options, &start, fitted)
        .map_err(|e| {
            let told = training_of_others(&e);
            Problem::new(Reason::BadField, format!("training coalition {:?}: {told}", job.owners))
        })?
        .weights;
    let committer = toolbox.custody.committer(&agent.owner.to_string())?;
    let committed_weights = committer.weights(srs, &layout, &weights)?;

    let coalition = Coalition {
        job,
        toolbox,
        context: CoalitionContext {
            domain: certificate.chain.agents(),
            agent: certificate.agent.id,
            version: certificate.agent.version,
            served: agent.weights_digest,
            weights: WeightsDigest::new(*committed_weights.digest().as_bytes()),
            list: list_hash(job.datasets()),
        },
        steps: (sources.len() + 1 + job.test.shards.len()) as u64,
        done: 0.into(),
        seconds: 0.0.into(),
    };

    // what cannot be certified is refused before anything is opened
    let mut total = vec![I256::ZERO; layout.weights()];
    let mut committed_gradients: Vec<Committed> = Vec::with_capacity(sources.len());
    for (source, (records, _)) in sources.iter().zip(&shards) {
        let g = gradient(&layout, agent.link, &weights, records).map_err(no_gradient)?;
        let content = [*source.digest.as_bytes(), *coalition.context.weights.as_bytes()];
        committed_gradients.push(committer.gradient(srs, &layout, &content, &g));
        add(&mut total, &g);
    }
    let n = records.iter().map(|r| r.len() as u64).sum();
    let numbers = optimum(&layout, &weights, &total, n, agent.lambda).map_err(|e| {
        Problem::new(Reason::NotTheOptimum, format!("coalition {:?}: {}", job.owners, head_of_others(&e)))
    })?;
    let delta = link_error_units(layout.features(), layout.classes(), layout.intercept_scale());
    if !distance_is_certified(numbers.epsilon, delta, agent.lambda, numbers.norm) {
        let message = format!(
            "the optimum of coalition {:?} is too small a model to be certified at the agent's lambda: train the agent with a \
             larger one, and value that",
            job.owners
        );
        return Err(Problem::new(Reason::NotTheOptimum, message));
    }

    let mut sum: Option<Committed> = None;
    let mut proofs = Vec::with_capacity(sources.len());
    for ((source, (_, committed_records)), committed) in sources.iter().zip(&shards).zip(committed_gradients) {
        let ctx = gradient_ctx(&coalition.context.domain, &agent.owner.0, &coalition.context.weights, &source.digest);
        proofs.push(coalition.proof(
            &gradients,
            ctx,
            &[committed_records, &committed_weights, &committed],
            |opened| {
                let [shard, weights, gradient] = opened.exactly()?;
                let circuit =
                    GradientCircuit::new(gradients.shape().clone(), shard, weights, gradient).map_err(unresolved)?;
                let inputs = circuit.public_inputs(from_core(&ctx));
                gradients.prove(toolbox, &circuit, opened, inputs)
            },
        )?);
        sum = Some(match sum {
            None => committed,
            Some(sum) => sum.plus(&committed),
        });
    }
    let sum = sum.ok_or_else(|| Problem::internal("a coalition without shards"))?;
    let ctx = coalition.context.optimum();
    let optimum = coalition.proof(&optima, ctx, &[&committed_weights, &sum], |opened| {
        let [weights_group, sum] = opened.exactly()?;
        let circuit = OptimumCircuit::new(optima.shape().clone(), weights_group, &weights, sum, &numbers);
        let inputs = circuit.public_inputs(from_core(&ctx));
        optima.prove(toolbox, &circuit, opened, inputs)
    })?;

    let mut evaluations = Vec::with_capacity(job.test.shards.len());
    for (index, source) in job.test.sources().enumerate() {
        let (_, records) = shard(&source, agent.owner, &layout, srs, toolbox)?;
        let ctx = coalition.context.evaluation(&job.test.id, index as u32);
        evaluations.push(coalition.proof(&counts, ctx, &[&records, &committed_weights], |opened| {
            let [records, weights] = opened.exactly()?;
            let circuit = EvaluationCircuit::new(counts.shape().clone(), records, weights).map_err(refused)?;
            let inputs = circuit.public_inputs(from_core(&ctx));
            counts.prove(toolbox, &circuit, opened, inputs)
        })?);
    }
    let loss = evaluations.iter().map(|p| tribute_core::valuation::stated(p).0).fold(0, u64::saturating_add);
    let parts = CoalitionParts {
        owners: job.owners.clone(),
        weights_digest: coalition.context.weights,
        training: Some(Training { gradients: proofs, optimum }),
        evaluations,
    };
    Ok(CoalitionOutcome {
        owners: job.owners.clone(),
        loss,
        circuits: Vec::from([gradients, optima, counts].map(|p| p.body)),
        seconds: coalition.seconds.get(),
        parts: toolbox.wait(toolbox.artefacts.put(serde_json::to_vec(&parts)?))?,
    })
}

impl CoalitionJob {
    /// Which one it is: "coalition 5 of 7, owners 1 and 3". Owner `i` is bit `i - 1` of its number.
    #[must_use]
    pub fn title(&self) -> String {
        let number: u64 = self.owners.iter().filter(|i| **i < 32).map(|i| 1u64 << i).sum();
        let all = (1u64 << self.agent.owners().len().min(32)) - 1;
        let names: Vec<String> = self.owners.iter().map(|i| (i + 1).to_string()).collect();
        let owners = match names.split_last() {
            Some((last, [])) => format!("owner {last}"),
            Some((last, others)) => format!("owners {} and {last}", others.join(", ")),
            None => "no owner".to_owned(),
        };
        format!("coalition {number} of {all}, {owners}")
    }

    /// The coalition's datasets, in the agent's order.
    #[must_use]
    pub fn datasets(&self) -> Vec<DatasetId> {
        let owners = self.agent.owners();
        let inside = |owner| owners.iter().position(|o| *o == owner).is_some_and(|i| self.owners.contains(&(i as u32)));
        let mut ids = self.agent.datasets();
        ids.retain(|id| self.agent.latest_owner(id).is_some_and(inside));
        ids
    }

    /// The shards of these datasets, in the agent's order.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceBody> {
        let ids = self.datasets();
        self.agent.sources.iter().filter(|s| ids.contains(&s.dataset)).cloned().collect()
    }
}

impl Coalition<'_> {
    /// A proof that was kept, or a new one; only a new one spends openings.
    fn proof(
        &self,
        prepared: &Prepared,
        ctx: Fr,
        committed: &[&Committed],
        prove: impl FnOnce(&Opened) -> Result<ProofBody>,
    ) -> Result<FileProof> {
        self.toolbox.progress("coalition", self.done.get(), self.steps);
        self.done.set(self.done.get() + 1);
        let about = format!("{}/{}/{ctx}", prepared.body.circuit_id, self.job.agent.owner);
        let name = hex::encode(keccak(about.as_bytes()));
        let kept = self.toolbox.notes.find(&name)?.and_then(|note| serde_json::from_str::<ProofBody>(&note).ok());
        let body = match kept {
            // a store that does not answer may have it still: then nothing is opened
            Some(body) if self.toolbox.wait(self.toolbox.artefacts.is_whole(&body.proof))? => body,
            _ => {
                let opened = self.toolbox.custody.spend_openings(committed)?;
                let body = prove(&opened)?;
                self.toolbox.notes.keep(&name, &serde_json::to_string(&body)?)?;
                body
            }
        };
        self.seconds.set(self.seconds.get() + body.stats.seconds);
        Ok(self.toolbox.wait(body.load(&self.toolbox.artefacts))?.into())
    }
}
