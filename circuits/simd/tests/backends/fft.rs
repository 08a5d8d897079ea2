//! FFTs, with every backend.

use halo2curves::bn256::Fr;
use halo2curves::ff::{Field, PrimeField};
use tribute_simd::{evaluate, Backend, Fft, Interpolation};

use super::support::{edges, mixed, random};

fn omega(k: u32) -> Fr {
    Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)])
}

#[test]
fn values_are_those_of_the_polynomial_and_back() {
    for (k, shift) in [(0, Fr::ONE), (1, Fr::ONE), (4, Fr::ONE), (4, Fr::from(7)), (9, -Fr::ONE), (13, Fr::from(5))] {
        for backend in Backend::all() {
            let coefficients = mixed(1 << k, k.into());
            let mut values = coefficients.clone();
            Fft::new(backend, k, omega(k), shift).run(&mut values);
            for (i, v) in values.iter().enumerate().step_by(1 << k.saturating_sub(4)) {
                let x = shift * omega(k).pow_vartime([i as u64]);
                assert_eq!(*v, evaluate(Backend::PORTABLE, &coefficients, x), "{backend:?}, k = {k}, i = {i}");
            }
            Interpolation::new(backend, k, omega(k), shift).run(&mut values);
            assert_eq!(values, coefficients, "{backend:?}");
            let mut other = coefficients.clone();
            Fft::new(backend, k, omega(k), Fr::from(9)).run(&mut other);
            Interpolation::new(backend, k, omega(k), shift).on(Fr::from(9)).run(&mut other);
            assert_eq!(other, coefficients, "{backend:?}, from another coset");
        }
    }
}

/// Lengths on both sides of the smallest that has vector code, odd and even numbers of levels, blocks and halves, and
/// the values that grow most.
#[test]
fn all_backends_transform_alike() {
    for k in 1..=14 {
        let n = 1 << k;
        let largest = *edges::<Fr>().last().unwrap();
        for input in [mixed(n, 1), random(n, 2), vec![largest; n], vec![-Fr::ONE; n], vec![Fr::ZERO; n]] {
            for shift in [Fr::ONE, Fr::from(7)] {
                let run = |backend| {
                    let (mut forth, mut back) = (input.clone(), input.clone());
                    Fft::new(backend, k, omega(k), shift).run(&mut forth);
                    Interpolation::new(backend, k, omega(k), shift).run(&mut back);
                    (forth, back)
                };
                let expected = run(Backend::PORTABLE);
                for backend in Backend::all() {
                    assert!(run(backend) == expected, "{backend:?}, k = {k}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "wrong number of values for this FFT")]
fn another_number_of_values_is_refused() {
    Fft::new(Backend::best(), 7, omega(7), Fr::ONE).run(&mut random(64, 0));
}

#[test]
#[should_panic(expected = "wrong number of values for this FFT")]
fn another_number_of_values_is_refused_by_the_portable_code() {
    Fft::new(Backend::PORTABLE, 7, omega(7), Fr::ONE).run(&mut random(64, 0));
}
