//! A contract ready to deploy.

use crate::{runner::deploy_of_any_size, Error};

/// A compiled contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytecode {
    /// Code that deploys the contract; it takes no arguments.
    pub creation: Vec<u8>,
    /// Code that then stands at its address.
    pub runtime: Vec<u8>,
}

impl Bytecode {
    /// Runs creation code to learn what it leaves behind, even if that is more than a chain takes: generated verifiers
    /// of wide circuits are. [`deploy`](crate::deploy) says whether it can be deployed.
    ///
    /// # Errors
    /// When the code fails.
    pub fn from_creation(creation: Vec<u8>) -> Result<Self, Error> {
        let runtime = deploy_of_any_size(&creation)?;
        Ok(Self { creation, runtime })
    }
}
