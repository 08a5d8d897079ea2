//! A proxy between client and node that plays nodes and gateways with quirks: it may answer in the node's place, change
//! its answers, or break the connection.
#![allow(unreachable_pub)]

use std::sync::{Arc, Mutex};
use std::time::Instant;

use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::Bytes;
use serde_json::{json, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The reply that the client gets.
pub enum Reply {
    /// An HTTP answer: status, additional headers, body.
    Http(u16, Vec<(&'static str, String)>, String),
    /// The connection breaks.
    Close,
    /// The connection stays open without an answer.
    Hang,
}

impl Reply {
    pub fn json(value: &Value) -> Reply {
        Reply::Http(200, Vec::new(), value.to_string())
    }

    /// A JSON-RPC error on `request`.
    pub fn error(request: &Value, code: i64, message: &str) -> Reply {
        Reply::json(&error(request, code, message))
    }

    /// A JSON-RPC result of `request`.
    pub fn result(request: &Value, result: impl Into<Value>) -> Reply {
        Reply::json(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result.into() }))
    }

    pub fn text(status: u16, body: &str) -> Reply {
        Reply::Http(status, Vec::new(), body.to_owned())
    }
}

pub fn error(request: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": code, "message": message } })
}

/// One request in transit.
pub struct Passing<'a> {
    /// JSON-RPC method.
    pub method: &'a str,
    /// The whole request.
    pub request: &'a Value,
    /// How often the method was called before.
    pub before: usize,
}

impl Passing<'_> {
    /// The transaction that it hands over.
    pub fn transaction(&self) -> TxEnvelope {
        let raw: Bytes = self.request["params"][0].as_str().unwrap().parse().unwrap();
        TxEnvelope::decode_2718(&mut &raw[..]).unwrap()
    }
}

type Before = dyn Fn(&Passing<'_>) -> Option<Reply> + Send + Sync;
type After = dyn Fn(&Passing<'_>, &mut Value) -> Option<Reply> + Send + Sync;

/// How a node misbehaves.
#[derive(Clone)]
pub struct Quirk {
    before: Arc<Before>,
    after: Arc<After>,
}

impl Quirk {
    /// Answers instead of the node, which gets no request then.
    pub fn before(answer: impl Fn(&Passing<'_>) -> Option<Reply> + Send + Sync + 'static) -> Quirk {
        Quirk { before: Arc::new(answer), after: Arc::new(|_, _| None) }
    }

    /// Changes the node's answer, or replies with something else.
    pub fn after(answer: impl Fn(&Passing<'_>, &mut Value) -> Option<Reply> + Send + Sync + 'static) -> Quirk {
        Quirk { before: Arc::new(|_| None), after: Arc::new(answer) }
    }

    /// What it answers instead of the node.
    pub fn answer(&self, passing: &Passing<'_>) -> Option<Reply> {
        (self.before)(passing)
    }

    /// Hands transactions on, and answers the first `times` of them itself.
    pub fn on_send(times: usize, reply: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Quirk {
        Quirk::after(move |p, _| (p.method == SEND && p.before < times).then(|| reply(p.request)))
    }
}

pub const SEND: &str = "eth_sendRawTransaction";

/// A running proxy.
pub struct Proxy {
    pub url: String,
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Proxy {
    pub async fn start(node: &str, quirk: Quirk) -> Proxy {
        let node = node.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (node, quirk, log) = (node.clone(), quirk.clone(), log.clone());
                tokio::spawn(async move { serve(client, &node, &quirk, &log).await });
            }
        });
        Proxy { url, seen }
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|(_, m)| m == method).count()
    }

    /// When requests came, in order.
    pub fn times(&self) -> Vec<Instant> {
        self.seen.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

/// Serves one connection, request by request.
async fn serve(mut client: TcpStream, node: &str, quirk: &Quirk, log: &Mutex<Vec<(Instant, String)>>) -> Option<()> {
    let mut upstream = TcpStream::connect(node).await.ok()?;
    loop {
        let whole = message(&mut client).await?;
        let at = whole.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let request: Value = serde_json::from_slice(&whole[at..]).ok()?;
        let method = request["method"].as_str()?;
        let before = {
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|(_, m)| m == method).count();
            log.push((Instant::now(), method.to_owned()));
            before
        };
        let passing = Passing { method, request: &request, before };
        let reply = match (quirk.before)(&passing) {
            Some(reply) => reply,
            None => {
                upstream.write_all(&whole).await.ok()?;
                let answer = message(&mut upstream).await?;
                let at = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
                let mut answer: Value = serde_json::from_slice(&answer[at..]).ok()?;
                (quirk.after)(&passing, &mut answer).unwrap_or_else(|| Reply::json(&answer))
            }
        };
        match reply {
            Reply::Close => return None,
            Reply::Hang => std::future::pending().await,
            Reply::Http(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
                client.write_all(format!("{head}\r\n{body}").as_bytes()).await.ok()?;
            }
        }
    }
}

/// One HTTP message with its body.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        let mut part = [0; 16_384];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
    }
}
