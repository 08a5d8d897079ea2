//! # Statement
//!
//! The committed weights are the optimum of the regularised loss up to ε, over exactly the active gradient slots, and each
//! dataset's share in them is so much: with `g = Σ_p act_p G_p + n·λ·W` and everything in integers,
//!
//! - every weight is in range: `−2^25 ≤ w < 2^25`;
//! - `‖g‖₂ ≤ n·ε` and `‖W‖₂ ≥ v`;
//! - for every dataset (a run of joined slots) `|share − ⟨−ΣG_p, W⟩/(nλ‖W‖²)| ≤ 2^−21`.
//!
//! # Public inputs
//!
//! `ctx, n, λ, ε, v, act_1…8, join_1…8, share_1…8` ([`tribute_core::statement::optimum`]).
//!
//! # Committed columns
//!
//! `W, G_1 … G_8`, one group each; values in the weights' rows.
//!
//! # Region
//!
//! Instance row i stands in row i. Scalars stand in the strip, vectors in the weights' rows.
//!
//! ```text
//! row          | limbs            | c1  | c2  | d | s   | t   | pw        | f
//! 1            |                  | V   | Q   | D | S_w | T   |           | F
//! 5 + p  slot  |                  | N_p | M_p | D | S_p | T   | ρ^p       | F
//! 13           |                  |     |     |   | S_g | T   | ρ^8       | F
//! 14 + 2i      | low limbs of X_i |     |     |   |     |     | ρ^(8 + i) | F
//! 15 + 2i      | high limbs       |     |     |   |     |     | ρ^(8 + i) | F
//! weights row j| limbs of g_j, w_j|                            τ^j         | F      (and the column `g`)
//! ```
//!
//! `V = Σw²` and `W` below count the penalised coordinates only, `Q = Σg²`, `N_p = ⟨−G_p, W⟩`,
//! `M_p = act_p N_p + join_p M_(p−1)`, `D = nλV` at the scale of N, `S_x = Σ_j τ^j x_j`.
//!
//! # Soundness
//!
//! Phase one commits W, G_p, g, the limbs and the scalars N, V, Q, M, D; τ comes after it, phase two commits S and T; ρ
//! comes after that.
//!
//! *One running sum ties scalars to vectors.* `f` starts and ends at 0. On weight rows it gains
//! `−w·Σ_p ρ^p G_p + ρ^8 w² + ρ^9 g² + τ^j(Σ_p ρ^(10+p) G_p + ρ^18 w + ρ^19 g)`, on the strip it loses the scalars under the
//! same powers. As a polynomial in ρ each coefficient vanishes: N, V, Q and S are what they are said to be.
//!
//! *The residual.* `T` starts at `n·λ·S_w`, gains `act_p·S_p` on slot rows and equals `S_g` in row 13. So at the random τ,
//! drawn after g, `g = Σ act_p G_p + nλW` coordinate by coordinate.
//!
//! *No wrap.* g is `limbs·b` bits wide: 112 to 121 (117, 120, 121, 120, 117 for k = 10 to 14, 112 from there), so `Q < 2^251.97`
//! in the worst case (k = 12, where a layout has 3,974 weights at most) and `Q + 2^250 < r`; `V < 2^67`; `(n·ε)² < 2^246` at g's scale within the public
//! limits. The gradients of registered shards, each counted once, are sums of `2^8·2^112` over all records, `n < 2^26` of
//! them, however many shards a slot holds and however deep the tree of sums under it is ([`crate::statements::sum`]): every entry of
//! every G_p is below 2^146. So `ΣG + nλW` is below 2^147 and equal as an integer, not only over the field, and with
//! `|w| < 2^25` and fewer than 2^17 weights `|N|, |M| < 2^188`, so `2^21·|M|, 2·|share|·D < 2^210`.
//! [`tribute_core::numbers`] holds the limits; contracts and offline verification enforce them.
//!
//! *Inequalities.* 18 numbers are non-negative because they are sums of limbs of at most 250 bits in all (238 from k = 15):
//! `X_p = D + ρ_p`, `X_(8+p) = D − ρ_p` with `ρ_p = (1 − join_(p+1))·2^21·M_p − 2·share_p·D`, `X_16 = (nε)² − Q`,
//! `X_17 = V − v²`. The same running sum copies them from where they are computed to the rows of their limbs, under ρ^20 to
//! ρ^37. Where the next slot is joined, and in an
//! inactive slot, `|2·share·D| ≤ D` leaves only 0, so every run of slots publishes one share, in its last slot.
//!
//! # Not checked
//!
//! That G_p is the gradient of a registered shard at this W, or the sum of several (`gradient` and `sum` proofs; the
//! digests tie them), that every shard counts once, that n is the number of their records, which slots should be active or joined (the verifier compares the flags), the size of the
//! public inputs (the verifier checks the limits), and the distance bound (arithmetic on public inputs).

