//! Attacks on the answers of `service`: answers that the committed weights do not give.

use tribute_circuits::statements::service::{column, third, ServiceCircuit, SessionBatch, DATA, LIMBS};
use tribute_core::head::{answer, Weights};
use tribute_core::shape::Shape;
use tribute_engine::field::from_i128;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::agent::{after, receipt_of, slots, Agent};
use crate::support::gates::{forging, violated, Sheet};

const ENDS: &str = "logUp starts and ends at 0";
const LOGITS: &str = "logit check: r' = σr + bias + τ·head on starts, r − a(α·wk + τ^j) on blocks";

/// An attack on the sessions `honest`, whose proof is accepted.
pub(crate) fn attack(
    name: &str,
    agent: &Agent,
    gates: &[&str],
    honest: &[SessionBatch],
    forge: impl Fn(Shape) -> ServiceCircuit,
) {
    crate::harness::attack(name, gates, &agent.shape(), |shape, forged| {
        let circuit = if forged { forge(shape) } else { agent.circuit(honest) };
        let inputs = circuit.inputs(Fr::from(9));
        (circuit, inputs)
    });
}

/// The wrong answer, with the largest logit left in place.
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
    // its logit is passed off as the largest, so another one exceeds it and its difference is out of range
    attack("answer_not_the_agents", &agent, &[ENDS], std::slice::from_ref(&session), |shape| {
        wrong_answer(&agent, shape, &session, wrong, None)
    });
    // the true maximum next to a wrong answer with a smaller logit
    let (session, truth) = (1..50)
        .map(|seed| SessionBatch { before: 1.into(), ..agent.session(seed, 3) })
        .find_map(|s| (s.queries[2].answer > 0).then(|| (s.clone(), s.queries[2].answer)))
        .unwrap();
    attack(
        "answer_beside_the_maximum",
        &agent,
        &["the answer has the largest logit: b·t = 0"],
        std::slice::from_ref(&session),
        |shape| wrong_answer(&agent, shape, &session, 0, Some(truth)),
    );
}

#[test]
fn tie_to_the_higher_class() {
    let agent = Agent::tying();
    let session = agent.session(1, 3);
    assert_eq!(session.queries[2].answer, 1, "class 1 ties with class 3");
    attack("tie_to_the_higher_class", &agent, &[ENDS], std::slice::from_ref(&session), |shape| {
        wrong_answer(&agent, shape, &session, 3, None)
    });
}

/// A session whose last query's true answer is neither the first nor the last class, with the second-best class after
/// it.
fn session(agent: &Agent) -> (SessionBatch, Vec<i64>, usize, usize) {
    (1..200)
        .find_map(|seed| {
            let session = SessionBatch { before: 1.into(), ..agent.session(seed, 3) };
            let logits = agent.weights.logits(&session.queries[2].features);
            let best = usize::from(session.queries[2].answer);
            let second = (0..5).filter(|u| *u != best).max_by_key(|u| logits[*u])?;
            (0 < best && best < second && second < 4).then_some((session, logits, best, second))
        })
        .unwrap()
}

/// Fills the class rows of the last of three queries as given: for each row, `B` and the answer's logit on this row and
/// the next, and the limbs as a number.
fn with_rows(
    agent: &Agent,
    shape: Shape,
    session: &SessionBatch,
    answer: Fr,
    rows: &dyn Fn(usize) -> (Fr, i64, i64),
    below: (Fr, i64),
) -> ServiceCircuit {
    let mut steps = agent.steps(0, session);
    *steps[2].message.last_mut().unwrap() = answer;
    let after = receipt_of(&steps[2].message);
    let mut circuit = agent.prove_steps(shape, steps, slots(&[(0, 1, after, 3)]));
    let (blocks, bits) = (agent.blocks(), agent.layout.limb_bits());
    for u in 0..5 {
        let (b, best, gap) = rows(u);
        let row = blocks.class(2, u);
        circuit.columns[column::ANSWER][row] = b;
        circuit.columns[column::BEST][row] = from_i128(i128::from(best));
        let gap = u64::try_from(gap).unwrap();
        for i in 0..LIMBS {
            circuit.columns[column::DATA + i][row] = Fr::from((gap >> (bits * i as u32)) & ((1 << bits) - 1));
        }
    }
    let row = blocks.class(2, 4) + 1;
    circuit.columns[column::ANSWER][row] = below.0;
    circuit.columns[column::BEST][row] = from_i128(i128::from(below.1));
    circuit
}

