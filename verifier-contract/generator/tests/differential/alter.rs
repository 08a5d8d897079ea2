//! Ways to alter a proof.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use tribute_engine::field::word;
use tribute_engine::halo2_proofs::halo2curves::bn256::{Fq, Fr};
use tribute_engine::halo2_proofs::halo2curves::ff::{Field, PrimeField};
use tribute_engine::proof::Proof;

type Word = [u8; 32];
const POINT: usize = 64;
const WORD: usize = 32;

/// Expected results of the verifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Accepted,
    Refused,
    /// Refused by all except snark-verifier's code.
    Trap,
}

/// Inputs and a proof, as passed to a verifier.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    /// Position of the alteration.
    pub(crate) place: String,
    pub(crate) inputs: Vec<Word>,
    pub(crate) proof: Vec<u8>,
    pub(crate) expected: Expected,
}

impl Case {
    pub(crate) fn good(proof: Proof) -> Self {
        let inputs = proof.input_words();
        Case { kind: "good", place: String::new(), inputs, proof: proof.bytes, expected: Expected::Accepted }
    }
}

/// Parts of a proof: names and byte ranges. Points first and last, scalars between.
pub(crate) struct Regions(Vec<(&'static str, std::ops::Range<usize>)>);

impl Regions {
    pub(crate) fn new(committed: usize, advice: usize, quotient: usize, scalars: usize) -> Self {
        let mut end = 0;
        let mut take = |name, size: usize| {
            end += size;
            (name, end - size..end)
        };
        let mut parts = vec![
            take("committed points", committed * POINT),
            take("other columns", (advice - committed) * POINT),
            take("random polynomial", POINT),
            take("quotient", quotient * POINT),
            take("scalars", scalars * WORD),
            take("opening", 2 * POINT),
        ];
        // `sum` has no columns but the committed ones
        parts.retain(|(_, range)| !range.is_empty());
        Regions(parts)
    }

    fn any(&self, rng: &mut ChaCha20Rng) -> (&'static str, std::ops::Range<usize>) {
        self.0[below(rng, self.0.len())].clone()
    }

    fn points(&self, rng: &mut ChaCha20Rng) -> (&'static str, usize) {
        loop {
            let (name, range) = self.any(rng);
            if name != "scalars" {
                return (name, range.start + POINT * below(rng, range.len() / POINT));
            }
        }
    }

    fn scalar(&self, rng: &mut ChaCha20Rng) -> usize {
        let range = self.0.iter().find(|(name, _)| *name == "scalars").map(|(_, range)| range.clone()).unwrap();
        range.start + WORD * below(rng, range.len() / WORD)
    }
}

/// One way to alter a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alteration {
    BitFlip,
    InputBitFlip,
    SwappedWords,
    SwappedPoints,
    WrongInput,
    InputsOfAnotherProof,
    PieceOfAnotherProof,
    Truncated,
    Identity,
    NegatedPoint,
    CoordinatePlusP,
    RandomScalar,
    InputPlusR,
    ScalarPlusR,
    Extended,
}

impl Alteration {
    pub(crate) const ALL: &'static [Alteration] = &[
        Alteration::BitFlip,
        Alteration::InputBitFlip,
        Alteration::SwappedWords,
        Alteration::SwappedPoints,
        Alteration::WrongInput,
        Alteration::InputsOfAnotherProof,
        Alteration::PieceOfAnotherProof,
        Alteration::Truncated,
        Alteration::Identity,
        Alteration::NegatedPoint,
        Alteration::CoordinatePlusP,
        Alteration::RandomScalar,
        Alteration::BitFlip,
        Alteration::InputPlusR,
        Alteration::BitFlip,
        Alteration::ScalarPlusR,
        Alteration::BitFlip,
        Alteration::Extended,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Alteration::BitFlip => "bit flipped",
            Alteration::InputBitFlip => "bit of an input flipped",
            Alteration::SwappedWords => "words swapped",
            Alteration::SwappedPoints => "points swapped",
            Alteration::WrongInput => "another input",
            Alteration::InputsOfAnotherProof => "inputs of another proof",
            Alteration::PieceOfAnotherProof => "a part of another proof",
            Alteration::Truncated => "truncated",
            Alteration::Identity => "point at infinity",
            Alteration::NegatedPoint => "point negated",
            Alteration::CoordinatePlusP => "coordinate + p",
            Alteration::RandomScalar => "another scalar",
            Alteration::InputPlusR => "input + a multiple of r",
            Alteration::ScalarPlusR => "scalar + r",
            Alteration::Extended => "extended",
        }
    }

    /// `other` is another good proof of the same circuit; without one, a bit is flipped instead.
    pub(crate) fn apply(self, good: &Case, other: Option<&Case>, regions: &Regions, rng: &mut ChaCha20Rng) -> Case {
        let mut case = Case { kind: self.name(), expected: Expected::Refused, ..good.clone() };
        case.place = match (self, other) {
            (Alteration::BitFlip, _) => flip(&mut case, regions, rng),
            (Alteration::InputBitFlip, _) => {
                let (i, bit) = (below(rng, case.inputs.len()), below(rng, 256));
                case.inputs[i][bit / 8] ^= 1 << (bit % 8);
                format!("input {i}, bit {bit}")
            }
            (Alteration::SwappedWords, _) => {
                let words = case.proof.len() / WORD;
                let (a, b) = distinct(rng, words, |i| case.proof[WORD * i..WORD * (i + 1)].to_vec());
                swap(&mut case.proof, WORD, a, b)
            }
            (Alteration::SwappedPoints, _) => {
                let (a, b) = loop {
                    let [(_, a), (_, b)] = [regions.points(rng), regions.points(rng)];
                    if case.proof[a..a + POINT] != case.proof[b..b + POINT] {
                        break (a, b);
                    }
                };
                let (first, second) = (case.proof[a..a + POINT].to_vec(), case.proof[b..b + POINT].to_vec());
                case.proof[a..a + POINT].copy_from_slice(&second);
                case.proof[b..b + POINT].copy_from_slice(&first);
                format!("points at {a} and {b}")
            }
            (Alteration::WrongInput, _) => {
                let i = below(rng, case.inputs.len());
                case.inputs[i] = word(&Fr::random(rng));
                format!("input {i}")
            }
            (Alteration::InputsOfAnotherProof, Some(other)) => {
                case.inputs.clone_from(&other.inputs);
                "all inputs".into()
            }
            (Alteration::PieceOfAnotherProof, Some(other)) => {
                let (name, range) = regions.any(rng);
                case.proof[range.clone()].copy_from_slice(&other.proof[range]);
                // the committed columns of two proofs may be the same, and are part of the statement
                if case.proof == good.proof {
                    flip(&mut case, regions, rng)
                } else {
                    name.into()
                }
            }
            (Alteration::Truncated, _) => {
                let cut = 1 + below(rng, 100);
                let removed = case.proof.split_off(case.proof.len() - cut);
                // read as zeros, which is what they were
                if removed.iter().all(|byte| *byte == 0) {
                    case.expected = Expected::Trap;
                }
                format!("{cut} bytes")
            }
            (Alteration::Identity, _) => {
                let (name, at) = regions.points(rng);
                case.proof[at..at + POINT].fill(0);
                format!("{name}, byte {at}")
            }
            (Alteration::NegatedPoint, _) => {
                let (name, at) = regions.points(rng);
                let y: Word = case.proof[at + WORD..at + POINT].try_into().unwrap();
                case.proof[at + WORD..at + POINT].copy_from_slice(&negated(&y));
                format!("{name}, byte {at}")
            }
            (Alteration::CoordinatePlusP, _) => {
                let (name, at) = regions.points(rng);
                let at = at + WORD * below(rng, 2);
                add_to_word(&mut case.proof[at..at + WORD], &modulus::<Fq>());
                format!("{name}, byte {at}")
            }
            (Alteration::RandomScalar, _) => {
                let at = regions.scalar(rng);
                case.proof[at..at + WORD].copy_from_slice(&word(&Fr::random(rng)));
                format!("byte {at}")
            }
            (Alteration::InputPlusR, _) => {
                let (i, times) = (below(rng, case.inputs.len()), 1 + below(rng, 4));
                (0..times).for_each(|_| add_to_word(&mut case.inputs[i], &modulus::<Fr>()));
                case.expected = Expected::Trap;
                format!("input {i} + {times}r")
            }
            (Alteration::ScalarPlusR, _) => {
                let at = regions.scalar(rng);
                add_to_word(&mut case.proof[at..at + WORD], &modulus::<Fr>());
                case.expected = Expected::Trap;
                format!("byte {at}")
            }
            (Alteration::Extended, _) => {
                let more = 1 + below(rng, 100);
                case.proof.extend((0..more).map(|_| rng.next_u32() as u8));
                case.expected = Expected::Trap;
                format!("{more} bytes")
            }
            (Alteration::InputsOfAnotherProof | Alteration::PieceOfAnotherProof, None) => flip(&mut case, regions, rng),
        };
        case
    }
}

