//! A participant's part of a training across nodes, once the weights are final: its gradients, proven at home, and their sum under
//! masks.

use serde::{Deserialize, Serialize};
use tribute_circuits::columns::masked::mask;
use tribute_circuits::columns::Blinding;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::context::gradient_ctx;
use tribute_core::head::{contribution, gradient, Weights};
use tribute_core::hexed::{AccountAddress, Hex, HexBytes};
use tribute_core::id::{RequestId, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::numbers::{LAMBDA_BITS, WEIGHT_BITS};
use tribute_core::schema::Schema;
use tribute_core::statement::Statement;
use tribute_custody::across::weights_of_another;
use tribute_custody::Committed;
use tribute_engine::field::{from_core, point_bytes};
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::circuit::{prepare, ProofBody};
use crate::dataset::SourceBody;
use crate::gradient::shard;
use crate::refusal::{no_gradient, unresolved};
use crate::shape::{Profile, ShapeBody, Target};
use crate::toolbox::Toolbox;

/// Purpose under which a node seals what the owner gave it and what it derived for the job.
pub const SECRETS: &str = "training";
/// Purpose under which a node seals its masked column.
pub const MASKED: &str = "masked";

/// Proves a participant's gradients and puts their sum under masks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HomeJob {
    /// The request.
    pub request: RequestId,
    /// The participant.
    pub account: AccountAddress,
    /// The agent's owner.
    pub owner: AccountAddress,
    /// Canonical JSON of the schema.
    pub schema: String,
    /// Size of the circuits.
    pub profile: Profile,
    /// Link function of the loss.
    pub link: Link,
    /// The participant's shards, in the request's order.
    pub sources: Vec<SourceBody>,
    /// The agent registry that the proofs are for.
    pub target: Target,
    /// Digest of the owner's commitment to the weights.
    pub weights_digest: WeightsDigest,
    /// [`HomeSecrets`], sealed for the participant.
    pub secrets: ArtefactId,
    /// The least share that the participant approved with, if any.
    pub least_share: Option<LeastShare>,
}

/// The least share of a participant's datasets together, and what the sum of all contributions follows from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LeastShare {
    /// Basis points.
    pub bps: u32,
    /// Records of all participants.
    pub records: u64,
    /// λ in units of 2^-44.
    pub lambda: u64,
}

impl LeastShare {
    /// Whether contributions, in the layout's units, are less than this share of `nλ‖W‖²`, the sum of all at an optimum.
    fn is_missed(&self, layout: &Layout, weights: &Weights, contributed: i128) -> bool {
        let unit = |bits: u32| (-f64::from(bits)).exp2();
        let norm: f64 = weights.values().iter().map(|w| (*w as f64 * unit(WEIGHT_BITS)).powi(2)).sum();
        let all = self.records as f64 * self.lambda as f64 * unit(LAMBDA_BITS) * norm;
        // the sum of all may be above that by the residual's part, which the certificate bounds: the margin covers it
        let least = f64::from(self.bps) / 10_000.0 * all * (1.0 + unit(10));
        (contributed as f64) * unit(layout.contribution_bits()) < least
    }
}

/// What the job needs and nobody else may see.
#[derive(Serialize, Deserialize)]
pub struct HomeSecrets {
    /// The weights, units of 2^-32.
    pub weights: Vec<i64>,
    /// The blinding of the owner's commitment to them.
    pub blinding: HexBytes,
    /// For every other participant, in order: whether its mask is added, and the mask's seed.
    pub masks: Vec<(bool, Hex<32>)>,
}

/// Proven gradients, and their sum under masks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HomeOutcome {
    /// The request.
    pub request: RequestId,
    /// The participant.
    pub account: AccountAddress,
    /// Digest of the weights.
    pub weights_digest: WeightsDigest,
    /// One for every shard, in order.
    pub proofs: Vec<ProofBody>,
    /// The masked column, sealed for the participant.
    pub masked: ArtefactId,
    /// Commitments to the masks shared with every other participant, in order, `x‖y`.
    pub masks: Vec<Hex<64>>,
}

