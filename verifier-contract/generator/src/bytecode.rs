//! A contract ready to deploy.

use crate::{deploy, Error};
use sha3::{Digest, Keccak256};

/// A compiled contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytecode {
    /// Code that deploys the contract; it takes no arguments.
    pub creation: Vec<u8>,
    /// Code that then stands at its address.
    pub runtime: Vec<u8>,
}

impl Bytecode {
    /// Runs creation code to learn what it leaves behind.
    ///
    /// # Errors
    /// When the deployment fails, for instance because the code is too large.
    pub fn from_creation(creation: Vec<u8>) -> Result<Self, Error> {
        let runtime = deploy(&creation)?;
        Ok(Self { creation, runtime })
    }

    /// Keccak-256 of the runtime code: `extcodehash` of the deployed contract.
    pub fn code_hash(&self) -> [u8; 32] {
        Keccak256::digest(&self.runtime).into()
    }
}
