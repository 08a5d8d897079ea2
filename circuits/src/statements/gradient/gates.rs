//! Columns, gates and fixed values of `gradient`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Column, Error, FirstPhase, SecondPhase, ThirdPhase};
use tribute_core::link::Link;
use tribute_core::shape::Shape;

use crate::arithmetization::Arithmetization;
use crate::columns::target_scale;
use crate::gadgets::argument::{constant, small, Gates, Query};
use crate::gadgets::logup::Frame;
use crate::gadgets::product::{Product, Rows, WeightRows};

use super::link::LinkConfig;

/// The product argument and the link.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) product: Product,
    pub(super) link: LinkConfig,
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
