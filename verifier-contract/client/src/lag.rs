//! Nodes behind one URL need not have the same newest block: what contradicts a transaction of ours that was just mined
//! is asked again for a while.

use std::future::Future;
use std::time::Instant;

use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::options::NODE_LAG;

/// Repeats an attempt while it fails as it would at a node that lacks the newest blocks. An attempt that fails so must
/// have sent nothing.
pub(crate) async fn caught_up<T, F: Future<Output = Result<T>>>(chain: &Chain, attempt: impl Fn() -> F) -> Result<T> {
    let behind = |outcome: &Result<T>| {
        matches!(
            outcome,
            Err(ChainError::NoCode { .. } | ChainError::WiringDiffers { .. } | ChainError::Reverted { .. })
        )
    };
    repeated(chain, attempt, behind).await
}

/// Repeats an attempt while its outcome may be that of a node `behind` another, at most for as long as one may be.
pub(crate) async fn repeated<T, F: Future<Output = Result<T>>>(
    chain: &Chain,
    attempt: impl Fn() -> F,
    behind: impl Fn(&Result<T>) -> bool,
) -> Result<T> {
    let started = Instant::now();
    loop {
        let outcome = attempt().await;
        if !behind(&outcome) || started.elapsed() >= NODE_LAG {
            return outcome;
        }
        tokio::time::sleep(chain.options().poll_interval).await;
    }
}
