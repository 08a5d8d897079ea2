//! Basic tools for every circuit: named gates, selectors as fixed columns, columns assigned phase by phase.

use std::collections::HashMap;
use std::sync::Arc;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{Advice, Challenge, Column, ConstraintSystem, Expression, Fixed, VirtualCells};
use halo2_proofs::poly::Rotation;

/// A constraint system to which gates are added by name, one polynomial each. If several gates share a name, the second
/// is called `name #2`, the third `name #3`. Gates listed in `omit` are not added; only tests omit gates, to show that
/// a forgery then passes.
#[derive(Debug)]
pub struct Gates<'a> {
    /// halo2's constraint system.
    pub meta: &'a mut ConstraintSystem<Fr>,
    omit: &'a [String],
    /// For each name, the number of gates added or omitted.
    seen: HashMap<&'static str, usize>,
}

impl<'a> Gates<'a> {
    /// A wrapper that adds gates to `meta`, except those in `omit`.
    pub fn new(meta: &'a mut ConstraintSystem<Fr>, omit: &'a [String]) -> Self {
        Gates { meta, omit, seen: HashMap::new() }
    }
    /// Adds a polynomial that must vanish on every row, including the tail rows.
    pub fn add(&mut self, name: &'static str, polynomial: impl FnOnce(&mut VirtualCells<'_, Fr>) -> Expression<Fr>) {
        let seen = self.seen.entry(name).or_default();
        *seen += 1;
        let name = if *seen == 1 { name.to_owned() } else { format!("{name} #{seen}") };
        if !self.omit.contains(&name) {
            self.meta.create_gate(name, |cells| vec![polynomial(cells)]);
        }
    }
}

/// Shorthands for queries.
pub trait Query {
    /// A fixed column at the current row.
    fn fixed(&mut self, column: Column<Fixed>) -> Expression<Fr>;
    /// A fixed column at the next row.
    fn fixed_next(&mut self, column: Column<Fixed>) -> Expression<Fr>;
    /// An advice column at the current row.
    fn cur(&mut self, column: Column<Advice>) -> Expression<Fr>;
    /// An advice column at the next row.
    fn next(&mut self, column: Column<Advice>) -> Expression<Fr>;
    /// A challenge.
    fn challenge(&mut self, challenge: Challenge) -> Expression<Fr>;
}

impl Query for VirtualCells<'_, Fr> {
    fn fixed(&mut self, column: Column<Fixed>) -> Expression<Fr> {
        self.query_fixed(column, Rotation::cur())
    }
    fn fixed_next(&mut self, column: Column<Fixed>) -> Expression<Fr> {
        self.query_fixed(column, Rotation::next())
    }
    fn cur(&mut self, column: Column<Advice>) -> Expression<Fr> {
        self.query_advice(column, Rotation::cur())
    }
    fn next(&mut self, column: Column<Advice>) -> Expression<Fr> {
        self.query_advice(column, Rotation::next())
    }
    fn challenge(&mut self, challenge: Challenge) -> Expression<Fr> {
        self.query_challenge(challenge)
    }
}

/// A constant expression.
#[must_use]
pub fn constant(x: Fr) -> Expression<Fr> {
    Expression::Constant(x)
}

/// A small constant expression.
#[must_use]
pub fn small(x: u64) -> Expression<Fr> {
    Expression::Constant(Fr::from(x))
}

/// 1/2.
#[must_use]
pub fn half() -> Expression<Fr> {
    Expression::Constant(Fr::TWO_INV)
}

/// `Σ_i terms_i·base^i`, by Horner's rule; `base` may be a challenge or a constant.
#[must_use]
pub fn horner(terms: &[Expression<Fr>], base: &Expression<Fr>) -> Expression<Fr> {
    let mut terms = terms.iter().rev().cloned();
    let first = terms.next().unwrap_or_else(|| small(0));
    terms.fold(first, |sum, term| sum * base.clone() + term)
}

/// `Σ_i terms_i·2^(bits·i)`.
#[must_use]
pub fn limbs(terms: &[Expression<Fr>], bits: u32) -> Expression<Fr> {
    horner(terms, &constant(tribute_engine::field::two_to(bits)))
}

/// Writes 1 into `column` at `rows`.
pub fn select(region: &mut Region<'_, Fr>, column: Column<Fixed>, rows: impl IntoIterator<Item = usize>) {
    for row in rows {
        region.assign_fixed(column, row, Fr::ONE);
    }
}

/// Changes the fresh columns of a phase before they are committed; tests use it for forgeries. Arguments: the phase,
/// its columns, the challenges so far.
pub type Forge = Arc<dyn Fn(u8, &mut [Vec<Fr>], &[Fr]) + Send + Sync>;
