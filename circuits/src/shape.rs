//! Which circuit: a statement over a layout.

use tribute_core::digest::{shape_digest, Digest};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::statement::Statement;
#[cfg(doc)]
use tribute_core::statement::SUM_PARTS;

use crate::circuit::constraint_system;

/// Everything that determines a circuit's constraint system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Gates left out; always empty outside tests.
    pub(crate) omit: Vec<String>,
}

impl Default for Shape {
    fn default() -> Self {
        // 1 feature, 2 classes at k = 10 always fit
        let layout = Layout::new(10, 1, 1, 2, Task::Classes).unwrap_or_else(|e| unreachable!("{e}"));
        Shape::dataset(layout)
    }
}

impl Shape {
    fn new(statement: Statement, layout: Layout, link: Option<Link>, reg_bias: bool) -> Self {
        Shape { statement, layout, link, reg_bias, parts: 0, omit: vec![] }
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
    /// The same circuit without the gates of these names: tests show that a forgery passes once its gate is gone.
    ///
    /// # Panics
    /// If the circuit has no gate of one of the names: what is left out would be nothing.
    #[doc(hidden)]
    #[must_use]
    pub fn without_gates(mut self, names: &[&str]) -> Self {
        self.omit.clear();
        if !names.is_empty() {
            let cs = constraint_system(&self);
            for name in names {
                assert!(cs.gates().iter().any(|gate| gate.name() == *name), "{} has no gate `{name}`", self.name());
            }
        }
        self.omit = names.iter().map(|n| (*n).to_owned()).collect();
        self
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
