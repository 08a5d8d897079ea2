//! A transaction between signature and confirmation: sent again if nodes lose it, replaced by a version with higher
//! fees if it is stuck. Every version has the same nonce, so that at most one is ever mined.
//!
//! It ends in one of three ways. A version has a confirmed receipt, be it one that the user made with a wallet's "speed
//! up"; a confirmed block shows that another transaction of the account used the nonce, so that none can be mined any
//! more; or we stop waiting. Only the first two remove its record: nothing else that nodes say is proof, since they lag
//! behind each other, prune, and return errors of others.

use std::time::{Duration, Instant};

use alloy::primitives::TxHash;

use crate::account::Account;
use crate::error::{ChainError, Result};
use crate::evidence::{self, Mined};
use crate::fees;
use crate::journal::Held;
use crate::nonces::InFlight;
use crate::open::Open;
use crate::options::NODE_LAG;
use crate::receipt::Receipt;
use crate::refusal::{refusal, Refusal};
use crate::rpc::Failure;
use crate::transaction::{Fees, Message, Signed};

/// Longest pause between two polls.
const SLOWEST_POLL: Duration = Duration::from_secs(2);
/// Interval of sending the same bytes again while it is unknown whether the node has them.
const RESEND_EVERY: Duration = Duration::from_secs(1);
/// Time a node may keep refusing a transaction, in words that we know and in others, before it is an error. A node
/// behind the one that took it may need that long to show it. Unreadable receipts are borne as long as known words.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(3);
const UNKNOWN_REFUSAL_PATIENCE: Duration = Duration::from_secs(10);

/// A transaction that the node has, or may have.
pub(crate) struct Pending {
    account: Account,
    message: Message,
    nonce: u64,
    /// Gas limit of the newest version.
    gas: u64,
    /// Never empty; newest last.
    versions: Vec<Signed>,
    /// A mined version that is not ours, but does the same.
    adopted: Option<TxHash>,
    /// Whether the nonce was used before a node had any version: what used it is not a version, whatever it does.
    pub(crate) lost_race: bool,
    /// Whether the nonce was still unused when nodes had had time to catch up, so that what used it came after ours.
    came_first: bool,
    started: Instant,
    /// When a version was last handed to the node.
    handed: Instant,
    /// When we last saw to the newest version's fees or gas, whether or not it was replaced.
    priced: Instant,
    /// When we last looked for the transaction that used the nonce.
    searched: Option<Instant>,
    /// Whether the node has the newest version.
    taken: bool,
    stage: Stage,
    /// Set while the node refuses it.
    refused: Option<Refused>,
    /// Why no higher fees are offered, if they would pass a cap.
    capped: Option<String>,
    /// Since when the node's answers about receipts are unreadable.
    unreadable: Option<Instant>,
    /// The last error of the node.
    trouble: Option<String>,
    /// Its journal record.
    held: Option<Held>,
    _flight: InFlight,
}

/// How far it has come, as the node last showed it.
#[derive(Clone, Copy)]
enum Stage {
    /// Its nonce is not used.
    Waiting,
    /// Its nonce is used, but no version has a receipt: by the version in this block, or nobody knows by what.
    Used { block: Option<u64> },
    /// A version has a receipt, but too few confirmations.
    Mined { hash: TxHash, block: u64, confirmations: u64 },
}

struct Refused {
    since: Instant,
    meaning: Refusal,
    message: String,
}

