//! Honest trainings find the optimum that training in one place finds, however often they are interrupted.

use std::path::Path;

use tribute_core::link::Link;
use tribute_core::numbers::{real, LAMBDA_BITS};
use tribute_core::records::Records;
use tribute_federation::numbers::{Format, Sums};
use tribute_federation::query::Asks;
use tribute_federation::rule::Next;
use tribute_federation::Node;
use tribute_inference::train::{part, Curvature};
use tribute_inference::{check_optimum, train};

use crate::setting::{example, read, Diary, Setting};

/// Trains across nodes and in one place, and compares the results. Returns the number of rounds.
fn compared(setting: &Setting) -> u32 {
    let options = setting.request.loss();
    let datasets: Vec<&Records> = setting.records.iter().collect();
    let (weights, rounds) = setting.train().unwrap();
    let layout = setting.request.layout().unwrap();
    let across = check_optimum(&setting.schema, &layout, &weights, &datasets, &options).unwrap();
    let hosted = train(&setting.schema, &datasets, &options, |_| ()).unwrap().weights;
    let hosted = check_optimum(&setting.schema, &layout, &hosted, &datasets, &options).unwrap();
    println!(
        "{}, {} nodes: {rounds} rounds of {} bytes a node; epsilon {:.2e} across nodes, {:.2e} in one place",
        setting.request.link.name(),
        datasets.len(),
        Format::of(&setting.request, &Asks::Point(Some(setting.request.largest().unwrap()))).unwrap().bytes(),
        across.gradient_norm(),
        hosted.gradient_norm(),
    );
    assert!(
        across.optimum.epsilon < 4 * hosted.optimum.epsilon.max(16),
        "{} {}",
        across.optimum.epsilon,
        hosted.optimum.epsilon
    );
    // each is within its proven distance of the one optimum, and a share moves by no more than a few times that
    let bound = 8.0 * (across.relative_distance + hosted.relative_distance);
    for (a, b) in across.shares().iter().zip(hosted.shares()) {
        assert!((a - b).abs() <= bound, "{a} {b} {bound:e}");
    }
    rounds
}

/// Every `step`-th record from `first` on.
fn every(records: &Records, first: usize, step: usize) -> Records {
    let mut part = Records::new(records.width());
    records.iter().skip(first).step_by(step).for_each(|(features, target)| part.push(features, target));
    part
}

#[test]
fn digits_are_trained_in_few_rounds_with_every_link() {
    let (schema, records) = example("digits.csv.gz");
    for (link, most) in [(Link::Softmax, 12), (Link::Logistic, 14), (Link::Squared, 3)] {
        // with the squared link, parts in the file's order would have negative contributions
        let parts = if link == Link::Squared {
            (0..3).map(|i| every(&records, i, 3)).collect()
        } else {
            [0, 900, 1_400, 1_597].windows(2).map(|w| records.slice(w[0]..w[1])).collect()
        };
        let rounds = compared(&Setting::new(schema.clone(), parts, link, 1e-3));
        assert!(rounds <= most, "{}: {rounds} rounds", link.name());
    }
}

/// Steps by conjugate gradients: as good an optimum, in rounds that a loss this smooth needs.
#[test]
fn large_models_are_trained_by_conjugate_gradients() {
    let setting = Setting::large(1e-4);
    assert!(setting.request.conjugate().unwrap());
    let rounds = compared(&setting);
    assert!(rounds <= 100, "{rounds} rounds");
}

/// `make bench-home` runs this on sentence embeddings: rounds by lambda and number of nodes. TRIBUTE_FILE is a CSV whose last column is
/// the class, shuffled.
#[test]
#[ignore = "needs a file"]
fn rounds_of_a_file() {
    let (schema, records) = read(Path::new(&std::env::var_os("TRIBUTE_FILE").unwrap()));
    for (lambda, nodes, most) in [(1e-2, 3, 150), (1e-3, 3, 150), (1e-4, 3, 150), (1e-4, 10, 150), (1e-5, 3, 400)] {
        let parts = (0..nodes).map(|i| every(&records, i, nodes)).collect();
        let mut setting = Setting::new(schema.clone(), parts, Link::Softmax, lambda);
        setting.request.intercept_scale = 3;
        setting.request.rounds = most;
        let start = std::time::Instant::now();
        let rounds = compared(&setting);
        println!("lambda {lambda}: {rounds} rounds, {:.0} s", start.elapsed().as_secs_f64());
        assert!(rounds <= most);
    }
}

