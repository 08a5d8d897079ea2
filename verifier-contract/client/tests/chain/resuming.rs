//! Processes that die and nodes that are killed midway: whatever was begun is finished exactly once.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::proxy::{Proxy, Quirk, Reply};
use alloy::primitives::keccak256;
use tribute_chain::anvil::AnvilOptions;
use tribute_chain::claims::SkipReason;
use tribute_chain::{
    Anvil, Chain, ChainError, Contracts, DeployOptions, Deployment, Options, ReportedEvent, Wallet, Watcher, U256,
};
use tribute_testing::chain::{artifacts, assert_paid_once, World};
use tribute_testing::wait_until;

/// Options of a process that keeps its in-flight transactions in `folder`.
fn journalled(folder: &Path) -> Options {
    let journal = Some(folder.join("pending"));
    Options { journal, receipt_timeout: Duration::from_secs(30), ..Options::default() }
}

/// Waits until the account has that many transactions, including pending ones.
async fn until_sent(chain: &Chain, wallet: &Wallet, count: u64) {
    let sent = async || chain.pending_nonce(wallet.address()).await.unwrap() >= count;
    wait_until(&format!("transaction {count}"), sent).await;
}

/// A new process, which has only the files.
async fn process(url: &str, folder: &Path, key: &Wallet) -> Wallet {
    let chain = Chain::connect_with(url, journalled(folder)).await.unwrap();
    Wallet::new(&chain, key.signer().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_interrupted_at_every_step_is_finished_without_a_step_too_many() {
    let anvil = Anvil::start_with(&AnvilOptions { automine: false, ..Default::default() }).unwrap();
    let node = anvil.connect().await.unwrap();
    let key = Wallet::new(&node, anvil.keys()[0].clone());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.json");
    let options = DeployOptions::default();
    for step in 0..11 {
        let (wallet, at) = (process(anvil.url(), folder.path(), &key).await, file.clone());
        let deploying = tokio::spawn(async move { Deployment::deploy_to(&wallet, &artifacts(), &options, &at).await });
        until_sent(&node, &key, step + 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        deploying.abort(); // dies with the transaction under way
        assert!(deploying.await.unwrap_err().is_cancelled());
        match step % 3 {
            // mined while nobody looked
            0 => node.mine(1).await.unwrap(),
            // lost by the node: sent again by the next process
            1 => drop(node.request::<_, serde_json::Value>("anvil_dropAllTransactions", ()).await.unwrap()),
            // still waiting
            _ => {}
        }
        if step % 3 != 0 {
            let (wallet, at) = (process(anvil.url(), folder.path(), &key).await, file.clone());
            let deploying =
                tokio::spawn(async move { Deployment::deploy_to(&wallet, &artifacts(), &options, &at).await });
            // a block only after the process has had time to look at what is on file
            let mined = async || {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let mined = node.mined_nonce(key.address()).await.unwrap() > step;
                if !mined {
                    node.mine(1).await.unwrap();
                }
                mined
            };
            wait_until(&format!("step {step}"), mined).await;
            deploying.abort();
            let _ = deploying.await;
        }
        assert!(!file.exists());
    }
    node.set_automine(true).await.unwrap();
    let wallet = process(anvil.url(), folder.path(), &key).await;
    let (deployment, _) = Deployment::deploy_to(&wallet, &artifacts(), &options, &file).await.unwrap();
    deployment.check(&node, &artifacts()).await.unwrap();
    assert_eq!(node.mined_nonce(key.address()).await.unwrap(), 11, "eleven steps, eleven transactions");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["deployment.json"]);

    // died between the receipt and its record: the deployed contract is found by the deployer's nonces
    let unfinished = folder.path().join("deployment.json.unfinished");
    std::fs::remove_file(&file).unwrap();
    let left = serde_json::json!({
        "chain_id": 31_337, "genesis": node.block(0).await.unwrap().unwrap().hash, "deployer": key.address(),
        "options": options, "contracts": {}, "under_way": ["TestToken", 0], "first_block": 1, "sent": [],
    });
    std::fs::write(&unfinished, left.to_string()).unwrap();
    let (found, _) = Deployment::deploy_to(&wallet, &artifacts(), &options, &file).await.unwrap();
    assert_eq!(found.token, deployment.token, "not deployed again");
    assert_eq!(node.mined_nonce(key.address()).await.unwrap(), 21, "the other ten");
    let deployment = found;

    // once more: nothing to do; and a difference is reported, not overwritten
    let (again, sent) = Deployment::deploy_to(&wallet, &artifacts(), &options, &file).await.unwrap();
    assert_eq!((again, sent), (deployment, Vec::new()));
    let other = DeployOptions { thaw_seconds: 61, ..options };
    let error = Deployment::deploy_to(&wallet, &artifacts(), &other, &file).await.unwrap_err();
    assert!(matches!(&error, ChainError::AlreadyDeployed { cause, .. } if cause.contains("thaw period")), "{error}");
    let fresh = Anvil::start().unwrap();
    let wallet = process(fresh.url(), folder.path(), &key).await;
    let error = Deployment::deploy_to(&wallet, &artifacts(), &options, &file).await.unwrap_err();
    assert!(matches!(&error, ChainError::AlreadyDeployed { cause, .. } if cause.contains("no code")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_not_continued_on_another_chain_or_with_another_plan() {
    let first = Anvil::start_with(&AnvilOptions { automine: false, ..Default::default() }).unwrap();
    let node = first.connect().await.unwrap();
    let key = Wallet::new(&node, first.keys()[0].clone());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.json");
    let wallet = process(first.url(), folder.path(), &key).await;
    let (at, options) = (file.clone(), DeployOptions::default());
    let deploying = tokio::spawn(async move { Deployment::deploy_to(&wallet, &artifacts(), &options, &at).await });
    until_sent(&node, &key, 1).await;
    node.mine(1).await.unwrap();
    until_sent(&node, &key, 2).await;
    deploying.abort();
    let _ = deploying.await;

    let wallet = process(first.url(), folder.path(), &key).await;
    let other = DeployOptions { thaw_seconds: 61, ..options };
    let error = Deployment::deploy_to(&wallet, &artifacts(), &other, &file).await.unwrap_err();
    assert!(
        matches!(&error, ChainError::CannotContinue { cause, .. } if cause.contains("thaw_seconds: 60")),
        "{error}"
    );
    // a chain begun in the same second has the same genesis block, and only the missing code reveals the difference
    let second = Anvil::start().unwrap();
    let wallet = process(second.url(), folder.path(), &key).await;
    let error = Deployment::deploy_to(&wallet, &artifacts(), &options, &file).await.unwrap_err();
    assert!(matches!(&error, ChainError::CannotContinue { cause, .. } if cause.contains("reset")), "{error}");
    let unfinished = folder.path().join("deployment.json.unfinished");
    let mut left: serde_json::Value = serde_json::from_slice(&std::fs::read(&unfinished).unwrap()).unwrap();
    left["genesis"] = serde_json::json!(keccak256("another chain"));
    std::fs::write(&unfinished, left.to_string()).unwrap();
    let wallet = process(first.url(), folder.path(), &key).await;
    let error = Deployment::deploy_to(&wallet, &artifacts(), &options, &file).await.unwrap_err();
    assert!(matches!(&error, ChainError::CannotContinue { cause, .. } if cause.contains("another chain")), "{error}");
}

/// A claim by a process that dies while it waits; then `meanwhile`; then the same claim by another process.
async fn killed_in_mid_claim(mined_meanwhile: bool) {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let batch = w.batch(&c, &[(session, 7)]).await;
    let before = w.chain.mined_nonce(w.olga.address()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    w.chain.set_automine(false).await.unwrap();

    let first = process(w.anvil.url(), folder.path(), &w.olga).await;
    let contracts = Contracts::new(first.chain(), w.contracts.deployment().clone()).unwrap();
    let claim = contracts.claim(std::slice::from_ref(&batch));
    let claiming = tokio::spawn(async move { claim.send(&first).await });
    until_sent(&w.chain, &w.olga, before + 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    claiming.abort();
    let _ = claiming.await;
    if mined_meanwhile {
        w.chain.mine(1).await.unwrap();
    }
    w.chain.set_automine(true).await.unwrap();
    let second = process(w.anvil.url(), folder.path(), &w.olga).await;
    let contracts = Contracts::new(second.chain(), w.contracts.deployment().clone()).unwrap();
    let claiming = tokio::spawn({
        let (claim, second) = (contracts.claim(std::slice::from_ref(&batch)), second.clone());
        async move { claim.send(&second).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    w.chain.mine(1).await.unwrap();
    let done = claiming.await.unwrap().unwrap();
    assert_eq!((done.event.sessions.len(), done.event.sessions[0].count), (1, 7));
    assert_eq!(w.chain.mined_nonce(w.olga.address()).await.unwrap(), before + 1, "one transaction");
    assert_paid_once(&w, &c, &session).await;
    assert!(!folder.path().join("pending").exists(), "struck off");

    // without any record the contract itself pays nothing a second time, and the client says so
    let again = contracts.claim(std::slice::from_ref(&batch)).send(&second).await.unwrap();
    assert_eq!((again.event.sessions.len(), again.event.skipped.len()), (0, 1));
    assert_eq!(again.event.skipped[0].reason, SkipReason::StaleTranscript);
    assert_paid_once(&w, &c, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_process_died_is_seen_through_by_the_next_and_paid_once() {
    killed_in_mid_claim(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_mined_after_its_process_died_is_recognised_and_paid_once() {
    killed_in_mid_claim(true).await;
}

/// The node is killed while a claim is pending, and comes back with the state before the claim (`lost`) or after it.
async fn node_killed_in_mid_claim(lost: bool) {
    let mut w = World::with(Options { receipt_timeout: Duration::from_secs(40), ..Options::default() }).await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let batch = w.batch(&c, &[(session, 7)]).await;
    let before = w.chain.mined_nonce(w.olga.address()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    w.chain.set_automine(false).await.unwrap();
    if lost {
        w.chain.dump_state(&state).await.unwrap();
    }
    // confirmed only after two more blocks: the claim waits whatever happens
    let patient = Options { confirmations: 3, receipt_timeout: Duration::from_secs(40), ..Options::default() };
    let chain = Chain::connect_with(w.anvil.url(), patient).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    let (claim, wallet) = (contracts.claim(std::slice::from_ref(&batch)), Wallet::new(&chain, w.olga.signer().clone()));
    let claiming = tokio::spawn(async move { claim.send(&wallet).await });
    until_sent(&w.chain, &w.olga, before + 1).await;
    if !lost {
        w.chain.mine(1).await.unwrap();
        w.chain.dump_state(&state).await.unwrap();
    }
    let port = w.anvil.url().rsplit(':').next().unwrap().parse().unwrap();
    let kill = format!("-{}", w.anvil.process_id());
    assert!(std::process::Command::new("kill").args(["-KILL", "--", &kill]).status().unwrap().success());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(w.chain.block_number().await.is_err(), "the node is gone");
    assert!(!claiming.is_finished(), "the claim waits for it");

    let options = AnvilOptions { port, load_state: Some(state), ..Default::default() };
    w.anvil = Anvil::start_with(&options).unwrap();
    let claimed = async || {
        assert!(!claiming.is_finished(), "it needs two more blocks");
        w.contracts.session(&session).await.is_ok_and(|s| s.count == 7)
    };
    wait_until("the claim's block", claimed).await;
    w.chain.mine(3).await.unwrap();
    let done = claiming.await.unwrap().unwrap();
    assert_eq!(done.sent.status, 1);
    assert_eq!(w.chain.mined_nonce(w.olga.address()).await.unwrap(), before + 1);
    assert_paid_once(&w, &c, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_a_killed_node_forgot_is_sent_again_and_paid_once() {
    node_killed_in_mid_claim(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_a_killed_node_had_mined_is_paid_once() {
    node_killed_in_mid_claim(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_reported_once_and_removed_by_a_reorganisation() {
    let w = World::new().await;
    let c = w.certified().await;
    let session = w.open(&w.cleo, &c).await;
    let mut watcher = Watcher::new(w.contracts.deployment().block);
    let first = watcher.poll(&w.contracts).await.unwrap();
    let count = |name: &str| first.iter().filter(|reported| reported.event == name).count();
    assert_eq!((count("CircuitAdded"), count("DatasetRegistered"), count("GradientAdded")), (4, 2, 2));
    assert_eq!((count("VersionCertified"), count("SessionOpened"), count("Unknown")), (1, 1, 0));
    assert!(watcher.poll(&w.contracts).await.unwrap().is_empty());

    w.contracts.request_thaw(&session, None).send(&w.cleo).await.unwrap();
    let news = watcher.poll(&w.contracts).await.unwrap();
    let [thaw] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!((thaw.event.as_str(), thaw.contract.as_str()), ("ThawRequested", "SessionEscrow"));
    assert_eq!(thaw.operands[0], ("session".to_owned(), session.to_string()));
    w.chain.reorganise(1).await.unwrap();
    let news = watcher.poll(&w.contracts).await.unwrap();
    assert_eq!(news, [ReportedEvent { removed: true, ..thaw.clone() }]);
    assert!(news[0].to_string().contains("removed by a reorganisation"), "{}", news[0]);

    // far behind the head nothing is reported twice
    w.contracts.claim(&[w.batch(&c, &[(session, 7)]).await]).send(&w.olga).await.unwrap();
    assert_eq!(watcher.poll(&w.contracts).await.unwrap().len(), 2);
    w.chain.mine(80).await.unwrap();
    assert!(watcher.poll(&w.contracts).await.unwrap().is_empty());
    w.contracts.withdraw_owner(&c.agent, c.version).send(&w.olga).await.unwrap();
    let news = watcher.poll(&w.contracts).await.unwrap();
    assert_eq!(news.len(), 1);
    assert_ne!(U256::ZERO.to_string(), news[0].operands.last().unwrap().1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_behind_another_removes_no_event() {
    let w = World::new().await;
    w.contracts.create_agent(Default::default(), "").send(&w.ada).await.unwrap();
    let newest = w.chain.block_number().await.unwrap();
    let behind = Arc::new(AtomicBool::new(false));
    let lags = behind.clone();
    let two_nodes = Quirk::before(move |p| {
        let lags = lags.load(Ordering::Relaxed);
        match p.method {
            "eth_blockNumber" if lags => Some(Reply::result(p.request, format!("{:#x}", newest - 1))),
            "eth_getBlockByNumber" if lags => Some(Reply::result(p.request, serde_json::Value::Null)),
            _ => None,
        }
    });
    let proxy = Proxy::start(w.anvil.url(), two_nodes).await;
    let chain = Chain::connect(&proxy.url).await.unwrap();
    let contracts = Contracts::new(&chain, w.contracts.deployment().clone()).unwrap();
    let mut watcher = Watcher::new(newest);
    let created = watcher.poll(&contracts).await.unwrap();
    assert_eq!(created.len(), 1);
    for lagging in [true, false, true] {
        behind.store(lagging, Ordering::Relaxed);
        assert_eq!(watcher.poll(&contracts).await.unwrap(), [], "{lagging}");
    }
    // replaced in earnest
    w.chain.reorganise(1).await.unwrap();
    assert_eq!(watcher.poll(&contracts).await.unwrap(), []);
    behind.store(false, Ordering::Relaxed);
    assert_eq!(watcher.poll(&contracts).await.unwrap(), [ReportedEvent { removed: true, ..created[0].clone() }]);
    assert_eq!(watcher.poll(&contracts).await.unwrap(), []);
}
