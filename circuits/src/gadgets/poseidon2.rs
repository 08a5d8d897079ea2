//! The Poseidon2 permutation (eprint 2023/323; BN254, `t = 4`, S-box `x⁵`, 8 full and 56 partial rounds) in [`ROWS`] rows.
//!
//! # Region
//!
//! Eight S-boxes per row. `state` is the round's input after the preceding linear layer, `x` an S-box input,
//! `output = x⁵`.
//!
//! ```text
//! row    | state 0..4            | output 0..8                       | constants 0..8  |
//! 0, 1   | after the first layer | two full rounds: lanes 0..4, 0..4 | c_0..4, c'_0..4 | q_full
//! 2..9   |                       | eight partial rounds: lane 0      | c, c', …        | q_partial
//! 9, 10  |                       | two full rounds                   |                 | q_full
//! 11     | the result, or, absorbed, the start of the next permutation |
//! ```
//!
//! # Soundness
//!
//! Every S-box input is a fixed linear form of the row's state, its outputs before, and a constant ([`full_forms`],
//! [`partial_forms`]): `output = x⁵` fixes the outputs, and the next row's state is a linear form of state and outputs. So
//! the permutation's input fixes its result. Between two permutations of a sponge (a mark on the first one's last row)
//! three lanes are free, the absorbed elements ([`Poseidon2::absorbed`]); the capacity lane is carried by a gate.
//!
//! Degree 6, including selectors. With columns for `x²` the degree would be 4, but eight more columns cost more than
//! the fifth piece of the quotient.
//!
//! # Not checked
//!
//! What is absorbed, and what the first permutation starts from: that is up to the caller's gates.

mod constants;

use std::sync::LazyLock;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Advice, Column, Expression, FirstPhase, Fixed, VirtualCells};

use super::argument::{half, select, small, Gates, Query};

/// Width of the state.
pub const WIDTH: usize = 4;
/// Number of elements that a permutation absorbs.
pub use tribute_core::receipt::RATE;
/// Number of rows of one permutation.
pub const ROWS: usize = 11;
/// Number of S-boxes per row.
pub const BOXES: usize = 8;
/// Number of advice columns: state and outputs.
pub const COLUMNS: usize = WIDTH + BOXES;
/// Index of the first output column.
pub const OUTPUT: usize = WIDTH;

/// Number of full-round rows before the partial ones, and after them.
const FULL_ROWS: usize = 2;

/// `state 0..4`, then `output 0..8`.
type Form = [Fr; WIDTH + BOXES];

/// A row's S-box inputs (without constants) and its last state, as linear forms of state and outputs.
struct Forms {
    inputs: [Form; BOXES],
    last: [Form; WIDTH],
}

struct Parameters {
    rows: [[Fr; BOXES]; ROWS],
    full: Forms,
    partial: Forms,
    /// Inverse of the outer linear layer.
    inverse: [[Fr; WIDTH]; WIDTH],
}

static PARAMETERS: LazyLock<Parameters> = LazyLock::new(|| {
    let flat: Vec<Fr> = {
        let (before, after) = constants::FULL.split_at(FULL_ROWS * BOXES);
        before.iter().chain(&constants::PARTIAL).chain(after).map(|c| Fr::from_raw(*c)).collect()
    };
    let diagonal = constants::DIAGONAL.map(Fr::from_raw);
    Parameters {
        rows: std::array::from_fn(|row| std::array::from_fn(|i| flat[row * BOXES + i])),
        full: full_forms(),
        partial: partial_forms(&diagonal),
        inverse: invert(outer()),
    }
});

fn is_full(row: usize) -> bool {
    !(FULL_ROWS..ROWS - FULL_ROWS).contains(&row)
}

/// The outer linear layer.
fn outer() -> [[Fr; WIDTH]; WIDTH] {
    [[5, 7, 1, 3], [4, 6, 1, 1], [1, 3, 5, 7], [1, 1, 4, 6]].map(|row: [u64; WIDTH]| row.map(Fr::from))
}

/// Gauss–Jordan elimination; `m` must be invertible.
fn invert(mut m: [[Fr; WIDTH]; WIDTH]) -> [[Fr; WIDTH]; WIDTH] {
    let mut inverse: [[Fr; WIDTH]; WIDTH] =
        std::array::from_fn(|i| std::array::from_fn(|j| Fr::from(u64::from(i == j))));
    for i in 0..WIDTH {
        let pivot = (i..WIDTH).find(|r| m[*r][i] != Fr::ZERO).unwrap_or(i);
        m.swap(i, pivot);
        inverse.swap(i, pivot);
        let scale = m[i][i].invert().unwrap_or(Fr::ZERO);
        for x in m[i].iter_mut().chain(&mut inverse[i]) {
            *x *= scale;
        }
        let (line, inverse_line) = (m[i], inverse[i]);
        for r in (0..WIDTH).filter(|r| *r != i) {
            let factor = m[r][i];
            for j in 0..WIDTH {
                m[r][j] -= factor * line[j];
                inverse[r][j] -= factor * inverse_line[j];
            }
        }
    }
    inverse
}

