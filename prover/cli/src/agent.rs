//! `tribute agent …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{json, Value};
use tribute_client::files::write_file;
use tribute_client::{problem, Client};
use tribute_core::head::lambda_units;
use tribute_core::id::{AgentId, DatasetId, WeightsDigest};
use tribute_core::numbers::{real, LOSS_BITS};
use tribute_core::schema::{Schema, Target};
use tribute_inference::Moved;
use tribute_problem::{field, Problem, Result};
use tribute_proto::v1;

use self::polish::HeldOutArgs;
use super::output::{self, emit};
use super::{progress, CommandResult};
use crate::agent_results::{evaluation, finished, get, proof_of};
use crate::chain::publish;
use crate::job_options::JobOptionArgs;
use crate::link_arg::LinkArg;
use crate::server_args::ServerArgs;

mod at_home;
mod polish;
mod value;

#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// Go from datasets, or a model, to a certified version on chain. Says first how much time, gas and openings that takes. If
    /// interrupted, run it again to continue.
    Publish(publish::PublishArgs),
    /// Train an agent on committed datasets, to the precision that a certificate needs.
    Train(TrainArgs),
    /// Import an agent trained elsewhere; refused unless it is the optimum over the datasets.
    Import(ImportArgs),
    /// Show one of your agents; can also write its model.
    Get(GetArgs),
    /// List your agents, newest first.
    List(ServerArgs),
    /// Let sessions have the scores of all classes beside the answer. Scores of a few more queries than the agent has features
    /// determine its weights.
    ShowScores(ScoresArgs),
    /// Prove the gradient over every shard that the agent was trained on.
    ProveGradients(GradientsArgs),
    /// Prove that the agent is the optimum over the sum of its gradients.
    ProveOptimum(OptimumArgs),
    /// Write the certificate file, for `tribute verify`.
    Certificate(CertificateArgs),
    /// Prove how many records of a held-out dataset a certified agent classifies correctly, and write the evaluation file, for
    /// `tribute verify`.
    Evaluate(EvaluateArgs),
    /// Prove what each owner's data is worth to a certified agent, and write the valuation file, for `tribute verify`:
    /// coalitions of owners, up to six owners all of them, are trained, proven and evaluated on a test set.
    Value(value::ValueArgs),
}

#[derive(Clone, Debug, Args)]
struct LossArgs {
    /// A dataset's id; repeat for every dataset, in the order of the agent's version.
    #[arg(long = "dataset", value_name = "ID", required = true)]
    datasets: Vec<DatasetId>,
    /// Regularisation strength λ, between 0 and 1.
    #[arg(long, default_value_t = 1e-3)]
    lambda: f64,
    /// Link function, which also selects the loss.
    #[arg(long, value_enum, default_value_t = LinkArg::Softmax)]
    link: LinkArg,
    /// Display name of the agent.
    #[arg(long, default_value = "agent")]
    name: String,
    /// File to write the model to.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    onnx: Option<PathBuf>,
    /// File to write the agent's numbers to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
}