fn flip(case: &mut Case, regions: &Regions, rng: &mut ChaCha20Rng) -> String {
    let (name, range) = regions.any(rng);
    let (byte, bit) = (range.start + below(rng, range.len()), below(rng, 8));
    case.proof[byte] ^= 1 << bit;
    format!("{name}, byte {byte}, bit {bit}")
}

fn swap(bytes: &mut [u8], size: usize, a: usize, b: usize) -> String {
    (0..size).for_each(|i| bytes.swap(size * a + i, size * b + i));
    format!("words {a} and {b}")
}

fn distinct(rng: &mut ChaCha20Rng, count: usize, value: impl Fn(usize) -> Vec<u8>) -> (usize, usize) {
    loop {
        let (a, b) = (below(rng, count), below(rng, count));
        if value(a) != value(b) {
            return (a, b);
        }
    }
}

fn below(rng: &mut ChaCha20Rng, limit: usize) -> usize {
    (rng.next_u64() % limit as u64) as usize
}

/// Adds a number to a word, both big-endian. Overflow is a bug of the caller.
fn add_to_word(to: &mut [u8], added: &Word) {
    let mut carry = 0;
    for (byte, added) in to.iter_mut().zip(added).rev() {
        let sum = u16::from(*byte) + u16::from(*added) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "the sum fits into a word");
}

fn modulus<F: PrimeField<Repr = Word>>() -> Word {
    let mut word = (-F::ONE).to_repr();
    word.reverse();
    word[31] += 1;
    word
}

/// p - y.
fn negated(y: &Word) -> Word {
    let mut repr = *y;
    repr.reverse();
    let mut negated = (-Fq::from_repr(repr).unwrap()).to_repr();
    negated.reverse();
    negated
}
