//! Gates compiled to a straight-line program over column values: sums and products of columns at rotations, each
//! computed once. Columns that are read nowhere but in one sum are joined to one column before they are transformed.

use std::collections::{BTreeMap, HashMap};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use tribute_simd::program::{self, Operand};
use tribute_simd::Backend;

/// Number of rows read before and after the current row.
pub(super) type Reach = (usize, usize);

/// What a step reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Source {
    /// A column (all kinds share one index) at a rotation.
    Cell(usize, i32),
    /// A step's result.
    Step(usize),
}

/// `Σ factor·source + constant`; no factor is 0.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Combination {
    terms: BTreeMap<Source, Fr>,
    constant: Fr,
}

impl Combination {
    fn constant(constant: Fr) -> Self {
        Combination { constant, ..Self::default() }
    }
    fn source(source: Source) -> Self {
        Combination { terms: BTreeMap::from([(source, Fr::ONE)]), ..Self::default() }
    }
    fn add(&mut self, factor: Fr, other: &Combination) {
        self.constant += factor * other.constant;
        for (source, x) in &other.terms {
            *self.terms.entry(*source).or_insert(Fr::ZERO) += factor * x;
        }
        self.terms.retain(|_, x| *x != Fr::ZERO);
    }
    fn scaled(&self, factor: Fr) -> Self {
        let mut out = Self::default();
        out.add(factor, self);
        out
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Step {
    Product(Source, Source),
    Sum(Combination),
}

impl Step {
    fn reads(&self) -> Vec<Source> {
        match self {
            Step::Product(a, b) => vec![*a, *b],
            Step::Sum(sum) => sum.terms.keys().copied().collect(),
        }
    }
}

/// Maps the columns and challenges in expressions to indices and values.
pub(super) struct Kinds<'a> {
    pub(super) challenges: &'a [Fr],
    /// Number of fixed columns.
    pub(super) fixed: usize,
    /// Number of advice columns.
    pub(super) advice: usize,
    /// Number of instance columns.
    pub(super) instance: usize,
}

/// A column's polynomial plus multiples of other columns', as one column.
#[derive(Debug)]
struct Joined {
    first: usize,
    others: Vec<(usize, Fr)>,
}

/// A straight-line program over column values, without repeated subexpressions.
#[derive(Default)]
pub(super) struct Program {
    steps: Vec<Step>,
    index: HashMap<Step, usize>,
    /// The degrees that have a sum of gates.
    pub(super) degrees: Vec<usize>,
    /// The sums, in order of their degrees.
    results: Vec<Combination>,
    /// Number of the circuit's columns, of all kinds.
    columns: usize,
    /// Columns whose indices follow those of the circuit's.
    joined: Vec<Joined>,
}

/// A gate's terms, grouped by shared fixed factor, so that each such factor is multiplied once.
type Groups = BTreeMap<Option<Source>, Combination>;

impl Program {
    /// Compiles the sums `Σ y^(last − i)·gate_i` over the gates of each degree from `least` up. A gate of degree below
    /// 2 counts as degree 2, the smallest that has a quotient.
    pub(super) fn new(cs: &ConstraintSystem<Fr>, kinds: &Kinds<'_>, y: Fr, least: usize) -> Self {
        let columns = kinds.fixed + kinds.advice + kinds.instance;
        let mut program = Program { columns, ..Program::default() };
        let mut sums: BTreeMap<usize, Groups> = BTreeMap::new();
        let gates: Vec<&Expression<Fr>> = cs.gates().iter().flat_map(|g| g.polynomials()).collect();
        let mut factor = Fr::ONE;
        for gate in gates.into_iter().rev() {
            let degree = gate.degree().max(2);
            if degree >= least {
                program.collect(gate, factor, kinds, sums.entry(degree).or_default());
            }
            factor *= y;
        }
        for (degree, groups) in sums {
            let mut sum = Combination::default();
            for (shared, terms) in groups {
                match shared {
                    None => sum.add(Fr::ONE, &terms),
                    Some(shared) => {
                        let product = program.product(&Combination::source(shared), &terms);
                        sum.add(Fr::ONE, &product);
                    }
                }
            }
            program.degrees.push(degree);
            program.results.push(sum);
        }
        program.join();
        program
    }

