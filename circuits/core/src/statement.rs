//! The statements: names and order of each circuit's public inputs, and which of the proof's first points are committed
//! groups. Circuits, contracts and service all use this module.

use serde::{Deserialize, Serialize};

/// Session slots of a `service` proof.
pub const SERVICE_SLOTS: usize = 16;

/// The statement of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Statement {
    /// A committed shard is well formed and holds `n` records.
    Dataset = 1,
    /// `G` is the loss gradient of `W` over a shard, and `N` is the shard's part of `⟨−G, W⟩`.
    Gradient = 2,
    /// `W` is the optimum where the gradients sum to `G`.
    Optimum = 3,
    /// Accuracy and loss of `W` on a shard.
    Evaluation = 4,
    /// Every counted answer was computed with `W`.
    Service = 5,
}

impl Statement {
    /// Every statement, in order of its code.
    pub const ALL: [Statement; 5] =
        [Statement::Dataset, Statement::Gradient, Statement::Optimum, Statement::Evaluation, Statement::Service];

    /// The statement's number in contracts.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
    /// The statement's name in files, tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Statement::Dataset => "dataset",
            Statement::Gradient => "gradient",
            Statement::Optimum => "optimum",
            Statement::Evaluation => "evaluation",
            Statement::Service => "service",
        }
    }
    /// Number of public inputs.
    #[must_use]
    pub fn inputs(self) -> usize {
        match self {
            Statement::Dataset => dataset::INPUTS,
            Statement::Gradient => gradient::INPUTS,
            Statement::Optimum => optimum::INPUTS,
            Statement::Evaluation => evaluation::INPUTS,
            Statement::Service => service::INPUTS,
        }
    }
    /// Column counts of the committed groups, in proof order; `columns` is `A`.
    #[must_use]
    pub fn groups(self, columns: usize) -> Vec<usize> {
        match self {
            Statement::Dataset => vec![columns + 1],
            Statement::Gradient => vec![columns + 1, 1, 1],
            Statement::Optimum => vec![1, 1],
            Statement::Evaluation => vec![columns + 1, 1],
            Statement::Service => vec![1],
        }
    }
}

/// Offset of the context, input 0 of every statement.
pub const CTX: usize = 0;

/// Offsets of the `dataset` inputs.
pub mod dataset {
    /// Number of records present.
    pub const N: usize = 1;
    /// Number of inputs.
    pub const INPUTS: usize = 2;
}

/// Offsets of the `gradient` inputs.
pub mod gradient {
    /// `N = ⌊⟨−G, W⟩⌋` in units of the layout's `contribution_bits`, signed.
    pub const CONTRIBUTION: usize = 1;
    /// Number of inputs.
    pub const INPUTS: usize = 2;
}

/// Offsets of the `optimum` inputs.
pub mod optimum {
    /// Number of records of all summed gradients.
    pub const N: usize = 1;
    /// λ, units of 2^-44.
    pub const LAMBDA: usize = 2;
    /// ε, units of 2^-44.
    pub const EPSILON: usize = 3;
    /// Lower bound on ‖W‖, units of 2^-10.
    pub const NORM: usize = 4;
    /// Number of inputs.
    pub const INPUTS: usize = 5;
}

/// Offsets of the `evaluation` inputs.
pub mod evaluation {
    /// Number of records present.
    pub const N: usize = 1;
    /// Number of records present that the agent answers correctly.
    pub const CORRECT: usize = 2;
    /// The loss over the records present, rounded down, units of 2^-20.
    pub const LOSS: usize = 3;
    /// Number of inputs.
    pub const INPUTS: usize = 4;
}

/// Offsets of the `service` inputs.
pub mod service {
    use super::SERVICE_SLOTS;
    /// First of the transcripts before the answers.
    pub const BEFORE: usize = 1;
    /// First of the transcripts after the answers.
    pub const AFTER: usize = BEFORE + SERVICE_SLOTS;
    /// First of the counts.
    pub const COUNT: usize = AFTER + SERVICE_SLOTS;
    /// Number of inputs.
    pub const INPUTS: usize = COUNT + SERVICE_SLOTS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_in_the_list_by_code() {
        let codes: Vec<u8> = Statement::ALL.iter().map(|s| s.code()).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5]);
        for statement in Statement::ALL {
            // a new statement does not compile here until it is listed
            let place = match statement {
                Statement::Dataset => 0,
                Statement::Gradient => 1,
                Statement::Optimum => 2,
                Statement::Evaluation => 3,
                Statement::Service => 4,
            };
            assert_eq!(Statement::ALL[place], statement);
        }
    }

    #[test]
    fn offsets_are_those_the_contracts_use() {
        assert_eq!((gradient::CONTRIBUTION, optimum::NORM, optimum::INPUTS), (1, 4, 5));
        assert_eq!((service::BEFORE, service::AFTER, service::COUNT, service::INPUTS), (1, 17, 33, 49));
        assert_eq!(Statement::Gradient.groups(8), [9, 1, 1]);
        assert_eq!(Statement::Optimum.groups(8), [1, 1]);
    }
}
