//! Attacks on `evaluation`: answers that are not the agent's, counts that are not the shard's.

use std::sync::Arc;

use tribute_circuits::columns::{commit_records, commit_weights, CommittedGroup, Secret};
use tribute_circuits::evaluation::{column, difference_limbs, EvaluationCircuit};
use tribute_circuits::field::from_i128;
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::halo2_proofs::halo2curves::ff::Field;
use tribute_circuits::plonk::Witness;
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;
use tribute_core::head::{answer, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::records::Records;

use crate::harness::{altered, attack, Claim};
use crate::support;

const COUNTED: &str = "tally is n + σ·correct";
const RANGE: &str = "logUp ends at 0";

fn layout() -> Layout {
    Layout::new(10, 3, 7, 3, Task::Classes).unwrap()
}

/// A shard and weights under which class 0 and 1 tie and class 2 is behind for every record.
struct World {
    srs: Srs,
    weights: Weights,
    records: Records,
    xy: CommittedGroup,
    w: CommittedGroup,
}

impl World {
    fn new(weights: Weights, records: Records) -> Self {
        let (srs, secret) = (Srs::development(10), Secret::from_bytes([6; 32]));
        let xy = commit_records(&srs, &layout(), &secret, &records);
        let w = commit_weights(&srs, &layout(), &secret, &weights);
        World { srs, weights, records, xy, w }
    }
    fn tied() -> Self {
        let mut values = vec![0; layout().weights()];
        values[..3].copy_from_slice(&[40, 40, 3]);
        let mut records = Records::new(7);
        for i in 0..9u8 {
            records.push(&[i, 1, 0, 255, 7 * i, 3, 2], u16::from(i % 3));
        }
        World::new(Weights::new(7, 3, values).unwrap(), records)
    }
    fn shape() -> Shape {
        Shape::evaluation(layout())
    }
    fn circuit(&self, shape: Shape) -> EvaluationCircuit {
        EvaluationCircuit::new(shape, &self.xy, &self.w).unwrap()
    }
}

/// The claim of a witness, with the counts that follow from it.
fn claim(circuit: EvaluationCircuit) -> Claim {
    let inputs = circuit.public_inputs(Fr::from(9));
    (Box::new(circuit), inputs)
}

/// Other public inputs for a true witness.
fn with_inputs(name: &str, change: impl Fn(&mut Vec<Fr>)) {
    let w = World::tied();
    attack(name, COUNTED, &w.srs, &World::shape(), |shape, forged| {
        let (circuit, mut inputs) = claim(w.circuit(shape));
        if forged {
            change(&mut inputs);
        }
        (circuit, inputs)
    });
}

#[test]
fn count_too_high() {
    with_inputs("evaluation_count_too_high", |inputs| inputs[2] += Fr::ONE);
}

#[test]
fn count_too_low() {
    with_inputs("evaluation_count_too_low", |inputs| inputs[2] -= Fr::ONE);
}

#[test]
fn records_too_few() {
    with_inputs("evaluation_records_too_few", |inputs| inputs[1] -= Fr::ONE);
}

#[test]
fn counts_exchanged() {
    with_inputs("evaluation_counts_exchanged", |inputs| inputs.swap(1, 2));
}

/// Cells of a record.
struct Cells<'a> {
    columns: &'a mut [Vec<Fr>],
    head: usize,
}

impl<'a> Cells<'a> {
    fn of(circuit: &'a mut EvaluationCircuit, record: usize) -> Self {
        Cells { columns: &mut circuit.columns, head: record * layout().record_rows() }
    }
    fn suffix(&mut self, class: usize, value: Fr) {
        self.columns[difference_limbs(&layout()) + column::ANSWER][self.head + 1 + class] = value;
    }
    fn best(&mut self, class: usize, value: i64) {
        self.columns[difference_limbs(&layout()) + column::BEST][self.head + 1 + class] = from_i128(i128::from(value));
    }
    /// `t` in limbs; a negative one stands in the lowest.
    fn gap(&mut self, class: usize, t: i64) {
        let (bits, row) = (layout().limb_bits(), self.head + 1 + class);
        let n = difference_limbs(&layout());
        if t < 0 {
            self.columns[0][row] = from_i128(i128::from(t));
            self.columns[1..n].iter_mut().for_each(|limb| limb[row] = Fr::ZERO);
        } else {
            let mask = (1 << bits) - 1;
            let limbs = self.columns[..n].iter_mut().enumerate();
            limbs.for_each(|(i, limb)| limb[row] = Fr::from((t >> (bits * i as u32)) as u64 & mask));
        }
    }
    /// An answer of the forger's choice with everything else as the logit gate needs it.
    fn answer(&mut self, z: &[i64], class: usize, best: &[i64]) {
        for u in 0..z.len() {
            self.suffix(u, Fr::from(u64::from(u <= class)));
            self.best(u, best[u]);
            self.gap(u, best[u] - z[u] - i64::from(u < class));
        }
    }
}

/// A wrong answer in record `record`.
fn with_cells(name: &str, gate: &'static str, record: usize, forge: impl Fn(&mut Cells<'_>, &[i64])) {
    let w = World::tied();
    let z = w.weights.logits(w.records.features(record));
    attack(name, gate, &w.srs, &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape);
        if forged {
            forge(&mut Cells::of(&mut circuit, record), &z);
        }
        claim(circuit)
    });
}

#[test]
fn tie_resolved_wrongly() {
    // record 1 is of class 1, which ties with class 0
    with_cells("evaluation_tie_resolved_wrongly", RANGE, 1, |cells, z| cells.answer(z, 1, &[z[0]; 3]));
}

