//! Lookups as a sum of fractions (logUp, eprint 2022/1530), written as gates.
//!
//! # Statement
//!
//! On every row, each input's tuple `(v₀, v₁, …)` is a row of the table wherever its activity is 1.
//!
//! # Columns
//!
//! | column | phase | holds |
//! |---|---|---|
//! | `multiplicity` | 1 | how often this table row is looked up |
//! | `helpers[i]` | 2 | `Σ s/d` of up to three inputs, or as many as the circuit chooses: k inputs need degree k + 2; `d = β − (v₀ + θv₁ + θ²v₂ + …)` |
//! | `sum` | 2 | running sum of helpers and of up to two inputs without one, minus `m/(β − t)` |
//!
//! # Gates (`used` is 1 on every gate row but the last)
//!
//! - helper: `used·h·d₁d₂d₃ = s₁d₂d₃ + s₂d₁d₃ + s₃d₁d₂`
//! - sum, with two inputs of its own: `used·((sum′ − sum − Σh)·d₁d₂·(β − t) + m·d₁d₂) = (s₁d₂ + s₂d₁)(β − t)`
//! - `sum` is 0 in the first and in the last gate row.
//!
//! Activities are 0 wherever `used` is, so they need not be multiplied by it: an activity may have degree 3.
//!
//! # Soundness
//!
//! Inputs and multiplicities are committed before β and θ exist. With the gates, `Σ_rows Σ s/d = Σ_rows m/(β − t)` as
//! rational functions of β except with probability about `#cells/r`; poles then agree, so every active tuple's
//! compressed value is a table value, and by θ the tuple is. Activities and table, too, are fixed or of phase 1. The
//! helper gate is on wherever the sum is: where nothing is looked up `h·d₁d₂d₃ = 0` makes `h` zero, so no idle row,
//! including salt rows, can smuggle a term into the sum. The multiplicity of a row that no helper uses would only add
//! an unmatched pole. A fixed row that is never assigned is the tuple (0, 0, 0): [`LogUp::assign_table`] fills the
//! table to the last gate row.
//!
//! # Not checked
//!
//! The meaning of an input's cells where its activity is 0.
//!
//! # Activities
//!
//! Activities may be any constants, not only 1: the coefficient of a pole is the sum of the activities of all cells
//! with that value. As long as they are positive integers whose sum over the whole circuit is below r, a value outside
//! the table leaves its pole.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Advice, Challenge, Column, Expression, FirstPhase, Fixed, SecondPhase, VirtualCells};
use rayon::prelude::*;
use tribute_engine::field::batch_invert;

use super::argument::{horner, small, Gates, Query};

/// Number of inputs that one helper column serves at degree 5; each additional input adds a degree.
pub const INPUTS_PER_HELPER: usize = 3;
/// Number of inputs that the sum takes directly at degree 5.
pub const INPUTS_IN_SUM: usize = 2;

/// A lookup: a tuple wherever the activity is 1.
#[derive(Clone, Debug)]
pub struct Input {
    /// 0 or 1, or a positive constant, and 0 from the last gate row on: built from fixed columns, or from a phase-1 cell
    /// that other gates make boolean. Of degree at most 3.
    pub active: Expression<Fr>,
    /// One value per table column.
    pub tuple: Vec<Expression<Fr>>,
}

/// The lookup argument of one circuit.
#[derive(Clone, Debug)]
pub struct LogUp {
    table: Vec<Column<Fixed>>,
    multiplicity: Column<Advice>,
    beta: Challenge,
    theta: Challenge,
    plan: Plan,
}

/// Which inputs have helpers: all but the last `inline`, which the sum takes directly.
#[derive(Clone, Copy, Debug)]
struct Plan {
    inputs: usize,
    per_helper: usize,
    inline: usize,
}

impl Plan {
    /// The plan with the fewest helpers, given `per_helper` inputs per helper and up to `inline` in the sum.
    fn of(inputs: usize, per_helper: usize, inline: usize) -> Self {
        let helpers = inputs.saturating_sub(inline).div_ceil(per_helper);
        Plan { inputs, per_helper, inline: inputs.saturating_sub(helpers * per_helper) }
    }
    fn helped(self) -> usize {
        self.inputs - self.inline
    }
    fn helpers(self) -> usize {
        self.helped().div_ceil(self.per_helper)
    }
}

/// The selectors that the argument shares with its circuit, from one column: 1 on every gate row but row 0.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    column: Column<Fixed>,
}

impl Frame {
    /// Allocates the column.
    pub fn configure(gates: &mut Gates<'_>) -> Self {
        Frame { column: gates.meta.fixed_column() }
    }
    /// 1 on every gate row but the last.
    pub fn used(&self, cells: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        cells.fixed_next(self.column)
    }
    /// 1 on row 0, −1 on the last gate row. Public inputs, which are read from the first few rows, are 0 at the last
    /// gate row: from there, rotations read the instance column's padding.
    pub fn ends(&self, cells: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        cells.fixed_next(self.column) - cells.fixed(self.column)
    }
    /// Writes the column for [`tribute_core::layout::Layout::gate_rows`] rows.
    pub fn assign(&self, region: &mut Region<'_, Fr>, rows: usize) {
        super::argument::select(region, self.column, 1..rows);
    }
}

