//! The regularised loss over quantised records and its derivatives, in `f64`.
//!
//! `L(W) = (1/n) Σ_i ℓ(W; x_i, y_i) + (λ/2)‖W‖²` with real features `q/256`, a bias coordinate of `2^s` in block 0, and
//! `ℓ` half the squared error, the sum of binary cross entropies, or the cross entropy of the softmax. Records are
//! read a piece at a time and widened to `f64` a few at a time, so memory use stays close to the size of a piece. Each piece is
//! divided into a fixed number of lanes whose sums are added in order, so the result does not depend on the number of threads.

use std::borrow::Cow;
use std::sync::OnceLock;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView1, ArrayViewMut2, Axis};
use rayon::prelude::*;
use tribute_core::layout::Task;
use tribute_core::link::{self, Link};
use tribute_core::numbers::TARGET_BITS;
use tribute_core::records::Records;

use super::pieces::Pieces;

/// Number of lanes that a piece is divided into.
const LANES: usize = 16;
/// Number of records widened at a time.
const BATCH: usize = 128;
/// Most records used to build the preconditioner.
const GRAM_RECORDS: usize = 16_384;

/// The loss to minimise.
pub(super) struct Objective<'a> {
    pub(super) records: &'a dyn Pieces,
    /// Why a piece could not be read, if one could not: then no result means anything.
    pub(super) failed: OnceLock<String>,
    pub(super) task: Task,
    pub(super) classes: usize,
    pub(super) link: Link,
    pub(super) lambda: f64,
    /// The bias feature, `2^s`.
    pub(super) bias: f64,
}

/// Value, gradient and predictions at one point.
pub(super) struct Evaluation {
    pub(super) loss: f64,
    pub(super) gradient: Array2<f64>,
    /// What [`Objective::curvature`] uses.
    predictions: Predictions,
}

enum Predictions {
    /// Of all records, `[n][c]`.
    Kept(Array2<f64>),
    /// To be made again from these weights, because the records are not in memory, and their predictions would not be either.
    /// With the mean of `p(1 − p)`.
    At(Array2<f64>, f64),
}

