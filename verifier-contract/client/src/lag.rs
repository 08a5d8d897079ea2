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
    let started = Instant::now();
    loop {
        match attempt().await {
            Err(ChainError::NoCode { .. } | ChainError::WiringDiffers { .. } | ChainError::Reverted { .. })
                if started.elapsed() < NODE_LAG =>
            {
                tokio::time::sleep(chain.options().poll_interval).await;
            }
            outcome => return outcome,
        }
    }
}
