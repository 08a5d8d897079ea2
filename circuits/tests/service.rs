//! The `service` circuit: honest batches, then every attack on a receipt chain by its name. An attack is proven as a
//! clever prover would: later phases follow from the forged columns. The forgery is refused, its honest twin accepted, and
//! without the gate that guards against it the same forgery passes.

#[path = "support/gates.rs"]
mod gates;
mod support;

use std::sync::OnceLock;

use proptest::prelude::*;
use support::{records, weights};
use tribute_circuits::columns::{commit_weights, CommittedGroup, Secret};
use tribute_circuits::field::{from_core, from_i128};
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::prove::{prove, prove_unchecked, verify, Keys};
use tribute_circuits::service::{
    capacity, column, AnsweredQuery, Blocks, ServiceCircuit, ServiceError, SessionBatch, SlotInputs, Step, DATA, LIMBS,
};
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;
use tribute_core::head::{answer, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::receipt;
use tribute_core::statement::{service, SERVICE_SLOTS};

const ENDS: &str = "logUp ends at 0";

fn layout(k: u32, d: usize, c: usize) -> Layout {
    Layout::new(k, 8, d, c, Task::Classes).unwrap()
}

fn small_srs() -> &'static Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(13))
}

/// An agent with its committed weights.
struct Agent {
    layout: Layout,
    weights: Weights,
    group: CommittedGroup,
}

impl Agent {
    fn new(srs: &Srs, layout: Layout, weights: Weights) -> Self {
        let group = commit_weights(srs, &layout, &Secret::from_bytes([7; 32]), &weights);
        Agent { layout, weights, group }
    }

    /// 20 features, 5 classes, k = 13. Classes 1 and 3 have the same weights: they tie on every query.
    fn tying() -> Self {
        let layout = layout(13, 20, 5);
        let mut values = weights(&layout, 3).values().to_vec();
        for block in values.chunks_mut(5) {
            block[1] = block[0].abs().max(block[1]).max(block[2]).max(block[4]);
            block[3] = block[1];
        }
        Agent::new(small_srs(), layout, Weights::new(20, 5, values).unwrap())
    }

    fn plain() -> Self {
        let layout = layout(13, 20, 5);
        Agent::new(small_srs(), layout, weights(&layout, 3))
    }

    fn blocks(&self) -> Blocks {
        Blocks::of(&self.layout)
    }

    fn shape(&self) -> Shape {
        Shape::service(self.layout)
    }

    fn answered(&self, features: &[u8], salt: u64) -> AnsweredQuery {
        let answer = answer(&self.weights.logits(features));
        AnsweredQuery { features: features.to_vec(), salt: -tribute_core::Fr::from(salt), answer }
    }

    /// A session of `n` queries; the first two are all 255 and all 0.
    fn session(&self, before: u64, n: usize) -> SessionBatch {
        let queries = records(&self.layout, n, before + 1)
            .iter()
            .enumerate()
            .map(|(i, (features, _))| self.answered(features, before * 1000 + i as u64))
            .collect();
        SessionBatch { before: tribute_core::Fr::from(before), queries }
    }

    fn circuit(&self, sessions: &[SessionBatch]) -> ServiceCircuit {
        ServiceCircuit::new(self.shape(), &self.group, &self.weights, sessions).unwrap()
    }

    /// Steps of one slot, as they should be.
    fn steps(&self, slot: u64, session: &SessionBatch) -> Vec<Step> {
        let mut h = session.before;
        let last = session.queries.len() - 1;
        (session.queries.iter().enumerate())
            .map(|(i, q)| {
                let (step, after) = Step::new(&self.layout, &self.weights, h, q);
                h = after;
                Step { slot, position: i as u64, before: from_core(&session.before), last: i == last, ..step }
            })
            .collect()
    }

    fn from_steps(&self, shape: Shape, steps: Vec<Step>, slots: Vec<SlotInputs>) -> ServiceCircuit {
        ServiceCircuit::from_steps(shape, &self.group, &self.weights, steps, slots)
    }

    /// A step that continues from another's end.
    fn receipt_after(&self, message: &[Fr]) -> Fr {
        let core: Vec<_> = message.iter().map(tribute_circuits::field::to_core).collect();
        from_core(&receipt::sponge(&core))
    }

