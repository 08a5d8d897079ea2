//! `TrainingService`.

use tonic::{Request, Response, Status};
use tribute_core::hexed::AccountAddress;
use tribute_custody::Custody;
use tribute_federation::wire::{answer_message, consent_message};
use tribute_federation::Asked;
use tribute_problem::Result;
use tribute_proto::v1;
use tribute_steps::home::MASKED;
use tribute_store::artefacts::Artefacts;

use crate::auth::caller;
use crate::registry::training::{RequestRow, Said};
use crate::rules::at_home::AtHome;
use crate::rules::gather::Owners;
use crate::rules::training::Participants;
use crate::wire;

pub(crate) struct TrainingRpc {
    pub(crate) participants: Participants,
    pub(crate) owners: Owners,
    pub(crate) at_home: AtHome,
    pub(crate) custody: Custody,
    pub(crate) artefacts: Artefacts,
}

impl TrainingRpc {
    /// A request for `caller`, with what it would spend if the caller is the participant.
    async fn message(&self, caller: AccountAddress, row: &RequestRow) -> Result<v1::TrainingRequest> {
        let trainings = &self.participants.trainings;
        let mut message = v1::TrainingRequest {
            id: row.id.to_vec(),
            account: row.account.to_vec(),
            request_json: row.request.to_json(),
            state: match row.said {
                Said::Asked => v1::RequestState::Asked,
                Said::Approved => v1::RequestState::Approved,
                Said::Declined => v1::RequestState::Declined,
            }
            .into(),
            reason: row.reason.clone(),
            consent: row.consent.as_ref().map(consent_message),
            created_ms: row.created_ms.unsigned_abs(),
            rounds_answered: trainings.rounds(row.id, row.account).await?,
            expenses: None,
            answered_before: Vec::new(),
            least_share_bps: row.least_share_bps,
        };
        if row.account == caller {
            if let Asked::Training(request) = &row.request {
                let expenses = self.participants.expenses(request, row.account).await?;
                message.expenses = Some(v1::Expenses {
                    shards: expenses.shards,
                    openings_left: expenses.openings_left,
                    answer_bytes: expenses.answer_bytes,
                    seconds: expenses.seconds,
                });
            }
            let before = trainings.answered_before(row.id, row.account).await?;
            message.answered_before = before.into_iter().map(|id| id.to_vec()).collect();
        }
        Ok(message)
    }
}

#[tonic::async_trait]
impl v1::training_service_server::TrainingService for TrainingRpc {
    async fn describe_dataset(
        &self,
        request: Request<v1::DescribeDatasetRequest>,
    ) -> Result<Response<v1::Dataset>, Status> {
        let (body, created_ms) = self.participants.describe(&request.into_inner().dataset_id).await?;
        Ok(Response::new(wire::dataset_with_proofs(&self.artefacts, &body, created_ms).await?))
    }

    async fn ask_training(
        &self,
        request: Request<v1::AskTrainingRequest>,
    ) -> Result<Response<v1::AskTrainingResponse>, Status> {
        let caller = caller(&request)?;
        let (id, accounts) = self.participants.ask(caller, request.into_inner()).await?;
        let accounts = accounts.into_iter().map(|a| a.to_vec()).collect();
        Ok(Response::new(v1::AskTrainingResponse { id: id.to_vec(), accounts }))
    }

