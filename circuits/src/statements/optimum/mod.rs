//! # Statement
//!
//! The committed weights are the optimum of the regularised loss up to ε, where the gradients sum to the committed `G`:
//! with `g = G + n·λ·W` and everything in integers,
//!
//! - every weight is in range: `−2^37 ≤ w < 2^37`;
//! - `‖⌊g/2^s⌋‖₂ ≤ n·ε` and `‖W‖₂ ≥ v`.
//!
//! # Public inputs
//!
//! `ctx, n, λ, ε, v` ([`tribute_core::statement::optimum`]).
//!
//! # Committed columns
//!
//! `W, G`, one group each; values in the weights' rows, salts above and below them.
//!
//! # Region
//!
//! Instance row i is row i of the region.
//!
//! ```text
//! row            | limbs                              | pw   | f
//! 1              | X = (nε)² − Q                      | S_w  | F
//! 2              | Y = V − v²                         |      | F
//! weights row j  | g_j + 2^(b·L − 1), w_j + 2^37      | τ^j  | F
//! ```
//!
//! `Q = Σ g'²` with `g' = ⌊g/2^s⌋`, `V = Σ w²`, `S_w = Σ_j τ^j w_j`. No column holds g: its L limbs do, and all but the
//! lowest `s/b` of them make up `g'`.
//!
//! # Soundness
//!
//! Phase one commits W, G and the limbs; τ comes after it, phase two commits `S_w` beside the powers of τ, ρ comes
//! after that.
//!
//! *One running sum.* `f` starts and ends at 0. On weights rows it gains `g'² + ρw² + τ^j(ρ²(g − G) + ρ³w)`, in row 1
//! `X − (nε)² − (ρ²nλ + ρ³)·S_w`, in row 2 `−ρ(Y + v²)`. As a polynomial in ρ each coefficient vanishes:
//! `X = (nε)² − Q`, `Y = V − v²`, `Σ_j τ^j (g_j − G_j) = nλ·S_w`, and `S_w = Σ_j τ^j w_j`. So at the random τ, drawn
//! after g, G and W, `g = G + nλW` coordinate by coordinate. The powers of τ start at 1 in the first weights row, which
//! is the one that follows a row without weights.
//!
//! *Inequalities.* X and Y are sums of looked-up limbs, of 198 to 210 bits in all: not negative, and below r. Hence
//! `Q ≤ (nε)²` and `V ≥ v²`, as integers, because nothing wraps:
//!
//! *No wrap.* A residual entry is L·b bits wide, its magnitude below 2^160; without its lowest s bits (72 to 84) `g'` is
//! below 2^78 and `Q < 2^173`; `V < 2^91`; `(nε)² < 2^166` at the scale of `g'` within the public limits. The gradients of
//! registered shards, each counted once, are sums of less than `2^12·2^17·2^131` over all records, `n < 2^26` of them,
//! however many shards: every entry of their sum is below 2^186. So `ΣG + nλW` is below 2^187 and equal to g as an integer,
//! not only over the field. `rows` recomputes these bounds for every k; [`tribute_core::numbers`] holds the limits, which
//! contracts and offline verification enforce.
//!
//! *Rounding.* `g = 2^s·g' + ρ` with `0 ≤ ρ < 2^s`, so `‖g‖ ≤ 2^s(‖g'‖ + √cells)`: beyond nε by less than half a unit of
//! 2^-44, which δ counts ([`tribute_core::numbers::link_error_units`]).
//!
//! *Sums.* Commitments add up: `Σ C(G_p) = C(Σ G_p)`, so the verifier checks that G is the sum of the shards' gradients
//! by adding points ([`tribute_core::certificate`], the agent registry). Salts and tails are free in every column, so
//! they are free in the sum. An opening of the sum counts as one of each summand.
//!
//! # Not checked
//!
//! That G is the sum of gradients of registered shards at this W (above; each `gradient` proof ties its shard to W), that
//! every shard counts once, that n is the number of their records, the size of the public inputs (the verifier checks the
//! limits), the distance bound (arithmetic on public inputs), and the shares, which follow from the contributions that the
//! `gradient` proofs publish.

mod gates;
mod rows;
mod witness;

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_core::head::{Optimum, Weights};
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::{Arithmetization, StatementWitness};
use crate::columns::CommittedGroup;
use crate::gadgets::argument::Forge;

pub use gates::Config;

/// The `optimum` circuit with its witness.
#[derive(Clone)]
pub struct OptimumCircuit {
    shape: Shape,
    config: Config,
    /// Committed columns, in proof order; only tests change them.
    pub committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0, except the multiplicities: limbs.
    pub columns: Vec<Vec<Fr>>,
    /// Public inputs, except `ctx`, by the statement's offsets.
    pub inputs: Vec<Fr>,
    /// Forgery, for tests only.
    pub forge: Option<Forge>,
}

impl OptimumCircuit {
    /// The witness for committed weights and the sum of the committed gradients, which comes from
    /// [`sum_gradients`](crate::columns::sum_gradients). `numbers` comes from [`tribute_core::head::optimum`] over the
    /// same weights and gradients.
    #[must_use]
    pub fn new(
        shape: Shape,
        weights_group: &CommittedGroup,
        weights: &Weights,
        sum: &CommittedGroup,
        numbers: &Optimum,
    ) -> Self {
        let committed = [weights_group, sum].into_iter().flat_map(|g| g.columns.iter().cloned()).collect();
        let (columns, inputs) = witness::phase_one(&shape.layout, weights, numbers);
        OptimumCircuit { config: Config::of(&shape), shape, committed, columns, inputs, forge: None }
    }

    /// Recomputes the limbs of the long numbers after limbs or inputs were changed, for forgeries in tests.
    #[doc(hidden)]
    pub fn respell(&mut self) {
        let layout = &self.shape.layout;
        let [q, v] = witness::sums_of_squares(layout, &self.columns, &self.committed[0].values);
        witness::spell_longs(layout, &mut self.columns, &self.inputs, q, v);
    }

    /// The public inputs with this `ctx`.
    #[must_use]
    pub fn public_inputs(&self, ctx: Fr) -> Vec<Fr> {
        let mut inputs = self.inputs.clone();
        inputs[tribute_core::statement::CTX] = ctx;
        inputs
    }
}

impl StatementWitness for OptimumCircuit {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Witness for OptimumCircuit {
    fn committed(&self) -> Vec<Arc<CommittedColumn>> {
        self.committed.clone()
    }

    fn phase(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let layout = &self.shape.layout;
        let (w, g) = (&self.committed[0].values, &self.committed[1].values);
        let pw = || witness::phase_two(layout, w, challenges[self.config.tau.index()]);
        let mut columns = match phase {
            0 => {
                let mut columns = self.columns.clone();
                columns.push(witness::multiplicities(layout, &self.columns));
                columns
            }
            1 => {
                let mut columns = witness::lookup_columns(layout, &self.config.lookup, challenges, &self.columns);
                columns.push(pw());
                columns
            }
            _ => {
                let rho = challenges[self.config.rho.index()];
                vec![witness::phase_three(layout, [w, g], &self.columns, &self.inputs, &pw(), rho)]
            }
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
