//! A compiled contract and its runtime code.

use crate::{runner::deploy_of_any_size, Error};

/// A compiled contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytecode {
    /// Code that deploys the contract; it takes no arguments.
    pub creation: Vec<u8>,
    /// Code at its address after deployment.
    pub runtime: Vec<u8>,
}

impl Bytecode {
    /// Runs creation code to obtain the runtime code, even if that exceeds a chain's size limit, as generated verifiers
    /// of wide circuits do. [`deploy`](crate::deploy) checks whether it can be deployed.
    ///
    /// # Errors
    /// If the code fails.
    pub fn from_creation(creation: Vec<u8>) -> Result<Self, Error> {
        let runtime = deploy_of_any_size(&creation)?;
        Ok(Self { creation, runtime })
    }
}