    /// Joins the columns that one sum reads at one rotation and that nothing else reads: they need a single transform.
    fn join(&mut self) {
        let mut reads = vec![0; self.columns];
        for source in self.reads() {
            if let Source::Cell(column, _) = source {
                reads[column] += 1;
            }
        }
        let sums = self.steps.iter_mut().filter_map(|step| match step {
            Step::Product(..) => None,
            Step::Sum(sum) => Some(sum),
        });
        for sum in sums.chain(&mut self.results) {
            let mut by_rotation: BTreeMap<i32, Vec<(usize, Fr)>> = BTreeMap::new();
            for (source, factor) in &sum.terms {
                match *source {
                    Source::Cell(column, rotation) if reads[column] == 1 => {
                        by_rotation.entry(rotation).or_default().push((column, *factor));
                    }
                    _ => {}
                }
            }
            for (rotation, cells) in by_rotation {
                let [(first, factor), others @ ..] = &cells[..] else { continue };
                if others.is_empty() {
                    continue;
                }
                for (column, _) in &cells {
                    sum.terms.remove(&Source::Cell(*column, rotation));
                }
                sum.terms.insert(Source::Cell(self.columns + self.joined.len(), rotation), *factor);
                // no factor is 0
                let scale = factor.invert().unwrap_or(Fr::ZERO);
                let others = others.iter().map(|(column, x)| (*column, *x * scale)).collect();
                self.joined.push(Joined { first: *first, others });
            }
        }
    }

    /// Everything that steps and results read.
    fn reads(&self) -> impl Iterator<Item = Source> + '_ {
        let results = self.results.iter().flat_map(|r| r.terms.keys().copied());
        self.steps.iter().flat_map(Step::reads).chain(results)
    }

    /// A column's polynomial is that of one of the circuit's columns plus multiples of others', which only joined columns
    /// have.
    pub(super) fn polynomial(&self, column: usize) -> (usize, &[(usize, Fr)]) {
        match column.checked_sub(self.columns) {
            None => (column, &[]),
            Some(i) => (self.joined[i].first, &self.joined[i].others),
        }
    }

    fn step(&mut self, step: Step) -> Source {
        let steps = &mut self.steps;
        Source::Step(*self.index.entry(step).or_insert_with_key(|step| {
            steps.push(step.clone());
            steps.len() - 1
        }))
    }

    /// A combination as a factor times a single source.
    fn value(&mut self, c: &Combination) -> (Fr, Source) {
        match c.terms.first_key_value() {
            Some((source, factor)) if c.terms.len() == 1 && c.constant == Fr::ZERO => (*factor, *source),
            _ => (Fr::ONE, self.step(Step::Sum(c.clone()))),
        }
    }

    fn product(&mut self, a: &Combination, b: &Combination) -> Combination {
        if a.terms.is_empty() {
            return b.scaled(a.constant);
        }
        if b.terms.is_empty() {
            return a.scaled(b.constant);
        }
        let ((x, a), (y, b)) = (self.value(a), self.value(b));
        Combination::source(self.step(Step::Product(a.min(b), a.max(b)))).scaled(x * y)
    }

