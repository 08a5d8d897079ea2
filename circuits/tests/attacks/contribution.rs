//! Attacks on the value that a `gradient` proof publishes for `⟨−G, W⟩`: another `N`, or an invalid remainder.

use tribute_circuits::columns::commit_weights;
use tribute_circuits::gadgets::link::{column, remainder_rows};
use tribute_circuits::prove::prove_unchecked;
use tribute_circuits::statements::gradient::{third, GradientCircuit};
use tribute_core::head::{contribution, inner_product};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::numbers::CONTRIBUTION_LIMIT_BITS;
use tribute_core::statement::gradient as input;
use tribute_core::U256;
use tribute_engine::field::{from_i128, from_u256, to_u256, two_to};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::gradient::{claim, world};
use crate::harness::attack;
use crate::product::GRADIENT;
use crate::support::altered;
use crate::support::gates::{forging, violated};
use crate::support::keyed::keyed;

const ENDS: &str = "gradient check starts at −α·2^u·N and ends at 0";
const RANGE: &str = "logUp starts and ends at 0";

fn layout() -> Layout {
    Layout::new(10, 3, 16, 3, Task::Classes).unwrap()
}

/// Number of bits of the remainder.
fn unit_bits() -> u32 {
    layout().remainder_limbs() as u32 * layout().limb_bits()
}

/// Writes the limbs of the remainder; a value that they cannot represent goes into the first.
fn write_remainder(circuit: &mut GradientCircuit, remainder: Fr) {
    let mut left = to_u256(&remainder);
    let whole = left >> unit_bits() == U256::ZERO;
    for (n, row) in remainder_rows(&layout(), layout().remainder_limbs()).enumerate() {
        let limb = left & ((U256::ONE << layout().limb_bits()) - 1);
        circuit.columns[column::REMAINDER][row] = match (whole, n) {
            (true, _) => from_u256(&limb),
            (false, 0) => remainder,
            (false, _) => Fr::ZERO,
        };
        left >>= layout().limb_bits();
    }
}

/// The value that the honest limbs represent.
fn remainder(circuit: &GradientCircuit) -> Fr {
    let rows = remainder_rows(&layout(), layout().remainder_limbs());
    let start = rows.start;
    rows.map(|row| circuit.columns[column::REMAINDER][row] * two_to((row - start) as u32 * layout().limb_bits()))
        .fold(Fr::ZERO, |a, b| a + b)
}

/// Makes the gradient check start at this `N`.
fn publish(circuit: &mut GradientCircuit, inputs: &[Fr]) {
    let n = inputs[input::CONTRIBUTION];
    circuit.forge = Some(forging(circuit, inputs, move |phase, sheet| {
        if phase == 2 {
            let e = sheet.column(2, third::E);
            sheet.advice[e][0] = -*sheet.challenges.last().unwrap() * n * two_to(unit_bits());
            assert_eq!(sheet.run_down(GRADIENT, e), Fr::ZERO);
        }
    }));
}

/// Publishes `N + more`, with limbs that `spell` writes for the remainder that is then left.
fn another(name: &str, gate: &str, more: Fr, spell: impl Fn(&mut GradientCircuit, Fr)) {
    let (shape, i) = world(layout(), Link::Squared);
    attack(name, &[gate], &shape, |shape, forged| {
        let (mut circuit, mut inputs) = claim(shape, &i, &i.g);
        if forged {
            inputs[input::CONTRIBUTION] += more;
            let left = remainder(&circuit) - more * two_to(unit_bits());
            spell(&mut circuit, left);
            publish(&mut circuit, &inputs);
        }
        (circuit, inputs)
    });
}

