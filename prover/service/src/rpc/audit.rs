//! `AuditService`.

use tonic::{Request, Response, Status};
use tribute_proto::v1;

use crate::rules::audit::Audit;

pub(crate) struct AuditRpc {
    pub(crate) audit: Audit,
}

#[tonic::async_trait]
impl v1::audit_service_server::AuditService for AuditRpc {
    async fn check_file(
        &self,
        request: Request<v1::CheckFileRequest>,
    ) -> Result<Response<v1::CheckFileResponse>, Status> {
        Ok(Response::new(self.audit.check(request.into_inner().file_json).await?))
    }
}
