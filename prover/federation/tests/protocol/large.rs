//! Rounds of a model too large for summed second derivatives: products with directions that follow from the sums before.

use tribute_federation::answer::digest;
use tribute_federation::node::{Call, Store as _};
use tribute_federation::numbers::{Format, Numbers};
use tribute_federation::owner::Journal as _;
use tribute_federation::query::Asks;
use tribute_federation::rule::Next;
use tribute_federation::{Owner, Query, Refusal};
use tribute_inference::train::Curvature;

use crate::setting::{Diary, Setting};

/// The owner after one round, whose next query is a product.
fn at_a_product<'a>(setting: &'a Setting, diary: &'a Diary) -> (Owner<'a, &'a Diary>, Query) {
    let mut owner = setting.owner(diary);
    let Next::Ask(query) = setting.round(&mut owner).unwrap() else { panic!() };
    assert!(matches!(query.asks, Asks::Product(_)));
    (owner, query)
}

#[test]
fn directions_are_never_chosen() {
    let (setting, diary) = (Setting::large(1e-1), Diary::default());
    let (owner, query) = at_a_product(&setting, &diary);
    let call = owner.call(&query);
    let Asks::Product(direction) = &query.asks else { panic!() };
    let mut turned = direction.clone();
    turned[7] += 1;
    let one_record = vec![1 << 40; direction.len()];
    let chosen = [
        Query { asks: Asks::Product(turned), ..query.clone() },
        Query { asks: Asks::Product(one_record), ..query.clone() },
        // the same direction from other weights
        Query { weights: vec![1; direction.len()], ..query.clone() },
        // another kind of query: a second look at the point, or more of its second derivatives
        Query { asks: Asks::Point(None), ..query.clone() },
        Query { asks: Asks::Point(Some(Curvature::PerClass)), ..query.clone() },
    ];
    for other in &chosen {
        let refused = setting.ask(0, &Call { query: other.digest(), ..call.clone() }).unwrap_err();
        assert_eq!(refused, Refusal::Deviates { round: 1 });
    }
    let answer = setting.ask(0, &call).unwrap();
    for other in &chosen {
        let refused = setting.ask(0, &Call { query: other.digest(), ..call.clone() }).unwrap_err();
        assert_eq!(refused, Refusal::Answered { round: 1 });
    }
    assert_eq!(setting.ask(0, &call).unwrap(), answer, "a repetition gets the same bytes");
}

/// Masks of different queries do not cancel, so a digest must not leave open where the weights end.
#[test]
fn digests_tell_weights_and_direction_apart() {
    let product = |weights: &[i64], direction: &[i64]| {
        Query { round: 1, weights: weights.to_vec(), asks: Asks::Product(direction.to_vec()) }.digest()
    };
    assert_ne!(product(&[1, 2], &[3]), product(&[1], &[2, 3]));
    let kinds = [None, Some(Curvature::Shared), Some(Curvature::PerClass), Some(Curvature::Coupled)];
    let mut digests: Vec<_> =
        kinds.iter().map(|kind| Query { round: 1, weights: vec![1], asks: Asks::Point(*kind) }.digest()).collect();
    digests.push(product(&[1], &[]));
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 5);
}

#[test]
fn a_product_without_one_node_is_noise_and_goes_no_further() {
    let (setting, diary) = (Setting::large(1e-1), Diary::default());
    let (owner, query) = at_a_product(&setting, &diary);
    let call = owner.call(&query);
    let format = Format::of(&setting.request, &query.asks).unwrap();
    let mut two = Numbers::zero(&format);
    let answers: Vec<_> = (0..3).map(|i| setting.ask(i, &call).unwrap()).collect();
    answers[..2].iter().for_each(|answer| two.add(&format.read(&answer.numbers).unwrap()));
    assert!(format.decode(1, setting.request.records(), &two).is_err());
    let next = Call { round: 2, previous: answers[..2].to_vec(), ..call.clone() };
    assert!(matches!(setting.ask(0, &next).unwrap_err(), Refusal::Answer { round: 1, .. }));
    // rounds are answered once each, in order
    let skipped = Call { round: 3, ..call };
    assert_eq!(setting.ask(0, &skipped).unwrap_err(), Refusal::Order { asked: 3, next: 2 });
}

/// A node that lies in a product: the sum cannot be, or bends the wrong way.
#[test]
fn products_that_no_data_has_are_noticed_in_the_sum() {
    for (factor, noticed) in
        [(1i128 << 44, "a product with the second derivatives"), (-(1 << 12), "a second derivative along the step")]
    {
        let (setting, diary) = (Setting::large(1e-1), Diary::default());
        let (mut owner, query) = at_a_product(&setting, &diary);
        let call = owner.call(&query);
        let format = Format::of(&setting.request, &query.asks).unwrap();
        let Asks::Product(direction) = &query.asks else { panic!() };
        for i in 0..3 {
            let mut answer = setting.ask(i, &call).unwrap();
            if i == 2 {
                // adds a multiple of the direction
                let mut numbers = format.read(&answer.numbers).unwrap();
                for (number, along) in numbers.wide.iter_mut().zip(direction) {
                    *number = number.wrapping_add((factor * i128::from(*along) * 1024) as u128);
                }
                answer.numbers = numbers.to_bytes();
                let signed = digest(setting.request.id(), &query.digest(), &answer.numbers);
                answer.signature = setting.keys[2].sign(&signed).unwrap();
            }
            owner.accept(i, answer).unwrap();
        }
        let refused = owner.advance().unwrap_err();
        assert!(matches!(refused, Refusal::Impossible { round: 1, what, .. } if what == noticed), "{refused}");
    }
}

/// Owner and nodes start again before every step, from what they stored: the same queries, the same weights.
#[test]
fn an_interrupted_search_goes_on_where_it_was() {
    let setting = Setting::large(1e-1);
    let (expected, rounds) = setting.train().unwrap();
    let mut again = Setting::large(1e-1);
    again.request = setting.request.clone();
    again.accounts = setting.accounts.clone();
    let diary = Diary::default();
    let weights = again.train_interrupted(&diary, 5, 4);
    assert_eq!(weights, expected.values());
    assert_eq!(again.owner(&diary).rule().round(), rounds);
}

/// Factors that are lost or cut end the training with a reason, and nothing is answered without them.
#[test]
fn lost_factors_are_an_error() {
    let (setting, diary) = (Setting::large(1e-1), Diary::default());
    let (owner, query) = at_a_product(&setting, &diary);
    let call = owner.call(&query);
    setting.ask(0, &call).unwrap();
    let stored = (&setting.stores[0]).load().unwrap().unwrap();
    assert_eq!(stored.rule.lacks_factors(), Some(1));
    setting.stores[0].lose_factors(1);
    assert!(setting.ask(0, &call).unwrap_err().to_string().contains("cut"));
    (&diary).keep_factors(1, &[0; 16]).unwrap();
    drop(owner);
    let refused = Owner::open(&setting.request, setting.consents(), &diary).unwrap_err();
    assert!(refused.to_string().contains("cut"), "{refused}");
}
