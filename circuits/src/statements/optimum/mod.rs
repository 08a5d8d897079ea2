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

mod witness;

use std::sync::Arc;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, Error, Expression, FirstPhase, Fixed, SecondPhase, ThirdPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;
use tribute_core::head::{epsilon_shift, gradient_limbs, penalty_shift, Optimum, Weights};
use tribute_core::layout::{Layout, SCALAR_ROWS};
use tribute_core::numbers::{LAMBDA_BITS, NORM_BITS, SHARE_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::shape::Shape;
use tribute_core::statement::{optimum as input, OPTIMUM_SLOTS};
use tribute_core::I256;
use tribute_engine::column::CommittedColumn;
use tribute_engine::field::two_to;
use tribute_engine::plonk::Witness;

use crate::arithmetization::Arithmetization;
use crate::arithmetization::StatementWitness;
use crate::columns::CommittedGroup;
use crate::gadgets::argument::{constant, horner, limbs, select, small, Forge, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};

/// Row of the scalars V, Q.
pub(crate) const ROW_TOTALS: usize = input::N;
/// Row of the first slot.
pub(crate) const ROW_SLOTS: usize = input::ACTIVE;
/// Row that closes the slots.
pub(crate) const ROW_CLOSE: usize = ROW_SLOTS + OPTIMUM_SLOTS;
/// First row of the non-negative numbers.
pub(crate) const ROW_LONG: usize = ROW_CLOSE + 1;
/// How many there are.
pub(crate) const LONGS: usize = 2 * OPTIMUM_SLOTS + 2;

const _: () = assert!(ROW_LONG + 2 * LONGS < SCALAR_ROWS, "every layout keeps the rows of the scalars free");

/// Exponents of ρ.
mod power {
    use super::OPTIMUM_SLOTS;
    pub(super) const V: usize = OPTIMUM_SLOTS;
    pub(super) const Q: usize = V + 1;
    pub(super) const S: usize = Q + 1;
    pub(super) const S_W: usize = S + OPTIMUM_SLOTS;
    pub(super) const S_G: usize = S_W + 1;
    pub(super) const LONG: usize = S_G + 1;
}

/// How limbs are laid out for one layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limbs {
    /// Bits per limb.
    pub(crate) bits: u32,
    /// Limbs of a residual entry.
    pub(crate) residual: usize,
    /// Limbs of a weight.
    pub(crate) weight: usize,
    /// Spare bits of a weight's top limb; if any, one more limb column holds the top limb shifted up by them.
    pub(crate) spare: u32,
}

/// Bits of `w + 2^25`.
const WEIGHT_RANGE_BITS: u32 = WEIGHT_LIMIT.trailing_zeros() + 1;
/// Bits that a non-negative number may have.
const LONG_BITS: u32 = 250;

impl Limbs {
    pub(crate) fn of(layout: &Layout) -> Self {
        let bits = layout.limb_bits();
        let weight = WEIGHT_RANGE_BITS.div_ceil(bits) as usize;
        Limbs { bits, residual: gradient_limbs(layout), weight, spare: weight as u32 * bits - WEIGHT_RANGE_BITS }
    }
    /// Limb columns.
    pub(crate) fn columns(&self) -> usize {
        self.residual + self.weight + usize::from(self.spare > 0)
    }
    /// Limbs of a long number that stand in its second row.
    pub(crate) fn second_row(&self) -> usize {
        (((LONG_BITS - self.columns() as u32 * self.bits) / self.bits) as usize).min(self.columns())
    }
}

/// Fresh phase-0 columns after the limbs, by offset.
pub mod column {
    /// `g`.
    pub const RESIDUAL: usize = 0;
    /// V and N.
    pub const FIRST: usize = 1;
    /// Q and M.
    pub const SECOND: usize = 2;
    /// D.
    pub const DENOMINATOR: usize = 3;
    /// How many.
    pub const COUNT: usize = 4;
}

