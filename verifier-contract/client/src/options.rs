//! Time limits and fee caps of a connection.

use std::path::PathBuf;
use std::time::Duration;

/// Time that one node may be behind another.
pub(crate) const NODE_LAG: Duration = Duration::from_secs(5);

/// Time limits, caps and files of a connection. The defaults suit a local chain and a public one alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Time limit for one answer of the node.
    pub request_timeout: Duration,
    /// How often a read is repeated when the connection breaks.
    pub read_retries: u32,
    /// Total time to wait for a node that limits requests, before it is an error.
    pub rate_limit_patience: Duration,
    /// Time between two polls for a receipt.
    pub poll_interval: Duration,
    /// Time limit for a transaction to be mined and confirmed.
    pub receipt_timeout: Duration,
    /// Confirmations required, counting the transaction's own block. Views are read as of the newest block with that
    /// many.
    pub confirmations: u64,
    /// Time without a receipt after which a transaction is replaced by one with higher fees.
    pub bump_after: Duration,
    /// Fee increase at each replacement, in percent; nodes require at least 10.
    pub bump_percent: u32,
    /// Maximum price per gas, in wei.
    pub max_fee_per_gas: u128,
    /// Maximum tip per gas, in wei, whatever the node suggests. Polygon requires at least 25 gwei.
    pub max_priority_fee_per_gas: u128,
    /// Margin added to a gas estimate, in percent.
    pub gas_margin_percent: u32,
    /// Maximum gas of one transaction; the default is the chain's own limit (EIP-7825).
    pub gas_cap: u64,
    /// Maximum number of blocks per request for logs. It is reduced for nodes that allow fewer.
    pub log_window: u64,
    /// PEM file of certificate authorities to trust besides the usual ones, for a self-hosted https node.
    pub roots: Option<PathBuf>,
    /// Directory of in-flight transactions, for resuming. Without one, a transaction whose process dies is lost track
    /// of.
    pub journal: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            request_timeout: Duration::from_secs(20),
            read_retries: 2,
            rate_limit_patience: Duration::from_secs(60),
            poll_interval: Duration::from_millis(50),
            receipt_timeout: Duration::from_secs(180),
            confirmations: 1,
            bump_after: Duration::from_secs(30),
            bump_percent: 20,
            max_fee_per_gas: 500_000_000_000,
            max_priority_fee_per_gas: 30_000_000_000,
            gas_margin_percent: 25,
            gas_cap: 1 << 24,
            log_window: 2_000,
            roots: None,
            journal: None,
        }
    }
}
