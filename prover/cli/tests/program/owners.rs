//! Forty datasets of forty owners in one agent on a real chain: its gas costs, compared with three datasets.

use std::process::Command;

use alloy::primitives::{B256, U256};
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;
use tribute::offline::{verify_file, Options};
use tribute_testing::data::thirty_rows;
use tribute_testing::threads::on_threads;
use tribute_testing::World;

const OWNERS: usize = 40;
const FEW: usize = 3;
/// Accounts: indices into the chain's funded ones, of the deployer and of the agents' owner.
const DEPLOYER: usize = 0;
const AGENT_OWNER: usize = 1;

/// A dataset's owner with its own account, and its number.
struct Owner {
    number: usize,
    key: PrivateKeySigner,
}

impl Owner {
    fn file(&self, name: &str) -> String {
        format!("@{name}-{}", self.number)
    }

    /// Runs a command as this owner and returns its output.
    fn run(&self, w: &World, arguments: &str) -> Value {
        let json = if arguments.starts_with("chain") { " --json" } else { "" };
        let mut command: Command = w.command(DEPLOYER, &format!("{arguments}{json}"));
        let output = command.env("TRIBUTE_KEY", hex::encode(self.key.to_bytes())).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

fn gas(tx: &Value) -> u64 {
    tx["tx"]["gas_used"].as_u64().unwrap_or_else(|| panic!("no gas in {tx}"))
}

/// Gas used by a version.
struct Cost {
    certify: u64,
    gradients: Vec<u64>,
    proposed: u64,
}

/// An agent over these datasets, certified on chain, its certificate verified offline.
fn certified(w: &World, name: &str, datasets: &[String]) -> Cost {
    let listed: String = datasets.iter().map(|id| format!(" --dataset {id}")).collect();
    w.run(AGENT_OWNER, &format!("agent train --lambda 0.015625 --link softmax{listed} --out @{name}.json"));
    let weights = text(&w.json(&format!("{name}.json"))["weights_digest"]).to_owned();
    let agent = text(&w.run(AGENT_OWNER, &format!("chain create-agent --name {name}"))["agent_id"]).to_owned();
    let terms = "--circuits @circuits.json --data-bps 4000";
    let proposed = w.run(AGENT_OWNER, &format!("chain propose-version {agent} --trained @{name}.json {terms}"));
    w.run(AGENT_OWNER, &format!("agent prove-gradients {weights} --out @{name}-g.json"));
    w.run(AGENT_OWNER, &format!("agent prove-optimum {weights} --agent-id {agent} --out @{name}-o.json"));
    let sent = w.run(AGENT_OWNER, &format!("chain submit-gradients {agent} --gradients @{name}-g.json"));
    let certified = w.run(AGENT_OWNER, &format!("chain certify {agent} --optimum @{name}-o.json"));
    assert_eq!(certified["records"], 30 * datasets.len());
    let shares: Vec<f64> = certified["shares"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
    assert_eq!(shares.len(), datasets.len());
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9 && shares.iter().all(|s| *s > 0.0), "{shares:?}");

    w.run(AGENT_OWNER, &format!("agent certificate {weights} --out @{name}-certificate.json"));
    let options = Options { allow_dev_srs: true, srs: None };
    let report = verify_file(&w.file(&format!("{name}-certificate.json")), &options).unwrap();
    assert_eq!((report.proofs(), report.certificate().datasets.len()), (2 * datasets.len() + 1, datasets.len()));
    let owners: std::collections::HashSet<_> =
        report.certificate().datasets.iter().map(|d| d.shards[0].owner.0).collect();
    assert_eq!(owners.len(), datasets.len(), "each dataset has an owner of its own");
    let listed = proposed["listed"].as_array().unwrap().iter().map(gas).sum::<u64>();
    Cost {
        certify: gas(&certified),
        gradients: sent["transactions"].as_array().unwrap().iter().map(gas).collect(),
        proposed: gas(&proposed) + listed + gas(&proposed["closed"]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_owners_are_certified_for_the_gas_of_three() {
    let mut w = World::with_chain();
    w.run(DEPLOYER, "chain deploy --thaw-seconds 60 --deployment @deployment.json");
    let (rpc, deployment) = (w.anvil().url().to_owned(), w.deployment().display().to_string());
    w.serve(&["--k", "15", "--columns", "1", "--rpc", &rpc, "--contracts", &deployment]);
    std::fs::write(w.file("all.csv"), (0..OWNERS).map(thirty_rows).collect::<String>()).unwrap();
    w.run(DEPLOYER, "schema infer @all.csv --no-header --name owners --out @schema.json");
    w.run(DEPLOYER, "circuits add --schema @schema.json --link softmax --out @circuits.json");

    let chain = w.anvil().connect().await.unwrap();
    let mut owners = Vec::new();
    for number in 0..OWNERS {
        let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(number as u8 + 1)).unwrap();
        let _: Value = chain.request("anvil_setBalance", (key.address(), U256::from(10u128.pow(18)))).await.unwrap();
        std::fs::write(w.file(&format!("rows-{number}")), thirty_rows(number)).unwrap();
        owners.push(Owner { number, key });
    }
    // all owners independently, four at a time
    let grantee = w.key(AGENT_OWNER).address();
    let register = |owner: &Owner| {
        let (csv, file) = (owner.file("rows"), owner.file("dataset"));
        owner.run(
            &w,
            &format!("dataset register {csv} --no-header --schema @schema.json --min-share-bps 10 --out {file}"),
        );
        let registered = owner.run(&w, &format!("chain register-dataset {file}"));
        let id = text(&registered["dataset_id"]).to_owned();
        // each asks for at least half of an equal share
        owner.run(&w, &format!("chain grant {id} --to {grantee} --uses 2 --min-share-bps {}", 10_000 / OWNERS / 2));
        (id, gas(&registered))
    };
    let registered: Vec<(String, u64)> = on_threads(4, &owners, register);
    let ids: Vec<String> = registered.iter().map(|(id, _)| id.clone()).collect();

    let many = certified(&w, "many", &ids);
    let few = certified(&w, "few", &ids[..FEW]);
    println!(
        "gas of {OWNERS} owners: registrations {} each; propose, list and close {}; gradients {:?}; certify {}",
        registered.iter().map(|(_, gas)| gas).sum::<u64>() / OWNERS as u64,
        many.proposed,
        many.gradients,
        many.certify
    );
    println!(
        "gas of {FEW}: propose, list and close {}; gradients {:?}; certify {}",
        few.proposed, few.gradients, few.certify
    );
    assert_eq!((many.gradients.len(), few.gradients.len()), (3, 1), "16 to a transaction");
    let ratio = many.certify as f64 / few.certify as f64;
    assert!((ratio - 1.0).abs() < 0.05, "{} and {}", many.certify, few.certify);
}
