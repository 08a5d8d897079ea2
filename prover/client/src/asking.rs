//! Queries over one stream. A call for each costs a signature, and at the server a write, that a stream costs once.

use alloy::signers::local::PrivateKeySigner;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;

use crate::connection::Client;
use crate::signing::Content;
use crate::wire::problem;

/// A stream of queries to a server. It opens with the first query, and again when the server has ended it, as it does after
/// some minutes without a query.
pub struct QueryStream {
    client: Client,
    open: Option<Open>,
}

struct Open {
    queries: mpsc::Sender<v1::QueryRequest>,
    answers: Streaming<v1::QueryResponse>,
}

impl std::fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryStream").field("client", &self.client).field("open", &self.open.is_some()).finish()
    }
}

impl QueryStream {
    /// A stream that opens with its first query.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        QueryStream { client: client.clone(), open: None }
    }

    pub(crate) fn key(&self) -> Result<&PrivateKeySigner> {
        self.client.key()
    }

    /// Sends a query and waits for its answer. Whoever calls this follows the rules of sessions by itself; otherwise use
    /// [`ClientSession::ask_over`](crate::session::ClientSession::ask_over).
    ///
    /// # Errors
    /// The server's refusal, which ends the stream; the next query opens another.
    pub async fn exchange(&mut self, query: v1::QueryRequest) -> Result<v1::QueryResponse> {
        // a server that is stopping, or has waited for long, ends the stream without an answer: once, that is no error
        for _ in 0..2 {
            let mut open = match self.open.take() {
                Some(open) => {
                    if open.queries.send(query.clone()).await.is_err() {
                        continue;
                    }
                    open
                }
                None => self.begin(query.clone()).await?,
            };
            if let Some(answer) = open.answers.message().await.map_err(problem)? {
                self.open = Some(open);
                return Ok(answer);
            }
        }
        let message = "the server ends every stream of queries: it is stopping, send the query again in a moment";
        Err(Problem::new(Reason::Busy, message))
    }

    async fn begin(&self, first: v1::QueryRequest) -> Result<Open> {
        let content = Content::of(&first.encode_to_vec());
        let (queries, sent) = mpsc::channel(1);
        // the server answers the call when it has the first message
        queries.send(first).await.map_err(Problem::internal)?;
        let mut request = Request::new(ReceiverStream::new(sent));
        request.extensions_mut().insert(content);
        let answers = self.client.sessions().query_stream(request).await.map_err(problem)?.into_inner();
        Ok(Open { queries, answers })
    }
}
