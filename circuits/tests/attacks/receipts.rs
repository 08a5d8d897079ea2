//! Attacks on the receipts of `service`: hashes that do not match the queries and answers.

use tribute_circuits::gadgets::poseidon2;
use tribute_circuits::statements::service::{column, third, ServiceCircuit};
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::agent::{after, slots, Agent};
use crate::harness::alone;
use crate::service::attack;
use crate::support::gates::{forging, Sheet};

const OUTPUT: &str = "S-box: output = x⁵";
const FULL: &str = "full rounds: state' = M·outputs";
const PARTIAL: &str = "partial rounds: state' = M·(state, outputs)";

#[test]
fn answer_to_another_query() {
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    attack(
        "answer_to_another_query",
        &agent,
        &["the receipt is of this message: hash = ρ·pack"],
        std::slice::from_ref(&session),
        |shape| {
            let mut circuit =
                agent.prove_steps(shape, agent.steps(0, &session), slots(&[(0, 1, after(&agent.layout, &session), 2)]));
            let other = agent.circuit(&[agent.session(5, 4)]);
            // the data of other queries next to these receipts
            for v in column::DATA..column::COUNT {
                circuit.columns[v].clone_from(&other.columns[v]);
            }
            circuit
        },
    );
}

#[test]
fn capacity_lane_chosen() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    attack(
        "capacity_lane_chosen",
        &agent,
        &["the capacity lane starts as the length"],
        std::slice::from_ref(&session),
        |shape| {
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
        },
    );
}

