//! The layer in front of every service. Before a message is decoded, the gate looks up the call's access rule,
//! authenticates the sender, enforces the length limit and checks that the bytes are the ones that were signed. A global
//! budget bounds the memory that decoded messages can take.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::codegen::{Bytes, Service};
use tonic::Status;
use tower::Layer;
use tribute_client::signing::Content;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::{Access, Call};

use super::accounts::Accounts;
use super::signed::{self, Nonces};
use super::tokens::{bearer, Tokens};
use super::{Caller, Here};
use crate::observe::calls::Identified;

/// Bytes of the gRPC frame header: compression flag and message length.
const FRAME: usize = 5;
/// Timeout for receiving a message, and for waiting for its share of [`DECODED`].
const PATIENCE: Duration = Duration::from_secs(10);
/// Limit on the bytes being received by all calls together.
const ARRIVING: usize = 64 << 20;
/// Limit on the message bytes being decoded and handled by all calls together. One message byte decodes to at most about
/// 130 bytes of memory.
const DECODED: usize = 8 << 20;

/// Authenticates calls and bounds their size.
#[derive(Clone)]
pub struct Gate {
    /// This server's identity.
    pub here: Here,
    /// Accounts allowed to call.
    pub accounts: Accounts,
    /// Nonces used by signed calls.
    pub nonces: Nonces,
    /// Tokens for read-only calls.
    pub tokens: Tokens,
    arriving: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
}

/// A call that passed the gate.
struct Admitted {
    request: Request<Body>,
    /// Its share of the [`DECODED`] budget, held until it is answered.
    held: Option<OwnedSemaphorePermit>,
}

impl Gate {
    /// A gate with full memory budgets.
    #[must_use]
    pub fn new(here: Here, accounts: Accounts, nonces: Nonces, tokens: Tokens) -> Self {
        let (arriving, decoded) = (Arc::new(Semaphore::new(ARRIVING)), Arc::new(Semaphore::new(DECODED)));
        Gate { here, accounts, nonces, tokens, arriving, decoded }
    }

    async fn admit(&self, mut request: Request<Body>) -> Result<Admitted> {
        let Some(call) = tribute_proto::call(request.uri().path()) else {
            // health and reflection limit their own messages; any other path gets "not found"
            return Ok(Admitted { request, held: None });
        };
        match call.access {
            Access::Public => self.message(call, request, None).await,
            Access::Read => {
                let account = self.tokens.account(bearer(&header(&request, Reason::BadToken)?)?).await?;
                identify(&mut request, account, None);
                self.accounts.admit(account)?;
                self.message(call, request, None).await
            }
            Access::Signed => {
                let signed = signed::check(&header(&request, Reason::BadSignature)?, &self.here, call.path)?;
                identify(&mut request, signed.signer, Some(signed.content));
                self.accounts.admit(signed.signer)?;
                if call.streams {
                    self.nonces.use_up(signed.signer, &signed.nonce, signed.deadline).await?;
                    // the upload service checks the stream against it
                    request.extensions_mut().insert(signed.content);
                    return Ok(Admitted { request, held: None });
                }
                let admitted = self.message(call, request, Some((signed.signer, signed.content))).await?;
                self.nonces.use_up(signed.signer, &signed.nonce, signed.deadline).await?;
                Ok(admitted)
            }
        }
    }

