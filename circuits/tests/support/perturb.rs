//! Changes a cell of a small circuit and recomputes everything that the witness code derives from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;
use tribute_core::statement::Statement;
use tribute_engine::column::CommittedColumn;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;
use tribute_engine::halo2_proofs::plonk::Expression;

use super::gates::{some_challenges, Cell, Sheet};
use super::keyed::srs;
use super::subjects::{Cells, Subject};

/// The column index that denotes a public input instead of a cell.
pub const INPUT: usize = usize::MAX - 1;

/// The effect of changing a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No gate is violated: a proof with this value is accepted.
    Free,
    /// Some gate is violated.
    Held,
}

/// A gate's polynomial, with what it reads.
struct Polynomial {
    expression: Expression<Fr>,
    /// Columns and rotations.
    reads: Vec<(usize, i32)>,
    /// The last phase of anything that it reads, including challenges. Phase 0 means that it reads only columns of the
    /// first phase, and not the multiplicities, which the witness code derives from the others.
    phase: u8,
}

/// A subject's gates, for trying changes.
pub struct Trial {
    pub subject: Subject,
    polynomials: Vec<Polynomial>,
    now: Sheet,
}

impl Trial {
    pub fn of(subject: Subject) -> Self {
        let cs = &subject.honest.cs;
        let (phases, multiplicity) = (cs.advice_column_phase(), *subject.honest.columns(0).last().unwrap());
        let polynomials = (cs.gates().iter().flat_map(|g| g.polynomials().to_vec()))
            .map(|expression| {
                let mut reads: Vec<(usize, i32)> = vec![];
                let mut challenge = false;
                visit(&expression, &mut |e| match e {
                    Expression::Advice(q) => reads.push((q.column_index(), q.rotation().0)),
                    Expression::Challenge(_) => challenge = true,
                    _ => {}
                });
                reads.sort_unstable();
                reads.dedup();
                let phase = |(c, _): &(usize, i32)| if *c == multiplicity { 1 } else { phases[*c] };
                let phase = reads.iter().map(phase).max().unwrap_or(0).max(u8::from(challenge));
                Polynomial { expression, reads, phase }
            })
            .collect();
        let now = Sheet::clone(&subject.honest);
        Trial { subject, polynomials, now }
    }

    fn gates_at(&self, column: usize, row: usize) -> impl Iterator<Item = (&Polynomial, usize)> {
        let rows = self.subject.layout.rows() as i64;
        self.polynomials.iter().flat_map(move |p| {
            let here = p.reads.iter().filter(move |(c, _)| *c == column);
            here.map(move |(_, rotation)| (p, (row as i64 - i64::from(*rotation)).rem_euclid(rows) as usize))
        })
    }

    /// The verdict on a change of a cell that needs no recomputation, if there is one: free if no gate notices, held if
    /// a gate notices that reads nothing that would be recomputed.
    pub fn early(&self, cell: Cell, value: Fr) -> Option<Verdict> {
        let mut noticed = false;
        let phase = self.subject.honest.cs.advice_column_phase()[cell.0];
        for (p, row) in self.gates_at(cell.0, cell.1) {
            if self.subject.honest.value_with(&p.expression, row, cell, value) != Fr::ZERO {
                if p.phase <= phase {
                    return Some(Verdict::Held);
                }
                noticed = true;
            }
        }
        (!noticed).then_some(Verdict::Free)
    }

