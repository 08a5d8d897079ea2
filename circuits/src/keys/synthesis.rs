//! A circuit's fixed data: its constraint system, the fixed columns row by row, and halo2's verifying key for them.
//!
//! halo2's own key generation gives the same verifying key, but also computes much that our prover does not need, above
//! all every fixed column on a larger domain.

use halo2_proofs::circuit::Value;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{
    permutation, Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error, Fixed,
    FloorPlanner, Instance, Selector, VerifyingKey,
};
use halo2_proofs::poly::EvaluationDomain;
use rayon::prelude::*;

use tribute_engine::msm::msm;
use tribute_engine::srs::Srs;

use tribute_core::shape::Shape;

use crate::error::ProveError;

/// A circuit with all its fixed data.
pub(crate) struct Synthesis {
    /// log2 of the number of rows.
    pub(super) k: u32,
    /// Columns, gates, queries.
    pub(super) cs: ConstraintSystem<Fr>,
    /// Fixed columns, without those that selectors turn into.
    pub(super) columns: Vec<Vec<Fr>>,
    /// Selectors, row by row.
    pub(super) selectors: Vec<Vec<bool>>,
}

impl Synthesis {
    /// Synthesises `circuit` as the circuit of `shape`.
    ///
    /// # Errors
    /// [`ProveError::Keys`], with the shape's name.
    pub(super) fn of_shape<C: Circuit<Fr>>(shape: &Shape, circuit: &C) -> Result<Self, ProveError> {
        Self::of(shape.layout.k(), circuit).map_err(|e| ProveError::Keys { name: shape.name(), reason: e.to_string() })
    }
    /// Synthesises a circuit of `2^k` rows.
    ///
    /// # Errors
    /// If the circuit's rows do not fit, or it has copy constraints, which our prover does not support.
    pub(crate) fn of<C: Circuit<Fr>>(k: u32, circuit: &C) -> Result<Self, Error> {
        let n = 1 << k;
        let mut cs = ConstraintSystem::default();
        let config = C::configure_with_params(&mut cs, circuit.params());
        if n < cs.minimum_rows() {
            return Err(too_few_rows(k));
        }
        if !cs.permutation().get_columns().is_empty() {
            return Err(Error::Synthesis);
        }
        let mut fixed = FixedColumns {
            k,
            usable: n - (cs.blinding_factors() + 1),
            columns: vec![vec![Fr::ZERO; n]; cs.num_fixed_columns()],
            selectors: vec![vec![false; n]; cs.num_selectors()],
            outside: false,
        };
        C::FloorPlanner::synthesize(&mut fixed, circuit, config, cs.constants().clone())?;
        if fixed.outside {
            return Err(too_few_rows(k));
        }
        Ok(Synthesis { k, cs, columns: fixed.columns, selectors: fixed.selectors })
    }

    /// The verifying key of the circuit and the values of its fixed columns, with those of selectors last. `srs` must
    /// have the circuit's size.
    pub(crate) fn keys(self, srs: &Srs) -> (VerifyingKey<G1Affine>, Vec<Vec<Fr>>) {
        let domain = EvaluationDomain::new(self.cs.degree() as u32, self.k);
        let (cs, selectors) = self.cs.directly_convert_selectors_to_fixed(self.selectors);
        let mut columns = self.columns;
        columns.extend(selectors);
        let points: Vec<G1> = columns.par_iter().map(|values| msm(values, srs.lagrange_basis())).collect();
        let mut commitments = vec![G1Affine::identity(); points.len()];
        G1::batch_normalize(&points, &mut commitments);
        let no_copies = permutation::VerifyingKey::from_commitments(vec![]);
        (VerifyingKey::from_parts(domain, commitments, no_copies, cs, vec![], false), columns)
    }
}

/// Collects the fixed columns that a circuit writes and ignores everything else it does.
struct FixedColumns {
    k: u32,
    /// Number of rows before the tail.
    usable: usize,
    columns: Vec<Vec<Fr>>,
    selectors: Vec<Vec<bool>>,
    /// Whether a value was written to a cell that does not exist.
    outside: bool,
}

fn too_few_rows(k: u32) -> Error {
    Error::NotEnoughRowsAvailable { current_k: k }
}

