//! `tribute chain` and `tribute circuits check` as processes on a real chain: deployment, text output, keys that never
//! leak, and registered circuits that differ from their shape.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tribute_chain::timelock::Operation;
use tribute_chain::{Anvil, AnvilOptions, Deployment, NewCircuit, Wallet};
use tribute_core::id::{KeyDigest, SrsDigest};
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_engine::srs::Srs;
use tribute_steps::rebuilt::Rebuilt;
use tribute_testing::data::WINE_FILE;
use tribute_testing::{program, World, ROOT};

const OWNER: usize = 0;

/// A chain with contracts.
fn deployed() -> World {
    let w = World::with_chain();
    let said = w.says(OWNER, "chain deploy --thaw-seconds 60 --deployment @deployment.json");
    assert!(said.contains("proof gate") && said.contains("sent: 0x") && !said.contains('{'), "{said}");
    w
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_made_once_and_its_code_compared() {
    let w = deployed();
    let left = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(left(w.place.path()), 1, "deployment.json, and nothing unfinished");
    let chain = w.anvil().connect().await.unwrap();
    let sent = chain.mined_nonce(w.anvil().keys()[0].address()).await.unwrap();
    let deploy = format!("chain deploy --thaw-seconds 60 --json --deployment {}", w.deployment().display());
    let again: Value = serde_json::from_str(&w.says(OWNER, &deploy)).unwrap();
    assert_eq!(again["txs"].as_array().unwrap().len(), 0);
    assert_eq!(chain.mined_nonce(w.anvil().keys()[0].address()).await.unwrap(), sent);
    let other = w.output(OWNER, &deploy.replace("60", "90"));
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains("thaw period is 60, not 90"), "{said}");

    // coin is sent on the contracts' chain only
    Deployment { chain_id: 1, ..Deployment::load(&w.deployment()).unwrap() }.save(&w.file("other.json")).unwrap();
    let fund = format!("chain fund --to 0x{} --wei 1 --contracts @other.json", "b1".repeat(20));
    assert!(w.fails(OWNER, &fund).contains("use a node of chain 1"));

    let said = w.says(OWNER, "chain status");
    assert!(said.contains("equal to the local build") && said.contains("events agree  yes"), "{said}");
    let said = w.says(OWNER, "chain balance");
    assert!(said.contains("held         0\n") && said.contains("liabilities  0\n"), "amounts in decimal: {said}");
    // one changed byte of the gate is reported, and the command fails
    let gate = Deployment::load(&w.deployment()).unwrap().proof_gate.address;
    let mut code = chain.code(gate).await.unwrap().to_vec();
    code[100] ^= 1;
    let code = format!("0x{}", hex::encode(code));
    let _: Value = chain.request("anvil_setCode", (gate, code)).await.unwrap();
    let output = w.output(OWNER, "chain status --json");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("ProofGate") && said.contains("not the local build"), "{said}");
    assert!(status["code"].as_str().is_some_and(|code| code.contains("not the local build")), "{status}");
}

#[test]
fn keys_and_secrets_in_urls_never_show() {
    let w = deployed();
    let key = hex::encode(w.key(OWNER).to_bytes());
    for arguments in ["chain create-agent --name a", "chain create-agent --name b --json", "chain claim --help"] {
        let output = w.command(OWNER, arguments).env("RUST_LOG", "trace").output().unwrap();
        assert!(output.status.success());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).to_lowercase();
        assert!(!said.contains(&key), "tribute {arguments} shows the key");
    }
    let secret = "http://me:open-sesame@127.0.0.1:9/v3/open-sesame";
    for arguments in ["chain status", "chain create-agent", "chain claim --help"] {
        let output = w.command(OWNER, arguments).env("TRIBUTE_RPC", secret).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("open-sesame"), "{said}");
    }
    // a key can never be given as an argument
    let output = w.output(OWNER, "chain create-agent --key 0x11");
    assert!(String::from_utf8_lossy(&output.stderr).contains("unexpected argument"));
}

#[test]
fn a_key_in_the_place_of_another_value_is_not_shown() {
    let w = World::new();
    // 0xaa…
    let (key, to) = (hex::encode(w.key(9).to_bytes()), "b1".repeat(20));
    for key in [key.clone(), key.to_uppercase(), key[2..].to_owned(), format!("{key}0")] {
        for arguments in [
            format!("chain fund --wei 1 --to 0x{key}"),
            format!("chain fund --wei 1 --to={key}"),
            format!("chain fund --wei 0x{key} --to 0x{to}"),
            format!("chain balance 0x{key}z"),
            format!("chain status {key}"),
            format!("chain status --0x{key}"),
            format!("chain {key}"),
            format!("{key} status"),
        ] {
            let said = w.fails(OWNER, &arguments);
            assert!(said.contains("not shown") && !said.contains(&key[8..40]), "{said}");
        }
    }
    // an address and an amount are
    let said = w.fails(OWNER, &format!("chain fund --wei 1x --to 0x{to}"));
    assert!(said.contains("1x"), "{said}");
    let said = w.fails(OWNER, &format!("chain fund --wei 1 --to 0x{to}b"));
    assert!(said.contains(&to), "{said}");
}

