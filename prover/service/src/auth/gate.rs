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
use tribute_proto::{Access, Call, Streams};

use super::accounts::Accounts;
use super::messages::{compressed, too_long, Messages, FRAME};
use super::signed::{self, Nonces};
use super::tokens::{bearer, Tokens};
use super::turns::{self, Inside, Turn, Turns};
use super::{Caller, Here};
use crate::observe::calls::Identified;
use crate::outage::Outlook;

/// Timeout for receiving a message, and for waiting for its share of [`DECODED`].
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest time for handling a call; uploads have their own limits.
const LONGEST: Duration = Duration::from_secs(120);
/// Ends of the paths of the calls that wait for a job: each takes a turn in its place for every look, and none while it waits.
const WAITING: [&str; 2] = ["/WatchJob", "/WaitJob"];
/// Limit on the bytes being received by all calls of accounts together.
const ARRIVING: usize = 64 << 20;
/// The same of the calls that anybody may make, so that nobody without an account keeps accounts from calling: of those with
/// long messages, and once more of the others, among which are the logins.
const ARRIVING_FROM_ANYBODY: usize = 16 << 20;
/// Limit of a message that is not long, bytes.
const SHORT: u32 = 64 << 10;
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
    /// Tokens and keys for read-only calls.
    pub tokens: Tokens,
    /// Whether the database answers.
    pub outlook: Outlook,
    arriving: Arc<Semaphore>,
    /// Of short and of long messages.
    arriving_from_anybody: [Arc<Semaphore>; 2],
    decoded: Arc<Semaphore>,
    turns: Turns,
}

/// A call that passed the gate.
struct Admitted {
    request: Request<Body>,
    /// Its share of the [`DECODED`] budget, held until it is answered.
    held: Option<OwnedSemaphorePermit>,
    /// Its place among its account's calls, held until the answer is sent, and its turn.
    place: Option<(Arc<Inside>, Option<Turn>)>,
}

impl Gate {
    /// A gate with full memory budgets.
    #[must_use]
    pub fn new(here: Here, accounts: Accounts, nonces: Nonces, tokens: Tokens, outlook: Outlook) -> Self {
        let budget = |bytes| Arc::new(Semaphore::new(bytes));
        let (arriving, decoded) = (budget(ARRIVING), budget(DECODED));
        let arriving_from_anybody = [ARRIVING_FROM_ANYBODY; 2].map(budget);
        let turns = Turns::new();
        Gate { here, accounts, nonces, tokens, outlook, arriving, arriving_from_anybody, decoded, turns }
    }

