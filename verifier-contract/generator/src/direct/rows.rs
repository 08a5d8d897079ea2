//! Lagrange polynomials and the instance column by loops: for many inputs, where straight-line code would be too long.
//!
//! With `p_i = x·ω^-i`, `l_i(x) = (x^n - 1)/n · 1/(p_i - 1)`. A table in memory has two words for each row: first
//! `p_i - 1` and the product of those before, later the inverse of `p_i - 1` in the first word.

use super::{
    asm::*,
    dag::word,
    emit::{Emitter, Slots},
    layout::{Layout, WORD},
};
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
    },
    plonk::VerifyingKey,
    poly::Rotation,
};

/// Bytes of a row of the table.
const ENTRY: usize = 2 * WORD;

/// Consecutive rows whose Lagrange polynomials are computed by loops.
#[derive(Debug)]
pub(super) struct Table {
    address: usize,
    rows: std::ops::Range<i32>,
    /// Address of the product of all `p_i - 1`.
    pub(super) product: usize,
    /// Address for the product's inverse.
    pub(super) inverse: usize,
    /// For each rotation of the instance column, the address of `Σ input_j / (p_(j - rotation) - 1)`.
    pub(super) sums: Vec<(i32, usize)>,
}

impl Table {
    /// A table for `rows`, in ascending order and not empty.
    pub(super) fn new(rows: &[i32], rotations: Vec<i32>, slots: &mut Slots) -> Option<Self> {
        let rows = *rows.first()?..rows.last()? + 1;
        let address = slots.take_block(rows.len() * ENTRY);
        let sums = rotations.into_iter().map(|rotation| (rotation, slots.take_free())).collect();
        Some(Self { address, rows, product: slots.take_free(), inverse: slots.take_free(), sums })
    }

    /// Address of the inverse of `p_row - 1`.
    pub(super) fn entry(&self, row: i32) -> Option<usize> {
        let index = usize::try_from(row - self.rows.start).ok()?;
        (index < self.rows.len()).then(|| self.address + index * ENTRY)
    }

    fn end(&self) -> usize {
        self.address + self.rows.len() * ENTRY
    }

    /// Fills the table with `p_i - 1` and the products before, and stores the product of all.
    pub(super) fn fill(&self, out: &mut Emitter<'_>, vk: &VerifyingKey<G1Affine>, x: usize) {
        let domain = vk.get_domain();
        let back = |rows: i32| word(&domain.rotate_omega(Fr::ONE, Rotation(-rows)));
        out.asm.push(1);
        out.push_modulus();
        out.asm.push_word(&back(self.rows.start));
        out.asm.load(x);
        out.asm.op(MULMOD);
        out.asm.push(self.address);
        // product, p, address
        let again = out.asm.label();
        out.asm.place(again);
        out.asm.dup(3);
        out.asm.dup(2);
        out.asm.push(WORD);
        out.asm.ops(&[ADD, MSTORE]);
        out.asm.push_word(&word(&-Fr::ONE));
        out.asm.dup(3);
        out.asm.op(ADD);
        out.asm.dup(1);
        out.asm.dup(3);
        out.asm.op(MSTORE);
        // product, p, address, p - 1
        out.push_modulus();
        out.asm.swap();
        out.asm.dup(5);
        out.asm.op(MULMOD);
        out.asm.replace(3);
        out.push_modulus();
        out.asm.push_word(&back(1));
        out.asm.dup(4);
        out.asm.op(MULMOD);
        out.asm.replace(2);
        out.asm.push(ENTRY);
        out.asm.op(ADD);
        out.asm.loop_unless(self.end(), again);
        out.asm.ops(&[POP, POP]);
        out.asm.store(self.product);
    }

    /// Turns the table into one of inverses, from the inverse of the product, and computes the sums.
    pub(super) fn finish(&self, out: &mut Emitter<'_>, layout: &Layout) {
        out.asm.load(self.inverse);
        out.asm.push(self.end() - ENTRY);
        // inverse of the product up to here, address
        let again = out.asm.label();
        out.asm.place(again);
        out.push_modulus();
        out.asm.dup(2);
        out.asm.push(WORD);
        out.asm.ops(&[ADD, MLOAD]);
        out.asm.dup(4);
        out.asm.op(MULMOD);
        out.push_modulus();
        out.asm.dup(3);
        out.asm.op(MLOAD);
        out.asm.dup(5);
        out.asm.op(MULMOD);
        out.asm.swap();
        out.asm.dup(3);
        out.asm.op(MSTORE);
        out.asm.replace(2);
        out.asm.push(ENTRY);
        out.asm.swap();
        out.asm.op(SUB);
        out.asm.loop_unless(self.address - ENTRY, again);
        out.asm.ops(&[POP, POP]);
        for (rotation, to) in &self.sums {
            self.sum(out, layout, *rotation, *to);
        }
    }

    fn sum(&self, out: &mut Emitter<'_>, layout: &Layout, rotation: i32, to: usize) {
        // The rows of a rotation start at the table entry of the first input.
        let first = self.entry(-rotation).unwrap_or(self.address);
        out.asm.push(0);
        out.asm.push(0);
        // sum, offset of an input
        let again = out.asm.label();
        out.asm.place(again);
        out.push_modulus();
        out.asm.dup(2);
        out.asm.dup(1);
        out.asm.op(ADD);
        out.asm.push(first);
        out.asm.ops(&[ADD, MLOAD]);
        out.asm.dup(3);
        out.asm.ops(&[CALLDATALOAD, MULMOD]);
        out.push_modulus();
        out.asm.swap();
        out.asm.dup(4);
        out.asm.op(ADDMOD);
        out.asm.replace(2);
        out.asm.push(WORD);
        out.asm.op(ADD);
        out.asm.loop_unless(layout.inputs * WORD, again);
        out.asm.op(POP);
        out.asm.store(to);
    }
}

const _: () = assert!(ENTRY == 2 * WORD, "the address of an entry is twice an offset of calldata away");
