//! Agreed weights: signed and paid by; and an owner who refuses. `value.rs` has them from a valuation on.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{json, Value};
use tribute_chain::weight_messages::{WeightDraft, WeightMessage};
use tribute_chain::weights::Proposal;
use tribute_chain::{Address, PrivateKeySigner, B256, U256};
use tribute_core::digest::Digest;
use tribute_core::id::DatasetId;
use tribute_core::valuation::weights::ONE;
use tribute_testing::chain::{Certified, CONTRIBUTIONS, DATA_BPS, PRICE};

use crate::onchain::desk::{hexed, Desk, ADA, ADMIN, BEN, CLEO, OLGA};

/// Weights of Ada's and Ben's datasets for the round that is open. The contracts check no valuation, only its digest.
async fn proposed(
    d: &Desk,
    c: &Certified,
    weights: [u64; 2],
    attester: Option<Address>,
    test_set: Option<DatasetId>,
) -> Proposal {
    let round = d.w.contracts.paying(&c.agent, c.version).await.unwrap().round;
    let weights = c.datasets.into_iter().zip(weights).collect();
    let proposal =
        Proposal { agent: c.agent, version: c.version, round, weights, valuation: [7; 32], test_set, attester };
    d.write("weights.json", &file(&proposal));
    proposal
}

/// The file that `propose-weights` writes.
fn file(p: &Proposal) -> Value {
    let one = |(id, weight): &(DatasetId, u64)| json!({ "dataset_id": id, "weight": weight.to_string() });
    json!({
        "format": "tribute-weights/1", "agent_id": p.agent, "version": p.version, "round": p.round,
        "weights": p.weights.iter().map(one).collect::<Vec<_>>(), "valuation": hexed(&p.valuation),
        "test_set": p.test_set, "attester": p.attester,
    })
}

/// The file that `sign attest-weights` writes, if the attester's valuation holds.
async fn attests(d: &Desk, proposal: &Proposal, nonce: u64) {
    let (w, deadline) = (&d.w, d.w.chain.time().await.unwrap() + 86_400);
    let message = WeightMessage::Attest(proposal.clone());
    let statement = message.statement();
    let key = &w.anvil.keys()[9];
    let draft = WeightDraft { signer: key.address(), nonce: U256::from(nonce), deadline, message };
    let signed = draft.sign(key, &w.contracts.weights_domain()).unwrap();
    let deployment = w.contracts.deployment();
    let value = json!({
        "format": "tribute-message/1", "chain_id": deployment.chain_id,
        "contract": deployment.agreed_weights.address, "signer": key.address(), "nonce": nonce.to_string(),
        "deadline": deadline, "signature": signed.signature,
        "message": { "kind": "attest-weights", "statement": statement, "weights": file(proposal) },
    });
    d.write("attest.json", &value);
}

/// Claims ten queries; returns what they bring to data.
async fn earn(d: &Desk, c: &Certified) -> u128 {
    let session = d.w.open(&d.w.cleo, c).await;
    let batch = d.w.batch(c, &[(session, 10)]).await;
    d.w.contracts.claim(&[batch]).send(&d.w.olga).await.unwrap();
    10 * PRICE * u128::from(DATA_BPS) / 10_000
}

async fn due(d: &Desk, c: &Certified, which: usize) -> u128 {
    d.w.contracts.provider_due(&c.agent, c.version, &c.datasets[which]).await.unwrap().to()
}

/// A dataset's part of an amount, by shares.
fn share(amount: u128, which: usize) -> u128 {
    amount * u128::from(CONTRIBUTIONS[which]) / u128::from(CONTRIBUTIONS[0] + CONTRIBUTIONS[1])
}

