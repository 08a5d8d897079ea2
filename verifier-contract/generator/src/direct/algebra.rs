//! Expresses every scalar of the verification in terms of calldata and challenges, with a single inversion.

use super::{
    dag::{Dag, Id},
    lagrange::{Lagrange, Values},
    layout::{Challenge, Commitment, Layout, Opening, OpeningSet},
    quotient::Constraints,
    rows::Table,
};
use crate::Error;
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
    },
    plonk::VerifyingKey,
    poly::Rotation,
};
use std::collections::BTreeMap;

/// Memory addresses of values that other code computes.
pub(super) struct Memory<'a> {
    pub(super) challenge: &'a dyn Fn(Challenge) -> usize,
    /// x^n.
    pub(super) x_n: usize,
    /// 1 / [`Scalars::denominator`].
    pub(super) inverse: usize,
    /// The table of Lagrange polynomials, if loops compute them.
    pub(super) table: Option<&'a Table>,
}

/// The scalars that the curve part needs.
pub(super) struct Scalars {
    /// The value to invert before the others are computed.
    pub(super) denominator: Id,
    /// The inverse needed by the table.
    pub(super) table_inverse: Option<Id>,
    /// The commitments of the proof in each set.
    pub(super) chains: Vec<Chain>,
    /// Factor of the generator, minus the combined values; then that of each point of the key, by its index.
    pub(super) fixed: Vec<(Option<usize>, Id)>,
    /// Factor of the first point of the opening proof.
    pub(super) opening: Id,
}

/// `factor · Σ mu^i · commitment_i` over the commitments of the proof in one set, by Horner's rule.
pub(super) struct Chain {
    /// From the last commitment to the first, each with what the sum so far is multiplied by before it is added.
    pub(super) steps: Vec<(Commitment, Id)>,
    /// `None` for 1.
    pub(super) factor: Option<Id>,
}

impl Scalars {
    /// Every expression whose value the code needs.
    pub(super) fn roots(&self) -> Vec<Id> {
        let mut roots = vec![self.denominator, self.opening];
        roots.extend(self.fixed.iter().map(|(_, id)| id));
        for chain in &self.chains {
            // the first step adds to nothing
            roots.extend(chain.steps.iter().skip(1).map(|(_, id)| id));
            roots.extend(chain.factor);
        }
        roots.extend(self.table_inverse);
        roots
    }
}

