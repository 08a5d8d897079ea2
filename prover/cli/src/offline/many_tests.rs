//! Certificates over twelve datasets of one or two shards, with real proofs, and their forgeries.

use std::sync::OnceLock;

use tribute_core::certificate::{Certificate, CertificateError, Chain, Hex};
use tribute_core::context::Terms;
use tribute_core::link::Link;
use tribute_core::receipt::{from_word, to_word};
use tribute_core::records::Records;
use tribute_core::Fr;
use tribute_verify::Verifier;

use super::made::{mislabelled, records, schema, Forgery, Made, Maker};
use super::refusal::refusal_of;
use super::tests::options;
use super::Derived;

const DATASETS: usize = 12;
/// Every third dataset has two shards.
const SHARDS: usize = 16;
const TERMS: Terms = Terms { min_data_bps: 5000, open_training: true, min_share_bps: 100, min_price: 0, links: 0 };

fn data() -> Vec<(Terms, Vec<Records>)> {
    let shards = |i: usize| if i.is_multiple_of(3) { 2 } else { 1 };
    let of = |i: usize| (TERMS, (0..shards(i)).map(|j| records(60, (10 * i + j) as u64)).collect());
    (0..DATASETS).map(of).collect()
}

fn made(data: Vec<(Terms, Vec<Records>)>, forgery: Forgery) -> Made {
    Maker::of(schema().layout(10, 4).unwrap(), Link::Squared, Chain::default()).forge(data, forgery)
}

pub(crate) fn certificate() -> &'static Certificate {
    static MADE: OnceLock<Certificate> = OnceLock::new();
    MADE.get_or_init(|| made(data(), Forgery::default()).parts.assemble().unwrap())
}

/// The refusal of the file after a change, with its checksum updated.
fn changed(change: impl FnOnce(&mut Certificate)) -> String {
    let mut c = certificate().clone();
    change(&mut c);
    c.checksum = Hex(c.expected_checksum());
    refusal_of(c.to_json().as_bytes())
}

