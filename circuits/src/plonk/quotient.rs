//! The quotient polynomial: all gates, combined by powers of y, divided by `X^n − 1`.
//!
//! The gates are compiled into one straight-line program without repeated subexpressions, challenges folded into
//! constants. It runs on the extended domain one coset of `2^k` points at a time, in slices of rows, so that memory stays
//! at one coset of every column and slices stay in cache.

use std::collections::HashMap;

use halo2_proofs::arithmetic::best_fft;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, WithSmallOrderMulGroup};
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2_proofs::poly::{EvaluationDomain, ExtendedLagrangeCoeff, Polynomial};
use rayon::prelude::*;

/// Rows that one step of the program handles.
const SLICE: usize = 256;

/// Coefficients of all columns.
pub(super) struct Columns<'a> {
    pub(super) fixed: &'a [&'a [Fr]],
    pub(super) advice: &'a [&'a [Fr]],
    pub(super) instance: &'a [&'a [Fr]],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Value {
    Constant(usize),
    /// Column (all kinds in one list) at a rotation.
    Column(usize, i32),
    Step(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Step {
    Add(Value, Value),
    Sub(Value, Value),
    Mul(Value, Value),
}

/// A straight-line program over column values.
#[derive(Default)]
struct Program {
    constants: Vec<Fr>,
    constant_index: HashMap<Fr, usize>,
    steps: Vec<Step>,
    step_index: HashMap<Step, usize>,
}

struct Compiler<'a> {
    program: Program,
    challenges: &'a [Fr],
    fixed: usize,
    advice: usize,
}

impl Program {
    fn constant(&mut self, x: Fr) -> Value {
        let constants = &mut self.constants;
        Value::Constant(*self.constant_index.entry(x).or_insert_with(|| {
            constants.push(x);
            constants.len() - 1
        }))
    }

    fn known(&self, v: Value) -> Option<Fr> {
        match v {
            Value::Constant(i) => Some(self.constants[i]),
            _ => None,
        }
    }

    fn push(&mut self, step: Step) -> Value {
        let (known, step) = match step {
            Step::Add(a, b) => match (self.known(a), self.known(b)) {
                (Some(x), Some(y)) => (Some(x + y), step),
                (Some(x), None) if x == Fr::ZERO => return b,
                (None, Some(y)) if y == Fr::ZERO => return a,
                (Some(_), None) => (None, Step::Add(b, a)),
                _ => (None, step),
            },
            Step::Sub(a, b) => match (self.known(a), self.known(b)) {
                (Some(x), Some(y)) => (Some(x - y), step),
                (None, Some(y)) if y == Fr::ZERO => return a,
                _ => (None, step),
            },
            Step::Mul(a, b) => match (self.known(a), self.known(b)) {
                (Some(x), Some(y)) => (Some(x * y), step),
                (Some(x), None) if x == Fr::ONE => return b,
                (None, Some(y)) if y == Fr::ONE => return a,
                (Some(x), None) | (None, Some(x)) if x == Fr::ZERO => (Some(x), step),
                (Some(_), None) => (None, Step::Mul(b, a)),
                _ => (None, step),
            },
        };
        if let Some(x) = known {
            return self.constant(x);
        }
        let steps = &mut self.steps;
        Value::Step(*self.step_index.entry(step).or_insert_with(|| {
            steps.push(step);
            steps.len() - 1
        }))
    }
}

impl Compiler<'_> {
    fn compile(&mut self, e: &Expression<Fr>) -> Value {
        match e {
            Expression::Constant(x) => self.program.constant(*x),
            Expression::Selector(_) => unreachable!("selectors are fixed columns"),
            Expression::Fixed(q) => Value::Column(q.column_index(), q.rotation().0),
            Expression::Advice(q) => Value::Column(self.fixed + q.column_index(), q.rotation().0),
            Expression::Instance(q) => Value::Column(self.fixed + self.advice + q.column_index(), q.rotation().0),
            Expression::Challenge(c) => self.program.constant(self.challenges[c.index()]),
            Expression::Negated(a) => {
                let (zero, a) = (self.program.constant(Fr::ZERO), self.compile(a));
                self.program.push(Step::Sub(zero, a))
            }
            Expression::Sum(a, b) => {
                // a + (−b) is one subtraction
                if let Expression::Negated(b) = &**b {
                    let (a, b) = (self.compile(a), self.compile(b));
                    return self.program.push(Step::Sub(a, b));
                }
                let (a, b) = (self.compile(a), self.compile(b));
                self.program.push(Step::Add(a, b))
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.compile(a), self.compile(b));
                self.program.push(Step::Mul(a, b))
            }
            Expression::Scaled(a, x) => {
                let (a, x) = (self.compile(a), self.program.constant(*x));
                self.program.push(Step::Mul(a, x))
            }
        }
    }
}