#[test]
fn answer_between_two_classes() {
    // the two best classes share the answer: b = 1 − δ and δ, where δ is the difference of their logits
    let agent = Agent::plain();
    let (session, z, first, second) = session(&agent);
    let delta = from_i128(i128::from(z[second] - z[first]));
    let answer = Fr::from(first as u64) + Fr::from((second - first) as u64) * delta;
    let rows = |u: usize| {
        if u <= first {
            (Fr::ONE, z[second], if u < first { z[second] - z[u] - 1 } else { 0 })
        } else if u <= second {
            (delta, z[second], if u < second { z[first] - z[u] } else { 0 })
        } else {
            (Fr::ZERO, z[second], z[second] - z[u])
        }
    };
    let gate = "one-hot: b(b − 1) = 0 with b = B − B'";
    attack("answer_between_two_classes", &agent, &[gate], std::slice::from_ref(&session), |shape| {
        with_rows(&agent, shape, &session, answer, &rows, (Fr::ZERO, z[second]))
    });
}

#[test]
fn no_answer() {
    let agent = Agent::plain();
    let (session, z, best, _) = session(&agent);
    let gate = "exactly one answer: B = 1 on the first class row";
    attack("no_answer", &agent, &[gate], std::slice::from_ref(&session), |shape| {
        with_rows(&agent, shape, &session, -Fr::ONE, &|u| (Fr::ZERO, z[best], z[best] - z[u]), (Fr::ZERO, z[best]))
    });
}

#[test]
fn answer_below_the_classes() {
    // the one-hot answer decreases after the last class, so the last class is the answer, whatever its logit
    let agent = Agent::plain();
    let (session, z, best, _) = session(&agent);
    let m = z[best] + 1;
    let gate = "B is 0 outside classes and features";
    attack("answer_below_the_classes", &agent, &[gate], std::slice::from_ref(&session), |shape| {
        with_rows(&agent, shape, &session, Fr::from(4), &|u| (Fr::ONE, m, m - z[u] - 1), (Fr::ONE, m))
    });
}

#[test]
fn maximum_that_changes_from_class_to_class() {
    let agent = Agent::plain();
    let (session, z, ..) = session(&agent);
    let gate = "the largest logit is one per query: m' = m";
    attack("maximum_that_changes", &agent, &[gate], std::slice::from_ref(&session), |shape| {
        let rows = |u: usize| (Fr::from(u64::from(u == 0)), z[u], 0);
        with_rows(&agent, shape, &session, Fr::ZERO, &rows, (Fr::ZERO, z[4]))
    });
}

#[test]
fn answer_by_other_logits() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let wrong = (session.queries[1].answer + 1) % 5;
    let mut forged = session.clone();
    forged.queries[1].answer = wrong;
    attack("answer_by_other_logits", &agent, &["logit check starts and ends at 0"], &[session], |shape| {
        let slots = slots(&[(0, 1, after(&agent.layout, &forged), 3)]);
        let mut circuit = agent.prove_steps(shape, agent.steps(0, &forged), slots);
        let mut logits = agent.weights.logits(&forged.queries[1].features);
        logits[usize::from(wrong)] = logits.iter().max().unwrap() + 1;
        agent.set_answer(&mut circuit, 1, &logits, usize::from(wrong), logits[usize::from(wrong)]);
        circuit
    });
}

/// A claim with logits that the weights do not give, with phase three repaired.
fn other_logits(name: &str, gate: &str, edit: impl Fn(&Agent, &mut Sheet) + Clone + Send + Sync + 'static) {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let wrong = (session.queries[1].answer + 1) % 5;
    let mut forged = session.clone();
    forged.queries[1].answer = wrong;
    attack(name, &agent, &[gate], &[session], |shape| {
        let slots = slots(&[(0, 1, after(&agent.layout, &forged), 3)]);
        let mut circuit = agent.prove_steps(shape, agent.steps(0, &forged), slots);
        let mut logits = agent.weights.logits(&forged.queries[1].features);
        logits[usize::from(wrong)] = logits.iter().max().unwrap() + 1;
        agent.set_answer(&mut circuit, 1, &logits, usize::from(wrong), logits[usize::from(wrong)]);
        let inputs = circuit.inputs(Fr::from(9));
        let edit = edit.clone();
        circuit.forge = Some(forging(&circuit, &inputs, move |phase, sheet| {
            if phase == 2 {
                edit(&Agent::plain(), sheet);
            }
        }));
        circuit
    });
}

