//! Edge-case inputs, and a slow reference for sums of points.

use halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2curves::ff::{Field, PrimeField};
use halo2curves::group::prime::PrimeCurveAffine;
use halo2curves::group::{Curve, Group};
use halo2curves::serde::SerdeObject;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The element whose stored form is these words.
fn stored<F: SerdeObject>(words: [u64; 4]) -> Option<F> {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    F::from_raw_bytes(&bytes)
}

/// 0, ±1, the elements stored as 1 and as p − 1, and elements around every carry between digits of 29 and
/// of 52 bits.
pub(crate) fn edges<F: PrimeField + SerdeObject>() -> Vec<F> {
    let mut all = vec![F::ZERO, F::ONE, -F::ONE, F::from(2).invert().unwrap(), F::MULTIPLICATIVE_GENERATOR];
    let words = [[1, 0, 0, 0], [u64::MAX, u64::MAX, u64::MAX, (1 << 61) - 1], [0, 0, 0, 1 << 61]];
    all.extend(words.into_iter().filter_map(stored::<F>));
    let carries = (29..256).step_by(29).chain((52..256).step_by(52));
    for bit in carries {
        let mut power = [0; 4];
        power[bit / 64] = 1u64 << (bit % 64);
        let mut below = [0; 4];
        below[..bit / 64].fill(u64::MAX);
        below[bit / 64] = (1u64 << (bit % 64)) - 1;
        all.extend([power, below].into_iter().filter_map(stored::<F>));
    }
    // stored as p − 1, p − 2, …
    let one: F = stored([1, 0, 0, 0]).unwrap();
    all.extend((1..5).map(|i| -(one * F::from(i))));
    all
}

/// Edge cases mixed with random elements.
pub(crate) fn mixed(n: usize, seed: u64) -> Vec<Fr> {
    let (edges, mut rng) = (edges::<Fr>(), rng(seed));
    (0..n).map(|i| if i % 3 == 0 { edges[i / 3 % edges.len()] } else { Fr::random(&mut rng) }).collect()
}

pub(crate) fn random(n: usize, seed: u64) -> Vec<Fr> {
    let mut rng = rng(seed);
    (0..n).map(|_| Fr::random(&mut rng)).collect()
}

/// Random points.
pub(crate) fn points(n: usize, seed: u64) -> Vec<G1Affine> {
    // multiples of one point, far apart: the sum of two is another one of them only by chance
    let step = G1::generator() * Fr::random(rng(seed));
    let all: Vec<G1> =
        std::iter::successors(Some(G1::generator() * Fr::random(rng(seed + 1))), |p| Some(p.double() + step))
            .take(n)
            .collect();
    let mut affine = vec![G1Affine::identity(); n];
    G1::batch_normalize(&all, &mut affine);
    affine
}

pub(crate) fn sum(points: impl Iterator<Item = G1Affine>) -> G1Affine {
    points.fold(G1::identity(), |sum, p| sum + p).to_affine()
}

pub(crate) fn beta() -> Fq {
    use halo2curves::ff::WithSmallOrderMulGroup;
    Fq::ZETA.square()
}
