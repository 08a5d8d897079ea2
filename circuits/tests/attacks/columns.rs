//! Attacks on committed columns: guessing their content, using other columns for a proof, reusing a stream.

use std::sync::Arc;

use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error, FirstPhase};
use tribute_circuits::columns::{commit_records, record_bodies, CommittedGroup, Secret};
use tribute_circuits::error::ProveError;
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove_unchecked;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_core::layout::{Layout, Task, TAIL_ROWS};
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::halo2_proofs;

use crate::record::{record, Row};
use crate::support::keyed::{keyed, srs};
use crate::support::records;

fn layout() -> Layout {
    Layout::new(10, 3, 16, 3, Task::Classes).unwrap()
}

fn candidates() -> [Records; 2] {
    let a = records(&layout(), 12, 1);
    let mut b = a.slice(0..11);
    b.push(a.features(11), (a.target(11) + 1) % 3);
    [a, b]
}

/// A dictionary attack on the label column: recompute the commitment of each candidate dataset and compare. Without
/// salts and tails, a commitment is a function of the content and the attack succeeds; with them, the attacker needs
/// the secret.
#[test]
fn dictionary_attack() {
    let srs = srs(10);
    let l = layout();
    let [a, b] = candidates();
    let bare = |r: &Records| {
        let mut rows = record_bodies(&l, r).swap_remove(3);
        rows.resize(l.rows(), Fr::ZERO);
        halo2_proofs::halo2curves::bn256::G1Affine::from(halo2_proofs::arithmetic::best_multiexp(
            &rows,
            srs.lagrange_basis(),
        ))
    };
    // salts off: the victim's commitment is in the attacker's dictionary
    let victim = bare(&b);
    assert_eq!([&a, &b].map(|r| bare(r) == victim), [false, true]);

    // with salts it is not, whatever secrets the attacker tries
    let victim = commit_records(srs, &l, &Secret::from_bytes([1; 32]), &b).unwrap().columns[3].point;
    assert!([&a, &b].iter().all(|r| bare(r) != victim));
    for guess in 2..6u8 {
        for r in [&a, &b] {
            assert_ne!(commit_records(srs, &l, &Secret::from_bytes([guess; 32]), r).unwrap().columns[3].point, victim);
        }
    }
    // but the owner can recompute it
    assert_eq!(commit_records(srs, &l, &Secret::from_bytes([1; 32]), &b).unwrap().columns[3].point, victim);
}

