use super::weights::ONE;
use super::*;
use crate::certificate::Dataset;

/// A valuation with the certificate of the corpus, whose proofs are not those of coalitions: for what does not depend on
/// proofs.
fn paths() -> Valuation {
    let corpus = include_bytes!("../../../../fuzz/corpus/certificate.json");
    let mut certificate = Certificate::from_json(corpus).unwrap();
    assert_eq!(certificate.datasets.len(), 2);
    let owned = |dataset: &mut Dataset, owner| dataset.shards.iter_mut().for_each(|s| s.owner = Hex(owner));
    owned(&mut certificate.datasets[0], [1; 20]);
    owned(&mut certificate.datasets[1], [2; 20]);
    let proof = certificate.optimum.proof.clone();
    let gradients = |n: usize| vec![certificate.datasets[0].shards[0].gradient_proof.clone(); n];
    let shards = certificate.datasets[0].shards.len();
    assert_eq!(shards, certificate.datasets[1].shards.len());
    let coalition = |owners: Vec<u32>| Coalition {
        weights_digest: WeightsDigest::new([owners.len() as u8; 32]),
        loss: 5,
        correct: 1,
        training: (owners.len() < 2)
            .then(|| Training { gradients: gradients(owners.len() * shards), optimum: proof.clone() }),
        evaluations: vec![],
        owners,
    };
    Valuation {
        format: FORMAT.into(),
        proven: vec![],
        not_proven: vec![],
        test: TestSet { dataset_id: DatasetId::new([7; 32]), terms: Terms::default(), records: 10, shards: vec![] },
        owners: vec![Hex([1; 20]), Hex([2; 20])],
        sampling: None,
        uniform_loss: 100,
        coalitions: vec![coalition(vec![0]), coalition(vec![1]), coalition(vec![0, 1])],
        denominator: 2,
        values: vec![],
        certificate,
        checksum: Hex::default(),
    }
}

#[test]
fn fields_of_a_coalitions_certificate_are_named_in_the_file() {
    let v = paths();
    for (path, expected) in [
        ("agent.weights_digest", "coalitions[1].weights_digest"),
        ("agent.owner", "certificate.agent.owner"),
        ("optimum.proof.inputs[2]", "coalitions[1].training.optimum.inputs[2]"),
        ("optimum.epsilon", "coalitions[1].training.optimum.inputs"),
        ("datasets[0].dataset_id", "certificate.datasets[1].dataset_id"),
        ("datasets[0].shards[0].digest", "certificate.datasets[1].shards[0].digest"),
        ("datasets[0].shards[0].gradient_proof.bytes", "coalitions[1].training.gradients[0].bytes"),
        ("loss.lambda", "certificate.loss.lambda"),
    ] {
        assert_eq!(v.path_of(1, path), expected);
    }
    let certificate = v.coalition_certificate(&v.coalitions[1]).unwrap();
    assert_eq!(certificate.datasets, v.certificate.datasets[1..]);
    assert_eq!(certificate.agent.weights_digest, v.coalitions[1].weights_digest);
    assert!(v.coalition_certificate(&v.coalitions[2]).is_none());
}

#[test]
fn parts_are_of_positive_values() {
    let mut v = paths();
    v.set_values();
    // both bring 95, and alone each would, too: 47.5 each
    assert_eq!(v.values.iter().map(|v| v.numerator.0).collect::<Vec<_>>(), [95, 95]);
    assert_eq!((v.utility(), v.parts()), (95, vec![0.5, 0.5]));
    (v.coalitions[0].loss, v.coalitions[1].loss) = (90, 200);
    v.set_values();
    // 10 alone and 195 with the other; −100 alone and 85 with the other
    assert_eq!(v.values.iter().map(|v| v.numerator.0).collect::<Vec<_>>(), [205, -15]);
    assert_eq!(v.parts(), [1.0, 0.0]);
    assert_eq!(v.values.iter().map(|v| v.numerator.0).sum::<i128>(), 2 * v.utility());
}

#[test]
fn an_owners_weight_is_divided_among_its_datasets_by_their_records() {
    let mut v = paths();
    v.set_values();
    let [first, second] = [v.certificate.datasets[0].dataset_id, v.certificate.datasets[1].dataset_id];
    assert_eq!(v.weights().unwrap(), [(first, ONE / 2), (second, ONE / 2)]);
    let mut third = v.certificate.datasets[0].clone();
    third.dataset_id = DatasetId::new([7; 32]);
    third.records = 3 * v.certificate.datasets[0].records;
    v.certificate.datasets.push(third);
    assert_eq!(v.weights().unwrap(), [(first, ONE / 8), (second, ONE / 2), (DatasetId::new([7; 32]), ONE / 8 * 3)]);
    // nobody's data was worth anything
    (v.values[0].numerator, v.values[1].numerator) = (Contribution(0), Contribution(-4));
    assert_eq!(v.weights(), None);
    v.values[1].numerator = Contribution(1);
    assert_eq!(v.weights().unwrap().iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), [0, ONE, 0]);
}

#[test]
fn the_seed_is_of_everything_that_was_committed() {
    let v = paths();
    let sampling = Sampling { beacon: Hex([3; 32]), permutations: 9 };
    let seed = |s: &Sampling, v: &Valuation| s.seed(&v.certificate, &v.test.dataset_id);
    let mut seeds = vec![seed(&sampling, &v)];
    seeds.push(seed(&Sampling { beacon: Hex([4; 32]), ..sampling }, &v));
    seeds.push(seed(&Sampling { permutations: 8, ..sampling }, &v));
    type Change = fn(&mut Valuation);
    let changes: [Change; 4] = [
        |v| v.certificate.loss.lambda += 1,
        |v| v.certificate.loss.link = crate::link::Link::Logistic,
        |v| v.certificate.datasets[1].dataset_id = DatasetId::new([8; 32]),
        |v| v.test.dataset_id = DatasetId::new([9; 32]),
    ];
    for change in changes {
        let mut other = v.clone();
        change(&mut other);
        seeds.push(seed(&sampling, &other));
    }
    for (i, seed) in seeds.iter().enumerate() {
        assert!(!seeds[..i].contains(seed), "{i}");
    }
}
