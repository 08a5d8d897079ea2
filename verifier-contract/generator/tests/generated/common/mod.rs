//! A toy circuit of many shapes, with keys, proofs and native verification.
#![allow(dead_code, unreachable_pub, missing_docs)]

use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value},
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine},
        ff::Field,
    },
    plonk::{
        create_proof, keygen_pk, keygen_vk, verify_proof, Advice, Challenge, Circuit, Column, ConstraintSystem, Error,
        Expression, FirstPhase, Fixed, Instance, ProvingKey, SecondPhase, ThirdPhase, VerifyingKey,
    },
    poly::{
        commitment::ParamsProver,
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::{ProverSHPLONK, VerifierSHPLONK},
            strategy::SingleStrategy,
        },
        Rotation,
    },
    transcript::{TranscriptReadBuffer, TranscriptWriterBuffer},
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use snark_verifier::{
    loader::native::NativeLoader,
    system::halo2::transcript::evm::{ChallengeEvm, EvmTranscript},
};

/// Shape of a toy circuit.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub k: u32,
    /// Columns of the first phase that gates query; the last is the product of the first four (or fewer), those between
    /// follow from earlier ones.
    pub data: usize,
    /// Columns of the first phase that no gate queries.
    pub idle: usize,
    /// Columns of the second phase: running sums.
    pub sums: usize,
    /// Columns of the third phase: Horner sums over earlier rows of the second.
    pub late: usize,
    /// Fixed columns besides the three selectors.
    pub fixed: usize,
    /// Columns of the first phase under a permutation argument; the second input is copied into them.
    pub copied: usize,
    /// Rotations at which a gate queries the instance column.
    pub instance: Vec<i32>,
    /// Number of inputs.
    pub inputs: usize,
}

/// Seed of the SRS: its first draw is the secret.
pub const SRS_SEED: u64 = 7;
/// Row of the gate that reads the instance column.
const READ: usize = 4;
/// Row whose cells are copies of the second input.
const COPY: usize = 5;
/// Row where the sums begin; the product rows follow.
const START: usize = 7;

#[derive(Clone, Debug)]
pub struct Config {
    data: Vec<Column<Advice>>,
    idle: Vec<Column<Advice>>,
    sums: Vec<Column<Advice>>,
    late: Vec<Column<Advice>>,
    fixed: Vec<Column<Fixed>>,
    active: Column<Fixed>,
    first: Column<Fixed>,
    read: Column<Fixed>,
    instance: Column<Instance>,
    challenges: Vec<Challenge>,
}

#[derive(Clone, Debug)]
pub struct Toy {
    pub shape: Shape,
    pub inputs: Vec<Fr>,
    pub seed: u64,
}

impl Toy {
    pub fn new(shape: &Shape, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0xabcd);
        let inputs = (0..shape.inputs).map(|_| Fr::random(&mut rng)).collect();
        Self { shape: shape.clone(), inputs, seed }
    }

    fn input(&self, row: i64) -> Fr {
        usize::try_from(row).ok().and_then(|row| self.inputs.get(row).copied()).unwrap_or(Fr::ZERO)
    }
}

