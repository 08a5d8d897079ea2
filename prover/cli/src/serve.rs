//! `tribute serve` and `tribute worker`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tribute_chain::{Deployment, Options};
use tribute_client::files::{read_given, write_file};
use tribute_core::hexed::AccountAddress;
use tribute_core::layout::MIN_SERVICE_K;
use tribute_custody::{Custody, KeySource};
use tribute_problem::{Problem, Result};
use tribute_service::auth::accounts::Accounts;
use tribute_service::chain::{Chain, Registries, RpcChain};
use tribute_service::connections;
use tribute_service::jobs::config;
use tribute_service::jobs::news::News;
use tribute_service::jobs::queue::{Queue, Quotas, LONGEST_MS};
use tribute_service::jobs::worker::Worker;
use tribute_service::observe::audit::AuditLog;
use tribute_service::observe::endpoint;
use tribute_service::registry::Registry;
use tribute_service::server::{self, Tls};
use tribute_service::Limits;
use tribute_steps::place::{Storage, Workplace, CACHE_MB};
use tribute_store::db::{Database, Share};

use super::signals::terminated;
use super::CommandResult;

#[derive(Debug, Args)]
pub(super) struct StorageArgs {
    /// Folder for what is not stored elsewhere: the database, artefacts, the master key, and in any case a cache of circuit
    /// keys and parameters; created if missing.
    #[arg(long, value_name = "DIR", env = "TRIBUTE_DATA")]
    data: PathBuf,
    /// Database: sqlite:PATH, or postgres://… if several machines share it; a URL with a password only in the environment
    /// variable TRIBUTE_DATABASE, since everybody on the machine sees arguments. [default: an SQLite file in the data folder]
    #[arg(long, value_name = "URL", value_parser = without_password)]
    database: Option<String>,
    /// Artefacts: s3://BUCKET/PREFIX, if several machines share them; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    /// AWS_ENDPOINT and their like say how. [default: a folder in the data folder]
    #[arg(long, value_name = "URL", env = "TRIBUTE_ARTEFACTS")]
    artefacts: Option<String>,
    /// The key that encrypts all private data: a file, which is created if missing; env:NAME for an environment variable; or
    /// run:COMMAND for a command that prints it. [default: master.key in the data folder]
    #[arg(long, value_name = "FILE|env:NAME|run:COMMAND", env = "TRIBUTE_MASTER_KEY_SOURCE")]
    master_key: Option<KeySource>,
}

impl StorageArgs {
    pub(super) fn storage(&self) -> Result<Storage> {
        std::fs::create_dir_all(&self.data)
            .map_err(|e| Problem::field("data", format!("cannot make {}: {e}", self.data.display())))?;
        let data = std::path::absolute(&self.data)?;
        let usual = Storage::in_folder(&data);
        let named = std::env::var(DATABASE).ok().filter(|url| !url.is_empty());
        Ok(Storage {
            database: self.database.clone().or(named).unwrap_or(usual.database),
            master_key: self.master_key.clone().unwrap_or(usual.master_key),
            workplace: Workplace { artefacts: self.artefacts.clone(), ..usual.workplace },
        })
    }
}

/// Environment variable of the database's URL.
const DATABASE: &str = "TRIBUTE_DATABASE";

/// Refuses a URL with a password.
fn without_password(url: &str) -> std::result::Result<String, String> {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || url.contains("password=") {
        return Err(format!("everybody on this machine sees a password given here: set {DATABASE} instead"));
    }
    Ok(url.to_owned())
}

#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    /// Number of jobs to run at a time; each proof uses several cores. 0: run none on this machine.
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// The SRS to prove under: a powers-of-tau file (.ptau), or a file or folder from `tribute srs import`. [default: the
    /// development SRS, under which anyone can forge proofs]
    #[arg(long, value_name = "FILE|DIR", env = "TRIBUTE_SRS")]
    srs: Option<PathBuf>,
    /// Memory for all jobs together, in MB. A server refuses work that needs more, and a worker leaves it to others.
    #[arg(long, value_name = "MB", default_value_t = 8192)]
    memory: i64,
    /// Proving keys to keep on the disk, in MB; those used least recently go, and are made again when they are needed.
    #[arg(long, value_name = "MB", default_value_t = CACHE_MB)]
    cache: u64,
    /// Number of jobs of one account to run at a time, counting those on other machines.
    #[arg(long, value_name = "N", default_value_t = Quotas::default().running, value_parser = clap::value_parser!(i64).range(1..))]
    running_quota: i64,
    /// Milliseconds without a heartbeat after which a job is considered lost.
    #[arg(long, value_name = "MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(200..=LONGEST_MS.unsigned_abs()))]
    lease_ms: u64,
    /// Address to serve this process's metrics on, for Prometheus, at /metrics. They name accounts: keep it from strangers.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Stop when standard input closes, so that the process never outlives its parent.
    #[arg(long)]
    stop_with_stdin: bool,
}

