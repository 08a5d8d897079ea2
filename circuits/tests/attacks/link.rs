//! Attacks on the link: probabilities that are not those of the logits.

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights};
use tribute_circuits::statements::gradient::link::column;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::{Link, Tables};
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::field::two_to;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::{Field, PrimeField};

use crate::gradient::{claim, world};
use crate::harness::{attack, Claim};
use crate::support::Instance;

fn layout() -> Layout {
    Layout::new(14, 3, 16, 3, Task::Classes).unwrap()
}

fn softmax() -> (Shape, Instance) {
    world(layout(), Link::Softmax)
}

/// A shard whose records are all zero, so that every logit is the bias.
fn flat(bias: [f64; 3]) -> (Shape, Instance) {
    let (shape, mut i) = softmax();
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
    i.xy = commit_records(&i.srs, &layout(), &i.secret, &i.records).unwrap();
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
    attack("logit_max_too_high", &[gate], &shape, |shape, forged| {
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
    attack("saturation_flag", &[gate], &shape, |shape, forged| {
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
    attack("zero_table_tuple", &["logUp ends at 0"], &shape, |shape, forged| {
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
    attack("shift_changes_in_a_record", &["the shift is one per record: l' = l"], &shape, |shape, forged| {
        let (mut circuit, inputs) = claim(shape, &i, &i.g);
        if forged {
            // an idle row below the class rows: the gate is all that fixes it
            circuit.columns[column::SHIFT][layout().record_rows() - 1] += Fr::ONE;
        }
        (circuit, inputs)
    });
}

#[test]
fn probabilities_summed_wrongly() {
    // a shift far too high, and a sum of 1 nevertheless
    let (shape, i) = flat([0.0, 0.5, -0.25]);
    let l = Tables::of(&layout()).shift(&i.weights.logits(&[])).unwrap() + (1 << 26);
    let gate = "probabilities summed: S = P + S'";
    attack("probabilities_summed_wrongly", &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        let (mut circuit, inputs) =
            forge_record(shape, &i, l, honest_limbs, |hi| Tables::of(&layout()).t1[hi as usize]);
        let tables = Tables::of(&layout());
        circuit.columns[column::SUM][0] = two_to(tables.prob_bits());
        let window = tables.window();
        for (n, c) in WINDOW.into_iter().enumerate() {
            let limb = (window >> (n as u32 * tables.limb_bits())) & ((1 << tables.limb_bits()) - 1);
            circuit.columns[c][0] = Fr::from(limb as u64);
        }
        (circuit, inputs)
    });
}

/// The window's limbs on the head row.
const WINDOW: [usize; 5] = [column::LOW, column::MID, column::HI, column::TOP, column::EXTRA];

#[test]
fn window_limb_out_of_range() {
    // the sum is off by more than the window, which a limb beyond its range spells
    let (shape, i) = flat([0.0, 0.5, -0.25]);
    let l = Tables::of(&layout()).shift(&i.weights.logits(&[])).unwrap() + (1 << 26);
    attack("window_limb_out_of_range", &["logUp ends at 0"], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        let (mut circuit, inputs) =
            forge_record(shape, &i, l, honest_limbs, |hi| Tables::of(&layout()).t1[hi as usize]);
        let tables = Tables::of(&layout());
        let base = two_to(tables.prob_bits()) - Fr::from_u128(tables.window());
        for c in WINDOW {
            circuit.columns[c][0] = Fr::ZERO;
        }
        circuit.columns[column::LOW][0] = circuit.columns[column::SUM][0] - base;
        (circuit, inputs)
    });
}

#[test]
fn logistic_shift_too_high() {
    // both t of one class grow by the same: the logit stays, the probability falls
    let (shape, i) = world(layout(), Link::Logistic);
    let tables = Tables::of(&layout());
    let more = 1i64 << 26;
    let z = i.weights.logits(i.records.features(0))[0];
    let l = tables.shift(&[z, 0]).unwrap();
    let mut g = i.gradient.clone();
    let change = tables.exp((l + more - z) as u64) as i128 - tables.exp((l - z) as u64) as i128;
    for (j, block) in g.chunks_mut(3).enumerate() {
        let x = if j == 0 { 256 } else { i128::from(i.records.features(0)[j - 1]) };
        block[0] += I256::from(x) * I256::from(change);
    }
    let bad = commit_gradient(&i.srs, &layout(), &i.secret, &[[2; 32]], &g);
    let gate = "probabilities sum to 1: P + P̄ − 2^pb + 2^(5b − 1) = Σ limbs";
    attack("logistic_shift_too_high", &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        let (mut circuit, inputs) = claim(shape, &i, &bad);
        for (group, t) in [(0, l + more - z), (column::GROUP, l + more)] {
            let limbs = tables.limbs(t as u64);
            for (offset, v) in [
                (column::LOW, u64::from(limbs.low)),
                (column::MID, u64::from(limbs.mid)),
                (column::HI, u64::from(limbs.hi)),
                (column::TOP, u64::from(limbs.top)),
                (column::T1, tables.t1[limbs.hi as usize]),
                (column::T2, tables.t2[limbs.mid as usize]),
            ] {
                circuit.columns[group + offset][1] = Fr::from(v);
            }
        }
        (circuit, inputs)
    });
}