impl Circuit<Fr> for Toy {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn params(&self) -> Shape {
        self.shape.clone()
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Config {
        unreachable!("has parameters")
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, shape: Shape) -> Config {
        let data: Vec<_> = (0..shape.data).map(|_| cs.advice_column_in(FirstPhase)).collect();
        let idle: Vec<_> = (0..shape.idle).map(|_| cs.advice_column_in(FirstPhase)).collect();
        let sums: Vec<_> = (0..shape.sums).map(|_| cs.advice_column_in(SecondPhase)).collect();
        let late: Vec<_> = (0..shape.late).map(|_| cs.advice_column_in(ThirdPhase)).collect();
        let mut challenges = vec![];
        if shape.sums > 0 {
            challenges.push(cs.challenge_usable_after(FirstPhase));
            challenges.push(cs.challenge_usable_after(FirstPhase));
        }
        if shape.late > 0 {
            challenges.push(cs.challenge_usable_after(SecondPhase));
        }
        let fixed: Vec<_> = (0..shape.fixed).map(|_| cs.fixed_column()).collect();
        let [active, first, read] = [(); 3].map(|()| cs.fixed_column());
        let instance = cs.instance_column();
        for column in data.iter().take(shape.copied) {
            cs.enable_equality(*column);
        }
        if shape.copied > 0 {
            cs.enable_equality(instance);
        }

        let product = data.len() - 1;
        cs.create_gate("product", |cells| {
            let q = cells.query_fixed(active, Rotation::cur());
            let mut column = |i: usize| cells.query_advice(data[i], Rotation::cur());
            let one = Expression::Constant(Fr::ONE);
            let factors = (0..product.min(4)).map(&mut column).fold(one, |a, b| a * b);
            vec![q * (factors - column(product))]
        });
        for i in 4..product {
            cs.create_gate("derived", |cells| {
                let q = cells.query_fixed(active, Rotation::cur());
                let [a, b, c] = [i - 4, i - 3, i].map(|i| cells.query_advice(data[i], Rotation::cur()));
                vec![q * (c + a * b - Expression::Constant(Fr::from(5)))]
            });
        }
        for (j, sum) in sums.iter().enumerate() {
            cs.create_gate("running sum", |cells| {
                let q = cells.query_fixed(active, Rotation::cur());
                let q_first = cells.query_fixed(first, Rotation::cur());
                let [c, e] = [0, 1].map(|i| cells.query_challenge(challenges[i]));
                let cur = cells.query_advice(*sum, Rotation::cur());
                let next = cells.query_advice(*sum, Rotation::next());
                let x = cells.query_advice(data[j % data.len()], Rotation::cur());
                let y = cells.query_advice(data[(j + 1) % data.len()], Rotation::cur());
                let f = cells.query_fixed(fixed[j % fixed.len()], Rotation::cur());
                let g = cells.query_fixed(fixed[(j + 1) % fixed.len()], Rotation::next());
                let step = (c - f) * x * (y * e * Fr::from(3) - g);
                vec![q.clone() * (next - cur.clone() - step), q_first * cur]
            });
        }
        for (j, column) in late.iter().enumerate() {
            cs.create_gate("late sum", |cells| {
                let q = cells.query_fixed(active, Rotation::cur());
                let q_first = cells.query_fixed(first, Rotation::cur());
                let [c, e, t] = [0, 1, 2].map(|i| cells.query_challenge(challenges[i]));
                let cur = cells.query_advice(*column, Rotation::cur());
                let prev = cells.query_advice(*column, Rotation::prev());
                let sum = cells.query_advice(sums[j % sums.len()], Rotation(-3));
                let g = cells.query_fixed(fixed[j % fixed.len()], Rotation::next());
                let seven = Expression::Constant(-Fr::from(7));
                let step = t.clone() * prev + e * c * (sum + seven) + g - t;
                vec![q * (step - cur.clone()), -(q_first * cur)]
            });
        }
        for (i, rotation) in shape.instance.iter().enumerate() {
            cs.create_gate("input", |cells| {
                let q = cells.query_fixed(read, Rotation::cur());
                let x = cells.query_instance(instance, Rotation(*rotation));
                let y = cells.query_advice(data[i % product], Rotation::cur());
                vec![q * (x - y)]
            });
        }
        if shape.instance.is_empty() {
            cs.create_gate("zero", |cells| {
                let q = cells.query_fixed(read, Rotation::cur());
                vec![q * cells.query_advice(data[0], Rotation::cur())]
            });
        }
        Config { data, idle, sums, late, fixed, active, first, read, instance, challenges }
    }

