//! # Statement
//!
//! `G = Xᵀ(s·P − Y)` with `P = link(XW)`: the committed gradient is the loss gradient of the committed weights over the
//! committed shard, as the exact integer function [`tribute_core::head::gradient`] up to the window of the shift `l` (below).
//!
//! # Public inputs
//!
//! `ctx` only; no gate uses it, the transcript absorbs it first.
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
//! ```
//!
//! # Soundness
//!
//! Phase one commits X, Y, W, G and the link's limbs, hence the logits Z (an expression in the limbs) and P. σ comes
//! after phase one, `a` is committed in phase two; κ, τ, α come after that.
//!
//! *Running sums in phase three.* On the rows of record i, from the bottom up: `xt` is `Σ_j τ^j x_ij` at the head row,
//! `zk = Σ_u κ^u z_iu`, `ek = Σ_u κ^u (p_iu − y_iu)`. On weight rows `xt = τ^j κ^u` (started at 1, stepped by κ within a
//! block and by τ from block to block) and `zk` at a block's first row is `Σ_u κ^u w_ju`. Write
//! `b_i = 256 + τ·xt_i = Σ_{j ≤ d} τ^j x_ij` with the bias as coordinate 0.
//!
//! *Logits.* `r` starts at 0, at every head row `r' = σr + α·zk_i + b_i`, at every block's first row
//! `r' = r − a_j(α·wk_j + τ^j)`, elsewhere it is carried, and it ends at 0. So
//! `Σ_i σ^(m−i)(α Σ_u κ^u z_iu + Σ_j τ^j x_ij) = Σ_j a_j(α Σ_u κ^u w_ju + τ^j)` for random α, κ, τ drawn after both sides'
//! coefficients: `a_j = Σ_i σ^(m−i) x_ij` and `Σ_i σ^(m−i) z_iu = Σ_j a_j w_ju`, and because σ came after X, Z and W:
//! `Z = XW`, over the field. X is in [0, 256) and |w| < 2^25 (proven in `dataset` and `optimum`), so `|z| < 2^44` as integers.
//!
//! *Gradient.* `e` starts at 0, at every head row `e' = e + s_i·b_i·ek_i`, at every weight row `e' = e − τ^j κ^u g_ju`, and
//! it ends at 0: `Σ_i s_i (Σ_j τ^j x_ij)(Σ_u κ^u (p_iu − y_iu)) = Σ_ju τ^j κ^u g_ju`, so `G = Xᵀ(s·(P − Y))`; `dataset`
//! proves Y = 0 where s = 0.
//!
//! The errors are bounded by (degree)/r, with degrees below 2^23 in both checks, and below 2^26 in the lookup (at k = 22 up
//! to 13 inputs and a table row to each of 2^22 rows) and in PLONK itself.
//!
//! *Link.* See [`link`]: P is the table function of `l − z`, with `l` fixed up to the window `|ΣP − 1| ≤ 2^−27`; whatever
//! `l` in the window the prover takes, `|P − link(z)| ≤ 2^−24`, the δ that every certificate adds to ε.
//!
//! # Not checked
//!
//! That X, Y are a well-formed shard (`dataset`) and W in range (`optimum`): the digest is what ties the proofs together,
//! so a gradient counts only for registered shards and certified weights.

pub mod link;
mod witness;

use std::sync::Arc;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Column, Error, FirstPhase, SecondPhase, ThirdPhase};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::Arithmetization;
use crate::arithmetization::StatementWitness;
use crate::columns::{target_scale, CommittedGroup};
use crate::gadgets::argument::{constant, small, Forge, Gates, Query};
use crate::gadgets::logup::Frame;
use crate::gadgets::product::{sigma_sums, Product, Rows, WeightRows};

use link::LinkConfig;

/// The product argument and the link.
#[derive(Clone, Debug)]
pub struct Config {
    product: Product,
    link: LinkConfig,
}

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
    /// Running check of the gradient.
    pub const E: usize = 4;
}

