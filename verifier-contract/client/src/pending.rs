//! A transaction between signature and confirmation: sent again if nodes lose it, replaced by a version with higher
//! fees if it is stuck. Every version has the same nonce, so that at most one is ever mined.

use std::time::{Duration, Instant};

use alloy::primitives::TxHash;
use alloy::rpc::types::TransactionReceipt;

use crate::account::Account;
use crate::error::{ChainError, Result};
use crate::fees;
use crate::journal::Held;
use crate::nonces::InFlight;
use crate::refusal::{refusal, Refusal};
use crate::rpc::Failure;
use crate::transaction::{Message, Signed};

/// Longest pause between two polls.
const SLOWEST_POLL: Duration = Duration::from_secs(2);
/// Interval of sending the same bytes again while it is unknown whether the node has them.
const RESEND_EVERY: Duration = Duration::from_secs(1);
/// Time a node may take to find the receipt of a transaction whose nonce it counts as used.
const RECEIPT_LAG: Duration = Duration::from_secs(5);
/// Time a node may keep refusing a transaction before it is an error.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(10);

/// A transaction that the node has, or may have.
pub(crate) struct Pending {
    account: Account,
    message: Message,
    nonce: u64,
    gas: u64,
    /// Never empty; ordered by fees, highest last.
    versions: Vec<Signed>,
    started: Instant,
    /// When a version was last handed to the node.
    handed: Instant,
    /// When the newest version was made.
    priced: Instant,
    /// Whether the node has the newest version.
    taken: bool,
    /// Since when the nonce has been used by a transaction that is not ours.
    orphaned: Option<Instant>,
    /// Since when the node has been refusing it, and with what message.
    refused: Option<(Instant, String)>,
    /// The last error of the node.
    trouble: Option<String>,
    /// Its journal record, until it is confirmed or can never be mined.
    held: Option<Held>,
    _flight: InFlight,
}

/// Outcome of handing a transaction to a node.
pub(crate) enum Handed {
    /// The node has it.
    Taken,
    /// The node may have it: there was no answer, or an inconclusive one.
    Unknown,
    /// The node does not have it, and its nonce is used.
    NonceUsed,
    /// The node does not have it and will never accept it.
    Refused(ChainError),
}

impl Pending {
    pub(crate) fn new(
        account: Account,
        message: Message,
        nonce: u64,
        gas: u64,
        versions: Vec<Signed>,
        held: Option<Held>,
    ) -> Pending {
        let (now, flight) = (Instant::now(), account.nonces.depart());
        Pending {
            account,
            message,
            nonce,
            gas,
            versions,
            started: now,
            handed: now,
            priced: now,
            taken: false,
            orphaned: None,
            refused: None,
            trouble: None,
            held,
            _flight: flight,
        }
    }

    fn hashes(&self) -> Vec<TxHash> {
        self.versions.iter().map(|v| v.hash).collect()
    }

    /// Hands the newest version to the node. An error is trusted only if the node does not know the transaction: some
    /// gateways forward it to several nodes and return the last answer, and some nodes mine a failing transaction and
    /// report the failure.
    pub(crate) async fn hand_over(&mut self) -> Handed {
        let Some(newest) = self.versions.last().map(|v| v.raw.clone()) else { return Handed::Unknown };
        let answer = self.account.chain.submit(&newest).await;
        self.handed = Instant::now();
        let handed = match answer {
            Ok(_) => Handed::Taken,
            Err(failure) => {
                self.trouble = Some(failure.words());
                self.read(failure).await
            }
        };
        self.taken = !matches!(handed, Handed::Unknown);
        if matches!(handed, Handed::Taken) {
            self.refused = None;
        }
        handed
    }

    async fn read(&mut self, failure: Failure) -> Handed {
        let Failure::Error { error, .. } = &failure else { return Handed::Unknown };
        if failure.is_limit() {
            return Handed::Unknown;
        }
        let meaning = refusal(&error.message);
        if meaning == Refusal::Known {
            return Handed::Taken;
        }
        match self.is_known().await {
            Ok(true) => return Handed::Taken,
            Ok(false) => {}
            Err(_) => return Handed::Unknown,
        }
        if meaning == Refusal::NonceUsed {
            return Handed::NonceUsed;
        }
        let message = error.message.to_string();
        let since = self.refused.take().map_or(self.handed, |(since, _)| since);
        self.refused = Some((since, message.clone()));
        match meaning {
            Refusal::Unfunded => Handed::Refused(ChainError::InsufficientFunds {
                action: self.message.action.clone(),
                from: self.account.address(),
                message,
            }),
            Refusal::Invalid => Handed::Refused(self.account.chain.explain("eth_sendRawTransaction", failure)),
            _ => Handed::Unknown,
        }
    }

