//! The curve part: one multi-scalar multiplication by Horner's rule over the precompiles, then the pairing, or its input.
//!
//! Memory of this part, from 0:
//!
//! ```text
//! 0x00  work      the chain's running point, then a scalar or the next point
//! 0xc0  total     sum of finished chains, then the point to add to it
//! 0x140 pieces    the quotient, then the chain's running point scaled
//! ```

use super::{
    asm::*,
    dag::{word, Id},
    emit::Emitter,
    layout::{Commitment, Layout, OpeningSet, POINT},
};
use halo2_proofs::halo2curves::{
    bn256::{Fq, G1Affine, G2Affine},
    ff::Field,
    CurveAffine,
};

/// Memory that this part and the inversion use.
pub(super) const WORK_SIZE: usize = 0x200;
const WORK: usize = 0;
const NEXT: usize = WORK + POINT;
const TOTAL: usize = 0xc0;
const ADDEND: usize = TOTAL + POINT;
const PIECES: usize = 0x140;
const SCALED: usize = PIECES + POINT;

const EC_ADD: usize = 6;
const EC_MUL: usize = 7;
const PAIRING: usize = 8;
/// Gas forwarded to the precompiles: their current cost (150 and 6,000) plus a margin for repricing. A call with an
/// invalid point burns all of it, so it is kept small.
const EC_ADD_GAS: usize = 1_000;
const EC_MUL_GAS: usize = 12_000;

/// A factor in memory.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    pub(super) mu: usize,
    pub(super) u: usize,
    pub(super) x_n: usize,
    /// Factor of each set except the first.
    pub(super) sets: &'a [Id],
    pub(super) generator: Id,
    pub(super) opening: Id,
}

/// The points of the SRS that a verifier knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Srs {
    pub(super) generator: G1Affine,
    pub(super) g2: G2Affine,
    pub(super) s_g2: G2Affine,
}

/// Writes the code of this part. The top of the stack is 1 as long as nothing has failed; it is popped.
pub(super) struct Curve<'a, 'b> {
    pub(super) out: &'b mut Emitter<'a>,
    pub(super) layout: &'b Layout,
}

impl Curve<'_, '_> {
    /// Checks `e(Σ factor·point, g2) = e(opening[1], s·g2)` and stops, or reverts with what a pairing would check; goes to
    /// `fail` when it does not hold.
    pub(super) fn check(&mut self, factors: Factors<'_>, srs: &Srs, fail: Label) {
        for point in &self.layout.unopened {
            // Adding infinity is cheap and fails if the point is not on the curve.
            self.calldata_point(WORK, *point);
            self.zero_point(NEXT);
            self.add(WORK, WORK);
        }

        // The first set has factor 1: it comes last, so that the others are scaled right into the total.
        let mut first = true;
        for (set, factor) in self.layout.sets.iter().skip(1).zip(factors.sets) {
            self.chain(set, factors, WORK);
            self.scale_into(*factor, &mut first);
        }
        self.generator(&srs.generator);
        self.scale_into(factors.generator, &mut first);
        let [quotient, witness] = self.layout.opening;
        self.calldata_point(WORK, quotient);
        self.scale_into(factors.opening, &mut first);
        self.calldata_point(WORK, witness);
        self.out.push_memory(factors.u);
        self.multiply(ADDEND);
        self.add(TOTAL, TOTAL);
        if let Some(set) = self.layout.sets.first() {
            self.chain(set, factors, ADDEND);
            self.add(TOTAL, WORK);
        }
        self.pairing(srs, witness, fail);
    }

    /// `Σ mu^i · commitment_i` of a set, left at `to`.
    fn chain(&mut self, set: &OpeningSet, factors: Factors<'_>, to: usize) {
        let last = set.commitments.len() - 1;
        for (index, (commitment, _)) in set.commitments.iter().rev().enumerate() {
            let target = if index == last { to } else { WORK };
            if index == 0 {
                match commitment {
                    Commitment::Quotient => self.quotient(factors, target),
                    _ => self.point(target, *commitment),
                }
                continue;
            }
            self.out.push_memory(factors.mu);
            if *commitment == Commitment::Quotient {
                self.multiply(SCALED);
                self.quotient(factors, PIECES);
                self.add(PIECES, target);
            } else {
                self.multiply(WORK);
                self.point(NEXT, *commitment);
                self.add(WORK, target);
            }
        }
    }

