//! A dataset that grows and changes hands on a real chain: agents on each of its versions, and a certificate whose shards
//! were added by different owners.

use std::path::Path;

use serde_json::{json, Value};
use tribute::offline::{verify_file, Options};
use tribute_testing::data::thirty_rows;
use tribute_testing::World;

/// Accounts: indices into the chain's funded ones.
const DEPLOYER: usize = 0;
const OLGA: usize = 1;
const ADA: usize = 2;
const BEN: usize = 3;

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {value}")).to_owned()
}

/// Trains an agent of Olga's on a dataset and certifies it on chain; returns its id, and its certificate's file.
fn certified(w: &World, name: &str, dataset: &str) -> (String, String) {
    w.run(OLGA, &format!("agent train --lambda 0.015625 --link softmax --dataset {dataset} --out @{name}.json"));
    let weights = text(&w.json(&format!("{name}.json")), "weights_digest");
    let agent = text(&w.run(OLGA, &format!("chain create-agent --name {name}")), "agent_id");
    let terms = "--circuits @circuits.json --data-bps 4000";
    w.run(OLGA, &format!("chain propose-version {agent} --trained @{name}.json {terms}"));
    w.run(OLGA, &format!("agent prove-gradients {weights} --out @{name}-g.json"));
    w.run(OLGA, &format!("agent prove-optimum {weights} --agent-id {agent} --out @{name}-o.json"));
    w.run(OLGA, &format!("chain submit-gradients {agent} --gradients @{name}-g.json"));
    let done = w.run(OLGA, &format!("chain certify {agent} --optimum @{name}-o.json"));
    assert_eq!(done["shares"], json!([1.0]));
    let file = format!("{name}-certificate.json");
    w.run(OLGA, &format!("agent certificate {weights} --out @{file}"));
    holds(w, &file);
    (agent, file)
}

/// The certificate holds, offline and on chain; returns the owners of its shards.
fn holds(w: &World, file: &str) -> Vec<String> {
    let report = verify_file(&w.file(file), &Options { allow_dev_srs: true, srs: None }).unwrap();
    let compared = w.run(DEPLOYER, &format!("chain check-certificate @{file}"));
    assert_eq!((&compared["agrees"], &compared["differences"]), (&json!(true), &json!([])));
    report.certificate().datasets[0].shards.iter().map(|shard| shard.owner.to_string()).collect()
}

