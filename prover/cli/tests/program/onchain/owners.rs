//! Owners of datasets and agents: terms, growth, grants, payouts, nodes and transfers.

use alloy::sol_types::SolCall;
use serde_json::{json, Value};
use tribute_chain::abi::IDatasetRegistry::setNodeCall;
use tribute_chain::{Message, B256, U256};
use tribute_core::context::Terms;
use tribute_testing::chain::{ESCROW, PRICE};

use crate::onchain::desk::{text, Desk, ADA, ADMIN, BEN, CLEO, OLGA};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_grows_is_granted_and_taken_back() {
    let d = Desk::new().await;
    let (ada, olga) = (d.address(ADA), d.address(OLGA));
    let terms = Terms { min_data_bps: 3_000, ..Terms::default() };
    d.dataset("one.json", ada, &[("ada", 900)], terms).await;
    d.dataset("two.json", ada, &[("ada", 900), ("ada 2", 100), ("ada 3", 7)], terms).await;
    let one = text(&d.run(ADA, "register-dataset @one.json"), "dataset_id");

    // missing minimums are warned about, with their consequences
    let (granted, said) = d.told(ADA, &format!("grant {one} --to {olga} --uses 2"));
    assert!(
        said.contains("no least share") && said.contains("made-up ones") && said.contains("--min-share-bps"),
        "{said}"
    );
    assert!(said.contains("no least price") && !said.contains("no least part"), "the terms have a least part: {said}");
    assert_eq!(granted["counts"]["min_data_bps"], 3_000);
    let asks = format!(
        "grant {one} --to {olga} --uses 2 --min-share-bps 2500 --min-price 5 --link softmax --until 4000000000"
    );
    let (granted, said) = d.told(ADA, &asks);
    assert!(!said.contains("warning"), "{said}");
    assert_eq!((&granted["expiry"], &granted["counts"]["links"]), (&json!(4_000_000_000_u64), &json!(["softmax"])));
    assert!(d.fails(ADA, &format!("grant {one} --to {olga} --uses 0")).contains("--uses"), "`revoke` does that");
    assert!(d.fails(BEN, &format!("grant {one} --to {olga}")).contains("NotDatasetOwner"));

    // it grows by the shards in its file that are not on chain, once
    let grown = d.run(ADA, "extend-dataset @two.json");
    let two = text(&grown, "dataset_id");
    assert_eq!((&grown["records"], &grown["previous"]), (&json!(1_007), &json!(one)));
    assert!(d.fails(ADA, "extend-dataset @two.json").contains("all its 3 shards are already registered"));
    // the latest version has shards that this file lacks
    assert!(d.fails(ADA, "extend-dataset @one.json").contains("fewer than dataset"));
    d.dataset("other.json", ada, &[("unknown", 900)], terms).await;
    assert!(d.fails(ADA, "extend-dataset @other.json").contains("register-dataset"));
    let shown = d.run(CLEO, &format!("dataset {one}"));
    assert_eq!((&shown["latest"], &shown["grants"][0]["uses"]), (&json!(two), &json!(2)));
    assert_eq!(
        (&shown["grants"][0]["counts"]["min_share_bps"], &shown["terms"]["min_data_bps"]),
        (&json!(2_500), &json!(3_000))
    );

    let back = d.run(ADA, &format!("revoke {two} --from {olga}"));
    assert_eq!(back["uses_taken_back"], 2);
    assert_eq!(d.run(CLEO, &format!("dataset {two}"))["grants"], json!([]));

    // an open dataset cannot be closed
    d.dataset("open.json", ada, &[("open", 5)], Terms { open_training: true, ..Terms::default() }).await;
    let open = text(&d.run(ADA, "register-dataset @open.json"), "dataset_id");
    let (_, said) = d.told(ADA, &format!("revoke {open} --from {olga}"));
    assert!(said.contains("needs no grant"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn things_change_hands_in_two_steps_and_pay_where_they_are_told() {
    let d = Desk::new().await;
    let c = d.w.certified().await;
    let [dataset, _] = c.datasets;
    let (agent, ben, cleo) = (c.agent, d.address(BEN), d.address(CLEO));

    d.run(ADA, &format!("payout --dataset {dataset} --to {cleo}"));
    d.run(OLGA, &format!("payout --agent {agent} --to {ben}"));
    let session = d.w.open(&d.w.cleo, &c).await;
    let batch = d.w.batch(&c, &[(session, 6)]).await;
    d.w.contracts.claim(&[batch]).send(&d.w.olga).await.unwrap();
    let before = (d.w.balance(ben).await, d.w.balance(cleo).await);
    d.run(ADMIN, &format!("withdraw --agent {agent} --dataset {dataset}"));
    d.run(ADMIN, &format!("withdraw --agent {agent}"));
    // 6 answers at 1,000: 60 % to data, of which two thirds are Ada's
    assert_eq!(d.w.balance(cleo).await - before.1, U256::from(6 * PRICE * 6 / 10 * 2 / 3));
    assert_eq!(d.w.balance(ben).await - before.0, U256::from(6 * PRICE * 4 / 10));
    d.run(ADA, &format!("payout --dataset {dataset} --owner"));
    assert_eq!(d.run(CLEO, &format!("dataset {dataset}"))["payout"], json!(d.address(ADA)));
    assert!(d.fails(ADA, &format!("payout --dataset {dataset}")).contains("--to"));

    // offered, withdrawn, offered again, accepted
    d.run(ADA, &format!("transfer --dataset {dataset} --to {ben}"));
    d.run(ADA, &format!("transfer --dataset {dataset} --nobody"));
    assert!(d.fails(BEN, &format!("accept --dataset {dataset}")).contains("NotOffered"));
    let (_, said) = d.told(ADA, &format!("transfer --dataset {dataset} --to {ben}"));
    assert!(said.contains("ownership has not changed yet"), "{said}");
    assert_eq!(d.run(CLEO, &format!("dataset {dataset}"))["offered_to"], json!(ben));
    assert_eq!(d.run(BEN, &format!("accept --dataset {dataset}"))["from"], json!(d.address(ADA)));
    d.run(OLGA, &format!("transfer --agent {agent} --to {cleo}"));
    d.run(CLEO, &format!("accept --agent {agent}"));
    let shown = d.run(BEN, &format!("agent {agent}"));
    assert_eq!((&shown["owner"], &shown["payout"]), (&json!(cleo), &json!(cleo)));
    assert!(d.fails(OLGA, &format!("set-metadata {agent} --about mine")).contains("NotAgentOwner"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_names_its_node_and_nothing_else_is_followed() {
    let d = Desk::new().await;
    let dataset = d.w.register(&d.w.ada, "ada", 900).await;
    let entry = || {
        let shown = d.run(CLEO, &format!("dataset {dataset}"));
        (shown["node"].clone(), shown["node_refused"].clone())
    };
    let ask = || {
        let output =
            d.output(OLGA, &format!("request ask --dataset {dataset} --purpose digits --server http://127.0.0.1:9"));
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(entry(), (Value::Null, Value::Null));
    let said = ask();
    assert!(said.contains(&format!("--node URL={dataset}")) && said.contains("chain set-node"), "{said}");

    // the command takes URLs alone, of the owner alone
    for wrong in ["ftp://node.example", "https://me:secret@node.example", "https://nod\u{e9}.example", "node.example"] {
        let refused = d.fails(ADA, &format!("set-node {dataset} {wrong}"));
        assert!(refused.contains("is no URL of a node"), "{refused}");
    }
    let long = format!("https://node.example/{}", "a".repeat(235));
    assert!(d.fails(ADA, &format!("set-node {dataset} {long}")).contains("256 bytes"));
    assert!(d.fails(ADA, &format!("set-node {dataset}")).contains("<URL>"));
    assert!(d.fails(ADA, &format!("set-node {dataset} https://node.example --none")).contains("--none"));
    assert!(d.fails(BEN, &format!("set-node {dataset} https://node.example")).contains("NotDatasetOwner"));
    assert_eq!(d.run(ADA, &format!("set-node {dataset} http://127.0.0.1:9/"))["node"], "http://127.0.0.1:9/");
    assert_eq!(entry(), (json!("http://127.0.0.1:9/"), Value::Null));
    assert_eq!(d.run(CLEO, "status")["datasets"][0]["node"], "http://127.0.0.1:9/");
    let said = ask();
    assert!(said.contains(&format!("dataset {dataset} is at http://127.0.0.1:9, its entry on chain says")), "{said}");

    // an owner can write anything without our command: it is told, escaped, and not called
    let text = "https://node.example\u{1b}[2J".to_owned();
    let data = setNodeCall { datasetId: B256::new(*dataset.as_bytes()), node: text }.abi_encode();
    let registry = d.w.contracts.deployment().dataset_registry.address;
    d.w.ada.send(&Message::new("write anything", Some(registry), data.into(), U256::ZERO)).await.unwrap();
    let (node, why) = entry();
    assert_eq!(node, Value::Null);
    assert!(why.as_str().unwrap().starts_with("\"https://node.example\\u{1b}[2J\" is no URL of a node"), "{why}");
    let said = ask();
    assert!(said.contains("names no usable node") && !said.contains('\u{1b}'), "{said}");
    let watched = d.output(CLEO, &format!("chain watch --from 0 --until {}", d.w.chain.block_number().await.unwrap()));
    assert!(watched.status.success() && !watched.stdout.contains(&0x1b));

    d.run(CLEO, "export --out @audit");
    let all: Value = serde_json::from_slice(&std::fs::read(d.file("audit/datasets.json")).unwrap()).unwrap();
    let nodes: Vec<&Value> = all.as_array().unwrap().iter().filter(|r| r["kind"] == "node").collect();
    assert_eq!((nodes.len(), &nodes[0]["node"], &nodes[1]["node"]), (2, &json!("http://127.0.0.1:9/"), &why));
    d.run(ADA, &format!("set-node {dataset} --none"));
    assert_eq!(entry(), (Value::Null, Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_find_agents_and_manage_their_escrow() {
    let d = Desk::new().await;
    let c = d.w.certified().await;
    let agent = c.agent;
    d.run(OLGA, "create-agent --name draft --about nothing-yet");
    assert!(d.fails(OLGA, "create-agent --name x --service example.org").contains("http:// or https://"));
    let long = "a".repeat(1_025);
    assert!(d.fails(OLGA, &format!("set-metadata {agent} --about {long}")).contains("maximum of 1024"));
    d.run(OLGA, &format!("set-metadata {agent} --service https://digits.example --about handwritten-digits"));
    let ids = |arguments: &str| -> Vec<String> {
        let found = d.run(CLEO, &format!("find-agents {arguments}"));
        found["agents"].as_array().unwrap().iter().map(|a| text(a, "name")).collect()
    };
    assert_eq!(ids("--text HANDwritten"), ["digits"]);
    assert_eq!(ids("--text nothing"), [""; 0]);
    assert_eq!(ids("--text nothing --all"), ["draft"]);
    assert_eq!(ids(&format!("--max-price {PRICE}")), ["digits"]);
    assert_eq!(ids(&format!("--max-price {}", PRICE - 1)), [""; 0]);
    assert_eq!(ids(&format!("--dataset {}", c.datasets[1])), ["digits"]);
    let found = d.run(CLEO, "find-agents");
    assert_eq!(found["agents"][0]["metadata"]["service"], "https://digits.example");
    assert_eq!(found["agents"][0]["offer"]["stage"], "certified");

    // a token without permits is approved first
    d.run(ADMIN, &format!("mint --to {} --amount 3000", d.address(BEN)));
    let opened = d.run(BEN, &format!("open-session --agent {agent} --price {PRICE} --escrow 3000 --approve"));
    assert!(opened["approval"]["tx"].is_string() && opened["session"].is_string(), "{opened}");

    // nothing is approved for a call that would fail
    let nonce = || d.w.chain.mined_nonce(d.address(BEN));
    let before = nonce().await.unwrap();
    let unknown = format!("top-up 0x{} --amount 500", "77".repeat(32));
    assert!(d.fails(BEN, &unknown).contains("UnknownSession"));
    assert_eq!(nonce().await.unwrap(), before);

    // Ben, not the client, tops up; a part thaws and the session goes on; the thaw is cancelled
    let session = d.w.open(&d.w.cleo, &c).await;
    assert!(d.fails(BEN, &format!("top-up {session} --amount 500")).contains("has 0 units"));
    d.run(ADMIN, &format!("mint --to {} --amount 500", d.address(BEN)));
    assert_eq!(d.run(BEN, &format!("top-up {session} --amount 500"))["remaining"], json!((ESCROW + 500).to_string()));
    d.run(CLEO, &format!("thaw {session} --amount 700"));
    assert_eq!(d.run(CLEO, &format!("session {session}"))["thaw_amount"], "700");
    assert!(d.fails(CLEO, &format!("thaw {session}")).contains("AlreadyThawing"));
    d.run(CLEO, &format!("cancel-thaw {session}"));
    d.run(CLEO, &format!("thaw {session} --amount 700"));
    d.w.chain.advance_time(61).await.unwrap();
    assert_eq!(d.run(CLEO, &format!("refund {session}"))["amount"], "700");
    assert_eq!(d.run(CLEO, &format!("session {session}"))["remaining"], json!((ESCROW - 200).to_string()));
}
