//! Each operation compared with the library's field, with elements up to the allowed bounds: x + k·p, limbs before
//! carrying, and both primes.

use halo2curves::bn256::{Fq, Fr};
use halo2curves::ff::PrimeField;
use halo2curves::serde::SerdeObject;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::ifma::lanes::{splat, to_lanes};
use crate::ifma::prime::digits;

/// A number of five digits.
type Number = [u64; 5];

/// The element as it is stored.
fn number<F: SerdeObject>(x: &F) -> Number {
    let bytes = x.to_raw_bytes();
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    digits([words[0], words[1], words[2], words[3]])
}

fn add(a: Number, b: Number) -> Number {
    let (mut out, mut carry) = ([0; 5], 0);
    for i in 0..5 {
        carry += a[i] + b[i];
        out[i] = carry & MASK;
        carry >>= 52;
    }
    assert_eq!(carry, 0, "at or above 2^260");
    out
}

/// `x + k·p`, as it is stored.
fn plus<F: Field + SerdeObject>(x: &F, k: u64) -> Number {
    add(number(x), times(F::P, k))
}

fn of_lanes(lanes: [Number; 8]) -> Sum {
    let mut out = [_mm512_setzero_si512(); 5];
    for (i, v) in out.iter_mut().enumerate() {
        let [a, b, c, d, e, f, g, h] = lanes.map(|n| n[i] as i64);
        *v = _mm512_set_epi64(h, g, f, e, d, c, b, a);
    }
    Sum(out)
}

fn lanes(sum: Sum) -> [Number; 8] {
    let limbs = [to_lanes(sum.0[0]), to_lanes(sum.0[1]), to_lanes(sum.0[2]), to_lanes(sum.0[3]), to_lanes(sum.0[4])];
    std::array::from_fn(|lane| limbs.map(|limb| limb[lane]))
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
    all.extend([stored([1 << 52, 0, 0, 0]), stored([0, 0, 0, 1 << 61]), stored([MASK, 0, 0, 0])]);
    all.extend((0..n).map(|_| F::random(&mut rng)));
    all
}

/// Multiples of p such that products of elements with these multiples added stay below 84p: `80·80/84.6 + 5 < 84`.
const MULTIPLES: [u64; 8] = [0, 1, 2, 15, 40, 63, 78, 79];

fn products<F: Field + PrimeField + SerdeObject>() {
    let values = values::<F>(60);
    let sixteenth = F::from(16).invert().unwrap();
    for (i, x) in values.iter().enumerate() {
        for (j, ys) in values.as_chunks::<8>().0.iter().enumerate() {
            let a = of_lanes(MULTIPLES.map(|k| plus(x, k)));
            let mut lane = 0;
            let b = of_lanes(ys.map(|y| {
                lane += 1;
                plus(&y, MULTIPLES[(i + j + lane) % 8])
            }));
            let product = lanes(a.carry().times::<F>(&b.digits()).canonical::<F>());
            assert_eq!(product, ys.map(|y| number(&(*x * y * sixteenth))), "{x:?} times {ys:?}");
            let square = lanes(a.digits().square::<F>().canonical::<F>());
            assert_eq!(square, [number(&(*x * x * sixteenth)); 8], "{x:?} squared");
            let known = known::<F>(of_lanes(ys.map(|y| number(&y))));
            // anything below 2^260
            let product = of_lanes(MULTIPLES.map(|k| plus(x, k + 4))).carry().times_known::<F>(&known);
            assert_eq!(lanes(product.canonical::<F>()), ys.map(|y| number(&(*x * y))), "{x:?} times known {ys:?}");
            for below in lanes(product) {
                assert!(below.iter().rev().lt(times(F::P, 3).iter().rev()), "3p at most");
            }
        }
    }
}

