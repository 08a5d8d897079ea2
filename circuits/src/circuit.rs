//! A statement's circuit as halo2 sees it: columns, gates and fixed values, determined by the [`Shape`] alone. No
//! witness passes through here, and nothing outside this crate is generic over a circuit, so that the prover is
//! compiled only once.

use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error};
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argument::Gates;
use crate::statements::{dataset, evaluation, gradient, optimum, service};

/// The circuit of a shape.
#[derive(Clone, Debug)]
pub(crate) struct ShapeCircuit {
    shape: Shape,
    /// Names of omitted gates; always empty outside tests.
    omit: Vec<String>,
}

impl ShapeCircuit {
    /// The complete circuit.
    pub(crate) fn of(shape: &Shape) -> Self {
        ShapeCircuit { shape: shape.clone(), omit: vec![] }
    }

    /// The circuit without the gates of these names, for tests.
    ///
    /// # Panics
    /// If the circuit has no gate with one of the names.
    pub(crate) fn without_gates(shape: &Shape, names: &[&str]) -> Self {
        let cs = constraint_system(shape);
        for name in names {
            assert!(cs.gates().iter().any(|gate| gate.name() == *name), "{} has no gate `{name}`", shape.name());
        }
        ShapeCircuit { shape: shape.clone(), omit: names.iter().map(|n| (*n).to_owned()).collect() }
    }
}

/// halo2's `Circuit` requires default parameters. They are never used here: every circuit has an explicit shape.
impl Default for ShapeCircuit {
    fn default() -> Self {
        // a layout with 1 feature and 2 classes at k = 10 always exists
        let layout = Layout::new(10, 1, 1, 2, Task::Classes).unwrap_or_else(|e| unreachable!("{e}"));
        ShapeCircuit::of(&Shape::dataset(layout))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Config {
    Dataset(dataset::Config),
    Gradient(gradient::Config),
    Optimum(optimum::Config),
    Evaluation(evaluation::Config),
    Service(Box<service::Config>),
}

impl Circuit<Fr> for ShapeCircuit {
    type Config = (Config, Shape);
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ShapeCircuit;

    fn params(&self) -> ShapeCircuit {
        self.clone()
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
        Self::configure_with_params(meta, ShapeCircuit::default())
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, circuit: ShapeCircuit) -> Self::Config {
        let ShapeCircuit { shape, omit } = circuit;
        let gates = &mut Gates::new(meta, &omit);
        let config = match shape.statement {
            Statement::Dataset => Config::Dataset(Arithmetization::configure(gates, &shape)),
            Statement::Gradient => Config::Gradient(Arithmetization::configure(gates, &shape)),
            Statement::Optimum => Config::Optimum(Arithmetization::configure(gates, &shape)),
            Statement::Service => Config::Service(Box::new(Arithmetization::configure(gates, &shape))),
            Statement::Evaluation => Config::Evaluation(Arithmetization::configure(gates, &shape)),
        };
        (config, shape)
    }

    fn synthesize(&self, (config, shape): Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || shape.name(),
            |mut region| match &config {
                Config::Dataset(c) => c.fix(&mut region, &shape),
                Config::Gradient(c) => c.fix(&mut region, &shape),
                Config::Optimum(c) => c.fix(&mut region, &shape),
                Config::Evaluation(c) => c.fix(&mut region, &shape),
                Config::Service(c) => c.fix(&mut region, &shape),
            },
        )
    }
}

/// The constraint system of a shape.
#[must_use]
pub fn constraint_system(shape: &Shape) -> ConstraintSystem<Fr> {
    let mut cs = ConstraintSystem::default();
    ShapeCircuit::configure_with_params(&mut cs, ShapeCircuit::of(shape));
    cs
}
