//! `ServerService`.

use std::time::{SystemTime, UNIX_EPOCH};

use tonic::{Request, Response, Status};
use tribute_core::hexed::AccountAddress;
use tribute_engine::srs::Srs;
use tribute_proto::v1;

use crate::auth::Here;
use crate::chain::Contracts;
use crate::rules::admission::Admission;
use crate::rules::sessions::MAX_UNVOUCHED;

pub(crate) struct ServerRpc {
    pub(crate) here: Here,
    pub(crate) admission: Admission,
    /// Empty if the operator suggests none.
    pub(crate) public_rpc: String,
}

#[tonic::async_trait]
impl v1::server_service_server::ServerService for ServerRpc {
    async fn get_server_info(&self, _: Request<v1::GetServerInfoRequest>) -> Result<Response<v1::ServerInfo>, Status> {
        let (k, columns) = self.admission.profile;
        let contracts = self.admission.chain.as_ref().map(|c| c.contracts());
        let address =
            |pick: fn(&Contracts) -> AccountAddress| contracts.as_ref().map_or(Vec::new(), |c| pick(c).to_vec());
        Ok(Response::new(v1::ServerInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            instance: self.here.instance.to_vec(),
            default_profile: Some(v1::Profile { k, columns: columns.unwrap_or_default() as u32, intercept_scale: 0 }),
            now_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64),
            max_unvouched: MAX_UNVOUCHED as u32,
            srs_digest: self.admission.srs.to_vec(),
            development_srs: self.admission.srs == Srs::development_digest(),
            chain_id: contracts.as_ref().map_or(0, |c| c.chain_id),
            dataset_registry: address(|c| c.dataset_registry),
            agent_registry: address(|c| c.agent_registry),
            session_escrow: address(|c| c.session_escrow),
            proof_gate: address(|c| c.proof_gate),
            evaluations: address(|c| c.evaluations),
            first_block: contracts.as_ref().map_or(0, |c| c.block),
            public_rpc: self.public_rpc.clone(),
        }))
    }
}
