//! `SessionService`.

use tonic::{Request, Response, Status};
use tribute_client::wire::signed_voucher;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_store::artefacts::Artefacts;

use crate::auth::caller;
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
}

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
        use v1::query_request::Query as Q;
        let caller = caller(&request)?;
        let r = request.into_inner();
        let session = field("session", &r.session)?;
        self.sessions.spoken_for(caller, session).await?;
        let features = match r.query {
            Some(Q::Features(f)) => Features::Values(f.values),
            Some(Q::Quantised(bytes)) => Features::Quantised(bytes),
            None => return Err(Problem::new(Reason::BadQuery, "the query is missing").into()),
        };
        let query = Query {
            features,
            salt: field("salt", &r.salt)?,
            position: r.position,
            voucher: r.voucher.as_ref().map(signed_voucher).transpose()?,
        };
        let answered = self.sessions.answer(caller, session, query).await?;
        Ok(Response::new(v1::QueryResponse {
            answer: answered.class.into(),
            label: answered.label,
            transcript: answered.transcript.to_vec(),
            position: answered.position,
            quantised: answered.quantised,
        }))
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