#[test]
fn logits_under_another_sum() {
    let gate = "features under τ, logits and weights under κ: head = Σ τ^a x_a + τ^7·head', z + κ·head'";
    other_logits("answers_under_another_sum", gate, |agent, sheet| {
        let [head, r] = [third::HEAD, third::R].map(|n| sheet.column(2, n));
        sheet.balance(LOGITS, r, (head, agent.blocks().start(1)));
    });
}

#[test]
fn power_of_a_block_changed() {
    other_logits("power_of_a_block_changed", "powers: τ^j within a block, τ·τ^j in the next", |agent, sheet| {
        let [power, r] = [third::PACK, third::R].map(|n| sheet.column(2, n));
        sheet.balance(LOGITS, r, (power, agent.layout.weights_start() + agent.layout.classes()));
    });
}

#[test]
fn logit_check_that_is_none() {
    other_logits("answers_without_a_check", LOGITS, |_, sheet| {
        let r = sheet.column(2, third::R);
        sheet.advice[r].fill(Fr::ZERO);
    });
}

#[test]
fn logit_check_with_a_head_start() {
    other_logits("answers_with_a_head_start", "logit check starts and ends at 0", |_, sheet| {
        let r = sheet.column(2, third::R);
        sheet.balance(LOGITS, r, (r, 0));
    });
}

#[test]
fn powers_that_start_at_minus_one() {
    // −a with −τ^j: the smallest logit passes for the largest
    let agent = Agent::plain();
    let negated = agent.weights.values().iter().map(|w| -w).collect();
    let group = agent.group.clone();
    let other = Agent { layout: agent.layout, weights: Weights::new(20, 5, negated).unwrap(), group };
    let (honest, forged) = (agent.session(1, 3), other.session(1, 3));
    attack("powers_that_start_at_minus_one", &agent, &["powers start at 1"], &[honest], |shape| {
        let slots = slots(&[(0, 1, after(&agent.layout, &forged), 3)]);
        let mut circuit = other.prove_steps(shape, other.steps(0, &forged), slots);
        let inputs = circuit.inputs(Fr::from(9));
        let weights = agent.layout.weights_start()..agent.layout.weights_end();
        circuit.forge = Some(forging(&circuit, &inputs, move |phase, sheet| {
            if phase == 1 {
                let a = sheet.column(1, 3);
                sheet.advice[a][weights.clone()].iter_mut().for_each(|a| *a = -*a);
            }
            if phase == 2 {
                let [power, r] = [third::PACK, third::R].map(|n| sheet.column(2, n));
                sheet.advice[power][weights.clone()].iter_mut().for_each(|p| *p = -*p);
                assert_eq!(sheet.run_down(LOGITS, r), Fr::ZERO);
            }
        }));
        circuit
    });
}

#[test]
fn feature_256() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let forge = |shape: Shape, j: usize| {
        let mut steps = agent.steps(0, &session);
        let step = &mut steps[2];
        // everything is computed from the feature 256: logits, packed element, receipt
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
    attack("feature_256", &agent, &[ENDS], std::slice::from_ref(&session), |shape| forge(shape, 0));
    let inputs = |circuit: &ServiceCircuit| circuit.inputs(Fr::one());
    for j in 0..DATA {
        let circuit = forge(agent.shape(), j);
        let names = violated(&circuit, &inputs(&circuit));
        assert_eq!(names.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), [ENDS], "column {j}");
    }
}

#[test]
fn feature_beyond_the_last() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    // a 21st feature, in the receipt but in no logit
    attack(
        "feature_beyond_the_last",
        &agent,
        &["logit check starts and ends at 0"],
        std::slice::from_ref(&session),
        |shape| {
            let mut steps = agent.steps(0, &session);
            steps[0].features.push(9);
            steps[0].message[1] += Fr::from(9) * (0..20).fold(Fr::one(), |p, _| p * Fr::from(256));
            let after = receipt_of(&steps[0].message);
            agent.prove_steps(shape, steps, slots(&[(0, 1, after, 1)]))
        },
    );
}
