//! Files of proposed weights.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use tribute_chain::weights::Proposal;
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId};
use tribute_problem::{Problem, Result};

/// Value of the field `format` in a file of weights.
const FORMAT: &str = "tribute-weights/1";

/// Weights proposed for a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightsFile {
    format: String,
    pub(crate) agent_id: AgentId,
    pub(crate) version: u32,
    /// The round in which they can be agreed on.
    pub(crate) round: u32,
    /// All of the version's datasets, in the order of its list.
    pub(crate) weights: Vec<WeightJson>,
    /// SHA-256 of the canonical valuation file.
    pub(crate) valuation: Hex<32>,
    /// The registered dataset that the valuation was made on.
    pub(super) test_set: Option<DatasetId>,
    /// The account that vouches for it; none if every owner signs.
    pub(super) attester: Option<Address>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightJson {
    pub(crate) dataset_id: DatasetId,
    /// In units of 10^-18, decimal.
    pub(crate) weight: String,
}

impl WeightsFile {
    pub(super) fn of(proposal: &Proposal) -> Self {
        let one =
            |(dataset, weight): &(DatasetId, u64)| WeightJson { dataset_id: *dataset, weight: weight.to_string() };
        WeightsFile {
            format: FORMAT.to_owned(),
            agent_id: proposal.agent,
            version: proposal.version,
            round: proposal.round,
            weights: proposal.weights.iter().map(one).collect(),
            valuation: Hex(proposal.valuation),
            test_set: proposal.test_set,
            attester: proposal.attester,
        }
    }

    pub(super) fn proposal(&self) -> Result<Proposal> {
        if self.format != FORMAT {
            return Err(Problem::field("format", format!("`{}` is not {FORMAT}", self.format)));
        }
        let one = |w: &WeightJson| {
            let wrong = |_| Problem::field("weight", format!("`{}` is not a whole number up to 10^18", w.weight));
            Ok((w.dataset_id, w.weight.parse().map_err(wrong)?))
        };
        Ok(Proposal {
            agent: self.agent_id,
            version: self.version,
            round: self.round,
            weights: self.weights.iter().map(one).collect::<Result<_>>()?,
            valuation: self.valuation.0,
            test_set: self.test_set,
            attester: self.attester,
        })
    }

    /// The place of a dataset in the list.
    pub(super) fn place(&self, dataset: &DatasetId) -> Result<usize> {
        let message = || format!("agent {} version {} does not list dataset {dataset}", self.agent_id, self.version);
        let found = self.weights.iter().position(|w| w.dataset_id == *dataset);
        found.ok_or_else(|| Problem::field("dataset", message()))
    }
}

/// A weight as a percentage with six decimals, rounded down.
pub(crate) fn percent(weight: u64) -> String {
    let millionths = weight / 10_000_000_000;
    format!("{}.{:06} %", millionths / 1_000_000, millionths % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_exact_to_six_decimals() {
        assert_eq!(percent(1_000_000_000_000_000_000), "100.000000 %");
        assert_eq!(percent(329_123_456_789_012_345), "32.912345 %");
        assert_eq!(percent(9_999_999_999), "0.000000 %");
    }
}
