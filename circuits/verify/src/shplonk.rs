//! SHPLONK (eprint 2020/081): many commitments, each opened at its own set of points, in one pairing check.
//!
//! Commitments with the same set of points S_i form a group. With challenges y, v, u, Z the vanishing polynomial of all
//! points, Z_i that of the points outside S_i, and r_ij the polynomial of least degree with the claimed values on S_i:
//!
//! ```text
//! L = Σ_i v^i Z_i(u)/Z_0(u) · Σ_j y^j (C_ij − [r_ij(u)]) − Z_{S_0}(u)·H        (Z(u)/Z_0(u) = Z_{S_0}(u))
//! e(Q, [s]₂) = e(L + u·Q, [1]₂)
//! ```
//!
//! H commits to the sum of the quotients by Z_{S_i}, Q to the quotient of `L` by `X − u`.

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{Field, One, Zero};

use crate::elements::{lagrange, powers};
use crate::rejected::{Element, Rejected};
use crate::srs::VerifierSrs;
use crate::transcript::Reader;

/// What is opened. Two columns are distinct commitments even if their points are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commitment {
    Advice(usize),
    Fixed(usize),
    Quotient,
    Random,
}

/// A claim: the committed polynomial takes `value` at `x·ω^rotation`.
pub(crate) struct Query {
    pub(crate) commitment: Commitment,
    pub(crate) rotation: i32,
    pub(crate) value: Fr,
}

/// Commitments opened at the same rotations, each with its values in their order.
struct Group {
    rotations: Vec<i32>,
    members: Vec<(Commitment, Vec<Fr>)>,
}

/// Reads H and Q and checks all `queries`. `point` maps a rotation to `x·ω^rotation`; `terms` gives a commitment as a
/// linear combination of points.
pub(crate) fn check(
    reader: &mut Reader<'_>,
    srs: &VerifierSrs,
    queries: &[Query],
    point: &dyn Fn(i32) -> Fr,
    terms: &dyn Fn(Commitment) -> Vec<(Fr, G1Affine)>,
) -> Result<(), Rejected> {
    let (groups, rotations) = group(queries);
    let (y, v) = (reader.challenge(), reader.challenge());
    let h = reader.point(Element::OpeningH)?;
    let u = reader.challenge();
    let q = reader.point(Element::OpeningQ)?;

    // Π (u − x·ω^rotation)
    let vanishing = |rotations: &mut dyn Iterator<Item = i32>| rotations.map(|r| u - point(r)).product::<Fr>();
    let outside = |g: &Group| vanishing(&mut rotations.iter().copied().filter(|r| !g.rotations.contains(r)));
    let Some(first) = groups.first() else { return Err(Rejected::Opening) };
    let normalise = outside(first).inverse().ok_or(Rejected::Challenge)?;

    let (mut scalars, mut points) = (Vec::new(), Vec::new());
    let mut add = |scalar: Fr, point: G1Affine| {
        scalars.push(scalar);
        points.push(point);
    };
    let mut values = Fr::zero();
    for (group, v) in groups.iter().zip(powers(v)) {
        let weight = v * outside(group) * normalise;
        let at: Vec<Fr> = group.rotations.iter().map(|r| point(*r)).collect();
        let basis = lagrange(&at, u).ok_or(Rejected::Challenge)?;
        for ((commitment, claimed), y) in group.members.iter().zip(powers(y)) {
            let remainder: Fr = claimed.iter().zip(&basis).map(|(value, l)| *value * l).sum();
            values += weight * y * remainder;
            for (factor, point) in terms(*commitment) {
                add(weight * y * factor, point);
            }
        }
    }
    add(-values, srs.g1);
    add(-vanishing(&mut first.rotations.iter().copied()), h);
    add(u, q);
    let right = G1Projective::msm(&points, &scalars).map_err(|_| Rejected::Opening)?;

    // e(Q, [s]₂)·e(−right, [1]₂) = 1
    let product = Bn254::multi_pairing([q, (-right).into_affine()], [srs.s_g2.clone(), srs.g2.clone()]);
    if product.0.is_one() {
        Ok(())
    } else {
        Err(Rejected::Opening)
    }
}

/// Groups the queries by their commitments' sets of rotations, in the order in which commitments first appear. Also
/// returns all rotations.
fn group(queries: &[Query]) -> (Vec<Group>, Vec<i32>) {
    let mut all: Vec<i32> = queries.iter().map(|q| q.rotation).collect();
    all.sort_unstable();
    all.dedup();
    let mut commitments: Vec<(Commitment, Vec<(i32, Fr)>)> = Vec::new();
    for q in queries {
        match commitments.iter_mut().find(|(c, _)| *c == q.commitment) {
            Some((_, openings)) => openings.push((q.rotation, q.value)),
            None => commitments.push((q.commitment, vec![(q.rotation, q.value)])),
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for (commitment, mut openings) in commitments {
        openings.sort_unstable_by_key(|(rotation, _)| *rotation);
        let (rotations, values): (Vec<i32>, Vec<Fr>) = openings.into_iter().unzip();
        match groups.iter_mut().find(|g| g.rotations == rotations) {
            Some(g) => g.members.push((commitment, values)),
            None => groups.push(Group { rotations, members: vec![(commitment, values)] }),
        }
    }
    (groups, all)
}