impl LossArgs {
    fn terms(&self) -> Result<v1::TrainingTerms> {
        Ok(v1::TrainingTerms {
            dataset_ids: self.datasets.iter().map(|d| d.to_vec()).collect(),
            lambda: lambda_units(self.lambda).map_err(|e| Problem::field("lambda", e.to_string()))?,
            link: self.link.message(),
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    loss: LossArgs,
    /// Start from the weights of this agent of yours, of the same schema, given by their digest. The optimum is the same; it is
    /// reached in fewer steps from nearby, as when data was added or λ was changed.
    #[arg(long, value_name = "WEIGHTS")]
    from: Option<WeightsDigest>,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The ONNX file: a canonical agent of the datasets' schema, or a model with one dense layer as exported by scikit-learn or
    /// PyTorch, after `model.eval()`. Tensors in a file beside it are read from there.
    model: PathBuf,
    /// The model takes quantised features, from 0 to 255/256, instead of the schema's units. A canonical agent of another schema
    /// is taken only with this.
    #[arg(long)]
    quantised_features: bool,
    /// Continue training to the optimum and report how far the weights moved. The import is refused if they would move by more
    /// than FRACTION of their norm. Meant for models in single precision, the default of skl2onnx and PyTorch: they match the
    /// optimum to seven digits, and a certificate needs more.
    #[arg(long, value_name = "FRACTION", num_args = 0..=1, require_equals = true, default_missing_value = "0.01")]
    polish: Option<f64>,
    #[command(flatten)]
    held_out: HeldOutArgs,
    #[command(flatten)]
    loss: LossArgs,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// File to write the model to.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    onnx: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ScoresArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// Show them no longer. Scores that were shown are not taken back.
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct GradientsArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// Prove for no chain, although the server has one.
    #[arg(long)]
    off_chain: bool,
    /// File to write the proofs to, in the order of the agent's shards; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct OptimumArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// The agent's id on chain; any 32 bytes off chain.
    #[arg(long, value_name = "ID", default_value_t = AgentId::ZERO)]
    agent_id: AgentId,
    /// The agent's version.
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// Prove for no chain, although the server has one.
    #[arg(long)]
    off_chain: bool,
    /// File to write the proof to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct CertificateArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// File to write to.
    #[arg(long, value_name = "FILE", default_value = "certificate.json", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// Digest of the agent's weights.
    weights: WeightsDigest,
    /// The dataset's id. It must be yours, open to all or granted to you, and have the agent's schema. With --node, it must be granted
    /// to you there.
    #[arg(long, value_name = "ID")]
    dataset: DatasetId,
    /// The node that has the dataset, if its data stays at home: it proves the count, and is lent the weights, which it
    /// can keep.
    #[arg(long, value_name = "URL")]
    node: Option<String>,
    /// With --node: counts your lendings of the weights for this dataset, from 0. Each has openings of its own, for when those of the
    /// one before are used up.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "node")]
    lending: u32,
    /// File to write to.
    #[arg(long, value_name = "FILE", default_value = "evaluation.json", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: AgentCommand) -> CommandResult {
    match command {
        AgentCommand::Publish(a) => publish::run(a).await?,
        AgentCommand::Train(a) => {
            let client = a.server.connect().await?;
            let start = a.from.map(|weights| weights.to_vec()).unwrap_or_default();
            let work = v1::TrainWork { terms: Some(a.loss.terms()?), name: a.loss.name.clone(), start };
            if a.job.estimated(&client, v1::work::Work::Train(work.clone())).await? {
                return Ok(());
            }
            let request = v1::TrainAgentRequest { work: Some(work), options: a.job.message(&client) };
            let job = client.agents().train_agent(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
            let agent = finished(&client, "training", &job).await?;
            told(&client, &agent, None, &a.loss).await?;
        }
        AgentCommand::Import(a) => {
            let onnx = crate::extract::model(&a.model)?;
            let client = a.server.connect().await?;
            let (terms, name) = (Some(a.loss.terms()?), a.loss.name.clone());
            let (quantised_features, polish) = (a.quantised_features, a.polish);
            let upload = client.upload(onnx.clone()).await?;
            let work = v1::ImportWork { terms, name, upload, quantised_features, polish };
            if a.job.estimated(&client, v1::work::Work::Import(work.clone())).await? {
                return Ok(());
            }
            let request = v1::ImportAgentRequest { work: Some(work), options: a.job.message(&client) };
            let job =
                client.agents().import_agent(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
            let agent = finished(&client, "checking", &job).await?;
            let held_out = polish::held_out(&client, &a, &onnx, &agent).await?;
            told(&client, &agent, held_out, &a.loss).await?;
        }
        AgentCommand::Get(a) => {
            let client = a.server.connect().await?;
            let agent = get(&client, a.weights).await?;
            if let Some(file) = &a.onnx {
                write_file(file, &agent.onnx)?;
            }
            emit(&output::agent(&agent), None)?;
        }
        AgentCommand::ShowScores(a) => {
            let client = a.server.connect().await?;
            let request = v1::ShowScoresRequest { weights_digest: a.weights.to_vec(), show: !a.off };
            let agent = client.agents().show_scores(request).await.map_err(problem)?.into_inner();
            let shown = if agent.shows_scores { "get scores beside answers" } else { "get answers only" };
            say!("sessions of {} {shown}", a.weights);
        }
        AgentCommand::List(a) => {
            let client = a.connect().await?;
            let request = v1::ListAgentsRequest::default();
            let list = client.agents().list_agents(request).await.map_err(problem)?.into_inner().agents;
            emit(&Value::Array(list.iter().map(output::agent).collect()), None)?;
        }
        AgentCommand::ProveGradients(a) => {
            let client = a.server.connect().await?;
            let request = v1::ProveGradientsRequest {
                weights_digest: a.weights.to_vec(),
                context: a.off_chain.then(v1::ChainContext::default),
                ..Default::default()
            };
            let jobs = client.agents().prove_gradients(request).await.map_err(problem)?.into_inner().jobs;
            let mut proofs = Vec::with_capacity(jobs.len());
            for (slot, job) in jobs.iter().enumerate() {
                let title = format!("gradient {} of {}", slot + 1, jobs.len());
                proofs.push(proof_of(progress::finish(&client, &title, job).await?)?);
            }
            emit(&json!({ "weights_digest": a.weights, "gradients": proofs }), a.out.as_deref())?;
        }
        AgentCommand::ProveOptimum(a) => {
            let client = a.server.connect().await?;
            let work = v1::OptimumWork {
                weights_digest: a.weights.to_vec(),
                context: a.off_chain.then(v1::ChainContext::default),
                agent_id: a.agent_id.to_vec(),
                version: a.version,
            };
            if a.job.estimated(&client, v1::work::Work::Optimum(work.clone())).await? {
                return Ok(());
            }
            let request = v1::ProveOptimumRequest { work: Some(work), options: a.job.message(&client) };
            let job =
                client.agents().prove_optimum(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
            let proof = proof_of(progress::finish(&client, "optimum", &job).await?)?;
            let value = json!({ "agent_id": a.agent_id, "version": a.version, "proof": proof });
            emit(&value, a.out.as_deref())?;
        }
        AgentCommand::Certificate(a) => {
            let client = a.server.connect().await?;
            let request = v1::GetCertificateRequest { weights_digest: a.weights.to_vec() };
            let file = client.agents().get_certificate(request).await.map_err(problem)?.into_inner().certificate_json;
            write_file(&a.out, &file)?;
            note!("wrote {}", a.out.display());
        }
        AgentCommand::Value(a) => value::run(a).await?,
        AgentCommand::Evaluate(a) => {
            let client = a.server.connect().await?;
            if let Some(url) = &a.node {
                if a.job.estimate {
                    let text = "a node does not say what an evaluation there costs: leave it out, or --node";
                    return Err(Problem::field("estimate", text));
                }
                let e = at_home::evaluate(&client, url, &a).await?;
                write_file(&a.out, &e.evaluation_json)?;
                note!("{} of {} records right; {url} has proven it; wrote {}", e.correct, e.records, a.out.display());
                return Ok(());
            }
            let work = v1::EvaluationWork { weights_digest: a.weights.to_vec(), dataset_id: a.dataset.to_vec() };
            if a.job.estimated(&client, v1::work::Work::Evaluation(work.clone())).await? {
                return Ok(());
            }
            let e = evaluation(&client, work, a.job.message(&client)).await?;
            write_file(&a.out, &e.evaluation_json)?;
            let loss = real(e.loss, LOSS_BITS) / e.records.max(1) as f64;
            note!("{} of {} records right, mean loss {loss:.6}; wrote {}", e.correct, e.records, a.out.display());
        }
    }
    Ok(())
}

/// Writes the agent's model and prints its numbers; for a polished agent, also how its answers on held-out records changed.
async fn told(client: &Client, agent: &v1::Agent, held_out: Option<Moved>, loss: &LossArgs) -> Result<()> {
    if let Some(file) = &loss.onnx {
        let digest = field("weights_digest", &agent.weights_digest)?;
        write_file(file, &get(client, digest).await?.onnx)?;
    }
    let schema = Schema::from_json(&String::from_utf8_lossy(&agent.schema_json))?;
    // a regression's answers are no classes
    let accuracy = match schema.target() {
        Target::Classes(_) => format!(", training accuracy {:.4}", agent.training_accuracy),
        Target::Real { .. } => String::new(),
    };
    let digest = output::hexed(&agent.weights_digest);
    note!("agent {digest}: relative distance {:.1e}{accuracy}", agent.relative_distance);
    let mut value = output::agent(agent);
    if let Some(p) = &agent.polish {
        note!("{}", polish::told(agent, p, held_out.as_ref()));
        if let Some(m) = held_out {
            value["polish"]["held_out"] = polish::value(&m);
        }
    }
    emit(&value, loss.out.as_deref())
}
