//! Uncertified versions: the command's reasons match the contract's refusals.

use serde_json::{json, Value};
use tribute_chain::agents::short_name;
use tribute_chain::datasets::GrantTerms;
use tribute_testing::chain::{gradient_points, CONTRIBUTIONS};

use crate::onchain::desk::{text, Desk, ADA, BEN, CLEO, OLGA};

fn refusals(value: &Value) -> String {
    value["refusals"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_says_what_is_missing_and_is_given_up() {
    let d = Desk::new().await;
    let w = &d.w;
    let datasets = [w.register(&w.ada, "ada", 900).await, w.register(&w.ben, "ben", 500).await];
    let [ada, ben] = datasets;
    let olga = d.address(OLGA);
    // Ben asks for half of the fees for data, and gets a third
    d.run(ADA, &format!("grant {ada} --to {olga} --uses 3"));
    let agent = w.contracts.create_agent(short_name("digits").unwrap(), "").send(&w.olga).await.unwrap().event;
    w.contracts.propose(&agent, &w.version_params()).send(&w.olga).await.unwrap();

    let shown = d.run(CLEO, &format!("version {agent} --dataset {ada} --dataset {ben}"));
    assert_eq!((&shown["stage"], &shown["certifiable"]), (&json!("draft"), &json!("no")));
    assert!(refusals(&shown).contains("close-version") && refusals(&shown).contains("add-datasets"));
    assert_eq!(shown["candidates"][0]["could_be_listed"], true);
    assert!(text(&shown["candidates"][1], "because").contains("TrainingNotGranted"));
    assert!(d.fails(OLGA, &format!("add-datasets {agent} --dataset {ben}")).contains("TrainingNotGranted"));
    d.run(BEN, &format!("grant {ben} --to {olga} --min-share-bps 5000"));
    assert_eq!(d.run(CLEO, &format!("version {agent} --dataset {ben}"))["candidates"][0]["could_be_listed"], true);

    d.run(OLGA, &format!("add-datasets {agent} --dataset {ada} --dataset {ben}"));
    assert_eq!(d.run(OLGA, &format!("close-version {agent}"))["shards"], 2);
    let shown = d.run(CLEO, &format!("version {agent}"));
    assert_eq!(shown["datasets"][0]["missing_gradients"], json!([0]));
    assert!(refusals(&shown).contains("2 of 2 gradients are missing"));

    let [first, second, _] = gradient_points();
    let gradient = w.gradient(&agent, 1, ada, "ada", &first, CONTRIBUTIONS[0]).await;
    w.contracts.add_gradients(&agent, 1, &[gradient]).send(&w.ada).await.unwrap();
    let shown = d.run(CLEO, &format!("version {agent}"));
    assert_eq!(
        (&shown["datasets"][0]["missing_gradients"], &shown["datasets"][1]["missing_gradients"]),
        (&json!([]), &json!([0]))
    );
    let gradient = w.gradient(&agent, 1, ben, "ben", &second, CONTRIBUTIONS[1]).await;
    w.contracts.add_gradients(&agent, 1, &[gradient]).send(&w.ada).await.unwrap();
    let shown = d.run(CLEO, &format!("version {agent}"));
    assert!(refusals(&shown).contains("less than its least share"), "{shown}");
    assert!(refusals(&shown).contains(&ben.to_string()) && !refusals(&shown).contains(&ada.to_string()), "{shown}");

    // its gradients are public, so no use is returned
    let gone = d.run(OLGA, &format!("abandon-version {agent}"));
    assert_eq!(gone["returned"], json!([]));
    assert_eq!(d.run(CLEO, &format!("version {agent}"))["stage"], "abandoned");

    // without submitted gradients, uses are returned, once
    w.contracts.grant_training(&ben, olga, w.grant_terms(1).await).send(&w.ben).await.unwrap();
    w.contracts.propose(&agent, &w.version_params()).send(&w.olga).await.unwrap();
    d.run(OLGA, &format!("add-datasets {agent} --version 2 --dataset {ada} --dataset {ben}"));
    let uses = |dataset| d.run(CLEO, &format!("dataset {dataset}"))["grants"][0]["uses"].clone();
    assert_eq!(uses(ben), Value::Null, "the only use is taken");
    assert!(d.fails(CLEO, &format!("abandon-version {agent} --version 2")).contains("NotOverdue"));
    let gone = d.run(OLGA, &format!("abandon-version {agent} --version 2"));
    assert_eq!(gone["returned"][0]["roots"].as_array().unwrap().len(), 2);
    assert_eq!(uses(ben), 1);
    let (again, said) = d.told(OLGA, &format!("abandon-version {agent} --version 2"));
    assert!(said.contains("already abandoned") && again["returned"] == json!([]), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_a_grant_names_and_a_stop_are_told_before_they_refuse() {
    let d = Desk::new().await;
    let w = &d.w;
    let [ada, ben] = [w.register(&w.ada, "ada", 900).await, w.register(&w.ben, "ben", 500).await];
    let olga = d.address(OLGA);
    let (_, said) = d.told(ADA, &format!("grant {ada} --to {olga} --participant {ada} --participant {ben}"));
    assert!(!said.contains("no least share"), "a fixed list cannot be diluted: {said}");
    let terms = GrantTerms { min_share_bps: 1, ..w.grant_terms(1).await };
    w.contracts.grant_training(&ben, olga, terms).send(&w.ben).await.unwrap();
    let agent = w.contracts.create_agent(short_name("digits").unwrap(), "").send(&w.olga).await.unwrap().event;
    w.contracts.propose(&agent, &w.version_params()).send(&w.olga).await.unwrap();
    d.run(OLGA, &format!("add-datasets {agent} --dataset {ada}"));
    let shown = d.run(CLEO, &format!("version {agent}"));
    assert!(refusals(&shown).contains("list exactly the datasets that the grant names"), "{shown}");
    assert!(d.fails(OLGA, &format!("close-version {agent}")).contains("OtherParticipants"));
    d.run(OLGA, &format!("add-datasets {agent} --dataset {ben}"));
    assert!(!refusals(&d.run(CLEO, &format!("version {agent}"))).contains("list exactly"));
    w.contracts.stop_circuit(&w.circuits[1]).send(&w.admin).await.unwrap();
    let shown = d.run(CLEO, &format!("version {agent}"));
    assert!(refusals(&shown).contains(&format!("circuit {} was stopped", w.circuits[1])), "{shown}");
}
