//! SHPLONK: opens everything with two points (eprint 2020/081, as halo2 verifies it).

use std::io;

use halo2_proofs::arithmetic::{eval_polynomial, evaluate_vanishing_polynomial, lagrange_interpolate, powers};
use halo2_proofs::halo2curves::bn256::{Fr, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::transcript::TranscriptWrite;
use rayon::prelude::*;
use tribute_simd::Backend;

use crate::field::{add_scaled, divide};
use crate::transcript::{squeeze, Keccak};

/// A polynomial with its value at a point. Polynomials are identified by address.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub(super) polynomial: &'a [Fr],
    pub(super) point: Fr,
    pub(super) eval: Fr,
}

/// Polynomials opened at the same set of points.
struct Set<'a> {
    points: Vec<Fr>,
    members: Vec<(&'a [Fr], Vec<Fr>)>,
}

pub(super) fn open(
    backend: Backend,
    transcript: &mut Keccak<Vec<u8>>,
    openings: &[Opening<'_>],
    commit: &dyn Fn(&[Fr]) -> G1,
) -> io::Result<()> {
    let (sets, all_points) = group(openings);
    let y = squeeze(transcript);
    let v = squeeze(transcript);

    // Σ_j y^j P_ij, and the low-degree Σ_j y^j R_ij that agrees with it on the set's points
    let combined: Vec<Vec<Fr>> = sets.iter().map(|s| combine(backend, s.members.iter().map(|(p, _)| *p), y)).collect();
    let low: Vec<Vec<Fr>> = sets
        .iter()
        .map(|s| {
            let rows: Vec<Vec<Fr>> =
                s.members.iter().map(|(_, evals)| lagrange_interpolate(&s.points, evals)).collect();
            combine(backend, rows.iter().map(Vec::as_slice), y)
        })
        .collect();
    let quotients: Vec<Vec<Fr>> = sets
        .par_iter()
        .zip(&combined)
        .zip(&low)
        .map(|((set, combined), low)| {
            let mut numerator = combined.clone();
            numerator.iter_mut().zip(low).for_each(|(n, l)| *n -= l);
            set.points.iter().fold(numerator, |p, root| divide(backend, p, *root))
        })
        .collect();
    let h = combine(backend, quotients.iter().map(Vec::as_slice), v);
    transcript.write_point(commit(&h).to_affine())?;
    let u = squeeze(transcript);

    // Σ_i v^i z_i (Σ_j y^j P_ij − r_i(u)) − z(u)·h, normalised by the first set's z, divided by X − u
    let z: Vec<Fr> = sets
        .iter()
        .map(|s| {
            let others: Vec<Fr> = all_points.iter().filter(|p| !s.points.contains(p)).copied().collect();
            evaluate_vanishing_polynomial(&others, u)
        })
        .collect();
    let normalise = Option::<Fr>::from(z[0].invert()).unwrap_or(Fr::ZERO);
    let mut linear = vec![Fr::ZERO; h.len()];
    for (((combined, low), z), v) in combined.iter().zip(&low).zip(&z).zip(powers(v)) {
        let factor = normalise * v * z;
        add_scaled(backend, &mut linear, factor, combined);
        linear[0] -= factor * eval_polynomial(low, u);
    }
    let z_all = evaluate_vanishing_polynomial(&all_points, u);
    add_scaled(backend, &mut linear, -normalise * z_all, &h);
    transcript.write_point(commit(&divide(backend, linear, u)).to_affine())
}

/// A point and the polynomial's value there.
type PointAndValue = (Fr, Fr);

/// Groups openings by their set of points, in the order in which polynomials first appear.
fn group<'a>(openings: &[Opening<'a>]) -> (Vec<Set<'a>>, Vec<Fr>) {
    let mut polynomials: Vec<(&'a [Fr], Vec<PointAndValue>)> = Vec::new();
    let mut all_points: Vec<Fr> = Vec::new();
    for o in openings {
        if !all_points.contains(&o.point) {
            all_points.push(o.point);
        }
        match polynomials.iter_mut().find(|(p, _)| std::ptr::eq(p.as_ptr(), o.polynomial.as_ptr())) {
            Some((_, points)) => points.push((o.point, o.eval)),
            None => polynomials.push((o.polynomial, vec![(o.point, o.eval)])),
        }
    }
    let mut sets: Vec<Set<'a>> = Vec::new();
    for (polynomial, mut points) in polynomials {
        points.sort_by_key(|(p, _)| all_points.iter().position(|q| q == p));
        let (points, evals): (Vec<Fr>, Vec<Fr>) = points.into_iter().unzip();
        match sets.iter_mut().find(|s| s.points == points) {
            Some(set) => set.members.push((polynomial, evals)),
            None => sets.push(Set { points, members: vec![(polynomial, evals)] }),
        }
    }
    (sets, all_points)
}

/// `Σ_j base^j p_j`.
fn combine<'a>(backend: Backend, polynomials: impl Iterator<Item = &'a [Fr]>, base: Fr) -> Vec<Fr> {
    let mut sum: Vec<Fr> = Vec::new();
    for (p, factor) in polynomials.zip(powers(base)) {
        if sum.len() < p.len() {
            sum.resize(p.len(), Fr::ZERO);
        }
        add_scaled(backend, &mut sum, factor, p);
    }
    sum
}
