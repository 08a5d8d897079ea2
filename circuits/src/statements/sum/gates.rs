//! Columns, gates and fixed values of `sum`.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Column, Error, FirstPhase, Fixed};
use tribute_core::shape::Shape;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argument::{select, small, Gates, Query};

/// The two selectors whose product is 1 on the weights' rows.
#[derive(Clone, Debug)]
pub struct Config {
    q_from: Column<Fixed>,
    q_until: Column<Fixed>,
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        // committed columns first: their points open the proof
        let sum = gates.meta.advice_column_in(FirstPhase);
        let parts: Vec<_> = (0..shape.parts).map(|_| gates.meta.advice_column_in(FirstPhase)).collect();
        // `ctx` is absorbed by the transcript; no gate queries it
        let _ctx = gates.meta.instance_column();
        let (q_from, q_until) = (gates.meta.fixed_column(), gates.meta.fixed_column());
        gates.add("sum: g = Σ g_p", |c| {
            let total = parts.iter().map(|p| c.cur(*p)).reduce(|a, b| a + b).unwrap_or_else(|| small(0));
            c.fixed(q_from) * c.fixed(q_until) * (c.cur(sum) - total)
        });
        Config { q_from, q_until }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        select(region, self.q_from, layout.weights_start()..layout.gate_rows());
        select(region, self.q_until, 0..layout.weights_end());
        Ok(())
    }
}