    /// Reads the call's single message and checks that it is complete, within the length limit and, for a signed call,
    /// the one that was signed.
    async fn message(
        &self,
        call: &Call,
        request: Request<Body>,
        signed: Option<(AccountAddress, Content)>,
    ) -> Result<Admitted> {
        let (parts, body) = request.into_parts();
        if let Some((_, content)) = signed.filter(|(_, content)| content.length > u64::from(call.limit)) {
            return Err(too_long(call, content.length));
        }
        let read = self.read(call, body);
        let (bytes, _arrived) = tokio::time::timeout(PATIENCE, read).await.map_err(|_| {
            Problem::new(Reason::RequestExpired, format!("the message did not arrive within {} s", PATIENCE.as_secs()))
        })??;
        let message = unframed(&bytes)?;
        if let Some((signer, content)) = signed {
            if Content::of(message) != content {
                let text = format!("the message is not the one that {signer} signed: its length or SHA-256 differs");
                return Err(Problem::new(Reason::BadSignature, text).with("signer", signer));
            }
        }
        // `bytes` includes the frame header, so an empty message takes a share too
        let share = u32::try_from(bytes.len()).map_err(Problem::internal)?;
        let waited = tokio::time::timeout(PATIENCE, self.decoded.clone().acquire_many_owned(share)).await;
        let held = Some(waited.map_err(|_| busy())?.map_err(Problem::internal)?);
        Ok(Admitted { request: Request::from_parts(parts, Body::new(Full::new(bytes))), held })
    }

    /// Reads a message with its frame header, up to the call's length limit, and its share of the [`ARRIVING`] budget.
    async fn read(&self, call: &Call, mut body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>)> {
        let most = call.limit as usize + FRAME;
        let mut bytes = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let broken = |e: Status| Problem::field("message", format!("it broke off: {}", e.message()));
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if bytes.len() + data.len() > most {
                return Err(too_long(call, (bytes.len() + data.len() - FRAME) as u64));
            }
            let size = u32::try_from(data.len()).map_err(Problem::internal)?;
            let more = self.arriving.clone().try_acquire_many_owned(size).map_err(|_| busy())?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.into(), share))
    }
}

/// Attaches who called to the request, and tells the layers around the gate.
fn identify(request: &mut Request<Body>, account: AccountAddress, content: Option<Content>) {
    if let Some(identified) = request.extensions().get::<Identified>() {
        identified.is(account, content);
    }
    request.extensions_mut().insert(Caller(account));
}

fn header(request: &Request<Body>, reason: Reason) -> Result<String> {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    match (values.next().map(|v| v.to_str()), values.next()) {
        (Some(Ok(text)), None) => Ok(text.to_owned()),
        (None, _) => Err(Problem::new(
            reason,
            format!("{} needs the metadata `authorization`: docs/authentication.md has its form", request.uri().path()),
        )),
        _ => Err(Problem::new(reason, "authorization: it must be given once, as text")),
    }
}

/// Strips the frame header from a body, which must be exactly one uncompressed gRPC message.
fn unframed(bytes: &[u8]) -> Result<&[u8]> {
    let wrong = |what: &str| Problem::field("message", what);
    let (frame, message) = bytes.split_first_chunk::<FRAME>().ok_or_else(|| wrong("is missing"))?;
    let [compressed, length @ ..] = frame;
    if *compressed != 0 {
        return Err(wrong("is compressed, which this server does not read: send it as it is"));
    }
    if u32::from_be_bytes(*length) as usize != message.len() {
        return Err(wrong("is not one whole gRPC message"));
    }
    Ok(message)
}

fn too_long(call: &Call, length: u64) -> Problem {
    let (path, limit) = (call.path, call.limit);
    Problem::new(
        Reason::TooLarge,
        format!(
            "a message of {path} has at most {limit} bytes, this one {length} or more: upload tables and models apart"
        ),
    )
    .with("limit", limit)
    .with("length", length)
}

fn busy() -> Problem {
    Problem::new(Reason::Busy, "the server has as many calls at once as it bears: send it again in a moment")
}

impl<S> Layer<S> for Gate {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { gate: Arc::new(self.clone()), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Guarded<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // `poll_ready` readied `self.inner`: the call must use that instance and leave a clone
        let inner = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, inner);
        let gate = self.gate.clone();
        Box::pin(async move {
            match gate.admit(request).await {
                Ok(Admitted { request, held }) => {
                    let response = ready.call(request).await;
                    drop(held);
                    response
                }
                Err(problem) => Ok(Status::from(problem).into_http()),
            }
        })
    }
}
