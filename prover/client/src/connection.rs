//! A connection to a server that authorizes its calls.

use std::sync::Arc;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::Request;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{with_causes, Problem, Reason, Result};
use tribute_proto::v1;

use crate::authorizing::{identity, Authorizing, Credential, Identity};
use crate::signing::Content;
use crate::wire::problem;

/// Largest message in either direction, bytes.
const MAX_MESSAGE: usize = 256 << 20;
/// Bytes of a file in one upload message.
const PIECE: usize = 256 << 10;
/// Consecutive failures to watch a job before [`Client::finish`] gives up.
const RETRIES: u32 = 40;
/// The same where the server says that it is not available now, which may last minutes.
const PATIENT: u32 = 1200;
/// Longest wait for a connection, and then for the server's info.
const CONNECT: Duration = Duration::from_secs(10);
/// How often the server is asked whether it lives, and how long its answer may take.
const PING: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// A connection that authorizes calls with an account's key. Errors are the server's [`Problem`]s.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    /// The server's description of itself, read on connecting.
    pub info: v1::ServerInfo,
    identity: Arc<Identity>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("server", &self.identity.server).field("account", &self.account().ok()).finish()
    }
}

/// What a connection by TLS needs beyond the public certificate authorities. All in PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Further authorities to trust.
    pub roots: Option<Vec<u8>>,
    /// The client's certificate, with those between it and a root, and its private key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("roots", &self.roots.is_some()).field("identity", &self.identity.is_some()).finish()
    }
}

