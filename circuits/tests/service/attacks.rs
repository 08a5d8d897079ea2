//! Attacks on answers and receipt chains, each by its name and as a clever prover would: later phases follow from the
//! forged columns.

use tribute_circuits::field::to_core;
use tribute_circuits::gadgets::poseidon2;
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::prove::{prove, prove_unchecked, verify, Keys};
use tribute_circuits::service::{column, ServiceCircuit, SessionBatch, Step, DATA};
use tribute_circuits::shape::Shape;
use tribute_core::head::answer;

use crate::agent::{after, receipt_of, slots, small_srs, Agent};
use crate::gates;

const ENDS: &str = "logUp ends at 0";

/// The honest twin is accepted, the forgery refused by exactly `gates`, and accepted where they are left out.
fn attack(agent: &Agent, gates: &[&str], honest: &[SessionBatch], forge: impl Fn(Shape) -> ServiceCircuit) {
    let srs = small_srs();
    let ctx = Fr::from(9);
    let keys = agent.keys(srs);
    let twin = agent.circuit(honest);
    prove(srs, &keys, &twin, twin.inputs(ctx)).unwrap();

    let forged = forge(agent.shape());
    let proof = prove_unchecked(srs, &keys, &forged, forged.inputs(ctx)).unwrap();
    assert!(!verify(srs, keys.vk(), &proof), "forgery accepted");
    let code = tribute_evm::lean::generate(srs.params(), keys.vk(), proof.inputs.len()).unwrap();
    let on_chain = tribute_evm::run(&code.runtime, &proof.calldata()).unwrap().success;
    assert!(!on_chain, "forgery accepted by the EVM verifier");
    let mut expected: Vec<String> = gates.iter().map(|g| (*g).to_owned()).collect();
    expected.sort();
    let violated: Vec<String> =
        gates::violated(srs, &forged, &forged.inputs(ctx)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(violated, expected, "the gates that refuse it");

    let shape = agent.shape().without_gates(gates);
    let keys = Keys::generate(srs, &shape).unwrap();
    let forged = forge(shape);
    let proof = prove_unchecked(srs, &keys, &forged, forged.inputs(ctx)).unwrap();
    assert!(
        verify(srs, keys.vk(), &proof),
        "without {gates:?} the forgery should pass; the attack tests something else"
    );
}

/// The wrong answer with the largest logit left in place.
fn wrong_answer(
    agent: &Agent,
    shape: Shape,
    session: &SessionBatch,
    chosen: u16,
    best_of: Option<u16>,
) -> ServiceCircuit {
    let mut session = session.clone();
    let query = session.queries.len() - 1;
    let logits = agent.weights.logits(&session.queries[query].features);
    session.queries[query].answer = chosen;
    let after = after(&agent.layout, &session);
    let count = session.queries.len() as u64;
    let slots = slots(&[(0, 1, after, count)]);
    let mut circuit = agent.prove_steps(shape, agent.steps(0, &session), slots);
    let best = logits[usize::from(best_of.unwrap_or(chosen))];
    agent.set_answer(&mut circuit, query, &logits, usize::from(chosen), best);
    circuit
}

#[test]
fn answer_not_the_agents() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let truth = session.queries[2].answer;
    let wrong = (truth + 1) % 5;
    // its logit passed off as the largest: another one is above it, out of range
    attack(&agent, &[ENDS], std::slice::from_ref(&session), |shape| wrong_answer(&agent, shape, &session, wrong, None));
    // the true maximum beside a wrong answer below it
    let (session, truth) = (1..50)
        .map(|seed| SessionBatch { before: 1.into(), ..agent.session(seed, 3) })
        .find_map(|s| (s.queries[2].answer > 0).then(|| (s.clone(), s.queries[2].answer)))
        .unwrap();
    attack(&agent, &["the answer has the largest logit: b·t = 0"], std::slice::from_ref(&session), |shape| {
        wrong_answer(&agent, shape, &session, 0, Some(truth))
    });
}

#[test]
fn answer_by_other_logits() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let wrong = (session.queries[1].answer + 1) % 5;
    let mut forged = session.clone();
    forged.queries[1].answer = wrong;
    attack(&agent, &["logit check ends at 0"], &[session], |shape| {
        let slots = slots(&[(0, 1, after(&agent.layout, &forged), 3)]);
        let mut circuit = agent.prove_steps(shape, agent.steps(0, &forged), slots);
        let mut logits = agent.weights.logits(&forged.queries[1].features);
        logits[usize::from(wrong)] = logits.iter().max().unwrap() + 1;
        agent.set_answer(&mut circuit, 1, &logits, usize::from(wrong), logits[usize::from(wrong)]);
        circuit
    });
}

