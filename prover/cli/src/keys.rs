//! Private keys: from an environment variable or an encrypted keystore, never from the command line.

use std::path::PathBuf;
use std::sync::OnceLock;

use alloy::signers::local::PrivateKeySigner;
use clap::builder::NonEmptyStringValueParser;
use clap::Args;
use tribute_chain::KeySource;
use tribute_problem::Result;

/// Where the signing key comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeyArgs {
    /// Environment variable with the private key in hex.
    #[arg(long, value_name = "NAME", default_value = "TRIBUTE_KEY", value_parser = NonEmptyStringValueParser::new())]
    key_env: String,
    /// Encrypted keystore file (Ethereum JSON, version 3) instead; its password comes from TRIBUTE_KEYSTORE_PASSWORD.
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    keystore: Option<PathBuf>,
    #[arg(skip)]
    loaded: OnceLock<PrivateKeySigner>,
}

impl KeyArgs {
    /// The key, which is loaded once: a pipe can be read only once, and opening a keystore takes a while.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub(crate) fn signer(&self) -> Result<PrivateKeySigner> {
        if let Some(key) = self.loaded.get() {
            return Ok(key.clone());
        }
        let source = match &self.keystore {
            Some(file) => {
                KeySource::Keystore { path: file.clone(), password_variable: "TRIBUTE_KEYSTORE_PASSWORD".to_owned() }
            }
            None => KeySource::Variable(self.key_env.clone()),
        };
        let key = source.load()?;
        Ok(self.loaded.get_or_init(|| key).clone())
    }
}
