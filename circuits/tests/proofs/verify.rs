//! The verifier on arkworks, compared with halo2's own, on real proofs.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::{self, Proof};
use tribute_engine::srs::Srs;
use tribute_verify::{proof_length, verify, Element, Rejected, VerifierSrs};

use crate::support::instance;

struct Proven {
    srs: Srs,
    keys: Keys,
    proof: Proof,
}

impl Proven {
    fn verify(&self, inputs: &[[u8; 32]], proof: &[u8]) -> Result<(), Rejected> {
        verify(self.keys.vk(), &VerifierSrs::read(&self.srs.points()).unwrap(), inputs, proof)
    }
    fn check(&self, proof: &[u8]) -> Result<(), Rejected> {
        self.verify(&self.proof.input_words(), proof)
    }
    fn halo2(&self, proof: &[u8]) -> bool {
        proof::verify(&self.srs, self.keys.vk(), &Proof { inputs: self.proof.inputs.clone(), bytes: proof.to_vec() })
    }
}

/// Proofs of two statements over two layouts, made once.
fn proven() -> &'static [Proven] {
    static PROVEN: OnceLock<Vec<Proven>> = OnceLock::new();
    PROVEN.get_or_init(make)
}

fn make() -> Vec<Proven> {
    let mut all = vec![];
    for (layout, link) in [
        (Layout::new(14, 3, 16, 3, Task::Classes).unwrap(), Link::Softmax),
        (Layout::new(10, 3, 7, 1, Task::Real).unwrap(), Link::Squared),
    ] {
        let i = instance(layout, link, 20, 3);
        let shape = Shape::dataset(layout);
        let keys = Keys::generate(&i.srs, &shape).unwrap();
        let inputs = vec![Fr::from(77), Fr::from(20)];
        let proof = prove(&i.srs, &keys, &DatasetCircuit::new(shape, &i.xy), inputs).unwrap();
        all.push(Proven { srs: i.srs.clone(), keys, proof });
        let shape = Shape::gradient(layout, link);
        let keys = Keys::generate(&i.srs, &shape).unwrap();
        let circuit = GradientCircuit::new(shape, &i.xy, &i.w, &i.g).unwrap();
        let proof = prove(&i.srs, &keys, &circuit, circuit.public_inputs(Fr::from(5))).unwrap();
        all.push(Proven { srs: i.srs, keys, proof });
    }
    all
}

#[test]
fn it_accepts_what_halo2_accepts_and_refuses_every_change() {
    for p in proven() {
        let name = p.keys.shape().name();
        let bytes = &p.proof.bytes;
        assert_eq!(proof_length(p.keys.vk()), bytes.len(), "{name}");
        p.check(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));

        // one bit changed in every word of the proof
        for at in 0..bytes.len() / 32 {
            let mut altered = bytes.clone();
            altered[at * 32 + 31] ^= 1;
            assert!(p.check(&altered).is_err(), "{name}: word {at}");
            assert!(!p.halo2(&altered), "{name}: word {at}, halo2");
        }
        // points exchanged: on the curve and canonical, but still rejected
        let mut swapped = bytes.clone();
        swapped[..64].copy_from_slice(&bytes[64..128]);
        swapped[64..128].copy_from_slice(&bytes[..64]);
        assert_eq!(p.check(&swapped), Err(Rejected::Opening), "{name}");
        // the last point negated
        let mut negated = bytes.clone();
        let last = negated.len() - 32;
        let y = negated[last..].to_vec();
        negated[last..].copy_from_slice(&subtract(&BASE_MODULUS, &y));
        assert_eq!(p.check(&negated), Err(Rejected::Opening), "{name}");
        assert!(!p.halo2(&negated), "{name}");
    }
}

