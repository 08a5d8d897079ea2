//! # Statement
//!
//! The committed shard is well formed and holds exactly `n` records.
//!
//! # Public inputs
//!
//! `ctx`, `n` ([`tribute_core::statement::dataset`]).
//!
//! # Committed columns
//!
//! `X_0 … X_{A−1}` (features), `Y` (presence and target): the group XY.
//!
//! # Region (one record, `R` rows; see [`tribute_core::layout`])
//!
//! ```text
//! | X_0 … X_{A−1} | Y      | class  | cells | count | y_lo y_hi (real targets only) | q_head q_class q_data |
//! | x_0 … x_{A−1} | s      |        | Σ     | N     |                                | 1      0       1      |
//! | x_A …         | y_0    | Σ_u≥0  |       | N     | limbs of y                     | 0      1       1      |
//! | …             | y_c−1  | y_c−1  |       | N     |                                | 0      1       0/1    |
//! ```
//!
//! `class` sums the targets from the last class row up, `cells` the features of the whole record, `count` the presence
//! flags of this record and all below.
//!
//! # Soundness
//!
//! - Every X cell above the salts is looked up in [0, 256), so sums of X cells never wrap: at most 1024·255 per record.
//! - Cells that belong to no feature are zero: on rows that hold none, and beyond `d` in the last data row, the sum of the
//!   (non-negative) cells is 0.
//! - `s` is boolean on head rows. Classification: each target is boolean and their sum is `s`: exactly one class in a
//!   present record, none in an absent one. Regression: the target is two bytes, and 0 in an absent record.
//! - An absent record has no features: `(1 − s)·Σx = 0`.
//! - Elsewhere above the salts Y is 0.
//! - `count` at row 0 is the sum of the presence flags and equals `n`.
//!
//! # Not checked
//!
//! That the records are true, distinct or not somebody else's; the salts.

use std::sync::Arc;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Column, Error, Expression, FirstPhase, Fixed, Instance, VirtualCells};
use halo2_proofs::poly::Rotation;
use tribute_core::layout::{Layout, Task};
use tribute_core::numbers::FEATURE_BITS;
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::Arithmetization;
use crate::arithmetization::StatementWitness;
use crate::columns::CommittedGroup;
use crate::gadgets::argument::{select, small, Forge, Gates, Query};
use crate::gadgets::logup::{range_table, Frame, Input, LogUp, Lookups, Tuple};

/// Selectors and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    frame: Frame,
    q_head: Column<Fixed>,
    q_class: Column<Fixed>,
    q_data: Column<Fixed>,
    q_body: Column<Fixed>,
    q_record: Column<Fixed>,
    q_end: Column<Fixed>,
    q_partial: Option<Column<Fixed>>,
    lookup: LogUp,
}

/// Fresh phase-0 columns, by position in [`DatasetCircuit::columns`].
pub mod column {
    /// Sum of targets.
    pub const CLASS: usize = 0;
    /// Sum of features.
    pub const CELLS: usize = 1;
    /// Count of records.
    pub const COUNT: usize = 2;
    /// Low byte of a real target.
    pub const TARGET_LOW: usize = 3;
    /// High byte of a real target.
    pub const TARGET_HIGH: usize = 4;
}

/// The `dataset` circuit with its witness.
#[derive(Clone)]
pub struct DatasetCircuit {
    shape: Shape,
    config: Config,
    committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0 but the multiplicities: see [`column`].
    pub columns: Vec<Vec<Fr>>,
    /// Tests only.
    pub forge: Option<Forge>,
}

impl DatasetCircuit {
    /// The witness for a committed shard.
    #[must_use]
    pub fn new(shape: Shape, shard: &CommittedGroup) -> Self {
        let committed = shard.columns.clone();
        let columns = witness(&shape.layout, &committed);
        DatasetCircuit { config: Config::of(&shape), shape, committed, columns, forge: None }
    }

