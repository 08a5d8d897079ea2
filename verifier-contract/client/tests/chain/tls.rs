//! A node behind https: trusts the usual certificate authorities, the user's own, and no others.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tribute_chain::{Anvil, Chain, ChainError, Options};

/// TLS in front of a node, with a certificate of this kind; returns its URL and the certificate in PEM.
async fn behind_tls(node: &str, kind: IsCa) -> (String, String) {
    let node = node.trim_start_matches("http://").to_owned();
    let signing_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = kind;
    let certificate = params.self_signed(&signing_key).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, node) = (acceptor.clone(), node.clone());
            tokio::spawn(async move {
                let mut client = acceptor.accept(stream).await.ok()?;
                let mut upstream = TcpStream::connect(node).await.ok()?;
                tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok()
            });
        }
    });
    (url, certificate.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_behind_https_is_reached_if_its_certificate_is_trusted() {
    let anvil = Anvil::start().unwrap();
    let (url, certificate) = behind_tls(anvil.url(), IsCa::NoCa).await;
    says(Chain::connect(&url).await, "--rpc-ca");

    let folder = tempfile::tempdir().unwrap();
    let options = trusting(&folder, &certificate);
    let chain = Chain::connect_with(&url, options.clone()).await.unwrap();
    assert_eq!((chain.id(), chain.url()), (31_337, url.as_str()));
    // the certificate is of another name
    says(Chain::connect_with(&url.replace("localhost", "127.0.0.1"), options).await, "for this host");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_https_fails_is_told() {
    let anvil = Anvil::start().unwrap();
    says(Chain::connect(&anvil.url().replace("http:", "https:")).await, "http:// URL");
    // an authority's own certificate, as `openssl req -x509` makes it
    let (url, certificate) = behind_tls(anvil.url(), IsCa::Ca(BasicConstraints::Unconstrained)).await;
    let folder = tempfile::tempdir().unwrap();
    says(Chain::connect_with(&url, trusting(&folder, &certificate)).await, "CA:FALSE");
}

fn says(connected: Result<Chain, ChainError>, advice: &str) {
    let error = connected.unwrap_err();
    assert!(matches!(error, ChainError::Tls { .. }) && error.to_string().contains(advice), "{error}");
}

fn trusting(folder: &tempfile::TempDir, certificate: &str) -> Options {
    let file = folder.path().join("root.pem");
    std::fs::write(&file, certificate).unwrap();
    Options { roots: Some(file), ..Options::default() }
}
