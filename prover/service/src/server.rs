//! The gRPC server: health, reflection, gRPC-Web and the console, tracing, panic handling and graceful shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic_health::pb::health_server::{Health, HealthServer};
use tower_http::catch_panic::CatchPanicLayer;
use tribute_console::Console;
use tribute_core::hexed::AccountAddress;
use tribute_custody::Custody;
use tribute_problem::{with_causes, Problem, Result};
use tribute_proto::v1;
use tribute_steps::place::Storage;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

use crate::auth::accounts::Accounts;
use crate::auth::api_keys::ApiKeys;
use crate::auth::gate::Gate;
use crate::auth::signed::Nonces;
use crate::auth::tokens::Tokens;
use crate::auth::Here;
use crate::chain::{Chain, Registries};
use crate::connections::{self, Connection};
use crate::jobs::config;
use crate::jobs::fitness;
use crate::jobs::lent;
use crate::jobs::news::News;
use crate::jobs::queue::{Queue, Quotas};
use crate::jobs::retention;
use crate::jobs::worker::Worker;
use crate::observe::audit::AuditLog;
use crate::observe::calls::Observe;
use crate::observe::endpoint;
use crate::observe::overview::Overseer;
use crate::outage;
use crate::registry::training::Trainings;
use crate::registry::Registry;
use crate::rpc::agents::AgentRpc;
use crate::rpc::audit::AuditRpc;
use crate::rpc::circuits::CircuitRpc;
use crate::rpc::datasets::DatasetRpc;
use crate::rpc::jobs::JobRpc;
use crate::rpc::login::LoginRpc;
use crate::rpc::operator::OperatorRpc;
use crate::rpc::server_info::ServerRpc;
use crate::rpc::sessions::SessionRpc;
use crate::rpc::training::TrainingRpc;
use crate::rpc::uploads::UploadRpc;
use crate::rules::admission::Admission;
use crate::rules::agents::LoadedAgents;
use crate::rules::at_home::AtHome;
use crate::rules::certificates::Certificates;
use crate::rules::files::FileChecks;
use crate::rules::gather::Owners;
use crate::rules::ownership::Ownership;
use crate::rules::records::Records;
use crate::rules::sessions::Sessions;
use crate::rules::training::Participants;
use crate::rules::uploads::{self, Uploads};
use crate::wire::MAX_RESPONSE;

/// Largest request message of any call, bytes; the gate enforces each call's own limit.
const MAX_REQUEST: usize = 512 << 10;
/// Largest request message to health or reflection, bytes.
const SMALL: usize = 4096;
/// Calls of one connection at a time.
const STREAMS: u32 = 256;
/// Largest metadata of a call, bytes.
const HEADERS: u32 = 16 << 10;
/// How often a connection's other end is asked whether it lives, and how long its answer may take.
const PING: Duration = Duration::from_secs(30);
/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Server configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// `host:port` names by which clients reach the server; if empty, derived from the listening address.
    pub names: Vec<String>,
    /// Accounts allowed to call.
    pub accounts: Accounts,
    /// Upload quotas and memory.
    pub uploads: uploads::Limits,
    /// Jobs that an account may have.
    pub quotas: Quotas,
    /// Connections that may be open.
    pub connections: connections::Limits,
    /// Certificate, if it speaks TLS.
    pub tls: Option<Tls>,
    /// Configuration of its workers.
    pub worker: config::Config,
    /// Default circuit shape: rows (log2), and data columns, if not those that fit the schema.
    pub profile: (u32, Option<usize>),
    /// The chain to read from, if any.
    pub chain: Option<Arc<dyn Chain>>,
    /// Registries it proves for in addition to those of `chain`.
    pub registries: Vec<Registries>,
    /// How long ended jobs are kept, with the artefacts that only they name; `None`: for ever.
    pub keep: Option<Duration>,
    /// Address for metrics, if they are served.
    pub metrics: Option<SocketAddr>,
    /// Audit log, if one is kept.
    pub audit: Option<AuditLog>,
    /// Accounts that may see the overview of the whole server.
    pub operators: Vec<AccountAddress>,
    /// JSON-RPC address of the chain that browsers are told to use, if any.
    pub public_rpc: Option<String>,
}

