//! Lagrange polynomials of single rows at x, and the instance column evaluated with them.

use super::{
    dag::{Dag, Id},
    layout::{last_rotation, Layout, WORD},
};
use crate::Error;
use halo2_proofs::{halo2curves::bn256::G1Affine, plonk::VerifyingKey};
use std::collections::BTreeMap;

/// The polynomials that a verification needs.
pub(super) struct Lagrange {
    /// (x^n - 1)/n.
    scale: Id,
    values: Values,
    last: i32,
}

/// The inverses from which the polynomials are computed, by row or rotation.
pub(super) enum Values {
    /// 1/(x - ω^row): `l_row(x) = scale · (x/(x - ω^row) - 1)`.
    Each { x: Id, inverses: BTreeMap<i32, Id> },
    /// 1/(x·ω^-row - 1): `l_row(x) = scale/(x·ω^-row - 1)`, and sums over the inputs by rotation.
    Table { inverses: BTreeMap<i32, Id>, sums: BTreeMap<i32, Id> },
}

impl Lagrange {
    /// `scale` is (x^n - 1)/n.
    pub(super) fn new(vk: &VerifyingKey<G1Affine>, scale: Id, values: Values) -> Lagrange {
        Lagrange { scale, values, last: last_rotation(vk) }
    }

    /// The rows that a verification needs, ascending.
    pub(super) fn rows(vk: &VerifyingKey<G1Affine>, layout: &Layout) -> Vec<i32> {
        let mut rows = vec![];
        if !layout.products.is_empty() {
            rows.extend(last_rotation(vk)..=0);
        }
        for (_, rotation) in vk.cs().instance_queries() {
            rows.extend((0..layout.inputs).map(|row| row as i32 - rotation.0));
        }
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// The sum of weight·l_row over rows.
    fn weighted(&self, dag: &mut Dag, rows: &[(i32, Id)]) -> Result<Id, Error> {
        let (Values::Each { inverses, .. } | Values::Table { inverses, .. }) = &self.values;
        let mut parts = vec![];
        for (row, weight) in rows {
            let what = || format!("row {row} is read by a gate but was not foreseen");
            let inverse = inverses.get(row).ok_or_else(|| Error::Unsupported { what: what() })?;
            parts.push(dag.mul(*inverse, *weight));
        }
        let mut value = dag.sum(parts);
        if let Values::Each { x, .. } = &self.values {
            let weights = dag.sum(rows.iter().map(|(_, weight)| *weight));
            value = dag.mul(*x, value);
            value = dag.sub(value, weights);
        }
        Ok(dag.mul(self.scale, value))
    }

    pub(super) fn first(&self, dag: &mut Dag) -> Result<Id, Error> {
        let one = dag.one();
        self.weighted(dag, &[(0, one)])
    }

    pub(super) fn last(&self, dag: &mut Dag) -> Result<Id, Error> {
        let one = dag.one();
        self.weighted(dag, &[(self.last, one)])
    }

    /// 1 on the last usable row and on the rows after it.
    pub(super) fn last_and_blind(&self, dag: &mut Dag) -> Result<Id, Error> {
        let one = dag.one();
        let rows: Vec<_> = (self.last..0).map(|row| (row, one)).collect();
        self.weighted(dag, &rows)
    }

    /// The instance column at x·ω^rotation, from the inputs.
    pub(super) fn instance(&self, dag: &mut Dag, layout: &Layout, rotation: i32) -> Result<Id, Error> {
        if let Values::Table { sums, .. } = &self.values {
            if let Some(sum) = sums.get(&rotation) {
                return Ok(dag.mul(self.scale, *sum));
            }
        }
        let inputs = (0..layout.inputs).map(|i| (i as i32 - rotation, dag.calldata(i * WORD)));
        let inputs: Vec<_> = inputs.collect();
        self.weighted(dag, &inputs)
    }
}
