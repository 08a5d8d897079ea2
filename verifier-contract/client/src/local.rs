//! A local chain on either node, and the requests that only local nodes support.

use std::io::Read;
use std::path::Path;

use alloy::primitives::Bytes;
use alloy::signers::local::PrivateKeySigner;

use crate::anvil::{Anvil, AnvilOptions};
use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::hardhat::{Hardhat, HardhatOptions};

/// A running node; dropping it stops it.
#[derive(Debug)]
pub enum LocalChain {
    /// Foundry's anvil.
    Anvil(Anvil),
    /// Hardhat's node.
    Hardhat(Hardhat),
}

impl LocalChain {
    /// Starts anvil.
    pub fn anvil(options: &AnvilOptions) -> Result<LocalChain> {
        Anvil::start_with(options).map(LocalChain::Anvil)
    }

    /// Starts Hardhat's node.
    pub fn hardhat(options: &HardhatOptions) -> Result<LocalChain> {
        Hardhat::start_with(options).map(LocalChain::Hardhat)
    }

    /// URL of its JSON-RPC endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            LocalChain::Anvil(node) => node.url(),
            LocalChain::Hardhat(node) => node.url(),
        }
    }

    /// Its funded accounts.
    #[must_use]
    pub fn keys(&self) -> &[PrivateKeySigner] {
        match self {
            LocalChain::Anvil(node) => node.keys(),
            LocalChain::Hardhat(node) => node.keys(),
        }
    }

    /// Whether [`Chain::dump_state`] works on it.
    #[must_use]
    pub fn dumps_state(&self) -> bool {
        matches!(self, LocalChain::Anvil(_))
    }

    /// Connects to it.
    pub async fn connect(&self) -> Result<Chain> {
        Chain::connect(self.url()).await
    }

    /// Stops it and waits until it is gone.
    pub fn stop(self) {
        match self {
            LocalChain::Anvil(node) => node.stop(),
            LocalChain::Hardhat(node) => node.stop(),
        }
    }
}

/// Requests that only local nodes support.
impl Chain {
    /// Writes the chain's whole state, blocks included, as JSON that anvil loads again (`--load-state`). Anvil only.
    pub async fn dump_state(&self, path: &Path) -> Result<()> {
        let dumped: Bytes = self.request("anvil_dumpState", ()).await?;
        let wrong = |cause: String| ChainError::File { path: path.to_owned(), cause };
        let mut json = Vec::new();
        flate2::read::GzDecoder::new(dumped.as_ref())
            .read_to_end(&mut json)
            .map_err(|e| wrong(format!("the node's state is not gzip: {e}")))?;
        std::fs::write(path, json).map_err(|e| wrong(e.to_string()))
    }

    /// Moves the clock forward and mines a block there.
    pub async fn advance_time(&self, seconds: u64) -> Result<()> {
        let _: serde_json::Value = self.request("evm_increaseTime", (seconds,)).await?;
        self.mine(1).await
    }

    /// Mines blocks; works on either node.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        let _: serde_json::Value = self.request("hardhat_mine", (format!("{blocks:#x}"),)).await?;
        Ok(())
    }

    /// Switches automatic mining of transactions on or off.
    pub async fn set_automine(&self, on: bool) -> Result<()> {
        let _: serde_json::Value = self.request("evm_setAutomine", (on,)).await?;
        Ok(())
    }

    /// Replaces the newest `depth` blocks by empty ones, as a reorganisation does. Anvil only.
    pub async fn reorganise(&self, depth: u64) -> Result<()> {
        let none: [(); 0] = [];
        let _: serde_json::Value = self.request("anvil_reorg", (depth, none)).await?;
        Ok(())
    }
}