/// A server's TLS. All in PEM.
#[derive(Clone)]
pub struct Tls {
    /// The server's certificate, followed by those between it and a root.
    pub certificate: Vec<u8>,
    /// The certificate's private key.
    pub key: Vec<u8>,
    /// Roots of the clients' certificates, if clients must have one.
    pub clients: Option<Vec<u8>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("clients", &self.clients.is_some()).finish_non_exhaustive()
    }
}

impl Tls {
    fn config(&self) -> ServerTlsConfig {
        let config =
            ServerTlsConfig::new().identity(Identity::from_pem(&self.certificate, &self.key)).timeout(HANDSHAKE);
        match &self.clients {
            Some(roots) => config.client_ca_root(Certificate::from_pem(roots)),
            None => config,
        }
    }
}

/// A running server.
pub struct Running {
    /// Address it listens on.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Running {
    /// Shuts down: refuses new calls, stops child processes, returns their jobs to the queue and waits for all of it.
    pub async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        let mut serving = self.serving;
        // streams end on the stop signal; a stuck connection must not keep the process alive
        let ended = match tokio::time::timeout(Duration::from_secs(10), &mut serving).await {
            Ok(ended) => ended.map_err(Problem::internal)?.map_err(Problem::internal),
            Err(_) => {
                serving.abort();
                Ok(())
            }
        };
        for task in self.tasks {
            task.await.map_err(Problem::internal)?;
        }
        ended
    }
}

