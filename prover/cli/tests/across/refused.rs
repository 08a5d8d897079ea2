//! What a node can do wrong, seen by the owner: every error names the node and says what to do.

use std::net::TcpListener;

use prost::Message as _;
use serde_json::Value;
use tribute_client::{problem, Client};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::calls::registered;
use tribute_testing::data::{self, csv};

use crate::party::{part, Party, LAMBDA};

/// Asks with these nodes; the error.
fn refused(owner: &Party, nodes: &[&str]) -> String {
    let mut ask = vec!["request", "ask", "--purpose", "wines"];
    ask.extend(nodes.iter().flat_map(|node| ["--node", node]));
    owner.fails(&ask)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_cannot_take_part_are_named() {
    let (owner, one) = (Party::new(), Party::new());
    let first = one.wines(0).await;

    // nobody there, and somebody who listens and never answers
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://127.0.0.1:1=0x{}", "11".repeat(32));
    let text = refused(&owner, &[&first, &nowhere]);
    assert!(text.contains("http://127.0.0.1:1") && text.contains("is `tribute serve` running there?"), "{text}");
    let mute = format!("http://{}=0x{}", silent.local_addr().unwrap(), "11".repeat(32));
    let text = refused(&owner, &[&first, &mute]);
    assert!(text.contains(&silent.local_addr().unwrap().to_string()), "{text}");

    // a dataset that is not at its node
    let elsewhere = format!("{}=0x{}", one.link.url(), "11".repeat(32));
    let text = refused(&owner, &[&first, &elsewhere]);
    assert!(
        text.contains(&one.link.url()) && text.contains("is not at this node: ask its owner where it is"),
        "{text}"
    );

    // another schema, and another layout
    let two = Party::new();
    let schema = data::infer("other.csv", tribute_records::Predicts::Classes, &part(1));
    let other = registered(&two.client().await, data::dataset(&schema, csv("wine.csv", part(1)))).await;
    let text = refused(&owner, &[&first, &format!("{}=0x{}", two.link.url(), hex::encode(&other.id))]);
    assert!(text.contains(&two.link.url()) && text.contains("send all providers one schema"), "{text}");
    let larger = Party::with(&["--k", "15"]);
    let text = refused(&owner, &[&first, &larger.wines(1).await]);
    assert!(text.contains(&larger.link.url()) && text.contains("another schema or profile"), "{text}");

    // another SRS
    let elsewhere = Party::with(&["--k", "14"]);
    let srs = elsewhere.client().await.info.srs_digest;
    assert_eq!(srs, owner.client().await.info.srs_digest, "development parameters are the same everywhere");
    let second = two.wines(1).await;
    let asked = ask(&owner, &[&first, &second]);
    let file = std::fs::read_to_string(owner.place.path().join("request.json")).unwrap();
    let changed = file.replace(&hex::encode(&srs), &"ab".repeat(32));
    assert_ne!(file, changed);
    let send = v1::AskTrainingRequest { request_json: changed.into_bytes(), accounts: Vec::new() };
    let client = Client::connect(&one.link.url(), owner.key.clone()).await.unwrap();
    let refused = problem(client.trainings().ask_training(send).await.unwrap_err());
    assert!(refused.message.contains("all nodes of a training need one"), "{refused}");

    // another version of the program
    let changed = file.replacen("\"program\":\"", "\"program\":\"9.", 1);
    let send = v1::AskTrainingRequest { request_json: changed.clone().into_bytes(), accounts: Vec::new() };
    let refused = problem(client.trainings().ask_training(send).await.unwrap_err());
    let version = client.info.version.clone();
    assert!(refused.message.contains(&format!("version 9.{version} of Tribute, and this is {version}")), "{refused}");
    std::fs::write(owner.place.path().join("newer.json"), changed).unwrap();
    let text = owner.fails(&["request", "train", "newer.json"]);
    assert!(text.contains(&format!("version 9.{version}")) && text.contains("need one version"), "{text}");

    // one declines: the other's approval stays without consequence, and nothing was answered
    one.says(&["request", "approve", &asked, "--least-participants", "2"]);
    two.says(&["request", "decline", &asked, "--reason", "too cheap"]);
    let text = owner.fails(&["request", "train", "request.json"]);
    assert!(text.contains(&two.link.url()) && text.contains("declined: too cheap"), "{text}");
    assert_eq!(one.says(&["request", "show", &asked])["rounds_answered"], 0);

    // a node that stays away: patience ends with its name
    let again = ask_again(&owner, &[&first, &second], 1);
    one.says(&["request", "approve", &again, "--least-participants", "2"]);
    two.says(&["request", "approve", &again, "--least-participants", "2"]);
    let url = two.link.url();
    drop(two);
    let text = owner.fails(&["request", "train", "request.json", "--patience", "2"]);
    assert!(
        text.contains(&format!("node {url} has not answered for")) && text.contains("run the command again"),
        "{text}"
    );
}

fn ask(owner: &Party, nodes: &[&str]) -> String {
    ask_again(owner, nodes, 0)
}

fn ask_again(owner: &Party, nodes: &[&str], attempt: u32) -> String {
    let attempt = attempt.to_string();
    let mut ask = vec!["request", "ask", "--purpose", "wines", "--lambda", LAMBDA, "--attempt", &attempt];
    ask.extend(nodes.iter().flat_map(|node| ["--node", node]));
    owner.says(&ask)["request"].as_str().unwrap().to_owned()
}

/// A node that sends something else than the proofs and the column of its gradients is named, and no agent is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cheats_at_the_end_is_named() {
    let providers: Vec<Party> = (0..3).map(|_| Party::new()).collect();
    let owner = Party::new();
    let mut nodes = Vec::new();
    for (i, provider) in providers.iter().enumerate() {
        nodes.push(provider.wines(i).await);
    }
    let id = ask(&owner, &nodes.iter().map(String::as_str).collect::<Vec<_>>());
    providers.iter().for_each(|provider| drop(provider.says(&["request", "approve", &id])));
    // one wants more than it gets: it proves and opens nothing, until it asks for less
    let left = |provider: &Party| provider.says(&["request", "show", &id])["expenses"]["openings_left"].clone();
    let before = left(&providers[1]);
    let greedy = providers[1].says(&["request", "approve", &id, "--least-share", "0.9"]);
    assert_eq!(greedy["least_share"], 0.9);
    let text = owner.fails(&["request", "train", "request.json", "--out", "agent.json"]);
    assert!(text.contains(&providers[1].link.url()) && text.contains("less than the share of 90.00 %"), "{text}");
    assert_eq!(left(&providers[1]), before);
    assert!(providers[1].fails(&["request", "approve", &id, "--least-share", "1.1"]).contains("is not from 0 to 1"));
    providers[1].says(&["request", "approve", &id, "--least-share", "0.2"]);
    owner.says(&["request", "train", "request.json", "--out", "agent.json"]);
    let agent: Value = tribute_testing::json(&owner.place.path().join("agent.json"));
    let request_json = std::fs::read(owner.place.path().join("request.json")).unwrap();
    let client = owner.client().await;

    // what every node sent
    let mut parts = Vec::new();
    let mut columns = Vec::new();
    for (provider, node) in providers.iter().zip(&nodes) {
        let at_node = Client::connect(&provider.link.url(), owner.key.clone()).await.unwrap();
        let account = provider.key.address().to_vec();
        let id = hex::decode(id.trim_start_matches("0x")).unwrap();
        let get = v1::GetHomeGradientsRequest { id, account: account.clone() };
        let home = at_node.trainings().get_home_gradients(get).await.unwrap().into_inner();
        let dataset_id = hex::decode(node.split_once("=0x").unwrap().1).unwrap();
        let dataset = at_node.trainings().describe_dataset(v1::DescribeDatasetRequest { dataset_id }).await.unwrap();
        columns.push(home.masked.clone());
        parts.push(v1::ParticipantPart {
            account,
            datasets: vec![dataset.into_inner()],
            gradients: home.proofs,
            masked_upload: client.upload(home.masked).await.unwrap(),
            masks: home.masks,
        });
    }
    let weights = tribute_federation::wire::weights_to_bytes(&final_weights(&owner));
    let gathered = async |parts: Vec<v1::ParticipantPart>| {
        let parts_upload = client.upload(v1::ParticipantParts { parts }.encode_to_vec()).await.unwrap();
        let gather = v1::GatherAgentRequest {
            request_json: request_json.clone(),
            name: "cheated".into(),
            weights_upload: client.upload(weights.clone()).await.unwrap(),
            parts_upload,
            options: None,
        };
        let job = client.trainings().gather_agent(gather).await.map_err(problem)?.into_inner().job.unwrap();
        client.finish(&job.id, |_| {}).await
    };
    assert!(gathered(parts.clone()).await.is_ok(), "untouched, they make the agent again");

    let named = async |what: &str, said: &str, change: &dyn Fn(&mut Vec<v1::ParticipantPart>)| {
        let mut changed = parts.clone();
        change(&mut changed);
        let refused = gathered(changed).await.unwrap_err();
        let (account, url) = (providers[1].key.address().to_string().to_lowercase(), providers[1].link.url());
        let text = refused.message.to_lowercase();
        assert!(text.contains(&account) && text.contains(&url) && text.contains(said), "{what}: {refused}");
        assert!(matches!(refused.reason, Reason::ProofRejected | Reason::BadField), "{what}: {refused}");
    };
    // a gradient that is not its data's, a proof that is none, one for another shard or another layout
    named("a flipped bit", "proof is invalid", &|p| p[1].gradients[0].proof[900] ^= 1).await;
    named("another's proof", "is not of shard", &|p| p[1].gradients = p[2].gradients.clone()).await;
    named("no proof", "a gradient proof is missing", &|p| p[1].gradients.clear()).await;
    named("a proof too many", "more gradient proofs than it has shards", &|p| {
        let more = p[1].gradients[0].clone();
        p[1].gradients.push(more);
    })
    .await;
    named("another circuit", "both need the same version and srs", &|p| p[1].gradients[0].circuit_id = vec![7; 32])
        .await;
    named("another dataset", "not the one that the request lists", &|p| {
        p[1].datasets = p[2].datasets.clone();
    })
    .await;
    // a column that is not the gradients', or no column at all
    let mut lie = columns[1].clone();
    lie[32 * 700] ^= 1;
    let lie = client.upload(lie).await.unwrap();
    named("another column", "not the sum of its proven gradients and its masks", &|p| {
        p[1].masked_upload.clone_from(&lie);
    })
    .await;
    let short = client.upload(columns[1][..64].to_vec()).await.unwrap();
    named("half a column", "is not a column of this layout", &|p| p[1].masked_upload.clone_from(&short)).await;
    // masks on which a pair does not agree, or too few of them
    named("another mask", "one of them cheats", &|p| p[1].masks[0] = p[1].masks[1].clone()).await;
    named("no mask", "masks, 2 are needed", &|p| p[1].masks.truncate(1)).await;

    // nothing of it has changed the agent, which is certified
    let digest = agent["weights_digest"].as_str().unwrap();
    owner.says(&["agent", "prove-optimum", digest]);
    owner.says(&["agent", "certificate", digest]);
    owner.says(&["verify", "certificate.json", "--allow-dev-srs"]);
}

/// The weights that the training ended with, from the owner's journal.
fn final_weights(owner: &Party) -> Vec<i64> {
    let state = tribute_testing::json(&owner.place.path().join("request.json.journal/state.json"));
    assert_eq!(state["rule"]["finished"], true);
    state["rule"]["weights"].as_array().unwrap().iter().map(|w| w.as_i64().unwrap()).collect()
}
