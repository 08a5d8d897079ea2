//! Coalitions of a certificate's owners, trained and proven, and what tests do with a valuation of them.

use serde_json::Value;
use tribute_circuits::columns::{commit_gradient, commit_weights, sum_gradients, CommittedGroup, Secret};
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::certificate::{Certificate, FileProof, Hex};
use tribute_core::context::{evaluation_ctx, gradient_ctx, list_hash, Address, CoalitionContext, Terms};
use tribute_core::digest::dataset_id;
use tribute_core::head::{add, gradient, loss, optimum};
use tribute_core::id::{DatasetId, ShardDigest, WeightsDigest};
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_core::valuation::shapley::members;
use tribute_core::valuation::{CoalitionParts, Sampling, Training, Valuation, ValuationParts};
use tribute_core::I256;
use tribute_engine::field::from_core;
use tribute_inference::train::{train, LossOptions};
use tribute_testing::threads::on_all_cores;

use super::alter::{leaf, leaves, others, with_leaf};
use super::made::{schema, Maker, LAMBDA, SECRET};
use super::refusal::refusal_of;

const OWNER: Address = [0xe0; 20];
const TERMS: Terms = Terms { min_data_bps: 0, open_training: true, min_share_bps: 0, min_price: 1, links: 0 };

/// What coalitions are trained on, for what, and what they are evaluated on.
pub(super) struct Subject {
    maker: &'static Maker,
    pub(super) certificate: Certificate,
    /// The shards of every dataset; each has an owner of its own.
    data: Vec<Vec<Records>>,
    test: Vec<Records>,
    /// The test set's shards.
    committed: Vec<CommittedGroup>,
    /// The test set's id.
    pub(super) id: DatasetId,
    pub(super) lambda: u64,
}

impl Subject {
    /// The owners of a certificate's datasets, which consist of these shards, and a test set.
    pub(super) fn new(certificate: &Certificate, data: Vec<Vec<Records>>, test: Vec<Records>) -> Self {
        let certificate = certificate.clone();
        let layout = certificate.layout;
        let maker = Maker::of(layout, certificate.loss.link, certificate.chain);
        let committed: Vec<CommittedGroup> = test.iter().map(|records| maker.commit(records)).collect();
        let digests: Vec<ShardDigest> = committed.iter().map(|xy| ShardDigest::new(xy.digest())).collect();
        let n: usize = test.iter().map(Records::len).sum();
        let id = dataset_id(&schema().id(), &layout.hash(), n as u64, &digests);
        Subject { maker, certificate, data, test, committed, id, lambda: LAMBDA }
    }

    /// The proofs of a coalition; `named` is the coalition that its contexts name.
    pub(super) fn coalition(&self, mask: u32, named: u32) -> CoalitionParts {
        let (layout, link, secret) = (self.maker.layout, self.maker.link, Secret::from_bytes(SECRET));
        let counted: Vec<&Records> = members(mask).into_iter().flat_map(|i| &self.data[i as usize]).collect();
        let of_all = mask == (1 << self.data.len()) - 1;
        let options = LossOptions { link, lambda: self.lambda, intercept_scale: layout.intercept_scale() };
        let weights = train(&schema(), &counted, &options, |_| {}).unwrap().weights;
        let w = commit_weights(&self.maker.srs, &layout, &secret, &weights);
        let agent = self.certificate.agent;
        let ids = members(named).into_iter().map(|i| self.certificate.datasets[i as usize].dataset_id);
        let context = CoalitionContext {
            domain: self.certificate.chain.agents(),
            agent: agent.id,
            version: agent.version,
            served: agent.weights_digest,
            weights: WeightsDigest::new(w.digest()),
            list: list_hash(ids),
        };
        let training = (!of_all).then(|| {
            let mut total = vec![I256::ZERO; layout.weights()];
            let (mut gradients, mut groups) = (vec![], vec![]);
            for records in &counted {
                let xy = self.maker.commit(records);
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
                let ctx = if of_all {
                    evaluation_ctx(&context.domain, &agent.id, agent.version, &context.weights, &self.id, j)
                } else {
                    context.evaluation(&self.id, j)
                };
                let inputs = circuit.public_inputs(from_core(&ctx));
                // the published loss is the integer function's
                let expected = loss(&layout, link, &weights, &self.test[j as usize]).unwrap();
                assert_eq!(inputs[3], tribute_engine::halo2_proofs::halo2curves::bn256::Fr::from(expected));
                self.maker.prove(&circuit, inputs)
            })
            .collect();
        CoalitionParts { owners: members(mask), weights_digest: context.weights, training, evaluations }
    }

    /// A valuation by these coalitions, whose test set belongs to [`OWNER`].
    pub(super) fn parts(&self, sampling: Option<Sampling>, masks: Vec<u32>) -> ValuationParts {
        let shards = self.committed.iter().enumerate();
        ValuationParts {
            certificate: self.certificate.clone(),
            terms: TERMS,
            shards: shards.map(|(j, xy)| (OWNER, self.maker.dataset((OWNER, TERMS), j, xy))).collect(),
            sampling,
            coalitions: on_all_cores(&masks, |mask| self.coalition(*mask, *mask)),
        }
    }
}

/// Updates both checksums.
fn fit(v: &mut Valuation) {
    v.certificate.checksum = Hex(v.certificate.expected_checksum());
    v.checksum = Hex(v.expected_checksum());
}

/// The file after a change, with its checksums updated.
pub(super) fn changed(valuation: &Valuation, change: impl FnOnce(&mut Valuation)) -> String {
    let mut v = valuation.clone();
    change(&mut v);
    fit(&mut v);
    v.to_json()
}

/// The file must be refused, in a sentence with these parts.
pub(super) fn refused(json: &str, parts: &[&str]) {
    let refusal = refusal_of(json.as_bytes());
    assert!(parts.iter().all(|part| refusal.contains(part)), "{parts:?}: {refusal}");
}

/// Changes chosen leaves of the file, one at a time and to all [`others`]: each file must be refused, and the leaf named.
pub(super) fn every_change_is_named(valuation: &Valuation, chosen: impl Fn(&str) -> bool) {
    let original = serde_json::to_value(valuation).unwrap();
    let mut paths = vec![];
    leaves(&original, String::new(), &mut paths);
    paths.retain(|path| chosen(path));
    let changes = on_all_cores(&paths, |path| {
        let now = leaf(&mut original.clone(), path).clone();
        let mut values = others(&now);
        values.push(Value::Null);
        values.retain(|value| *value != now);
        for value in &values {
            let json = with_leaf(&original, path, value, |mut v: Valuation| {
                if !path.ends_with("checksum") {
                    fit(&mut v);
                }
                v.to_json()
            });
            let refusal = refusal_of(json.as_bytes());
            assert_ne!(refusal, "accepted", "{path} = {value}");
            let (field, _) = refusal.split_once(": ").unwrap();
            // a list is named as a whole, and a layout that cannot exist
            let named = field.split(", ").any(|f| f == path || path.starts_with(&format!("{f}[")));
            let of_layout = path.starts_with("certificate.layout.") && field == "certificate.layout";
            let of_srs = path.starts_with("certificate.srs.") && field.starts_with("srs.");
            // a coalition's ε moves the ball around values, before its proof is looked at
            let of_ball = path.ends_with("training.optimum.inputs[3]") && field.contains(".ball");
            assert!(named || of_layout || of_srs || of_ball, "{path} = {value}: {refusal}");
        }
        values.len()
    });
    assert!(!paths.is_empty());
    println!("{} leaves, {} changes", paths.len(), changes.iter().sum::<usize>());
}