    /// Writes a block's class rows for `chosen` with the largest logit said to be `best`.
    fn set_answer(&self, circuit: &mut ServiceCircuit, block: usize, logits: &[i64], chosen: usize, best: i64) {
        let (blocks, bits) = (self.blocks(), self.layout.limb_bits());
        for (u, z) in logits.iter().enumerate() {
            let row = blocks.class(block, u);
            let gap = best - z - i64::from(u < chosen);
            for i in 0..LIMBS {
                let limb = if gap >= 0 { Fr::from((gap as u64 >> (bits * i as u32)) & ((1 << bits) - 1)) } else { Fr::zero() };
                circuit.columns[column::DATA + i][row] = limb;
            }
            if gap < 0 {
                circuit.columns[column::DATA][row] = from_i128(i128::from(gap));
            }
            circuit.columns[column::ANSWER][row] = Fr::from(u64::from(u <= chosen));
            circuit.columns[column::BEST][row] = from_i128(i128::from(best));
        }
        let below = blocks.class(block, blocks.classes - 1) + 1;
        circuit.columns[column::BEST][below] = from_i128(i128::from(best));
    }
}

fn slots(of: &[(usize, u64, Fr, u64)]) -> Vec<SlotInputs> {
    let mut slots = vec![SlotInputs::default(); SERVICE_SLOTS];
    for (slot, before, after, count) in of {
        slots[*slot] = SlotInputs { before: Fr::from(*before), after: *after, count: Fr::from(*count) };
    }
    slots
}

/// Transcript after a session, by core alone.
fn after(layout: &Layout, session: &SessionBatch) -> Fr {
    let extend = |h, q: &AnsweredQuery| receipt::extend(h, layout.features(), &q.features, q.salt, q.answer);
    from_core(&session.queries.iter().fold(session.before, extend))
}