#[test]
fn answer_to_another_query() {
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    attack(&agent, &["the receipt is of this message: hash = ρ·pack"], std::slice::from_ref(&session), |shape| {
        let mut circuit =
            agent.prove_steps(shape, agent.steps(0, &session), slots(&[(0, 1, after(&agent.layout, &session), 2)]));
        let other = agent.circuit(&[agent.session(5, 4)]);
        // the data of other queries beside these receipts
        for v in column::DATA..column::COUNT {
            circuit.columns[v].clone_from(&other.columns[v]);
        }
        circuit
    });
}

#[test]
fn tie_to_the_higher_class() {
    let agent = Agent::tying();
    let session = agent.session(1, 3);
    assert_eq!(session.queries[2].answer, 1, "class 1 ties with class 3");
    attack(&agent, &[ENDS], std::slice::from_ref(&session), |shape| wrong_answer(&agent, shape, &session, 3, None));
}

#[test]
fn receipt_replayed() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    attack(&agent, &["receipts chain: (1 − last)(next − h') = 0"], std::slice::from_ref(&session), |shape| {
        let step = agent.steps(0, &session).remove(0);
        let steps = vec![Step { last: false, ..step.clone() }, Step { position: 1, ..step }];
        agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 2)]))
    });
}

#[test]
fn receipt_reordered() {
    let agent = Agent::plain();
    let session = agent.session(1, 4);
    attack(&agent, &["receipts chain: (1 − last)(next − h') = 0"], std::slice::from_ref(&session), |shape| {
        let mut steps = agent.steps(0, &session);
        steps.swap(1, 2);
        for (i, step) in steps.iter_mut().enumerate() {
            step.position = i as u64;
        }
        agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 4)]))
    });
}

#[test]
fn receipt_dropped() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let gates = ["position: position' = (1 − last)(position + 1)", "receipts chain: (1 − last)(next − h') = 0"];
    attack(&agent, &gates, std::slice::from_ref(&session), |shape| {
        // the second one is not answered for, and counted
        let mut steps = agent.steps(0, &session);
        steps.remove(1);
        agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 3)]))
    });
}

#[test]
fn receipt_counted_twice() {
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    attack(&agent, &["position: position' = (1 − last)(position + 1)"], std::slice::from_ref(&session), |shape| {
        let mut steps = agent.steps(0, &session);
        steps[1].position = 2;
        agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 3)]))
    });
    // counted from a history that is not there
    attack(&agent, &["the first block starts a run"], std::slice::from_ref(&session), |shape| {
        let mut steps = agent.steps(0, &session);
        steps.iter_mut().for_each(|s| s.position += 5);
        let mut circuit = agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 7)]));
        circuit.columns[column::LAST][0] = Fr::zero();
        circuit.columns[column::POSITION][0] = Fr::from(4);
        circuit.columns[column::BEFORE][0] = Fr::one();
        circuit
    });
}

#[test]
fn slots_swapped() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 2), agent.session(2, 3)];
    attack(&agent, &["before: before' = last ? next : before"], &sessions, |shape| {
        // the receipts of one session paid by the other
        let claim =
            slots(&[(0, 1, after(&agent.layout, &sessions[1]), 3), (1, 2, after(&agent.layout, &sessions[0]), 2)]);
        let mut steps = agent.steps(1, &sessions[0]);
        steps.extend(agent.steps(0, &sessions[1]));
        for step in &mut steps {
            step.before = Fr::from(step.slot + 1);
        }
        agent.prove_steps(shape, steps, claim)
    });
}

#[test]
fn slots_relabelled() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 2), agent.session(2, 3)];
    // each run ends with the other's slot: no slot is found, none is used
    let gates = [
        ENDS,
        "an unused slot has no queries: (1 − m)·count = 0",
        "an unused slot does not move: (1 − m)(after − before) = 0",
    ];
    attack(&agent, &gates, &sessions, |shape| {
        let (mut steps, slots) = (agent.steps(1, &sessions[0]), agent.circuit(&sessions).slots);
        steps.extend(agent.steps(0, &sessions[1]));
        agent.prove_steps(shape, steps, slots)
    });
}

#[test]
fn run_proven_twice() {
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    let gates = [
        "a slot ends at most one run: m(m − 1) = 0",
        "an unused slot has no queries: (1 − m)·count = 0",
        "an unused slot does not move: (1 − m)(after − before) = 0",
    ];
    attack(&agent, &gates, std::slice::from_ref(&session), |shape| {
        let mut steps = agent.steps(0, &session);
        steps.extend(agent.steps(0, &session));
        agent.prove_steps(shape, steps, agent.circuit(std::slice::from_ref(&session)).slots)
    });
}

