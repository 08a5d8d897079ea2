//! Opening one record of a committed shard: true claims are accepted, all others rejected, natively and (with the same
//! openings, see `verifier-contract/test/RecordVerifier.t.sol`) in the contract.

use tribute_circuits::columns::opening::{open_record, open_unchecked, OpeningError};
use tribute_circuits::columns::{commit_records, CommittedGroup, Secret};
use tribute_core::id::RecordContext;
use tribute_core::layout::{Layout, Task};
use tribute_core::opening::RecordOpening;
use tribute_core::opening::{second_seed, ClaimError, RecordClaim};
use tribute_core::records::Records;
use tribute_core::U256;
use tribute_engine::field::{from_u256, point_bytes, point_from_bytes};
use tribute_engine::halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use tribute_engine::halo2_proofs::halo2curves::ff::Field;
use tribute_engine::halo2_proofs::halo2curves::group::Curve;
use tribute_engine::srs::Srs;
use tribute_verify::{verify_record, RecordRejected, VerifierSrs};

use crate::support::records;

struct Shard {
    srs: Srs,
    layout: Layout,
    records: Records,
    group: CommittedGroup,
}

fn shard(layout: Layout, n: usize, seed: u64) -> Shard {
    let srs = Srs::development(layout.k());
    let records = records(&layout, n, seed);
    let group = commit_records(&srs, &layout, &Secret::from_bytes([seed as u8; 32]), &records).unwrap();
    Shard { srs, layout, records, group }
}

fn usual() -> Shard {
    shard(Layout::new(10, 3, 16, 3, Task::Classes).unwrap(), 20, 1)
}

impl Shard {
    fn claim(&self, index: usize) -> RecordClaim {
        RecordClaim {
            layout: self.layout,
            points: self.group.points(),
            index: index as u64,
            features: self.records.features(index).to_vec(),
            target: self.records.target(index),
            context: RecordContext::new([7; 32]),
        }
    }

    fn open(&self, claim: &RecordClaim) -> RecordOpening {
        open_record(&self.srs, &self.group, claim).unwrap()
    }

    fn verify(&self, claim: &RecordClaim, opening: &RecordOpening) -> Result<(), RecordRejected> {
        verify_record(&VerifierSrs::read(&self.srs.points()).unwrap(), claim, opening)
    }

    /// A forger's best attempt: the opening of a false claim, computed as if it were true.
    fn forged(&self, claim: &RecordClaim) -> Result<(), RecordRejected> {
        assert!(open_record(&self.srs, &self.group, claim).is_err(), "the prover itself must see that this is false");
        self.verify(claim, &open_unchecked(&self.srs, &self.group, claim).unwrap())
    }
}

#[test]
fn every_record_can_be_shown_label_included() {
    let layouts = [
        Layout::new(10, 3, 16, 3, Task::Classes).unwrap(), // rows determined by features
        Layout::new(10, 8, 16, 10, Task::Classes).unwrap(), // rows determined by classes
        Layout::new(11, 4, 13, 1, Task::Real).unwrap(),
        Layout::new(10, 1, 1, 2, Task::Classes).unwrap(),
    ];
    for layout in layouts {
        let n = layout.capacity().min(12);
        let s = shard(layout, n, 3);
        for index in [0, 1, n - 1] {
            let claim = s.claim(index);
            s.verify(&claim, &s.open(&claim)).unwrap();
        }
    }
    // a full shard's last record
    let layout = Layout::new(10, 8, 16, 3, Task::Classes).unwrap();
    let s = shard(layout, layout.capacity(), 4);
    let claim = s.claim(layout.capacity() - 1);
    s.verify(&claim, &s.open(&claim)).unwrap();
}

