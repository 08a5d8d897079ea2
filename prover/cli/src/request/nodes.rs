//! The participants' nodes, which may be away for a while.

use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use tribute_client::{problem, Client};
use tribute_core::hexed::AccountAddress;
use tribute_federation::Request;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;

/// Longest pause between two attempts to reach a node.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The nodes' URLs, each once, in order.
pub(super) fn urls(request: &Request) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for participant in &request.participants {
        if !urls.contains(&participant.node) {
            urls.push(participant.node.clone());
        }
    }
    urls
}

/// A connection to a node.
pub(super) async fn connect(url: &str, key: &PrivateKeySigner) -> Result<Client> {
    Client::connect(url, key.clone()).await.map_err(|p| named(url, p))
}

/// A problem with the node's name.
pub(super) fn named(url: &str, mut problem: Problem) -> Problem {
    if !problem.message.contains(url) {
        problem.message = format!("node {url}: {}", problem.message);
    }
    problem.with("node", url)
}

/// What a participant has said to a request.
pub(super) async fn request_at(
    node: &Client,
    request: &Request,
    account: AccountAddress,
) -> Result<v1::TrainingRequest> {
    let get = v1::GetTrainingRequestRequest { id: request.id().to_vec(), account: account.to_vec() };
    Ok(node.trainings().get_training_request(get).await.map_err(problem)?.into_inner())
}

/// Calls a participant's node until it answers or refuses, for at most `patience`. A node that is away costs the time it is away;
/// a refusal is final.
pub(super) async fn patiently<T>(url: &str, patience: Duration, mut call: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(200);
    let mut told = false;
    loop {
        match call().await {
            Err(p) if away(&p) && start.elapsed() < patience => {
                if !told {
                    eprintln!("node {url} does not answer ({}): waiting for it", p.message);
                    told = true;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other.map_err(|p| named(url, p)),
        }
    }
}

/// Whether a problem passes when the node is back.
fn away(problem: &Problem) -> bool {
    let nobody = problem.reason == Reason::BadField && problem.metadata.get("field").is_some_and(|f| f == "server");
    nobody || matches!(problem.reason, Reason::Internal | Reason::Busy | Reason::StorageFailed | Reason::RequestExpired)
}
