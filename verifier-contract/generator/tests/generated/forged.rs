//! Keys for which nobody has a witness, three phases included, under an SRS whose secret the test knows.
//!
//! With the secret s, every proof can be finished: take random points and scalars, and choose the last point W so that
//! the pairing holds. Its check is `A + u·W = s·W`, hence `W = A / (s - u)`. Such a proof proves nothing, but it has to
//! pass halo2's verifier and ours, and to fail when any word of it changes.

use crate::common::{accepts, srs, Shape, Toy, SRS_SEED};
use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner},
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine, G1},
        ff::{Field, PrimeField},
        group::Curve,
        CurveAffine,
    },
    plonk::{
        keygen_vk, verify_proof, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed, SecondPhase,
        ThirdPhase, VerifyingKey,
    },
    poly::{
        commitment::ParamsProver,
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::VerifierSHPLONK,
            strategy::SingleStrategy,
        },
        Rotation,
    },
    transcript::{Transcript, TranscriptRead, TranscriptReadBuffer},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::{Bdfg21, KzgAs, KzgSuccinctVerifyingKey, LimbsEncoding},
    system::halo2::{
        compile,
        transcript::evm::{ChallengeEvm, EvmTranscript},
        Config,
    },
    verifier::{plonk::PlonkSuccinctVerifier, SnarkVerifier},
};
use std::io;
use tribute_evm::{calldata, direct, run};

type Succinct = PlonkSuccinctVerifier<KzgAs<Bn256, Bdfg21>, LimbsEncoding<3, 88>>;
type Keccak<'a> = EvmTranscript<G1Affine, NativeLoader, &'a [u8], Vec<u8>>;

/// Invents whatever the verifier reads, and records it.
struct Inventor<'a> {
    inner: Keccak<'a>,
    rng: ChaCha20Rng,
    proof: Vec<u8>,
    last_challenge: Fr,
}

impl Transcript<G1Affine, ChallengeEvm<G1Affine>> for Inventor<'_> {
    fn squeeze_challenge(&mut self) -> ChallengeEvm<G1Affine> {
        let challenge = Transcript::squeeze_challenge(&mut self.inner);
        self.last_challenge = halo2_proofs::transcript::EncodedChallenge::<G1Affine>::get_scalar(&challenge);
        challenge
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        Transcript::common_point(&mut self.inner, point)
    }

    fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        Transcript::common_scalar(&mut self.inner, scalar)
    }
}

impl TranscriptRead<G1Affine, ChallengeEvm<G1Affine>> for Inventor<'_> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        let point = (G1::generator() * Fr::random(&mut self.rng)).to_affine();
        self.proof.extend(point_bytes(&point));
        self.common_point(point)?;
        Ok(point)
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let scalar = Fr::random(&mut self.rng);
        self.proof.extend(scalar.to_repr().iter().rev());
        self.common_scalar(scalar)?;
        Ok(scalar)
    }
}

fn point_bytes(point: &G1Affine) -> Vec<u8> {
    let coordinates = point.coordinates().unwrap();
    [coordinates.x(), coordinates.y()].iter().flat_map(|c| c.to_repr().into_iter().rev()).collect()
}

fn forge(params: &ParamsKZG<Bn256>, vk: &VerifyingKey<G1Affine>, inputs: &[Fr], seed: u64) -> Vec<u8> {
    let mut transcript = Inventor {
        inner: TranscriptReadBuffer::<_, G1Affine, _>::init(&[][..]),
        rng: ChaCha20Rng::seed_from_u64(seed),
        proof: vec![],
        last_challenge: Fr::ZERO,
    };
    let invented = verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        params.verifier_params(),
        vk,
        SingleStrategy::new(params),
        &[&[inputs]],
        &mut transcript,
    );
    assert!(invented.is_err(), "random numbers are no proof");
    let (mut proof, u) = (transcript.proof, transcript.last_challenge);

    let protocol = compile(params, vk, Config::kzg().with_num_instance(vec![inputs.len()]));
    let svk = KzgSuccinctVerifyingKey::from(params.get_g()[0]);
    let instances = [inputs.to_vec()];
    let mut transcript: Keccak<'_> = TranscriptReadBuffer::<_, G1Affine, _>::init(&proof[..]);
    let read = Succinct::read_proof(&svk, &protocol, &instances, &mut transcript).unwrap();
    let accumulator = Succinct::verify(&svk, &protocol, &instances, &read).unwrap().remove(0);

    // left = A + u·W, right = W
    let secret = Fr::random(ChaCha20Rng::seed_from_u64(SRS_SEED));
    let a = G1::from(accumulator.lhs) - accumulator.rhs * u;
    let w = (a * (secret - u).invert().unwrap()).to_affine();
    let end = proof.len() - 64;
    proof.truncate(end);
    proof.extend(point_bytes(&w));
    proof
}

/// Forges a proof for the key and compares our verifier with halo2's.
fn check(name: &str, params: &ParamsKZG<Bn256>, vk: &VerifyingKey<G1Affine>, inputs: usize, seed: u64) {
    let code = direct::generate(params, vk, inputs).unwrap();
    let compact = direct::generate_compact(params, vk, inputs).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let inputs: Vec<_> = (0..inputs).map(|_| Fr::random(&mut rng)).collect();
    let proof = forge(params, vk, &inputs, seed);
    assert!(accepts(params, vk, &inputs, &proof), "{name}: halo2 refuses");
    let good = calldata(&inputs, &proof);
    let report = run(&code.runtime, &good).unwrap();
    assert!(report.success, "{name}: ours refuses");
    println!("{name}: {} bytes, {} gas", code.runtime.len(), report.execution_gas);
    let looped = run(&compact.runtime, &good).unwrap();
    assert!(looped.success, "{name}: ours with loops refuses");
    if vk.cs().instance_queries().is_empty() || inputs.is_empty() {
        assert_eq!(code, compact, "{name}: nothing to loop over");
    }
    println!("{name} with loops: {} bytes, {} gas", compact.runtime.len(), looped.execution_gas);
    for place in 0..good.len() / 32 {
        let mut bad = good.clone();
        bad[32 * place + 31] ^= 1;
        assert!(!run(&code.runtime, &bad).unwrap().success, "{name}: word {place} altered");
        assert!(!run(&compact.runtime, &bad).unwrap().success, "{name}: word {place}, loops");
    }
}

