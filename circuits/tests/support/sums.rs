//! Gradients as large as they get, with their sum: what `sum` is about.

use tribute_circuits::columns::{commit_gradient, CommittedGroup, Secret};
use tribute_circuits::statements::sum::SumCircuit;
use tribute_core::head::add;
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::srs::Srs;

use super::keyed::srs;

pub fn layout() -> Layout {
    Layout::new(10, 4, 7, 3, Task::Classes).unwrap()
}

/// Gradients with entries at both ends of what 2^26 records can give, and their sum.
fn gradients(layout: &Layout, parts: usize) -> (Vec<Vec<I256>>, Vec<I256>) {
    let limit = I256::ONE << 143;
    let parts: Vec<Vec<I256>> = (0..parts)
        .map(|p| {
            (0..layout.weights())
                .map(|j| match (j + p) % 4 {
                    0 => limit - I256::ONE,
                    1 => I256::ONE - limit,
                    2 => I256::ZERO,
                    _ => I256::from((j * 1_000_003 + p) as i64) - 20_000_000,
                })
                .collect()
        })
        .collect();
    let mut sum = vec![I256::ZERO; layout.weights()];
    parts.iter().for_each(|g| add(&mut sum, g));
    (parts, sum)
}

/// Committed gradients, and their sum's entries.
pub struct Parts {
    pub srs: &'static Srs,
    pub layout: Layout,
    pub groups: Vec<CommittedGroup>,
    pub values: Vec<Vec<I256>>,
    pub sum: Vec<I256>,
}

impl Parts {
    pub fn new(layout: Layout, parts: usize) -> Self {
        let (values, sum) = gradients(&layout, parts);
        let mut world = Parts { srs: srs(layout.k()), layout, groups: vec![], values, sum };
        world.groups = world.values.iter().enumerate().map(|(i, g)| world.commit(i, g)).collect();
        world
    }
    pub fn shape(&self) -> Shape {
        Shape::sum(self.layout, self.groups.len())
    }
    pub fn commit(&self, about: usize, gradient: &[I256]) -> CommittedGroup {
        let secret = Secret::from_bytes([5; 32]);
        commit_gradient(self.srs, &self.layout, &secret, &[[about as u8; 32]], gradient)
    }
    pub fn circuit(&self, shape: Shape, sum: &CommittedGroup) -> SumCircuit {
        let parts: Vec<&CommittedGroup> = self.groups.iter().collect();
        SumCircuit::new(shape, sum, &parts)
    }
}