pub(super) fn scalars(
    dag: &mut Dag,
    vk: &VerifyingKey<G1Affine>,
    layout: &Layout,
    memory: &Memory<'_>,
) -> Result<Scalars, Error> {
    let domain = vk.get_domain();
    let root = |rotation: i32| domain.rotate_omega(Fr::ONE, Rotation(rotation));
    let [x, mu, nu, u] = [Challenge::X, Challenge::Mu, Challenge::Nu, Challenge::U]
        .map(|challenge| dag.memory((memory.challenge)(challenge)));
    let x_n = dag.memory(memory.x_n);
    let one = dag.one();

    // u - x·ω^rotation for every point at which something is opened.
    let mut distance = BTreeMap::new();
    for rotation in layout.sets.iter().flat_map(|set| &set.rotations) {
        let omega = dag.constant(root(*rotation));
        let point = dag.mul(x, omega);
        distance.insert(*rotation, dag.sub(u, point));
    }
    let others: Vec<Id> = layout
        .sets
        .iter()
        .map(|set| {
            let others = distance.iter().filter(|(r, _)| !set.rotations.contains(r));
            dag.product(others.map(|(_, d)| *d))
        })
        .collect();

    // All values to invert, in one batch.
    let rows = Lagrange::rows(vk, layout);
    let vanishing = dag.sub(x_n, one);
    let mut denominators = vec![vanishing];
    denominators.extend(others.first());
    denominators.push(x);
    match memory.table {
        Some(table) => denominators.push(dag.memory(table.product)),
        None => denominators.extend(rows.iter().map(|row| {
            let omega = dag.constant(root(*row));
            dag.sub(x, omega)
        })),
    }
    let (denominator, inverted) = invert_all(dag, &denominators, memory.inverse);
    let [vanishing_inverse, first_inverse, x_inverse] = [0, 1, 2].map(|i| inverted[i]);

    let n_inverse = Fr::from(1u64 << domain.k()).invert().unwrap_or(Fr::ZERO);
    let n_inverse = dag.constant(n_inverse);
    let scale = dag.mul(vanishing, n_inverse);
    let (values, table_inverse) = match memory.table {
        Some(table) => {
            let entries = rows.iter().filter_map(|row| Some((*row, dag.memory(table.entry(*row)?))));
            let inverses = entries.collect();
            let sums = table.sums.iter().map(|(rotation, at)| (*rotation, dag.memory(*at)));
            let sums = sums.collect();
            (Values::Table { inverses, sums }, Some(inverted[3]))
        }
        None => {
            let inverses = rows.into_iter().zip(inverted.into_iter().skip(3)).collect();
            (Values::Each { x, inverses }, None)
        }
    };
    let lagrange = Lagrange::new(vk, scale, values);
    let constraints = Constraints { vk, layout, challenge: memory.challenge, lagrange: &lagrange };
    let numerator = constraints.combined(dag)?;
    let quotient = dag.mul(numerator, vanishing_inverse);

    let (mut chains, mut key) = (vec![], vec![]);
    let mut values = vec![];
    for (index, set) in layout.sets.iter().enumerate() {
        // Lagrange interpolation at u over the points x·ω^r: Π (u - xω^t) / (ω^s - ω^t), over x^(points - 1).
        let mut interpolated = vec![];
        for (place, rotation) in set.rotations.iter().enumerate() {
            let rest: Vec<_> = set.rotations.iter().filter(|r| *r != rotation).collect();
            let scale: Fr = rest.iter().map(|r| root(*rotation) - root(**r)).product();
            // Differences of distinct roots of unity: never zero.
            let scale = dag.constant(scale.invert().unwrap_or(Fr::ZERO));
            let basis = dag.product(rest.iter().map(|r| distance[*r]));
            let openings = set.commitments.iter().rev().map(|(_, values)| values[place]);
            let openings: Vec<_> = openings
                .map(|opening| match opening {
                    Opening::Proof(offset) => dag.calldata(offset),
                    Opening::Quotient => quotient,
                })
                .collect();
            let combined = dag.horner(mu, openings);
            interpolated.push(dag.product([combined, basis, scale]));
        }
        let sum = dag.sum(interpolated);
        let power = dag.pow(x_inverse, set.rotations.len() - 1);
        let value = dag.mul(sum, power);
        let factor = if index == 0 {
            one
        } else {
            let power = dag.pow(nu, index);
            dag.product([power, others[index], first_inverse])
        };
        chains.extend(chain(dag, set, mu, factor, &mut key));
        values.push(dag.mul(value, factor));
    }
    let value = dag.sum(values);
    let first = layout.sets.first().map(|set| set.rotations.clone()).unwrap_or_default();
    let opened = dag.product(first.iter().map(|r| distance[r]));
    let (generator, opening) = (dag.neg(value), dag.neg(opened));
    let mut fixed = vec![(None, generator)];
    fixed.extend(key.into_iter().map(|(index, id)| (Some(index), id)));
    Ok(Scalars { denominator, table_inverse, chains, fixed, opening })
}

/// The chain of a set's commitments of the proof, if it has any; the factors of its points of the key go to `key`.
fn chain(dag: &mut Dag, set: &OpeningSet, mu: Id, factor: Id, key: &mut Vec<(usize, Id)>) -> Option<Chain> {
    let mut steps = vec![];
    let mut before: Option<usize> = None;
    for (place, (commitment, _)) in set.commitments.iter().enumerate().rev() {
        if let Commitment::Key(index) = commitment {
            let power = dag.pow(mu, place);
            key.push((*index, dag.mul(factor, power)));
            continue;
        }
        steps.push((*commitment, dag.pow(mu, before.map_or(0, |before| before - place))));
        before = Some(place);
    }
    let power = dag.pow(mu, before?);
    let factor = dag.mul(factor, power);
    Some(Chain { steps, factor: (factor != dag.one()).then_some(factor) })
}

/// The product of all values, and the inverse of each, given the address of the product's inverse.
fn invert_all(dag: &mut Dag, all: &[Id], inverse: usize) -> (Id, Vec<Id>) {
    let mut product = dag.one();
    let mut before = vec![];
    for value in all {
        before.push(product);
        product = dag.mul(product, *value);
    }
    let mut inverse = dag.memory(inverse);
    let mut inverses = vec![];
    for (value, before) in all.iter().zip(before).rev() {
        inverses.push(dag.mul(inverse, before));
        inverse = dag.mul(inverse, *value);
    }
    inverses.reverse();
    (product, inverses)
}
