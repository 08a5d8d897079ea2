//! Attacks on the link: probabilities that do not follow from the logits.

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights};
use tribute_circuits::gadgets::link::{column, window_indices};
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::{Link, Tables, HI_LIMIT};
use tribute_core::numbers::LOGIT_BITS;
use tribute_core::records::Records;
use tribute_core::scale::WINDOW_LIMBS;
use tribute_core::shape::Shape;
use tribute_core::{I256, U256};
use tribute_engine::field::{from_u256, two_to};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::gradient::{claim, with_inputs, world};
use crate::harness::attack;
use crate::support::Instance;

const RANGE: &str = "logUp starts and ends at 0";
const SUM_TO_ONE: &str = "probabilities sum to 1: S − 2^pb + 2^(wb − 1) = Σ limbs";
const SATURATED: &str = "no top limb beside an unsaturated one: top·T1 = 0";

/// A bias feature of 512, so that the logits of empty records can exceed 32.
fn layout() -> Layout {
    Layout::new(14, 3, 16, 3, Task::Classes).unwrap().with_intercept_scale(1).unwrap()
}

fn tables() -> std::sync::Arc<Tables> {
    Tables::of(&layout())
}

/// A shard whose records are all zero, so that every logit is the bias.
fn flat(link: Link, bias: [f64; 3]) -> (Shape, Instance) {
    let (shape, mut i) = world(layout(), link);
    let mut records = Records::new(16);
    for target in [0u16, 1, 2, 0] {
        records.push(&[0; 16], target);
    }
    let mut values = vec![0i64; 51];
    for (w, b) in values.iter_mut().zip(bias) {
        *w = (b / 2.0 * f64::from(tribute_core::numbers::WEIGHT_BITS as i32).exp2()) as i64;
    }
    i.weights = Weights::new(16, 3, values).unwrap().with_intercept_scale(1);
    i.records = records;
    i.gradient = gradient(&layout(), link, &i.weights, &i.records).unwrap();
    i.xy = commit_records(&i.srs, &layout(), &i.secret, &i.records).unwrap();
    i.w = commit_weights(&i.srs, &layout(), &i.secret, &i.weights);
    i.g = commit_gradient(&i.srs, &layout(), &i.secret, &[], &i.gradient);
    (shape, i)
}

/// Cells of one exponential, as filled by a forger.
#[derive(Clone, Copy)]
struct Exp {
    low: u64,
    short: u64,
    mid: u64,
    hi: u64,
    top: u64,
    t1: u64,
}

impl Exp {
    fn honest(t: u64) -> Self {
        let l = tables().limbs(t);
        let (hi, t1) = (u64::from(l.hi), tables().t1[l.hi as usize]);
        Exp { low: l.low.into(), short: l.short.into(), mid: l.mid.into(), hi, top: l.top.into(), t1 }
    }
    /// A `t` of 32 to 64 that pretends to be 32 less: an unsaturated `hi` with a top limb of 1 represents the same
    /// value.
    fn unsaturated(t: u64) -> Self {
        let honest = Exp::honest(t);
        if !(32 << LOGIT_BITS..64 << LOGIT_BITS).contains(&t) {
            return honest;
        }
        let hi = honest.hi - HI_LIMIT as u64;
        Exp { hi, top: 1, t1: tables().t1[hi as usize], ..honest }
    }
    fn probability(self) -> U256 {
        let scale = tables().scale();
        let linear = scale.linear_base() - self.low - (self.short << scale.limb_bits());
        U256::from(self.t1) * U256::from(tables().t2[self.mid as usize]) * U256::from(linear)
    }
    fn write(self, circuit: &mut GradientCircuit, group: usize, row: usize) {
        for (c, v) in [
            (column::LOW, self.low),
            (column::SHORT, self.short),
            (column::MID, self.mid),
            (column::HI, self.hi),
            (column::TOP, self.top),
            (column::T1, self.t1),
            (column::T2, tables().t2[self.mid as usize]),
        ] {
            circuit.columns[group + c][row] = Fr::from(v);
        }
    }
}

