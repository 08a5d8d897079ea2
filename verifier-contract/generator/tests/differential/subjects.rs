//! Small circuits of every statement, and each verifier's result for a proof.

use crate::alter::{Case, Regions};
use std::path::Path;
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, Secret};
use tribute_circuits::keys::Keys;
use tribute_circuits::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_circuits::statements::service::{AnsweredQuery, ServiceCircuit, SessionBatch};
use tribute_core::shape::Shape;
use tribute_core::{
    head::{answer, gradient, optimum, penalty_shift, Weights},
    layout::{Layout, Task},
    link::Link,
    records::Records,
    statement::Statement,
    I256,
};
use tribute_engine::field::from_word;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::{self, Proof};
use tribute_engine::srs::Srs;
use tribute_evm::{compile, generate, generate_verifier, run, run_deferred, Bytecode};
use tribute_verify::VerifierSrs;

/// Every statement's circuit, with how many good proofs of it to make.
pub(crate) fn all() -> Vec<(Shape, usize)> {
    let all = vec![
        (Shape::dataset(layout(10, 2, 5, 3)), 30),
        (Shape::gradient(layout(10, 2, 5, 3), Link::Squared), 24),
        (Shape::evaluation(layout(10, 2, 5, 3), Link::Squared), 20),
        (Shape::optimum(layout(11, 2, 5, 3)), 10),
        (Shape::service(layout(15, 4, 20, 5)), 4),
        (Shape::gradient(layout(14, 2, 5, 3), Link::Softmax), 3),
    ];
    for statement in Statement::ALL {
        assert!(all.iter().any(|(shape, _)| shape.statement == statement), "no shape of {}", statement.name());
    }
    all
}

/// Result of each verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) halo2: bool,
    pub(crate) arkworks: bool,
    pub(crate) ours: bool,
    /// Ours with its pairing left to the caller.
    pub(crate) deferred: bool,
    pub(crate) snark: bool,
}

impl Verdict {
    pub(crate) fn all(accepted: bool) -> Self {
        Verdict { halo2: accepted, arkworks: accepted, ours: accepted, deferred: accepted, snark: accepted }
    }
}

/// A circuit with all four verifiers of it.
pub(crate) struct Subject {
    name: String,
    srs: Srs,
    arkworks: VerifierSrs,
    keys: Keys,
    ours: Bytecode,
    snark: Bytecode,
    proofs: usize,
}

fn layout(k: u32, columns: usize, features: usize, classes: usize) -> Layout {
    Layout::new(k, columns, features, classes, Task::Classes).unwrap()
}

