//! The owner asks, and sees what participants say.

use serde_json::json;
use tribute_chain::Contracts;
use tribute_client::authorizing::canonical_url;
use tribute_client::files::{read_file, write_file};
use tribute_client::{problem, Client};
use tribute_core::head::lambda_units;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::DatasetId;
use tribute_federation::request::PROGRAM;
use tribute_federation::{Lot, Participant, Request, ShardOf};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

use super::answering::basis_points;
use super::nodes::{self, request_at};
use super::{AskArgs, StatusArgs};
use crate::output::emit;
use crate::CommandResult;

pub(super) async fn ask(a: AskArgs) -> CommandResult {
    let mut places = a.nodes.iter().map(|text| parsed(text)).collect::<Result<Vec<_>>>()?;
    if !a.datasets.is_empty() {
        found(&a.chain.contracts().await?, &a.datasets, &mut places).await?;
    }
    let own = a.server.connect().await?;
    let mut participants: Vec<Participant> = Vec::new();
    let mut first: Option<v1::Dataset> = None;
    for (url, ids) in &places {
        let node = nodes::connect(url, &a.server).await?;
        for id in ids {
            let request = v1::DescribeDatasetRequest { dataset_id: id.to_vec() };
            let described = node.trainings().describe_dataset(request).await;
            let dataset = described.map_err(|s| nodes::named(url, problem(s)))?.into_inner();
            let known = first.get_or_insert_with(|| dataset.clone());
            if (&known.schema_json, known.profile) != (&dataset.schema_json, dataset.profile) {
                return Err(Problem::new(
                    Reason::SchemaMismatch,
                    format!("dataset {id} at {url} has another schema or profile than the first one: send all providers one schema"),
                ));
            }
            add(&mut participants, url, *id, &dataset)?;
        }
    }
    let first = first.ok_or_else(|| Problem::field("node", "names no dataset"))?;
    let profile = first.profile.unwrap_or_default();
    let data_bps = basis_points("data-part", a.data_part)?;
    let on_chain = own.info.chain_id != 0 && !a.off_chain;
    let mut request = Request {
        program: PROGRAM.into(),
        chain_id: if on_chain { own.info.chain_id } else { 0 },
        agent_registry: if on_chain {
            field("agent_registry", &own.info.agent_registry)?
        } else {
            AccountAddress::default()
        },
        owner: own.account()?,
        agent: a.agent_id,
        version: a.version,
        attempt: a.attempt,
        purpose: a.purpose,
        schema: String::from_utf8(first.schema_json).map_err(Problem::internal)?,
        k: profile.k,
        columns: profile.columns as usize,
        intercept_scale: profile.intercept_scale,
        srs: field("srs_digest", &own.info.srs_digest)?,
        link: a.link.link(),
        lambda: lambda_units(a.lambda).map_err(|e| Problem::field("lambda", e.to_string()))?,
        price: a.price.to_string(),
        data_bps,
        rounds: 0,
        openings: a.openings,
        participants,
    };
    request.rounds = a.rounds.map_or_else(|| request.usual_rounds(), Ok)?;
    request.check()?;
    write_file(&a.out, &request.to_json())?;
    for url in nodes::urls(request.participants.iter().map(|p| p.node.as_str())) {
        let node = nodes::connect(url, &a.server).await?;
        let ask = v1::AskTrainingRequest { request_json: request.to_json(), accounts: Vec::new() };
        let asked = node.trainings().ask_training(ask).await.map_err(|s| nodes::named(url, problem(s)))?.into_inner();
        let expected = request.participants.iter().filter(|p| p.node == url).count();
        if asked.accounts.len() != expected {
            let text = format!("{url} has datasets of {} participants, {expected} were expected", asked.accounts.len());
            return Err(Problem::internal(text));
        }
    }
    note!(
        "request {} is at {} participants; wrote {}. Each has to approve it: `tribute request approve`",
        request.id(),
        request.participants.len(),
        a.out.display()
    );
    emit(
        &json!({ "request": request.id(), "participants": request.participants.len(), "records": request.records() }),
        None,
    )
}

