//! The gRPC server: health, reflection, gRPC-Web, tracing, panic handling and graceful shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::net::TcpListener;
use tokio::sync::{watch, Notify};
use tokio::task::JoinHandle;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic_health::pb::health_server::{Health, HealthServer};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use tribute_custody::Custody;
use tribute_problem::{Problem, Result};
use tribute_proto::v1;
use tribute_steps::place::{Known, Storage};
use tribute_store::db::Database;

use crate::auth::accounts::Accounts;
use crate::auth::gate::Gate;
use crate::auth::signed::Nonces;
use crate::auth::tokens::Tokens;
use crate::auth::Here;
use crate::chain::{Chain, Registries};
use crate::connections::{self, Connection};
use crate::jobs::fairness::Quotas;
use crate::jobs::fitness;
use crate::jobs::queue::Queue;
use crate::jobs::worker::{self, Worker};
use crate::outage;
use crate::registry::Registry;
use crate::rpc::agents::AgentRpc;
use crate::rpc::circuits::CircuitRpc;
use crate::rpc::datasets::DatasetRpc;
use crate::rpc::jobs::JobRpc;
use crate::rpc::login::LoginRpc;
use crate::rpc::server_info::ServerRpc;
use crate::rpc::sessions::SessionRpc;
use crate::rpc::uploads::UploadRpc;
use crate::rules::admission::Admission;
use crate::rules::agents::LoadedAgents;
use crate::rules::certificates::Certificates;
use crate::rules::ownership::Ownership;
use crate::rules::records::Records;
use crate::rules::sessions::Sessions;
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
    pub worker: worker::Config,
    /// Default circuit shape: rows (log2) and data columns.
    pub profile: (u32, usize),
    /// The chain to read from, if any.
    pub chain: Option<Arc<dyn Chain>>,
    /// Registries it proves for in addition to those of `chain`.
    pub registries: Vec<Registries>,
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
    let custody = Custody::open(database.clone(), artefacts.clone(), &storage.master_key).await?;
    let parameters = storage.workplace.srs()?;
    let srs = parameters.digest().map_err(|e| Problem::field("srs", e.to_string()))?;
    fitness::announce(&database, &artefacts, &Known { srs: Some(srs), artefact: None }).await?;
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
    let wake = Arc::new(Notify::new());
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
    let records = Records { custody: custody.clone(), parameters, opening: Arc::default() };
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| Problem::field("listen", format!("cannot listen on {}: {e}", config.listen)))?;
    let address = listener.local_addr()?;
    let here = Here::open(&database, &config.names, address).await?;
    let nonces = Nonces::open(database.clone()).await?;
    let chain_id = config.chain.as_ref().map_or(1, |c| c.contracts().chain_id);
    let tokens = Tokens::open(database, here.clone(), chain_id, nonces.clone()).await?;
    let (lookout, outlook) = outage::pair();
    let gate = Gate::new(here, config.accounts, nonces, tokens, outlook);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;

    let mut tasks = vec![tokio::spawn(lookout.watch(queue.database().clone(), health, stopping.clone()))];
    if config.worker.slots > 0 {
        let worker = Worker::new(config.worker.clone(), queue.clone(), registry.clone(), custody.clone());
        tasks.push(tokio::spawn(worker.run(wake, stopping.clone())));
    }
    tasks.push(tokio::spawn(housekeeping(gate.clone(), uploads.clone(), stopping.clone())));
    let services = Services {
        server: ServerRpc { here: gate.here.clone(), admission: admission.clone() },
        logins: LoginRpc { tokens: gate.tokens.clone(), accounts: gate.accounts.clone() },
        uploads: UploadRpc { uploads: uploads.clone() },
        jobs: JobRpc {
            admission: admission.clone(),
            ownership: ownership.clone(),
            queue,
            artefacts: artefacts.clone(),
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
        },
        circuits: CircuitRpc { admission, registry, artefacts },
    };
    let mut builder = Server::builder();
    if let Some(tls) = &config.tls {
        let unusable = |e| {
            Problem::field("tls-certificate", format!("certificate, key or clients' roots are unusable: {}", said(&e)))
        };
        builder = builder.tls_config(tls.config()).map_err(unusable)?;
    }
    let incoming = connections::incoming(listener, config.connections.within_open_files());
    let serving = tokio::spawn(serve(builder, services, gate, health_service, incoming, stopping));
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
}

/// An error with its causes.
fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn serve(
    builder: Server,
    services: Services,
    gate: Gate,
    health: HealthServer<impl Health>,
    incoming: impl Stream<Item = std::io::Result<Connection>>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), tonic::transport::Error> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tribute_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    let reflection = match reflection {
        Ok(service) => Some(service.max_decoding_message_size(SMALL)),
        Err(e) => {
            tracing::error!(error = %e, "no reflection");
            None
        }
    };
    macro_rules! service {
        ($module:ident :: $server:ident, $service:expr) => {
            v1::$module::$server::new($service)
                .max_decoding_message_size(MAX_REQUEST)
                .max_encoding_message_size(MAX_RESPONSE)
        };
    }
    builder
        .accept_http1(true) // gRPC-Web
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADERS)
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PING))
        .layer(TraceLayer::new_for_grpc().on_failure(())) // refusals are answers, not failures
        .layer(CatchPanicLayer::new())
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(gate)
        .add_service(health.max_decoding_message_size(SMALL))
        .add_optional_service(reflection)
        .add_service(service!(server_service_server::ServerServiceServer, services.server))
        .add_service(service!(login_service_server::LoginServiceServer, services.logins))
        .add_service(service!(upload_service_server::UploadServiceServer, services.uploads))
        .add_service(service!(job_service_server::JobServiceServer, services.jobs))
        .add_service(service!(dataset_service_server::DatasetServiceServer, services.datasets))
        .add_service(service!(agent_service_server::AgentServiceServer, services.agents))
        .add_service(service!(session_service_server::SessionServiceServer, services.sessions))
        .add_service(service!(circuit_service_server::CircuitServiceServer, services.circuits))
        .serve_with_incoming_shutdown(incoming, async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        })
        .await
}

/// Deletes expired nonces, tokens and uploads once a minute.
async fn housekeeping(gate: Gate, uploads: Uploads, mut stop: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    while !*stop.borrow() {
        tokio::select! {
            _ = tick.tick() => {
                for forgot in [gate.nonces.forget().await, gate.tokens.forget().await, uploads.forget().await] {
                    if let Err(e) = forgot {
                        tracing::warn!(error = %e, "cannot forget what has expired");
                    }
                }
            }
            _ = stop.changed() => {}
        }
    }
}
