//! A prepared contract call, which can be simulated, sent, or sent with an expected failure.

use std::marker::PhantomData;

use alloy::primitives::{keccak256, Address, U256};
use alloy::sol_types::{SolCall, SolEvent};

use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::receipt::Receipt;
use crate::transaction::{Message, RevertedTx, Sent};
use crate::wallet::Wallet;

/// A call `C` whose events decode to an outcome `T`.
#[derive(Clone, Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call<C, T> {
    chain: Chain,
    to: Address,
    /// The contract whose events are read.
    emitter: Address,
    message: Message,
    outcome: fn(&Events<'_>) -> Result<T>,
    kind: PhantomData<fn() -> C>,
}

/// Outcome of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// The mined transaction.
    pub sent: Sent,
    /// The outcome decoded from its events.
    pub event: T,
}

impl<C: SolCall, T> Call<C, T> {
    pub(crate) fn new(
        chain: &Chain,
        to: Address,
        action: impl Into<String>,
        call: &C,
        outcome: fn(&Events<'_>) -> Result<T>,
    ) -> Self {
        let message = Message::new(action, Some(to), call.abi_encode().into(), U256::ZERO);
        Call { chain: chain.clone(), to, emitter: to, message, outcome, kind: PhantomData }
    }

    /// Reads the events of `emitter` instead of those of the contract called.
    pub(crate) fn emitted_by(mut self, emitter: Address) -> Self {
        self.emitter = emitter;
        self
    }

    /// Receiver, calldata and description, for sending it in another way.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Uses `other` to identify the call in a journal: `other` has fixed values where this call has values that differ
    /// in every run, such as a deadline.
    pub fn identified_as<D: SolCall>(mut self, other: &D) -> Self {
        self.message.identity = keccak256(other.abi_encode());
        self
    }

    /// Simulates it as if sent by `from` now; returns what it would return.
    pub async fn simulate(&self, from: Address) -> Result<C::Return> {
        let output = self.chain.call(&self.message.action, &self.message.request(from), "latest").await?;
        C::abi_decode_returns(&output).map_err(|e| ChainError::CodeDiffers {
            contract: "contract".to_owned(),
            address: self.to,
            difference: format!("its answer to {} does not decode ({e})", C::SIGNATURE),
        })
    }

    /// Estimates its gas as if sent by `from` now, without margin.
    pub async fn estimate_gas(&self, from: Address) -> Result<u64> {
        self.chain.estimate_gas(&self.message.action, &self.message.request(from)).await
    }

    /// Simulates it, sends it, waits for its receipt and reads its events.
    ///
    /// With a journal ([`crate::Options::journal`]), if a process that died left a transaction of the same call in
    /// flight, resumes that one and sends no other.
    pub async fn send(&self, wallet: &Wallet) -> Result<Done<T>> {
        if let Some((sent, receipt)) = wallet.resume(&self.message).await? {
            return self.done(sent, &receipt);
        }
        let output = self.chain.call(&self.message.action, &self.message.request(wallet.address()), "latest").await?;
        // a call to an address without code also succeeds; some tokens return nothing instead of true
        if output.is_empty() && self.chain.code(self.to).await?.is_empty() {
            return Err(ChainError::NoCode { contract: C::SIGNATURE.to_owned(), address: self.to });
        }
        let (sent, receipt) = wallet.send_simulated(&self.message).await?;
        self.done(sent, &receipt)
    }

    fn done(&self, sent: Sent, receipt: &Receipt) -> Result<Done<T>> {
        let events = Events { action: &self.message.action, contract: self.emitter, receipt };
        let event = (self.outcome)(&events)?;
        Ok(Done { sent, event })
    }

    /// Sends it without simulating it and expects it to be mined and to fail. `gas` is its gas limit; the default is
    /// enough for several proofs.
    pub async fn send_expecting_revert(&self, wallet: &Wallet, gas: Option<u64>) -> Result<RevertedTx> {
        wallet.send_expecting_revert(&self.message, gas).await
    }
}

/// The events of a mined call.
#[derive(Debug)]
pub struct Events<'a> {
    action: &'a str,
    contract: Address,
    receipt: &'a Receipt,
}

impl Events<'_> {
    /// All events `E` of the emitting contract, usually the called one.
    pub(crate) fn all<E: SolEvent>(&self) -> Result<Vec<E>> {
        let logs = self.receipt.logs.iter().filter(|log| log.address == self.contract);
        Ok(logs.filter_map(|log| E::decode_log(log).ok().map(|decoded| decoded.data)).collect())
    }

    /// The first event `E`.
    pub(crate) fn one<E: SolEvent>(&self) -> Result<E> {
        self.all::<E>()?.into_iter().next().ok_or_else(|| ChainError::EventMissing {
            action: self.action.to_owned(),
            event: E::SIGNATURE,
            tx: self.receipt.transaction_hash,
        })
    }

    /// For calls whose events do not matter.
    pub(crate) fn none(&self) -> Result<()> {
        Ok(())
    }
}