impl WorkArgs {
    fn config(&self, storage: Storage) -> Result<config::Config> {
        let srs = self.srs.as_ref().map(std::path::absolute).transpose()?;
        let storage = Storage { workplace: Workplace { srs, cache_mb: self.cache, ..storage.workplace }, ..storage };
        storage.workplace.srs()?; // refuse an unusable SRS now, not at the first job
        tribute_steps::training_mb()?;
        let usual = config::Config::new(storage, self.workers)?;
        Ok(config::Config { memory_mb: self.memory, lease: Duration::from_millis(self.lease_ms), ..usual })
    }
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on; port 0 picks a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7410")]
    listen: SocketAddr,
    /// File to write the address to once the server listens.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    port_file: Option<PathBuf>,
    /// Host and port under which clients know this server, where that is not the address it listens on; give one for each.
    /// Signatures made for another name are refused.
    #[arg(long = "name", value_name = "HOST:PORT")]
    names: Vec<String>,
    /// File of the accounts that may call, one a line; a change counts within a second. [default: everybody]
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// PEM file of the server's certificate, with those between it and a root, to speak TLS. Needs --tls-key.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// PEM file of the roots of the clients' certificates; clients without one are refused.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    client_ca: Option<PathBuf>,
    /// Number of connections that may be open at once, half of them from one address.
    #[arg(long, value_name = "N", default_value_t = connections::Limits::default().all)]
    connections: usize,
    /// Account whose wallet may see everybody's queue, the workers and the server's health in the console; give one for each.
    #[arg(long = "operator", value_name = "ACCOUNT")]
    operators: Vec<AccountAddress>,
    /// File to append a JSON line to for every call that needs an account.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Megabytes that an account may have uploaded within a day.
    #[arg(long, value_name = "MB", default_value_t = 128)]
    upload_quota: u64,
    /// Days for which ended jobs are kept, and artefacts that nothing else names; 0: for ever. Datasets, agents and their proofs
    /// stay in any case.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    keep_days: u64,
    /// Number of jobs that an account may have waiting.
    #[arg(long, value_name = "N", default_value_t = Quotas::default().queued, value_parser = clap::value_parser!(i64).range(1..))]
    queued_quota: i64,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    work: WorkArgs,
    /// JSON-RPC address of the chain to read sessions and grants from. Needs --contracts.
    #[arg(long, value_name = "URL", requires = "contracts")]
    rpc: Option<String>,
    /// JSON-RPC address that the console's pages use unless their user chooses another; everybody who opens the console sees
    /// it. [default: none: they use their wallet's, or choose one]
    #[arg(long, value_name = "URL", requires = "rpc")]
    public_rpc: Option<String>,
    /// PEM file of additional certificate authorities to trust, for your own https node.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_RPC_CA", requires = "rpc")]
    rpc_ca: Option<PathBuf>,
    /// File with the contracts' addresses, as `tribute chain deploy` writes it.
    #[arg(long, value_name = "FILE", requires = "rpc")]
    contracts: Option<PathBuf>,
    /// Confirmations, in blocks, that a session or grant needs before the service acts on it.
    #[arg(long, value_name = "N", env = "TRIBUTE_CONFIRMATIONS", default_value_t = 1)]
    confirmations: u64,
    /// Registries of another deployment to prove for; give one for each. Of the chain that it reads a server always does.
    #[arg(long = "prove-for", value_name = "CHAIN_ID:DATASET_REGISTRY:AGENT_REGISTRY")]
    registries: Vec<Registries>,
    /// log2 of the circuits' rows, for requests without a profile.
    #[arg(long, value_name = "K", default_value_t = 15)]
    k: u32,
    /// Data columns of the circuits, for requests without a profile. [default: as many as fit the schema best]
    #[arg(long, value_name = "A")]
    columns: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// End when no job has come for this many seconds: for workers that something else starts when jobs wait.
    #[arg(long, value_name = "SECONDS")]
    idle_exit: Option<u64>,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    work: WorkArgs,
}

