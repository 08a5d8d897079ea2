//! Columns, gates and fixed values of `evaluation`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Column, Error, FirstPhase, Fixed, Instance, SecondPhase, ThirdPhase, VirtualCells};
use halo2_proofs::poly::Rotation;
use tribute_core::shape::Shape;
use tribute_core::statement::evaluation as input;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argmax::{difference_limbs, ArgMax, Place};
use crate::gadgets::argument::{Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};
use crate::gadgets::product::{Product, Rows};

use super::witness::table;

/// The product argument and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) product: Product,
    pub(super) lookup: LogUp,
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
        let instance: Column<Instance> = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let rows = Rows::configure(gates);
        let range: Column<Fixed> = gates.meta.fixed_column();

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
        let build = |c: &mut VirtualCells<'_, Fr>| {
            let active = rows.class(c);
            answers.limbs.iter().map(|l| Input { active: active.clone(), tuple: vec![c.cur(*l)] }).collect()
        };
        let lookup = LogUp::configure(gates, frame, vec![range], answers.limbs.len(), &build);
        let sigma = gates.meta.challenge_usable_after(FirstPhase);
        let (a, tally) = (gates.meta.advice_column_in(SecondPhase), gates.meta.advice_column_in(SecondPhase));
        let kappa = gates.meta.challenge_usable_after(SecondPhase);
        let tau = gates.meta.challenge_usable_after(SecondPhase);
        let alpha = gates.meta.challenge_usable_after(SecondPhase);
        let [xt, zk, r]: [Column<Advice>; 3] = std::array::from_fn(|_| gates.meta.advice_column_in(ThirdPhase));

        gates.add("records and right answers counted: tally = tally' + s, + σ·b·y", |c| {
            let right = answers.chosen(c) * c.cur(y);
            frame.used(c) * (c.cur(tally) - c.next(tally))
                - rows.head(c) * c.cur(y)
                - rows.class(c) * c.challenge(sigma) * right
        });
        // on the last gate row both inputs are read from the padding below the inputs, which is 0
        gates.add("tally is n + σ·correct in row 0, and ends at 0", |c| {
            let n = c.query_instance(instance, Rotation(input::N as i32));
            let correct = c.query_instance(instance, Rotation(input::CORRECT as i32));
            frame.ends(c) * (c.cur(tally) - n - c.challenge(sigma) * correct)
        });
        let product =
            Product { frame, rows, a, xt, zk, r, sigma, kappa, tau, alpha, bias_feature: layout.bias_feature() };
        product.sums(gates, &x, w, |c| answers.logit(c));
        product.check(gates, layout.classes());
        Config { product, lookup }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        self.product.assign(region, &layout);
        self.lookup.assign_table(region, &table(&layout), layout.gate_rows());
        Ok(())
    }
}
