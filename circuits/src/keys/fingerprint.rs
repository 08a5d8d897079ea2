//! What a circuit's keys are made from, as one digest: the constraint system and the cells of the fixed columns.
//!
//! It is computed from the circuit itself, not from its source text: a comment, a name or a file moved does not change it, a
//! gate, a query, a selector's row or a table's entry does. It takes no multiplication by a point, so that looking for kept
//! keys costs a fraction of making them.

use halo2_proofs::circuit::Value;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::serde::SerdeObject as _;
use halo2_proofs::plonk::{
    Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error, Fixed, FloorPlanner,
    Instance, Selector,
};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use tribute_core::digest::Digest;
use tribute_core::shape::Shape;

use crate::circuit::ShapeCircuit;
use crate::error::ProveError;

/// The fingerprint of a shape's circuit.
///
/// # Errors
/// [`ProveError::Keys`] where halo2 would make no keys either: the circuit does not fit its rows.
pub fn fingerprint(shape: &Shape) -> Result<Digest, ProveError> {
    of_circuit(shape, &ShapeCircuit::of(shape))
}

/// [`fingerprint`] of any circuit that stands for this shape.
pub(super) fn of_circuit<C: Circuit<Fr>>(shape: &Shape, circuit: &C) -> Result<Digest, ProveError> {
    digest(shape.layout.k(), circuit).map_err(|e| ProveError::Keys { name: shape.name(), reason: e.to_string() })
}

fn digest<C: Circuit<Fr>>(k: u32, circuit: &C) -> Result<Digest, Error> {
    let mut cs = ConstraintSystem::default();
    let config = C::configure_with_params(&mut cs, circuit.params());
    let rows = 1usize << k;
    let mut cells = Cells { fixed: vec![vec![Fr::ZERO; rows]; cs.num_fixed_columns()], others: Vec::new() };
    C::FloorPlanner::synthesize(&mut cells, circuit, config, cs.constants().clone())?;

    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(b"tribute.keys.v1");
    part(&k.to_be_bytes());
    // everything that halo2 hashes into a verifying key but the commitments
    part(format!("{:?}", cs.pinned()).as_bytes());
    part(&cells.others);
    let columns: Vec<Digest> = cells.fixed.par_iter().map(|column| column_digest(column)).collect();
    columns.iter().for_each(|column| part(column));
    Ok(hash.finalize().into())
}

fn column_digest(column: &[Fr]) -> Digest {
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(1 << 15);
    for values in column.chunks(1 << 10) {
        bytes.clear();
        values.iter().for_each(|x| bytes.extend_from_slice(&x.to_raw_bytes()));
        hash.update(&bytes);
    }
    hash.finalize().into()
}

/// What a circuit assigns before there is a witness.
struct Cells {
    /// By column.
    fixed: Vec<Vec<Fr>>,
    /// Selectors and copies, of which the circuits here have none.
    others: Vec<u8>,
}

impl Assignment<Fr> for Cells {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}

    fn exit_region(&mut self) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        selector: &Selector,
        row: usize,
    ) -> Result<(), Error> {
        self.others.extend_from_slice(format!("{selector:?} {row};").as_bytes());
        Ok(())
    }

    fn query_instance(&self, _: Column<Instance>, _: usize) -> Result<Value<Fr>, Error> {
        Ok(Value::unknown())
    }

    fn assign_advice<'v>(&mut self, _: Column<Advice>, _: usize, _: Value<Assigned<Fr>>) -> Value<&'v Assigned<Fr>> {
        Value::unknown()
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        self.fixed[column.index()][row] = to.evaluate();
    }

    fn copy(&mut self, left: Column<Any>, left_row: usize, right: Column<Any>, right_row: usize) {
        self.others.extend_from_slice(format!("{left:?} {left_row} {right:?} {right_row};").as_bytes());
    }

    fn fill_from_row(&mut self, column: Column<Fixed>, row: usize, to: Value<Assigned<Fr>>) -> Result<(), Error> {
        let cells =
            self.fixed.get_mut(column.index()).and_then(|cells| cells.get_mut(row..)).ok_or(Error::BoundsFailure)?;
        to.map(|to| cells.fill(to.evaluate()));
        Ok(())
    }

    fn get_challenge(&self, _: Challenge) -> Value<Fr> {
        Value::unknown()
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner};
    use halo2_proofs::plonk::Expression;
    use halo2_proofs::poly::Rotation;

    /// One gate, `q·(a − factor·a')`, with `q` 1 on `rows`. `comment` is what a reader sees and a key does not.
    #[derive(Clone, Default)]
    struct Steps {
        comment: &'static str,
        factor: u64,
        rotation: i32,
        rows: Vec<usize>,
    }

    impl Circuit<Fr> for Steps {
        type Config = Column<Fixed>;
        type FloorPlanner = SimpleFloorPlanner;
        type Params = Steps;

        fn without_witnesses(&self) -> Self {
            self.clone()
        }
        fn params(&self) -> Steps {
            self.clone()
        }
        fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
            Self::configure_with_params(meta, Steps::default())
        }
        fn configure_with_params(meta: &mut ConstraintSystem<Fr>, steps: Steps) -> Self::Config {
            let (a, q) = (meta.advice_column(), meta.fixed_column());
            meta.create_gate(steps.comment, |cells| {
                let (q, here) = (cells.query_fixed(q, Rotation::cur()), cells.query_advice(a, Rotation::cur()));
                let there = cells.query_advice(a, Rotation(steps.rotation));
                vec![q * (here - there * Expression::Constant(Fr::from(steps.factor)))]
            });
            q
        }
        fn synthesize(&self, q: Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
            layouter.assign_region(
                || self.comment,
                |mut region| {
                    for row in &self.rows {
                        region.assign_fixed(q, *row, Fr::ONE);
                    }
                    Ok(())
                },
            )
        }
    }

    #[test]
    fn a_gate_a_query_and_a_cell_change_it_and_a_comment_does_not() {
        let of = |steps: &Steps| digest(4, steps).unwrap();
        let steps = Steps { comment: "a doubles", factor: 2, rotation: 1, rows: vec![0, 1, 2] };
        assert_eq!(of(&Steps { comment: "each is twice the next one", ..steps.clone() }), of(&steps));
        let others = [
            Steps { factor: 3, ..steps.clone() },
            Steps { rotation: -1, ..steps.clone() },
            Steps { rows: vec![0, 1], ..steps.clone() },
            Steps { rows: vec![0, 1, 3], ..steps.clone() },
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(of(other), of(&steps), "change {i}");
        }
        assert_ne!(digest(5, &steps).unwrap(), of(&steps), "more rows");
    }
}
