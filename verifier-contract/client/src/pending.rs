//! A transaction on its way: looked for, sent again when the chain lost it, sent dearer when it is stuck, until it is
//! mined and confirmed. Every version has the same nonce, so that at most one is ever mined.

use std::time::{Duration, Instant};

use alloy::primitives::{Bytes, TxHash};
use alloy::providers::utils::Eip1559Estimation;
use alloy::rpc::types::TransactionReceipt;

use crate::error::{ChainError, Result};
use crate::journal::Held;
use crate::nonces::InFlight;
use crate::wallet::{Handed, Message, Wallet};

/// Longest pause between two looks.
const SLOWEST_POLL: Duration = Duration::from_secs(2);
/// How often the same bytes are sent again while we do not know whether the node has them.
const RESEND_EVERY: Duration = Duration::from_secs(1);
/// The nonce is used and none of our receipts is there: give the node so long to find it.
const RECEIPT_LAG: Duration = Duration::from_secs(5);

/// One version of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) hash: TxHash,
    pub(crate) raw: Bytes,
    pub(crate) fees: Eip1559Estimation,
}

/// A transaction that the node has, or may have.
#[derive(Debug)]
pub(crate) struct Pending {
    wallet: Wallet,
    message: Message,
    nonce: u64,
    gas: u64,
    /// Never empty; the last one pays most.
    versions: Vec<Signed>,
    started: Instant,
    /// When a version was last handed to the node.
    handed: Instant,
    /// When the newest version was made.
    priced: Instant,
    /// Whether the node took the last one.
    taken: bool,
    /// Since when the nonce is used without a receipt of ours.
    orphaned: Option<Instant>,
    trouble: Option<String>,
    /// Where it is written down until it is confirmed.
    held: Option<Held>,
    _flight: InFlight,
}

impl Pending {
    pub(crate) fn new(
        wallet: Wallet,
        message: Message,
        nonce: u64,
        gas: u64,
        versions: Vec<Signed>,
        held: Option<Held>,
        flight: InFlight,
    ) -> Pending {
        let now = Instant::now();
        Pending {
            wallet,
            message,
            nonce,
            gas,
            versions,
            started: now,
            handed: now,
            priced: now,
            taken: false,
            orphaned: None,
            trouble: None,
            held,
            _flight: flight,
        }
    }

    pub(crate) fn hashes(&self) -> Vec<TxHash> {
        self.versions.iter().map(|v| v.hash).collect()
    }

    /// The version that pays most.
    pub(crate) fn newest(&self) -> TxHash {
        self.versions.last().map(|v| v.hash).unwrap_or_default()
    }

    /// Hands the newest version to the node.
    pub(crate) async fn hand_over(&mut self) -> Handed {
        let Some(newest) = self.versions.last() else { return Handed::Unknown };
        let answer = self.wallet.chain().once("eth_sendRawTransaction", (newest.raw.clone(),)).await;
        if let Err(error) = &answer {
            self.trouble = Some(error.to_string());
        }
        self.handed = Instant::now();
        let handed = Handed::of(&self.wallet, &self.message.action, answer);
        self.taken = !matches!(handed, Handed::Unknown);
        handed
    }

