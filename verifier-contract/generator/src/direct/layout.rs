//! Layout of a proof, in the order of halo2's transcript, and the opening points.

use crate::Error;
use halo2_proofs::{halo2curves::bn256::G1Affine, plonk::VerifyingKey};
use std::{collections::HashSet, ops::Range};

/// Bytes of a word and of a point.
pub(super) const WORD: usize = 32;
pub(super) const POINT: usize = 64;

/// A challenge of the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Challenge {
    /// A challenge that gates use, by index.
    Gate(usize),
    /// Challenge of lookups; squeezed but not used.
    Theta,
    Beta,
    Gamma,
    /// Combines the constraints.
    Y,
    /// The point at which columns are opened.
    X,
    /// Combines the polynomials of one set of points.
    Mu,
    /// Combines the sets.
    Nu,
    /// The point at which the combined polynomial is opened.
    U,
}

/// Absorb a range of calldata, then squeeze challenges.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) absorb: Range<usize>,
    pub(super) squeeze: Vec<Challenge>,
}

/// A commitment that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commitment {
    /// A point of the proof, by its offset in calldata.
    Proof(usize),
    /// A point of the verifying key: a fixed column, or after those a column of the permutation.
    Key(usize),
    /// The quotient, combined from its pieces.
    Quotient,
}

/// The value of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A scalar of the proof, by its offset in calldata.
    Proof(usize),
    /// The quotient's value, computed from the others.
    Quotient,
}

/// Evaluations of one product column of the permutation argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProductOpenings {
    pub(super) current: usize,
    pub(super) next: usize,
    /// At the last usable row; absent for the last product.
    pub(super) last: Option<usize>,
}

/// Commitments that are opened at the same points.
#[derive(Clone, Debug)]
pub(super) struct OpeningSet {
    pub(super) rotations: Vec<i32>,
    /// Each commitment with its values, in the order of the rotations.
    pub(super) commitments: Vec<(Commitment, Vec<Opening>)>,
}

/// The calldata of a verifier. All numbers are offsets in bytes.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) inputs: usize,
    pub(super) rounds: Vec<Round>,
    /// Every point of the proof.
    pub(super) points: Vec<usize>,
    /// Points of columns that no gate queries: absorbed but never opened.
    pub(super) unopened: Vec<usize>,
    /// Every scalar: the inputs and the values of the proof.
    pub(super) scalars: Vec<usize>,
    /// Points of the verifying key.
    pub(super) key_points: Vec<G1Affine>,
    pub(super) quotient: Vec<usize>,
    pub(super) advice_values: Vec<usize>,
    pub(super) fixed_values: Vec<usize>,
    pub(super) sigma_values: Vec<usize>,
    /// Columns of the permutation argument per product column; the last may have fewer.
    pub(super) chunk: usize,
    pub(super) products: Vec<ProductOpenings>,
    pub(super) sets: Vec<OpeningSet>,
    /// The two points of the opening proof.
    pub(super) opening: [usize; 2],
    pub(super) size: usize,
}

/// Hands out consecutive parts of calldata.
struct Cursor(usize);

impl Cursor {
    fn take(&mut self, count: usize, size: usize) -> Vec<usize> {
        let from = self.0;
        self.0 += count * size;
        (from..self.0).step_by(size).collect()
    }
}

