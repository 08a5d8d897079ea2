//! True statements can be proven, for every shape, natively and on chain.

use proptest::prelude::*;
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_circuits::statements::service::{capacity, ServiceCircuit, ServiceError, SessionBatch};
use tribute_core::shape::Shape;
use tribute_core::statement::service;
use tribute_engine::field::from_core;
use tribute_engine::halo2_proofs::arithmetic::best_multiexp;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::{verify, Proof};
use tribute_engine::srs::Srs;

use crate::agent::{after, layout, small_srs, Agent};
use crate::support::weights;

/// Checks that the EVM verifier accepts, within the limits on gas and code size.
fn on_chain(srs: &Srs, keys: &Keys, proof: &Proof) {
    let code = tribute_evm::direct::generate(srs.params(), keys.vk(), proof.inputs.len()).unwrap();
    let run = tribute_evm::run(&code.runtime, &proof.calldata()).unwrap();
    println!("{}: {} gas, {} bytes of code", keys.shape().name(), run.execution_gas, code.runtime.len());
    assert!(run.success);
    assert!(run.execution_gas < 600_000 && code.runtime.len() < 24_000);
}

fn accepted(srs: &Srs, agent: &Agent, keys: &Keys, sessions: &[SessionBatch]) {
    let circuit = agent.circuit(sessions);
    let inputs = circuit.inputs(Fr::from(5));
    for (i, session) in sessions.iter().enumerate() {
        assert_eq!(inputs[service::BEFORE + i], from_core(&session.before));
        assert_eq!(inputs[service::AFTER + i], after(&agent.layout, session));
        assert_eq!(inputs[service::COUNT + i], Fr::from(session.queries.len() as u64));
    }
    let proof = prove(srs, keys, &circuit, inputs).unwrap();
    on_chain(srs, keys, &proof);
    // the proof fixes ctx and the used slots
    for index in [0, service::BEFORE, service::AFTER, service::COUNT, service::COUNT + 15] {
        let mut other = proof.clone();
        other.inputs[index] += Fr::one();
        assert!(!verify(srs, keys.vk(), &other), "input {index}");
    }
}

#[test]
fn sessions_of_all_sizes() {
    let agent = Agent::tying();
    let keys = agent.keys(small_srs());
    // no query at all; one query; several slots with an empty one between; the last slot
    accepted(small_srs(), &agent, &keys, &[]);
    accepted(small_srs(), &agent, &keys, &[agent.session(1, 1)]);
    accepted(small_srs(), &agent, &keys, &[agent.session(1, 3), agent.session(2, 0), agent.session(3, 4)]);
    let full: Vec<_> = (0..16).map(|i| agent.session(i, 1 + i as usize)).collect();
    accepted(small_srs(), &agent, &keys, &full);
    accepted(small_srs(), &agent, &keys, &[agent.session(8, capacity(&agent.layout))]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_shape_and_any_batch(d in 1usize..80, c in 2usize..30, seed in 0i64..1000, sizes in prop::collection::vec(0usize..6, 1..6)) {
        let layout = layout(15, d, c);
        let agent = Agent::new(small_srs(), layout, weights(&layout, seed));
        let keys = agent.keys(small_srs());
        let sessions: Vec<_> = sizes.iter().enumerate().map(|(i, n)| agent.session(i as u64 + seed as u64, *n)).collect();
        accepted(small_srs(), &agent, &keys, &sessions);
    }
}

#[test]
fn what_does_not_fit_says_so() {
    let agent = Agent::plain();
    let new = |shape: Shape, sessions: &[SessionBatch]| {
        ServiceCircuit::new(shape, &agent.group, &agent.weights, sessions).map(|_| ()).unwrap_err()
    };
    let session = agent.session(1, 2);
    assert_eq!(new(agent.shape(), &vec![session.clone(); 17]), ServiceError::Slots { got: 17 });
    let capacity = capacity(&agent.layout);
    let many = SessionBatch { before: session.before, queries: vec![session.queries[0].clone(); capacity + 1] };
    assert_eq!(new(agent.shape(), &[many]), ServiceError::Capacity { got: capacity + 1, capacity });
    let mut long = session.clone();
    long.queries[1].features.push(0);
    assert_eq!(new(agent.shape(), &[long]), ServiceError::Features { slot: 0, query: 1, got: 21, expected: 20 });
    let mut wrong = session.clone();
    wrong.queries[0].answer = (wrong.queries[0].answer + 1) % 5;
    assert!(matches!(new(agent.shape(), &[wrong]), ServiceError::Answer { slot: 0, query: 0, .. }));
    let other = Shape::service(layout(15, 21, 5));
    assert!(matches!(new(other, &[]), ServiceError::Weights { features: 20, layout_features: 21, .. }));
    // four limbs of 13 bits cannot represent every difference of two logits
    let small = Shape::service(layout(14, 20, 5));
    assert!(matches!(new(small.clone(), &[]), ServiceError::NoRoom { k: 14, .. }));
    assert!(Keys::generate(&Srs::development(14), &small).is_err());
}

/// Many features and many classes: blocks higher than their rounds.
#[test]
fn large_heads() {
    let srs = Srs::development(15);
    for (d, c) in [(784, 10), (64, 100)] {
        let layout = layout(15, d, c);
        let agent = Agent::new(&srs, layout, weights(&layout, 1));
        assert!(agent.blocks().lead > 1);
        accepted(&srs, &agent, &agent.keys(&srs), &[agent.session(1, 3), agent.session(2, 2)]);
    }
}

/// Milliseconds of one commitment to 2^15 random scalars, the best of three; shows how loaded the machine is.
fn calibration_ms(srs: &Srs) -> u128 {
    let scalars: Vec<Fr> = std::iter::successors(Some(-Fr::from(3)), |x| Some(x.square() + x)).take(1 << 15).collect();
    let time = || {
        let t = std::time::Instant::now();
        std::hint::black_box(best_multiexp(&scalars, srs.lagrange_basis()));
        t.elapsed().as_millis()
    };
    time().min(time()).min(time())
}

#[test]
fn a_thousand_queries_at_k15() {
    let layout = layout(15, 64, 10);
    let srs = Srs::development(15);
    let agent = Agent::new(&srs, layout, weights(&layout, 3));
    let t = std::time::Instant::now();
    let keys = agent.keys(&srs);
    println!("keys {:?}, capacity {}", t.elapsed(), capacity(&agent.layout));
    let sessions: Vec<_> = (0..16).map(|i| agent.session(i, if i == 15 { 55 } else { 63 })).collect();
    let t = std::time::Instant::now();
    let circuit = agent.circuit(&sessions);
    let witness = t.elapsed();
    let proof = prove(&srs, &keys, &circuit, circuit.inputs(Fr::from(5))).unwrap();
    let cs = keys.vk().cs();
    println!(
        "1000 queries: witness {witness:?}, in all {:?} (calibration_ms {}), {} bytes, {} advice, {} fixed, degree {}",
        t.elapsed(),
        calibration_ms(&srs),
        proof.bytes.len(),
        cs.num_advice_columns(),
        cs.num_fixed_columns(),
        cs.degree()
    );
    on_chain(&srs, &keys, &proof);
}