    /// Strikes it off the record.
    pub(crate) fn strike(&mut self) {
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
                        self.strike();
                        return Ok(receipt);
                    }
                    was_mined = true;
                    self.orphaned = None;
                }
                Ok(None) => {
                    if was_mined {
                        tracing::warn!(action = self.message.action, nonce = self.nonce, "the chain dropped our block");
                        was_mined = false;
                        self.taken = false;
                    }
                    self.push().await?;
                }
                Err(error) => self.trouble = Some(error.to_string()),
            }
            let limit = self.wallet.chain().options().receipt_timeout;
            if self.started.elapsed() > limit {
                self.wallet.forget_nonce().await;
                return Err(ChainError::NotMined {
                    from: self.wallet.address(),
                    nonce: self.nonce,
                    transactions: self.hashes(),
                    seconds: limit.as_secs(),
                    action: self.message.action,
                    cause: self.trouble,
                });
            }
            let slower = (self.started.elapsed() / 10).min(SLOWEST_POLL);
            tokio::time::sleep(self.wallet.chain().options().poll_interval.max(slower)).await;
        }
    }

    /// The receipt of whichever version was mined, and whether it is confirmed.
    async fn look(&self) -> Result<Option<(TransactionReceipt, bool)>> {
        let chain = self.wallet.chain();
        for version in self.versions.iter().rev() {
            let Some(receipt) = chain.receipt(version.hash).await? else { continue };
            let Some(block) = receipt.block_number else { continue };
            if (receipt.transaction_hash, receipt.from) != (version.hash, self.wallet.address()) {
                return Err(chain.bad_answer("eth_getTransactionReceipt", "the receipt of another transaction"));
            }
            let needed = chain.options().confirmations.max(1) - 1;
            let confirmed = needed == 0 || chain.block_number().await? >= block + needed;
            return Ok(Some((receipt, confirmed)));
        }
        Ok(None)
    }

    /// Does what helps a transaction that is not mined.
    async fn push(&mut self) -> Result<()> {
        let options = self.wallet.chain().options().clone();
        if !self.taken && self.handed.elapsed() >= RESEND_EVERY.min(options.bump_after) {
            self.hand_over().await;
            return Ok(());
        }
        if self.started.elapsed() < RESEND_EVERY {
            return Ok(());
        }
        match self.wallet.chain().mined_nonce(self.wallet.address()).await {
            Ok(mined) if mined > self.nonce => return self.orphan().await,
            Ok(_) => self.orphaned = None,
            Err(error) => self.trouble = Some(error.to_string()),
        }
        // less and less often: a node that never tells what waits would get the same bytes all the time
        if self.handed.elapsed() >= RESEND_EVERY.max(self.started.elapsed() / 8) && self.is_forgotten().await {
            tracing::warn!(action = self.message.action, nonce = self.nonce, "the node forgot it, sending it again");
            self.hand_over().await;
        }
        if self.priced.elapsed() >= options.bump_after {
            self.bump().await?;
        }
        Ok(())
    }

    /// Whether the node says that it does not know the newest version: it was restarted, or dropped it.
    async fn is_forgotten(&self) -> bool {
        let known: Result<Option<serde_json::Value>> =
            self.wallet.chain().request("eth_getTransactionByHash", (self.newest(),)).await;
        matches!(known, Ok(None))
    }

    /// The nonce is used, but by none of our versions that the node knows of.
    async fn orphan(&mut self) -> Result<()> {
        let since = *self.orphaned.get_or_insert_with(Instant::now);
        if since.elapsed() < RECEIPT_LAG {
            return Ok(());
        }
        self.wallet.forget_nonce().await;
        self.strike();
        Err(ChainError::Replaced {
            action: self.message.action.clone(),
            from: self.wallet.address(),
            nonce: self.nonce,
            transactions: self.hashes(),
        })
    }

    /// Offers more, up to the limit, for the same nonce.
    async fn bump(&mut self) -> Result<()> {
        let Some(fees) = self.versions.last().map(|v| v.fees) else { return Ok(()) };
        self.priced = Instant::now();
        let market = self.wallet.fees().await.unwrap_or(fees);
        let options = self.wallet.chain().options();
        let raised = |fee: u128| fee.saturating_mul(100 + u128::from(options.bump_percent)).div_ceil(100);
        let max_fee = raised(fees.max_fee_per_gas).max(market.max_fee_per_gas);
        let tip = raised(fees.max_priority_fee_per_gas).max(market.max_priority_fee_per_gas);
        if max_fee > options.max_fee_per_gas {
            tracing::warn!(action = self.message.action, limit = options.max_fee_per_gas, "not offering more");
        } else {
            let fees = Eip1559Estimation { max_fee_per_gas: max_fee, max_priority_fee_per_gas: tip.min(max_fee) };
            let dearer = self.wallet.sign(&self.message, self.nonce, self.gas, fees)?;
            if let Some(held) = &mut self.held {
                held.add(&dearer)?;
            }
            self.versions.push(dearer);
            tracing::info!(action = self.message.action, nonce = self.nonce, max_fee, "offering more");
        }
        self.hand_over().await;
        Ok(())
    }
}
