//! An account that sends: fees, gas, nonces, signatures. What happens to a transaction afterwards is in `pending`.

use std::fmt;
use std::sync::Arc;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::network::TxSignerSync;
use alloy::primitives::{keccak256, Address, Bytes, TxHash, TxKind, B256, U256};
use alloy::providers::utils::Eip1559Estimation;
use alloy::providers::Provider;
use alloy::rpc::json_rpc::RpcError;
use alloy::rpc::types::{TransactionInput, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use serde::{Deserialize, Serialize};

use crate::chain::{quantity, Chain};
use crate::error::{ChainError, Result};
use crate::journal::{Held, Record};
use crate::nonces::Nonces;
use crate::pending::{Pending, Signed};
use crate::revert::{ErrorDecoder, Revert};

/// Gas of a transaction that is sent to fail, unless the caller says otherwise: room for several proofs.
const FAILING_GAS: u64 = 6_000_000;

/// A mined transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What it did, in plain words.
    pub action: String,
    /// Hash.
    pub tx: TxHash,
    /// Sender.
    pub from: Address,
    /// Receiver; `None` for a deployment.
    pub to: Option<Address>,
    /// Block number.
    pub block: u64,
    /// Hash of the block.
    pub block_hash: B256,
    /// 1 success, 0 failure.
    pub status: u8,
    /// Gas used.
    pub gas_used: u64,
    /// Wei paid per gas.
    pub gas_price: u128,
}

/// A transaction that was mined and failed, as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertedTx {
    /// The transaction; its status is 0.
    pub sent: Sent,
    /// The contract's error.
    pub revert: Revert,
}

/// A message to be sent: receiver (none deploys), calldata, value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it does, in plain words.
    pub action: String,
    /// Receiver; `None` deploys `data`.
    pub to: Option<Address>,
    /// Calldata or creation code.
    pub data: Bytes,
    /// Wei.
    pub value: U256,
    /// What makes two messages to one receiver the same one, begun and seen through: the hash of `data`, unless `data`
    /// holds what every run of a command makes anew.
    pub identity: B256,
}

impl Message {
    /// A message that is itself by its data.
    #[must_use]
    pub fn new(action: impl Into<String>, to: Option<Address>, data: Bytes, value: U256) -> Message {
        Message { action: action.into(), to, identity: keccak256(&data), data, value }
    }

    /// As a request from `from`.
    #[must_use]
    pub fn request(&self, from: Address) -> TransactionRequest {
        let mut request =
            TransactionRequest::default().from(from).value(self.value).input(TransactionInput::new(self.data.clone()));
        request.to = Some(self.to.map_or(TxKind::Create, TxKind::Call));
        request
    }
}

/// An account with its key, on one chain. Cheap to clone; all wallets of one key on one [`Chain`] share its nonce.
#[derive(Clone)]
pub struct Wallet {
    chain: Chain,
    signer: PrivateKeySigner,
    nonces: Arc<Nonces>,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address())
    }
}

