//! A valuation of seven owners by orders that a beacon drew, with real proofs, and what can be wrong with one.

use std::sync::OnceLock;

use tribute_core::certificate::{Chain, Contribution, Hex};
use tribute_core::context::Terms;
use tribute_core::digest::keccak;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::valuation::sampled::MIN_PERMUTATIONS;
use tribute_core::valuation::{Sampling, Valuation};

use super::made::{records, schema, Maker};
use super::tests::options;
use super::valued::{self, every_change_is_named, refused, Subject};
use super::verify_json;

const OWNERS: usize = 7;
const TERMS: Terms = Terms { min_data_bps: 5000, open_training: true, min_share_bps: 100, min_price: 0, links: 0 };

pub(crate) fn sampled() -> &'static Valuation {
    static MADE: OnceLock<Valuation> = OnceLock::new();
    MADE.get_or_init(|| {
        let data: Vec<Vec<Records>> = (0..OWNERS).map(|i| vec![records(60, 10 * i as u64)]).collect();
        let layout = schema().layout(10, 4).unwrap();
        let listed = data.iter().map(|shards| (TERMS, shards.clone())).collect();
        let made = Maker::of(layout, Link::Squared, Chain::default()).make(listed);
        let certificate = made.parts.assemble().unwrap();
        let subject = Subject::new(&certificate, data, vec![records(50, 200)]);
        let beacon = Hex(keccak(b"a beacon that nobody chose"));
        let sampling = Sampling { beacon, permutations: MIN_PERMUTATIONS };
        let masks = sampling.coalitions(&subject.certificate, &subject.id);
        subject.parts(Some(sampling), masks).assemble().unwrap()
    })
}

fn changed(change: impl FnOnce(&mut Valuation)) -> String {
    valued::changed(sampled(), change)
}

/// Position of the first coalition of so many owners.
fn first_of(owners: usize) -> usize {
    sampled().coalitions.iter().position(|c| c.owners.len() == owners).unwrap()
}

#[test]
fn a_sampled_valuation_is_accepted_and_says_how_sure_it_is() {
    let v = sampled();
    // all of one and of two owners, and those along the orders
    let of_size = |n: usize| v.coalitions.iter().filter(|c| c.owners.len() == n).count();
    assert_eq!([1, 2, 7].map(of_size), [7, 21, 1]);
    assert!((3..=6).all(|n| of_size(n) > 0) && v.coalitions.len() < 127, "{}", v.coalitions.len());
    let report = verify_json(v.to_json(), &options()).unwrap();
    assert_eq!(report.proofs(), v.proofs());
    assert_eq!(v.denominator, u64::from(MIN_PERMUTATIONS) * 49 * 6);
    assert_eq!(v.values.iter().map(|v| v.numerator.0).sum::<i128>(), i128::from(v.denominator) * v.utility());
    let half = v.values[0].half_width;
    assert!(half > 0 && v.values.iter().all(|v| v.half_width == half && v.ball > 0));
    let text = report.to_string();
    println!("{text}");
    for part in [
        "Estimated from 30 orders of the owners, drawn by 0x",
        "95 % for all owners together, by a normal approximation",
        &format!("± {:.6}", v.per_record(half)),
    ] {
        assert!(text.contains(part), "{part}");
    }
}

/// Everything that depends on the drawing; what does not is that of a valuation by every coalition.
#[test]
fn every_leaf_that_depends_on_the_drawing_is_bound_and_named() {
    let [owners, loss] = ["owners", "loss"].map(|field| format!("coalitions[{}].{field}", first_of(3)));
    let depends = ["sampling.", "values[0].", "values[6].", "denominator", "test.dataset_id", &owners, &loss];
    every_change_is_named(sampled(), |path| depends.iter().any(|start| path.starts_with(start)));
}

#[test]
fn another_draw_is_refused() {
    let [beacon, count] = ["sampling.beacon", "sampling.permutations"];
    refused(&changed(|v| v.sampling.as_mut().unwrap().beacon.0[31] ^= 1), &[beacon]);
    refused(&changed(|v| v.sampling.as_mut().unwrap().beacon = Hex::default()), &[beacon, "is all zeros"]);
    refused(&changed(|v| v.sampling.as_mut().unwrap().permutations += 1), &[count]);
    refused(&changed(|v| v.sampling.as_mut().unwrap().permutations -= 1), &[count, "29 is not from 30 to 4096"]);
    refused(&changed(|v| v.sampling.as_mut().unwrap().permutations = 5000), &[count, "5000 is not from 30 to 4096"]);
    refused(&changed(|v| v.sampling = None), &["sampling", "7 owners: up to 6 every coalition is trained"]);
    // one that was drawn is left out, a pair is, and one that was not drawn is there
    for owners in [2, 3, 6] {
        let at = first_of(owners);
        let path = format!("coalitions[{at}].owners");
        refused(&changed(|v| drop(v.coalitions.remove(at))), &[&path, beacon, count, "is missing"]);
    }
    let twice = changed(|v| v.coalitions.push(v.coalitions[0].clone()));
    refused(&twice, &[&format!("coalitions[{}]", sampled().coalitions.len()), "expected"]);
}

#[test]
fn values_and_intervals_that_do_not_follow_from_the_losses_are_refused() {
    refused(&changed(|v| v.values[2].half_width -= 1), &["values[2].half_width: by the losses it is"]);
    refused(&changed(|v| v.values.iter_mut().for_each(|v| v.half_width /= 2)), &["values[0].half_width"]);
    refused(&changed(|v| v.values[3].ball -= 1), &["values[3].ball: by the proofs it is"]);
    refused(
        &changed(|v| v.values[4].numerator = Contribution(v.values[4].numerator.0 + 1)),
        &["values[4].numerator: by the losses it is"],
    );
    refused(&changed(|v| v.denominator += 1), &["denominator"]);
    // the losses of two drawn coalitions exchanged
    let exchanged = changed(|v| {
        let (a, b) = (first_of(3), first_of(4));
        let losses = (v.coalitions[a].loss, v.coalitions[b].loss);
        (v.coalitions[b].loss, v.coalitions[a].loss) = losses;
        v.set_values();
    });
    refused(&exchanged, &[".loss"]);
}
