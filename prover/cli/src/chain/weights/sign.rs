//! `tribute chain sign …` for messages about weights.

use std::path::PathBuf;

use clap::Args;
use tribute_chain::weight_messages::{WeightDraft, WeightMessage};
use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Result};

use super::super::sign::{SignArgs, Signer};
use super::super::{drawn, json_file};
use super::file::{percent, WeightsFile};
use super::messages::message_file;
use super::{valued, AcceptTerms, ObjectTerms};
use crate::offline::TrustArgs;
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct AgreeArgs {
    /// The weights, as `tribute chain propose-weights` wrote them.
    weights: PathBuf,
    /// The valuation: it is verified and compared with the chain, and weights that do not follow from it are refused.
    /// Without it you sign weights whose origin was not checked.
    #[arg(long, value_name = "FILE")]
    valuation: Option<PathBuf>,
    /// Your dataset, if you own several of the version's: sign once for each.
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    /// The weights, as `tribute chain propose-weights` wrote them.
    weights: PathBuf,
    /// The valuation: it is verified and compared with the chain, and weights that do not follow from it are refused.
    #[arg(long, value_name = "FILE")]
    valuation: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    terms: AcceptTerms,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ObjectArgs {
    #[command(flatten)]
    terms: ObjectTerms,
    #[command(flatten)]
    sign: SignArgs,
}

impl Signer {
    fn write(&self, message: WeightMessage, sign: &SignArgs) -> CommandResult {
        let statement = message.statement();
        let draft = WeightDraft { signer: self.key.address(), nonce: self.nonce, deadline: self.deadline, message };
        let signed = draft.sign(&self.key, &self.contracts.weights_domain())?;
        let d = self.contracts.deployment();
        note!("{statement}");
        sign.write(&message_file(d.chain_id, d.agreed_weights.address, &signed))
    }
}

pub(crate) async fn agree(a: AgreeArgs) -> CommandResult {
    let file: WeightsFile = json_file(&a.weights)?;
    let proposal = file.proposal()?;
    let unverified = a.valuation.as_deref().map(valued::read).transpose()?;
    let s = a.sign.signer().await?;
    let mut own = Vec::new();
    for (dataset, _) in &proposal.weights {
        if s.contracts.dataset(dataset).await?.owner == s.key.address() {
            own.push(*dataset);
        }
    }
    let dataset = match (a.dataset, own.as_slice()) {
        (Some(dataset), own) if own.contains(&dataset) => dataset,
        (None, [one]) => *one,
        (Some(dataset), _) => {
            return Err(Problem::field("dataset", format!("the key of {} does not own {dataset}", s.key.address())))
        }
        (None, []) => {
            let message = format!("the key of {} owns none of the version's datasets", s.key.address());
            return Err(Problem::field("key", message));
        }
        (None, several) => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            let message = format!("you own several: sign for each with --dataset, that is {}", ids.join(" and "));
            return Err(Problem::field("dataset", message));
        }
    };
    let index = file.place(&dataset)?;
    if let Some(unverified) = unverified {
        let valuation = unverified.supports(&s.contracts, &proposal, &a.trust).await?;
        drawn::warn(&s.contracts, &valuation).await?;
    }
    let (weight, total) = s.contracts.paid_weight(&proposal.agent, proposal.version, &dataset).await?;
    let now = (weight * alloy::primitives::U256::from(tribute_core::valuation::weights::ONE)).checked_div(total);
    let now = now.map_or(0, |part| part.to());
    note!("{}: {} now, {} then", dataset, percent(now), percent(proposal.weights[index].1));
    let least = s.contracts.contribution(&proposal.agent, proposal.version, &dataset).await?.min_share_bps;
    if least != 0 {
        note!("the least share of {} bps that you asked for no longer applies once these weights are in force", least);
    }
    s.write(WeightMessage::Agree(proposal, index), &a.sign)
}

pub(crate) async fn attest(a: AttestArgs) -> CommandResult {
    let file: WeightsFile = json_file(&a.weights)?;
    let proposal = file.proposal()?;
    let unverified = valued::read(&a.valuation)?;
    let s = a.sign.signer().await?;
    if proposal.attester != Some(s.key.address()) {
        let named = proposal.attester.map_or_else(|| "nobody".to_owned(), |a| a.to_string());
        let message = format!("the weights name {named} as attester, and this key belongs to {}", s.key.address());
        return Err(Problem::field("attester", message));
    }
    let valuation = unverified.supports(&s.contracts, &proposal, &a.trust).await?;
    drawn::warn(&s.contracts, &valuation).await?;
    s.write(WeightMessage::Attest(proposal), &a.sign)
}

pub(crate) async fn accept(a: AcceptArgs) -> CommandResult {
    let (grantee, accepted) = (a.terms.grantee(), a.terms.accepted()?);
    let s = a.sign.signer().await?;
    let serial = s.contracts.acceptance(&a.terms.dataset, grantee).await?.map_or(1, |found| found.serial + 1);
    s.owns(&a.terms.dataset).await?;
    s.write(WeightMessage::Accept { dataset: a.terms.dataset, grantee, serial, accepted }, &a.sign)
}

pub(crate) async fn object(a: ObjectArgs) -> CommandResult {
    let s = a.sign.signer().await?;
    s.owns(&a.terms.dataset).await?;
    let (agent, version) = a.terms.which();
    let round = s.contracts.paying(&agent, version).await?.round;
    s.write(WeightMessage::Object { agent, version, round, dataset: a.terms.dataset }, &a.sign)
}

impl Signer {
    /// Fails unless the key owns the dataset.
    async fn owns(&self, dataset: &DatasetId) -> Result<()> {
        let owner = self.contracts.dataset(dataset).await?.owner;
        if owner == self.key.address() {
            return Ok(());
        }
        let message = format!("dataset {dataset} is owned by {owner}, but this key belongs to {}", self.key.address());
        Err(Problem::field("dataset", message))
    }
}