/// What a file becomes that claims another owner of a shard, its checksum made to fit.
fn with_owner(file: &Path, shard: usize, owner: &str, to: &Path) {
    let mut certificate = tribute_core::certificate::Certificate::from_json(&std::fs::read(file).unwrap()).unwrap();
    certificate.datasets[0].shards[shard].owner = owner.parse().unwrap();
    certificate.checksum = tribute_core::certificate::Hex(certificate.expected_checksum());
    std::fs::write(to, certificate.to_json()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_grows_under_two_owners_and_every_version_is_certified() {
    let mut w = World::with_chain();
    w.run(DEPLOYER, "chain deploy --thaw-seconds 60 --deployment @deployment.json");
    let (rpc, deployment) = (w.anvil().url().to_owned(), w.deployment().display().to_string());
    w.serve(&["--k", "15", "--columns", "1", "--rpc", &rpc, "--contracts", &deployment]);
    for number in 0..3 {
        std::fs::write(w.file(&format!("rows-{number}.csv")), thirty_rows(number)).unwrap();
    }
    std::fs::write(w.file("all.csv"), (0..3).map(thirty_rows).collect::<String>()).unwrap();
    w.run(DEPLOYER, "schema infer @all.csv --no-header --name growth --out @schema.json");
    w.run(DEPLOYER, "circuits add --schema @schema.json --link softmax --out @circuits.json");
    let [olga, ada, ben] = [OLGA, ADA, BEN].map(|account| w.key(account).address().to_string().to_lowercase());

    // Ada's first version, and an agent on it
    w.run(ADA, "dataset register @rows-0.csv --no-header --schema @schema.json --min-data-bps 1000 --out @one.json");
    let one = text(&w.run(ADA, "chain register-dataset @one.json"), "dataset_id");
    w.run(ADA, &format!("chain grant {one} --to {olga} --uses 5"));
    let (first_agent, first_file) = certified(&w, "first", &one);

    // the dry run reports, and refuses what registering would
    std::fs::write(w.file("bad.csv"), "1,2,3,4,5,unheard-of\n").unwrap();
    let refused = w.fails(ADA, &format!("dataset extend {one} --csv @bad.csv --no-header"));
    assert!(refused.contains("unheard-of"), "{refused}");
    let said = w.says(ADA, &format!("dataset extend {one} --csv @rows-1.csv --no-header --dry-run"));
    assert!(said.contains("30 records"), "{said}");
    // its next version
    w.run(ADA, &format!("dataset extend {one} --csv @rows-1.csv --no-header --out @two.json"));
    let proven = w.json("two.json");
    assert_eq!((&proven["records"], &proven["first_version"]), (&json!(60), &json!(one)));
    let grown = w.run(ADA, "chain extend-dataset @two.json");
    let two = text(&grown, "dataset_id");
    assert_eq!((&two, &grown["previous"]), (&text(&proven, "dataset_id"), &json!(one)));
    let versions = |id: &str| -> Vec<String> {
        w.run(BEN, &format!("chain dataset {id}"))["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| text(v, "dataset_id"))
            .collect()
    };
    assert_eq!(versions(&one), [one.clone(), two.clone()]);

    // versions of one dataset share records: trained on together, some would count twice
    let both = format!("agent train --lambda 0.03125 --link softmax --dataset {one} --dataset {two} --out @none.json");
    assert!(w.fails(ADA, &both).contains("are versions of one dataset"));

    // Olga's grant names the first version and no later one: the server and the chain refuse the second
    let train = format!("agent train --lambda 0.03125 --link softmax --dataset {two} --out @none.json");
    assert!(w.fails(OLGA, &train).contains("may not use dataset"));
    let other = text(&w.run(OLGA, "chain create-agent --name other"), "agent_id");
    let trained = w.json("first.json");
    let listing = json!({ "dataset_ids": [two] });
    let mut altered = trained.as_object().unwrap().clone();
    altered.extend(listing.as_object().unwrap().clone());
    std::fs::write(w.file("altered.json"), Value::Object(altered).to_string()).unwrap();
    let terms = "--circuits @circuits.json --data-bps 4000";
    let refused = w.fails(OLGA, &format!("chain propose-version {other} --trained @altered.json {terms}"));
    assert!(refused.contains("GrantForOtherVersion"), "{refused}");
    // the first version still trains, and its certificate still holds
    w.run(OLGA, &format!("agent train --lambda 0.03125 --link softmax --dataset {one} --out @again.json"));
    assert_eq!(holds(&w, &first_file), std::slice::from_ref(&ada));
    w.run(ADA, &format!("chain grant {two} --to {olga} --uses 5"));
    let (_, second_file) = certified(&w, "second", &two);
    assert_eq!(holds(&w, &second_file), [ada.clone(), ada.clone()]);

    // Ben takes the dataset over, and adds to it in his own name
    w.run(ADA, &format!("chain transfer --dataset {two} --to {ben}"));
    let early = w.fails(BEN, &format!("dataset extend {two} --csv @rows-2.csv --no-header"));
    assert!(early.contains("NOT_FOUND") || early.contains("no dataset"), "{early}");
    w.run(BEN, &format!("chain accept --dataset {two}"));
    let late = w.fails(ADA, &format!("dataset extend {two} --csv @rows-2.csv --no-header"));
    assert!(late.contains("was transferred to"), "{late}");
    // nor does she train on it as her own any longer, or let others
    let former = w.fails(ADA, &train);
    assert!(former.contains("may not use dataset"), "{former}");
    let former = w.fails(ADA, &format!("dataset grant {two} --to {olga} --uses 1"));
    assert!(former.contains("was transferred to"), "{former}");
    w.run(BEN, &format!("dataset extend {two} --csv @rows-2.csv --no-header --out @three.json"));
    let three = text(&w.run(BEN, "chain extend-dataset @three.json"), "dataset_id");
    // he cannot read her records
    let shown = w.fails(BEN, &format!("dataset show-record {three} 0 --out @none.json"));
    assert!(shown.contains("an earlier owner"), "{shown}");
    w.run(BEN, &format!("dataset show-record {three} 75 --out @record.json"));
    let shown = w.run(OLGA, &format!("chain dataset {three}"));
    let added = &shown["versions"][2]["added_by"];
    let by = |owner: &str, from: u64, shards: u64| json!({ "owner": owner, "first_shard": from, "shards": shards });
    assert_eq!(added, &json!([by(&ada, 0, 2), by(&ben, 2, 1)]));

    // an agent over both owners' shards, theirs to be told apart
    w.run(BEN, &format!("chain grant {three} --to {olga} --uses 1"));
    let (_, third_file) = certified(&w, "third", &three);
    assert_eq!(holds(&w, &third_file), [ada.clone(), ada.clone(), ben.clone()]);
    let said = w.says(OLGA, &format!("verify @{third_file} --allow-dev-srs"));
    assert!(said.contains(&format!(", shards 0 to 1 added by {ada}, shard 2 added by {ben}: 90 records")), "{said}");
    // a file that gives Ben's shard to Ada, or Ada's to Ben
    for (shard, owner) in [(2, &ada), (0, &ben)] {
        with_owner(&w.file(&third_file), shard, owner, &w.file("claimed.json"));
        let refused = w.fails(OLGA, "verify @claimed.json --allow-dev-srs");
        assert!(refused.contains(&format!("datasets[0].shards[{shard}].owner")), "{refused}");
    }
    // Ben trains on what he owns: her shards are lent to him
    w.run(BEN, &format!("agent train --lambda 0.03125 --link softmax --dataset {three} --out @bens.json"));
    let weights = text(&w.json("bens.json"), "weights_digest");
    w.run(BEN, &format!("agent prove-gradients {weights} --out @bens-g.json"));

    // the first agent is certified as before; a certificate of another version is not the chain's
    assert_eq!(holds(&w, &first_file), [ada]);
    let status = w.run(OLGA, &format!("chain version {first_agent}"));
    assert_eq!(status["stage"].as_str().map(str::to_lowercase).as_deref(), Some("certified"));
    w.run(OLGA, &format!("agent certificate {} --out @uncertified.json", weights_of(&w, "second")));
}

fn weights_of(w: &World, name: &str) -> String {
    text(&w.json(&format!("{name}.json")), "weights_digest")
}
