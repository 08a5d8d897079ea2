//! What becomes of a transaction at nodes that hide it, deny it or are behind: it is never paid for twice, and its
//! record stays until its fate is known.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::payer::{payment, Payer, RECEIVER};
use crate::proxy::{Passing, Quirk, Reply, SEND};
use crate::records::{dies_after_sending, left_and_lost};
use alloy::consensus::Transaction;
use alloy::primitives::B256;
use serde_json::{json, Value};
use tribute_chain::{Address, Chain, ChainError, Message, Options, Wallet, U256};

/// When the node first got a transaction.
#[derive(Clone, Default)]
struct FirstSend(Arc<Mutex<Option<Instant>>>);

impl FirstSend {
    fn within(&self, p: &Passing<'_>, time: Duration) -> bool {
        let mut first = self.0.lock().unwrap();
        if p.method == SEND {
            first.get_or_insert_with(Instant::now);
        }
        first.is_some_and(|at| at.elapsed() < time)
    }
}

fn is_index(p: &Passing<'_>) -> bool {
    matches!(p.method, "eth_getTransactionReceipt" | "eth_getTransactionByHash")
}

/// Hides transactions and receipts for `time`, and answers transactions, which the node gets, with `words`.
fn hides_for(time: Duration, words: Option<&'static str>) -> Quirk {
    let first = FirstSend::default();
    Quirk::after(move |p, answer| {
        if first.within(p, time) && is_index(p) {
            answer["result"] = Value::Null;
        }
        words.filter(|_| p.method == SEND).map(|words| Reply::error(p.request, -32000, words))
    })
}

/// Refuses the first transaction with `words`, however often it comes; the node gets the others.
fn refuses_first(words: &'static str) -> Quirk {
    let first: Mutex<Option<Value>> = Mutex::default();
    Quirk::before(move |p| {
        let raw = &p.request["params"][0];
        let refused = p.method == SEND && first.lock().unwrap().get_or_insert_with(|| raw.clone()) == raw;
        refused.then(|| Reply::error(p.request, -32000, words))
    })
}

impl Payer {
    /// Fails through the quirk, with the record kept and named; then the same command succeeds at the node itself.
    /// Returns the error.
    async fn unsettled(&self, options: Options, quirk: Quirk, paid_by_then: u64) -> ChainError {
        let proxy = self.behind(quirk).await;
        let error = self.pay(&proxy.url, options).await.unwrap_err();
        let journal = self.journal();
        assert!(journal.exists() && error.to_string().contains(&*journal.to_string_lossy()), "{error}");
        assert_eq!(self.paid().await, (paid_by_then, paid_by_then), "{error}");
        self.node.set_automine(true).await.unwrap();
        self.node.mine(1).await.unwrap();
        self.pay(self.anvil.url(), self.options()).await.unwrap();
        assert_eq!(self.paid().await, (1, 1), "{error}");
        assert!(!journal.exists());
        error
    }

