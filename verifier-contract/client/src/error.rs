//! Every error of this crate: what went wrong, with its operands, and what to do about it.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use tribute_core::id::CircuitId;

use crate::open::{then, Open};
use crate::revert::Revert;
use crate::transaction::Sent;
use crate::wording::{also, asks, because, by_ours, gwei, hashes, shown, spaced, titled};

/// Result type of this crate.
pub type Result<T, E = ChainError> = std::result::Result<T, E>;

/// Why a chain call or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No connection to the URL.
    #[error("no chain answers at {url} ({cause}): start a node there or give the right URL")]
    Unreachable {
        /// The node's URL.
        url: String,
        /// Error of the connection.
        cause: String,
    },
    /// The node was reached, but not by TLS.
    #[error("no https connection to {url} ({cause}): {advice}")]
    Tls {
        /// The node's URL.
        url: String,
        /// Error of the TLS library.
        cause: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The node accepted the connection but did not answer in time.
    #[error("{url} did not answer {method} within {seconds} s: the node hangs or is overloaded; try again or use another node")]
    NodeSilent {
        /// The node's URL.
        url: String,
        /// JSON-RPC method.
        method: String,
        /// Time waited, in seconds.
        seconds: u64,
    },
    /// The answer is not a JSON-RPC answer of the expected type.
    #[error(
        "{url} answered {method} with something that is not Ethereum JSON-RPC ({cause}): is this the URL of a node?"
    )]
    BadAnswer {
        /// The node's URL.
        url: String,
        /// JSON-RPC method.
        method: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The node's URL returned a web page.
    #[error("{url} answered {method} with a web page{}: a login page, a bot check or a proxy is in front of the node; use the JSON-RPC URL that the provider gives for programs", titled(.title))]
    WebPage {
        /// The node's URL.
        url: String,
        /// JSON-RPC method.
        method: String,
        /// Title of the page; empty if it has none.
        title: String,
    },
    /// The node, or a gateway in front of it, is not available (HTTP status 503), and does not say for how long.
    #[error("{url} is unavailable and did not answer {method} ({message}): try again later, or use another node")]
    Unavailable {
        /// The node's URL.
        url: String,
        /// JSON-RPC method.
        method: String,
        /// The node's message.
        message: String,
    },
    /// The node requires a key or a login.
    #[error("{url} does not let us call {method} ({message}): give the URL with the provider's key in it, or check that the key is valid")]
    Unauthorised {
        /// The node's URL.
        url: String,
        /// JSON-RPC method.
        method: String,
        /// The node's message.
        message: String,
    },
    /// The node limits requests, for longer than we wait.
    #[error("{url} limits requests and did not let {method} pass within {seconds} s{} ({message}): try again later, or use a node that allows more requests", asks(.told))]
    RateLimited {
        /// The node's URL.
        url: String,
        /// JSON-RPC method.
        method: String,
        /// Total time waited, in seconds.
        seconds: u64,
        /// The pause that the node asks for, in seconds, if any.
        told: Option<u64>,
        /// The node's message.
        message: String,
    },
    /// The node refused the request; not a revert.
    #[error("{url} refused {method}: {message} (code {code})")]
    Refused {
        /// The node's URL.
        url: String,
        /// JSON-RPC method.
        method: String,
        /// JSON-RPC error code.
        code: i64,
        /// The node's message.
        message: String,
    },
    /// The URL cannot be used.
    #[error("the node's URL cannot be used: {cause}")]
    BadUrl {
        /// What is wrong with it, and what to do. It shows no part of the URL that may be a secret.
        cause: String,
    },
    /// The node serves a different chain from the one with the contracts.
    #[error("{url} serves chain {found}, but the contracts were deployed on chain {expected}: use a node of chain {expected}, or deploy on {found}")]
    WrongChain {
        /// The node's URL.
        url: String,
        /// Chain of the deployment.
        expected: u64,
        /// Chain of the node.
        found: u64,
    },

    /// The contracts have not been built.
    #[error("no contract artefacts found (looked in {}): run `make setup`, or set TRIBUTE_ARTIFACTS to forge's output folder", shown(.looked))]
    ArtifactsMissing {
        /// Folders searched.
        looked: Vec<PathBuf>,
    },
    /// One artefact is missing or unreadable.
    #[error("contract artefact {}: {cause}; rebuild with `make setup`", .path.display())]
    ArtifactUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// anvil was not found.
    #[error("anvil not found (looked in {}): run `make setup`, or set TRIBUTE_ANVIL to its path", shown(.looked))]
    AnvilMissing {
        /// Places searched.
        looked: Vec<PathBuf>,
    },
    /// Hardhat's node is not installed.
    #[error("Hardhat's node is not installed (looked in {}): run `scripts/test-tools.sh`, or set TRIBUTE_HARDHAT to its folder", shown(.looked))]
    HardhatMissing {
        /// Places searched.
        looked: Vec<PathBuf>,
    },
    /// A local node did not come up.
    #[error("{} did not start a chain: {cause}", .path.display())]
    NodeFailed {
        /// The program.
        path: PathBuf,
        /// Its error.
        cause: String,
    },
    /// A file could not be read or written.
    #[error("{}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the operating system or the parser.
        cause: String,
    },

    /// The deployment file exists and records another deployment.
    #[error("{} records another deployment: {cause}; keep it and write to another file, or remove it", .path.display())]
    AlreadyDeployed {
        /// The file.
        path: PathBuf,
        /// How it differs.
        cause: String,
    },
    /// An interrupted deployment cannot be resumed.
    #[error("{} records an interrupted deployment that cannot be resumed: {cause}; remove it to start again", .path.display())]
    CannotContinue {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },

    /// An option of a deployment that the contracts would refuse or that makes them unusable. Nothing was sent.
    #[error("{option}: {cause}")]
    BadDeployOption {
        /// The option, as `tribute chain deploy` names it.
        option: &'static str,
        /// What is wrong with it, and what to give instead.
        cause: String,
    },

    /// No key was given.
    #[error("no key: set {variable} to a private key (0x and 64 hex digits), or name an encrypted keystore file")]
    KeyMissing {
        /// The environment variable.
        variable: String,
    },
    /// No password was given for a keystore.
    #[error("no password for keystore {}: set {variable} to it", .path.display())]
    PasswordMissing {
        /// The environment variable.
        variable: String,
        /// The keystore file.
        path: PathBuf,
    },
    /// A key or a mnemonic phrase was given where the name of a place belongs. It is never shown.
    #[error("{place} looks like a private key or a mnemonic phrase itself (not shown): put the key in an environment variable, and give the variable's name")]
    KeyAsName {
        /// What was given, such as "the name of the variable".
        place: &'static str,
    },
    /// An environment variable does not hold text.
    #[error("the environment variable {variable} is not UTF-8 text: set it in a terminal that uses UTF-8")]
    NotText {
        /// The environment variable.
        variable: String,
    },
    /// The text is not a private key. It is never shown.
    #[error("{source_name} holds no private key ({problem}): expected 0x and 64 hex digits")]
    KeyInvalid {
        /// Environment variable.
        source_name: String,
        /// What is wrong with its format.
        problem: String,
    },
    /// The keystore cannot be read.
    #[error("keystore {}: {cause}", .path.display())]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is unusual about it, and what to do.
        cause: String,
    },
    /// The keystore is well formed, but the password is wrong.
    #[error("keystore {}: the password is wrong{} (or the encrypted key in the file was changed)", .path.display(), spaced(.ends_in_space))]
    WrongPassword {
        /// The file.
        path: PathBuf,
        /// Whether the password ends in white space, such as a line break.
        ends_in_space: bool,
    },
    /// Signing failed.
    #[error("signing failed: {cause}")]
    Signing {
        /// The signer's error.
        cause: String,
    },

    /// The contract reverted in a simulation or a view. Nothing was sent.
    #[error("{action} would fail: {revert}")]
    Reverted {
        /// The action attempted.
        action: String,
        /// The contract's error.
        revert: Box<Revert>,
    },
    /// The transaction was mined and failed.
    #[error("{action} failed in transaction {} of block {}: {revert}", .sent.tx, .sent.block)]
    Failed {
        /// The action attempted.
        action: String,
        /// The mined transaction.
        sent: Box<Sent>,
        /// The contract's error.
        revert: Box<Revert>,
    },
    /// A transaction succeeded that was expected to fail.
    #[error("{action} succeeded in transaction {} of block {}, but was expected to fail", .sent.tx, .sent.block)]
    UnexpectedSuccess {
        /// The action.
        action: String,
        /// The mined transaction.
        sent: Box<Sent>,
    },
    /// No receipt within the time limit; the transaction may still be mined.
    #[error("{}: no receipt within {seconds} s for {}; it may still be mined: {}{}", .open.action, .open.named(), .open.go_on(), because(.cause))]
    NotMined {
        /// The transaction.
        open: Box<Open>,
        /// Time waited, in seconds.
        seconds: u64,
        /// What keeps it from being mined, and the last error of the node, as far as known.
        cause: Option<String>,
    },
    /// Mined, but with too few confirmations within the time limit.
    #[error("{}: transaction {tx} was mined in block {block} and has {confirmations} of {needed} confirmations after {seconds} s: {}", .open.action, .open.go_on())]
    Unconfirmed {
        /// The transaction.
        open: Box<Open>,
        /// The version that was mined.
        tx: B256,
        /// Number of its block.
        block: u64,
        /// Confirmations so far.
        confirmations: u64,
        /// Confirmations required.
        needed: u64,
        /// Time waited, in seconds.
        seconds: u64,
    },
    /// The nonce is used, but the node has no usable receipt; nothing shows that the transaction cannot be mined.
    #[error("{}: {} is used, {}, but the node gives no receipt of ours: {cause}; use another node, one with receipts and the state of past blocks, and {}", .open.action, .open.named(), by_ours(.block), .open.go_on())]
    NoReceipt {
        /// The transaction.
        open: Box<Open>,
        /// The block that holds one of its versions; `None` if the node does not show what used the nonce.
        block: Option<u64>,
        /// The node's last error.
        cause: String,
    },
    /// The node refuses a transaction, and does not show it.
    #[error("{}: the node refuses the transaction of {} ({message:?}{}) and does not show it, but may have passed it on: look for it at another node; {}", .open.action, .open.named(), also(.capped), .open.go_on())]
    Unclear {
        /// The transaction.
        open: Box<Open>,
        /// The node's message.
        message: String,
        /// Why no higher fees are offered, if they would pass a cap.
        capped: Option<String>,
    },
    /// Another process is sending with the same key.
    #[error(
        "{action}: another process is sending nonce {nonce} of {from}: wait until it is done, then run this again"
    )]
    NonceBusy {
        /// The action attempted.
        action: String,
        /// The sender.
        from: Address,
        /// The nonce.
        nonce: u64,
    },
    /// The price per gas exceeds the cap.
    #[error("{url} asks {} gwei per gas, more than the cap of {}: wait until gas is cheaper, or raise the cap (--max-fee)", gwei(.asked), gwei(.cap))]
    GasPriceAboveCap {
        /// The node's URL.
        url: String,
        /// Base fee or gas price, in wei per gas.
        asked: u128,
        /// The cap, in wei per gas.
        cap: u128,
    },
    /// The node reports no gas price.
    #[error("{url} does not say what gas costs: eth_feeHistory gives no tips, and eth_gasPrice fails ({cause}); use a node that has one of them")]
    GasPriceUnknown {
        /// The node's URL.
        url: String,
        /// Why `eth_gasPrice` failed.
        cause: String,
    },
    /// Another transaction used the nonce.
    #[error("{action}: nonce {nonce} of {from} was used by another transaction ({by}), so ours ({}) can no longer be mined; check what the other program did before sending again, and do not use one key from two programs at a time", hashes(.transactions))]
    Replaced {
        /// The action attempted.
        action: String,
        /// The sender.
        from: Address,
        /// Its nonce.
        nonce: u64,
        /// Hashes of all versions sent with that nonce.
        transactions: Vec<B256>,
        /// The transaction that used it.
        by: B256,
    },
    /// The transaction needs more gas than our cap, or than a transaction may use.
    #[error("{action} needs {needed} gas, more than the cap of {cap}")]
    GasAboveCap {
        /// The action attempted.
        action: String,
        /// Estimate with margin.
        needed: u64,
        /// The cap.
        cap: u64,
    },
    /// The sender has insufficient funds.
    #[error("{action}: {from} cannot pay for it ({message}): send it some of the chain's coin{}", then(.open))]
    InsufficientFunds {
        /// The action attempted.
        action: String,
        /// The sender.
        from: Address,
        /// The node's message.
        message: String,
        /// What was sent; `None` if a simulation showed that it could not be paid for.
        open: Option<Box<Open>>,
    },
    /// A transaction succeeded without emitting the required event.
    #[error("{action}: transaction {tx} emitted no {event}: the contract at this address is another one; run the deployment check")]
    EventMissing {
        /// The action.
        action: String,
        /// The event's signature.
        event: &'static str,
        /// The transaction.
        tx: B256,
    },

    /// There is no code at a contract's address.
    #[error("no code at {address}, the address of {contract}: the node is behind, or serves another chain, or the chain was reset: try again, or use a node of the contracts' chain; after a reset, deploy again")]
    NoCode {
        /// The contract.
        contract: String,
        /// Its address.
        address: Address,
    },
    /// The code on chain does not match the local build.
    #[error("{contract} at {address} is not the local build: {difference}")]
    CodeDiffers {
        /// The contract.
        contract: String,
        /// Its address.
        address: Address,
        /// What differs.
        difference: String,
    },
    /// A contract refers to a different contract from the one in the deployment.
    #[error("{contract} at {address}: {view} is {found}, the deployment says {expected}")]
    WiringDiffers {
        /// The contract.
        contract: String,
        /// Its address.
        address: Address,
        /// The view called.
        view: &'static str,
        /// Value in the deployment.
        expected: String,
        /// Value on chain.
        found: String,
    },
    /// The deployment has no mintable test token.
    #[error("this deployment has no test token: mint works on local chains only")]
    NoTestToken,
    /// A signed message that the contracts would refuse, or whose signature is invalid.
    #[error("the message of {signer} would be refused: {cause}")]
    BadMessage {
        /// The claimed signer.
        signer: Address,
        /// Why, and what to do.
        cause: String,
    },
    /// The circuit's id on chain is not the one computed here.
    #[error(
        "the gate computes circuit id {found}, we compute {expected}: client and contracts are of different versions"
    )]
    CircuitIdDiffers {
        /// Computed here.
        expected: CircuitId,
        /// Computed by the gate.
        found: CircuitId,
    },
    /// A registered circuit differs from the one built from its verifying key.
    #[error("circuit {circuit}: {what} is {found}, expected {expected}; do not trust proofs of it")]
    CircuitDiffers {
        /// The circuit's id.
        circuit: CircuitId,
        /// What differs.
        what: String,
        /// Value expected.
        expected: String,
        /// Value on chain.
        found: String,
    },
    /// A verifier rejected a proof that should hold.
    #[error("the verifier at {verifier} rejected the proof, using {gas} gas")]
    VerifierRejected {
        /// The verifier.
        verifier: Address,
        /// Gas used.
        gas: u64,
    },
    /// A log cannot be decoded, or contradicts earlier logs.
    #[error("log {index} of transaction {tx} is no event that the contracts can emit: {cause}")]
    BadLog {
        /// Transaction of the log.
        tx: B256,
        /// Index in the block.
        index: u64,
        /// What is wrong with it.
        cause: String,
    },
}

impl ChainError {
    /// The contract's error, if a contract reverted.
    #[must_use]
    pub fn revert(&self) -> Option<&Revert> {
        match self {
            ChainError::Reverted { revert, .. } | ChainError::Failed { revert, .. } => Some(revert),
            _ => None,
        }
    }

    /// Whether a contract reverted with the error of this name.
    #[must_use]
    pub fn is_revert(&self, name: &str) -> bool {
        self.revert().is_some_and(|revert| revert.name == name)
    }

    /// Whether the node answered, and only this request has no result: nodes and gateways refuse methods in many forms.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(
            self,
            ChainError::Refused { .. }
                | ChainError::BadAnswer { .. }
                | ChainError::WebPage { .. }
                | ChainError::Unauthorised { .. }
                | ChainError::Unavailable { .. }
        )
    }

    /// Whether a retry may succeed without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            ChainError::Unreachable { .. }
                | ChainError::Tls { .. }
                | ChainError::NodeSilent { .. }
                | ChainError::Unavailable { .. }
                | ChainError::BadAnswer { .. }
                | ChainError::WebPage { .. }
                | ChainError::RateLimited { .. }
        )
    }
}