#[test]
fn another_record_label_or_place_is_refused() {
    let s = usual();
    let honest = s.claim(5);
    let opening = s.open(&honest);
    s.verify(&honest, &opening).unwrap();
    let other_label = RecordClaim { target: (honest.target + 1) % 3, ..honest.clone() };
    let mut other_feature = honest.clone();
    other_feature.features[15] ^= 1;
    let other_row = RecordClaim { index: 6, ..honest.clone() };
    let other_record = RecordClaim { index: 5, ..s.claim(6) };
    for (name, claim) in [
        ("another label", other_label),
        ("another feature", other_feature),
        ("another row", other_row),
        ("another record", other_record),
    ] {
        assert_eq!(s.forged(&claim), Err(RecordRejected::Opening), "{name}");
        assert_eq!(s.verify(&claim, &opening), Err(RecordRejected::Opening), "{name}, with the honest opening");
    }
    // made for another context
    let context = RecordClaim { context: RecordContext::new([8; 32]), ..honest.clone() };
    assert_eq!(s.verify(&context, &opening), Err(RecordRejected::Opening));
    s.verify(&context, &s.open(&context)).unwrap();
}

#[test]
fn an_empty_slot_is_no_record() {
    let s = usual();
    for (index, target) in [(20, 0), (20, 2), (s.layout.capacity() - 1, 1)] {
        let claim = RecordClaim { index: index as u64, features: vec![0; 16], target, ..s.claim(0) };
        assert_eq!(s.forged(&claim), Err(RecordRejected::Opening), "{index}");
    }
}

/// Weights, salts and tails come after the last record, so a claim cannot refer to them.
#[test]
fn salt_and_tail_rows_cannot_be_shown() {
    let s = usual();
    let capacity = s.layout.capacity() as u64;
    let r = s.layout.record_rows();
    let opening = s.open(&s.claim(0));
    let salts = s.layout.salt_start().div_ceil(r) as u64;
    for index in [capacity, salts, salts + 3, (s.layout.usable() / r) as u64, u64::MAX] {
        let claim = RecordClaim { index, ..s.claim(0) };
        let refused = ClaimError::Index { index, capacity };
        assert!(matches!(open_record(&s.srs, &s.group, &claim), Err(OpeningError::Claim(e)) if e == refused));
        assert_eq!(s.verify(&claim, &opening), Err(RecordRejected::Claim(refused)));
    }
}

#[test]
fn swapped_columns_and_other_datasets_are_refused() {
    let (s, other) = (usual(), shard(usual().layout, 20, 2));
    let honest = s.claim(4);
    // two columns swapped, in the claim and in the forger's shard
    let mut swapped = Shard { group: s.group.clone(), ..usual() };
    swapped.group.columns.swap(0, 1);
    let claim = RecordClaim { points: swapped.group.points(), ..honest.clone() };
    assert_eq!(swapped.forged(&claim), Err(RecordRejected::Opening));
    // label column among the data columns
    let mut swapped = Shard { group: s.group.clone(), ..usual() };
    swapped.group.columns.swap(1, 3);
    let claim = RecordClaim { points: swapped.group.points(), ..honest.clone() };
    assert_eq!(swapped.forged(&claim), Err(RecordRejected::Opening));
    // a record of one dataset under the other's commitments
    let claim = RecordClaim { points: other.group.points(), ..honest.clone() };
    assert_eq!(other.forged(&claim), Err(RecordRejected::Opening));
    assert_eq!(s.verify(&claim, &s.open(&honest)), Err(RecordRejected::Opening));
    assert!(matches!(open_record(&s.srs, &s.group, &claim), Err(OpeningError::Columns)));
    // the same cells read with more features, all zero: true of the columns, so the caller must compare the layout's
    // hash with the dataset's, as the contract and `tribute dataset check-record` do
    let layout = Layout::new(10, 3, 18, 3, Task::Classes).unwrap();
    let mut claim = RecordClaim { layout, ..honest };
    claim.features.resize(18, 0);
    s.verify(&claim, &s.open(&claim)).unwrap();
    assert_ne!(claim.layout.hash(), s.layout.hash());
    claim.features[17] = 1;
    assert_eq!(s.forged(&claim), Err(RecordRejected::Opening));
}

