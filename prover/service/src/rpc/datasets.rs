//! `DatasetService`.

use tonic::{Request, Response, Status};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RecordContext;
use tribute_problem::{field, Problem};
use tribute_proto::v1;
use tribute_store::artefacts::Artefacts;

use crate::auth::caller;
use crate::registry::Registry;
use crate::rules::admission::Admission;
use crate::rules::ownership::Ownership;
use crate::rules::records::Records;
use crate::rules::uploads::Uploads;
use crate::rules::{off_thread, tables};
use crate::wire;

pub(crate) struct DatasetRpc {
    pub(crate) admission: Admission,
    pub(crate) ownership: Ownership,
    pub(crate) uploads: Uploads,
    pub(crate) records: Records,
    pub(crate) registry: Registry,
    pub(crate) artefacts: Artefacts,
}

#[tonic::async_trait]
impl v1::dataset_service_server::DatasetService for DatasetRpc {
    async fn register_dataset(
        &self,
        request: Request<v1::RegisterDatasetRequest>,
    ) -> Result<Response<v1::RegisterDatasetResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let work = r.work.ok_or_else(|| Problem::field("work", "is missing"))?;
        let job = self.admission.submit(caller, v1::work::Work::Dataset(work), r.options.as_ref()).await?;
        let job = wire::job_with_outcome(&self.artefacts, job).await?;
        Ok(Response::new(v1::RegisterDatasetResponse { job: Some(job) }))
    }

    async fn check_records(
        &self,
        request: Request<v1::CheckRecordsRequest>,
    ) -> Result<Response<v1::CheckRecordsResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let table = self.uploads.table(caller, r.csv).await?;
        let schema = wire::schema(&r.schema_json)?;
        Ok(Response::new(off_thread(move || tables::check(&schema, &table)).await?))
    }

    async fn infer_schema(
        &self,
        request: Request<v1::InferSchemaRequest>,
    ) -> Result<Response<v1::InferSchemaResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let table = self.uploads.table(caller, r.csv.clone()).await?;
        Ok(Response::new(off_thread(move || tables::infer(table, r)).await?))
    }

    async fn get_dataset(&self, request: Request<v1::GetDatasetRequest>) -> Result<Response<v1::Dataset>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let dataset = match self.ownership.dataset(caller, &r.id).await {
            Ok(own) => own,
            Err(problem) if problem.is_storage() => return Err(problem.into()),
            // transferred to the caller, perhaps, on chain
            Err(_) => self.admission.own_version(caller, &r.id).await?,
        };
        let mut message = wire::dataset_with_proofs(&self.artefacts, &dataset.body, dataset.created_ms).await?;
        let versions = self.registry.versions(dataset.body.root).await?;
        message.versions = versions.iter().map(wire::dataset_version).collect();
        Ok(Response::new(message))
    }

    async fn list_datasets(
        &self,
        request: Request<v1::ListDatasetsRequest>,
    ) -> Result<Response<v1::ListDatasetsResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let size = wire::page_size(r.page_size)?;
        let rows = self.registry.datasets(caller, wire::page_token(&r.page_token)?, size).await?;
        let last = rows.last().map(|d| (d.created_ms, d.body.id.to_string()));
        let next_page_token = wire::next_page(rows.len(), size, last);
        let datasets = rows.iter().map(|d| wire::dataset(&d.body, d.created_ms)).collect();
        Ok(Response::new(v1::ListDatasetsResponse { datasets, next_page_token }))
    }

    async fn forget_dataset(
        &self,
        request: Request<v1::ForgetDatasetRequest>,
    ) -> Result<Response<v1::ForgetDatasetResponse>, Status> {
        let caller = caller(&request)?;
        let dataset = self.ownership.dataset(caller, &request.into_inner().id).await?.body;
        let (deleted, kept) = self.admission.forget_dataset(&dataset).await?;
        let kept_for = kept.iter().map(|id| id.to_vec()).collect();
        Ok(Response::new(v1::ForgetDatasetResponse { deleted, kept_for }))
    }

    async fn grant_training(
        &self,
        request: Request<v1::GrantTrainingRequest>,
    ) -> Result<Response<v1::GrantTrainingResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let id = self.admission.own_version(caller, &r.dataset_id).await?.body.id;
        let grantee: AccountAddress = field("grantee", &r.grantee)?;
        if grantee == AccountAddress::default() {
            return Err(Problem::field("grantee", "the zero address belongs to nobody").into());
        }
        if r.uses == 0 {
            return Err(Problem::field("uses", "a grant has at least one use").into());
        }
        let expiry = i64::try_from(r.expiry)
            .map_err(|_| Problem::field("expiry", format!("{} is not a time in Unix seconds", r.expiry)))?;
        let uses = self.registry.grant(id, grantee, r.uses, expiry).await?;
        Ok(Response::new(v1::GrantTrainingResponse { uses: u32::try_from(uses).unwrap_or(u32::MAX) }))
    }

    async fn show_record(
        &self,
        request: Request<v1::ShowRecordRequest>,
    ) -> Result<Response<v1::ShowRecordResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let dataset = self.ownership.dataset(caller, &r.dataset_id).await?.body;
        let context = if r.context.is_empty() { RecordContext::ZERO } else { field("context", &r.context)? };
        let record = self.records.show(dataset, r.record, context).await?;
        Ok(Response::new(v1::ShowRecordResponse { record_json: record.to_json()? }))
    }
}
