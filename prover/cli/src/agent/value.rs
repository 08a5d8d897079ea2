//! `tribute agent value`: what each owner's data is worth to a certified agent.
//!
//! It is one job, whose parts are shared by all workers: the command can be stopped and started again, finds its job, and
//! after a failure only what is missing is proven. The file is assembled and checked here, from the proofs of
//! its parts.

use std::path::PathBuf;

use clap::Args;
use serde_json::{json, Value};
use tribute_client::files::write_file;
use tribute_client::{problem, Client};
use tribute_core::certificate::evaluation::{EvaluatedShard, Evaluation};
use tribute_core::certificate::{Certificate, Dataset, Hex};
use tribute_core::id::{DatasetId, WeightsDigest};
use tribute_core::valuation::sampled::{MAX_PERMUTATIONS, MIN_PERMUTATIONS};
use tribute_core::valuation::shapley::{every_coalition, members, EXACT_PLAYERS, MAX_PLAYERS};
use tribute_core::valuation::{owners, CoalitionParts, Sampling, Valuation, ValuationParts};
use tribute_problem::{Problem, Result};
use tribute_proto::v1;

use crate::job_options::JobOptionArgs;
use crate::output::{emit, grouped, hexed};
use crate::progress;
use crate::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct ValueArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// Id of the test set: as for `tribute agent evaluate`, and of an owner who has none of the agent's datasets.
    #[arg(long, value_name = "ID")]
    test: DatasetId,
    /// With more than 6 owners: number of permutations to draw, 30 to 4,096. Commit to it, to the datasets, the test set and
    /// λ before the beacon is known.
    #[arg(long, value_name = "COUNT", requires = "beacon", value_parser = clap::value_parser!(u32).range(i64::from(MIN_PERMUTATIONS)..=i64::from(MAX_PERMUTATIONS)))]
    permutations: Option<u32>,
    /// With more than 6 owners: 32 public random bytes in hex. For a version on chain, those that `tribute chain beacon` shows
    /// after `tribute chain commit-valuation`: no weights are proposed or signed by others.
    #[arg(long, value_name = "HEX", requires = "permutations")]
    beacon: Option<Hex<32>>,
    /// File to write to.
    #[arg(long, value_name = "FILE", default_value = "valuation.json", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(a: ValueArgs) -> Result<()> {
    let client = a.server.connect().await?;
    let request = v1::GetCertificateRequest { weights_digest: a.weights.to_vec() };
    let file = client.agents().get_certificate(request).await.map_err(problem)?.into_inner().certificate_json;
    let certificate = Certificate::from_json(&file).map_err(Problem::internal)?;
    let sampling = sampling(&a, &certificate)?;
    // at most 32 owners, as `sampling` has checked
    let all = ((1u64 << owners(&certificate).len()) - 1) as u32;
    let coalitions = match &sampling {
        None => every_coalition(owners(&certificate).len()),
        Some(sampling) => sampling.coalitions(&certificate, &a.test),
    };
    let coalitions = coalitions.into_iter().filter(|mask| *mask != all).map(members);
    let work = v1::ValuationWork {
        weights_digest: a.weights.to_vec(),
        dataset_id: a.test.to_vec(),
        coalitions: coalitions.map(|owners| v1::Coalition { owners }).collect(),
    };
    let cost = Cost::of(&client, &certificate, &work).await?;
    if a.job.estimate {
        return emit(&cost.json(), None);
    }
    note!("{}", cost.told());
    let request = v1::ValueAgentRequest { work: Some(work), options: a.job.message(&client) };
    let job = client.agents().value_agent(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
    let done = progress::finish(&client, "valuation", &job).await?;
    let valuation = assembled(&client, done, sampling).await?;
    write_file(&a.out, valuation.to_json().as_bytes())?;
    for (i, value) in valuation.values.iter().enumerate() {
        let half_width = valuation.per_record(value.half_width);
        let interval = if valuation.sampling.is_some() { format!(" ± {half_width:.6}") } else { String::new() };
        note!("{}: {:.6}{interval} of mean loss saved", value.owner, valuation.value_per_record(i));
    }
    if valuation.sampling.is_some() {
        note!("± is 95 % for all owners together, by a normal approximation over the orders drawn");
    }
    note!("digest {}; wrote {}", Hex(valuation.digest()), a.out.display());
    Ok(())
}

fn sampling(a: &ValueArgs, certificate: &Certificate) -> Result<Option<Sampling>> {
    let owners = owners(certificate).len();
    if owners < 2 {
        return Err(Problem::field(
            "weights",
            "one owner has all the agent's datasets: their value is all of its utility",
        ));
    }
    if owners > MAX_PLAYERS {
        return Err(Problem::field("weights", format!("{owners} owners: at most {MAX_PLAYERS} can be valued")));
    }
    match (a.permutations, a.beacon) {
        (Some(permutations), Some(beacon)) if owners > EXACT_PLAYERS => {
            let sampling = Sampling { beacon, permutations };
            let none = || Problem::field("beacon", "it is all zeros: `tribute chain beacon` fixes one and shows it");
            sampling.is_drawn().then_some(Some(sampling)).ok_or_else(none)
        }
        (None, None) if owners <= EXACT_PLAYERS => Ok(None),
        (None, None) => Err(Problem::field(
            "permutations",
            format!(
                "{owners} owners have {} coalitions: draw some of them, with --permutations and --beacon",
                (1u64 << owners) - 1
            ),
        )),
        _ => Err(Problem::field("permutations", format!("{owners} owners: every coalition is trained, none is drawn"))),
    }
}