#[test]
fn altered_proofs_and_other_parameters_are_refused() {
    let s = usual();
    let claim = s.claim(2);
    let good = s.open(&claim);
    let g = point_bytes(&G1Affine::generator()).unwrap();
    for (name, altered) in [
        ("swapped", RecordOpening { quotient: good.remainder, remainder: good.quotient }),
        ("another quotient", RecordOpening { quotient: g, ..good }),
        ("another point", RecordOpening { remainder: g, ..good }),
        ("both generators", RecordOpening { quotient: g, remainder: g }),
    ] {
        assert_eq!(s.verify(&claim, &altered), Err(RecordRejected::Opening), "{name}");
    }
    for at in [0, 31, 63] {
        let mut altered = good;
        altered.quotient[at] ^= 1;
        assert!(matches!(s.verify(&claim, &altered), Err(RecordRejected::Point { .. })), "byte {at}");
        let mut altered = good;
        altered.remainder[at] ^= 1;
        assert!(matches!(s.verify(&claim, &altered), Err(RecordRejected::Point { .. })), "byte {at}");
    }
    for bytes in [[0; 64], [0xff; 64]] {
        let altered = RecordOpening { quotient: bytes, ..good };
        assert!(matches!(s.verify(&claim, &altered), Err(RecordRejected::Point { .. })));
        let mut infinite = claim.clone();
        infinite.points[..64].copy_from_slice(&bytes);
        assert!(matches!(s.verify(&infinite, &good), Err(RecordRejected::Point { .. })));
    }
    let wrong_size = Srs::development(11);
    assert!(matches!(open_record(&wrong_size, &s.group, &claim), Err(OpeningError::SrsSize { expected: 10, got: 11 })));
}

/// The opening that anyone who knows τ can compute from the commitments and the claim alone, without any column.
fn simulated(claim: &RecordClaim) -> RecordOpening {
    let tau = Srs::development_secret();
    let omega = (claim.layout.k()..28).fold(root(), |w, _| w.square());
    let points: Vec<Fr> = claim.rows().map(|row| omega.pow_vartime([row as u64])).collect();
    let challenge = |hash: &[u8; 32]| from_u256(&U256::from_be_bytes(*hash));
    let seed = claim.seed();
    let gamma = challenge(&seed);
    let interpolated = |x: Fr| -> Fr {
        let basis = |j: usize| -> Fr {
            let others = || points.iter().enumerate().filter(move |(i, _)| *i != j).map(|(_, p)| p);
            others().map(|p| (x - p) * (points[j] - p).invert().unwrap()).product()
        };
        let column = |c: usize| -> Fr { (0..points.len()).map(|j| basis(j) * Fr::from(claim.cell(c, j))).sum() };
        (0..=claim.layout.columns()).rev().fold(Fr::ZERO, |sum, c| sum * gamma + column(c))
    };
    let vanishing = |x: Fr| -> Fr { points.iter().map(|p| x - p).product() };
    let combined: G1 = claim
        .points
        .chunks_exact(64)
        .rev()
        .fold(G1::default(), |sum, p| sum * gamma + point_from_bytes(p.try_into().unwrap()).unwrap());
    let g = G1Affine::generator();
    let quotient = (combined - g * interpolated(tau)) * vanishing(tau).invert().unwrap();
    let bytes = point_bytes(&quotient.to_affine()).unwrap();
    let z = challenge(&second_seed(&seed, &bytes));
    let linear = combined - g * interpolated(z) - quotient * vanishing(z);
    let remainder = linear * (tau - z).invert().unwrap();
    RecordOpening { quotient: bytes, remainder: point_bytes(&remainder.to_affine()).unwrap() }
}

/// 7^((r − 1)/2^28), halo2curves' root of unity.
fn root() -> Fr {
    use tribute_engine::halo2_proofs::halo2curves::ff::PrimeField;
    Fr::ROOT_OF_UNITY
}

#[test]
fn an_opening_is_simulated() {
    let s = usual();
    for index in [0, 7, 19] {
        let claim = s.claim(index);
        assert_eq!(simulated(&claim), s.open(&claim), "an opening says nothing beyond commitments and record");
    }
    // the same ability allows forgeries: why proofs under the development SRS prove nothing
    let lie = RecordClaim { target: (s.claim(0).target + 1) % 3, ..s.claim(0) };
    s.verify(&lie, &simulated(&lie)).unwrap();
}