impl Layout {
    pub(super) fn new(vk: &VerifyingKey<G1Affine>, num_instance: usize) -> Result<Self, Error> {
        let cs = vk.cs();
        let unsupported = |what: String| Err(Error::Unsupported { what });
        if !cs.lookups().is_empty() {
            return unsupported("halo2's own lookup argument".into());
        }
        let usable = (1usize << vk.get_domain().k()) - (cs.blinding_factors() + 1);
        if num_instance > usable {
            return unsupported(format!("{num_instance} inputs in {usable} usable rows"));
        }

        let mut cursor = Cursor(0);
        let mut scalars = cursor.take(num_instance, WORD);
        let mut rounds = vec![];
        let mut absorbed = 0;
        let mut round = |end: &Cursor, squeeze: Vec<Challenge>| {
            // If no challenge is squeezed, the absorbed data stays for the next one.
            if !squeeze.is_empty() {
                rounds.push(Round { absorb: absorbed..end.0, squeeze });
                absorbed = end.0;
            }
        };

        let (columns, challenges) = (cs.advice_column_phase(), cs.challenge_phase());
        let last_phase = columns.iter().max().copied().unwrap_or(0);
        let mut advice = vec![0; columns.len()];
        let mut points = vec![];
        for phase in 0..=last_phase {
            for (column, _) in columns.iter().enumerate().filter(|(_, p)| **p == phase) {
                advice[column] = cursor.take(1, POINT)[0];
                points.push(advice[column]);
            }
            let of_phase = challenges.iter().enumerate().filter(|(_, p)| **p == phase);
            let mut squeeze: Vec<_> = of_phase.map(|(index, _)| Challenge::Gate(index)).collect();
            if phase == last_phase {
                squeeze.extend([Challenge::Theta, Challenge::Beta, Challenge::Gamma]);
            }
            round(&cursor, squeeze);
        }

        let pieces = vk.get_domain().get_quotient_poly_degree();
        // halo2 uses as many columns per product as the circuit's degree, pieces + 1, leaves next to the product and
        // its selector.
        let chunk = pieces.saturating_sub(1).max(1);
        let sigmas = vk.permutation().commitments();
        let products = cursor.take(sigmas.len().div_ceil(chunk), POINT);
        let random = cursor.take(1, POINT)[0];
        round(&cursor, vec![Challenge::Y]);
        let quotient = cursor.take(pieces, POINT);
        round(&cursor, vec![Challenge::X]);

        let values = cursor.0;
        let advice_values = cursor.take(cs.advice_queries().len(), WORD);
        let fixed_values = cursor.take(cs.fixed_queries().len(), WORD);
        let random_value = cursor.take(1, WORD)[0];
        let sigma_values = cursor.take(sigmas.len(), WORD);
        let product_values: Vec<_> = (0..products.len())
            .map(|i| {
                let v = cursor.take(if i + 1 < products.len() { 3 } else { 2 }, WORD);
                ProductOpenings { current: v[0], next: v[1], last: v.get(2).copied() }
            })
            .collect();
        scalars.extend((values..cursor.0).step_by(WORD));
        round(&cursor, vec![Challenge::Mu, Challenge::Nu]);
        let opening = [cursor.take(1, POINT)[0], cursor.take(1, POINT)[0]];
        rounds.push(Round { absorb: absorbed..opening[1], squeeze: vec![Challenge::U] });

        points.extend(products.iter().chain([&random]).chain(&quotient).chain(&opening));

        let mut queries = vec![];
        for ((column, rotation), value) in cs.advice_queries().iter().zip(&advice_values) {
            let commitment = Commitment::Proof(advice[column.index()]);
            queries.push((commitment, rotation.0, Opening::Proof(*value)));
        }
        for (point, values) in products.iter().zip(&product_values) {
            queries.push((Commitment::Proof(*point), 0, Opening::Proof(values.current)));
            queries.push((Commitment::Proof(*point), 1, Opening::Proof(values.next)));
        }
        let last_row = last_rotation(vk);
        for (point, values) in products.iter().zip(&product_values).rev() {
            if let Some(value) = values.last {
                queries.push((Commitment::Proof(*point), last_row, Opening::Proof(value)));
            }
        }
        for ((column, rotation), value) in cs.fixed_queries().iter().zip(&fixed_values) {
            queries.push((Commitment::Key(column.index()), rotation.0, Opening::Proof(*value)));
        }
        for (index, value) in sigma_values.iter().enumerate() {
            let commitment = Commitment::Key(cs.num_fixed_columns() + index);
            queries.push((commitment, 0, Opening::Proof(*value)));
        }
        queries.push((Commitment::Quotient, 0, Opening::Quotient));
        queries.push((Commitment::Proof(random), 0, Opening::Proof(random_value)));

        let opened = |point: &usize| queries.iter().any(|(c, ..)| *c == Commitment::Proof(*point));
        let unopened = advice.iter().copied().filter(|point| !opened(point)).collect();
        let key_points = vk.fixed_commitments().iter().chain(sigmas).copied().collect();
        Ok(Self {
            inputs: num_instance,
            rounds,
            points,
            unopened,
            scalars,
            key_points,
            quotient,
            advice_values,
            fixed_values,
            sigma_values,
            chunk,
            products: product_values,
            sets: opening_sets(&queries, vk.get_domain().k())?,
            opening,
            size: cursor.0,
        })
    }
}

/// The rotation from row 0 to the last usable row.
pub(super) fn last_rotation(vk: &VerifyingKey<G1Affine>) -> i32 {
    -(vk.cs().blinding_factors() as i32 + 1)
}

/// Groups commitments by the set of points at which they are opened, both in order of appearance.
fn opening_sets(queries: &[(Commitment, i32, Opening)], k: u32) -> Result<Vec<OpeningSet>, Error> {
    let mut rotations: Vec<_> = queries.iter().map(|(_, rotation, _)| *rotation).collect();
    rotations.sort_unstable();
    rotations.dedup();
    let rows: HashSet<_> = rotations.iter().map(|rotation| rotation.rem_euclid(1i32 << k)).collect();
    if rows.len() < rotations.len() {
        let what = format!("two of the rotations {rotations:?} meet in one row of 2^{k}");
        return Err(Error::Unsupported { what });
    }
    let mut opened: Vec<(Commitment, Vec<(i32, Opening)>)> = vec![];
    for (commitment, rotation, value) in queries {
        match opened.iter_mut().find(|(c, _)| c == commitment) {
            Some((_, values)) => values.push((*rotation, *value)),
            None => opened.push((*commitment, vec![(*rotation, *value)])),
        }
    }
    let mut sets: Vec<OpeningSet> = vec![];
    for (commitment, mut values) in opened {
        values.sort_by_key(|(rotation, _)| *rotation);
        let rotations: Vec<_> = values.iter().map(|(rotation, _)| *rotation).collect();
        let values = values.into_iter().map(|(_, value)| value).collect();
        match sets.iter_mut().find(|set| set.rotations == rotations) {
            Some(set) => set.commitments.push((commitment, values)),
            None => sets.push(OpeningSet { rotations, commitments: vec![(commitment, values)] }),
        }
    }
    Ok(sets)
}
