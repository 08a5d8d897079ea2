//! A dataset's owner sees what is asked, and approves or declines.

use serde_json::{json, Value};
use tribute_client::{problem, Client};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;
use tribute_core::numbers::{real, LAMBDA_BITS};
use tribute_federation::{Asked, Request};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

use super::held::{self, asked, enough_participants, get, state};
use super::{ranges, ApproveArgs, DeclineArgs, ShowArgs};
use crate::output::{emit, grouped, hexed};
use crate::server_args::ServerArgs;
use crate::CommandResult;

pub(super) async fn list(a: ServerArgs) -> CommandResult {
    let client = a.connect().await?;
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListTrainingRequestsRequest { page_size: 0, page_token };
        let page = client.trainings().list_training_requests(request).await.map_err(problem)?.into_inner();
        for one in &page.requests {
            all.push(summary(one)?);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    emit(&Value::Array(all), None)
}

pub(super) async fn show(a: ShowArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let message = get(&client, a.request).await?;
    match asked(&message, a.request)? {
        Asked::Training(request) => note_part!("{}", told(&message, &request)?),
        Asked::Ranges(request) => note_part!("{}", ranges::told(&message, &request)?),
        Asked::Other(other) => note!("Request {}: {}\nIt can only be declined", a.request, other.refusal),
    }
    emit(&summary(&message)?, None)
}

pub(super) async fn approve(a: ApproveArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let message = get(&client, a.request).await?;
    let request = read(&message, a.request)?;
    note_part!("{}", told(&message, &request)?);
    enough_participants(request.participants.len(), a.least_participants)?;
    if request.price.parse::<u128>().map_or(true, |price| price < a.least_price) {
        let text =
            format!("a query costs {}, at least {} is wanted: decline, or ask for less", request.price, a.least_price);
        return Err(Problem::new(Reason::NotAllowed, text));
    }
    let least_share_bps: u32 = basis_points("least-share", a.least_share)?.into();
    if let Some(warning) = beyond_terms(&client, &request, least_share_bps).await? {
        note_part!("{warning}");
    }
    let with = v1::ApproveTrainingRequest { least_share_bps, ..Default::default() };
    let approved = held::approve(&client, a.request, with).await?;
    note!("approved request {}: your node answers up to {} rounds", a.request, request.rounds);
    emit(&summary(&approved)?, None)
}

/// What to know of a least share above those of the datasets' terms.
async fn beyond_terms(client: &Client, request: &Request, least_share_bps: u32) -> Result<Option<String>> {
    let Some(own) = request.position(client.account()?) else { return Ok(None) };
    let mut of_terms = 0;
    for lot in &request.participants[own].datasets {
        let describe = v1::DescribeDatasetRequest { dataset_id: lot.dataset.to_vec() };
        let dataset = client.trainings().describe_dataset(describe).await.map_err(problem)?.into_inner();
        of_terms += dataset.terms.unwrap_or_default().min_share_bps;
    }
    let percent = |bps: u32| f64::from(bps) / 100.0;
    Ok((of_terms < least_share_bps).then(|| {
        format!(
            "Warning: the least share of {:.2} % holds for this request's list of datasets. The terms of yours ask for {:.2} % together: a \
             version that lists further datasets may leave you that. Terms, or on chain a grant with --min-share-bps, hold for every list.\n",
            percent(least_share_bps),
            percent(of_terms)
        )
    }))
}

pub(super) async fn decline(a: DeclineArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let decline = v1::DeclineTrainingRequest { id: a.request.to_vec(), reason: a.reason };
    let declined = client.trainings().decline_training(decline).await.map_err(problem)?.into_inner();
    note!("declined request {}: your node answers nothing more for it", a.request);
    emit(&summary(&declined)?, None)
}

/// A part from 0 to 1 in basis points.
pub(super) fn basis_points(option: &str, part: f64) -> Result<u16> {
    let points = (part * 10_000.0).round();
    if !(0.0..=10_000.0).contains(&points) {
        return Err(Problem::field(option, format!("{part} is not from 0 to 1")));
    }
    Ok(points as u16)
}

/// The request in a message, which must be to train.
fn read(message: &v1::TrainingRequest, id: RequestId) -> Result<Request> {
    match asked(message, id)? {
        Asked::Training(request) => Ok(*request),
        Asked::Ranges(_) => Err(Problem::field(
            "request",
            format!("{id} is for a schema's ranges: approve it with your table, `tribute request schema approve {id} TABLE`"),
        )),
        Asked::Other(other) => Err(other.refusal.into()),
    }
}

fn summary(message: &v1::TrainingRequest) -> Result<Value> {
    let request = match Asked::stored(&message.request_json) {
        Asked::Training(request) => request,
        Asked::Ranges(request) => return Ok(ranges::summary(message, &request)),
        Asked::Other(other) => {
            return Ok(json!({
                "request": hexed(&message.id),
                "state": state(message),
                "reason": message.reason,
                "owner": other.owner,
                "program": other.program,
            }))
        }
    };
    Ok(json!({
        "request": request.id(),
        "state": state(message),
        "reason": message.reason,
        "owner": request.owner,
        "agent": request.agent,
        "version": request.version,
        "attempt": request.attempt,
        "purpose": request.purpose,
        "link": request.link,
        "lambda": real(request.lambda, LAMBDA_BITS),
        "price": request.price,
        "data_bps": request.data_bps,
        "rounds": request.rounds,
        "rounds_answered": message.rounds_answered,
        "least_share": f64::from(message.least_share_bps) / 10_000.0,
        "participants": request.participants.iter().map(|p| json!({
            "account": p.account, "node": p.node, "records": p.records(),
        })).collect::<Vec<_>>(),
        "expenses": message.expenses.as_ref().map(|e| json!({
            "shards": e.shards, "openings_left": e.openings_left, "answer_bytes": e.answer_bytes,
        })),
        "answered_before": message.answered_before.iter().map(|id| hexed(id)).collect::<Vec<_>>(),
    }))
}

/// What the participant should know before it decides.
fn told(message: &v1::TrainingRequest, request: &Request) -> Result<String> {
    let account: AccountAddress = field("account", &message.account)?;
    let own = request.position(account).map_or(0, |i| request.participants[i].records());
    let members = request.participants.len();
    let expenses = message.expenses.clone().unwrap_or_default();
    let mut text = format!(
        "Request {} ({})\n  {} asks to train version {} of agent {}: {}\n  {} loss, lambda {:.1e}; a query costs {}, {:.2} % of the fees go to the datasets\n",
        request.id(),
        state(message),
        request.owner,
        request.version,
        request.agent,
        request.purpose,
        request.link.name(),
        real(request.lambda, LAMBDA_BITS),
        request.price,
        f64::from(request.data_bps) / 100.0,
    );
    for p in &request.participants {
        let you = if p.account == account { ", you" } else { "" };
        text += &format!("  {} at {}: {} records{you}\n", p.account, p.node, grouped(p.records()));
    }
    text += &format!(
        "What becomes known\n  to all nodes and the owner: the sums over all {} records of loss and gradient, and {}, at most {} rounds; the final weights\n  to everybody: N of each of your {} shards, how much it contributes\n  to nobody: your records, labels, secrets and gradients, unless all other participants work together\n",
        grouped(request.records()),
        if request.conjugate().unwrap_or_default() {
            "second derivatives at a few points (of each class at two of them, and again where a step to one of these is halved), their products with one direction in most other rounds"
        } else {
            "all second derivatives, in every round"
        },
        request.rounds,
        expenses.shards,
    );
    text += &format!(
        "What you spend\n  {} proofs; 9 openings of each gradient and 1 of each shard, of which your shards have {:?} left; at most {} bytes sent in a round\n",
        expenses.shards,
        expenses.openings_left,
        grouped(expenses.answer_bytes),
    );
    if members == 2 {
        text += "Warning: two take part. Each of them subtracts its own part from every sum and has the other's.\n";
    }
    if 2 * own > request.records() {
        text += "Warning: more than half of all records are yours, so the sums are close to yours alone.\n";
    }
    if !message.answered_before.is_empty() {
        text += &format!(
            "Warning: your node has answered rounds of {} other requests. If one of them differs in its participants only, the difference of its sums and these tells what the others contribute, or you.\n",
            message.answered_before.len()
        );
    }
    Ok(text)
}