    fn synthesize(&self, config: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let shape = &self.shape;
        let end = (1usize << shape.k) - 16;
        let mut rng = ChaCha20Rng::seed_from_u64(self.seed);
        let mut constants = ChaCha20Rng::seed_from_u64(99);
        let product = config.data.len() - 1;
        let mut data = vec![vec![Fr::ZERO; end + 2]; config.data.len()];
        for row in START + 1..end {
            for i in 0..product {
                data[i][row] = match i {
                    0..4 => Fr::random(&mut rng),
                    _ => Fr::from(5) - data[i - 4][row] * data[i - 3][row],
                };
            }
            data[product][row] = data[..product.min(4)].iter().map(|column| column[row]).product();
        }
        for (i, rotation) in shape.instance.iter().enumerate() {
            data[i % product][READ] = self.input(READ as i64 + i64::from(*rotation));
        }
        for column in data.iter_mut().take(shape.copied) {
            column[COPY] = self.input(1);
        }
        let mut fixed = vec![vec![Fr::ZERO; end + 2]; config.fixed.len()];
        for value in fixed.iter_mut().flatten() {
            *value = Fr::random(&mut constants);
        }

        layouter
            .assign_region(
                || "toy",
                |mut region| {
                    let mut cells = vec![];
                    for (column, values) in config.data.iter().zip(&data) {
                        for (row, value) in values.iter().enumerate() {
                            let cell = region.assign_advice(*column, row, Value::known(*value));
                            if row == COPY && cells.len() < shape.copied {
                                cells.push(cell.cell());
                            }
                        }
                    }
                    for column in &config.idle {
                        region.assign_advice(*column, 0, Value::known(Fr::from(self.seed)));
                    }
                    for pair in cells.windows(2) {
                        region.constrain_equal(pair[0], pair[1]);
                    }
                    for (column, values) in config.fixed.iter().zip(&fixed) {
                        for (row, value) in values.iter().enumerate() {
                            region.assign_fixed(*column, row, *value);
                        }
                    }
                    for row in START + 1..end {
                        region.assign_fixed(config.active, row, Fr::ONE);
                    }
                    region.assign_fixed(config.first, START + 1, Fr::ZERO);
                    region.assign_fixed(config.first, START, Fr::ONE);
                    region.assign_fixed(config.read, READ, Fr::ONE);
                    if config.sums.is_empty() {
                        return Ok(cells);
                    }

                    region.next_phase();
                    let [c, e] = [0, 1].map(|i| region.get_challenge(config.challenges[i]));
                    let mut sums = vec![vec![Value::known(Fr::ZERO); end + 2]; config.sums.len()];
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let (x, y) = (&data[j % data.len()], &data[(j + 1) % data.len()]);
                        let (f, g) = (&fixed[j % fixed.len()], &fixed[(j + 1) % fixed.len()]);
                        for row in START + 1..end {
                            let step =
                                c.zip(e).map(|(c, e)| (c - f[row]) * x[row] * (y[row] * e * Fr::from(3) - g[row + 1]));
                            sum[row + 1] = sum[row] + step;
                        }
                        for (row, value) in sum.iter().enumerate() {
                            region.assign_advice(config.sums[j], row, value.or_zero());
                        }
                    }
                    if config.late.is_empty() {
                        return Ok(cells);
                    }

                    region.next_phase();
                    let t = region.get_challenge(config.challenges[2]);
                    for (j, column) in config.late.iter().enumerate() {
                        let mut acc = Value::known(Fr::ZERO);
                        for row in 0..end {
                            if row > START {
                                let (sum, g) = (sums[j % sums.len()][row - 3], fixed[j % fixed.len()][row + 1]);
                                let step = c.zip(e).zip(sum).map(|((c, e), s)| c * e * (s - Fr::from(7)));
                                acc = t * acc + step + Value::known(g) - t;
                            }
                            region.assign_advice(*column, row, acc.or_zero());
                        }
                    }
                    Ok(cells)
                },
            )
            .map(|cells| {
                if let Some(cell) = cells.first() {
                    layouter.constrain_instance(*cell, config.instance, 1);
                }
            })
    }
}

/// Key generation has no challenges, so no value, but a cell must have one.
trait OrZero {
    fn or_zero(self) -> Self;
}

impl OrZero for Value<Fr> {
    fn or_zero(self) -> Self {
        let mut value = Fr::ZERO;
        self.map(|v| value = v);
        Value::known(value)
    }
}

pub fn srs(k: u32) -> ParamsKZG<Bn256> {
    ParamsKZG::setup(k, ChaCha20Rng::seed_from_u64(SRS_SEED))
}

pub struct Keys {
    pub params: ParamsKZG<Bn256>,
    pub pk: ProvingKey<G1Affine>,
}

impl Keys {
    pub fn new(shape: &Shape) -> Self {
        let params = srs(shape.k);
        let toy = Toy::new(shape, 0);
        let vk = keygen_vk(&params, &toy).unwrap();
        let pk = keygen_pk(&params, vk, &toy).unwrap();
        Self { params, pk }
    }

    pub fn prove(&self, toy: &Toy) -> Vec<u8> {
        let mut transcript: EvmTranscript<G1Affine, NativeLoader, Vec<u8>, Vec<u8>> =
            TranscriptWriterBuffer::<_, G1Affine, _>::init(vec![]);
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, ChallengeEvm<_>, _, _, _>(
            &self.params,
            &self.pk,
            std::slice::from_ref(toy),
            &[&[&toy.inputs]],
            ChaCha20Rng::seed_from_u64(toy.seed + 1),
            &mut transcript,
        )
        .unwrap();
        transcript.finalize()
    }

    pub fn accepts(&self, inputs: &[Fr], proof: &[u8]) -> bool {
        accepts(&self.params, self.pk.get_vk(), inputs, proof)
    }
}

/// Native verification; also requires that the whole proof is read.
pub fn accepts(params: &ParamsKZG<Bn256>, vk: &VerifyingKey<G1Affine>, inputs: &[Fr], proof: &[u8]) -> bool {
    let mut left = proof;
    let mut transcript: EvmTranscript<G1Affine, NativeLoader, &mut &[u8], Vec<u8>> =
        TranscriptReadBuffer::<_, G1Affine, _>::init(&mut left);
    let result = verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, ChallengeEvm<_>, _, _>(
        params.verifier_params(),
        vk,
        SingleStrategy::new(params),
        &[&[inputs]],
        &mut transcript,
    );
    result.is_ok() && left.is_empty()
}
