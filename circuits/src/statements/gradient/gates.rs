//! Columns, gates and fixed values of `gradient`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Column, Error, FirstPhase, SecondPhase, ThirdPhase};
use halo2_proofs::poly::Rotation;
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::statement::gradient as input;
use tribute_engine::field::two_to;

use crate::arithmetization::Arithmetization;
use crate::columns::target_scale;
use crate::gadgets::argument::{constant, small, Gates, Query};
use crate::gadgets::link::{LinkConfig, Place};
use crate::gadgets::logup::Frame;
use crate::gadgets::product::{Product, Rows};

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
        // committed columns first: their points come first in the proof
        let x: Vec<_> = (0..layout.columns()).map(|_| advice()).collect();
        let (y, w, g) = (advice(), advice(), advice());
        // `ctx` is absorbed by the transcript; no gate queries it
        let instance = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let rows = Rows::configure(gates);
        let place = Place { frame, rows, remainder: layout.remainder_limbs(), ranged: vec![] };
        let link = LinkConfig::configure(gates, place, &layout, shape.link.unwrap_or(Link::Squared));
        let sigma = gates.meta.challenge_usable_after(FirstPhase);
        let a = gates.meta.advice_column_in(SecondPhase);
        let kappa = gates.meta.challenge_usable_after(SecondPhase);
        let tau = gates.meta.challenge_usable_after(SecondPhase);
        let alpha = gates.meta.challenge_usable_after(SecondPhase);
        let third: [Column<Advice>; 5] = std::array::from_fn(|_| gates.meta.advice_column_in(ThirdPhase));
        let [xt, zk, ek, r, e] = third;
        let target = constant(target_scale(&layout));

        let product =
            Product { frame, rows, a, xt, zk, r, sigma, kappa, tau, alpha, bias_feature: layout.bias_feature() };
        product.sums(gates, &x, w, |c| link.logit(c));
        gates.add("errors under κ: ek = (p − y) + κ·ek'", |c| {
            let below = rows.goes_on(c) * c.next(ek);
            let error = link.probability(c) - target * c.cur(y);
            let kappa = c.challenge(kappa);
            rows.record(c) * (c.cur(ek) - below.clone()) - rows.class(c) * (error + (kappa - small(1)) * below)
        });

        product.check(gates, layout.classes());
        gates.add(
            "gradient check: e' = e + s·b·ek on head rows, e − (τ^j κ^u + α·w)g on weight rows, e − α·2^bi·limb",
            |c| {
                let record = c.cur(y) * product.with_bias(c) * c.cur(ek);
                let alpha = c.challenge(alpha);
                let weight = (c.cur(xt) + alpha.clone() * c.cur(w)) * c.cur(g);
                let limb = alpha * c.cur(link.remainder());
                frame.used(c) * (c.next(e) - c.cur(e)) - rows.head(c) * record
                    + rows.weight(c) * weight
                    + rows.outside(c) * limb
            },
        );
        // on the last gate row N is read from the padding below the inputs, which is 0
        gates.add("gradient check starts at −α·2^u·N and ends at 0", |c| {
            let n = c.query_instance(instance, Rotation(input::CONTRIBUTION as i32));
            let unit = two_to(layout.remainder_limbs() as u32 * layout.limb_bits());
            frame.ends(c) * (c.cur(e) + c.challenge(alpha) * n * unit)
        });

        Config { product, link }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        self.product.assign(region, &layout);
        self.link.assign_table(region, &layout);
        Ok(())
    }
}
