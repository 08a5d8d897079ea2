//! Transactions under trouble: many at once, a stuck fee, a reorganised chain, a node that swallows answers. Whatever
//! happens, each is mined exactly once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{assert_paid_once, World};
use alloy::primitives::B256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tribute_chain::{Chain, ChainError, Contracts, Options, Wallet, U256};

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
        let call = w.contracts.create_agent(B256::with_last_byte(i as u8));
        sends.spawn(async move { call.send(&wallet).await.unwrap().event.agentId });
    }
    let ids: std::collections::BTreeSet<B256> = sends.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 25);
    assert_eq!(w.chain.mined_nonce(w.ada.address()).await.unwrap(), before + 25);
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_used_elsewhere_is_noticed() {
    let w = World::new().await;
    w.contracts.create_agent(B256::ZERO).send(&w.ada).await.unwrap();
    // another program with the same key
    let elsewhere = Chain::connect(w.anvil.url()).await.unwrap();
    let other = Wallet::new(&elsewhere, w.ada.signer().clone());
    other.send_coin(w.ben.address(), U256::from(1)).await.unwrap();
    w.contracts.create_agent(B256::ZERO).send(&w.ada).await.unwrap();
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
    let error = contracts.create_agent(B256::ZERO).send(&wallet).await.unwrap_err();
    assert!(matches!(error, ChainError::GasAboveCap { cap: 30_000, .. }), "{error}");

    let poor = Wallet::new(&w.chain, tribute_chain::PrivateKeySigner::random());
    let error = w.contracts.create_agent(B256::ZERO).send(&poor).await.unwrap_err();
    assert!(matches!(error, ChainError::InsufficientFunds { .. }), "{error}");
    assert!(error.to_string().contains(&poor.address().to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_claim_is_sent_again_with_a_higher_fee_and_paid_once() {
    let w = World::with(brisk()).await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let claim = w.contracts.claim(vec![w.batch(&c, &[(session, 7)]).await]);
    // blocks come only when asked for, and the next one asks for more than the first offer
    w.chain.set_automine(false).await.unwrap();
    let wallet = w.olga.clone();
    let sending = tokio::spawn(async move { claim.send(&wallet).await });
    tokio::time::sleep(Duration::from_millis(600)).await;
    let offered = pending_fees(&w).await;
    assert_eq!(offered.len(), 1, "the claim waits");
    let more = U256::from(offered[0] + 1);
    w.chain.request::<_, serde_json::Value>("anvil_setNextBlockBaseFeePerGas", (more,)).await.unwrap();
    w.chain.mine(1).await.unwrap();
    assert_eq!(w.contracts.session(session).await.unwrap().count, 0, "the first offer is too low");
    // a dearer version replaces it
    let mut bumped = Vec::new();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bumped = pending_fees(&w).await;
        if bumped.iter().any(|fee| *fee > offered[0]) {
            break;
        }
    }
    assert_eq!(bumped.len(), 1, "{bumped:?}");
    assert!(bumped[0] * 100 >= offered[0] * 110, "{bumped:?} after {offered:?}");
    w.chain.set_automine(true).await.unwrap();
    w.chain.mine(1).await.unwrap();
    let done = sending.await.unwrap().unwrap();
    assert_eq!(done.event.sessions.len(), 1);
    assert_paid_once(&w, &c, session).await;
}

/// What each waiting transaction offers per gas.
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
    let sending = tokio::spawn(async move { contracts.claim(vec![batch]).send(&wallet).await });
    let mut mined = false;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        mined = w.contracts.session(session).await.unwrap().count == 7;
        if mined {
            break;
        }
    }
    assert!(mined && !sending.is_finished(), "mined, and waiting for confirmations");
    let first_block = w.chain.block_number().await.unwrap();
    w.chain.reorganise(1).await.unwrap();
    let mut again = false;
    for _ in 0..200 {
        again = w.contracts.session(session).await.unwrap().count == 7;
        if again {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(again, "sent again after the reorganisation");
    w.chain.mine(3).await.unwrap();
    let done = sending.await.unwrap().unwrap();
    assert!(done.sent.block > first_block, "its first block is an empty one now");
    assert_eq!(w.chain.receipt(done.sent.tx).await.unwrap().unwrap().block_hash, Some(done.sent.block_hash));
    assert_paid_once(&w, &c, session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_goes_on_after_a_reorganisation_took_its_last_transaction() {
    let w = World::new().await;
    w.contracts.create_agent(B256::ZERO).send(&w.ada).await.unwrap();
    w.chain.reorganise(1).await.unwrap();
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 0);
    w.contracts.create_agent(B256::ZERO).send(&w.ada).await.unwrap();
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 1);
}

/// How a proxy between client and node mistreats `eth_sendRawTransaction`.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The node takes it, its answer is lost.
    AnswerLost,
    /// It never reaches the node.
    RequestLost,
    /// It reaches the node; the connection stays open without an answer.
    Hangs,
    /// It reaches the node; the answer is no JSON-RPC.
    Nonsense,
    /// It reaches the node; asked for its receipt, the node gives that of another transaction.
    OtherReceipt,
}

impl Fault {
    fn method(self) -> &'static str {
        match self {
            Fault::OtherReceipt => "eth_getTransactionReceipt",
            _ => "eth_sendRawTransaction",
        }
    }
}

