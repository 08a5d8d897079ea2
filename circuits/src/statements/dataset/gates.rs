//! Columns, gates and fixed values of `dataset`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Column, Error, Expression, FirstPhase, Fixed, Instance, VirtualCells};
use halo2_proofs::poly::Rotation;
use tribute_core::layout::Task;
use tribute_core::shape::Shape;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argument::{select, small, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};

use super::witness::table;

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
    pub(super) lookup: LogUp,
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
        // on the last gate row n is read from the padding below the inputs, which is 0
        gates.add("count is n in row 0, and ends at 0", |c| {
            let n = c.query_instance(instance, Rotation::next());
            c.fixed(frame.q_ends) * (c.cur(count) - n)
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
