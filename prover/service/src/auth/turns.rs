//! Shares of the server among accounts: each has a few calls handled at a time, and its further calls wait. So a flood of
//! calls from one account delays another's by little, whatever its size.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::codegen::Bytes;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Reason, Result};

/// Calls of one account that are waiting, being handled, or whose answers are not sent yet.
const INSIDE: usize = 256;
/// Longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a call beyond [`INSIDE`] is refused, so that sending it again at once gains nothing.
const REFUSAL: Duration = Duration::from_millis(250);

/// The accounts that have calls here.
#[derive(Clone)]
pub(super) struct Turns {
    accounts: Arc<Mutex<HashMap<AccountAddress, Account>>>,
    all: Arc<Semaphore>,
    each: usize,
}

struct Account {
    running: Arc<Semaphore>,
    inside: usize,
}

/// A call's place here, until its answer is sent.
pub(crate) struct Inside {
    turns: Turns,
    account: AccountAddress,
    /// The account's calls that are handled.
    running: Arc<Semaphore>,
}

/// A call's turn, until it is handled.
pub(crate) struct Turn {
    _permits: [OwnedSemaphorePermit; 2],
}

/// What a call takes of the server until its work is done: its share of the memory for messages, and its turn.
pub(super) type Taken = Arc<(Option<OwnedSemaphorePermit>, Option<Turn>)>;

tokio::task_local! {
    /// What the call that is handled has taken.
    static TAKEN: Taken;
}

/// Handles a call that has taken this.
pub(super) async fn with<T>(taken: Taken, handled: impl Future<Output = T>) -> T {
    TAKEN.scope(taken, handled).await
}

/// Runs a long computation off the threads that serve futures. What the call has taken is given back only when it ends, even if
/// the caller has left before.
///
/// # Errors
/// Those of `work`, or that it panicked.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let taken = TAKEN.try_with(Arc::clone).ok();
    tribute_store::off_thread(move || {
        let _taken = taken;
        work()
    })
    .await
}

impl Turns {
    /// Turns for this machine's number of cores.
    pub(super) fn new() -> Self {
        let each = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        Turns { accounts: Arc::default(), all: Arc::new(Semaphore::new(8 * each)), each }
    }

    /// Lets a call in.
    ///
    /// # Errors
    /// [`Reason::Busy`] if the account has too many here.
    pub(super) async fn enter(&self, account: AccountAddress) -> Result<Inside> {
        let running = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Account { running: Arc::new(Semaphore::new(self.each)), inside: 0 };
            let known = accounts.entry(account).or_insert_with(fresh);
            let enters = known.inside < INSIDE;
            known.inside += usize::from(enters);
            enters.then(|| known.running.clone())
        };
        if let Some(running) = running {
            return Ok(Inside { turns: self.clone(), account, running });
        }
        tokio::time::sleep(REFUSAL).await;
        let message = format!("your account has {INSIDE} calls here already: wait for some of their answers");
        Err(Problem::new(Reason::Busy, message).with("most", INSIDE))
    }
}

impl Inside {
    /// Waits for the call's turn: among its account's calls, and then among the accounts.
    ///
    /// # Errors
    /// [`Reason::Busy`] if that takes too long.
    pub(crate) async fn turn(&self) -> Result<Turn> {
        let waited = tokio::time::timeout(PATIENCE, async {
            let own = self.running.clone().acquire_owned().await.map_err(Problem::internal)?;
            let all = self.turns.all.clone().acquire_owned().await.map_err(Problem::internal)?;
            Ok(Turn { _permits: [own, all] })
        });
        let busy = |_| Problem::new(Reason::Busy, "the calls before yours take too long: send it again in a moment");
        waited.await.map_err(busy)?
    }

    /// A response body that keeps the call's place until it is sent, so that answers that nobody reads are bounded, too.
    pub(super) fn until_sent(self: Arc<Self>, body: Body) -> Body {
        Body::new(Held { body, _inside: self })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut accounts = self.turns.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = accounts.get_mut(&self.account) {
            known.inside -= 1;
            if known.inside == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

struct Held {
    body: Body,
    _inside: Arc<Inside>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    const FLOOD: AccountAddress = tribute_core::hexed::Hex([1; 20]);
    const OTHER: AccountAddress = tribute_core::hexed::Hex([2; 20]);

    /// Whoever sends work and leaves, again and again, gets no more done at a time than its turns.
    #[tokio::test]
    async fn a_turn_lasts_until_its_work_ends() {
        let turns = Turns::new();
        let inside = Arc::new(turns.enter(FLOOD).await.unwrap());
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let taken: Taken = Arc::new((None, Some(inside.turn().await.unwrap())));
        let call = with(taken, async move {
            let work = move || {
                begun.send(()).unwrap();
                ends.recv().map_err(Problem::internal)
            };
            off_thread(work).await
        });
        let mut call = Box::pin(call);
        tokio::select! {
            done = &mut call => panic!("{done:?}"),
            started = begins => started.unwrap(),
        }
        drop(call);
        assert_eq!(inside.running.available_permits(), turns.each - 1, "the caller has left, its work goes on");
        end.send(()).unwrap();
        let waited = tokio::time::timeout(PATIENCE, inside.running.acquire_many(turns.each as u32)).await;
        drop(waited.expect("the work has ended").unwrap());
    }

    #[tokio::test]
    async fn a_flood_fills_its_own_share_only() {
        let turns = Turns::new();
        let mut inside = Vec::new();
        for _ in 0..INSIDE {
            inside.push(Arc::new(turns.enter(FLOOD).await.unwrap()));
        }
        assert_eq!(turns.enter(FLOOD).await.err().unwrap().reason, Reason::Busy);
        let mut running = Vec::new();
        for call in &inside[..turns.each] {
            running.push(call.turn().await.unwrap());
        }
        assert_eq!(inside[turns.each].turn().await.err().unwrap().reason, Reason::Busy);
        // another account is not concerned
        let other = turns.enter(OTHER).await.unwrap();
        drop(other.turn().await.unwrap());

        running.pop();
        inside[turns.each].turn().await.unwrap();
        // a place is free when its answer is sent
        let body = inside.pop().unwrap().until_sent(Body::new(Full::new(Bytes::from_static(b"answer"))));
        assert!(turns.enter(FLOOD).await.is_err());
        drop(body);
        drop(turns.enter(FLOOD).await.unwrap());
        drop((inside, running, other));
        assert!(turns.accounts.lock().unwrap().is_empty());
    }
}
