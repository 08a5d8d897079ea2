//! Nonces of one account: handed out in order, however many sends run at once.

use tokio::sync::{Mutex, MutexGuard};

/// The next nonce of one account. Whoever holds the guard is the only one to hand a transaction to the node.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    /// `None`: ask the node.
    next: Mutex<Option<u64>>,
}

impl Nonces {
    /// Waits for the turn.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, Option<u64>> {
        self.next.lock().await
    }

    /// Forgets the count, so that the next send asks the node.
    pub(crate) async fn forget(&self) {
        *self.next.lock().await = None;
    }
}
