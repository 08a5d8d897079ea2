//! The witness of `gradient`: link columns from the committed columns, then the random sums phase by phase.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use tribute_core::layout::Layout;
use tribute_core::link::{Link, NoShift};
use tribute_core::shape::Shape;
use tribute_core::U256;
use tribute_engine::field::{from_u256, to_u256, two_to};

use crate::columns::target_scale;
use crate::gadgets::link::{self, prediction, remainder_column, remainder_rows};
use crate::gadgets::product::{self, logits, Drawn};

/// Third-phase columns, by position.
pub mod third {
    /// Features under τ; on weight rows the power `τ^j κ^u`.
    pub const XT: usize = 0;
    /// Logits under κ; on weight rows the weights under κ.
    pub const ZK: usize = 1;
    /// Errors under κ.
    pub const EK: usize = 2;
    /// Running check of the logits.
    pub const R: usize = 3;
    /// Running check of the gradient and of its contribution.
    pub const E: usize = 4;
}

/// `N = ⌊⟨−G, W⟩/2^u⌋` of committed columns, and the remainder. Beyond the range of honest values, the result is what a
/// forger would get.
fn contribution(layout: &Layout, committed: &[&[Fr]]) -> (Fr, U256) {
    let (w, g) = (committed[layout.columns() + 1], committed[layout.columns() + 2]);
    let rows = layout.weights_start()..layout.weights_end();
    let inner = -rows.map(|row| w[row] * g[row]).fold(Fr::ZERO, |a, b| a + b);
    let bits = layout.remainder_limbs() as u32 * layout.limb_bits();
    // as an integer, −⟨G, W⟩ + 2^250 is positive
    let lifted = to_u256(&(inner + two_to(250)));
    let remainder = lifted & ((U256::ONE << bits) - 1);
    let n = from_u256(&(lifted >> bits)) - two_to(250 - bits);
    (n, remainder)
}

/// The public input `N` of a witness.
pub(super) fn published(layout: &Layout, committed: &[&[Fr]]) -> Fr {
    contribution(layout, committed).0
}

/// Phase-one columns of the link, and the limbs of the remainder of `N`.
pub(super) fn link_columns(shape: &Shape, committed: &[&[Fr]]) -> Result<Vec<Vec<Fr>>, NoShift> {
    let layout = &shape.layout;
    let link = shape.link.unwrap_or(Link::Squared);
    let mut columns = link::link_columns(layout, link, &logits(layout, committed))?;
    let (_, remainder) = contribution(layout, committed);
    link::write_remainder(layout, link, &mut columns, remainder, layout.remainder_limbs());
    Ok(columns)
}

/// Third-phase columns, in the order of [`third`]; `committed` is X, Y, W, G.
pub(super) fn third_phase(
    layout: &Layout,
    link: Link,
    committed: &[&[Fr]],
    columns: &[Vec<Fr>],
    drawn: Drawn,
) -> Vec<Vec<Fr>> {
    let (y, w, g) = (committed[layout.columns()], committed[layout.columns() + 1], committed[layout.columns() + 2]);
    let target = target_scale(layout);
    let (start, end, r) = (layout.weights_start(), layout.weights_end(), layout.record_rows());
    let [xt, zk, check] =
        product::third_phase(layout, committed, drawn, |row| prediction(layout, link, columns, row).logit);
    let ek = product::under_kappa(layout, drawn.kappa, |row| {
        prediction(layout, link, columns, row).probability - target * y[row]
    });
    let unit = two_to(layout.remainder_limbs() as u32 * layout.limb_bits());
    let mut e = vec![Fr::ZERO; layout.gate_rows()];
    e[0] = -drawn.alpha * published(layout, committed) * unit;
    let remainder = remainder_rows(layout, layout.remainder_limbs());
    for row in 0..layout.gate_rows() - 1 {
        e[row + 1] = if row < start && row % r == 0 {
            e[row] + y[row] * product::with_bias(layout, drawn.tau, xt[row]) * ek[row]
        } else if (start..end).contains(&row) {
            e[row] - (xt[row] + drawn.alpha * w[row]) * g[row]
        } else if remainder.contains(&row) {
            let weight = two_to((row - remainder.start) as u32 * layout.limb_bits());
            e[row] - drawn.alpha * weight * columns[remainder_column(link)][row]
        } else {
            e[row]
        };
    }
    vec![xt, zk, ek, check, e]
}
