//! `OperatorService`.

use tonic::{Request, Response, Status};
use tribute_proto::v1;

use crate::auth::caller;
use crate::observe::overview::{Overseer, Overview};

pub(crate) struct OperatorRpc {
    pub(crate) overseer: Overseer,
}

#[tonic::async_trait]
impl v1::operator_service_server::OperatorService for OperatorRpc {
    async fn get_overview(&self, request: Request<v1::GetOverviewRequest>) -> Result<Response<v1::Overview>, Status> {
        let overview = self.overseer.overview(caller(&request)?).await?;
        Ok(Response::new(message(&overview)))
    }
}

fn message(o: &Overview) -> v1::Overview {
    let state = &o.state;
    let (artefacts, artefact_bytes) = o.artefacts.as_ref().copied().unwrap_or_default();
    v1::Overview {
        now_ms: state.now_ms.unsigned_abs(),
        queued: state.queued.unsigned_abs(),
        running: state.running.unsigned_abs(),
        accounts: state
            .tenants
            .iter()
            .map(|t| v1::AccountQueue {
                account: t.tenant.clone(),
                queued: t.queued.unsigned_abs(),
                running: t.running.unsigned_abs(),
                oldest_ms: t.oldest_ms.unsigned_abs(),
            })
            .collect(),
        workers: state
            .workers
            .iter()
            .map(|w| v1::WorkerStatus {
                name: w.worker.clone(),
                heard_ms: w.heard_ms.unsigned_abs(),
                silent: w.silent,
                jobs: w.jobs.unsigned_abs(),
                slots: w.slots.unsigned_abs(),
                longest_ms: w.longest_ms.unsigned_abs(),
                started_ms: w.started_ms.unsigned_abs(),
                unfit: w.unfit.clone(),
            })
            .collect(),
        ended: state
            .ended
            .iter()
            .map(|e| v1::EndedJobs { kind: e.kind.clone(), state: e.state.clone(), jobs: e.jobs.unsigned_abs() })
            .collect(),
        openings: state
            .openings
            .iter()
            .map(|c| v1::OpeningsLeft { commitment: c.commitment.clone(), left: c.left.unsigned_abs() })
            .collect(),
        storage: Some(v1::StorageUse {
            database_bytes: o.database_bytes,
            artefacts,
            artefact_bytes,
            disk_free_bytes: o.disk.0,
            disk_bytes: o.disk.1,
        }),
        health: Some(v1::ServerHealth {
            started_ms: o.started_ms,
            resident_bytes: o.resident,
            database_ms: o.database_ms,
            artefacts_problem: o.artefacts.as_ref().err().map(|p| p.message.clone()).unwrap_or_default(),
            chain_problem: match &o.block_time {
                Some(Err(p)) => p.message.clone(),
                _ => String::new(),
            },
            block_time: match o.block_time {
                Some(Ok(time)) => time,
                _ => 0,
            },
        }),
    }
}
