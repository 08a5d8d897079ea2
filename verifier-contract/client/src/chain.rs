//! Connection to one node: Ethereum JSON-RPC requests with typed answers and errors.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use alloy::primitives::{Address, Bytes, TxHash, B256, U256};
use alloy::rpc::json_rpc::ErrorPayload;
use alloy::rpc::types::{Filter, Log, TransactionRequest};
use alloy::sol_types::SolCall;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::Value;
use tribute_core::digest::keccak;
use tribute_core::id::CodeHash;

use crate::error::{ChainError, Result};
use crate::nonces::Nonces;
use crate::options::Options;
use crate::receipt::Receipt;
use crate::refusal::{refusal, Refusal};
use crate::revert::{ErrorDecoder, Revert};
use crate::rpc::{Failure, Rpc};
use crate::transaction::as_data;
use crate::values::{number, quantity};

/// Gas that every transaction uses, whatever it does.
const LEAST_GAS: u64 = 21_000;

/// A connection to a node; cheap to clone. Wallets of one connection share their nonces.
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

struct Inner {
    rpc: Rpc,
    chain_id: u64,
    nonces: Mutex<HashMap<Address, Arc<Nonces>>>,
    /// Blocks per request for logs; reduced to what the node allows.
    log_window: AtomicU64,
}

/// What is read of a block; some chains' blocks lack other fields of Ethereum's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Block {
    /// The block's hash.
    pub hash: B256,
    /// Unix time in seconds.
    #[serde(deserialize_with = "number")]
    pub timestamp: u64,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({} at {})", self.id(), self.url())
    }
}

impl Chain {
    /// Connects with default [`Options`] and asks for the chain id.
    pub async fn connect(url: &str) -> Result<Chain> {
        Chain::connect_with(url, Options::default()).await
    }

    /// Connects and asks for the chain id.
    pub async fn connect_with(url: &str, options: Options) -> Result<Chain> {
        let rpc = Rpc::new(url, options)?;
        let id: Result<U256, Failure> = rpc.ask("eth_chainId", &()).await;
        let id = id.map_err(|failure| rpc.explain("eth_chainId", failure))?;
        let chain_id = u64::try_from(id).map_err(|_| ChainError::BadAnswer {
            url: rpc.url().to_owned(),
            method: "eth_chainId".to_owned(),
            cause: format!("chain id {id}"),
        })?;
        let log_window = AtomicU64::new(rpc.options().log_window.max(1));
        Ok(Chain(Arc::new(Inner { rpc, chain_id, nonces: Mutex::default(), log_window })))
    }