impl Wallet {
    /// The account of `signer` on `chain`.
    #[must_use]
    pub fn new(chain: &Chain, signer: PrivateKeySigner) -> Wallet {
        let nonces = chain.nonces(signer.address());
        Wallet { chain: chain.clone(), signer, nonces }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Its chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Its key, for signing vouchers and permits.
    #[must_use]
    pub fn signer(&self) -> &PrivateKeySigner {
        &self.signer
    }

    /// Simulates, sends, waits; fails without sending if the simulation reverts. What an earlier process left of the
    /// same message is seen through first.
    pub async fn send(&self, message: &Message) -> Result<(Sent, TransactionReceipt)> {
        if let Some(done) = self.resume(message).await? {
            return Ok(done);
        }
        let request = message.request(self.address());
        self.chain.call(&message.action, &request, "latest").await?;
        self.send_simulated(message).await
    }

    /// As [`Wallet::send`], for a message that was just simulated.
    pub(crate) async fn send_simulated(&self, message: &Message) -> Result<(Sent, TransactionReceipt)> {
        let request = message.request(self.address());
        let estimate = self.chain.estimate_gas(&message.action, &request).await?;
        let gas = self.with_margin(&message.action, estimate)?;
        let receipt = self.mined(message, gas).await?;
        self.outcome(message, gas, receipt).await
    }

    async fn outcome(
        &self,
        message: &Message,
        gas: u64,
        receipt: TransactionReceipt,
    ) -> Result<(Sent, TransactionReceipt)> {
        let sent = sent(message, &receipt);
        if !receipt.status() {
            // the state changed between simulation and block
            let revert = Box::new(self.why(message, gas, &sent).await?);
            return Err(ChainError::Failed { action: message.action.clone(), sent: Box::new(sent), revert });
        }
        Ok((sent, receipt))
    }

    /// Goes on with what an earlier process left of this message, if it did; `None` if nothing was left, or if what was
    /// left can never be mined.
    pub(crate) async fn resume(&self, message: &Message) -> Result<Option<(Sent, TransactionReceipt)>> {
        let Some(folder) = &self.chain.options().journal else { return Ok(None) };
        let Some(held) = Held::left(folder, self.chain.id(), self.address(), message)? else { return Ok(None) };
        let record = held.record().clone();
        let next = self.chain.pending_nonce(self.address()).await?;
        if record.genesis != self.chain.genesis().await? || record.nonce > next {
            tracing::warn!(action = message.action, nonce = record.nonce, "what was left is of another chain");
            held.done();
            return Ok(None);
        }
        tracing::info!(action = message.action, nonce = record.nonce, "going on with a transaction sent earlier");
        let versions = record.versions.iter().map(Signed::from).collect();
        let flight = self.nonces.depart();
        let pending =
            Pending::new(self.clone(), message.clone(), record.nonce, record.gas, versions, Some(held), flight);
        match pending.mined().await {
            Ok(receipt) => self.outcome(message, record.gas, receipt).await.map(Some),
            Err(ChainError::Replaced { nonce, .. }) => {
                tracing::warn!(action = message.action, nonce, "another transaction used the nonce");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a message that must fail, without simulating it, and says why it failed. `gas` is its gas limit.
    pub async fn send_expecting_revert(&self, message: &Message, gas: Option<u64>) -> Result<RevertedTx> {
        let gas = gas.unwrap_or(FAILING_GAS).min(self.chain.options().gas_cap);
        let receipt = self.mined(message, gas).await?;
        let sent = sent(message, &receipt);
        if receipt.status() {
            return Err(ChainError::UnexpectedSuccess { action: message.action.clone(), sent: Box::new(sent) });
        }
        let revert = self.why(message, gas, &sent).await?;
        Ok(RevertedTx { sent, revert })
    }

    /// The message that deploys creation code.
    pub(crate) fn deployment(name: &str, creation: Bytes) -> Message {
        Message::new(format!("deploy {name}"), None, creation, U256::ZERO)
    }

    /// Deploys creation code (constructor arguments appended) and checks that code stands there afterwards.
    pub async fn deploy(&self, name: &str, creation: Bytes) -> Result<(Address, Sent)> {
        let (sent, receipt) = self.send(&Wallet::deployment(name, creation)).await?;
        let address = receipt.contract_address.unwrap_or_default();
        if self.chain.code(address).await?.is_empty() {
            return Err(ChainError::NoCode { contract: name.to_owned(), address });
        }
        Ok((address, sent))
    }

    /// Sends the chain's coin, for example to let another account pay for gas.
    pub async fn send_coin(&self, to: Address, wei: U256) -> Result<Sent> {
        let message = Message::new(format!("send {wei} wei to {to}"), Some(to), Bytes::new(), wei);
        Ok(self.send(&message).await?.0)
    }

    fn with_margin(&self, action: &str, estimate: u64) -> Result<u64> {
        let options = self.chain.options();
        let cap = options.gas_cap;
        if estimate > cap {
            return Err(ChainError::GasAboveCap { action: action.to_owned(), needed: estimate, cap });
        }
        let margin = estimate.saturating_mul(u64::from(options.gas_margin_percent)) / 100;
        Ok(estimate.saturating_add(margin).min(cap))
    }

    async fn mined(&self, message: &Message, gas: u64) -> Result<TransactionReceipt> {
        let fees = self.fees().await?;
        let pending = self.broadcast(message, gas, fees).await?;
        pending.mined().await
    }

    /// What the market asks now, within what we are ready to pay.
    pub(crate) async fn fees(&self) -> Result<Eip1559Estimation> {
        let mut fees = self
            .chain
            .provider()
            .estimate_eip1559_fees()
            .await
            .map_err(|error| self.chain.explain("eth_feeHistory", error))?;
        fees.max_fee_per_gas = fees.max_fee_per_gas.min(self.chain.options().max_fee_per_gas);
        fees.max_priority_fee_per_gas = fees.max_priority_fee_per_gas.min(fees.max_fee_per_gas);
        Ok(fees)
    }

    /// Takes a nonce and hands the transaction to the node, one at a time for each account.
    async fn broadcast(&self, message: &Message, gas: u64, fees: Eip1559Estimation) -> Result<Pending> {
        let journal = self.chain.options().journal.as_deref();
        let genesis = match journal {
            Some(_) => self.chain.genesis().await?,
            None => None,
        };
        let mut turn = self.nonces.turn().await;
        let mut attempts = 0;
        loop {
            let nonce = match *turn {
                Some(nonce) => nonce,
                None => self.chain.pending_nonce(self.address()).await?,
            };
            let signed = self.sign(message, nonce, gas, fees)?;
            let record = || Record::new(self.chain.id(), genesis, self.address(), nonce, gas, message, &signed);
            let held = journal.map(|folder| Held::create(folder, record())).transpose()?;
            let flight = self.nonces.depart();
            let mut pending = Pending::new(self.clone(), message.clone(), nonce, gas, vec![signed], held, flight);
            match pending.hand_over().await {
                // without an answer the node may have it: the nonce counts as used, and the same bytes are sent again
                Handed::Taken | Handed::Unknown => {
                    *turn = Some(nonce + 1);
                    return Ok(pending);
                }
                Handed::NonceUsed if attempts < 3 => {
                    attempts += 1;
                    pending.strike();
                    *turn = None;
                    tokio::time::sleep(self.chain.options().poll_interval).await;
                }
                Handed::NonceUsed => {
                    pending.strike();
                    *turn = None;
                    return Err(ChainError::Replaced {
                        action: message.action.clone(),
                        from: self.address(),
                        nonce,
                        transactions: pending.hashes(),
                    });
                }
                Handed::Refused(error) => {
                    // some nodes mine a transaction that fails and answer with its failure
                    if matches!(self.chain.receipt(pending.newest()).await, Ok(Some(_))) {
                        *turn = Some(nonce + 1);
                        return Ok(pending);
                    }
                    pending.strike();
                    *turn = None;
                    return Err(error);
                }
            }
        }
    }

    /// Signs one version of a transaction.
    pub(crate) fn sign(&self, message: &Message, nonce: u64, gas: u64, fees: Eip1559Estimation) -> Result<Signed> {
        let mut tx = TxEip1559 {
            chain_id: self.chain.id(),
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to: message.to.map_or(TxKind::Create, TxKind::Call),
            value: message.value,
            access_list: Default::default(),
            input: message.data.clone(),
        };
        let signature =
            self.signer.sign_transaction_sync(&mut tx).map_err(|e| ChainError::Signing { cause: e.to_string() })?;
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        Ok(Signed { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into(), fees })
    }

    pub(crate) async fn forget_nonce(&self) {
        self.nonces.forget().await;
    }

    /// Why a mined transaction failed: from its trace where the node has one, else by running it again at its block.
    async fn why(&self, message: &Message, gas: u64, sent: &Sent) -> Result<Revert> {
        if let Some(output) = self.traced_output(sent.tx).await {
            return Ok(ErrorDecoder::shared().decode(&output));
        }
        let mut request = message.request(self.address());
        request.gas = Some(gas);
        match self.chain.call(&message.action, &request, &quantity(sent.block)).await {
            Err(ChainError::Reverted { revert, .. }) => Ok(*revert),
            Err(error) => Err(error),
            // it would pass now: something else in its block stood in the way, or it ran out of gas
            Ok(_) => Ok(ErrorDecoder::shared().decode(&[])),
        }
    }

    async fn traced_output(&self, tx: TxHash) -> Option<Bytes> {
        let options = serde_json::json!({ "tracer": "callTracer", "tracerConfig": { "onlyTopCall": true } });
        let trace: serde_json::Value = self.chain.once("debug_traceTransaction", (tx, options)).await.ok()?;
        let output: Bytes = trace.get("output")?.as_str()?.parse().ok()?;
        (!output.is_empty()).then_some(output)
    }
}

/// What the node did with a transaction.
pub(crate) enum Handed {
    /// It has it.
    Taken,
    /// No answer: it may have it.
    Unknown,
    /// The nonce is used.
    NonceUsed,
    /// It does not want it.
    Refused(ChainError),
}

impl Handed {
    /// Reads the node's answer. Nodes agree on these words, not on codes.
    pub(crate) fn of(
        wallet: &Wallet,
        action: &str,
        answer: Result<TxHash, alloy::transports::TransportError>,
    ) -> Handed {
        let error = match answer {
            Ok(_) => return Handed::Taken,
            Err(error) => error,
        };
        let RpcError::ErrorResp(payload) = &error else { return Handed::Unknown };
        let message = payload.message.to_lowercase();
        if message.contains("already known") || message.contains("already imported") {
            return Handed::Taken;
        }
        if message.contains("nonce too low") || message.contains("underpriced") && message.contains("replacement") {
            return Handed::NonceUsed;
        }
        if message.contains("insufficient funds") {
            return Handed::Refused(ChainError::InsufficientFunds {
                action: action.to_owned(),
                from: wallet.address(),
                message: payload.message.to_string(),
            });
        }
        Handed::Refused(wallet.chain().explain("eth_sendRawTransaction", error))
    }
}

fn sent(message: &Message, receipt: &TransactionReceipt) -> Sent {
    Sent {
        action: message.action.clone(),
        tx: receipt.transaction_hash,
        from: receipt.from,
        to: receipt.to,
        block: receipt.block_number.unwrap_or_default(),
        block_hash: receipt.block_hash.unwrap_or_default(),
        status: u8::from(receipt.status()),
        gas_used: receipt.gas_used,
        gas_price: receipt.effective_gas_price,
    }
}
