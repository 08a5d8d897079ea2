//! `Z = XW` by random sums: the gates that `gradient` and `evaluation` share, and their witness. The running check and
//! the sums under σ are also used by `service`.
//!
//! # Columns
//!
//! | column | phase | on record rows | on weights rows |
//! |---|---|---|---|
//! | `a` | 2 | | `a_j = Σ_i σ^(m−i) x_ij` on a block's first row |
//! | `xt` | 3 | `Σ_j τ^j x_ij`, from the bottom up | the power `τ^j κ^u` |
//! | `zk` | 3 | `Σ_u κ^u z_iu`, from the bottom up | `Σ_v κ^v w_jv`, anew in every block |
//! | `r` | 3 | running check | running check |
//!
//! # Soundness
//!
//! X, W and the cells that determine Z are of phase one; σ comes after them, `a` is committed in phase two, κ, τ, α
//! come after that. See the module documentation of [`crate::statements::gradient`] for the argument.
//!
//! # Assumptions
//!
//! The selectors of the frame and of the rows are those of the layout; `z` is built from phase-one cells of its class
//! row.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{Advice, Challenge, Column, Expression, Fixed, VirtualCells};
use halo2_proofs::poly::Rotation;
use rayon::prelude::*;
use tribute_core::layout::Layout;

use super::argument::{horner, select, small, Gates, Query};
use super::logup::Frame;

/// Selectors of the rows of records and weights, as products of three columns.
///
/// | column | 1 on |
/// |---|---|
/// | `record` | all rows of records |
/// | `first` | the first row of every record and of every block of weights |
/// | `inner` | class rows, and all rows of weights |
///
/// The weights follow the last record, so the row after a record's last one always is the first of something. On rows
/// outside of records and weights `record` and `inner` are 0, and `first` is the circuit's to use.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    record: Column<Fixed>,
    first: Column<Fixed>,
    inner: Column<Fixed>,
}

impl Rows {
    /// Allocates the columns.
    pub(crate) fn configure(gates: &mut Gates<'_>) -> Self {
        let mut fixed = || gates.meta.fixed_column();
        Rows { record: fixed(), first: fixed(), inner: fixed() }
    }

    /// Writes the columns for the records and weights of a layout.
    pub(crate) fn assign(&self, region: &mut Region<'_, Fr>, layout: &Layout) {
        let (r, c, end) = (layout.record_rows(), layout.classes(), layout.weights_start());
        let weights = end..layout.weights_end();
        select(region, self.record, 0..end);
        select(region, self.first, (0..end).step_by(r).chain(weights.clone().step_by(c)));
        select(region, self.inner, (0..end).filter(|i| (1..=c).contains(&(i % r))).chain(weights));
    }

    /// Writes a value that [`Self::outside`] has on a row outside of records and weights.
    pub(crate) fn assign_outside(&self, region: &mut Region<'_, Fr>, row: usize, value: Fr) {
        region.assign_fixed(self.first, row, value);
    }

    /// All rows of every record.
    pub(crate) fn record(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.record)
    }

    /// Head row of every record.
    pub(crate) fn head(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.record) * c.fixed(self.first)
    }

    /// Rows of every record but the head.
    pub(crate) fn below_head(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.record) * (small(1) - c.fixed(self.first))
    }

    /// Class rows of every record.
    pub(crate) fn class(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.record) * c.fixed(self.inner)
    }

    /// On rows of records: whether the next row belongs to the same record. Only to be used on those.
    pub(crate) fn goes_on(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        small(1) - c.fixed_next(self.first)
    }

    /// On rows of records: whether this is a class row. Of degree 1, and only to be used on those.
    pub(crate) fn is_class(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.inner)
    }

    /// Class rows that are followed by one of the same record.
    pub(crate) fn joined_classes(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        self.class(c) * c.fixed_next(self.inner) * self.goes_on(c)
    }

    /// All rows of the weights.
    pub(crate) fn weight(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        (small(1) - c.fixed(self.record)) * c.fixed(self.inner)
    }

    /// First row of every block of weights.
    pub(crate) fn block(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        self.weight(c) * c.fixed(self.first)
    }

    /// Rows of weights that are followed by one of the same block.
    pub(crate) fn joined_weights(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        self.weight(c) * c.fixed_next(self.inner) * self.goes_on(c)
    }

    /// The row above the weights, the last one of the last record.
    pub(crate) fn above_weights(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.fixed(self.record) * (small(1) - c.fixed_next(self.record))
    }

    /// What [`Self::assign_outside`] wrote; 0 on rows of records and weights.
    pub(crate) fn outside(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        (small(1) - c.fixed(self.record)) * (small(1) - c.fixed(self.inner)) * c.fixed(self.first)
    }
}

