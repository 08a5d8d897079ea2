//! What determines a circuit: a statement over a layout.

use crate::layout::{Layout, Task};
use crate::link::Link;
use crate::statement::Statement;

/// Everything that determines a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The statement that is proven.
    pub statement: Statement,
    /// Rows and columns.
    pub layout: Layout,
    /// The link function; only for `gradient` and `evaluation`.
    pub link: Option<Link>,
}

impl Shape {
    /// The `dataset` circuit of a layout.
    #[must_use]
    pub fn dataset(layout: Layout) -> Self {
        Shape { statement: Statement::Dataset, layout, link: None }
    }
    /// The `gradient` circuit of a layout and link.
    #[must_use]
    pub fn gradient(layout: Layout, link: Link) -> Self {
        Shape { statement: Statement::Gradient, layout, link: Some(link) }
    }
    /// The `optimum` circuit of a layout.
    #[must_use]
    pub fn optimum(layout: Layout) -> Self {
        Shape { statement: Statement::Optimum, layout, link: None }
    }
    /// The `evaluation` circuit of a layout and link. The task must be classification; key generation rejects others.
    #[must_use]
    pub fn evaluation(layout: Layout, link: Link) -> Self {
        Shape { statement: Statement::Evaluation, layout, link: Some(link) }
    }
    /// The `service` circuit of a layout.
    #[must_use]
    pub fn service(layout: Layout) -> Self {
        Shape { statement: Statement::Service, layout, link: None }
    }
    /// Column counts of the committed groups, in proof order.
    #[must_use]
    pub fn groups(&self) -> Vec<usize> {
        self.statement.groups(self.layout.columns())
    }
    /// The link's code in contracts; 0 if there is no link.
    #[must_use]
    pub fn link_code(&self) -> u8 {
        self.link.map_or(0, Link::code)
    }
    /// A short name, such as `gradient-softmax-k15-a8-d64-c10`.
    #[must_use]
    pub fn name(&self) -> String {
        let link = self.link.map(|l| format!("-{}", l.name())).unwrap_or_default();
        let l = &self.layout;
        let task = if l.task() == Task::Real { "-real" } else { "" };
        let intercept = match l.intercept_scale() {
            0 => String::new(),
            s => format!("-s{s}"),
        };
        format!(
            "{}{link}{task}-k{}-a{}-d{}-c{}{intercept}",
            self.statement.name(),
            l.k(),
            l.columns(),
            l.features(),
            l.classes()
        )
    }
}
