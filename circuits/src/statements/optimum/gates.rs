//! Columns, gates and fixed values of `optimum`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, Error, Expression, FirstPhase, Fixed, SecondPhase, ThirdPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;
use tribute_core::head::{epsilon_shift, penalty_shift};
use tribute_core::layout::Layout;
use tribute_core::numbers::{LAMBDA_BITS, NORM_BITS, SHARE_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::shape::Shape;
use tribute_core::statement::{optimum as input, OPTIMUM_SLOTS};
use tribute_engine::field::two_to;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argument::{constant, horner, limbs, select, small, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};

use super::rows::{power, Limbs, LONGS, ROW_CLOSE, ROW_LONG, ROW_SLOTS, ROW_TOTALS};
use super::witness::table;

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
    pub(super) lookup: LogUp,
    pub(super) tau: Challenge,
    pub(super) rho: Challenge,
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
        let table = table(&layout);
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