    /// `Σ x^(n·i) · piece_i`, left at `to`.
    fn quotient(&mut self, factors: Factors<'_>, to: usize) {
        let pieces = &self.layout.quotient;
        let last = pieces.len() - 1;
        for (index, piece) in pieces.iter().rev().enumerate() {
            let target = if index == last { to } else { WORK };
            if index == 0 {
                self.calldata_point(target, *piece);
                continue;
            }
            self.out.push_memory(factors.x_n);
            self.multiply(WORK);
            self.calldata_point(NEXT, *piece);
            self.add(WORK, target);
        }
    }

    /// Multiplies the point at `WORK` by an expression and adds it to the total.
    fn scale_into(&mut self, factor: Id, first: &mut bool) {
        self.out.value(factor);
        if std::mem::take(first) {
            return self.multiply(TOTAL);
        }
        self.multiply(ADDEND);
        self.add(TOTAL, TOTAL);
    }

    fn point(&mut self, to: usize, commitment: Commitment) {
        match commitment {
            Commitment::Proof(offset) => self.calldata_point(to, offset),
            Commitment::Key(index) => {
                let point = coordinates(&self.layout.key_points[index]);
                let data = self.out.asm.data(&point);
                self.out.asm.data_copy(to, data, POINT);
            }
            // Handled in the chain: it is computed, not copied.
            Commitment::Quotient => {}
        }
    }

    fn calldata_point(&mut self, to: usize, offset: usize) {
        self.out.asm.calldata_copy(to, offset, POINT);
    }

    fn zero_point(&mut self, to: usize) {
        for address in [to, to + 32] {
            self.out.asm.push(0);
            self.out.asm.store(address);
        }
    }

    fn generator(&mut self, generator: &G1Affine) {
        let point = coordinates(generator);
        for (index, half) in point.chunks_exact(32).enumerate() {
            let mut word = [0; 32];
            word.copy_from_slice(half);
            self.out.asm.push_word(&word);
            self.out.asm.store(WORK + 32 * index);
        }
    }

    /// Multiplies the point at `WORK` by the top of the stack.
    fn multiply(&mut self, to: usize) {
        self.out.asm.store(NEXT);
        self.call(EC_MUL, EC_MUL_GAS, WORK, POINT + 32, to);
    }

    /// Adds the two points at `from`.
    fn add(&mut self, from: usize, to: usize) {
        self.call(EC_ADD, EC_ADD_GAS, from, 2 * POINT, to);
    }

    fn call(&mut self, precompile: usize, gas: usize, from: usize, size: usize, to: usize) {
        let asm = &mut self.out.asm;
        for number in [POINT, to, size, from, precompile, gas] {
            asm.push(number);
        }
        asm.ops(&[STATICCALL, AND]);
    }

    fn pairing(&mut self, srs: &Srs, witness: usize, fail: Label) {
        let size = 4 * 32;
        let minus_g2 = coordinates2(&-srs.g2);
        let s_g2 = coordinates2(&srs.s_g2);
        let asm = &mut self.out.asm;
        // All points are valid from here on, so no call can burn its gas.
        asm.op(ISZERO);
        asm.jump_if(fail);
        let minus_g2 = asm.data(&minus_g2);
        let s_g2 = asm.data(&s_g2);
        asm.data_copy(WORK + POINT, minus_g2, size);
        asm.calldata_copy(WORK + POINT + size, witness, POINT);
        asm.data_copy(WORK + 2 * POINT + size, s_g2, size);
        let deferred = asm.label();
        asm.push(self.layout.size);
        asm.ops(&[CALLDATASIZE, SUB]);
        asm.jump_if(deferred);
        for number in [32, WORK, 2 * (POINT + size), WORK, PAIRING] {
            asm.push(number);
        }
        asm.ops(&[GAS, STATICCALL]);
        asm.load(WORK);
        asm.ops(&[AND, ISZERO]);
        asm.jump_if(fail);
        asm.op(STOP);
        asm.place(deferred);
        asm.push(2 * (POINT + size));
        asm.push(WORK);
        asm.op(REVERT);
    }
}

/// x ‖ y, both zero for infinity.
fn coordinates(point: &G1Affine) -> Vec<u8> {
    let (x, y) = affine(point);
    [word(&x), word(&y)].concat()
}

fn affine(point: &G1Affine) -> (Fq, Fq) {
    let coordinates = Option::from(point.coordinates());
    coordinates.map_or((Fq::ZERO, Fq::ZERO), |c: halo2_proofs::halo2curves::Coordinates<G1Affine>| (*c.x(), *c.y()))
}

/// The pairing precompile takes the imaginary parts first.
fn coordinates2(point: &G2Affine) -> Vec<u8> {
    [point.x.c1, point.x.c0, point.y.c1, point.y.c0].iter().flat_map(word).collect()
}