/// The quotient's coefficients, a multiple of `n` of them: `degree − 1` pieces.
pub(super) fn quotient(
    cs: &ConstraintSystem<Fr>,
    domain: &EvaluationDomain<Fr>,
    columns: &Columns<'_>,
    challenges: &[Fr],
    y: Fr,
) -> Vec<Fr> {
    let mut compiler =
        Compiler { program: Program::default(), challenges, fixed: columns.fixed.len(), advice: columns.advice.len() };
    let mut result = compiler.program.constant(Fr::ZERO);
    let y = compiler.program.constant(y);
    for polynomial in cs.gates().iter().flat_map(|g| g.polynomials()) {
        let value = compiler.compile(polynomial);
        let scaled = compiler.program.push(Step::Mul(result, y));
        result = compiler.program.push(Step::Add(scaled, value));
    }
    let all: Vec<&[Fr]> = columns.fixed.iter().chain(columns.advice).chain(columns.instance).copied().collect();
    let program = Allocated::new(&compiler.program, result, all.len());

    let n = 1usize << domain.k();
    let cosets = domain.extended_len() / n;
    let mut numerator = domain.empty_extended();
    for coset in 0..cosets {
        let shift = Fr::ZETA * domain.get_extended_omega().pow_vartime([coset as u64]);
        let powers = powers(shift, n);
        let values: Vec<Vec<Fr>> = all
            .par_iter()
            .zip(&program.rotations)
            .map(|(coefficients, rotations)| match rotations {
                Some((before, after)) => coset_values(domain, coefficients, &powers, *before, *after),
                None => vec![],
            })
            .collect();
        let results: Vec<Fr> = (0..n.div_ceil(SLICE))
            .into_par_iter()
            .flat_map_iter(|slice| program.run(&values, slice * SLICE, SLICE.min(n - slice * SLICE)))
            .collect();
        let out = numerator.values_mut();
        for (i, v) in results.into_iter().enumerate() {
            out[i * cosets + coset] = v;
        }
    }
    let h: Polynomial<Fr, ExtendedLagrangeCoeff> = domain.divide_by_vanishing_poly(numerator);
    domain.extended_to_coeff(h)
}

fn powers(base: Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |p| Some(*p * base)).take(n).collect()
}

/// Values on a coset, the last `before` of them again in front and the first `after` again behind: every rotation of a
/// slice of rows is a slice.
fn coset_values(
    domain: &EvaluationDomain<Fr>,
    coefficients: &[Fr],
    powers: &[Fr],
    before: usize,
    after: usize,
) -> Vec<Fr> {
    let n = coefficients.len();
    let mut values = Vec::with_capacity(before + n + after);
    values.extend(coefficients.iter().zip(powers).map(|(c, p)| *c * p));
    best_fft(&mut values, domain.get_omega(), domain.k(), domain.get_fft_data(n), false);
    if before > 0 {
        let wrapped = values[n - before..].to_vec();
        values.splice(0..0, wrapped);
    }
    values.extend_from_within(before..before + after);
    values
}

/// A program whose steps write into reused slots.
struct Allocated {
    constants: Vec<Fr>,
    steps: Vec<(Step, usize)>,
    slots: usize,
    result: Value,
    /// For each column that is read: how many rows before and after the row itself.
    rotations: Vec<Option<(usize, usize)>>,
}

