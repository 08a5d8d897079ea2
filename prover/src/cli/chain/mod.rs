//! `tribute chain …`: transactions. Each is simulated first, so nothing is sent that would fail.

mod agent;
mod data;
mod money;
mod session;

use std::path::PathBuf;

use alloy::primitives::{Bytes, B256, U256};
use alloy::sol_types::SolCall;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{json, Value};
use tribute_chain::{Call, Chain, Contracts, Deployment, Wallet};

use super::keys::KeyArgs;
use super::output::{emit, read_file};
use super::CommandResult;
use crate::hexed::{Hex, Hex20, Hex32};
use crate::problem::{Problem, Result};

#[derive(Debug, Subcommand)]
pub(super) enum ChainCommand {
    /// Deploy the contracts and write where they stand.
    Deploy(money::DeployArgs),
    /// Mint test tokens (only with the test token).
    Mint(money::MintArgs),
    /// Send the chain's coin, for gas.
    Fund(money::FundArgs),
    /// Token balances, and what the escrow contract holds.
    Balance(money::BalanceArgs),
    /// Register a proven dataset, as `tribute dataset register` wrote it.
    RegisterDataset(data::RegisterArgs),
    /// Let an agent owner train on a dataset.
    Grant(data::GrantArgs),
    /// Create an agent.
    CreateAgent(agent::CreateArgs),
    /// Propose a version of an agent: its weights, datasets, circuits and terms.
    ProposeVersion(agent::ProposeArgs),
    /// Bring the gradient proofs of a version.
    SubmitGradients(agent::GradientsArgs),
    /// Bring the optimum proof: the version is certified.
    Certify(agent::CertifyArgs),
    /// Open a prepaid session with an agent version.
    OpenSession(session::OpenArgs),
    /// Show a session.
    Session(session::ShowArgs),
    /// Ask for the rest of a session's escrow back, after the thaw period.
    Thaw(session::ShowArgs),
    /// Take the rest of a session's escrow back.
    Refund(session::ShowArgs),
    /// Claim the fees of proven answers, as `tribute claim prove` wrote them.
    Claim(session::ClaimArgs),
    /// Pay a dataset's owner what the dataset earned with an agent version.
    WithdrawProvider(session::WithdrawArgs),
    /// Pay an agent's owner what a version earned.
    WithdrawOwner(session::WithdrawArgs),
}

/// Which contracts, and who sends.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChainArgs {
    /// JSON-RPC address of a node.
    #[arg(long, value_name = "URL", env = "TRIBUTE_RPC", default_value = "http://127.0.0.1:8545")]
    rpc: String,
    /// File that says where the contracts stand.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_CONTRACTS", default_value = "deployment.json")]
    contracts: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    /// File to write the result to; otherwise standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The transaction must be mined and fail: for showing that a fraud bounces.
    #[arg(long)]
    expect_revert: bool,
}

/// Contracts and a wallet.
pub(crate) struct Connected {
    pub(crate) contracts: Contracts,
    pub(crate) wallet: Wallet,
    expect_revert: bool,
}

impl ChainArgs {
    pub(crate) async fn connect(&self) -> Result<Connected> {
        let chain = Chain::connect(&self.rpc).await?;
        let contracts = Contracts::new(&chain, Deployment::load(&self.contracts)?)?;
        let wallet = Wallet::new(&chain, self.key.signer()?);
        Ok(Connected { contracts, wallet, expect_revert: self.expect_revert })
    }
    pub(crate) async fn reading(&self) -> Result<Contracts> {
        let chain = Chain::connect(&self.rpc).await?;
        Ok(Contracts::new(&chain, Deployment::load(&self.contracts)?)?)
    }
    pub(crate) async fn wallet(&self) -> Result<Wallet> {
        Ok(Wallet::new(&Chain::connect(&self.rpc).await?, self.key.signer()?))
    }
    pub(crate) fn emit(&self, value: &Value) -> CommandResult {
        emit(value, self.out.as_deref())
    }
}

impl Connected {
    /// Sends a call; what it did, or, where a failure is expected, how it failed.
    pub(crate) async fn send<C: SolCall, T>(&self, call: &Call<C, T>, tell: impl FnOnce(&T) -> Value) -> Result<Value> {
        if self.expect_revert {
            let failed = call.send_expecting_revert(&self.wallet, None).await?;
            return Ok(json!({ "tx": failed.sent, "error": failed.revert.name, "operands": failed.revert.operands }));
        }
        let done = call.send(&self.wallet).await?;
        let mut value = tell(&done.event);
        if let Some(object) = value.as_object_mut() {
            object.insert("tx".into(), serde_json::to_value(&done.sent)?);
        }
        Ok(value)
    }
}

/// A proof in a file that an earlier command wrote.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProofFile {
    pub(crate) circuit_id: Hex32,
    pub(crate) inputs: Vec<Hex32>,
    pub(crate) proof: String,
}

impl ProofFile {
    pub(crate) fn inputs(&self) -> Vec<U256> {
        self.inputs.iter().map(|x| U256::from_be_bytes(x.0)).collect()
    }
    pub(crate) fn bytes(&self) -> Result<Bytes> {
        bytes("proof", &self.proof)
    }
}

/// Bytes in hex.
pub(crate) fn bytes(what: &str, text: &str) -> Result<Bytes> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text))
        .map(Bytes::from)
        .map_err(|e| Problem::field(what, format!("not bytes in hex: {e}")))
}

/// A JSON file.
pub(crate) fn json_file<T: for<'de> Deserialize<'de>>(file: &std::path::Path) -> Result<T> {
    serde_json::from_slice(&read_file(file)?).map_err(|e| Problem::field("file", format!("{}: {e}", file.display())))
}

pub(crate) fn word(id: Hex32) -> B256 {
    B256::from(id.0)
}

pub(crate) fn account(a: Hex20) -> alloy::primitives::Address {
    alloy::primitives::Address::from(a.0)
}

pub(crate) fn hex32(word: B256) -> Hex32 {
    Hex(word.0)
}

pub(super) async fn run(command: ChainCommand) -> CommandResult {
    match command {
        ChainCommand::Deploy(a) => money::deploy(a).await,
        ChainCommand::Mint(a) => money::mint(a).await,
        ChainCommand::Fund(a) => money::fund(a).await,
        ChainCommand::Balance(a) => money::balance(a).await,
        ChainCommand::RegisterDataset(a) => data::register(a).await,
        ChainCommand::Grant(a) => data::grant(a).await,
        ChainCommand::CreateAgent(a) => agent::create(a).await,
        ChainCommand::ProposeVersion(a) => agent::propose(a).await,
        ChainCommand::SubmitGradients(a) => agent::gradients(a).await,
        ChainCommand::Certify(a) => agent::certify(a).await,
        ChainCommand::OpenSession(a) => session::open(a).await,
        ChainCommand::Session(a) => session::show(a).await,
        ChainCommand::Thaw(a) => session::thaw(a).await,
        ChainCommand::Refund(a) => session::refund(a).await,
        ChainCommand::Claim(a) => session::claim(a).await,
        ChainCommand::WithdrawProvider(a) => session::withdraw_provider(a).await,
        ChainCommand::WithdrawOwner(a) => session::withdraw_owner(a).await,
    }
}