    /// Whether the node knows any version, pending or mined.
    async fn is_known(&self) -> Result<bool> {
        for version in self.versions.iter().rev() {
            if self.account.chain.knows(version.hash).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes its record.
    pub(crate) fn remove_record(&mut self) {
        if let Some(held) = self.held.take() {
            held.done();
        }
    }

    /// Waits until it is mined and confirmed, whatever its outcome.
    pub(crate) async fn mined(mut self) -> Result<TransactionReceipt> {
        let mut was_mined = false;
        loop {
            match self.look().await {
                Ok(Some((receipt, confirmed))) => {
                    if confirmed {
                        self.remove_record();
                        return Ok(receipt);
                    }
                    was_mined = true;
                    (self.orphaned, self.refused) = (None, None);
                }
                Ok(None) => {
                    if was_mined {
                        tracing::warn!(
                            action = self.message.action,
                            nonce = self.nonce,
                            "its block was reorganised away"
                        );
                        was_mined = false;
                        self.taken = false;
                    }
                    self.push().await?;
                }
                Err(error) => self.trouble = Some(error.to_string()),
            }
            let limit = self.account.chain.options().receipt_timeout;
            if self.started.elapsed() > limit {
                self.account.nonces.forget().await;
                return Err(ChainError::NotMined {
                    from: self.account.address(),
                    nonce: self.nonce,
                    transactions: self.hashes(),
                    seconds: limit.as_secs(),
                    action: self.message.action,
                    cause: self.trouble,
                });
            }
            let slower = (self.started.elapsed() / 10).min(SLOWEST_POLL);
            tokio::time::sleep(self.account.chain.options().poll_interval.max(slower)).await;
        }
    }

    /// The receipt of whichever version was mined, and whether it is confirmed.
    async fn look(&self) -> Result<Option<(TransactionReceipt, bool)>> {
        let chain = &self.account.chain;
        for version in self.versions.iter().rev() {
            let Some(receipt) = chain.receipt(version.hash).await? else { continue };
            let Some(block) = receipt.block_number else { continue };
            if (receipt.transaction_hash, receipt.from) != (version.hash, self.account.address()) {
                return Err(chain.bad_answer("eth_getTransactionReceipt", "the receipt of another transaction"));
            }
            let needed = chain.options().confirmations.max(1) - 1;
            let confirmed = needed == 0 || chain.block_number().await? >= block + needed;
            return Ok(Some((receipt, confirmed)));
        }
        Ok(None)
    }

    /// Sends an unmined transaction again, or replaces it.
    async fn push(&mut self) -> Result<()> {
        let options = self.account.chain.options().clone();
        if !self.taken && self.handed.elapsed() >= RESEND_EVERY.min(options.bump_after) {
            self.hand_over().await;
        }
        if self.started.elapsed() < RESEND_EVERY {
            return Ok(());
        }
        match self.account.chain.confirmed_nonce(self.account.address()).await {
            Ok(used) if used > self.nonce => return self.orphan().await,
            Ok(_) => self.orphaned = None,
            Err(error) => self.trouble = Some(error.to_string()),
        }
        if let Some((since, message)) = &self.refused {
            if since.elapsed() >= REFUSAL_PATIENCE {
                let message = message.clone();
                return Err(self.unclear(message).await);
            }
        }
        if !self.taken {
            return Ok(());
        }
        // with growing pauses: otherwise a node that never shows pending transactions would get the same bytes all the
        // time
        if self.handed.elapsed() >= RESEND_EVERY.max(self.started.elapsed() / 8)
            && matches!(self.is_known().await, Ok(false))
        {
            tracing::warn!(
                action = self.message.action,
                nonce = self.nonce,
                "the node does not know it, sending it again"
            );
            self.hand_over().await;
        }
        if self.priced.elapsed() >= options.bump_after {
            self.bump().await?;
        }
        Ok(())
    }

    /// Error if the node refuses it and does not show it. The record stays: another node may have it.
    async fn unclear(&self, message: String) -> ChainError {
        self.account.nonces.forget().await;
        ChainError::Unclear {
            action: self.message.action.clone(),
            from: self.account.address(),
            nonce: self.nonce,
            transactions: self.hashes(),
            message,
        }
    }

    /// Error if a confirmed transaction used the nonce and the node shows no receipt of ours.
    async fn orphan(&mut self) -> Result<()> {
        let since = *self.orphaned.get_or_insert_with(Instant::now);
        if since.elapsed() < RECEIPT_LAG {
            return Ok(());
        }
        self.account.nonces.forget().await;
        self.remove_record();
        Err(ChainError::Replaced {
            action: self.message.action.clone(),
            from: self.account.address(),
            nonce: self.nonce,
            transactions: self.hashes(),
        })
    }

    /// Replaces it by a version with higher fees, within the caps.
    async fn bump(&mut self) -> Result<()> {
        let Some(old) = self.versions.last().map(|v| v.fees) else { return Ok(()) };
        self.priced = Instant::now();
        let market = fees::market(&self.account.chain).await.unwrap_or(old);
        match fees::raised(old, market, self.account.chain.options()) {
            None => {
                tracing::warn!(action = self.message.action, ?old, "a higher fee would pass the cap, not offering more")
            }
            Some(fees) => {
                let dearer = self.account.sign(&self.message, self.nonce, self.gas, fees)?;
                if let Some(held) = &mut self.held {
                    held.add(&dearer)?;
                }
                self.versions.push(dearer);
                tracing::info!(action = self.message.action, nonce = self.nonce, ?fees, "offering more");
            }
        }
        self.hand_over().await;
        Ok(())
    }
}
