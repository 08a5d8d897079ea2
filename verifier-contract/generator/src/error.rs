//! Errors of generating, compiling and running verifiers.

use std::path::PathBuf;

/// Errors of generating, compiling and running a verifier. A refused proof is not an error: see
/// [`RunReport::success`](crate::RunReport).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key uses a feature that the generators do not support.
    #[error("verifying key not supported: {what}; change the circuit, or extend the generator")]
    Unsupported {
        /// The unsupported feature.
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
        /// The end of its standard error.
        stderr: String,
    },
    /// The compiler's output does not contain bytecode.
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
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The creation code does not deploy a contract.
    #[error("deployment failed after {gas} gas: {reason}")]
    Deployment {
        /// Gas used by the attempt.
        gas: u64,
        /// Why the EVM reverted or halted.
        reason: String,
    },
    /// The runtime code exceeds the limit of EIP-170.
    #[error("runtime code has {size} bytes, more than the {limit} that the EVM takes: fewer columns or smaller gates")]
    TooLarge {
        /// Size of the runtime code.
        size: usize,
        /// Largest size that can be deployed.
        limit: usize,
    },
    /// There is no code to run. In the EVM such a call succeeds; here it is an error.
    #[error("there is no code to run: pass the runtime code of a verifier")]
    NoCode,
    /// The EVM refused the transaction before it ran.
    #[error("the EVM refused to run the call: {reason}")]
    Evm {
        /// Why.
        reason: String,
    },
}