impl Subject {
    pub(crate) fn new(shape: Shape, proofs: usize) -> Self {
        let srs = Srs::development(shape.layout.k());
        let keys = Keys::generate(&srs, &shape).unwrap();
        let inputs = shape.statement.inputs();
        let ours = generate_verifier(srs.params(), keys.vk(), inputs).unwrap();
        let source = generate(srs.params(), keys.vk(), inputs).unwrap();
        let snark = compile(&source, Some(Path::new(env!("CARGO_TARGET_TMPDIR")))).unwrap();
        let arkworks = VerifierSrs::read(&srs.points()).unwrap();
        Subject { name: shape.name(), srs, arkworks, keys, ours, snark, proofs }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of good proofs to make.
    pub(crate) fn proofs(&self) -> usize {
        self.proofs
    }

    pub(crate) fn regions(&self) -> Regions {
        let cs = self.keys.vk().cs();
        let shape = self.keys.shape();
        let committed = shape.groups().iter().sum();
        let scalars = cs.advice_queries().len() + cs.fixed_queries().len() + 1;
        Regions::new(committed, cs.num_advice_columns(), cs.degree() - 1, scalars)
    }

    pub(crate) fn verdict(&self, case: &Case) -> Verdict {
        let call = [case.inputs.concat(), case.proof.clone()].concat();
        let accepts = |code: &Bytecode| run(&code.runtime, &call).unwrap().success;
        // halo2 takes field elements: a word that is not one is refused before
        let inputs: Option<Vec<Fr>> = case.inputs.iter().map(from_word).collect();
        let halo2 = inputs.is_some_and(|inputs| {
            proof::verify(&self.srs, self.keys.vk(), &Proof { inputs, bytes: case.proof.clone() })
        });
        Verdict {
            halo2,
            arkworks: tribute_verify::verify(self.keys.vk(), &self.arkworks, &case.inputs, &case.proof).is_ok(),
            ours: accepts(&self.ours),
            deferred: run_deferred(&self.ours.runtime, &call).unwrap(),
            snark: accepts(&self.snark),
        }
    }

    /// A proof about random data.
    pub(crate) fn prove(&self, number: usize, seed: u64) -> Proof {
        let shape = self.keys.shape().clone();
        let layout = shape.layout;
        let secret = Secret::from_bytes([number as u8; 32]);
        let shard = records(&layout, 1 + seed as usize % 20, seed);
        let xy = commit_records(&self.srs, &layout, &secret, &shard).unwrap();
        let weights = weights(&layout, seed);
        let w = commit_weights(&self.srs, &layout, &secret, &weights);
        let ctx = Fr::from(seed);
        let prove =
            |witness: &dyn StatementWitness, inputs| prove::prove(&self.srs, &self.keys, witness, inputs).unwrap();
        match shape.statement {
            Statement::Dataset => prove(&DatasetCircuit::new(shape, &xy), vec![ctx, Fr::from(shard.len() as u64)]),
            Statement::Gradient => {
                let g = gradient(&layout, shape.link.unwrap(), &weights, &shard).unwrap();
                let g = commit_gradient(&self.srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
                let circuit = GradientCircuit::new(shape, &xy, &w, &g).unwrap();
                let inputs = circuit.public_inputs(ctx);
                prove(&circuit, inputs)
            }
            Statement::Optimum => {
                // the gradient that makes these weights almost an optimum: the circuit takes it as given
                let weights = Weights::new(layout.features(), layout.classes(), small(&layout, seed)).unwrap();
                let w = commit_weights(&self.srs, &layout, &secret, &weights);
                let (lambda, n, mut next) = (1u64 << 20, shard.len() as u64, numbers(seed));
                let scale = I256::from(n as i64) * I256::from(lambda as i64);
                let shift = penalty_shift(&layout);
                let pull = |w: &i64| (scale * I256::from(*w)) << shift;
                let g: Vec<_> = weights.values().iter().map(|w| I256::from(next() as i64) - pull(w)).collect();
                let numbers = optimum(&layout, &weights, &g, n, lambda).unwrap();
                let sum = commit_gradient(&self.srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
                let circuit = OptimumCircuit::new(shape, &w, &weights, &sum, &numbers);
                let inputs = circuit.public_inputs(ctx);
                prove(&circuit, inputs)
            }
            Statement::Service => {
                let sessions: Vec<_> = (0..1 + number)
                    .map(|slot| SessionBatch {
                        before: (seed + slot as u64).into(),
                        queries: (shard.iter().take(1 + slot))
                            .map(|(features, _)| AnsweredQuery {
                                features: features.to_vec(),
                                salt: seed.into(),
                                answer: answer(&weights.logits(features)),
                            })
                            .collect(),
                    })
                    .collect();
                let circuit = ServiceCircuit::new(shape, &w, &weights, &sessions).unwrap();
                let inputs = circuit.inputs(ctx);
                prove(&circuit, inputs)
            }
            Statement::Evaluation => {
                let circuit = EvaluationCircuit::new(shape, &xy, &w).unwrap();
                let inputs = circuit.public_inputs(ctx);
                prove(&circuit, inputs)
            }
        }
    }
}

fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 20
    }
}

fn records(layout: &Layout, n: usize, seed: u64) -> Records {
    let mut next = numbers(seed);
    let mut records = Records::new(layout.features());
    for _ in 0..n {
        let features: Vec<u8> = (0..layout.features()).map(|_| next() as u8).collect();
        records.push(&features, (next() % layout.classes() as u64) as u16);
    }
    records
}

fn weights(layout: &Layout, seed: u64) -> Weights {
    let mut next = numbers(!seed);
    let values = (0..layout.weights()).map(|_| (next() % 2_000_001) as i64 - 1_000_000).collect();
    Weights::new(layout.features(), layout.classes(), values).unwrap()
}

fn small(layout: &Layout, seed: u64) -> Vec<i64> {
    let mut next = numbers(!seed);
    (0..layout.weights()).map(|_| (next() % 2_001) as i64 + 1_000).collect()
}
