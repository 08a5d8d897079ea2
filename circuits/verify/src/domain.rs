//! The evaluation domain: the rows as a subgroup of the field's units.

use ark_bn254::Fr;
use ark_ff::{batch_inversion, Field, One, PrimeField, Zero};

use crate::elements::powers;

/// The evaluation domain.
pub(crate) struct Domain {
    pub(crate) size: usize,
    pub(crate) omega: Fr,
    omega_inverse: Fr,
}

impl Domain {
    /// The domain of `2^k` rows. halo2curves' generator of the field's units is 7 (arkworks' is 5), so ω = 7^((r −
    /// 1)/2^k).
    pub(crate) fn new(k: u32) -> Self {
        let mut exponent = Fr::MODULUS; // odd: shifting drops the 1
        exponent >>= k;
        let omega = Fr::from(7u64).pow(exponent);
        let omega_inverse = omega.pow([(1u64 << k) - 1]);
        Domain { size: 1 << k, omega, omega_inverse }
    }

    /// `x·ω^rotation`.
    pub(crate) fn rotate(&self, x: Fr, rotation: i32) -> Fr {
        let base = if rotation < 0 { self.omega_inverse } else { self.omega };
        x * base.pow([u64::from(rotation.unsigned_abs())])
    }

    /// Value at `x` of the polynomial that takes `values` on the first rows and 0 on the others: `Σ v_i L_i(x)`,
    /// `L_i(x) = ω^i (x^n − 1) / (n (x − ω^i))`. `None` if `x` is in the domain.
    pub(crate) fn interpolate(&self, values: &[Fr], x: Fr) -> Option<Fr> {
        let roots: Vec<Fr> = powers(self.omega).take(values.len()).collect();
        let mut differences: Vec<Fr> = roots.iter().map(|root| x - root).collect();
        if differences.iter().any(Zero::is_zero) {
            return None;
        }
        batch_inversion(&mut differences);
        let sum: Fr = values.iter().zip(&roots).zip(&differences).map(|((v, w), d)| *v * w * d).sum();
        let size = Fr::from(self.size as u64);
        Some(sum * (x.pow([self.size as u64]) - Fr::one()) * size.inverse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::from_halo2;
    use halo2_proofs::halo2curves::bn256;
    use halo2_proofs::poly::{EvaluationDomain, Rotation};

    #[test]
    fn the_domain_is_halo2s() {
        for k in [10, 14, 17] {
            let (ours, theirs) = (Domain::new(k), EvaluationDomain::<bn256::Fr>::new(3, k));
            assert_eq!(ours.omega, from_halo2(&theirs.get_omega()));
            let x = bn256::Fr::from(12_345);
            for rotation in [-64, -1, 0, 1, 7] {
                let expected = from_halo2(&theirs.rotate_omega(x, Rotation(rotation)));
                assert_eq!(ours.rotate(from_halo2(&x), rotation), expected);
            }
        }
    }

    #[test]
    fn interpolation_agrees_on_a_line_and_refuses_the_domain() {
        let domain = Domain::new(2);
        // v_i = 3 + 2ω^i is the polynomial 3 + 2X
        let values: Vec<Fr> = powers(domain.omega).take(4).map(|w| Fr::from(3u64) + w + w).collect();
        assert_eq!(domain.interpolate(&values, Fr::from(10u64)), Some(Fr::from(23u64)));
        assert_eq!(domain.interpolate(&values, domain.omega), None);
    }
}