    fn compile(&mut self, e: &Expression<Fr>, kinds: &Kinds<'_>) -> Combination {
        let cell = |column: usize, rotation: i32| Combination::source(Source::Cell(column, rotation));
        match e {
            Expression::Constant(x) => Combination::constant(*x),
            Expression::Selector(_) => unreachable!("selectors are fixed columns"),
            Expression::Fixed(q) => cell(q.column_index(), q.rotation().0),
            Expression::Advice(q) => cell(kinds.fixed + q.column_index(), q.rotation().0),
            Expression::Instance(q) => cell(kinds.fixed + kinds.advice + q.column_index(), q.rotation().0),
            Expression::Challenge(c) => Combination::constant(kinds.challenges[c.index()]),
            Expression::Negated(a) => self.compile(a, kinds).scaled(-Fr::ONE),
            Expression::Sum(a, b) => {
                let mut sum = self.compile(a, kinds);
                let b = self.compile(b, kinds);
                sum.add(Fr::ONE, &b);
                sum
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.compile(a, kinds), self.compile(b, kinds));
                self.product(&a, &b)
            }
            Expression::Scaled(a, x) => self.compile(a, kinds).scaled(*x),
        }
    }

    /// Adds `factor·e` to `groups`, each term to the group of its fixed factor.
    fn collect(&mut self, e: &Expression<Fr>, factor: Fr, kinds: &Kinds<'_>, groups: &mut Groups) {
        match e {
            Expression::Sum(a, b) => {
                self.collect(a, factor, kinds, groups);
                self.collect(b, factor, kinds, groups);
            }
            Expression::Negated(a) => self.collect(a, -factor, kinds, groups),
            Expression::Scaled(a, x) => self.collect(a, factor * x, kinds, groups),
            Expression::Product(..) => {
                let mut factors = Vec::new();
                flatten(e, &mut factors);
                let mut compiled: Vec<Combination> = factors.into_iter().map(|f| self.compile(f, kinds)).collect();
                let is_fixed = |c: &Combination| {
                    !c.terms.is_empty() && c.terms.keys().all(|s| matches!(s, Source::Cell(c, _) if *c < kinds.fixed))
                };
                let (scale, shared) = match compiled.iter().position(is_fixed) {
                    Some(i) => {
                        let (scale, shared) = self.value(&compiled.remove(i));
                        (scale, Some(shared))
                    }
                    None => (Fr::ONE, None),
                };
                let rest = compiled.iter().fold(Combination::constant(Fr::ONE), |p, f| self.product(&p, f));
                groups.entry(shared).or_default().add(factor * scale, &rest);
            }
            _ => {
                let c = self.compile(e, kinds);
                groups.entry(None).or_default().add(factor, &c);
            }
        }
    }

    /// For each of the circuit's columns, then of the joined ones, the number of rows read before and after the current
    /// row; `None` if it is not read.
    pub(super) fn rotations(&self) -> Vec<Option<Reach>> {
        let mut rotations: Vec<Option<Reach>> = vec![None; self.columns + self.joined.len()];
        for source in self.reads() {
            if let Source::Cell(column, rotation) = source {
                let (before, after) = rotations[column].unwrap_or_default();
                let far = rotation.unsigned_abs() as usize;
                rotations[column] =
                    Some(if rotation < 0 { (before.max(far), after) } else { (before, after.max(far)) });
            }
        }
        rotations
    }

    /// The sums on all n rows, by degree. `columns` has the values of the columns that [`Self::rotations`] has a reach
    /// for, and `reach` is what it returns.
    pub(super) fn run(&self, backend: Backend, columns: &[Vec<Fr>], reach: &[Option<Reach>], n: usize) -> Vec<Vec<Fr>> {
        let slots = Slots::new(self);
        let operand = |source: &Source| match *source {
            Source::Step(i) => Operand::Slot(slots.of[i]),
            Source::Cell(column, rotation) => {
                let before = reach[column].map_or(0, |r| r.0) as i64;
                Operand::Cell { column, offset: (before + i64::from(rotation)) as usize }
            }
        };
        let combination = |sum: &Combination| {
            let terms = sum.terms.iter().map(|(source, factor)| (*factor, operand(source))).collect();
            program::Combination { terms, constant: sum.constant }
        };
        let step = |step: &Step| match step {
            Step::Product(a, b) => program::Step::Product(operand(a), operand(b)),
            Step::Sum(sum) => program::Step::Sum(combination(sum)),
        };
        let steps = self.steps.iter().zip(&slots.of).map(|(s, slot)| (*slot, step(s))).collect();
        let columns: Vec<&[Fr]> = columns.iter().map(Vec::as_slice).collect();
        program::Program::new(steps, self.results.iter().map(combination).collect()).run(backend, &columns, n)
    }
}

