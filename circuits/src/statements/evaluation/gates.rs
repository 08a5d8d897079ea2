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
use crate::gadgets::argument::{constant, small, Gates, Query};
use crate::gadgets::link::{self, LinkConfig};
use crate::gadgets::logup::Frame;
use crate::gadgets::product::{Product, Rows, WeightRows};

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
        let mut fixed = || gates.meta.fixed_column();
        let rows = Rows { q_head: fixed(), q_class: fixed(), q_record: fixed(), q_end: fixed() };
        let weights = WeightRows { q_w: fixed(), q_w_first: fixed(), q_block: fixed(), q_block_end: fixed() };
        let q_remainder = fixed();

        answers.gates(
            gates,
            &Place {
                q_class: rows.q_class,
                q_above: rows.q_head,
                answers: ("one answer in a present record, none in an absent one: B = s", &|c| c.cur(y)),
                idle: ("B is 0 outside class rows", &|c| c.fixed(frame.q_use) - c.fixed(rows.q_class)),
                joined: ("the largest logit is one per record: m' = m", &|c| {
                    c.fixed(rows.q_class) * c.fixed_next(rows.q_class)
                }),
            },
        );
        let kind = shape.link.unwrap_or(Link::Squared);
        let split = LossRemainder::of(&layout, kind);
        let place = link::Place { frame, rows, q_remainder, remainder: split.limbs, ranged: answers.limbs.clone() };
        let link = LinkConfig::configure(gates, place, &layout, kind);
        gates.add("the link's logit is the answer's: z = m − t − B'", |c| {
            c.fixed(rows.q_class) * (link.logit(c) - answers.logit(c))
        });
        gates.add("losses of a record summed: S = loss + S'", |c| {
            let below = (small(1) - c.fixed(rows.q_end)) * c.next(losses);
            let y = c.cur(y);
            c.fixed(rows.q_record) * (c.cur(losses) - below) - c.fixed(rows.q_class) * link.loss(c, y)
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
            c.fixed(frame.q_use) * (c.cur(tally) - c.next(tally))
                - c.fixed(rows.q_head) * (c.cur(y) + sigma.clone() * sigma.clone() * loss)
                - c.fixed(rows.q_class) * sigma.clone() * right
                + c.fixed(q_remainder) * sigma.clone() * sigma * limb
        });
        // on the last gate row the inputs are read from the padding below them, which is 0
        gates.add("tally is n + σ·correct + σ²·2^u·loss in row 0, and ends at 0", |c| {
            let mut stated_at = |offset: usize| c.query_instance(instance, Rotation(offset as i32));
            let (n, correct, loss) = (stated_at(input::N), stated_at(input::CORRECT), stated_at(input::LOSS));
            let (unit, sigma) = (two_to(split.limbs as u32 * layout.limb_bits()), c.challenge(sigma));
            let stated = n + sigma.clone() * (correct + sigma * loss * unit);
            c.fixed(frame.q_ends) * (c.cur(tally) - stated)
        });
        let product = Product {
            frame,
            rows,
            weights,
            a,
            xt,
            zk,
            r,
            sigma,
            kappa,
            tau,
            alpha,
            bias_feature: layout.bias_feature(),
        };
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