/// The shift near `l` for which the probabilities of these `t` sum most closely to 1.
fn best_shift(mut l: i64, probabilities: impl Fn(i64) -> U256) -> i64 {
    let one = tables().one();
    // one step of the shift is 2^-40
    let unit = tables().scale().prob_bits() - LOGIT_BITS;
    for _ in 0..20 {
        l += ((probabilities(l).as_i256() - one.as_i256()) >> unit).as_i64();
    }
    let miss = |l: &i64| (probabilities(*l).as_i256() - one.as_i256()).unsigned_abs();
    (l - 64..l + 64).min_by_key(miss).unwrap()
}

/// Writes the limbs of the window, least significant first, for a sum of probabilities; a sum out of range is
/// truncated.
fn write_window(circuit: &mut GradientCircuit, link: Link, row: usize, sum: U256) {
    let bits = tables().scale().limb_bits();
    let mut window = sum.wrapping_add(tables().window()).wrapping_sub(tables().one());
    for (n, index) in window_indices(link).into_iter().enumerate() {
        let bits = if n < WINDOW_LIMBS { bits } else { tables().scale().short_bits() };
        circuit.columns[index][row] = from_u256(&(window & ((U256::ONE << bits) - 1)));
        window >>= bits;
    }
}

/// The instance's gradient with changed probabilities of record 0, which has no features.
fn with_probabilities(i: &Instance, changes: &[(usize, U256, U256)]) -> Vec<I256> {
    let mut g = i.gradient.clone();
    for (class, honest, forged) in changes {
        g[*class] += I256::from(layout().bias_feature()) * (forged.as_i256() - honest.as_i256());
    }
    g
}

/// The circuit for another gradient, with unchanged link cells.
fn about(shape: Shape, i: &Instance, g: &[I256], honest: GradientCircuit) -> GradientCircuit {
    let group = commit_gradient(&i.srs, &layout(), &i.secret, &[[2; 32]], g);
    let mut circuit = GradientCircuit::new(shape, &i.xy, &i.w, &group).unwrap();
    // the remainder of the contribution is below the records
    let records = layout().weights_start();
    for (column, forged) in circuit.columns.iter_mut().zip(honest.columns) {
        column[..records].copy_from_slice(&forged[..records]);
    }
    circuit
}

/// Rewrites the softmax cells of record 0 for the shift `l`, with exponentials of the forger's choice, and the gradient
/// accordingly.
fn forge_record(shape: Shape, i: &Instance, l: i64, exp: impl Fn(u64) -> Exp) -> GradientCircuit {
    let z = i.weights.logits(&[]);
    let mut circuit = GradientCircuit::new(shape.clone(), &i.xy, &i.w, &i.g).unwrap();
    let shift = tables().shift(&z).unwrap();
    let mut changes = vec![];
    let mut sum = U256::ZERO;
    for u in (0..3).rev() {
        let cells = exp((l - z[u]) as u64);
        cells.write(&mut circuit, 0, 1 + u);
        sum += cells.probability();
        circuit.columns[column::SUM][1 + u] = from_u256(&sum);
        changes.push((u, tables().exp((shift - z[u]) as u64), cells.probability()));
    }
    for row in 1..layout().record_rows() {
        circuit.columns[column::SHIFT][row] = Fr::from(l as u64);
    }
    write_window(&mut circuit, Link::Softmax, 0, sum);
    about(shape, i, &with_probabilities(i, &changes), circuit)
}

/// An attack on record 0 of a softmax, with the shift near `l` that is best for the forged exponentials.
fn softmax_attack(name: &str, gate: &str, bias: [f64; 3], l: f64, exp: impl Fn(u64) -> Exp) {
    let (shape, i) = flat(Link::Softmax, bias);
    let z = i.weights.logits(&[]);
    attack(name, &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        let sum = |l: i64| z.iter().map(|z| exp((l - z) as u64).probability()).sum();
        let near = (l * f64::from(LOGIT_BITS as i32).exp2()) as i64;
        with_inputs(forge_record(shape, &i, best_shift(near, sum), &exp))
    });
}