#[test]
fn same_stream_for_two_datasets() {
    // equal salts in two commitments would allow opening their difference, so every column of every content has its own
    let srs = srs(10);
    let l = layout();
    let secret = Secret::from_bytes([1; 32]);
    let groups = candidates().map(|r| commit_records(srs, &l, &secret, &r).unwrap());
    let mut seen = Vec::new();
    for group in &groups {
        for column in &group.columns {
            let hidden = &column.values[l.salt_start()..];
            assert_eq!(hidden.len(), l.salt_rows() + TAIL_ROWS);
            for v in hidden {
                assert!(!bool::from(v.is_zero()));
                seen.push(*v);
            }
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "no random value occurs twice");
}

#[test]
fn commitment_is_stable() {
    let srs = srs(10);
    let [a, _] = candidates();
    let secret = Secret::from_bytes([1; 32]);
    let commit = || commit_records(srs, &layout(), &secret, &a).unwrap();
    assert_eq!(commit().digest(), commit().digest());
}

/// A circuit that allocates committed columns and never queries one of them: halo2 would not open it at all, and a
/// proof would say nothing about it.
#[derive(Clone)]
struct Unqueried;

impl Circuit<Fr> for Unqueried {
    type Config = ();
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();
    fn without_witnesses(&self) -> Self {
        Unqueried
    }
    fn configure(meta: &mut ConstraintSystem<Fr>) {
        let columns: Vec<_> = (0..4).map(|_| meta.advice_column_in(FirstPhase)).collect();
        let q = meta.fixed_column();
        meta.create_gate("all but the last", |c| {
            let q = c.query_fixed(q, halo2_proofs::poly::Rotation::cur());
            columns[..3]
                .iter()
                .map(|x| q.clone() * c.query_advice(*x, halo2_proofs::poly::Rotation::cur()))
                .collect::<Vec<_>>()
        });
    }
    fn synthesize(&self, (): (), _: impl Layouter<Fr>) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn unqueried_committed_column() {
    let refused = Keys::of_circuit(srs(10), &Shape::dataset(layout()), &Unqueried);
    assert!(matches!(refused, Err(ProveError::Queries { column: 3, queries: 0, .. })));
}

/// A circuit whose only gate has degree `GATE`, and which requests degree `MINIMUM` from halo2.
#[derive(Clone)]
struct OfDegree<const GATE: usize, const MINIMUM: usize>;

impl<const GATE: usize, const MINIMUM: usize> Circuit<Fr> for OfDegree<GATE, MINIMUM> {
    type Config = ();
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();
    fn without_witnesses(&self) -> Self {
        self.clone()
    }
    fn configure(meta: &mut ConstraintSystem<Fr>) {
        let x = meta.advice_column_in(FirstPhase);
        meta.set_minimum_degree(MINIMUM);
        meta.create_gate("a power", |c| {
            let x = c.query_advice(x, halo2_proofs::poly::Rotation::cur());
            vec![(1..GATE).fold(x.clone(), |power, _| power * x.clone())]
        });
    }
    fn synthesize(&self, (): (), _: impl Layouter<Fr>) -> Result<(), Error> {
        Ok(())
    }
}

/// halo2-axiom silently caps a degree above 5 at 5, so part of the quotient is missing.
#[test]
fn degree_that_halo2_does_not_count() {
    let shape = Shape::dataset(layout());
    let refused = Keys::of_circuit(srs(10), &shape, &OfDegree::<6, 3>);
    assert!(matches!(refused, Err(ProveError::Degree { degree: 6, counted: 5, .. })), "{refused:?}");
    let refused = Keys::of_circuit(srs(10), &shape, &OfDegree::<7, 7>);
    assert!(matches!(refused, Err(ProveError::Degree { degree: 7, counted: 7, .. })), "{refused:?}");
    let refused = Keys::of_circuit(srs(10), &shape, &OfDegree::<5, 6>);
    assert!(matches!(refused, Err(ProveError::Degree { degree: 5, counted: 6, .. })), "{refused:?}");
}

#[test]
fn replay_misaligned() {
    // the right commitment, and a column whose tail comes from a different position in its stream: the proof starts
    // with the right points but opens others
    let (l, shape) = (layout(), Shape::dataset(layout()));
    let [a, _] = candidates();
    let group = commit_records(srs(10), &l, &Secret::from_bytes([1; 32]), &a).unwrap();
    let keyed = keyed(&shape);
    let inputs = vec![Fr::from(7), Fr::from(12)];
    keyed.accept("replay_misaligned", &DatasetCircuit::new(shape.clone(), &group), &inputs);
    let mut columns = group.columns.clone();
    let mut values = columns[0].values.clone();
    values[l.usable()..].rotate_left(1);
    columns[0] = Arc::new(CommittedColumn { values, point: columns[0].point });
    let circuit = DatasetCircuit::new(shape, &CommittedGroup { columns });
    let proof = prove_unchecked(keyed.srs, &keyed.keys, &circuit, inputs).unwrap();
    assert!(proof.bytes.starts_with(&group.points()));
    let (forged_native, forged_evm) = (keyed.native(&proof), keyed.evm(&proof));
    assert!(!forged_native && !forged_evm);
    record(&Row {
        attack: "replay_misaligned",
        circuit: "dataset",
        honest: true,
        forged_native,
        forged_evm,
        without_gate: None,
        gate: "none: commitments are openings' own; a prover withholds a proof that does not verify",
    });
}
