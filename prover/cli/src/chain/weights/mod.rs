//! Agreed weights: proposing, installing, enforcing and objecting.

pub(super) mod file;
mod messages;
mod sign;
mod valued;

use std::path::PathBuf;

use alloy::primitives::Address;
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::weight_messages::{SignedWeightMessage, WeightMessage};
use tribute_chain::weights::{Installed, Paying, Proposal};
use tribute_chain::Contracts;
use tribute_client::files::write_file;
use tribute_core::digest::Digest;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, DatasetId};
use tribute_problem::{Problem, Result};

use file::{percent, WeightsFile};
pub(super) use messages::signed;
pub(super) use sign::{accept as sign_accept, agree as sign_agree, attest as sign_attest, object as sign_object};
pub(super) use sign::{AcceptArgs as SignAcceptArgs, AgreeArgs, AttestArgs, ObjectArgs as SignObjectArgs};

use super::message::MessageFile;
use super::version::{StepArgs, VersionArgs};
use super::{account, drawn, json_file, ChainArgs, NodeArgs, ReadArgs};
use crate::offline::TrustArgs;
use crate::output::hexed;
use crate::typed::somebody;
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: VersionArgs,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// The valuation of the version, as `tribute agent value` wrote it. It is verified, as by `tribute verify`.
    #[arg(long, value_name = "FILE")]
    valuation: PathBuf,
    /// The account that vouches for the weights to owners who accepted it beforehand. [default: every owner signs]
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    attester: Option<AccountAddress>,
    /// File to write the weights to.
    #[arg(long, value_name = "FILE", default_value = "weights.json", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The signatures, as `tribute chain sign agree-weights` and `attest-weights` wrote them, in any order.
    #[arg(required = true)]
    messages: Vec<PathBuf>,
    /// Datasets to a transaction; each takes about 50,000 gas. Weights placed in several wait, even if all owners signed.
    #[arg(long, value_name = "DATASETS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=200))]
    batch: u16,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Whose valuations a dataset's owner accepts.
#[derive(Debug, Args)]
pub(crate) struct AcceptTerms {
    /// Any version of the dataset; the acceptance is for all.
    pub(super) dataset: DatasetId,
    /// The owner of agents.
    #[arg(
        long,
        value_name = "ADDRESS",
        required_unless_present = "anybody",
        conflicts_with = "anybody",
        value_parser = somebody
    )]
    to: Option<AccountAddress>,
    /// For everybody's agents.
    #[arg(long)]
    anybody: bool,
    /// The account whose attestations count.
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "test_set",
        required_unless_present = "withdraw",
        value_parser = somebody
    )]
    attester: Option<AccountAddress>,
    /// The registered dataset that valuations must be made on.
    #[arg(long, value_name = "ID", requires = "attester")]
    test_set: Option<DatasetId>,
    /// Withdraw the acceptance.
    #[arg(long, conflicts_with = "attester")]
    withdraw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    terms: AcceptTerms,
    #[command(flatten)]
    chain: ChainArgs,
}

/// What an owner objects to, and as owner of which dataset.
#[derive(Debug, Args)]
pub(crate) struct ObjectTerms {
    #[command(flatten)]
    which: VersionArgs,
    /// Your dataset, which the version lists.
    #[arg(long, value_name = "ID")]
    pub(super) dataset: DatasetId,
}

#[derive(Debug, Args)]
pub(crate) struct ObjectArgs {
    #[command(flatten)]
    terms: ObjectTerms,
    #[command(flatten)]
    chain: ChainArgs,
}

impl AcceptTerms {
    /// The owner of agents, `None` for anybody.
    pub(super) fn grantee(&self) -> Option<Address> {
        self.to.map(account)
    }

    /// The attester and the test set, `None` to withdraw.
    pub(super) fn accepted(&self) -> Result<Option<(Address, DatasetId)>> {
        let accepted = self.attester.map(account).zip(self.test_set);
        if accepted.is_none() && !self.withdraw {
            return Err(Problem::field("test_set", "give --attester and --test-set, or --withdraw"));
        }
        Ok(accepted)
    }
}

impl ObjectTerms {
    pub(super) fn which(&self) -> (AgentId, u32) {
        (self.which.agent, self.which.version)
    }
}

/// Writes the weights that follow from a valuation; sends nothing.
pub(super) async fn propose(a: ProposeArgs) -> CommandResult {
    let unverified = valued::read(&a.valuation)?;
    let contracts = a.node.contracts().await?;
    let (valuation, proposal) = unverified.proposal(&contracts, a.attester.map(account), &a.trust).await?;
    write_file(&a.out, serde_json::to_string_pretty(&WeightsFile::of(&proposal))?.as_bytes())?;
    for (owner, value) in valuation.owners.iter().enumerate().map(|(i, o)| (o, valuation.value_per_record(i))) {
        note!("{owner}: {value:.6} of mean loss saved");
    }
    drawn::warn(&contracts, &valuation).await?;
    for (dataset, weight) in &proposal.weights {
        note!("{dataset}: {}", percent(*weight));
    }
    note!("the owners sign it with `tribute chain sign agree-weights {}`", a.out.display());
    Ok(())
}