#[test]
fn two_nodes_and_many_nodes_find_the_same() {
    let (schema, records) = example("wine.csv");
    for nodes in [2, 12] {
        // every part has all classes, so that no contribution is negative
        let parts = (0..nodes).map(|i| every(&records, i, nodes)).collect();
        compared(&Setting::new(schema.clone(), parts, Link::Softmax, 1e-2));
    }
}

#[test]
fn masked_answers_look_like_noise_and_their_sum_does_not() {
    let setting = Setting::wine();
    let diary = Diary::default();
    let owner = setting.owner(&diary);
    let Next::Ask(query) = owner.next() else { panic!() };
    let call = owner.call(&query);
    let loss = setting.request.loss();
    let plain = part(&setting.schema, &setting.records[0], &loss, &query.real(), Some(Curvature::Coupled));
    let format = Format::of(&setting.request, &query.asks).unwrap();
    let plain = format.encode(0, setting.records[0].len() as u64, &Sums::Point(plain)).unwrap();
    let masked = format.read(&setting.ask(0, &call).unwrap().numbers).unwrap();
    assert!(plain.wide.iter().zip(&masked.wide).all(|(a, b)| a != b));
    assert!(plain.narrow.iter().zip(&masked.narrow).all(|(a, b)| a != b));
    // about half of all bits are set
    let ones: u32 = masked.narrow.iter().map(|x| x.count_ones()).sum();
    let share = f64::from(ones) / (64 * masked.narrow.len()) as f64;
    assert!((share - 0.5).abs() < 0.02, "{share}");
    // without one of the three, the sum is noise too
    let mut two = masked;
    two.add(&format.read(&setting.ask(1, &call).unwrap().numbers).unwrap());
    assert!(format.decode(0, setting.request.records(), &two).is_err());
    two.add(&format.read(&setting.ask(2, &call).unwrap().numbers).unwrap());
    let Sums::Point(sums) = format.decode(0, setting.request.records(), &two).unwrap() else { panic!() };
    // at W = 0 every class has probability 1/3
    assert!((sums.loss / 178.0 - 3f64.ln()).abs() < 1e-12);
}

/// The owner is dropped before and after every step, and nodes fail to store now and then: one result, with the same bytes.
#[test]
fn an_interrupted_training_has_the_same_result() {
    let setting = Setting::wine();
    let (expected, rounds) = setting.train().unwrap();

    let mut again = Setting::wine();
    again.request = setting.request.clone();
    again.accounts = setting.accounts.clone();
    let diary = Diary::default();
    let weights = again.train_interrupted(&diary, 3, 2);
    assert_eq!(weights, expected.values());
    assert_eq!(again.owner(&diary).rule().round(), rounds);
    // every node comes to the same weights by itself, and pairs to the same masks
    let owner = again.owner(&diary);
    let finished: Vec<_> = (0..3).map(|i| Node::finish(&again.node(i), owner.previous()).unwrap()).collect();
    assert!(finished.iter().all(|(own, _)| own == &weights));
    let digest = tribute_core::id::WeightsDigest::new([5; 32]);
    let (first, second) = (&finished[0].1.columns(&digest)[0], &finished[1].1.columns(&digest)[0]);
    assert_eq!((first.other, second.other, &first.seed), (1, 0, &second.seed));
    assert!(first.adds && !second.adds);
    let lambda = real(again.request.lambda, LAMBDA_BITS);
    println!("gradient {:?} at lambda {lambda}", owner.rule().gradient());
}
