//! The arg max of the logits of a record or query: ties to the lower class.
//!
//! # Columns, on class row u
//!
//! | column | holds |
//! |---|---|
//! | `limbs` | `t_u = m − z_u − B_{u+1}` in limbs of the layout's bits |
//! | `suffix` | `B_u = Σ_{v ≥ u} b_v`, b the one-hot answer |
//! | `best` | `m`, the answer's logit |
//!
//! # Soundness
//!
//! `b_u = B_u − B_{u+1}` is boolean, and B is 0 above and below the class rows but 1 on the first one where there is an
//! answer: b is one-hot, and its position is the answer. The answer's limbs are 0 (`b·t = 0`), so m is its logit. Every
//! `t_u` is a sum of range-checked limbs, so `m − z_u − B_{u+1} ≥ 0` as an integer: `z_u ≤ m`, and `z_u < m` for u
//! below the answer, where `B_{u+1} = 1`.
//!
//! # Assumptions
//!
//! The caller looks the limbs up below `2^bits`, proves that the logits are those of the committed weights (see
//! [`super::product`]), and ensures that the difference of two logits stays below `2^`[`DIFFERENCE_BITS`].

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Advice, Column, Expression, VirtualCells};
use tribute_core::layout::Layout;
use tribute_engine::field::{from_i128, two_to};

use super::argument::{limbs, small, Gates, Query};

/// Bits that the difference of two logits may need: `|z| < 2^37·(256·2^s + 255·d) ≤ 2^55` for every layout.
pub const DIFFERENCE_BITS: u32 = 56;

/// Number of limbs of a difference.
#[must_use]
pub fn difference_limbs(layout: &Layout) -> usize {
    DIFFERENCE_BITS.div_ceil(layout.limb_bits()) as usize
}

/// The columns.
#[derive(Clone, Debug)]
pub(crate) struct ArgMax {
    pub(crate) limbs: Vec<Column<Advice>>,
    pub(crate) suffix: Column<Advice>,
    pub(crate) best: Column<Advice>,
    pub(crate) limb_bits: u32,
}

/// An expression provided by the surrounding circuit.
type Part<'a> = &'a dyn Fn(&mut VirtualCells<'_, Fr>) -> Expression<Fr>;

/// The position of the class rows, with the names of the gates that depend on it.
pub(crate) struct Place<'a> {
    /// Class rows.
    pub(crate) class: Part<'a>,
    /// The row above the first class row.
    pub(crate) above: Part<'a>,
    /// On the row above: the number of answers, 0 or 1.
    pub(crate) answers: (&'static str, Part<'a>),
    /// Non-zero on rows where `suffix` must be 0: all but class rows and rows where the column holds something else.
    pub(crate) idle: (&'static str, Part<'a>),
    /// Non-zero on rows whose next row must have the same `best`.
    pub(crate) joined: (&'static str, Part<'a>),
}

impl ArgMax {
    /// `t_u` of a class row.
    fn gap(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        let cells: Vec<_> = self.limbs.iter().map(|l| c.cur(*l)).collect();
        limbs(&cells, self.limb_bits)
    }

    /// `z_u = m − t_u − B_{u+1}` of a class row.
    pub(crate) fn logit(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.cur(self.best) - self.gap(c) - c.next(self.suffix)
    }

    /// `b_u` of a class row.
    pub(crate) fn chosen(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.cur(self.suffix) - c.next(self.suffix)
    }

    /// Gates for the one-hot answer with the largest logit.
    pub(crate) fn gates(&self, gates: &mut Gates<'_>, place: &Place<'_>) {
        gates.add("one-hot: b(b − 1) = 0 with b = B − B'", |c| {
            let b = self.chosen(c);
            (place.class)(c) * b.clone() * (b - small(1))
        });
        let (name, answers) = place.answers;
        gates.add(name, |c| (place.above)(c) * (c.next(self.suffix) - answers(c)));
        let (name, idle) = place.idle;
        gates.add(name, |c| idle(c) * c.cur(self.suffix));
        let (name, joined) = place.joined;
        gates.add(name, |c| joined(c) * (c.next(self.best) - c.cur(self.best)));
        gates.add("the answer has the largest logit: b·t = 0", |c| (place.class)(c) * self.chosen(c) * self.gap(c));
    }
}

/// Limbs of `t`, lowest first. A negative `t`, which no honest witness has, is put whole into the first limb, where
/// every range check rejects it.
pub(crate) fn gap_limbs(gap: i64, limbs: usize, bits: u32) -> impl Iterator<Item = Fr> {
    let whole = u64::try_from(gap);
    (0..limbs as u32).map(move |i| match whole {
        Ok(t) => Fr::from(t.checked_shr(i * bits).unwrap_or(0) & ((1 << bits) - 1)),
        Err(_) if i == 0 => from_i128(i128::from(gap)),
        Err(_) => Fr::ZERO,
    })
}

/// Logit of a class row, computed like [`ArgMax::logit`] from its limbs, `m` and the `B` of the row below.
pub(crate) fn logit(limbs: impl DoubleEndedIterator<Item = Fr>, bits: u32, best: Fr, below: Fr) -> Fr {
    let base = two_to(bits);
    best - limbs.rev().fold(Fr::ZERO, |sum, limb| sum * base + limb) - below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limbs_spell_the_gap_and_give_the_logit_back() {
        for (gap, bits) in
            [(0i64, 14), (1, 14), (1 << 45, 14), ((1 << 56) - 1, 14), ((1 << 46) - 1, 12), (12_345_678_901, 16)]
        {
            let limbs: Vec<Fr> = gap_limbs(gap, 4, bits).collect();
            assert!(limbs
                .iter()
                .all(|l| *l == Fr::from(tribute_engine::field::to_u256(l).as_u64() & ((1 << bits) - 1))));
            let best = Fr::from(77);
            assert_eq!(logit(limbs.into_iter(), bits, best, Fr::ONE), best - Fr::from(gap as u64) - Fr::ONE);
        }
        // more limbs than a word has bits
        assert_eq!(gap_limbs(5, 6, 16).collect::<Vec<_>>()[1..], [Fr::ZERO; 5]);
        let negative: Vec<Fr> = gap_limbs(-3, 4, 14).collect();
        assert_eq!(negative, [-Fr::from(3), Fr::ZERO, Fr::ZERO, Fr::ZERO]);
    }
}
