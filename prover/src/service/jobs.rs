//! `JobService`.

use std::pin::Pin;
use std::time::Duration;

use futures::{stream, Stream};
use tonic::{Request, Response, Status};
use tribute_proto::v1;

use super::{convert, Shared};
use crate::jobs::EventRow;
use crate::problem::Problem;

/// How often a waiting call looks at the table.
const POLL: Duration = Duration::from_millis(100);

pub(super) struct Jobs(pub(super) Shared);

type Events = Pin<Box<dyn Stream<Item = Result<v1::JobEvent, Status>> + Send>>;

#[tonic::async_trait]
impl v1::job_service_server::JobService for Jobs {
    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let job = self.0.submit(caller, inner(r.work)?, r.options.as_ref()).await?;
        Ok(Response::new(v1::SubmitResponse { job: Some(job) }))
    }

    async fn submit_batch(
        &self,
        request: Request<v1::SubmitBatchRequest>,
    ) -> Result<Response<v1::SubmitBatchResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        if r.work.is_empty() || r.work.len() > 256 {
            return Err(Problem::field("work", format!("{} pieces of work: a batch has 1 to 256", r.work.len())).into());
        }
        let work = r.work.into_iter().map(|w| inner(Some(w))).collect::<Result<Vec<_>, _>>()?;
        let jobs = self.0.submit_all(caller, work, r.options.as_ref()).await?;
        Ok(Response::new(v1::SubmitBatchResponse { jobs }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Result<Response<v1::Job>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let job = self.0.own_job(caller, &r.job).await?;
        Ok(Response::new(self.0.job_message(job).await?))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Result<Response<v1::ListJobsResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let size = convert::page_size(r.page_size)?;
        let after = convert::page_token(&r.page_token)?;
        let rows = self.0.queue.list(&caller.to_string(), convert::state_filter(r.state)?, after, size).await?;
        let next_page_token = convert::next_page(rows.len(), size, rows.last().map(|j| (j.created_ms, j.id.clone())));
        // what a job made may be large, or damaged, and is for who asks for that job
        let jobs = rows.into_iter().map(|row| convert::job(row, None)).collect();
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token }))
    }

    async fn wait_job(&self, request: Request<v1::WaitJobRequest>) -> Result<Response<v1::Job>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let seconds = if r.timeout_seconds == 0 { 60 } else { r.timeout_seconds.min(600) };
        let until = tokio::time::Instant::now() + Duration::from_secs(seconds.into());
        loop {
            let job = self.0.own_job(caller, &r.job).await?;
            if job.state.has_ended() || tokio::time::Instant::now() >= until || *self.0.stop.borrow() {
                return Ok(Response::new(self.0.job_message(job).await?));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    type WatchJobStream = Events;

    async fn watch_job(&self, request: Request<v1::WatchJobRequest>) -> Result<Response<Events>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        self.0.own_job(caller, &r.job).await?;
        let after = i64::try_from(r.after).map_err(|_| Problem::field("after", "no event has that number"))?;
        let watch = Watch { shared: self.0.clone(), job: r.job, after, pending: Vec::new().into_iter(), ended: false };
        Ok(Response::new(Box::pin(stream::unfold(watch, Watch::next))))
    }

    async fn cancel_job(&self, request: Request<v1::CancelJobRequest>) -> Result<Response<v1::Job>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        self.0.own_job(caller, &r.job).await?;
        self.0.queue.cancel(&r.job).await?;
        let job = self.0.own_job(caller, &r.job).await?;
        Ok(Response::new(self.0.job_message(job).await?))
    }
}

fn inner(work: Option<v1::Work>) -> Result<v1::work::Work, Problem> {
    work.and_then(|w| w.work).ok_or_else(|| Problem::field("work", "is empty"))
}

/// A job's events from a place on. The table is the truth, so any server can go on where another broke off.
struct Watch {
    shared: Shared,
    job: String,
    after: i64,
    pending: std::vec::IntoIter<EventRow>,
    ended: bool,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<v1::JobEvent, Status>, Self)> {
        loop {
            if let Some(row) = self.pending.next() {
                self.after = row.sequence;
                return Some((Ok(convert::event(row)), self));
            }
            if self.ended || *self.shared.stop.borrow() {
                return None;
            }
            match self.look().await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(POLL).await,
                Err(problem) => {
                    self.ended = true;
                    return Some((Err(problem.into()), self));
                }
            }
        }
    }

    /// Looks for new events; true when there are some or the job has ended.
    async fn look(&mut self) -> Result<bool, Problem> {
        // the state first: events written after it was read come with the next look
        let ended = self.shared.queue.get(&self.job).await?.is_none_or(|job| job.state.has_ended());
        let rows = self.shared.queue.events(&self.job, self.after).await?;
        self.ended = ended && rows.len() < 500;
        let news = !rows.is_empty();
        self.pending = rows.into_iter();
        Ok(news || self.ended)
    }
}