impl Assignment<Fr> for FixedColumns {
    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        match self.columns.get_mut(column.index()).and_then(|c| c[..self.usable].get_mut(row)) {
            Some(cell) => *cell = to.evaluate(),
            None => self.outside = true,
        }
    }

    fn enable_selector<A, AR>(&mut self, _: A, selector: &Selector, row: usize) -> Result<(), Error>
    where
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        let cell = self.selectors[selector.index()][..self.usable].get_mut(row);
        *cell.ok_or(too_few_rows(self.k))? = true;
        Ok(())
    }

    fn fill_from_row(&mut self, column: Column<Fixed>, row: usize, to: Value<Assigned<Fr>>) -> Result<(), Error> {
        let mut value = Err(Error::Synthesis);
        to.map(|to| value = Ok(to.evaluate()));
        let column = self.columns.get_mut(column.index()).ok_or(Error::BoundsFailure)?;
        let rows = column[..self.usable].get_mut(row..);
        rows.ok_or(too_few_rows(self.k))?.fill(value?);
        Ok(())
    }

    /// Treats a copy as an error: only columns with copy constraints have copies, and those are rejected.
    fn copy(&mut self, _: Column<Any>, _: usize, _: Column<Any>, _: usize) {
        self.outside = true;
    }

    fn assign_advice<'v>(&mut self, _: Column<Advice>, _: usize, _: Value<Assigned<Fr>>) -> Value<&'v Assigned<Fr>> {
        Value::unknown()
    }

    fn query_instance(&self, _: Column<Instance>, _: usize) -> Result<Value<Fr>, Error> {
        Ok(Value::unknown())
    }

    fn get_challenge(&self, _: Challenge) -> Value<Fr> {
        Value::unknown()
    }

    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn exit_region(&mut self) {}

    fn annotate_column<A, AR>(&mut self, _: A, _: Column<Any>)
    where
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner};
    use halo2_proofs::plonk::keygen_pk2;
    use halo2_proofs::poly::Rotation;
    use halo2_proofs::SerdeFormat;
    use tribute_core::layout::{Layout, Task};
    use tribute_core::link::Link;

    use crate::circuit::ShapeCircuit;
    use tribute_core::shape::Shape;

    /// A fixed column and a selector, written in one row; optionally a column with copy constraints.
    #[derive(Clone)]
    struct Small {
        row: usize,
        selected: usize,
        copies: bool,
    }

    impl Circuit<Fr> for Small {
        type Config = (Column<Fixed>, Selector);
        type FloorPlanner = SimpleFloorPlanner;
        type Params = bool;

        fn params(&self) -> bool {
            self.copies
        }
        fn without_witnesses(&self) -> Self {
            self.clone()
        }
        fn configure(_: &mut ConstraintSystem<Fr>) -> Self::Config {
            unreachable!("configured with parameters")
        }
        fn configure_with_params(cs: &mut ConstraintSystem<Fr>, copies: bool) -> Self::Config {
            let (fixed, advice, selector) = (cs.fixed_column(), cs.advice_column(), cs.selector());
            if copies {
                cs.enable_equality(advice);
            }
            cs.create_gate("equal", |cs| {
                let (q, f) = (cs.query_selector(selector), cs.query_fixed(fixed, Rotation::cur()));
                vec![q * (f - cs.query_advice(advice, Rotation::cur()))]
            });
            (fixed, selector)
        }
        fn synthesize(&self, (fixed, selector): Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
            layouter.assign_region(
                || "rows",
                |mut region| {
                    region.assign_fixed(fixed, self.row, Fr::from(7));
                    selector.enable(&mut region, self.selected)
                },
            )
        }
    }

    fn same_as_halo2s<C: Circuit<Fr>>(srs: &Srs, circuit: &C) {
        let (vk, fixed) = Synthesis::of(srs.k(), circuit).unwrap().keys(srs);
        let expected = keygen_pk2(&srs.whole_params(), circuit, false).unwrap();
        let bytes = |vk: &VerifyingKey<G1Affine>| vk.to_bytes(SerdeFormat::RawBytes);
        assert_eq!(bytes(&vk), bytes(expected.get_vk()));
        assert_eq!(vk.transcript_repr(), expected.get_vk().transcript_repr());
        let values: Vec<&[Fr]> = expected.fixed_values().iter().map(|p| p.values()).collect();
        assert_eq!(fixed, values);
    }

    #[test]
    fn keys_are_halo2s() {
        let layout = Layout::new(10, 8, 16, 10, Task::Classes).unwrap();
        let srs = Srs::development(10);
        for shape in [Shape::dataset(layout), Shape::gradient(layout, Link::Squared), Shape::optimum(layout)] {
            same_as_halo2s(&srs, &ShapeCircuit::of(&shape));
        }
        let small = Srs::development(4);
        same_as_halo2s(&small, &Small { row: 0, selected: 9, copies: false });
    }

    #[test]
    fn rows_of_the_tail_and_copy_constraints_are_refused() {
        let usable = 16 - 6;
        for (row, selected, copies, holds) in [
            (usable - 1, usable - 1, false, true),
            (usable, 0, false, false),
            (0, usable, false, false),
            (usable - 1, usable - 1, true, false),
        ] {
            assert_eq!(
                Synthesis::of(4, &Small { row, selected, copies }).is_ok(),
                holds,
                "{row}, {selected}, {copies}"
            );
        }
        assert!(matches!(
            Synthesis::of(1, &Small { row: 0, selected: 0, copies: false }).map(|_| ()),
            Err(Error::NotEnoughRowsAvailable { current_k: 1 })
        ));
    }
}