    fn impatient(&self) -> Options {
        Options { receipt_timeout: Duration::from_secs(6), ..self.options() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_comes_late_is_waited_for() {
    let late = async |words| Payer::new().await.pays_once("late", hides_for(Duration::from_secs(8), words)).await;
    tokio::join!(late(None), late(Some("nonce too low: next nonce 1, tx nonce 0")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_answer_about_a_mined_transaction_is_not_the_last_word() {
    let (payer, first) = (Payer::new().await, FirstSend::default());
    let hiccup = Quirk::after(move |p, answer| {
        if first.within(p, Duration::from_secs(3)) && is_index(p) {
            answer["result"] = Value::Null;
        } else if first.within(p, Duration::from_secs(4)) && is_index(p) {
            return Some(Reply::text(200, "Bad Gateway"));
        }
        None
    });
    payer.pays_once("hiccup", hiccup).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mined_transaction_that_the_node_does_not_index_is_not_sent_anew() {
    let payer = Payer::new().await;
    let hidden = hides_for(Duration::MAX, None);
    let error = payer.unsettled(payer.impatient(), hidden, 1).await;
    assert!(matches!(error, ChainError::NoReceipt { block: Some(1), .. }), "{error}");

    // sent by a process that died, and mined while nobody looked
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    dies_after_sending(&payer, &payment(1), 0).await;
    payer.node.mine(1).await.unwrap();
    let pruned = Quirk::after(|p, answer| {
        if is_index(p) {
            answer["result"] = Value::Null;
        }
        None
    });
    let error = payer.unsettled(payer.impatient(), pruned, 1).await;
    assert!(matches!(error, ChainError::NoReceipt { block: Some(1), .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_state_of_past_blocks_nobody_knows_what_used_the_nonce() {
    let nobody = async |later: u64, past: fn(&Value) -> Reply| {
        let payer = Payer::new().await;
        payer.node.set_automine(false).await.unwrap();
        dies_after_sending(&payer, &payment(1), 0).await;
        payer.node.mine(1 + later).await.unwrap();
        payer.unsettled(payer.impatient(), without_past(past), 1).await
    };
    // unless it is in one of the newest blocks
    let pruned: fn(&Value) -> Reply = |q| Reply::error(q, -32000, "missing trie node");
    let page: fn(&Value) -> Reply = |_| Reply::text(403, "<html><title>403 Forbidden</title></html>");
    let (old, new, newest) = tokio::join!(nobody(40, pruned), nobody(20, pruned), nobody(20, page));
    let ChainError::NoReceipt { block: None, cause, .. } = &old else { panic!("{old}") };
    assert!(cause.contains("missing trie node"), "{old}");
    for new in [new, newest] {
        assert!(matches!(new, ChainError::NoReceipt { block: Some(1), .. }), "{new}");
    }
}

/// No receipts, and at past blocks this answer instead of counts.
fn without_past(answer: fn(&Value) -> Reply) -> Quirk {
    Quirk::before(move |p| {
        let past = p.request["params"][1].as_str().is_some_and(|block| block.starts_with("0x"));
        match p.method {
            _ if is_index(p) => Some(Reply::result(p.request, Value::Null)),
            "eth_getTransactionCount" if past => Some(answer(p.request)),
            _ => None,
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_transactions_record_ends_when_another_uses_its_nonce() {
    let payer = Payer::new().await;
    let poor = Quirk::before(|p| (p.method == SEND).then(|| Reply::error(p.request, -32000, "insufficient funds")));
    payer.refused("poor", payer.options(), poor).await;
    assert!(payer.journal().exists());
    payer.process(payer.anvil.url()).await.send(&payment(2)).await.unwrap();
    assert!(!payer.journal().exists(), "no past state is needed to see that it is void");
    payer.pays_once("again", Quirk::before(|_| None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_transaction_of_the_account_is_found_in_its_block_however_old() {
    let payer = left_and_lost().await;
    payer.node.mine(3).await.unwrap();
    payer.node.set_automine(true).await.unwrap();
    let elsewhere = Wallet::new(&payer.node, payer.anvil.keys()[3].clone());
    elsewhere.send_coin(Address::repeat_byte(1), U256::from(1)).await.unwrap();
    payer.node.mine(37).await.unwrap();
    payer.process(payer.anvil.url()).await.send(&payment(1)).await.unwrap();
    assert_eq!(payer.paid().await, (2, 1));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_its_user_speeded_up_in_a_wallet_is_not_sent_anew() {
    let payer = left_and_lost().await;
    payer.node.set_automine(true).await.unwrap();
    // the same nonce, receiver, value and data, but other fees
    let other_fees = Options { max_priority_fee_per_gas: 7, ..Options::default() };
    let chain = Chain::connect_with(payer.anvil.url(), other_fees).await.unwrap();
    let (by_hand, _) = Wallet::new(&chain, payer.anvil.keys()[3].clone()).send(&payment(1)).await.unwrap();
    let (sent, _) = payer.process(payer.anvil.url()).await.send(&payment(1)).await.unwrap();
    assert_eq!((sent.tx, payer.paid().await), (by_hand.tx, (1, 1)));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_a_node_behind_the_others_takes_is_not_the_same_one_before_it() {
    let payer = Payer::new().await;
    payer.pays_once("first", Quirk::before(|_| None)).await;
    // another base fee, so not the same bytes
    payer.node.mine(1).await.unwrap();
    let behind = Quirk::before(|p| {
        let result = match p.method {
            SEND => B256::ZERO.to_string(),
            "eth_getTransactionCount" if p.before == 0 => "0x0".to_owned(),
            _ => return None,
        };
        Some(Reply::result(p.request, result))
    });
    let error = payer.refused("second", payer.options(), behind).await;
    assert!(matches!(error, ChainError::Replaced { nonce: 0, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_that_denies_the_funds_is_not_believed_at_once() {
    let words = Some("insufficient funds for gas * price + value");
    let (payer, other) = (Payer::new().await, Payer::new().await);
    let (_, error) = tokio::join!(
        payer.pays_once("soon", hides_for(Duration::from_millis(1_500), words)),
        // for longer than we wait: the record stays, and the transaction with it
        async {
            other.node.set_automine(false).await.unwrap();
            let hidden = hides_for(Duration::MAX, words);
            other.unsettled(other.options(), hidden, 0).await
        },
    );
    assert!(matches!(error, ChainError::InsufficientFunds { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_lets_no_transaction_pass_is_told() {
    let payer = Payer::new().await;
    let forbids =
        Quirk::before(|p| (p.method == SEND).then(|| Reply::text(403, "<html><title>403 Forbidden</title></html>")));
    let error = payer.unsettled(payer.options(), forbids, 0).await;
    assert!(matches!(&error, ChainError::Unclear { message, .. } if message.contains("403")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_without_a_status_is_an_error_and_no_reason_to_send_again() {
    let payer = Payer::new().await;
    let started = Instant::now();
    let silent = Quirk::after(|p, answer| {
        if p.method == "eth_getTransactionReceipt" && answer["result"].is_object() {
            answer["result"].as_object_mut().unwrap().remove("status");
        }
        None
    });
    let error = payer.unsettled(payer.options(), silent, 1).await;
    assert!(matches!(error, ChainError::NoReceipt { block: Some(1), .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(16), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_read_without_the_fields_that_nobody_reads() {
    let bare = Quirk::after(|p, answer| {
        if let ("eth_getTransactionReceipt", Some(receipt)) = (p.method, answer["result"].as_object_mut()) {
            for unused in ["logsBloom", "cumulativeGasUsed", "transactionIndex", "effectiveGasPrice"] {
                receipt.insert(unused.to_owned(), Value::Null);
            }
            receipt.insert("contractAddress".to_owned(), json!(""));
            receipt.insert("type".to_owned(), json!("0x7e"));
        }
        None
    });
    Payer::new().await.pays_once("bare", bare).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_confirmations_are_told_from_no_receipt() {
    for needed in [3, u64::MAX] {
        let payer = Payer::new().await;
        let careful = Options { confirmations: needed, ..payer.impatient() };
        let error = payer.unsettled(careful, Quirk::before(|_| None), 1).await;
        let ChainError::Unconfirmed { block: 1, confirmations: 1, needed: asked, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(*asked, needed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_waits_for_a_lower_one_is_told() {
    let payer = Payer::new().await;
    let ahead = Quirk::after(|p, answer| {
        if p.method == "eth_getTransactionCount" && p.before == 0 {
            answer["result"] = json!("0x1");
        }
        None
    });
    let error = payer.refused("gap", payer.impatient(), ahead).await;
    let ChainError::NotMined { open, cause: Some(cause), .. } = &error else { panic!("{error}") };
    assert_eq!(open.nonce, 1);
    assert!(cause.contains("nonce 0 comes first"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_transaction_is_offered_at_the_new_base_fee() {
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    dies_after_sending(&payer, &payment(1), 0).await;
    let dear = (U256::from(160_000_000_000_u64),);
    payer.node.request::<_, Value>("anvil_setNextBlockBaseFeePerGas", dear).await.unwrap();
    payer.node.mine(1).await.unwrap();
    assert_eq!(payer.paid().await, (0, 0), "its price is below the base fee");
    payer.node.set_automine(true).await.unwrap();
    let started = Instant::now();
    payer.process(payer.anvil.url()).await.send(&payment(1)).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(payer.paid().await, (1, 1));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_refused_for_its_cost_is_offered_for_less_once_gas_is_cheaper() {
    for words in ["insufficient funds", "tx fee (1.20 ether) exceeds the configured cap (1.00 ether)"] {
        let payer = Payer::new().await;
        let base_fee = async |wei: u64| {
            payer.node.request::<_, Value>("anvil_setNextBlockBaseFeePerGas", (U256::from(wei),)).await.unwrap();
            payer.node.mine(1).await.unwrap();
        };
        let too_dear = refuses_first(words);
        base_fee(100_000_000_000).await;
        payer.refused(words, payer.options(), too_dear.clone()).await;
        base_fee(1_000_000_000).await;
        payer.pays_once(words, too_dear).await;
    }
}

/// Answers the first `times` estimates of gas with `gas`.
fn estimates(gas: &'static str, times: usize) -> Quirk {
    Quirk::before(move |p| (p.method == "eth_estimateGas" && p.before < times).then(|| Reply::result(p.request, gas)))
}

/// Answers the first `times` estimates with the gas of a transaction without data, and refuses, as geth does, one whose gas
/// does not pay for its data.
fn wrong_about_gas(times: usize) -> Quirk {
    let tells_little = estimates("0x5208", times);
    Quirk::before(move |p| match p.method {
        SEND => {
            let words = "intrinsic gas too low: gas 26250, minimum needed 61000";
            (p.transaction().gas_limit() < 61_000).then(|| Reply::error(p.request, -32000, words))
        }
        _ => tells_little.answer(p),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gas_limit_that_is_refused_is_estimated_again() {
    let with_data = Message::new("pay", Some(RECEIVER), vec![7; 1_000].into(), U256::from(1));
    let payer = Payer::new().await;
    let proxy = payer.behind(wrong_about_gas(1)).await;
    payer.process(&proxy.url).await.send(&with_data).await.unwrap();
    assert_eq!(payer.paid().await, (1, 1));
    assert!(!payer.journal().exists());

    // a node that never estimates it right: another one goes on, with the same nonce
    let payer = Payer::new().await;
    let proxy = payer.behind(wrong_about_gas(usize::MAX)).await;
    let error = payer.process(&proxy.url).await.send(&with_data).await.unwrap_err();
    let ChainError::Unclear { open, .. } = &error else { panic!("{error}") };
    assert_eq!((open.nonce, open.transactions.len(), payer.paid().await), (0, 1, (0, 0)), "{error}");
    let proxy = payer.behind(wrong_about_gas(0)).await;
    payer.process(&proxy.url).await.send(&with_data).await.unwrap();
    assert_eq!((payer.paid().await, proxy.count(SEND)), ((1, 1), 2));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_below_the_gas_of_any_transaction_is_not_signed() {
    let payer = Payer::new().await;
    for gas in ["0x0", "0x5207"] {
        let error = payer.refused(gas, payer.options(), estimates(gas, usize::MAX)).await;
        assert!(matches!(&error, ChainError::BadAnswer { method, .. } if method == "eth_estimateGas"), "{error}");
        assert!(!payer.journal().exists(), "{error}");
    }
    payer.pays_once("21,000", estimates("0x5208", usize::MAX)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_fee_is_raised_at_once() {
    let payer = Payer::new().await;
    let too_low = refuses_first("max fee per gas less than block base fee: address 0x");
    let started = Instant::now();
    payer.pays_once("too low", too_low).await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_that_allows_no_replacement_is_named() {
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    let tip = Options { max_priority_fee_per_gas: 1, bump_after: Duration::from_secs(1), ..payer.impatient() };
    let error = payer.unsettled(tip, Quirk::before(|_| None), 0).await;
    let ChainError::NotMined { cause: Some(cause), open, .. } = &error else { panic!("{error}") };
    assert!(cause.contains("--max-tip") && open.transactions.len() == 1, "{error}");
}
