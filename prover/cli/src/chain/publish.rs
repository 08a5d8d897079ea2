//! `tribute agent publish`: from datasets, or a model, to a certified version on chain, in one command.
//!
//! What is done is known to the service (trained agents, proofs) and to the chain (versions, gradients); a file keeps only
//! the agent's digest and id, so that the same command continues after an interruption.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tribute_chain::agents::short_name;
use tribute_chain::version::Stage;
use tribute_client::files::write_file;
use tribute_client::signing::Content;
use tribute_client::{problem, Client};
use tribute_core::head::lambda_units;
use tribute_core::id::{AgentId, DatasetId, LayoutHash, ModelDigest, SrsDigest, WeightsDigest};
use tribute_core::link::Link;
use tribute_core::statement::Statement;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

use super::agent::{new_version, submit, AgentFile, CircuitsFile, GradientsFile, DATASETS_TO_A_TRANSACTION};
use super::{json_file, Connected, SenderArgs};
use crate::agent_results;
use crate::link_arg::LinkArg;
use crate::proof_file::ProofFile;
use crate::server_args::AddressArgs;
use crate::typed::units;
use crate::{output, progress, CommandResult};

/// Proofs to a transaction, the optimum's included.
const BATCH: usize = 16;

/// Gas of each kind of transaction, as measured in docs/gas.md.
mod gas {
    pub(super) const CREATE: u64 = 94_000;
    pub(super) const PROPOSE: u64 = 260_000;
    pub(super) const DATASET: u64 = 124_000;
    pub(super) const CLOSE: u64 = 37_000;
    pub(super) const GRADIENT: u64 = 500_000;
    pub(super) const CERTIFY: u64 = 533_000;
}

/// Seconds on two cores at k = 15, as measured in benches/RESULTS.md.
mod seconds {
    pub(super) const GRADIENT: f64 = 2.0;
    /// Training and the optimum's proof.
    pub(super) const REST: f64 = 5.0;
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// A dataset's id; repeat for every dataset.
    #[arg(long = "dataset", value_name = "ID", required = true)]
    datasets: Vec<DatasetId>,
    /// An ONNX model to import instead of training one. It is polished to the optimum.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How far the model's weights may move when it is polished, as a fraction of their norm.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.01, requires = "model")]
    polish: f64,
    /// Regularisation strength λ, between 0 and 1.
    #[arg(long, default_value_t = 1e-3)]
    lambda: f64,
    /// Link function, which also selects the loss.
    #[arg(long, value_enum, default_value_t = LinkArg::Softmax)]
    link: LinkArg,
    /// Name of the agent, up to 32 bytes.
    #[arg(long, default_value = "agent")]
    name: String,
    /// Your agent on chain, of which this becomes the next version. Without it, an agent is created.
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
    /// Part of the fees that goes to data providers, in basis points.
    #[arg(long, value_name = "BPS", default_value_t = 5000)]
    data_bps: u16,
    /// Minimum price of a query, in the token's base units.
    #[arg(long, value_name = "AMOUNT", default_value_t = 0, value_parser = units)]
    price: u128,
    /// File that keeps what has been done: after an interruption, the same command continues.
    #[arg(long, value_name = "FILE", default_value = "publish.json", value_parser = crate::output::file())]
    state: PathBuf,
    /// File to write the certificate to.
    #[arg(long, value_name = "FILE", default_value = "certificate.json", value_parser = crate::output::file())]
    certificate: PathBuf,
    /// Say what it would take, and stop.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: AddressArgs,
    #[command(flatten)]
    chain: SenderArgs,
}

/// What is to be published. Another plan needs another file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    datasets: Vec<DatasetId>,
    model: Option<Imported>,
    /// In units of 2^-44.
    lambda: u64,
    link: Link,
    price: String,
    data_bps: u16,
}

/// A model to import: wherever the file is, and whatever it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Imported {
    /// SHA-256 of the file, with the tensors that lie beside it.
    sha256: ModelDigest,
    /// How far the weights may move, in decimal digits.
    polish: String,
}

/// The contents of the state file.
#[derive(Serialize, Deserialize)]
struct State {
    plan: Plan,
    weights: Option<WeightsDigest>,
    agent: Option<AgentId>,
}

impl PublishArgs {
    fn plan(&self, model: Option<&[u8]>) -> Result<Plan> {
        let imported = |model| {
            let sha256 = ModelDigest::new(Content::of(model).sha256);
            Imported { sha256, polish: self.polish.to_string() }
        };
        Ok(Plan {
            datasets: self.datasets.clone(),
            model: model.map(imported),
            lambda: lambda_units(self.lambda).map_err(|e| Problem::field("lambda", e.to_string()))?,
            link: self.link.link(),
            price: self.price.to_string(),
            data_bps: self.data_bps,
        })
    }

