//! Powers-of-tau files: whatever is altered, an imported SRS is that of the secret that its digest names.

use ark_bn254::{Fq, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup as _};
use ark_ff::{BigInteger as _, PrimeField as _};
use tribute_engine::srs::Ptau;

use super::{fuzz, scratch};

/// log2 of the number of powers in the file: the smallest that circuits use.
const POWER: u32 = 10;

/// A coordinate in the file's encoding: Montgomery form, little-endian.
fn coordinate(x: &Fq) -> Vec<u8> {
    x.0.to_bytes_le()
}

fn section(kind: u32, content: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(content.len() as u64).to_le_bytes(), content].concat()
}

/// `τ^i·G` for all `i < count`.
fn powers<G: AffineRepr<ScalarField = Fr>>(tau: Fr, count: usize) -> Vec<G> {
    let mut next = G::generator().into_group();
    let step = |_| {
        let power = next;
        next *= tau;
        power
    };
    let points: Vec<G::Group> = (0..count).map(step).collect();
    G::Group::normalize_batch(&points)
}

/// The file of a ceremony whose secret is τ.
fn file(tau: u64) -> Vec<u8> {
    let tau = Fr::from(tau);
    let header =
        [&32u32.to_le_bytes()[..], &Fq::MODULUS.to_bytes_le(), &POWER.to_le_bytes(), &POWER.to_le_bytes()].concat();
    let g1: Vec<u8> = powers::<G1Affine>(tau, (2 << POWER) - 1)
        .iter()
        .flat_map(|p| [coordinate(&p.x), coordinate(&p.y)].concat())
        .collect();
    let g2: Vec<u8> = powers::<G2Affine>(tau, 1 << POWER)
        .iter()
        .flat_map(|p| [&p.x.c0, &p.x.c1, &p.y.c0, &p.y.c1].map(coordinate).concat())
        .collect();
    let head = [&b"ptau"[..], &1u32.to_le_bytes(), &3u32.to_le_bytes()].concat();
    [head, section(1, &header), section(2, &g1), section(3, &g2)].concat()
}

#[test]
fn headers() {
    // the whole header with points cut off: the file is shorter than its header says
    let start = file(5)[..300].to_vec();
    let path = scratch().join("header.ptau");
    fuzz("header", &[start], 5_000, |input| {
        std::fs::write(&path, input).expect("written");
        if let Ok(ptau) = Ptau::open(&path) {
            let _ = ptau.digest();
        }
    });
}

#[test]
fn ceremonies() {
    let seeds = [file(5), file(7)];
    let path = scratch().join("ceremony.ptau");
    let import = |input: &[u8]| {
        std::fs::write(&path, input).expect("written");
        Ptau::open(&path).and_then(|ptau| ptau.import(POWER))
    };
    let good: Vec<_> = seeds.iter().map(|seed| import(seed).expect("the file is valid").digest()).collect();
    assert_ne!(good[0], good[1]);
    fuzz("ceremony", &seeds, 30, |input| {
        if let Ok(srs) = import(input) {
            assert!(good.contains(&srs.digest()), "an SRS with an unknown secret");
        }
    });
}
