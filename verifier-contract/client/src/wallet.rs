//! Sends messages from an account: simulates, takes a nonce, submits and waits. `pending` tracks what was submitted.

use std::fmt;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, Bytes, U256};
use alloy::signers::local::PrivateKeySigner;

use crate::account::Account;
use crate::chain::Chain;
use crate::deployment::code_at;
use crate::error::{ChainError, Result};
use crate::fees;
use crate::journal::{records, ChainName, Held, Record};
use crate::lag::caught_up;
use crate::pending::{Handed, Pending};
use crate::receipt::Receipt;
use crate::revert::{ErrorDecoder, Revert};
use crate::transaction::{Message, RevertedTx, Sent};
use crate::values::quantity;

/// Default gas limit of a transaction that is expected to fail; enough for several proofs.
const FAILING_GAS: u64 = 6_000_000;

/// Time another process may take between recording a transaction and handing it to the node.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);
/// How often a message is signed again because somebody else used its nonce first.
const NONCE_RACES: u32 = 3;

/// An account with its key, on one chain. Cheap to clone; all wallets of one key on one [`Chain`] share its nonces.
#[derive(Clone)]
pub struct Wallet(Account);

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address())
    }
}

impl Wallet {
    /// The account of `signer` on `chain`.
    #[must_use]
    pub fn new(chain: &Chain, signer: PrivateKeySigner) -> Wallet {
        Wallet(Account::new(chain, signer))
    }

