//! Columns, gates and fixed values of `dataset`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Column, Error, Expression, FirstPhase, Fixed, Instance, VirtualCells};
use halo2_proofs::poly::Rotation;
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argument::{select, small, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};

use super::witness::table;

/// Selectors and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    frame: Frame,
    rows: Rows,
    pub(super) lookup: LogUp,
}

/// Selectors of rows, as products of three columns.
///
/// | column | 1 on |
/// |---|---|
/// | `body` | all rows above the salts |
/// | `first` | the first row of every record, every row from the last record's end to the first salt row |
/// | `inner` | class rows if every row of a record has features, else rows with features |
///
/// A record has at least two rows, so a row of the body is the head of a record if it is a first row and the next one is
/// not, and belongs to no record if both are. Rows of a record without features are class rows, and rows that are neither
/// head nor class row have features, so `inner` needs only one of the two.
#[derive(Clone, Copy, Debug)]
struct Rows {
    body: Column<Fixed>,
    first: Column<Fixed>,
    inner: Column<Fixed>,
    /// Whether every row of a record has features.
    full: bool,
}

type Cells<'a, 'b> = &'a mut VirtualCells<'b, Fr>;

impl Rows {
    fn configure(gates: &mut Gates<'_>, layout: &Layout) -> Self {
        let mut fixed = || gates.meta.fixed_column();
        let full = layout.data_rows() == layout.record_rows();
        Rows { body: fixed(), first: fixed(), inner: fixed(), full }
    }

    fn assign(&self, region: &mut Region<'_, Fr>, layout: &Layout) {
        let (r, end) = (layout.record_rows(), layout.weights_start());
        let inner = if self.full { 1..layout.classes() + 1 } else { 0..layout.data_rows() };
        select(region, self.body, 0..layout.salt_start());
        select(region, self.first, (0..end).step_by(r).chain(end..=layout.salt_start()));
        select(region, self.inner, (0..end).filter(|i| inner.contains(&(i % r))));
    }

    fn body(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.body)
    }

    fn head(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.body) * c.fixed(self.first) * (small(1) - c.fixed_next(self.first))
    }

    /// Rows of the body that belong to no record.
    fn rest(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.body) * c.fixed(self.first) * c.fixed_next(self.first)
    }

    /// All rows of records.
    fn record(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.body) * (small(1) - c.fixed(self.first) * c.fixed_next(self.first))
    }

    /// Rows of records but the last of each.
    fn joined(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.body) * (small(1) - c.fixed_next(self.first))
    }

    fn class(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        if self.full {
            c.fixed(self.inner)
        } else {
            c.fixed(self.body) * (small(1) - c.fixed(self.first))
        }
    }

    /// On class rows: whether the next row is one of the same record.
    fn class_goes_on(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        if self.full {
            c.fixed_next(self.inner)
        } else {
            small(1) - c.fixed_next(self.first)
        }
    }

    /// Rows of the body without features.
    fn bare(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        if self.full {
            self.rest(c)
        } else {
            c.fixed(self.body) - c.fixed(self.inner)
        }
    }

    /// The last row with features of every record.
    fn last_data(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        if self.full {
            c.fixed(self.body) * (small(1) - c.fixed(self.first)) * c.fixed_next(self.first)
        } else {
            c.fixed(self.inner) * (small(1) - c.fixed_next(self.inner))
        }
    }
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        let mut advice = || gates.meta.advice_column_in(FirstPhase);
        // committed columns first: their points come first in the proof
        let x: Vec<_> = (0..layout.columns()).map(|_| advice()).collect();
        let y = advice();
        let (class, cells, count) = (advice(), advice(), advice());
        let target: Vec<_> = if layout.task() == Task::Real { vec![advice(), advice()] } else { vec![] };
        let instance: Column<Instance> = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let rows = Rows::configure(gates, &layout);
        let partial = layout.features() % layout.columns();
        let range = gates.meta.fixed_column();

        gates.add("presence is boolean: s(s − 1) = 0", |c| {
            let s = c.cur(y);
            rows.head(c) * s.clone() * (s - small(1))
        });
        if layout.task() == Task::Classes {
            gates.add("target is boolean: y(y − 1) = 0", |c| {
                let y = c.cur(y);
                rows.class(c) * y.clone() * (y - small(1))
            });
            gates.add("exactly one class in a present record: s = Σy", |c| rows.head(c) * (c.cur(y) - c.next(class)));
        } else {
            gates.add("target is two bytes: y = lo + 256·hi", |c| {
                rows.class(c) * (c.cur(y) - c.cur(target[0]) - small(256) * c.cur(target[1]))
            });
            gates.add("an absent record has no target: (1 − s)·y = 0", |c| {
                rows.head(c) * (small(1) - c.cur(y)) * c.next(class)
            });
        }
        gates.add("targets summed: class = y + class'", |c| {
            rows.class(c) * (c.cur(class) - c.cur(y) - rows.class_goes_on(c) * c.next(class))
        });
        gates.add("unused label rows are 0", |c| (rows.body(c) - rows.head(c) - rows.class(c)) * c.cur(y));
        let sum_x = |c: &mut VirtualCells<'_, Fr>, from: usize| -> Expression<Fr> {
            x[from..].iter().map(|x| c.cur(*x)).reduce(|a, b| a + b).unwrap_or_else(|| small(0))
        };
        gates.add("rows without features are 0: Σx = 0", |c| rows.bare(c) * sum_x(c, 0));
        if partial != 0 {
            gates.add("cells beyond d are 0: Σ_{j ≥ d} x = 0", |c| rows.last_data(c) * sum_x(c, partial));
        }
        gates.add("features summed: cells = Σx + cells'", |c| {
            rows.record(c) * (c.cur(cells) - sum_x(c, 0)) - rows.joined(c) * c.next(cells)
        });
        gates.add("an absent record has no features: (1 − s)·Σx = 0", |c| {
            rows.head(c) * (small(1) - c.cur(y)) * c.cur(cells)
        });
        gates.add("records counted: count = count' + s", |c| {
            frame.used(c) * (c.cur(count) - c.next(count)) - rows.head(c) * c.cur(y)
        });
        // on the last gate row n is read from the padding below the inputs, which is 0
        gates.add("count is n in row 0, and ends at 0", |c| {
            let n = c.query_instance(instance, Rotation::next());
            frame.ends(c) * (c.cur(count) - n)
        });
        let build = |c: &mut VirtualCells<'_, Fr>| {
            let mut inputs: Vec<_> = x.iter().map(|x| Input { active: rows.body(c), tuple: vec![c.cur(*x)] }).collect();
            inputs.extend(target.iter().map(|t| Input { active: rows.class(c), tuple: vec![c.cur(*t)] }));
            inputs
        };
        let lookup = LogUp::configure(gates, frame, vec![range], x.len() + target.len(), &build);
        Config { frame, rows, lookup }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        self.frame.assign(region, layout.gate_rows());
        self.rows.assign(region, &layout);
        self.lookup.assign_table(region, &table(), layout.gate_rows());
        Ok(())
    }
}