#[test]
fn contribution_is_the_native_one() {
    let (shape, i) = world(layout(), Link::Squared);
    let (circuit, inputs) = claim(shape, &i, &i.g);
    let n = contribution(&layout(), &i.weights, &i.gradient);
    assert_eq!(inputs[input::CONTRIBUTION], from_i128(n));
    let rest = inner_product(&i.weights, &i.gradient) - (tribute_core::I256::from(n) << unit_bits());
    assert_eq!(remainder(&circuit), from_u256(&rest.as_u256()));
}

#[test]
fn contribution_of_other_units() {
    let (shape, i) = world(layout(), Link::Squared);
    for (name, more) in [("contribution_too_high", Fr::ONE), ("contribution_too_low", -Fr::ONE)] {
        // the witness's own sums, but another public input
        attack(name, &[ENDS], &shape, |shape, forged| {
            let (circuit, mut inputs) = claim(shape, &i, &i.g);
            if forged {
                inputs[input::CONTRIBUTION] += more;
            }
            (circuit, inputs)
        });
    }
    // the remainder is negative, or at least a whole unit
    another("remainder_below_zero", RANGE, Fr::ONE, write_remainder);
    another("remainder_of_a_unit_and_more", RANGE, -Fr::ONE, write_remainder);
    another("remainder_with_a_long_top_limb", RANGE, -Fr::ONE, |circuit, left| {
        // the honest limbs, with one more unit in the top limb
        let top = remainder_rows(&layout(), layout().remainder_limbs()).end - 1;
        let more = left - remainder(circuit);
        assert_eq!(more, two_to(unit_bits()));
        circuit.columns[column::REMAINDER][top] += two_to(layout().limb_bits());
    });
}

/// `N + x/2^u mod r` with x larger than the remainder: what is left is negative, and its limbs are out of range.
#[test]
fn contribution_shifted_by_a_fraction() {
    let fraction = two_to(unit_bits()).invert().unwrap();
    another(
        "contribution_shifted_by_a_fraction",
        RANGE,
        two_to(unit_bits() - 1) * fraction * Fr::from(2),
        write_remainder,
    );
}

/// All limbs have the same value, outside the table. Their activities `2^(b·i)` do not sum to 0, so the pole stays,
/// whatever the multiplicities.
#[test]
fn remainder_of_equal_limbs() {
    let weights: Fr = (0..layout().remainder_limbs() as u32).map(|i| two_to(i * layout().limb_bits())).sum();
    assert_ne!(weights, Fr::ZERO);
    another("remainder_of_equal_limbs", RANGE, Fr::from(1 << 20), |circuit, left| {
        let limb = left * weights.invert().unwrap();
        remainder_rows(&layout(), layout().remainder_limbs())
            .for_each(|row| circuit.columns[column::REMAINDER][row] = limb);
    });
    // two limbs alone, with opposite parts in the remainder, do not cancel either
    another("remainder_of_opposite_limbs", RANGE, Fr::from(1 << 20), |circuit, left| {
        let rows: Vec<_> = remainder_rows(&layout(), layout().remainder_limbs()).collect();
        let more = left - remainder(circuit);
        // (−2^b, 1) represents 0; the rest goes into the first limb
        circuit.columns[column::REMAINDER][rows[0]] += more - two_to(layout().limb_bits());
        circuit.columns[column::REMAINDER][rows[1]] += Fr::ONE;
    });
}

/// `N + x/2^u mod r` with x up to the remainder: the limbs are in range, so the circuit cannot reject it. But on either
/// side of zero, the number exceeds the limit: certificates and contracts reject it before they check the proof
/// ([`tribute_core::certificate`]).
#[test]
fn contributions_beyond_the_limit_are_the_verifiers_business() {
    let (shape, i) = world(layout(), Link::Squared);
    let fraction = two_to(unit_bits()).invert().unwrap();
    let keyed = keyed(&shape);
    let (circuit, inputs) = claim(shape.clone(), &i, &i.g);
    let whole = remainder(&circuit);
    let within = |n: Fr| [n, -n].iter().any(|n| to_u256(n) >> CONTRIBUTION_LIMIT_BITS == U256::ZERO);
    assert!(within(inputs[input::CONTRIBUTION]));
    for x in [Fr::ONE, Fr::from(12_345), whole - Fr::ONE, whole] {
        let (mut circuit, mut inputs) = claim(shape.clone(), &i, &i.g);
        inputs[input::CONTRIBUTION] += x * fraction;
        write_remainder(&mut circuit, whole - x);
        publish(&mut circuit, &inputs);
        let proof = prove_unchecked(keyed.srs, &keyed.keys, &circuit, inputs.clone()).unwrap();
        assert!(keyed.native(&proof), "the circuit alone does not reject it");
        assert!(!within(inputs[input::CONTRIBUTION]), "the limit rejects it");
    }
}

