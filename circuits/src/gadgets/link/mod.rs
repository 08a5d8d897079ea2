//! The link as gates: from range-checked limbs to logits and probabilities.
//!
//! # Columns
//!
//! softmax, on class row u: limbs `low, short, mid, hi, top` of `t = l − z_u` with the table values `t1 = T1[hi]`,
//! `t2 = T2[mid]`; `shift` is `l`, the same on all rows of the record but the head; there `sum` adds the probabilities
//! from the bottom up. On the head row the same limb columns, `shift` and `sum` hold the window's seven limbs, the topmost
//! in `short`.
//!
//! logistic, on class row u: limbs of `t_a = l − z` and of `t_b = l`, so `z = t_b − t_a`; seven window limbs on the
//! same row.
//!
//! squared: the logit `z` itself.
//!
//! All links: from the first salt row on, one of the columns holds the limbs of the remainder that the published number
//! (the gradient's `N`, the evaluation's loss) omits.
//!
//! # Soundness
//!
//! Every limb is looked up: `low, top < 2^b`, `short < 2^s`, `(mid, t2)` in T2, `(hi, t1)` in T1, so `t < 2^(b + 46)`
//! as an integer and nothing wraps. `top·t1 = 0`: an unsaturated `hi` (t1 ≥ 1) means `t < 32` with `top = 0`; a
//! saturated one means `t ≥ 32`. So limbs and `t` determine each other and `P = t1·t2·(base − low − short·2^b)` is
//! [`tribute_core::link::Tables::exp`]. The window `ΣP − 2^pb + 2^(wb−1) ∈ [0, 2^wb)`, `wb = 6b + s`, is six limbs and
//! a short one; ΣP < 2^(pb + 8).
//!
//! A probability below 0 or a logit `z > l` cannot be expressed.
//!
//! *Loss.* [`LinkConfig::loss`] is `t_u` where `y_u = 1` for softmax, `t_a` or `t_b` for logistic, `(z − y)²` for squared:
//! [`tribute_core::head::loss`] as long as Y is boolean.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Advice, Column, Expression, FirstPhase, VirtualCells};
use tribute_core::layout::Layout;
use tribute_core::link::{Link, Tables, HI_LIMIT};
use tribute_core::numbers::LOGIT_BITS;
use tribute_core::scale::{Scale, HI_SHIFT, WINDOW_LIMBS};
use tribute_engine::field::two_to;

use super::argument::{constant, limbs, small, Gates, Query};
use super::logup::{Frame, Input, LogUp, Lookups, Tuple};
use super::product::Rows;

mod witness;

pub(crate) use witness::{link_columns, prediction, write_remainder};

/// Tags of the table's parts.
const RANGE: u64 = 1;
const MID: u64 = 2;
const HI: u64 = 3;
const SHORT: u64 = 4;

/// Phase-one columns of a link, by position.
pub mod column {
    /// An exp group: `low, mid, hi, top, t1, t2, short` from its first column. Softmax has one group, logistic two.
    pub const GROUP: usize = 7;
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
    /// `short`.
    pub const SHORT: usize = 6;
    /// Softmax: `l`; on head rows a limb of the window.
    pub const SHIFT: usize = 7;
    /// Softmax: running sum of probabilities; on head rows a limb of the window.
    pub const SUM: usize = 8;
    /// Logistic: first of the seven window limbs.
    pub const WINDOW: usize = 14;
    /// Squared: the logit; the remainder's limbs are in a separate column.
    pub const LOGIT: usize = 0;
    /// Squared: limbs of the remainder.
    pub const REMAINDER: usize = 1;
}

/// Number of phase-one columns.
#[must_use]
pub fn columns(link: Link) -> usize {
    match link {
        Link::Squared => 2,
        Link::Logistic => column::WINDOW + WINDOW_LIMBS + 1,
        Link::Softmax => column::SUM + 1,
    }
}

/// The column that holds the remainder's limbs.
#[must_use]
pub fn remainder_column(link: Link) -> usize {
    match link {
        Link::Squared => column::REMAINDER,
        _ => column::LOW,
    }
}

/// The rows of the remainder's `limbs` limbs, lowest first. There the committed columns are salts, which no gate reads.
#[must_use]
pub fn remainder_rows(layout: &Layout, limbs: usize) -> std::ops::Range<usize> {
    let start = layout.salt_start();
    start..start + limbs
}

