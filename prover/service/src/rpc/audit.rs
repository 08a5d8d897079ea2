//! `AuditService`.

use tonic::{Request, Response, Status};
use tribute_proto::v1;

use crate::rules::files::FileChecks;

pub(crate) struct AuditRpc {
    pub(crate) files: FileChecks,
}

#[tonic::async_trait]
impl v1::audit_service_server::AuditService for AuditRpc {
    async fn check_file(
        &self,
        request: Request<v1::CheckFileRequest>,
    ) -> Result<Response<v1::CheckFileResponse>, Status> {
        Ok(Response::new(self.files.check(request.into_inner().file_json).await?))
    }
}