/// Data of other queries next to these receipts, with phase three repaired.
fn another_query(name: &str, gate: &str, edit: impl Fn(&Agent, &mut Sheet) + Clone + Send + Sync + 'static) {
    let agent = Agent::plain();
    let session = agent.session(1, 2);
    attack(name, &agent, &[gate], std::slice::from_ref(&session), |shape| {
        let mut circuit =
            agent.prove_steps(shape, agent.steps(0, &session), slots(&[(0, 1, after(&agent.layout, &session), 2)]));
        let other = agent.circuit(&[agent.session(5, 4)]);
        for v in column::DATA..column::COUNT {
            circuit.columns[v].clone_from(&other.columns[v]);
        }
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

const RHO: usize = 3;

#[test]
fn message_that_is_not_the_data() {
    let gate = "message as data: pack = Σ 256^a x_a + 2^56·pack' or 2^-168·ρ·pack', salt + ρ(pack' − 1), B + pack'";
    another_query("message_that_is_not_the_data", gate, |agent, sheet| {
        let [pack, hash] = [third::PACK, third::HASH].map(|n| sheet.column(2, n));
        let inverse = sheet.challenges[RHO].invert().unwrap();
        for start in (0..agent.blocks().count).map(|i| agent.blocks().start(i)) {
            sheet.advice[pack][start] = sheet.advice[hash][start] * inverse;
        }
    });
}

#[test]
fn message_that_is_not_absorbed() {
    let gate = "message as absorbed: hash = b_0 + ρ·b_1 + ρ²·b_2 + ρ³·hash'";
    another_query("message_that_is_not_absorbed", gate, |agent, sheet| {
        let [pack, hash] = [third::PACK, third::HASH].map(|n| sheet.column(2, n));
        for start in (0..agent.blocks().count).map(|i| agent.blocks().start(i)) {
            sheet.advice[hash][start] = sheet.challenges[RHO] * sheet.advice[pack][start];
        }
    });
}

/// A receipt whose permutation goes wrong. `edit` changes cells of phase one, given the block's link row; the slot's new
/// transcript follows from the result.
fn permuted(agent: &Agent, shape: Shape, edit: impl Fn(&mut Sheet, usize)) -> ServiceCircuit {
    let session = agent.session(1, 1);
    let inputs = slots(&[(0, 1, after(&agent.layout, &session), 1)]);
    let mut circuit = agent.prove_steps(shape, agent.steps(0, &session), inputs);
    let link = agent.blocks().link(0);
    let public = circuit.inputs(Fr::from(9));
    let mut sheet = Sheet::of_phase_one(&circuit, &public);
    edit(&mut sheet, link);
    for n in column::STATE..column::OUTPUT + poseidon2::BOXES {
        let length = circuit.columns[n].len();
        circuit.columns[n].copy_from_slice(&sheet.advice[1 + n][..length]);
    }
    let receipt = circuit.columns[column::STATE][link];
    circuit.columns[column::NEXT][link] = Fr::ZERO; // the idle blocks start from 0
    circuit.slots = slots(&[(0, 1, receipt, 1)]);
    circuit
}

fn wrong_permutation(name: &str, gate: &str, edit: impl Fn(&mut Sheet, usize)) {
    let agent = Agent::plain();
    attack(name, &agent, &[gate], &[agent.session(1, 1)], |shape| permuted(&agent, shape, &edit));
}

const fn output(i: usize) -> usize {
    1 + column::OUTPUT + i
}

const fn state(lane: usize) -> usize {
    1 + column::STATE + lane
}

/// The name of the n-th polynomial, from 0, of a gate.
fn nth(name: &str, n: usize) -> String {
    if n == 0 {
        name.to_owned()
    } else {
        format!("{name} #{}", n + 1)
    }
}

/// Fills the rows from `row` to the link row according to the rounds, outputs and states.
fn follow(sheet: &mut Sheet, row: usize, link: usize) {
    for row in row..link {
        for i in 0..poseidon2::BOXES {
            for kind in 0..2 {
                sheet.solve_nth(OUTPUT, 2 * i + kind, row, (output(i), row));
            }
        }
        next_states(sheet, row);
    }
}

/// Fills the state after a row of rounds.
fn next_states(sheet: &mut Sheet, row: usize) {
    for lane in 0..poseidon2::WIDTH {
        sheet.solve_nth(FULL, lane, row, (state(lane), row + 1));
        sheet.solve_nth(PARTIAL, lane, row, (state(lane), row + 1));
    }
}

#[test]
fn s_box_of_another_number() {
    wrong_permutation("s_box_of_another_number", &nth(OUTPUT, 14), |sheet, link| {
        sheet.advice[output(7)][link - 1] += Fr::ONE;
        next_states(sheet, link - 1);
    });
}

#[test]
fn state_after_partial_rounds_chosen() {
    wrong_permutation("state_after_partial_rounds_chosen", PARTIAL, |sheet, link| {
        sheet.advice[state(0)][link - 2] += Fr::ONE;
        follow(sheet, link - 2, link);
    });
}

/// Each polynomial of the permutation on its own: a cell that only this polynomial constrains is changed, and
/// everything after it is recomputed.
#[test]
fn every_polynomial_of_the_permutation_counts() {
    let agent = Agent::plain();
    let refuses = |name: &str, n: usize, edit: &dyn Fn(&mut Sheet, usize)| {
        let circuit = permuted(&agent, agent.shape(), edit);
        let gate = nth(name, n);
        alone(&format!("permutation: {gate}"), &circuit, &circuit.inputs(Fr::from(9)), &gate);
    };
    // the permutation ends with full rounds; the partial ones are before its last two rows
    let partial = |link: usize| link - 3;
    for i in 0..poseidon2::BOXES {
        for kind in 0..2 {
            refuses(OUTPUT, 2 * i + kind, &|sheet, link| {
                let row = if kind == 0 { link - 1 } else { partial(link) };
                sheet.advice[output(i)][row] += Fr::ONE;
                for later in i + 1..poseidon2::BOXES {
                    sheet.solve_nth(OUTPUT, 2 * later + kind, row, (output(later), row));
                }
                next_states(sheet, row);
                follow(sheet, row + 1, link);
            });
        }
    }
    for lane in 0..poseidon2::WIDTH {
        for (name, full) in [(FULL, true), (PARTIAL, false)] {
            refuses(name, lane, &|sheet, link| {
                let row = if full { link - 1 } else { partial(link) };
                sheet.advice[state(lane)][row + 1] += Fr::ONE;
                follow(sheet, row + 1, link);
            });
        }
    }
}

#[test]
fn capacity_lane_changed_on_the_way() {
    let agent = Agent::plain();
    let session = agent.session(1, 1);
    let gate = "the capacity lane is carried between permutations";
    attack("capacity_lane_changed_on_the_way", &agent, &[gate], std::slice::from_ref(&session), |shape| {
        let steps = agent.steps(0, &session);
        let message = steps[0].message.clone();
        let mut circuit = agent.prove_steps(shape, steps, vec![]);
        let blocks = agent.blocks();
        let (_, mut state) =
            poseidon2::permutation_cells([message[0], message[1], message[2], poseidon2::capacity(message.len())]);
        state[0] += message[3];
        state[3] += Fr::ONE;
        let (rows, state) = poseidon2::permutation_cells(state);
        for (offset, row) in rows.iter().enumerate() {
            for (i, v) in row.iter().enumerate() {
                circuit.columns[column::STATE + i][blocks.start(0) + poseidon2::ROWS + offset] = *v;
            }
        }
        for (lane, v) in state.iter().enumerate() {
            circuit.columns[column::STATE + lane][blocks.link(0)] = *v;
        }
        circuit.slots = slots(&[(0, 1, state[0], 1)]);
        circuit
    });
}
