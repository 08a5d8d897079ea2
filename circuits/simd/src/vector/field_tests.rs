//! Each operation of `field` compared with the library's field, with elements up to the allowed bounds: x + k·p, limbs
//! before carrying, and both primes.

use std::array::from_fn;

use halo2curves::bn256::{Fq, Fr};
use halo2curves::ff::PrimeField;
use halo2curves::serde::SerdeObject;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::cpu::Cpu;
use super::factors::{known, splat};
use super::field::{unpack, unpack_shifted, Columns, Sum, CARRIES, MOST, PRODUCTS};
use super::lanes::{first_lanes, of_lanes, to_lanes};
use super::prime::{digits, times, Field, Number, MASK, SHIFT};
use super::{BITS, LANES, LIMBS};

/// The element as it is stored.
fn number<F: SerdeObject>(x: &F) -> Number {
    let bytes = x.to_raw_bytes();
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    digits([words[0], words[1], words[2], words[3]])
}

fn add(a: Number, b: Number) -> Number {
    let (mut out, mut carry) = ([0; LIMBS], 0);
    for i in 0..LIMBS {
        carry += a[i] + b[i];
        out[i] = carry & MASK;
        carry >>= BITS;
    }
    assert_eq!(carry, 0, "at or above R");
    out
}

/// `x + k·p`, as it is stored.
fn plus<F: Field + SerdeObject>(x: &F, k: u64) -> Number {
    add(number(x), times(F::P, k))
}

/// 0, ±1, the element whose stored form is 1, p − 1, elements around carries, then random ones.
fn values<F: PrimeField + SerdeObject>(n: usize) -> Vec<F> {
    let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
    let stored = |words: [u64; 4]| {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        F::from_raw_bytes(&bytes).unwrap()
    };
    let one = stored([1, 0, 0, 0]);
    let mut all = vec![F::ZERO, F::ONE, -F::ONE, one, -one, -one.double()];
    all.push(stored([u64::MAX, u64::MAX, u64::MAX, (1 << 61) - 1]));
    all.extend([stored([MASK + 1, 0, 0, 0]), stored([0, 0, 0, 1 << 61]), stored([MASK, 0, 0, 0])]);
    all.extend((0..n).map(|_| F::random(&mut rng)));
    all
}

/// The same numbers, every second one with limbs before carrying: `part` of 1023 parts of the largest carries.
fn before_carrying(mut numbers: [Number; LANES], part: i64) -> [Number; LANES] {
    for [_, limbs] in numbers.as_chunks_mut::<2>().0 {
        for (i, most) in CARRIES.into_iter().enumerate() {
            let carry = most / 1023 * part;
            limbs[i] = limbs[i].wrapping_add((carry << BITS) as u64);
            limbs[i + 1] = limbs[i + 1].wrapping_sub(carry as u64);
        }
    }
    numbers
}

/// Products by a known factor are below 3p.
fn below_3p<F: Field>(product: [Number; LANES]) {
    for below in product {
        assert!(below.iter().rev().lt(times(F::P, 3).iter().rev()), "3p at most");
    }
}

/// The element that products of 1 and 1 are.
fn one_over_shift<F: PrimeField>() -> F {
    F::from(SHIFT).invert().unwrap()
}

/// Multiples of p such that products of elements with these multiples added stay below MOST times p: of `b·p` and `b·p`
/// they are below `(b²/MOST + 5)·p`.
const MULTIPLES: [u64; 8] = [0, 1, 2, 15, 40, 63, MOST - 6, MOST - 5];

