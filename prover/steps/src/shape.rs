//! Which circuit, for which chain, as job rows name it.

use serde::{Deserialize, Serialize};
use tribute_core::context::Domain;
use tribute_core::hexed::Hex20;
use tribute_core::layout::Layout;
use tribute_core::layout::Task;
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;
use tribute_problem::Problem;
use tribute_problem::Result;

/// Rows and data columns of all circuits of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// log2 of the rows.
    pub k: u32,
    /// Data columns.
    pub columns: usize,
}

/// Chain and contract a proof is for; zeros off chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that will check the proof.
    pub contract: Hex20,
}

impl Target {
    /// As contexts take it.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.contract.0 }
    }
}

/// A circuit, up to its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeBody {
    /// What is proven.
    pub statement: Statement,
    /// Rows and columns.
    pub profile: Profile,
    /// Feature count.
    pub features: usize,
    /// Classes.
    pub classes: usize,
    /// Classification or regression.
    pub task: Task,
    /// The link, for `gradient`.
    pub link: Option<Link>,
    /// Whether the bias is penalised, for `optimum`.
    pub reg_bias: bool,
    /// How many gradients are added, for `sum`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl ShapeBody {
    /// The circuit as [`tribute_circuits`] knows it.
    pub fn shape(&self) -> Result<Shape> {
        let layout = self.layout()?;
        match (self.statement, self.link) {
            (Statement::Dataset, _) => Ok(Shape::dataset(layout)),
            (Statement::Gradient, Some(link)) => Ok(Shape::gradient(layout, link)),
            (Statement::Sum, _) => Ok(Shape::sum(layout, self.parts)),
            (Statement::Optimum, _) => Ok(Shape::optimum(layout, self.reg_bias)),
            (Statement::Evaluation, _) => Ok(Shape::evaluation(layout)),
            (Statement::Service, _) => Ok(Shape::service(layout)),
            (other @ Statement::Gradient, None) => {
                Err(Problem::field("shape.statement", format!("there is no `{}` circuit of that shape", other.name())))
            }
        }
    }
    /// Its layout.
    pub fn layout(&self) -> Result<Layout> {
        Ok(Layout::new(self.profile.k, self.profile.columns, self.features, self.classes, self.task)?)
    }
    /// The statement's circuit for agents over a layout. What the statement does not depend on is set to a fixed value,
    /// so that equal circuits are equal here.
    #[must_use]
    pub fn of(statement: Statement, layout: &Layout, link: Link, reg_bias: bool) -> Self {
        ShapeBody {
            statement,
            profile: Profile { k: layout.k(), columns: layout.columns() },
            features: layout.features(),
            classes: layout.classes(),
            task: layout.task(),
            link: (statement == Statement::Gradient).then_some(link),
            reg_bias: statement != Statement::Optimum || reg_bias,
            parts: 0,
        }
    }
    /// The `sum` circuit of a layout for `parts` gradients.
    #[must_use]
    pub fn sum(layout: &Layout, parts: usize) -> Self {
        ShapeBody { parts, ..ShapeBody::of(Statement::Sum, layout, Link::Squared, true) }
    }
}
