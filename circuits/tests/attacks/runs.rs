//! Attacks on the runs of `service`: which receipts are counted, for which slot, starting from which transcript.

use tribute_circuits::statements::service::{column, SlotInputs, Step};
use tribute_engine::field::{from_core, to_core};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::agent::{after, receipt_of, slots, Agent};
use crate::service::attack;
use crate::support::gates::forging;

const ENDS: &str = "logUp starts and ends at 0";
const HELPER: &str = "logUp helper: h·d₁d₂d₃ = s₁d₂d₃ + s₂d₁d₃ + s₃d₁d₂";
const SUM: &str = "logUp sum: (sum' − sum − Σh)·d₁d₂·(β − t) = (s₁d₂ + s₂d₁)(β − t) − m·d₁d₂";

#[test]
fn receipt_replayed() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    attack(
        "receipt_replayed",
        &agent,
        &["receipts chain: (1 − last)(next − h') = 0"],
        std::slice::from_ref(&session),
        |shape| {
            let step = agent.steps(0, &session).remove(0);
            let steps = vec![Step { last: false, ..step.clone() }, Step { position: 1, ..step }];
            agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 2)]))
        },
    );
}

#[test]
fn receipt_reordered() {
    let agent = Agent::plain();
    let session = agent.session(1, 4);
    attack(
        "receipt_reordered",
        &agent,
        &["receipts chain: (1 − last)(next − h') = 0"],
        std::slice::from_ref(&session),
        |shape| {
            let mut steps = agent.steps(0, &session);
            steps.swap(1, 2);
            for (i, step) in steps.iter_mut().enumerate() {
                step.position = i as u64;
            }
            agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 4)]))
        },
    );
}

#[test]
fn receipt_dropped() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let gates = ["position: position' = (1 − last)(position + 1)", "receipts chain: (1 − last)(next − h') = 0"];
    attack("receipt_dropped", &agent, &gates, std::slice::from_ref(&session), |shape| {
        // the second query is not answered for, but counted
        let mut steps = agent.steps(0, &session);
        steps.remove(1);
        agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 3)]))
    });
}

#[test]
fn receipt_counted_twice() {
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    attack(
        "receipt_counted_twice",
        &agent,
        &["position: position' = (1 − last)(position + 1)"],
        std::slice::from_ref(&session),
        |shape| {
            let mut steps = agent.steps(0, &session);
            steps[1].position = 2;
            agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 3)]))
        },
    );
    // counted from a history that does not exist
    attack(
        "count_from_another_history",
        &agent,
        &["the first block starts a run"],
        std::slice::from_ref(&session),
        |shape| {
            let mut steps = agent.steps(0, &session);
            steps.iter_mut().for_each(|s| s.position += 5);
            let mut circuit = agent.prove_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 7)]));
            circuit.columns[column::LAST][0] = Fr::zero();
            circuit.columns[column::POSITION][0] = Fr::from(4);
            circuit.columns[column::BEFORE][0] = Fr::one();
            circuit
        },
    );
}

#[test]
fn slots_swapped() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 2), agent.session(2, 3)];
    attack("slots_swapped", &agent, &["before: before' = last ? next : before"], &sessions, |shape| {
        // the receipts of one session claimed for the other
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
    // each run ends with the other's slot, so no slot is found and none is used
    let gates = [
        ENDS,
        "an unused slot has no queries: (1 − m)·count = 0",
        "an unused slot does not move: (1 − m)(after − before) = 0",
    ];
    attack("slots_relabelled", &agent, &gates, &sessions, |shape| {
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
    attack("run_proven_twice", &agent, &gates, std::slice::from_ref(&session), |shape| {
        let mut steps = agent.steps(0, &session);
        steps.extend(agent.steps(0, &session));
        agent.prove_steps(shape, steps, agent.circuit(std::slice::from_ref(&session)).slots)
    });
}

#[test]
fn inactive_block_counted() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    // the block after the run is counted too, and its new transcript is claimed to equal the old one
    attack(
        "inactive_block_counted",
        &agent,
        &["full rounds: state' = M·outputs"],
        std::slice::from_ref(&session),
        |shape| {
            let first = agent.steps(0, &session).remove(0);
            let after = receipt_of(&first.message);
            let idle = agent.answered(&[], 0);
            let (second, _) = Step::new(&agent.layout, &agent.weights, to_core(&after), &idle);
            let second = Step { position: 1, before: Fr::one(), last: true, ..second };
            let steps = vec![Step { last: false, ..first }, second];
            let mut circuit = agent.prove_steps(shape, steps, slots(&[(0, 1, after, 2)]));
            circuit.columns[column::STATE][agent.blocks().link(1)] = after;
            circuit
        },
    );
}

#[test]
fn unused_slot_counted() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 1), agent.session(2, 0)];
    attack(
        "unused_slot_counted",
        &agent,
        &["an unused slot has no queries: (1 − m)·count = 0"],
        &sessions,
        |shape| {
            let claim = slots(&[(0, 1, after(&agent.layout, &sessions[0]), 1), (1, 2, Fr::from(2), 6)]);
            agent.prove_steps(shape, agent.steps(0, &sessions[0]), claim)
        },
    );
}