/// Opens the stores, binds the listener and starts serving.
pub async fn start(config: Config) -> Result<Running> {
    let storage: &Storage = &config.worker.storage;
    let data = &storage.workplace.data;
    std::fs::create_dir_all(data)
        .map_err(|e| Problem::storage(format!("cannot make the data folder {}: {e}", data.display())))?;
    let database = Database::open(&storage.database).await?;
    let artefacts = storage.workplace.artefacts()?;
    artefacts.check().await?;
    let custody = Custody::open(database.clone(), artefacts.clone(), &storage.master_key).await?;
    let parameters = storage.workplace.srs()?;
    let srs = parameters.digest().map_err(|e| Problem::field("srs", e.to_string()))?;
    fitness::announce(&database, &artefacts, Some(srs)).await?;
    let (stop, stopping) = watch::channel(false);
    let queue = Queue::new(database.clone()).with_quotas(config.quotas);
    let registry = Registry::new(database.clone());
    let certificates = Certificates { registry: registry.clone(), artefacts: artefacts.clone() };
    let sessions = Sessions {
        registry: registry.clone(),
        custody: custody.clone(),
        chain: config.chain.clone(),
        agents: LoadedAgents::new(registry.clone(), custody.clone()),
    };
    let ownership = Ownership { registry: registry.clone(), queue: queue.clone() };
    let uploads = Uploads::new(database.clone(), artefacts.clone(), custody.clone(), config.uploads);
    let (news, gathering) = News::start(database.clone(), stopping.clone());
    let wake = news.queued();
    let admission = Admission {
        queue: queue.clone(),
        registry: registry.clone(),
        artefacts: artefacts.clone(),
        custody: custody.clone(),
        certificates: certificates.clone(),
        sessions: sessions.clone(),
        ownership: ownership.clone(),
        uploads: uploads.clone(),
        chain: config.chain.clone(),
        registries: config.registries,
        profile: config.profile,
        memory_mb: config.worker.memory_mb,
        srs,
        wake: wake.clone(),
    };
    let files = FileChecks::new(parameters.clone(), srs, config.profile.0);
    let training = TrainingRpc {
        participants: Participants {
            trainings: Trainings::new(database.clone(), custody.clone()),
            registry: registry.clone(),
            custody: custody.clone(),
            uploads: uploads.clone(),
            admission: admission.clone(),
            srs,
        },
        owners: Owners {
            custody: custody.clone(),
            artefacts: artefacts.clone(),
            uploads: uploads.clone(),
            admission: admission.clone(),
            parameters: parameters.clone(),
            srs,
        },
        at_home: AtHome {
            database: database.clone(),
            custody: custody.clone(),
            artefacts: artefacts.clone(),
            uploads: uploads.clone(),
            admission: admission.clone(),
            ownership: admission.ownership.clone(),
            files: files.clone(),
            parameters: parameters.clone(),
        },
        custody: custody.clone(),
        artefacts: artefacts.clone(),
    };
    let overseer = Overseer::new(
        config.operators,
        database.clone(),
        artefacts.clone(),
        config.chain.clone(),
        storage.workplace.data.clone(),
    );
    let records = Records { custody: custody.clone(), parameters, opening: Arc::default() };
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| Problem::field("listen", format!("cannot listen on {}: {e}", config.listen)))?;
    let address = listener.local_addr()?;
    let here = Here::open(&database, &config.names, address).await?;
    let nonces = Nonces::open(database.clone()).await?;
    let chain_id = config.chain.as_ref().map_or(1, |c| c.contracts().chain_id);
    let tokens = Tokens::open(database.clone(), here.clone(), chain_id, nonces.clone()).await?;
    let console = Console::new(&here.names, config.public_rpc.as_deref());
    let (lookout, outlook) = outage::pair();
    let gate = Gate::new(here, config.accounts, nonces, tokens, outlook);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;

    let lookout = tokio::spawn(lookout.watch(queue.database().clone(), health, stopping.clone()));
    let mut tasks = vec![gathering, lookout];
    if let Some(address) = config.metrics {
        tasks.push(endpoint::serve(address, Some(database.clone()), stopping.clone()).await?.1);
    }
    if config.worker.slots > 0 {
        let worker = Worker::new(config.worker.clone(), queue.clone(), registry.clone(), custody.clone());
        tasks.push(tokio::spawn(worker.run(wake, stopping.clone())));
    }
    tasks.push(tokio::spawn(housekeeping(
        gate.clone(),
        uploads.clone(),
        queue.clone(),
        custody.clone(),
        stopping.clone(),
    )));
    if let Some(age) = config.keep {
        tasks.push(tokio::spawn(forgetting(queue.clone(), artefacts.clone(), age, stopping.clone())));
    }
    let services = Services {
        server: ServerRpc {
            here: gate.here.clone(),
            admission: admission.clone(),
            public_rpc: config.public_rpc.unwrap_or_default(),
        },
        logins: LoginRpc {
            tokens: gate.tokens.clone(),
            accounts: gate.accounts.clone(),
            keys: ApiKeys::new(database.clone()),
        },
        uploads: UploadRpc { uploads: uploads.clone() },
        jobs: JobRpc {
            admission: admission.clone(),
            ownership: ownership.clone(),
            queue: queue.clone(),
            artefacts: artefacts.clone(),
            news,
            stop: stopping.clone(),
        },
        datasets: DatasetRpc {
            admission: admission.clone(),
            ownership: ownership.clone(),
            uploads,
            records,
            registry: registry.clone(),
            artefacts: artefacts.clone(),
        },
        agents: AgentRpc {
            admission: admission.clone(),
            ownership,
            certificates,
            registry: registry.clone(),
            custody,
            artefacts: artefacts.clone(),
        },
        sessions: SessionRpc {
            admission: admission.clone(),
            sessions,
            registry: registry.clone(),
            artefacts: artefacts.clone(),
            accounts: gate.accounts.clone(),
            outlook: gate.outlook.clone(),
            stop: stopping.clone(),
        },
        circuits: CircuitRpc { admission, registry, artefacts },
        audit: AuditRpc { files },
        operator: OperatorRpc { overseer },
        training,
    };
    let layers = Layers { observe: Observe { audit: config.audit }, console, gate };
    let mut builder = Server::builder();
    if let Some(tls) = &config.tls {
        let unusable = |e| {
            Problem::field(
                "tls-certificate",
                format!("certificate, key or clients' roots are unusable: {}", with_causes(&e)),
            )
        };
        builder = builder.tls_config(tls.config()).map_err(unusable)?;
    }
    let incoming = connections::incoming(listener, config.connections.within_open_files());
    let serving = tokio::spawn(serve(builder, services, layers, health_service, incoming, stopping));
    Ok(Running { address, stop, tasks, serving })
}

/// Every gRPC service of the server.
struct Services {
    server: ServerRpc,
    logins: LoginRpc,
    uploads: UploadRpc,
    jobs: JobRpc,
    datasets: DatasetRpc,
    agents: AgentRpc,
    sessions: SessionRpc,
    circuits: CircuitRpc,
    audit: AuditRpc,
    operator: OperatorRpc,
    training: TrainingRpc,
}

