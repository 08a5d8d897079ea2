//! Circuit shapes and proof targets, as stored in job rows.

use serde::{Deserialize, Serialize};
use tribute_core::context::Domain;
use tribute_core::hexed::AccountAddress;
use tribute_core::layout::Layout;
use tribute_core::layout::Task;
use tribute_core::link::Link;
use tribute_core::schema::Schema;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;
use tribute_problem::Problem;
use tribute_problem::Result;

/// Size of all circuits of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// log2 of the number of rows.
    pub k: u32,
    /// Number of data columns.
    pub columns: usize,
    /// The bias feature is `2^intercept_scale`.
    pub intercept_scale: u32,
}

impl Profile {
    /// The layout of records of a schema.
    ///
    /// # Errors
    /// If there is no such layout.
    pub fn layout(&self, schema: &Schema) -> Result<Layout> {
        Ok(schema.layout(self.k, self.columns)?.with_intercept_scale(self.intercept_scale)?)
    }
}

/// The chain and contract that a proof is for; zeros off chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that will verify the proof.
    pub contract: AccountAddress,
}

impl Target {
    /// The domain for hashing into contexts.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.contract.0 }
    }
}

/// Everything that determines a circuit's constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeBody {
    /// The statement to prove.
    pub statement: Statement,
    /// Size of the circuit.
    pub profile: Profile,
    /// Number of features.
    pub features: usize,
    /// Number of classes.
    pub classes: usize,
    /// Classification or regression.
    pub task: Task,
    /// The link; only for `gradient` and `evaluation`.
    pub link: Option<Link>,
}

impl ShapeBody {
    /// The shape as used by [`tribute_circuits`].
    pub fn shape(&self) -> Result<Shape> {
        let layout = self.layout()?;
        match (self.statement, self.link) {
            (Statement::Dataset, _) => Ok(Shape::dataset(layout)),
            (Statement::Gradient, Some(link)) => Ok(Shape::gradient(layout, link)),
            (Statement::Optimum, _) => Ok(Shape::optimum(layout)),
            (Statement::Evaluation, Some(link)) => Ok(Shape::evaluation(layout, link)),
            (Statement::Service, _) => Ok(Shape::service(layout)),
            (other @ (Statement::Gradient | Statement::Evaluation), None) => {
                Err(Problem::field("shape.statement", format!("there is no `{}` circuit of that shape", other.name())))
            }
        }
    }
    /// The circuit's layout.
    pub fn layout(&self) -> Result<Layout> {
        let Profile { k, columns, intercept_scale } = self.profile;
        Ok(Layout::new(k, columns, self.features, self.classes, self.task)?.with_intercept_scale(intercept_scale)?)
    }
    /// A statement's circuit for agents with this layout. Parameters that the statement does not depend on are set to
    /// fixed values, so that equal circuits compare equal.
    #[must_use]
    pub fn of(statement: Statement, layout: &Layout, link: Link) -> Self {
        ShapeBody {
            statement,
            profile: Profile { k: layout.k(), columns: layout.columns(), intercept_scale: layout.intercept_scale() },
            features: layout.features(),
            classes: layout.classes(),
            task: layout.task(),
            link: matches!(statement, Statement::Gradient | Statement::Evaluation).then_some(link),
        }
    }
}
