//! `JobService`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{stream, Stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tribute_problem::Problem;
use tribute_proto::v1;
use tribute_store::artefacts::Artefacts;

use crate::auth::{caller, place, Inside};
use crate::jobs::news::{News, Watcher};
use crate::jobs::queue::Queue;
use crate::jobs::{lent, Event, EventRow, Job};
use crate::rules::admission::Admission;
use crate::rules::ownership::Ownership;
use crate::wire;

/// How long a watcher waits for news before it looks by itself.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longest time that `WaitJob` waits, seconds: less than the gate lets a call take.
const LONGEST_WAIT: u32 = 100;

pub(crate) struct JobRpc {
    pub(crate) admission: Admission,
    pub(crate) ownership: Ownership,
    pub(crate) queue: Queue,
    pub(crate) artefacts: Artefacts,
    /// Tells what changes.
    pub(crate) news: News,
    /// True once the server is stopping.
    pub(crate) stop: watch::Receiver<bool>,
}

impl JobRpc {
    async fn message(&self, job: Job) -> Result<v1::Job, Problem> {
        wire::job_with_outcome(&self.artefacts, job).await
    }
}

type Events = Pin<Box<dyn Stream<Item = Result<v1::JobEvent, Status>> + Send>>;

#[tonic::async_trait]
impl v1::job_service_server::JobService for JobRpc {
    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let job = self.admission.submit(caller, inner(r.work)?, r.options.as_ref()).await?;
        Ok(Response::new(v1::SubmitResponse { job: Some(self.message(job).await?) }))
    }

    async fn submit_batch(
        &self,
        request: Request<v1::SubmitBatchRequest>,
    ) -> Result<Response<v1::SubmitBatchResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        if r.work.is_empty() || r.work.len() > 256 {
            return Err(Problem::field("work", format!("{} pieces of work: a batch has 1 to 256", r.work.len())).into());
        }
        let work = r.work.into_iter().map(|w| inner(Some(w))).collect::<Result<Vec<_>, _>>()?;
        let (jobs, refused) = if r.partial {
            self.admission.submit_some(caller, work, r.options.as_ref()).await
        } else {
            (self.admission.submit_all(caller, work, r.options.as_ref()).await?, Vec::new())
        };
        let refusal = |(index, problem)| v1::Refusal { index, error: Some(wire::error(problem)) };
        Ok(Response::new(v1::SubmitBatchResponse {
            jobs: jobs.into_iter().map(|row| wire::job(row, None)).collect(),
            refusals: refused.into_iter().map(refusal).collect(),
        }))
    }

    async fn estimate(&self, request: Request<v1::EstimateRequest>) -> Result<Response<v1::EstimateResponse>, Status> {
        let caller = caller(&request)?;
        let work = inner(request.into_inner().work)?;
        Ok(Response::new(self.admission.estimate(caller, work).await?))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Result<Response<v1::Job>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let job = self.ownership.job(caller, &r.job).await?;
        Ok(Response::new(self.message(job).await?))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Result<Response<v1::ListJobsResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let size = wire::page_size(r.page_size)?;
        let after = wire::page_token(&r.page_token)?;
        let rows = self.queue.list(&caller.to_string(), wire::state_filter(r.state)?, after, size).await?;
        let next_page_token = wire::next_page(rows.len(), size, rows.last().map(|j| (j.created_ms, j.id.clone())));
        // outcomes may be large or damaged: they are loaded only for calls about a single job
        let jobs = rows.into_iter().map(|row| wire::job(row, None)).collect();
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token }))
    }

    async fn wait_job(&self, request: Request<v1::WaitJobRequest>) -> Result<Response<v1::Job>, Status> {
        let (caller, place) = (caller(&request)?, place(&request)?);
        let r = request.into_inner();
        let seconds = if r.timeout_seconds == 0 { 60 } else { r.timeout_seconds.min(LONGEST_WAIT) };
        let until = tokio::time::Instant::now() + Duration::from_secs(seconds.into());
        let mut stop = self.stop.clone();
        let mut watcher = self.news.watch(&r.job);
        loop {
            let turn = place.turn().await?;
            let job = self.ownership.job(caller, &r.job).await?;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if job.state.has_ended() || left.is_zero() || *stop.borrow() {
                return Ok(Response::new(self.message(job).await?));
            }
            // while it waits, others work
            drop(turn);
            tokio::select! {
                () = watcher.changed(left) => {}
                _ = stop.changed() => {}
            }
        }
    }

    type WatchJobStream = Events;

    async fn watch_job(&self, request: Request<v1::WatchJobRequest>) -> Result<Response<Events>, Status> {
        let (caller, place) = (caller(&request)?, place(&request)?);
        let r = request.into_inner();
        let watcher = self.news.watch(&r.job);
        let turn = place.turn().await?;
        let job = self.ownership.job(caller, &r.job).await?;
        drop(turn);
        let after = i64::try_from(r.after).map_err(|_| Problem::field("after", "no event has that number"))?;
        let watch = Watch {
            queue: self.queue.clone(),
            stop: self.stop.clone(),
            place,
            job: r.job,
            after,
            pending: Vec::new().into_iter(),
            watcher,
            ended: job.state.has_ended(),
            failed: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(watch, Watch::next))))
    }

    async fn cancel_job(&self, request: Request<v1::CancelJobRequest>) -> Result<Response<v1::Job>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        self.ownership.job(caller, &r.job).await?;
        self.queue.cancel(&r.job).await?;
        let job = self.ownership.job(caller, &r.job).await?;
        // of one that runs, its worker does
        if job.state.has_ended() {
            lent::forget(&self.queue, &self.admission.custody, &job).await;
        }
        Ok(Response::new(self.message(job).await?))
    }
}

fn inner(work: Option<v1::Work>) -> Result<v1::work::Work, Problem> {
    work.and_then(|w| w.work).ok_or_else(|| Problem::field("work", "is empty"))
}

/// The stream of a job's events after a sequence number. It reads only the database, so any server can resume a stream
/// that another one broke off.
struct Watch {
    queue: Queue,
    stop: watch::Receiver<bool>,
    /// Its place among the account's calls: every look takes a turn there.
    place: Arc<Inside>,
    job: String,
    after: i64,
    pending: std::vec::IntoIter<EventRow>,
    watcher: Watcher,
    /// Whether the job had ended before its events were read.
    ended: bool,
    failed: bool,
}

impl Watch {
    async fn look(&self) -> Result<Vec<EventRow>, Problem> {
        let _turn = self.place.turn().await?;
        self.queue.events(&self.job, self.after).await
    }

    async fn next(mut self) -> Option<(Result<v1::JobEvent, Status>, Self)> {
        loop {
            if let Some(row) = self.pending.next() {
                self.after = row.sequence;
                // the last event of a job is its end
                self.ended |= matches!(row.event, Event::State(state) if state.has_ended());
                return Some((Ok(wire::event(row)), self));
            }
            if self.failed || *self.stop.borrow() {
                return None;
            }
            match self.look().await {
                Ok(rows) if !rows.is_empty() => self.pending = rows.into_iter(),
                Ok(_) if self.ended => return None,
                Ok(_) => {
                    tokio::select! {
                        () = self.watcher.changed(PATIENCE) => {}
                        _ = self.stop.changed() => {}
                    }
                }
                Err(problem) => {
                    self.failed = true;
                    return Some((Err(problem.into()), self));
                }
            }
        }
    }
}
