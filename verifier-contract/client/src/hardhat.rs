//! Hardhat's node as a local chain: a second implementation for tests.

use std::net::TcpListener;
use std::path::PathBuf;

use alloy::signers::local::PrivateKeySigner;

use crate::artifacts::upward;
use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::process::NodeProcess;

/// Environment variable that names the folder with `hardhat.config.js` and the installed node.
pub const HARDHAT_VARIABLE: &str = "TRIBUTE_HARDHAT";
const USUAL_PLACE: &str = "verifier-contract/hardhat";
const PROGRAM: &str = "node_modules/.bin/hardhat";

/// How to start Hardhat's node.
#[derive(Clone, Debug, Default)]
pub struct HardhatOptions {
    /// Folder with `hardhat.config.js` and the installed node; `None` searches for it.
    pub folder: Option<PathBuf>,
}

/// A running Hardhat node; dropping it stops it. Chain id, hardfork and limits are those of its `hardhat.config.js`.
#[derive(Debug)]
pub struct Hardhat {
    process: NodeProcess,
    url: String,
    keys: Vec<PrivateKeySigner>,
}

impl Hardhat {
    /// Starts it on a free port.
    pub fn start() -> Result<Hardhat> {
        Hardhat::start_with(&HardhatOptions::default())
    }

    /// Starts it on a free port.
    pub fn start_with(options: &HardhatOptions) -> Result<Hardhat> {
        let folder = match &options.folder {
            Some(folder) => folder.clone(),
            None => Hardhat::find()?,
        };
        let program = folder.join(PROGRAM);
        let failed = |cause: String| ChainError::NodeFailed { path: program.clone(), cause };
        // with port 0 it would not report the port chosen
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let port = port.map_err(|e| failed(format!("no free port: {e}")))?.port();
        let arguments = ["node", "--hostname", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned);
        let mut keys: Vec<PrivateKeySigner> = Vec::new();
        let process = NodeProcess::start(&program, &arguments, Some(&folder), |line| {
            // the address, then its twenty accounts
            if let Some(key) = line.trim().strip_prefix("Private Key: ") {
                keys.extend(key.trim().parse::<PrivateKeySigner>());
            }
            keys.len() == 20
        })?;
        Ok(Hardhat { process, url: format!("http://127.0.0.1:{port}"), keys })
    }

    /// The folder in `TRIBUTE_HARDHAT`, else `verifier-contract/hardhat` in the current folder or one above it, with
    /// the node installed in it.
    pub fn find() -> Result<PathBuf> {
        let looked = match std::env::var_os(HARDHAT_VARIABLE) {
            Some(folder) => vec![PathBuf::from(folder)],
            None => upward(USUAL_PLACE),
        };
        let installed =
            |folder: &&PathBuf| folder.join(PROGRAM).is_file() && folder.join("hardhat.config.js").is_file();
        match looked.iter().find(installed) {
            Some(folder) => std::path::absolute(folder)
                .map_err(|e| ChainError::File { path: folder.to_owned(), cause: e.to_string() }),
            None => Err(ChainError::HardhatMissing { looked }),
        }
    }

    /// URL of its JSON-RPC endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its funded accounts.
    #[must_use]
    pub fn keys(&self) -> &[PrivateKeySigner] {
        &self.keys
    }

    /// Connects to it.
    pub async fn connect(&self) -> Result<Chain> {
        Chain::connect(&self.url).await
    }

    /// Stops it and waits until it is gone.
    pub fn stop(mut self) {
        self.process.end();
    }
}
