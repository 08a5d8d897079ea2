//! What can go wrong between a verifying key and a checked proof.

use std::path::PathBuf;

/// Errors of generating, compiling and running a verifier. A proof that is merely refused is not an error: see
/// [`RunReport::success`](crate::RunReport).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key uses something that the generators do not know.
    #[error("verifying key not supported: {what}; change the circuit, or extend the generator")]
    Unsupported {
        /// What the key asks for.
        what: String,
    },
    /// The SRS and the key are of different sizes.
    #[error("SRS is of size 2^{srs}, the verifying key of 2^{key}: load the SRS of the key's size")]
    SrsMismatch {
        /// log2 of the size of the SRS.
        srs: u32,
        /// log2 of the number of rows of the circuit.
        key: u32,
    },
    /// No Solidity compiler was found.
    #[error(
        "no Solidity compiler: set TRIBUTE_SOLC to a solc that compiles pragma 0.8.19, or run the set-up so that \
         verifier-contract/bin/solc works (looked upward from {from})"
    )]
    CompilerMissing {
        /// The folder where the search began.
        from: PathBuf,
    },
    /// The compiler could not be run, or refused the source.
    #[error("{compiler} failed ({status}): {stderr}")]
    Compiler {
        /// The program that was run.
        compiler: PathBuf,
        /// Its exit status, or why it did not run.
        status: String,
        /// The last part of what it printed on standard error.
        stderr: String,
    },
    /// The compiler's answer does not contain bytecode.
    #[error("{compiler} printed no bytecode; expected hexadecimal digits after `Binary:`")]
    NoBytecode {
        /// The program that was run.
        compiler: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Creation code that does not leave a contract behind.
    #[error("deployment failed after {gas} gas: {reason}")]
    Deployment {
        /// Gas used by the attempt.
        gas: u64,
        /// Why the EVM refused.
        reason: String,
    },
    /// Runtime code above the limit of EIP-170.
    #[error("runtime code has {size} bytes, more than the {limit} that the EVM takes: fewer columns or smaller gates")]
    TooLarge {
        /// Size of the runtime code.
        size: usize,
        /// Largest size that can be deployed.
        limit: usize,
    },
    /// A call of an address without code succeeds in the EVM; here it is a mistake.
    #[error("there is no code to run: pass the runtime code of a verifier")]
    NoCode,
    /// The EVM refused the transaction before it ran.
    #[error("the EVM refused to run the call: {reason}")]
    Evm {
        /// Why.
        reason: String,
    },
}
