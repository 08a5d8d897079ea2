//! The link as gates: from range-checked limbs to logits and probabilities.
//!
//! # Columns
//!
//! softmax, on class row u: limbs `low, mid, hi, top` of `t = l − z_u` with the table values `t1 = T1[hi]`,
//! `t2 = T2[mid]`; `shift` is `l`, the same on all rows of the record; `sum` adds the probabilities from the bottom up. On
//! the head row the same limb columns and `extra` hold the window's five limbs.
//!
//! logistic, on class row u: limbs of `t_a = l − z` and of `t_b = l`, so `z = t_b − t_a`; five window limbs on the same row.
//!
//! squared: the logit `z` itself.
//!
//! # Soundness
//!
//! Every limb is looked up: `low, top < 2^b`, `(mid, t2)` in T2, `(hi, t1)` in T1, so `t < 2^(b + 33)` as an integer and
//! nothing wraps. `top·t1 = 0`: an unsaturated `hi` (t1 ≥ 1) stands for `t < 24` with `top = 0`; a saturated one for
//! `t ≥ 24`. So limbs and `t` determine each other and `P = t1·t2·(2^28 + 2^(b−1) − low)` is
//! [`tribute_core::link::Tables::exp`]. The window `ΣP − 2^pb + 2^(5b−1) ∈ [0, 2^5b)` is five limbs; ΣP < 2^(pb + 8).
//!
//! A probability below 0 or a logit `z > l` cannot be expressed.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Advice, Column, Expression, FirstPhase, VirtualCells};
use tribute_core::layout::Layout;
use tribute_core::link::{Link, Tables, HI_LIMIT, HI_SHIFT};
use tribute_core::numbers::LOGIT_BITS;
use tribute_engine::field::two_to;

use crate::gadgets::argument::{constant, limbs, small, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp, Lookups, Tuple};
use crate::gadgets::product::Rows;

/// Tags of the table's parts.
const RANGE: u64 = 1;
const MID: u64 = 2;
const HI: u64 = 3;

/// Limbs of the window.
pub const WINDOW_LIMBS: usize = 5;

/// Phase-one columns of a link, by position.
pub mod column {
    /// An exp group: `low, mid, hi, top, t1, t2` from its first column. Softmax has one group, logistic two.
    pub const GROUP: usize = 6;
    /// Offsets within a group.
    pub const LOW: usize = 0;
    /// `mid`.
    pub const MID: usize = 1;
    /// `hi`.
    pub const HI: usize = 2;
    /// `top`.
    pub const TOP: usize = 3;
    /// `T1[hi]`.
    pub const T1: usize = 4;
    /// `T2[mid]`.
    pub const T2: usize = 5;
    /// Softmax: fifth window limb.
    pub const EXTRA: usize = 6;
    /// Softmax: `l`.
    pub const SHIFT: usize = 7;
    /// Softmax: running sum of probabilities.
    pub const SUM: usize = 8;
    /// Logistic: first of the five window limbs.
    pub const WINDOW: usize = 12;
    /// Squared: the logit.
    pub const LOGIT: usize = 0;
}

/// Number of phase-one columns.
#[must_use]
pub fn columns(link: Link) -> usize {
    match link {
        Link::Squared => 1,
        Link::Logistic => column::WINDOW + WINDOW_LIMBS,
        Link::Softmax => column::SUM + 1,
    }
}

/// The link's columns and lookup.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    link: Link,
    columns: Vec<Column<Advice>>,
    lookup: Option<LogUp>,
    limb_bits: u32,
    prob_bits: u32,
}

/// Expressions of one exp group.
struct Exp {
    t: Expression<Fr>,
    probability: Expression<Fr>,
    top: Expression<Fr>,
    t1: Expression<Fr>,
}