/// The file of a valuation whose job has succeeded. Coalitions are fetched one by one.
async fn assembled(client: &Client, job: v1::Job, sampling: Option<Sampling>) -> Result<Valuation> {
    let Some(v1::outcome::Outcome::Valuation(proven)) = job.outcome.and_then(|o| o.outcome) else {
        return Err(Problem::internal("the job came back without its valuation"));
    };
    let evaluation = Evaluation::from_json(&proven.evaluation_json).map_err(Problem::internal)?;
    let mut coalitions = Vec::with_capacity(proven.coalition_jobs.len() + 1);
    for job in proven.coalition_jobs {
        coalitions.push(coalition(client, job).await?);
    }
    let dataset = evaluation.dataset;
    let shard = |s: EvaluatedShard| ((s.owner.0, s.dataset_proof), s.evaluation_proof);
    let (shards, evaluations) = dataset.shards.into_iter().map(shard).unzip();
    let certificate = evaluation.certificate;
    coalitions.push(CoalitionParts {
        owners: (0..owners(&certificate).len() as u32).collect(),
        weights_digest: certificate.agent.weights_digest,
        training: None,
        evaluations,
    });
    ValuationParts { certificate, terms: dataset.terms, shards, sampling, coalitions }
        .assemble()
        .map_err(|e| Problem::internal(format!("the valuation is inconsistent: {e}")))
}

/// A coalition's proofs.
async fn coalition(client: &Client, job: String) -> Result<CoalitionParts> {
    let job = client.jobs().get_job(v1::GetJobRequest { job }).await.map_err(problem)?.into_inner();
    let Some(v1::outcome::Outcome::Coalition(proven)) = job.outcome.and_then(|o| o.outcome) else {
        return Err(Problem::internal(format!("job {} came back without its coalition", job.id)));
    };
    serde_json::from_slice(&proven.parts_json).map_err(Problem::internal)
}

/// What a valuation takes, besides the agent's certificate and what was proven before.
struct Cost {
    coalitions: usize,
    /// Of all coalitions: one for each of their shards.
    gradients: usize,
    estimate: v1::EstimateResponse,
}

impl Cost {
    async fn of(client: &Client, certificate: &Certificate, work: &v1::ValuationWork) -> Result<Self> {
        let owners = owners(certificate);
        let owner = |d: &Dataset| owners.iter().position(|o| *o == d.latest_owner()).unwrap_or_default() as u32;
        let datasets: Vec<(u32, usize)> = certificate.datasets.iter().map(|d| (owner(d), d.shards.len())).collect();
        let shards = |c: &v1::Coalition| -> usize {
            datasets.iter().filter(|(owner, _)| c.owners.contains(owner)).map(|(_, shards)| shards).sum()
        };
        let (coalitions, gradients) = (work.coalitions.len(), work.coalitions.iter().map(shards).sum());
        let work = Some(v1::Work { work: Some(v1::work::Work::Valuation(work.clone())) });
        let estimate = client.jobs().estimate(v1::EstimateRequest { work }).await.map_err(problem)?.into_inner();
        Ok(Cost { coalitions, gradients, estimate })
    }

    /// Seconds of one worker, if earlier work tells.
    fn seconds(&self) -> Option<f64> {
        Some(self.estimate.seconds).filter(|seconds| *seconds > 0.0)
    }

    /// The server's list ends with the test set.
    fn json(&self) -> Value {
        let opened = |d: &v1::DatasetOpenings| json!({ "dataset_id": hexed(&d.dataset_id), "openings": d.planned, "openings_left": d.left });
        let mut datasets: Vec<Value> = self.estimate.datasets.iter().map(opened).collect();
        let test_set = datasets.pop();
        json!({
            "coalitions": self.coalitions,
            "gradients": self.gradients,
            "jobs": self.estimate.jobs,
            "existing": Some(&self.estimate.existing).filter(|job| !job.is_empty()),
            "datasets": datasets,
            "test_set": test_set,
            "seconds_of_one_worker": self.seconds(),
            "memory_mb_of_a_worker": self.estimate.memory_mb,
        })
    }

    /// The same for people.
    fn told(&self) -> String {
        let Cost { coalitions, gradients, estimate } = self;
        if !estimate.existing.is_empty() {
            return format!("{coalitions} coalitions: job {} is the same work", estimate.existing);
        }
        let time =
            self.seconds().map_or_else(|| "time not known yet".to_owned(), |s| format!("{s:.1} s on one worker"));
        let memory = grouped(estimate.memory_mb);
        let mut told = format!("{coalitions} coalitions with {gradients} gradients: {time}, {memory} MB");
        for d in &estimate.datasets {
            let (id, planned, left) = (hexed(&d.dataset_id), grouped(d.planned), grouped(d.left));
            told += &format!("\n{id}: opened {planned} times, of {left} that are left");
        }
        told
    }
}