#[test]
fn three_phases_agree_with_halo2() {
    let three = Shape { k: 6, data: 4, sums: 2, late: 2, fixed: 3, inputs: 3, ..Shape::default() };
    let wide = Shape { data: 18, sums: 9, late: 5, fixed: 10, idle: 1, copied: 9, ..three.clone() };
    let shapes = [
        ("three phases", three.clone()),
        ("with inputs", Shape { instance: vec![0, -2], inputs: 5, ..three.clone() }),
        ("with permutation", Shape { copied: 4, late: 4, instance: vec![3], ..three }),
        ("wide", Shape { k: 9, instance: vec![0], inputs: 29, ..wide }),
    ];
    for (name, shape) in shapes {
        let params = srs(shape.k);
        let vk = keygen_vk(&params, &Toy::new(&shape, 0)).unwrap();
        check(name, &params, &vk, shape.inputs, 100);
    }
}

#[test]
fn random_constraint_systems_agree_with_halo2() {
    let params = srs(5);
    for seed in 0..60 {
        let vk = keygen_vk(&params, &Random { seed }).unwrap();
        let inputs = seed as usize % 7;
        check(&format!("random {seed}"), &params, &vk, inputs, seed);
    }
}

/// Columns, queries, gates and copied columns drawn from a seed. Nobody has a witness for it.
#[derive(Clone, Default)]
struct Random {
    seed: u64,
}

impl Circuit<Fr> for Random {
    type Config = Vec<Column<Fixed>>;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = u64;

    fn params(&self) -> u64 {
        self.seed
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Self::Config {
        unreachable!("has parameters")
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, seed: u64) -> Self::Config {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut below = move |limit: usize| rng.next_u32() as usize % limit;
        let phases = 1 + below(3);
        let mut advice = vec![];
        let mut challenges = vec![];
        for phase in 0..phases {
            for _ in 0..1 + below(4) {
                advice.push(match phase {
                    0 => cs.advice_column_in(FirstPhase),
                    1 => cs.advice_column_in(SecondPhase),
                    _ => cs.advice_column_in(ThirdPhase),
                });
            }
            for _ in 0..below(3) {
                challenges.push(match phase {
                    0 => cs.challenge_usable_after(FirstPhase),
                    1 => cs.challenge_usable_after(SecondPhase),
                    _ => cs.challenge_usable_after(ThirdPhase),
                });
            }
        }
        let fixed: Vec<_> = (0..1 + below(4)).map(|_| cs.fixed_column()).collect();
        let instance = cs.instance_column();
        for column in &advice {
            if below(4) == 0 {
                cs.enable_equality(*column);
            }
        }
        if below(4) == 0 {
            cs.enable_equality(instance);
        }
        if below(4) == 0 {
            cs.enable_equality(fixed[0]);
        }
        for _ in 0..1 + below(6) {
            cs.create_gate("random", |cells| {
                let selector = cells.query_fixed(fixed[below(fixed.len())], Rotation::cur());
                let shared = below(2) == 0;
                // Keeps the degree at 3 or more: below that, halo2 and snark-verifier count the quotient's pieces
                // differently.
                let cube = selector.clone() * selector.clone() * cells.query_advice(advice[0], Rotation::cur());
                (0..1 + below(4))
                    .map(|_| {
                        let mut leaf = |constant: bool| {
                            let rotation = Rotation([0, 0, 1, -1, -3][below(5)]);
                            let choice = if constant { 5 + below(3) } else { below(8) };
                            match choice {
                                0..3 => cells.query_advice(advice[below(advice.len())], rotation),
                                3 => cells.query_fixed(fixed[below(fixed.len())], rotation),
                                4 => cells.query_instance(instance, rotation),
                                5 | 6 if !challenges.is_empty() => {
                                    cells.query_challenge(challenges[below(challenges.len())])
                                }
                                _ => {
                                    let small = Fr::from(below(5) as u64);
                                    let value = [small, -small, small * Fr::ROOT_OF_UNITY];
                                    Expression::Constant(value[below(3)])
                                }
                            }
                        };
                        // Sums of products of up to three leaves: with the selector, degree 4.
                        let mut sum = leaf(false);
                        for term in 0..5u64 {
                            let [a, b, c] = [leaf(false), leaf(term % 2 == 0), leaf(false)];
                            sum = match term {
                                0 => sum * a - b * c,
                                1 => sum + a * Fr::from(1 << 40),
                                2 => -(a * b) - sum,
                                3 => a * c - b + sum,
                                _ => sum - a * b,
                            };
                        }
                        if shared {
                            selector.clone() * sum
                        } else {
                            sum
                        }
                    })
                    .chain([cube])
                    .collect::<Vec<_>>()
            });
        }
        fixed
    }

    fn synthesize(&self, fixed: Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let mut rng = ChaCha20Rng::seed_from_u64(self.seed ^ 0x5eed);
        layouter.assign_region(
            || "constants",
            |mut region| {
                // The first column stays empty in some: its commitment is infinity.
                for column in &fixed[self.seed as usize % 2..] {
                    region.assign_fixed(*column, 3, Fr::random(&mut rng));
                }
                Ok(())
            },
        )
    }
}