impl LinkConfig {
    pub(super) fn configure(gates: &mut Gates<'_>, frame: Frame, rows: Rows, layout: &Layout, link: Link) -> Self {
        let columns: Vec<_> = (0..columns(link)).map(|_| gates.meta.advice_column_in(FirstPhase)).collect();
        let mut config =
            LinkConfig { link, columns, lookup: None, limb_bits: layout.limb_bits(), prob_bits: layout.prob_bits() };
        let b = config.limb_bits;
        // ΣP − 2^pb + 2^(5b − 1)
        let window_base = constant(two_to(config.prob_bits) - two_to(5 * b - 1));
        let col = config.columns.clone();
        match link {
            Link::Squared => return config,
            Link::Softmax => {
                gates.add("the shift is one per record: l' = l", |c| {
                    (c.fixed(rows.q_record) - c.fixed(rows.q_end))
                        * (c.next(col[column::SHIFT]) - c.cur(col[column::SHIFT]))
                });
                gates.add("no top limb beside an unsaturated one: top·T1 = 0", |c| {
                    let e = config.exp(c, 0);
                    c.fixed(rows.q_class) * e.top * e.t1
                });
                gates.add("probabilities summed: S = P + S'", |c| {
                    let p = config.exp(c, 0).probability;
                    let below = (small(1) - c.fixed(rows.q_end)) * c.next(col[column::SUM]);
                    c.fixed(rows.q_record) * (c.cur(col[column::SUM]) - below) - c.fixed(rows.q_class) * p
                });
                gates.add("probabilities sum to 1: S − 2^pb + 2^(5b − 1) = Σ limbs", |c| {
                    let window: Vec<_> = window_columns(link, &col).iter().map(|w| c.cur(*w)).collect();
                    c.fixed(rows.q_head) * (c.cur(col[column::SUM]) - window_base - limbs(&window, b))
                });
            }
            Link::Logistic => {
                for group in 0..2 {
                    gates.add("no top limb beside an unsaturated one: top·T1 = 0", |c| {
                        let e = config.exp(c, group);
                        c.fixed(rows.q_class) * e.top * e.t1
                    });
                }
                gates.add("probabilities sum to 1: P + P̄ − 2^pb + 2^(5b − 1) = Σ limbs", |c| {
                    let sum = config.exp(c, 0).probability + config.exp(c, 1).probability;
                    let window: Vec<_> = window_columns(link, &col).iter().map(|w| c.cur(*w)).collect();
                    c.fixed(rows.q_class) * (sum - window_base - limbs(&window, b))
                });
            }
        }
        let table: Vec<_> = (0..3).map(|_| gates.meta.fixed_column()).collect();
        let plan = inputs(link);
        let build = |c: &mut VirtualCells<'_, Fr>| {
            plan.iter()
                .map(|input| {
                    let (class, head) = (c.fixed(rows.q_class), c.fixed(rows.q_head));
                    let head = if input.head { head } else { small(0) };
                    let class_tag = match input.class {
                        Some(tag) => class.clone() * small(tag),
                        None => small(0),
                    };
                    let active = match (input.class, input.head) {
                        (Some(_), true) => class + head.clone(),
                        (Some(_), false) => class,
                        (None, _) => head.clone(),
                    };
                    let second = input.second.map_or_else(|| small(0), |s| c.cur(col[s]));
                    let tag = if input.head { class_tag + head * small(RANGE) } else { class_tag };
                    Input { active, tuple: vec![tag, c.cur(col[input.value]), second] }
                })
                .collect()
        };
        config.lookup = Some(LogUp::configure(gates, frame, table, plan.len(), &build));
        config
    }

    fn exp(&self, c: &mut VirtualCells<'_, Fr>, group: usize) -> Exp {
        let at = |c: &mut VirtualCells<'_, Fr>, i: usize| c.cur(self.columns[group * column::GROUP + i]);
        let (low, mid, hi, top) = (at(c, column::LOW), at(c, column::MID), at(c, column::HI), at(c, column::TOP));
        let (t1, t2) = (at(c, column::T1), at(c, column::T2));
        let b = self.limb_bits;
        let t = low.clone() + mid * two_to(b) + (hi + top.clone() * Fr::from(HI_LIMIT as u64)) * two_to(HI_SHIFT);
        let linear = constant(two_to(LOGIT_BITS) + two_to(b - 1)) - low;
        Exp { t, probability: t1.clone() * t2 * linear, top, t1 }
    }

    /// The logit of a class row.
    pub(super) fn logit(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        match self.link {
            Link::Squared => c.cur(self.columns[column::LOGIT]),
            Link::Softmax => c.cur(self.columns[column::SHIFT]) - self.exp(c, 0).t,
            Link::Logistic => self.exp(c, 1).t - self.exp(c, 0).t,
        }
    }

    /// The probability of a class row.
    pub(super) fn probability(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        match self.link {
            Link::Squared => c.cur(self.columns[column::LOGIT]) * two_to(self.prob_bits - LOGIT_BITS),
            Link::Softmax | Link::Logistic => self.exp(c, 0).probability,
        }
    }

    pub(super) fn assign_table(&self, region: &mut Region<'_, Fr>, layout: &Layout) {
        if let Some(lookup) = &self.lookup {
            lookup.assign_table(region, &table(layout), layout.gate_rows());
        }
    }

    /// The column of multiplicities, if the link looks anything up.
    pub(super) fn multiplicities(&self, layout: &Layout, columns: &[Vec<Fr>]) -> Option<Vec<Fr>> {
        self.lookup.as_ref()?;
        let rows = layout.gate_rows() - 1;
        Some(with_lookups(self.link, layout, columns, |l| l.multiplicities(&table(layout), rows)))
    }

    pub(super) fn second_phase(&self, challenges: &[Fr], layout: &Layout, columns: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
        let Some(lookup) = &self.lookup else { return vec![] };
        with_lookups(self.link, layout, columns, |l| {
            lookup.second_phase(challenges, &table(layout), l, layout.gate_rows())
        })
    }
}

