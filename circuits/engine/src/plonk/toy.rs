//! A small constraint system for tests.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression, FirstPhase};
use halo2_proofs::poly::Rotation;

/// Gates of degrees 1, 2, 3 and 6 with large rotations in both directions, a challenge, public inputs, columns that only
/// one sum reads (pairs in rows before and after the current one, and three in it), a sum that cancels, and shared factors
/// with and without a constant.
pub(super) fn system() -> ConstraintSystem<Fr> {
    let mut cs = ConstraintSystem::default();
    cs.set_minimum_degree(6);
    let [a, b, sum, product, power, public, left, right, first, second, third] =
        [(); 11].map(|()| cs.advice_column_in(FirstPhase));
    let (q, p, instance) = (cs.fixed_column(), cs.fixed_column(), cs.instance_column());
    let challenge = cs.challenge_usable_after(FirstPhase);
    let constant = |x: u64| Expression::Constant(Fr::from(x));
    cs.create_gate("all", |c| {
        let [a0, b0, sum, product, power] = [a, b, sum, product, power].map(|x| c.query_advice(x, Rotation::cur()));
        let public = c.query_advice(public, Rotation::next());
        let [left, right] = [left, right].map(|x| c.query_advice(x, Rotation(-2)));
        let [first, second, third] = [first, second, third].map(|x| c.query_advice(x, Rotation::cur()));
        let (a2, b3) = (c.query_advice(a, Rotation(2)), c.query_advice(b, Rotation(-3)));
        let (q, p) = (c.query_fixed(q, Rotation::cur()), c.query_fixed(p, Rotation::cur()));
        let (i, challenge) = (c.query_instance(instance, Rotation::next()), c.query_challenge(challenge));
        let square = a0.clone() * a0.clone();
        let fifth = square.clone() * square * a0.clone();
        vec![
            public - a0.clone() - challenge.clone() * i,
            left - right * Fr::from(3) - b0.clone(),
            p.clone() * (first + second * Fr::from(2) + third * challenge.clone() - a0.clone()),
            q.clone() * (sum.clone() - a2.clone() - b3.clone() * Fr::from(3)),
            (constant(1) - q.clone()) * (a2 + b3 * constant(3) - sum),
            (q.clone() - p.clone()) * (product.clone() - a0.clone() * b0.clone()) * challenge,
            p * (a0.clone() * b0.clone() - b0.clone() * a0.clone() + (b0.clone() * a0 - product) * constant(7)),
            q * (power - fifth),
            (b0.clone() - b0.clone()) * b0,
        ]
    });
    cs
}