pub(super) async fn serve(args: ServeArgs) -> CommandResult {
    let storage = args.storage.storage()?;
    let worker = args.work.config(storage)?;
    let chain: Option<Arc<dyn Chain>> = match (&args.rpc, &args.contracts) {
        (Some(_), Some(_)) if args.k < MIN_SERVICE_K => {
            let message = format!(
                "{} is too small: agent versions on chain need the service circuit, which takes k = {MIN_SERVICE_K} or more; \
                 start with --k {MIN_SERVICE_K}, or without --contracts to certify off chain only",
                args.k
            );
            return Err(Problem::field("k", message));
        }
        (Some(rpc), Some(file)) => {
            let options =
                Options { roots: args.rpc_ca.clone(), confirmations: args.confirmations, ..Options::default() };
            Some(Arc::new(RpcChain::connect(rpc, options, Deployment::load(file)?).await?))
        }
        _ => None,
    };
    let tls = match (&args.tls_certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls {
            certificate: read_given("tls-certificate", certificate)?,
            key: read_given("tls-key", key)?,
            clients: args.client_ca.as_ref().map(|roots| read_given("client-ca", roots)).transpose()?,
        }),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let uploads = Limits::default();
    let account = args.upload_quota.saturating_mul(1 << 20);
    let config = server::Config {
        listen: args.listen,
        names: args.names,
        accounts: args.accounts.as_deref().map_or(Ok(Accounts::all()), Accounts::listed)?,
        uploads: Limits { account, memory: uploads.memory.max(account as usize), ..uploads },
        worker,
        connections: connections::Limits {
            all: args.connections,
            each: args.connections.div_ceil(2),
            ..connections::Limits::default()
        },
        tls,
        quotas: Quotas { queued: args.queued_quota, running: args.work.running_quota },
        profile: (args.k, args.columns),
        chain,
        registries: args.registries,
        keep: (args.keep_days > 0).then(|| Duration::from_secs(args.keep_days.saturating_mul(86_400))),
        metrics: args.work.metrics,
        audit: args.audit.as_deref().map(AuditLog::to).transpose()?,
        operators: args.operators,
        public_rpc: args.public_rpc,
    };
    let running = server::start(config).await?;
    say!("listening on {scheme}://{}", running.address);
    if !tribute_console::is_embedded() {
        note!("{}", tribute_console::ABSENT);
    }
    if let Some(file) = &args.port_file {
        write_file(file, format!("{}\n", running.address).as_bytes())?;
    }
    asked_to_stop(args.work.stop_with_stdin).await;
    tracing::info!("stopping");
    running.stop().await
}

pub(super) async fn worker(args: WorkerArgs) -> CommandResult {
    let storage = args.storage.storage()?;
    let config =
        config::Config { idle_exit: args.idle_exit.map(Duration::from_secs), ..args.work.config(storage.clone())? };
    let database = Database::open_for(&storage.database, Share::Worker).await?;
    // refuse what no job could work with now, not at the first job
    let artefacts = storage.workplace.artefacts()?;
    artefacts.check().await?;
    let custody = Custody::open(database.clone(), artefacts, &storage.master_key).await?;
    let (stop, stopping) = watch::channel(false);
    let metrics = match args.work.metrics {
        // the servers publish the queue's metrics
        Some(address) => Some(endpoint::serve(address, None, stopping.clone()).await?.1),
        None => None,
    };
    let quotas = Quotas { running: args.work.running_quota, ..Quotas::default() };
    let queue = Queue::new(database.clone()).with_quotas(quotas);
    let (news, gathering) = News::start(database.clone(), stopping.clone());
    let worker = Worker::new(config, queue, Registry::new(database), custody);
    worker.test().await?;
    let mut running = tokio::spawn(worker.run(news.queued(), stopping));
    say!("working");
    tokio::select! {
        () = asked_to_stop(args.work.stop_with_stdin) => {}
        ended = &mut running => ended.map_err(Problem::internal)?,
    }
    stop.send_replace(true);
    if !running.is_finished() {
        running.await.map_err(Problem::internal)?;
    }
    gathering.await.map_err(Problem::internal)?;
    match metrics {
        Some(metrics) => metrics.await.map_err(Problem::internal),
        None => Ok(()),
    }
}

/// Returns on Ctrl-C, on SIGTERM, or, if `with_stdin`, when standard input closes.
async fn asked_to_stop(with_stdin: bool) {
    let closed = async {
        if with_stdin {
            let (tell, told) = tokio::sync::oneshot::channel();
            // a plain thread, because the runtime would wait for a blocking task on shutdown
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
                let _ = tell.send(());
            });
            let _ = told.await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = terminated() => {}
        () = closed => {}
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_is_no_argument() {
        for url in ["postgres://me:secret@host/db", "postgres://host/db?password=secret", "postgres://a:b@c@host/db"] {
            let refused = without_password(url).unwrap_err();
            assert!(refused.contains("TRIBUTE_DATABASE") && !refused.contains("secret"), "{refused}");
        }
        for url in ["postgres://me@host:5432/db?sslmode=require", "postgres://host:5432/db", "sqlite:/a/b:c@d.db"] {
            assert_eq!(without_password(url).as_deref(), Ok(url));
        }
    }
}
