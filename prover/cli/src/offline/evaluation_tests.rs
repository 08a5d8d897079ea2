//! An evaluation of two shards with real proofs, and everything that can be wrong with one.

use std::sync::OnceLock;

use serde_json::Value;
use tribute_circuits::columns::{commit_weights, CommittedGroup, Secret};
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_core::certificate::evaluation::{EvaluatedParts, Evaluation, EvaluationParts};
use tribute_core::certificate::{CertificateError, Hex};
use tribute_core::context::{evaluation_ctx, Address, Terms};
use tribute_core::digest::dataset_id;
use tribute_core::head::Weights;
use tribute_core::id::{ShardDigest, WeightsDigest};
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_engine::field::from_core;
use tribute_testing::threads::on_all_cores;

use super::alter::{leaf, leaves, others, with_leaf};
use super::made::{records, schema, Maker};
use super::refusal::{refusal_before_proofs, refusal_of};
use super::tests::{certified, options};
use super::verify_json;

/// Who owned the dataset when its shards were added: it was transferred between.
const OWNERS: [Address; 2] = [[0xe0; 20], [0xe1; 20]];
const TERMS: Terms = Terms { min_data_bps: 0, open_training: true, min_share_bps: 9000, min_price: 1, links: 0 };

/// The maker of the certificate's proofs.
fn maker() -> &'static Maker {
    let certificate = &certified().0;
    Maker::of(certificate.layout, certificate.loss.link, certificate.chain)
}

/// The parts of an evaluation over these shards; `bound` maps a position to the shard for which its proof is made.
fn parts(shards: &[Records], weights: &CommittedGroup, bound: impl Fn(usize) -> usize + Sync) -> EvaluationParts {
    let (maker, certificate, layout, schema) = (maker(), &certified().0, certified().0.layout, schema());
    let committed: Vec<CommittedGroup> = shards.iter().map(|records| maker.commit(records)).collect();
    let digests: Vec<ShardDigest> = committed.iter().map(|xy| ShardDigest::new(xy.digest())).collect();
    let of = WeightsDigest::new(weights.digest());
    let n: usize = shards.iter().map(Records::len).sum();
    let id = dataset_id(&schema.id(), &layout.hash(), n as u64, &digests);
    let (domain, agent) = (certificate.chain.agents(), certificate.agent);
    let placed: Vec<(usize, &CommittedGroup)> = committed.iter().enumerate().collect();
    let proofs = on_all_cores(&placed, |(j, xy)| {
        let circuit = EvaluationCircuit::new(Shape::evaluation(layout, certificate.loss.link), xy, weights).unwrap();
        let ctx = evaluation_ctx(&domain, &agent.id, agent.version, &of, &id, bound(*j) as u32);
        let evaluation = maker.prove(&circuit, circuit.public_inputs(from_core(&ctx)));
        let owner = OWNERS[*j % 2];
        EvaluatedParts { owner, dataset: maker.dataset((owner, TERMS), *j, xy), evaluation }
    });
    EvaluationParts { certificate: certificate.clone(), terms: TERMS, shards: proofs }
}

pub(crate) fn evaluation() -> &'static Evaluation {
    static MADE: OnceLock<Evaluation> = OnceLock::new();
    MADE.get_or_init(|| parts(&[records(35, 100), records(20, 101)], &certified().1, |j| j).assemble().unwrap())
}

/// The file after a change, with its checksums updated.
fn changed(change: impl FnOnce(&mut Evaluation)) -> String {
    let mut e = evaluation().clone();
    change(&mut e);
    fit(&mut e);
    e.to_json()
}

fn fit(e: &mut Evaluation) {
    e.certificate.checksum = Hex(e.certificate.expected_checksum());
    e.checksum = Hex(e.expected_checksum());
}

