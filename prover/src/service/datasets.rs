//! `DatasetService`.

use tonic::{Request, Response, Status};
use tribute_proto::v1;

use super::{convert, tables, Shared};
use crate::hexed::Hex32;
use crate::problem::Problem;

/// Runs what takes long off the threads that serve.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?
}

pub(super) struct Datasets(pub(super) Shared);

#[tonic::async_trait]
impl v1::dataset_service_server::DatasetService for Datasets {
    async fn register_dataset(
        &self,
        request: Request<v1::RegisterDatasetRequest>,
    ) -> Result<Response<v1::RegisterDatasetResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let work = r.work.ok_or_else(|| Problem::field("work", "is missing"))?;
        let job = self.0.submit(caller, v1::work::Work::Dataset(work), r.options.as_ref()).await?;
        Ok(Response::new(v1::RegisterDatasetResponse { job: Some(job) }))
    }

    async fn check_records(
        &self,
        request: Request<v1::CheckRecordsRequest>,
    ) -> Result<Response<v1::CheckRecordsResponse>, Status> {
        let r = request.into_inner();
        self.0.gate.admit(&r).await?;
        let schema = convert::schema(&r.schema_json)?;
        let csv = r.csv.ok_or_else(|| Problem::field("csv", "is missing"))?;
        Ok(Response::new(off_thread(move || tables::check(&schema, csv)).await?))
    }

    async fn infer_schema(
        &self,
        request: Request<v1::InferSchemaRequest>,
    ) -> Result<Response<v1::InferSchemaResponse>, Status> {
        let r = request.into_inner();
        self.0.gate.admit(&r).await?;
        Ok(Response::new(off_thread(move || tables::infer(r)).await?))
    }

    async fn get_dataset(&self, request: Request<v1::GetDatasetRequest>) -> Result<Response<v1::Dataset>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let id = Hex32::from_field("id", &r.id)?;
        match self.0.registry.dataset(id).await? {
            Some(d) if d.body.owner == caller => {
                Ok(Response::new(self.0.dataset_message(&d.body, d.created_ms).await?))
            }
            _ => Err(Problem::not_found("dataset", id).into()),
        }
    }

    async fn list_datasets(
        &self,
        request: Request<v1::ListDatasetsRequest>,
    ) -> Result<Response<v1::ListDatasetsResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let size = convert::page_size(r.page_size)?;
        let rows = self.0.registry.datasets(caller, convert::page_token(&r.page_token)?, size).await?;
        let last = rows.last().map(|d| (d.created_ms, d.body.id.to_string()));
        let next_page_token = convert::next_page(rows.len(), size, last);
        let datasets = rows.iter().map(|d| convert::dataset(&d.body, d.created_ms)).collect();
        Ok(Response::new(v1::ListDatasetsResponse { datasets, next_page_token }))
    }

    async fn grant_training(
        &self,
        request: Request<v1::GrantTrainingRequest>,
    ) -> Result<Response<v1::GrantTrainingResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let id = Hex32::from_field("dataset_id", &r.dataset_id)?;
        let grantee = convert::address("grantee", &r.grantee)?;
        if r.uses == 0 {
            return Err(Problem::field("uses", "a grant has at least one use").into());
        }
        let expiry = i64::try_from(r.expiry)
            .map_err(|_| Problem::field("expiry", format!("{} is not a time in Unix seconds", r.expiry)))?;
        match self.0.registry.dataset(id).await? {
            Some(d) if d.body.owner == caller => {}
            _ => return Err(Problem::not_found("dataset", id).into()),
        }
        let uses = self.0.registry.grant(id, grantee, r.uses, expiry).await?;
        Ok(Response::new(v1::GrantTrainingResponse { uses: u32::try_from(uses).unwrap_or(u32::MAX) }))
    }

    async fn show_record(
        &self,
        request: Request<v1::ShowRecordRequest>,
    ) -> Result<Response<v1::ShowRecordResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let id = Hex32::from_field("dataset_id", &r.dataset_id)?;
        let context = if r.context.is_empty() { Hex32::default() } else { Hex32::from_field("context", &r.context)? };
        match self.0.registry.dataset(id).await? {
            Some(d) if d.body.owner == caller => {
                let record = self.0.show_record(d.body, r.record, context).await?;
                Ok(Response::new(v1::ShowRecordResponse { record_json: record.to_json()? }))
            }
            _ => Err(Problem::not_found("dataset", id).into()),
        }
    }
}
