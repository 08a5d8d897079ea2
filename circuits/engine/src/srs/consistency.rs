//! Checks that points are the powers of one secret, which makes an SRS from an untrusted file usable.
//!
//! Given points `P_0 … P_{n−1}` of G1 and `Q_0, Q_1, …` of G2 (all on their curves and in the groups of prime order, none
//! at infinity), with `P_0` and `Q_0` the fixed generators, let τ be the one scalar with `Q_1 = τ·Q_0`. For random
//! 128-bit `r_i`, drawn here after the points are fixed:
//!
//! ```text
//! e(Σ r_i P_{i+1}, Q_0) = e(Σ r_i P_i, Q_1)      for i < n − 1
//! e(P_0, Σ r_i Q_{i+1}) = e(P_1, Σ r_i Q_i)      likewise
//! ```
//!
//! If some `P_{i+1} ≠ τ·P_i`, the first equation is a nonzero linear form in the `r_i` over a field of prime order and
//! holds with probability at most 2^-128. So `P_i = τ^i·P_0` for all i, then `P_1 = τ·P_0`, and the second equation says the
//! same of `Q_i`. τ ≠ 0, because no point is at infinity; `τ^n ≠ 1` is checked by `e(P_{n−1}, Q_1) ≠ e(P_0, Q_0)`, which also
//! excludes 1 and −1 and makes every Lagrange polynomial of the domain nonzero at τ.
//!
//! It cannot show that nobody knows τ: that rests on the ceremony.

use ark_bn254::{Bn254, G2Affine, G2Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{One, Zero};
use ethnum::U256;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use rand_core::{OsRng, RngCore};
use rayon::prelude::*;

use super::error::{Flaw, Group};
use super::points::to_ark;
use crate::field::from_u256;
use crate::msm::msm;

/// Checks `2^k` powers in G1 and at least two in G2, as described in the module's documentation.
pub(super) fn check(k: u32, g1: &[G1Affine], g2: &[G2Affine]) -> Result<(), Flaw> {
    let (Some(p1), [q0, q1, ..]) = (g1.get(1), g2) else {
        return Err(Flaw::Size { expected: k, got: 0 });
    };
    if g1[0] != G1Affine::generator() {
        return Err(Flaw::Generator { group: Group::G1 });
    }
    if *q0 != G2Affine::generator() {
        return Err(Flaw::Generator { group: Group::G2 });
    }
    let random: Vec<u128> = (0..g1.len().max(g2.len()) - 1).map(|_| scalar()).collect();
    let scalars: Vec<Fr> = random[..g1.len() - 1].iter().map(|r| from_u256(&U256::from(*r))).collect();
    let g1_holds = |n: usize| {
        let sum = |points: &[G1Affine]| G1Affine::from(msm(&scalars[..n - 1], points));
        same(&sum(&g1[1..n]), *q0, &sum(&g1[..n - 1]), *q1)
    };
    if !g1_holds(g1.len()) {
        return Err(Flaw::Inconsistent { group: Group::G1, index: first_bad(g1.len(), g1_holds) });
    }
    let g2_holds = |n: usize| {
        let sum = |points: &[G2Affine]| g2_sum(points, &random);
        same(&g1[0], sum(&g2[1..n]), p1, sum(&g2[..n - 1]))
    };
    if !g2_holds(g2.len()) {
        return Err(Flaw::Inconsistent { group: Group::G2, index: first_bad(g2.len(), g2_holds) });
    }
    if same(&g1[g1.len() - 1], *q1, &g1[0], *q0) {
        return Err(Flaw::Trivial { k });
    }
    Ok(())
}

fn scalar() -> u128 {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// `Σ r_i Q_i`. By the library: `tribute-simd` sums points of G1 only, and an SRS is checked once.
fn g2_sum(points: &[G2Affine], random: &[u128]) -> G2Affine {
    let size = points.len().div_ceil(rayon::current_num_threads()).max(1024);
    let sum = |(points, random): (&[G2Affine], &[u128])| {
        let scalars: Vec<ark_bn254::Fr> = random[..points.len()].iter().map(|r| (*r).into()).collect();
        G2Projective::msm_unchecked(points, &scalars)
    };
    let parts = points.par_chunks(size).zip(random.par_chunks(size));
    parts.map(sum).reduce(G2Projective::zero, |a, b| a + b).into_affine()
}

/// `e(a, b) = e(c, d)`.
fn same(a: &G1Affine, b: G2Affine, c: &G1Affine, d: G2Affine) -> bool {
    Bn254::multi_pairing([to_ark(a), to_ark(&-c)], [b, d]).0.is_one()
}

/// The smallest index at which the powers stop being consistent. `holds(n)` tells whether the first n are; it is true
/// for n = 1.
fn first_bad(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (1, len);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if holds(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    bad - 1
}
