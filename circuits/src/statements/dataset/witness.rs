//! The witness of `dataset`: sums of targets and features, from the bottom up.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use tribute_core::layout::{Layout, Task};
use tribute_core::numbers::FEATURE_BITS;
use tribute_engine::column::CommittedColumn;
use tribute_engine::field::to_u256;

use crate::gadgets::logup::{range_table, LogUp, Lookups, Tuple};

/// Fresh phase-0 columns, by position in [`super::DatasetCircuit::columns`].
pub mod column {
    /// Sum of targets.
    pub const CLASS: usize = 0;
    /// Sum of features.
    pub const CELLS: usize = 1;
    /// Number of records.
    pub const COUNT: usize = 2;
    /// Low byte of a real target.
    pub const TARGET_LOW: usize = 3;
    /// High byte of a real target.
    pub const TARGET_HIGH: usize = 4;
}

/// Phase-one columns, except the multiplicities.
pub(super) fn sums(layout: &Layout, committed: &[Arc<CommittedColumn>]) -> Vec<Vec<Fr>> {
    let (x, y) = committed.split_at(layout.columns());
    let y = &y[0].values;
    let mut columns = vec![vec![Fr::ZERO; layout.gate_rows()]; if layout.task() == Task::Real { 5 } else { 3 }];
    for record in (0..layout.capacity()).rev() {
        let start = record * layout.record_rows();
        for offset in (0..layout.record_rows()).rev() {
            let row = start + offset;
            let last = offset + 1 == layout.record_rows();
            if (1..=layout.classes()).contains(&offset) {
                let below = if offset == layout.classes() { Fr::ZERO } else { columns[column::CLASS][row + 1] };
                columns[column::CLASS][row] = y[row] + below;
                if layout.task() == Task::Real {
                    let value = to_u256(&y[row]);
                    columns[column::TARGET_LOW][row] = Fr::from((value & 0xff).as_u64());
                    columns[column::TARGET_HIGH][row] = Fr::from(((value >> 8u32) & 0xff).as_u64());
                }
            }
            let below = if last { Fr::ZERO } else { columns[column::CELLS][row + 1] };
            columns[column::CELLS][row] = x.iter().map(|c| c.values[row]).sum::<Fr>() + below;
            columns[column::COUNT][row] = columns[column::COUNT][row + 1] + if offset == 0 { y[row] } else { Fr::ZERO };
        }
    }
    columns
}

pub(super) fn table() -> Vec<Tuple> {
    range_table(FEATURE_BITS)
}

fn with_lookups<T>(
    layout: &Layout,
    committed: &[Arc<CommittedColumn>],
    columns: &[Vec<Fr>],
    f: impl FnOnce(&Lookups<'_>) -> T,
) -> T {
    let (r, rows, width) = (layout.record_rows(), layout.weights_start(), layout.columns());
    let tuple = |input: usize, row: usize| -> Option<Tuple> {
        let value = if input < width {
            (row < layout.salt_start()).then(|| committed[input].values[row])?
        } else {
            let class = row < rows && (1..=layout.classes()).contains(&(row % r));
            class.then(|| columns[column::TARGET_LOW + input - width][row])?
        };
        Some([value, Fr::ZERO, Fr::ZERO])
    };
    let targets = columns.len() - column::TARGET_LOW;
    f(&Lookups { inputs: width + targets, tuple: &tuple, weight: None })
}

pub(super) fn multiplicities(layout: &Layout, committed: &[Arc<CommittedColumn>], columns: &[Vec<Fr>]) -> Vec<Fr> {
    with_lookups(layout, committed, columns, |l| l.multiplicities(&table(), layout.gate_rows() - 1))
}

pub(super) fn lookup_columns(
    layout: &Layout,
    lookup: &LogUp,
    challenges: &[Fr],
    committed: &[Arc<CommittedColumn>],
    columns: &[Vec<Fr>],
) -> Vec<Vec<Fr>> {
    with_lookups(layout, committed, columns, |l| lookup.second_phase(challenges, &table(), l, layout.gate_rows()))
}
