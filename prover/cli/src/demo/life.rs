//! The life cycle as a sequence of `tribute` commands. Independent steps run concurrently.

use std::path::PathBuf;

use futures::future::try_join_all;
use serde_json::Value;
use tokio::try_join;
use tribute_core::id::{DatasetId, SessionId};
use tribute_core::proof::Proof;
use tribute_problem::{Problem, Result};
use tribute_steps::place::Storage;

use crate::proof_file::ProofFile;

use super::files::{self, Agent, Certified, Created, Dataset, Done, Gradients, Mined, Optimum};
use super::frauds::{altered_gradient, Bounced, Changed, Dilution};
use super::ledger::Ledger;
use super::parties::Party;
use super::plan::Plan;
use super::stage::Stage;
use super::steps::{Failure, Steps};

/// Part of the fees that goes to data, and the minimum that the providers ask for, in basis points.
const DATA_BPS: &str = "4000";
const MIN_DATA_BPS: &str = "3000";

/// A proof and the transaction that submitted it.
pub(super) struct Brought {
    pub(super) proof: ProofFile,
    pub(super) tx: Mined,
}

/// One client's session.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) count: u64,
    pub(super) right: u64,
    pub(super) escrowed: u128,
    pub(super) claimed: u128,
    pub(super) refunded: u128,
    pub(super) voucher: Value,
}

/// Everything that the life cycle produced.
pub(super) struct Outcome {
    pub(super) datasets: Vec<Dataset>,
    pub(super) agent: Agent,
    pub(super) certified: Certified,
    pub(super) sessions: Vec<Session>,
    pub(super) proofs: Vec<Brought>,
    pub(super) ledger: Ledger,
    /// Net change of every party's balance.
    pub(super) changes: Vec<(String, i128)>,
    pub(super) frauds: Vec<Bounced>,
    /// `None` under the squared link.
    pub(super) dilution: Option<Dilution>,
}

/// A running life cycle.
pub(super) struct Life<'a> {
    pub(super) plan: &'a Plan,
    pub(super) steps: &'a Steps,
    pub(super) stage: &'a Stage,
}

/// A version of the agent.
pub(super) struct Version {
    pub(super) agent_id: String,
    pub(super) number: u32,
}

impl<'a> Life<'a> {
    pub(super) fn new(plan: &'a Plan, steps: &'a Steps, stage: &'a Stage) -> Self {
        Life { plan, steps, stage }
    }

    /// Runs everything from records to refunds.
    pub(super) async fn run(&self) -> Result<Outcome, Failure> {
        let (_, datasets) = try_join!(self.circuits(), self.datasets())?;
        let registered = self.register(&datasets).await?;
        let agent = self.train(&datasets).await?;
        let least = self.consent(&datasets, &agent).await?;
        let (version, gradients, altered, diluted) =
            try_join!(self.propose(), self.gradients(&agent), self.altered(&agent), self.dilute(&datasets))?;
        let changed = self.label_changed(&version, &datasets, &altered, &gradients).await?;
        let (submitted, optimum) = try_join!(self.submit_gradients(&version), self.optimum(&version, &agent))?;
        let certified = self.certify(&version).await?;
        let dilution = match diluted {
            Some(diluted) => Some(self.shares_diluted(&version, &diluted, least, &certified).await?),
            None => None,
        };

        let served = async {
            let sessions = self.open_sessions(&version, &agent).await?;
            let before = self.funded_balances(&sessions).await?;
            let sessions = self.queries(sessions).await?;
            Ok((sessions, before))
        };
        let ((mut sessions, before), ()) = try_join!(served, self.verify(&agent))?;
        let claim = self.prove_service(&agent, &sessions).await?;
        let (claimed, overcount, replayed) = self.claim(&claim).await?;
        let (ledger, changes) = self.withdraw(&version, &datasets, &claimed, &mut sessions, &before).await?;

        let mut proofs = Vec::new();
        for (dataset, tx) in datasets.iter().zip(registered) {
            proofs.extend(dataset.shards.iter().map(|s| Brought { proof: s.proof.clone(), tx: tx.clone() }));
        }
        // the first gradient was submitted as a fraud's honest twin, the others together
        let first = changed.honest.clone();
        let added =
            std::iter::once(&first).chain(submitted.iter().flat_map(|s| std::iter::repeat_n(&s.tx, s.gradients.len())));
        proofs
            .extend(gradients.gradients.iter().zip(added).map(|(p, tx)| Brought { proof: p.clone(), tx: tx.clone() }));
        proofs.push(Brought { proof: optimum.proof, tx: certified.tx.clone() });
        proofs.push(Brought { proof: claim.proof, tx: claimed.tx });
        Ok(Outcome {
            datasets,
            agent,
            certified,
            sessions,
            proofs,
            ledger,
            changes,
            frauds: [replayed, changed.bounced]
                .into_iter()
                .chain(dilution.iter().map(|d| d.bounced.clone()))
                .chain([overcount])
                .collect(),
            dilution,
        })
    }

