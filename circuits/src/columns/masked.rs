//! Committed gradients under masks: a party adds columns that it shares with the other parties, so that only the sum over all
//! parties is readable, and commits to each of them, so that anybody can check what was sent against the proven gradient.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField as _};
use halo2_proofs::halo2curves::group::Curve;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;
use tribute_core::layout::{Layout, TAIL_ROWS};
use tribute_engine::column::CommittedColumn;
use tribute_engine::srs::Srs;

use super::CommittedGroup;

/// A column whose every row is drawn from the stream of `seed`, with its commitment.
#[must_use]
pub fn mask(srs: &Srs, layout: &Layout, seed: [u8; 32]) -> CommittedColumn {
    let mut stream = ChaCha20Rng::from_seed(seed);
    CommittedColumn::new(srs, (0..layout.usable() + TAIL_ROWS).map(|_| Fr::random(&mut stream)).collect())
}

/// The rows of a committed gradient with masks added, or subtracted where the flag is false.
///
/// # Panics
/// If the gradient is not a single column, or a mask has another number of rows.
#[must_use]
pub fn under_masks(gradient: &CommittedGroup, masks: &[(bool, CommittedColumn)]) -> Vec<Fr> {
    let [column] = &gradient.columns[..] else { panic!("a gradient is one column") };
    let mut rows = column.values.clone();
    for (adds, mask) in masks {
        assert_eq!(rows.len(), mask.values.len(), "masks of one layout");
        rows.par_iter_mut().zip(&mask.values).for_each(|(row, m)| if *adds { *row += m } else { *row -= m });
    }
    rows
}

/// Whether masked rows are `Σ gradients ± Σ masks`, by their commitments.
#[must_use]
pub fn matches(srs: &Srs, rows: &[Fr], gradients: &[G1Affine], masks: &[(bool, G1Affine)]) -> bool {
    let gradients = gradients.iter().fold(G1::default(), |sum, point| sum + point);
    let expected = masks.iter().fold(gradients, |sum, (adds, point)| if *adds { sum + point } else { sum - point });
    CommittedColumn::new(srs, rows.to_vec()).point == expected.to_affine()
}

/// The sum of all parties' masked rows, in which the masks cancel, as a committed column.
///
/// # Panics
/// If there are none, or if they differ in the number of rows.
#[must_use]
pub fn unmasked_sum(srs: &Srs, parties: &[Vec<Fr>]) -> CommittedGroup {
    let mut sum = parties[0].clone();
    for rows in &parties[1..] {
        assert_eq!(sum.len(), rows.len(), "columns of one layout");
        sum.par_iter_mut().zip(rows).for_each(|(sum, row)| *sum += row);
    }
    CommittedGroup { columns: vec![Arc::new(CommittedColumn::new(srs, sum))] }
}

/// Rows as bytes, 32 little-endian bytes each.
#[must_use]
pub fn to_bytes(rows: &[Fr]) -> Vec<u8> {
    rows.iter().flat_map(|row| row.to_repr()).collect()
}

/// Inverse of [`to_bytes`]; `None` if the number of rows is not the layout's, or one is not below the field's order.
#[must_use]
pub fn from_bytes(layout: &Layout, bytes: &[u8]) -> Option<Vec<Fr>> {
    let (rows, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || rows.len() != layout.usable() + TAIL_ROWS {
        return None;
    }
    rows.iter().map(|row| Option::from(Fr::from_repr(*row))).collect()
}
