//! Straight-line programs over the rows of columns: the sums and products of gates. The types, and the portable code.

use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// In row r, the value at `offset + r` of a column.
    Cell {
        /// Index of the column.
        column: usize,
        /// Index of the column's value for row 0.
        offset: usize,
    },
    /// The last result that a step stored in this slot.
    Slot(usize),
}

/// `Σ factor·operand + constant`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Combination {
    /// Operands with their factors.
    pub terms: Vec<(Fr, Operand)>,
    /// The constant.
    pub constant: Fr,
}

/// What a step computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A product.
    Product(Operand, Operand),
    /// A combination.
    Sum(Combination),
}

/// Steps, each with the slot for its result (which it must not read), and the combinations that are the program's
/// results.
#[derive(Debug)]
pub struct Program {
    pub(crate) steps: Vec<(usize, Step)>,
    pub(crate) results: Vec<Combination>,
    /// Number of slots.
    pub(crate) slots: usize,
}

/// Number of rows that one step of the portable code handles.
const SLICE: usize = 128;

impl Program {
    /// # Panics
    /// If a step writes to a slot that it reads: a bug in the code that assigns slots.
    #[must_use]
    pub fn new(steps: Vec<(usize, Step)>, results: Vec<Combination>) -> Self {
        for (slot, step) in &steps {
            let reads = step.operands().any(|o| o == Operand::Slot(*slot));
            assert!(!reads, "a step that writes to slot {slot} reads it");
        }
        let results_read = results.iter().flat_map(|r| r.terms.iter().map(|t| t.1));
        let read = steps.iter().flat_map(|(_, step)| step.operands()).chain(results_read);
        let read = read.map(|o| if let Operand::Slot(slot) = o { slot + 1 } else { 0 });
        let slots = steps.iter().map(|(slot, _)| slot + 1).chain(read).max().unwrap_or(0);
        Program { steps, results, slots }
    }

    /// Computes the results on the rows from `start`, as many as `out` has room for.
    pub(crate) fn portable(&self, columns: &[&[Fr]], start: usize, out: &mut [&mut [Fr]]) {
        let len = out.first().map_or(0, |o| o.len());
        let mut buffers = vec![[Fr::ZERO; SLICE]; self.slots];
        for at in (0..len).step_by(SLICE) {
            let end = len.min(at + SLICE);
            let rows = Rows { columns, start: start + at, len: end - at };
            for (slot, step) in &self.steps {
                // taken out of the list while other buffers are read
                let mut result = buffers[*slot];
                rows.step(&buffers, step, &mut result[..end - at]);
                buffers[*slot] = result;
            }
            for (result, out) in self.results.iter().zip(out.iter_mut()) {
                rows.sum(&buffers, result, &mut out[at..end]);
            }
        }
    }
}

impl Step {
    fn operands(&self) -> impl Iterator<Item = Operand> + '_ {
        let (pair, terms) = match self {
            Step::Product(a, b) => (Some([*a, *b]), None),
            Step::Sum(sum) => (None, Some(sum.terms.iter().map(|t| t.1))),
        };
        pair.into_iter().flatten().chain(terms.into_iter().flatten())
    }
}

/// One slice of rows.
struct Rows<'a> {
    columns: &'a [&'a [Fr]],
    start: usize,
    len: usize,
}

impl Rows<'_> {
    fn read<'a>(&'a self, buffers: &'a [[Fr; SLICE]], operand: Operand) -> &'a [Fr] {
        match operand {
            Operand::Slot(slot) => &buffers[slot][..self.len],
            Operand::Cell { column, offset } => &self.columns[column][offset + self.start..][..self.len],
        }
    }

    fn step(&self, buffers: &[[Fr; SLICE]], step: &Step, out: &mut [Fr]) {
        match step {
            Step::Product(a, b) => {
                let (a, b) = (self.read(buffers, *a), self.read(buffers, *b));
                out.iter_mut().zip(a.iter().zip(b)).for_each(|(o, (a, b))| *o = *a * b);
            }
            Step::Sum(sum) => self.sum(buffers, sum, out),
        }
    }

    fn sum(&self, buffers: &[[Fr; SLICE]], sum: &Combination, out: &mut [Fr]) {
        out.fill(sum.constant);
        for (factor, operand) in &sum.terms {
            let rows = out.iter_mut().zip(self.read(buffers, *operand));
            if *factor == Fr::ONE {
                rows.for_each(|(o, v)| *o += v);
            } else if *factor == -Fr::ONE {
                rows.for_each(|(o, v)| *o -= v);
            } else {
                rows.for_each(|(o, v)| *o += *factor * v);
            }
        }
    }
}