/// Signs as an account without coin.
fn signs(d: &Desk, account: usize, arguments: &str) -> String {
    let output = d.output(account, &format!("chain sign {arguments}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_sign_a_valuation_and_are_paid_by_it() {
    let d = Desk::new().await;
    let c = d.w.certified().await;
    let (ben, agent) = (c.datasets[1], c.agent);
    let before = earn(&d, &c).await;
    assert_eq!(d.run(CLEO, &format!("weights {agent}"))["pays_by"], "shares");

    proposed(&d, &c, [ONE / 4, ONE / 4 * 3], None, None).await;
    for checked in ["propose-weights", "sign agree-weights @weights.json", "sign attest-weights @weights.json"] {
        let refused = d.fails(ADA, &format!("{checked} --valuation @weights.json --out @x.json"));
        assert!(refused.contains("weights.json is refused"), "{refused}");
    }

    let said = signs(&d, ADA, "agree-weights @weights.json --out @ada.json");
    assert!(
        said.contains("If I asked for a least share, this replaces it") && said.contains("66.666666 % now"),
        "{said}"
    );
    assert!(d.fails(CLEO, "sign agree-weights @weights.json --out @x.json").contains("owns none of"));
    // one owner's signature is not enough, nor is it twice
    assert!(d.fails(ADMIN, "install-weights @ada.json").contains(&format!("all must: {ben}")));
    assert!(d.fails(ADMIN, "relay @ada.json").contains("tribute chain install-weights"));
    signs(&d, BEN, "agree-weights @weights.json --out @ben.json");
    let mut altered: Value = serde_json::from_slice(&std::fs::read(d.file("ben.json")).unwrap()).unwrap();
    altered["message"]["weights"]["weights"][0]["weight"] = json!("250000000000000001");
    d.write("altered.json", &altered);
    assert!(d.fails(ADMIN, "install-weights @altered.json @ada.json").contains("about other weights"));
    altered["message"]["statement"] = json!("I agree to nothing.");
    d.write("altered.json", &altered);
    assert!(d.fails(ADMIN, "install-weights @altered.json").contains("is not what such a message says"));

    // by anybody: in two transactions they wait, and what waits is shown; in one they are in force
    let states = |done: &Value| -> Vec<Value> {
        done["installed"].as_array().unwrap().iter().map(|sent| sent["state"].clone()).collect()
    };
    let done = d.run(ADMIN, "install-weights @ben.json @ada.json --batch 1");
    assert_eq!(states(&done), ["incomplete", "waits"]);
    let shown = d.run(CLEO, &format!("weights {agent}"));
    assert_eq!((&shown["pays_by"], &shown["round"]), (&json!("shares"), &json!(1)));
    assert_eq!(shown["datasets"][1]["waiting_weight"], json!("750000000000000000"));
    assert!(shown["waiting"]["valuation"].as_str().unwrap().starts_with("0x"));
    let done = d.run(ADMIN, "install-weights @ben.json @ada.json");
    assert_eq!(states(&done), ["in-force"]);
    let shown = d.run(CLEO, &format!("weights {agent}"));
    assert_eq!(
        (&shown["pays_by"], &shown["changes"], &shown["round"]),
        (&json!("agreed weights"), &json!(1), &json!(2))
    );
    assert_eq!(shown["in_force"]["earned_for_data_before"], json!(before.to_string()));
    assert_eq!(shown["datasets"][1]["weight"], json!("750000000000000000"));
    // the same signatures are void afterwards: they were for the first round
    assert_eq!(d.run(ADMIN, "install-weights @ben.json @ada.json")["installed"], json!([]));

    // earned by shares before, by weights since
    let later = earn(&d, &c).await;
    assert_eq!(due(&d, &c, 0).await, share(before, 0) + later / 4);
    assert_eq!(due(&d, &c, 1).await, share(before, 1) + later * 3 / 4);
    d.run(ADA, "withdraw");
    assert_eq!(d.w.balance(d.address(ADA)).await, U256::from(share(before, 0) + later / 4));

    // the books say so
    let status = d.run(CLEO, "status");
    assert_eq!(status["money"]["events_agree"], true);
    d.run(CLEO, "export --out @audit");
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(d.file("audit/weights.json")).unwrap()).unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["proposed", "signed", "signed", "waiting", "signed", "signed", "in-force"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attester_signs_for_owners_who_accepted_it_and_one_objects() {
    let d = Desk::new().await;
    let c = d.w.certified().await;
    let ([ada, ben], agent, olga, attester) = (c.datasets, c.agent, d.address(OLGA), d.address(9));
    let tests = d.w.register(&d.w.cleo, "test set", 100).await;
    let terms = format!("--to {olga} --attester {attester} --test-set {tests}");
    d.run(ADA, &format!("accept-valuations {ada} {terms}"));
    assert!(d.fails(ADA, &format!("accept-valuations {ben} {terms}")).contains("NotDatasetOwner"));
    // Ben has no coin for it
    signs(&d, BEN, &format!("accept-valuations {ben} {terms} --out @accept.json"));
    d.run(ADMIN, "relay @accept.json");
    assert!(d.fails(ADMIN, "relay @accept.json").contains("was used or taken back"));
    let shown = d.run(CLEO, &format!("weights {agent}"));
    assert_eq!(shown["datasets"][1]["accepts_attester"], json!(attester));

    let proposal = proposed(&d, &c, [ONE / 10 * 9, ONE / 10], Some(attester), Some(tests)).await;
    attests(&d, &proposal, 1).await;
    let done = d.run(ADMIN, "install-weights @attest.json");
    assert_eq!(done["installed"][0]["state"], "waits");
    assert!(d.fails(ADMIN, &format!("enforce-weights {agent}")).contains("StillChallengeable"));

    // Ben refuses, by a message: shares stay, also for what is earned afterwards
    signs(&d, BEN, &format!("object-weights {agent} --dataset {ben} --out @object.json"));
    d.run(ADMIN, "relay @object.json");
    d.w.chain.advance_time(61).await.unwrap();
    assert!(d.fails(ADMIN, &format!("enforce-weights {agent}")).contains("NothingWaits"));
    let earned = earn(&d, &c).await;
    assert_eq!((due(&d, &c, 0).await, due(&d, &c, 1).await), (share(earned, 0), share(earned, 1)));
    assert!(d.fails(ADMIN, "install-weights @attest.json").contains("the current round is 2"));

    // his acceptance no longer counts, so he would have to sign; then the period passes
    let proposal = proposed(&d, &c, [ONE / 10 * 9, ONE / 10], Some(attester), Some(tests)).await;
    attests(&d, &proposal, 2).await;
    assert!(d.fails(ADMIN, "install-weights @attest.json").contains("NoConsent"));
    signs(&d, BEN, "agree-weights @weights.json --out @ben.json");
    let done = d.run(ADMIN, "install-weights @ben.json @attest.json");
    let until = done["installed"][0]["until"].as_u64().unwrap();
    d.w.chain.advance_time(61).await.unwrap();
    assert!(d.w.chain.time().await.unwrap() >= until);
    let late = d.fails(ADA, &format!("object-weights {agent} --dataset {ada}"));
    assert!(late.contains("ChallengeOver"), "{late}");
    d.run(CLEO, &format!("enforce-weights {agent}"));
    let later = earn(&d, &c).await;
    assert_eq!(due(&d, &c, 1).await, share(earned, 1) + later / 10);

    // nonces of these messages are their own
    signs(&d, BEN, &format!("object-weights {agent} --dataset {ben} --nonce 77 --out @object.json"));
    d.run(BEN, "cancel-nonce 77 --weights");
    assert!(d.fails(ADMIN, "relay @object.json").contains("nonce 77 was used or taken back"));
    d.run(ADA, &format!("accept-valuations {ada} --to {olga} --withdraw"));
    assert_eq!(d.run(CLEO, &format!("weights {agent}"))["datasets"][0]["accepts_attester"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_has_one_draw_and_everybody_sees_how_often_it_was_tried() {
    let d = Desk::new().await;
    let c = d.w.certified().await;
    let (agent, chain) = (c.agent, &d.w.chain);
    let tests = d.w.register(&d.w.cleo, "test set", 100).await;
    let commit = format!("commit-valuation {agent} --test-set {tests} --permutations");
    let refused = |account: usize, arguments: &str, what: &str| {
        let refused = d.fails(account, arguments);
        assert!(refused.contains(what), "{refused}");
    };
    refused(CLEO, &format!("beacon {agent}"), "was committed to");
    refused(ADA, &format!("{commit} 100"), "NotAgentOwner");
    refused(OLGA, &format!("{commit} 29"), "29 is not in 30..=4096");
    // what is for good should not be for nothing
    let own = d.w.register(&d.w.ada, "test set of Ada's", 100).await;
    let on_own = format!("commit-valuation {agent} --test-set {own} --permutations 100");
    refused(OLGA, &on_own, "owns or registered the test set");

    let done = d.run(OLGA, &format!("{commit} 100"));
    let block = done["block"].as_u64().unwrap();
    assert_eq!((&done["attempt"], block), (&json!(1), chain.block_number().await.unwrap() + 100));
    assert_eq!(done["most_coalitions"], 2, "of two owners each alone");
    refused(OLGA, &format!("{commit} 100"), "AlreadyCommitted");
    refused(OLGA, &format!("{commit} 200"), "AlreadyCommitted");

    // nobody fixes it while the chain knows the block, here without a history of hashes
    let history = "0x0000F90827F1C53a10cb7A02335B175320002935";
    let _: Value = chain.request("anvil_setCode", (history, "0x")).await.unwrap();
    chain.mine(357).await.unwrap();
    refused(CLEO, &format!("beacon {agent}"), "DrawLapsed");
    refused(OLGA, &format!("{commit} 200"), "OtherCommitment");
    let done = d.run(OLGA, &format!("{commit} 100"));
    assert_eq!(done["attempt"], 2);
    let shown = d.run(CLEO, &format!("weights {agent}"));
    assert_eq!((&shown["draw"]["attempts"], &shown["draw"]["beacon"]), (&json!(2), &Value::Null));
    assert_eq!(shown["other_draws"], json!([]));

    // by anybody, and the same for everybody; who asks too early waits
    chain.mine(99).await.unwrap();
    let mut command = d.command(&d.w.anvil.keys()[CLEO], &format!("chain beacon {agent} --json"));
    let mut waiting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    assert!(said.by_ref().any(|line| line.unwrap().contains("waiting for the block after")), "it does not wait");
    assert!(waiting.try_wait().unwrap().is_none());
    chain.mine(2).await.unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let fixed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let draw = d.w.contracts.draw(&agent, c.version).await.unwrap().unwrap();
    assert_eq!(fixed["beacon"], hexed(&draw.beacon.unwrap()));
    assert!(fixed["tx"]["tx"].is_string() && fixed["permutations"] == 100, "{fixed}");
    let again = d.run(BEN, &format!("beacon {agent}"));
    assert!(again["beacon"] == fixed["beacon"] && again["tx"] == Value::Null, "{again}");
    refused(OLGA, &format!("{commit} 100"), "AlreadyCommitted");
    assert_eq!(d.run(CLEO, &format!("weights {agent}"))["draw"]["beacon"], fixed["beacon"]);
    d.run(CLEO, "export --out @audit");
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(d.file("audit/weights.json")).unwrap()).unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["valuation-committed", "valuation-committed", "beacon-fixed"]);

    // another version over the same data has a draw of its own, and readers are told
    let first = c.version;
    let second = d.w.certify(&agent, c.datasets).await;
    let others = |version: u32| d.run(CLEO, &format!("weights {agent} --version {version}"))["other_draws"].clone();
    assert_eq!([first, second].map(others), [json!([]), json!([first])]);
    d.run(OLGA, &format!("{commit} 100 --version {second}"));
    assert_eq!([first, second].map(others), [json!([second]), json!([first])]);
}

/// The client signs exactly what the contract checks, in every kind of message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_have_the_contracts_digests() {
    use tribute_chain::abi::IAgreedWeights as Abi;
    let d = Desk::new().await;
    let (w, c) = (&d.w, d.w.certified().await);
    let [ada, ben] = c.datasets;
    let (attester, olga) = (d.address(9), d.address(OLGA));
    let proposal = Proposal {
        agent: c.agent,
        version: c.version,
        round: 1,
        weights: vec![(ada, 1), (ben, ONE - 1)],
        valuation: [7; 32],
        test_set: Some(ada),
        attester: Some(attester),
    };
    let word = |id: &[u8; 32]| B256::new(*id);
    let at = w.contracts.deployment().agreed_weights.address;
    let domain = w.contracts.weights_domain();
    let key = PrivateKeySigner::random();
    let (nonce, deadline) = (U256::from(5), U256::from(99));
    let signed = |message: WeightMessage| -> Digest {
        WeightDraft { signer: key.address(), nonce, deadline: 99, message }.digest(&domain)
    };
    let abi = Abi::Proposal {
        agentId: word(c.agent.as_bytes()),
        version: c.version,
        round: 1,
        datasetIds: vec![word(ada.as_bytes()), word(ben.as_bytes())],
        weights: vec![1, ONE - 1],
        valuation: B256::new([7; 32]),
        testSet: word(ada.as_bytes()),
        attester,
    };
    let call = Abi::agreeDigestCall { proposal: abi.clone(), index: U256::from(1), nonce, deadline };
    assert_eq!(signed(WeightMessage::Agree(proposal.clone(), 1)), w.chain.read(at, &call).await.unwrap().0);
    let call = Abi::attestDigestCall { proposal: abi, nonce, deadline };
    assert_eq!(signed(WeightMessage::Attest(proposal)), w.chain.read(at, &call).await.unwrap().0);
    for grantee in [None, Some(olga)] {
        let call = Abi::acceptValuationsDigestCall {
            datasetId: word(ada.as_bytes()),
            grantee: grantee.unwrap_or_default(),
            attester,
            testSet: word(ben.as_bytes()),
            nonce,
            deadline,
        };
        let message = WeightMessage::Accept { dataset: ada, grantee, serial: 1, accepted: Some((attester, ben)) };
        assert_eq!(signed(message), w.chain.read(at, &call).await.unwrap().0);
    }
    let call = Abi::objectDigestCall {
        agentId: word(c.agent.as_bytes()),
        version: c.version,
        round: 3,
        datasetId: word(ben.as_bytes()),
        nonce,
        deadline,
    };
    let message = WeightMessage::Object { agent: c.agent, version: c.version, round: 3, dataset: ben };
    assert_eq!(signed(message), w.chain.read(at, &call).await.unwrap().0);
}
