//! Weights that follow from a valuation. It is verified whenever it is read: nothing is proposed or vouched for unchecked.

use std::path::Path;

use alloy::primitives::Address;
use tribute_chain::weights::Proposal;
use tribute_chain::Contracts;
use tribute_core::valuation::Valuation;
use tribute_problem::{Problem, Result};

use super::super::check;
use crate::offline::{verified, TrustArgs};
use crate::output::hexed;

/// Reads and verifies the valuation in a file.
pub(super) fn read(path: &Path, trust: &TrustArgs) -> Result<Valuation> {
    let report = verified(path, &trust.clone().into())?;
    let other = || format!("{} is not a valuation: `tribute agent value` writes one", path.display());
    report.valuation().cloned().ok_or_else(|| Problem::field("valuation", other()))
}

/// The weights that follow from a verified valuation, for the round that is open. Fails unless it is of a version on this
/// chain, which certified what it says, its datasets and its test set are registered as it says, the test set is of
/// nobody who has or had one of the datasets, what was drawn was drawn by the chain, and who it values as one owner is one
/// today.
pub(super) async fn proposal(
    contracts: &Contracts,
    valuation: &Valuation,
    attester: Option<Address>,
) -> Result<Proposal> {
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
    let followed = followed.ok_or_else(|| refused("no value is positive: there is nothing to divide by".to_owned()))?;
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
    check::requires(valuation, contracts).await?;
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

/// Fails unless the weights name this verified valuation, follow from it, and could be proposed now.
pub(super) async fn requires(valuation: &Valuation, contracts: &Contracts, given: &Proposal) -> Result<()> {
    let found = valuation.digest();
    if found != given.valuation {
        let message = format!("it has the SHA-256 {}, but the weights name {}", hexed(&found), hexed(&given.valuation));
        return Err(Problem::field("valuation", message));
    }
    let followed = proposal(contracts, valuation, given.attester).await?;
    if followed.round != given.round {
        let message = format!(
            "they are for round {}, and it is round {} by now; `tribute chain propose-weights` writes those that count",
            given.round, followed.round
        );
        return Err(Problem::field("weights", message));
    }
    if followed == *given {
        return Ok(());
    }
    let message = "these weights do not follow from it; `tribute chain propose-weights` writes those that do";
    Err(Problem::field("weights", message))
}
