//! Attacks on `gradient`: the product, the link, and shards or weights that are not the committed ones.

use std::sync::{Arc, Mutex};

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, CommittedGroup};
use tribute_circuits::gradient::link::column;
use tribute_circuits::gradient::{third, GradientCircuit};
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::halo2_proofs::halo2curves::ff::{Field, PrimeField};
use tribute_circuits::plonk::Witness;
use tribute_circuits::prove::{prove_unchecked, verify, Keys};
use tribute_circuits::shape::Shape;
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::{Link, Tables};
use tribute_core::records::Records;
use tribute_core::I256;

use crate::harness::{altered, attack, Claim};
use crate::support::{instance, Instance};

const A: usize = 3;

fn layout() -> Layout {
    Layout::new(14, A, 16, 3, Task::Classes).unwrap()
}

fn world(link: Link) -> (Shape, Instance) {
    (Shape::gradient(layout(), link), instance(layout(), link, 12, 4))
}

fn claim(shape: Shape, i: &Instance, g: &CommittedGroup) -> Claim<GradientCircuit> {
    (GradientCircuit::new(shape, &i.xy, &i.w, g).unwrap(), vec![Fr::from(7)])
}

/// Attacks that claim another gradient for the same shard and weights.
fn with_gradient(name: &str, link: Link, wrong: impl Fn(&Instance) -> Vec<I256>) {
    let (shape, i) = world(link);
    let bad = commit_gradient(&i.srs, &layout(), &i.secret, &[[1; 32]], &wrong(&i));
    attack(name, "gradient check ends at 0", &i.srs, &shape, |shape, forged| {
        claim(shape, &i, if forged { &bad } else { &i.g })
    });
}

#[test]
fn forged_product() {
    with_gradient("forged_product", Link::Softmax, |i| {
        let mut g = i.gradient.clone();
        g[20] += I256::ONE;
        g
    });
}

#[test]
fn record_dropped() {
    with_gradient("record_dropped", Link::Squared, |i| {
        gradient(&layout(), i.link, &i.weights, &i.records.slice(0..11)).unwrap()
    });
}

#[test]
fn record_slipped_in() {
    with_gradient("record_slipped_in", Link::Squared, |i| {
        let mut more = i.records.clone();
        more.push(&[7; 16], 1);
        gradient(&layout(), i.link, &i.weights, &more).unwrap()
    });
}

#[test]
fn wrong_label() {
    with_gradient("wrong_label", Link::Squared, |i| {
        let mut changed = i.records.slice(0..11);
        changed.push(i.records.features(11), (i.records.target(11) + 1) % 3);
        gradient(&layout(), i.link, &i.weights, &changed).unwrap()
    });
}

#[test]
fn gradient_of_another_link() {
    with_gradient("g_of_another_link", Link::Softmax, |i| {
        gradient(&layout(), Link::Logistic, &i.weights, &i.records).unwrap()
    });
}

#[test]
fn weights_changed_after_training() {
    // the committed weights differ in one place from those the logits were computed with
    let (shape, i) = world(Link::Squared);
    let mut values = i.weights.values().to_vec();
    values[9] += 1;
    let other = Weights::new(16, 3, values).unwrap();
    let bad = commit_weights(&i.srs, &layout(), &i.secret, &other);
    attack("weights_changed_after_training", "logit check ends at 0", &i.srs, &shape, |shape, forged| {
        let (mut circuit, inputs) = claim(shape.clone(), &i, &i.g);
        if forged {
            let honest_columns = circuit.columns;
            circuit = GradientCircuit::new(shape, &i.xy, &bad, &i.g).unwrap();
            circuit.columns = honest_columns;
        }
        (circuit, inputs)
    });
}

#[test]
fn fixed_challenge() {
    // a gradient wrong in two cells so that the check passes under the challenges of an earlier proof: it would pass
    // again if those were fixed, or known before the gradient is committed
    let (shape, i) = world(Link::Squared);
    let keys = Keys::generate(&i.srs, &shape).unwrap();
    let seen: Arc<Mutex<Vec<Fr>>> = Arc::default();
    let (mut circuit, inputs) = claim(shape.clone(), &i, &i.g);
    let recorder = seen.clone();
    let start = layout().weights_start();
    circuit.forge = Some(Arc::new(move |phase, columns, _| {
        if phase == 2 {
            *recorder.lock().unwrap() = columns[third::XT][start..start + 2].to_vec();
        }
    }));
    let proof = prove_unchecked(&i.srs, &keys, &circuit, inputs.clone()).unwrap();
    assert!(verify(&i.srs, keys.vk(), &proof));

    // g_0 + 1, g_1 − pw_0/pw_1: invisible under the powers seen
    let powers = seen.lock().unwrap().clone();
    let row = |j: usize| start + j;
    let values = &i.g.columns[0].values;
    let shift = powers[0] * powers[1].invert().unwrap();
    let bad =
        altered(&i.srs, &shape, &i.g, &[(0, row(0), values[row(0)] + Fr::ONE), (0, row(1), values[row(1)] - shift)]);
    let (circuit, inputs) = claim(shape, &i, &bad);
    let proof = prove_unchecked(&i.srs, &keys, &circuit, inputs).unwrap();
    assert!(!verify(&i.srs, keys.vk(), &proof));
}

