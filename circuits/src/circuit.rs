//! A statement's circuit as halo2 sees it: columns, gates and fixed values, determined by the [`Shape`] alone. No witness
//! ever passes through here, and nothing outside this crate is generic over a circuit, so that the prover is compiled
//! once.

use halo2_proofs::circuit::{Layouter, Region, SimpleFloorPlanner};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error};
use tribute_core::statement::Statement;

use crate::shape::Shape;
use crate::{dataset, evaluation, gradient, optimum, service, sum};

/// The columns of one statement's circuit.
pub(crate) trait Arithmetization: Clone + std::fmt::Debug {
    /// Allocates columns and challenges and adds the gates. The committed columns come first.
    fn configure(meta: &mut ConstraintSystem<Fr>, shape: &Shape) -> Self;

    /// Writes the fixed columns, in one region from row 0.
    ///
    /// # Errors
    /// When the layout leaves no room.
    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error>;

    /// The columns of `shape`'s circuit, for a witness that must know which column and challenge is which.
    fn of(shape: &Shape) -> Self {
        Self::configure(&mut ConstraintSystem::default(), shape)
    }
}

/// The circuit of a shape.
#[derive(Clone, Debug)]
pub(crate) struct ShapeCircuit(pub(crate) Shape);

#[derive(Clone, Debug)]
pub(crate) enum Config {
    Dataset(dataset::Config),
    Gradient(gradient::Config),
    Sum(sum::Config),
    Optimum(optimum::Config),
    Evaluation(evaluation::Config),
    Service(Box<service::Config>),
}

impl Circuit<Fr> for ShapeCircuit {
    type Config = (Config, Shape);
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn params(&self) -> Shape {
        self.0.clone()
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
        Self::configure_with_params(meta, Shape::default())
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, shape: Shape) -> Self::Config {
        let config = match shape.statement {
            Statement::Dataset => Config::Dataset(Arithmetization::configure(meta, &shape)),
            Statement::Gradient => Config::Gradient(Arithmetization::configure(meta, &shape)),
            Statement::Optimum => Config::Optimum(Arithmetization::configure(meta, &shape)),
            Statement::Service => Config::Service(Box::new(Arithmetization::configure(meta, &shape))),
            Statement::Sum => Config::Sum(Arithmetization::configure(meta, &shape)),
            Statement::Evaluation => Config::Evaluation(Arithmetization::configure(meta, &shape)),
        };
        (config, shape)
    }

    fn synthesize(&self, (config, shape): Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || shape.name(),
            |mut region| match &config {
                Config::Dataset(c) => c.fix(&mut region, &shape),
                Config::Gradient(c) => c.fix(&mut region, &shape),
                Config::Sum(c) => c.fix(&mut region, &shape),
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
    ShapeCircuit::configure_with_params(&mut cs, shape.clone());
    cs
}
