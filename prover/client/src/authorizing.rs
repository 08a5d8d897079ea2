//! A channel that authorizes every call as the call's access rule demands.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use http::header::{HeaderValue, AUTHORIZATION};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::codegen::{Bytes, Service};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tribute_core::id::Instance;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::{v1, Access};

use crate::signing::{login_digest, unix_seconds, Authorization, Content, Login};
use crate::wire::problem;

/// Bytes of the gRPC frame header before the message.
const FRAME: usize = 5;
/// A token that expires within this many seconds is not used.
const SPARE: u64 = 30;

/// What a client calls with.
pub(crate) enum Credential {
    /// An account's own key: signs, and logs in for what only reads.
    Key(PrivateKeySigner),
    /// An API key, for what only reads.
    ApiKey(String),
}

/// Who calls, and the server that is called.
pub(crate) struct Identity {
    pub(crate) credential: Credential,
    /// Host and port that were dialled. Never taken from the server: one that relays signatures would give another
    /// server's.
    pub(crate) server: String,
    /// `http` or `https`.
    pub(crate) scheme: String,
    pub(crate) instance: Instance,
    pub(crate) chain_id: u64,
    /// Token of the last login, and its expiry (Unix seconds).
    pub(crate) token: Mutex<Option<(String, u64)>>,
}

impl Identity {
    /// The account's key, for `what`.
    ///
    /// # Errors
    /// NOT_ALLOWED with an API key.
    pub(crate) fn key(&self, what: &str) -> Result<&PrivateKeySigner> {
        match &self.credential {
            Credential::Key(key) => Ok(key),
            Credential::ApiKey(_) => {
                let text = format!("{what} needs the account's own key: an API key only reads");
                Err(Problem::new(Reason::NotAllowed, text))
            }
        }
    }

    pub(crate) fn sign(&self, method: &str, content: Content) -> Result<String> {
        Ok(Authorization::sign(self.key(method)?, &self.server, &self.instance, method, content)?.header())
    }

    /// The login message for a challenge, and its signature.
    pub(crate) fn login(&self, challenge: &v1::Challenge) -> Result<(String, Vec<u8>)> {
        let key = self.key("a login")?;
        let login = Login {
            server: &self.server,
            scheme: &self.scheme,
            instance: &self.instance,
            account: key.address().into_array().into(),
            chain_id: self.chain_id,
            nonce: plain(&challenge.nonce)?,
            issued: challenge.now,
        };
        let message = login.text();
        let digest = B256::from(login_digest(&message));
        let signature = key.sign_hash_sync(&digest).map_err(Problem::internal)?.as_bytes().to_vec();
        Ok((message, signature))
    }

    /// A valid token; logs in if there is none.
    async fn token(&self, channel: &Channel) -> Result<String> {
        if let Credential::ApiKey(key) = &self.credential {
            return Ok(key.clone());
        }
        let mut known = self.token.lock().await;
        if let Some((token, expires)) = &*known {
            if *expires > unix_seconds() + SPARE {
                return Ok(token.clone());
            }
        }
        let mut service = v1::login_service_client::LoginServiceClient::new(channel.clone());
        let challenge = service.get_challenge(v1::GetChallengeRequest {}).await.map_err(problem)?.into_inner();
        let (message, signature) = self.login(&challenge)?;
        let made = service.login(v1::LoginRequest { message, signature }).await.map_err(problem)?.into_inner();
        *known = Some((made.token.clone(), made.expires));
        Ok(made.token)
    }
}

/// Refuses a nonce that could inject lines into the signed message.
fn plain(nonce: &str) -> Result<&str> {
    if nonce.len() < 8 || nonce.len() > 128 || !nonce.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Problem::field("nonce", "the server's challenge is no nonce of EIP-4361: do not sign it"));
    }
    Ok(nonce)
}

/// A channel that signs the calls that need a signature and sends a token with read-only calls.
#[derive(Clone)]
pub struct Authorizing {
    pub(crate) channel: Channel,
    pub(crate) identity: Arc<Identity>,
}

impl std::fmt::Debug for Authorizing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authorizing({})", self.identity.server)
    }
}

type Response = http::Response<Body>;

impl Authorizing {
    async fn authorized(mut self, request: http::Request<Body>) -> Result<Response, tonic::transport::Error> {
        let rule = tribute_proto::call(request.uri().path());
        let Some(rule) = rule.filter(|r| r.access != Access::Public && !request.headers().contains_key(AUTHORIZATION))
        else {
            return self.channel.call(request).await;
        };
        match (rule.access, request.extensions().get::<Content>().copied()) {
            (Access::Read, _) => self.read(request).await,
            (_, Some(content)) => match self.identity.sign(rule.path, content) {
                Ok(header) => self.channel.call(with(request, &header)).await,
                Err(p) => Ok(Status::from(p).into_http()),
            },
            (_, None) => {
                let (parts, body) = request.into_parts();
                let sent = match whole(body).await {
                    Ok(sent) => sent,
                    Err(status) => return Ok(status.into_http()),
                };
                let message = sent.get(FRAME..).unwrap_or_default();
                match self.identity.sign(rule.path, Content::of(message)) {
                    Ok(header) => {
                        let request = http::Request::from_parts(parts, Body::new(Full::new(sent)));
                        self.channel.call(with(request, &header)).await
                    }
                    Err(p) => Ok(Status::from(p).into_http()),
                }
            }
        }
    }