/// The fields for which assembly is refused, and the reason.
fn refused(data: Vec<(Terms, Vec<Records>)>, forgery: Forgery) -> (Vec<String>, String) {
    match made(data, forgery).parts.assemble() {
        Err(CertificateError::Field { fields, reason }) => (fields, reason),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn twelve_datasets_under_one_optimum() {
    let c = certificate();
    let json = c.to_json();
    assert_eq!(&Certificate::from_json(json.as_bytes()).unwrap(), c);
    let report = Verifier::new(Derived::new(options())).verify(json.as_bytes()).unwrap();
    assert_eq!(report.proofs(), 2 * SHARDS + 1);
    assert!(report.relative_distance() <= 1e-3);
    let whole: u32 = c.datasets.iter().map(|d| d.share).sum();
    assert!(whole <= 1 << 20 && whole as usize + DATASETS > 1 << 20, "{whole}");
}

#[test]
fn gradients_of_other_shards() {
    // from another dataset, from the same dataset
    let refusal = changed(|c| {
        let (left, right) = c.datasets.split_at_mut(5);
        std::mem::swap(&mut left[4].shards[0].gradient_proof, &mut right[0].shards[0].gradient_proof);
    });
    assert!(refusal.contains("datasets[4].shards[0]") && refusal.contains("the proof's records"), "{refusal}");
    let refusal = changed(|c| {
        let (left, right) = c.datasets[0].shards.split_at_mut(1);
        std::mem::swap(&mut left[0].gradient_proof, &mut right[0].gradient_proof);
    });
    assert!(refusal.contains("datasets[0].shards[0]") && refusal.contains("the proof's records"), "{refusal}");
}

#[test]
fn contributions_one_unit_higher() {
    let raise = |c: &mut Certificate, dataset: usize, by: i64| {
        let input = &mut c.datasets[dataset].shards[0].gradient_proof.inputs[1];
        *input = Hex(to_word(&(from_word(&input.0).unwrap() + Fr::from(by))));
        c.datasets[dataset].contribution.0 += i128::from(by);
    };
    let refusal = changed(|c| c.datasets[7].contribution.0 += 1);
    assert!(refusal.starts_with("datasets[7].contribution"), "{refusal}");
    // changed in the proof's inputs too: the proof fails
    let refusal = changed(|c| raise(c, 7, 1));
    assert!(refusal.starts_with("datasets[7].shards[0].gradient_proof"), "{refusal}");
    // moved from one dataset to another, so that the sum stays the same
    let refusal = changed(|c| {
        raise(c, 7, 1);
        raise(c, 8, -1);
    });
    assert!(refusal.contains("the gradient proof is refused"), "{refusal}");
    // moved between the shards of one dataset
    let refusal = changed(|c| {
        for (shard, by) in [(0, Fr::from(1u64)), (1, -Fr::from(1u64))] {
            let input = &mut c.datasets[3].shards[shard].gradient_proof.inputs[1];
            *input = Hex(to_word(&(from_word(&input.0).unwrap() + by)));
        }
    });
    assert!(refusal.contains("the gradient proof is refused"), "{refusal}");
}

#[test]
fn a_dataset_left_out() {
    for at in [0, 5, DATASETS - 1] {
        let refusal = changed(|c| drop(c.datasets.remove(at)));
        assert!(refusal.contains("optimum.proof") || refusal.contains("optimum.records"), "{at}: {refusal}");
    }
    // with the number of records adapted
    let refusal = changed(|c| {
        let dropped = c.datasets.remove(5);
        c.optimum.records -= dropped.records;
    });
    assert!(refusal.contains("optimum"), "{refusal}");
    // a shard left out, with its dataset's numbers adapted
    let refusal = changed(|c| {
        let dropped = c.datasets[3].shards.pop().unwrap();
        c.datasets[3].records -= dropped.records;
    });
    assert!(refusal.contains("datasets[3]"), "{refusal}");
}

#[test]
fn two_datasets_exchanged() {
    let refusal = changed(|c| c.datasets.swap(4, 5));
    assert!(refusal.contains("optimum.proof.inputs[0]"), "{refusal}");
    let refusal = changed(|c| {
        let (left, right) = c.datasets.split_at_mut(5);
        std::mem::swap(&mut left[4].dataset_id, &mut right[0].dataset_id);
    });
    assert!(refusal.contains("dataset_id"), "{refusal}");
}

#[test]
fn a_share_changed() {
    for by in [1i64, -1, 1000] {
        let refusal = changed(|c| c.datasets[9].share = (i64::from(c.datasets[9].share) + by) as u32);
        assert!(refusal.starts_with("datasets[9].share: "), "{refusal}");
    }
    // moved from one dataset to another
    let refusal = changed(|c| {
        c.datasets[9].share += 1;
        c.datasets[10].share -= 1;
    });
    assert!(refusal.starts_with("datasets[9].share, datasets[10].share: "), "{refusal}");
    assert!(refusal.contains("by the contributions the share is"), "{refusal}");
}

#[test]
fn a_least_share_that_is_not_reached() {
    let reached = certificate().datasets[4].share as f64 / 1_048_576.0;
    let terms = |bps: u16| {
        let mut data = data();
        data[4].0.min_share_bps = bps;
        data
    };
    let bps = (reached * 1e4) as u16;
    assert!((100..3000).contains(&bps), "{bps}");
    made(terms(bps), Forgery::default()).parts.assemble().unwrap();
    let (fields, reason) = refused(terms(bps + 1), Forgery::default());
    assert_eq!(fields, ["datasets[4].share", "datasets[4].terms.min_share_bps"]);
    assert!(reason.contains(&format!("below {} basis points", bps + 1)), "{reason}");
}

#[test]
fn a_dataset_that_works_against_the_weights() {
    let mut few = data();
    few.push((Terms { min_share_bps: 0, ..TERMS }, vec![mislabelled(60, 99)]));
    let (fields, reason) = refused(few, Forgery::default());
    assert_eq!(fields, [format!("datasets[{DATASETS}].contribution")]);
    assert!(reason.contains("more than one part in 1024") && reason.contains("leave it out"), "{reason}");
}

#[test]
fn gradient_of_other_weights() {
    // every proof is real and the optimum holds: only the W group in the gradient proof reveals it
    for at in [0, 7, SHARDS - 1] {
        let (fields, reason) = refused(data(), Forgery { other_weights: Some(at), ..Forgery::default() });
        assert!(fields.iter().any(|f| f.ends_with("gradient_proof.bytes")), "{fields:?}");
        assert!(reason.contains("is of weights"), "{reason}");
    }
}

#[test]
fn a_gradient_counted_twice() {
    // a real optimum over the right number of records, but one shard's are counted twice and another's are missing
    for at in [1, 9] {
        let (fields, reason) = refused(data(), Forgery { twice: Some(at), ..Forgery::default() });
        assert!(fields.contains(&"optimum.proof.bytes".to_owned()), "{fields:?}");
        assert!(reason.contains("another gradient than the sum"), "{reason}");
    }
    let refusal = changed(|c| c.datasets[1].shards[0] = c.datasets[2].shards[0].clone());
    assert!(refusal.contains("the same shard stands twice"), "{refusal}");
}

#[test]
fn one_record_more() {
    let (fields, _) = refused(data(), Forgery { one_record_more: true, ..Forgery::default() });
    assert!(fields.contains(&"optimum.records".to_owned()), "{fields:?}");
}

#[test]
fn gradients_that_are_no_points() {
    // the gradient's commitment follows those of the records and of the weights
    let at = 64 * (certificate().layout.columns() + 2);
    let set = |bytes: [u8; 64]| {
        changed(move |c| c.datasets[6].shards[0].gradient_proof.bytes.0[at..at + 64].copy_from_slice(&bytes))
    };
    let mut off_curve = [0; 64];
    off_curve[31] = 1;
    for bytes in [[0; 64], [0xff; 64], off_curve] {
        let refusal = set(bytes);
        assert!(refusal.contains("datasets[6].shards[0].gradient_proof.bytes"), "{refusal}");
    }
}
