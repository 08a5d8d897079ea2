//! A link as an argument.

use clap::ValueEnum;
use tribute_core::link::Link;
use tribute_proto::v1;

/// How logits become predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinkArg {
    /// Least squares.
    Squared,
    /// One sigmoid per class.
    Logistic,
    /// Softmax over the classes.
    Softmax,
}

impl LinkArg {
    pub(crate) fn link(self) -> Link {
        match self {
            LinkArg::Squared => Link::Squared,
            LinkArg::Logistic => Link::Logistic,
            LinkArg::Softmax => Link::Softmax,
        }
    }

    pub(crate) fn message(self) -> i32 {
        match self {
            LinkArg::Squared => v1::Link::Squared,
            LinkArg::Logistic => v1::Link::Logistic,
            LinkArg::Softmax => v1::Link::Softmax,
        }
        .into()
    }
}