    /// The sheet after changes of cells of phase one, with everything else recomputed under these challenges.
    pub fn recomputed(&mut self, changes: &[(Cell, Fr)], challenges: &[Fr]) -> &mut Sheet {
        let committed = self.subject.committed();
        let phase_one = self.now.columns(0);
        let multiplicity = *phase_one.last().unwrap();
        // other columns are those of phase two
        let position = |column: usize| phase_one.iter().position(|c| *c == column).unwrap_or(usize::MAX);
        let circuit = &mut self.subject.circuit;
        let mut write = |cell: Cell, value: Fr| {
            let at = position(cell.0);
            if at < committed {
                Arc::make_mut(&mut circuit.committed_mut()[at]).values[cell.1] = value;
            } else if at != usize::MAX && cell.0 != multiplicity {
                circuit.fresh_mut()[at - committed][cell.1] = value;
            }
        };
        changes.iter().for_each(|(cell, value)| write(*cell, *value));
        self.now.instance[..self.subject.inputs.len()].copy_from_slice(&self.subject.inputs);
        for (cell, value) in changes.iter().filter(|(cell, _)| cell.0 == INPUT) {
            self.now.instance[cell.1] = *value;
        }
        let count = self.now.challenges.len();
        self.now.challenges.copy_from_slice(&challenges[..count]);
        for (column, values) in self.now.advice.iter_mut().zip(self.subject.circuit.committed()) {
            column.clone_from(&values.values);
        }
        for phase in 0..=2 {
            if !self.now.columns(phase).is_empty() {
                let columns = self.subject.circuit.phase(phase, &self.now.challenges);
                self.now.take(phase, &columns);
            }
        }
        // the witness code computes the multiplicities; a change of one affects the sum of fractions
        let mut changed = false;
        for (cell, value) in changes.iter().filter(|(cell, _)| cell.0 == multiplicity) {
            self.now.advice[multiplicity][cell.1] = *value;
            changed = true;
        }
        if changed {
            let gate = "logUp sum: (sum' − sum − Σh)·d₁d₂·(β − t) = (s₁d₂ + s₂d₁)(β − t) − m·d₁d₂";
            let sum = self.sum_of_fractions();
            self.now.run_down(gate, sum);
        }
        if self.subject.circuit.shape().statement == Statement::Gradient {
            // the witness code would publish what follows from the columns; here the public input stays unchanged
            let (gate, e) = (
                "gradient check: e' = e + s·b·ek on head rows, e − (τ^j κ^u + α·w)g on weight rows, e − α·2^bi·limb",
                self.now.column(2, 4),
            );
            self.now.solve("gradient check starts at −α·2^u·N and ends at 0", 0, (e, 0));
            self.now.run_down(gate, e);
        }
        // a change in a column of phase two affects the running sums of phase three
        let later = changes.iter().filter(|(cell, _)| position(cell.0) == usize::MAX);
        let later: Vec<_> = later.copied().collect();
        for (cell, value) in later.iter().filter(|(cell, _)| cell.0 != INPUT) {
            self.now.advice[cell.0][cell.1] = *value;
        }
        if let (false, Some((gate, column))) = (later.is_empty(), self.running_check()) {
            self.now.run_down(&gate, column);
        }
        let circuit = &mut self.subject.circuit;
        for (cell, _) in changes.iter().filter(|(cell, _)| cell.0 != INPUT) {
            let honest = self.subject.honest.advice[cell.0][cell.1];
            let at = position(cell.0);
            if at < committed {
                Arc::make_mut(&mut circuit.committed_mut()[at]).values[cell.1] = honest;
            } else if at != usize::MAX && cell.0 != multiplicity {
                circuit.fresh_mut()[at - committed][cell.1] = honest;
            }
        }
        &mut self.now
    }

    /// The column of the lookup's sum.
    fn sum_of_fractions(&self) -> usize {
        let gate = "logUp starts and ends at 0";
        let reads = |name: &str| {
            let mut columns = vec![];
            for p in self.now.polynomials(name) {
                visit(&p, &mut |e| {
                    if let Expression::Advice(q) = e {
                        columns.push(q.column_index());
                    }
                });
            }
            columns
        };
        reads(gate)[0]
    }

    /// The witness and the public inputs with changed cells of phase one.
    pub fn changed(&self, changes: &[(Cell, Fr)]) -> (Box<dyn Cells>, Vec<Fr>) {
        let mut inputs = self.subject.inputs.clone();
        let (committed, phase_one) = (self.subject.committed(), self.subject.honest.columns(0));
        let mut circuit = self.subject.circuit.boxed();
        let mut multiplicities = vec![];
        for (cell, value) in changes {
            if cell.0 == INPUT {
                inputs[cell.1] = *value;
                continue;
            }
            let at = phase_one.iter().position(|c| *c == cell.0).unwrap();
            if at < committed {
                let column = Arc::make_mut(&mut circuit.committed_mut()[at]);
                column.values[cell.1] = *value;
                *column = CommittedColumn::new(srs(self.subject.layout.k()), std::mem::take(&mut column.values));
            } else if at + 1 == phase_one.len() {
                multiplicities.push((cell.1, *value));
            } else {
                circuit.fresh_mut()[at - committed][cell.1] = *value;
            }
        }
        *circuit.forge_mut() = Some(Arc::new(move |phase, columns, _| {
            if let (0, Some(m)) = (phase, columns.last_mut()) {
                multiplicities.iter().for_each(|(row, value)| m[*row] = *value);
            }
        }));
        (circuit, inputs)
    }

