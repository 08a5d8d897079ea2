//! Columns, gates and fixed values of `optimum`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, Error, Expression, FirstPhase, Fixed, SecondPhase, ThirdPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;
use tribute_core::head::{epsilon_shift, penalty_shift};
use tribute_core::numbers::{NORM_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::shape::Shape;
use tribute_core::statement::optimum as input;
use tribute_engine::field::two_to;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argument::{constant, limbs, select, small, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};

use super::rows::{Limbs, ROW_BOUND, ROW_NORM};
use super::witness::table;

/// Selectors, challenges and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    frame: Frame,
    q_w: Column<Fixed>,
    /// 1 on the second of the two rows of long numbers; the first one is the row above.
    q_norm: Column<Fixed>,
    pub(super) lookup: LogUp,
    pub(super) tau: Challenge,
    pub(super) rho: Challenge,
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        let plan = Limbs::of(&layout);
        let mut advice = || gates.meta.advice_column_in(FirstPhase);
        // committed columns first: their points come first in the proof
        let (w, g) = (advice(), advice());
        let limb: Vec<_> = (0..plan.columns()).map(|_| advice()).collect();
        let instance = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let mut fixed = || gates.meta.fixed_column();
        let (q_w, q_norm, range) = (fixed(), fixed(), fixed());
        let build = |c: &mut VirtualCells<'_, Fr>| {
            let active = c.fixed(q_w) + c.fixed_next(q_norm) + c.fixed(q_norm);
            limb.iter().map(|l| Input { active: active.clone(), tuple: vec![c.cur(*l)] }).collect()
        };
        let lookup = LogUp::configure(gates, frame, vec![range], limb.len(), &build);
        let tau = gates.meta.challenge_usable_after(FirstPhase);
        let pw = gates.meta.advice_column_in(SecondPhase);
        let rho = gates.meta.challenge_usable_after(SecondPhase);
        let f = gates.meta.advice_column_in(ThirdPhase);

        let public = |c: &mut VirtualCells<'_, Fr>, from: usize, to: usize| {
            c.query_instance(instance, Rotation(to as i32 - from as i32))
        };
        let spelled = |c: &mut VirtualCells<'_, Fr>, columns: &[Column<Advice>]| -> Expression<Fr> {
            let cells: Vec<_> = columns.iter().map(|l| c.cur(*l)).collect();
            limbs(&cells, plan.bits)
        };
        let (residual, rounded) = (&limb[..plan.residual.all], &limb[plan.residual.rounded..plan.residual.all]);
        let weight = &limb[plan.residual.all..plan.residual.all + plan.weight];

        gates.add("weight in range: w + 2^37 = Σ limbs", |c| {
            let sum = spelled(c, weight);
            c.fixed(q_w) * (c.cur(w) + constant(Fr::from(WEIGHT_LIMIT as u64)) - sum)
        });
        if plan.spare > 0 {
            gates.add("weight's top limb is short: limb·2^spare is a limb", |c| {
                let top = c.cur(weight[plan.weight - 1]);
                c.fixed(q_w) * (c.cur(limb[plan.columns() - 1]) - top * two_to(plan.spare))
            });
        }
        gates.add("powers of τ start at 1", |c| {
            (small(1) - c.fixed(q_w)) * c.fixed_next(q_w) * (c.next(pw) - small(1))
        });
        gates.add("powers of τ: pw' = τ·pw", |c| c.fixed(q_w) * (c.next(pw) - c.challenge(tau) * c.cur(pw)));
        gates.add(
            "f' = f + [g'² + ρw² + pw(ρ²(g − G) + ρ³w)] + [X − (nε)² − (ρ²nλ + ρ³)S_w] − ρ[Y + v²]",
            |c| {
                let rho = c.challenge(rho);
                let square = rho.clone() * rho.clone();
                let cube = square.clone() * rho.clone();
                let (w, pw) = (c.cur(w), c.cur(pw));
                // the residual, and the part of it that is squared; the limbs hold both shifted up by half of their
                // range
                let half = |limbs: usize| two_to(limbs as u32 * plan.bits - 1);
                let entry = spelled(c, residual) - constant(half(plan.residual.all));
                let high = spelled(c, rounded) - constant(half(rounded.len()));
                let vectors = high.clone() * high
                    + rho.clone() * w.clone() * w.clone()
                    + pw.clone() * (square.clone() * (entry - c.cur(g)) + cube.clone() * w);

                let n = public(c, ROW_BOUND, input::N);
                let lambda = public(c, ROW_BOUND, input::LAMBDA);
                let n_epsilon = n.clone() * public(c, ROW_BOUND, input::EPSILON) * two_to(epsilon_shift(&layout));
                let penalty = square * n * lambda * two_to(penalty_shift(&layout)) + cube;
                let bound = spelled(c, &limb) - n_epsilon.clone() * n_epsilon - penalty * pw;

                let norm = public(c, ROW_NORM, input::NORM);
                let gap = spelled(c, &limb) + norm.clone() * norm * two_to(2 * (WEIGHT_BITS - NORM_BITS));
                frame.used(c) * (c.next(f) - c.cur(f)) - c.fixed(q_w) * vectors - c.fixed_next(q_norm) * bound
                    + c.fixed(q_norm) * rho * gap
            },
        );
        gates.add("f starts and ends at 0", |c| frame.ends(c) * c.cur(f));

        Config { frame, q_w, q_norm, lookup, tau, rho }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        self.frame.assign(region, layout.gate_rows());
        select(region, self.q_w, layout.weights_start()..layout.weights_end());
        select(region, self.q_norm, [ROW_NORM]);
        self.lookup.assign_table(region, &table(&layout), layout.gate_rows());
        Ok(())
    }
}
