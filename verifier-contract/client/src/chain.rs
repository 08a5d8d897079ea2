//! One node: requests with time limits, retries and typed errors.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::{Address, Bytes, TxHash, B256, U256};
use alloy::providers::RootProvider;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{ErrorPayload, RpcError, RpcRecv, RpcSend};
use alloy::rpc::types::{Block, Filter, Log, TransactionInput, TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::http::reqwest;
use alloy::transports::{TransportError, TransportErrorKind};
use serde_json::value::RawValue;

use crate::error::{ChainError, Result};
use crate::nonces::Nonces;
use crate::revert::{ErrorDecoder, Revert};
use crate::transport;

/// How patient and how generous we are. The defaults suit a local chain and a public one alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Longest wait for one answer of the node.
    pub request_timeout: Duration,
    /// How often a read is repeated when the connection breaks.
    pub read_retries: u32,
    /// Time between two looks for a receipt.
    pub poll_interval: Duration,
    /// Longest wait for a transaction to be mined and confirmed.
    pub receipt_timeout: Duration,
    /// Blocks that must hold a transaction, its own included, before it counts.
    pub confirmations: u64,
    /// Without a receipt for so long, the transaction is sent again with a higher fee.
    pub bump_after: Duration,
    /// Rise of the fees at each such step, in percent; nodes want at least 10.
    pub bump_percent: u32,
    /// Most that we ever offer per gas, in wei.
    pub max_fee_per_gas: u128,
    /// What is added to a gas estimate, in percent.
    pub gas_margin_percent: u32,
    /// Most gas of one transaction; the default is what the chain itself allows (EIP-7825).
    pub gas_cap: u64,
    /// Most blocks of one request for logs.
    pub log_window: u64,
    /// PEM file of certificate authorities to trust besides the usual ones, for an https node of one's own.
    pub roots: Option<PathBuf>,
    /// Folder in which transactions under way are kept, so that a process that dies leaves none behind unknown.
    pub journal: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            request_timeout: Duration::from_secs(20),
            read_retries: 2,
            poll_interval: Duration::from_millis(50),
            receipt_timeout: Duration::from_secs(180),
            confirmations: 1,
            bump_after: Duration::from_secs(30),
            bump_percent: 20,
            max_fee_per_gas: 500_000_000_000,
            gas_margin_percent: 25,
            gas_cap: 1 << 24,
            log_window: 2_000,
            roots: None,
            journal: None,
        }
    }
}

/// A connection to a node; cheap to clone. Wallets of one connection share their nonces.
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

struct Inner {
    url: String,
    chain_id: u64,
    options: Options,
    client: RpcClient,
    nonces: Mutex<HashMap<Address, Arc<Nonces>>>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({} at {})", self.0.chain_id, self.0.url)
    }
}

impl Chain {
    /// Connects with default [`Options`] and asks for the chain id.
    pub async fn connect(url: &str) -> Result<Chain> {
        Chain::connect_with(url, Options::default()).await
    }

    /// Connects and asks for the chain id.
    pub async fn connect_with(url: &str, options: Options) -> Result<Chain> {
        let (http, parsed) = transport::client(url, options.request_timeout, options.roots.as_deref())?;
        let url = transport::shown(&parsed);
        let client = RpcClient::new_http_with_client(http, parsed).with_poll_interval(options.poll_interval);
        let mut inner = Inner { url: url.clone(), chain_id: 0, options, client, nonces: Mutex::new(HashMap::new()) };
        let id: U256 = read(&inner, "eth_chainId", ()).await?;
        inner.chain_id = u64::try_from(id).map_err(|_| ChainError::BadAnswer {
            url,
            method: "eth_chainId".to_owned(),
            cause: format!("chain id {id}"),
        })?;
        Ok(Chain(Arc::new(inner)))
    }

