//! The preconditioner of conjugate gradients: each class's own second derivatives, on the subspace where the classes' weights sum
//! to zero.
//!
//! Adding one vector to the weights of every class changes no prediction, so the optimum lies in that subspace and so do all
//! gradients. With `A_u` the second derivatives of class `u` with the penalty, the preconditioner maps residuals `r` to the
//! minimiser of `Σ_u z_uᵀA_u z_u/2 − r_uᵀz_u` with `Σ_u z_u = 0`: `z_u = A_u⁻¹(r_u − t)`, where `t = (Σ A_v⁻¹)⁻¹ Σ A_v⁻¹ r_v`.

use ndarray::{Array1, Array2, Axis};
use tribute_inference::train::{Cholesky, Curvature};

use super::Terms;

/// Factors of the preconditioner's matrices.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    classes: usize,
    /// `A_u` of every class, or the one that all classes share.
    own: Vec<Cholesky>,
    /// `Σ A_u⁻¹`, unless all are the same.
    joint: Option<Cholesky>,
    /// Mean of the `A_u`, for rounding.
    mean: Array2<f64>,
}

impl Factors {
    /// From summed second derivatives: one matrix for all classes at `W = 0`, or one for each. `None` if one is not positive
    /// definite.
    pub(super) fn new(terms: &Terms, asked: Curvature, sums: &[f64]) -> Option<Self> {
        let (blocks, classes) = (terms.blocks, terms.classes);
        let half = blocks * (blocks + 1) / 2;
        let c = classes as f64;
        // at W = 0 all probabilities are 1/c
        let scale = if asked == Curvature::Shared { (1.0 - 1.0 / c) / c / terms.n } else { 1.0 / terms.n };
        let matrix = |sums: &[f64]| {
            Array2::from_shape_fn((blocks, blocks), |(j, k)| {
                let (low, high) = (j.min(k), j.max(k));
                let penalty = if j == k { terms.lambda } else { 0.0 };
                sums[low * blocks - low * (low + 1) / 2 + high] * scale + penalty
            })
        };
        let mut own = Vec::with_capacity(asked.matrices(classes));
        let mut mean = Array2::<f64>::zeros((blocks, blocks));
        for sums in sums.chunks_exact(half) {
            let matrix = matrix(sums);
            mean += &matrix;
            own.push(Cholesky::factor(matrix)?);
        }
        mean /= own.len() as f64;
        let joint = if own.len() == 1 {
            None
        } else {
            let mut joint = Array2::<f64>::zeros((blocks, blocks));
            for factor in &own {
                // row by row: an inverse is symmetric
                let mut inverse = Array2::<f64>::eye(blocks);
                inverse.axis_iter_mut(Axis(0)).for_each(|mut row| factor.solve(&mut row));
                joint += &inverse;
            }
            Some(Cholesky::factor(joint)?)
        };
        Some(Factors { classes, own, joint, mean })
    }

    /// The preconditioner's product with `residual`, row-major `[d + 1][c]`.
    pub(super) fn apply(&self, residual: &[f64]) -> Vec<f64> {
        let (blocks, classes) = (self.mean.nrows(), self.classes);
        let mut solved: Vec<Array1<f64>> = (0..classes)
            .map(|u| {
                let mut y = Array1::from_shape_fn(blocks, |j| residual[j * classes + u]);
                self.class(u).solve(&mut y.view_mut());
                y
            })
            .collect();
        let mut total = solved.iter().fold(Array1::<f64>::zeros(blocks), |total, y| total + y);
        match &self.joint {
            None => {
                total /= classes as f64;
                solved.iter_mut().for_each(|y| *y -= &total);
            }
            Some(joint) => {
                joint.solve(&mut total.view_mut());
                for (u, y) in solved.iter_mut().enumerate() {
                    let mut shift = total.clone();
                    self.class(u).solve(&mut shift.view_mut());
                    *y -= &shift;
                }
            }
        }
        (0..blocks * classes).map(|i| solved[i % classes][i / classes]).collect()
    }

    /// Mean of the classes' own second derivatives, with the penalty.
    pub(super) fn mean(&self) -> &Array2<f64> {
        &self.mean
    }

