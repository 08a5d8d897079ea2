//! The quotient polynomial: all gates, combined by powers of y, divided by `X^n − 1`.
//!
//! A gate of degree D has a quotient of `D − 1` pieces of n coefficients, which its values on `D − 1` cosets of the n-th
//! roots of unity fix. So gates are summed by degree, and a coset evaluates only those whose quotient it helps to fix: the
//! first all of them, the last those of the highest degree. On a coset `g·H` the vanishing polynomial is the constant
//! `g^n − 1`, and `h = Σ_j X^(n·j) h_j` has the values of `Σ_j g^(n·j) h_j`, a polynomial of degree below n: one FFT a coset
//! and a small linear system give the pieces.
//!
//! What a coset evaluates is a [`Program`]: one column at one rotation, sums of them, products, each computed once.

use std::collections::{BTreeMap, HashMap};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, WithSmallOrderMulGroup};
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2_proofs::poly::EvaluationDomain;
use rayon::prelude::*;
use tribute_simd::program::{self, Operand};
use tribute_simd::{Backend, Fft, Interpolation};

/// Coefficients of all columns.
pub(super) struct Columns<'a> {
    pub(super) fixed: &'a [&'a [Fr]],
    pub(super) advice: &'a [&'a [Fr]],
    pub(super) instance: &'a [&'a [Fr]],
}

/// The quotient's pieces of n coefficients: `degree − 1` of them. `interpolation` is that over the domain.
pub(super) fn quotient(
    backend: Backend,
    interpolation: &Interpolation,
    cs: &ConstraintSystem<Fr>,
    domain: &EvaluationDomain<Fr>,
    columns: &Columns<'_>,
    challenges: &[Fr],
    y: Fr,
) -> Vec<Vec<Fr>> {
    let n = 1usize << domain.k();
    let all: Vec<&[Fr]> = columns.fixed.iter().chain(columns.advice).chain(columns.instance).copied().collect();
    let kinds = Kinds { challenges, fixed: columns.fixed.len(), advice: columns.advice.len() };
    let pieces = cs.degree() - 1;
    let shifts: Vec<Fr> = (0..pieces).map(|i| Fr::ZETA * domain.get_extended_omega().pow_vartime([i as u64])).collect();
    let at_n: Vec<Fr> = shifts.iter().map(|g| g.pow_vartime([n as u64])).collect();

    let mut out = vec![vec![Fr::ZERO; n]; pieces];
    for (i, shift) in shifts.iter().enumerate() {
        // a gate of degree D is fixed by D − 1 cosets
        let program = Program::new(cs, &kinds, y, i + 2);
        let rotations = program.rotations(all.len());
        let fft = Fft::new(backend, domain.k(), domain.get_omega(), *shift);
        let values: Vec<Vec<Fr>> = all
            .par_iter()
            .zip(&rotations)
            .map(|(coefficients, rotations)| match rotations {
                Some((before, after)) => coset_values(&fft, coefficients, *before, *after),
                None => vec![],
            })
            .collect();
        let mut numerators = program.run(backend, &values, &rotations, n);
        drop((values, fft));
        let scale = invert(at_n[i] - Fr::ONE);
        let interpolation = interpolation.on(*shift);
        numerators.par_iter_mut().for_each(|values| interpolation.run(values));
        for (values, degree) in numerators.iter().zip(&program.degrees) {
            // this coset's part in Σ_j g_i^(n·j) h_j over the degree's cosets
            let parts = lagrange_coefficients(&at_n[..degree - 1], i);
            out.par_iter_mut().zip(parts).for_each(|(piece, part)| {
                tribute_simd::add_scaled(backend, piece, part * scale, values);
            });
        }
    }
    out
}

fn invert(x: Fr) -> Fr {
    x.invert().unwrap_or(Fr::ZERO)
}

/// Coefficients of the polynomial that is 1 at `points[i]` and 0 at the others.
fn lagrange_coefficients(points: &[Fr], i: usize) -> Vec<Fr> {
    let mut out = vec![Fr::ONE];
    for (_, other) in points.iter().enumerate().filter(|(j, _)| *j != i) {
        let scale = invert(points[i] - other);
        // times (X − other)/(points[i] − other)
        out.push(Fr::ZERO);
        for j in (0..out.len()).rev() {
            let below = if j > 0 { out[j - 1] } else { Fr::ZERO };
            out[j] = (below - *other * out[j]) * scale;
        }
    }
    out
}