fn flatten<'a>(e: &'a Expression<Fr>, out: &mut Vec<&'a Expression<Fr>>) {
    if let Expression::Product(a, b) = e {
        flatten(a, out);
        flatten(b, out);
    } else {
        out.push(e);
    }
}

/// Slot assignment: where each step stores its result. A slot is free again after the last read of its step.
struct Slots {
    of: Vec<usize>,
}

impl Slots {
    fn new(program: &Program) -> Self {
        let mut last_read: Vec<usize> = (0..program.steps.len()).collect();
        for (at, step) in program.steps.iter().enumerate() {
            for source in step.reads() {
                if let Source::Step(i) = source {
                    last_read[i] = at;
                }
            }
        }
        for source in program.results.iter().flat_map(|r| r.terms.keys()) {
            if let Source::Step(i) = source {
                last_read[*i] = usize::MAX;
            }
        }
        let (mut of, mut free, mut count): (Vec<usize>, Vec<usize>, usize) = (vec![], vec![], 0);
        for (at, step) in program.steps.iter().enumerate() {
            // allocated before the operands' slots are freed, so that a step never overwrites what it reads
            of.push(free.pop().unwrap_or_else(|| {
                count += 1;
                count - 1
            }));
            let read = step.reads().into_iter().chain([Source::Step(at)]);
            let mut ended: Vec<usize> = read
                .filter_map(|source| match source {
                    Source::Step(i) if last_read[i] == at => Some(of[i]),
                    _ => None,
                })
                .collect();
            ended.sort_unstable();
            ended.dedup();
            free.extend(ended);
        }
        Slots { of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plonk::toy::system;

    const CHALLENGE: Fr = Fr::from_raw([11, 0, 0, 0]);
    const KINDS: Kinds<'_> = Kinds { challenges: &[CHALLENGE], fixed: 2, advice: 11, instance: 1 };

    #[test]
    fn only_columns_that_one_sum_reads_are_joined() {
        let program = Program::new(&system(), &KINDS, Fr::from(13), 2);
        // `power`, too, is read once, but its sum has no other such column
        let (public, left, first, instance, joined) = (7, 8, 10, 13, 14);
        let rotations = program.rotations();
        assert!(rotations[..public].iter().all(Option::is_some));
        assert!(rotations[public..joined].iter().all(Option::is_none));
        assert_eq!(rotations[joined..], [Some((0, 0)), Some((2, 0)), Some((0, 1))]);
        let (two, three) = (Fr::from(2), Fr::from(3));
        assert_eq!(program.polynomial(joined), (first, &[(first + 1, two), (first + 2, CHALLENGE)][..]));
        assert_eq!(program.polynomial(joined + 1), (left, &[(left + 1, -three)][..]));
        assert_eq!(program.polynomial(joined + 2), (public, &[(instance, -CHALLENGE)][..]));
        assert!((0..joined).all(|c| program.polynomial(c).1.is_empty()));
    }

    #[test]
    fn no_step_writes_where_another_is_still_read() {
        let program = Program::new(&system(), &KINDS, Fr::from(13), 2);
        let slots = Slots::new(&program);
        let count = slots.of.iter().max().unwrap() + 1;
        assert!(count < program.steps.len(), "slots are used again");
        // simulate the slots: which step last wrote the slot being read?
        let mut writer: Vec<Option<usize>> = vec![None; count];
        let check = |source: &Source, writer: &[Option<usize>]| {
            if let Source::Step(i) = source {
                assert_eq!(writer[slots.of[*i]], Some(*i));
            }
        };
        for (at, step) in program.steps.iter().enumerate() {
            step.reads().iter().for_each(|source| {
                check(source, &writer);
                assert!(!matches!(source, Source::Step(i) if slots.of[*i] == slots.of[at]), "written while it is read");
            });
            writer[slots.of[at]] = Some(at);
        }
        program.results.iter().flat_map(|r| r.terms.keys()).for_each(|source| check(source, &writer));
    }
}