/// A shift that makes every probability smaller.
fn too_high(i: &Instance) -> i64 {
    tables().shift(&i.weights.logits(&[])).unwrap() + (1 << 38)
}

#[test]
fn logit_maximum_too_high() {
    let (shape, i) = flat(Link::Softmax, [0.0, 0.5, -0.25]);
    attack("logit_max_too_high", &[SUM_TO_ONE], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        with_inputs(forge_record(shape, &i, too_high(&i), Exp::honest))
    });
}

#[test]
fn saturation_flag() {
    // class 2 is 33 below class 0: its hi limb pretends to be unsaturated with a top limb of 1, so that it keeps the
    // probability exp(−1)
    let l = 5.0 + (1.0f64 + (-1.0f64).exp()).ln();
    softmax_attack("saturation_flag", SATURATED, [5.0, -25.0, -28.0], l, Exp::unsaturated);
}

#[test]
fn saturation_flags_of_the_logistic_link() {
    // z = −33 keeps exp(−1) for its own exponential, z = 33 for the other one
    let one = f64::from(LOGIT_BITS as i32).exp2();
    let second = format!("{SATURATED} #2");
    for (name, gate, z) in
        [("logistic_saturation_flag", SATURATED, -33.0), ("logistic_saturation_flag_of_the_other", &second, 33.0f64)]
    {
        let (shape, i) = flat(Link::Logistic, [z, 0.5, -0.25]);
        let logit = i.weights.logits(&[])[0];
        let exps = |l: i64| [Exp::unsaturated((l - logit) as u64), Exp::unsaturated(l as u64)];
        attack(name, &[gate], &shape, |shape, forged| {
            if !forged {
                return claim(shape, &i, &i.g);
            }
            let near = ((z.max(0.0) + (1.0f64 + (-1.0f64).exp()).ln()) * one) as i64;
            let l = best_shift(near, |l| exps(l).iter().map(|e| e.probability()).sum());
            let [own, other] = exps(l);
            let mut circuit = GradientCircuit::new(shape.clone(), &i.xy, &i.w, &i.g).unwrap();
            own.write(&mut circuit, 0, 1);
            other.write(&mut circuit, column::GROUP, 1);
            write_window(&mut circuit, Link::Logistic, 1, own.probability() + other.probability());
            let honest = tables().exp((tables().shift(&[logit, 0]).unwrap() - logit) as u64);
            let g = with_probabilities(&i, &[(0, honest, own.probability())]);
            with_inputs(about(shape, &i, &g, circuit))
        });
    }
}

#[test]
fn exp_that_is_not_in_the_table() {
    // T1[hi] = 0 for an unsaturated limb: the tuple (tag, hi, 0) is not in the table, and neither is (0, 0, 0), the
    // tuple of an unassigned table row
    let drop_class_1 = |t: u64| {
        let honest = Exp::honest(t);
        Exp { t1: if (28..40).contains(&honest.hi) { 0 } else { honest.t1 }, ..honest }
    };
    let l = (1.0f64 + (-1.0f64).exp()).ln();
    softmax_attack("zero_table_tuple", RANGE, [0.0, -2.0, -1.0], l, drop_class_1);
}

#[test]
fn short_limb_of_a_logit_out_of_range() {
    // the same t with 1,000 steps of mid moved to the short limb, where the linear factor is far from the exponential
    let short = 1u64 << tables().scale().short_bits();
    let exp = move |t: u64| {
        let honest = Exp::honest(t);
        match honest.mid.checked_sub(1000) {
            Some(mid) => Exp { mid, short: honest.short + 1000 * short, ..honest },
            None => honest,
        }
    };
    let l = (0.0f64.exp() + 0.5f64.exp() + (-0.25f64).exp()).ln();
    softmax_attack("short_limb_of_a_logit_out_of_range", RANGE, [0.0, 0.5, -0.25], l, exp);
}