vector! {
    fn sum_of(numbers: [Number; LANES]) -> Sum {
        let mut out = Sum::splat(&[0; LIMBS]);
        for (i, limb) in out.0.iter_mut().enumerate() {
            *limb = of_lanes(numbers.map(|n| n[i]));
        }
        out
    }

    fn lanes(sum: Sum) -> [Number; LANES] {
        let mut out = [[0; LIMBS]; LANES];
        for (i, limb) in sum.0.into_iter().enumerate() {
            for (lane, x) in to_lanes(limb).into_iter().enumerate() {
                out[lane][i] = x;
            }
        }
        out
    }

    fn products<F: Field + PrimeField + SerdeObject>() {
        let values = values::<F>(60);
        let back = one_over_shift::<F>();
        for (i, x) in values.iter().enumerate() {
            for (j, ys) in values.as_chunks::<LANES>().0.iter().enumerate() {
                let xs: [Number; LANES] = from_fn(|lane| plus(x, MULTIPLES[(j + lane) % 8]));
                let a = sum_of(xs);
                let b = sum_of(from_fn(|lane| plus(&ys[lane], MULTIPLES[(i + j + lane + 1) % 8])));
                let product = lanes(a.carry().times::<F>(&b.digits()).canonical::<F>());
                assert_eq!(product, ys.map(|y| number(&(*x * y * back))), "{x:?} times {ys:?}");
                let square = lanes(a.digits().square::<F>().canonical::<F>());
                assert_eq!(square, [number(&(*x * x * back)); LANES], "{x:?} squared");
                let known = known::<F>(&sum_of(ys.map(|y| number(&y))).pack());
                // anything below R
                let xs = xs.map(|x| add(x, times(F::P, 4)));
                let product = sum_of(xs).carry().times_known::<F>(&known);
                assert_eq!(lanes(product.canonical::<F>()), ys.map(|y| number(&(*x * y))), "{x:?} times known {ys:?}");
                below_3p::<F>(lanes(product));
            }
        }
    }

    /// Factors whose digits are all as large as they can be: R − 1.
    fn largest_digits<F: Field + PrimeField + SerdeObject>() {
        let factor = sum_of([[MASK; LIMBS]; LANES]).digits();
        let word = F::from(1 << BITS);
        let r = word.pow_vartime([LIMBS as u64]);
        let back = r.invert().unwrap();
        let expected = (r - F::ONE).square() * back;
        let value = |limbs: Number| limbs.into_iter().rev().fold(F::ZERO, |value, limb| value * word + F::from(limb));
        let check = |product: [Number; LANES], expected: F| {
            for limbs in product {
                assert_eq!(value(limbs), expected);
            }
        };
        check(lanes(factor.times::<F>(&factor)), expected);
        check(lanes(factor.square::<F>()), expected);
        let mut columns = Columns::of(factor.exact());
        for n in 1..=PRODUCTS {
            columns.add_product(&factor, &factor);
            check(lanes(columns.reduce::<F>()), r - F::ONE + F::from(n as u64) * expected);
        }
        // among the known factors is p − 1, whose quotient is the largest
        for w in values::<F>(20) {
            let product = lanes(factor.times_known::<F>(&known::<F>(&sum_of([number(&w); LANES]).pack())));
            check(product, (r - F::ONE) * w);
            below_3p::<F>(product);
        }
        // sums as in a program over rows, of operands below p and SHIFT·p: all digits but the highest are the largest
        let [a, b] = [F::P, times(F::P, SHIFT)].map(|above| {
            let mut operand = [MASK; LIMBS];
            operand[LIMBS - 1] = above[LIMBS - 1] - 1;
            operand
        });
        let product = value(a) * value(b) * back;
        let (first, second) = (sum_of([a; LANES]).digits(), sum_of([b; LANES]).digits());
        let mut columns = Columns::of(first.exact());
        for n in 1..=PRODUCTS {
            columns.add_product(&first, &second);
            let (sum, expected) = (columns.reduce::<F>(), value(a) + F::from(n as u64) * product);
            check(lanes(sum.reduce::<F>()), expected);
            check(lanes(sum.canonical::<F>()), expected);
        }
    }

    fn reductions<F: Field + PrimeField + SerdeObject>() {
        for (n, x) in values::<F>(500).iter().enumerate() {
            for first in (0..MOST).step_by(LANES / 2) {
                // the same number in every second lane with limbs before carrying
                let expected: [Number; LANES] = from_fn(|lane| plus(x, first + lane as u64 / 2));
                let a = sum_of(before_carrying(expected, n as i64 * 37 % 1024));
                assert_eq!(lanes(a.canonical::<F>()), [number(x); LANES], "{x:?} + {first}p");
                for reduced in lanes(a.reduce::<F>()) {
                    assert!(reduced == number(x) || reduced == plus(x, 1), "{x:?} + {first}p, reduced");
                }
                assert_eq!(lanes(a.carry().exact()), expected, "carried");
            }
            let all = sum_of([number(x); LANES]);
            let words = all.pack();
            assert_eq!(lanes(unpack(&words)), [number(x); LANES]);
            assert_eq!(lanes(unpack_shifted(&words)), [times(number(x), SHIFT); LANES]);
            assert_eq!(lanes(splat(*x).exact()), [number(&(F::from(SHIFT) * x)); LANES]);
            let less = all.sub(sum_of([plus(x, 1); LANES])).plus::<F, 2>();
            assert_eq!(lanes(less.carry().exact()), [F::P; LANES]);
            for n in 1..=LANES {
                let some = lanes(all.select(first_lanes(n), less).canonical::<F>());
                for (lane, some) in some.into_iter().enumerate() {
                    assert_eq!(some == number(x), lane < n || *x == F::ZERO, "lane {lane} of the first {n}");
                }
            }
        }
        for part in [0, 1, 1023] {
            let most = sum_of(before_carrying([times(F::P, MOST); LANES], part));
            assert_eq!(lanes(most.canonical::<F>()), [[0; LIMBS]; LANES], "{MOST}p");
            for reduced in lanes(most.reduce::<F>()) {
                assert!(reduced == [0; LIMBS] || reduced == F::P, "{MOST}p, reduced");
            }
        }
    }

    /// As many subtractions in a row as are allowed, of the largest digits.
    fn differences<F: Field>() {
        let mut low = [MASK; LIMBS];
        low[LIMBS - 1] = 0;
        let digits = sum_of([low; LANES]);
        let mut sum = digits.sub(digits);
        for n in 1..=7 {
            sum = sum.sub(digits);
            let rest = lanes(sum.plus::<F, 1>().carry().exact());
            assert_eq!(rest.map(|rest| add(rest, times(low, n))), [F::P; LANES], "p less {n} times");
        }
    }

    /// As many products of the largest operands as a program over rows accumulates before reducing.
    fn sums_of_products<F: Field + PrimeField + SerdeObject>() {
        let back = one_over_shift::<F>();
        for x in values::<F>(4) {
            for y in values::<F>(4) {
                let (a, b) = (sum_of([number(&x); LANES]), sum_of([plus(&y, SHIFT - 1); LANES]));
                let mut columns = Columns::of(sum_of([plus(&x, 1); LANES]));
                for n in 1..=PRODUCTS {
                    columns.add_product(&a.digits(), &b.digits());
                    let expected = x + F::from(n as u64) * x * y * back;
                    assert_eq!(lanes(columns.reduce::<F>().canonical::<F>()), [number(&expected); LANES], "{n} times");
                }
            }
        }
    }

    fn a_million_products<F: Field + PrimeField + SerdeObject>() {
        let back = one_over_shift::<F>();
        let values = values::<F>(1024);
        let mut x: [F; LANES] = from_fn(|i| values[values.len() - 1 - i]);
        for round in 0..(1 << 20) / LANES {
            let y = values[round % values.len()];
            let a = sum_of(x.map(|x| plus(&x, round as u64 % MOST)));
            let b = sum_of([number(&(y + F::ONE)); LANES]);
            x = x.map(|x| x * (y + F::ONE) * back);
            let product = lanes(a.digits().times::<F>(&b.digits()).canonical::<F>());
            assert_eq!(product, x.map(|x| number(&x)), "round {round}");
            x[round % LANES] += F::from(round as u64);
        }
    }
}

/// Runs a check for both fields.
macro_rules! for_both_fields {
    ($name:ident, $check:ident) => {
        #[test]
        fn $name() {
            if Cpu::detect().is_some() {
                // SAFETY: the CPU has the features.
                unsafe { $check::<Fr>() };
                // SAFETY: as above.
                unsafe { $check::<Fq>() };
            }
        }
    };
}

for_both_fields!(products_are_the_librarys, products);
for_both_fields!(the_largest_digits_do_not_overflow, largest_digits);
for_both_fields!(reductions_keep_the_element_and_its_bound, reductions);
for_both_fields!(differences_are_not_negative_in_any_limb, differences);
for_both_fields!(sums_of_products_are_the_librarys, sums_of_products);
for_both_fields!(a_million_products_are_the_librarys, a_million_products);
