//! A digest of everything that determines a circuit's keys: the constraint system and the cells of the fixed columns.
//!
//! It is computed from the circuit itself, not from its source text: a change to a comment, a name or a file's location
//! leaves it unchanged; a change to a gate, a query, a selector's rows or a table's entries does not. It needs no
//! scalar multiplication, so looking up cached keys costs a fraction of generating them.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::serde::SerdeObject as _;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use tribute_core::digest::Digest;
use tribute_core::shape::Shape;

use super::synthesis::Synthesis;
use crate::circuit::ShapeCircuit;
use crate::error::ProveError;

/// The fingerprint of a shape's circuit.
///
/// # Errors
/// [`ProveError::Keys`] if the circuit does not fit its rows and so has no keys.
pub fn fingerprint(shape: &Shape) -> Result<Digest, ProveError> {
    Ok(of(&Synthesis::of_shape(shape, &ShapeCircuit::of(shape))?))
}

/// The fingerprint of a circuit.
pub(super) fn of(circuit: &Synthesis) -> Digest {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(b"tribute.keys.v1");
    part(&circuit.k.to_be_bytes());
    // everything that halo2 hashes into a verifying key, except the commitments
    part(format!("{:?}", circuit.cs.pinned()).as_bytes());
    // the circuits here have no selectors
    part(&circuit.selectors.iter().flatten().map(|on| u8::from(*on)).collect::<Vec<u8>>());
    let columns: Vec<Digest> = circuit.columns.par_iter().map(|column| column_digest(column)).collect();
    columns.iter().for_each(|column| part(column));
    hash.finalize().into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner};
    use halo2_proofs::halo2curves::ff::Field as _;
    use halo2_proofs::plonk::{Circuit, Column, ConstraintSystem, Error, Expression, Fixed};
    use halo2_proofs::poly::Rotation;

    /// One gate, `q·(a − factor·a')`, with `q` 1 on `rows`. `comment` is visible to readers but must not affect the
    /// key.
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
        let at = |k: u32, steps: &Steps| of(&Synthesis::of(k, steps).unwrap());
        let of = |steps: &Steps| at(4, steps);
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
        assert_ne!(at(5, &steps), of(&steps), "more rows");
    }
}
