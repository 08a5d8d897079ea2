//! `tribute chain …`: reads the chain and sends transactions. Each transaction is simulated first, so that none is sent that
//! would fail, and journalled next to the deployment file before a node gets it: after a crash, running the same command
//! again completes it.

mod agent;
mod check;
mod commands;
mod cost;
mod data;
mod draw;
mod drawn;
mod evaluation;
mod export;
mod find;
pub(crate) mod guard;
mod message;
mod money;
mod node;
mod own;
pub(crate) mod publish;
mod relay;
mod session;
mod show;
mod sign;
mod status;
pub(crate) mod terms;
mod version;
mod watch;
mod weights;
mod withdraw;

pub(super) use commands::{run, ChainCommand};

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::sol_types::SolCall;
use clap::Args;
use serde::Deserialize;
use serde_json::{json, Value};
use tribute_chain::{Call, Chain, ChainError, Contracts, Deployment, Options, Wallet};
use tribute_client::files::read_file;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Result};

use super::keys::KeyArgs;
use super::output::{emit, once, print};
use super::CommandResult;

/// A node of the chain, and the contracts on it.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeployedArgs {
    /// JSON-RPC URL of an Ethereum node.
    #[arg(
        long,
        value_name = "URL",
        env = "TRIBUTE_RPC",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8545"
    )]
    rpc: String,
    /// PEM file of additional certificate authorities to trust, for your own https node.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_RPC_CA")]
    rpc_ca: Option<PathBuf>,
    /// File with the contracts' addresses, as `tribute chain deploy` writes it.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_CONTRACTS", default_value = "deployment.json")]
    contracts: PathBuf,
}

/// The same, for commands whose result is text unless asked otherwise.
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    at: DeployedArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of commands that read the chain.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// File to write the result to, as JSON, instead of printing it.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    pub(crate) out: Option<PathBuf>,
}

/// Arguments of commands that send transactions.
#[derive(Clone, Debug, Args)]
pub(crate) struct SenderArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// Confirmations to wait for, in blocks, including the transaction's own.
    #[arg(
        long,
        value_name = "N",
        env = "TRIBUTE_CONFIRMATIONS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(..=10_000)
    )]
    confirmations: u64,
    /// Maximum fee per gas, in gwei: a stuck transaction is replaced with higher fees, up to this.
    #[arg(long, value_name = "GWEI", env = "TRIBUTE_MAX_FEE", default_value_t = 500)]
    max_fee: u32,
    /// Maximum priority fee per gas, in gwei, even if the node suggests more or a replacement needs more.
    #[arg(long, value_name = "GWEI", env = "TRIBUTE_MAX_TIP", default_value_t = 30)]
    max_tip: u32,
    /// Longest wait for a transaction, in seconds. If it is not mined by then, it stays in the journal: run the command again.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    wait: u64,
}

/// Arguments of commands that call a contract; the call may be expected to revert.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChainArgs {
    #[command(flatten)]
    sender: SenderArgs,
    /// Require the transaction to be mined and to revert, to show that a fraud is rejected.
    #[arg(long)]
    expect_revert: bool,
}

/// The contracts, with a wallet to send from.
pub(crate) struct Connected {
    pub(crate) contracts: Contracts,
    pub(crate) wallet: Wallet,
    expect_revert: bool,
}

impl DeployedArgs {
    /// The contracts, for reading.
    pub(crate) async fn contracts(&self) -> Result<Contracts> {
        contracts_at(&self.rpc, self.rpc_ca.clone(), &self.contracts).await
    }
}

impl NodeArgs {
    /// The contracts, for reading.
    pub(crate) async fn contracts(&self) -> Result<Contracts> {
        self.at.contracts().await
    }
}

/// The contracts of a deployment's file, for reading.
pub(crate) async fn contracts_at(rpc: &str, roots: Option<PathBuf>, deployment: &Path) -> Result<Contracts> {
    let deployment = Deployment::load(deployment)?;
    let options = Options { roots, ..Options::default() };
    Ok(Contracts::new(&connect(rpc, options).await?, deployment)?)
}

/// Connects to a node. The error for a URL that cannot be used says where it is from.
async fn connect(rpc: &str, options: Options) -> Result<Chain> {
    Chain::connect_with(rpc, options).await.map_err(|e| match e {
        ChainError::BadUrl { .. } => {
            Problem::field("rpc", format!("{e} (it is from --rpc, or from TRIBUTE_RPC if that is set)"))
        }
        _ => e.into(),
    })
}

impl ReadArgs {
    /// The contracts, for reading.
    pub(crate) async fn contracts(&self) -> Result<Contracts> {
        self.node.contracts().await
    }
    /// Prints a result as text or JSON, or writes it to a file as JSON.
    pub(crate) fn emit(&self, value: &Value) -> CommandResult {
        if self.out.is_none() && !self.node.json {
            return print(format_args!("{}", show::lines(value)));
        }
        emit(value, self.out.as_deref())
    }
}

impl ChainArgs {
    async fn connect(&self) -> Result<Connected> {
        Ok(Connected { expect_revert: self.expect_revert, ..self.sender.connect().await? })
    }
    /// See [`SenderArgs::emit`].
    fn emit(&self, value: &Value) -> CommandResult {
        self.sender.emit(value)
    }
}

impl SenderArgs {
    pub(crate) async fn connect(&self) -> Result<Connected> {
        let file = &self.read.node.at.contracts;
        let wallet = self.wallet(file).await?;
        let contracts = Contracts::new(wallet.chain(), Deployment::load(file)?)?;
        Ok(Connected { contracts, wallet, expect_revert: false })
    }
    /// The wallet alone. It keeps its journal of in-flight transactions next to `file`.
    pub(crate) async fn wallet(&self, file: &Path) -> Result<Wallet> {
        let mut journal = file.as_os_str().to_owned();
        journal.push(".pending");
        let options = Options {
            confirmations: self.confirmations,
            max_fee_per_gas: u128::from(self.max_fee) * 1_000_000_000,
            max_priority_fee_per_gas: u128::from(self.max_tip) * 1_000_000_000,
            receipt_timeout: Duration::from_secs(self.wait),
            roots: self.read.node.at.rpc_ca.clone(),
            journal: Some(journal.into()),
            ..Options::default()
        };
        let signer = self.key.signer()?;
        Ok(Wallet::new(&connect(&self.read.node.at.rpc, options).await?, signer))
    }
    /// The deployment file.
    pub(crate) fn contracts_file(&self) -> &Path {
        &self.read.node.at.contracts
    }
    /// See [`ReadArgs::emit`]. A result that cannot be written is not lost: see [`once`].
    pub(crate) fn emit(&self, value: &Value) -> CommandResult {
        once(value, self.read.emit(value))
    }
}

impl Connected {
    /// Sends a call and returns its result, or the contract's error if a revert is expected.
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

/// Reads a JSON file.
pub(crate) fn json_file<T: for<'de> Deserialize<'de>>(file: &std::path::Path) -> Result<T> {
    serde_json::from_slice(&read_file(file)?).map_err(|e| Problem::field("file", format!("{}: {e}", file.display())))
}

pub(crate) fn account(a: AccountAddress) -> alloy::primitives::Address {
    alloy::primitives::Address::from(a.0)
}
