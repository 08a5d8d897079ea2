//! The HTTP client of a connection, plain or TLS, and the printable part of its URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::Engine as _;
use percent_encoding::percent_decode_str;
use reqwest::redirect::Policy;
use reqwest::Url;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;

use crate::error::{ChainError, Result};

/// Minimum length of a part of a URL that is not shown by itself; shorter ones are words like `v3` or `mainnet`.
const SHORTEST_PART: usize = 8;

/// A client for the node at `url`, and the parsed URL.
pub(crate) fn client(url: &str, timeout: Duration, roots: Option<&Path>) -> Result<(reqwest::Client, Url)> {
    // no cause quotes the text: any part of it may be the customer's secret
    let bad = |cause: String| ChainError::BadUrl { cause };
    let begins = |schemes: [&str; 2]| {
        let text = url.trim().to_ascii_lowercase();
        schemes.iter().any(|scheme| text.starts_with(scheme))
    };
    if url.trim().starts_with(['"', '\'']) {
        return Err(bad("it is in quotation marks, but has to begin with http:// or https://: remove them".to_owned()));
    }
    if begins(["ws://", "wss://"]) {
        return Err(bad("it is one for WebSockets: give the provider's https URL".to_owned()));
    }
    if !begins(["http://", "https://"]) {
        return Err(bad("it does not begin with http:// or https://, as http://127.0.0.1:8545 does".to_owned()));
    }
    let parsed = Url::parse(url).map_err(|e| bad(format!("{e}; expected http://host:port or https://host")))?;
    let mut http = reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .redirect(Policy::custom(|attempt| match attempt.status().as_u16() {
            301..=303 => attempt.stop(), // a POST would become a GET
            _ => Policy::default().redirect(attempt),
        }))
        .tls_backend_preconfigured(tls(roots)?);
    if is_local(&parsed) {
        http = http.no_proxy(); // a proxy set in the environment cannot reach a local chain
    }
    Ok((http.build().map_err(|e| bad(e.to_string()))?, parsed))
}

/// TLS with ring, the compiled-in root certificates, and those in the user's PEM file.
fn tls(extra: Option<&Path>) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = extra {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|e| unusable(path, e))?;
        }
    }
    // set explicitly: a program that links this crate may have chosen no default provider, or another one
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions =
        versions.map_err(|e| ChainError::File { path: PathBuf::new(), cause: format!("TLS cannot be set up: {e}") })?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).map_err(|e| unusable(path, e))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|e| unusable(path, e))?;
    match found.is_empty() {
        true => Err(unusable(path, "no certificate in it: expected PEM")),
        false => Ok(found),
    }
}

fn unusable(path: &Path, cause: impl ToString) -> ChainError {
    ChainError::File { path: path.to_owned(), cause: cause.to_string() }
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A node's URL for messages and logs, without user, path and query, where providers put the customer's secret.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let rest = url.path() != "/" || url.query().is_some();
    format!("{}://{host}{port}{}", url.scheme(), if rest { "/…" } else { "" })
}

/// A node's words without the parts of its URL that may be secret, which servers quote in errors.
pub(crate) fn without_secrets(url: &Url, words: &str) -> String {
    secrets(url).iter().fold(words.to_owned(), |words, secret| without(&words, secret))
}

/// The parts of a URL that may be secret, as they are and decoded, the longest first: path, query and password; a user, a
/// segment of the path and a value of the query only if they are no short words; and what HTTP sends of user and password.
fn secrets(url: &Url) -> Vec<String> {
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let path = Some(url.path()).filter(|path| *path != "/").unwrap_or_default();
    let (query, user) = (url.query().unwrap_or_default(), url.username());
    let password = url.password().unwrap_or_default();
    let whole = [path, path.trim_end_matches('/'), query, password];
    let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let parts = path.split('/').chain(values).chain([user]).filter(|part| part.len() >= SHORTEST_PART);
    let mut all: Vec<String> =
        whole.into_iter().chain(parts).flat_map(|secret| [secret.to_owned(), decoded(secret)]).collect();
    if !user.is_empty() || !password.is_empty() {
        all.push(STANDARD_NO_PAD.encode(format!("{}:{}", decoded(user), decoded(password))));
    }
    all.retain(|secret| !secret.is_empty());
    all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    all.dedup();
    all
}

