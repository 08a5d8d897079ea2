//! Attacks on `evaluation`: answers that are not the agent's, counts and losses that are not the shard's.

use std::sync::Arc;

use tribute_circuits::columns::{commit_records, commit_weights, CommittedGroup, Secret};
use tribute_circuits::gadgets::argmax::difference_limbs;
use tribute_circuits::gadgets::link::{remainder_column, remainder_rows};
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::{column, third, EvaluationCircuit};
use tribute_core::head::{answer, loss_scale, LossRemainder, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::numbers::LOSS_BITS;
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_engine::field::{from_i128, two_to};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::harness::{attack, Claim};
use crate::product::LOGITS;
use crate::record::{record, Row};
use crate::support::gates::{forging, Sheet};
use crate::support::keyed::{keyed, srs};
use crate::support::{self, altered};

const COUNTED: &str = "tally is n + σ·correct + σ²·2^u·loss in row 0, and ends at 0";
const TALLY: &str = "counted: tally = tally' + s + σ²·2^p·s·S, + σ·b·y, − σ²·2^bi·limb";
const RANGE: &str = "logUp starts and ends at 0";

fn layout() -> Layout {
    Layout::new(10, 3, 7, 3, Task::Classes).unwrap()
}

/// A committed shard and committed weights.
struct World {
    weights: Weights,
    records: Records,
    xy: CommittedGroup,
    w: CommittedGroup,
}

impl World {
    fn new(weights: Weights, records: Records) -> Self {
        let (srs, secret) = (srs(10), Secret::from_bytes([6; 32]));
        let xy = commit_records(srs, &layout(), &secret, &records).unwrap();
        let w = commit_weights(srs, &layout(), &secret, &weights);
        World { weights, records, xy, w }
    }
    /// For every record, classes 0 and 1 tie and class 2 is behind.
    fn tied() -> Self {
        let mut values = vec![0; layout().weights()];
        values[..3].copy_from_slice(&[40, 40, 3]);
        let mut records = Records::new(7);
        // a different number of records in each class, so that giving another answer to all changes the count
        for (i, class) in (0u8..).zip([0, 1, 2, 1, 2, 2, 1, 2, 2]) {
            records.push(&[i, 1, 0, 255, 7 * i, 3, 2], class);
        }
        World::new(Weights::new(7, 3, values).unwrap(), records)
    }
    /// The same records with other weights.
    fn with_weights(&self, change: impl Fn(&mut Vec<i64>)) -> Self {
        let mut values = self.weights.values().to_vec();
        change(&mut values);
        World::new(Weights::new(7, 3, values).unwrap(), self.records.clone())
    }
    fn shape() -> Shape {
        Shape::evaluation(layout(), Link::Squared)
    }
    fn circuit(&self, shape: Shape) -> EvaluationCircuit {
        EvaluationCircuit::new(shape, &self.xy, &self.w).unwrap()
    }
}

/// A witness's claim, with the counts that follow from it.
fn claim(circuit: EvaluationCircuit) -> Claim<EvaluationCircuit> {
    let inputs = circuit.public_inputs(Fr::from(9));
    (circuit, inputs)
}

/// Other public inputs for an honest witness.
fn with_inputs(name: &str, change: impl Fn(&mut Vec<Fr>)) {
    let w = World::tied();
    attack(name, &[COUNTED], &World::shape(), |shape, forged| {
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
fn loss_of_another_unit() {
    with_inputs("evaluation_loss_too_high", |inputs| inputs[3] += Fr::ONE);
    with_inputs("evaluation_loss_too_low", |inputs| inputs[3] -= Fr::ONE);
}

/// Position of a column after the limbs.
fn own(column: usize) -> usize {
    difference_limbs(&layout()) + column
}

/// Publishes a loss of `more` units more, with limbs that `spell` changes so that the sum holds.
fn another_loss(name: &str, more: Fr, spell: impl Fn(&mut [Fr])) {
    let w = World::tied();
    let limbs = remainder_rows(&layout(), LossRemainder::of(&layout(), Link::Squared).limbs);
    attack(name, &[RANGE], &World::shape(), |shape, forged| {
        let (mut circuit, mut inputs) = claim(w.circuit(shape));
        if forged {
            inputs[3] += more;
            spell(&mut circuit.columns[own(column::LINK) + remainder_column(Link::Squared)][limbs.clone()]);
        }
        (circuit, inputs)
    });
}

#[test]
fn remainder_of_the_loss_out_of_range() {
    let (bits, unit) = (layout().limb_bits(), LossRemainder::of(&layout(), Link::Squared).limbs as u32);
    let unit = two_to(unit * bits);
    another_loss("evaluation_remainder_below_zero", Fr::ONE, |limbs| limbs[0] -= unit);
    another_loss("evaluation_remainder_of_a_unit_and_more", -Fr::ONE, |limbs| {
        *limbs.last_mut().unwrap() += two_to(bits);
    });
    // the top limb of the quotient of the field: N + 1/2^u and a remainder of 1 less
    let fraction = unit.invert().unwrap();
    another_loss("evaluation_loss_shifted_by_a_fraction", two_to(bits) * fraction, |limbs| {
        limbs[0] -= two_to(bits);
    });
}

#[test]
fn losses_of_a_record_changed() {
    let w = World::tied();
    attack(
        "evaluation_losses_of_a_record_changed",
        &["losses of a record summed: S = loss + S'"],
        &World::shape(),
        |shape, forged| {
            let mut circuit = w.circuit(shape);
            if forged {
                let before = circuit.loss();
                // exactly a unit, which leaves the remainder as it is
                circuit.columns[own(column::LOSSES)][2 * layout().record_rows()] -=
                    two_to(loss_scale(Link::Squared) - LOSS_BITS);
                assert_eq!(circuit.loss(), before - Fr::ONE);
            }
            claim(circuit)
        },
    );
}

/// The answers are those of the agent's logits, the loss is that of better ones.
#[test]
fn loss_of_other_logits() {
    let w = World::tied();
    let better = w.with_weights(|values| values[..3].copy_from_slice(&[1 << 30, 1 << 30, 1 << 31]));
    attack(
        "evaluation_loss_of_other_logits",
        &["the link's logit is the answer's: z = m − t − B'"],
        &World::shape(),
        |shape, forged| {
            let mut circuit = w.circuit(shape.clone());
            if forged {
                let before = circuit.loss();
                circuit.columns.truncate(own(column::LOSSES));
                circuit.columns.extend(better.circuit(shape).columns.split_off(own(column::LOSSES)));
                assert_ne!(circuit.loss(), before);
            }
            claim(circuit)
        },
    );
}

#[test]
fn counts_exchanged() {
    with_inputs("evaluation_counts_exchanged", |inputs| inputs.swap(1, 2));
}

/// The cells of a record.
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
    /// Writes the limbs of `t`; a negative value goes into the lowest limb.
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
    /// Writes an answer of the forger's choice, and everything else so that the logit gate holds.
    fn answer(&mut self, z: &[i64], class: usize, best: &[i64]) {
        for u in 0..z.len() {
            self.suffix(u, Fr::from(u64::from(u <= class)));
            self.best(u, best[u]);
            self.gap(u, best[u] - z[u] - i64::from(u < class));
        }
    }
}

/// Attacks with a wrong answer in record `record`.
fn with_cells(name: &str, gate: &'static str, record: usize, forge: impl Fn(&mut Cells<'_>, &[i64])) {
    let w = World::tied();
    let z = w.weights.logits(w.records.features(record));
    attack(name, &[gate], &World::shape(), |shape, forged| {
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
    // record 0 is answered correctly; without an answer it would count as wrong
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
    // b = (2, −1, 0): a record of class 0 counts twice. This needs z_1 = z_0 − 1, so that no difference is out of range
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
        &["one-hot: b(b − 1) = 0 with b = B − B'"],
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
    // the record slot after the last has a class but no presence flag, which `dataset` would reject too
    let mut w = World::tied();
    let head = w.records.len() * layout().record_rows();
    w.xy = altered(&World::shape(), &w.xy, &[(layout().columns(), head + 1, Fr::ONE)]);
    attack("evaluation_absent_record_counted", &[PRESENT], &World::shape(), |shape, forged| {
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

/// Attacks in which the forger changes `tally` after learning σ.
fn with_tally(name: &str, gate: &'static str, rows: std::ops::Range<usize>) {
    let w = World::tied();
    attack(name, &[gate], &World::shape(), |shape, forged| {
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
        (circuit, inputs)
    });
}

#[test]
fn tally_jumps() {
    with_tally("evaluation_tally_jumps", TALLY, 0..40);
}

#[test]
fn tally_starts_above_zero() {
    with_tally("evaluation_tally_starts_above_zero", COUNTED, 0..layout().gate_rows());
}

#[test]
fn accuracy_of_other_weights() {
    // answers computed with weights that are right more often, but with the certified weights' commitment
    let w = World::tied();
    let better = w.with_weights(|values| values[1] += 1);
    attack("evaluation_of_other_weights", &["logit check starts and ends at 0"], &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape.clone());
        if forged {
            circuit.columns = better.circuit(shape).columns;
        }
        claim(circuit)
    });
}

#[test]
fn accuracy_on_other_records() {
    // answers to queries other than the records
    let layout = layout();
    let w = World::new(support::weights(&layout, 3), support::records(&layout, 9, 8));
    // of the same classes, so that only the logits are others
    let mut others = Records::new(7);
    for ((features, _), (_, class)) in support::records(&layout, 9, 11).iter().zip(w.records.iter()) {
        others.push(features, class);
    }
    let other = World::new(w.weights.clone(), others);
    attack("evaluation_on_other_records", &["logit check starts and ends at 0"], &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape.clone());
        if forged {
            circuit.columns = other.circuit(shape).columns;
        }
        claim(circuit)
    });
}

/// First row of a weight block.
fn block(j: usize) -> usize {
    layout().weights_start() + j * layout().classes()
}

/// Answers computed with other weights, hidden in the running sums where one gate is missing.
fn hidden(
    name: &str,
    gate: &'static str,
    other: impl Fn(&mut Vec<i64>),
    edit: impl Fn(u8, &mut Sheet) + Clone + Send + Sync + 'static,
) {
    let w = World::tied();
    let other = w.with_weights(other);
    let honest = w.circuit(World::shape()).counts();
    attack(name, &[gate], &World::shape(), |shape, forged| {
        let mut circuit = w.circuit(shape.clone());
        if forged {
            circuit.columns = other.circuit(shape).columns;
            assert_ne!(circuit.counts(), honest, "{name}: the forgery's claim is true");
        }
        let (mut circuit, inputs) = claim(circuit);
        if forged {
            circuit.forge = Some(forging(&circuit, &inputs, edit.clone()));
        }
        (circuit, inputs)
    });
}

/// Like [`hidden`], with class 1 winning where it ties, hidden only in sums of phase three.
fn hidden_late(name: &str, gate: &'static str, edit: impl Fn(&mut Sheet) + Clone + Send + Sync + 'static) {
    let class_1_ahead = |values: &mut Vec<i64>| values[1] += 1;
    hidden(name, gate, class_1_ahead, move |phase, sheet| {
        if phase == 2 {
            edit(sheet);
        }
    });
}

#[test]
fn features_under_another_sum() {
    hidden_late("evaluation_features_under_another_sum", "features under τ: xt = Σ_a τ^a x_a + τ^A·xt'", |sheet| {
        let [xt, r] = [third::XT, third::R].map(|n| sheet.column(2, n));
        sheet.balance(LOGITS, r, (xt, 2 * layout().record_rows()));
    });
}

#[test]
fn logits_under_another_sum() {
    hidden_late("evaluation_logits_under_another_sum", "logits under κ: zk = z + κ·zk'", |sheet| {
        let [zk, r] = [third::ZK, third::R].map(|n| sheet.column(2, n));
        sheet.balance(LOGITS, r, (zk, 2 * layout().record_rows()));
    });
}

#[test]
fn power_of_a_block_changed() {
    hidden_late("evaluation_power_of_a_block_changed", "powers between blocks: xt(c below) = τ·xt", |sheet| {
        let [xt, r] = [third::XT, third::R].map(|n| sheet.column(2, n));
        sheet.balance(LOGITS, r, (xt, block(1)));
        for row in block(1)..block(2) - 1 {
            sheet.solve("powers within a block: xt' = κ·xt", row, (xt, row + 1));
        }
    });
}

#[test]
fn logit_check_that_is_none() {
    hidden_late("evaluation_logit_check_that_is_none", LOGITS, |sheet| {
        let r = sheet.column(2, third::R);
        sheet.advice[r].fill(Fr::ZERO);
    });
}

#[test]
fn logit_check_with_a_head_start() {
    hidden_late("evaluation_logit_check_with_a_head_start", "logit check starts and ends at 0", |sheet| {
        let r = sheet.column(2, third::R);
        sheet.balance(LOGITS, r, (r, 0));
    });
}

#[test]
fn powers_that_start_at_minus_one() {
    // the vector a and all powers negated: the logits of −W pass for those of W, so the smallest logit passes for the
    // largest
    let negated = |values: &mut Vec<i64>| values.iter_mut().for_each(|w| *w = -*w);
    hidden("evaluation_powers_that_start_at_minus_one", "powers start at 1", negated, |phase, sheet| {
        if phase == 1 {
            // the column before the tally
            let a = sheet.column_from_last(1, 1);
            sheet.advice[a][..layout().gate_rows()].iter_mut().for_each(|a| *a = -*a);
        }
        if phase == 2 {
            let [xt, r] = [third::XT, third::R].map(|n| sheet.column(2, n));
            sheet.advice[xt][block(0)..=layout().weights_end()].iter_mut().for_each(|x| *x = -*x);
            assert_eq!(sheet.run_down(LOGITS, r), Fr::ZERO);
        }
    });
}

/// A digest identifies points, not the meaning of rows: under a layout with more features, the same columns hold other
/// weights, in rows that the first layout's circuits never read. So whoever counts an evaluation must compare the
/// layout's hash (and the SRS) with those of the `dataset` and `optimum` proofs. Under the first layout's keys the
/// proof is rejected.
#[test]
fn evaluation_under_another_layout() {
    let layout_of = |d| Layout::new(10, 8, d, 3, Task::Classes).unwrap();
    // with 2d + 1 features, the rows of both weight vectors overlap only where the records have no features
    let (layout, wide) = (layout_of(7), layout_of(15));
    assert_eq!(layout.record_rows(), wide.record_rows());
    assert_eq!(layout.weights_start() - wide.weights_start(), 8 * 3);
    let (shape, wide_shape) = (Shape::evaluation(layout, Link::Squared), Shape::evaluation(wide, Link::Squared));
    let (srs, secret) = (srs(10), Secret::from_bytes([6; 32]));
    let mut records = Records::new(7);
    for i in 0..30u8 {
        let mut features = [i; 7];
        features[usize::from(i % 3)] = 255;
        records.push(&features, u16::from(i % 3));
    }
    let xy = commit_records(srs, &layout, &secret, &records).unwrap();
    // the certified weights always answer class 0; next to them are weights that know the classes' features
    let mut certified = vec![0; layout.weights()];
    certified[0] = 1;
    let w = commit_weights(srs, &layout, &secret, &Weights::new(7, 3, certified).unwrap());
    let knowing = (0..3).map(|u| (0, wide.weights_start() + (u + 1) * 3 + u, Fr::ONE));
    // these rows are salts in the first layout, so they may contain anything
    let none = (wide.weights_start()..layout.weights_start()).map(|row| (0, row, Fr::ZERO));
    let w = altered(&shape, &w, &none.chain(knowing).collect::<Vec<_>>());

    let honest = EvaluationCircuit::new(shape.clone(), &xy, &w).unwrap();
    assert_eq!(honest.counts(), [30, 10].map(Fr::from));
    let inputs = honest.public_inputs(Fr::from(9));
    let name = "evaluation_under_another_layout";
    keyed(&shape).accept(name, &honest, &inputs);
    // `dataset` does not notice either: the records are unchanged
    keyed(&Shape::dataset(layout)).accept(
        name,
        &DatasetCircuit::new(Shape::dataset(layout), &xy),
        &[Fr::from(9), Fr::from(30)],
    );

    let forged = EvaluationCircuit::new(wide_shape.clone(), &xy, &w).unwrap();
    assert_eq!(forged.counts(), [30, 30].map(Fr::from), "every record gets its own class");
    let of_wide = keyed(&wide_shape);
    let proof = prove(srs, &of_wide.keys, &forged, forged.public_inputs(Fr::from(9))).unwrap();
    assert!(of_wide.native(&proof), "the other layout's keys accept it");
    assert!(proof.bytes.starts_with(&[xy.points(), w.points()].concat()));
    let (forged_native, forged_evm) = (keyed(&shape).native(&proof), keyed(&shape).evm(&proof));
    assert!(!forged_native && !forged_evm, "{name}: forgery accepted");
    record(&Row {
        attack: name,
        circuit: "evaluation",
        honest: true,
        forged_native,
        forged_evm,
        without_gate: None,
        gate: "the key, which is of one layout: who counts an evaluation compares layout and SRS",
    });
}