/// A variable that is empty is as one that is not set, and what is wrong in one is told with its name.
#[test]
fn a_setting_in_the_environment_is_named() {
    let w = World::with_chain();
    let fund = format!("chain fund --wei 1 --to 0x{}", "b1".repeat(20));
    let mut command = w.command(OWNER, &fund);
    for name in ["TRIBUTE_RPC_CA", "TRIBUTE_MAX_FEE", "TRIBUTE_MAX_TIP", "TRIBUTE_CONFIRMATIONS"] {
        command.env(name, "");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let says = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (name, value) in [("TRIBUTE_MAX_FEE", "2.5"), ("TRIBUTE_CONFIRMATIONS", "10001")] {
        let said = says(w.command(OWNER, &fund).env(name, value));
        assert!(said.contains(value) && said.contains(&format!("environment variable {name}")), "{said}");
    }
    let said = says(w.command(OWNER, &format!("{fund} --max-fee 2.5")).env("TRIBUTE_MAX_FEE", "3"));
    assert!(said.contains("2.5") && !said.contains("environment variable"), "{said}");
    // what is empty on the command line is no value of a variable that is empty, too
    let said = says(w.command(OWNER, &fund).args(["--max-fee", ""]).env("TRIBUTE_MAX_FEE", ""));
    assert!(said.contains("--max-fee <GWEI>") && !said.contains("environment variable"), "{said}");
    for quote in ["\"", "'"] {
        let url = format!("{quote}https://node.example/v3/open-sesame{quote}");
        let said = says(w.command(OWNER, &fund).env("TRIBUTE_RPC", &url));
        assert!(said.contains("quotation marks") && said.contains("TRIBUTE_RPC"), "{said}");
        assert!(!said.contains("open-sesame"), "{said}");
    }
    let said = says(w.command(OWNER, &fund).args(["--key-env", ""]));
    assert!(said.contains("--key-env <NAME>"), "{said}");
    let said = says(w.command(OWNER, &fund).args(["--key-env", "A", "--keystore", "F"]));
    assert!(said.contains("--key-env <NAME>") && said.contains("cannot be used with"), "{said}");
}

#[test]
fn what_anybody_can_forge_or_mint_stays_on_local_chains() {
    let place = tribute_testing::Place::new();
    let anvil = Anvil::start_with(&AnvilOptions { chain_id: 8_453, ..AnvilOptions::default() }).unwrap();
    let run = |arguments: &str, server: &str| {
        let mut command = Command::new(program());
        let key = hex::encode(anvil.keys()[0].to_bytes());
        command.args(arguments.split(' ')).current_dir(ROOT).env("TRIBUTE_KEY", key).env("TRIBUTE_RPC", anvil.url());
        command.env("TRIBUTE_CONTRACTS", place.path().join("d.json")).env("TRIBUTE_SERVER", server).output().unwrap()
    };
    let deploy = format!("chain deploy --deployment {}", place.path().join("d.json").display());
    let refused = run(&deploy, "");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success()
            && said.contains("chain 8453 is not local")
            && said.contains("--token") | said.contains("ERC-20"),
        "{said}"
    );
    assert!(!place.path().join("d.json").exists(), "nothing was deployed");
    assert!(run(&format!("{deploy} --allow-test-token"), "").status.success());

    let served = place.serve(&["--k", "12", "--columns", "4"]);
    let schema = place.path().join("schema.json");
    assert!(run(&format!("schema infer {WINE_FILE} --real --out {}", schema.display()), "").status.success());
    let add = format!("circuits add --schema {} --link squared --k 11 --columns 4", schema.display());
    let refused = run(&add, &served.url);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("development SRS") && said.contains("--allow-dev-srs"),
        "{said}"
    );
    let added = run(&format!("{add} --allow-dev-srs"), &served.url);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

#[test]
fn a_failure_can_be_expected_only_of_a_call() {
    let to = format!("0x{}", "11".repeat(20));
    for arguments in ["chain deploy", &format!("chain fund --to {to} --wei 1"), "circuits add --schema s.json"] {
        let output = Command::new(program()).args(arguments.split(' ')).arg("--expect-revert").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("unexpected argument '--expect-revert'"));
    }
}