    /// Address of the account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// The chain that the account sends on.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.0.chain
    }

    /// The account's key, for signing vouchers and permits.
    #[must_use]
    pub fn signer(&self) -> &PrivateKeySigner {
        &self.0.signer
    }

    /// Simulates, sends, waits; fails without sending if the simulation reverts. If an earlier process left a
    /// transaction of the same message in flight, resumes that one instead.
    pub async fn send(&self, message: &Message) -> Result<(Sent, Receipt)> {
        if let Some(done) = self.resume(message).await? {
            return Ok(done);
        }
        let request = message.request(self.address());
        self.chain().call(&message.action, &request, "latest").await?;
        self.send_simulated(message).await
    }

    /// As [`Wallet::send`], for a message that was just simulated.
    pub(crate) async fn send_simulated(&self, message: &Message) -> Result<(Sent, Receipt)> {
        let mut races = 0;
        loop {
            let gas = self.0.gas_for(message).await?;
            let pending = self.broadcast(message, gas).await?;
            let lost_race = pending.lost_race;
            match pending.mined().await {
                Ok((receipt, gas)) => return self.outcome(message, gas, receipt).await,
                // no node accepted ours before the nonce was used, and a block shows that none can any more
                Err(ChainError::Replaced { nonce, by, .. }) if lost_race && races < NONCE_RACES => {
                    races += 1;
                    tracing::warn!(action = message.action, nonce, %by, "another program used the nonce first");
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn outcome(&self, message: &Message, gas: u64, receipt: Receipt) -> Result<(Sent, Receipt)> {
        let sent = Sent::new(message, &receipt);
        if !receipt.status {
            // the state changed between simulation and block
            let revert = Box::new(self.why(message, gas, &sent).await);
            return Err(ChainError::Failed { action: message.action.clone(), sent: Box::new(sent), revert });
        }
        Ok((sent, receipt))
    }

    /// Whether an earlier process left a transaction of this message, which [`Wallet::send`] would resume.
    pub async fn left(&self, message: &Message) -> Result<bool> {
        let Some(folder) = &self.chain().options().journal else { return Ok(false) };
        let chain = self.chain_name().await?;
        Ok(records(folder, &chain, self.address())?.iter().any(|record| record.says(message)))
    }

    /// Resumes the transaction that an earlier process left of this message; `None` if there is none, or a block shows
    /// that it can never be mined.
    pub(crate) async fn resume(&self, message: &Message) -> Result<Option<(Sent, Receipt)>> {
        let Some(folder) = &self.chain().options().journal else { return Ok(None) };
        let chain = self.chain_name().await?;
        while let Some(held) = Held::left(folder, &chain, self.address(), message)? {
            let Record { nonce, gas, versions, .. } = held.record().clone();
            tracing::info!(action = message.action, nonce, "going on with a transaction sent earlier");
            // a node that lost its pending transactions also needs those with lower nonces
            let next = self.chain().pending_nonce(self.address()).await?;
            let lower = |record: &&Record| (next..nonce).contains(&record.nonce);
            for earlier in records(folder, &chain, self.address())?.iter().filter(lower) {
                if let Some(newest) = earlier.versions.last() {
                    self.chain().submit(&newest.raw).await.ok();
                }
            }
            let mut pending = Pending::new(self.0.clone(), message.clone(), nonce, gas, versions, Some(held));
            pending.resume().await;
            match pending.mined().await {
                Ok((receipt, gas)) => return self.outcome(message, gas, receipt).await.map(Some),
                Err(ChainError::Replaced { nonce, by, .. }) => {
                    tracing::warn!(action = message.action, nonce, %by, "another transaction used its nonce");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn chain_name(&self) -> Result<ChainName> {
        Ok(ChainName { id: self.chain().id(), genesis: self.chain().genesis().await? })
    }

    /// Sends a message that is expected to fail, without simulating it, and returns the reason. `gas` is its gas limit.
    pub async fn send_expecting_revert(&self, message: &Message, gas: Option<u64>) -> Result<RevertedTx> {
        let gas = gas.unwrap_or(FAILING_GAS).min(self.chain().options().gas_cap);
        let (receipt, gas) = self.broadcast(message, gas).await?.mined().await?;
        let sent = Sent::new(message, &receipt);
        if receipt.status {
            return Err(ChainError::UnexpectedSuccess { action: message.action.clone(), sent: Box::new(sent) });
        }
        let revert = self.why(message, gas, &sent).await;
        Ok(RevertedTx { sent, revert })
    }

    /// The message that deploys creation code.
    pub(crate) fn deployment(name: &str, creation: Bytes) -> Message {
        Message::new(format!("deploy {name}"), None, creation, U256::ZERO)
    }

    /// The address of the contract that a transaction created.
    pub(crate) fn created(&self, receipt: &Receipt) -> Result<Address> {
        let nowhere = || self.chain().bad_answer("eth_getTransactionReceipt", "no address of the new contract");
        receipt.contract_address.ok_or_else(nowhere)
    }

    /// Deploys creation code (constructor arguments appended) and checks that the address then has code.
    pub async fn deploy(&self, name: &str, creation: Bytes) -> Result<(Address, Sent)> {
        let (sent, receipt) = self.send(&Wallet::deployment(name, creation)).await?;
        let address = self.created(&receipt)?;
        caught_up(self.chain(), || code_at(self.chain(), name, address)).await?;
        Ok((address, sent))
    }

    /// Sends the chain's native coin, for example so that another account can pay for gas.
    pub async fn send_coin(&self, to: Address, wei: U256) -> Result<Sent> {
        let message = Message::new(format!("send {wei} wei to {to}"), Some(to), Bytes::new(), wei);
        Ok(self.send(&message).await?.0)
    }

    /// Takes a nonce and hands the transaction to the node, one at a time per account.
    async fn broadcast(&self, message: &Message, gas: u64) -> Result<Pending> {
        let fees = fees::market(self.chain()).await?;
        let journal = self.chain().options().journal.as_deref();
        let chain = match journal {
            Some(_) => Some(self.chain_name().await?),
            None => None,
        };
        let mut turn = self.0.nonces.turn().await;
        let started = Instant::now();
        let (nonce, versions, held) = loop {
            let nonce = match *turn {
                Some(nonce) => nonce,
                None => self.next_nonce().await?,
            };
            let signed = self.0.sign(message, nonce, gas, fees)?;
            let Some((folder, chain)) = journal.zip(chain) else { break (nonce, vec![signed], None) };
            let record = Record::new(chain, self.address(), nonce, gas, message, signed);
            if let Some(held) = Held::create(folder, record)? {
                break (nonce, held.record().versions.clone(), Some(held));
            }
            // another process took this nonce and is about to submit its transaction
            if started.elapsed() > BUSY_PATIENCE {
                return Err(ChainError::NonceBusy { action: message.action.clone(), from: self.address(), nonce });
            }
            *turn = None;
            tokio::time::sleep(self.chain().options().poll_interval).await;
        };
        let first = versions.len() == 1;
        let mut pending = Pending::new(self.0.clone(), message.clone(), nonce, gas, versions, held);
        let handed = pending.hand_over().await;
        pending.lost_race = first && handed == Handed::NonceUsed;
        // without an answer the node may have it: treat the nonce as used and send the same bytes again
        *turn = matches!(handed, Handed::Taken | Handed::Unknown).then(|| nonce.saturating_add(1));
        Ok(pending)
    }

    /// The account's next nonce. A node behind the one that showed the last receipt is asked again.
    async fn next_nonce(&self) -> Result<u64> {
        loop {
            let next = self.chain().pending_nonce(self.address()).await?;
            if !self.0.nonces.may_be_behind(next) {
                return Ok(next);
            }
            tokio::time::sleep(self.chain().options().poll_interval).await;
        }
    }

    /// Why a mined transaction failed: from its trace if the node has one, otherwise by executing it again at its
    /// block. `Nothing` if neither shows it.
    async fn why(&self, message: &Message, gas: u64, sent: &Sent) -> Revert {
        if let Some(output) = self.chain().traced_output(sent.tx).await {
            return ErrorDecoder::shared().decode(&output);
        }
        let mut request = message.request(self.address());
        request.gas = Some(gas);
        match self.chain().call(&message.action, &request, &quantity(sent.block)).await {
            Err(ChainError::Reverted { revert, .. }) => *revert,
            // it would succeed now (another transaction in its block interfered, or it ran out of gas), or the node lacks
            // the block; that it failed is known all the same
            _ => ErrorDecoder::shared().decode(&[]),
        }
    }
}