fn unit(i: usize) -> Form {
    let mut form = [Fr::ZERO; WIDTH + BOXES];
    form[i] = Fr::ONE;
    form
}

fn add(a: &Form, factor: Fr, b: &Form) -> Form {
    std::array::from_fn(|i| a[i] + factor * b[i])
}

fn outer_forms(lanes: &[Form]) -> [Form; WIDTH] {
    outer().map(|row| row.iter().zip(lanes).fold([Fr::ZERO; WIDTH + BOXES], |sum, (m, lane)| add(&sum, *m, lane)))
}

/// Two full rounds.
fn full_forms() -> Forms {
    let outputs: [Form; BOXES] = std::array::from_fn(|i| unit(WIDTH + i));
    let middle = outer_forms(&outputs[..WIDTH]);
    Forms {
        inputs: std::array::from_fn(|i| if i < WIDTH { unit(i) } else { middle[i - WIDTH] }),
        last: outer_forms(&outputs[WIDTH..]),
    }
}

/// Eight partial rounds: the S-box on lane 0, then `lane ← diagonal·lane + Σ lanes`.
fn partial_forms(diagonal: &[Fr; WIDTH]) -> Forms {
    let mut lanes: [Form; WIDTH] = std::array::from_fn(unit);
    let inputs = std::array::from_fn(|round| {
        let input = lanes[0];
        lanes[0] = unit(WIDTH + round);
        let sum = lanes.iter().fold([Fr::ZERO; WIDTH + BOXES], |sum, lane| add(&sum, Fr::ONE, lane));
        for (lane, d) in lanes.iter_mut().zip(diagonal) {
            *lane = add(&sum, *d, lane);
        }
        input
    });
    Forms { inputs, last: lanes }
}

/// Columns and selectors of the permutation.
#[derive(Clone, Copy, Debug)]
pub struct Poseidon2 {
    /// Input of the row's first round.
    pub state: [Column<Advice>; WIDTH],
    /// Outputs of the S-boxes.
    pub output: [Column<Advice>; BOXES],
    /// Round constants; on rows without rounds, selectors of the circuit: see [`Self::between`].
    constants: [Column<Fixed>; BOXES],
    /// Rows of two full rounds.
    q_full: Column<Fixed>,
    /// Rows of eight partial rounds.
    q_partial: Column<Fixed>,
    /// 1 on the last row of a permutation that is followed by another one, 2 on the first row of a sponge.
    marks: Column<Fixed>,
}

/// The marks.
const ABSORBS: u64 = 1;
const STARTS: u64 = 2;

impl Poseidon2 {
    /// Allocates the columns (all of phase 1) and adds the gates.
    pub fn configure(gates: &mut Gates<'_>) -> Self {
        let mut advice = || gates.meta.advice_column_in(FirstPhase);
        let state = std::array::from_fn(|_| advice());
        let output = std::array::from_fn(|_| advice());
        let constants = std::array::from_fn(|_| gates.meta.fixed_column());
        let mut fixed = || gates.meta.fixed_column();
        let (q_full, q_partial, marks) = (fixed(), fixed(), fixed());
        let this = Poseidon2 { state, output, constants, q_full, q_partial, marks };
        for i in 0..BOXES {
            for (selector, forms) in [(q_full, &PARAMETERS.full), (q_partial, &PARAMETERS.partial)] {
                let input = |c: &mut VirtualCells<'_, Fr>| this.form(c, &forms.inputs[i]) + c.fixed(constants[i]);
                gates.add("S-box: output = x⁵", |c| {
                    let x = input(c);
                    let square = x.clone() * x.clone();
                    c.fixed(selector) * (c.cur(output[i]) - square.clone() * square * x)
                });
            }
        }
        for (lane, form) in state.into_iter().zip(&PARAMETERS.full.last) {
            gates.add("full rounds: state' = M·outputs", |c| {
                let last = this.form(c, form);
                (c.fixed(q_full) - this.absorbs(c)) * (c.next(lane) - last)
            });
        }
        for (lane, form) in state.into_iter().zip(&PARAMETERS.partial.last) {
            gates.add("partial rounds: state' = M·(state, outputs)", |c| {
                let last = this.form(c, form);
                c.fixed(q_partial) * (c.next(lane) - last)
            });
        }
        gates.add("the capacity lane is carried between permutations", |c| {
            let absorbed = this.absorbed(c);
            this.absorbs(c) * absorbed[RATE].clone()
        });
        this
    }