/// The running check of `Z = XW`: `r` starts at 0, adds the logits and features of every record, subtracts the weights
/// of every block, and ends at 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunningCheck {
    pub(crate) frame: Frame,
    /// `a_j`, on the first row of block j.
    pub(crate) a: Column<Advice>,
    pub(crate) r: Column<Advice>,
}

impl RunningCheck {
    /// Adds the gates. `step` is what a record adds to `r`, on its first row; `weight` is the factor of `a_j`, on a block's
    /// first row. Both are 0 elsewhere.
    pub(crate) fn gates(
        &self,
        gates: &mut Gates<'_>,
        name: &'static str,
        step: impl FnOnce(&mut VirtualCells<'_, Fr>) -> Expression<Fr>,
        weight: impl FnOnce(&mut VirtualCells<'_, Fr>) -> Expression<Fr>,
    ) {
        let RunningCheck { frame, a, r } = *self;
        gates.add(name, |c| {
            let step = step(c);
            let weight = c.cur(a) * weight(c);
            frame.used(c) * (c.next(r) - c.cur(r)) - step + weight
        });
        gates.add("logit check starts and ends at 0", |c| frame.ends(c) * c.cur(r));
    }
}

/// The column of the running check. `step` is what the record that starts on a row adds to `σ·r`; `weight` is the
/// factor of `a_j` on a block's first row.
pub(crate) fn running_check(
    layout: &Layout,
    sigma: Fr,
    a: &[Fr],
    step: impl Fn(usize) -> Option<Fr>,
    weight: impl Fn(usize) -> Fr,
) -> Vec<Fr> {
    let (start, end) = (layout.weights_start(), layout.weights_end());
    let mut check = vec![Fr::ZERO; layout.gate_rows()];
    for row in 0..layout.gate_rows() - 1 {
        check[row + 1] = if let Some(step) = step(row) {
            sigma * check[row] + step
        } else if (start..end).contains(&row) && (row - start) % layout.classes() == 0 {
            check[row] - a[row] * weight(row)
        } else {
            check[row]
        };
    }
    check
}

/// Columns and challenges of the argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(crate) frame: Frame,
    pub(crate) rows: Rows,
    pub(crate) a: Column<Advice>,
    pub(crate) xt: Column<Advice>,
    pub(crate) zk: Column<Advice>,
    pub(crate) r: Column<Advice>,
    pub(crate) sigma: Challenge,
    pub(crate) kappa: Challenge,
    pub(crate) tau: Challenge,
    pub(crate) alpha: Challenge,
    /// [`Layout::bias_feature`].
    pub(crate) bias_feature: i64,
}

impl Product {
    /// `b = Σ_j τ^j x_j` of a head row, with the bias as coordinate 0.
    pub(crate) fn with_bias(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        small(self.bias_feature as u64) + c.challenge(self.tau) * c.cur(self.xt)
    }

    /// Writes the selectors of frame, records and weights.
    pub(crate) fn assign(&self, region: &mut Region<'_, Fr>, layout: &Layout) {
        self.frame.assign(region, layout.gate_rows());
        self.rows.assign(region, layout);
    }

    /// Picks the argument's challenges out of the proof's.
    pub(crate) fn drawn(&self, challenges: &[Fr]) -> Drawn {
        let at = |c: Challenge| challenges[c.index()];
        Drawn { sigma: at(self.sigma), kappa: at(self.kappa), tau: at(self.tau), alpha: at(self.alpha) }
    }