#[test]
fn an_evaluation_is_accepted_and_says_what_it_proves() {
    let json = evaluation().to_json();
    assert_eq!(&Evaluation::from_json(json.as_bytes()).unwrap(), evaluation());
    let report = verify_json(&json, &options()).unwrap();
    assert_eq!(report.proofs(), 9 + 4);
    let e = report.evaluation().unwrap();
    assert_eq!(e.dataset.records, 55);
    // the features reveal the classes, so most answers are right
    assert!(e.dataset.correct > 40 && e.dataset.correct < 55, "{}", e.dataset.correct);
    let text = report.to_string();
    println!("{} bytes\n{text}", json.len());
    for part in ["The evaluation holds", "of 55 records", "best of many", "The agent's certificate:", "115 records"] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn every_leaf_of_an_evaluation_is_bound_and_named() {
    let original = serde_json::to_value(evaluation()).unwrap();
    let mut paths = vec![];
    leaves(&original, String::new(), &mut paths);
    let changes = on_all_cores(&paths, |path| {
        let mut values = others(leaf(&mut original.clone(), path));
        values.push(Value::Null);
        if path.starts_with("certificate.") {
            // the certificate alone is covered by its own test
            values.truncate(1);
        }
        for value in &values {
            let json = with_leaf(&original, path, value, |mut e: Evaluation| {
                if !path.ends_with("checksum") {
                    fit(&mut e);
                }
                e.to_json()
            });
            let refusal = refusal_of(json.as_bytes());
            assert_ne!(refusal, "accepted", "{path} = {value}");
            let (field, _) = refusal.split_once(": ").unwrap();
            let whole = path.starts_with("certificate.layout.") && field == "certificate.layout";
            let of_srs = path.starts_with("certificate.srs.") && field.starts_with("srs.");
            let named = field.split(", ").any(|f| f == path);
            assert!(whole || of_srs || named, "{path} = {value}: {refusal}");
        }
        values.len()
    });
    println!("{} leaves, {} changes", paths.len(), changes.iter().sum::<usize>());
}

#[test]
fn an_evaluation_of_something_else_is_refused() {
    let refused = |field: &str, json: String| {
        let refusal = refusal_of(json.as_bytes());
        assert!(refusal.contains(field), "{field}: {refusal}");
    };
    // a shard left out, twice, in another order
    refused("dataset.records, dataset.shards, ", changed(|e| drop(e.dataset.shards.pop())));
    refused(
        "dataset.shards[0].digest, dataset.shards[1].digest: the same shard stands twice",
        changed(|e| e.dataset.shards[1] = e.dataset.shards[0].clone()),
    );
    refused("dataset.shards: the proof is for something else", changed(|e| e.dataset.shards.swap(0, 1)));
    refused("dataset.shards: a dataset has at least one shard", changed(|e| e.dataset.shards.clear()));
    // one more right answer, with everything consistent except the proof
    refused(
        "dataset.shards[0].evaluation_proof.bytes",
        changed(|e| {
            (e.dataset.correct, e.dataset.shards[0].correct) = (e.dataset.correct + 1, e.dataset.shards[0].correct + 1);
            e.dataset.shards[0].evaluation_proof.inputs[2].0[31] += 1;
        }),
    );
    // proofs of the two shards exchanged, a proof of another statement
    refused(
        "dataset.shards[0]",
        changed(|e| {
            let (a, b) = e.dataset.shards.split_at_mut(1);
            std::mem::swap(&mut a[0].evaluation_proof, &mut b[0].evaluation_proof);
        }),
    );
    refused(
        "dataset.shards[0].evaluation_proof.inputs",
        changed(|e| e.dataset.shards[0].evaluation_proof = e.dataset.shards[0].dataset_proof.clone()),
    );
    // a certificate in place of an evaluation, and the other way round
    refused(
        "certificate.datasets: an agent is trained on at least one dataset",
        changed(|e| e.certificate.datasets.clear()),
    );
    refused("format: `tribute-certificate/1`", changed(|e| e.format = tribute_core::certificate::FORMAT.into()));
}

#[test]
fn a_relation_of_an_evaluation_is_checked_before_the_certificates_proofs() {
    let json = changed(|e| e.dataset.correct += 1);
    let refusal = refusal_before_proofs(json.as_bytes());
    assert!(refusal.contains("dataset.correct"), "{refusal}");
}

#[test]
fn what_was_trained_on_is_not_evaluated() {
    let (certificate, weights) = certified();
    // the records of the certificate's first dataset: committed by the same secret, the shard is the same
    let Err(CertificateError::Field { fields, reason }) = parts(&[records(40, 0)], weights, |j| j).assemble() else {
        panic!("accepted")
    };
    assert_eq!(fields, ["dataset.shards[0].digest", "certificate.datasets[0].shards[0].digest"]);
    assert!(reason.contains("was trained on"), "{reason}");
    assert_eq!(certificate.datasets[0].records, 40);
}

#[test]
fn answers_of_other_weights_and_other_places_are_refused() {
    let (certificate, _) = certified();
    let layout = certificate.layout;
    let other = Weights::new(layout.features(), layout.classes(), vec![0; layout.weights()]).unwrap();
    let other = commit_weights(&maker().srs, &layout, &Secret::from_bytes([9; 32]), &other);
    let refused = |parts: EvaluationParts, field: &str| {
        let Err(CertificateError::Field { fields, reason }) = parts.assemble() else { panic!("{field} accepted") };
        assert!(fields.iter().any(|f| f == field), "{fields:?}: {reason}");
    };
    refused(parts(&[records(35, 100)], &other, |j| j), "certificate.agent.weights_digest");
    // both counts proven for the first position
    let shards = [records(35, 100), records(20, 101)];
    refused(parts(&shards, &certified().1, |_| 0), "dataset.shards[1].evaluation_proof.inputs[0]");
}
