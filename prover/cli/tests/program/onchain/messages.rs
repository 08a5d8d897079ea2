//! Messages signed by one account and submitted by another.

use serde_json::{json, Value};
use tribute_chain::agents::short_name;
use tribute_chain::{PrivateKeySigner, U256};
use tribute_core::context::Terms;
use tribute_core::statement::Statement;
use tribute_testing::chain::{gradient_points, points, Certified, CONTRIBUTIONS, ESCROW, LAMBDA, PRICE};

use crate::onchain::desk::{text, Desk, ADA, ADMIN, BEN, CLEO, OLGA};

/// Runs a command as an account without coin; it must succeed.
fn signs(d: &Desk, key: &PrivateKeySigner, arguments: &str) {
    let output = d.command(key, &format!("chain sign {arguments}")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The error of `relay` for the message with one field altered.
fn altered(d: &Desk, file: &str, change: impl Fn(&mut Value)) -> String {
    let mut value: Value = serde_json::from_slice(&std::fs::read(d.file(file)).unwrap()).unwrap();
    change(&mut value);
    d.write("altered.json", &value);
    d.fails(ADMIN, "relay @altered.json")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_without_coin_registers_grants_and_is_paid() {
    let d = Desk::new().await;
    let w = &d.w;
    let poor = PrivateKeySigner::random();
    let (provider, olga) = (poor.address(), d.address(OLGA));
    assert_eq!(w.chain.balance(provider).await.unwrap(), U256::ZERO);

    let terms = Terms { min_data_bps: 5_000, ..Terms::default() };
    d.dataset("data.json", provider, &[("ada", 900)], terms).await;
    signs(&d, &poor, "register-dataset @data.json --out @register.json");
    assert!(d.fails(ADA, "sign register-dataset @data.json --out @x.json").contains("its proofs name"));
    let dry = d.told(ADMIN, "relay @register.json --dry-run").1;
    assert!(dry.contains(&format!("{provider} says: register a dataset of 1 shard(s), nonce ")), "{dry}");
    // every alteration is detected before anything is sent
    let mined = w.chain.mined_nonce(d.address(ADMIN)).await.unwrap();
    assert!(altered(&d, "register.json", |m| m["signer"] = json!(olga)).contains("not its signer's"));
    assert!(altered(&d, "register.json", |m| m["nonce"] = json!("7")).contains("not its signer's"));
    assert!(altered(&d, "register.json", |m| m["deadline"] = json!(1)).contains("it expired at 1"));
    assert!(altered(&d, "register.json", |m| m["chain_id"] = json!(1)).contains("signed for chain 1"));
    assert!(altered(&d, "register.json", |m| m["contract"] = json!(olga)).contains("signed for contract"));
    assert!(altered(&d, "register.json", |m| m["message"]["terms"]["links"] = json!(2)).contains("not its signer's"));
    assert_eq!(w.chain.mined_nonce(d.address(ADMIN)).await.unwrap(), mined);

    let relayed = d.run(ADMIN, "relay @register.json");
    let dataset = text(&json!({ "id": relayed["relayed"][0]["dataset_ids"][0] }), "id");
    assert!(d.fails(ADMIN, "relay @register.json").contains("was used or taken back"));
    assert_eq!(d.run(CLEO, &format!("dataset {dataset}"))["owner"], json!(provider));

    // a grant has a serial number: of two with the same one, only the first is valid
    let grant = format!("grant {dataset} --to {olga} --min-share-bps 100 --min-price 5");
    signs(&d, &poor, &format!("{grant} --uses 2 --out @grant.json"));
    signs(&d, &poor, &format!("{grant} --uses 9 --out @other.json"));
    d.run(BEN, "relay @grant.json");
    assert!(d.fails(BEN, "relay @other.json").contains("the next one is 2"));
    assert!(d.fails(ADA, &format!("sign {grant} --out @x.json")).contains("is owned by"));
    let payee = d.address(9);
    signs(&d, &poor, &format!("payout {dataset} --to {payee} --out @payout.json"));
    d.run(BEN, "relay @payout.json");

    // its node is what it signed, once; a text that is no URL is not even read
    let entry = || d.run(CLEO, &format!("dataset {dataset}"))["node"].clone();
    signs(&d, &poor, &format!("set-node {dataset} https://node.example:7410 --out @node.json"));
    let other = |url: &str| altered(&d, "node.json", |m| m["message"]["node"] = json!(url));
    assert!(other("https://other.example").contains("not its signer's"));
    assert!(other("https://me@node.example").contains("user or password"));
    assert!(d
        .fails(ADA, &format!("sign set-node {dataset} https://ada.example --out @x.json"))
        .contains("is owned by"));
    assert_eq!(entry(), Value::Null);
    let said = d.told(BEN, "relay @node.json").1;
    assert!(
        said.contains(&format!("{provider} says: name https://node.example:7410 as the node of dataset")),
        "{said}"
    );
    assert_eq!(entry(), "https://node.example:7410");
    assert!(d.fails(BEN, "relay @node.json").contains("was used or taken back"));
    signs(&d, &poor, &format!("set-node {dataset} --none --out @none.json"));
    d.run(BEN, "relay @none.json");
    assert_eq!(entry(), Value::Null);
    signs(&d, &poor, &format!("set-node {dataset} https://node.example --out @again.json"));
    d.run(BEN, "relay @again.json");

    // an agent is certified over it and serves; the provider's rewards go to its payout address
    let id = dataset.parse().unwrap();
    let agent = w.contracts.create_agent(short_name("a").unwrap(), "").send(&w.olga).await.unwrap().event;
    let version = w.closed(&agent, &[id]).await;
    let [point, ..] = gradient_points();
    let all = CONTRIBUTIONS[0] + CONTRIBUTIONS[1];
    let gradient = w.gradient(&agent, version, id, "ada", &point, all).await;
    w.contracts.add_gradients(&agent, version, &[gradient]).send(&w.olga).await.unwrap();
    let context = w.contracts.optimum_context(&agent, version).await.unwrap();
    let inputs = vec![context, U256::from(900), U256::from(LAMBDA), U256::from(100), U256::from(5_000)];
    let proof = w.proof(Statement::Optimum, inputs, &[points("weights", 1), point].concat()).await;
    w.contracts.certify(&agent, version, &proof).send(&w.olga).await.unwrap();
    let certified = Certified { agent, version, datasets: [id, id] };
    let session = w.open(&w.cleo, &certified).await;
    let batch = w.batch(&certified, &[(session, 10)]).await;
    w.contracts.claim(&[batch]).send(&w.olga).await.unwrap();
    d.run(BEN, &format!("withdraw --agent {agent} --dataset {dataset}"));
    assert_eq!(w.balance(payee).await, U256::from(10 * PRICE * 6 / 10));
    assert_eq!(w.chain.balance(provider).await.unwrap(), U256::ZERO, "it never had any coin");

    // handed over, though neither the old nor the new owner has coin
    let heir = PrivateKeySigner::random();
    d.run(ADMIN, &format!("fund --to {provider} --wei 100000000000000000"));
    let output =
        d.command(&poor, &format!("chain transfer --dataset {dataset} --to {}", heir.address())).output().unwrap();
    assert!(output.status.success());
    signs(&d, &heir, &format!("accept-dataset {dataset} --out @accept.json"));
    d.run(BEN, "relay @accept.json");
    assert_eq!(d.run(CLEO, &format!("dataset {dataset}"))["owner"], json!(heir.address()));
    assert_eq!(entry(), Value::Null, "it was the old owner's node");
    // the old owner's messages are void
    signs(&d, &heir, &format!("revoke {dataset} --from {olga} --out @revoke.json"));
    d.run(BEN, "relay @revoke.json");
    assert_eq!(d.run(CLEO, &format!("dataset {dataset}"))["grants"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_together_and_a_nonce_is_taken_back() {
    let d = Desk::new().await;
    let poor = PrivateKeySigner::random();
    let (provider, olga) = (poor.address(), d.address(OLGA));
    d.dataset("data.json", provider, &[("ada", 900)], Terms::default()).await;
    d.dataset("more.json", provider, &[("ada", 900), ("ada 2", 5)], Terms::default()).await;
    signs(&d, &poor, "register-dataset @data.json --out @register.json");
    // its id is computed from its shards, so it can be granted before it is registered
    let layout = d.w.layout;
    let digest = tribute_core::id::ShardDigest::new(tribute_core::digest::keccak(&points("ada", 9)));
    let id = tribute_core::digest::dataset_id(&d.w.register_params().schema, &layout, 900, &[digest]);
    signs(&d, &poor, &format!("grant {id} --to {olga} --out @grant.json"));
    assert!(d.fails(ADMIN, "relay @grant.json").contains("register it first"));
    let relayed = d.run(ADMIN, "relay @register.json @grant.json");
    assert_eq!(relayed["relayed"].as_array().unwrap().len(), 1, "one transaction");
    assert_eq!(relayed["relayed"][0]["dataset_ids"][0], json!(id));
    assert_eq!(d.run(CLEO, &format!("dataset {id}"))["grants"][0]["uses"], 1);
    signs(&d, &poor, "extend-dataset @more.json --out @extend.json");
    d.run(ADMIN, "relay @extend.json");
    let latest = d.run(CLEO, &format!("dataset {id}"))["latest"].clone();
    assert_ne!(latest, json!(id));

    d.dataset("ben.json", d.address(BEN), &[("ben", 9)], Terms::default()).await;
    let signed = "sign register-dataset @ben.json --nonce 77 --out @ben-message.json";
    let output = d.output(BEN, &format!("chain {signed}"));
    assert!(output.status.success());
    d.run(BEN, "cancel-nonce 77");
    assert!(d.fails(ADMIN, "relay @ben-message.json").contains("nonce 77 was used or taken back"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_opened_and_settled_by_message() {
    let d = Desk::new().await;
    let c = d.w.certified().await;
    let poor = PrivateKeySigner::random();
    let client = poor.address();
    d.run(ADMIN, &format!("mint --to {client} --amount {ESCROW}"));
    let open = format!("open-session --agent {} --price {PRICE} --escrow {ESCROW} --out @open.json", c.agent);
    signs(&d, &poor, &open);
    let changed = altered(&d, "open.json", |m| m["message"]["price"] = json!("1"));
    assert!(changed.contains("not its signer's"), "{changed}");
    let opened = d.run(BEN, "relay @open.json");
    let session = text(&opened["relayed"][0], "session");
    assert!(d.fails(BEN, "relay @open.json").contains("opens session 0 of its signer, but the next session is 1"));
    assert_eq!(d.run(CLEO, &format!("session {session}"))["client"], json!(client));

    assert!(d
        .fails(CLEO, &format!("sign settlement {session} --count 4 --out @x.json"))
        .contains("but this key belongs to"));
    signs(&d, &poor, &format!("settlement {session} --count 4 --out @settlement.json"));
    assert!(altered(&d, "settlement.json", |m| m["message"]["count"] = json!(5)).contains("not its signer's"));
    let paid = d.run(OLGA, "relay @settlement.json");
    assert_eq!(
        (&paid["relayed"][0]["paid"], &paid["relayed"][0]["amount"]),
        (&json!(4), &json!((4 * PRICE).to_string()))
    );
    assert!(d.fails(OLGA, "relay @settlement.json").contains("4 queries of session"));
    let output = d.command(&poor, &format!("chain sign settlement {session} --count 4 --out x")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("are already paid"));
    assert_eq!(d.w.chain.balance(client).await.unwrap(), U256::ZERO);
}