impl Objective<'_> {
    /// Number of rows of a weight matrix: one per feature, and the bias.
    pub(super) fn blocks(&self) -> usize {
        self.records.width() + 1
    }

    /// Loss and gradient at `w`.
    pub(super) fn evaluate(&self, w: &Array2<f64>) -> Evaluation {
        let n = self.count() as f64;
        let Evaluation { loss, gradient: data, predictions } = self.sums(w);
        let mut gradient = data / n;
        let penalty = self.add_penalty(w, &mut gradient);
        Evaluation { loss: loss / n + penalty, gradient, predictions }
    }

    /// Sums of the records' losses and gradients at `w`: no mean, no penalty.
    pub(super) fn sums(&self, w: &Array2<f64>) -> Evaluation {
        let work = |piece: &Records,
                    first: usize,
                    x: &Array2<f64>,
                    p: &mut ArrayViewMut2<'_, f64>,
                    gradient: &mut Array2<f64>| {
            general_mat_mul(1.0, x, w, 0.0, p);
            let mut residual = Array2::zeros(p.dim());
            let (mut loss, mut bend) = (0.0, 0.0);
            for (i, (mut p, mut r)) in p.rows_mut().into_iter().zip(residual.rows_mut()).enumerate() {
                let target = piece.target(first + i);
                let (p, r) = (p.as_slice_mut().unwrap_or_default(), r.as_slice_mut().unwrap_or_default());
                loss += self.predict(target, p, r);
                bend += p.iter().map(|p| p * (1.0 - p)).sum::<f64>();
            }
            general_mat_mul(1.0, &x.t(), &residual, 1.0, gradient);
            [loss, bend]
        };
        if let Some(all) = self.records.whole() {
            let mut kept = Array2::zeros((all.len(), self.classes));
            let ([loss, _], gradient) = self.over_lanes(all, &mut kept, work);
            return Evaluation { loss, gradient, predictions: Predictions::Kept(kept) };
        }
        let ([loss, bend], gradient) = self.over_pieces(work);
        let loss = if self.failed.get().is_some() { f64::NAN } else { loss };
        let mean = bend / (self.count() * self.classes) as f64;
        Evaluation { loss, gradient, predictions: Predictions::At(w.clone(), mean) }
    }

    /// `Σ_i factor(p_i)·x_i·x_iᵀ` over all records for each of `factors`, as the upper half of each matrix, row by row. `p_i` are
    /// the record's predictions in `at`.
    ///
    /// Of `records` that are all in memory, and those of `at`.
    pub(super) fn moments<F>(&self, records: &Records, at: &Evaluation, factors: &[F]) -> Vec<f64>
    where
        F: Fn(ArrayView1<'_, f64>) -> f64 + Sync,
    {
        let b = self.blocks();
        let Predictions::Kept(predictions) = &at.predictions else { return Vec::new() };
        let halves: Vec<Vec<f64>> = factors
            .par_iter()
            .map(|factor| {
                let mut moment = Array2::<f64>::zeros((b, b));
                for first in (0..records.len()).step_by(BATCH) {
                    let x = self.widen(records, first..(first + BATCH).min(records.len()));
                    let mut scaled = x.clone();
                    for (i, mut row) in scaled.rows_mut().into_iter().enumerate() {
                        let f = factor(predictions.row(first + i));
                        row.mapv_inplace(|x| f * x);
                    }
                    general_mat_mul(1.0, &x.t(), &scaled, 1.0, &mut moment);
                }
                (0..b).flat_map(|j| moment.row(j).iter().skip(j).copied().collect::<Vec<_>>()).collect()
            })
            .collect();
        halves.concat()
    }

    /// Product of the Hessian at `at` with `v`.
    pub(super) fn curvature(&self, at: &mut Evaluation, v: &Array2<f64>) -> Array2<f64> {
        let mut product = self.products(at, v) / self.count() as f64;
        self.add_penalty(v, &mut product);
        product
    }

    /// Sum of the products of the records' second derivatives at `at` with `v`: no mean, no penalty.
    pub(super) fn products(&self, at: &mut Evaluation, v: &Array2<f64>) -> Array2<f64> {
        let bent = |x: &Array2<f64>, p: &ArrayViewMut2<'_, f64>, product: &mut Array2<f64>| {
            let mut u = x.dot(v);
            for (p, mut u) in p.rows().into_iter().zip(u.rows_mut()) {
                match self.link {
                    Link::Squared => {}
                    Link::Logistic => u.zip_mut_with(&p, |u, p| *u *= p * (1.0 - p)),
                    Link::Softmax => {
                        let mean = p.dot(&u);
                        u.zip_mut_with(&p, |u, p| *u = p * (*u - mean));
                    }
                }
            }
            general_mat_mul(1.0, &x.t(), &u, 1.0, product);
            [0.0; 2]
        };
        match (&mut at.predictions, self.records.whole()) {
            (Predictions::Kept(kept), Some(all)) => {
                self.over_lanes(all, kept, |_, _, x, p, product| bent(x, p, product)).1
            }
            (Predictions::Kept(_), None) => Array2::zeros(v.dim()),
            (Predictions::At(w, _), _) => {
                let w = &*w;
                let again = |_: &Records,
                             _: usize,
                             x: &Array2<f64>,
                             p: &mut ArrayViewMut2<'_, f64>,
                             product: &mut Array2<f64>| {
                    general_mat_mul(1.0, x, w, 0.0, p);
                    p.rows_mut()
                        .into_iter()
                        .for_each(|mut p| link::real(self.link, p.as_slice_mut().unwrap_or_default()));
                    bent(x, p, product)
                };
                self.over_pieces(again).1
            }
        }
    }

    /// `XᵀX/n` over all records, or over evenly spaced ones if there are very many.
    pub(super) fn gram(&self) -> Array2<f64> {
        let lengths = self.records.lengths();
        let stride = self.count().div_ceil(GRAM_RECORDS);
        let mut gram = Array2::zeros((self.blocks(), self.blocks()));
        let (mut before, mut taken) = (0usize, 0usize);
        for (index, length) in lengths.into_iter().enumerate() {
            let first = before.next_multiple_of(stride.max(1)) - before;
            let picked: Vec<usize> = (first..length).step_by(stride.max(1)).collect();
            before += length;
            if picked.is_empty() {
                continue;
            }
            let Some(piece) = self.piece(index) else { return gram };
            taken += picked.len();
            let parts: Vec<Array2<f64>> = picked
                .par_chunks(picked.len().div_ceil(LANES))
                .map(|lane| {
                    let mut gram = Array2::zeros((self.blocks(), self.blocks()));
                    for batch in lane.chunks(BATCH) {
                        let x = self.widen(&piece, batch.iter().copied());
                        general_mat_mul(1.0, &x.t(), &x, 1.0, &mut gram);
                    }
                    gram
                })
                .collect();
            gram = parts.into_iter().fold(gram, |total, part| total + part);
        }
        gram / taken.max(1) as f64
    }

    /// Mean diagonal entry of the link's curvature at `at`: 1 for least squares, the mean of `p(1 − p)` otherwise.
    pub(super) fn mean_curvature(&self, at: &Evaluation) -> f64 {
        match self.link {
            Link::Squared => 1.0,
            Link::Logistic | Link::Softmax => match &at.predictions {
                Predictions::Kept(all) => all.iter().map(|p| p * (1.0 - p)).sum::<f64>() / all.len() as f64,
                Predictions::At(_, mean) => *mean,
            },
        }
    }

    /// Adds the penalty's derivative at `w` to `gradient` and returns its value.
    fn add_penalty(&self, w: &Array2<f64>, gradient: &mut Array2<f64>) -> f64 {
        gradient.scaled_add(self.lambda, w);
        0.5 * self.lambda * w.iter().map(|w| w * w).sum::<f64>()
    }

    /// Turns the logits `z` of a record with this target into predictions, writes `p − y` to `residual` and returns the record's loss.
    fn predict(&self, target: u16, z: &mut [f64], residual: &mut [f64]) -> f64 {
        let y = |u: usize| match self.task {
            Task::Classes => f64::from(u8::from(u == usize::from(target))),
            Task::Real => f64::from(target) / f64::from(1u32 << TARGET_BITS),
        };
        // ln(1 + exp z) without overflow
        let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
        let loss = match self.link {
            Link::Squared => z.iter().enumerate().map(|(u, z)| 0.5 * (z - y(u)).powi(2)).sum(),
            Link::Logistic => z.iter().enumerate().map(|(u, z)| softplus(*z) - y(u) * z).sum(),
            Link::Softmax => {
                let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
                max + sum.ln() - z.iter().enumerate().map(|(u, z)| y(u) * z).sum::<f64>()
            }
        };
        link::real(self.link, z);
        for (u, (r, p)) in residual.iter_mut().zip(z).enumerate() {
            *r = *p - y(u);
        }
        loss
    }

    /// Number of records.
    fn count(&self) -> usize {
        self.records.lengths().iter().sum()
    }

    /// Reads a piece; `None` if this or an earlier one failed.
    fn piece(&self, index: usize) -> Option<Cow<'_, Records>> {
        if self.failed.get().is_some() {
            return None;
        }
        let fits = |piece: &Records| {
            let classes = self.task != Task::Classes || piece.iter().all(|(_, t)| usize::from(t) < self.classes);
            piece.width() == self.records.width() && classes
        };
        let read = self.records.piece(index).and_then(|piece| match fits(&piece) {
            true => Ok(piece),
            false => Err(format!("piece {index} of the records does not follow the schema")),
        });
        read.map_err(|reason| self.failed.set(reason)).ok()
    }

    /// As [`Self::over_lanes`], over all pieces one after another. Rows are made for each and forgotten.
    fn over_pieces<F>(&self, work: F) -> ([f64; 2], Array2<f64>)
    where
        F: Fn(&Records, usize, &Array2<f64>, &mut ArrayViewMut2<'_, f64>, &mut Array2<f64>) -> [f64; 2] + Sync,
    {
        let (mut total, mut accumulated) = ([0.0; 2], Array2::zeros((self.blocks(), self.classes)));
        for index in 0..self.records.lengths().len() {
            let Some(piece) = self.piece(index) else { break };
            let mut rows = Array2::zeros((piece.len(), self.classes));
            let (t, a) = self.over_lanes(&piece, &mut rows, &work);
            total = add(total, t);
            accumulated += &a;
        }
        (total, accumulated)
    }

    /// Runs `work(records, first of them, features [batch][d + 1], per-record rows, sum so far)` over a piece. Returns the
    /// sums of its return values and of its accumulators.
    fn over_lanes<F>(&self, piece: &Records, rows: &mut Array2<f64>, work: F) -> ([f64; 2], Array2<f64>)
    where
        F: Fn(&Records, usize, &Array2<f64>, &mut ArrayViewMut2<'_, f64>, &mut Array2<f64>) -> [f64; 2] + Sync,
    {
        let lane_len = piece.len().div_ceil(LANES).max(1);
        let lanes: Vec<ArrayViewMut2<'_, f64>> = rows.axis_chunks_iter_mut(Axis(0), lane_len).collect();
        let parts: Vec<([f64; 2], Array2<f64>)> = lanes
            .into_par_iter()
            .enumerate()
            .map(|(lane, mut rows)| {
                let mut total = [0.0; 2];
                let mut accumulated = Array2::zeros((self.blocks(), self.classes));
                for (b, mut part) in rows.axis_chunks_iter_mut(Axis(0), BATCH).enumerate() {
                    let first = lane * lane_len + b * BATCH;
                    let x = self.widen(piece, first..first + part.nrows());
                    total = add(total, work(piece, first, &x, &mut part, &mut accumulated));
                }
                (total, accumulated)
            })
            .collect();
        let total = parts.iter().fold([0.0; 2], |total, (t, _)| add(total, *t));
        let accumulated = sum(parts.into_iter().map(|(_, a)| a), (self.blocks(), self.classes));
        (total, accumulated)
    }

    /// Real features of the given records, with the bias coordinate first.
    fn widen(&self, piece: &Records, records: impl ExactSizeIterator<Item = usize>) -> Array2<f64> {
        let mut x = Array2::from_elem((records.len(), self.blocks()), self.bias);
        for (mut row, i) in x.rows_mut().into_iter().zip(records) {
            for (x, q) in row.iter_mut().skip(1).zip(piece.features(i)) {
                *x = f64::from(*q) / 256.0;
            }
        }
        x
    }
}

fn add(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

fn sum(parts: impl IntoIterator<Item = Array2<f64>>, shape: (usize, usize)) -> Array2<f64> {
    parts.into_iter().fold(Array2::zeros(shape), |total, part| total + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Records {
        let mut r = Records::new(3);
        for i in 0..300u32 {
            r.push(&[(i * 7 % 256) as u8, (i * i % 251) as u8, (i % 13) as u8], (i % 3) as u16);
        }
        r
    }

    /// Compares gradient and curvature with central differences, for every link, with a small and a large bias feature.
    #[test]
    fn derivatives_are_those_of_the_loss() {
        let records = records();
        let w = Array2::from_shape_fn((4, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f64 / 3.0 - 1.0);
        let v = Array2::from_shape_fn((4, 3), |(i, j)| ((i * 2 + j * 5) % 5) as f64 / 2.0 - 1.0);
        let h = 1e-5;
        for link in [Link::Squared, Link::Logistic, Link::Softmax] {
            for bias in [1.0, 16.0] {
                let failed = OnceLock::new();
                let o =
                    Objective { records: &records, failed, task: Task::Classes, classes: 3, link, lambda: 0.01, bias };
                let mut at = o.evaluate(&w);
                let (up, down) = (o.evaluate(&(&w + &(&v * h))), o.evaluate(&(&w - &(&v * h))));
                let slope = (&at.gradient * &v).sum();
                assert!(((up.loss - down.loss) / (2.0 * h) - slope).abs() < 1e-7 * bias * bias, "{link:?}");
                let bend = o.curvature(&mut at, &v);
                let difference = (&up.gradient - &down.gradient) / (2.0 * h);
                assert!((&bend - &difference).iter().all(|d| d.abs() < 1e-7 * bias * bias), "{link:?}");
            }
        }
    }
}
