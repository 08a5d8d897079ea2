//! The gRPC server: health, reflection, gRPC-Web, tracing, panics caught, graceful stop.

mod agents;
mod certificate;
mod circuits;
mod convert;
mod datasets;
mod jobs;
mod records;
mod server_info;
mod sessions;
mod submit;
mod tables;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{watch, Mutex, Notify};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use tribute_circuits::srs::SrsStore;
use tribute_proto::v1;

use crate::artefacts::Artefacts;
use crate::auth::Gatekeeper;
use crate::chain::Chain;
use crate::custody::Custody;
use crate::db::Database;
use crate::hexed::Hex32;
use crate::jobs::child::Place;
use crate::jobs::queue::Queue;
use crate::jobs::worker;
use crate::problem::{Problem, Result};
use crate::registry::Registry;

/// Largest request: a dataset's records travel in one.
const MAX_REQUEST: usize = 256 << 20;
/// Answers the server gives ahead of the vouchers for them.
pub const MAX_UNVOUCHED: u64 = 1;

/// How a server runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its workers.
    pub worker: worker::Config,
    /// The circuits' shape where a request names none.
    pub profile: (u32, usize),
    /// The chain it reads, if any.
    pub chain: Option<Arc<dyn Chain>>,
}

/// What every service of the server shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) registry: Registry,
    pub(crate) artefacts: Artefacts,
    pub(crate) custody: Custody,
    pub(crate) gate: Gatekeeper,
    pub(crate) wake: Arc<Notify>,
    pub(crate) profile: (u32, usize),
    /// Digest of the SRS that proofs are made under.
    pub(crate) srs: Hex32,
    /// The SRS itself, of every size.
    pub(crate) parameters: SrsStore,
    /// Openings of records at a time: one.
    pub(crate) opening: Arc<Mutex<()>>,
    pub(crate) chain: Option<Arc<dyn Chain>>,
    /// Agents loaded into onnxruntime, by weights' digest.
    pub(crate) agents: Arc<Mutex<HashMap<Hex32, Arc<sessions::Loaded>>>>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Running {
    /// Stops: no new calls, children stopped and their jobs given back, then returns.
    pub async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        let mut serving = self.serving;
        // streams end by themselves when told to stop; a stuck connection must not keep the process alive
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

/// Opens the stores and starts serving.
pub async fn start(config: Config) -> Result<Running> {
    let place: &Place = &config.worker.place;
    std::fs::create_dir_all(&place.data)
        .map_err(|e| Problem::storage(format!("cannot make the data folder {}: {e}", place.data.display())))?;
    let database = Database::open(&place.database).await?;
    let artefacts = place.artefacts()?;
    let custody = Custody::open(database.clone(), artefacts.clone(), &place.master_key)?;
    let parameters = place.srs()?;
    let srs = parameters.digest().map_err(|e| Problem::field("srs", e.to_string()))?;
    let (stop, stopping) = watch::channel(false);
    let shared = Shared {
        queue: Queue::new(database.clone()),
        registry: Registry::new(database.clone()),
        artefacts,
        custody,
        gate: Gatekeeper::open(database).await?,
        wake: Arc::new(Notify::new()),
        profile: config.profile,
        srs: Hex32::from(srs),
        parameters,
        opening: Arc::default(),
        chain: config.chain,
        agents: Arc::default(),
        stop: stopping.clone(),
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| Problem::field("listen", format!("cannot listen on {}: {e}", config.listen)))?;
    let address = listener.local_addr()?;

    let mut tasks = Vec::new();
    if config.worker.slots > 0 {
        tasks.push(tokio::spawn(worker::run(
            config.worker.clone(),
            shared.queue.clone(),
            shared.registry.clone(),
            shared.wake.clone(),
            stopping.clone(),
        )));
    }
    tasks.push(tokio::spawn(housekeeping(shared.clone())));
    let serving = tokio::spawn(serve(shared, listener, stopping));
    Ok(Running { address, stop, tasks, serving })
}

async fn serve(
    shared: Shared,
    listener: TcpListener,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tribute_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    let reflection = match reflection {
        Ok(service) => Some(service),
        Err(e) => {
            tracing::error!(error = %e, "no reflection");
            None
        }
    };
    macro_rules! service {
        ($module:ident :: $server:ident, $service:expr) => {
            v1::$module::$server::new($service)
                .max_decoding_message_size(MAX_REQUEST)
                .max_encoding_message_size(MAX_REQUEST)
        };
    }
    let info = v1::server_service_server::ServerServiceServer::new(server_info::Info(shared.clone()));
    Server::builder()
        .accept_http1(true) // gRPC-Web
        .layer(TraceLayer::new_for_grpc().on_failure(())) // refusals are answers, not failures
        .layer(CatchPanicLayer::new())
        .layer(tonic_web::GrpcWebLayer::new())
        .add_service(health_service)
        .add_optional_service(reflection)
        .add_service(info)
        .add_service(service!(job_service_server::JobServiceServer, jobs::Jobs(shared.clone())))
        .add_service(service!(dataset_service_server::DatasetServiceServer, datasets::Datasets(shared.clone())))
        .add_service(service!(agent_service_server::AgentServiceServer, agents::Agents(shared.clone())))
        .add_service(service!(session_service_server::SessionServiceServer, sessions::Sessions(shared.clone())))
        .add_service(service!(circuit_service_server::CircuitServiceServer, circuits::Circuits(shared.clone())))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        })
        .await
}

/// Small regular duties.
async fn housekeeping(shared: Shared) {
    let mut stop = shared.stop.clone();
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    while !*stop.borrow() {
        tokio::select! {
            _ = tick.tick() => {
                if let Err(e) = shared.gate.forget_expired().await {
                    tracing::warn!(error = %e, "cannot forget expired nonces");
                }
            }
            _ = stop.changed() => {}
        }
    }
}