/// The `gradient` circuit with its witness.
#[derive(Clone)]
pub struct GradientCircuit {
    shape: Shape,
    config: Config,
    committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0 but the multiplicities: see [`link::column`].
    pub columns: Vec<Vec<Fr>>,
    /// Tests only. Phase 1: the lookup's columns, then `a`; 2: see [`third`].
    pub forge: Option<Forge>,
}

impl GradientCircuit {
    /// The witness for a committed shard, weights and gradient.
    ///
    /// # Errors
    /// [`tribute_core::link::NoShift`] when the link's tables do not resolve a record's logits.
    pub fn new(
        shape: Shape,
        shard: &CommittedGroup,
        weights: &CommittedGroup,
        gradient: &CommittedGroup,
    ) -> Result<Self, tribute_core::link::NoShift> {
        let committed: Vec<_> =
            [shard, weights, gradient].into_iter().flat_map(|g| g.columns.iter().cloned()).collect();
        let values: Vec<&[Fr]> = committed.iter().map(|c| c.values.as_slice()).collect();
        let columns = witness::link_columns(&shape, &values)?;
        Ok(GradientCircuit { config: Config::of(&shape), shape, committed, columns, forge: None })
    }

    fn link(&self) -> Link {
        self.shape.link.unwrap_or(Link::Squared)
    }
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        let mut advice = || gates.meta.advice_column_in(FirstPhase);
        // committed columns first: their points open the proof
        let x: Vec<_> = (0..layout.columns()).map(|_| advice()).collect();
        let (y, w, g) = (advice(), advice(), advice());
        // `ctx` is absorbed by the transcript; no gate queries it
        let _ctx = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let mut fixed = || gates.meta.fixed_column();
        let rows = Rows { q_head: fixed(), q_class: fixed(), q_record: fixed(), q_end: fixed() };
        let weights = WeightRows { q_w: fixed(), q_w_first: fixed(), q_block: fixed(), q_block_end: fixed() };
        let link = LinkConfig::configure(gates, frame, rows, &layout, shape.link.unwrap_or(Link::Squared));
        let sigma = gates.meta.challenge_usable_after(FirstPhase);
        let a = gates.meta.advice_column_in(SecondPhase);
        let kappa = gates.meta.challenge_usable_after(SecondPhase);
        let tau = gates.meta.challenge_usable_after(SecondPhase);
        let alpha = gates.meta.challenge_usable_after(SecondPhase);
        let third: [Column<Advice>; 5] = std::array::from_fn(|_| gates.meta.advice_column_in(ThirdPhase));
        let [xt, zk, ek, r, e] = third;
        let target = constant(target_scale(&layout));

        let product = Product { frame, rows, weights, a, xt, zk, r, sigma, kappa, tau, alpha };
        product.sums(gates, &x, w, |c| link.logit(c));
        gates.add("errors under κ: ek = (p − y) + κ·ek'", |c| {
            let below = (small(1) - c.fixed(rows.q_end)) * c.next(ek);
            let error = link.probability(c) - target * c.cur(y);
            let kappa = c.challenge(kappa);
            c.fixed(rows.q_record) * (c.cur(ek) - below.clone())
                - c.fixed(rows.q_class) * (error + (kappa - small(1)) * below)
        });

        product.check(gates, layout.classes());
        gates.add("gradient check: e' = e + s·b·ek on head rows, e − τ^j κ^u g on weight rows", |c| {
            let b = small(256) + c.challenge(tau) * c.cur(xt);
            let record = c.cur(y) * b * c.cur(ek);
            let weight = c.cur(xt) * c.cur(g);
            c.fixed(frame.q_use) * (c.next(e) - c.cur(e)) - c.fixed(rows.q_head) * record
                + c.fixed(weights.q_w) * weight
        });
        gates.add("gradient check starts at 0", |c| c.fixed(frame.q_first) * c.cur(e));
        gates.add("gradient check ends at 0", |c| c.fixed(frame.q_last) * c.cur(e));

        Config { product, link }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        self.product.assign(region, &layout);
        self.link.assign_table(region, &layout);
        Ok(())
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
                columns.extend(self.config.link.multiplicities(&layout, &self.columns));
                columns
            }
            1 => {
                let mut columns = self.config.link.second_phase(challenges, &layout, &self.columns);
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