/// W and G are salts in every row but the weights' rows; values there must not enter any sum.
#[test]
fn salts_of_weights_and_gradient_read() {
    let (shape, i) = world(layout(), Link::Squared);
    let (start, end) = (layout().weights_start(), layout().weights_end());
    for (name, row) in [("salt_above_the_weights_read", start - 1), ("salt_below_the_weights_read", end)] {
        // a salt makes up for what the first entry lacks
        let g = i.g.columns[0].values[start];
        let salted = altered(&shape, &i.g, &[(0, row, Fr::from(5))]);
        let bad = altered(&shape, &i.g, &[(0, row, Fr::from(5)), (0, start, g - Fr::from(5))]);
        attack(name, &[ENDS], &shape, |shape, forged| claim(shape, &i, if forged { &bad } else { &salted }));
    }
    // a salt that would count in the contribution as if it were a weight
    let salted = altered(&shape, &i.w, &[(0, start - 1, Fr::from(1 << 36))]);
    let g = altered(&shape, &i.g, &[(0, start - 1, two_to(180))]);
    let more = -two_to(180) * Fr::from(1 << 36) * two_to(unit_bits()).invert().unwrap();
    attack("salts_counted_as_a_contribution", &[ENDS], &shape, |shape, forged| {
        let circuit = GradientCircuit::new(shape, &i.xy, &salted, &g).unwrap();
        let mut inputs = circuit.public_inputs(Fr::from(7));
        if forged {
            inputs[input::CONTRIBUTION] += more;
        }
        (circuit, inputs)
    });
}

#[test]
fn contribution_of_other_weights() {
    // N computed with weights that are not the committed ones
    let (shape, i) = world(layout(), Link::Squared);
    let mut values = i.weights.values().to_vec();
    values[9] += 1 << 30;
    let other = tribute_core::head::Weights::new(16, 3, values).unwrap();
    let other_w = commit_weights(&i.srs, &layout(), &i.secret, &other);
    attack("contribution_of_other_weights", &[ENDS], &shape, |shape, forged| {
        let (mut circuit, mut inputs) = claim(shape.clone(), &i, &i.g);
        if forged {
            let of_other = GradientCircuit::new(shape, &i.xy, &other_w, &i.g).unwrap();
            inputs = of_other.public_inputs(Fr::from(7));
            circuit.columns[column::REMAINDER].clone_from(&of_other.columns[column::REMAINDER]);
        }
        (circuit, inputs)
    });
}

/// Every limb of the remainder enters the check: changing any one of them violates the gate.
#[test]
fn every_limb_of_the_remainder_counts() {
    let (shape, i) = world(layout(), Link::Squared);
    for row in remainder_rows(&layout(), layout().remainder_limbs()) {
        let (mut circuit, inputs) = claim(shape.clone(), &i, &i.g);
        let limb = &mut circuit.columns[column::REMAINDER][row];
        *limb = if *limb == Fr::ZERO { Fr::ONE } else { *limb - Fr::ONE };
        let names: Vec<String> = violated(&circuit, &inputs).into_iter().map(|(gate, _)| gate).collect();
        assert_eq!(names, [ENDS], "row {row}");
    }
}
