//! Private keys: from an environment variable or an encrypted keystore, never from the command line.

use std::path::PathBuf;

use alloy::signers::local::PrivateKeySigner;
use clap::Args;
use tribute_problem::{Problem, Result};

/// Whose key signs.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeyArgs {
    /// Environment variable that holds the private key in hex.
    #[arg(long, value_name = "NAME", default_value = "TRIBUTE_KEY")]
    key_env: String,
    /// Encrypted keystore file (Ethereum JSON v3) instead; its password comes from TRIBUTE_KEYSTORE_PASSWORD.
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
}

impl KeyArgs {
    /// The key.
    pub(crate) fn signer(&self) -> Result<PrivateKeySigner> {
        if let Some(file) = &self.keystore {
            let password = std::env::var("TRIBUTE_KEYSTORE_PASSWORD")
                .map_err(|_| Problem::field("keystore", "set TRIBUTE_KEYSTORE_PASSWORD to the keystore's password"))?;
            return PrivateKeySigner::decrypt_keystore(file, password)
                .map_err(|e| Problem::field("keystore", format!("cannot open {}: {e}", file.display())));
        }
        let text = std::env::var(&self.key_env).map_err(|_| {
            Problem::field(
                "key",
                format!(
                    "no key: set the environment variable {} to a private key in hex, or pass --keystore FILE",
                    self.key_env
                ),
            )
        })?;
        text.trim().parse().map_err(|_| Problem::field("key", format!("{} holds no private key in hex", self.key_env)))
    }
}
