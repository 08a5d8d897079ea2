//! Nonces of one account: assigned in order, however many sends run concurrently.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

/// The next nonce of one account. Only the holder of the guard may hand a transaction to the node.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    /// `None`: ask the node.
    next: Mutex<Option<u64>>,
    in_flight: AtomicUsize,
}

/// A transaction in flight, until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Nonces>);

impl Nonces {
    /// Waits for its turn. If no transaction is in flight, asks the node again, since a reorganisation may have removed
    /// mined transactions.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, Option<u64>> {
        let mut turn = self.next.lock().await;
        if self.in_flight.load(Ordering::SeqCst) == 0 {
            *turn = None;
        }
        turn
    }

    /// Counts one more transaction as in flight.
    pub(crate) fn depart(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(self.clone())
    }

    /// Clears the count, so that the next send asks the node.
    pub(crate) async fn forget(&self) {
        *self.next.lock().await = None;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
