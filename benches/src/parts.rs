//! Where a proof's time goes: its commitments and interpolations done once more, each kind timed, and the least that the
//! commitments could take.

use std::time::Instant;

use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::keys::Keys;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::{Field, PrimeField};
use tribute_engine::msm::msm_by;
use tribute_engine::srs::Srs;
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

/// Seconds of a proof's parts.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Values of the columns of the later phases.
    pub witness: f64,
    /// Commitments to the fresh columns.
    pub columns: f64,
    /// Commitments to polynomials with random coefficients: the quotient's pieces, the openings, the random one.
    pub dense: f64,
    /// From values to coefficients, for all columns.
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

/// Seconds of a multiplication and an addition in Fr, the best of several loops over values that fit into a cache.
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

/// Does the parts of a proof of `witness` by `backend` once more. Run it on one thread, or parts that share a core are
/// counted twice.
#[must_use]
pub fn parts(backend: Backend, srs: &Srs, keys: &Keys, witness: &dyn StatementWitness) -> Parts {
    let (cs, domain) = (keys.vk().cs(), keys.vk().get_domain());
    let n = 1usize << domain.k();
    let interpolation = Interpolation::new(backend, domain.k(), domain.get_omega(), Fr::ONE);
    let challenges = scalars(cs.num_challenges());
    let random = scalars(n);
    let mut parts = Parts { witness: 0.0, columns: 0.0, dense: 0.0, interpolations: 0.0, floor: 0.0 };
    let timed = |part: &mut f64, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        *part += start.elapsed().as_secs_f64();
    };
    let mut additions = 0.0;
    let mut interpolated: Vec<Vec<Fr>> = witness.committed().iter().map(|c| c.values.clone()).collect();
    for phase in 0..=cs.advice_column_phase().into_iter().max().unwrap_or(0) {
        let mut columns = Vec::new();
        timed(&mut parts.witness, &mut || columns = witness.phase(phase, &challenges));
        for mut column in columns {
            let gates = column.len();
            column.extend_from_slice(&random[gates..]);
            timed(&mut parts.columns, &mut || {
                std::hint::black_box(msm_by(backend, &column, srs.lagrange_basis()));
            });
            additions += column.iter().map(|s| f64::from(digits(s))).sum::<f64>();
            interpolated.push(column);
        }
    }
    for column in &mut interpolated {
        timed(&mut parts.interpolations, &mut || interpolation.run(column));
    }
    for _ in 0..cs.degree() - 1 + OTHERS {
        timed(&mut parts.dense, &mut || {
            std::hint::black_box(msm_by(backend, &random, srs.lagrange_basis()));
        });
        additions += n as f64 * f64::from(DENSE_DIGITS);
    }
    parts.floor = additions * MULTIPLICATIONS * multiplication(backend);
    parts
}