#[test]
fn a_regression_is_checked_without_a_service_circuit() {
    let w = deployed();
    let schema = w.place.path().join("schema.json");
    w.says(OWNER, &format!("schema infer {WINE_FILE} --real --out {}", schema.display()));
    let check = format!("circuits check --schema {} --link squared --k 11 --json", schema.display());
    let output = w.output(OWNER, &check);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> = value["circuits"].as_array().unwrap().iter().map(|c| &c["statement"]).collect();
    assert_eq!(names, ["dataset", "gradient", "optimum"]);
    assert!(!output.status.success(), "none of them is registered");
}

#[test]
fn a_server_takes_authorities_of_its_own_for_its_node() {
    let w = deployed();
    let serve = format!(
        "serve --listen 127.0.0.1:0 --data {} --rpc https://127.0.0.1:9 --rpc-ca none.pem --contracts {}",
        w.place.path().join("data").display(),
        w.deployment().display()
    );
    let output = w.output(OWNER, &serve);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("none.pem:"), "{said}");
}

#[test]
fn a_server_for_a_chain_refuses_a_k_that_proves_no_answers() {
    let w = deployed();
    let serve = format!(
        "serve --listen 127.0.0.1:0 --k 14 --data {} --rpc {} --contracts {}",
        w.place.path().join("data").display(),
        w.anvil().url(),
        w.deployment().display()
    );
    let said = w.fails(OWNER, &serve);
    assert!(said.contains("k = 15 or more") && said.contains("without --contracts"), "{said}");
}

/// What `circuits check` reports about the one registered circuit.
fn checked(w: &World, extra: &str) -> (bool, Value) {
    let arguments =
        format!("circuits check --features 5 --classes 3 --k 12 --columns 4 --statement dataset --json {extra}");
    let output = w.output(OWNER, &arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"));
    (output.status.success(), value["circuits"][0].clone())
}

fn differences(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|d| d["what"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_registered_with_any_field_wrong_is_found_out() {
    let layout = Layout::new(12, 4, 5, 3, Task::Classes).unwrap();
    let rebuilt = Rebuilt::new(&Shape::dataset(layout), &Srs::development(12)).unwrap();
    let code = tribute_circuits::keys::verifying_key(&Srs::development(12), &Shape::dataset(layout)).unwrap();
    let code = tribute_evm::generate_verifier(Srs::development(12).params(), &code, 2).unwrap();
    let right = &rebuilt.circuit;
    let cap = right.gas_cap;
    let variants: [(&str, NewCircuit); 7] = [
        ("", right.clone()),
        ("proof length", NewCircuit { proof_length: right.proof_length + 32, ..right.clone() }),
        ("group columns", NewCircuit { group_columns: vec![4], ..right.clone() }),
        ("gas cap", NewCircuit { gas_cap: cap / 3, ..right.clone() }),
        ("gas cap", NewCircuit { gas_cap: 10 * cap, ..right.clone() }),
        ("verifying key digest", NewCircuit { verifying_key: KeyDigest::new([7; 32]), ..right.clone() }),
        ("SRS digest", NewCircuit { srs: SrsDigest::new([8; 32]), ..right.clone() }),
    ];
    for (wrong, circuit) in variants {
        let w = deployed();
        let contracts = w.contracts().await;
        let owner = Wallet::new(contracts.chain(), w.anvil().keys()[0].clone());
        let (verifier, _) = contracts.deploy_verifier_runtime(&owner, "dataset", &code.runtime).await.unwrap();
        let id = contracts.register_circuit(&owner, &circuit, verifier).await.unwrap().event;
        let (fine, said) = checked(&w, "");
        assert_eq!((fine, said["as_rebuilt"] == true), (wrong.is_empty(), wrong.is_empty()), "{wrong}: {said}");
        if id == rebuilt.id() {
            // these fields are not part of the id
            let found = differences(&said["differences"]);
            assert_eq!(found, if wrong.is_empty() { vec![] } else { vec![wrong] }, "{said}");
        } else {
            assert!(said["registered"].is_null());
            assert_eq!(differences(&said["others"][0]["differences"]), [wrong], "{said}");
            let (_, said) = checked(&w, &format!("--circuit {id}"));
            assert_eq!(differences(&said["differences"]), [wrong], "{said}");
        }
        if wrong.is_empty() {
            // the owner may raise the cap, and the check accepts that
            let raise = Operation::RaiseGasCap { circuit: id, cap: 10 * cap };
            contracts.run(&raise)[0].send(&owner).await.unwrap();
            assert!(checked(&w, "").0);
            contracts.stop_circuit(&id).send(&owner).await.unwrap();
            assert_eq!(differences(&checked(&w, "").1["differences"]), ["stopped"]);
        }
    }
}
