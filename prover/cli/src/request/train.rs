//! The owner trains with all participants and makes the agent.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::future::join_all;
use prost::Message as _;
use serde_json::json;
use tribute_client::files::read_file;
use tribute_client::{problem, Client};
use tribute_federation::node::Call;
use tribute_federation::rule::Next;
use tribute_federation::{wire, Answer, Consent, Owner, Participant, Request};
use tribute_problem::{Problem, Reason, Result, AWAITS};
use tribute_proto::v1;

use super::journal::Folder;
use super::nodes::{patiently, request_at, Consents, Real};
use super::TrainArgs;
use crate::agent_results::finished;
use crate::output::{self, emit, grouped, hexed};
use crate::proof_file::ProofFile;
use crate::server_args::ServerArgs;
use crate::CommandResult;

/// Pause between two looks at the proofs of a node.
const LOOK: Duration = Duration::from_millis(500);

/// The participants' nodes.
struct Nodes<'a> {
    request: &'a Request,
    own: &'a Client,
    /// How nodes are reached.
    server: &'a ServerArgs,
    patience: Duration,
    /// By participant; connected when first needed, and again after the node was away.
    clients: Vec<tokio::sync::Mutex<Option<Client>>>,
}

pub(super) async fn train(a: TrainArgs) -> CommandResult {
    let start = Instant::now();
    let request = Request::parse(&read_file(&a.request)?)?;
    request.check_program()?;
    let own = a.server.connect().await?;
    let caller = own.account()?;
    if caller != request.owner {
        let text = format!("the request is of {}, the key is {caller}'s", request.owner);
        return Err(Problem::new(Reason::NotAllowed, text));
    }
    let nodes = Nodes {
        request: &request,
        own: &own,
        server: &a.server,
        patience: Duration::from_secs(a.patience),
        clients: request.participants.iter().map(|_| tokio::sync::Mutex::default()).collect(),
    };
    let consents = nodes.consents().await?;
    let folder = a.journal.unwrap_or_else(|| {
        let mut name = a.request.clone().into_os_string();
        name.push(".journal");
        PathBuf::from(name)
    });
    let mut owner = Owner::open(&request, consents, Folder::open(&folder))?;
    let weights = nodes.rounds(&mut owner).await?;
    let (rounds, trained) = (owner.rule().round(), start.elapsed());
    let (agent, proofs) = nodes.prove(&owner, &weights, &a.name).await?;
    note!(
        "agent {}: {rounds} rounds, {} bytes of answers, {:.1} s of training, {:.1} s in all; relative distance {:.1e}. Prove its \
         optimum next: `tribute agent prove-optimum`",
        hexed(&agent.weights_digest),
        grouped(Folder::open(&folder).bytes()),
        trained.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        agent.relative_distance,
    );
    if let Some(file) = &a.gradients {
        let proofs = proofs.iter().map(ProofFile::of).collect::<Result<Vec<_>>>()?;
        emit(&json!({ "weights_digest": hexed(&agent.weights_digest), "gradients": proofs }), Some(file))?;
    }
    let mut value = output::agent(&agent);
    value["training"] = json!({
        "request": request.id(),
        "rounds": rounds,
        "seconds": trained.as_secs_f64(),
        "answer_bytes": Folder::open(&folder).bytes(),
    });
    emit(&value, a.out.as_deref())
}

