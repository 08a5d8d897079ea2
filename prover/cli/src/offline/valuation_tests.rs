//! A valuation of three owners with real proofs, and everything that can be wrong with one.

use std::sync::OnceLock;
use std::time::Instant;

use serde_json::Value;
use tribute_circuits::columns::{
    commit_gradient, commit_records, commit_weights, sum_gradients, CommittedGroup, Secret,
};
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::certificate::{Certificate, CertificateError, Contribution, FileProof, Hex};
use tribute_core::context::{evaluation_ctx, gradient_ctx, list_hash, Address, CoalitionContext, Terms};
use tribute_core::digest::dataset_id;
use tribute_core::head::{add, gradient, loss, optimum};
use tribute_core::id::{DatasetId, ShardDigest, WeightsDigest};
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_core::valuation::shapley::every_coalition;
use tribute_core::valuation::{CoalitionParts, Training, Valuation, ValuationParts};
use tribute_core::I256;
use tribute_engine::field::from_core;
use tribute_inference::train::{train, LossOptions};

use super::alter::{leaf, leaves, others};
use super::made::{records, schema, Maker, LAMBDA, SECRET};
use super::tests::{certified, options, refusal_of, shards};
use super::verify_json;

const OWNER: Address = [0xe0; 20];
const TERMS: Terms = Terms { min_data_bps: 0, open_training: true, min_share_bps: 0, min_price: 1, links: 0 };

/// What a coalition is trained for and evaluated on.
struct Subject {
    maker: Maker,
    certificate: Certificate,
    test: Vec<Records>,
    committed: Vec<CommittedGroup>,
    id: DatasetId,
    lambda: u64,
}

impl Subject {
    fn new(test: Vec<Records>) -> Self {
        let certificate = certified().0.clone();
        let layout = certificate.layout;
        let maker = Maker::new(layout, certificate.loss.link, certificate.chain);
        let secret = Secret::from_bytes(SECRET);
        let committed: Vec<_> = test.iter().map(|r| commit_records(&maker.srs, &layout, &secret, r).unwrap()).collect();
        let digests: Vec<ShardDigest> = committed.iter().map(|xy| ShardDigest::new(xy.digest())).collect();
        let n: usize = test.iter().map(Records::len).sum();
        let id = dataset_id(&schema().id(), &layout.hash(), n as u64, &digests);
        Subject { maker, certificate, test, committed, id, lambda: LAMBDA }
    }

