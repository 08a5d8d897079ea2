//! TLS: between clients and the server, in both directions, and between the server and PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use alloy::signers::local::PrivateKeySigner;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tribute_client::{Client, Tls};
use tribute_store::db::Database;
use tribute_testing::stores::Postgres;
use tribute_testing::{program, Place, Served};

/// A certificate authority in a folder.
struct Authority {
    folder: PathBuf,
    name: &'static str,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Path, name: &'static str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { folder: folder.into(), name, issuer };
        std::fs::write(authority.root(), authority.pem()).unwrap();
        authority
    }

    fn root(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    fn pem(&self) -> String {
        self.issuer.as_ref().pem()
    }

    /// Certificate and key, for the loopback address.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
        (params.signed_by(&key, &*self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn serve(place: &Place, ca: &Authority, extra: &[&str]) -> Served {
    let (certificate, key) = ca.issue();
    let (certificate_file, key_file) = (place.path().join("server.pem"), place.path().join("server.key"));
    std::fs::write(&certificate_file, certificate).unwrap();
    std::fs::write(&key_file, key).unwrap();
    let [certificate, key] = [&certificate_file, &key_file].map(|f| f.display().to_string());
    let tls = ["--workers", "0", "--tls-certificate", &certificate, "--tls-key", &key];
    let mut served = place.serve(&[&tls[..], extra].concat());
    served.url = served.url.replace("http://", "https://");
    served
}

async fn connect(url: &str, tls: &Tls) -> Result<Client, String> {
    Client::connect_with(url, PrivateKeySigner::random(), tls).await.map_err(|e| e.message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_and_server_know_each_other_by_certificates() {
    let place = Place::new();
    let (ours, theirs) = (Authority::new(place.path(), "ours"), Authority::new(place.path(), "theirs"));
    let roots = Some(ours.pem().into_bytes());

    let served = serve(&place, &ours, &[]);
    let trusting = Tls { roots: roots.clone(), identity: None };
    let client = connect(&served.url, &trusting).await.unwrap();
    // calls are authorized as ever: a login names the scheme, and a signature the name
    client.jobs().list_jobs(tribute_proto::v1::ListJobsRequest::default()).await.unwrap();
    let refused = connect(&served.url, &Tls::default()).await.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    let refused = connect(&served.url.replace("https", "http"), &Tls::default()).await;
    assert!(refused.is_err(), "in plain text nothing is answered");
    drop(served);

    let clients = theirs.root().display().to_string();
    let served = serve(&place, &ours, &["--client-ca", &clients]);
    let with = |(certificate, key): (String, String)| Tls {
        roots: roots.clone(),
        identity: Some((certificate.into_bytes(), key.into_bytes())),
    };
    connect(&served.url, &with(theirs.issue())).await.unwrap();
    assert!(connect(&served.url, &trusting).await.is_err(), "without a certificate");
    assert!(connect(&served.url, &with(ours.issue())).await.is_err(), "with another authority's");

    // the command line, with certificate and key in one file
    let both = place.path().join("client.pem");
    let (certificate, key) = theirs.issue();
    std::fs::write(&both, certificate + &key).unwrap();
    let mut list = Command::new(program());
    list.args(["job", "list", "--server", &served.url, "--server-ca"]).arg(ours.root());
    list.arg("--client-certificate").arg(&both);
    list.args(["--key-env", "KEY"]).env("KEY", format!("0x{}", hex::encode(PrivateKeySigner::random().to_bytes())));
    let output = list.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // the nodes of a training are reached under the same authorities, with the same certificate
    let elsewhere = Place::new();
    let node = serve(&elsewhere, &ours, &["--client-ca", &clients]);
    let mut ask = Command::new(program());
    ask.args(["request", "ask", "--purpose", "wines", "--server", &served.url, "--server-ca"]).arg(ours.root());
    ask.arg("--client-certificate").arg(&both).args(["--node", &format!("{}=0x{}", node.url, "11".repeat(32))]);
    ask.args(["--key-env", "KEY"]).env("KEY", format!("0x{}", hex::encode(PrivateKeySigner::random().to_bytes())));
    let said = String::from_utf8_lossy(&ask.output().unwrap().stderr).into_owned();
    assert!(said.contains(&node.url) && said.contains("is not at this node"), "{said}");
}

async fn encrypted(url: &str) -> bool {
    let db = Database::open(url).await.unwrap();
    let ssl: bool = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .fetch_one(db.pool())
        .await
        .unwrap();
    db.close().await;
    ssl
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_means_what_it_says() {
    let Some(postgres) = Postgres::start() else { return };
    let root = format!("{}/server.crt", postgres.folder());
    let with = |options: &str| format!("{}?{options}", postgres.url);
    assert!(encrypted(&postgres.url).await, "prefer is the default, and takes what there is");
    assert!(encrypted(&with("sslmode=require")).await);
    assert!(encrypted(&with(&format!("sslmode=verify-full&sslrootcert={root}"))).await);
    assert!(!encrypted(&with("sslmode=disable")).await);
    // a certificate of no known authority
    assert!(Database::open(&with("sslmode=verify-full")).await.is_err());
}