    fn form(&self, c: &mut VirtualCells<'_, Fr>, form: &Form) -> Expression<Fr> {
        let cells = self.state.iter().chain(&self.output);
        cells
            .zip(form)
            .filter(|(_, factor)| **factor != Fr::ZERO)
            .map(|(cell, factor)| scaled(c.cur(*cell), *factor))
            .reduce(|a, b| a + b)
            .unwrap_or_else(|| small(0))
    }

    /// Rows of rounds.
    pub fn rounds(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.q_full) + c.fixed(self.q_partial)
    }

    /// Last rows of permutations that are followed by another one.
    pub fn absorbs(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.marks) * (small(STARTS) - c.fixed(self.marks))
    }

    /// First rows of sponges.
    pub fn starts(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.marks) * (c.fixed(self.marks) - small(ABSORBS)) * half()
    }

    /// A selector of rows without rounds, which the circuit writes into a column of constants.
    pub fn between(&self, c: &mut VirtualCells<'_, Fr>, index: usize) -> Expression<Fr> {
        (small(1) - self.rounds(c)) * c.fixed(self.constants[index])
    }

    /// The column of [`Self::between`].
    #[must_use]
    pub fn column_between(&self, index: usize) -> Column<Fixed> {
        self.constants[index]
    }

    /// The state before the first linear layer of the permutation that starts at this row.
    pub fn start(&self, c: &mut VirtualCells<'_, Fr>) -> [Expression<Fr>; WIDTH] {
        let state: Vec<_> = self.state.iter().map(|s| c.cur(*s)).collect();
        before_layer(&state)
    }

    /// On an absorbing row, what is added to the state before the next permutation; a gate makes the capacity lane 0.
    pub fn absorbed(&self, c: &mut VirtualCells<'_, Fr>) -> [Expression<Fr>; WIDTH] {
        let next: Vec<_> = self.state.iter().map(|s| c.next(*s)).collect();
        let before = before_layer(&next);
        std::array::from_fn(|lane| before[lane].clone() - self.form(c, &PARAMETERS.full.last[lane]))
    }

    /// Writes the selectors and constants of a sponge of `permutations` successive permutations from `row` on.
    pub fn assign(&self, region: &mut Region<'_, Fr>, row: usize, permutations: usize) {
        region.assign_fixed(self.marks, row, Fr::from(STARTS));
        for p in 0..permutations {
            let first = row + p * ROWS;
            for (offset, constants) in PARAMETERS.rows.iter().enumerate() {
                let selector = if is_full(offset) { self.q_full } else { self.q_partial };
                select(region, selector, [first + offset]);
                for (column, constant) in self.constants.iter().zip(constants) {
                    region.assign_fixed(*column, first + offset, *constant);
                }
            }
            if p + 1 < permutations {
                region.assign_fixed(self.marks, first + ROWS - 1, Fr::from(ABSORBS));
            }
        }
    }
}

fn scaled(e: Expression<Fr>, factor: Fr) -> Expression<Fr> {
    if factor == Fr::ONE {
        e
    } else {
        e * factor
    }
}

fn before_layer(state: &[Expression<Fr>]) -> [Expression<Fr>; WIDTH] {
    PARAMETERS.inverse.map(|row| {
        let terms = row.iter().zip(state).map(|(m, s)| scaled(s.clone(), *m));
        terms.reduce(|a, b| a + b).unwrap_or_else(|| small(0))
    })
}

/// Cells of one permutation, row by row in column order, and its result. `input` is the state before the first linear
/// layer.
#[must_use]
pub fn permutation_cells(input: [Fr; WIDTH]) -> ([[Fr; COLUMNS]; ROWS], [Fr; WIDTH]) {
    let apply = |m: &[[Fr; WIDTH]; WIDTH], v: &[Fr; WIDTH]| m.map(|row| row.iter().zip(v).map(|(m, x)| m * x).sum());
    let mut state: [Fr; WIDTH] = apply(&outer(), &input);
    let rows = std::array::from_fn(|row| {
        let forms = if is_full(row) { &PARAMETERS.full } else { &PARAMETERS.partial };
        let mut cells = [Fr::ZERO; COLUMNS];
        let mut values = [Fr::ZERO; WIDTH + BOXES];
        values[..WIDTH].copy_from_slice(&state);
        cells[..WIDTH].copy_from_slice(&state);
        let dot = |form: &Form, values: &[Fr]| -> Fr {
            form.iter().zip(values).filter(|(f, _)| !bool::from(f.is_zero())).map(|(f, v)| f * v).sum()
        };
        for i in 0..BOXES {
            let x = dot(&forms.inputs[i], &values) + PARAMETERS.rows[row][i];
            cells[OUTPUT + i] = x.square().square() * x;
            values[WIDTH + i] = cells[OUTPUT + i];
        }
        state = std::array::from_fn(|lane| dot(&forms.last[lane], &values));
        cells
    });
    (rows, state)
}