/// How many rows before and after a row are read.
type Reach = (usize, usize);

/// Values on a coset, the last `before` of them again in front and the first `after` again behind: every rotation of a
/// slice of rows is a slice.
fn coset_values(fft: &Fft, coefficients: &[Fr], before: usize, after: usize) -> Vec<Fr> {
    let n = coefficients.len();
    let mut values = Vec::with_capacity(before + n + after);
    values.resize(before, Fr::ZERO);
    values.extend_from_slice(coefficients);
    fft.run(&mut values[before..]);
    values.copy_within(n..n + before, 0);
    values.extend_from_within(before..before + after);
    values
}

/// What a step reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Source {
    /// A column (all kinds in one list) at a rotation.
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

/// How expressions name columns and challenges.
struct Kinds<'a> {
    challenges: &'a [Fr],
    fixed: usize,
    advice: usize,
}

/// A straight-line program over column values, without repeated subexpressions.
#[derive(Default)]
struct Program {
    steps: Vec<Step>,
    index: HashMap<Step, usize>,
    /// Degrees of the gates' sums.
    degrees: Vec<usize>,
    /// The sums, by degree.
    results: Vec<Combination>,
}

/// A gate's terms by the fixed factor that they share, so that it is multiplied once.
type Groups = BTreeMap<Option<Source>, Combination>;

impl Program {
    /// The sums `Σ y^(last − i)·gate_i` over the gates of each degree from `least`. A gate of a degree below 2 counts as 2, the
    /// least that has a quotient.
    fn new(cs: &ConstraintSystem<Fr>, kinds: &Kinds<'_>, y: Fr, least: usize) -> Self {
        let mut program = Program::default();
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
        program
    }

    fn step(&mut self, step: Step) -> Source {
        let steps = &mut self.steps;
        Source::Step(*self.index.entry(step).or_insert_with_key(|step| {
            steps.push(step.clone());
            steps.len() - 1
        }))
    }

    /// A combination as a factor times one source.
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

    /// Adds `factor·e` to `groups`, each term to the group of the fixed factor that it has.
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

    /// For each of `columns` columns that is read: how many rows before and after the row itself.
    fn rotations(&self, columns: usize) -> Vec<Option<Reach>> {
        let mut rotations: Vec<Option<Reach>> = vec![None; columns];
        let results = self.results.iter().flat_map(|r| r.terms.keys().copied());
        for source in self.steps.iter().flat_map(Step::reads).chain(results) {
            if let Source::Cell(column, rotation) = source {
                let (before, after) = rotations[column].unwrap_or_default();
                let far = rotation.unsigned_abs() as usize;
                rotations[column] =
                    Some(if rotation < 0 { (before.max(far), after) } else { (before, after.max(far)) });
            }
        }
        rotations
    }