    /// The node's URL, without what may be secret in it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// EIP-155 chain id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.chain_id
    }

    /// Options of this connection.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The same connection as an Alloy provider, for anything not offered here.
    #[must_use]
    pub fn provider(&self) -> RootProvider {
        RootProvider::new(self.0.client.clone())
    }

    /// Fails unless the node serves `expected`.
    pub fn require_id(&self, expected: u64) -> Result<()> {
        if self.id() == expected {
            return Ok(());
        }
        Err(ChainError::WrongChain { url: self.url().to_owned(), expected, found: self.id() })
    }

    /// Any JSON-RPC request that may be repeated.
    pub async fn request<P: RpcSend, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R> {
        read(&self.0, method, params).await
    }

    /// A request that must go out at most once per call; the node's error comes back as it is.
    pub(crate) async fn once<P: RpcSend, R: RpcRecv>(
        &self,
        method: &'static str,
        params: P,
    ) -> Result<R, TransportError> {
        within(&self.0, self.0.client.request::<P, R>(method, params).into_future()).await
    }

    /// Hash of the chain's first block, `None` where the node no longer has it: tells chains of one id apart.
    pub(crate) async fn genesis(&self) -> Result<Option<B256>> {
        Ok(self.block(0).await?.map(|block| block.header.hash))
    }

    pub(crate) fn explain(&self, method: &'static str, error: TransportError) -> ChainError {
        explain(&self.0, method, error)
    }

    pub(crate) fn nonces(&self, address: Address) -> Arc<Nonces> {
        let mut all = match self.0.nonces.lock() {
            Ok(all) => all,
            Err(poisoned) => poisoned.into_inner(),
        };
        all.entry(address).or_default().clone()
    }

    /// Number of the newest block.
    pub async fn block_number(&self) -> Result<u64> {
        let number: U256 = self.request("eth_blockNumber", ()).await?;
        Ok(number.saturating_to())
    }

    /// Header of a block, `None` if there is none of that number.
    pub async fn block(&self, number: u64) -> Result<Option<Block>> {
        self.request("eth_getBlockByNumber", (quantity(number), false)).await
    }

    /// Unix time of the newest block.
    pub async fn time(&self) -> Result<u64> {
        let block: Option<Block> = self.request("eth_getBlockByNumber", ("latest", false)).await?;
        block.map(|b| b.header.timestamp).ok_or_else(|| self.bad_answer("eth_getBlockByNumber", "no latest block"))
    }

    pub(crate) fn bad_answer(&self, method: &str, cause: &str) -> ChainError {
        ChainError::BadAnswer { url: self.url().to_owned(), method: method.to_owned(), cause: cause.to_owned() }
    }

    /// Deployed code at an address; empty if there is none.
    pub async fn code(&self, address: Address) -> Result<Bytes> {
        self.request("eth_getCode", (address, "latest")).await
    }

    /// Balance in wei of the chain's coin.
    pub async fn balance(&self, address: Address) -> Result<U256> {
        self.request("eth_getBalance", (address, "latest")).await
    }

    /// Receipt of a transaction, `None` while it is not mined.
    pub async fn receipt(&self, tx: TxHash) -> Result<Option<TransactionReceipt>> {
        self.request("eth_getTransactionReceipt", (tx,)).await
    }

    /// Logs that match a filter.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>> {
        self.request("eth_getLogs", (filter.clone(),)).await
    }

    /// Transactions of an account that are mined.
    pub async fn mined_nonce(&self, address: Address) -> Result<u64> {
        self.transaction_count(address, "latest").await
    }

    /// Transactions of an account, waiting ones included.
    pub async fn pending_nonce(&self, address: Address) -> Result<u64> {
        self.transaction_count(address, "pending").await
    }

    async fn transaction_count(&self, address: Address, block: &'static str) -> Result<u64> {
        let count: U256 = self.request("eth_getTransactionCount", (address, block)).await?;
        Ok(count.saturating_to())
    }

    /// Reads a view, decoding errors of the contracts.
    pub async fn read<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return> {
        let request = TransactionRequest::default().to(to).input(TransactionInput::new(call.abi_encode().into()));
        let output = self.call(C::SIGNATURE, &request, "latest").await?;
        if output.is_empty() {
            // a call to an address without code succeeds and returns nothing
            return match self.code(to).await?.is_empty() {
                true => Err(ChainError::NoCode { contract: C::SIGNATURE.to_owned(), address: to }),
                false => Err(self.bad_output::<C>(to, "empty")),
            };
        }
        C::abi_decode_returns(&output).map_err(|e| self.bad_output::<C>(to, &e.to_string()))
    }

    fn bad_output<C: SolCall>(&self, to: Address, cause: &str) -> ChainError {
        ChainError::CodeDiffers {
            contract: "contract".to_owned(),
            address: to,
            difference: format!("its answer to {} does not decode ({cause})", C::SIGNATURE),
        }
    }

    /// Runs a message without sending it. `action` says in plain words what is being tried.
    pub async fn call(&self, action: &str, request: &TransactionRequest, block: &str) -> Result<Bytes> {
        let answer = self.retried("eth_call", (request.clone(), block.to_owned())).await;
        answer.map_err(|error| self.explain_execution(action, "eth_call", error))
    }

    /// The gas a message needs, without margin.
    pub async fn estimate_gas(&self, action: &str, request: &TransactionRequest) -> Result<u64> {
        let answer: Result<U256, TransportError> = self.retried("eth_estimateGas", (request.clone(),)).await;
        match answer {
            Ok(gas) => Ok(gas.saturating_to()),
            Err(error) => Err(self.explain_execution(action, "eth_estimateGas", error)),
        }
    }

    async fn retried<P: RpcSend, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R, TransportError> {
        retried(&self.0, method, params).await
    }

    /// Tells a revert from trouble with the node.
    fn explain_execution(&self, action: &str, method: &'static str, error: TransportError) -> ChainError {
        match error.as_error_resp().and_then(revert_of) {
            Some(revert) => ChainError::Reverted { action: action.to_owned(), revert: Box::new(revert) },
            None => self.explain(method, error),
        }
    }
}

