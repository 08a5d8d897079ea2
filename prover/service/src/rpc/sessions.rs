//! `SessionService`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{stream, Stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use tribute_client::wire::signed_voucher;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_store::artefacts::Artefacts;

use crate::auth::accounts::Accounts;
use crate::auth::{caller, place, Inside};
use crate::outage::Outlook;
use crate::registry::sessions::SessionRow;
use crate::registry::Registry;
use crate::rules::admission::Admission;
use crate::rules::sessions::{Features, Query, Sessions};
use crate::wire;

pub(crate) struct SessionRpc {
    pub(crate) admission: Admission,
    pub(crate) sessions: Sessions,
    pub(crate) registry: Registry,
    pub(crate) artefacts: Artefacts,
    /// Accounts allowed to call: a stream of queries outlives changes.
    pub(crate) accounts: Accounts,
    /// Whether the database answers, for the queries of streams; other calls' is asked before they come here.
    pub(crate) outlook: Outlook,
    /// True once the server is stopping.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Longest wait for a stream's next query.
const IDLE: Duration = Duration::from_secs(300);

impl SessionRpc {
    async fn message(&self, session: &SessionRow) -> Result<v1::Session> {
        let on_chain = self.sessions.on_chain(session.body.id).await?;
        let digest = session.body.weights_digest;
        let agent = self.registry.agent(digest).await?.ok_or_else(|| Problem::not_found("agent", digest))?.body;
        Ok(wire::session(session, &on_chain, &agent))
    }
}

#[tonic::async_trait]
impl v1::session_service_server::SessionService for SessionRpc {
    async fn open_session(&self, request: Request<v1::OpenSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let (id, weights) = (field("session", &r.session)?, field("weights_digest", &r.weights_digest)?);
        let session = self.sessions.open(caller, id, weights).await?;
        Ok(Response::new(self.message(&session).await?))
    }

    async fn get_session(&self, request: Request<v1::GetSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let session = self.sessions.visible(caller, field("session", &r.session)?).await?;
        Ok(Response::new(self.message(&session).await?))
    }

    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<v1::QueryResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(answer(&self.sessions, caller, request.into_inner()).await?))
    }

    type QueryStreamStream = Answers;

    async fn query_stream(&self, request: Request<Streaming<v1::QueryRequest>>) -> Result<Response<Answers>, Status> {
        let (caller, place) = (caller(&request)?, place(&request)?);
        let asking = Asking {
            sessions: self.sessions.clone(),
            accounts: self.accounts.clone(),
            outlook: self.outlook.clone(),
            stop: self.stop.clone(),
            caller,
            place,
            queries: request.into_inner(),
        };
        Ok(Response::new(Box::pin(stream::try_unfold(asking, Asking::next))))
    }

    async fn submit_voucher(
        &self,
        request: Request<v1::SubmitVoucherRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let voucher = r.voucher.ok_or_else(|| Problem::field("voucher", "is missing"))?;
        self.sessions.spoken_for(caller, field("voucher.session", &voucher.session)?).await?;
        let voucher = signed_voucher(&voucher)?;
        let session = self.sessions.submit_voucher(caller, &voucher).await?;
        Ok(Response::new(self.message(&session).await?))
    }

    async fn prove_service(
        &self,
        request: Request<v1::ProveServiceRequest>,
    ) -> Result<Response<v1::ProveServiceResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let work = v1::work::Work::Service(r.work.ok_or_else(|| Problem::field("work", "is missing"))?);
        let job = self.admission.submit(caller, work, r.options.as_ref()).await?;
        Ok(Response::new(v1::ProveServiceResponse { job: Some(wire::job_with_outcome(&self.artefacts, job).await?) }))
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<v1::QueryResponse, Status>> + Send>>;

/// A stream of queries, each answered before the next is read.
struct Asking {
    sessions: Sessions,
    accounts: Accounts,
    outlook: Outlook,
    stop: watch::Receiver<bool>,
    caller: AccountAddress,
    /// Its place among the account's calls: every query takes a turn there, as a call of its own would.
    place: Arc<Inside>,
    queries: Streaming<v1::QueryRequest>,
}

impl Asking {
    async fn next(mut self) -> Result<Option<(v1::QueryResponse, Self)>, Status> {
        if *self.stop.borrow() {
            return Ok(None);
        }
        let query = tokio::select! {
            query = tokio::time::timeout(IDLE, self.queries.message()) => query,
            // the client goes on at another server, or at this one when it is back
            _ = self.stop.changed() => return Ok(None),
        };
        // nobody waits for an answer: the client opens another stream for its next query
        let Some(query) = query.unwrap_or(Ok(None))? else { return Ok(None) };
        self.accounts.admit(self.caller)?;
        let turn = self.place.turn().await?;
        let answered = self.outlook.meanwhile(answer(&self.sessions, self.caller, query)).await??;
        drop(turn);
        Ok(Some((answered, self)))
    }
}

async fn answer(sessions: &Sessions, caller: AccountAddress, r: v1::QueryRequest) -> Result<v1::QueryResponse> {
    use v1::query_request::Query as Q;
    let session = field("session", &r.session)?;
    sessions.spoken_for(caller, session).await?;
    let features = match r.query {
        Some(Q::Features(f)) => Features::Values { values: f.values, clamped: f.clamped },
        Some(Q::Quantised(bytes)) => Features::Quantised(bytes),
        None => return Err(Problem::new(Reason::BadQuery, "the query is missing")),
    };
    let query = Query {
        features,
        salt: field("salt", &r.salt)?,
        position: r.position,
        voucher: r.voucher.as_ref().map(signed_voucher).transpose()?,
    };
    let answered = sessions.answer(caller, session, query).await?;
    Ok(v1::QueryResponse {
        answer: answered.class.into(),
        label: answered.label,
        transcript: answered.transcript.to_vec(),
        position: answered.position,
        quantised: answered.quantised,
        scores: answered.scores,
    })
}
