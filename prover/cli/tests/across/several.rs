//! Several accounts, datasets and shards at one node, and one participant at the owner's own server, in one agent.

use alloy::signers::local::PrivateKeySigner;
use tribute_testing::data::{wine_schema, WINE};

use crate::party::{Party, LAMBDA};

/// Every fifth wine.
fn fifth(i: usize) -> String {
    let (header, rows) = WINE.split_once('\n').unwrap();
    format!("{header}\n{}\n", rows.lines().skip(i).step_by(5).collect::<Vec<_>>().join("\n"))
}

/// Registers a part of the wines for an account at a node; the dataset's id.
fn register(at: &Party, key: &PrivateKeySigner, i: usize) -> String {
    std::fs::write(at.place.path().join("part.csv"), fifth(i)).unwrap();
    std::fs::write(at.place.path().join("schema.json"), wine_schema().canonical()).unwrap();
    let register = ["dataset", "register", "part.csv", "--schema", "schema.json", "--out", "dataset.json"];
    at.says_as(key, &register);
    id(at)
}

fn id(at: &Party) -> String {
    tribute_testing::json(&at.place.path().join("dataset.json"))["dataset_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_datasets_and_shards_share_a_node_and_one_is_hosted() {
    let (node, owner) = (Party::new(), Party::new());
    let (tenant, guest) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    // the node's own account has a dataset of one shard and one of two; a tenant there has one; the owner's server hosts another's
    let single = register(&node, &node.key, 0);
    let first = register(&node, &node.key, 1);
    std::fs::write(node.place.path().join("more.csv"), fifth(2)).unwrap();
    node.says(&["dataset", "extend", &first, "--csv", "more.csv", "--out", "dataset.json"]);
    let grown = id(&node);
    let tenants = register(&node, &tenant, 3);
    let hosted = register(&owner, &guest, 4);

    let at_node = format!("{}={single},{tenants},{grown}", node.link.url());
    let at_owner = format!("{}={hosted}", owner.link.url());
    let ask = ["request", "ask", "--purpose", "wines", "--lambda", LAMBDA, "--node", &at_owner, "--node", &at_node];
    let asked = owner.says(&ask);
    assert_eq!((&asked["participants"], &asked["records"]), (&3.into(), &178.into()));
    let request = asked["request"].as_str().unwrap();
    let approve = ["request", "approve", request];
    assert_eq!(owner.says_as(&guest, &["request", "show", request])["expenses"]["shards"], 1);
    assert_eq!(node.says(&["request", "show", request])["expenses"]["shards"], 3);
    owner.says_as(&guest, &approve);
    node.says_as(&tenant, &approve);
    node.says(&approve);
    owner.says(&["request", "train", "request.json", "--out", "agent.json"]);
    let agent = tribute_testing::json(&owner.place.path().join("agent.json"));
    assert_eq!((&agent["gradients_proven"], &agent["records"]), (&5.into(), &178.into()));
    assert_eq!(agent["shares"].as_array().unwrap().len(), 4);
    let weights = agent["weights_digest"].as_str().unwrap();
    owner.says(&["agent", "prove-optimum", weights]);
    owner.says(&["agent", "certificate", weights]);
    owner.says(&["verify", "certificate.json", "--allow-dev-srs"]);
}