/// The honest twin is accepted, the forgery refused, and accepted where `gates` are left out.
fn attack(agent: &Agent, gates: &[&str], honest: &[SessionBatch], forge: impl Fn(Shape) -> ServiceCircuit) {
    let srs = small_srs();
    let ctx = Fr::from(9);
    let keys = Keys::generate(srs, &ServiceCircuit::empty(agent.shape())).unwrap();
    let twin = agent.circuit(honest);
    prove(srs, &keys, &twin, twin.inputs(ctx)).unwrap();

    let forged = forge(agent.shape());
    let proof = prove_unchecked(srs, &keys, &forged, forged.inputs(ctx)).unwrap();
    assert!(!verify(srs, keys.vk(), &proof), "forgery accepted");
    let mut expected: Vec<String> = gates.iter().map(|g| (*g).to_owned()).collect();
    expected.sort();
    let violated: Vec<String> =
        gates::violated(srs, &forged, &forged.inputs(ctx)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(violated, expected, "the gates that refuse it");

    let shape = agent.shape().without_gates(gates);
    let keys = Keys::generate(srs, &ServiceCircuit::empty(shape.clone())).unwrap();
    let forged = forge(shape);
    let proof = prove_unchecked(srs, &keys, &forged, forged.inputs(ctx)).unwrap();
    assert!(verify(srs, keys.vk(), &proof), "without {gates:?} the forgery should pass; the attack tests something else");
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
    // ctx, and the slots that count, are fixed by the proof
    for index in [0, service::BEFORE, service::AFTER, service::COUNT, service::COUNT + 15] {
        let mut other = proof.clone();
        other.inputs[index] += Fr::one();
        assert!(!verify(srs, keys.vk(), &other), "input {index}");
    }
}

#[test]
fn sessions_of_all_sizes() {
    let agent = Agent::tying();
    let keys = Keys::generate(small_srs(), &ServiceCircuit::empty(agent.shape())).unwrap();
    // nothing at all; one query; several slots with an empty one between; the last slot
    accepted(small_srs(), &agent, &keys, &[]);
    accepted(small_srs(), &agent, &keys, &[agent.session(1, 1)]);
    accepted(small_srs(), &agent, &keys, &[agent.session(1, 3), agent.session(2, 0), agent.session(3, 4)]);
    let full: Vec<_> = (0..16).map(|i| agent.session(i, 1 + i as usize)).collect();
    accepted(small_srs(), &agent, &keys, &full);
    accepted(small_srs(), &agent, &keys, &[agent.session(8, capacity(&agent.layout))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn any_shape_and_any_batch(d in 1usize..60, c in 1usize..9, seed in 0i64..1000, sizes in prop::collection::vec(0usize..6, 1..6)) {
        let layout = layout(13, d, c);
        let agent = Agent::new(small_srs(), layout, weights(&layout, seed));
        let keys = Keys::generate(small_srs(), &ServiceCircuit::empty(agent.shape())).unwrap();
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
    let other = Shape::service(layout(13, 21, 5));
    assert!(matches!(new(other, &[]), ServiceError::Weights { features: 20, layout_features: 21, .. }));
    let small = Shape::service(layout(12, 20, 5));
    assert!(matches!(new(small.clone(), &[]), ServiceError::NoRoom { k: 12, .. }));
    assert!(Keys::generate(&Srs::development(12), &ServiceCircuit::empty(small)).is_err());
}

/// The wrong answer with the largest logit left in place.
fn wrong_answer(agent: &Agent, shape: Shape, session: &SessionBatch, chosen: u16, best_of: Option<u16>) -> ServiceCircuit {
    let mut session = session.clone();
    let query = session.queries.len() - 1;
    let logits = agent.weights.logits(&session.queries[query].features);
    session.queries[query].answer = chosen;
    let after = after(&agent.layout, &session);
    let count = session.queries.len() as u64;
    let slots = slots(&[(0, 1, after, count)]);
    let mut circuit = agent.from_steps(shape, agent.steps(0, &session), slots);
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
    attack(&agent, &[ENDS], &[session.clone()], |shape| wrong_answer(&agent, shape, &session, wrong, None));
    // the true maximum beside a wrong answer below it
    let (session, truth) = (1..50)
        .map(|seed| SessionBatch { before: 1.into(), ..agent.session(seed, 3) })
        .find_map(|s| (s.queries[2].answer > 0).then(|| (s.clone(), s.queries[2].answer)))
        .unwrap();
    attack(&agent, &["the answer has the largest logit: b·t = 0"], &[session.clone()], |shape| {
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
        let mut circuit = agent.from_steps(shape, agent.steps(0, &forged), slots);
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
    attack(&agent, &["the receipt is of this message: hash = ρ·pack"], &[session.clone()], |shape| {
        let mut circuit =
            agent.from_steps(shape, agent.steps(0, &session), slots(&[(0, 1, after(&agent.layout, &session), 2)]));
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
    attack(&agent, &[ENDS], &[session.clone()], |shape| wrong_answer(&agent, shape, &session, 3, None));
}

#[test]
fn receipt_replayed() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    attack(&agent, &["receipts chain: (1 − last)(next − h') = 0"], &[session.clone()], |shape| {
        let step = agent.steps(0, &session).remove(0);
        let steps = vec![Step { last: false, ..step.clone() }, Step { position: 1, ..step }];
        agent.from_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 2)]))
    });
}

#[test]
fn receipt_reordered() {
    let agent = Agent::plain();
    let session = agent.session(1, 4);
    attack(&agent, &["receipts chain: (1 − last)(next − h') = 0"], &[session.clone()], |shape| {
        let mut steps = agent.steps(0, &session);
        steps.swap(1, 2);
        for (i, step) in steps.iter_mut().enumerate() {
            step.position = i as u64;
        }
        agent.from_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 4)]))
    });
}

#[test]
fn receipt_dropped() {
    let agent = Agent::plain();
    let session = agent.session(1, 3);
    let gates = ["position: position' = (1 − last)(position + 1)", "receipts chain: (1 − last)(next − h') = 0"];
    attack(&agent, &gates, &[session.clone()], |shape| {
        // the second one is not answered for, and counted
        let mut steps = agent.steps(0, &session);
        steps.remove(1);
        agent.from_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 3)]))
    });
}

#[test]
fn receipt_counted_twice() {
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    attack(&agent, &["position: position' = (1 − last)(position + 1)"], &[session.clone()], |shape| {
        let mut steps = agent.steps(0, &session);
        steps[1].position = 2;
        agent.from_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 3)]))
    });
    // counted from a history that is not there
    attack(&agent, &["the first block starts a run"], &[session.clone()], |shape| {
        let mut steps = agent.steps(0, &session);
        steps.iter_mut().for_each(|s| s.position += 5);
        let mut circuit = agent.from_steps(shape, steps, slots(&[(0, 1, after(&agent.layout, &session), 7)]));
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
        let claim = slots(&[
            (0, 1, after(&agent.layout, &sessions[1]), 3),
            (1, 2, after(&agent.layout, &sessions[0]), 2),
        ]);
        let mut steps = agent.steps(1, &sessions[0]);
        steps.extend(agent.steps(0, &sessions[1]));
        for step in &mut steps {
            step.before = Fr::from(step.slot + 1);
        }
        agent.from_steps(shape, steps, claim)
    });
}

