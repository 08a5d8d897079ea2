//! onnxruntime's answers equal those of core's integer arithmetic, bit for bit.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tribute_core::head::{answer, lambda_units, Weights};
use tribute_core::link::Link;
use tribute_core::numbers::WEIGHT_LIMIT;
use tribute_inference::{train, Agent, Answer, LossOptions};

use crate::common;

fn agent(weights: Weights) -> Agent {
    Agent { weights, schema: "00".repeat(32), certificate: String::new() }
}

/// Runs `queries` through onnxruntime and compares all logits and classes with core's.
fn assert_exact(weights: &Weights, queries: &[Vec<u8>]) -> Vec<Answer> {
    let session = agent(weights.clone()).session(common::runtime()).unwrap();
    let answers = session.run(&queries.concat()).unwrap();
    assert_eq!(answers.len(), queries.len());
    for (got, query) in answers.iter().zip(queries) {
        let logits = weights.logits(query);
        assert_eq!(got.logits, logits);
        assert_eq!(got.class, usize::from(answer(&logits)));
    }
    answers
}

/// Queries of all zeros, all 255, a ramp, and a single feature on or off.
fn extremes(d: usize) -> Vec<Vec<u8>> {
    let mut queries = vec![vec![0; d], vec![255; d], (0..d).map(|j| (j % 256) as u8).collect()];
    for lit in [0, d / 2, d - 1] {
        queries.push((0..d).map(|j| if j == lit { 255 } else { 0 }).collect());
        queries.push((0..d).map(|j| if j == lit { 0 } else { 255 }).collect());
    }
    queries
}

#[test]
fn trained_digits_agent_on_all_rows_random_inputs_and_extremes() {
    let (schema, records) = common::example("digits.csv.gz");
    let options = LossOptions { link: Link::Softmax, lambda: lambda_units(1e-3).unwrap(), intercept_scale: 0 };
    let weights = train(&schema, &[&records.slice(0..1597)], &options, |_| ()).unwrap().weights;

    let rows: Vec<Vec<u8>> = records.iter().map(|(q, _)| q.to_vec()).collect();
    assert_eq!(rows.len(), 1797);
    assert_exact(&weights, &rows);

    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let random: Vec<Vec<u8>> = (0..100_000).map(|_| (0..64).map(|_| rng.gen()).collect()).collect();
    let answers = assert_exact(&weights, &random);
    let mut seen = [false; 10];
    answers.iter().for_each(|a| seen[a.class] = true);
    assert_eq!(seen, [true; 10], "random inputs reach every class");

    assert_exact(&weights, &extremes(64));
}

#[test]
fn random_heads_of_many_sizes() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for (d, c, scale) in [(1, 2, 4), (13, 3, 0), (16, 1, 1), (64, 10, 4), (784, 10, 3), (1024, 100, 2)] {
        let values = (0..(d + 1) * c).map(|_| rng.gen_range(1 - WEIGHT_LIMIT..WEIGHT_LIMIT)).collect();
        let weights = Weights::new(d, c, values).unwrap().with_intercept_scale(scale);
        let mut queries = extremes(d);
        queries.extend((0..200).map(|_| (0..d).map(|_| rng.gen()).collect::<Vec<u8>>()));
        assert_exact(&weights, &queries);
    }
}

/// The largest possible logits, of magnitude 2^55 and so beyond f64's exact integers, that differ by one unit of 2^-40.
#[test]
fn largest_weights_and_smallest_differences() {
    let top = WEIGHT_LIMIT - 1;
    for d in [64, 1024] {
        for sign in [1, -1] {
            let mut values = vec![sign * top; (d + 1) * 3];
            values[2 * 3 + 1] -= sign; // feature 1 of class 1
            let weights = Weights::new(d, 3, values).unwrap();
            let mut one_unit = vec![255u8; d];
            one_unit[1] = 1;
            let answers = assert_exact(&weights, &[vec![255; d], one_unit, vec![0; d]]);
            // class 1 is smaller by q_1 if weights are positive, larger by q_1 if negative; at q_1 = 0 all are equal
            let (best, tie) = if sign > 0 { (0, 0) } else { (1, 0) };
            assert_eq!(answers.iter().map(|a| a.class).collect::<Vec<_>>(), [best, best, tie]);
            assert_eq!((answers[1].logits[0] - answers[1].logits[1]) * sign, 1);
        }
    }
}

#[test]
fn ties_go_to_the_lowest_class() {
    let d = 16;
    for c in [2usize, 3, 10, 100] {
        let same = Weights::new(d, c, (0..(d + 1) * c).map(|i| (i / c) as i64 * 77 - 500).collect()).unwrap();
        assert!(assert_exact(&same, &extremes(d)).iter().all(|a| a.class == 0));
        // a tie between the last two classes
        let mut values = vec![0; (d + 1) * c];
        values[c - 1] = 9;
        values[c - 2] = 9;
        let last = Weights::new(d, c, values).unwrap();
        assert!(assert_exact(&last, &extremes(d)).iter().all(|a| a.class == c - 2));
    }
}

#[test]
fn a_single_logit_answers_whether_it_is_positive() {
    let weights = Weights::new(2, 1, vec![-1, 256, 0]).unwrap();
    let answers = assert_exact(&weights, &[vec![0, 0], vec![1, 0], vec![2, 0]]);
    assert_eq!(answers.iter().map(|a| (a.logits[0], a.class)).collect::<Vec<_>>(), [(-256, 0), (0, 0), (256, 1)]);
}

#[test]
fn batches_are_checked_and_may_be_empty() {
    let session = agent(Weights::zero(4, 2)).session(common::runtime()).unwrap();
    assert!(session.run(&[]).unwrap().is_empty());
    let e = session.run(&[1, 2, 3, 4, 5]).unwrap_err();
    assert_eq!(e.to_string(), "5 feature values are not a whole number of records of 4 features");
}
