//! Private keys: from an environment variable or an encrypted keystore, never from the command line.

use std::path::PathBuf;

use alloy::signers::local::PrivateKeySigner;
use clap::Args;
use tribute_chain::KeySource;
use tribute_problem::Result;

/// Where the signing key comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeyArgs {
    /// Environment variable with the private key in hex.
    #[arg(long, value_name = "NAME", default_value = "TRIBUTE_KEY")]
    key_env: String,
    /// Encrypted keystore file (Ethereum JSON, version 3) instead; its password comes from TRIBUTE_KEYSTORE_PASSWORD.
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
}

impl KeyArgs {
    /// Loads the key.
    pub(crate) fn signer(&self) -> Result<PrivateKeySigner> {
        let source = match &self.keystore {
            Some(file) => {
                KeySource::Keystore { path: file.clone(), password_variable: "TRIBUTE_KEYSTORE_PASSWORD".to_owned() }
            }
            None => KeySource::Variable(self.key_env.clone()),
        };
        Ok(source.load()?)
    }
}
