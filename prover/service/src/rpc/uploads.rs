//! `UploadService`.

use futures::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};
use tribute_client::signing::Content;
use tribute_problem::Problem;
use tribute_proto::v1;

use crate::auth::caller;
use crate::rules::uploads::Uploads;

pub(crate) struct UploadRpc {
    pub(crate) uploads: Uploads,
}

#[tonic::async_trait]
impl v1::upload_service_server::UploadService for UploadRpc {
    async fn upload(
        &self,
        request: Request<Streaming<v1::UploadChunk>>,
    ) -> Result<Response<v1::UploadResponse>, Status> {
        let caller = caller(&request)?;
        let content = request.extensions().get::<Content>().copied();
        let content = content.ok_or_else(|| Problem::internal("an upload came without its signed length"))?;
        let broken = |e: Status| Problem::field("upload", format!("it broke off: {}", e.message()));
        let pieces = request.into_inner().map(|piece| piece.map(|p| p.data).map_err(broken));
        self.uploads.receive(caller, content, pieces).await?;
        Ok(Response::new(v1::UploadResponse { upload: content.sha256.to_vec(), bytes: content.length }))
    }
}