    /// Number of present records in the witness.
    #[must_use]
    pub fn count(&self) -> Fr {
        self.columns[column::COUNT][0]
    }
}

fn witness(layout: &Layout, committed: &[Arc<CommittedColumn>]) -> Vec<Vec<Fr>> {
    let (x, y) = committed.split_at(layout.columns());
    let y = &y[0].values;
    let mut columns = vec![vec![Fr::ZERO; layout.gate_rows()]; if layout.task() == Task::Real { 5 } else { 3 }];
    for record in (0..layout.capacity()).rev() {
        let start = record * layout.record_rows();
        for offset in (0..layout.record_rows()).rev() {
            let row = start + offset;
            let last = offset + 1 == layout.record_rows();
            if (1..=layout.classes()).contains(&offset) {
                let below = if offset == layout.classes() { Fr::ZERO } else { columns[column::CLASS][row + 1] };
                columns[column::CLASS][row] = y[row] + below;
                if layout.task() == Task::Real {
                    let value = tribute_engine::field::to_u256(&y[row]);
                    columns[column::TARGET_LOW][row] = Fr::from((value & 0xff).as_u64());
                    columns[column::TARGET_HIGH][row] = Fr::from(((value >> 8u32) & 0xff).as_u64());
                }
            }
            let below = if last { Fr::ZERO } else { columns[column::CELLS][row + 1] };
            columns[column::CELLS][row] = x.iter().map(|c| c.values[row]).sum::<Fr>() + below;
            columns[column::COUNT][row] = columns[column::COUNT][row + 1] + if offset == 0 { y[row] } else { Fr::ZERO };
        }
    }
    columns
}