    pub(super) fn at(&self, file: &str) -> PathBuf {
        self.plan.out.join(file)
    }

    async fn circuits(&self) -> Result<(), Failure> {
        let about = "circuits: keys, verifiers in EVM bytecode, deployed, registered";
        self.steps
            .run("circuits", about, 1, |_| async move {
                let args = [
                    "circuits",
                    "add",
                    "--schema",
                    "schema.json",
                    "--link",
                    self.plan.link(),
                    "--out",
                    "steps/circuits.json",
                ];
                self.stage.shell.run(Some(&self.stage.parties.deployer), &args).await.map(|_| ())
            })
            .await
    }

    /// Every provider commits and proves its rows.
    async fn datasets(&self) -> Result<Vec<Dataset>, Failure> {
        let providers = &self.stage.parties.providers;
        self.steps
            .run("datasets", "datasets: committed and proven", providers.len() as u64, |bar| async move {
                let bar = &bar;
                try_join_all(providers.iter().enumerate().map(|(i, provider)| async move {
                    let csv = format!("data/provider-{}.csv", i + 1);
                    let out = format!("steps/dataset-{}.json", i + 1);
                    let dataset = self.dataset(provider, &csv, &out, &self.plan.form()).await?;
                    bar.done(&provider.name);
                    Ok(dataset)
                }))
                .await
            })
            .await
    }

    pub(super) async fn dataset(&self, owner: &Party, csv: &str, out: &str, form: &[&str]) -> Result<Dataset> {
        let args =
            ["dataset", "register", csv, "--schema", "schema.json", "--min-data-bps", MIN_DATA_BPS, "--out", out];
        self.stage.shell.run(Some(owner), &[&args, form].concat()).await?;
        files::read(&self.at(out))
    }

    /// Registers the datasets on chain and grants them to the agent's owner.
    async fn register(&self, datasets: &[Dataset]) -> Result<Vec<Mined>, Failure> {
        let (shell, parties) = (&self.stage.shell, &self.stage.parties);
        let owner = parties.owner.address().to_string();
        let owner = &owner;
        let units = 2 * datasets.len() as u64;
        self.steps
            .run("registration", "datasets on chain, training granted", units, |bar| async move {
                let bar = &bar;
                try_join_all(parties.providers.iter().zip(datasets).enumerate().map(
                    |(i, (provider, dataset))| async move {
                        let file = format!("steps/dataset-{}.json", i + 1);
                        let done: Done = shell.json(Some(provider), &["chain", "register-dataset", &file]).await?;
                        bar.done("registered");
                        let id = dataset.dataset_id.to_string();
                        let grant = ["chain", "grant", &id, "--to", owner, "--link", self.plan.link()];
                        shell.run(Some(provider), &grant).await?;
                        bar.done("granted");
                        Ok(done.tx)
                    },
                ))
                .await
            })
            .await
    }

    async fn train(&self, datasets: &[Dataset]) -> Result<Agent, Failure> {
        let about = format!("agent trained ({}, λ = {}), written as ONNX", self.plan.link(), self.plan.lambda);
        self.steps
            .run("training", &about, 1, |_| async move {
                let files = ["--onnx", "agent.onnx", "--out", "steps/agent.json"];
                self.trained(datasets.iter().map(|d| d.dataset_id), &self.plan.name(), &files).await
            })
            .await
    }

    /// Trains on these datasets; `files` are the options for output files, ending with the path of the agent's JSON.
    pub(super) async fn trained(
        &self,
        datasets: impl Iterator<Item = DatasetId>,
        name: &str,
        files: &[&str],
    ) -> Result<Agent> {
        let lambda = self.plan.lambda.to_string();
        let ids: Vec<String> = datasets.map(|d| d.to_string()).collect();
        let mut args = vec!["agent", "train"];
        args.extend(ids.iter().flat_map(|id| ["--dataset", id.as_str()]));
        args.extend(["--lambda", &lambda, "--link", self.plan.link(), "--name", name]);
        args.extend(files);
        self.stage.shell.run(Some(&self.stage.parties.owner), &args).await?;
        files::read(&self.at(files.last().copied().unwrap_or_default()))
    }

    async fn propose(&self) -> Result<Version, Failure> {
        let (shell, owner) = (&self.stage.shell, &self.stage.parties.owner);
        self.steps
            .run("proposal", "agent version proposed on chain", 2, |bar| async move {
                let name = self.plan.name();
                let created: Created = shell.json(Some(owner), &["chain", "create-agent", "--name", &name]).await?;
                bar.done("created");
                let agent_id = created.agent_id.to_string();
                let number = self.proposed(&agent_id, "steps/agent.json").await?;
                Ok(Version { agent_id, number })
            })
            .await
    }