#[test]
fn feature_256() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let forge = |shape: Shape, j: usize| {
        let mut steps = agent.steps(0, &session);
        let step = &mut steps[2];
        // everything follows from the feature 256: logits, packed element, receipt
        let was = step.features[j];
        step.features[j] = 256;
        let more = 256 - u64::from(was);
        for (u, z) in step.logits.iter_mut().enumerate() {
            *z += more as i64 * agent.weights.at(j + 1, u);
        }
        step.answer = answer(&step.logits);
        step.message[1] += Fr::from(more) * (0..j).fold(Fr::one(), |p, _| p * Fr::from(256));
        *step.message.last_mut().unwrap() = Fr::from(u64::from(step.answer));
        let after = receipt_of(&step.message);
        agent.prove_steps(shape, steps, slots(&[(0, 1, after, 3)]))
    };
    attack(&agent, &[ENDS], std::slice::from_ref(&session), |shape| forge(shape, 0));
    let inputs = |circuit: &ServiceCircuit| circuit.inputs(Fr::one());
    for j in 0..DATA {
        let circuit = forge(agent.shape(), j);
        let names = gates::violated(small_srs(), &circuit, &inputs(&circuit));
        assert_eq!(names.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), [ENDS], "column {j}");
    }
}

#[test]
fn feature_beyond_the_last() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    // a 21st feature, in the receipt and in no logit
    attack(&agent, &["logit check ends at 0"], std::slice::from_ref(&session), |shape| {
        let mut steps = agent.steps(0, &session);
        steps[0].features.push(9);
        steps[0].message[1] += Fr::from(9) * (0..20).fold(Fr::one(), |p, _| p * Fr::from(256));
        let after = receipt_of(&steps[0].message);
        agent.prove_steps(shape, steps, slots(&[(0, 1, after, 1)]))
    });
}

#[test]
fn inactive_block_counted() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    // the block after the run is counted too, its new transcript said to be the old one
    attack(&agent, &["full rounds: state' = M·outputs"], std::slice::from_ref(&session), |shape| {
        let first = agent.steps(0, &session).remove(0);
        let after = receipt_of(&first.message);
        let idle = agent.answered(&[], 0);
        let (second, _) = Step::new(&agent.layout, &agent.weights, to_core(&after), &idle);
        let second = Step { position: 1, before: Fr::one(), last: true, ..second };
        let steps = vec![Step { last: false, ..first }, second];
        let mut circuit = agent.prove_steps(shape, steps, slots(&[(0, 1, after, 2)]));
        circuit.columns[column::STATE][agent.blocks().link(1)] = after;
        circuit
    });
}

#[test]
fn unused_slot_counted() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 1), agent.session(2, 0)];
    attack(&agent, &["an unused slot has no queries: (1 − m)·count = 0"], &sessions, |shape| {
        let claim = slots(&[(0, 1, after(&agent.layout, &sessions[0]), 1), (1, 2, Fr::from(2), 6)]);
        agent.prove_steps(shape, agent.steps(0, &sessions[0]), claim)
    });
}

#[test]
fn unused_slot_moved() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 1), agent.session(2, 0)];
    attack(&agent, &["an unused slot does not move: (1 − m)(after − before) = 0"], &sessions, |shape| {
        let claim = slots(&[(0, 1, after(&agent.layout, &sessions[0]), 1), (15, 2, Fr::from(3), 0)]);
        agent.prove_steps(shape, agent.steps(0, &sessions[0]), claim)
    });
}

#[test]
fn capacity_lane_chosen() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    attack(&agent, &["the capacity lane starts as the length"], std::slice::from_ref(&session), |shape| {
        let steps = agent.steps(0, &session);
        let mut circuit = agent.prove_steps(shape, steps.clone(), vec![]);
        let length = poseidon2::capacity(steps[0].message.len());
        let (rows, state) = poseidon2::sponge_cells_from(length + Fr::one(), &steps[0].message);
        let blocks = agent.blocks();
        for (offset, row) in rows.iter().enumerate() {
            for (i, v) in row.iter().enumerate() {
                circuit.columns[column::STATE + i][blocks.start(0) + offset] = *v;
            }
        }
        for (lane, v) in state.iter().enumerate() {
            circuit.columns[column::STATE + lane][blocks.link(0)] = *v;
        }
        circuit.slots = slots(&[(0, 1, state[0], 1)]);
        circuit
    });
}