#[test]
fn vector_committed_late() {
    // the vector a must be committed before the challenges that test it exist: a phase earlier than κ, τ and α
    let (shape, i) = world(Link::Softmax);
    let keys = Keys::generate(&i.srs, &shape).unwrap();
    let cs = keys.vk().cs();
    let phases = cs.advice_column_phase();
    let last_of_second = phases.iter().rposition(|p| *p == 1).unwrap();
    assert_eq!(phases.iter().filter(|p| **p == 2).count(), 5, "only the running sums stand in the last phase");
    assert!(last_of_second < phases.iter().position(|p| *p == 2).unwrap());
    // β, θ, σ after phase 0; κ, τ, α after phase 1
    assert_eq!(cs.challenge_phase(), [0, 0, 0, 1, 1, 1]);
}

/// A shard whose records are all zero, so that every logit is the bias.
fn flat(bias: [f64; 3]) -> (Shape, Instance) {
    let (shape, mut i) = world(Link::Softmax);
    let mut records = Records::new(16);
    for target in [0u16, 1, 2, 0] {
        records.push(&[0; 16], target);
    }
    let mut values = vec![0i64; 51];
    for (w, b) in values.iter_mut().zip(bias) {
        *w = (b * 1_048_576.0) as i64;
    }
    i.weights = Weights::new(16, 3, values).unwrap();
    i.records = records;
    i.gradient = gradient(&layout(), Link::Softmax, &i.weights, &i.records).unwrap();
    i.xy = commit_records(&i.srs, &layout(), &i.secret, &i.records);
    i.w = commit_weights(&i.srs, &layout(), &i.secret, &i.weights);
    i.g = commit_gradient(&i.srs, &layout(), &i.secret, &[], &i.gradient);
    (shape, i)
}

/// Rewrites the link cells of record 0 with limbs `(t, hi, top)` of the forger's choice, and the gradient that follows.
fn forge_record(
    shape: Shape,
    i: &Instance,
    l: i64,
    limbs: impl Fn(u64) -> [u64; 4],
    t1: impl Fn(u64) -> u64,
) -> Claim<GradientCircuit> {
    let tables = Tables::of(&layout());
    let b = tables.limb_bits();
    let z = i.weights.logits(&[]);
    let mut circuit = GradientCircuit::new(shape.clone(), &i.xy, &i.w, &i.g).unwrap();
    let mut g = i.gradient.clone();
    let honest: Vec<u128> = {
        let l = tables.shift(&z).unwrap();
        z.iter().map(|z| tables.exp((l - z) as u64)).collect()
    };
    let mut sum = 0u128;
    for u in (0..3).rev() {
        let row = 1 + u;
        let t = (l - z[u]) as u64;
        let [low, mid, hi, top] = limbs(t);
        let value = t1(hi);
        let t2 = tables.t2[mid as usize];
        for (c, v) in [
            (column::LOW, low),
            (column::MID, mid),
            (column::HI, hi),
            (column::TOP, top),
            (column::T1, value),
            (column::T2, t2),
        ] {
            circuit.columns[c][row] = Fr::from(v);
        }
        let p = u128::from(value) * u128::from(t2) * u128::from((1 << 28) + (1 << (b - 1)) - low);
        sum += p;
        circuit.columns[column::SUM][row] = Fr::from_u128(sum);
        g[u] += I256::from(256) * (I256::from(p as i128) - I256::from(honest[u] as i128));
    }
    circuit.columns[column::SUM][0] = Fr::from_u128(sum);
    for row in 0..layout().record_rows() {
        circuit.columns[column::SHIFT][row] = Fr::from(l as u64);
    }
    // the window's limbs, as far as they go
    let window = sum.wrapping_add(tables.window()).wrapping_sub(1 << tables.prob_bits());
    for (n, c) in [column::LOW, column::MID, column::HI, column::TOP, column::EXTRA].into_iter().enumerate() {
        circuit.columns[c][0] = Fr::from(((window >> (n as u32 * b)) & ((1 << b) - 1)) as u64);
    }
    let columns = circuit.columns;
    let forged = commit_gradient(&i.srs, &layout(), &i.secret, &[[2; 32]], &g);
    let mut circuit = GradientCircuit::new(shape, &i.xy, &i.w, &forged).unwrap();
    circuit.columns = columns;
    (circuit, vec![Fr::from(7)])
}

