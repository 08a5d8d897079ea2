//! `AgentService`.

use tonic::{Request, Response, Status};
use tribute_core::hexed::AccountAddress;
use tribute_custody::Custody;
use tribute_problem::{Problem, Result};
use tribute_proto::v1;
use tribute_steps::train::AgentBody;
use tribute_store::artefacts::Artefacts;

use crate::auth::caller;
use crate::registry::{Dated, Registry};
use crate::rules::admission::Admission;
use crate::rules::certificates::Certificates;
use crate::rules::ownership::Ownership;
use crate::wire;

pub(crate) struct AgentRpc {
    pub(crate) admission: Admission,
    pub(crate) ownership: Ownership,
    pub(crate) certificates: Certificates,
    pub(crate) registry: Registry,
    pub(crate) custody: Custody,
    pub(crate) artefacts: Artefacts,
}

impl AgentRpc {
    async fn submit(
        &self,
        caller: AccountAddress,
        work: v1::work::Work,
        options: Option<v1::JobOptions>,
    ) -> Result<Option<v1::Job>> {
        let job = self.admission.submit(caller, work, options.as_ref()).await?;
        wire::job_with_outcome(&self.artefacts, job).await.map(Some)
    }

    /// An agent without its model.
    async fn message(&self, agent: &Dated<AgentBody>) -> Result<v1::Agent> {
        let digest = agent.body.weights_digest;
        let proven = self.registry.proven(digest).await?;
        let shows_scores = self.registry.shows_scores(digest).await?;
        Ok(v1::Agent { shows_scores, ..wire::agent(&agent.body, proven, agent.created_ms) })
    }
}

fn missing() -> Problem {
    Problem::field("work", "is missing")
}

#[tonic::async_trait]
impl v1::agent_service_server::AgentService for AgentRpc {
    async fn train_agent(
        &self,
        request: Request<v1::TrainAgentRequest>,
    ) -> Result<Response<v1::TrainAgentResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let work = v1::work::Work::Train(r.work.ok_or_else(missing)?);
        Ok(Response::new(v1::TrainAgentResponse { job: self.submit(caller, work, r.options).await? }))
    }

    async fn import_agent(
        &self,
        request: Request<v1::ImportAgentRequest>,
    ) -> Result<Response<v1::TrainAgentResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let work = v1::work::Work::Import(r.work.ok_or_else(missing)?);
        Ok(Response::new(v1::TrainAgentResponse { job: self.submit(caller, work, r.options).await? }))
    }

    async fn get_agent(&self, request: Request<v1::GetAgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let agent = self.ownership.agent(caller, &r.weights_digest).await?;
        let onnx = self.custody.get(&caller.to_string(), "model", &agent.body.model).await?;
        Ok(Response::new(v1::Agent { onnx, ..self.message(&agent).await? }))
    }

    async fn show_scores(&self, request: Request<v1::ShowScoresRequest>) -> Result<Response<v1::Agent>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let agent = self.ownership.agent(caller, &r.weights_digest).await?;
        self.registry.show_scores(agent.body.weights_digest, r.show).await?;
        Ok(Response::new(self.message(&agent).await?))
    }

    async fn list_agents(
        &self,
        request: Request<v1::ListAgentsRequest>,
    ) -> Result<Response<v1::ListAgentsResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let size = wire::page_size(r.page_size)?;
        let rows = self.registry.agents(caller, wire::page_token(&r.page_token)?, size).await?;
        let last = rows.last().map(|a| (a.created_ms, a.body.weights_digest.to_string()));
        let next_page_token = wire::next_page(rows.len(), size, last);
        let mut agents = Vec::with_capacity(rows.len());
        for agent in &rows {
            agents.push(self.message(agent).await?);
        }
        Ok(Response::new(v1::ListAgentsResponse { agents, next_page_token }))
    }

    async fn prove_gradients(
        &self,
        request: Request<v1::ProveGradientsRequest>,
    ) -> Result<Response<v1::ProveGradientsResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let jobs = self.admission.submit_gradients(caller, &r.weights_digest, r.context, r.options.as_ref()).await?;
        Ok(Response::new(v1::ProveGradientsResponse { jobs }))
    }

    async fn prove_optimum(
        &self,
        request: Request<v1::ProveOptimumRequest>,
    ) -> Result<Response<v1::ProveOptimumResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let work = v1::work::Work::Optimum(r.work.ok_or_else(missing)?);
        Ok(Response::new(v1::ProveOptimumResponse { job: self.submit(caller, work, r.options).await? }))
    }

    async fn get_certificate(
        &self,
        request: Request<v1::GetCertificateRequest>,
    ) -> Result<Response<v1::GetCertificateResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let agent = self.ownership.agent(caller, &r.weights_digest).await?.body;
        let certificate_json = self.certificates.of(&agent).await?;
        Ok(Response::new(v1::GetCertificateResponse { certificate_json }))
    }

    async fn evaluate_agent(
        &self,
        request: Request<v1::EvaluateAgentRequest>,
    ) -> Result<Response<v1::EvaluateAgentResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let work = v1::work::Work::Evaluation(r.work.ok_or_else(missing)?);
        Ok(Response::new(v1::EvaluateAgentResponse { job: self.submit(caller, work, r.options).await? }))
    }

    async fn value_agent(
        &self,
        request: Request<v1::ValueAgentRequest>,
    ) -> Result<Response<v1::ValueAgentResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let work = v1::work::Work::Valuation(r.work.ok_or_else(missing)?);
        Ok(Response::new(v1::ValueAgentResponse { job: self.submit(caller, work, r.options).await? }))
    }
}
