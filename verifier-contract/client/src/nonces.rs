//! Nonces of one account: assigned in order, however many sends run concurrently.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::{Mutex, MutexGuard};

use crate::options::NODE_LAG;

/// The next nonce of one account. Only the holder of the guard may hand a transaction to the node.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    /// `None`: ask the node.
    next: Mutex<Option<u64>>,
    in_flight: AtomicUsize,
    /// The highest nonce mined, and when we learnt it.
    mined: std::sync::Mutex<Option<(u64, Instant)>>,
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

    /// Records that a nonce was mined.
    pub(crate) fn mined(&self, nonce: u64) {
        let mut mined = self.mined.lock().unwrap_or_else(PoisonError::into_inner);
        *mined = (*mined).max(Some((nonce, Instant::now())));
    }

    /// Whether a node that gives `next` as the next nonce may just be behind the one that showed us the last receipt.
    pub(crate) fn may_be_behind(&self, next: u64) -> bool {
        let mined = *self.mined.lock().unwrap_or_else(PoisonError::into_inner);
        mined.is_some_and(|(nonce, at)| next <= nonce && at.elapsed() < NODE_LAG)
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
