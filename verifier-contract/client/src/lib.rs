//! Alloy client of the Tribute contracts: local chains, deployment, every call, readable errors, and state rebuilt from
//! events.
//!
//! ```no_run
//! # async fn example() -> tribute_chain::Result<()> {
//! use tribute_chain::{Anvil, Artifacts, Contracts, DeployOptions, Deployment, Wallet};
//! let anvil = Anvil::start()?;
//! let chain = anvil.connect().await?;
//! let owner = Wallet::new(&chain, anvil.keys()[0].clone());
//! let (deployment, _) = Deployment::deploy(&owner, &Artifacts::find()?, &DeployOptions::default()).await?;
//! let contracts = Contracts::new(&chain, deployment)?;
//! let name = tribute_chain::agents::short_name("digits").unwrap_or_default();
//! let agent = contracts.create_agent(name, "https://digits.example").send(&owner).await?.event;
//! # Ok(()) }
//! ```
//!
//! A write is a [`Call`]: `send` simulates it, sends it and returns the outcome decoded from its events;
//! `send_expecting_revert` has it mined as a failure and returns the reason. Calls that would fail are not sent, and no
//! message is mined twice: every version of a transaction has the same nonce, and a process that dies leaves a record
//! for the next one ([`Options::journal`]).

pub mod abi;
mod account;
mod advice;
pub mod agents;
pub mod anvil;
pub mod artifacts;
pub mod call;
pub mod chain;
pub mod circuits;
pub mod claims;
pub mod contracts;
pub mod dataset_node;
pub mod datasets;
mod deploying;
pub mod deployment;
pub mod draws;
pub mod error;
pub mod evaluations;
mod evidence;
mod fees;
pub mod hardhat;
mod journal;
pub mod keys;
pub mod keystore;
mod lag;
pub mod local;
pub mod messages;
mod nonces;
pub mod open;
pub mod options;
pub mod ownership;
mod pending;
mod process;
pub mod receipt;
mod refusal;
pub mod revert;
mod rpc;
pub mod sessions;
pub mod signature;
pub mod signing;
pub mod state;
pub mod sync;
pub mod timelock;
mod token;
pub mod transaction;
mod transport;
mod values;
pub mod version;
pub mod voucher;
pub mod wallet;
pub mod watch;
pub mod weight_messages;
pub mod weights;
mod wording;

/// The Alloy types that appear in this crate's signatures.
pub use alloy::primitives::{Address, Bytes, B256, U256};
pub use alloy::signers::local::PrivateKeySigner;

pub use anvil::{Anvil, AnvilOptions};
pub use artifacts::Artifacts;
pub use call::{Call, Done};
pub use chain::Chain;
pub use circuits::NewCircuit;
pub use contracts::{Contracts, Holdings};
pub use deployment::{DeployOptions, Deployed, Deployment};
pub use error::{ChainError, Result};
pub use hardhat::{Hardhat, HardhatOptions};
pub use keys::KeySource;
pub use local::LocalChain;
pub use open::Open;
pub use options::Options;
pub use receipt::Receipt;
pub use revert::{ErrorDecoder, Revert};
pub use signature::{BadSignature, StrictSignature};
pub use state::Tables;
pub use sync::Follower;
pub use transaction::{Message, RevertedTx, Sent};
pub use voucher::{SignedVoucher, Voucher};
pub use wallet::Wallet;
pub use watch::{ReportedEvent, Watcher};
