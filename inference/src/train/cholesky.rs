//! Cholesky factorisation of symmetric positive definite matrices, blocked so that what is read again stays in the cache.
//!
//! Every sum is taken in a fixed order without fused operations, so that all machines compute the same bits: parties that train
//! together each solve the same system, and must arrive at the same step.

use ndarray::{Array2, ArrayView1, ArrayViewMut1, Axis};

/// Number of columns factored at a time.
const BLOCK: usize = 48;

/// Lower triangular `L` with `L·Lᵀ = A`.
#[derive(Clone, Debug)]
pub struct Cholesky {
    lower: Array2<f64>,
}

impl Cholesky {
    /// Factors `a`, of which only the lower half is read. `None` if it is not positive definite to working precision.
    #[must_use]
    pub fn factor(mut a: Array2<f64>) -> Option<Self> {
        let n = a.nrows();
        for start in (0..n).step_by(BLOCK) {
            let width = BLOCK.min(n - start);
            let (_, below) = a.view_mut().split_at(Axis(0), start);
            let (done, rest) = below.split_at(Axis(1), start);
            let (mut panel, _) = rest.split_at(Axis(1), width);
            if start > 0 {
                let (diagonal, _) = done.view().split_at(Axis(0), width);
                for (mut row, left) in panel.rows_mut().into_iter().zip(done.rows()) {
                    for (entry, above) in row.iter_mut().zip(diagonal.rows()) {
                        *entry -= left.dot(&above);
                    }
                }
            }
            for j in 0..width {
                let (mut above, mut below) = panel.view_mut().split_at(Axis(0), j + 1);
                let mut pivots = above.row_mut(j);
                let pivot = pivots[j] - head(pivots.view(), j).dot(&head(pivots.view(), j));
                if !(pivot > 0.0 && pivot.is_finite()) {
                    return None;
                }
                pivots[j] = pivot.sqrt();
                for mut row in below.rows_mut() {
                    row[j] = (row[j] - head(row.view(), j).dot(&head(pivots.view(), j))) / pivots[j];
                }
            }
        }
        Some(Cholesky { lower: a })
    }

    /// Restores a factor from the rows of `L`, each up to and including the diagonal, one after another. `None` if they are no
    /// factor: too few or too many numbers, or a diagonal that is not positive.
    #[must_use]
    pub fn from_rows(n: usize, numbers: &[f64]) -> Option<Self> {
        if numbers.len() != n * (n + 1) / 2 || numbers.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let lower = Array2::from_shape_fn((n, n), |(i, j)| if j <= i { numbers[i * (i + 1) / 2 + j] } else { 0.0 });
        lower.diag().iter().all(|pivot| *pivot > 0.0).then_some(Cholesky { lower })
    }

    /// Row `i` of `L` up to and including the diagonal.
    #[must_use]
    pub fn row(&self, i: usize) -> ArrayView1<'_, f64> {
        head(self.lower.row(i), i + 1)
    }

    /// Replaces `b` by the solution of `A·x = b`.
    pub fn solve(&self, b: &mut ArrayViewMut1<'_, f64>) {
        for i in 0..b.len() {
            let row = self.row(i);
            b[i] = (b[i] - head(row, i).dot(&head(b.view(), i))) / row[i];
        }
        for i in (0..b.len()).rev() {
            let row = self.row(i);
            let (mut before, mut rest) = b.view_mut().split_at(Axis(0), i);
            rest[0] /= row[i];
            before.scaled_add(-rest[0], &head(row, i));
        }
    }
}

/// The first `len` entries.
fn head(v: ArrayView1<'_, f64>, len: usize) -> ArrayView1<'_, f64> {
    v.split_at(Axis(0), len).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    /// Sizes below, at and above the block width.
    #[test]
    fn solves_what_it_factored() {
        for n in [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let b = Array2::from_shape_fn((n + 3, n), |(i, j)| (((i * 31 + j * 17 + i * j) % 23) as f64 - 11.0) / 23.0);
            let a = b.t().dot(&b) + Array2::<f64>::eye(n) * 0.1;
            let x = Array1::from_shape_fn(n, |i| (i as f64).sin());
            let mut y = a.dot(&x);
            Cholesky::factor(a).unwrap().solve(&mut y.view_mut());
            let worst = (&y - &x).iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(worst < 1e-9, "n = {n}: {worst:e}");
        }
    }

    #[test]
    fn a_factor_is_restored_from_its_rows() {
        let a = ndarray::arr2(&[[4.0, 2.0, 1.0], [2.0, 3.0, 0.5], [1.0, 0.5, 2.0]]);
        let factor = Cholesky::factor(a).unwrap();
        let rows: Vec<f64> = (0..3).flat_map(|i| factor.row(i).to_vec()).collect();
        let again = Cholesky::from_rows(3, &rows).unwrap();
        assert!((0..3).all(|i| again.row(i) == factor.row(i)));
        assert!(Cholesky::from_rows(2, &rows).is_none());
        assert!(Cholesky::from_rows(3, &[&rows[..5], &[0.0]].concat()).is_none());
        assert!(Cholesky::from_rows(3, &[&[f64::NAN], &rows[1..]].concat()).is_none());
    }

    #[test]
    fn indefinite_matrices_are_refused() {
        assert!(Cholesky::factor(ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]])).is_none());
        assert!(Cholesky::factor(ndarray::arr2(&[[0.0]])).is_none());
        assert!(Cholesky::factor(ndarray::arr2(&[[f64::NAN]])).is_none());
    }
}
