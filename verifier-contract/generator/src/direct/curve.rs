//! The curve part: the proof's points by Horner's rule over the precompiles, then the fixed points by a loop, then the
//! pairing; or what is left of it.
//!
//! Memory of this part, from 0:
//!
//! ```text
//! 0x00  work      the chain's running point, then a scalar or the next point
//! 0xc0  total     sum of finished chains, then the point to add to it
//! 0x140 pieces    the quotient, then the chain's running point scaled
//! ```

use super::{
    algebra::{Chain, Scalars},
    asm::*,
    dag::word,
    emit::Emitter,
    layout::{Commitment, Layout, POINT},
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

/// What the code of this part needs to know.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    /// Addresses.
    pub(super) u: usize,
    pub(super) x_n: usize,
    pub(super) scalars: &'a Scalars,
    /// Address of [`end_size`] bytes.
    pub(super) end: usize,
}

/// Bytes of a point with its factor, as the multiplication takes them.
const TERM: usize = POINT + 32;
const PAIRING_SIZE: usize = 2 * (POINT + 4 * 32);

/// Size of what a deferred check reverts with: the pairing's input, then the fixed points with their factors.
pub(super) fn end_size(scalars: &Scalars) -> usize {
    PAIRING_SIZE + scalars.fixed.len() * TERM
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

        let Scalars { chains, opening, .. } = factors.scalars;
        let mut first = true;
        for chain in chains {
            self.chain(chain, factors);
            match chain.factor {
                Some(factor) => {
                    self.out.value(factor);
                    self.multiply_into(&mut first);
                }
                None => self.add_into(&mut first),
            }
        }
        let [quotient, witness] = self.layout.opening;
        self.calldata_point(WORK, quotient);
        self.out.value(*opening);
        self.multiply_into(&mut first);
        self.calldata_point(WORK, witness);
        self.out.push_memory(factors.u);
        self.multiply_into(&mut first);

        let whole = self.fixed_points(factors, srs);
        self.out.asm.place(whole);
        self.pairing(factors, srs, witness, fail);
    }

    /// A chain without its factor, left at `WORK`.
    fn chain(&mut self, chain: &Chain, factors: Factors<'_>) {
        for (index, (commitment, power)) in chain.steps.iter().enumerate() {
            if index == 0 {
                match commitment {
                    Commitment::Quotient => self.quotient(factors, WORK),
                    _ => self.point(WORK, *commitment),
                }
                continue;
            }
            self.out.value(*power);
            if *commitment == Commitment::Quotient {
                self.multiply(SCALED);
                self.quotient(factors, PIECES);
                self.add(PIECES, WORK);
            } else {
                self.multiply(WORK);
                self.point(NEXT, *commitment);
                self.add(WORK, WORK);
            }
        }
    }

    /// Adds the fixed points to the total, one after the other in a loop; or jumps over that, to the label returned, if
    /// the caller will do it.
    fn fixed_points(&mut self, factors: Factors<'_>, srs: &Srs) -> Label {
        let from = factors.end + PAIRING_SIZE;
        let fixed = &factors.scalars.fixed;
        let mut terms = vec![];
        for (index, _) in fixed {
            let point = index.map_or(&srs.generator, |index| &self.layout.key_points[index]);
            terms.extend(coordinates(point));
            terms.extend([0; 32]);
        }
        let data = self.out.asm.data(&terms);
        self.out.asm.data_copy(from, data, terms.len());
        for (index, (_, factor)) in fixed.iter().enumerate() {
            self.out.value(*factor);
            self.out.asm.store(from + index * TERM + POINT);
        }
        let asm = &mut self.out.asm;
        let (again, whole) = (asm.label(), asm.label());
        asm.push(self.layout.size);
        asm.ops(&[CALLDATASIZE, SUB]);
        asm.jump_if(whole);
        asm.push(from);
        asm.swap();
        // address, success so far
        asm.place(again);
        for number in [POINT, ADDEND, TERM] {
            asm.push(number);
        }
        asm.dup(5);
        for number in [EC_MUL, EC_MUL_GAS] {
            asm.push(number);
        }
        asm.ops(&[STATICCALL, AND]);
        self.add(TOTAL, TOTAL);
        let asm = &mut self.out.asm;
        asm.swap();
        asm.push(TERM);
        asm.op(ADD);
        asm.swap();
        asm.dup(2);
        asm.push(from + terms.len());
        asm.op(SUB);
        asm.jump_if(again);
        asm.swap();
        asm.op(POP);
        whole
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

    /// Multiplies the point at `WORK` by the top of the stack and adds it to the total.
    fn multiply_into(&mut self, first: &mut bool) {
        if std::mem::take(first) {
            return self.multiply(TOTAL);
        }
        self.multiply(ADDEND);
        self.add(TOTAL, TOTAL);
    }

    /// Adds the point at `WORK` to the total.
    fn add_into(&mut self, first: &mut bool) {
        let to = if std::mem::take(first) { TOTAL } else { ADDEND };
        for offset in [0, 32] {
            self.out.asm.load(WORK + offset);
            self.out.asm.store(to + offset);
        }
        if to == ADDEND {
            self.add(TOTAL, TOTAL);
        }
    }

    /// Copies a point of the proof.
    fn point(&mut self, to: usize, commitment: Commitment) {
        if let Commitment::Proof(offset) = commitment {
            self.calldata_point(to, offset);
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

    fn pairing(&mut self, factors: Factors<'_>, srs: &Srs, witness: usize, fail: Label) {
        let end = factors.end;
        let size = 4 * 32;
        let minus_g2 = coordinates2(&-srs.g2);
        let s_g2 = coordinates2(&srs.s_g2);
        let asm = &mut self.out.asm;
        // All points are valid from here on, so no call can burn its gas.
        asm.op(ISZERO);
        asm.jump_if(fail);
        let minus_g2 = asm.data(&minus_g2);
        let s_g2 = asm.data(&s_g2);
        for offset in [0, 32] {
            asm.load(TOTAL + offset);
            asm.store(end + offset);
        }
        asm.data_copy(end + POINT, minus_g2, size);
        asm.calldata_copy(end + POINT + size, witness, POINT);
        asm.data_copy(end + 2 * POINT + size, s_g2, size);
        let deferred = asm.label();
        asm.push(self.layout.size);
        asm.ops(&[CALLDATASIZE, SUB]);
        asm.jump_if(deferred);
        for number in [32, WORK, PAIRING_SIZE, end, PAIRING] {
            asm.push(number);
        }
        asm.ops(&[GAS, STATICCALL]);
        asm.load(WORK);
        asm.ops(&[AND, ISZERO]);
        asm.jump_if(fail);
        asm.op(STOP);
        asm.place(deferred);
        asm.push(end_size(factors.scalars));
        asm.push(end);
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
