//! Queries that come while onnxruntime is busy are answered together, in its next run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tribute_core::head::answer;
use tribute_inference::agent::Agent;
use tribute_inference::runtime::AgentSession;
use tribute_problem::{Problem, Result};

use super::off_thread;

/// Most queries of one run.
const MOST: usize = 256;

/// An agent in onnxruntime, and the queries that wait for it.
#[derive(Clone)]
pub(crate) struct Batches {
    agent: Arc<Running>,
    waiting: Arc<Mutex<Vec<Asked>>>,
    /// Held by who takes queries to onnxruntime.
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Running {
    agent: Agent,
    session: AgentSession,
    #[cfg(test)]
    runs: std::sync::atomic::AtomicUsize,
}

/// A query that waits for its answer.
struct Asked {
    features: Vec<u8>,
    answer: oneshot::Sender<Result<u16>>,
}

impl Batches {
    /// Of an agent that is loaded as `session`.
    pub(crate) fn new(agent: Agent, session: AgentSession) -> Self {
        let agent = Running {
            agent,
            session,
            #[cfg(test)]
            runs: std::sync::atomic::AtomicUsize::new(0),
        };
        Batches { agent: Arc::new(agent), waiting: Arc::default(), turn: Arc::default() }
    }

    /// onnxruntime's answer to a query of one byte for each feature.
    pub(crate) async fn answer(&self, features: Vec<u8>) -> Result<u16> {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push(Asked { features, answer });
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answered => return answer.map_err(Problem::internal)?,
                turn = self.turn.clone().lock_owned() => turn,
            };
            let asked: Vec<Asked> = {
                let mut waiting = self.waiting();
                // who has gone away needs no answer
                waiting.retain(|asked| !asked.answer.is_closed());
                let most = waiting.len().min(MOST);
                waiting.drain(..most).collect()
            };
            if asked.is_empty() {
                // this one went along with somebody who has gone away since
                drop(turn);
                return answered.await.map_err(Problem::internal)?;
            }
            let agent = self.agent.clone();
            off_thread(move || {
                // until the run ends, even if this caller leaves
                let _turn = turn;
                agent.answer(asked);
                Ok(())
            })
            .await?;
        }
    }

    /// The exact logits of a query, in units of 2^-40.
    pub(crate) fn logits(&self, features: &[u8]) -> Vec<i64> {
        self.agent.agent.weights.logits(features)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Answers in one run. Every answer must be the integer function's: any other could not be proven.
    fn answer(&self, asked: Vec<Asked>) {
        #[cfg(test)]
        self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let all: Vec<u8> = asked.iter().flat_map(|a| &a.features).copied().collect();
        let given = self.session.run(&all).map_err(Problem::internal);
        for (i, Asked { features, answer: to }) in asked.into_iter().enumerate() {
            let exact = answer(&self.agent.weights.logits(&features));
            let answered = match &given {
                Ok(given) => match given.get(i).map(|a| a.class) {
                    Some(class) if class == usize::from(exact) => Ok(exact),
                    other => {
                        let other = other.map_or("nothing".into(), |class| class.to_string());
                        Err(Problem::internal(format!("onnxruntime answers {other}, the integer function {exact}")))
                    }
                },
                Err(problem) => Err(problem.clone()),
            };
            // who asked may have gone away
            let _ = to.send(answered);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use tribute_core::head::Weights;
    use tribute_inference::runtime::Runtime;
    use tribute_testing::wait_until;

    use super::*;

    const QUERIES: usize = 300;

    fn query(i: usize) -> Vec<u8> {
        (0..8).map(|j| ((i * 31 + j * 57) % 256) as u8).collect()
    }

    async fn waiting(batches: &Batches, count: usize) {
        wait_until(&format!("{count} to wait"), async || batches.waiting().len() >= count).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_waits_is_answered_together_and_right() {
        let values = (0..9 * 5).map(|i| (i * 7919 % 2001) - 1000).collect();
        let weights = Weights::new(8, 5, values).unwrap();
        let agent = Agent { weights: weights.clone(), schema: "00".repeat(32), certificate: String::new() };
        let session = agent.session(&Runtime::locate_and_init(None).unwrap()).unwrap();
        let batches = Batches::new(agent, session);
        let ask = |i| {
            let batches = batches.clone();
            tokio::spawn(async move { batches.answer(query(i)).await })
        };
        let busy = batches.turn.clone().lock_owned().await;
        let asked: Vec<_> = (0..QUERIES).map(ask).collect();
        waiting(&batches, QUERIES).await;
        // who has gone away takes nobody's answer along
        asked[0].abort();
        asked[QUERIES - 1].abort();
        drop(busy);
        let mut seen = std::collections::BTreeSet::new();
        for (i, asked) in asked.into_iter().enumerate().skip(1).take(QUERIES - 2) {
            let class = asked.await.unwrap().unwrap();
            assert_eq!(class, answer(&weights.logits(&query(i))));
            seen.insert(class);
        }
        assert!(seen.len() > 1);
        assert_eq!(batches.agent.runs.load(Ordering::Relaxed), 2, "256 and 42");

        // a crowd that asks and leaves costs no run
        let busy = batches.turn.clone().lock_owned().await;
        let crowd: Vec<_> = (0..QUERIES).map(ask).collect();
        waiting(&batches, QUERIES).await;
        crowd.iter().for_each(|asked| asked.abort());
        for asked in crowd {
            assert!(asked.await.unwrap_err().is_cancelled());
        }
        let last = ask(7);
        waiting(&batches, QUERIES + 1).await;
        drop(busy);
        assert_eq!(last.await.unwrap().unwrap(), answer(&weights.logits(&query(7))));
        assert_eq!(batches.agent.runs.load(Ordering::Relaxed), 3);
        assert!(batches.waiting().is_empty());
        // alone
        assert_eq!(ask(7).await.unwrap().unwrap(), answer(&weights.logits(&query(7))));
    }
}
