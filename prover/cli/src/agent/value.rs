//! `tribute agent value`: what each owner's data is worth to a certified agent.
//!
//! Every coalition is a job of its own, so all workers share them, and each is durable: the command can be stopped and
//! started again, and finds what is done. The file is assembled and checked here, from their proofs.

use std::collections::BTreeMap;
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

use crate::agent_results::evaluation;
use crate::job_options::JobOptionArgs;
use crate::output::emit;
use crate::progress;
use crate::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct ValueArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// Id of the test set: as for `tribute agent evaluate`, and of an owner who has none of the agent's datasets.
    #[arg(long, value_name = "ID")]
    test: DatasetId,
    /// With more than 6 owners: number of permutations to draw, at least 30. Commit to it, to the datasets, the test set and
    /// λ before the beacon is known.
    #[arg(long, value_name = "COUNT", requires = "beacon", value_parser = clap::value_parser!(u32).range(i64::from(MIN_PERMUTATIONS)..=i64::from(MAX_PERMUTATIONS)))]
    permutations: Option<u32>,
    /// With more than 6 owners: 32 public random bytes in hex, such as the hash of a block that did not exist yet.
    #[arg(long, value_name = "HEX", requires = "permutations")]
    beacon: Option<Hex<32>>,
    /// File to write to.
    #[arg(long, value_name = "FILE", default_value = "valuation.json")]
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
    let coalitions: Vec<Vec<u32>> = match &sampling {
        None => every_coalition(owners(&certificate).len()),
        Some(sampling) => sampling.coalitions(&certificate, &a.test),
    }
    .into_iter()
    .filter(|mask| *mask != all)
    .map(members)
    .collect();
    let cost = Cost::of(&certificate, &coalitions);
    if a.job.estimate {
        return emit(&cost.told(&client, &certificate, &a, &coalitions).await?, None);
    }
    let valuation = prove(&client, &a, sampling, &coalitions).await?;
    write_file(&a.out, valuation.to_json().as_bytes())?;
    for (i, value) in valuation.values.iter().enumerate() {
        let half_width = valuation.per_record(value.half_width);
        let interval = if sampling.is_some() { format!(" ± {half_width:.6}") } else { String::new() };
        eprintln!("{}: {:.6}{interval} of mean loss saved", value.owner, valuation.value_per_record(i));
    }
    if sampling.is_some() {
        eprintln!("± is 95 % for all owners together, by a normal approximation over the orders drawn");
    }
    eprintln!("digest {}; wrote {}", Hex(valuation.digest()), a.out.display());
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
        (Some(permutations), Some(beacon)) if owners > EXACT_PLAYERS => Ok(Some(Sampling { beacon, permutations })),
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

async fn prove(
    client: &Client,
    a: &ValueArgs,
    sampling: Option<Sampling>,
    coalitions: &[Vec<u32>],
) -> Result<Valuation> {
    let work = v1::EvaluationWork { weights_digest: a.weights.to_vec(), dataset_id: a.test.to_vec() };
    let evaluation = evaluation(client, work, a.job.message(client)).await?.evaluation_json;
    let evaluation = Evaluation::from_json(&evaluation).map_err(Problem::internal)?;
    let request = v1::ValueAgentRequest {
        weights_digest: a.weights.to_vec(),
        dataset_id: a.test.to_vec(),
        coalitions: coalitions.iter().map(|owners| v1::Coalition { owners: owners.clone() }).collect(),
        options: a.job.message(client),
    };
    let jobs = client.agents().value_agent(request).await.map_err(problem)?.into_inner().jobs;
    let mut parts = Vec::with_capacity(jobs.len() + 1);
    for job in &jobs {
        let done = progress::finish(client, &job.title, job).await?;
        let Some(v1::outcome::Outcome::Coalition(c)) = done.outcome.and_then(|o| o.outcome) else {
            return Err(Problem::internal("the job came back without its coalition"));
        };
        parts.push(serde_json::from_slice::<CoalitionParts>(&c.parts_json).map_err(Problem::internal)?);
    }
    let dataset = evaluation.dataset;
    let shard = |s: EvaluatedShard| ((s.owner.0, s.dataset_proof), s.evaluation_proof);
    let (shards, evaluations) = dataset.shards.into_iter().map(shard).unzip();
    let certificate = evaluation.certificate;
    parts.push(CoalitionParts {
        owners: (0..owners(&certificate).len() as u32).collect(),
        weights_digest: certificate.agent.weights_digest,
        training: None,
        evaluations,
    });
    ValuationParts { certificate, terms: dataset.terms, shards, sampling, coalitions: parts }
        .assemble()
        .map_err(|e| Problem::internal(format!("the valuation is inconsistent: {e}")))
}

/// What a valuation takes besides the agent's own certificate and evaluation.
struct Cost {
    /// Shards that each coalition is trained on: as many gradients.
    shards: Vec<usize>,
    /// Openings of each dataset's columns, in the certificate's order: as many as uses of a grant.
    openings: Vec<usize>,
}

impl Cost {
    fn of(certificate: &Certificate, coalitions: &[Vec<u32>]) -> Self {
        let owners = owners(certificate);
        let owner = |d: &Dataset| owners.iter().position(|o| *o == d.latest_owner()).unwrap_or_default() as u32;
        let datasets: Vec<(u32, usize)> = certificate.datasets.iter().map(|d| (owner(d), d.shards.len())).collect();
        let shards =
            |coalition: &Vec<u32>| datasets.iter().filter(|(o, _)| coalition.contains(o)).map(|(_, n)| n).sum();
        let openings = |(owner, _): &(u32, usize)| coalitions.iter().filter(|c| c.contains(owner)).count();
        Cost { shards: coalitions.iter().map(shards).collect(), openings: datasets.iter().map(openings).collect() }
    }

    /// The numbers, with the server's estimate of time and memory.
    async fn told(
        &self,
        client: &Client,
        certificate: &Certificate,
        a: &ValueArgs,
        coalitions: &[Vec<u32>],
    ) -> Result<Value> {
        let datasets: Vec<Value> = (certificate.datasets.iter().zip(&self.openings))
            .map(|(d, n)| json!({ "dataset_id": d.dataset_id, "openings": n }))
            .collect();
        // coalitions of as many shards take about as long: one of each size is asked about
        let mut sizes: BTreeMap<usize, (usize, &Vec<u32>)> = BTreeMap::new();
        for (coalition, size) in coalitions.iter().zip(&self.shards) {
            sizes.entry(*size).or_insert((0, coalition)).0 += 1;
        }
        let (mut seconds, mut memory) = (Some(0.0), 0);
        for (count, owners) in sizes.into_values() {
            let work = v1::CoalitionWork {
                weights_digest: a.weights.to_vec(),
                dataset_id: a.test.to_vec(),
                owners: owners.clone(),
            };
            let work = Some(v1::Work { work: Some(v1::work::Work::Coalition(work)) });
            let told = client.jobs().estimate(v1::EstimateRequest { work }).await.map_err(problem)?.into_inner();
            seconds = seconds.filter(|_| told.seconds > 0.0).map(|sum| sum + told.seconds * count as f64);
            memory = memory.max(told.memory_mb);
        }
        let optima = self.shards.len();
        Ok(json!({
            "coalitions": optima,
            "gradients": self.shards.iter().sum::<usize>(),
            "optima": optima,
            "evaluations_per_test_shard": optima,
            "datasets": datasets,
            "openings_of_the_test_set": optima,
            "seconds_of_one_worker": seconds,
            "memory_mb_of_a_worker": memory,
        }))
    }
}