impl Tls {
    fn config(&self) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new().with_enabled_roots();
        if let Some(roots) = &self.roots {
            config = config.ca_certificate(Certificate::from_pem(roots));
        }
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(tonic::transport::Identity::from_pem(certificate, key));
        }
        config
    }
}

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $module:ident :: $client:ident;)*) => {
        impl Client {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> v1::$module::$client<Authorizing> {
                v1::$module::$client::new(self.authorizing())
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
    /// `UploadService`: see [`Client::upload`].
    uploads: upload_service_client::UploadServiceClient;
    /// `LoginService`. Read-only calls log in automatically.
    logins: login_service_client::LoginServiceClient;
    /// `TrainingService`.
    trainings: training_service_client::TrainingServiceClient;
    /// `OperatorService`.
    operators: operator_service_client::OperatorServiceClient;
    /// `CircuitService`.
    circuits: circuit_service_client::CircuitServiceClient;
}

impl Client {
    /// Connects and reads the server's info. A server at an `https` URL must have a certificate of a public authority.
    pub async fn connect(server: &str, key: PrivateKeySigner) -> Result<Self> {
        Client::connect_with(server, key, &Tls::default()).await
    }

    /// The same, with authorities of your own, or a certificate for a server that asks its clients for one.
    ///
    /// # Errors
    /// If nothing answers there, or certificates are refused.
    pub async fn connect_with(server: &str, key: PrivateKeySigner, tls: &Tls) -> Result<Self> {
        Client::open(server, Credential::Key(key), tls).await
    }

    /// Connects with an API key, for calls that only read.
    ///
    /// # Errors
    /// As [`Client::connect_with`].
    pub async fn connect_to_read(server: &str, api_key: String, tls: &Tls) -> Result<Self> {
        Client::open(server, Credential::ApiKey(api_key), tls).await
    }

    async fn open(server: &str, credential: Credential, tls: &Tls) -> Result<Self> {
        let no_url =
            |e: tonic::transport::Error| Problem::field("server", format!("`{server}` is no URL: {}", with_causes(&e)));
        let mut endpoint = Endpoint::from_shared(server.to_owned())
            .map_err(no_url)?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .keep_alive_while_idle(true);
        if server.starts_with("https:") {
            endpoint = endpoint.tls_config(tls.config()).map_err(|e| {
                let message = format!("the certificates given for {server} cannot be used: {}", with_causes(&e));
                Problem::field("server", message)
            })?;
        }
        let channel = endpoint.connect().await.map_err(|e| {
            let message =
                format!("nothing answers at {server} ({}): is `tribute serve` running there?", with_causes(&e));
            Problem::field("server", message)
        })?;
        let mut described = v1::server_service_client::ServerServiceClient::new(channel.clone());
        let info = tokio::time::timeout(CONNECT, described.get_server_info(v1::GetServerInfoRequest {}))
            .await
            .map_err(|_| {
                let seconds = CONNECT.as_secs();
                Problem::field(
                    "server",
                    format!("{server} takes connections, but says nothing for {seconds} s: is it a `tribute serve`?"),
                )
            })?
            .map_err(problem)?
            .into_inner();
        let identity = Arc::new(identity(server, &info, credential)?);
        Ok(Client { channel, info, identity })
    }

    fn authorizing(&self) -> Authorizing {
        Authorizing { channel: self.channel.clone(), identity: self.identity.clone() }
    }

    /// The caller's account.
    ///
    /// # Errors
    /// As [`Client::key`].
    pub fn account(&self) -> Result<AccountAddress> {
        Ok(self.key()?.address().into_array().into())
    }

    /// The caller's key.
    ///
    /// # Errors
    /// NOT_ALLOWED if the client calls with an API key, which signs nothing and does not say whose it is.
    pub fn key(&self) -> Result<&PrivateKeySigner> {
        self.identity.key("this")
    }

    /// The `authorization` metadata for one call of `method` (a gRPC path) that sends `content`. Only for callers that
    /// build their own requests: calls through this client are authorized automatically.
    pub fn authorization(&self, method: &str, content: Content) -> Result<String> {
        self.identity.sign(method, content)
    }

    /// The login message for a challenge, and its signature. Only for callers that log in on their own.
    pub fn login_message(&self, challenge: &v1::Challenge) -> Result<(String, Vec<u8>)> {
        self.identity.login(challenge)
    }

    /// Uploads a file and returns its SHA-256, by which calls refer to it. The server keeps it for a day.
    ///
    /// # Errors
    /// The server's refusal, for instance because a quota is exceeded.
    pub async fn upload(&self, file: Vec<u8>) -> Result<Vec<u8>> {
        let content = Content::of(&file);
        let mut at = 0;
        let pieces = std::iter::from_fn(move || {
            let data = file.get(at..(at + PIECE).min(file.len())).filter(|d| !d.is_empty())?.to_vec();
            at += data.len();
            Some(v1::UploadChunk { data })
        });
        let mut request = Request::new(tokio_stream::iter(pieces));
        request.extensions_mut().insert(content);
        Ok(self.uploads().upload(request).await.map_err(problem)?.into_inner().upload)
    }

    /// Waits until a job has ended; returns the error of a job that failed. `report` is called for every event. If the
    /// server becomes unreachable, retries for a while, each time it does.
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
                Err(p)
                    if (p.reason == Reason::Internal && failures < RETRIES)
                        || (p.reason.code() == tonic::Code::Unavailable && failures < PATIENT) =>
                {
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
                // the server ended the stream because it is stopping
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Reports a job's events after `after` until the stream ends, then reads the job. Advances `after`, so that a
    /// broken stream can be resumed.
    async fn look(&self, job: &str, after: &mut u64, report: &mut impl FnMut(&v1::JobEvent)) -> Result<v1::Job> {
        let request = v1::WatchJobRequest { job: job.into(), after: *after };
        let mut events = self.jobs().watch_job(request).await.map_err(problem)?.into_inner();
        while let Some(event) = events.message().await.map_err(problem)? {
            *after = event.sequence;
            report(&event);
        }
        let request = v1::GetJobRequest { job: job.into() };
        Ok(self.jobs().get_job(request).await.map_err(problem)?.into_inner())
    }
}

fn job_problem(job: &v1::Job) -> Problem {
    let error = job.error.clone().unwrap_or_default();
    let reason = Reason::ALL.iter().find(|r| r.text() == error.reason).copied().unwrap_or(Reason::Internal);
    Problem { reason, message: error.message, metadata: error.metadata.into_iter().collect() }.with("job", &job.id)
}