/// The parts of an installation, from its messages in any order.
struct Parts {
    proposal: Proposal,
    attestation: Option<SignedWeightMessage>,
    /// One for each dataset, in the order of the list; `None` where none signed.
    consents: Vec<Option<SignedWeightMessage>>,
}

/// Reads and checks the messages; all must be about one proposal.
async fn parts(contracts: &Contracts, paths: &[PathBuf]) -> Result<Parts> {
    let d = contracts.deployment();
    let mut parts: Option<Parts> = None;
    for path in paths {
        let wrong = |what: &str| Problem::field("message", format!("{}: {what}", path.display()));
        let file: MessageFile = json_file(path)?;
        file.for_here(d.chain_id, d.agreed_weights.address)?;
        let signed = signed(&file)?.ok_or_else(|| wrong("is not about weights"))?;
        let (proposal, index) = match &signed.draft.message {
            WeightMessage::Agree(proposal, index) => (proposal, Some(*index)),
            WeightMessage::Attest(proposal) => (proposal, None),
            _ => return Err(wrong("is neither an agreement nor an attestation; `tribute chain relay` submits it")),
        };
        let empty =
            || Parts { proposal: proposal.clone(), attestation: None, consents: vec![None; proposal.weights.len()] };
        let all = parts.get_or_insert_with(empty);
        // an owner need not care who vouches for the weights, so only the attestation's attester counts
        let same =
            Proposal { attester: None, ..proposal.clone() } == Proposal { attester: None, ..all.proposal.clone() };
        if !same {
            return Err(wrong("is about other weights than the first message"));
        }
        note!("{}", file.words());
        match index {
            Some(index) => all.consents[index] = Some(signed),
            None => {
                all.proposal.attester = proposal.attester;
                all.attestation = Some(signed);
            }
        }
    }
    let mut parts = parts.ok_or_else(|| Problem::field("messages", "give at least one"))?;
    // if all owners signed, nobody needs to vouch for the weights, and they need not wait
    if parts.consents.iter().all(Option::is_some) {
        parts.attestation = None;
    }
    if parts.attestation.is_none() {
        parts.proposal.attester = None;
    }
    Ok(parts)
}

pub(super) async fn install(a: InstallArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let Parts { proposal, attestation, consents } = parts(&c.contracts, &a.messages).await?;
    let id = c.contracts.proposal_id(&proposal).await?;
    let paying = c.contracts.paying(&proposal.agent, proposal.version).await?;
    let mut placed = c.contracts.installation(&id).await?.placed as usize;
    let all_signed = consents.iter().all(Option::is_some);
    if all_signed && consents.len() <= usize::from(a.batch) && paying.round == proposal.round {
        // all in one call, whatever was placed before: nothing waits
        placed = 0;
    }
    if placed == consents.len() {
        requires_alive(&paying, &proposal, &id)?;
    } else {
        let missing = proposal.weights.iter().zip(&consents).skip(placed).filter(|(_, signed)| signed.is_none());
        let missing: Vec<String> = missing.map(|((dataset, _), _)| dataset.to_string()).collect();
        if attestation.is_none() && !missing.is_empty() {
            let message = format!(
                "the owners of {} have not signed, and without an attestation all must: {}",
                missing.len(),
                missing.join(", ")
            );
            return Err(Problem::field("messages", message));
        }
        // those already placed are not read again
        for signed in consents.iter().skip(placed).flatten().chain(attestation.as_ref().filter(|_| placed == 0)) {
            c.contracts.check_weight_message(signed).await?;
        }
    }
    let mut sent = Vec::new();
    let mut first = placed;
    for batch in consents[placed..].chunks(usize::from(a.batch)) {
        let batch: Vec<Option<&SignedWeightMessage>> = batch.iter().map(Option::as_ref).collect();
        let call = c.contracts.install_weights(&proposal, attestation.as_ref(), first, &batch);
        sent.push(c.send(&call, |done| installed(*done, batch.len())).await?);
        first += batch.len();
    }
    if sent.is_empty() {
        note!("already installed");
    }
    a.chain.emit(&json!({
        "agent_id": proposal.agent, "version": proposal.version, "proposal": hexed(&id), "installed": sent,
    }))
}