#[test]
fn shift_that_changes_within_a_record() {
    // a different l for class 0 changes its logit
    let (shape, i) = flat(Link::Softmax, [0.0, 0.5, -0.25]);
    attack("shift_changes_in_a_record", &["the shift is one per record: l' = l"], &shape, |shape, forged| {
        let (mut circuit, inputs) = claim(shape, &i, &i.g);
        if forged {
            // an idle row below the class rows, where only this gate constrains the cell
            circuit.columns[column::SHIFT][layout().record_rows() - 1] += Fr::ONE;
        }
        (circuit, inputs)
    });
}

#[test]
fn probabilities_summed_wrongly() {
    // a shift far too high, but nevertheless a sum of 1
    let (shape, i) = flat(Link::Softmax, [0.0, 0.5, -0.25]);
    attack("probabilities_summed_wrongly", &["probabilities summed: S = P + S'"], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        let mut circuit = forge_record(shape, &i, too_high(&i), Exp::honest);
        circuit.columns[column::SUM][1] = from_u256(&tables().one());
        write_window(&mut circuit, Link::Softmax, 0, tables().one());
        with_inputs(circuit)
    });
}

#[test]
fn window_limb_out_of_range() {
    // the sum is off by more than the window, which an out-of-range limb compensates: the lowest, or the short one at
    // the top
    let (shape, i) = flat(Link::Softmax, [0.0, 0.5, -0.25]);
    for (name, in_short) in [("window_limb_out_of_range", false), ("short_window_limb_out_of_range", true)] {
        attack(name, &[RANGE], &shape, |shape, forged| {
            if !forged {
                return claim(shape, &i, &i.g);
            }
            let mut circuit = forge_record(shape, &i, too_high(&i), Exp::honest);
            let base = from_u256(&tables().one()) - from_u256(&tables().window());
            let mut window = circuit.columns[column::SUM][1] - base;
            let indices = window_indices(Link::Softmax);
            let bits = tables().scale().limb_bits();
            for (n, c) in indices.into_iter().enumerate() {
                if in_short && n + 1 < indices.len() {
                    window -= circuit.columns[c][0] * two_to(n as u32 * bits);
                } else {
                    circuit.columns[c][0] = Fr::ZERO;
                }
            }
            if in_short {
                let top = two_to((indices.len() - 1) as u32 * bits).invert().unwrap();
                circuit.columns[column::SHORT][0] = window * top;
            } else {
                circuit.columns[column::LOW][0] = window;
            }
            with_inputs(circuit)
        });
    }
}

#[test]
fn logistic_shift_too_high() {
    // both t of one class grow by the same amount: the logit stays, the probability falls
    let (shape, i) = world(layout(), Link::Logistic);
    let more = 1i64 << 38;
    let z = i.weights.logits(i.records.features(0))[0];
    let l = tables().shift(&[z, 0]).unwrap();
    let mut g = i.gradient.clone();
    let change = tables().exp((l + more - z) as u64).as_i256() - tables().exp((l - z) as u64).as_i256();
    for (j, block) in g.chunks_mut(3).enumerate() {
        let x = if j == 0 { layout().bias_feature() } else { i64::from(i.records.features(0)[j - 1]) };
        block[0] += I256::from(x) * change;
    }
    let gate = "probabilities sum to 1: P + P̄ − 2^pb + 2^(wb − 1) = Σ limbs";
    attack("logistic_shift_too_high", &[gate], &shape, |shape, forged| {
        let (mut circuit, inputs) = claim(shape.clone(), &i, &i.g);
        if !forged {
            return (circuit, inputs);
        }
        for (group, t) in [(0, l + more - z), (column::GROUP, l + more)] {
            Exp::honest(t as u64).write(&mut circuit, group, 1);
        }
        with_inputs(about(shape, &i, &g, circuit))
    });
}