fn reductions<F: Field + PrimeField + SerdeObject>() {
    for (i, x) in values::<F>(500).iter().enumerate() {
        for first in (0..84).step_by(4) {
            // the same number in every second lane with uncarried limbs of either sign
            let up = i as u64 * 37 % 1024;
            let expected: [Number; 8] = std::array::from_fn(|lane| plus(x, first + lane as u64 / 2));
            let mut numbers = expected;
            for [_, [a, b, c, d, e]] in numbers.as_chunks_mut::<2>().0 {
                *a += up << 52;
                *b = b.wrapping_sub(up << 52).wrapping_sub(up);
                *c = c.wrapping_add(up << 52).wrapping_add(up);
                *d = d.wrapping_sub(up << 52).wrapping_sub(up);
                *e += up;
            }
            let a = of_lanes(numbers);
            assert_eq!(lanes(a.canonical::<F>()), [number(x); 8], "{x:?} + {first}p");
            for reduced in lanes(a.reduce::<F>()) {
                assert!(reduced == number(x) || reduced == plus(x, 1), "{x:?} + {first}p, reduced");
            }
            assert_eq!(lanes(a.carry().exact()), expected, "carried");
        }
        let all = of_lanes([number(x); 8]);
        let words = all.pack();
        assert_eq!(lanes(unpack(&words)), [number(x); 8]);
        let shifted = lanes(unpack_shifted(&words));
        assert_eq!(shifted, [times(number(x), 16); 8]);
        assert_eq!(lanes(splat(*x).exact()), [number(&(F::from(16) * x)); 8]);
        let less = all.sub(of_lanes([plus(x, 1); 8])).plus::<F, 2>();
        assert_eq!(lanes(less.carry().exact()), [F::P; 8]);
        let some = all.select(0b0011_0001, less);
        assert_eq!(
            lanes(some.canonical::<F>()).map(|n| n == number(x)),
            [true, false, false, false, true, true, false, false].map(|s| s || *x == F::ZERO)
        );
    }
}

/// As many products of the largest operands as a program over rows accumulates before reducing.
fn sums_of_products<F: Field + PrimeField + SerdeObject>() {
    let sixteenth = F::from(16).invert().unwrap();
    for x in values::<F>(4) {
        for y in values::<F>(4) {
            let (a, b) = (of_lanes([number(&x); 8]), of_lanes([plus(&y, 15); 8]));
            let mut columns = Columns::of(of_lanes([plus(&x, 1); 8]));
            for n in 1..=64 {
                columns.add_product(&a.digits(), &b.digits());
                let expected = x + F::from(n) * x * y * sixteenth;
                assert_eq!(lanes(columns.reduce::<F>().canonical::<F>()), [number(&expected); 8], "{n} times");
            }
        }
    }
}

fn a_million_products<F: Field + PrimeField + SerdeObject>() {
    let sixteenth = F::from(16).invert().unwrap();
    let values = values::<F>(1024);
    let mut x: [F; 8] = std::array::from_fn(|i| values[values.len() - 1 - i]);
    for round in 0..(1 << 20) / 8 {
        let y = values[round % values.len()];
        let a = of_lanes(x.map(|x| plus(&x, round as u64 % 84)));
        let b = of_lanes([number(&(y + F::ONE)); 8]);
        x = x.map(|x| x * (y + F::ONE) * sixteenth);
        assert_eq!(lanes(a.digits().times::<F>(&b.digits()).canonical::<F>()), x.map(|x| number(&x)), "round {round}");
        x[round % 8] += F::from(round as u64);
    }
}

/// Runs a check for both fields.
macro_rules! for_both_fields {
    ($name:ident, $check:ident) => {
        #[test]
        fn $name() {
            $check::<Fr>();
            $check::<Fq>();
        }
    };
}

for_both_fields!(products_are_the_librarys, products);
for_both_fields!(reductions_keep_the_element_and_its_bound, reductions);
for_both_fields!(sums_of_products_are_the_librarys, sums_of_products);
for_both_fields!(a_million_products_are_the_librarys, a_million_products);
