//! Transactions in difficult conditions: many at once, a stuck fee, a reorganised chain, a node that drops answers.
//! Each is always mined exactly once.

use std::time::Duration;

use crate::proxy::{Proxy, Quirk, Reply, SEND};
use alloy::primitives::{Address, B256};
use tribute_chain::{Chain, ChainError, Contracts, Options, Wallet, U256};
use tribute_core::id::AgentId;
use tribute_testing::chain::{assert_paid_once, World};
use tribute_testing::wait_until;

fn brisk() -> Options {
    Options { bump_after: Duration::from_millis(1_500), receipt_timeout: Duration::from_secs(30), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_sends_use_each_nonce_once() {
    let w = World::new().await;
    let before = w.chain.mined_nonce(w.ada.address()).await.unwrap();
    let mut sends = tokio::task::JoinSet::new();
    for i in 0..25u64 {
        // two wallets of one key share its nonce
        let wallet = if i % 2 == 0 { w.ada.clone() } else { Wallet::new(&w.chain, w.ada.signer().clone()) };
        let call = w.contracts.create_agent(B256::with_last_byte(i as u8), "");
        sends.spawn(async move { call.send(&wallet).await.unwrap().event });
    }
    let ids: std::collections::BTreeSet<AgentId> = sends.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 25);
    assert_eq!(w.chain.mined_nonce(w.ada.address()).await.unwrap(), before + 25);
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_used_elsewhere_is_noticed() {
    let w = World::new().await;
    w.contracts.create_agent(B256::ZERO, "").send(&w.ada).await.unwrap();
    // another program with the same key
    let elsewhere = Chain::connect(w.anvil.url()).await.unwrap();
    let other = Wallet::new(&elsewhere, w.ada.signer().clone());
    other.send_coin(w.ben.address(), U256::from(1)).await.unwrap();
    w.contracts.create_agent(B256::ZERO, "").send(&w.ada).await.unwrap();
    other.send_coin(w.ben.address(), U256::from(1)).await.unwrap();
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_told_before_sending() {
    let w = World::with(Options::default()).await;
    let tight = Options { gas_cap: 30_000, ..Options::default() };
    let chain = Chain::connect_with(w.anvil.url(), tight).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    let wallet = Wallet::new(&chain, w.ada.signer().clone());
    let error = contracts.create_agent(B256::ZERO, "").send(&wallet).await.unwrap_err();
    assert!(matches!(error, ChainError::GasAboveCap { cap: 30_000, .. }), "{error}");

    let poor = Wallet::new(&w.chain, tribute_chain::PrivateKeySigner::random());
    let error = w.contracts.create_agent(B256::ZERO, "").send(&poor).await.unwrap_err();
    assert!(matches!(error, ChainError::InsufficientFunds { .. }), "{error}");
    assert!(error.to_string().contains(&poor.address().to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_claim_is_sent_again_with_a_higher_fee_and_paid_once() {
    let w = World::with(brisk()).await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let claim = w.contracts.claim(&[w.batch(&c, &[(session, 7)]).await]);
    // blocks are mined on request only, and the next one has a base fee beyond the first offer and the first few raises of it
    w.chain.set_automine(false).await.unwrap();
    let wallet = w.olga.clone();
    let sending = tokio::spawn(async move { claim.send(&wallet).await });
    // asked once: while one version replaces another, the pool may be empty
    let mut offered = Vec::new();
    wait_until("the claim", async || {
        offered = pending_fees(&w).await;
        !offered.is_empty()
    })
    .await;
    assert_eq!(offered.len(), 1, "the claim waits");
    let more = 2 * offered[0];
    let base_fee = (U256::from(more),);
    w.chain.request::<_, serde_json::Value>("anvil_setNextBlockBaseFeePerGas", base_fee).await.unwrap();
    w.chain.mine(1).await.unwrap();
    assert_eq!(w.contracts.session(&session).await.unwrap().count, 0, "the first offer is too low");
    // a version with higher fees replaces it
    let mut bumped = Vec::new();
    wait_until("a higher offer", async || {
        bumped = pending_fees(&w).await;
        bumped.iter().any(|fee| *fee > more)
    })
    .await;
    assert_eq!(bumped.len(), 1, "{bumped:?}");
    w.chain.set_automine(true).await.unwrap();
    w.chain.mine(1).await.unwrap();
    let done = sending.await.unwrap().unwrap();
    assert_eq!(done.event.sessions.len(), 1);
    assert_paid_once(&w, &c, &session).await;
}

/// Fees per gas of each pending transaction.
async fn pending_fees(w: &World) -> Vec<u128> {
    let pool: serde_json::Value = w.chain.request("txpool_content", ()).await.unwrap();
    let accounts = pool["pending"].as_object().unwrap().values().chain(pool["queued"].as_object().unwrap().values());
    let fee = |tx: &serde_json::Value| {
        u128::from_str_radix(tx["maxFeePerGas"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    accounts.flat_map(|by_nonce| by_nonce.as_object().unwrap().values().map(fee).collect::<Vec<_>>()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_block_is_reorganised_away_is_paid_once() {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let batch = w.batch(&c, &[(session, 7)]).await;
    let careful = Options { confirmations: 3, ..brisk() };
    let chain = Chain::connect_with(w.anvil.url(), careful).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    let wallet = Wallet::new(&chain, w.olga.signer().clone());
    let mut sending = tokio::spawn(async move { contracts.claim(std::slice::from_ref(&batch)).send(&wallet).await });
    let mut mined = async || {
        assert!(!sending.is_finished(), "given up: {:?}", (&mut sending).await);
        w.contracts.session(&session).await.unwrap().count == 7
    };
    wait_until("the claim's block, which is not confirmed yet", &mut mined).await;
    let first_block = w.chain.block_number().await.unwrap();
    w.chain.reorganise(1).await.unwrap();
    wait_until("the claim, sent again after the reorganisation", mined).await;
    w.chain.mine(3).await.unwrap();
    let done = sending.await.unwrap().unwrap();
    assert!(done.sent.block > first_block, "its first block is an empty one now");
    assert_eq!(w.chain.receipt(done.sent.tx).await.unwrap().unwrap().block_hash, Some(done.sent.block_hash));
    assert_paid_once(&w, &c, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_goes_on_after_a_reorganisation_took_its_last_transaction() {
    let w = World::new().await;
    w.contracts.create_agent(B256::ZERO, "").send(&w.ada).await.unwrap();
    w.chain.reorganise(1).await.unwrap();
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 0);
    w.contracts.create_agent(B256::ZERO, "").send(&w.ada).await.unwrap();
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 1);
}

async fn claim_through(quirk: Quirk, method: &str) {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let batch = w.batch(&c, &[(session, 7)]).await;
    let nonce = w.chain.mined_nonce(w.olga.address()).await.unwrap();
    let proxy = Proxy::start(w.anvil.url(), quirk).await;
    let impatient = Options { request_timeout: Duration::from_secs(1), ..brisk() };
    let chain = Chain::connect_with(&proxy.url, impatient).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    let wallet = Wallet::new(&chain, w.olga.signer().clone());
    let done = contracts.claim(std::slice::from_ref(&batch)).send(&wallet).await.unwrap();
    assert_eq!(done.sent.status, 1);
    assert!(proxy.count(method) >= 1, "the proxy did its worst");
    assert_eq!(w.chain.mined_nonce(w.olga.address()).await.unwrap(), nonce + 1);
    assert_paid_once(&w, &c, &session).await;
    // and the wallet continues
    contracts.create_agent(B256::ZERO, "").send(&wallet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_paid_once() {
    claim_through(Quirk::on_send(2, |_| Reply::Close), SEND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_never_arrived_is_sent_again_and_paid_once() {
    claim_through(Quirk::before(|p| (p.method == SEND && p.before < 2).then_some(Reply::Close)), SEND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_at_a_node_that_hangs_is_paid_once() {
    claim_through(Quirk::on_send(2, |_| Reply::Hang), SEND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_answered_with_nonsense_is_paid_once() {
    claim_through(Quirk::on_send(2, |_| Reply::text(200, "teapot")), SEND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_somebody_elses_transaction_is_not_believed() {
    let method = "eth_getTransactionReceipt";
    let forging = Quirk::after(move |p, answer| {
        if p.method == method && p.before < 2 && !answer["result"].is_null() {
            answer["result"]["from"] = serde_json::json!(Address::ZERO);
        }
        None
    });
    claim_through(forging, method).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_mines_nothing_is_given_up_with_the_hashes() {
    let patience = Options { receipt_timeout: Duration::from_millis(1_200), ..Options::default() };
    let w = World::with(patience).await;
    w.chain.set_automine(false).await.unwrap();
    let error = w.contracts.create_agent(B256::ZERO, "").send(&w.ada).await.unwrap_err();
    let ChainError::NotMined { open, .. } = &error else { panic!("{error}") };
    assert_eq!((open.transactions.len(), open.nonce), (1, 0));
    assert!(error.to_string().contains("may still be mined"), "{error}");
    w.chain.mine(1).await.unwrap();
    assert!(w.chain.receipt(open.transactions[0]).await.unwrap().unwrap().status);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_meanwhile_is_told_with_the_hashes() {
    let patience = Options { receipt_timeout: Duration::from_secs(2), ..Options::default() };
    let w = World::with(patience).await;
    w.chain.set_automine(false).await.unwrap();
    let (wallet, call) = (w.ada.clone(), w.contracts.create_agent(B256::ZERO, ""));
    let sending = tokio::spawn(async move { call.send(&wallet).await });
    wait_until("the transaction", async || w.chain.pending_nonce(w.ada.address()).await.unwrap() > 0).await;
    let World { anvil, .. } = w;
    tokio::task::spawn_blocking(move || anvil.stop()).await.unwrap();
    let error = sending.await.unwrap().unwrap_err();
    let ChainError::NotMined { open, cause, .. } = &error else { panic!("{error}") };
    assert_eq!(open.transactions.len(), 1);
    assert!(cause.as_ref().is_some_and(|c| c.contains("no chain answers")), "{error}");
}