/// Selectors, challenges and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    frame: Frame,
    q_w: Column<Fixed>,
    q_w_first: Column<Fixed>,
    q_penalised: Column<Fixed>,
    q_totals: Column<Fixed>,
    q_carry: Column<Fixed>,
    q_slot: Column<Fixed>,
    q_slot_first: Column<Fixed>,
    q_slot_last: Column<Fixed>,
    q_close: Column<Fixed>,
    q_long: Column<Fixed>,
    q_long_second: Column<Fixed>,
    lookup: LogUp,
    tau: Challenge,
    rho: Challenge,
}

/// One active gradient slot.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// The committed gradient.
    pub group: &'a CommittedGroup,
    /// Its values.
    pub gradient: &'a [I256],
    /// Whether it is another shard of the dataset of the slot before it.
    pub joined: bool,
}

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

    /// The public inputs with this `ctx`.
    #[must_use]
    pub fn public_inputs(&self, ctx: Fr) -> Vec<Fr> {
        let mut inputs = self.inputs.clone();
        inputs[tribute_core::statement::CTX] = ctx;
        inputs
    }
}

/// Powers of ρ as expressions.
fn powers(rho: &Expression<Fr>, n: usize) -> Vec<Expression<Fr>> {
    std::iter::successors(Some(small(1)), |p| Some(p.clone() * rho.clone())).take(n).collect()
}

/// `D = n·L·V·2^this`.
fn denominator_shift(layout: &Layout) -> u32 {
    layout.gradient_bits() + WEIGHT_BITS - (LAMBDA_BITS + 2 * WEIGHT_BITS)
}

