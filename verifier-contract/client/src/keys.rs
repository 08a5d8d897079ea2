//! Private keys: from an environment variable or an encrypted keystore file; never from arguments, never logged.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;

use crate::error::{ChainError, Result};

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable that holds 0x and 64 hex digits.
    Variable(String),
    /// An encrypted keystore file (Web3 Secret Storage, as geth and cast write it).
    Keystore {
        /// The file.
        path: PathBuf,
        /// Environment variable that holds its password.
        password_variable: String,
    },
}

impl KeySource {
    /// Loads the key.
    pub fn load(&self) -> Result<PrivateKeySigner> {
        match self {
            KeySource::Variable(name) => from_variable(name),
            KeySource::Keystore { path, password_variable } => {
                let password = variable(password_variable)?;
                from_keystore(path, &password)
            }
        }
    }
}

/// The key in an environment variable.
pub fn from_variable(name: &str) -> Result<PrivateKeySigner> {
    parse(variable(name)?.trim()).ok_or_else(|| ChainError::KeyInvalid { source_name: name.to_owned() })
}

/// The key in an encrypted keystore file.
pub fn from_keystore(path: &Path, password: &str) -> Result<PrivateKeySigner> {
    let wrong = |cause: String| ChainError::Keystore { path: path.to_owned(), cause };
    if !path.is_file() {
        return Err(wrong("no such file".to_owned()));
    }
    PrivateKeySigner::decrypt_keystore(path, password)
        .map_err(|e| wrong(format!("{e}: is the password right and the file a keystore?")))
}

/// Makes a new key and writes it to an encrypted keystore file `name` in `folder`, which must not exist yet.
pub fn create_keystore(folder: &Path, name: &str, password: &str) -> Result<PrivateKeySigner> {
    let signer = PrivateKeySigner::random();
    save_keystore(&signer, folder, name, password)?;
    Ok(signer)
}

/// Writes a key to an encrypted keystore file `name` in `folder`, which must not exist yet.
pub fn save_keystore(signer: &PrivateKeySigner, folder: &Path, name: &str, password: &str) -> Result<Address> {
    let path = folder.join(name);
    let wrong = |cause: String| ChainError::Keystore { path: path.clone(), cause };
    if path.exists() {
        return Err(wrong("exists already; a key is never overwritten".to_owned()));
    }
    PrivateKeySigner::encrypt_keystore(folder, &mut rand::rngs::OsRng, signer.to_bytes(), password, Some(name))
        .map_err(|e| wrong(e.to_string()))?;
    Ok(signer.address())
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name)
        .ok()
        .filter(|v| !v.is_empty())
        .ok_or_else(|| ChainError::KeyMissing { variable: name.to_owned() })
}

fn parse(text: &str) -> Option<PrivateKeySigner> {
    text.parse().ok()
}
