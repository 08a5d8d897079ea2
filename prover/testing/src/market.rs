//! An agent that is certified on a chain of its own, and sessions with it.

use alloy::primitives::Address;
use serde_json::Value;

use crate::data::WINE_FILE;
use crate::World;

/// The account that deploys the contracts and mints tokens: an index into the chain's funded ones.
pub const DEPLOYER: usize = 0;
/// The dataset's owner.
pub const PROVIDER: usize = 1;
/// The agent's owner.
pub const OWNER: usize = 2;
/// Who asks.
pub const CLIENT: usize = 3;

/// A string in a command's output.
#[must_use]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

/// A world with an agent certified over the first 90 wines; its dataset, weights and id on chain.
#[must_use]
pub fn certified() -> (World, String, String, String) {
    let mut w = World::with_chain();
    w.run(DEPLOYER, "chain deploy --thaw-seconds 60 --deployment @deployment.json");
    let (rpc, deployment) = (w.anvil().url().to_owned(), w.deployment().display().to_string());
    w.serve(&["--k", "15", "--rpc", &rpc, "--contracts", &deployment]);

    w.run(DEPLOYER, &format!("schema infer {WINE_FILE} --out @schema.json"));
    w.run(DEPLOYER, "circuits add --schema @schema.json --link softmax --out @circuits.json");
    assert_eq!(w.json("circuits.json")["txs"].as_array().unwrap().len(), 8, "a verifier and a circuit, four times");
    let again = w.run(DEPLOYER, "circuits add --schema @schema.json --link softmax --json");
    assert_eq!((&again["txs"], &again["ready"]), (&Value::Array(Vec::new()), &w.json("circuits.json")["ready"]));
    let register =
        format!("dataset register {WINE_FILE} --schema @schema.json --rows 0..90 --min-data-bps 3000 --out @d.json");
    w.run(PROVIDER, &register);
    let dataset = text(&w.json("d.json")["dataset_id"]).to_owned();
    assert_eq!(text(&w.run(PROVIDER, "chain register-dataset @d.json")["dataset_id"]), dataset);

    let train = format!("agent train --dataset {dataset} --lambda 0.0078125 --out @agent.json --onnx @agent.onnx");
    assert!(w.fails(OWNER, &train).contains("NO_GRANT"));
    let owner = w.key(OWNER).address();
    w.run(PROVIDER, &format!("chain grant {dataset} --to {owner}"));
    w.run(OWNER, &train);
    // the grant has one use: the chain counts versions that list the dataset, and this server its trainings
    assert!(w.fails(OWNER, &train.replace("0.0078125", "0.015625")).contains("NO_GRANT"));
    let weights = text(&w.json("agent.json")["weights_digest"]).to_owned();
    let agent = text(&w.run(OWNER, "chain create-agent --name wine")["agent_id"]).to_owned();
    w.run(
        OWNER,
        &format!("chain propose-version {agent} --trained @agent.json --circuits @circuits.json --data-bps 4000"),
    );
    w.run(OWNER, &format!("agent prove-gradients {weights} --out @gradients.json"));
    w.run(OWNER, &format!("agent prove-optimum {weights} --agent-id {agent} --version 1 --out @optimum.json"));
    w.run(OWNER, &format!("chain submit-gradients {agent} --gradients @gradients.json"));
    let certified = w.run(OWNER, &format!("chain certify {agent} --optimum @optimum.json"));
    assert_eq!(certified["records"], 90);
    w.run(OWNER, &format!("agent certificate {weights} --out @certificate.json"));
    assert_eq!(w.json("certificate.json")["agent"]["weights_digest"], weights.as_str());
    (w, dataset, weights, agent)
}

/// Opens a session at a price of 1,000 with this escrow, from [`CLIENT`]; the session key is the client's own if none is given.
#[must_use]
pub fn open(w: &World, agent: &str, weights: &str, escrow: u128, key: Option<Address>) -> String {
    let client = w.key(CLIENT).address();
    w.run(DEPLOYER, &format!("chain mint --to {client} --amount {escrow}"));
    let key = key.unwrap_or(client);
    let open = format!("chain open-session --agent {agent} --price 1000 --escrow {escrow} --session-key {key}");
    let opened = w.run(CLIENT, &open);
    let session = text(&opened["session"]).to_owned();
    w.run(CLIENT, &format!("session open {session} --weights {weights}"));
    session
}