fn table() -> Vec<Tuple> {
    range_table(FEATURE_BITS)
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        let mut advice = || gates.meta.advice_column_in(FirstPhase);
        // committed columns first: their points open the proof
        let x: Vec<_> = (0..layout.columns()).map(|_| advice()).collect();
        let y = advice();
        let (class, cells, count) = (advice(), advice(), advice());
        let target: Vec<_> = if layout.task() == Task::Real { vec![advice(), advice()] } else { vec![] };
        let instance: Column<Instance> = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let mut fixed = || gates.meta.fixed_column();
        let (q_head, q_class, q_data, q_body, q_record, q_end) = (fixed(), fixed(), fixed(), fixed(), fixed(), fixed());
        let partial = layout.features() % layout.columns();
        let q_partial = (partial != 0).then(&mut fixed);
        let range = fixed();

        gates.add("presence is boolean: s(s − 1) = 0", |c| {
            let s = c.cur(y);
            c.fixed(q_head) * s.clone() * (s - small(1))
        });
        if layout.task() == Task::Classes {
            gates.add("target is boolean: y(y − 1) = 0", |c| {
                let y = c.cur(y);
                c.fixed(q_class) * y.clone() * (y - small(1))
            });
            gates.add("exactly one class in a present record: s = Σy", |c| {
                c.fixed(q_head) * (c.cur(y) - c.next(class))
            });
        } else {
            gates.add("target is two bytes: y = lo + 256·hi", |c| {
                c.fixed(q_class) * (c.cur(y) - c.cur(target[0]) - small(256) * c.cur(target[1]))
            });
            gates.add("an absent record has no target: (1 − s)·y = 0", |c| {
                c.fixed(q_head) * (small(1) - c.cur(y)) * c.next(class)
            });
        }
        gates.add("targets summed: class = y + class'", |c| {
            c.fixed(q_class) * (c.cur(class) - c.cur(y) - c.fixed_next(q_class) * c.next(class))
        });
        gates.add("unused label rows are 0", |c| (c.fixed(q_body) - c.fixed(q_head) - c.fixed(q_class)) * c.cur(y));
        let sum_x = |c: &mut VirtualCells<'_, Fr>, from: usize| -> Expression<Fr> {
            x[from..].iter().map(|x| c.cur(*x)).reduce(|a, b| a + b).unwrap_or_else(|| small(0))
        };
        gates.add("rows without features are 0: Σx = 0", |c| (c.fixed(q_body) - c.fixed(q_data)) * sum_x(c, 0));
        if let Some(q_partial) = q_partial {
            gates.add("cells beyond d are 0: Σ_{j ≥ d} x = 0", |c| c.fixed(q_partial) * sum_x(c, partial));
        }
        gates.add("features summed: cells = Σx + cells'", |c| {
            c.fixed(q_record) * (c.cur(cells) - sum_x(c, 0)) - (c.fixed(q_record) - c.fixed(q_end)) * c.next(cells)
        });
        gates.add("an absent record has no features: (1 − s)·Σx = 0", |c| {
            c.fixed(q_head) * (small(1) - c.cur(y)) * c.cur(cells)
        });
        gates.add("records counted: count = count' + s", |c| {
            c.fixed(frame.q_use) * (c.cur(count) - c.next(count)) - c.fixed(q_head) * c.cur(y)
        });
        gates.add("count ends at 0", |c| c.fixed(frame.q_last) * c.cur(count));
        gates.add("count is n", |c| {
            let n = c.query_instance(instance, Rotation::next());
            c.fixed(frame.q_first) * (c.cur(count) - n)
        });
        let build = |c: &mut VirtualCells<'_, Fr>| {
            let mut inputs: Vec<_> =
                x.iter().map(|x| Input { active: c.fixed(q_body), tuple: vec![c.cur(*x)] }).collect();
            inputs.extend(target.iter().map(|t| Input { active: c.fixed(q_class), tuple: vec![c.cur(*t)] }));
            inputs
        };
        let lookup = LogUp::configure(gates, frame, vec![range], x.len() + target.len(), &build);
        Config { frame, q_head, q_class, q_data, q_body, q_record, q_end, q_partial, lookup }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        let (r, rows) = (layout.record_rows(), layout.weights_start());
        let offset = |row: usize| row % r;
        self.frame.assign(region, layout.gate_rows());
        select(region, self.q_head, (0..rows).step_by(r));
        select(region, self.q_class, (0..rows).filter(|i| (1..=layout.classes()).contains(&offset(*i))));
        select(region, self.q_data, (0..rows).filter(|i| offset(*i) < layout.data_rows()));
        select(region, self.q_body, 0..layout.salt_start());
        select(region, self.q_record, 0..rows);
        select(region, self.q_end, (r - 1..rows).step_by(r));
        if let Some(q) = self.q_partial {
            select(region, q, (layout.data_rows() - 1..rows).step_by(r));
        }
        self.lookup.assign_table(region, &table(), layout.gate_rows());
        Ok(())
    }
}

impl StatementWitness for DatasetCircuit {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Witness for DatasetCircuit {
    fn committed(&self) -> Vec<Arc<CommittedColumn>> {
        self.committed.clone()
    }

    fn phase(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let layout = self.shape.layout;
        let (r, rows, width) = (layout.record_rows(), layout.weights_start(), layout.columns());
        let tuple = |input: usize, row: usize| -> Option<Tuple> {
            let value = if input < width {
                (row < layout.salt_start()).then(|| self.committed[input].values[row])?
            } else {
                let class = row < rows && (1..=layout.classes()).contains(&(row % r));
                class.then(|| self.columns[column::TARGET_LOW + input - width][row])?
            };
            Some([value, Fr::ZERO, Fr::ZERO])
        };
        let targets = self.columns.len() - column::TARGET_LOW;
        let lookups = Lookups { inputs: width + targets, tuple: &tuple };
        let table = table();
        let mut columns = if phase == 0 {
            let mut columns = self.columns.clone();
            columns.push(lookups.multiplicities(&table, layout.gate_rows() - 1));
            columns
        } else {
            self.config.lookup.second_phase(challenges, &table, &lookups, layout.gate_rows())
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