/// What the surrounding circuit provides.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) frame: Frame,
    pub(crate) rows: Rows,
    /// Number of limbs of the remainder.
    pub(crate) remainder: usize,
    /// Columns of the circuit that are range-checked on class rows.
    pub(crate) ranged: Vec<Column<Advice>>,
}

/// The link's columns and lookup.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    cells: Cells,
    lookup: LogUp,
    place: Place,
}

/// The columns from which expressions are built.
#[derive(Clone, Debug)]
struct Cells {
    link: Link,
    columns: Vec<Column<Advice>>,
    limb_bits: u32,
}

/// Expressions of one exp group.
struct Exp {
    t: Expression<Fr>,
    probability: Expression<Fr>,
    top: Expression<Fr>,
    t1: Expression<Fr>,
}

impl LinkConfig {
    pub(crate) fn configure(gates: &mut Gates<'_>, place: Place, layout: &Layout, link: Link) -> Self {
        let rows = place.rows;
        let columns: Vec<_> = (0..columns(link)).map(|_| gates.meta.advice_column_in(FirstPhase)).collect();
        let b = layout.limb_bits();
        let cells = Cells { link, columns: columns.clone(), limb_bits: b };
        let scale = Scale::of(b);
        // ΣP − 2^pb + 2^(wb − 1)
        let window_base = constant(two_to(scale.prob_bits()) - two_to(scale.window_bits() - 1));
        let (col, config) = (columns, &cells);
        match link {
            Link::Squared => {}
            Link::Softmax => {
                gates.add("the shift is one per record: l' = l", |c| {
                    rows.below_head(c) * rows.goes_on(c) * (c.next(col[column::SHIFT]) - c.cur(col[column::SHIFT]))
                });
                gates.add("no top limb beside an unsaturated one: top·T1 = 0", |c| {
                    let e = config.exp(c, 0);
                    rows.class(c) * e.top * e.t1
                });
                gates.add("probabilities summed: S = P + S'", |c| {
                    let p = config.exp(c, 0).probability;
                    let below = rows.goes_on(c) * c.next(col[column::SUM]);
                    rows.below_head(c) * (c.cur(col[column::SUM]) - below) - rows.class(c) * p
                });
                gates.add("probabilities sum to 1: S − 2^pb + 2^(wb − 1) = Σ limbs", |c| {
                    let window: Vec<_> = window_columns(link, &col).iter().map(|w| c.cur(*w)).collect();
                    rows.head(c) * (c.next(col[column::SUM]) - window_base - limbs(&window, b))
                });
            }
            Link::Logistic => {
                for group in 0..2 {
                    gates.add("no top limb beside an unsaturated one: top·T1 = 0", |c| {
                        let e = config.exp(c, group);
                        rows.class(c) * e.top * e.t1
                    });
                }
                gates.add("probabilities sum to 1: P + P̄ − 2^pb + 2^(wb − 1) = Σ limbs", |c| {
                    let sum = config.exp(c, 0).probability + config.exp(c, 1).probability;
                    let window: Vec<_> = window_columns(link, &col).iter().map(|w| c.cur(*w)).collect();
                    rows.class(c) * (sum - window_base - limbs(&window, b))
                });
            }
        }
        let table: Vec<_> = (0..3).map(|_| gates.meta.fixed_column()).collect();
        // the circuit's own columns after the link's
        let looked_up: Vec<_> = col.iter().chain(&place.ranged).copied().collect();
        let plan = plan(link, place.ranged.len());
        let build = |c: &mut VirtualCells<'_, Fr>| {
            plan.iter()
                .map(|input| {
                    let active = [
                        input.class.map(|_| rows.class(c)),
                        input.head.map(|_| rows.head(c)),
                        // not 0 or 1 but powers of 2^b, whose sum is far below r
                        input.remainder.then(|| rows.outside(c)),
                    ];
                    let second = input.second.map_or_else(|| small(0), |s| c.cur(looked_up[s]));
                    let other = if input.remainder { Some(RANGE) } else { input.head };
                    // if the tag is the same wherever the input is active, it is a constant
                    let tag = match (input.class, other) {
                        (Some(class), Some(other)) if class != other => {
                            rows.is_class(c) * (small(class) - small(other)) + small(other)
                        }
                        (class, other) => small(class.or(other).unwrap_or(RANGE)),
                    };
                    Input {
                        active: active.into_iter().flatten().reduce(|a, b| a + b).unwrap_or_else(|| small(0)),
                        tuple: vec![tag, c.cur(looked_up[input.value]), second],
                    }
                })
                .collect()
        };
        let lookup = LogUp::configure(gates, place.frame, table, plan.len(), &build);
        LinkConfig { cells, lookup, place }
    }

    /// The logit of a class row.
    pub(crate) fn logit(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        self.cells.logit(c)
    }

    /// The probability of a class row.
    pub(crate) fn probability(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        self.cells.probability(c)
    }

    /// The loss of a class row, whose target `y` is 0 or 1: 40 fractional bits, 80 for squared.
    pub(crate) fn loss(&self, c: &mut VirtualCells<'_, Fr>, y: Expression<Fr>) -> Expression<Fr> {
        match self.cells.link {
            Link::Squared => {
                let miss = self.cells.logit(c) - y * two_to(LOGIT_BITS);
                miss.clone() * miss
            }
            Link::Softmax => y * self.cells.exp(c, 0).t,
            Link::Logistic => {
                let (of_one, of_zero) = (self.cells.exp(c, 0).t, self.cells.exp(c, 1).t);
                y * (of_one - of_zero.clone()) + of_zero
            }
        }
    }

    /// The column of the remainder's limbs.
    pub(crate) fn remainder(&self) -> Column<Advice> {
        self.cells.columns[remainder_column(self.cells.link)]
    }

    pub(crate) fn assign_table(&self, region: &mut Region<'_, Fr>, layout: &Layout) {
        self.lookup.assign_table(region, &table(self.cells.link, layout), layout.gate_rows());
        for (i, row) in remainder_rows(layout, self.place.remainder).enumerate() {
            self.place.rows.assign_outside(region, row, two_to(i as u32 * layout.limb_bits()));
        }
    }

    /// The column of multiplicities. `columns` holds the link's columns, then those that the circuit has range-checked.
    pub(crate) fn multiplicities(&self, layout: &Layout, columns: &[&[Fr]]) -> Vec<Fr> {
        let (link, rows) = (self.cells.link, layout.gate_rows() - 1);
        self.with_lookups(layout, columns, |l| l.multiplicities(&table(link, layout), rows))
    }

    /// The link.
    pub(crate) fn link(&self) -> Link {
        self.cells.link
    }

    /// The lookup's columns of the second phase; `columns` as for [`Self::multiplicities`].
    pub(crate) fn second_phase(&self, challenges: &[Fr], layout: &Layout, columns: &[&[Fr]]) -> Vec<Vec<Fr>> {
        let link = self.cells.link;
        self.with_lookups(layout, columns, |l| {
            self.lookup.second_phase(challenges, &table(link, layout), l, layout.gate_rows())
        })
    }

    fn with_lookups<T>(&self, layout: &Layout, columns: &[&[Fr]], f: impl FnOnce(&Lookups<'_>) -> T) -> T {
        let plan = plan(self.cells.link, self.place.ranged.len());
        let (r, c, end) = (layout.record_rows(), layout.classes(), layout.weights_start());
        let remainder = remainder_rows(layout, self.place.remainder);
        let tuple = |input: usize, row: usize| -> Option<Tuple> {
            let plan = &plan[input];
            let offset = row % r;
            let tag = match (row < end, offset) {
                (true, 0) => plan.head?,
                (true, 1..) if offset <= c => plan.class?,
                _ if plan.remainder && remainder.contains(&row) => RANGE,
                _ => return None,
            };
            let second = plan.second.map_or(Fr::ZERO, |s| columns[s][row]);
            Some([Fr::from(tag), columns[plan.value][row], second])
        };
        let weight = |_: usize, row: usize| {
            let i = row.checked_sub(remainder.start).filter(|_| remainder.contains(&row))?;
            Some(two_to(i as u32 * layout.limb_bits()))
        };
        f(&Lookups { inputs: plan.len(), tuple: &tuple, weight: Some(&weight) })
    }
}

