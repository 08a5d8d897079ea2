//! Which circuit: a statement over a layout.

use crate::digest::{shape_digest, Digest};
use crate::layout::{Layout, Task};
use crate::link::Link;
use crate::statement::Statement;
#[cfg(doc)]
use crate::statement::SUM_PARTS;

/// Everything that determines a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// What is proven.
    pub statement: Statement,
    /// Rows and columns.
    pub layout: Layout,
    /// The link, for `gradient`.
    pub link: Option<Link>,
    /// Whether the bias is penalised, for `optimum`.
    pub reg_bias: bool,
    /// How many gradients are summed, for `sum`; 0 otherwise.
    pub parts: usize,
}

impl Shape {
    fn new(statement: Statement, layout: Layout, link: Option<Link>, reg_bias: bool) -> Self {
        Shape { statement, layout, link, reg_bias, parts: 0 }
    }
    /// The `dataset` circuit of a layout.
    #[must_use]
    pub fn dataset(layout: Layout) -> Self {
        Self::new(Statement::Dataset, layout, None, true)
    }
    /// The `gradient` circuit of a layout and link.
    #[must_use]
    pub fn gradient(layout: Layout, link: Link) -> Self {
        Self::new(Statement::Gradient, layout, Some(link), true)
    }
    /// The `sum` circuit of a layout for `parts` gradients, [`SUM_PARTS`] of them (key generation refuses others).
    #[must_use]
    pub fn sum(layout: Layout, parts: usize) -> Self {
        Shape { parts, ..Self::new(Statement::Sum, layout, None, true) }
    }
    /// The `optimum` circuit of a layout; `reg_bias`: whether the bias is penalised.
    #[must_use]
    pub fn optimum(layout: Layout, reg_bias: bool) -> Self {
        Self::new(Statement::Optimum, layout, None, reg_bias)
    }
    /// The `evaluation` circuit of a layout, which must be for classes (key generation refuses others).
    #[must_use]
    pub fn evaluation(layout: Layout) -> Self {
        Self::new(Statement::Evaluation, layout, None, true)
    }
    /// The `service` circuit of a layout.
    #[must_use]
    pub fn service(layout: Layout) -> Self {
        Self::new(Statement::Service, layout, None, true)
    }
    /// The digest that a circuit id holds of link, bias penalty and slots.
    #[must_use]
    pub fn digest(&self) -> Digest {
        shape_digest(self.link.map_or(0, Link::code), self.reg_bias, self.statement.slots(self.parts))
    }
    /// Column counts of the committed groups, in proof order.
    #[must_use]
    pub fn groups(&self) -> Vec<usize> {
        self.statement.groups(self.layout.columns(), self.parts)
    }
    /// Link code for contracts: 0 where there is none.
    #[must_use]
    pub fn link_code(&self) -> u8 {
        self.link.map_or(0, Link::code)
    }
    /// A short name, such as `gradient-softmax-k15-a8-d64-c10`.
    #[must_use]
    pub fn name(&self) -> String {
        let link = self.link.map(|l| format!("-{}", l.name())).unwrap_or_default();
        let bias = if self.reg_bias { "" } else { "-freebias" };
        let parts = if self.parts == 0 { String::new() } else { format!("-of{}", self.parts) };
        let l = &self.layout;
        let task = if l.task() == Task::Real { "-real" } else { "" };
        format!(
            "{}{parts}{link}{bias}{task}-k{}-a{}-d{}-c{}",
            self.statement.name(),
            l.k(),
            l.columns(),
            l.features(),
            l.classes()
        )
    }
}