    /// The node's URL, without the parts that may be secret.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0.rpc.url()
    }

    /// EIP-155 chain id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.chain_id
    }

    /// Whether it is a local chain, judging by the ids of local nodes: 31337 (anvil, Hardhat) and 1337 (geth's
    /// developer chain, Ganache). The test token and forgeable proofs belong only there.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.id(), 31_337 | 1_337)
    }

    /// Options of this connection.
    #[must_use]
    pub fn options(&self) -> &Options {
        self.0.rpc.options()
    }

    /// Fails unless the node serves `expected`.
    pub fn require_id(&self, expected: u64) -> Result<()> {
        if self.id() == expected {
            return Ok(());
        }
        Err(ChainError::WrongChain { url: self.url().to_owned(), expected, found: self.id() })
    }

    /// Any JSON-RPC request that is safe to repeat.
    pub async fn request<P: Serialize, R: DeserializeOwned>(&self, method: &'static str, params: P) -> Result<R> {
        self.0.rpc.ask(method, &params).await.map_err(|failure| self.explain(method, failure))
    }

    /// Hands a signed transaction to the node, once.
    pub(crate) async fn submit(&self, raw: &Bytes) -> Result<TxHash, Failure> {
        self.0.rpc.once("eth_sendRawTransaction", &(raw,)).await
    }

    /// Whether the node knows a transaction, pending or mined.
    pub(crate) async fn knows(&self, tx: TxHash) -> Result<bool> {
        let found: Option<serde_json::Value> = self.request("eth_getTransactionByHash", (tx,)).await?;
        Ok(found.is_some() || self.receipt(tx).await?.is_some())
    }

    /// Return data of a mined transaction, if the node can trace it.
    pub(crate) async fn traced_output(&self, tx: TxHash) -> Option<Bytes> {
        let options = serde_json::json!({ "tracer": "callTracer", "tracerConfig": { "onlyTopCall": true } });
        let trace: serde_json::Value = self.0.rpc.once("debug_traceTransaction", &(tx, options)).await.ok()?;
        let output: Bytes = trace.get("output")?.as_str()?.parse().ok()?;
        (!output.is_empty()).then_some(output)
    }

    /// Hash of the chain's first block, to distinguish chains with the same id. `None` if the node does not show it.
    pub(crate) async fn genesis(&self) -> Result<Option<B256>> {
        match self.block(0).await {
            Ok(block) => Ok(block.map(|block| block.hash)),
            Err(error) if error.is_answer() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn explain(&self, method: &str, failure: Failure) -> ChainError {
        self.0.rpc.explain(method, failure)
    }

    pub(crate) fn nonces(&self, address: Address) -> Arc<Nonces> {
        let mut all = self.0.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(address).or_default().clone()
    }

    pub(crate) fn log_window(&self) -> u64 {
        self.0.log_window.load(Ordering::Relaxed)
    }

    /// Records that the node allows only smaller requests for logs.
    pub(crate) fn narrow_log_window(&self, blocks: u64) {
        self.0.log_window.fetch_min(blocks.max(1), Ordering::Relaxed);
    }

    /// Number of the newest block.
    pub async fn block_number(&self) -> Result<u64> {
        let number: U256 = self.request("eth_blockNumber", ()).await?;
        Ok(number.saturating_to())
    }

    /// A block; `None` if there is no block of that number.
    pub async fn block(&self, number: u64) -> Result<Option<Block>> {
        self.request("eth_getBlockByNumber", (quantity(number), false)).await
    }

    /// Unix time of the newest block.
    pub async fn time(&self) -> Result<u64> {
        let block: Option<Block> = self.request("eth_getBlockByNumber", ("latest", false)).await?;
        block.map(|b| b.timestamp).ok_or_else(|| self.bad_answer("eth_getBlockByNumber", "no latest block"))
    }

    pub(crate) fn bad_answer(&self, method: &str, cause: &str) -> ChainError {
        ChainError::BadAnswer { url: self.url().to_owned(), method: method.to_owned(), cause: cause.to_owned() }
    }

    /// Code deployed at an address; empty if none.
    pub async fn code(&self, address: Address) -> Result<Bytes> {
        self.request("eth_getCode", (address, "latest")).await
    }

    /// Balance of the chain's native coin, in wei.
    pub async fn balance(&self, address: Address) -> Result<U256> {
        self.request("eth_getBalance", (address, "latest")).await
    }

    /// Receipt of a transaction; `None` until it is mined.
    pub async fn receipt(&self, tx: TxHash) -> Result<Option<Receipt>> {
        self.request("eth_getTransactionReceipt", (tx,)).await
    }

    /// Logs that match a filter.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>> {
        self.request("eth_getLogs", (filter.clone(),)).await
    }

    /// Logs of several blocks that match a filter; `None` if the node seems to allow only fewer blocks.
    pub(crate) async fn logs_of_range(&self, filter: &Filter) -> Result<Option<Vec<Log>>> {
        let failure = match self.0.rpc.ask_for_range("eth_getLogs", &(filter,)).await {
            Ok(logs) => return Ok(Some(logs)),
            Err(failure) => failure,
        };
        let may_limit_results = failure.may_limit_results();
        match self.explain("eth_getLogs", failure) {
            // some gateways answer a too large request with an HTTP error
            ChainError::Refused { .. } | ChainError::BadAnswer { .. } => Ok(None),
            ChainError::RateLimited { .. } if may_limit_results => Ok(None),
            // others with a page, or not in time, unlike a node that lets no request pass
            error if error.is_answer() || matches!(error, ChainError::NodeSilent { .. }) => {
                self.block_number().await.map(|_| None)
            }
            error => Err(error),
        }
    }

    /// Number of mined transactions of an account.
    pub async fn mined_nonce(&self, address: Address) -> Result<u64> {
        self.transaction_count(address, "latest").await
    }

    /// Number of confirmed transactions of an account.
    pub(crate) async fn confirmed_nonce(&self, address: Address) -> Result<u64> {
        let block = self.confirmed_block().await?;
        self.transaction_count(address, &block).await
    }

    /// The newest block with the required confirmations, as a block parameter of JSON-RPC.
    async fn confirmed_block(&self) -> Result<String> {
        match self.options().confirmations {
            0 | 1 => Ok("latest".to_owned()),
            more => Ok(quantity(self.block_number().await?.saturating_sub(more - 1))),
        }
    }

    /// Number of transactions of an account, including pending ones.
    pub async fn pending_nonce(&self, address: Address) -> Result<u64> {
        self.transaction_count(address, "pending").await
    }

    /// Number of transactions of an account as of a block, given as JSON-RPC writes it.
    pub(crate) async fn transaction_count(&self, address: Address, block: &str) -> Result<u64> {
        let count: U256 = self.request("eth_getTransactionCount", (address, block)).await?;
        Ok(count.saturating_to())
    }

    /// Reads a view as of the newest confirmed block ([`Options::confirmations`]), decoding errors of the contracts.
    pub async fn read<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return> {
        let block = self.confirmed_block().await?;
        self.read_at(to, call, &block).await
    }

    /// Reads a view as of the newest block.
    pub(crate) async fn read_newest<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return> {
        self.read_at(to, call, "latest").await
    }

    async fn read_at<C: SolCall>(&self, to: Address, call: &C, block: &str) -> Result<C::Return> {
        let request = TransactionRequest::default().to(to).input(as_data(call.abi_encode().into()));
        let output = self.call(C::SIGNATURE, &request, block).await?;
        if output.is_empty() {
            // a call to an address without code succeeds with empty return data
            let code: Bytes = self.request("eth_getCode", (to, block)).await?;
            return match code.is_empty() {
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

    /// Simulates a message (`eth_call`). `action` describes it in errors.
    pub async fn call(&self, action: &str, request: &TransactionRequest, block: &str) -> Result<Bytes> {
        self.execute(action, "eth_call", request, &(request, block)).await
    }

    /// Gas estimate of a message, without margin. One that is too low for any transaction is an error.
    pub async fn estimate_gas(&self, action: &str, request: &TransactionRequest) -> Result<u64> {
        let method = "eth_estimateGas";
        let gas: U256 = self.execute(action, method, request, &(request,)).await?;
        if gas < U256::from(LEAST_GAS) {
            return Err(self.bad_answer(method, &format!("{gas} gas, less than the {LEAST_GAS} of any transaction")));
        }
        Ok(gas.saturating_to())
    }

    /// A request that executes a message; distinguishes a revert and a lack of funds from a node error.
    async fn execute<P: Serialize, R: DeserializeOwned>(
        &self,
        action: &str,
        method: &'static str,
        request: &TransactionRequest,
        params: &P,
    ) -> Result<R> {
        self.0.rpc.ask(method, params).await.map_err(|failure| {
            let Failure::Error { error, .. } = &failure else { return self.explain(method, failure) };
            let (action, message) = (action.to_owned(), error.message.to_string());
            match (revert_of(error), request.from) {
                (Some(revert), _) => ChainError::Reverted { action, revert: Box::new(revert) },
                (None, Some(from)) if refusal(&message) == Refusal::Unfunded => {
                    ChainError::InsufficientFunds { action, from, message, open: None }
                }
                _ => self.explain(method, failure),
            }
        })
    }
}

/// The decoded revert in a node's error; `None` if it is a different error.
fn revert_of(payload: &ErrorPayload<Box<RawValue>>) -> Option<Revert> {
    let data: Option<Value> = payload.data.as_ref().and_then(|data| serde_json::from_str(data.get()).ok());
    let revert = ErrorDecoder::shared().decode(&data.as_ref().and_then(revert_data).unwrap_or_default());
    // code 3 is geth's "execution reverted", -32015 OpenEthereum's and Nethermind's "VM execution error"; nodes that
    // return no data still use the words
    let says_so = matches!(payload.code, 3 | -32015) || payload.message.to_lowercase().contains("revert");
    (says_so || !matches!(revert.name.as_str(), "Nothing" | "Unknown")).then_some(revert)
}

/// The data of a revert in an error's `data`: hex, perhaps after a word, or inside objects and lists, which may hold hashes
/// and addresses too.
fn revert_data(data: &Value) -> Option<Bytes> {
    let is_error = |data: &Bytes| data.len() % 32 == 4;
    match data {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => text.strip_prefix("Reverted ").unwrap_or(text).parse().ok(),
        Value::Object(fields) => {
            fields.get("data").and_then(revert_data).or_else(|| fields.values().filter_map(revert_data).find(is_error))
        }
        Value::Array(values) => values.iter().filter_map(revert_data).find(is_error),
        _ => None,
    }
}

/// keccak256 of code, as `extcodehash` gives it.
#[must_use]
pub fn code_hash(code: &[u8]) -> CodeHash {
    CodeHash::new(keccak(code))
}

#[cfg(test)]
mod tests {
    use alloy::sol_types::SolError;

    use super::*;

    #[test]
    fn a_revert_is_found_wherever_a_node_puts_it() {
        let data = alloy::sol_types::Revert { reason: "no".to_owned() }.abi_encode();
        let data = alloy::primitives::hex::encode_prefixed(data);
        let data = data.as_str();
        let of = |code: i64, message: &str, data: Value| {
            let error = serde_json::json!({ "code": code, "message": message, "data": data });
            revert_of(&serde_json::from_value(error).unwrap()).map(|revert| revert.name)
        };
        let nested =
            serde_json::json!({ "originalError": { "code": 3, "data": data, "message": "execution reverted" } });
        for (code, message, data) in [
            (3, "execution reverted: no", Value::from(data)),
            (-32000, "VM Exception while processing transaction: revert no", Value::from(data)),
            (-32015, "VM execution error.", Value::from(format!("Reverted {data}"))),
            (-32015, "VM execution error.", Value::from(data)),
            (-32000, "execution failed", Value::from(data.trim_start_matches("0x"))),
            (-32603, "Internal JSON-RPC error.", nested),
            (-32000, "failed", serde_json::json!({ "hash": B256::repeat_byte(7), "result": data })),
            (-32000, "failed", serde_json::json!({ "by": Address::ZERO, "trace": [{ "output": data }] })),
            (-32000, "failed", serde_json::json!([B256::repeat_byte(7), data])),
        ] {
            assert_eq!(of(code, message, data.clone()).as_deref(), Some("Error"), "{code} {message} {data}");
        }
        assert_eq!(of(-32015, "VM execution error.", "Reverted 0x".into()).as_deref(), Some("Nothing"));
        assert_eq!(of(-32000, "execution reverted", Value::Null).as_deref(), Some("Nothing"));
        for data in [Value::Null, "0x".into(), format!("0x{}", "7".repeat(64)).into(), "busy".into()] {
            assert_eq!(of(-32000, "header not found", data.clone()), None, "{data}");
        }
    }

    #[test]
    fn a_block_needs_only_what_is_read() {
        let block = serde_json::json!({ "hash": B256::repeat_byte(7), "timestamp": "0x5", "miner": null });
        let expected = Block { hash: B256::repeat_byte(7), timestamp: 5 };
        assert_eq!(serde_json::from_value::<Block>(block).unwrap(), expected);
    }
}
