//! A valuation of three owners with real proofs, and everything that can be wrong with one.

use std::sync::OnceLock;
use std::time::Instant;

use tribute_core::certificate::{CertificateError, Contribution, Hex};
use tribute_core::valuation::shapley::every_coalition;
use tribute_core::valuation::{CoalitionParts, Sampling, Valuation, ValuationParts};

use super::made::{records, LAMBDA};
use super::refusal::refusal_before_proofs;
use super::tests::{certified, options, shards};
use super::valued::{self, every_change_is_named, refused, Subject};
use super::verify_json;

fn tested_on(test: [u64; 2]) -> Subject {
    Subject::new(&certified().0, shards(), vec![records(35, test[0]), records(20, test[1])])
}

fn made() -> &'static (ValuationParts, Valuation) {
    static MADE: OnceLock<(ValuationParts, Valuation)> = OnceLock::new();
    MADE.get_or_init(|| {
        let parts = tested_on([100, 101]).parts(None, every_coalition(3));
        (parts.clone(), parts.assemble().unwrap())
    })
}

pub(crate) fn valuation() -> &'static Valuation {
    &made().1
}

fn changed(change: impl FnOnce(&mut Valuation)) -> String {
    valued::changed(valuation(), change)
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
    every_change_is_named(valuation(), |_| true);
    let certificate = valuation().certificate.to_json();
    let json = certificate.replace("tribute-certificate/1", tribute_core::valuation::FORMAT);
    refused(&json, &["format"]);
}

#[test]
fn a_relation_of_a_valuation_is_checked_before_the_certificates_proofs() {
    let refusal = refusal_before_proofs(changed(|v| v.uniform_loss += 1).as_bytes());
    assert!(refusal.contains("uniform_loss"), "{refusal}");
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
    let mut subject = tested_on([100, 101]);
    subject.lambda = 2 * LAMBDA;
    let other = subject.coalition(1, 1);
    refused(with(other, 0), "coalitions[0].training.optimum.inputs[2]", "differ");
    subject.lambda = LAMBDA;
    // proofs that name another coalition
    let other = subject.coalition(1, 3);
    refused(with(other, 0), "coalitions[0].training.optimum.inputs[0]", "for something else");
    // evaluated on another test set, with as many records
    let other = tested_on([7, 8]).coalition(1, 1);
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
            v.sampling = Some(Sampling { beacon, permutations: 30 });
        }),
        &["sampling", "every coalition is needed"],
    );
}
