//! Columns, gates and fixed values of `evaluation`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Column, Error, FirstPhase, Instance, SecondPhase, ThirdPhase};
use halo2_proofs::poly::Rotation;
use tribute_core::head::LossRemainder;
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::statement::evaluation as input;
use tribute_engine::field::two_to;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argmax::{difference_limbs, ArgMax, Place};
use crate::gadgets::argument::{constant, Gates, Query};
use crate::gadgets::link::{self, LinkConfig};
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
        let (y, w) = (advice(), advice());
        let answers = ArgMax {
            limbs: (0..difference_limbs(&layout)).map(|_| advice()).collect(),
            suffix: advice(),
            best: advice(),
            limb_bits: layout.limb_bits(),
        };
        let losses = advice();
        let instance: Column<Instance> = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let rows = Rows::configure(gates);

        answers.gates(
            gates,
            &Place {
                class: &|c| rows.class(c),
                above: &|c| rows.head(c),
                answers: ("one answer in a present record, none in an absent one: B = s", &|c| c.cur(y)),
                idle: ("B is 0 outside class rows", &|c| frame.used(c) - rows.class(c)),
                joined: ("the largest logit is one per record: m' = m", &|c| rows.joined_classes(c)),
            },
        );
        let kind = shape.link.unwrap_or(Link::Squared);
        let split = LossRemainder::of(&layout, kind);
        let place = link::Place { frame, rows, remainder: split.limbs, ranged: answers.limbs.clone() };
        let link = LinkConfig::configure(gates, place, &layout, kind);
        gates.add("the link's logit is the answer's: z = m − t − B'", |c| {
            rows.class(c) * (link.logit(c) - answers.logit(c))
        });
        gates.add("losses of a record summed: S = loss + S'", |c| {
            let below = rows.goes_on(c) * c.next(losses);
            let y = c.cur(y);
            rows.record(c) * (c.cur(losses) - below) - rows.class(c) * link.loss(c, y)
        });
        let sigma = gates.meta.challenge_usable_after(FirstPhase);
        let (a, tally) = (gates.meta.advice_column_in(SecondPhase), gates.meta.advice_column_in(SecondPhase));
        let kappa = gates.meta.challenge_usable_after(SecondPhase);
        let tau = gates.meta.challenge_usable_after(SecondPhase);
        let alpha = gates.meta.challenge_usable_after(SecondPhase);
        let [xt, zk, r]: [Column<Advice>; 3] = std::array::from_fn(|_| gates.meta.advice_column_in(ThirdPhase));

        let pad = constant(two_to(split.pad));
        gates.add("counted: tally = tally' + s + σ²·2^p·s·S, + σ·b·y, − σ²·2^bi·limb", |c| {
            let sigma = c.challenge(sigma);
            let right = answers.chosen(c) * c.cur(y);
            let loss = pad * c.cur(y) * c.cur(losses);
            let limb = c.cur(link.remainder());
            frame.used(c) * (c.cur(tally) - c.next(tally))
                - rows.head(c) * (c.cur(y) + sigma.clone() * sigma.clone() * loss)
                - rows.class(c) * sigma.clone() * right
                + rows.outside(c) * sigma.clone() * sigma * limb
        });
        // on the last gate row the inputs are read from the padding below them, which is 0
        gates.add("tally is n + σ·correct + σ²·2^u·loss in row 0, and ends at 0", |c| {
            let mut stated_at = |offset: usize| c.query_instance(instance, Rotation(offset as i32));
            let (n, correct, loss) = (stated_at(input::N), stated_at(input::CORRECT), stated_at(input::LOSS));
            let (unit, sigma) = (two_to(split.limbs as u32 * layout.limb_bits()), c.challenge(sigma));
            let stated = n + sigma.clone() * (correct + sigma * loss * unit);
            frame.ends(c) * (c.cur(tally) - stated)
        });
        let product =
            Product { frame, rows, a, xt, zk, r, sigma, kappa, tau, alpha, bias_feature: layout.bias_feature() };
        product.sums(gates, &x, w, |c| answers.logit(c));
        product.check(gates, layout.classes());
        Config { product, link }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        self.product.assign(region, &layout);
        self.link.assign_table(region, &layout);
        Ok(())
    }
}
