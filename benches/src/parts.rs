//! Where a proof's time goes: what its engine reports, what that cannot separate done once more, and the least that the
//! commitments could take.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::keys::Keys;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::{Field, PrimeField};
use tribute_engine::plonk::Part;
use tribute_simd::{add_scaled, Backend, Interpolation};

use crate::scalars;

/// Multiplications of an affine addition that shares its inversion with many others: three for its part of the
/// inversion, the slope, a square and one more.
const MULTIPLICATIONS: f64 = 6.0;
/// Bits of a signed digit of a scalar, at the sizes measured here.
const DIGIT_BITS: u32 = 15;
/// Non-zero digits of a random scalar: two halves of 127 bits.
const DENSE_DIGITS: u32 = 2 * 127u32.div_ceil(DIGIT_BITS);
/// Polynomials that every proof commits to besides columns and quotient: a random one and two of the openings.
const OTHERS: usize = 3;

/// Seconds of each part of proofs, summed as their engines report them.
#[derive(Debug, Default)]
pub struct Times(RefCell<BTreeMap<Part, f64>>);

impl Times {
    /// Adds a stretch of time.
    pub fn add(&self, part: Part, time: Duration) {
        *self.0.borrow_mut().entry(part).or_default() += time.as_secs_f64();
    }

    /// Seconds of a part.
    #[must_use]
    pub fn of(&self, part: Part) -> f64 {
        self.0.borrow().get(&part).copied().unwrap_or_default()
    }
}

/// What is measured beside a proof, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// From values to coefficients, for all columns, done once more: in a proof it takes place between the commitments to
    /// columns.
    pub interpolations: f64,
    /// The multiplications of all commitments' additions, at the speed of a loop that only multiplies and adds.
    pub floor: f64,
}

/// Digits of `scalar` that are not certainly zero.
fn digits(scalar: &Fr) -> u32 {
    let bits = |s: &Fr| {
        let bytes = s.to_repr();
        bytes.as_ref().iter().rposition(|b| *b != 0).map_or(0, |i| 8 * i as u32 + 8 - bytes.as_ref()[i].leading_zeros())
    };
    let least = bits(scalar).min(bits(&-scalar));
    if least > u64::BITS {
        DENSE_DIGITS
    } else {
        least.div_ceil(DIGIT_BITS)
    }
}

/// Seconds of a multiplication and an addition in Fr, the best of several loops over values that fit into a cache. Points
/// have coordinates in Fq, whose prime is as long and whose code is the same.
fn multiplication(backend: Backend) -> f64 {
    let (values, mut sums) = (scalars(1 << 12), scalars(1 << 12));
    let mut once = || {
        let start = Instant::now();
        for factor in &values[..64] {
            add_scaled(backend, &mut sums, *factor, &values);
        }
        start.elapsed().as_secs_f64() / (64 * values.len()) as f64
    };
    (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Measures what stands beside a proof of `witness`. Run it on one thread: that is what the floor is for.
#[must_use]
pub fn beside(keys: &Keys, witness: &dyn StatementWitness) -> Beside {
    let backend = Backend::best();
    let (cs, domain) = (keys.vk().cs(), keys.vk().get_domain());
    let n = 1usize << domain.k();
    let interpolation = Interpolation::new(backend, domain.k(), domain.get_omega(), Fr::ONE);
    let challenges = scalars(cs.num_challenges());
    let random = scalars(n);
    let mut additions = ((cs.degree() - 1 + OTHERS) * n) as f64 * f64::from(DENSE_DIGITS);
    let mut columns: Vec<Vec<Fr>> = witness.committed().iter().map(|c| c.values.clone()).collect();
    for phase in 0..=cs.advice_column_phase().into_iter().max().unwrap_or(0) {
        for mut column in witness.phase(phase, &challenges) {
            let gates = column.len();
            column.extend_from_slice(&random[gates..]);
            additions += column.iter().map(|s| f64::from(digits(s))).sum::<f64>();
            columns.push(column);
        }
    }
    let start = Instant::now();
    for column in &mut columns {
        interpolation.run(column);
    }
    let interpolations = start.elapsed().as_secs_f64();
    Beside { interpolations, floor: additions * MULTIPLICATIONS * multiplication(backend) }
}