#[test]
fn answer_below_the_largest() {
    // record 2 is of class 2, which is behind: m is its logit, so two differences are negative
    with_cells("evaluation_answer_below_the_largest", RANGE, 2, |cells, z| cells.answer(z, 2, &[z[2]; 3]));
}

#[test]
fn answer_with_a_gap() {
    with_cells("evaluation_answer_with_a_gap", "the answer has the largest logit: b·t = 0", 2, |cells, z| {
        let best = z[0] + 1; // as if class 0 had to be behind
        cells.answer(z, 2, &[best; 3]);
    });
}

#[test]
fn largest_logit_of_two_minds() {
    with_cells(
        "evaluation_largest_logit_of_two_minds",
        "the largest logit is one per record: m' = m",
        2,
        |cells, z| {
            cells.answer(z, 2, &[z[0] + 1, z[1] + 1, z[2]]);
        },
    );
}

const PRESENT: &str = "one answer in a present record, none in an absent one: B = s";

#[test]
fn answer_withheld() {
    // record 0 is right: without an answer it counts as wrong
    with_cells("evaluation_answer_withheld", PRESENT, 0, |cells, z| {
        for u in 0..3 {
            cells.suffix(u, Fr::ZERO);
            cells.gap(u, z[0] - z[u]);
        }
    });
}

#[test]
fn answer_beyond_the_classes() {
    with_cells("evaluation_answer_beyond_the_classes", "B is 0 outside class rows", 0, |cells, z| {
        for u in 0..3 {
            cells.best(u, z[0] + 1);
            cells.suffix(u, Fr::ONE);
            cells.gap(u, z[0] - z[u]);
        }
        cells.suffix(3, Fr::ONE);
    });
}

#[test]
fn answer_counted_twice() {
    // b = (2, −1, 0): a record of class 0 counts twice; it needs z_1 = z_0 − 1 and hides behind no difference
    let mut values = vec![0; layout().weights()];
    values[..3].copy_from_slice(&[40, 40, 3]);
    values[4] = -1;
    let mut records = Records::new(7);
    records.push(&[1, 0, 0, 0, 0, 0, 0], 0);
    let w = World::new(Weights::new(7, 3, values).unwrap(), records);
    let z = w.weights.logits(w.records.features(0));
    assert_eq!((z[1], answer(&z)), (z[0] - 1, 0));
    attack(
        "evaluation_answer_counted_twice",
        "one-hot: b(b − 1) = 0 with b = B − B'",
        &w.srs,
        &World::shape(),
        |shape, forged| {
            let mut circuit = w.circuit(shape);
            if forged {
                let mut cells = Cells::of(&mut circuit, 0);
                cells.suffix(1, -Fr::ONE);
                for u in 0..3 {
                    cells.best(u, z[1]);
                    cells.gap(u, if u < 2 { 0 } else { z[1] - z[2] });
                }
                assert_eq!(circuit.counts(), [Fr::ONE, Fr::from(2)]);
            }
            claim(circuit)
        },
    );
}

#[test]
fn absent_record_counted() {
    // the record slot after the last has a class but no presence flag: `dataset` would refuse it too
    let mut w = World::tied();
    let head = w.records.len() * layout().record_rows();
    w.xy = altered(&w.srs, &World::shape(), &w.xy, &[(layout().columns(), head + 1, Fr::ONE)]);
    attack("evaluation_absent_record_counted", PRESENT, &w.srs, &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape);
        let honest = circuit.counts();
        if forged {
            let z = w.weights.logits(&[0; 7]);
            Cells::of(&mut circuit, w.records.len()).answer(&z, 0, &[z[0]; 3]);
            assert_eq!(circuit.counts(), [honest[0], honest[1] + Fr::ONE]);
        }
        claim(circuit)
    });
}

/// A `tally` that a forger changes once he knows σ.
fn with_tally(name: &str, gate: &'static str, rows: std::ops::Range<usize>) {
    let w = World::tied();
    attack(name, gate, &w.srs, &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape);
        let mut inputs = circuit.public_inputs(Fr::from(9));
        if forged {
            inputs[1] += Fr::ONE;
            let rows = rows.clone();
            circuit.forge = Some(Arc::new(move |phase, columns, _| {
                if let (1, Some(tally)) = (phase, columns.last_mut()) {
                    tally[rows.clone()].iter_mut().for_each(|t| *t += Fr::ONE);
                }
            }));
        }
        (Box::new(circuit) as Box<dyn Witness>, inputs)
    });
}

#[test]
fn tally_jumps() {
    with_tally("evaluation_tally_jumps", "records and right answers counted: tally = tally' + s, + σ·b·y", 0..40);
}

#[test]
fn tally_starts_above_zero() {
    with_tally("evaluation_tally_starts_above_zero", "tally ends at 0", 0..layout().gate_rows());
}

#[test]
fn accuracy_of_other_weights() {
    // answers of weights that are right more often, under the certified weights' commitment
    let w = World::tied();
    let better = World::new(
        {
            let mut values = w.weights.values().to_vec();
            values[..3].copy_from_slice(&[40, 41, 3]);
            Weights::new(7, 3, values).unwrap()
        },
        w.records.clone(),
    );
    attack("evaluation_of_other_weights", "logit check ends at 0", &w.srs, &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape.clone());
        if forged {
            circuit.columns = better.circuit(shape).columns;
        }
        claim(circuit)
    });
}

#[test]
fn accuracy_on_other_records() {
    // answers to other queries than the records'
    let layout = layout();
    let w = World::new(support::weights(&layout, 3), support::records(&layout, 9, 8));
    let other = World::new(w.weights.clone(), support::records(&layout, 9, 11));
    attack("evaluation_on_other_records", "logit check ends at 0", &w.srs, &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape.clone());
        if forged {
            circuit.columns = other.circuit(shape).columns;
        }
        claim(circuit)
    });
}
