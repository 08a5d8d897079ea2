//! The participants' nodes, which may be away for a while.

use std::time::{Duration, Instant};

use tonic::Code;
use tribute_client::{problem, Client};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;
use tribute_federation::{wire, Consent};
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;

use crate::server_args::ServerArgs;

/// Longest pause between two attempts to reach a node.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// URLs, each once, in order.
pub(super) fn urls<'a>(nodes: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut urls = Vec::new();
    for node in nodes {
        if !urls.contains(&node) {
            urls.push(node);
        }
    }
    urls
}

/// A connection to a node.
pub(crate) async fn connect(url: &str, server: &ServerArgs) -> Result<Client> {
    server.connect_to(url).await.map_err(|p| named(url, p))
}

/// A problem with the node's name.
pub(crate) fn named(url: &str, mut problem: Problem) -> Problem {
    if !problem.message.contains(url) {
        problem.message = format!("node {url}: {}", problem.message);
    }
    problem.with("node", url)
}

/// What a participant has said to a request.
pub(super) async fn request_at(
    node: &Client,
    request: RequestId,
    account: AccountAddress,
) -> Result<v1::TrainingRequest> {
    let get = v1::GetTrainingRequestRequest { id: request.to_vec(), account: account.to_vec() };
    Ok(node.trainings().get_training_request(get).await.map_err(problem)?.into_inner())
}

/// What participants have said to a request so far.
pub(super) struct Consents {
    request: RequestId,
    given: Vec<Consent>,
    waiting: Vec<String>,
}

impl Consents {
    pub(super) fn new(request: RequestId) -> Self {
        Consents { request, given: Vec::new(), waiting: Vec::new() }
    }

    /// Takes what the next participant has said.
    ///
    /// # Errors
    /// Why it declined.
    pub(super) fn hear(&mut self, account: AccountAddress, node: &str, said: &v1::TrainingRequest) -> Result<()> {
        match (said.state(), &said.consent) {
            (v1::RequestState::Approved, Some(consent)) => self.given.push(wire::consent(self.request, consent)?),
            (v1::RequestState::Declined, _) => {
                let text = format!("{account} at {node} declined: {}", said.reason);
                return Err(Problem::new(Reason::NotAllowed, text).with("account", account));
            }
            _ => self.waiting.push(format!("{account} at {node}")),
        }
        Ok(())
    }

    /// Everybody's consent.
    ///
    /// # Errors
    /// With those who have not approved.
    pub(super) fn all(self) -> Result<Vec<Consent>> {
        if self.waiting.is_empty() {
            return Ok(self.given);
        }
        Err(Problem::new(Reason::NotReady, format!("not approved yet by {}", self.waiting.join(", "))))
    }
}

/// Time, and pauses in it.
pub(super) trait Clock {
    /// Time since some fixed point.
    fn now(&self) -> Duration;
    /// Waits.
    async fn pause(&self, time: Duration);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Real(Instant);

impl Real {
    pub(super) fn new() -> Self {
        Real(Instant::now())
    }
}

impl Clock for Real {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Calls a participant's node until it answers or refuses, for at most `patience`. A node that is away costs the time it is away;
/// a refusal is final.
pub(super) async fn patiently<T>(
    url: &str,
    patience: Duration,
    clock: &impl Clock,
    mut call: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = clock.now();
    let mut pause = Duration::from_millis(200);
    let mut told = false;
    loop {
        let problem = match call().await {
            Err(problem) if away(&problem) => problem,
            other => return other.map_err(|p| named(url, p)),
        };
        let waited = clock.now().saturating_sub(start);
        if waited >= patience {
            let text = format!(
                "node {url} has not answered for {} s ({}): run the command again once it is back, it goes on where it stopped",
                waited.as_secs(),
                problem.message
            );
            return Err(Problem { message: text, ..problem }.with("node", url));
        }
        if !told {
            note!("node {url} does not answer ({}): waiting for it", problem.message);
            told = true;
        }
        clock.pause(pause.min(patience - waited)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether a problem passes when the node is back.
fn away(problem: &Problem) -> bool {
    let nobody = problem.reason == Reason::BadField && problem.metadata.get("field").is_some_and(|f| f == "server");
    let later = problem.reason.code() == Code::Unavailable;
    nobody || later || matches!(problem.reason, Reason::Internal | Reason::StorageFailed | Reason::RequestExpired)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that only pauses move.
    #[derive(Default)]
    struct Simulated(Cell<Duration>);

    impl Clock for Simulated {
        fn now(&self) -> Duration {
            self.0.get()
        }

        async fn pause(&self, time: Duration) {
            self.0.set(self.0.get() + time);
        }
    }

    const NODE: &str = "http://node:7410";

    /// A node that is away for some time; how long a call to it took.
    async fn call(away: Duration, patience: Duration) -> (Result<u32>, Duration) {
        let clock = Simulated::default();
        let answer = async || {
            if clock.now() < away {
                return Err(Problem::field("server", "nothing answers"));
            }
            Ok(7)
        };
        let result = patiently(NODE, patience, &clock, answer).await;
        (result, clock.now())
    }

    #[tokio::test]
    async fn a_node_that_is_away_costs_that_time_and_nothing_else() {
        let day = Duration::from_secs(86_400);
        for away in [0, 1, 60, 3_600, 86_000].map(Duration::from_secs) {
            let (answer, took) = call(away, day).await;
            assert_eq!(answer.unwrap(), 7);
            assert!(away <= took && took <= away + LONGEST_PAUSE, "away for {away:?}, took {took:?}");
        }
    }

    #[tokio::test]
    async fn patience_ends_with_the_nodes_name() {
        let (refused, took) = call(Duration::from_secs(3_600), Duration::from_secs(600)).await;
        let refused = refused.unwrap_err();
        assert_eq!((took, refused.metadata["node"].as_str()), (Duration::from_secs(600), NODE));
        assert!(refused.message.starts_with("node http://node:7410 has not answered for 600 s"), "{refused}");
        assert!(refused.message.contains("run the command again"), "{refused}");
    }

    #[tokio::test]
    async fn what_a_node_says_that_it_cannot_do_now_is_waited_for() {
        for problem in [Problem::unavailable("it is being restarted"), Problem::new(Reason::Busy, "too many calls")] {
            let clock = Simulated::default();
            let answer = async || if clock.now().is_zero() { Err(problem.clone()) } else { Ok(7) };
            assert_eq!(patiently(NODE, Duration::from_secs(60), &clock, answer).await.unwrap(), 7);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let clock = Simulated::default();
        let calls = Cell::new(0);
        let refuse = async || {
            calls.set(calls.get() + 1);
            Err::<(), _>(Problem::new(Reason::NotAllowed, "declined"))
        };
        let refused = patiently(NODE, Duration::from_secs(600), &clock, refuse).await.unwrap_err();
        assert_eq!(
            (calls.get(), clock.now(), refused.message.as_str()),
            (1, Duration::ZERO, "node http://node:7410: declined")
        );
    }
}