fn honest_limbs(t: u64) -> [u64; 4] {
    let l = Tables::of(&layout()).limbs(t);
    [l.low.into(), l.mid.into(), l.hi.into(), l.top.into()]
}

#[test]
fn logit_maximum_too_high() {
    // a shift far above the log-sum-exp makes every probability smaller
    let (shape, i) = flat([0.0, 0.5, -0.25]);
    let tables = Tables::of(&layout());
    let l = tables.shift(&i.weights.logits(&[])).unwrap() + (1 << 26);
    let gate = "probabilities sum to 1: S − 2^pb + 2^(5b − 1) = Σ limbs";
    attack("logit_max_too_high", gate, &i.srs, &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        forge_record(shape, &i, l, honest_limbs, |hi| Tables::of(&layout()).t1[hi as usize])
    });
}

#[test]
fn saturation_flag() {
    // class 2 lies 24.5 below class 0; its hi limb pretends to be unsaturated beside a top limb of 1, so that it keeps
    // probability exp(−0.5) instead of exp(−24.5)
    let (shape, i) = flat([0.0, -30.0, -24.5]);
    let l = ((1.0f64 + (-0.5f64).exp()).ln() * f64::from(1 << 28)).round() as i64;
    let limbs = |t: u64| {
        let [low, mid, hi, top] = honest_limbs(t);
        // 24 ≤ t < 25: hi − 384 with top = 1 spells the same t
        if (24 << 28..26 << 28).contains(&t) {
            [low, mid, hi - 384, 1]
        } else {
            [low, mid, hi, top]
        }
    };
    let gate = "no top limb beside an unsaturated one: top·T1 = 0";
    attack("saturation_flag", gate, &i.srs, &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        // the best shift for the forged probabilities
        let best = (l - 64..l + 64)
            .min_by_key(|l| {
                let sum: u128 = i
                    .weights
                    .logits(&[])
                    .iter()
                    .map(|z| {
                        let t = (l - z) as u64;
                        let t = if (24 << 28..26 << 28).contains(&t) { t - (24 << 28) } else { t };
                        Tables::of(&layout()).exp(t)
                    })
                    .sum();
                sum.abs_diff(1 << Tables::of(&layout()).prob_bits())
            })
            .unwrap();
        forge_record(shape, &i, best, limbs, |hi| Tables::of(&layout()).t1[hi as usize])
    });
}

#[test]
fn exp_that_is_not_in_the_table() {
    // T1[hi] = 0 for an unsaturated limb: the tuple (tag, hi, 0) is not in the table; nor is (0, 0, 0), the tuple of a
    // table row that nobody filled
    let (shape, i) = flat([0.0, -2.0, -1.0]);
    let l = ((1.0f64 + (-1.0f64).exp()).ln() * f64::from(1 << 28)).round() as i64;
    let drop_class_1 = |hi: u64| if (28..40).contains(&hi) { 0 } else { Tables::of(&layout()).t1[hi as usize] };
    attack("zero_table_tuple", "logUp ends at 0", &i.srs, &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        let best = (l - 64..l + 64)
            .min_by_key(|l| {
                let z = i.weights.logits(&[]);
                let sum = Tables::of(&layout()).exp((l - z[0]) as u64) + Tables::of(&layout()).exp((l - z[2]) as u64);
                sum.abs_diff(1 << Tables::of(&layout()).prob_bits())
            })
            .unwrap();
        forge_record(shape, &i, best, honest_limbs, drop_class_1)
    });
}

#[test]
fn shift_that_changes_within_a_record() {
    // another l for class 0 moves its logit
    let (shape, i) = flat([0.0, 0.5, -0.25]);
    attack("shift_changes_in_a_record", "the shift is one per record: l' = l", &i.srs, &shape, |shape, forged| {
        let (mut circuit, inputs) = claim(shape, &i, &i.g);
        if forged {
            // an idle row below the class rows: the gate is all that fixes it
            circuit.columns[column::SHIFT][layout().record_rows() - 1] += Fr::ONE;
        }
        (circuit, inputs)
    });
}

#[test]
fn salts_are_never_read() {
    // the same shard under two secrets: other salts, other digest, and both prove
    let (shape, i) = world(Link::Squared);
    let keys = Keys::generate(&i.srs, &shape).unwrap();
    let other = tribute_circuits::columns::Secret::from_bytes([77; 32]);
    let xy = commit_records(&i.srs, &layout(), &other, &i.records);
    assert_ne!(xy.digest(), i.xy.digest());
    for xy in [&xy, &i.xy] {
        let circuit = GradientCircuit::new(shape.clone(), xy, &i.w, &i.g).unwrap();
        let proof = prove_unchecked(&i.srs, &keys, &circuit, vec![Fr::ONE]).unwrap();
        assert!(verify(&i.srs, keys.vk(), &proof));
        assert_eq!(circuit.committed().len(), A + 3);
    }
}
