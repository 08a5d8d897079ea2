//! # Statement
//!
//! `G = Xᵀ(s·P − Y)` with `P = link(XW)`: the committed gradient is the loss gradient of the committed weights over the
//! committed shard, as the exact integer function [`tribute_core::head::gradient`] up to the window of the shift `l`
//! (below); and `N = ⌊⟨−G, W⟩/2^u⌋`, the shard's contribution ([`tribute_core::head::contribution`]).
//!
//! # Public inputs
//!
//! `ctx, N` ([`tribute_core::statement::gradient`]); no gate uses `ctx`, the transcript absorbs it first.
//!
//! # Committed columns
//!
//! `X_0 … X_{A−1}, Y` (group XY), `W`, `G`.
//!
//! # Region
//!
//! ```text
//!                 | X_0 … X_{A−1} | Y   | W G | link columns | a   | xt      | zk       | ek    | r  | e  |
//! head row        | x_0 … x_{A−1} | s   |     | window limbs |     | Σ_j     | Σ_u      | Σ_u   | R  | E  |
//! class row u + 1 | x_A …         | y_u |     | limbs of t_u |     | partial | partial  | part. | R  | E  |
//! weights row     | 0             | 0   | w g |              | a_j | τ^j κ^u | Σ_v κ^v w|       | R  | E  |
//! salt rows       | salts         | …   | … … | remainder    |     |         |          |       | R  | E  |
//! ```
//!
//! Above the weights, W and G are salts as well: gates read these columns only in the weights' rows.
//!
//! # Soundness
//!
//! Phase one commits X, Y, W, G and the link's limbs, hence the logits Z (an expression in the limbs) and P. σ comes
//! after phase one, `a` is committed in phase two; κ, τ, α come after that.
//!
//! *Running sums in phase three.* On the rows of record i, from the bottom up: `xt` is `Σ_j τ^j x_ij` at the head row,
//! `zk = Σ_u κ^u z_iu`, `ek = Σ_u κ^u (p_iu − y_iu)`. On weight rows `xt = τ^j κ^u` (started at 1, stepped by κ within a
//! block and by τ from block to block) and `zk` at a block's first row is `Σ_u κ^u w_ju`. Write
//! `b_i = 256·2^s + τ·xt_i = Σ_{j ≤ d} τ^j x_ij` with the bias as coordinate 0.
//!
//! *Logits.* `r` starts at 0, at every head row `r' = σr + α·zk_i + b_i`, at every block's first row
//! `r' = r − a_j(α·wk_j + τ^j)`, elsewhere it is carried, and it ends at 0. So
//! `Σ_i σ^(m−i)(α Σ_u κ^u z_iu + Σ_j τ^j x_ij) = Σ_j a_j(α Σ_u κ^u w_ju + τ^j)` for random α, κ, τ drawn after both sides'
//! coefficients: `a_j = Σ_i σ^(m−i) x_ij` and `Σ_i σ^(m−i) z_iu = Σ_j a_j w_ju`, and because σ came after X, Z and W:
//! `Z = XW`, over the field. X is in [0, 256) and |w| < 2^37 (proven in `dataset` and `optimum`), so `|z| < 2^56` as integers.
//!
//! *Gradient and contribution.* `e` starts at `−α·2^u·N`, at every head row `e' = e + s_i·b_i·ek_i`, at every weight row
//! `e' = e − (τ^j κ^u + α·w_ju)·g_ju`, at every row of the remainder `e' = e − α·2^(b·i)·limb_i`, and it ends at 0. N is
//! public and the limbs are of phase one, both before α, so as polynomials in α both parts vanish:
//! `Σ_i s_i (Σ_j τ^j x_ij)(Σ_u κ^u (p_iu − y_iu)) = Σ_ju τ^j κ^u g_ju`, hence `G = Xᵀ(s·(P − Y))` (`dataset` proves Y = 0
//! where s = 0), and `⟨−G, W⟩ = 2^u·N + Σ_i 2^(b·i)·limb_i` over the field.
//!
//! *N as an integer.* The limbs are looked up below `2^b`, u = b·(their number): the remainder is in `[0, 2^u)`.
//! Verifiers accept only `|N| < 2^112`, and u ≤ 127, so the right side is below 2^240 in magnitude. An entry of G is
//! below `2^22·2^12·2^147` (at most 2^22 records, features of at most 2^12, `|p − y| < 2^16` at 131 fractional bits),
//! so with `|w| < 2^37` and fewer than 2^17 weights the left side is below 2^235. Both are far from r/2: they are equal
//! as integers, and N is the quotient rounded down.
//!
//! The errors are bounded by (degree)/r, with degrees below 2^23 in both checks, and below 2^27 in the lookup (at k =
//! 22 up to 18 inputs and a table row on each of 2^22 rows) and in PLONK itself. The remainder's limbs are looked up
//! with the activities `2^(b·i)` that the check needs anyway: positive, and below 2^128 in all, so no pole cancels.
//!
//! *Link.* See [`crate::gadgets::link`]: P is the table function of `l − z`, with `l` fixed up to the window `|ΣP − 1| ≤ 2^−39`;
//! whatever `l` in the window the prover chooses, `|P − link(z)| ≤ 2^−36`, the δ that every certificate adds to ε.
//!
//! # Not checked
//!
//! That X, Y are a well-formed shard (`dataset`) and W is in range (`optimum`), and the limit on N. The digests tie the
//! proofs together, so a gradient counts only for registered shards and certified weights.