    fn load(&self, model: Option<&[u8]>) -> Result<State> {
        let plan = self.plan(model)?;
        if !self.state.exists() {
            return Ok(State { plan, weights: None, agent: self.agent });
        }
        let state: State = json_file(&self.state)?;
        let agent = state.agent.or(self.agent);
        if state.plan != plan || (self.agent.is_some() && self.agent != agent) {
            let file = self.state.display();
            let message = format!(
                "{file} is of another agent, another model, other datasets or other terms: name another file with --state"
            );
            return Err(Problem::field("state", message));
        }
        Ok(State { agent, ..state })
    }

    fn save(&self, state: &State) -> Result<()> {
        write_file(&self.state, &serde_json::to_vec_pretty(state)?)
    }

    /// Says what it will take, before anything is sent.
    async fn tell(&self, c: &Connected, state: &State) -> Result<()> {
        let mut shards = 0u64;
        for dataset in &self.datasets {
            shards += c.contracts.shard_digests(dataset).await?.len() as u64;
        }
        let datasets = self.datasets.len() as u64;
        let create = if state.agent.is_none() { gas::CREATE } else { 0 };
        let transactions = create + gas::PROPOSE + gas::DATASET * datasets + gas::CLOSE;
        let total = transactions + gas::GRADIENT * shards + gas::CERTIFY;
        let time = seconds::GRADIENT * shards as f64 + seconds::REST;
        note!(
            "{datasets} datasets in {shards} shards: {} proofs, about {time:.0} s on two quiet cores; about {:.1} million gas. Openings: \
             one of every shard's records and gradient for each proof, {} of the agent's weights",
            shards + 1,
            total as f64 / 1e6,
            shards + 1
        );
        Ok(())
    }

    /// Checks that the gate has the circuits of a version before anything is trained for it.
    async fn check_circuits(&self, c: &Connected) -> Result<()> {
        let Some(id) = self.datasets.first() else { return Ok(()) };
        let (dataset, link) = (c.contracts.dataset(id).await?, self.link.link());
        let mut missing = vec![Statement::Gradient, Statement::Optimum, Statement::Service];
        for circuit in c.contracts.circuits().await? {
            let found = c.contracts.circuit(&circuit).await?;
            let same = LayoutHash::new(found.layoutHash.0) == dataset.layout
                && SrsDigest::new(found.srsDigest.0) == dataset.srs
                && (found.statement != Statement::Gradient.code() || found.link == link.code());
            if same && !c.contracts.is_circuit_stopped(&circuit).await? {
                missing.retain(|statement| statement.code() != found.statement);
            }
        }
        let Some(statement) = missing.first() else { return Ok(()) };
        let message = format!(
            "the proof gate has no `{}` circuit for the schema of dataset {id} and the link {}: `tribute circuits add` makes one, \
             except for a regression, which cannot go on chain",
            statement.name(),
            link.name()
        );
        Err(Problem::new(Reason::NotReady, message))
    }

    async fn trained(&self, client: &Client, plan: &Plan, model: Option<Vec<u8>>) -> Result<WeightsDigest> {
        let terms = Some(v1::TrainingTerms {
            dataset_ids: plan.datasets.iter().map(|d| d.to_vec()).collect(),
            lambda: plan.lambda,
            link: self.link.message(),
        });
        let name = self.name.clone();
        let job = match model {
            None => {
                let work = Some(v1::TrainWork { terms, name, ..Default::default() });
                let request = v1::TrainAgentRequest { work, options: None };
                client.agents().train_agent(request).await.map_err(problem)?.into_inner().job
            }
            Some(model) => {
                let upload = client.upload(model).await?;
                let polish = Some(self.polish);
                let work = Some(v1::ImportWork { terms, name, upload, quantised_features: false, polish });
                let request = v1::ImportAgentRequest { work, options: None };
                client.agents().import_agent(request).await.map_err(problem)?.into_inner().job
            }
        };
        let done = progress::finish(client, "training", &job.unwrap_or_default()).await?;
        match done.outcome.and_then(|o| o.outcome) {
            Some(v1::outcome::Outcome::Agent(v1::AgentOutcome { agent: Some(agent) })) => {
                field("weights_digest", &agent.weights_digest)
            }
            _ => Err(Problem::internal("the job came back without its agent")),
        }
    }
}