/// Where one input reads: on class rows with a table tag, on head rows in the range table.
struct Plan {
    value: usize,
    second: Option<usize>,
    class: Option<u64>,
    head: bool,
}

fn inputs(link: Link) -> Vec<Plan> {
    let group = |first: usize, head: bool| {
        [
            (column::LOW, None, RANGE),
            (column::MID, Some(first + column::T2), MID),
            (column::HI, Some(first + column::T1), HI),
            (column::TOP, None, RANGE),
        ]
        .map(|(offset, second, tag)| Plan { value: first + offset, second, class: Some(tag), head })
    };
    match link {
        Link::Squared => vec![],
        Link::Softmax => {
            let extra = Plan { value: column::EXTRA, second: None, class: None, head: true };
            group(0, true).into_iter().chain([extra]).collect()
        }
        Link::Logistic => {
            let window = (0..WINDOW_LIMBS).map(|i| Plan {
                value: column::WINDOW + i,
                second: None,
                class: Some(RANGE),
                head: false,
            });
            group(0, false).into_iter().chain(group(column::GROUP, false)).chain(window).collect()
        }
    }
}

fn window_columns(link: Link, columns: &[Column<Advice>]) -> Vec<Column<Advice>> {
    window_indices(link).map(|i| columns[i]).to_vec()
}

/// Positions of the window's limbs, least significant first.
#[must_use]
pub fn window_indices(link: Link) -> [usize; WINDOW_LIMBS] {
    match link {
        Link::Logistic => std::array::from_fn(|i| column::WINDOW + i),
        _ => [column::LOW, column::MID, column::HI, column::TOP, column::EXTRA],
    }
}

fn with_lookups<T>(link: Link, layout: &Layout, columns: &[Vec<Fr>], f: impl FnOnce(&Lookups<'_>) -> T) -> T {
    let plan = inputs(link);
    let (r, c, end) = (layout.record_rows(), layout.classes(), layout.weights_start());
    let tuple = |input: usize, row: usize| -> Option<Tuple> {
        let plan = &plan[input];
        let offset = row % r;
        let tag = match (row < end, offset) {
            (true, 0) if plan.head => RANGE,
            (true, 1..) if offset <= c => plan.class?,
            _ => return None,
        };
        let second = plan.second.map_or(Fr::ZERO, |s| columns[s][row]);
        Some([Fr::from(tag), columns[plan.value][row], second])
    };
    f(&Lookups { inputs: plan.len(), tuple: &tuple })
}

fn table(layout: &Layout) -> Vec<Tuple> {
    let tables = Tables::of(layout);
    let range = (0..1u64 << tables.limb_bits()).map(|v| (RANGE, v, 0));
    let mid = tables.t2.iter().enumerate().map(|(i, t)| (MID, i as u64, *t));
    let hi = tables.t1.iter().enumerate().map(|(i, t)| (HI, i as u64, *t));
    range.chain(mid).chain(hi).map(|(tag, v, second)| [Fr::from(tag), Fr::from(v), Fr::from(second)]).collect()
}