pub(super) async fn status(a: StatusArgs) -> CommandResult {
    let request = Request::parse(&read_file(&a.request)?)?;
    let mut all = Vec::new();
    for participant in &request.participants {
        let node: Client = nodes::connect(&participant.node, &a.server).await?;
        let said = request_at(&node, request.id(), participant.account).await;
        let said = said.map_err(|p| nodes::named(&participant.node, p))?;
        all.push(json!({
            "account": participant.account,
            "node": participant.node,
            "state": super::held::state(&said),
            "reason": said.reason,
            "rounds_answered": said.rounds_answered,
            "least_share": f64::from(said.least_share_bps) / 10_000.0,
        }));
    }
    emit(&json!({ "request": request.id(), "participants": all }), None)
}

/// Splits `URL=ID[,ID…]`, with the URL in its canonical form: however it is written, it is one node.
fn parsed(text: &str) -> Result<(String, Vec<DatasetId>)> {
    let (url, ids) = text
        .split_once('=')
        .ok_or_else(|| Problem::field("node", format!("`{text}` is not of the form URL=ID[,ID…]")))?;
    let id = |id: &str| id.parse().map_err(|e| Problem::field("node", format!("{e}")));
    Ok((canonical_url(url)?, ids.split(',').map(id).collect::<Result<_>>()?))
}

/// Adds datasets at the nodes that their entries on chain name. The entries are told before any node is called.
async fn found(
    contracts: &Contracts,
    datasets: &[DatasetId],
    places: &mut Vec<(String, Vec<DatasetId>)>,
) -> Result<()> {
    for id in datasets {
        let entry = contracts.dataset_node(id).await?;
        let entry = entry.ok_or_else(|| {
            let text = format!(
                "the entry of {id} on chain names no node: give the node with --node URL={id}, or ask its provider to run \
                 `tribute chain set-node {id} URL`"
            );
            Problem::field("dataset", text)
        })?;
        let url = entry.url().map_err(|bad| {
            let text =
                format!("the entry of {id} on chain names no usable node: {bad}; give the node with --node URL={id}");
            Problem::field("dataset", text)
        })?;
        let url = canonical_url(url.as_str())?;
        note!("dataset {id} is at {url}, its entry on chain says");
        match places.iter_mut().find(|(known, _)| *known == url) {
            Some((_, ids)) => ids.push(*id),
            None => places.push((url, vec![*id])),
        }
    }
    Ok(())
}

/// Adds a dataset to its owner's part at a node.
fn add(participants: &mut Vec<Participant>, url: &str, id: DatasetId, dataset: &v1::Dataset) -> Result<()> {
    let account: AccountAddress = field("dataset.owner", &dataset.owner)?;
    let shard = |s: &v1::Shard| Ok(ShardOf { digest: field("shard.digest", &s.digest)?, records: s.records });
    let lot = Lot { dataset: id, shards: dataset.shards.iter().map(shard).collect::<Result<_>>()? };
    match participants.iter_mut().find(|p| p.account == account && p.node == url) {
        Some(known) => known.datasets.push(lot),
        None => participants.push(Participant { account, node: url.into(), datasets: vec![lot] }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_of_one_account_at_one_node_are_one_part_however_its_url_is_written() {
        let of = |owner| v1::Dataset { owner: vec![owner; 20], ..Default::default() };
        let mut participants = Vec::new();
        for (url, id, owner) in [
            ("http://node.example", 1, 1),
            ("HTTP://Node.Example:80/", 2, 1),
            ("http://node.example/", 3, 2),
            ("http://node.example:7410", 4, 1),
        ] {
            let (url, ids) = parsed(&format!("{url}={}", DatasetId::new([id; 32]))).unwrap();
            assert_eq!(ids, [DatasetId::new([id; 32])]);
            add(&mut participants, &url, ids[0], &of(owner)).unwrap();
        }
        let parts: Vec<(&str, u8, usize)> =
            participants.iter().map(|p| (p.node.as_str(), p.account.0[0], p.datasets.len())).collect();
        let (plain, other) = ("http://node.example", "http://node.example:7410");
        assert_eq!(parts, [(plain, 1, 2), (plain, 2, 1), (other, 1, 1)]);
        assert!(parsed("http://node.example").unwrap_err().message.contains("is not of the form"));
    }
}
