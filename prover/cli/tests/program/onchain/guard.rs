//! Commands of the deployment's owner and guardian: stops, pauses and timelock operations.

use serde_json::{json, Value};
use tribute_chain::{Deployment, U256};
use tribute_core::statement::Statement;
use tribute_testing::chain::points;

use crate::onchain::desk::{proof_file, text, Desk, ADA, ADMIN, BEN, CLEO, OLGA};

fn status(d: &Desk) -> Value {
    d.run(CLEO, "status --artifacts verifier-contract/out")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_wait_once_there_is_a_delay() {
    let d = Desk::new().await;
    let ada = d.address(ADA);
    // at once, while there is no delay
    let done = d.run(ADMIN, &format!("timelock guardian {ada}"));
    assert!(text(&done, "operation").contains("the guardian") && done["done"].as_array().unwrap().len() == 1);
    assert!(d.fails(BEN, "timelock delay 3600").contains("AccessControlUnauthorizedAccount"));
    d.run(ADMIN, "timelock delay 3600");
    assert_eq!(status(&d)["timelock"], json!({ "delay": 3_600, "guardian": ada, "announced": [] }));

    // then announced only once, and executed by anybody after the delay
    let circuit = d.w.circuits[0];
    let announced = d.run(ADMIN, &format!("timelock raise-gas-cap {circuit} --to 400000"));
    let id = text(&announced, "id");
    let (again, said) = d.told(ADMIN, &format!("timelock raise-gas-cap {circuit} --to 400000"));
    assert!(said.contains("already announced") && text(&again, "id") == id);
    let shown = status(&d);
    let waiting = &shown["timelock"]["announced"][0];
    assert!(waiting["due"].is_u64() && waiting["operations"][0].as_str().unwrap().contains("to 400000"), "{waiting}");
    assert!(d.fails(BEN, &format!("timelock execute {id}")).contains("TimelockUnexpectedOperationState"));
    d.w.chain.advance_time(3_601).await.unwrap();
    assert!(status(&d)["timelock"]["announced"][0]["due"].as_str().unwrap().contains("anybody"));
    d.run(BEN, &format!("timelock execute {id}"));
    assert_eq!(d.w.contracts.circuit(&circuit).await.unwrap().gasCap, 400_000);
    assert_eq!(status(&d)["timelock"]["announced"], json!([]));

    // and cancelled
    let id = text(&d.run(ADMIN, "timelock delay 60"), "id");
    assert!(d.fails(ADA, &format!("timelock cancel {id}")).contains("AccessControlUnauthorizedAccount"));
    d.run(ADMIN, &format!("timelock cancel {id}"));
    assert_eq!(status(&d)["timelock"]["announced"], json!([]));
    let unknown = format!("0x{}", "11".repeat(32));
    assert!(d.fails(BEN, &format!("timelock execute {unknown}")).contains("announced no operation"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_gets_another_owner_who_can_act() {
    let d = Desk::new().await;
    let (ben, admin) = (d.address(BEN), d.address(ADMIN));
    d.run(ADMIN, &format!("transfer --escrow --to {ben}"));
    assert!(d.fails(BEN, "accept --escrow").contains("add-proposer"), "half an owner could not announce circuits");
    d.run(ADMIN, &format!("timelock add-proposer {ben}"));
    d.run(BEN, "accept --escrow");
    assert_eq!(Deployment::load(&d.file("deployment.json")).unwrap().owner, ben);
    assert_eq!(status(&d)["contracts"]["owner"], json!(ben));
    assert!(d.fails(BEN, &format!("timelock remove-proposer {ben}")).contains("let another proposer"));
    d.run(BEN, &format!("timelock remove-proposer {admin}"));
    assert!(d.fails(ADMIN, "timelock delay 9").contains("AccessControlUnauthorizedAccount"));
    assert!(d.fails(ADMIN, "pause").contains("OwnableUnauthorizedAccount"));
    d.run(BEN, "timelock delay 60");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_are_for_good_and_pauses_are_not() {
    let d = Desk::new().await;
    let c = d.w.certified().await;
    let session = d.w.open(&d.w.cleo, &c).await;
    d.run(ADMIN, "pause");
    assert_eq!(status(&d)["new_sessions"], "paused");
    d.run(ADMIN, &format!("mint --to {} --amount 5", d.address(CLEO)));
    assert!(d.fails(CLEO, &format!("top-up {session} --amount 5")).contains("EnforcedPause"));
    d.run(CLEO, &format!("thaw {session} --amount 1"));
    d.run(ADMIN, "unpause");
    d.run(CLEO, &format!("top-up {session} --amount 5"));

    // a proof of more records than are possible
    let inputs = vec![U256::from(1), U256::from(1_u64 << 27)];
    let proof = d.w.proof(Statement::Dataset, inputs, &points("unsound", 9)).await;
    d.write("unsound.json", &json!({ "proof": proof_file(&proof) }));
    let sound = d.w.proof(Statement::Dataset, vec![U256::from(1), U256::from(7)], &points("sound", 9)).await;
    d.write("sound.json", &proof_file(&sound));
    assert!(d.fails(BEN, "stop-unsound @sound.json").contains("InputsPossible"));
    d.run(BEN, "stop-unsound @unsound.json");
    let circuit = d.w.circuits[3];
    assert!(d.fails(ADMIN, &format!("stop {circuit}")).contains("--for-good"));
    assert!(d.fails(OLGA, &format!("stop {circuit} --for-good")).contains("NotGuardian"));
    d.run(ADMIN, &format!("stop {circuit} --for-good"));
    for circuit in [d.w.circuits[0], circuit] {
        assert!(d.w.contracts.is_circuit_stopped(&circuit).await.unwrap());
    }
    let shown = d.run(CLEO, "find-agents --all");
    assert_eq!(shown["agents"][0]["offer"]["stage"], "doubtful");
    assert_eq!(d.run(CLEO, "find-agents")["agents"], json!([]));
}