#[test]
fn one_statement_and_proof_have_one_encoding() {
    for p in proven() {
        let bytes = &p.proof.bytes;
        let expected = bytes.len();
        assert_eq!(p.check(&bytes[..expected - 1]), Err(Rejected::Length { expected, got: expected - 1 }));
        assert_eq!(p.check(&bytes[..expected - 32]), Err(Rejected::Length { expected, got: expected - 32 }));
        assert_eq!(p.check(&[]), Err(Rejected::Length { expected, got: 0 }));
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(p.check(&longer), Err(Rejected::Length { expected, got: expected + 1 }));

        // input + r denotes the same element and is rejected
        let mut inputs = p.proof.input_words();
        inputs[0] = add(&SCALAR_MODULUS, &inputs[0]);
        assert_eq!(p.verify(&inputs, bytes), Err(Rejected::Input { index: 0 }));
        // scalar + r, coordinate + q where they fit into 256 bits
        let mut shifted = bytes.clone();
        let (scalar, point) = (expected - 128 - 32, 0);
        let word: [u8; 32] = bytes[scalar..scalar + 32].try_into().unwrap();
        shifted[scalar..scalar + 32].copy_from_slice(&add(&SCALAR_MODULUS, &word));
        assert!(matches!(p.check(&shifted), Err(Rejected::Scalar { element: Element::Evaluation(_) })));
        let mut shifted = bytes.clone();
        let word: [u8; 32] = bytes[point..point + 32].try_into().unwrap();
        shifted[point..point + 32].copy_from_slice(&add(&BASE_MODULUS, &word));
        assert_eq!(p.check(&shifted), Err(Rejected::Point { element: Element::Advice(0) }));
        // infinity, written as zeros, at several positions of points: the first column and both opening points
        for (at, element) in
            [(0, Element::Advice(0)), (expected - 128, Element::OpeningH), (expected - 64, Element::OpeningQ)]
        {
            let mut infinite = bytes.clone();
            infinite[at..at + 64].fill(0);
            assert_eq!(p.check(&infinite), Err(Rejected::Point { element }));
            assert!(!p.halo2(&infinite));
        }
    }
}

#[test]
fn inputs_are_bound() {
    for p in proven() {
        let bytes = &p.proof.bytes;
        for index in 0..p.proof.inputs.len() {
            let mut inputs = p.proof.input_words();
            inputs[index][31] ^= 1;
            assert_eq!(p.verify(&inputs, bytes), Err(Rejected::Opening), "input {index}");
        }
        let mut more = p.proof.input_words();
        more.push([0; 32]);
        assert_eq!(p.verify(&more, bytes), Err(Rejected::Opening), "one more zero");
        assert_eq!(p.verify(&[], bytes), Err(Rejected::Opening), "none");
        let many = vec![[0; 32]; 1 << 14];
        assert!(matches!(p.verify(&many, bytes), Err(Rejected::InputCount { .. })));
    }
}

#[test]
fn keys_and_srs_are_bound() {
    let all = proven();
    let [dataset, gradient] = [&all[0], &all[1]];
    // a proof of another circuit, cut or padded to length, under this key
    let mut bytes = gradient.proof.bytes.clone();
    bytes.resize(proof_length(dataset.keys.vk()), 0);
    assert!(dataset.check(&bytes).is_err());
    // an SRS with another secret
    use ark_bn254::{G1Affine, G2Affine};
    use ark_ec::{AffineRepr, CurveGroup};
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    let other = VerifierSrs::new(g1, g2, (g2 + g2).into_affine()).unwrap();
    let result = verify(dataset.keys.vk(), &other, &dataset.proof.input_words(), &dataset.proof.bytes);
    assert_eq!(result, Err(Rejected::Opening));
    assert!(VerifierSrs::new(g1, G2Affine::zero(), g2).is_none());
}

/// Not a benchmark: prints timings with `cargo test --release -- --nocapture`, and fails only if they are absurd.
#[test]
fn it_is_fast() {
    for p in proven() {
        let (srs, inputs) = (VerifierSrs::read(&p.srs.points()).unwrap(), p.proof.input_words());
        let best = |f: &dyn Fn()| -> Duration {
            (0..20)
                .map(|_| {
                    let start = Instant::now();
                    f();
                    start.elapsed()
                })
                .min()
                .unwrap()
        };
        let ours = best(&|| verify(p.keys.vk(), &srs, &inputs, &p.proof.bytes).unwrap());
        let halo2 = best(&|| assert!(p.halo2(&p.proof.bytes)));
        println!("{}: arkworks {ours:?}, halo2 {halo2:?}", p.keys.shape().name());
        assert!(ours < Duration::from_millis(100), "{ours:?}");
    }
}

const SCALAR_MODULUS: [u8; 32] =
    modulus([0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029]);
const BASE_MODULUS: [u8; 32] =
    modulus([0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029]);

const fn modulus(limbs: [u64; 4]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[31 - i] = (limbs[i / 8] >> (8 * (i % 8))) as u8;
        i += 1;
    }
    out
}

fn add(a: &[u8; 32], b: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut carry = 0u16;
    for i in (0..32).rev() {
        carry += u16::from(a[i]) + u16::from(b[i]);
        out[i] = carry as u8;
        carry >>= 8;
    }
    assert_eq!(carry, 0);
    out
}

fn subtract(a: &[u8; 32], b: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let d = i16::from(a[i]) - i16::from(b[i]) - borrow;
        out[i] = d.rem_euclid(256) as u8;
        borrow = i16::from(d < 0);
    }
    assert_eq!(borrow, 0);
    out
}