/// A proxy to the node that mistreats the first `times` transactions.
async fn faulty(node: &str, fault: Fault, times: usize) -> (String, Arc<AtomicUsize>) {
    let node = node.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let faults = Arc::new(AtomicUsize::new(0));
    let counter = faults.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (node, counter) = (node.clone(), counter.clone());
            tokio::spawn(async move { pass_on(client, &node, fault, times, &counter).await });
        }
    });
    (url, faults)
}

/// Serves one connection, request by request.
async fn pass_on(mut client: TcpStream, node: &str, fault: Fault, times: usize, faults: &AtomicUsize) -> Option<()> {
    let mut upstream = TcpStream::connect(node).await.ok()?;
    loop {
        let request = message(&mut client).await?;
        let text = String::from_utf8_lossy(&request);
        let spoil = text.contains(fault.method()) && faults.load(Ordering::SeqCst) < times;
        if spoil {
            faults.fetch_add(1, Ordering::SeqCst);
            if fault == Fault::RequestLost {
                return None;
            }
        }
        upstream.write_all(&request).await.ok()?;
        let answer = message(&mut upstream).await?;
        if spoil && fault == Fault::Nonsense {
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nteapot").await.ok()?;
            continue;
        }
        if spoil && fault == Fault::OtherReceipt {
            // one digit of the sender: the same length
            let answer = String::from_utf8_lossy(&answer);
            let at = answer.find("\"from\":\"0x").map_or(0, |at| at + 10);
            let (head, tail) = answer.split_at(at);
            let digit = if tail.starts_with('0') { "1" } else { "0" };
            let forged = [head, digit, tail.get(1..).unwrap_or_default()].concat();
            client.write_all(forged.as_bytes()).await.ok()?;
            continue;
        }
        if spoil {
            if fault == Fault::Hangs {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            return None; // the connection breaks before the answer
        }
        client.write_all(&answer).await.ok()?;
    }
}

/// One HTTP message with its body.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        let mut part = [0; 16_384];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
    }
}

async fn claim_through(fault: Fault) {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let batch = w.batch(&c, &[(session, 7)]).await;
    let nonce = w.chain.mined_nonce(w.olga.address()).await.unwrap();
    let (url, faults) = faulty(w.anvil.url(), fault, 2).await;
    let impatient = Options { request_timeout: Duration::from_secs(1), ..brisk() };
    let chain = Chain::connect_with(&url, impatient).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    let wallet = Wallet::new(&chain, w.olga.signer().clone());
    let done = contracts.claim(vec![batch]).send(&wallet).await.unwrap();
    assert_eq!(done.sent.status, 1);
    assert!(faults.load(Ordering::SeqCst) >= 1, "the proxy did its worst");
    assert_eq!(w.chain.mined_nonce(w.olga.address()).await.unwrap(), nonce + 1);
    assert_paid_once(&w, &c, session).await;
    // and the wallet goes on
    contracts.create_agent(B256::ZERO).send(&wallet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_paid_once() {
    claim_through(Fault::AnswerLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_never_arrived_is_sent_again_and_paid_once() {
    claim_through(Fault::RequestLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_at_a_node_that_hangs_is_paid_once() {
    claim_through(Fault::Hangs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_answered_with_nonsense_is_paid_once() {
    claim_through(Fault::Nonsense).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_somebody_elses_transaction_is_not_believed() {
    claim_through(Fault::OtherReceipt).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_mines_nothing_is_given_up_with_the_hashes() {
    let patience = Options { receipt_timeout: Duration::from_millis(1_200), ..Options::default() };
    let w = World::with(patience).await;
    w.chain.set_automine(false).await.unwrap();
    let error = w.contracts.create_agent(B256::ZERO).send(&w.ada).await.unwrap_err();
    let ChainError::NotMined { transactions, nonce, .. } = &error else { panic!("{error}") };
    assert_eq!((transactions.len(), *nonce), (1, 0));
    assert!(error.to_string().contains("may still be mined"), "{error}");
    w.chain.mine(1).await.unwrap();
    assert!(w.chain.receipt(transactions[0]).await.unwrap().unwrap().status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_meanwhile_is_told_with_the_hashes() {
    let patience = Options { receipt_timeout: Duration::from_secs(2), ..Options::default() };
    let w = World::with(patience).await;
    w.chain.set_automine(false).await.unwrap();
    let (wallet, call) = (w.ada.clone(), w.contracts.create_agent(B256::ZERO));
    let sending = tokio::spawn(async move { call.send(&wallet).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let World { anvil, .. } = w;
    tokio::task::spawn_blocking(move || anvil.stop()).await.unwrap();
    let error = sending.await.unwrap().unwrap_err();
    let ChainError::NotMined { transactions, cause, .. } = &error else { panic!("{error}") };
    assert_eq!(transactions.len(), 1);
    assert!(cause.as_ref().is_some_and(|c| c.contains("no chain answers")), "{error}");
}
