//! Generates EVM verifiers from halo2 verifying keys (BN254, KZG, SHPLONK, Keccak transcript), and runs them in an EVM.
//!
//! - [`generate_verifier`]: our own verifier, bytecode straight from the key (module [`direct`]);
//! - [`run`], [`run_deferred`], [`deploy`]: run bytecode in revm under the rules of the latest mainnet fork;
//! - [`calldata`]: encodes the inputs and the proof for a verifier;
//! - [`generate`], [`compile`]: the verifier that snark-verifier writes in Solidity, compiled by the pinned npm
//!   compiler; it is slower and larger, and serves as the oracle that ours is tested against.
//!
//! ```no_run
//! # use halo2_proofs::{halo2curves::bn256::*, plonk::VerifyingKey, poly::kzg::commitment::ParamsKZG};
//! # fn f(params: ParamsKZG<Bn256>, vk: VerifyingKey<G1Affine>, inputs: Vec<Fr>, proof: Vec<u8>) -> Result<(), tribute_evm::Error> {
//! let code = tribute_evm::generate_verifier(&params, &vk, inputs.len())?;
//! let report = tribute_evm::run(&code.runtime, &tribute_evm::calldata(&inputs, &proof))?;
//! assert!(report.success);
//! # Ok(())
//! # }
//! ```

mod bytecode;
mod calldata;
pub mod direct;
mod error;
pub mod reference;
mod runner;
pub mod solidity;

pub use bytecode::Bytecode;
pub use calldata::calldata;
pub use direct::generate as generate_verifier;
pub use error::Error;
pub use reference::generate;
pub use runner::{deploy, run, run_deferred, RunReport};
pub use solidity::compile;