impl Cells {
    fn exp(&self, c: &mut VirtualCells<'_, Fr>, group: usize) -> Exp {
        let at = |c: &mut VirtualCells<'_, Fr>, i: usize| c.cur(self.columns[group * column::GROUP + i]);
        let (low, short, mid) = (at(c, column::LOW), at(c, column::SHORT), at(c, column::MID));
        let (hi, top) = (at(c, column::HI), at(c, column::TOP));
        let (t1, t2) = (at(c, column::T1), at(c, column::T2));
        let scale = Scale::of(self.limb_bits);
        let fine = low + short * two_to(self.limb_bits);
        let coarse = hi + top.clone() * Fr::from(HI_LIMIT as u64);
        let t = fine.clone() + mid * two_to(scale.mid_shift()) + coarse * two_to(HI_SHIFT);
        let linear = constant(Fr::from(scale.linear_base())) - fine;
        Exp { t, probability: t1.clone() * t2 * linear, top, t1 }
    }

    /// The logit of a class row.
    fn logit(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        match self.link {
            Link::Squared => c.cur(self.columns[column::LOGIT]),
            Link::Softmax => c.cur(self.columns[column::SHIFT]) - self.exp(c, 0).t,
            Link::Logistic => self.exp(c, 1).t - self.exp(c, 0).t,
        }
    }