    /// The running sum of phase three that columns of phase two enter: its gate and its column.
    fn running_check(&self) -> Option<(String, usize)> {
        let statement = self.subject.circuit.shape().statement;
        let (start, n) = match statement {
            Statement::Dataset => return None,
            Statement::Gradient | Statement::Service => ("logit check: r' =", 3),
            Statement::Evaluation => ("logit check: r' =", 2),
            Statement::Optimum => ("f' = f", 0),
        };
        let name = self.now.cs.gates().iter().map(|g| g.name()).find(|name| name.starts_with(start))?;
        Some((name.to_owned(), self.now.column(2, n)))
    }

    /// The non-zero values of gate polynomials, by gate and row, where one of the changes can be noticed: at the ends
    /// of the running sums and near the changes.
    pub fn defects(&mut self, changes: &[(Cell, Fr)], challenges: &[Fr]) -> BTreeMap<(usize, usize), Fr> {
        let (n, gate_rows) = (self.subject.layout.rows(), self.subject.layout.gate_rows());
        self.recomputed(changes, challenges);
        let mut rows: BTreeSet<usize> = [0, gate_rows - 1].into();
        for (cell, _) in changes {
            rows.extend(cell.1.saturating_sub(40)..(cell.1 + 40).min(n));
        }
        let at = |row: usize| self.polynomials.iter().enumerate().map(move |(i, p)| ((i, row), &p.expression));
        let all: Vec<_> = rows.into_iter().flat_map(at).collect();
        let values: Vec<_> = all.par_iter().map(|((i, row), p)| ((*i, *row), self.now.value(p, *row))).collect();
        values.into_iter().filter(|(_, value)| *value != Fr::ZERO).collect()
    }

    /// The polynomial that ends the lookup's sum.
    pub fn lookup_ends(&self) -> usize {
        let names: Vec<&str> = self.now.cs.gates().iter().map(|g| g.name()).collect();
        names.iter().position(|name| *name == "logUp starts and ends at 0").unwrap()
    }

    /// The verdict on changes of cells of phase one after everything is recomputed.
    pub fn late(&mut self, changes: &[(Cell, Fr)]) -> Verdict {
        self.late_under(changes, &some_challenges())
    }

    /// [`Self::late`] under other challenges.
    pub fn late_under(&mut self, changes: &[(Cell, Fr)], challenges: &[Fr]) -> Verdict {
        let rows: Vec<usize> = changes.iter().map(|(cell, _)| cell.1).collect();
        let n = self.subject.layout.rows();
        let ends = [0, self.subject.layout.gate_rows() - 1];
        self.recomputed(changes, challenges);
        // the ends of the running sums first, then the rows near the changes, then everything
        let near = rows.iter().take(8).flat_map(|row| row.saturating_sub(4)..(row + 5).min(n));
        let fails = |row: usize| self.polynomials.iter().any(|p| self.now.value(&p.expression, row) != Fr::ZERO);
        if ends.into_iter().chain(near).any(fails) || !self.now.violated().is_empty() {
            Verdict::Held
        } else {
            Verdict::Free
        }
    }
}

/// Visits every subexpression.
pub fn visit(e: &Expression<Fr>, f: &mut dyn FnMut(&Expression<Fr>)) {
    f(e);
    match e {
        Expression::Negated(a) | Expression::Scaled(a, _) => visit(a, f),
        Expression::Sum(a, b) | Expression::Product(a, b) => {
            visit(a, f);
            visit(b, f);
        }
        _ => {}
    }
}
