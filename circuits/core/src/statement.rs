//! The statements: what each circuit's public inputs are called, in which order they stand, and which of the proof's
//! first points are committed groups. Circuits, contracts and service all read this.

use serde::{Deserialize, Serialize};

/// Gradient slots of an `optimum` proof.
pub const OPTIMUM_SLOTS: usize = 8;
/// Session slots of a `service` proof.
pub const SERVICE_SLOTS: usize = 16;
/// Gradients that one `sum` proof adds; how many is part of its circuit.
pub const SUM_PARTS: std::ops::RangeInclusive<usize> = 2..=8;
/// Shards of one agent whose gradients are summed by a tree of `sum` proofs under one `optimum`.
pub const TREE_SHARDS: usize = 64;

/// What a proof states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Statement {
    /// A committed shard is well formed and holds `n` records.
    Dataset = 1,
    /// `G` is the loss gradient of `W` over a shard.
    Gradient = 2,
    /// `G` is the sum of so many gradients.
    Sum = 3,
    /// `W` is the optimum over the summed gradients; shares.
    Optimum = 4,
    /// Accuracy of `W` on a shard.
    Evaluation = 5,
    /// Every counted answer is `W`'s own.
    Service = 6,
}

impl Statement {
    /// Every statement, by code.
    pub const ALL: [Statement; 6] = [
        Statement::Dataset,
        Statement::Gradient,
        Statement::Sum,
        Statement::Optimum,
        Statement::Evaluation,
        Statement::Service,
    ];

    /// The number the contracts know it by.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
    /// Its name in files, tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Statement::Dataset => "dataset",
            Statement::Gradient => "gradient",
            Statement::Sum => "sum",
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
            Statement::Sum => sum::INPUTS,
            Statement::Optimum => optimum::INPUTS,
            Statement::Evaluation => evaluation::INPUTS,
            Statement::Service => service::INPUTS,
        }
    }
    /// Column counts of the committed groups, in proof order; `columns` is `A`, `parts` how many gradients a `sum` adds
    /// (no other statement looks at it).
    #[must_use]
    pub fn groups(self, columns: usize, parts: usize) -> Vec<usize> {
        match self {
            Statement::Dataset => vec![columns + 1],
            Statement::Gradient => vec![columns + 1, 1, 1],
            Statement::Sum => vec![1; 1 + parts],
            Statement::Optimum => vec![1; 1 + OPTIMUM_SLOTS],
            Statement::Evaluation => vec![columns + 1, 1],
            Statement::Service => vec![1],
        }
    }
    /// Slots that are part of the circuit's shape: 0 where there are none, `parts` for a `sum`.
    #[must_use]
    pub fn slots(self, parts: usize) -> u16 {
        match self {
            Statement::Optimum => OPTIMUM_SLOTS as u16,
            Statement::Sum => parts as u16,
            Statement::Service => SERVICE_SLOTS as u16,
            _ => 0,
        }
    }
}

/// Every statement's input 0.
pub const CTX: usize = 0;

/// Offsets of the `dataset` inputs.
pub mod dataset {
    /// Number of present records.
    pub const N: usize = 1;
    /// Number of inputs.
    pub const INPUTS: usize = 2;
}

/// Offsets of the `gradient` inputs.
pub mod gradient {
    /// Number of inputs: `ctx` only.
    pub const INPUTS: usize = 1;
}

/// Offsets of the `sum` inputs.
pub mod sum {
    /// Number of inputs: `ctx` only.
    pub const INPUTS: usize = 1;
}

/// Offsets of the `optimum` inputs.
pub mod optimum {
    use super::OPTIMUM_SLOTS;
    /// Records of all active slots.
    pub const N: usize = 1;
    /// λ, units of 2^-32.
    pub const LAMBDA: usize = 2;
    /// ε, units of 2^-32.
    pub const EPSILON: usize = 3;
    /// Lower bound of ‖W‖, units of 2^-10.
    pub const NORM: usize = 4;
    /// First of the active flags.
    pub const ACTIVE: usize = 5;
    /// First of the join flags: 1 where a slot is another shard of the slot before it.
    pub const JOIN: usize = ACTIVE + OPTIMUM_SLOTS;
    /// First of the shares, units of 2^-20, signed; at the last slot of each dataset, 0 elsewhere.
    pub const SHARE: usize = JOIN + OPTIMUM_SLOTS;
    /// Number of inputs.
    pub const INPUTS: usize = SHARE + OPTIMUM_SLOTS;
}

/// Offsets of the `evaluation` inputs.
pub mod evaluation {
    /// Number of present records.
    pub const N: usize = 1;
    /// Number of them that the agent answers correctly.
    pub const CORRECT: usize = 2;
    /// Number of inputs.
    pub const INPUTS: usize = 3;
}

/// Offsets of the `service` inputs.
pub mod service {
    use super::SERVICE_SLOTS;
    /// First of the transcripts before.
    pub const BEFORE: usize = 1;
    /// First of the transcripts after.
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
        assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
        for statement in Statement::ALL {
            // a new statement does not compile here until it is counted
            let place = match statement {
                Statement::Dataset => 0,
                Statement::Gradient => 1,
                Statement::Sum => 2,
                Statement::Optimum => 3,
                Statement::Evaluation => 4,
                Statement::Service => 5,
            };
            assert_eq!(Statement::ALL[place], statement);
        }
    }

    #[test]
    fn offsets_are_those_the_contracts_use() {
        assert_eq!((optimum::ACTIVE, optimum::JOIN, optimum::SHARE, optimum::INPUTS), (5, 13, 21, 29));
        assert_eq!((service::BEFORE, service::AFTER, service::COUNT, service::INPUTS), (1, 17, 33, 49));
        assert_eq!(Statement::Gradient.groups(8, 0), [9, 1, 1]);
        assert_eq!((Statement::Sum.groups(8, 3), Statement::Sum.slots(3)), (vec![1; 4], 3));
    }
}
