//! The whole life cycle through the public command line on a real chain, and the requests that a session refuses.

use std::process::Command;

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use serde_json::Value;
use tribute_client::{problem, Client};
use tribute_core::context::{voucher_digest, Domain};
use tribute_core::id::{SessionId, Transcript};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::data::WINE_FILE;
use tribute_testing::market::{certified, open, text, CLIENT, DEPLOYER, OWNER, PROVIDER};
use tribute_testing::process::Killed;
use tribute_testing::{program, Place, World, ROOT};

/// Runs a command and kills it while its transaction is in flight; then the transaction is mined.
async fn killed_under_way(w: &World, account: usize, arguments: &str) {
    let chain = w.anvil().connect().await.unwrap();
    let sent = chain.pending_nonce(w.key(account).address()).await.unwrap();
    chain.set_automine(false).await.unwrap();
    let mut killed = w.command(account, arguments).spawn().unwrap();
    let start = std::time::Instant::now();
    while chain.pending_nonce(w.key(account).address()).await.unwrap() == sent {
        assert!(start.elapsed().as_secs() < 30 && killed.try_wait().unwrap().is_none(), "nothing was sent");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = std::fs::read_dir(w.file("deployment.json.pending")).unwrap().count();
    assert_eq!(left, 2, "a record and its lock");
    chain.set_automine(true).await.unwrap();
    chain.mine(1).await.unwrap();
}

fn amount(value: &Value) -> u128 {
    text(value).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_csv_to_paid_providers() {
    let (w, dataset, weights, agent) = certified();
    let chain = w.anvil().connect().await.unwrap();
    // an agent's owner finds the dataset's node on chain; of one participant there is no sum
    w.run(PROVIDER, &format!("chain set-node {dataset} {}", w.url()));
    let found = w.fails(OWNER, &format!("request ask --dataset {dataset} --purpose wines --out @request.json"));
    assert!(found.contains("1 take part, at least 2"), "{found}");
    // a command resumes after a crash even if a repetition has another time or permit in its calldata
    let grant = format!("chain grant {dataset} --to {} --uses 2", w.key(OWNER).address());
    killed_under_way(&w, PROVIDER, &grant).await;
    let sent = chain.mined_nonce(w.key(PROVIDER).address()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let first = w.run(PROVIDER, &grant);
    assert_eq!(chain.mined_nonce(w.key(PROVIDER).address()).await.unwrap(), sent, "one transaction");
    // once that is done, the same command makes another grant
    let second = w.run(PROVIDER, &grant);
    assert_eq!(chain.mined_nonce(w.key(PROVIDER).address()).await.unwrap(), sent + 1);
    assert!(second["expiry"].as_u64() > first["expiry"].as_u64());
    w.run(DEPLOYER, &format!("chain mint --to {} --amount 3000", w.key(CLIENT).address()));
    let opening = format!("chain open-session --agent {agent} --price 1000 --escrow 1000");
    killed_under_way(&w, CLIENT, &opening).await;
    let sent = chain.mined_nonce(w.key(CLIENT).address()).await.unwrap();
    let first = w.run(CLIENT, &opening);
    assert_eq!(chain.mined_nonce(w.key(CLIENT).address()).await.unwrap(), sent, "one session");
    assert_ne!(w.run(CLIENT, &opening)["session"], first["session"], "another one, as it was asked for");

    let session = open(&w, &agent, &weights, 50_000, None);
    // columns with other names are refused before anything is sent; columns in another order are reordered
    let wine = std::fs::read_to_string(WINE_FILE).unwrap();
    std::fs::write(w.file("renamed.csv"), wine.replacen("alcohol,", "proof,", 1)).unwrap();
    let query = |file: &str| format!("session query {session} --csv {file} --rows 90..110 --state @s.json");
    let refused = w.fails(CLIENT, &query("@renamed.csv"));
    assert!(refused.contains("`proof`, where the schema has `alcohol`"), "{refused}");
    assert!(!w.file("s.json").exists(), "nothing was asked");
    let swapped = |line: &str| line.split_once(',').map(|(first, rest)| format!("{rest},{first}\n")).unwrap();
    std::fs::write(w.file("swapped.csv"), wine.lines().map(swapped).collect::<String>()).unwrap();
    let asked = w.run(CLIENT, &query("@swapped.csv"));
    assert_eq!((&asked["count"], &asked["labelled"]), (&20.into(), &20.into()));
    assert!(asked["right"].as_u64().unwrap() >= 18);

    w.run(OWNER, &format!("claim prove --weights {weights} --session {session} --out @claim.json"));
    let owner = w.key(OWNER).address();
    let sent = chain.pending_nonce(owner).await.unwrap();
    // the same command completes the same transaction
    killed_under_way(&w, OWNER, "chain claim @claim.json").await;
    let claimed = w.run(OWNER, "chain claim @claim.json");
    assert_eq!(amount(&claimed["sessions"][0]["amount"]), 20_000);
    assert_eq!(chain.mined_nonce(owner).await.unwrap(), sent + 1);
    assert!(!w.file("deployment.json.pending").exists());
    // once more: already paid, nothing is sent
    let again = w.run(OWNER, "chain claim @claim.json");
    assert_eq!((&again["paid_already"], &again["sessions"][0]["count"]), (&true.into(), &20.into()));
    assert_eq!(chain.mined_nonce(owner).await.unwrap(), sent + 1);

    // a second round continues where the first ended
    w.run(CLIENT, &format!("session query {session} --csv {WINE_FILE} --rows 110..115 --state @s.json"));
    w.run(OWNER, &format!("claim prove --weights {weights} --session {session} --out @claim2.json"));
    assert_eq!(amount(&w.run(OWNER, "chain claim @claim2.json")["sessions"][0]["amount"]), 5_000);
    // the contract's state has moved past the first claim: it is mined and pays nothing
    let replayed = w.fails(OWNER, "chain claim @claim.json");
    assert!(replayed.contains("paid nothing") && replayed.contains(&session), "{replayed}");

    let status = w.run(CLIENT, &format!("chain status --account {}", w.key(PROVIDER).address()));
    assert_eq!((&status["money"]["events_agree"], text(&status["due"][0]["amount"])), (&true.into(), "10000"));
    assert_eq!((status["datasets"].as_array().unwrap().len(), status["agents"].as_array().unwrap().len()), (1, 0));
    assert!(text(&status["code"]).starts_with("equal to the local build"), "{}", status["code"]);
    w.run(CLIENT, "circuits check --schema @schema.json --k 15 --out @check.json");
    for circuit in w.json("check.json")["circuits"].as_array().unwrap() {
        assert_eq!(
            (&circuit["as_rebuilt"], &circuit["registered"]),
            (&true.into(), &circuit["circuit_id"]),
            "{circuit}"
        );
    }
    // all earnings of its datasets and agents, found from events
    let provider = w.run(PROVIDER, "chain withdraw");
    assert_eq!(text(&provider["withdrawals"][0]["dataset_id"]), dataset);
    let owner = w.run(OWNER, &format!("chain withdraw --agent {agent}"));
    assert_eq!((amount(&provider["amount"]), amount(&owner["amount"])), (10_000, 15_000));
    w.run(CLIENT, &format!("chain thaw {session}"));
    assert!(w.fails(CLIENT, &format!("chain refund {session}")).contains("NotThawed"));
    chain.advance_time(61).await.unwrap();
    assert_eq!(amount(&w.run(CLIENT, &format!("chain refund {session}"))["amount"]), 25_000);

    let newest = chain.block_number().await.unwrap();
    let told = w.command(CLIENT, &format!("chain watch --from 0 --until {newest} --json")).output().unwrap();
    let told: Vec<Value> = told.stdout.split(|b| *b == b'\n').flat_map(serde_json::from_slice).collect();
    let count = |event: &str| told.iter().filter(|t| t["event"] == event).count();
    assert_eq!((count("QueriesClaimed"), count("ProviderPaid"), count("OwnerPaid"), count("Unknown")), (2, 1, 1, 0));
}

/// A port that is served for as long as this value lives.
pub(super) struct Port {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Port {
    /// What `serve` returns of a connection stays open until the end.
    pub(super) fn new(
        port: u16,
        serve: impl Fn(std::net::TcpStream) -> Vec<std::net::TcpStream> + Send + 'static,
    ) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut open = Vec::new();
            while !stopping.load(std::sync::atomic::Ordering::SeqCst) {
                let Ok((here, _)) = listener.accept() else {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    continue;
                };
                here.set_nonblocking(false).unwrap();
                open.extend(serve(here));
            }
            for stream in open {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        });
        Port { stop, thread: Some(thread) }
    }

    /// One that is forwarded to the node.
    pub(super) fn forwarded(port: u16, node: &str) -> Self {
        let node = node.trim_start_matches("http://").to_owned();
        Port::new(port, move |here| {
            let there = std::net::TcpStream::connect(&node).unwrap();
            for (mut from, mut to) in [
                (here.try_clone().unwrap(), there.try_clone().unwrap()),
                (there.try_clone().unwrap(), here.try_clone().unwrap()),
            ] {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
            vec![here, there]
        })
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Two sessions with one agent, one after the other: the second leaves answers behind that a watch would claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thaw_takes_nothing_away_and_a_session_refuses_what_it_could_not_prove_or_collect() {
    let (w, _, weights, agent) = certified();
    what_a_thaw_would_take_is_claimed_in_time(&w, &weights, &agent).await;
    a_session_refuses_what_it_could_not_prove_or_collect(&w, &weights, &agent).await;
}

async fn what_a_thaw_would_take_is_claimed_in_time(w: &World, weights: &str, agent: &str) {
    let chain = w.anvil().connect().await.unwrap();
    let contracts = w.contracts().await;
    let session = open(w, agent, weights, 50_000, None);
    let id: SessionId = session.parse().unwrap();
    w.run(CLIENT, &format!("session query {session} --csv {WINE_FILE} --rows 90..110 --state @s.json"));

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = w.file("watch.log");
    let watch = || {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        // an operator pays the gas; the owner's key signs requests to the service
        let mut command = w.command(DEPLOYER, "claim watch --every 0.3 --owner-key-env OWNER_KEY");
        command.env("OWNER_KEY", hex::encode(w.key(OWNER).to_bytes()));
        command.env("TRIBUTE_RPC", format!("http://127.0.0.1:{port}")).env("RUST_LOG", "info");
        Killed(command.stderr(file).spawn().unwrap())
    };
    let said = |what: &str| std::fs::read_to_string(&log).unwrap().matches(what).count();
    let until = |what: &'static str, times: usize| {
        tribute_testing::wait_for(what, || (said(what) >= times).then_some(()));
    };
    // the node is unreachable at first
    let first = watch();
    until("polling again in", 1);
    let node = Port::forwarded(port, w.anvil().url());
    // nothing is claimed while no session thaws
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(contracts.session(&id).await.unwrap().paid, 0);
    w.run(CLIENT, &format!("chain thaw {session}"));
    // killed in the middle of a proof, and restarted
    until("thawing with unclaimed answers", 1);
    drop(first);
    let before: String = chain.request("evm_snapshot", ()).await.unwrap();
    let second = watch();
    until(": claimed", 1);
    assert_eq!(contracts.session(&id).await.unwrap().paid, 20);
    let thaw_end = contracts.session(&id).await.unwrap().thawing.unwrap().end;
    assert!(chain.time().await.unwrap() < thaw_end, "in time");

    // a reorganisation undoes the claim while the node is unreachable: it is claimed again
    drop(node);
    until("polling again in", 2);
    let back: bool = chain.request("evm_revert", (before,)).await.unwrap();
    assert!(back && contracts.session(&id).await.unwrap().paid == 0);
    let _node = Port::forwarded(port, w.anvil().url());
    until(": claimed", 2);
    assert_eq!(contracts.session(&id).await.unwrap().paid, 20);

    // the client gets the rest, and there is nothing left to do
    chain.advance_time(61).await.unwrap();
    assert_eq!(amount(&w.run(CLIENT, &format!("chain refund {session}"))["amount"]), 30_000);
    drop(second);
    let once = w.output(OWNER, "claim watch --once");
    assert!(once.status.success(), "{}", String::from_utf8_lossy(&once.stderr));
    // sessions of other owners are ignored
    assert_eq!(said("not served here"), 0);
    assert_eq!(said("was not paid"), 0);
}

async fn a_session_refuses_what_it_could_not_prove_or_collect(w: &World, weights: &str, agent: &str) {
    let session = open(w, agent, weights, 3_000, None);
    let url = w.url();
    let client = Client::connect(url, w.key(CLIENT).clone()).await.unwrap();
    let id = hex::decode(session.trim_start_matches("0x")).unwrap();
    let bare = v1::QueryRequest {
        session: id.clone(),
        query: Some(v1::query_request::Query::Quantised(vec![100; 13])),
        salt: [vec![0], vec![7; 31]].concat(),
        ..Default::default()
    };
    let ask = |r: v1::QueryRequest| {
        let client = client.clone();
        async move {
            let signed = v1::QueryRequest { ..r };
            client.sessions().query(signed).await.map(|r| r.into_inner()).map_err(problem)
        }
    };
    let features = |values: Vec<f64>| v1::QueryRequest {
        query: Some(v1::query_request::Query::Features(v1::Features { values, clamped: false })),
        ..bare.clone()
    };
    let refused = ask(features(vec![1e6; 13])).await.unwrap_err();
    assert_eq!((refused.reason, refused.metadata["feature"].as_str()), (Reason::BadQuery, "alcohol"));
    assert_eq!(ask(features(vec![1.0; 12])).await.unwrap_err().reason, Reason::BadQuery);
    assert_eq!(ask(features([vec![1.0; 12], vec![f64::NAN]].concat())).await.unwrap_err().reason, Reason::BadQuery);
    assert_eq!(
        ask(features([vec![f64::INFINITY], vec![1.0; 12]].concat())).await.unwrap_err().reason,
        Reason::BadQuery
    );
    let long = v1::QueryRequest { salt: vec![1; 32], ..bare.clone() };
    assert_eq!(ask(long).await.unwrap_err().reason, Reason::BadQuery);
    let ahead = v1::QueryRequest { position: 1, ..bare.clone() };
    assert_eq!(ask(ahead).await.unwrap_err().reason, Reason::ForkedTranscript);
    let stranger = Client::connect(url, PrivateKeySigner::random()).await.unwrap();
    let refused = stranger.sessions().query(bare.clone()).await.unwrap_err();
    assert_eq!(problem(refused).reason, Reason::NotAllowed);

    // asking twice gives the same answer, counted once
    let first = ask(bare.clone()).await.unwrap();
    assert_eq!(ask(bare.clone()).await.unwrap(), first);
    // no voucher, no second answer
    let second = v1::QueryRequest { position: 1, ..bare.clone() };
    assert_eq!(ask(second.clone()).await.unwrap_err().reason, Reason::BadVoucher);

    let deployment = w.json("deployment.json");
    let escrow = text(&deployment["session_escrow"]["address"]);
    let mut contract = [0; 20];
    hex::decode_to_slice(escrow.trim_start_matches("0x"), &mut contract).unwrap();
    let domain = Domain { chain_id: deployment["chain_id"].as_u64().unwrap(), contract };
    let voucher = |count: u64, transcript: &[u8], key: &PrivateKeySigner| {
        let (session, transcript): (SessionId, Transcript) =
            (id[..].try_into().unwrap(), transcript.try_into().unwrap());
        let digest = voucher_digest(&domain, &session, 1, count, &transcript);
        let signature = key.sign_hash_sync(&B256::from(digest)).unwrap().as_bytes().to_vec();
        v1::Voucher { session: id.clone(), version: 1, count, transcript: transcript.to_vec(), signature }
    };
    let with = |v: v1::Voucher| v1::QueryRequest { voucher: Some(v), ..second.clone() };
    let by_stranger = voucher(1, &first.transcript, &PrivateKeySigner::random());
    let refused = ask(with(by_stranger)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::BadVoucher);
    assert!(refused.metadata.contains_key("signer") && refused.metadata.contains_key("expected"));
    let key = w.key(CLIENT);
    // signatures that other parsers accept but the contract does not would be answers for free
    for v in [0, 1, 35] {
        let mut odd = voucher(1, &first.transcript, key);
        odd.signature[64] = v;
        let refused = ask(with(odd)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::BadVoucher);
        assert!(refused.message.contains(&format!("27 or 28, not {v}")), "{refused}");
    }
    assert_eq!(ask(with(voucher(2, &first.transcript, key))).await.unwrap_err().reason, Reason::BadVoucher);
    assert_eq!(ask(with(voucher(1, &[3; 32], key))).await.unwrap_err().reason, Reason::ForkedTranscript);
    let other = v1::Voucher { version: 2, ..voucher(1, &first.transcript, key) };
    assert_eq!(ask(with(other)).await.unwrap_err().reason, Reason::BadVoucher);

    // three answers are paid for, the fourth is not
    let mut last = ask(with(voucher(1, &first.transcript, key))).await.unwrap();
    for position in 2..3 {
        let v = voucher(position, &last.transcript, key);
        last = ask(v1::QueryRequest { position, voucher: Some(v), ..bare.clone() }).await.unwrap();
    }
    let v = voucher(3, &last.transcript, key);
    let fourth = v1::QueryRequest { position: 3, voucher: Some(v), ..bare.clone() };
    assert_eq!(ask(fourth.clone()).await.unwrap_err().reason, Reason::EscrowShort);
    w.run(CLIENT, &format!("chain thaw {session}"));
    assert_eq!(ask(fourth).await.unwrap_err().reason, Reason::EscrowThawing);
}

#[test]
fn a_chain_that_is_not_there_is_named() {
    let place = Place::new();
    let output = Command::new(program())
        .args(["chain", "deploy", "--rpc", "http://127.0.0.1:9", "--deployment"])
        .arg(place.path().join("deployment.json"))
        .current_dir(ROOT)
        .env("TRIBUTE_KEY", "11".repeat(32))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("127.0.0.1:9") && said.contains("CHAIN_UNAVAILABLE"), "{said}");
    assert!(!place.path().join("deployment.json").exists());
}