/// What is around every service, from outside to inside.
struct Layers {
    observe: Observe,
    console: Console,
    gate: Gate,
}

async fn serve(
    builder: Server,
    services: Services,
    layers: Layers,
    health: HealthServer<impl Health>,
    incoming: impl Stream<Item = std::io::Result<Connection>>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), tonic::transport::Error> {
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tribute_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let missing = |e: &dyn std::fmt::Display| tracing::error!(error = %e, "no reflection");
    let reflection = described().build_v1().inspect_err(|e| missing(e)).ok();
    // the version that Python's client speaks
    let earlier = described().build_v1alpha().inspect_err(|e| missing(e)).ok();
    macro_rules! service {
        ($module:ident :: $server:ident, $service:expr) => {
            v1::$module::$server::new($service)
                .max_decoding_message_size(MAX_REQUEST)
                .max_encoding_message_size(MAX_RESPONSE)
                .send_compressed(CompressionEncoding::Gzip)
        };
    }
    builder
        .accept_http1(true) // gRPC-Web
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADERS)
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PING))
        .layer(layers.observe)
        .layer(CatchPanicLayer::new())
        .layer(layers.console)
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(layers.gate)
        .add_service(health.max_decoding_message_size(SMALL))
        .add_optional_service(reflection.map(|service| service.max_decoding_message_size(SMALL)))
        .add_optional_service(earlier.map(|service| service.max_decoding_message_size(SMALL)))
        .add_service(service!(server_service_server::ServerServiceServer, services.server))
        .add_service(service!(login_service_server::LoginServiceServer, services.logins))
        .add_service(service!(upload_service_server::UploadServiceServer, services.uploads))
        .add_service(service!(job_service_server::JobServiceServer, services.jobs))
        .add_service(service!(dataset_service_server::DatasetServiceServer, services.datasets))
        .add_service(service!(agent_service_server::AgentServiceServer, services.agents))
        .add_service(service!(session_service_server::SessionServiceServer, services.sessions))
        .add_service(service!(circuit_service_server::CircuitServiceServer, services.circuits))
        .add_service(service!(audit_service_server::AuditServiceServer, services.audit))
        .add_service(service!(operator_service_server::OperatorServiceServer, services.operator))
        .add_service(service!(training_service_server::TrainingServiceServer, services.training))
        .serve_with_incoming_shutdown(incoming, async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        })
        .await
}

/// Deletes what is older than `age` once an hour: ended jobs, and artefacts that nothing names any more.
async fn forgetting(queue: Queue, artefacts: Artefacts, age: Duration, mut stop: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(Duration::from_secs(3600));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.changed() => return,
        }
        let jobs = queue.forget_ended(age).await;
        let unnamed = match jobs {
            Ok(_) => retention::sweep(queue.database(), &artefacts, age.max(retention::GRACE)).await,
            Err(_) => Ok(0),
        };
        match (jobs, unnamed) {
            (Ok(0), Ok(0)) => {}
            (Ok(jobs), Ok(artefacts)) => tracing::info!(jobs, artefacts, "forgot what is old"),
            (Err(e), _) | (_, Err(e)) => tracing::warn!(error = %e, "cannot forget what is old"),
        }
    }
}

/// Deletes expired nonces, tokens and uploads once a minute, and what was lent for jobs that have ended.
async fn housekeeping(gate: Gate, uploads: Uploads, queue: Queue, custody: Custody, mut stop: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    let mut look_back = lent::A_DAY_MS;
    while !*stop.borrow() {
        tokio::select! {
            _ = tick.tick() => {
                let lent = lent::sweep(&queue, &custody, look_back).await;
                look_back = if lent.is_ok() { lent::RECENTLY_MS } else { lent::A_DAY_MS };
                for forgot in [gate.nonces.forget().await, gate.tokens.forget().await, uploads.forget().await, lent] {
                    if let Err(e) = forgot {
                        tracing::warn!(error = %e, "cannot forget what has expired");
                    }
                }
            }
            _ = stop.changed() => {}
        }
    }
}
