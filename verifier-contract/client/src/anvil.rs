//! Anvil as a local chain.

use std::path::PathBuf;

use alloy::signers::local::PrivateKeySigner;

use crate::artifacts::upward;
use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::process::NodeProcess;

/// Environment variable that names the anvil program.
pub const ANVIL_VARIABLE: &str = "TRIBUTE_ANVIL";
/// Hardfork of today's mainnet; the contracts are compiled for it.
pub const HARDFORK: &str = "osaka";
const USUAL_PLACE: &str = "verifier-contract/bin/anvil";

/// How to start a local chain.
#[derive(Clone, Debug)]
pub struct AnvilOptions {
    /// Path of the program; `None` searches for it.
    pub program: Option<PathBuf>,
    /// Port; 0 picks a free one.
    pub port: u16,
    /// Number of funded accounts.
    pub accounts: u16,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// File with the state dumped by an earlier chain.
    pub load_state: Option<PathBuf>,
    /// Whether each transaction is mined at once; otherwise blocks come only from [`Chain::mine`].
    pub automine: bool,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        AnvilOptions { program: None, port: 0, accounts: 20, chain_id: 31_337, load_state: None, automine: true }
    }
}

/// A running anvil; dropping it stops it.
#[derive(Debug)]
pub struct Anvil {
    process: NodeProcess,
    url: String,
    keys: Vec<PrivateKeySigner>,
}

impl Anvil {
    /// Starts anvil on a free port.
    pub fn start() -> Result<Anvil> {
        Anvil::start_with(&AnvilOptions::default())
    }

    /// Starts anvil with mainnet's code-size limit, transaction-gas limit and hardfork.
    pub fn start_with(options: &AnvilOptions) -> Result<Anvil> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => find()?,
        };
        let mut arguments: Vec<String> = ["--host", "127.0.0.1", "--hardfork", HARDFORK].map(str::to_owned).into();
        arguments.push("--enable-tx-gas-limit".to_owned());
        let numbers = [("--port", u64::from(options.port)), ("--accounts", options.accounts.into())];
        for (name, value) in numbers.into_iter().chain([("--chain-id", options.chain_id)]) {
            arguments.extend([name.to_owned(), value.to_string()]);
        }
        if let Some(state) = &options.load_state {
            arguments.extend(["--load-state".to_owned(), state.to_string_lossy().into_owned()]);
        }
        if !options.automine {
            arguments.push("--no-mining".to_owned());
        }
        let (mut url, mut keys) = (String::new(), Vec::new());
        let process = NodeProcess::start(&program, &arguments, None, |line| {
            // keys, then the address
            if let Some(address) = line.trim().strip_prefix("Listening on ") {
                url = format!("http://{}", address.trim());
            } else if let Some((_, key)) = line.trim().split_once(") 0x") {
                // addresses have the same form but are shorter
                if let (64, Ok(signer)) = (key.len(), key.parse::<PrivateKeySigner>()) {
                    keys.push(signer);
                }
            }
            !url.is_empty()
        })?;
        Ok(Anvil { process, url, keys })
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

    /// Id of its watchdog process, and of the whole process group.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
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

/// The anvil in `TRIBUTE_ANVIL`, else `verifier-contract/bin/anvil` in the current folder or one above it.
fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(ANVIL_VARIABLE).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(ChainError::AnvilMissing { looked: vec![path] }) };
    }
    let looked = upward(USUAL_PLACE);
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(ChainError::AnvilMissing { looked }),
    }
}