    /// The probability of a class row.
    fn probability(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        match self.link {
            Link::Squared => {
                c.cur(self.columns[column::LOGIT]) * two_to(Scale::of(self.limb_bits).prob_bits() - LOGIT_BITS)
            }
            Link::Softmax | Link::Logistic => self.exp(c, 0).probability,
        }
    }
}

/// The columns and the part of the table that one input uses.
struct Plan {
    value: usize,
    second: Option<usize>,
    class: Option<u64>,
    head: Option<u64>,
    /// Whether it also looks up the limbs of the remainder, in the range part.
    remainder: bool,
}

fn inputs(link: Link) -> Vec<Plan> {
    let plain = |value: usize| Plan { value, second: None, class: None, head: None, remainder: false };
    // on head rows, softmax's columns hold the window
    let group = |first: usize, head: bool| {
        [
            (column::LOW, None, RANGE, RANGE),
            (column::MID, Some(first + column::T2), MID, RANGE),
            (column::HI, Some(first + column::T1), HI, RANGE),
            (column::TOP, None, RANGE, RANGE),
            (column::SHORT, None, SHORT, SHORT),
        ]
        .map(|(offset, second, class, window)| Plan {
            second,
            class: Some(class),
            head: head.then_some(window),
            remainder: first + offset == column::LOW,
            ..plain(first + offset)
        })
    };
    match link {
        Link::Squared => vec![Plan { remainder: true, ..plain(column::REMAINDER) }],
        Link::Softmax => {
            let window = [column::SHIFT, column::SUM].map(|value| Plan { head: Some(RANGE), ..plain(value) });
            group(0, true).into_iter().chain(window).collect()
        }
        Link::Logistic => {
            let window = (0..=WINDOW_LIMBS).map(|i| Plan {
                class: Some(if i < WINDOW_LIMBS { RANGE } else { SHORT }),
                ..plain(column::WINDOW + i)
            });
            group(0, false).into_iter().chain(group(column::GROUP, false)).chain(window).collect()
        }
    }
}

/// What is looked up, for gates and witness alike: the link's inputs, then `count` columns of the circuit's own,
/// range-checked on class rows.
fn plan(link: Link, count: usize) -> Vec<Plan> {
    let own = columns(link);
    let ranged =
        (own..own + count).map(|value| Plan { value, second: None, class: Some(RANGE), head: None, remainder: false });
    inputs(link).into_iter().chain(ranged).collect()
}

fn window_columns(link: Link, columns: &[Column<Advice>]) -> Vec<Column<Advice>> {
    window_indices(link).map(|i| columns[i]).to_vec()
}

/// Positions of the window's limbs, least significant first; the last is the short one.
#[must_use]
pub fn window_indices(link: Link) -> [usize; WINDOW_LIMBS + 1] {
    match link {
        Link::Logistic => std::array::from_fn(|i| column::WINDOW + i),
        _ => [column::LOW, column::MID, column::HI, column::TOP, column::SHIFT, column::SUM, column::SHORT],
    }
}

fn table(link: Link, layout: &Layout) -> Vec<Tuple> {
    let range = (0..1u64 << layout.limb_bits()).map(|v| (RANGE, v, 0));
    let entry = |(tag, v, second): (u64, u64, u64)| [Fr::from(tag), Fr::from(v), Fr::from(second)];
    if link == Link::Squared {
        return range.map(entry).collect();
    }
    let tables = Tables::of(layout);
    let short = (0..1u64 << tables.scale().short_bits()).map(|v| (SHORT, v, 0));
    let mid = tables.t2.iter().enumerate().map(|(i, t)| (MID, i as u64, *t));
    let hi = tables.t1.iter().enumerate().map(|(i, t)| (HI, i as u64, *t));
    range.chain(short).chain(mid).chain(hi).map(entry).collect()
}