impl Allocated {
    /// `columns`: how many there are in all.
    fn new(program: &Program, result: Value, columns: usize) -> Self {
        let mut last_use = vec![0usize; program.steps.len()];
        let mut rotations: Vec<Option<(usize, usize)>> = vec![None; columns];
        let mut note = |v: Value, at: usize, last_use: &mut Vec<usize>| match v {
            Value::Step(i) => last_use[i] = at,
            Value::Column(c, rotation) => {
                let (before, after) = rotations[c].unwrap_or_default();
                let far = rotation.unsigned_abs() as usize;
                rotations[c] = Some(if rotation < 0 { (before.max(far), after) } else { (before, after.max(far)) });
            }
            Value::Constant(_) => {}
        };
        for (at, step) in program.steps.iter().enumerate() {
            let (Step::Add(a, b) | Step::Sub(a, b) | Step::Mul(a, b)) = step;
            note(*a, at, &mut last_use);
            note(*b, at, &mut last_use);
        }
        note(result, usize::MAX, &mut last_use);

        let mut slot_of = vec![0usize; program.steps.len()];
        let mut free: Vec<usize> = Vec::new();
        let mut slots = 0;
        let mut steps = Vec::with_capacity(program.steps.len());
        for (at, step) in program.steps.iter().enumerate() {
            let (Step::Add(a, b) | Step::Sub(a, b) | Step::Mul(a, b)) = *step;
            let map = |v: Value| match v {
                Value::Step(i) => Value::Step(slot_of[i]),
                other => other,
            };
            let mapped = match step {
                Step::Add(..) => Step::Add(map(a), map(b)),
                Step::Sub(..) => Step::Sub(map(a), map(b)),
                Step::Mul(..) => Step::Mul(map(a), map(b)),
            };
            // the target is taken before operands are freed, so a step never overwrites what it reads
            let slot = free.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            });
            for v in if a == b { vec![a] } else { vec![a, b] } {
                if let Value::Step(i) = v {
                    if last_use[i] == at {
                        free.push(slot_of[i]);
                    }
                }
            }
            slot_of[at] = slot;
            steps.push((mapped, slot));
        }
        let result = match result {
            Value::Step(i) => Value::Step(slot_of[i]),
            other => other,
        };
        Allocated { constants: program.constants.clone(), steps, slots, result, rotations }
    }

    /// The result on the rows from `start`.
    fn run(&self, columns: &[Vec<Fr>], start: usize, len: usize) -> Vec<Fr> {
        let mut slots = vec![vec![Fr::ZERO; len]; self.slots];
        for (step, target) in &self.steps {
            // out of the way while the others are read; it is none of the operands
            let mut out = std::mem::take(&mut slots[*target]);
            let read = |v: Value| self.read(v, &slots, columns, start, len);
            match *step {
                Step::Add(a, b) => combine(&mut out, read(a), read(b), |a, b| a + b),
                Step::Sub(a, b) => combine(&mut out, read(a), read(b), |a, b| a - b),
                Step::Mul(a, b) => combine(&mut out, read(a), read(b), |a, b| a * b),
            }
            slots[*target] = out;
        }
        match self.read(self.result, &slots, columns, start, len) {
            Operand::One(x) => vec![x; len],
            Operand::Many(values) => values.to_vec(),
        }
    }

    fn read<'a>(
        &self,
        v: Value,
        slots: &'a [Vec<Fr>],
        columns: &'a [Vec<Fr>],
        start: usize,
        len: usize,
    ) -> Operand<'a> {
        match v {
            Value::Constant(c) => Operand::One(self.constants[c]),
            Value::Step(s) => Operand::Many(&slots[s]),
            Value::Column(c, rotation) => {
                let before = self.rotations[c].map_or(0, |r| r.0) as i64;
                let at = (before + start as i64 + i64::from(rotation)) as usize;
                Operand::Many(&columns[c][at..at + len])
            }
        }
    }
}

/// What a step reads: the same on all rows, or row by row.
enum Operand<'a> {
    One(Fr),
    Many(&'a [Fr]),
}

#[inline(always)]
fn combine(out: &mut [Fr], a: Operand<'_>, b: Operand<'_>, op: impl Fn(Fr, Fr) -> Fr) {
    match (a, b) {
        (Operand::Many(a), Operand::Many(b)) => {
            out.iter_mut().zip(a.iter().zip(b)).for_each(|(o, (a, b))| *o = op(*a, *b));
        }
        (Operand::One(a), Operand::Many(b)) => out.iter_mut().zip(b).for_each(|(o, b)| *o = op(a, *b)),
        (Operand::Many(a), Operand::One(b)) => out.iter_mut().zip(a).for_each(|(o, a)| *o = op(*a, b)),
        (Operand::One(a), Operand::One(b)) => out.fill(op(a, b)),
    }
}