#[test]
fn unused_slot_moved() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 1), agent.session(2, 0)];
    attack(
        "unused_slot_moved",
        &agent,
        &["an unused slot does not move: (1 − m)(after − before) = 0"],
        &sessions,
        |shape| {
            let claim = slots(&[(0, 1, after(&agent.layout, &sessions[0]), 1), (15, 2, Fr::from(3), 0)]);
            agent.prove_steps(shape, agent.steps(0, &sessions[0]), claim)
        },
    );
}

#[test]
fn receipt_of_another_transcript() {
    // the second query is counted for this session, but its receipt starts from another transcript
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    attack(
        "receipt_of_another_transcript",
        &agent,
        &["a receipt starts from next"],
        std::slice::from_ref(&session),
        |shape| {
            let mut steps = agent.steps(0, &session);
            let (second, after) = Step::new(&agent.layout, &agent.weights, 77.into(), &session.queries[1]);
            steps[1] = Step { slot: 0, position: 1, before: Fr::ONE, last: true, ..second };
            let mut circuit = agent.prove_steps(shape, steps, slots(&[(0, 1, from_core(&after), 2)]));
            let link = agent.blocks().link(0);
            circuit.columns[column::NEXT][link] = circuit.columns[column::STATE][link];
            circuit
        },
    );
}

#[test]
fn runs_that_end_twice_over() {
    // a run that ends 2 times, a query of a second slot that starts from a made-up transcript and counts as none, and
    // the first run again, ending −1 times: 2 − 1 ends in total
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    let (layout, weights) = (&agent.layout, &agent.weights);
    let step = |h: Fr, query: usize| Step::new(layout, weights, to_core(&h), &session.queries[query]);
    attack(
        "runs_that_end_twice_over",
        &agent,
        &["end of run is boolean: last(last − 1) = 0"],
        std::slice::from_ref(&session),
        |shape| {
            let start = Fr::ONE;
            let (first, h1) = step(start, 0);
            let h1 = from_core(&h1);
            let (second, h2) = step(h1, 1);
            let made_up = h1.double() - start;
            let mut steps = vec![
                Step { slot: 0, position: 0, before: start, last: true, ..first.clone() },
                Step { slot: 1, position: 0, before: made_up, last: true, ..second },
                Step { slot: 0, position: 0, before: start, last: true, ..first },
            ];
            let (mut h, blocks) = (h1, agent.blocks());
            for position in 2..blocks.count as u64 - 1 {
                let (idle, after) = step(h, 0);
                steps.push(Step { position, before: start.double() - h1, ..idle });
                h = from_core(&after);
            }
            let mut inputs = slots(&[(0, 1, h1, 1)]);
            inputs[1] = SlotInputs { before: made_up, after: from_core(&h2), count: Fr::ZERO };
            let mut circuit = agent.prove_steps(shape, steps, inputs);
            circuit.columns[column::LAST][blocks.link(0)] = Fr::from(2);
            circuit.columns[column::LAST][blocks.link(2)] = -Fr::ONE;
            circuit.columns[column::POSITION][blocks.link(1)] = -Fr::ONE;
            let inputs = circuit.inputs(Fr::from(9));
            circuit.forge = Some(forging(&circuit, &inputs, move |phase, sheet| {
                if phase == 0 {
                    let multiplicity = sheet.column(0, 1 + column::COUNT);
                    sheet.advice[multiplicity][tribute_core::statement::service::BEFORE] = Fr::ONE;
                }
                if phase == 1 {
                    let (helper, sum) = (sheet.column(1, 1), sheet.column(1, 2));
                    for block in [0, 2] {
                        sheet.solve_nth(HELPER, 1, blocks.link(block), (helper, blocks.link(block)));
                    }
                    assert_eq!(sheet.run_down(SUM, sum), Fr::ZERO);
                }
            }));
            circuit
        },
    );
}