mod gates;
mod rows;
mod witness;

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_core::head::{Optimum, Weights};
use tribute_core::shape::Shape;
use tribute_core::statement::OPTIMUM_SLOTS;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::{Arithmetization, StatementWitness};
use crate::columns::CommittedGroup;
use crate::gadgets::argument::Forge;
use witness::Cells;

pub use gates::Config;
pub use witness::{column, Slot};

/// The `optimum` circuit with its witness.
#[derive(Clone)]
pub struct OptimumCircuit {
    shape: Shape,
    config: Config,
    committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0 but the multiplicities: limbs, then [`column`].
    pub columns: Vec<Vec<Fr>>,
    /// Public inputs but `ctx`, by the statement's offsets.
    pub inputs: Vec<Fr>,
    /// Tests only.
    pub forge: Option<Forge>,
}

impl OptimumCircuit {
    /// The witness. `slots` are the active ones, 1 to 8; `unused` commits fill the others; `numbers` comes from
    /// [`tribute_core::head::optimum`] over the same gradients, shards of a dataset summed.
    ///
    /// # Panics
    /// If slots and unused groups are not 8 in all, or `numbers` is for another number of datasets: a caller's mistake.
    #[must_use]
    pub fn new(
        shape: Shape,
        weights_group: &CommittedGroup,
        weights: &Weights,
        slots: &[Slot<'_>],
        unused: &[CommittedGroup],
        numbers: &Optimum,
    ) -> Self {
        assert_eq!(slots.len() + unused.len(), OPTIMUM_SLOTS, "slots");
        let groups = [weights_group].into_iter().chain(slots.iter().map(|s| s.group)).chain(unused);
        let committed = groups.flat_map(|g| g.columns.iter().cloned()).collect();
        let (columns, inputs) = witness::phase_one(&shape, weights, slots, numbers);
        OptimumCircuit { config: Config::of(&shape), shape, committed, columns, inputs, forge: None }
    }

    /// Spells the long numbers anew after scalars or inputs were changed: for forgeries in tests.
    #[doc(hidden)]
    pub fn respell(&mut self) {
        witness::spell_longs(&self.shape.layout, &mut self.columns, &self.inputs);
    }

    fn cells(&self) -> Cells<'_> {
        Cells { shape: &self.shape, committed: &self.committed, columns: &self.columns, inputs: &self.inputs }
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
        let tau = || challenges[self.config.tau.index()];
        let mut columns = match phase {
            0 => {
                let mut columns = self.columns.clone();
                columns.push(witness::multiplicities(&self.shape.layout, &self.columns));
                columns
            }
            1 => {
                let mut columns =
                    witness::lookup_columns(&self.shape.layout, &self.config.lookup, challenges, &self.columns);
                columns.extend(witness::phase_two(&self.cells(), tau()));
                columns
            }
            _ => witness::phase_three(&self.cells(), tau(), challenges[self.config.rho.index()]),
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
