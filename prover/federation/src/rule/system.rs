//! The system of a Newton step where the second derivatives that couple all weights are summed as a whole.

use ndarray::{Array2, Axis};
use tribute_inference::train::{Cholesky, Curvature};

use super::Terms;

/// Second derivatives of the mean loss, with its penalty.
pub(super) struct System {
    curvature: Curvature,
    blocks: usize,
    classes: usize,
    /// One matrix for all classes, one for each, or, coupled, that of all weights: rows `j·c + u`.
    matrices: Vec<Array2<f64>>,
}

impl System {
    pub(super) fn new(terms: &Terms, curvature: Curvature, sums: &[f64]) -> Self {
        let Terms { blocks, classes, lambda, n } = *terms;
        let half = blocks * (blocks + 1) / 2;
        // entry (j, k), j ≤ k, of the m-th matrix of sums
        let entry = |m: usize, j: usize, k: usize| {
            let (j, k) = (j.min(k), j.max(k));
            sums[m * half + j * blocks - j * (j + 1) / 2 + k] / n
        };
        let matrices = match curvature {
            Curvature::Shared | Curvature::PerClass => (0..curvature.matrices(classes))
                .map(|m| {
                    Array2::from_shape_fn((blocks, blocks), |(j, k)| entry(m, j, k) + if j == k { lambda } else { 0.0 })
                })
                .collect(),
            Curvature::Coupled => {
                let mut all = Array2::zeros((blocks * classes, blocks * classes));
                let pairs = (0..classes).flat_map(|u| (u + 1..classes).map(move |v| (u, v)));
                for (m, (u, v)) in pairs.enumerate() {
                    for j in 0..blocks {
                        for k in 0..blocks {
                            let x = entry(m, j, k);
                            all[[j * classes + u, k * classes + v]] -= x;
                            all[[j * classes + v, k * classes + u]] -= x;
                            all[[j * classes + u, k * classes + u]] += x;
                            all[[j * classes + v, k * classes + v]] += x;
                        }
                    }
                }
                all.diag_mut().iter_mut().for_each(|x| *x += lambda);
                vec![all]
            }
        };
        System { curvature, blocks, classes, matrices }
    }

    /// `−H⁻¹·gradient`; `None` if the matrix is not positive definite.
    pub(super) fn solve(&self, gradient: &[f64]) -> Option<Vec<f64>> {
        let mut x = Array2::from_shape_fn((self.blocks, self.classes), |(j, u)| -gradient[j * self.classes + u]);
        match self.curvature {
            Curvature::Shared => {
                let factor = Cholesky::factor(self.matrices[0].clone())?;
                x.axis_iter_mut(Axis(1)).for_each(|mut column| factor.solve(&mut column));
            }
            Curvature::PerClass => {
                for (matrix, mut column) in self.matrices.iter().zip(x.axis_iter_mut(Axis(1))) {
                    Cholesky::factor(matrix.clone())?.solve(&mut column);
                }
            }
            Curvature::Coupled => {
                let mut flat = x.into_shape_with_order(self.blocks * self.classes).ok()?;
                Cholesky::factor(self.matrices[0].clone())?.solve(&mut flat.view_mut());
                return Some(flat.to_vec());
            }
        }
        Some(x.into_iter().collect())
    }

    /// The mean over the classes of each class's own matrix.
    pub(super) fn mean(&self) -> Array2<f64> {
        let (b, c) = (self.blocks, self.classes);
        let own = |u: usize, j: usize, k: usize| match self.curvature {
            Curvature::Shared => self.matrices[0][[j, k]],
            Curvature::PerClass => self.matrices[u][[j, k]],
            Curvature::Coupled => self.matrices[0][[j * c + u, k * c + u]],
        };
        Array2::from_shape_fn((b, b), |(j, k)| (0..c).map(|u| own(u, j, k)).sum::<f64>() / c as f64)
    }
}