    /// Sends a call with a token; if the server refuses the token, logs in and retries once.
    async fn read(mut self, request: http::Request<Body>) -> Result<Response, tonic::transport::Error> {
        let (parts, body) = request.into_parts();
        let sent = match whole(body).await {
            Ok(sent) => sent,
            Err(status) => return Ok(status.into_http()),
        };
        let mut fresh = false;
        loop {
            let token = match self.identity.token(&self.channel).await {
                Ok(token) => token,
                Err(p) => return Ok(Status::from(p).into_http()),
            };
            let request = http::Request::from_parts(parts.clone(), Body::new(Full::new(sent.clone())));
            let response = self.channel.call(with(request, &format!("Bearer {token}"))).await?;
            let refused =
                Status::from_header_map(response.headers()).is_some_and(|s| s.code() == Code::Unauthenticated);
            if !refused || fresh || matches!(self.identity.credential, Credential::ApiKey(_)) {
                return Ok(response);
            }
            fresh = true;
            let mut known = self.identity.token.lock().await;
            if known.as_ref().is_some_and(|(t, _)| *t == token) {
                *known = None;
            }
            drop(known);
            std::future::poll_fn(|cx| self.channel.poll_ready(cx)).await?;
        }
    }
}

async fn whole(body: Body) -> Result<Bytes, Status> {
    Ok(body.collect().await?.to_bytes())
}

fn with(mut request: http::Request<Body>, header: &str) -> http::Request<Body> {
    // hex, digits and a host name are always a valid header value
    if let Ok(mut value) = HeaderValue::from_str(header) {
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
}

impl Service<http::Request<Body>> for Authorizing {
    type Response = Response;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, tonic::transport::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // `poll_ready` readied `self.channel`: the call must use that instance and leave a clone
        let channel = self.channel.clone();
        let ready = std::mem::replace(&mut self.channel, channel);
        let this = Authorizing { channel: ready, identity: self.identity.clone() };
        Box::pin(this.authorized(request))
    }
}

/// Splits a server's URL into `host:port`, in lower case and with the scheme's default port if it has none, and scheme.
pub(crate) fn authority(url: &str) -> Result<(String, String)> {
    authority_of(&parsed(url)?, url)
}

fn authority_of(uri: &http::Uri, url: &str) -> Result<(String, String)> {
    let scheme = uri.scheme_str().unwrap_or("http").to_owned();
    let host = uri.host().ok_or_else(|| Problem::field("server", format!("`{url}` names no host")))?;
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Ok((format!("{}:{port}", host.to_ascii_lowercase()), scheme))
}

fn parsed(url: &str) -> Result<http::Uri> {
    url.parse().map_err(|e| Problem::field("server", format!("`{url}` is no URL: {e}")))
}

/// A server's URL in the form in which URLs of one server are equal: scheme and host in lower case, without the scheme's default
/// port and slashes at the end. Without a scheme, it is `http`.
///
/// # Errors
/// [`Reason::BadField`] if it is no URL, names no host, or has a user, a password or a query.
pub fn canonical_url(url: &str) -> Result<String> {
    let uri = parsed(url)?;
    let of_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if of_user || uri.query().is_some() {
        // the URL is not repeated: it may have a password
        return Err(Problem::field("server", "a server's URL has no user, no password and no query: leave them out"));
    }
    let (server, scheme) = authority_of(&uri, url)?;
    let default = if scheme == "https" { ":443" } else { ":80" };
    let server = server.strip_suffix(default).unwrap_or(&server);
    Ok(format!("{scheme}://{server}{}", uri.path().trim_end_matches('/')))
}

pub(crate) fn identity(url: &str, info: &v1::ServerInfo, credential: Credential) -> Result<Identity> {
    let (server, scheme) = authority(url)?;
    Ok(Identity {
        credential,
        server,
        scheme,
        instance: field("instance", &info.instance)?,
        chain_id: info.chain_id.max(1),
        token: Mutex::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_host_and_port() {
        for (url, name, scheme) in [
            ("http://127.0.0.1:7410", "127.0.0.1:7410", "http"),
            ("https://Tribute.Example/", "tribute.example:443", "https"),
            ("http://[::1]:80", "[::1]:80", "http"),
        ] {
            assert_eq!(authority(url).unwrap(), (name.into(), scheme.into()));
        }
        assert!(authority("/nowhere").is_err());
    }

    #[test]
    fn urls_of_one_server_have_one_form() {
        for (url, canonical) in [
            ("http://127.0.0.1:7410", "http://127.0.0.1:7410"),
            ("127.0.0.1:7410", "http://127.0.0.1:7410"),
            ("HTTP://Node.Example:80/", "http://node.example"),
            ("http://node.example:443", "http://node.example:443"),
            ("https://node.example:443//", "https://node.example"),
            ("https://node.example:80", "https://node.example:80"),
            ("https://node.example:8443/At/Home/", "https://node.example:8443/At/Home"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[::80]:7410/", "http://[::80]:7410"),
        ] {
            assert_eq!(canonical_url(url).unwrap(), canonical);
            assert_eq!(canonical_url(canonical).unwrap(), canonical);
        }
        for wrong in ["/nowhere", "http://", "two words"] {
            assert_eq!(canonical_url(wrong).unwrap_err().reason, Reason::BadField, "{wrong}");
        }
        for more in [
            "http://user@node.example",
            "https://user:secret@node.example/",
            "http://node.example/?secret",
            "http://n/?",
        ] {
            let refused = canonical_url(more).unwrap_err();
            assert_eq!(refused.reason, Reason::BadField, "{more}");
            assert!(refused.message.contains("no query") && !refused.message.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_challenge_cannot_write_into_the_message() {
        assert!(plain("0123456789abcdef").is_ok());
        for wrong in ["short", "01234567\nResources:", "0123456789 abcdef"] {
            assert!(plain(wrong).is_err());
        }
    }
}