/// Cells of the sponge over `message`, as [`tribute_core::receipt::sponge`] absorbs it, and its final state.
#[must_use]
pub fn sponge_cells(message: &[Fr]) -> (Vec<[Fr; COLUMNS]>, [Fr; WIDTH]) {
    sponge_cells_from(capacity(message.len()), message)
}

/// [`sponge_cells`] with a different initial capacity lane, for tests.
#[doc(hidden)]
#[must_use]
pub fn sponge_cells_from(capacity: Fr, message: &[Fr]) -> (Vec<[Fr; COLUMNS]>, [Fr; WIDTH]) {
    let mut state = [Fr::ZERO, Fr::ZERO, Fr::ZERO, capacity];
    let mut rows = Vec::with_capacity(message.len().div_ceil(RATE) * ROWS);
    for block in message.chunks(RATE) {
        for (s, x) in state.iter_mut().zip(block) {
            *s += x;
        }
        let (cells, last) = permutation_cells(state);
        rows.extend(cells);
        state = last;
    }
    (rows, state)
}

/// `Σ ρ^i b_i` of a sponge's rows, from the bottom up: at each absorption `b_0 + ρ·b_1 + ρ²·b_2 + ρ³·below`, without
/// `b_0` at the first one. `rows` holds the cells of all permutations and the row after the last.
#[must_use]
pub fn absorbed_sums(rows: &[Vec<Fr>], rho: Fr) -> Vec<Fr> {
    let dot = |m: &[Fr], v: &[Fr]| -> Fr { m.iter().zip(v).map(|(m, x)| m * x).sum() };
    let count = rows.len().saturating_sub(1);
    let mut sums = vec![Fr::ZERO; count];
    let mut below = Fr::ZERO;
    for row in (0..count).rev() {
        // the state after the absorption, what is subtracted from it, and the first lane that counts
        let absorption = if row == 0 {
            Some((&rows[0], [Fr::ZERO; WIDTH], 1))
        } else if (row + 1).is_multiple_of(ROWS) && row + 1 < count {
            let before: [Fr; WIDTH] = std::array::from_fn(|lane| {
                let form = &PARAMETERS.full.last[lane];
                dot(&form[..WIDTH], &rows[row]) + dot(&form[WIDTH..], &rows[row][OUTPUT..])
            });
            Some((&rows[row + 1], before, 0))
        } else {
            None
        };
        if let Some((after, before, first)) = absorption {
            for lane in (0..RATE).rev() {
                below *= rho;
                if lane >= first {
                    below += dot(&PARAMETERS.inverse[lane], after) - before[lane];
                }
            }
        }
        sums[row] = below;
    }
    sums
}

/// Initial value of the sponge's capacity lane: the message's length.
#[must_use]
pub fn capacity(length: usize) -> Fr {
    Fr::from(length as u64) * tribute_engine::field::two_to(64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tribute_engine::field::{from_core, to_core};

    #[test]
    fn the_cells_end_in_the_sponge_of_receipts() {
        for length in [1, 3, 4, 6, 31] {
            let message: Vec<Fr> = (0..length as u64).map(|i| -Fr::from(i * i + 7)).collect();
            let core: Vec<_> = message.iter().map(to_core).collect();
            let (rows, state) = sponge_cells(&message);
            assert_eq!(rows.len(), ROWS * (length as usize).div_ceil(RATE));
            assert_eq!(state[0], from_core(&tribute_core::receipt::sponge(&core)));
        }
    }

    #[test]
    fn absorbed_elements_are_read_back() {
        for length in [4u64, 6, 31] {
            let message: Vec<Fr> = (0..length).map(|i| -Fr::from(i * i + 7)).collect();
            let (cells, last) = sponge_cells(&message);
            let mut rows: Vec<Vec<Fr>> = cells.iter().map(|row| row.to_vec()).collect();
            rows.push(last.to_vec());
            let rho = -Fr::from(99);
            let expected = message[1..].iter().rev().fold(Fr::ZERO, |sum, x| (sum + x) * rho);
            assert_eq!(absorbed_sums(&rows, rho)[0], expected);
        }
    }

    #[test]
    fn the_layer_is_inverted() {
        for unit in 0..WIDTH {
            let column = outer().map(|row| row[unit]);
            for (i, line) in PARAMETERS.inverse.iter().enumerate() {
                let entry: Fr = line.iter().zip(&column).map(|(a, b)| a * b).sum();
                assert_eq!(entry, Fr::from(u64::from(i == unit)));
            }
        }
    }
}
