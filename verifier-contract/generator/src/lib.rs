//! EVM verifiers for halo2 (BN254, KZG, SHPLONK, Keccak transcript) verifying keys, and an EVM to run them in.
//!
//! - [`reference`]: the verifier that snark-verifier writes in Solidity, the oracle of our own;
//! - [`solidity`]: from Solidity to bytecode through the pinned npm compiler;
//! - [`run`], [`deploy`]: run a verifier's bytecode in revm under the rules of the latest mainnet fork;
//! - [`calldata`]: what a verifier is called with.

mod calldata;
mod error;
pub mod reference;
mod runner;
pub mod solidity;

pub use calldata::calldata;
pub use error::Error;
pub use reference::generate;
pub use runner::{deploy, run, RunReport};
pub use solidity::{compile, Bytecode};
