//! A development SRS from a published secret, computed with fixed-base tables: each of the `2^k` multiples of one point
//! costs a few table look-ups and additions.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G2Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::{Curve, Group};
use rayon::prelude::*;
use tribute_core::digest::keccak;

const WINDOW: usize = 8;

/// The public secret.
pub(super) fn secret() -> Fr {
    let mut wide = [0; 64];
    wide[..32].copy_from_slice(&keccak(b"tribute development SRS: this secret is public"));
    <Fr as halo2_proofs::halo2curves::ff::FromUniformBytes<64>>::from_uniform_bytes(&wide)
}

/// `[s^i]₁`, `[L_i(s)]₁`, `[1]₂`, `[s]₂`.
pub(super) fn points(k: u32) -> (Vec<G1Affine>, Vec<G1Affine>, G2Affine, G2Affine) {
    let n = 1usize << k;
    let s = secret();
    let table = Table::new();
    let powers: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(p * s)).take(n).collect();
    // L_i(s) = ω^i (s^n − 1) / (n (s − ω^i))
    let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |w, _| w.square());
    let roots: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(p * omega)).take(n).collect();
    let mut inverses: Vec<Fr> = roots.iter().map(|w| (s - w) * Fr::from(n as u64)).collect();
    crate::field::batch_invert(&mut inverses);
    let factor = s.pow_vartime([n as u64]) - Fr::ONE;
    let lagrange: Vec<Fr> = roots.iter().zip(&inverses).map(|(w, i)| factor * w * i).collect();
    let (g, g_lagrange) = (table.multiply(&powers), table.multiply(&lagrange));
    let g2 = G2Affine::generator();
    (g, g_lagrange, g2, (g2 * s).to_affine())
}

/// Multiples of the generator: `rows[w][d] = d·2^(8w)·G`.
struct Table {
    rows: Vec<Vec<G1Affine>>,
}

impl Table {
    fn new() -> Self {
        let mut base = G1::generator();
        let rows = (0..32)
            .map(|_| {
                let multiples: Vec<G1> =
                    std::iter::successors(Some(G1::identity()), |p| Some(p + base)).take(1 << WINDOW).collect();
                base = multiples[(1 << WINDOW) - 1] + base;
                let mut affine = vec![G1Affine::identity(); multiples.len()];
                G1::batch_normalize(&multiples, &mut affine);
                affine
            })
            .collect();
        Table { rows }
    }

    fn multiply(&self, scalars: &[Fr]) -> Vec<G1Affine> {
        scalars
            .par_chunks(512)
            .flat_map_iter(|chunk| {
                let points: Vec<G1> = chunk
                    .iter()
                    .map(|x| {
                        let bytes: [u8; 32] = x.to_repr();
                        bytes.iter().zip(&self.rows).fold(G1::identity(), |sum, (b, row)| sum + row[usize::from(*b)])
                    })
                    .collect();
                let mut affine = vec![G1Affine::identity(); points.len()];
                G1::batch_normalize(&points, &mut affine);
                affine
            })
            .collect()
    }
}