/// Fails unless a complete proposal is in force or waits.
fn requires_alive(paying: &Paying, proposal: &Proposal, id: &Digest) -> Result<()> {
    let in_force = paying.agreed.is_some_and(|agreed| agreed.proposal == *id);
    if in_force || paying.waiting.is_some_and(|(waiting, _)| waiting == *id) {
        return Ok(());
    }
    let message = format!(
        "these weights are void: they were for round {}, and the current round is {}, because an owner objected or other \
         weights came into force",
        proposal.round, paying.round
    );
    Err(Problem::field("messages", message))
}

fn installed(done: Installed, count: usize) -> Value {
    match done {
        Installed::Placed(placed) => json!({ "datasets": placed, "state": "incomplete" }),
        Installed::InForce => json!({ "datasets": count, "state": "in-force" }),
        Installed::Waits(until) => json!({ "datasets": count, "state": "waits", "until": until }),
    }
}

pub(super) async fn enforce(a: StepArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let VersionArgs { agent, version } = a.which;
    let told = |since: &alloy::primitives::U256| json!({ "agent_id": agent, "version": version, "earned_for_data_before": since.to_string() });
    let value = c.send(&c.contracts.enforce_weights(&agent, version), told).await?;
    a.chain.emit(&value)
}

pub(super) async fn accept(a: AcceptArgs) -> CommandResult {
    let (grantee, accepted) = (a.terms.grantee(), a.terms.accepted()?);
    let c = a.chain.connect().await?;
    let call = c.contracts.accept_valuations(&a.terms.dataset, grantee, accepted);
    let told = |serial: &u32| {
        json!({
            "dataset_id": a.terms.dataset, "grantee": grantee, "serial": serial,
            "attester": accepted.map(|(attester, _)| attester), "test_set": accepted.map(|(_, test_set)| test_set),
        })
    };
    let value = c.send(&call, told).await?;
    a.chain.emit(&value)
}

pub(super) async fn object(a: ObjectArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let (agent, version) = a.terms.which();
    let round = c.contracts.paying(&agent, version).await?.round;
    let call = c.contracts.object_weights(&agent, version, round, &a.terms.dataset);
    let value = c.send(&call, |round| json!({ "agent_id": agent, "version": version, "round": round })).await?;
    a.chain.emit(&value)
}

/// What a version pays by, and what waits.
pub(super) async fn show(a: ShowArgs) -> CommandResult {
    let contracts = a.read.contracts().await?;
    let VersionArgs { agent, version } = a.which;
    let grantee = contracts.version(&agent, version).await?.owner;
    let paying = contracts.paying(&agent, version).await?;
    let waiting = match paying.waiting {
        Some((proposal, until)) => Some((proposal, until, contracts.installation(&proposal).await?.valuation)),
        None => None,
    };
    let mut datasets = Vec::new();
    for dataset in contracts.listed(&agent, version).await? {
        let waits = match &waiting {
            Some((proposal, _, _)) => Some(contracts.placed_weight(proposal, &dataset).await?.to_string()),
            None => None,
        };
        let (weight, total) = contracts.paid_weight(&agent, version, &dataset).await?;
        let least = contracts.contribution(&agent, version, &dataset).await?.min_share_bps;
        let acceptance = match contracts.acceptance(&dataset, Some(grantee)).await? {
            Some(found) if found.attester.is_some() => Some(found),
            _ => contracts.acceptance(&dataset, None).await?,
        };
        let owner = contracts.dataset(&dataset).await?.owner;
        let valid = acceptance.filter(|found| found.owner == owner && found.attester.is_some());
        datasets.push(json!({
            "dataset_id": dataset, "owner": owner, "weight": weight.to_string(), "of": total.to_string(),
            "waiting_weight": waits, "min_share_bps": least, "accepts_attester": valid.and_then(|found| found.attester),
            "accepts_test_set": valid.map(|found| hexed(&found.test_set)),
            "objected": contracts.refused_before(&agent, version, &dataset).await?,
        }));
    }
    a.read.emit(&json!({
        "agent_id": agent,
        "version": version,
        "pays_by": if paying.agreed.is_some() { "agreed weights" } else { "shares" },
        "round": paying.round,
        "changes": paying.changes,
        "draw": contracts.draw(&agent, version).await?.as_ref().map(drawn::fields),
        "other_draws": contracts.other_draws(&agent, version).await?,
        "in_force": paying.agreed.map(|agreed| json!({
            "proposal": hexed(&agreed.proposal), "valuation": hexed(&agreed.valuation),
            "earned_for_data_before": agreed.since.to_string(),
        })),
        "waiting": waiting.map(|(proposal, until, valuation)| json!({
            "proposal": hexed(&proposal), "valuation": hexed(&valuation), "until": until,
        })),
        "datasets": datasets,
    }))
}