impl LogUp {
    /// Adds the argument. `inputs` must build the same inputs at every call. The multiplicity column is allocated here,
    /// so call this after allocating the committed columns.
    pub fn configure(
        gates: &mut Gates<'_>,
        frame: Frame,
        table: Vec<Column<Fixed>>,
        inputs: usize,
        build: &dyn Fn(&mut VirtualCells<'_, Fr>) -> Vec<Input>,
    ) -> Self {
        let columns = table.clone();
        let tuple = move |cells: &mut VirtualCells<'_, Fr>| columns.iter().map(|t| cells.fixed(*t)).collect();
        let plan = (inputs, INPUTS_PER_HELPER, INPUTS_IN_SUM);
        Self::configure_table(gates, frame, table, &tuple, plan, build)
    }

    /// [`Self::configure`] for a table that is more than its fixed columns, for example with public inputs on some
    /// rows: `tuple` builds a row's tuple, of degree at most 3. `plan` gives the number of inputs, how many a helper
    /// serves, and how many the sum may take directly.
    pub fn configure_table(
        gates: &mut Gates<'_>,
        frame: Frame,
        table: Vec<Column<Fixed>>,
        tuple: &dyn Fn(&mut VirtualCells<'_, Fr>) -> Vec<Expression<Fr>>,
        (inputs, per_helper, inline): (usize, usize, usize),
        build: &dyn Fn(&mut VirtualCells<'_, Fr>) -> Vec<Input>,
    ) -> Self {
        let plan = Plan::of(inputs, per_helper, inline);
        let multiplicity = gates.meta.advice_column_in(FirstPhase);
        let beta = gates.meta.challenge_usable_after(FirstPhase);
        let theta = gates.meta.challenge_usable_after(FirstPhase);
        let helpers: Vec<_> = (0..plan.helpers()).map(|_| gates.meta.advice_column_in(SecondPhase)).collect();
        let sum = gates.meta.advice_column_in(SecondPhase);

        for (i, helper) in helpers.iter().enumerate() {
            gates.add("logUp helper: h·d₁d₂d₃ = s₁d₂d₃ + s₂d₁d₃ + s₃d₁d₂", |cells| {
                let (beta, theta) = (cells.challenge(beta), cells.challenge(theta));
                let all = build(cells);
                debug_assert_eq!(all.len(), inputs);
                let chunk: Vec<_> = all.into_iter().take(plan.helped()).skip(i * per_helper).take(per_helper).collect();
                let (all, sum) = fractions(&chunk, &beta, &theta);
                let (all, sum) = (all.unwrap_or_else(|| small(1)), sum.unwrap_or_else(|| small(0)));
                frame.used(cells) * cells.cur(*helper) * all - sum
            });
        }
        gates.add(
            "logUp sum: (sum' − sum − Σh)·d₁d₂·(β − t) = (s₁d₂ + s₂d₁)(β − t) − m·d₁d₂",
            |cells| {
                let (beta, theta) = (cells.challenge(beta), cells.challenge(theta));
                let own: Vec<_> = build(cells).into_iter().skip(plan.helped()).collect();
                let (all, fraction) = fractions(&own, &beta, &theta);
                let tuple = tuple(cells);
                let mut step = cells.next(sum) - cells.cur(sum);
                for helper in &helpers {
                    step = step - cells.cur(*helper);
                }
                let (entry, m) = (beta - horner(&tuple, &theta), cells.cur(multiplicity));
                let used = frame.used(cells);
                match (all, fraction) {
                    (Some(all), Some(fraction)) => {
                        used * (step * all.clone() * entry.clone() + m * all) - fraction * entry
                    }
                    _ => used * (step * entry + m),
                }
            },
        );
        gates.add("logUp starts and ends at 0", |cells| frame.ends(cells) * cells.cur(sum));
        LogUp { table, multiplicity, beta, theta, plan }
    }

    /// The column of multiplicities, one per table row.
    #[must_use]
    pub fn multiplicity(&self) -> Column<Advice> {
        self.multiplicity
    }

    /// Writes the table's fixed columns on the first `rows` rows; if the table is shorter, its first row is repeated.
    pub fn assign_table<const W: usize>(&self, region: &mut Region<'_, Fr>, table: &[[Fr; W]], rows: usize) {
        for row in 0..rows {
            let tuple = table.get(row).unwrap_or(&table[0]);
            for (column, value) in self.table.iter().zip(tuple) {
                region.assign_fixed(*column, row, *value);
            }
        }
    }

    /// Second-phase columns, `rows` long: the helpers, then the sum.
    #[must_use]
    pub fn second_phase<const W: usize>(
        &self,
        challenges: &[Fr],
        table: &[[Fr; W]],
        lookups: &Lookups<'_, W>,
        rows: usize,
    ) -> Vec<Vec<Fr>> {
        let multiplicities = lookups.multiplicities(table, rows - 1);
        let (beta, theta) = (challenges[self.beta.index()], challenges[self.theta.index()]);
        let denominator = |t: &[Fr; W]| beta - t.iter().rev().fold(Fr::ZERO, |sum, v| sum * theta + v);
        debug_assert_eq!(lookups.inputs, self.plan.inputs);
        let helped = self.plan.helped();
        // Σ s/d of some inputs, on every row
        let fractions = |inputs: std::ops::Range<usize>| {
            let mut sum = vec![Fr::ZERO; rows];
            for input in inputs {
                let mut d: Vec<Fr> = (0..rows - 1)
                    .into_par_iter()
                    .map(|row| (lookups.tuple)(input, row).map_or(Fr::ZERO, |t| denominator(&t)))
                    .collect();
                batch_invert(&mut d);
                match lookups.weight {
                    Some(weight) => {
                        for (row, (sum, d)) in sum.iter_mut().zip(&d).enumerate() {
                            *sum += weight(input, row).map_or(*d, |weight| weight * d);
                        }
                    }
                    None => sum.iter_mut().zip(&d).for_each(|(sum, d)| *sum += d),
                }
            }
            sum
        };
        let mut columns: Vec<Vec<Fr>> = (0..helped)
            .step_by(self.plan.per_helper)
            .map(|first| fractions(first..helped.min(first + self.plan.per_helper)))
            .collect();
        let own = fractions(helped..self.plan.inputs);
        let mut table_inverse: Vec<Fr> = table.iter().map(denominator).collect();
        batch_invert(&mut table_inverse);
        let mut sum = vec![Fr::ZERO; rows];
        for row in 0..rows - 1 {
            let mut next = sum[row] + own[row];
            for column in &columns {
                next += column[row];
            }
            if let Some(m) = multiplicities.get(row) {
                next -= m * table_inverse.get(row).or(table_inverse.first()).copied().unwrap_or(Fr::ZERO);
            }
            sum[row + 1] = next;
        }
        columns.push(sum);
        columns
    }
}

/// The common denominator of the inputs and the numerator of the sum of their fractions; `None` for no inputs.
fn fractions(
    inputs: &[Input],
    beta: &Expression<Fr>,
    theta: &Expression<Fr>,
) -> (Option<Expression<Fr>>, Option<Expression<Fr>>) {
    let d: Vec<_> = inputs.iter().map(|input| beta.clone() - horner(&input.tuple, theta)).collect();
    let product = |skip: Option<usize>| {
        d.iter().enumerate().filter(|(j, _)| Some(*j) != skip).map(|(_, d)| d.clone()).reduce(|a, b| a * b)
    };
    let numerator = |(j, input): (usize, &Input)| match product(Some(j)) {
        Some(others) => input.active.clone() * others,
        None => input.active.clone(),
    };
    (product(None), inputs.iter().enumerate().map(numerator).reduce(|a, b| a + b))
}

/// A table row or a looked-up tuple of the usual width. Tables with fewer columns leave the rest 0.
pub type Tuple = [Fr; 3];

/// All values of `bits` bits, each in a tuple of its own.
#[must_use]
pub fn range_table(bits: u32) -> Vec<Tuple> {
    (0..1u64 << bits).map(|v| [Fr::from(v), Fr::ZERO, Fr::ZERO]).collect()
}

/// The lookups of a witness.
pub struct Lookups<'a, const W: usize = 3> {
    /// Number of inputs, as configured.
    pub inputs: usize,
    /// The tuple that an input looks up on a row; `None` where it is idle.
    pub tuple: &'a (dyn Fn(usize, usize) -> Option<[Fr; W]> + Sync),
    /// An input's activity on a row, if some are not 1; `None` means 1.
    pub weight: Option<&'a (dyn Fn(usize, usize) -> Option<Fr> + Sync)>,
}

impl<const W: usize> std::fmt::Debug for Lookups<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookups").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl<const W: usize> Lookups<'_, W> {
    /// How often each table row is looked up (the sum of its cells' activities) on the first `rows` rows. A tuple that
    /// is not in the table is not counted, so its proof will not verify.
    #[must_use]
    pub fn multiplicities(&self, table: &[[Fr; W]], rows: usize) -> Vec<Fr> {
        let index: HashMap<[Fr; W], usize> = table.iter().enumerate().rev().map(|(i, t)| (*t, i)).collect();
        let counts: Vec<AtomicU64> = table.iter().map(|_| AtomicU64::new(0)).collect();
        let weighted = std::sync::Mutex::new(vec![]);
        (0..rows).into_par_iter().for_each(|row| {
            for input in 0..self.inputs {
                let Some(i) = (self.tuple)(input, row).and_then(|t| index.get(&t)) else { continue };
                match self.weight.and_then(|weight| weight(input, row)) {
                    Some(weight) => {
                        weighted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*i, weight));
                    }
                    None => {
                        counts[*i].fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        let mut counts: Vec<Fr> = counts.into_iter().map(|c| Fr::from(c.into_inner())).collect();
        for (i, weight) in weighted.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            counts[i] += weight;
        }
        counts
    }
}
