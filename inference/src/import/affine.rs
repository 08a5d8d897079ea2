//! Affine maps `x ↦ x·M + b`, composed.

use ndarray::{Array1, Array2, Axis};

/// `[inputs][outputs]` matrix and `[outputs]` bias.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Affine {
    pub(super) matrix: Array2<f64>,
    pub(super) bias: Array1<f64>,
}

impl Affine {
    pub(super) fn identity(n: usize) -> Self {
        Affine { matrix: Array2::eye(n), bias: Array1::zeros(n) }
    }
    /// `x ↦ x∘scale + bias`.
    pub(super) fn scaling(scale: &Array1<f64>, bias: Array1<f64>) -> Self {
        Affine { matrix: Array2::from_diag(scale), bias }
    }
    pub(super) fn inputs(&self) -> usize {
        self.matrix.nrows()
    }
    pub(super) fn outputs(&self) -> usize {
        self.matrix.ncols()
    }
    /// First this map, then `next`.
    pub(super) fn then(&self, next: &Affine) -> Self {
        Affine { matrix: self.matrix.dot(&next.matrix), bias: self.bias.dot(&next.matrix) + &next.bias }
    }
    /// First this map, then a matrix `[outputs][m]`.
    pub(super) fn then_matrix(&self, matrix: &Array2<f64>) -> Self {
        Affine { matrix: self.matrix.dot(matrix), bias: self.bias.dot(matrix) }
    }
    /// Multiplies output `u` by `scale[u]`.
    pub(super) fn then_scale(&self, scale: &Array1<f64>) -> Self {
        Affine { matrix: &self.matrix * scale, bias: &self.bias * scale }
    }
    /// Adds `shift[u]` to output `u`.
    pub(super) fn then_shift(&self, shift: &Array1<f64>) -> Self {
        Affine { matrix: self.matrix.clone(), bias: &self.bias + shift }
    }
    /// Outputs in another order.
    pub(super) fn select(&self, order: &[usize]) -> Self {
        Affine { matrix: self.matrix.select(Axis(1), order), bias: self.bias.select(Axis(0), order) }
    }
}