    /// The sums on all n rows, by degree.
    fn run(&self, backend: Backend, columns: &[Vec<Fr>], reach: &[Option<Reach>], n: usize) -> Vec<Vec<Fr>> {
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

/// Where each step leaves its result: a slot is free again once its step was read for the last time.
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
            // taken before operands are freed, so that a step never overwrites what it reads
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
    use halo2_proofs::arithmetic::eval_polynomial;
    use halo2_proofs::plonk::FirstPhase;
    use halo2_proofs::poly::Rotation;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Gates of degrees 1, 2, 3 and 6 with far rotations both ways, a challenge, public inputs, a sum that cancels, shared
    /// factors with and without a constant.
    fn system() -> ConstraintSystem<Fr> {
        let mut cs = ConstraintSystem::default();
        cs.set_minimum_degree(6);
        let [a, b, sum, product, power, public] = [(); 6].map(|()| cs.advice_column_in(FirstPhase));
        let (q, p, instance) = (cs.fixed_column(), cs.fixed_column(), cs.instance_column());
        let challenge = cs.challenge_usable_after(FirstPhase);
        let constant = |x: u64| Expression::Constant(Fr::from(x));
        cs.create_gate("all", |c| {
            let [a0, b0, sum, product, power, public] =
                [a, b, sum, product, power, public].map(|x| c.query_advice(x, Rotation::cur()));
            let (a2, b3) = (c.query_advice(a, Rotation(2)), c.query_advice(b, Rotation(-3)));
            let (q, p) = (c.query_fixed(q, Rotation::cur()), c.query_fixed(p, Rotation::cur()));
            let (i, challenge) = (c.query_instance(instance, Rotation::cur()), c.query_challenge(challenge));
            let square = a0.clone() * a0.clone();
            let fifth = square.clone() * square * a0.clone();
            vec![
                public - a0.clone() - challenge.clone() * i,
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

    #[test]
    fn the_pieces_are_the_gates_quotient() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        // one slice of rows that is not full, and several
        for k in [4, 9] {
            let (cs, n) = (system(), 1usize << k);
            let domain = EvaluationDomain::<Fr>::new(cs.degree() as u32, k);
            let mut random = || (0..n).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
            let (a, b, q, p, instance) = (random(), random(), random(), random(), random());
            let (challenge, y, x) = (Fr::from(11), Fr::from(13), Fr::from(17));
            let rows = |f: &dyn Fn(usize) -> Fr| (0..n).map(f).collect::<Vec<_>>();
            let advice = [
                a.clone(),
                b.clone(),
                rows(&|i| a[(i + 2) % n] + Fr::from(3) * b[(i + n - 3) % n]),
                rows(&|i| a[i] * b[i]),
                rows(&|i| a[i].square().square() * a[i]),
                rows(&|i| a[i] + challenge * instance[i]),
            ];
            let interpolation = Interpolation::new(Backend::best(), k, domain.get_omega(), Fr::ONE);
            let polynomial = |values: &Vec<Fr>| {
                let mut values = values.clone();
                interpolation.run(&mut values);
                values
            };
            let advice = advice.map(|values| polynomial(&values));
            let (fixed, instance) = ([polynomial(&q), polynomial(&p)], polynomial(&instance));
            let all: Vec<&[Fr]> = advice.iter().map(Vec::as_slice).collect();
            let columns = Columns { fixed: &[&fixed[0], &fixed[1]], advice: &all, instance: &[&instance] };

            let [pieces, others] = [Backend::best(), Backend::PORTABLE].map(|backend| {
                let interpolation = Interpolation::new(backend, k, domain.get_omega(), Fr::ONE);
                quotient(backend, &interpolation, &cs, &domain, &columns, &[challenge], y)
            });
            assert!(pieces == others, "the same by portable code, k = {k}");
            let at = |f: &[Fr], rotation| eval_polynomial(f, domain.rotate_omega(x, rotation));
            let gates = cs.gates().iter().flat_map(|g| g.polynomials()).fold(Fr::ZERO, |sum, gate| {
                let value = gate.evaluate(
                    &|constant| constant,
                    &|_| unreachable!("selectors are fixed columns"),
                    &|q| at(&fixed[q.column_index()], q.rotation()),
                    &|q| at(&advice[q.column_index()], q.rotation()),
                    &|q| at(&instance, q.rotation()),
                    &|_| challenge,
                    &|a| -a,
                    &|a, b| a + b,
                    &|a, b| a * b,
                    &|a, x| a * x,
                );
                sum * y + value
            });
            let x_n = x.pow_vartime([n as u64]);
            let h = pieces.iter().rev().fold(Fr::ZERO, |sum, piece| sum * x_n + eval_polynomial(piece, x));
            assert_eq!(pieces.len(), 5);
            assert_eq!(h * (x_n - Fr::ONE), gates, "k = {k}");
        }
    }

    #[test]
    fn no_step_writes_where_another_is_still_read() {
        let kinds = Kinds { challenges: &[Fr::from(11)], fixed: 2, advice: 6 };
        let program = Program::new(&system(), &kinds, Fr::from(13), 2);
        let slots = Slots::new(&program);
        let count = slots.of.iter().max().unwrap() + 1;
        assert!(count < program.steps.len(), "slots are used again");
        // run on the slots alone: who wrote what a step reads?
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