    /// The proofs of a coalition; `named` is the coalition that its contexts name.
    fn coalition(&mut self, mask: u32, named: u32) -> CoalitionParts {
        let (layout, link, secret) = (self.maker.layout, self.maker.link, Secret::from_bytes(SECRET));
        let listed: Vec<usize> = (0..3).filter(|i| mask >> i & 1 == 1).collect();
        let data = shards();
        let counted: Vec<&Records> = listed.iter().flat_map(|i| &data[*i]).collect();
        let options = LossOptions { link, lambda: self.lambda, intercept_scale: layout.intercept_scale() };
        let weights = train(&schema(), &counted, &options, |_| {}).unwrap().weights;
        let w = commit_weights(&self.maker.srs, &layout, &secret, &weights);
        let agent = self.certificate.agent;
        let ids = (0..3).filter(|i| named >> i & 1 == 1).map(|i| self.certificate.datasets[i as usize].dataset_id);
        let context = CoalitionContext {
            domain: self.certificate.chain.agents(),
            agent: agent.id,
            version: agent.version,
            served: agent.weights_digest,
            weights: WeightsDigest::new(w.digest()),
            list: list_hash(ids),
        };
        let training = (mask != 7).then(|| {
            let mut total = vec![I256::ZERO; layout.weights()];
            let (mut gradients, mut groups) = (vec![], vec![]);
            for records in &counted {
                let xy = commit_records(&self.maker.srs, &layout, &secret, records).unwrap();
                let g = gradient(&layout, link, &weights, records).unwrap();
                let committed = commit_gradient(&self.maker.srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
                let circuit = GradientCircuit::new(Shape::gradient(layout, link), &xy, &w, &committed).unwrap();
                let shard = ShardDigest::new(xy.digest());
                let ctx = gradient_ctx(&context.domain, &agent.owner.0, &context.weights, &shard);
                gradients.push(self.maker.prove(&circuit, circuit.public_inputs(from_core(&ctx))));
                add(&mut total, &g);
                groups.push(committed);
            }
            let n = counted.iter().map(|r| r.len() as u64).sum();
            let numbers = optimum(&layout, &weights, &total, n, self.lambda).unwrap();
            let sum = sum_gradients(&groups);
            let circuit = OptimumCircuit::new(Shape::optimum(layout), &w, &weights, &sum, &numbers);
            let inputs = circuit.public_inputs(from_core(&context.optimum()));
            Training { gradients, optimum: self.maker.prove(&circuit, inputs) }
        });
        let evaluations = (0..self.test.len() as u32)
            .map(|j| -> FileProof {
                let xy = &self.committed[j as usize];
                let circuit = EvaluationCircuit::new(Shape::evaluation(layout, link), xy, &w).unwrap();
                let ctx = match mask {
                    7 => evaluation_ctx(&context.domain, &agent.id, agent.version, &context.weights, &self.id, j),
                    _ => context.evaluation(&self.id, j),
                };
                let inputs = circuit.public_inputs(from_core(&ctx));
                // the published loss is the integer function's
                let expected = loss(&layout, link, &weights, &self.test[j as usize]).unwrap();
                assert_eq!(inputs[3], tribute_engine::halo2_proofs::halo2curves::bn256::Fr::from(expected));
                self.maker.prove(&circuit, inputs)
            })
            .collect();
        CoalitionParts {
            owners: (0..3).filter(|i| mask >> i & 1 == 1).collect(),
            weights_digest: context.weights,
            training,
            evaluations,
        }
    }

    fn parts(&mut self, owner: Address) -> ValuationParts {
        let coalitions = every_coalition(3).into_iter().map(|mask| self.coalition(mask, mask)).collect();
        let shards = self.committed.clone();
        ValuationParts {
            certificate: self.certificate.clone(),
            terms: TERMS,
            shards: shards
                .iter()
                .enumerate()
                .map(|(j, xy)| (owner, self.maker.dataset((owner, TERMS), j, xy)))
                .collect(),
            sampling: None,
            coalitions,
        }
    }
}

fn made() -> &'static (ValuationParts, Valuation) {
    static MADE: OnceLock<(ValuationParts, Valuation)> = OnceLock::new();
    MADE.get_or_init(|| {
        let parts = Subject::new(vec![records(35, 100), records(20, 101)]).parts(OWNER);
        (parts.clone(), parts.assemble().unwrap())
    })
}

pub(crate) fn valuation() -> &'static Valuation {
    &made().1
}

fn fit(v: &mut Valuation) {
    v.certificate.checksum = Hex(v.certificate.expected_checksum());
    v.checksum = Hex(v.expected_checksum());
}

/// The file after a change, with its checksums updated.
fn changed(change: impl FnOnce(&mut Valuation)) -> String {
    let mut v = valuation().clone();
    change(&mut v);
    fit(&mut v);
    v.to_json()
}

fn refused(json: &str, parts: &[&str]) {
    let refusal = refusal_of(json.as_bytes());
    assert!(parts.iter().all(|part| refusal.contains(part)), "{parts:?}: {refusal}");
}