mod gates;
mod witness;

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_core::link::{Link, NoShift};
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::{Arithmetization, StatementWitness};
use crate::columns::CommittedGroup;
use crate::gadgets::argument::Forge;
use crate::gadgets::product::sigma_sums;

pub use gates::Config;
pub use witness::third;

/// The `gradient` circuit with its witness.
#[derive(Clone)]
pub struct GradientCircuit {
    shape: Shape,
    config: Config,
    /// Committed columns, in proof order; only tests change them.
    pub committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0, except the multiplicities: see [`crate::gadgets::link::column`].
    pub columns: Vec<Vec<Fr>>,
    /// Forgery, for tests only. Phase 1: the lookup's columns, then `a`; 2: see [`third`].
    pub forge: Option<Forge>,
}

impl GradientCircuit {
    /// The witness for a committed shard, weights and gradient.
    ///
    /// # Errors
    /// [`NoShift`] if the link's tables do not resolve a record's logits.
    pub fn new(
        shape: Shape,
        shard: &CommittedGroup,
        weights: &CommittedGroup,
        gradient: &CommittedGroup,
    ) -> Result<Self, NoShift> {
        let committed: Vec<_> =
            [shard, weights, gradient].into_iter().flat_map(|g| g.columns.iter().cloned()).collect();
        let values: Vec<&[Fr]> = committed.iter().map(|c| c.values.as_slice()).collect();
        let columns = witness::link_columns(&shape, &values)?;
        Ok(GradientCircuit { config: Config::of(&shape), shape, committed, columns, forge: None })
    }

    /// The public inputs with this `ctx`.
    #[must_use]
    pub fn public_inputs(&self, ctx: Fr) -> Vec<Fr> {
        let values: Vec<&[Fr]> = self.committed.iter().map(|c| c.values.as_slice()).collect();
        vec![ctx, witness::published(&self.shape.layout, &values)]
    }

    fn link(&self) -> Link {
        self.shape.link.unwrap_or(Link::Squared)
    }
}

impl StatementWitness for GradientCircuit {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Witness for GradientCircuit {
    fn committed(&self) -> Vec<Arc<CommittedColumn>> {
        self.committed.clone()
    }

    fn phase(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let layout = self.shape.layout;
        let committed: Vec<&[Fr]> = self.committed.iter().map(|c| c.values.as_slice()).collect();
        let mut columns = match phase {
            0 => {
                let mut columns = self.columns.clone();
                let link: Vec<&[Fr]> = self.columns.iter().map(Vec::as_slice).collect();
                columns.push(self.config.link.multiplicities(&layout, &link));
                columns
            }
            1 => {
                let link: Vec<&[Fr]> = self.columns.iter().map(Vec::as_slice).collect();
                let mut columns = self.config.link.second_phase(challenges, &layout, &link);
                columns.push(sigma_sums(&layout, &committed, challenges[self.config.product.sigma.index()]));
                columns
            }
            _ => {
                let drawn = self.config.product.drawn(challenges);
                witness::third_phase(&layout, self.link(), &committed, &self.columns, drawn)
            }
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
