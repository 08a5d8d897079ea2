//! Deployment, its check, keys, and a node that is absent, serves another chain, hangs or answers nonsense.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::payer::Payer;
use crate::proxy::{Quirk, Reply, SEND};
use alloy::sol_types::SolValue;
use serde_json::json;
use tribute_chain::anvil::AnvilOptions;
use tribute_chain::{Address, Anvil, Chain, ChainError, Contracts, DeployOptions, Deployment, Options, Wallet, U256};
use tribute_testing::chain::{artifacts, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deployed_is_the_local_build() {
    let anvil = Anvil::start().unwrap();
    let chain = anvil.connect().await.unwrap();
    let wallet = Wallet::new(&chain, anvil.keys()[0].clone());
    let (deployment, sent) = Deployment::deploy(&wallet, &artifacts(), &DeployOptions::default()).await.unwrap();
    assert_eq!(sent.len(), 11);
    assert!(sent.iter().all(|s| s.status == 1));
    deployment.check(&chain, &artifacts()).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.json");
    deployment.save(&file).unwrap();
    assert_eq!(Deployment::load(&file).unwrap(), deployment);
    std::fs::write(&file, "{\"chain_id\": 1}").unwrap();
    assert!(Deployment::load(&file).unwrap_err().to_string().contains("missing field `block`"));
    std::fs::write(&file, format!("\u{feff}{}", serde_json::to_string(&deployment).unwrap())).unwrap();
    assert_eq!(Deployment::load(&file).unwrap(), deployment);
    std::fs::remove_file(&file).unwrap();
    assert!(Deployment::load(&file).unwrap_err().to_string().contains("tribute chain deploy"));

    // one byte of the code changed
    let address = deployment.agent_registry.address;
    let code = chain.code(address).await.unwrap();
    let mut changed = code.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let set = |code: tribute_chain::Bytes| chain.request::<_, serde_json::Value>("anvil_setCode", (address, code));
    set(changed.into()).await.unwrap();
    let error = deployment.check(&chain, &artifacts()).await.unwrap_err();
    assert!(matches!(&error, ChainError::CodeDiffers { contract, .. } if contract == "AgentRegistry"), "{error}");
    // no code at all
    set(Default::default()).await.unwrap();
    let error = deployment.check(&chain, &artifacts()).await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
    set(code).await.unwrap();
    deployment.check(&chain, &artifacts()).await.unwrap();

    // the same code, bound to another gate: only the views and the hash show it
    let (second, _) = Deployment::deploy(&wallet, &artifacts(), &DeployOptions::default()).await.unwrap();
    let creation = artifacts().load("AgentRegistry").unwrap();
    let mixed = (second.proof_gate.address, deployment.dataset_registry.address).abi_encode_params();
    let error = wallet.deploy("AgentRegistry", creation.with_arguments(&mixed)).await.unwrap_err();
    assert!(error.is_revert("OtherDeployment"), "{error}");
    let arguments = (second.proof_gate.address, second.dataset_registry.address).abi_encode_params();
    let (other, _) = wallet.deploy("AgentRegistry", creation.with_arguments(&arguments)).await.unwrap();
    let mut forged = deployment.clone();
    forged.agent_registry.address = other;
    let error = forged.check(&chain, &artifacts()).await.unwrap_err();
    assert!(matches!(error, ChainError::CodeDiffers { .. }), "{error}");
    forged.agent_registry.code_hash = tribute_chain::chain::code_hash(&chain.code(other).await.unwrap());
    let error = forged.check(&chain, &artifacts()).await.unwrap_err();
    assert!(matches!(error, ChainError::WiringDiffers { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_chain_is_refused() {
    let w = World::new().await;
    let other = Anvil::start_with(&AnvilOptions { chain_id: 7, ..Default::default() }).unwrap();
    let chain = other.connect().await.unwrap();
    let deployment = w.contracts.deployment().clone();
    let error = Contracts::new(&chain, deployment.clone()).unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { expected: 31_337, found: 7, .. }), "{error}");
    let error = deployment.check(&chain, &artifacts()).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { .. }), "{error}");

    // the right id, but the contracts are not there: a chain that was reset
    let fresh = Anvil::start().unwrap();
    let chain = fresh.connect().await.unwrap();
    let contracts = Contracts::new(&chain, deployment).unwrap();
    let error = contracts.holdings().await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
    let wallet = Wallet::new(&chain, fresh.keys()[0].clone());
    let error = contracts.create_agent(Default::default(), "").send(&wallet).await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
    assert_eq!(chain.mined_nonce(wallet.address()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_chain_that_is_not_there() {
    // bound and dropped: nobody listens there
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let error = Chain::connect(&url).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&url) && error.to_string().contains("start a node"), "{error}");
    for url in ["", "127.0.0.1:8545", "ftp://node", "http://"] {
        let error = Chain::connect(url).await.unwrap_err();
        assert!(matches!(error, ChainError::BadUrl { .. }), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_chain_that_hangs_or_talks_nonsense() {
    let quick = Options { request_timeout: Duration::from_millis(300), ..Options::default() };

    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hanging.local_addr().unwrap());
    let start = Instant::now();
    let error = Chain::connect_with(&url, quick).await.unwrap_err();
    assert!(matches!(error, ChainError::NodeSilent { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(3));

    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":\"fish\"}",
    ];
    for answer in answers {
        let error = Chain::connect(&serve(answer)).await.unwrap_err();
        assert!(matches!(error, ChainError::BadAnswer { .. }), "{answer}: {error:?}");
    }
}

/// An HTTP server that gives the same answer to everything.
fn serve(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                stream.write_all(answer.as_bytes()).ok();
            }
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dumped_chain_lives_again() {
    let w = World::new().await;
    let c = w.certified().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    w.chain.dump_state(&file).await.unwrap();
    let deployment = w.contracts.deployment().clone();
    drop(w);

    let options = AnvilOptions { load_state: Some(file), ..Default::default() };
    let anvil = Anvil::start_with(&options).unwrap();
    let chain = anvil.connect().await.unwrap();
    deployment.check(&chain, &artifacts()).await.unwrap();
    let contracts = Contracts::new(&chain, deployment).unwrap();
    assert!(contracts.is_certified(&c.agent, c.version).await.unwrap());
}

#[tokio::test]
async fn anvil_ends_with_its_owner() {
    let anvil = Anvil::start().unwrap();
    let (url, group) = (anvil.url().to_owned(), anvil.process_id());
    assert_eq!(anvil.keys().len(), 20);
    assert!(processes_of_group(group) >= 2);
    drop(anvil);
    assert!(matches!(Chain::connect(&url).await, Err(ChainError::Unreachable { .. })));
    assert_eq!(processes_of_group(group), 0);
}

#[tokio::test]
async fn two_anvils_do_not_meet_and_a_taken_port_is_told() {
    let first = Anvil::start().unwrap();
    let second = Anvil::start().unwrap();
    assert_ne!(first.url(), second.url());
    let port = first.url().rsplit(':').next().unwrap().parse().unwrap();
    let error = Anvil::start_with(&AnvilOptions { port, ..Default::default() }).unwrap_err();
    assert!(matches!(error, ChainError::NodeFailed { .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("in use"), "{error}");
}

/// Live processes of a process group.
fn processes_of_group(group: u32) -> usize {
    let member = |stat: String| {
        let after_name = stat.rsplit_once(')')?.1.to_owned();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        (*fields.first()? != "Z" && fields.get(2)?.parse() == Ok(group)).then_some(())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter_map(member)
        .count()
}

#[tokio::test]
async fn the_watchdog_outlives_a_killed_owner() {
    // This test binary, run again to start an anvil and be killed.
    if let Ok(file) = std::env::var("TRIBUTE_TEST_ANVIL_OWNER") {
        let anvil = Anvil::start().unwrap();
        std::fs::write(file, format!("{} {}", anvil.process_id(), anvil.url())).unwrap();
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("owner");
    let mut owner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "deployment::the_watchdog_outlives_a_killed_owner"])
        .env("TRIBUTE_TEST_ANVIL_OWNER", &file)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let told = wait_for(Duration::from_secs(30), || std::fs::read_to_string(&file).ok().filter(|t| !t.is_empty()));
    owner.kill().unwrap(); // SIGKILL: nothing in it can react
    owner.wait().unwrap();
    let told = told.expect("anvil did not start");
    let (group, url) = told.split_once(' ').unwrap();
    let group: u32 = group.parse().unwrap();
    let gone = wait_for(Duration::from_secs(10), || (processes_of_group(group) == 0).then_some(()));
    assert!(gone.is_some(), "anvil of a killed owner still runs");
    assert!(matches!(Chain::connect(url).await, Err(ChainError::Unreachable { .. })));
}

fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_test_tokens_are_minted() {
    let w = World::new().await;
    let mut deployment = w.contracts.deployment().clone();
    deployment.test_token = false;
    let contracts = Contracts::new(&w.chain, deployment).unwrap();
    let error = contracts.mint(w.cleo.address(), U256::from(1)).unwrap_err();
    assert!(matches!(error, ChainError::NoTestToken), "{error}");
}

/// Of two nodes behind one URL every second request gets to one that lacks what the last second brought.
fn balanced() -> Quirk {
    let last: Mutex<Option<Instant>> = Mutex::default();
    Quirk::after(move |p, answer| {
        let mut last = last.lock().unwrap();
        if p.method == SEND {
            *last = Some(Instant::now());
        }
        if p.before % 2 == 1 || last.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            return None;
        }
        match p.method {
            "eth_getCode" => answer["result"] = json!("0x"),
            "eth_getTransactionCount" => {
                let count = u64::from_str_radix(answer["result"].as_str()?.trim_start_matches("0x"), 16).ok()?;
                answer["result"] = json!(format!("{:#x}", count.saturating_sub(1)));
            }
            "eth_call" | "eth_estimateGas" => return Some(Reply::error(p.request, 3, "execution reverted")),
            _ => {}
        }
        None
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_at_nodes_that_are_behind_deploys_each_contract_once() {
    let payer = Payer::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.json");
    let proxy = payer.behind(balanced()).await;
    let wallet = payer.process(&proxy.url).await;
    let (deployment, sent) =
        Deployment::deploy_to(&wallet, &artifacts(), &DeployOptions::default(), &file).await.unwrap();
    assert_eq!((sent.len(), payer.paid().await.0), (11, 11));
    deployment.check(&payer.node, &artifacts()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployed_contract_that_no_node_shows_is_not_deployed_again() {
    let payer = Payer::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.json");
    let deploy = async |url: &str| {
        let wallet = payer.process(url).await;
        Deployment::deploy_to(&wallet, &artifacts(), &DeployOptions::default(), &file).await
    };
    // behind for longer than we wait, which a call without a result notices first: the fifth contract is bound
    let behind = payer.behind(Quirk::after(|p, answer| {
        if p.method == "eth_getCode" {
            answer["result"] = json!("0x");
        }
        None
    }));
    let behind = behind.await;
    let error = deploy(&behind.url).await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
    let sent = payer.paid().await.0;
    let error = deploy(&behind.url).await.unwrap_err();
    assert!(matches!(error, ChainError::CannotContinue { .. }), "{error}");
    deploy(payer.anvil.url()).await.unwrap();
    assert_eq!((sent, payer.paid().await.0), (5, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_that_the_contracts_refuse_are_refused_before_the_first_transaction() {
    let anvil = Anvil::start().unwrap();
    let public = Anvil::start_with(&AnvilOptions { chain_id: 7, ..Default::default() }).unwrap();
    let wallet = async |anvil: &Anvil| Wallet::new(&anvil.connect().await.unwrap(), anvil.keys()[0].clone());
    let (local, public) = (wallet(&anvil).await, wallet(&public).await);
    let usual = DeployOptions::default();
    let (nobody, without_code) = (Some(Address::ZERO), Some(Address::repeat_byte(9)));
    for (wallet, options, option) in [
        (&local, DeployOptions { thaw_seconds: 59, ..usual }, "--thaw-seconds"),
        (&local, DeployOptions { thaw_seconds: 90 * 86_400 + 1, ..usual }, "--thaw-seconds"),
        (&local, DeployOptions { challenge_seconds: 0, ..usual }, "--challenge-seconds"),
        (&local, DeployOptions { owner: nobody, ..usual }, "--owner"),
        (&local, DeployOptions { guardian: nobody, ..usual }, "--guardian"),
        (&local, DeployOptions { token: without_code, ..usual }, "--token"),
        (&public, DeployOptions { circuit_delay: 86_399, ..usual }, "--circuit-delay"),
    ] {
        let error = Deployment::deploy(wallet, &artifacts(), &options).await.unwrap_err();
        assert!(matches!(error, ChainError::BadDeployOption { option: found, .. } if found == option), "{error}");
        assert_eq!(wallet.chain().mined_nonce(wallet.address()).await.unwrap(), 0);
    }
    // the least that the contracts take; then contracts that are tokens, and that are none
    let least = DeployOptions { circuit_delay: 86_400, ..usual };
    let (deployment, _) = Deployment::deploy(&public, &artifacts(), &least).await.unwrap();
    let sent = public.chain().mined_nonce(public.address()).await.unwrap();
    let gate = DeployOptions { token: Some(deployment.proof_gate.address), ..least };
    let error = Deployment::deploy(&public, &artifacts(), &gate).await.unwrap_err();
    assert!(matches!(error, ChainError::BadDeployOption { option: "--token", .. }), "{error}");
    assert_eq!(public.chain().mined_nonce(public.address()).await.unwrap(), sent);
    let token = DeployOptions { token: Some(deployment.token.address), ..least };
    Deployment::deploy(&public, &artifacts(), &token).await.unwrap();
}