/// Runs `tribute agent publish`.
pub(crate) async fn run(a: PublishArgs) -> CommandResult {
    let name =
        short_name(&a.name).ok_or_else(|| Problem::field("name", format!("`{}` has more than 32 bytes", a.name)))?;
    let model = a.model.as_deref().map(crate::extract::model).transpose()?;
    let mut state = a.load(model.as_deref())?;
    let c = a.chain.connect().await?;
    a.tell(&c, &state).await?;
    if state.weights.is_none() {
        a.check_circuits(&c).await?;
    }
    if a.dry_run {
        return Ok(());
    }
    let client = a.server.connect(c.wallet.signer().clone()).await?;
    let weights = match state.weights {
        Some(weights) => weights,
        None => a.trained(&client, &state.plan, model).await?,
    };
    state.weights = Some(weights);
    a.save(&state)?;
    let agent = agent_results::get(&client, weights).await?;
    note!("trained: agent {weights}, relative distance {:.1e}", agent.relative_distance);

    let circuits = circuits(&client, &agent).await?;
    let trained: AgentFile = serde_json::from_value(output::agent(&agent))?;
    let new = new_version(&trained, &circuits, a.price, a.data_bps)?;
    let id = match state.agent {
        Some(id) => id,
        None => c.contracts.create_agent(name, "").send(&c.wallet).await?.event,
    };
    state.agent = Some(id);
    a.save(&state).map_err(|e| {
        let message = format!("{}; its agent is {id}: run the same command again with --agent {id}", e.message);
        Problem { message, ..e }
    })?;
    let version = match proposed(&c, &id, weights).await? {
        Some(version) => version,
        None => c.contracts.propose(&id, &new).send(&c.wallet).await?.event,
    };
    note!("proposed: version {version} of agent {id}");
    let stage = list(&c, &id, version, &trained.dataset_ids).await?;

    let proofs = prove(&client, weights, &id, version).await?;
    let mut value = if stage == Stage::Closed {
        submit(&c, &id, version, proofs.0, &proofs.1, BATCH).await?
    } else {
        json!({ "agent_id": id, "version": version })
    };
    let request = v1::GetCertificateRequest { weights_digest: weights.to_vec() };
    let file = client.agents().get_certificate(request).await.map_err(problem)?.into_inner().certificate_json;
    write_file(&a.certificate, &file)?;
    note!("certified; wrote {}", a.certificate.display());
    value["weights_digest"] = serde_json::to_value(weights)?;
    a.chain.emit(&value)
}

/// The circuits of the agent's schema that the server has ready.
async fn circuits(client: &Client, agent: &v1::Agent) -> Result<CircuitsFile> {
    let request = v1::ListCircuitsRequest {
        schema_json: agent.schema_json.clone(),
        profile: agent.profile,
        link: agent.terms.clone().unwrap_or_default().link,
        evaluation: false,
    };
    let found = client.circuits().list_circuits(request).await.map_err(problem)?.into_inner().ready;
    Ok(serde_json::from_value(json!({ "ready": found.iter().map(output::circuit).collect::<Vec<_>>() }))?)
}

/// The version with these weights that an earlier run proposed, if there is one.
async fn proposed(c: &Connected, agent: &AgentId, weights: WeightsDigest) -> Result<Option<u32>> {
    for version in (1..=c.contracts.version_count(agent).await?).rev() {
        let found = c.contracts.version(agent, version).await?;
        if found.weights == weights && found.stage != Stage::Abandoned {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Lists the datasets that a version lacks, closes it, and returns its stage.
async fn list(c: &Connected, agent: &AgentId, version: u32, datasets: &[DatasetId]) -> Result<Stage> {
    let stage = c.contracts.version(agent, version).await?.stage;
    if stage != Stage::Draft {
        return Ok(stage);
    }
    let listed = c.contracts.listed(agent, version).await?;
    if !datasets.starts_with(&listed) {
        let message = format!(
            "version {version} of agent {agent} lists other datasets: abandon it (tribute chain abandon-version)"
        );
        return Err(Problem::new(Reason::NotReady, message));
    }
    for more in datasets[listed.len()..].chunks(DATASETS_TO_A_TRANSACTION) {
        c.contracts.add_datasets(agent, version, more).send(&c.wallet).await?;
    }
    c.contracts.close(agent, version).send(&c.wallet).await?;
    Ok(Stage::Closed)
}

/// Proves the gradients and the optimum; the server keeps proofs that it has made already.
async fn prove(
    client: &Client,
    weights: WeightsDigest,
    agent: &AgentId,
    version: u32,
) -> Result<(GradientsFile, ProofFile)> {
    let request = v1::ProveGradientsRequest { weights_digest: weights.to_vec(), ..Default::default() };
    let jobs = client.agents().prove_gradients(request).await.map_err(problem)?.into_inner().jobs;
    let mut gradients = Vec::with_capacity(jobs.len());
    for (slot, job) in jobs.iter().enumerate() {
        let title = format!("gradient {} of {}", slot + 1, jobs.len());
        gradients.push(agent_results::proof_of(progress::finish(client, &title, job).await?)?);
    }
    let work = v1::OptimumWork { weights_digest: weights.to_vec(), context: None, agent_id: agent.to_vec(), version };
    let request = v1::ProveOptimumRequest { work: Some(work), options: None };
    let job = client.agents().prove_optimum(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
    let optimum = agent_results::proof_of(progress::finish(client, "optimum", &job).await?)?;
    Ok((GradientsFile { gradients }, optimum))
}
