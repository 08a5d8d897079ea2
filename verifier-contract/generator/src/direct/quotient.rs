//! The required value of the quotient: every constraint of the key at the point x, combined with powers of y.

use super::{
    dag::{Dag, Id},
    lagrange::Lagrange,
    layout::{Challenge, Layout},
};
use crate::Error;
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::PrimeField,
    },
    plonk::{Any, Column, Expression, VerifyingKey},
    poly::Rotation,
};

/// The known values in constraints.
pub(super) struct Constraints<'a> {
    pub(super) vk: &'a VerifyingKey<G1Affine>,
    pub(super) layout: &'a Layout,
    pub(super) challenge: &'a dyn Fn(Challenge) -> usize,
    pub(super) lagrange: &'a Lagrange,
}

impl Constraints<'_> {
    /// `Σ y^i · constraint`, the last constraint free of y.
    pub(super) fn combined(&self, dag: &mut Dag) -> Result<Id, Error> {
        let mut all = vec![];
        for polynomial in self.vk.cs().gates().iter().flat_map(|gate| gate.polynomials()) {
            all.push(self.expression(dag, polynomial)?);
        }
        self.permutation(dag, &mut all)?;
        let y = self.of(dag, Challenge::Y);
        Ok(combine(dag, y, &all))
    }

    fn of(&self, dag: &mut Dag, challenge: Challenge) -> Id {
        dag.memory((self.challenge)(challenge))
    }

    fn expression(&self, dag: &mut Dag, expression: &Expression<Fr>) -> Result<Id, Error> {
        let cs = self.vk.cs();
        Ok(match expression {
            Expression::Constant(value) => dag.constant(*value),
            Expression::Selector(selector) => {
                return Err(Error::Unsupported { what: format!("selector {selector:?} without a column") })
            }
            Expression::Fixed(query) => {
                let at = (query.column_index(), query.rotation());
                let place = cs.fixed_queries().iter().position(|(c, r)| (c.index(), *r) == at);
                dag.calldata(self.layout.fixed_values[known(place, "fixed", at)?])
            }
            Expression::Advice(query) => {
                let at = (query.column_index(), query.rotation());
                let place = cs.advice_queries().iter().position(|(c, r)| (c.index(), *r) == at);
                dag.calldata(self.layout.advice_values[known(place, "advice", at)?])
            }
            Expression::Instance(query) => self.lagrange.instance(dag, self.layout, query.rotation().0)?,
            Expression::Challenge(challenge) => self.of(dag, Challenge::Gate(challenge.index())),
            Expression::Negated(a) => {
                let a = self.expression(dag, a)?;
                dag.neg(a)
            }
            Expression::Sum(a, b) => {
                let (a, b) = (self.expression(dag, a)?, self.expression(dag, b)?);
                dag.add(a, b)
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.expression(dag, a)?, self.expression(dag, b)?);
                dag.mul(a, b)
            }
            Expression::Scaled(a, factor) => {
                let (a, factor) = (self.expression(dag, a)?, dag.constant(*factor));
                dag.mul(a, factor)
            }
        })
    }

    /// The permutation argument, following halo2's `plonk/permutation/verifier.rs`.
    fn permutation(&self, dag: &mut Dag, all: &mut Vec<Id>) -> Result<(), Error> {
        let products = &self.layout.products;
        let (Some(first), Some(last)) = (products.first(), products.last()) else {
            return Ok(());
        };
        let columns = self.vk.cs().permutation().get_columns();
        let chunk = self.layout.chunk;
        let [beta, gamma, x] = [Challenge::Beta, Challenge::Gamma, Challenge::X].map(|c| self.of(dag, c));
        let one = dag.one();
        let l_first = self.lagrange.first(dag)?;
        let l_last = self.lagrange.last(dag)?;
        let l_idle = self.lagrange.last_and_blind(dag)?;

        let z = dag.calldata(first.current);
        let not_one = dag.sub(one, z);
        all.push(dag.mul(l_first, not_one));

        let z = dag.calldata(last.current);
        let minus_one = dag.sub(z, one);
        all.push(dag.product([l_last, z, minus_one]));

        for pair in products.windows(2) {
            if let Some(end) = pair[0].last {
                let (z, end) = (dag.calldata(pair[1].current), dag.calldata(end));
                let step = dag.sub(z, end);
                all.push(dag.mul(l_first, step));
            }
        }

        let active = dag.sub(one, l_idle);
        let mut shift = dag.mul(beta, x);
        let delta = dag.constant(Fr::DELTA);
        let sigmas = self.layout.sigma_values.chunks(chunk);
        for ((product, columns), sigmas) in products.iter().zip(columns.chunks(chunk)).zip(sigmas) {
            let mut left = dag.calldata(product.next);
            let mut right = dag.calldata(product.current);
            for (column, sigma) in columns.iter().zip(sigmas) {
                let value = self.column(dag, column)?;
                let blinded = dag.add(value, gamma);
                let sigma = dag.calldata(*sigma);
                let moved = dag.mul(beta, sigma);
                let factor = dag.add(blinded, moved);
                left = dag.mul(left, factor);
                let factor = dag.add(blinded, shift);
                right = dag.mul(right, factor);
                shift = dag.mul(shift, delta);
            }
            let difference = dag.sub(left, right);
            all.push(dag.mul(active, difference));
        }
        Ok(())
    }

    /// The value of a column at x.
    fn column(&self, dag: &mut Dag, column: &Column<Any>) -> Result<Id, Error> {
        let (cs, at) = (self.vk.cs(), (column.index(), Rotation::cur()));
        match column.column_type() {
            Any::Advice(_) => {
                let place = cs.advice_queries().iter().position(|(c, r)| (c.index(), *r) == at);
                Ok(dag.calldata(self.layout.advice_values[known(place, "advice", at)?]))
            }
            Any::Fixed => {
                let place = cs.fixed_queries().iter().position(|(c, r)| (c.index(), *r) == at);
                Ok(dag.calldata(self.layout.fixed_values[known(place, "fixed", at)?]))
            }
            Any::Instance => self.lagrange.instance(dag, self.layout, 0),
        }
    }
}

fn known(place: Option<usize>, kind: &str, at: (usize, Rotation)) -> Result<usize, Error> {
    let (column, Rotation(rotation)) = at;
    let what = || format!("{kind} column {column} at rotation {rotation} is used but not queried");
    place.ok_or_else(|| Error::Unsupported { what: what() })
}

/// `Σ y^(m-1-i) · terms[i]`. Runs of terms with a common factor, such as a selector, are multiplied by it once.
fn combine(dag: &mut Dag, y: Id, terms: &[Id]) -> Id {
    let mut total = dag.sum([]);
    let mut rest = terms;
    while let Some(term) = rest.first() {
        let run = |factor: &Id| rest.iter().take_while(|t| dag.factors(**t).contains(factor)).count();
        let best = dag.factors(*term).into_iter().map(|f| (run(&f), f)).max_by_key(|(run, _)| *run);
        let (length, value) = match best {
            Some((length, factor)) if length > 1 => {
                let (group, _) = rest.split_at(length);
                let inner: Vec<_> = group.iter().filter_map(|t| dag.divide(*t, factor)).collect();
                let inner = combine(dag, y, &inner);
                (length, dag.mul(factor, inner))
            }
            _ => (1, *term),
        };
        let power = dag.pow(y, length);
        let scaled = dag.mul(total, power);
        total = dag.add(scaled, value);
        rest = &rest[length..];
    }
    total
}