/// The revert inside a node's error, decoded; `None` if the error is another one.
pub(crate) fn revert_of(payload: &ErrorPayload<Box<RawValue>>) -> Option<Revert> {
    if let Some(data) = payload.as_revert_data() {
        return Some(ErrorDecoder::shared().decode(&data));
    }
    // code 3: execution reverted, as geth defined it; nodes that give no data still say so
    let says_so = payload.code == 3 || payload.message.to_lowercase().contains("revert");
    says_so.then(|| ErrorDecoder::shared().decode(&[]))
}

/// A block number as JSON-RPC writes it.
pub(crate) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

async fn read<P: RpcSend, R: RpcRecv>(inner: &Inner, method: &'static str, params: P) -> Result<R> {
    retried(inner, method, params).await.map_err(|error| explain(inner, method, error))
}

async fn retried<P: RpcSend, R: RpcRecv>(inner: &Inner, method: &'static str, params: P) -> Result<R, TransportError> {
    let mut attempt = 0;
    loop {
        let answer = within(inner, inner.client.request::<P, R>(method, params.clone()).into_future()).await;
        match answer {
            Err(error) if attempt < inner.options.read_retries && broken(&error) => {
                attempt += 1;
                tracing::debug!(method, attempt, %error, "repeating a request");
                tokio::time::sleep(inner.options.poll_interval * attempt).await;
            }
            other => return other,
        }
    }
}

/// Also bounds answers that drip in, which a client's own timeout may not.
async fn within<R>(
    inner: &Inner,
    request: impl Future<Output = Result<R, TransportError>>,
) -> Result<R, TransportError> {
    let limit = inner.options.request_timeout + Duration::from_secs(1);
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(TransportErrorKind::custom(elapsed)),
    }
}

/// Whether the connection broke under way: worth another try. Refused connections and timeouts are not.
fn broken(error: &TransportError) -> bool {
    match error {
        RpcError::Transport(TransportErrorKind::HttpError(http)) => http.status == 429 || http.status >= 500,
        RpcError::Transport(TransportErrorKind::HttpErrorWithRetryAfter { .. }) => true,
        RpcError::Transport(kind) => custom::<reqwest::Error>(kind).is_some_and(|e| !e.is_connect() && !e.is_timeout()),
        _ => false,
    }
}

fn custom<E: std::error::Error + 'static>(kind: &TransportErrorKind) -> Option<&E> {
    match kind {
        TransportErrorKind::Custom(error) => error.downcast_ref::<E>(),
        _ => None,
    }
}

fn explain(inner: &Inner, method: &'static str, error: TransportError) -> ChainError {
    let url = inner.url.clone();
    let method = method.to_owned();
    match error {
        RpcError::ErrorResp(payload) => {
            ChainError::Refused { url, method, code: payload.code, message: payload.message.to_string() }
        }
        RpcError::Transport(kind) => {
            let silent = custom::<tokio::time::error::Elapsed>(&kind).is_some()
                || custom::<reqwest::Error>(&kind).is_some_and(reqwest::Error::is_timeout);
            if silent {
                return ChainError::NodeSilent { url, method, seconds: inner.options.request_timeout.as_secs() };
            }
            if custom::<reqwest::Error>(&kind).is_some_and(reqwest::Error::is_builder) {
                return ChainError::BadUrl { url, cause: root_cause(&kind) };
            }
            match &kind {
                TransportErrorKind::HttpError(http) => {
                    ChainError::BadAnswer { url, method, cause: format!("HTTP status {}", http.status) }
                }
                _ => ChainError::Unreachable { url, cause: root_cause(&kind) },
            }
        }
        RpcError::DeserError { err, text } => {
            let start: String = text.chars().take(60).collect();
            ChainError::BadAnswer { url, method, cause: format!("{err}; it begins with {start:?}") }
        }
        other => ChainError::BadAnswer { url, method, cause: other.to_string() },
    }
}

/// The innermost error: `Connection refused` rather than the layers around it.
fn root_cause(kind: &TransportErrorKind) -> String {
    let mut error: &dyn std::error::Error = kind;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// keccak256 of code, as `extcodehash` gives it.
#[must_use]
pub fn code_hash(code: &[u8]) -> B256 {
    alloy::primitives::keccak256(code)
}