    /// Proposes and closes a version of the agent in the file `trained`; returns its number.
    pub(super) async fn proposed(&self, agent_id: &str, trained: &str) -> Result<u32> {
        let circuits = ["--circuits", "steps/circuits.json", "--data-bps", DATA_BPS];
        let propose = [&["chain", "propose-version", agent_id, "--trained", trained][..], &circuits].concat();
        let proposed: files::Proposed = self.stage.shell.json(Some(&self.stage.parties.owner), &propose).await?;
        Ok(proposed.version)
    }

    async fn gradients(&self, agent: &Agent) -> Result<Gradients, Failure> {
        let digest = agent.weights_digest.to_string();
        self.steps
            .run("gradients", "gradient of every dataset proven", 1, |_| async move {
                let args = ["agent", "prove-gradients", &digest, "--out", "steps/gradients.json"];
                self.stage.shell.run(Some(&self.stage.parties.owner), &args).await?;
                files::read(&self.at("steps/gradients.json"))
            })
            .await
    }

    async fn submit_gradients(&self, version: &Version) -> Result<Vec<files::Added>, Failure> {
        self.steps
            .run("gradients on chain", "gradients checked on chain", 1, |_| async move {
                self.gradients_brought(version, "steps/gradients.json").await
            })
            .await
    }

    /// Submits the gradients in a file that are not on chain yet.
    pub(super) async fn gradients_brought(&self, version: &Version, file: &str) -> Result<Vec<files::Added>> {
        let number = version.number.to_string();
        let args = ["chain", "submit-gradients", &version.agent_id, "--version", &number, "--gradients", file];
        let done: files::Submitted = self.stage.shell.json(Some(&self.stage.parties.owner), &args).await?;
        Ok(done.transactions)
    }

    async fn optimum(&self, version: &Version, agent: &Agent) -> Result<Optimum, Failure> {
        self.steps
            .run("optimum", "optimum and shares proven", 1, |_| async move {
                self.optimum_of(version, agent, "steps/optimum.json").await
            })
            .await
    }

    /// Proves a version's optimum.
    pub(super) async fn optimum_of(&self, version: &Version, agent: &Agent, out: &str) -> Result<Optimum> {
        let (digest, number) = (agent.weights_digest.to_string(), version.number.to_string());
        let version = ["--agent-id", &version.agent_id, "--version", &number, "--out", out];
        let args = [&["agent", "prove-optimum", &digest][..], &version].concat();
        self.stage.shell.run(Some(&self.stage.parties.owner), &args).await?;
        files::read(&self.at(out))
    }

    async fn certify(&self, version: &Version) -> Result<Certified, Failure> {
        self.steps
            .run("certification", "agent version certified on chain", 1, |_| async move {
                let number = version.number.to_string();
                let args =
                    ["chain", "certify", &version.agent_id, "--version", &number, "--optimum", "steps/optimum.json"];
                self.stage.shell.json(Some(&self.stage.parties.owner), &args).await
            })
            .await
    }

    /// Writes the certificate file and verifies it offline.
    async fn verify(&self, agent: &Agent) -> Result<(), Failure> {
        let digest = agent.weights_digest.to_string();
        self.steps
            .run("offline verification", "certificate file verified offline", 2, |bar| async move {
                let args = ["agent", "certificate", &digest, "--out", "certificate.json"];
                self.stage.shell.run(Some(&self.stage.parties.owner), &args).await?;
                bar.done("written");
                self.stage.shell.run(None, &["verify", "certificate.json", "--allow-dev-srs"]).await.map(|_| ())
            })
            .await
    }

    /// Prepares the fraud with a changed label: commits and proves the altered dataset, then its gradient.
    async fn altered(&self, agent: &Agent) -> Result<Proof, Failure> {
        self.steps
            .run("fraud's proofs", "fraud: one label changed, committed and proven", 2, |bar| async move {
                let (owner, csv, out) = (&self.stage.parties.owner, "data/altered.csv", "steps/altered.json");
                let dataset = self.dataset(owner, csv, out, &self.plan.form()).await?;
                bar.done("dataset");
                let storage = Storage::in_folder(&self.at("service"));
                altered_gradient(&storage, self.stage, agent.weights_digest, dataset.dataset_id).await
            })
            .await
    }

    async fn label_changed(
        &self,
        version: &Version,
        datasets: &[Dataset],
        altered: &Proof,
        honest: &Gradients,
    ) -> Result<Changed, Failure> {
        self.steps
            .run("label_changed", "changed label rejected, true gradient accepted", 1, |_| async move {
                let agent_id = version.agent_id.parse().map_err(Problem::internal)?;
                let honest = honest.gradients.first().ok_or_else(|| Problem::internal("no gradient"))?;
                let dataset = datasets.first().ok_or_else(|| Problem::internal("no dataset"))?.dataset_id;
                let proofs = [altered, &honest.proof()];
                self.stage.label_changed(&agent_id, version.number, dataset, proofs).await
            })
            .await
    }
}
