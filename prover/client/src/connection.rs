//! A connection to a server, signing what it sends.

use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use tonic::transport::{Channel, Endpoint};
use tonic::Status;
use tribute_core::hexed::Hex20;
use tribute_core::id::Instance;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::{v1, SignedRequest};

use crate::signing;

/// Largest message in either direction.
const MAX_MESSAGE: usize = 256 << 20;
/// Looks at a job that fail in a row before it is given up.
const RETRIES: u32 = 40;
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// A connection with a key. What fails comes back as the server's [`Problem`].
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    /// What the server said it is.
    pub info: v1::ServerInfo,
    instance: Instance,
    key: PrivateKeySigner,
}

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $module:ident :: $client:ident;)*) => {
        impl Client {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> v1::$module::$client<Channel> {
                v1::$module::$client::new(self.channel.clone())
                    .max_decoding_message_size(MAX_MESSAGE)
                    .max_encoding_message_size(MAX_MESSAGE)
            }
        )*}
    };
}

services! {
    /// `JobService`.
    jobs: job_service_client::JobServiceClient;
    /// `DatasetService`.
    datasets: dataset_service_client::DatasetServiceClient;
    /// `AgentService`.
    agents: agent_service_client::AgentServiceClient;
    /// `SessionService`.
    sessions: session_service_client::SessionServiceClient;
    /// `CircuitService`.
    circuits: circuit_service_client::CircuitServiceClient;
}

impl Client {
    /// Connects and asks the server what it is.
    pub async fn connect(server: &str, key: PrivateKeySigner) -> Result<Self> {
        let channel = Endpoint::from_shared(server.to_owned())
            .map_err(|e| Problem::field("server", format!("`{server}` is no URL: {e}")))?
            .connect()
            .await
            .map_err(|e| {
                Problem::field(
                    "server",
                    format!("nothing answers at {server} ({e}): is `tribute serve` running there?"),
                )
            })?;
        let info = v1::server_service_client::ServerServiceClient::new(channel.clone())
            .get_server_info(v1::GetServerInfoRequest {})
            .await
            .map_err(problem)?
            .into_inner();
        let instance = field("instance", &info.instance)?;
        Ok(Client { channel, info, instance, key })
    }

    /// The caller's account.
    #[must_use]
    pub fn account(&self) -> Hex20 {
        self.key.address().into_array().into()
    }

    /// The caller's key.
    #[must_use]
    pub fn key(&self) -> &PrivateKeySigner {
        &self.key
    }

    /// Signs a request for this server.
    pub fn sign<R: SignedRequest>(&self, mut request: R) -> Result<R> {
        signing::sign(&mut request, &self.instance, &self.key)?;
        Ok(request)
    }

    /// Waits until a job has ended; its failure is the error. `report` hears of every change. A server that goes away is
    /// waited for a while, however often it does.
    pub async fn finish(&self, job: &str, mut report: impl FnMut(&v1::JobEvent)) -> Result<v1::Job> {
        let mut after = 0;
        let mut failures = 0;
        loop {
            let before = after;
            let found = self.look(job, &mut after, &mut report).await;
            if after > before {
                failures = 0;
            }
            let found = match found {
                Ok(found) => found,
                Err(p) if p.reason == Reason::Internal && failures < RETRIES => {
                    failures += 1;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(p) => return Err(p),
            };
            failures = 0;
            match found.state() {
                v1::JobState::Succeeded => return Ok(found),
                v1::JobState::Failed => return Err(job_problem(&found)),
                v1::JobState::Cancelled => {
                    return Err(Problem::new(Reason::NotReady, format!("job {job} was cancelled")).with("job", job))
                }
                // the server ended the stream because it stops
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Hears of a job's events after `after`, to the end of the stream, and looks at the job then. What breaks in between
    /// is taken up again where it stopped.
    async fn look(&self, job: &str, after: &mut u64, report: &mut impl FnMut(&v1::JobEvent)) -> Result<v1::Job> {
        let request = self.sign(v1::WatchJobRequest { auth: None, job: job.into(), after: *after })?;
        let mut events = self.jobs().watch_job(request).await.map_err(problem)?.into_inner();
        while let Some(event) = events.message().await.map_err(problem)? {
            *after = event.sequence;
            report(&event);
        }
        let request = self.sign(v1::GetJobRequest { auth: None, job: job.into() })?;
        Ok(self.jobs().get_job(request).await.map_err(problem)?.into_inner())
    }
}

/// What a server's status says.
#[must_use]
pub fn problem(status: Status) -> Problem {
    Problem::from_status(&status)
        .unwrap_or_else(|| Problem::internal(format!("{}: {}", status.code(), status.message())))
}

fn job_problem(job: &v1::Job) -> Problem {
    let error = job.error.clone().unwrap_or_default();
    let reason = Reason::ALL.iter().find(|r| r.text() == error.reason).copied().unwrap_or(Reason::Internal);
    Problem { reason, message: error.message, metadata: error.metadata.into_iter().collect() }.with("job", &job.id)
}