impl Nodes<'_> {
    /// Calls a participant's node, waiting for it if it is away.
    async fn at<T>(&self, i: usize, call: impl AsyncFn(&Client, &Participant) -> Result<T>) -> Result<T> {
        let participant = &self.request.participants[i];
        patiently(&participant.node, self.patience, &Real::new(), async || {
            let mut held = self.clients[i].lock().await;
            let client = match &*held {
                Some(client) => client.clone(),
                None => held.insert(self.server.connect_to(&participant.node).await?).clone(),
            };
            drop(held);
            let result = call(&client, participant).await;
            if result.as_ref().is_err_and(|p| p.reason == Reason::Internal) {
                *self.clients[i].lock().await = None;
            }
            result
        })
        .await
    }

    /// Everybody's consent.
    ///
    /// # Errors
    /// With those who have not approved, or why one declined.
    async fn consents(&self) -> Result<Vec<Consent>> {
        let mut consents = Consents::new(self.request.id());
        for (i, participant) in self.request.participants.iter().enumerate() {
            let said = self.at(i, async |node, p| request_at(node, self.request.id(), p.account).await).await?;
            consents.hear(participant.account, &participant.node, &said)?;
        }
        consents.all()
    }

    /// All rounds, to the final weights.
    async fn rounds(&self, owner: &mut Owner<'_, Folder>) -> Result<Vec<i64>> {
        loop {
            let query = match owner.next() {
                Next::Finished(weights) => return Ok(weights),
                Next::Ask(query) => query,
            };
            let call = owner.call(&query);
            let missing = owner.missing();
            let asked = missing.iter().map(|i| self.ask(*i, &call));
            for (i, answer) in missing.iter().zip(join_all(asked).await) {
                owner.accept(*i, answer?)?;
            }
            owner.advance()?;
            if let (Some(loss), Some(gradient)) = (owner.rule().loss(), owner.rule().gradient()) {
                note!("round {}: loss {loss:.9}, gradient {gradient:.1e}", query.round + 1);
            }
        }
    }

    /// One round at one node.
    async fn ask(&self, i: usize, call: &Call) -> Result<Answer> {
        let previous = bundle(&call.previous);
        self.at(i, async |node, participant| {
            let previous_upload = if call.round == 0 { Vec::new() } else { node.upload(previous.clone()).await? };
            let request = v1::AnswerRoundRequest {
                id: self.request.id().to_vec(),
                account: participant.account.to_vec(),
                round: call.round,
                query: call.query.to_vec(),
                consents: call.consents.iter().map(wire::consent_message).collect(),
                previous_upload,
            };
            let answer = node.trainings().answer_round(request).await.map_err(problem)?.into_inner();
            Ok(wire::answer(answer))
        })
        .await
    }

    /// Has all participants prove their gradients, and makes the agent. Returns it with the proofs, in shard order.
    async fn prove(
        &self,
        owner: &Owner<'_, Folder>,
        weights: &[i64],
        name: &str,
    ) -> Result<(v1::Agent, Vec<v1::Proof>)> {
        let weights_upload = self.own.upload(wire::weights_to_bytes(weights)).await?;
        let request_json = self.request.to_json();
        let commit = v1::CommitWeightsRequest {
            request_json: request_json.clone(),
            consents: owner.consents().iter().map(wire::consent_message).collect(),
            weights_upload: weights_upload.clone(),
        };
        let committed = self.own.trainings().commit_weights(commit).await.map_err(problem)?.into_inner();
        let previous = bundle(owner.previous());
        let parts = join_all((0..self.clients.len()).map(|i| self.part(i, &previous, &committed))).await;
        let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
        let proofs = parts.iter().flat_map(|part| part.gradients.clone()).collect();
        let parts_upload = self.own.upload(v1::ParticipantParts { parts }.encode_to_vec()).await?;
        let gather =
            v1::GatherAgentRequest { request_json, name: name.into(), weights_upload, parts_upload, options: None };
        let job =
            self.own.trainings().gather_agent(gather).await.map_err(problem)?.into_inner().job.unwrap_or_default();
        Ok((finished(self.own, "checking", &job).await?, proofs))
    }

    /// One participant's part.
    async fn part(
        &self,
        i: usize,
        previous: &[u8],
        committed: &v1::CommitWeightsResponse,
    ) -> Result<v1::ParticipantPart> {
        let id = self.request.id().to_vec();
        self.at(i, async |node, participant| {
            let prove = v1::ProveAtHomeRequest {
                id: id.clone(),
                account: participant.account.to_vec(),
                previous_upload: node.upload(previous.to_vec()).await?,
                weights_digest: committed.weights_digest.clone(),
                blinding: committed.blinding.clone(),
            };
            node.trainings().prove_at_home(prove).await.map_err(problem)?;
            Ok(())
        })
        .await?;
        let proven = loop {
            let get = async |node: &Client, participant: &Participant| {
                let get = v1::GetHomeGradientsRequest { id: id.clone(), account: participant.account.to_vec() };
                match node.trainings().get_home_gradients(get).await.map_err(problem) {
                    Ok(proven) => Ok(Some(proven.into_inner())),
                    Err(p) if p.reason == Reason::NotReady && p.metadata.contains_key(AWAITS) => Ok(None),
                    Err(p) => Err(p),
                }
            };
            match self.at(i, get).await? {
                Some(proven) => break proven,
                None => tokio::time::sleep(LOOK).await,
            }
        };
        let participant = &self.request.participants[i];
        let mut datasets = Vec::new();
        for lot in &participant.datasets {
            let describe = async |node: &Client, _: &Participant| {
                let request = v1::DescribeDatasetRequest { dataset_id: lot.dataset.to_vec() };
                Ok(node.trainings().describe_dataset(request).await.map_err(problem)?.into_inner())
            };
            datasets.push(self.at(i, describe).await?);
        }
        Ok(v1::ParticipantPart {
            account: participant.account.to_vec(),
            datasets,
            gradients: proven.proofs,
            masked_upload: self.own.upload(proven.masked).await?,
            masks: proven.masks,
        })
    }
}

/// The answers to a round as a file.
fn bundle(answers: &[Answer]) -> Vec<u8> {
    v1::RoundAnswers { answers: answers.iter().map(wire::answer_message).collect() }.encode_to_vec()
}