/// `words` without `secret`, in upper or lower case.
fn without(words: &str, secret: &str) -> String {
    let (mut kept, mut rest) = (String::new(), words);
    let found =
        |rest: &str| rest.as_bytes().windows(secret.len()).position(|w| w.eq_ignore_ascii_case(secret.as_bytes()));
    while let Some(at) = found(rest) {
        kept.push_str(&rest[..at]);
        kept.push('…');
        rest = &rest[at + secret.len()..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_in_a_url_is_not_shown() {
        for (url, seen) in [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
            ("https://node.example/v3/0123456789abcdef", "https://node.example/…"),
            ("https://user:secret@node.example:8443/?key=1", "https://node.example:8443/…"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), seen);
        }
    }

    #[test]
    fn what_a_server_quotes_of_the_url_is_not_shown() {
        let url = Url::parse("https://user:PASSWORD@node.example/v3/SECRET?key=OTHER").unwrap();
        let words = "Route POST:/v3/SECRET?key=OTHER not found for user:PASSWORD";
        assert_eq!(without_secrets(&url, words), "Route POST:…?… not found for user:…");
        let plain = Url::parse("http://127.0.0.1:8545").unwrap();
        assert_eq!(without_secrets(&plain, "GET / failed"), "GET / failed");
        for (url, words, seen) in [
            ("https://node.example/v3/S3cret-key", "invalid project id S3cret-key", "invalid project id …"),
            ("https://node.example/v3/S3cret-key", "V3/S3CRET-KEY", "V3/…"),
            ("https://node.example/v3/S3cret-key/", "no /v3/S3cret-key", "no …"),
            ("https://node.example/?net=main&apikey=S3cret-key", "key S3cret-key of main", "key … of main"),
            ("https://node.example/?S3cret-key", "key S3cret-key", "key …"),
            ("https://S3cret-key@node.example", "no user S3cret-key, UzNjcmV0LWtleTo=", "no user …, …="),
            ("https://me:p%23ss@node.example", "me p%23ss p#ss bWU6cCNzcw==", "me … … …=="),
            ("https://node.example/a%20S3cret", "a S3cret", "…"),
            ("https://node.example/v3/mainnet", "v3 of mainnet", "v3 of mainnet"),
            ("https://node.example/v3/\u{e4}\u{e4}\u{e4}\u{e4}", "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}!", "…\u{e4}!"),
        ] {
            assert_eq!(without_secrets(&Url::parse(url).unwrap(), words), seen, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_not_shown() {
        for (url, says) in [
            ("wss://node.example/ws/v3/SECRET", "https URL"),
            ("ws://user:SECRET@node.example", "https URL"),
            ("node.example/v3/SECRET", "begin with http"),
            ("SECRET:8545", "begin with http"),
            ("\"https://node.example/SECRET\"", "begin with http"),
            ("\"https://node.example/SECRET\"", "quotation marks"),
            (" 'https://node.example/SECRET'", "quotation marks"),
            ("https://node.example:99999/SECRET", "port"),
            ("https://node SECRET.example", "invalid"),
            ("https://", "empty host"),
        ] {
            let error = client(url, Duration::from_secs(1), None).unwrap_err();
            assert!(matches!(error, ChainError::BadUrl { .. }) && error.to_string().contains(says), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("SECRET"), "{error}");
        }
        assert!(client(" HTTP://127.0.0.1:8545\n", Duration::from_secs(1), None).is_ok());
    }

    #[test]
    fn a_root_file_without_certificates_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        std::fs::write(&file, "nothing").unwrap();
        let error = client("https://node.example", Duration::from_secs(1), Some(&file)).unwrap_err();
        assert!(error.to_string().contains("roots.pem"), "{error}");
        assert!(client("https://node.example", Duration::from_secs(1), None).is_ok());
    }
}