impl Arithmetization for Config {
    #[allow(clippy::too_many_lines)]
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        let plan = Limbs::of(&layout);
        let mut advice = || gates.meta.advice_column_in(FirstPhase);
        // committed columns first: their points open the proof
        let w = advice();
        let g_slots: Vec<_> = (0..OPTIMUM_SLOTS).map(|_| advice()).collect();
        let limb: Vec<_> = (0..plan.columns()).map(|_| advice()).collect();
        let (g, c1, c2, d) = (advice(), advice(), advice(), advice());
        let instance = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let mut fixed = || gates.meta.fixed_column();
        let (q_w, q_w_first, q_totals, q_carry) = (fixed(), fixed(), fixed(), fixed());
        let (q_slot, q_slot_first, q_slot_last) = (fixed(), fixed(), fixed());
        let (q_close, q_long, q_long_second) = (fixed(), fixed(), fixed());
        let q_penalised = if shape.reg_bias { q_w } else { fixed() };
        let range = fixed();
        let build = |c: &mut VirtualCells<'_, Fr>| {
            let active = c.fixed(q_w) + c.fixed(q_long) + c.fixed(q_long_second);
            limb.iter().map(|l| Input { active: active.clone(), tuple: vec![c.cur(*l)] }).collect()
        };
        let lookup = LogUp::configure(gates, frame, vec![range], limb.len(), &build);
        let tau = gates.meta.challenge_usable_after(FirstPhase);
        let (s, t) = (gates.meta.advice_column_in(SecondPhase), gates.meta.advice_column_in(SecondPhase));
        let rho = gates.meta.challenge_usable_after(SecondPhase);
        let (pw, f) = (gates.meta.advice_column_in(ThirdPhase), gates.meta.advice_column_in(ThirdPhase));

        let public = |c: &mut VirtualCells<'_, Fr>, from: usize, to: usize| {
            c.query_instance(instance, Rotation(to as i32 - from as i32))
        };
        let cells = |c: &mut VirtualCells<'_, Fr>, columns: &[Column<Advice>]| -> Vec<Expression<Fr>> {
            columns.iter().map(|l| c.cur(*l)).collect()
        };

        gates.add("residual in range: g + 2^(bits − 1) = Σ limbs", |c| {
            let offset = constant(two_to(plan.residual as u32 * plan.bits - 1));
            let sum = limbs(&cells(c, &limb[..plan.residual]), plan.bits);
            c.fixed(q_w) * (c.cur(g) + offset - sum)
        });
        gates.add("weight in range: w + 2^25 = Σ limbs", |c| {
            let sum = limbs(&cells(c, &limb[plan.residual..plan.residual + plan.weight]), plan.bits);
            c.fixed(q_w) * (c.cur(w) + constant(Fr::from(WEIGHT_LIMIT as u64)) - sum)
        });
        if plan.spare > 0 {
            gates.add("weight's top limb is short: limb·2^spare is a limb", |c| {
                let top = c.cur(limb[plan.residual + plan.weight - 1]);
                c.fixed(q_w) * (c.cur(limb[plan.residual + plan.weight]) - top * two_to(plan.spare))
            });
        }
        gates.add("D = nλV", |c| {
            let (n, l) = (public(c, ROW_TOTALS, input::N), public(c, ROW_TOTALS, input::LAMBDA));
            c.fixed(q_totals) * (c.cur(d) - n * l * c.cur(c1) * two_to(denominator_shift(&layout)))
        });
        gates.add("D carried: d' = d", |c| c.fixed(q_carry) * (c.next(d) - c.cur(d)));
        gates.add("T starts at nλ·S_w", |c| {
            let (n, l) = (public(c, ROW_TOTALS, input::N), public(c, ROW_TOTALS, input::LAMBDA));
            c.fixed(q_totals) * (c.cur(t) - n * l * c.cur(s) * two_to(penalty_shift(&layout)))
        });
        gates.add("T gains active gradients: t' = t + act·S_p", |c| {
            let act = public(c, ROW_SLOTS, input::ACTIVE);
            c.fixed(q_carry) * (c.next(t) - c.cur(t)) - c.fixed(q_slot) * act * c.cur(s)
        });
        gates.add("residual is the sum: T = S_g", |c| c.fixed(q_close) * (c.cur(t) - c.cur(s)));

        let flag = |c: &mut VirtualCells<'_, Fr>, at| public(c, ROW_SLOTS, at);
        gates.add("active is boolean", |c| {
            let act = flag(c, input::ACTIVE);
            c.fixed(q_slot) * act.clone() * (act - small(1))
        });
        gates.add("join is boolean", |c| {
            let join = flag(c, input::JOIN);
            c.fixed(q_slot) * join.clone() * (join - small(1))
        });
        gates.add("an inactive slot joins nothing: (1 − act)·join = 0", |c| {
            let (act, join) = (flag(c, input::ACTIVE), flag(c, input::JOIN));
            c.fixed(q_slot) * (small(1) - act) * join
        });
        gates.add("the first slot joins nothing", |c| c.fixed(q_slot_first) * flag(c, input::JOIN));
        gates.add("shards of a dataset summed: M = act·N + join·M_before", |c| {
            let (act, join) = (flag(c, input::ACTIVE), flag(c, input::JOIN));
            let before = c.query_advice(c2, Rotation::prev());
            c.fixed(q_slot) * (c.cur(c2) - act * c.cur(c1) - join * before)
        });
        // join of the slot after; the last slot has none
        let join_after = |c: &mut VirtualCells<'_, Fr>| {
            let after = flag(c, input::JOIN + 1);
            (small(1) - c.fixed(q_slot_last)) * after
        };
        gates.add("powers of τ start at 1", |c| c.fixed(q_w_first) * (c.cur(pw) - small(1)));
        gates.add("powers of τ: pw' = τ·pw", |c| c.fixed(q_w) * (c.next(pw) - c.challenge(tau) * c.cur(pw)));
        gates.add("powers of ρ start at 1", |c| c.fixed(q_slot_first) * (c.cur(pw) - small(1)));
        gates.add("powers of ρ: pw' = ρ·pw, or pw' = pw", |c| {
            let (cur, next, rho) = (c.cur(pw), c.next(pw), c.challenge(rho));
            let stepped = c.fixed(q_slot) + c.fixed(q_long_second);
            let carried = c.fixed(q_close) + c.fixed(q_long);
            stepped * (next.clone() - rho * cur.clone()) + carried * (next - cur)
        });
        gates.add("scalars are what the vectors give: f' = f + vectors − scalars", |c| {
            let p = powers(&c.challenge(rho), power::LONG + LONGS);
            let (w, g, pw) = (c.cur(w), c.cur(g), c.cur(pw));
            let slots: Vec<_> = g_slots.iter().map(|g| c.cur(*g)).collect();
            let under_rho = horner(&slots, &p[1]);
            let penalised = w.clone() * p[power::V].clone() - under_rho.clone();
            let vectors = c.fixed(q_penalised) * w.clone() * (penalised + pw.clone() * p[power::S_W].clone())
                + c.fixed(q_w)
                    * (g.clone() * g.clone() * p[power::Q].clone()
                        + pw.clone() * (under_rho * p[power::S].clone() + g * p[power::S_G].clone()));

            let (c1, c2, s, d) = (c.cur(c1), c.cur(c2), c.cur(s), c.cur(d));
            let n_epsilon = public(c, ROW_TOTALS, input::N)
                * public(c, ROW_TOTALS, input::EPSILON)
                * two_to(epsilon_shift(&layout));
            let norm = public(c, ROW_TOTALS, input::NORM);
            let bound = n_epsilon.clone() * n_epsilon - c2.clone();
            let norm_gap = c1.clone() - norm.clone() * norm * two_to(2 * (WEIGHT_BITS - NORM_BITS));
            let totals = c.fixed(q_totals)
                * (c1.clone() * p[power::V].clone()
                    + c2.clone() * p[power::Q].clone()
                    + s.clone() * p[power::S_W].clone()
                    - bound * p[power::LONG + 2 * OPTIMUM_SLOTS].clone()
                    - norm_gap * p[power::LONG + 2 * OPTIMUM_SLOTS + 1].clone());

            let miss = (small(1) - join_after(c)) * c2 * two_to(SHARE_BITS + 1)
                - flag(c, input::SHARE) * d.clone() * Fr::from(2);
            let slot = c.fixed(q_slot)
                * pw.clone()
                * (c1 + s.clone() * p[power::S].clone()
                    - (d.clone() + miss.clone()) * p[power::LONG].clone()
                    - (d - miss) * p[power::LONG + OPTIMUM_SLOTS].clone());
            let close = c.fixed(q_close) * s * p[power::S_G].clone();
            let low = limbs(&cells(c, &limb), plan.bits);
            let high: Vec<_> = limb[..plan.second_row()].iter().map(|l| c.next(*l)).collect();
            let number = low + limbs(&high, plan.bits) * two_to(limb.len() as u32 * plan.bits);
            // on its rows pw is ρ^(8 + i)
            let long = c.fixed(q_long) * pw * number * p[power::LONG - OPTIMUM_SLOTS].clone();
            c.fixed(frame.q_use) * (c.next(f) - c.cur(f)) - vectors + totals + slot + close + long
        });
        gates.add("f starts at 0", |c| c.fixed(frame.q_first) * c.cur(f));
        gates.add("f ends at 0", |c| c.fixed(frame.q_last) * c.cur(f));

        Config {
            frame,
            q_w,
            q_w_first,
            q_penalised,
            q_totals,
            q_carry,
            q_slot,
            q_slot_first,
            q_slot_last,
            q_close,
            q_long,
            q_long_second,
            lookup,
            tau,
            rho,
        }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        let weights = layout.weights_start()..layout.weights_end();
        let table = witness::table(&layout);
        self.frame.assign(region, layout.gate_rows());
        select(region, self.q_w, weights.clone());
        select(region, self.q_w_first, [weights.start]);
        if !shape.reg_bias {
            select(region, self.q_penalised, weights.clone().skip(layout.classes()));
        }
        select(region, self.q_totals, [ROW_TOTALS]);
        select(region, self.q_carry, ROW_TOTALS..ROW_CLOSE);
        select(region, self.q_slot, ROW_SLOTS..ROW_CLOSE);
        select(region, self.q_slot_first, [ROW_SLOTS]);
        select(region, self.q_slot_last, [ROW_CLOSE - 1]);
        select(region, self.q_close, [ROW_CLOSE]);
        select(region, self.q_long, (0..LONGS).map(|i| ROW_LONG + 2 * i));
        select(region, self.q_long_second, (0..LONGS).map(|i| ROW_LONG + 2 * i + 1));
        self.lookup.assign_table(region, &table, layout.gate_rows());
        Ok(())
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
                columns.extend(witness::phase_two(self, tau()));
                columns
            }
            _ => witness::phase_three(self, tau(), challenges[self.config.rho.index()]),
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
