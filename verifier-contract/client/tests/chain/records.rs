//! Records of processes that died, and processes that send at the same time.

use std::path::Path;
use std::time::Duration;

use crate::payer::{payment, Payer, RECEIVER};
use crate::proxy::{Quirk, Reply, SEND};
use serde_json::{json, Value};
use tribute_chain::{Address, Anvil, ChainError, Message, Wallet, U256};
use tribute_testing::wait_until;

/// A process that dies as soon as the node has its transaction.
pub(crate) async fn dies_after_sending(payer: &Payer, message: &Message, nonce: u64) {
    let wallet = payer.process(payer.anvil.url()).await;
    let message = message.clone();
    let sending = tokio::spawn(async move { wallet.send(&message).await });
    wait_until("the transaction", async || payer.node.pending_nonce(payer.address()).await.unwrap() > nonce).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
}

/// A payer whose process died after sending one wei, and whose node lost that transaction and mines only on request.
pub(crate) async fn left_and_lost() -> Payer {
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    dies_after_sending(&payer, &payment(1), 0).await;
    forget_mempool(&payer).await;
    payer
}

async fn forget_mempool(payer: &Payer) {
    payer.node.request::<_, Value>("anvil_dropAllTransactions", ()).await.unwrap();
    assert_eq!(payer.node.pending_nonce(payer.address()).await.unwrap(), 0);
}

fn records(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|e| e.path().extension().is_some_and(|e| e == "json")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_mempool_is_not_taken_for_another_chain() {
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    dies_after_sending(&payer, &payment(1), 0).await;
    dies_after_sending(&payer, &payment(2), 1).await;
    forget_mempool(&payer).await;
    payer.node.set_automine(true).await.unwrap();
    // the second one needs the first one, which is on file
    payer.process(payer.anvil.url()).await.send(&payment(2)).await.unwrap();
    assert_eq!(payer.paid().await, (2, 3));
    // the first command finds its own
    payer.process(payer.anvil.url()).await.send(&payment(1)).await.unwrap();
    assert_eq!(payer.paid().await, (2, 3));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_processs_record_survives_another_transaction_of_its_nonce() {
    let payer = left_and_lost().await;
    dies_after_sending(&payer, &payment(2), 0).await;
    assert_eq!(records(&payer.journal()), 2);
    payer.node.set_automine(true).await.unwrap();
    payer.node.mine(1).await.unwrap();
    assert_eq!(payer.paid().await, (1, 2));
    // each command, run again, ends with its own payment made once
    payer.process(payer.anvil.url()).await.send(&payment(2)).await.unwrap();
    assert_eq!(payer.paid().await, (1, 2));
    payer.process(payer.anvil.url()).await.send(&payment(1)).await.unwrap();
    assert_eq!(payer.paid().await, (2, 3));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_send_at_once_use_each_nonce_once() {
    let payer = Payer::new().await;
    let mut sends = tokio::task::JoinSet::new();
    for wei in 1..=8 {
        let wallet = payer.process(payer.anvil.url()).await;
        sends.spawn(async move { wallet.send(&payment(wei)).await.unwrap().0.tx });
    }
    let hashes: std::collections::BTreeSet<_> = sends.join_all().await.into_iter().collect();
    assert_eq!((hashes.len(), payer.paid().await), (8, (8, 36)));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_another_process_holds_for_good_is_an_error() {
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    let first = payer.process(payer.anvil.url()).await;
    let sending = tokio::spawn(async move { first.send(&payment(1)).await });
    wait_until("the transaction", async || payer.node.pending_nonce(payer.address()).await.unwrap() > 0).await;
    // a node that never counts pending transactions
    let proxy = payer.behind(Quirk::after(|p, answer| {
        if p.method == "eth_getTransactionCount" {
            answer["result"] = json!("0x0");
        }
        None
    }));
    let second = payer.process(&proxy.await.url).await;
    let error = second.send(&payment(2)).await.unwrap_err();
    assert!(matches!(error, ChainError::NonceBusy { nonce: 0, .. }), "{error}");
    payer.node.set_automine(true).await.unwrap();
    payer.node.mine(1).await.unwrap();
    sending.await.unwrap().unwrap();
    assert_eq!(payer.paid().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_another_chain_with_the_same_id_is_left_alone() {
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    dies_after_sending(&payer, &payment(1), 0).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await; // another second, another first block
    let other = Anvil::start().unwrap();
    payer.process(other.url()).await.send(&payment(1)).await.unwrap();
    assert_eq!((payer.paid().await, records(&payer.journal())), ((0, 0), 1));
    payer.node.set_automine(true).await.unwrap();
    payer.node.mine(1).await.unwrap();
    payer.process(payer.anvil.url()).await.send(&payment(1)).await.unwrap();
    assert_eq!(payer.paid().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_show_the_first_block_goes_on_with_a_record() {
    for (status, body) in [(403, "<html><title>403 Forbidden</title></html>"), (401, "no"), (500, "<html>"), (200, "")]
    {
        let payer = left_and_lost().await;
        payer.node.set_automine(true).await.unwrap();
        let pruned = Quirk::before(move |p| {
            let first = p.method == "eth_getBlockByNumber" && p.request["params"][0] == "0x0";
            first.then(|| Reply::text(status, body))
        });
        let proxy = payer.behind(pruned).await;
        payer.process(&proxy.url).await.send(&payment(1)).await.unwrap();
        assert_eq!(payer.paid().await, (1, 1), "{status}");
        assert!(!payer.journal().exists(), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_another_program_used_first_is_replaced_by_the_next() {
    // also if it did the same: two programs that pay are two payments
    tokio::join!(used_first(Address::repeat_byte(1)), used_first(RECEIVER));
}

/// By another program's payment to `receiver`.
async fn used_first(receiver: Address) {
    let payer = Payer::new().await;
    let elsewhere = Wallet::new(&payer.node, payer.anvil.keys()[3].clone());
    elsewhere.send_coin(receiver, U256::from(1)).await.unwrap();
    // another base fee, so not the same bytes
    payer.node.mine(1).await.unwrap();
    // a node that lags behind: it counts one transaction less when asked for the next nonce
    let lagging = Quirk::after(|p, answer| {
        if p.method == "eth_getTransactionCount" && p.before == 0 {
            answer["result"] = json!("0x0");
        }
        None
    });
    let (_, proxy) = payer.pays_once("lagging", lagging).await;
    assert!(proxy.count(SEND) >= 2);
}