/// Outcome of handing a transaction to a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    /// The node has it.
    Taken,
    /// The node may have it: there was no answer, or an inconclusive one.
    Unknown,
    /// The node does not show it, and says that its nonce is used.
    NonceUsed,
    /// The node does not show it, and says why it takes none such.
    Refused,
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
            adopted: None,
            lost_race: false,
            came_first: false,
            started: now,
            handed: now,
            priced: now,
            searched: None,
            taken: false,
            stage: Stage::Waiting,
            refused: None,
            capped: None,
            unreadable: None,
            trouble: None,
            held,
            _flight: flight,
        }
    }

    fn hashes(&self) -> Vec<TxHash> {
        self.adopted.into_iter().chain(self.versions.iter().map(|v| v.hash)).collect()
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
                self.read(&failure).await
            }
        };
        self.taken = matches!(handed, Handed::Taken | Handed::NonceUsed);
        if self.taken {
            self.refused = None;
        }
        handed
    }

    async fn read(&mut self, failure: &Failure) -> Handed {
        let before = self.refused.take();
        let (meaning, message) = match failure {
            _ if failure.is_limit() => return Handed::Unknown,
            Failure::Error { error, .. } => (refusal(&error.message), error.message.to_string()),
            // a gateway that lets no transactions pass, or none of this size
            Failure::Status { status: 400..=407 | 409..=499, .. } => (Refusal::Unclear, failure.words()),
            _ => return Handed::Unknown,
        };
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
        let since = before.map_or(self.handed, |refused| refused.since);
        self.refused = Some(Refused { since, meaning, message });
        match meaning {
            Refusal::Unclear => Handed::Unknown,
            _ => Handed::Refused,
        }
    }

    /// Whether the node knows any version, pending or mined.
    async fn is_known(&self) -> Result<bool> {
        for hash in self.hashes().into_iter().rev() {
            if self.account.chain.knows(hash).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Hands a transaction of an earlier process to the node: with higher fees if the base fee has passed its own, with
    /// lower ones or another gas limit if it is refused for either.
    pub(crate) async fn resume(&mut self) {
        let Some(offered) = self.versions.last().map(|v| v.fees.price()) else { return };
        self.came_first = true;
        let base_fee = fees::base_fee(&self.account.chain).await.ok().flatten();
        let resumed = if base_fee.is_some_and(|base_fee| offered < base_fee) {
            self.bump().await
        } else {
            self.hand_over().await;
            self.amend().await
        };
        if let Err(error) = resumed {
            self.trouble = Some(error.to_string());
        }
    }

    /// If the node refuses it for its cost or its gas limit, replaces it by a version whose gas is estimated anew, and at
    /// the market price if that has fallen. A wrong estimate, once on record, would be refused at every node.
    async fn amend(&mut self) -> Result<()> {
        let meaning = self.refused.as_ref().map(|refused| refused.meaning);
        let Some(old) = self.versions.last().map(|v| v.fees) else { return Ok(()) };
        let fees = match meaning {
            Some(Refusal::Unfunded | Refusal::Invalid) => {
                let market = fees::market(&self.account.chain).await.ok();
                market.filter(|market| market.price() < old.price()).unwrap_or(old)
            }
            Some(Refusal::Unclear) => old,
            _ => return Ok(()),
        };
        self.priced = Instant::now();
        let estimated = self.account.gas_for(&self.message).await;
        let gas = *estimated.as_ref().unwrap_or(&self.gas);
        if (gas, fees) != (self.gas, old) {
            self.offer(gas, fees)?;
            self.hand_over().await;
        }
        estimated.map(drop)
    }

    /// Waits until it is mined and confirmed, whatever its outcome: its receipt, and the gas limit of the newest version.
    pub(crate) async fn mined(mut self) -> Result<(Receipt, u64)> {
        let options = self.account.chain.options().clone();
        loop {
            let looked = self.look().await;
            self.unreadable = match looked {
                Err(ChainError::BadAnswer { .. }) => self.unreadable.or(Some(Instant::now())),
                _ => None,
            };
            match looked {
                Ok(Some((receipt, block, confirmations))) => {
                    if confirmations >= options.confirmations {
                        self.account.nonces.mined(self.nonce);
                        if let Some(held) = self.held.take() {
                            held.confirmed();
                        }
                        return Ok((receipt, self.gas));
                    }
                    self.stage = Stage::Mined { hash: receipt.transaction_hash, block, confirmations };
                    self.refused = None;
                }
                Ok(None) => {
                    if let Stage::Mined { .. } = self.stage {
                        let (action, nonce) = (&self.message.action, self.nonce);
                        tracing::warn!(action, nonce, "its block was reorganised away, or the node is behind");
                        (self.stage, self.taken) = (Stage::Waiting, false);
                    }
                    self.push().await?;
                }
                Err(error) => {
                    self.trouble = Some(error.to_string());
                    // the node is there, but may never give a receipt
                    if error.is_answer() {
                        self.push().await?;
                    }
                    let hopeless = self.unreadable.is_some_and(|since| since.elapsed() >= REFUSAL_PATIENCE);
                    if let (true, Stage::Used { block: block @ Some(_) }) = (hopeless, self.stage) {
                        return Err(ChainError::NoReceipt {
                            open: self.leave().await,
                            block,
                            cause: error.to_string(),
                        });
                    }
                }
            }
            if self.started.elapsed() > options.receipt_timeout {
                return Err(self.timed_out().await);
            }
            let slower = (self.started.elapsed() / 10).min(SLOWEST_POLL);
            tokio::time::sleep(options.poll_interval.max(slower)).await;
        }
    }

    /// The receipt of whichever version was mined, its block and its confirmations.
    async fn look(&self) -> Result<Option<(Receipt, u64, u64)>> {
        let chain = &self.account.chain;
        for hash in self.hashes().into_iter().rev() {
            let Some(receipt) = chain.receipt(hash).await? else { continue };
            let Some(block) = receipt.block_number else { continue };
            if (receipt.transaction_hash, receipt.from) != (hash, self.account.address()) {
                return Err(chain.bad_answer("eth_getTransactionReceipt", "the receipt of another transaction"));
            }
            let newest = match chain.options().confirmations {
                0 | 1 => block,
                _ => chain.block_number().await?,
            };
            return Ok(Some((receipt, block, newest.saturating_sub(block).saturating_add(1))));
        }
        Ok(None)
    }

    /// Sends an unmined transaction again, or replaces it.
    async fn push(&mut self) -> Result<()> {
        let bump_after = self.account.chain.options().bump_after;
        if !self.taken && self.handed.elapsed() >= RESEND_EVERY.min(bump_after) {
            self.hand_over().await;
        }
        if self.started.elapsed() < RESEND_EVERY {
            return Ok(());
        }
        match self.account.chain.confirmed_nonce(self.account.address()).await {
            Ok(used) if used > self.nonce => return self.search().await,
            Ok(_) => {
                self.stage = Stage::Waiting;
                self.came_first |= self.started.elapsed() >= NODE_LAG;
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
        if let Some(Refused { since, meaning, message }) = &self.refused {
            let (waited, meaning, message) = (since.elapsed(), *meaning, message.clone());
            let patience = if meaning == Refusal::Unclear { UNKNOWN_REFUSAL_PATIENCE } else { REFUSAL_PATIENCE };
            if waited >= patience {
                return Err(self.gave_up_refused(meaning, message).await);
            }
            match meaning {
                _ if self.priced.elapsed() < RESEND_EVERY => {}
                Refusal::FeeTooLow => return self.bump().await,
                Refusal::Invalid => {
                    if let Err(error) = self.amend().await {
                        self.trouble = Some(error.to_string());
                    }
                }
                _ => {}
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
        if self.priced.elapsed() >= bump_after {
            self.bump().await?;
        }
        Ok(())
    }

    /// Looks for the confirmed transaction that used the nonce. If it is one of ours, or does the same, its receipt is
    /// yet to come; if it is another one, ours can never be mined.
    async fn search(&mut self) -> Result<()> {
        self.refused = None;
        let pause = RESEND_EVERY.max(self.started.elapsed() / 8);
        if self.searched.is_some_and(|at| at.elapsed() < pause) {
            return Ok(());
        }
        self.searched = Some(Instant::now());
        let (chain, from) = (&self.account.chain, self.account.address());
        let ours = self.hashes();
        let found = match evidence::transaction_of(chain, from, self.nonce, &ours).await {
            Ok(Some(found)) if !ours.contains(&found.hash) => {
                let (action, nonce, by) = (self.message.action.clone(), self.nonce, found.hash);
                if !self.is_version(&found) {
                    if let Some(held) = self.held.take() {
                        held.done();
                    }
                    self.account.nonces.forget().await;
                    return Err(ChainError::Replaced { action, from, nonce, transactions: ours, by });
                }
                tracing::info!(action, nonce, %by, "mined with other fees, by another program");
                self.adopted = Some(by);
                Some(found.block)
            }
            Ok(found) => {
                self.trouble = None;
                found.map(|found| found.block)
            }
            Err(error) => {
                self.trouble = Some(error.to_string());
                None
            }
        };
        let block = match self.stage {
            Stage::Used { block } => found.or(block),
            _ => found,
        };
        self.stage = Stage::Used { block };
        Ok(())
    }

    /// Whether another program's transaction does what one of ours does, and came later: two runs of a command are two
    /// transactions. Compared with the bytes signed, since the data of a message may differ between runs.
    fn is_version(&self, found: &Mined) -> bool {
        let same = |version: &Signed| version.does().is_some_and(|does| found.does.as_ref() == Some(&does));
        self.came_first && !self.lost_race && self.versions.iter().any(same)
    }

    /// Replaces it by a version with higher fees, within the caps. A node that refuses it as too cheap, and whose price has
    /// risen by more than one step, gets the time of a first refusal again.
    async fn bump(&mut self) -> Result<()> {
        let Some(old) = self.versions.last().map(|v| v.fees) else { return Ok(()) };
        self.priced = Instant::now();
        let options = self.account.chain.options();
        let too_low = self.refused.as_ref().is_some_and(|refused| refused.meaning == Refusal::FeeTooLow);
        let raised = match fees::market_beyond(&self.account.chain, too_low).await {
            Err(error @ ChainError::GasPriceAboveCap { .. }) => Err(error.to_string()),
            market => fees::raised(old, market.unwrap_or(old), options),
        };
        if let (Some(refused), true) = (&mut self.refused, raised.is_ok() && raised != fees::raised(old, old, options))
        {
            refused.since = Instant::now();
        }
        match raised {
            Err(why) => {
                tracing::warn!(action = self.message.action, nonce = self.nonce, why, "not offering more");
                self.capped = Some(why);
            }
            Ok(fees) => {
                self.offer(self.gas, fees)?;
                self.capped = None;
            }
        }
        self.hand_over().await;
        Ok(())
    }

    /// Makes a version with this gas limit and these fees the newest.
    fn offer(&mut self, gas: u64, fees: Fees) -> Result<()> {
        let version = self.account.sign(&self.message, self.nonce, gas, fees)?;
        if let Some(held) = &mut self.held {
            held.add(&version, gas)?;
        }
        self.versions.push(version);
        self.gas = gas;
        tracing::info!(action = self.message.action, nonce = self.nonce, gas, ?fees, "offering another version");
        Ok(())
    }

    /// Leaves the record to the next process. The nonce is free for others meanwhile: at most one of its transactions
    /// can be mined.
    async fn leave(&mut self) -> Box<Open> {
        let record = self.held.take().map(|held| held.path());
        self.account.nonces.forget().await;
        Box::new(Open {
            action: self.message.action.clone(),
            from: self.account.address(),
            nonce: self.nonce,
            transactions: self.hashes(),
            record,
        })
    }

    async fn timed_out(&mut self) -> ChainError {
        let options = self.account.chain.options();
        let (seconds, needed) = (options.receipt_timeout.as_secs(), options.confirmations);
        match self.stage {
            Stage::Mined { hash, block, confirmations } => {
                let open = self.leave().await;
                ChainError::Unconfirmed { open, tx: hash, block, confirmations, needed, seconds }
            }
            Stage::Used { block } => {
                let cause = self.trouble.take().unwrap_or_else(|| format!("waited {seconds} s"));
                ChainError::NoReceipt { open: self.leave().await, block, cause }
            }
            Stage::Waiting => {
                let missing = match self.account.chain.mined_nonce(self.account.address()).await {
                    Ok(next) if next < self.nonce => Some(format!("nonce {next} comes first and is not used yet")),
                    _ => None,
                };
                let last = self.trouble.take().map(|trouble| format!("last error: {trouble}"));
                let causes: Vec<String> = [missing, self.capped.take(), last].into_iter().flatten().collect();
                let cause = (!causes.is_empty()).then(|| causes.join("; "));
                ChainError::NotMined { open: self.leave().await, seconds, cause }
            }
        }
    }

    /// Error if the node refuses it and does not show it. Another node may have it.
    async fn gave_up_refused(&mut self, meaning: Refusal, message: String) -> ChainError {
        let open = self.leave().await;
        if meaning == Refusal::Unfunded {
            let (action, from) = (open.action.clone(), open.from);
            return ChainError::InsufficientFunds { action, from, message, open: Some(open) };
        }
        ChainError::Unclear { open, message, capped: self.capped.take() }
    }
}