    async fn get_training_request(
        &self,
        request: Request<v1::GetTrainingRequestRequest>,
    ) -> Result<Response<v1::TrainingRequest>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let row = self.participants.request(caller, &r.id, &r.account).await?;
        Ok(Response::new(self.message(caller, &row).await?))
    }

    async fn list_training_requests(
        &self,
        request: Request<v1::ListTrainingRequestsRequest>,
    ) -> Result<Response<v1::ListTrainingRequestsResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let size = wire::page_size(r.page_size)?;
        self.participants.trainings.meet(caller).await?;
        let rows = self.participants.trainings.list(caller, wire::page_token(&r.page_token)?, size).await?;
        let last = rows.last().map(|row| (row.created_ms, row.id.to_string()));
        let next_page_token = wire::next_page(rows.len(), size, last);
        let mut requests = Vec::with_capacity(rows.len());
        for row in &rows {
            requests.push(self.message(caller, row).await?);
        }
        Ok(Response::new(v1::ListTrainingRequestsResponse { requests, next_page_token }))
    }

    async fn prepare_consent(
        &self,
        request: Request<v1::PrepareConsentRequest>,
    ) -> Result<Response<v1::PrepareConsentResponse>, Status> {
        let caller = caller(&request)?;
        let keys = self.participants.prepare(caller, &request.into_inner().id).await?;
        let (mask_key, answer_key) = (keys.mask_key().to_vec(), keys.answer_key().to_vec());
        Ok(Response::new(v1::PrepareConsentResponse { mask_key, answer_key }))
    }

    async fn approve_training(
        &self,
        request: Request<v1::ApproveTrainingRequest>,
    ) -> Result<Response<v1::TrainingRequest>, Status> {
        let caller = caller(&request)?;
        let row = self.participants.approve(caller, request.into_inner()).await?;
        Ok(Response::new(self.message(caller, &row).await?))
    }

    async fn decline_training(
        &self,
        request: Request<v1::DeclineTrainingRequest>,
    ) -> Result<Response<v1::TrainingRequest>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let row = self.participants.decline(caller, &r.id, &r.reason).await?;
        Ok(Response::new(self.message(caller, &row).await?))
    }

    async fn answer_round(
        &self,
        request: Request<v1::AnswerRoundRequest>,
    ) -> Result<Response<v1::RoundAnswer>, Status> {
        let caller = caller(&request)?;
        let answer = self.participants.answer(caller, request.into_inner()).await?;
        Ok(Response::new(answer_message(&answer)))
    }

    async fn answer_ranges(
        &self,
        request: Request<v1::AnswerRangesRequest>,
    ) -> Result<Response<v1::RoundAnswer>, Status> {
        let caller = caller(&request)?;
        let answer = self.participants.answer_ranges(caller, request.into_inner()).await?;
        Ok(Response::new(answer_message(&answer)))
    }

    async fn prove_at_home(
        &self,
        request: Request<v1::ProveAtHomeRequest>,
    ) -> Result<Response<v1::ProveAtHomeResponse>, Status> {
        let caller = caller(&request)?;
        let job = wire::job(self.participants.prove(caller, request.into_inner()).await?, None);
        let (state, progress, error) = (job.state, job.progress, job.error);
        Ok(Response::new(v1::ProveAtHomeResponse { state, progress, error }))
    }

    async fn get_home_gradients(
        &self,
        request: Request<v1::GetHomeGradientsRequest>,
    ) -> Result<Response<v1::HomeGradients>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let home = self.participants.proven(caller, &r.id, &r.account).await?;
        let mut proofs = Vec::with_capacity(home.proofs.len());
        for proof in &home.proofs {
            proofs.push(wire::proof(&self.artefacts, proof).await?);
        }
        let masked = self.custody.get(&home.account.to_string(), MASKED, &home.masked).await?;
        let masks = home.masks.iter().map(|m| m.to_vec()).collect();
        Ok(Response::new(v1::HomeGradients { proofs, masked, masks }))
    }

    async fn commit_weights(
        &self,
        request: Request<v1::CommitWeightsRequest>,
    ) -> Result<Response<v1::CommitWeightsResponse>, Status> {
        let caller = caller(&request)?;
        let (digest, blinding) = self.owners.commit(caller, request.into_inner()).await?;
        Ok(Response::new(v1::CommitWeightsResponse { weights_digest: digest.to_vec(), blinding }))
    }

    async fn gather_agent(
        &self,
        request: Request<v1::GatherAgentRequest>,
    ) -> Result<Response<v1::GatherAgentResponse>, Status> {
        let caller = caller(&request)?;
        let job = self.owners.gather(caller, request.into_inner()).await?;
        let job = wire::job_with_outcome(&self.artefacts, job).await?;
        Ok(Response::new(v1::GatherAgentResponse { job: Some(job) }))
    }

    async fn lend_weights(
        &self,
        request: Request<v1::LendWeightsRequest>,
    ) -> Result<Response<v1::LendWeightsResponse>, Status> {
        let caller = caller(&request)?;
        let (weights, blinding) = self.at_home.lend(caller, request.into_inner()).await?;
        Ok(Response::new(v1::LendWeightsResponse { weights, blinding }))
    }

    async fn evaluate_at_home(
        &self,
        request: Request<v1::EvaluateAtHomeRequest>,
    ) -> Result<Response<v1::EvaluateAtHomeResponse>, Status> {
        let caller = caller(&request)?;
        let job = match self.at_home.evaluate(caller, request.into_inner()).await? {
            Some(job) => Some(wire::job_with_outcome(&self.artefacts, job).await?),
            None => None,
        };
        Ok(Response::new(v1::EvaluateAtHomeResponse { job }))
    }
}