#[test]
fn a_valuation_is_accepted_and_says_what_it_proves() {
    let v = valuation();
    let json = v.to_json();
    assert_eq!(&Valuation::from_json(json.as_bytes()).unwrap(), v);
    let start = Instant::now();
    let report = verify_json(&json, &options()).unwrap();
    println!("{} bytes, {} proofs, verified in {:?}", json.len(), report.proofs(), start.elapsed());
    // 4 shards in the certificate, 2 in the test set; 7 coalitions
    assert_eq!(report.proofs(), 9 + 2 + 7 * 2 + 6 + 12);
    assert_eq!(v.values.iter().map(|v| v.numerator.0).sum::<i128>(), 6 * v.utility());
    assert!(v.utility() > 0 && v.values.iter().all(|v| v.ball > 0 && v.half_width == 0));
    assert!((v.parts().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let text = report.to_string();
    println!("{text}");
    for part in ["The valuation holds", "Exact Shapley values over 7 coalitions", "copies share a value", "55 records"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert!(text.contains(&hex::encode(v.digest())));
}

#[test]
fn every_leaf_of_a_valuation_is_bound_and_named() {
    let original = serde_json::to_value(valuation()).unwrap();
    let mut paths = vec![];
    leaves(&original, String::new(), &mut paths);
    let mut cases = 0;
    for path in paths.iter().filter(|path| !path.starts_with("certificate.")) {
        let now = leaf(&mut original.clone(), path).clone();
        let mut values = others(&now);
        values.push(Value::Null);
        values.retain(|value| *value != now);
        if path.starts_with("coalitions") {
            // one changed proof is like another
            values.truncate(2);
        }
        for value in values {
            let mut altered = original.clone();
            *leaf(&mut altered, path) = value.clone();
            let json = match serde_json::from_value::<Valuation>(altered.clone()) {
                Ok(mut v) => {
                    if path != "checksum" {
                        fit(&mut v);
                    }
                    v.to_json()
                }
                Err(_) => serde_json::to_string_pretty(&altered).unwrap() + "\n",
            };
            let refusal = refusal_of(json.as_bytes());
            assert_ne!(refusal, "accepted", "{path} = {value}");
            let (field, _) = refusal.split_once(": ").unwrap();
            // a list is named as a whole
            let named = field.split(", ").any(|f| f == path || path.starts_with(&format!("{f}[")));
            // a coalition's ε moves the ball around every value, before its proof is looked at
            let of_ball = path.ends_with("training.optimum.inputs[3]") && field.contains(".ball");
            assert!(named || of_ball, "{path} = {value}: {refusal}");
            cases += 1;
        }
    }
    println!("{} leaves, {cases} changes", paths.len());
}

/// One leaf of the contained certificate after another, which the certificate's own test covers in detail.
#[test]
fn another_certificate_is_refused() {
    let changes: [fn(&mut Valuation); 3] = [
        |v| v.certificate.loss.lambda += 1,
        |v| v.certificate.agent.version += 1,
        |v| v.certificate.datasets[0].records += 1,
    ];
    for change in changes {
        refused(&changed(change), &["certificate."]);
    }
    let certificate = valuation().certificate.to_json();
    refused(&certificate.replace("tribute-certificate/1", tribute_core::valuation::FORMAT), &["format"]);
}

#[test]
fn a_missing_coalition_and_a_swapped_pair_are_named() {
    refused(&changed(|v| drop(v.coalitions.remove(4))), &["coalitions[4].owners", "[0, 2] is missing"]);
    refused(&changed(|v| drop(v.coalitions.pop())), &["coalitions[6].owners", "[0, 1, 2] is missing"]);
    refused(&changed(|v| v.coalitions.clear()), &["coalitions[0].owners", "[0] is missing"]);
    refused(&changed(|v| v.coalitions.swap(2, 4)), &["coalitions[2].owners", "[0, 1] stands at 4"]);
    refused(&changed(|v| v.coalitions.push(v.coalitions[0].clone())), &["coalitions[7]"]);
    // their proofs swapped behind their names
    let swapped = |a: usize, b: usize| {
        changed(|v| {
            v.coalitions.swap(a, b);
            let (first, second) = v.coalitions.split_at_mut(b);
            std::mem::swap(&mut first[a].owners, &mut second[0].owners);
            v.set_values();
        })
    };
    // of one shard each, and of two and three
    refused(&swapped(0, 3), &["coalitions[0].training"]);
    refused(&swapped(2, 4), &["coalitions[2].training.gradients"]);
    // evaluations alone
    let exchanged = changed(|v| {
        let (a, b) = v.coalitions.split_at_mut(1);
        std::mem::swap(&mut a[0].evaluations, &mut b[0].evaluations);
        std::mem::swap(&mut a[0].loss, &mut b[0].loss);
        std::mem::swap(&mut a[0].correct, &mut b[0].correct);
        v.set_values();
    });
    refused(&exchanged, &["coalitions[0].", "weights"]);
}

#[test]
fn proofs_that_are_left_out_or_too_many_are_named() {
    let training = |v: &mut Valuation| v.coalitions[0].training.clone();
    refused(&changed(|v| v.coalitions[0].training = None), &["coalitions[0].training", "not proven"]);
    refused(&changed(|v| v.coalitions[6].training = training(v)), &["coalitions[6].training", "the certificate's"]);
    refused(&changed(|v| drop(v.coalitions[1].evaluations.pop())), &["coalitions[1].evaluations", "1 proofs for 2"]);
    refused(
        &changed(|v| drop(v.coalitions[1].training.as_mut().unwrap().gradients.pop())),
        &["coalitions[1].training.gradients", "1 gradients for 2"],
    );
    // a gradient twice, another left out: the sum differs
    refused(
        &changed(|v| {
            let gradients = &mut v.coalitions[1].training.as_mut().unwrap().gradients;
            gradients[1] = gradients[0].clone();
        }),
        &["coalitions[1].training.gradients[1]"],
    );
}

#[test]
fn coalitions_of_something_else_are_refused() {
    let refused = |parts: ValuationParts, part: &str, reason: &str| {
        let Err(CertificateError::Field { fields, reason: found }) = parts.assemble() else {
            panic!("{part} accepted")
        };
        let fields = fields.join(", ");
        assert!(fields.contains(part) && found.contains(reason), "{fields}: {found}");
    };
    let with = |coalition: CoalitionParts, at: usize| {
        let mut parts = made().0.clone();
        parts.coalitions[at] = coalition;
        parts
    };
    // another λ: a real optimum, of a loss with twice the penalty
    let mut subject = Subject::new(vec![records(35, 100), records(20, 101)]);
    subject.lambda = 2 * LAMBDA;
    let other = subject.coalition(1, 1);
    refused(with(other, 0), "coalitions[0].training.optimum.inputs[2]", "differ");
    subject.lambda = LAMBDA;
    // proofs that name another coalition
    let other = subject.coalition(1, 3);
    refused(with(other, 0), "coalitions[0].training.optimum.inputs[0]", "for something else");
    // evaluated on another test set, with as many records
    let mut elsewhere = Subject::new(vec![records(35, 7), records(20, 8)]);
    let other = elsewhere.coalition(1, 1);
    refused(with(other, 0), "coalitions[0].evaluations[0].bytes", "the proof's records have digest");
    // a test set whose owner has a dataset
    let mut parts = made().0.clone();
    parts.shards[1].0 = [17; 20];
    refused(parts, "test.shards[1].owner, certificate.datasets[1].shards[0].owner", "would value");
    // a test set that was trained on
    let mut parts = made().0.clone();
    parts.shards[0].1 = parts.certificate.datasets[0].shards[0].dataset_proof.clone();
    refused(parts, "test.shards[0].digest, certificate.datasets[0].shards[0].digest", "trained on");
}

#[test]
fn values_that_do_not_follow_from_the_losses_are_refused() {
    refused(&changed(|v| v.values[1].numerator = Contribution(v.values[1].numerator.0 + 1)), &["values[1].numerator"]);
    refused(&changed(|v| v.values.swap(0, 1)), &["values[0].owner", "values[1].owner"]);
    refused(&changed(|v| v.values.truncate(2)), &["values", "2 values for 3"]);
    refused(&changed(|v| v.uniform_loss += 1), &["uniform_loss"]);
    refused(&changed(|v| v.owners.swap(0, 1)), &["owners"]);
    refused(
        &changed(|v| {
            let beacon = Hex([1; 32]);
            v.sampling = Some(tribute_core::valuation::Sampling { beacon, permutations: 3 });
        }),
        &["sampling", "every coalition is needed"],
    );
}
