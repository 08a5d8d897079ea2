//! Nodes and gateways with quirks: whatever they answer, a payment ends in exactly one transaction or in an error that
//! says what is wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::payer::{payment, Payer, RECEIVER};
use crate::proxy::{error, Passing, Proxy, Quirk, Reply, SEND};
use serde_json::{json, Value};
use tribute_chain::{Chain, ChainError, Contracts, Options, PrivateKeySigner, Wallet, Watcher, U256};
use tribute_testing::chain::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_node_already_has_is_followed_to_its_receipt() {
    let payer = Payer::new().await;
    for words in [
        "already known",
        "ALREADY_EXISTS: already known",
        "INTERNAL_ERROR: existing tx with same hash",
        "AlreadyKnown",
        "Known transaction",
        "known transaction: abababababababababababababababababababababababababababababababab",
        "Transaction with the same hash was already imported.",
        "tx already in mempool",
        "tx already exists in cache",
        // refusals of a second node, or of the same one when it was asked twice
        "nonce too low",
        "OldNonce",
        "Transaction nonce is too low. Try incrementing the nonce.",
        "replacement transaction underpriced",
        "insufficient funds for gas * price + value",
        "transaction underpriced",
        // an unknown message
        "Internal error",
        "schon da",
        "",
    ] {
        payer.pays_once(words, Quirk::on_send(usize::MAX, move |q| Reply::error(q, -32000, words))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_transaction_that_the_node_already_has_is_followed_to_its_receipt() {
    // the second kind of node hides pending transactions
    tokio::join!(
        waits_for_a_block("AlreadyKnown", false),
        waits_for_a_block("Known transaction", true),
        waits_for_a_block("Internal error", false),
    );
}

/// At a node that answers in these words, and may hide pending transactions.
async fn waits_for_a_block(words: &'static str, hides: bool) {
    let payer = Payer::new().await;
    payer.node.set_automine(false).await.unwrap();
    let proxy = payer.behind(Quirk::after(move |p, answer| match p.method {
        SEND => Some(Reply::error(p.request, -32000, words)),
        "eth_getTransactionByHash" if hides => {
            answer["result"] = Value::Null;
            None
        }
        _ => None,
    }));
    let wallet = payer.process(&proxy.await.url).await;
    let sending = tokio::spawn(async move { wallet.send_coin(RECEIVER, U256::from(1)).await });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!sending.is_finished(), "{words}: it waits for a block");
    payer.node.mine(1).await.unwrap();
    sending.await.unwrap().unwrap();
    payer.node.mine(1).await.unwrap();
    assert_eq!(payer.paid().await, (1, 1), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_get_lost_after_the_node_took_it_do_no_harm() {
    let payer = Payer::new().await;
    let bad_gateway = "<html><head><title>504 Gateway Time-out</title></head></html>";
    payer.pays_once("reset", Quirk::on_send(1, |_| Reply::Close)).await;
    payer.pays_once("reset each time", Quirk::on_send(usize::MAX, |_| Reply::Close)).await;
    payer.pays_once("silence", Quirk::on_send(1, |_| Reply::Hang)).await;
    payer.pays_once("gateway timeout", Quirk::on_send(usize::MAX, move |_| Reply::text(504, bad_gateway))).await;
    payer.pays_once("web page", Quirk::on_send(usize::MAX, move |_| Reply::text(200, bad_gateway))).await;
    payer
        .pays_once(
            "timeout of a gateway's upstream",
            Quirk::on_send(usize::MAX, |q| {
                Reply::Http(500, Vec::new(), error(q, -32603, "upstream request timeout").to_string())
            }),
        )
        .await;
    // lost, then already known: Nethermind
    let lost_then_known = |p: &crate::proxy::Passing<'_>, _: &mut Value| match (p.method, p.before) {
        (SEND, 0) => Some(Reply::Close),
        (SEND, _) => Some(Reply::error(p.request, -32000, "AlreadyKnown")),
        _ => None,
    };
    payer.pays_once("lost, then known", Quirk::after(lost_then_known)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_reach_the_node_are_repeated() {
    let payer = Payer::new().await;
    let first = |reply: fn(&Value) -> Reply| {
        Quirk::before(move |p| (p.method == SEND && p.before == 0).then(|| reply(p.request)))
    };
    payer.pays_once("reset", first(|_| Reply::Close)).await;
    payer.pays_once("bad gateway", first(|_| Reply::text(502, "Bad Gateway"))).await;
    payer.pays_once("unclear", first(|q| Reply::error(q, -32603, "Internal error"))).await;
    payer.pays_once("limited", first(|_| Reply::text(429, "slow down"))).await;
    // reads too
    let read = Quirk::before(|p| {
        let body = error(p.request, -32603, "upstream request timeout").to_string();
        (p.method == "eth_estimateGas" && p.before == 0).then(|| Reply::Http(504, Vec::new(), body))
    });
    payer.pays_once("read", read).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_in_unknown_words_is_an_error_and_the_same_command_goes_on_with_the_transaction() {
    let payer = Payer::new().await;
    // the node holds it back, with an unknown message
    let raw = std::sync::Arc::new(Mutex::new(None));
    let kept = raw.clone();
    let proxy = payer
        .behind(Quirk::before(move |p| {
            (p.method == SEND).then(|| {
                *kept.lock().unwrap() = Some(p.request["params"][0].clone());
                Reply::error(p.request, -32000, "held for review")
            })
        }))
        .await;
    let failed = payer.process(&proxy.url).await.send(&payment(1)).await.unwrap_err();
    let ChainError::Unclear { open, message, .. } = &failed else { panic!("{failed}") };
    assert_eq!((open.transactions.len(), open.nonce, message.as_str()), (1, 0, "held for review"));
    assert!(failed.to_string().contains("run the same command again"), "{failed}");
    assert_eq!(payer.paid().await, (0, 0));
    // later it lets it pass, and the command is run again at another node
    let raw = raw.lock().unwrap().clone().unwrap();
    payer.node.request::<_, Value>(SEND, (raw,)).await.unwrap();
    let (sent, _) = payer.process(payer.anvil.url()).await.send(&payment(1)).await.unwrap();
    assert_eq!((sent.tx, payer.paid().await), (open.transactions[0], (1, 1)));
    assert!(!payer.journal().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_in_known_words_is_an_error_soon_and_the_same_command_goes_on_with_the_transaction() {
    let payer = Payer::new().await;
    for words in ["insufficient funds for gas * price + value", "transaction underpriced", "invalid sender"] {
        let started = Instant::now();
        let quirk = Quirk::before(move |p| (p.method == SEND).then(|| Reply::error(p.request, -32000, words)));
        let failed = payer.refused(words, payer.options(), quirk).await;
        assert!(failed.to_string().contains(words), "{failed}");
        assert!(started.elapsed() < Duration::from_secs(9) && payer.journal().exists(), "{words}");
    }
    payer.pays_once("afterwards", Quirk::before(|_| None)).await;
}

/// Five requests a second; more are refused by `refusal`.
fn five_a_second(refusal: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Quirk {
    let window: Mutex<Vec<Instant>> = Mutex::default();
    Quirk::before(move |p| {
        let mut window = window.lock().unwrap();
        window.retain(|at| at.elapsed() < Duration::from_secs(1));
        if window.len() >= 5 {
            return Some(refusal(p.request));
        }
        window.push(Instant::now());
        None
    })
}

fn too_many(request: &Value, retry_after: &str) -> Reply {
    let body = error(request, 429, "Your app has exceeded its compute units per second capacity").to_string();
    Reply::Http(429, vec![("retry-after", retry_after.to_owned())], body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_limits_requests_is_waited_for() {
    let payer = Payer::new().await;
    payer.pays_once("429 with JSON", five_a_second(|q| too_many(q, "1"))).await;
    payer.pays_once("429", five_a_second(|_| Reply::text(429, "Too Many Requests"))).await;
    let quick = "5/second request limit reached - reduce calls per second or upgrade";
    payer.pays_once("-32007", five_a_second(move |q| Reply::error(q, -32007, quick))).await;
    payer.pays_once("-32005", five_a_second(|q| Reply::error(q, -32005, "project ID request rate exceeded"))).await;
    let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    for pause in ["1", "1.5", "soon", soon.as_str()] {
        let headers = vec![("retry-after", pause.to_owned())];
        payer.pays_once(pause, five_a_second(move |_| Reply::Http(503, headers.clone(), String::new()))).await;
    }
    payer
        .pays_once(
            "only sends",
            Quirk::before(|p| {
                (p.method == SEND && p.before < 2).then(|| Reply::error(p.request, -32005, "limit exceeded"))
            }),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_says_how_long_to_wait_is_not_asked_before() {
    let payer = Payer::new().await;
    let third = |p: &crate::proxy::Passing<'_>| p.method == "eth_feeHistory" && p.before == 0;
    for quirk in [
        Quirk::before(move |p| third(p).then(|| too_many(p.request, "2"))),
        Quirk::before(move |p| {
            third(p).then(|| {
                let mut body = error(p.request, -32005, "daily request count exceeded, request rate limited");
                body["error"]["data"] = json!({ "rate": { "backoff_seconds": 2 } });
                Reply::json(&body)
            })
        }),
    ] {
        let (_, proxy) = payer.pays_once("pause", quirk).await;
        let times = proxy.times();
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest >= Duration::from_secs(2) && longest < Duration::from_secs(8), "{longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_on_limiting_requests_is_told() {
    let payer = Payer::new().await;
    let impatient = Options { rate_limit_patience: Duration::from_secs(2), ..payer.options() };
    let started = Instant::now();
    let busy = |q: &Value| Reply::error(q, -32005, "project ID request rate exceeded");
    let failed = payer.refused("always", impatient.clone(), Quirk::before(move |p| Some(busy(p.request)))).await;
    assert!(matches!(&failed, ChainError::RateLimited { told: None, .. }) && failed.is_transient(), "{failed}");
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    // longer than we wait: an error at once
    let started = Instant::now();
    let quirk = Quirk::before(|p| (p.method != "eth_chainId").then(|| too_many(p.request, "3600")));
    let failed = payer.refused("an hour", impatient, quirk).await;
    assert!(matches!(&failed, ChainError::RateLimited { told: Some(3600), .. }), "{failed}");
    assert!(failed.to_string().contains("3600 s") && started.elapsed() < Duration::from_secs(4), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_nothing_or_of_ages_is_no_reason_to_hurry_or_to_crash() {
    let payer = Payer::new().await;
    let impatient = Options { rate_limit_patience: Duration::from_secs(2), ..payer.options() };
    for ages in [u64::MAX, u64::MAX / 2] {
        let quirk = Quirk::before(move |p| Some(too_many(p.request, &ages.to_string())));
        let failed = payer.refused("ages", impatient.clone(), quirk).await;
        assert!(matches!(&failed, ChainError::RateLimited { told: Some(told), .. } if *told == ages), "{failed}");
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let quirk = Quirk::before(move |p| {
        count.fetch_add(1, Ordering::Relaxed);
        Some(too_many(p.request, "0"))
    });
    payer.refused("nothing", impatient, quirk).await;
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..10).contains(&asked), "{asked} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_in_an_error_that_is_malformed_is_waited_for() {
    let payer = Payer::new().await;
    for error in [
        json!("rate limit exceeded"),
        json!({ "code": "-32005", "message": "limit exceeded" }),
        json!({ "code": -32005.0, "message": "limit exceeded" }),
        json!({ "code": 429.0 }),
        json!({ "code": null, "message": "rate limit exceeded" }),
        json!({ "message": "rate limit exceeded" }),
    ] {
        let quirk = Quirk::before(move |p| {
            let body = json!({ "jsonrpc": "2.0", "id": p.request["id"], "error": error });
            (p.method == SEND && p.before < 2).then(|| Reply::json(&body))
        });
        payer.pays_once("malformed", quirk).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirection_is_followed_if_it_keeps_the_request_and_told_otherwise() {
    let payer = Payer::new().await;
    let to = |status: u16, url: String| {
        Quirk::before(move |_| Some(Reply::Http(status, vec![("location", url.clone())], String::new())))
    };
    payer.pays_once("308", to(308, payer.anvil.url().to_owned())).await;
    let failed = payer.refused("301", payer.options(), to(301, "https://node.example/v3/SECRET".to_owned())).await;
    assert!(matches!(failed, ChainError::BadUrl { .. }), "{failed}");
    assert!(failed.to_string().contains("redirects to https://node.example/…"), "{failed}");
    for nowhere in ["", "https://n\u{f6}de.example"] {
        let failed = payer.refused(nowhere, payer.options(), to(301, nowhere.to_owned())).await;
        assert!(matches!(&failed, ChainError::BadAnswer { cause, .. } if cause.contains("301")), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_begins_with_a_mark_is_read_and_one_in_an_unknown_encoding_is_told() {
    let payer = Payer::new().await;
    let marked = Quirk::after(|_, answer| Some(Reply::text(200, &format!("\u{feff}{answer}"))));
    payer.pays_once("mark", marked).await;
    let encoded =
        |_: &Passing<'_>| Some(Reply::Http(200, vec![("content-encoding", "br".to_owned())], "??".to_owned()));
    let failed = payer.refused("br", payer.options(), Quirk::before(encoded)).await;
    assert!(matches!(&failed, ChainError::BadAnswer { cause, .. } if cause.contains("encoding br")), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_coin_is_told() {
    let payer = Payer::new().await;
    let poor = Wallet::new(&payer.node, PrivateKeySigner::random());
    let failed = poor.send_coin(RECEIVER, U256::from(1)).await.unwrap_err();
    assert!(matches!(&failed, ChainError::InsufficientFunds { from, .. } if *from == poor.address()), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_node_is_told_as_what_it_is() {
    let payer = Payer::new().await;
    let page = "<!DOCTYPE html><html><title>Just a moment...</title></html>";
    for (name, quirk) in [
        ("page", Quirk::before(move |_| Some(Reply::text(200, page)))),
        ("page with status", Quirk::before(move |_| Some(Reply::text(403, page)))),
    ] {
        let failed = payer.refused(name, payer.options(), quirk).await;
        let ChainError::WebPage { title, .. } = &failed else { panic!("{name}: {failed}") };
        assert_eq!(title, "Just a moment...");
        assert!(failed.to_string().contains("web page"), "{failed}");
    }
    for (name, quirk) in [
        (
            "401 with JSON",
            Quirk::before(|p| {
                let body = error(p.request, -32000, "Must be authenticated!").to_string();
                Some(Reply::Http(401, Vec::new(), body))
            }),
        ),
        ("403", Quirk::before(|_| Some(Reply::text(403, "forbidden")))),
        ("200", Quirk::before(|p| Some(Reply::error(p.request, -32000, "Unauthorized: invalid project id")))),
        ("401 with other JSON", Quirk::before(|_| Some(Reply::text(401, r#"{"error":"no"}"#)))),
    ] {
        let failed = payer.refused(name, payer.options(), quirk).await;
        assert!(matches!(failed, ChainError::Unauthorised { .. }), "{name}: {failed}");
        assert!(failed.to_string().contains("key"), "{failed}");
    }
    for (name, code, words) in [("refused", -32000, "\u{1b}[2Jno"), ("unauthorised", -32000, "\u{1b}[2JAPI key")] {
        let quirk = Quirk::before(move |p| Some(Reply::error(p.request, code, words)));
        let failed = payer.refused(name, payer.options(), quirk).await;
        assert!(failed.to_string().contains("\\u{1b}[2J") && !failed.to_string().contains('\u{1b}'), "{failed}");
    }
    let away = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>";
    for body in ["", "no upstream", away] {
        let failed = payer.refused(body, payer.options(), Quirk::before(move |_| Some(Reply::text(503, body)))).await;
        assert!(matches!(failed, ChainError::Unavailable { .. }) && failed.is_transient(), "{body}: {failed}");
        assert!(failed.to_string().contains("503"), "{failed}");
    }
    for body in ["{}", "[]", "teapot", "", r#"{"status":"ok"}"#, r#"{"jsonrpc":"2.0","id":1}"#] {
        let failed = payer.refused(body, payer.options(), Quirk::before(move |_| Some(Reply::text(200, body)))).await;
        assert!(matches!(failed, ChainError::BadAnswer { .. }), "{body}: {failed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_allows_fewer_blocks_of_logs_is_asked_for_fewer() {
    let w = World::new().await;
    w.chain.mine(40).await.unwrap();
    w.contracts.create_agent(Default::default(), "").send(&w.ada).await.unwrap();
    let expected = Watcher::new(0).poll(&w.contracts).await.unwrap();
    assert!(expected.len() > 4);
    let ten = |refusal: fn(&Value) -> Reply| {
        Quirk::before(move |p| {
            let number = |name: &str| {
                u64::from_str_radix(p.request["params"][0][name].as_str().unwrap().trim_start_matches("0x"), 16)
                    .unwrap()
            };
            (p.method == "eth_getLogs" && number("toBlock") - number("fromBlock") >= 10).then(|| refusal(p.request))
        })
    };
    for quirk in [
        ten(|q| {
            let words = "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.";
            Reply::Http(400, Vec::new(), error(q, -32600, words).to_string())
        }),
        ten(|q| Reply::error(q, -32005, "query returned more than 10000 results")),
        ten(|q| Reply::error(q, -32602, "block range is too wide")),
        ten(|q| Reply::error(q, -32005, "limit exceeded")),
        ten(|_| Reply::Hang),
        ten(|_| Reply::text(413, "Payload Too Large")),
        ten(|_| Reply::text(403, "<html><title>403 Forbidden</title></html>")),
        ten(|_| Reply::text(401, "a plan with larger ranges is needed")),
        ten(|_| Reply::text(429, "the block range is limited to 10")),
        ten(|q| Reply::Http(429, Vec::new(), error(q, 429, "query returned more than 10000 results").to_string())),
    ] {
        let proxy = Proxy::start(w.anvil.url(), quirk).await;
        let quick = Options { request_timeout: Duration::from_secs(1), ..Options::default() };
        let chain = Chain::connect_with(&proxy.url, quick).await.unwrap();
        let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
        assert_eq!(Watcher::new(0).poll(&contracts).await.unwrap(), expected);
        // the limit was learnt: the next poll is never refused
        let (asked, blocks) = (proxy.count("eth_getLogs"), w.chain.block_number().await.unwrap() + 1);
        Watcher::new(0).poll(&contracts).await.unwrap();
        let again = (proxy.count("eth_getLogs") - asked) as u64;
        assert!(again >= blocks.div_ceil(10) && again <= blocks.div_ceil(5), "{again} requests for {blocks} blocks");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reads_only_data_is_sent_the_calldata_there() {
    let w = World::new().await;
    let reads_data = Quirk::before(|p| {
        let called = matches!(p.method, "eth_call" | "eth_estimateGas");
        let called = called && (p.request["params"][0]["data"].is_null() || !p.request["params"][0]["input"].is_null());
        called.then(|| Reply::error(p.request, -32602, "unknown field input, or no data"))
    });
    let proxy = Proxy::start(w.anvil.url(), reads_data).await;
    let chain = Chain::connect(&proxy.url).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    let wallet = Wallet::new(&chain, w.ada.signer().clone());
    contracts.create_agent(Default::default(), "").send(&wallet).await.unwrap();
    assert_eq!(contracts.agent_count(w.ada.address()).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_read_as_of_the_confirmed_block() {
    let w = World::new().await;
    let careful = Options { confirmations: 3, ..Options::default() };
    let chain = Chain::connect_with(w.anvil.url(), careful).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    w.contracts.create_agent(Default::default(), "").send(&w.ada).await.unwrap();
    let count = || async { contracts.agent_count(w.ada.address()).await.unwrap() };
    for (blocks, expected) in [(0, 0), (1, 0), (1, 1)] {
        if blocks > 0 {
            w.chain.mine(blocks).await.unwrap();
        }
        assert_eq!(count().await, expected);
    }
    assert_eq!(w.contracts.agent_count(w.ada.address()).await.unwrap(), 1);
}