    /// Their bytes: the lower halves of all factors and of the mean, row by row, little-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for factor in self.own.iter().chain(&self.joint) {
            for i in 0..self.mean.nrows() {
                factor.row(i).iter().for_each(|x| bytes.extend(x.to_le_bytes()));
            }
        }
        for (i, row) in self.mean.rows().into_iter().enumerate() {
            row.iter().take(i + 1).for_each(|x| bytes.extend(x.to_le_bytes()));
        }
        bytes
    }

    /// Inverse of [`Factors::to_bytes`]; `None` if they are none of this shape.
    pub(super) fn from_bytes(blocks: usize, classes: usize, bytes: &[u8]) -> Option<Self> {
        let half = blocks * (blocks + 1) / 2;
        let (words, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<f64> = words.iter().map(|b| f64::from_le_bytes(*b)).collect();
        let count = numbers.len() / half;
        if !rest.is_empty() || !numbers.len().is_multiple_of(half) || (count != 2 && count != classes + 2) {
            return None;
        }
        let (factors, mean) = numbers.split_at((count - 1) * half);
        let mut own = factors
            .chunks_exact(half)
            .map(|numbers| Cholesky::from_rows(blocks, numbers))
            .collect::<Option<Vec<_>>>()?;
        let joint = if count == 2 { None } else { own.pop() };
        let mean = Array2::from_shape_fn((blocks, blocks), |(j, k)| {
            let (low, high) = (j.min(k), j.max(k));
            mean[high * (high + 1) / 2 + low]
        });
        Some(Factors { classes, own, joint, mean })
    }

    fn class(&self, u: usize) -> &Cholesky {
        self.own.get(u).unwrap_or(&self.own[0])
    }
}

impl PartialEq for Factors {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { blocks: 3, classes: 4, lambda: 0.01, n: 5.0 };

    /// Sums of three positive definite matrices, different for each class.
    fn sums() -> Vec<f64> {
        (0..4).flat_map(|u| [4.0 + f64::from(u), 1.0, 0.5, 3.0, -0.2 * f64::from(u), 2.0]).collect()
    }

    #[test]
    fn the_preconditioner_solves_within_the_subspace() {
        let factors = Factors::new(&TERMS, Curvature::PerClass, &sums()).unwrap();
        let residual: Vec<f64> = (0..12).map(|i| f64::from(i * i % 7) - 2.5).collect();
        let z = factors.apply(&residual);
        for j in 0..3 {
            assert!(z[4 * j..4 * j + 4].iter().sum::<f64>().abs() < 1e-12);
        }
        // A_u z_u − r_u is the same for every class
        let defect = |u: usize, j: usize| {
            let half = &sums()[6 * u..6 * u + 6];
            let at = |j: usize, k: usize| half[[[0, 1, 2], [1, 3, 4], [2, 4, 5]][j][k]] / 5.0;
            (0..3).map(|k| at(j, k) * z[4 * k + u]).sum::<f64>() + 0.01 * z[4 * j + u] - residual[4 * j + u]
        };
        for j in 0..3 {
            assert!((1..4).all(|u| (defect(u, j) - defect(0, j)).abs() < 1e-12));
        }
    }

    #[test]
    fn one_matrix_for_all_is_that_matrix_for_each() {
        let one = [4.0, 1.0, 0.5, 3.0, -0.2, 2.0];
        let shared = Factors::new(&TERMS, Curvature::Shared, &one).unwrap();
        let each: Vec<f64> = (0..4).flat_map(|_| one.map(|x| x * 3.0 / 16.0)).collect();
        let own = Factors::new(&TERMS, Curvature::PerClass, &each).unwrap();
        let residual: Vec<f64> = (0..12).map(f64::from).collect();
        assert!(shared.apply(&residual).iter().zip(own.apply(&residual)).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn bytes_restore_every_bit_and_nothing_else_is_taken() {
        for (asked, sums) in [(Curvature::Shared, sums()[..6].to_vec()), (Curvature::PerClass, sums())] {
            let factors = Factors::new(&TERMS, asked, &sums).unwrap();
            let bytes = factors.to_bytes();
            assert_eq!(Factors::from_bytes(3, 4, &bytes).unwrap(), factors);
            assert!(Factors::from_bytes(3, 4, &bytes[..bytes.len() - 8]).is_none());
            assert!(Factors::from_bytes(3, 5, &bytes).is_none() || asked == Curvature::Shared);
        }
        let indefinite = [1.0, 2.0, 0.0, 1.0, 0.0, 1.0];
        assert!(Factors::new(&TERMS, Curvature::Shared, &indefinite).is_none());
    }
}