#[test]
fn slots_relabelled() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 2), agent.session(2, 3)];
    attack(&agent, &[ENDS], &sessions, |shape| {
        let (mut steps, slots) = (agent.steps(1, &sessions[0]), agent.circuit(&sessions).slots);
        steps.extend(agent.steps(0, &sessions[1]));
        agent.from_steps(shape, steps, slots)
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
        let after = agent.receipt_after(&step.message);
        agent.from_steps(shape, steps, slots(&[(0, 1, after, 3)]))
    };
    attack(&agent, &[ENDS], &[session.clone()], |shape| forge(shape, 0));
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
    attack(&agent, &["logit check ends at 0"], &[session.clone()], |shape| {
        let mut steps = agent.steps(0, &session);
        steps[0].features.push(9);
        steps[0].message[1] += Fr::from(9) * (0..20).fold(Fr::one(), |p, _| p * Fr::from(256));
        let after = agent.receipt_after(&steps[0].message);
        agent.from_steps(shape, steps, slots(&[(0, 1, after, 1)]))
    });
}

#[test]
fn inactive_block_counted() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    // the block after the run is counted too, its new transcript said to be the old one
    attack(&agent, &["full rounds: state' = M·outputs"], &[session.clone()], |shape| {
        let first = agent.steps(0, &session).remove(0);
        let after = agent.receipt_after(&first.message);
        let idle = agent.answered(&[], 0);
        let (second, _) = Step::new(&agent.layout, &agent.weights, tribute_circuits::field::to_core(&after), &idle);
        let second = Step { position: 1, before: Fr::one(), last: true, ..second };
        let steps = vec![Step { last: false, ..first }, second];
        let mut circuit = agent.from_steps(shape, steps, slots(&[(0, 1, after, 2)]));
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
        agent.from_steps(shape, agent.steps(0, &sessions[0]), claim)
    });
}

#[test]
fn unused_slot_moved() {
    let agent = Agent::plain();
    let sessions = [agent.session(1, 1), agent.session(2, 0)];
    attack(&agent, &["an unused slot does not move: (1 − m)(after − before) = 0"], &sessions, |shape| {
        let claim = slots(&[(0, 1, after(&agent.layout, &sessions[0]), 1), (15, 2, Fr::from(3), 0)]);
        agent.from_steps(shape, agent.steps(0, &sessions[0]), claim)
    });
}

#[test]
fn capacity_lane_chosen() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    attack(&agent, &["the capacity lane starts as the length"], &[session.clone()], |shape| {
        let steps = agent.steps(0, &session);
        let mut circuit = agent.from_steps(shape, steps.clone(), vec![]);
        let length = tribute_circuits::gadgets::poseidon2::capacity(steps[0].message.len());
        let (rows, state) =
            tribute_circuits::gadgets::poseidon2::sponge_cells_from(length + Fr::one(), &steps[0].message);
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

#[test]
fn a_thousand_queries_at_k15() {
    let layout = layout(15, 64, 10);
    let srs = Srs::development(15);
    let agent = Agent::new(&srs, layout, weights(&layout, 3));
    let t = std::time::Instant::now();
    let keys = Keys::generate(&srs, &ServiceCircuit::empty(agent.shape())).unwrap();
    println!("keys {:?}, capacity {}", t.elapsed(), capacity(&agent.layout));
    let sessions: Vec<_> = (0..16).map(|i| agent.session(i, if i == 15 { 55 } else { 63 })).collect();
    let t = std::time::Instant::now();
    let circuit = agent.circuit(&sessions);
    let witness = t.elapsed();
    let proof = prove(&srs, &keys, &circuit, circuit.inputs(Fr::from(5))).unwrap();
    let cs = keys.vk().cs();
    println!(
        "1000 queries: witness {witness:?}, in all {:?}, {} bytes, {} advice, {} fixed, degree {}",
        t.elapsed(),
        proof.bytes.len(),
        cs.num_advice_columns(),
        cs.num_fixed_columns(),
        cs.degree()
    );
    let code = tribute_evm::lean::generate(srs.params(), keys.vk(), proof.inputs.len()).unwrap();
    let run = tribute_evm::run(&code.runtime, &proof.calldata()).unwrap();
    println!("evm: {} gas, {} bytes of code", run.execution_gas, code.runtime.len());
    assert!(run.success);
    assert!(run.execution_gas < 650_000 && code.runtime.len() < 23_500);
}