    async fn admit(&self, mut request: Request<Body>) -> Result<Admitted> {
        let Some(call) = tribute_proto::call(request.uri().path()) else {
            // health and reflection limit their own messages; any other path gets "not found"
            return Ok(Admitted { request, held: None, place: None });
        };
        match call.access {
            Access::Public => self.message(call, request, None).await,
            Access::Read => {
                let (account, role) = self.tokens.holder(bearer(&header(&request, Reason::BadToken)?)?).await?;
                identify(&mut request, account, None);
                self.accounts.admit(account)?;
                role.admit(call)?;
                let inside = Arc::new(self.turns.enter(account).await?);
                let mut admitted = self.message(call, request, None).await?;
                if WAITING.iter().any(|waits| call.path.ends_with(waits)) {
                    admitted.request.extensions_mut().insert(inside.clone());
                    // a call that waits holds no message
                    return Ok(Admitted { held: None, place: Some((inside, None)), ..admitted });
                }
                let turn = Some(inside.turn().await?);
                Ok(Admitted { place: Some((inside, turn)), ..admitted })
            }
            Access::Signed => {
                let signed = signed::check(&header(&request, Reason::BadSignature)?, &self.here, call.path)?;
                identify(&mut request, signed.signer, Some(signed.content));
                self.accounts.admit(signed.signer)?;
                let inside = Arc::new(self.turns.enter(signed.signer).await?);
                if call.streams != Streams::No {
                    if call.streams == Streams::Each {
                        request = opened(call, request, signed.signer, signed.content).await?;
                    }
                    self.nonces.use_up(signed.signer, &signed.nonce, signed.deadline).await?;
                    // an upload is checked against the content; each query of a stream takes a turn in the place
                    request.extensions_mut().insert(signed.content);
                    request.extensions_mut().insert(inside.clone());
                    return Ok(Admitted { request, held: None, place: Some((inside, None)) });
                }
                let admitted = self.message(call, request, Some((signed.signer, signed.content))).await?;
                let turn = Some(inside.turn().await?);
                self.nonces.use_up(signed.signer, &signed.nonce, signed.deadline).await?;
                Ok(Admitted { place: Some((inside, turn)), ..admitted })
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
        let (bytes, _arrived) = tokio::time::timeout(PATIENCE, read).await.map_err(|_| late())??;
        let message = unframed(&bytes)?;
        if let Some((signer, content)) = signed {
            is_signed(message, signer, content)?;
        }
        // `bytes` includes the frame header, so an empty message takes a share too
        let share = u32::try_from(bytes.len()).map_err(Problem::internal)?;
        let waited = tokio::time::timeout(PATIENCE, self.decoded.clone().acquire_many_owned(share)).await;
        let held = Some(waited.map_err(|_| busy())?.map_err(Problem::internal)?);
        Ok(Admitted { request: Request::from_parts(parts, Body::new(Full::new(bytes))), held, place: None })
    }

    /// Reads a message with its frame header, up to the call's length limit, and its share of the budget for what arrives.
    async fn read(&self, call: &Call, mut body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>)> {
        let most = call.limit as usize + FRAME;
        let arriving = match call.access {
            Access::Public => &self.arriving_from_anybody[usize::from(call.limit > SHORT)],
            Access::Read | Access::Signed => &self.arriving,
        };
        let mut bytes = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let broken = |e: Status| Problem::field("message", format!("it broke off: {}", e.message()));
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if bytes.len() + data.len() > most {
                return Err(too_long(call, (bytes.len() + data.len() - FRAME) as u64));
            }
            let size = u32::try_from(data.len()).map_err(Problem::internal)?;
            let more = arriving.clone().try_acquire_many_owned(size).map_err(|_| busy())?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.into(), share))
    }
}

/// Reads the first message of a stream, and checks that it is the one that was signed.
async fn opened(
    call: &'static Call,
    request: Request<Body>,
    signer: AccountAddress,
    content: Content,
) -> Result<Request<Body>> {
    let (parts, body) = request.into_parts();
    let mut messages = Messages::new(call, body);
    let first = tokio::time::timeout(PATIENCE, messages.first()).await.map_err(|_| late())??;
    is_signed(&first, signer, content)?;
    Ok(Request::from_parts(parts, Body::new(messages)))
}

fn is_signed(message: &[u8], signer: AccountAddress, content: Content) -> Result<()> {
    if Content::of(message) == content {
        return Ok(());
    }
    let text = format!("the message is not the one that {signer} signed: its length or SHA-256 differs");
    Err(Problem::new(Reason::BadSignature, text).with("signer", signer))
}

fn late() -> Problem {
    Problem::new(Reason::RequestExpired, format!("the message did not arrive within {} s", PATIENCE.as_secs()))
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
    let [flag, length @ ..] = frame;
    if *flag != 0 {
        return Err(compressed());
    }
    if u32::from_be_bytes(*length) as usize != message.len() {
        return Err(wrong("is not one whole gRPC message"));
    }
    Ok(message)
}

fn too_slow() -> Problem {
    let message = format!("the call took longer than {} s and was given up: send less at once", LONGEST.as_secs());
    Problem::new(Reason::Busy, message)
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
        // health and reflection need no database
        let call = tribute_proto::call(request.uri().path());
        let (known, streams) = (call.is_some(), call.is_some_and(|call| call.streams != Streams::No));
        Box::pin(async move {
            let answered = async {
                let Admitted { request, held, place } = gate.admit(request).await?;
                let (inside, turn) = place.unzip();
                let taken = Arc::new((held, turn.flatten()));
                let handled = turns::with(taken.clone(), ready.call(request));
                let response = if streams {
                    handled.await
                } else {
                    tokio::time::timeout(LONGEST, handled).await.map_err(|_| too_slow())?
                };
                drop(taken);
                Ok(match inside {
                    Some(inside) => response.map(|response| response.map(|body| inside.until_sent(body))),
                    None => response,
                })
            };
            let answered = if known { gate.outlook.meanwhile(answered).await } else { Ok(answered.await) };
            match answered.and_then(|answered| answered) {
                Ok(response) => response,
                Err(problem) => Ok(Status::from(problem).into_http()),
            }
        })
    }
}
