//! Checks a circuit's cells against its gates, row by row: which gates a witness violates, and which cell value
//! satisfies a gate. It finds what a failed verification does not tell, and lets a forger satisfy every gate but one.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::circuit::constraint_system;
use tribute_circuits::gadgets::argument::Forge;
use tribute_core::layout::Layout;
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;
use tribute_engine::halo2_proofs::plonk::{ConstraintSystem, Expression};

use super::keyed::keyed;

/// A cell: (column, row).
pub type Cell = (usize, usize);

/// All cells of one circuit, for the phases filled so far.
#[derive(Clone)]
pub struct Sheet {
    pub layout: Layout,
    pub cs: ConstraintSystem<Fr>,
    pub fixed: Vec<Vec<Fr>>,
    pub instance: Vec<Fr>,
    /// By column index.
    pub advice: Vec<Vec<Fr>>,
    /// By index.
    pub challenges: Vec<Fr>,
}

impl Sheet {
    /// The cells that exist before the first phase.
    pub fn new(shape: &Shape, committed: &[Arc<CommittedColumn>], inputs: &[Fr]) -> Self {
        let rows = shape.layout.rows();
        let cs = constraint_system(shape);
        let mut instance = inputs.to_vec();
        instance.resize(rows, Fr::ZERO);
        let mut advice = vec![vec![Fr::ZERO; rows]; cs.num_advice_columns()];
        for (column, values) in advice.iter_mut().zip(committed) {
            column.clone_from(&values.values);
        }
        let fixed = keyed(shape).keys.fixed_values();
        Sheet { layout: shape.layout, challenges: vec![Fr::ZERO; cs.num_challenges()], cs, fixed, instance, advice }
    }

    /// The cells of a witness's first phase.
    pub fn of_phase_one(circuit: &dyn StatementWitness, inputs: &[Fr]) -> Self {
        let mut sheet = Sheet::new(circuit.shape(), &circuit.committed(), inputs);
        sheet.take(0, &circuit.phase(0, &[]));
        sheet
    }

    /// The n-th column of a phase; the committed columns come first in phase 0.
    pub fn column(&self, phase: u8, n: usize) -> usize {
        self.columns(phase)[n]
    }

    /// The n-th column of a phase counted from the end; 0 is the last.
    pub fn column_from_last(&self, phase: u8, n: usize) -> usize {
        let columns = self.columns(phase);
        columns[columns.len() - 1 - n]
    }

    /// The columns of a phase.
    pub fn columns(&self, phase: u8) -> Vec<usize> {
        let phases = self.cs.advice_column_phase();
        (0..phases.len()).filter(|i| phases[*i] == phase).collect()
    }

    /// The polynomials of the gates with this name.
    pub fn polynomials(&self, gate: &str) -> Vec<Expression<Fr>> {
        let more = format!("{gate} #");
        let of_name = self.cs.gates().iter().filter(|g| g.name() == gate || g.name().starts_with(&more));
        let all: Vec<_> = of_name.flat_map(|g| g.polynomials().to_vec()).collect();
        assert!(!all.is_empty(), "no gate `{gate}`");
        all
    }

    /// The polynomial's value on a row.
    pub fn value(&self, polynomial: &Expression<Fr>, row: usize) -> Fr {
        self.value_with(polynomial, row, (usize::MAX, 0), Fr::ZERO)
    }

    /// [`Self::value`] with one cell replaced.
    pub fn value_with(&self, polynomial: &Expression<Fr>, row: usize, cell: Cell, value: Fr) -> Fr {
        let rows = self.layout.rows();
        let at = |rotation: i32| (row as i64 + i64::from(rotation)).rem_euclid(rows as i64) as usize;
        let advice = |column: usize, row: usize| if (column, row) == cell { value } else { self.advice[column][row] };
        polynomial.evaluate_lazy(
            &|x| x,
            &|_| Fr::ZERO,
            &|q| self.fixed[q.column_index()][at(q.rotation().0)],
            &|q| advice(q.column_index(), at(q.rotation().0)),
            &|q| self.instance[at(q.rotation().0)],
            &|c| self.challenges[c.index()],
            &|x| -x,
            &|x, y| x + y,
            &|x, y| x * y,
            &|x, s| x * s,
            &Fr::ZERO,
        )
    }

    /// Sets a cell so that the gates of a name hold on a row. The gates must be linear in it; a cell that they do not
    /// constrain stays unchanged.
    pub fn solve(&mut self, gate: &str, row: usize, cell: Cell) {
        for polynomial in self.polynomials(gate) {
            self.solve_one(&polynomial, row, cell);
        }
    }

    /// [`Self::solve`] for the n-th polynomial of the gates of this name.
    pub fn solve_nth(&mut self, gate: &str, n: usize, row: usize, cell: Cell) {
        let polynomial = self.polynomials(gate).swap_remove(n);
        self.solve_one(&polynomial, row, cell);
    }

