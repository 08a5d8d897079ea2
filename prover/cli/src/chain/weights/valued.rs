//! Weights that follow from a valuation. A valuation leaves this module verified, or not at all: nothing is proposed or
//! vouched for unchecked. Its proofs take longest, so they are verified once the fields fit together and the weights follow on
//! this chain. What can change meanwhile (owners, test set, draw) is compared last.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use tribute_chain::weights::Proposal;
use tribute_chain::Contracts;
use tribute_core::valuation::Valuation;
use tribute_problem::{Problem, Result};
use tribute_verify::File;

use super::super::check;
use crate::offline::{file_bytes, problem, verify_json, TrustArgs};
use crate::output::hexed;

/// A valuation whose fields fit together. Its proofs were not verified.
pub(super) struct Unverified {
    path: PathBuf,
    json: Vec<u8>,
    valuation: Valuation,
}

/// Reads the valuation in a file, and checks everything but its SRS, its proofs and its checksums.
pub(super) fn read(path: &Path) -> Result<Unverified> {
    let json = file_bytes(path).map_err(|refused| problem(path, &refused))?;
    let file = File::from_json(&json).map_err(|e| problem(path, &e.into()))?;
    let File::Valuation(valuation) = file else {
        let message = format!("{} is not a valuation: `tribute agent value` writes one", path.display());
        return Err(Problem::field("valuation", message));
    };
    let certified = valuation.certificate.check().map_err(|e| e.within("certificate"));
    certified.and_then(|_| valuation.check()).map_err(|e| problem(path, &e.into()))?;
    Ok(Unverified { path: path.to_owned(), json, valuation: *valuation })
}

impl Unverified {
    /// The verified valuation, and the weights that follow from it, for the round that is open. Fails unless it is of a version
    /// on this chain, which certified what it says, its datasets and its test set are registered as it says, the test set is
    /// of nobody who has or had one of the datasets, what was drawn was drawn by the chain, and who it values as one owner is
    /// one today.
    pub(super) async fn proposal(
        self,
        contracts: &Contracts,
        attester: Option<Address>,
        trust: &TrustArgs,
    ) -> Result<(Valuation, Proposal)> {
        let proposal = self.followed(contracts, attester).await?;
        Ok((self.verified(contracts, trust).await?, proposal))
    }

    /// The verified valuation. Fails unless the weights name it, follow from it, and could be proposed now.
    pub(super) async fn supports(
        self,
        contracts: &Contracts,
        given: &Proposal,
        trust: &TrustArgs,
    ) -> Result<Valuation> {
        let found = self.valuation.digest();
        if found != given.valuation {
            let message =
                format!("it has the SHA-256 {}, but the weights name {}", hexed(&found), hexed(&given.valuation));
            return Err(Problem::field("valuation", message));
        }
        let followed = self.followed(contracts, given.attester).await?;
        if followed.round != given.round {
            let message = format!(
                "they are for round {}, and it is round {} by now; `tribute chain propose-weights` writes those that count",
                given.round, followed.round
            );
            return Err(Problem::field("weights", message));
        }
        if followed != *given {
            let message = "these weights do not follow from it; `tribute chain propose-weights` writes those that do";
            return Err(Problem::field("weights", message));
        }
        self.verified(contracts, trust).await
    }

    /// Verifies it, and compares all that it says with the chain.
    async fn verified(self, contracts: &Contracts, trust: &TrustArgs) -> Result<Valuation> {
        verify_json(&self.json, &trust.clone().into()).map_err(|refused| problem(&self.path, &refused))?;
        check::requires(&self.valuation, contracts).await?;
        Ok(self.valuation)
    }

    /// The weights that follow from its values, for the round that is open. Fails unless the chain has its version with its
    /// weights and datasets, and its test set.
    async fn followed(&self, contracts: &Contracts, attester: Option<Address>) -> Result<Proposal> {
        let valuation = &self.valuation;
        let refused = |message: String| Problem::field("valuation", message);
        let (chain, agent) = (&valuation.certificate.chain, &valuation.certificate.agent);
        let d = contracts.deployment();
        let there = (chain.chain_id, Address::from(chain.agent_registry.0));
        if there != (d.chain_id, d.agent_registry.address) {
            return Err(refused(format!(
                "it is of an agent in the registry {} on chain {}, and the contracts given have {} on chain {}",
                there.1, there.0, d.agent_registry.address, d.chain_id
            )));
        }
        let (id, version) = (agent.id, agent.version);
        let weights = contracts.version(&id, version).await?.weights;
        if weights != agent.weights_digest {
            return Err(refused(format!(
                "it is of the weights {}, and version {version} of agent {id} has {weights} on chain",
                agent.weights_digest
            )));
        }
        let followed = valuation.weights();
        let followed =
            followed.ok_or_else(|| refused("no value is positive: there is nothing to divide by".to_owned()))?;
        let listed = contracts.listed(&id, version).await?;
        if !followed.iter().map(|(dataset, _)| dataset).eq(&listed) {
            return Err(refused(format!("version {version} of agent {id} lists other datasets on chain")));
        }
        let test = valuation.test.dataset_id;
        if contracts.find_dataset(&test).await?.is_none() {
            return Err(refused(format!(
                "its test set {test} is not registered on this chain; its owner does that with `tribute chain register-dataset`"
            )));
        }
        Ok(Proposal {
            agent: id,
            version,
            round: contracts.paying(&id, version).await?.round,
            weights: followed,
            valuation: valuation.digest(),
            test_set: Some(test),
            attester,
        })
    }
}
