//! `tribute chain sign …`: EIP-712 messages in files, for anybody to submit. The signer needs no coin.

use std::path::PathBuf;

use alloy::primitives::{B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use clap::{Args, Subcommand};
use tribute_chain::datasets::GrantTerms;
use tribute_chain::messages::{settlement_digest, Decision, Draft};
use tribute_chain::Contracts;
use tribute_client::files::write_file;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{DatasetId, SessionId};
use tribute_problem::{Problem, Result};

use super::data::{self, DatasetFile, SHARDS_TO_A_TRANSACTION};
use super::message::{Content, MessageFile, Opening};
use super::session::NewSessionArgs;
use super::terms::{now, GrantTermsArgs};
use super::{account, json_file, node, weights, NodeArgs};
use crate::keys::KeyArgs;
use crate::typed::somebody;
use crate::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum SignCommand {
    /// Register a dataset, as `tribute dataset register` wrote it.
    RegisterDataset(DatasetArgs),
    /// Add further shards to a dataset.
    ExtendDataset(DatasetArgs),
    /// Let an agent owner train on a dataset.
    Grant(GrantArgs),
    /// Revoke a grant.
    Revoke(RevokeArgs),
    /// Accept a dataset that was offered to you.
    AcceptDataset(IdArgs),
    /// Set the address that receives a dataset's rewards.
    Payout(PayoutArgs),
    /// Name the node at which agents' owners can ask for a dataset, in its entry; or take that back.
    SetNode(SetNodeArgs),
    /// Open a prepaid session: you pay the escrow, and the account that submits the message pays the gas.
    OpenSession(OpenArgs),
    /// Pay for all queries of your session so far, without a proof.
    Settlement(SettlementArgs),
    /// Agree to weights, as owner of a dataset: once all owners have, they pay your dataset instead of its share.
    AgreeWeights(weights::AgreeArgs),
    /// Vouch for weights, as the attester whom datasets' owners accepted.
    AttestWeights(weights::AttestArgs),
    /// Accept valuations beforehand, on a test set and by an attester that you name; or withdraw that.
    AcceptValuations(weights::SignAcceptArgs),
    /// Object to the weights proposed for a version, as owner of a dataset.
    ObjectWeights(weights::SignObjectArgs),
}

/// Arguments of most signed messages: output file, validity, nonce and key.
#[derive(Clone, Debug, Args)]
pub(crate) struct SignArgs {
    /// File to write the message to.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: PathBuf,
    /// Days for which the message is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=3650))]
    valid_days: u64,
    /// A number that none of your messages has used. [default: random]
    #[arg(long)]
    nonce: Option<U256>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DatasetArgs {
    /// The dataset's file.
    dataset: PathBuf,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// Id of the dataset version to grant. It need not be registered yet.
    dataset: DatasetId,
    /// The agent owner's account.
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    to: AccountAddress,
    #[command(flatten)]
    terms: GrantTermsArgs,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The dataset's id.
    dataset: DatasetId,
    /// The agent owner's account.
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    from: AccountAddress,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// The dataset's id.
    dataset: DatasetId,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PayoutArgs {
    /// The dataset's id.
    dataset: DatasetId,
    /// Address that receives its rewards.
    #[arg(
        long,
        value_name = "ADDRESS",
        required_unless_present = "owner",
        conflicts_with = "owner",
        value_parser = somebody
    )]
    to: Option<AccountAddress>,
    /// Pay its current owner.
    #[arg(long)]
    owner: bool,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SetNodeArgs {
    /// The dataset's id.
    dataset: DatasetId,
    #[command(flatten)]
    node: node::NewNodeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    new: NewSessionArgs,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SettlementArgs {
    /// The session's id.
    session: SessionId,
    /// Total number of answered queries in the session, including those already paid.
    #[arg(long)]
    count: u64,
    /// File to write the message to.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Who signs, and the nonce and deadline of the message.
pub(super) struct Signer {
    pub(super) key: PrivateKeySigner,
    pub(super) contracts: Contracts,
    pub(super) nonce: U256,
    pub(super) deadline: u64,
}

impl SignArgs {
    pub(super) async fn signer(&self) -> Result<Signer> {
        let (key, contracts) = (self.key.signer()?, self.node.contracts().await?);
        let nonce = self.nonce.unwrap_or_else(|| U256::from_be_bytes(rand::random::<[u8; 32]>()));
        let now = now().max(contracts.chain().time().await?);
        Ok(Signer { key, contracts, nonce, deadline: now.saturating_add(self.valid_days * 86_400) })
    }

    pub(super) fn write(&self, file: &MessageFile) -> CommandResult {
        write(file, &self.out)
    }
}

fn write(file: &MessageFile, out: &std::path::Path) -> CommandResult {
    write_file(out, serde_json::to_string_pretty(file)?.as_bytes())?;
    note!("{}", file.words());
    note!("signed: anybody can submit it with `tribute chain {} {}`", file.submitted_by(), out.display());
    Ok(())
}

impl Signer {
    /// Signs a decision about a dataset. If `owned` is on chain, the signer must own it.
    async fn decide(&self, owned: Option<&DatasetId>, decision: Decision) -> Result<MessageFile> {
        let signer = self.key.address();
        if let Some(dataset) = owned {
            if let Some(found) = self.contracts.find_dataset(dataset).await? {
                if found.owner != signer {
                    let message =
                        format!("dataset {dataset} is owned by {}, but this key belongs to {signer}", found.owner);
                    return Err(Problem::field("dataset", message));
                }
            }
        }
        let draft = Draft { signer, nonce: self.nonce, deadline: self.deadline, decision };
        let signed = draft.sign(&self.key, &self.contracts.dataset_domain())?;
        let d = self.contracts.deployment();
        Ok(MessageFile::of(d.chain_id, d.dataset_registry.address, &signed))
    }

    /// Serial number of the next grant to an account.
    async fn serial(&self, dataset: &DatasetId, grantee: AccountAddress) -> Result<u32> {
        match self.contracts.find_dataset(dataset).await? {
            Some(_) => Ok(self.contracts.training_grant(dataset, account(grantee)).await?.serial + 1),
            None => Ok(1),
        }
    }
}

pub(super) async fn run(command: SignCommand) -> CommandResult {
    match command {
        SignCommand::RegisterDataset(a) => {
            let file: DatasetFile = json_file(&a.dataset)?;
            let (new, shards) = (file.described(&a.dataset)?, file.shards());
            let s = a.sign.signer().await?;
            fits(shards.len())?;
            file.is_of(s.key.address().into())?;
            a.sign.write(&s.decide(None, Decision::Register { new, shards }).await?)
        }
        SignCommand::ExtendDataset(a) => {
            let s = a.sign.signer().await?;
            let (previous, shards) = data::missing(&s.contracts, &a.dataset, None).await?;
            fits(shards.len())?;
            a.sign.write(&s.decide(Some(&previous), Decision::Extend { previous, shards }).await?)
        }
        SignCommand::Grant(a) => {
            let s = a.sign.signer().await?;
            let (terms, from) = a.terms.terms();
            let terms = GrantTerms { expiry: terms.expiry.saturating_add(from), ..terms };
            let own = s.contracts.find_dataset(&a.dataset).await?.map(|d| d.terms).unwrap_or_default();
            data::told(&own, &terms);
            let serial = s.serial(&a.dataset, a.to).await?;
            let decision = Decision::Grant { dataset: a.dataset, grantee: account(a.to), serial, terms };
            a.sign.write(&s.decide(Some(&a.dataset), decision).await?)
        }
        SignCommand::Revoke(a) => {
            let s = a.sign.signer().await?;
            let serial = s.serial(&a.dataset, a.from).await?;
            let (grantee, terms) = (account(a.from), GrantTerms::default());
            let decision = Decision::Grant { dataset: a.dataset, grantee, serial, terms };
            a.sign.write(&s.decide(Some(&a.dataset), decision).await?)
        }
        SignCommand::AcceptDataset(a) => {
            let s = a.sign.signer().await?;
            a.sign.write(&s.decide(None, Decision::Accept { dataset: a.dataset }).await?)
        }
        SignCommand::Payout(a) => {
            let s = a.sign.signer().await?;
            let decision = Decision::Payout { dataset: a.dataset, payout: a.to.map(account) };
            a.sign.write(&s.decide(Some(&a.dataset), decision).await?)
        }
        SignCommand::SetNode(a) => {
            let s = a.sign.signer().await?;
            let decision = Decision::Node { dataset: a.dataset, node: a.node.url().cloned() };
            a.sign.write(&s.decide(Some(&a.dataset), decision).await?)
        }
        SignCommand::OpenSession(a) => open(a).await,
        SignCommand::Settlement(a) => settlement(a).await,
        SignCommand::AgreeWeights(a) => weights::sign_agree(a).await,
        SignCommand::AttestWeights(a) => weights::sign_attest(a).await,
        SignCommand::AcceptValuations(a) => weights::sign_accept(a).await,
        SignCommand::ObjectWeights(a) => weights::sign_object(a).await,
    }
}

fn fits(shards: usize) -> Result<()> {
    if shards <= SHARDS_TO_A_TRANSACTION {
        return Ok(());
    }
    let message = format!(
        "{shards} shards do not fit into one transaction (at most {SHARDS_TO_A_TRANSACTION} do): register the dataset yourself (tribute \
         chain register-dataset), or split it into several datasets"
    );
    Err(Problem::field("dataset", message))
}

async fn open(a: OpenArgs) -> CommandResult {
    let s = a.sign.signer().await?;
    let client = s.key.address();
    let new = a.new.session(client);
    let nonce = s.contracts.session_count(client).await?;
    let signature = new.sign(&s.key, &s.contracts.session_domain(), nonce, s.deadline)?;
    let wallet = tribute_chain::Wallet::new(s.contracts.chain(), s.key.clone());
    let permit = s.contracts.permit(&wallet, U256::from(new.escrow), s.deadline).await?;
    let content = Content::OpenSession(Box::new(Opening::new(&new, s.deadline, &permit)));
    let d = s.contracts.deployment();
    let mut file = MessageFile::new(d.chain_id, d.session_escrow.address, client, content, signature.to_vec());
    (file.nonce, file.deadline) = (Some(nonce.to_string()), Some(s.deadline));
    a.sign.write(&file)
}

async fn settlement(a: SettlementArgs) -> CommandResult {
    let (key, contracts) = (a.key.signer()?, a.node.contracts().await?);
    let session = contracts.session(&a.session).await?;
    if session.client != key.address() {
        let message = format!(
            "the client of session {} is {}, but this key belongs to {}",
            a.session,
            session.client,
            key.address()
        );
        return Err(Problem::field("session", message));
    }
    if a.count <= session.paid {
        let message =
            format!("{} queries of session {} are already paid: --count must be higher", session.paid, a.session);
        return Err(Problem::field("count", message));
    }
    let digest = settlement_digest(&contracts.session_domain(), &a.session, a.count);
    let signature = key.sign_hash_sync(&B256::new(digest)).map_err(Problem::internal)?.as_bytes().to_vec();
    let d = contracts.deployment();
    let content = Content::Settlement { session: a.session, count: a.count };
    write(&MessageFile::new(d.chain_id, d.session_escrow.address, key.address(), content, signature), &a.out)
}