/// Proves every shard's gradient. Commitments follow from the data and the participant's secret, so a job that is started again
/// sends the same column.
pub fn run(job: &HomeJob, toolbox: &Toolbox) -> Result<HomeOutcome> {
    let schema = Schema::from_json(&job.schema)?;
    let layout = job.profile.layout(&schema)?;
    let prepared = prepare(&ShapeBody::of(Statement::Gradient, &layout, job.link), toolbox)?;
    let srs = &prepared.srs;
    let tenant = job.account.to_string();
    let secrets: HomeSecrets =
        serde_json::from_slice(&toolbox.wait(toolbox.custody.get(&tenant, SECRETS, &job.secrets))?)?;
    let borrower = (job.request, job.account);
    let (weights, committed) =
        lent_weights(srs, &layout, secrets.weights, &secrets.blinding, job.weights_digest, borrower)?;

    if let Some(least) = &job.least_share {
        // before anything is opened or published
        let mut contributed = 0;
        for source in &job.sources {
            let records = toolbox.wait(toolbox.custody.records(&tenant, &source.records))?;
            let g = gradient(&layout, job.link, &weights, &records).map_err(no_gradient)?;
            contributed += contribution(&layout, &weights, &g);
        }
        if least.is_missed(&layout, &weights, contributed) {
            let text = format!(
                "at the final weights {} gets less than the share of {:.2} % that it approved with: its node proves nothing. Ask again \
                 with another lambda or other participants, and it may ask for less",
                job.account,
                f64::from(least.bps) / 100.0
            );
            return Err(Problem::new(Reason::NotAllowed, text).with("account", job.account));
        }
    }
    let mut proofs = Vec::with_capacity(job.sources.len());
    let mut sum: Option<Committed> = None;
    for (i, source) in job.sources.iter().enumerate() {
        toolbox.progress("commit", i as u64, job.sources.len() as u64);
        let (records, shard) = shard(source, job.account, &layout, srs, toolbox)?;
        let g = gradient(&layout, job.link, &weights, &records).map_err(no_gradient)?;
        let about = [*source.digest.as_bytes(), *job.weights_digest.as_bytes()];
        let own = toolbox.custody.committer(&tenant)?.gradient(srs, &layout, &about, &g);
        toolbox.progress("witness", i as u64, job.sources.len() as u64);
        let opened = toolbox.custody.spend_openings(&[&shard, &committed, &own])?;
        let [shard_group, weights_group, gradient_group] = opened.exactly()?;
        let circuit = GradientCircuit::new(prepared.shape().clone(), shard_group, weights_group, gradient_group)
            .map_err(unresolved)?;
        let ctx = gradient_ctx(&job.target.domain(), &job.owner.0, &job.weights_digest, &source.digest);
        proofs.push(prepared.prove(toolbox, &circuit, &opened, circuit.public_inputs(from_core(&ctx)))?);
        sum = Some(match sum {
            None => own,
            Some(sum) => sum.plus(&own),
        });
    }
    let sum = sum.ok_or_else(|| Problem::internal("the participant has no shards"))?;
    let mut masks = Vec::with_capacity(secrets.masks.len());
    for (i, (adds, seed)) in secrets.masks.iter().enumerate() {
        toolbox.progress("mask", i as u64, secrets.masks.len() as u64);
        masks.push((*adds, mask(srs, &layout, seed.0)));
    }
    let points = masks.iter().map(|(_, m)| point_bytes(&m.point).map(Hex)).collect::<Option<Vec<_>>>();
    let column = toolbox.custody.release_masked(&sum, &masks)?;
    Ok(HomeOutcome {
        request: job.request,
        account: job.account,
        weights_digest: job.weights_digest,
        proofs,
        masked: toolbox.wait(toolbox.custody.put(&tenant, MASKED, &column))?,
        masks: points.ok_or_else(|| Problem::internal("a mask is zero"))?,
    })
}

/// Weights of another's agent with their commitment, recomputed from what their owner lent.
///
/// # Errors
/// If they are not those of the digest.
pub(super) fn lent_weights(
    srs: &Srs,
    layout: &Layout,
    weights: Vec<i64>,
    blinding: &HexBytes,
    digest: WeightsDigest,
    borrower: (RequestId, AccountAddress),
) -> Result<(Weights, Committed)> {
    let refused = |what: String| Problem::field("weights", what);
    let weights = Weights::new(layout.features(), layout.classes(), weights)
        .map_err(|e| refused(format!("the weights are not those of the agent: {e}")))?
        .with_intercept_scale(layout.intercept_scale());
    let blinding =
        Blinding::from_bytes(&blinding.0).ok_or_else(|| refused("the blinding of the weights is none".into()))?;
    let committed = weights_of_another(srs, layout, &weights, &blinding, borrower)?;
    if committed.digest() != digest.into() {
        let text =
            format!("the weights commit, with their blinding, to {}, and the agent is {digest}", committed.digest());
        return Err(refused(text));
    }
    Ok((weights, committed))
}

#[cfg(test)]
mod tests {
    use tribute_core::layout::Task;

    use super::*;

    #[test]
    fn a_least_share_is_reached_with_a_margin() {
        let layout = Layout::new(10, 8, 16, 10, Task::Classes).unwrap();
        let weights = Weights::new(16, 10, vec![1 << WEIGHT_BITS; 170]).unwrap();
        let least = LeastShare { bps: 5_000, records: 1_000, lambda: 1 << (LAMBDA_BITS - 10) };
        // nλ‖W‖²
        let all = 1_000.0 * 170.0 / 1_024.0;
        let missed = |share: f64| {
            let contributed = share * all * f64::from(layout.contribution_bits()).exp2();
            least.is_missed(&layout, &weights, contributed as i128)
        };
        assert!(missed(0.4999) && missed(0.5) && missed(0.5 + 0.0004));
        assert!(!missed(0.5 + 0.0006) && !missed(0.51));
    }
}