    fn solve_one(&mut self, polynomial: &Expression<Fr>, row: usize, (column, at): Cell) {
        let was = self.advice[column][at];
        self.advice[column][at] = Fr::ZERO;
        let zero = self.value(polynomial, row);
        self.advice[column][at] = Fr::ONE;
        let slope = self.value(polynomial, row) - zero;
        self.advice[column][at] = match Option::<Fr>::from(slope.invert()) {
            Some(inverse) => -zero * inverse,
            None => was,
        };
    }

    /// Fills a running sum from its first cell downwards, according to its gate, and returns its last cell.
    pub fn run_down(&mut self, gate: &str, column: usize) -> Fr {
        let polynomials = self.polynomials(gate);
        assert_eq!(polynomials.len(), 1);
        for row in 0..self.layout.gate_rows() - 1 {
            self.solve_one(&polynomials[0], row, (column, row + 1));
        }
        self.advice[column][self.layout.gate_rows() - 1]
    }

    /// Fills a running sum upwards on these rows, according to its gate.
    pub fn run_up(&mut self, gate: &str, column: usize, rows: Range<usize>) {
        let polynomials = self.polynomials(gate);
        assert_eq!(polynomials.len(), 1);
        for row in rows.rev() {
            self.solve_one(&polynomials[0], row, (column, row));
        }
    }

    /// Changes a cell, on which the running sum's end depends linearly, so that the sum ends at 0.
    pub fn balance(&mut self, gate: &str, sum: usize, (column, row): Cell) {
        let open = self.run_down(gate, sum);
        self.advice[column][row] += Fr::ONE;
        let slope = self.run_down(gate, sum) - open;
        self.advice[column][row] -= Fr::ONE + open * slope.invert().unwrap();
        assert_eq!(self.run_down(gate, sum), Fr::ZERO);
    }

    /// Names of the violated gates, each with the first row on which it fails, by name.
    pub fn violated(&self) -> Vec<(String, usize)> {
        let mut failed: Vec<(String, usize)> = (self.cs.gates().par_iter())
            .filter_map(|gate| {
                let fails = |row: &usize| gate.polynomials().iter().any(|p| self.value(p, *row) != Fr::ZERO);
                Some((gate.name().to_owned(), (0..self.layout.rows()).find(fails)?))
            })
            .collect();
        failed.sort();
        failed.dedup_by(|b, a| a.0 == b.0);
        failed
    }

    /// Sets the fresh columns of a phase. The rows after the gates get fixed stand-ins for the random values.
    pub fn take(&mut self, phase: u8, columns: &[Vec<Fr>]) {
        let all = self.columns(phase);
        for (index, column) in all[all.len() - columns.len()..].iter().zip(columns) {
            let mut column = column.clone();
            column.resize(column.len().max(self.layout.gate_rows()), Fr::ZERO);
            column.resize(self.layout.rows(), Fr::from(0xdead_beef));
            self.advice[*index] = column;
        }
    }
}

/// Fixed challenges that look random.
pub fn some_challenges() -> Vec<Fr> {
    (0..16u64).map(|i| -Fr::from(1_234_567 + i * i * 7_919)).collect()
}

/// The cells of a witness under these challenges.
pub fn sheet(circuit: &dyn StatementWitness, inputs: &[Fr], challenges: &[Fr]) -> Sheet {
    let mut sheet = Sheet::new(circuit.shape(), &circuit.committed(), inputs);
    sheet.challenges = challenges[..sheet.challenges.len()].to_vec();
    for phase in 0..=2 {
        if !sheet.columns(phase).is_empty() {
            sheet.take(phase, &circuit.phase(phase, &sheet.challenges));
        }
    }
    sheet
}

/// Names of the violated gates, each with the first row on which it fails, by name.
pub fn violated(circuit: &dyn StatementWitness, inputs: &[Fr]) -> Vec<(String, usize)> {
    sheet(circuit, inputs, &some_challenges()).violated()
}

/// Forges cell by cell: after each phase, `edit` sees all cells filled so far and may change those of that phase.
pub fn forging(
    circuit: &dyn StatementWitness,
    inputs: &[Fr],
    edit: impl Fn(u8, &mut Sheet) + Send + Sync + 'static,
) -> Forge {
    let sheet = Mutex::new(Sheet::new(circuit.shape(), &circuit.committed(), inputs));
    Arc::new(move |phase, columns, challenges| {
        let mut sheet = sheet.lock().unwrap();
        sheet.challenges = challenges.to_vec();
        sheet.take(phase, columns);
        edit(phase, &mut sheet);
        let all = sheet.columns(phase);
        for (index, column) in all[all.len() - columns.len()..].iter().zip(columns) {
            let length = column.len();
            column.copy_from_slice(&sheet.advice[*index][..length]);
        }
    })
}