    /// Gates for the sums of features under τ, and of logits and weights under κ.
    pub(crate) fn sums(
        &self,
        gates: &mut Gates<'_>,
        x: &[Column<Advice>],
        w: Column<Advice>,
        z: impl FnOnce(&mut VirtualCells<'_, Fr>) -> Expression<Fr>,
    ) {
        let Product { rows, xt, zk, kappa, tau, .. } = *self;
        gates.add("features under τ: xt = Σ_a τ^a x_a + τ^A·xt'", |c| {
            let tau = c.challenge(tau);
            let mut row: Vec<_> = x.iter().map(|x| c.cur(*x)).collect();
            row.push(rows.goes_on(c) * c.next(xt));
            rows.record(c) * (c.cur(xt) - horner(&row, &tau))
        });
        // on class rows: column = term + κ·column'; on other record rows: column = column'
        gates.add("logits under κ: zk = z + κ·zk'", |c| {
            let (class, record) = (rows.class(c), rows.record(c));
            let below = rows.goes_on(c) * c.next(zk);
            let kappa = c.challenge(kappa);
            let z = z(c);
            let on_records = record * (c.cur(zk) - below.clone()) - class * (z + (kappa.clone() - small(1)) * below);
            // on weight rows: zk = w + κ·zk', restarted in every block
            let on_weights = rows.weight(c) * (c.cur(zk) - c.cur(w)) - rows.joined_weights(c) * kappa * c.next(zk);
            on_records + on_weights
        });
    }

    /// Gates for the powers on the weights' rows, and for the running check.
    pub(crate) fn check(&self, gates: &mut Gates<'_>, classes: usize) {
        let Product { frame, rows, a, xt, zk, r, sigma, kappa, tau, alpha, .. } = *self;
        let block = Rotation(classes as i32);
        gates.add("powers start at 1", |c| rows.above_weights(c) * (c.next(xt) - small(1)));
        gates.add("powers within a block: xt' = κ·xt", |c| {
            rows.joined_weights(c) * (c.next(xt) - c.challenge(kappa) * c.cur(xt))
        });
        gates.add("powers between blocks: xt(c below) = τ·xt", |c| {
            rows.block(c) * (c.query_advice(xt, block) - c.challenge(tau) * c.cur(xt))
        });
        RunningCheck { frame, a, r }.gates(
            gates,
            "logit check: r' = σr + α·zk + b on head rows, r − a(α·wk + τ^j) on blocks",
            |c| {
                let b = self.with_bias(c);
                let step = (c.challenge(sigma) - small(1)) * c.cur(r) + c.challenge(alpha) * c.cur(zk) + b;
                rows.head(c) * step
            },
            |c| rows.block(c) * (c.challenge(alpha) * c.cur(zk) + c.cur(xt)),
        );
    }
}

/// The argument's challenges in one proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) sigma: Fr,
    pub(crate) kappa: Fr,
    pub(crate) tau: Fr,
    pub(crate) alpha: Fr,
}

/// Logits of every record slot, row-major `[capacity][c]`; `committed` is X, Y, W.
pub(crate) fn logits(layout: &Layout, committed: &[&[Fr]]) -> Vec<Vec<i64>> {
    let (a, c, r) = (layout.columns(), layout.classes(), layout.record_rows());
    let w: Vec<i64> = committed[a + 1][layout.weights_start()..layout.weights_end()].iter().map(signed).collect();
    (0..layout.capacity())
        .into_par_iter()
        .map(|i| {
            let mut z: Vec<i64> = w[..c].iter().map(|w| layout.bias_feature() * w).collect();
            for j in 0..layout.features() {
                let x = &committed[j % a][i * r + j / a];
                if !bool::from(x.is_zero()) {
                    let x = signed(x);
                    for (z, w) in z.iter_mut().zip(&w[(j + 1) * c..]) {
                        *z += x * w;
                    }
                }
            }
            z
        })
        .collect()
}

/// Decodes a small signed integer from a committed cell.
fn signed(x: &Fr) -> i64 {
    let low = |x: &Fr| {
        let repr: [u8; 32] = x.to_repr();
        repr[8..].iter().all(|b| *b == 0).then(|| u64::from_le_bytes(repr[..8].try_into().unwrap_or_default()) as i64)
    };
    low(x).or_else(|| low(&-x).map(|v| -v)).unwrap_or(0)
}

/// `a_j = Σ_i σ^(m−1−i) x_ij` at the first row of block j (block 0 is the bias), over all record slots.
pub(crate) fn sigma_sums(layout: &Layout, committed: &[&[Fr]], sigma: Fr) -> Vec<Fr> {
    let (a, r) = (layout.columns(), layout.record_rows());
    sums_under(layout, sigma, layout.capacity(), |i, j| committed[j % a][i * r + j / a])
}

/// [`sigma_sums`] over `m` records in any arrangement; `x(i, j)` is feature j of record i.
pub(crate) fn sums_under(layout: &Layout, sigma: Fr, m: usize, x: impl Fn(usize, usize) -> Fr + Sync) -> Vec<Fr> {
    let block = |j: usize| -> Fr {
        (0..m).fold(Fr::ZERO, |s, i| {
            s * sigma + j.checked_sub(1).map_or(Fr::from(layout.bias_feature() as u64), |j| x(i, j))
        })
    };
    let sums: Vec<Fr> = (0..=layout.features()).into_par_iter().map(block).collect();
    let mut out = vec![Fr::ZERO; layout.gate_rows()];
    for (j, s) in sums.into_iter().enumerate() {
        out[layout.weights_start() + j * layout.classes()] = s;
    }
    out
}

/// On the rows of every record, from the bottom up: `Σ κ^u term(row)` over its class rows; 0 elsewhere.
pub(crate) fn under_kappa(layout: &Layout, kappa: Fr, term: impl Fn(usize) -> Fr + Sync) -> Vec<Fr> {
    let (c, r) = (layout.classes(), layout.record_rows());
    let mut out = vec![Fr::ZERO; layout.gate_rows()];
    out[..layout.weights_start()].par_chunks_mut(r).enumerate().for_each(|(i, rows)| {
        let mut below = Fr::ZERO;
        for (offset, cell) in rows.iter_mut().enumerate().rev() {
            if (1..=c).contains(&offset) {
                below = term(i * r + offset) + kappa * below;
            }
            *cell = below;
        }
    });
    out
}

/// The third-phase columns `xt`, `zk`, `r`. `committed` is X, Y, W; `logit` gives the logit of a class row as the gates
/// compute it from the cells.
pub(crate) fn third_phase(
    layout: &Layout,
    committed: &[&[Fr]],
    drawn: Drawn,
    logit: impl Fn(usize) -> Fr + Sync,
) -> [Vec<Fr>; 3] {
    let Drawn { sigma, kappa, tau, alpha } = drawn;
    let (c, r, (x, rest)) = (layout.classes(), layout.record_rows(), committed.split_at(layout.columns()));
    let (start, end, w) = (layout.weights_start(), layout.weights_end(), rest[1]);

    // record rows, from the bottom up
    let mut zk = under_kappa(layout, kappa, logit);
    let mut xt = vec![Fr::ZERO; layout.gate_rows()];
    xt[..start].par_chunks_mut(r).enumerate().for_each(|(i, rows)| {
        let mut below = Fr::ZERO;
        for (offset, cell) in rows.iter_mut().enumerate().rev() {
            below = x.iter().rev().fold(below, |s, x| s * tau + x[i * r + offset]);
            *cell = below;
        }
    });
    // weight rows: powers, and weights under κ
    let mut power_of_block = Fr::ONE;
    for block in (start..end).step_by(c) {
        let (mut power, mut sum) = (power_of_block, Fr::ZERO);
        for cell in &mut xt[block..block + c] {
            *cell = power;
            power *= kappa;
        }
        for row in (block..block + c).rev() {
            sum = w[row] + kappa * sum;
            zk[row] = sum;
        }
        power_of_block *= tau;
    }
    xt[end] = power_of_block;
    // running check
    let a = sigma_sums(layout, committed, sigma);
    let step =
        |row: usize| (row < start && row.is_multiple_of(r)).then(|| alpha * zk[row] + with_bias(layout, tau, xt[row]));
    let check = running_check(layout, sigma, &a, step, |row| alpha * zk[row] + xt[row]);
    [xt, zk, check]
}

/// `Σ_j τ^j x_ij` with the bias as coordinate 0, from the sum over the features.
pub(crate) fn with_bias(layout: &Layout, tau: Fr, xt: Fr) -> Fr {
    Fr::from(layout.bias_feature() as u64) + tau * xt
}
