//! Sessions: opening, claims, refunds, withdrawals, views.

use alloy::primitives::{Address, Bytes, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolStruct;

use tribute_core::context::Domain;
use tribute_core::digest::Digest;
use tribute_core::id::{AgentId, DatasetId, SessionId, Transcript, WeightsDigest};

use crate::abi::{word, ISessionEscrow as Abi, OpenSession};
use crate::call::{Call, Events};
use crate::claims::{Claim, Claimed};
use crate::contracts::Contracts;
use crate::error::Result;
use crate::signing::{self, SignedPermit};
use crate::wallet::Wallet;

/// The parameters of a session to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// The agent.
    pub agent: AgentId,
    /// Its version.
    pub version: u32,
    /// Price per answer, in token units; at least the version's.
    pub price: u128,
    /// Token units to put into escrow.
    pub escrow: u128,
    /// Key that signs vouchers.
    pub session_key: Address,
}

impl NewSession {
    fn params(&self) -> Abi::OpenParams {
        Abi::OpenParams {
            agentId: word(&self.agent),
            version: self.version,
            pricePerQuery: self.price,
            escrow: self.escrow,
            sessionKey: self.session_key,
        }
    }

    /// The digest that `client` signs so that somebody else can send the opening; `nonce` is the client's session
    /// count.
    #[must_use]
    pub fn digest(&self, client: Address, domain: &Domain, nonce: u64, deadline: u64) -> Digest {
        let params = self.params();
        let opening = OpenSession {
            client,
            agentId: params.agentId,
            version: params.version,
            pricePerQuery: params.pricePerQuery,
            escrow: params.escrow,
            sessionKey: params.sessionKey,
            nonce: U256::from(nonce),
            deadline: U256::from(deadline),
        };
        opening.eip712_signing_hash(&signing::eip712(domain)).0
    }

    /// Signs it, so that somebody else can send it; `nonce` is the client's session count.
    pub fn sign(&self, key: &PrivateKeySigner, domain: &Domain, nonce: u64, deadline: u64) -> Result<Bytes> {
        let digest = B256::new(self.digest(key.address(), domain, nonce, deadline));
        Ok(signing::sign(key, digest)?.as_bytes().to_vec().into())
    }

    fn action(&self) -> String {
        format!("open a session with agent {} version {}", self.agent, self.version)
    }
}

/// A session that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub session: SessionId,
    /// Its client.
    pub client: Address,
    /// Its first transcript.
    pub transcript: Transcript,
}

impl Opened {
    fn of(events: &Events<'_>) -> Result<Self> {
        let e: Abi::SessionOpened = events.one()?;
        let transcript = Transcript::new(e.transcript.to_be_bytes());
        Ok(Opened { session: SessionId::new(e.session.0), client: e.client, transcript })
    }
}

/// Current state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its client; zero if there is no such session.
    pub client: Address,
    /// Key that signs vouchers.
    pub session_key: Address,
    /// Its agent.
    pub agent: AgentId,
    /// The agent's version.
    pub version: u32,
    /// Number of answers proven.
    pub count: u64,
    /// Number of answers paid, by claims or settlements.
    pub paid: u64,
    /// Transcript after the last proven answer.
    pub transcript: Transcript,
    /// Price per answer, in token units.
    pub price: u128,
    /// Token units still in escrow.
    pub remaining: u128,
    /// The pending refund, if any.
    pub thawing: Option<Thawing>,
}

/// A pending refund of escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thawing {
    /// Amount in token units; less is paid if less is left by then.
    pub amount: u128,
    /// Unix time in seconds from which it can be withdrawn.
    pub end: u64,
}

/// A session that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Total number of answers paid since it was opened.
    pub paid: u64,
    /// Token units that this settlement paid.
    pub amount: U256,
}

impl Contracts {
    /// Opens a session for the sender, who has approved the escrow contract.
    pub fn open_session(&self, new: &NewSession) -> Call<Abi::openCall, Opened> {
        self.call(self.escrow_at(), new.action(), &Abi::openCall { params: new.params() }, Opened::of)
    }

    /// Opens a session for the sender, with an ERC-2612 permit instead of an approval (see [`Contracts::permit`]).
    ///
    /// A journal identifies the call independently of the permit.
    pub fn open_session_with_permit(
        &self,
        new: &NewSession,
        permit: &SignedPermit,
    ) -> Call<Abi::openWithPermitCall, Opened> {
        let (r, s, v) = permit.parts();
        let call = Abi::openWithPermitCall { params: new.params(), deadline: permit.deadline, v, r, s };
        let without =
            Abi::openWithPermitCall { deadline: U256::ZERO, v: 0, r: B256::ZERO, s: B256::ZERO, ..call.clone() };
        self.call(self.escrow_at(), new.action(), &call, Opened::of).identified_as(&without)
    }

    /// Opens a session for `client`, who signed it ([`NewSession::sign`]) and has approved the contract.
    pub fn open_session_for(
        &self,
        client: Address,
        new: &NewSession,
        deadline: u64,
        signature: Bytes,
    ) -> Call<Abi::openForCall, Opened> {
        let action = format!("{} for {client}", new.action());
        let call = Abi::openForCall { client, params: new.params(), deadline: U256::from(deadline), signature };
        self.call(self.escrow_at(), action, &call, Opened::of)
    }

    /// Signs a permit that lets the escrow contract take `amount` of the wallet's tokens until `deadline`.
    pub async fn permit(&self, wallet: &Wallet, amount: U256, deadline: u64) -> Result<SignedPermit> {
        let separator = self.token_separator().await?;
        let nonce = self.token_nonce(wallet.address()).await?;
        signing::sign_permit(wallet.signer(), separator, self.escrow_at(), amount, nonce, deadline)
    }

    /// Tops up a session and returns its new escrow; the sender has approved the escrow contract.
    pub fn top_up(&self, session: &SessionId, amount: u128) -> Call<Abi::topUpCall, u128> {
        let call = Abi::topUpCall { session: word(session), amount };
        self.call(self.escrow_at(), format!("top up session {session} by {amount}"), &call, |e| {
            e.one().map(|e: Abi::SessionToppedUp| e.remaining)
        })
    }

    /// Starts the thaw of an amount of a session's escrow, `None` for all that is left by then; only its client.
    pub fn request_thaw(&self, session: &SessionId, amount: Option<u128>) -> Call<Abi::requestThawCall, Thawing> {
        let call = Abi::requestThawCall { session: word(session), amount: amount.unwrap_or(u128::MAX) };
        self.call(self.escrow_at(), format!("request the thaw of session {session}"), &call, |e| {
            e.one().map(|e: Abi::ThawRequested| Thawing { amount: e.amount, end: e.thawEnd })
        })
    }

    /// Cancels a thaw request; only its client.
    pub fn cancel_thaw(&self, session: &SessionId) -> Call<Abi::cancelThawCall, ()> {
        let call = Abi::cancelThawCall { session: word(session) };
        self.call(self.escrow_at(), format!("cancel the thaw of session {session}"), &call, |e| {
            e.one().map(|_: Abi::ThawCancelled| ())
        })
    }

    /// Refunds the thawed amount to the client, and returns it.
    pub fn withdraw_thawed(&self, session: &SessionId) -> Call<Abi::withdrawThawedCall, U256> {
        let action = format!("withdraw what has thawed of session {session}");
        self.call(self.escrow_at(), action, &Abi::withdrawThawedCall { session: word(session) }, |e| {
            e.one().map(|e: Abi::ThawedWithdrawn| e.amount)
        })
    }

    /// Pays queries by a settlement that the client signed, without a proof; anybody may submit it.
    pub fn settle(&self, session: &SessionId, count: u64, signature: Bytes) -> Call<Abi::settleCall, Settled> {
        let call = Abi::settleCall { session: word(session), count, signature };
        self.call(self.escrow_at(), format!("settle session {session} at {count} queries"), &call, |e| {
            e.one().map(|e: Abi::SessionSettled| Settled { paid: e.paid, amount: e.amount })
        })
    }

    /// Claims proven queries; anybody may, since the payees are fixed.
    pub fn claim(&self, claims: &[Claim]) -> Call<Abi::claimCall, Claimed> {
        let sessions: usize = claims.iter().map(|c| c.vouchers.len()).sum();
        let batches = claims.iter().map(Claim::batch).collect();
        let action = format!("claim from {sessions} session(s)");
        self.call(self.escrow_at(), action, &Abi::claimCall { batches }, Claimed::of)
    }

    /// Pays a dataset's rewards from a version to its payout address.
    pub fn withdraw_provider(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: &DatasetId,
    ) -> Call<Abi::withdrawProviderCall, U256> {
        let call = Abi::withdrawProviderCall { agentId: word(agent), version, datasetId: word(dataset) };
        let action = format!("withdraw what dataset {dataset} earned with agent {agent} version {version}");
        self.call(self.escrow_at(), action, &call, |e| e.one().map(|e: Abi::ProviderPaid| e.amount))
    }

    /// Pays the owner's fees of a version to the agent's payout address.
    pub fn withdraw_owner(&self, agent: &AgentId, version: u32) -> Call<Abi::withdrawOwnerCall, U256> {
        let call = Abi::withdrawOwnerCall { agentId: word(agent), version };
        let action = format!("withdraw what agent {agent} version {version} earned");
        self.call(self.escrow_at(), action, &call, |e| e.one().map(|e: Abi::OwnerPaid| e.amount))
    }

    /// Stops new sessions; only the contract's owner.
    pub fn pause(&self) -> Call<Abi::pauseCall, ()> {
        self.call(self.escrow_at(), "pause new sessions", &Abi::pauseCall {}, |e| e.none())
    }

    /// Allows new sessions again; only the contract's owner.
    pub fn unpause(&self) -> Call<Abi::unpauseCall, ()> {
        self.call(self.escrow_at(), "allow new sessions", &Abi::unpauseCall {}, |e| e.none())
    }

    /// A session; reverts with `UnknownSession`.
    pub async fn session(&self, session: &SessionId) -> Result<Session> {
        let s = self.chain.read(self.escrow_at(), &Abi::getSessionCall { session: word(session) }).await?;
        Ok(Session {
            client: s.client,
            session_key: s.sessionKey,
            agent: AgentId::new(s.agentId.0),
            version: s.version,
            count: s.count,
            paid: s.paid,
            transcript: Transcript::new(s.transcript.to_be_bytes()),
            price: s.pricePerQuery,
            remaining: s.remaining,
            thawing: (s.thawEnd != 0).then_some(Thawing { amount: s.thawAmount, end: s.thawEnd }),
        })
    }

    /// A session; `None` if there is none of this id.
    pub async fn find_session(&self, session: &SessionId) -> Result<Option<Session>> {
        Self::known(self.session(session).await, "UnknownSession")
    }

    /// The id of `client`'s session number `nonce`, counted from 0.
    pub async fn session_id_of(&self, client: Address, nonce: u64) -> Result<SessionId> {
        let id = self.chain.read(self.escrow_at(), &Abi::sessionIdOfCall { client, nonce: U256::from(nonce) }).await?;
        Ok(SessionId::new(id.0))
    }

    /// Number of sessions that `client` opened: the next one's nonce.
    pub async fn session_count(&self, client: Address) -> Result<u64> {
        let count = self.chain.read(self.escrow_at(), &Abi::sessionCountCall { client }).await?;
        Ok(count.saturating_to())
    }

    /// The transcript at which a session starts, as the contract computes it.
    pub async fn first_transcript(
        &self,
        session: &SessionId,
        version: u32,
        weights: &WeightsDigest,
    ) -> Result<Transcript> {
        let call = Abi::firstTranscriptCall { session: word(session), version, wDigest: word(weights) };
        Ok(Transcript::new(self.chain.read(self.escrow_at(), &call).await?.to_be_bytes()))
    }

    /// The context that a service proof for these sessions must carry, as the contract computes it.
    pub async fn service_context(&self, sessions: &[SessionId]) -> Result<U256> {
        let sessions = sessions.iter().map(word).collect();
        self.chain.read(self.escrow_at(), &Abi::serviceContextCall { sessions }).await
    }

    /// The digest that a session key signs, as the contract computes it.
    pub async fn voucher_digest(
        &self,
        session: &SessionId,
        version: u32,
        count: u64,
        transcript: &Transcript,
    ) -> Result<Digest> {
        let transcript = U256::from_be_bytes(*transcript.as_bytes());
        let call = Abi::voucherDigestCall { session: word(session), version, count, transcript };
        Ok(self.chain.read(self.escrow_at(), &call).await?.0)
    }

    /// The digest that a client signs so that somebody else can open a session, as the contract computes it.
    pub async fn open_digest(&self, client: Address, new: &NewSession, nonce: u64, deadline: u64) -> Result<Digest> {
        let (nonce, deadline) = (U256::from(nonce), U256::from(deadline));
        let call = Abi::openDigestCall { client, params: new.params(), nonce, deadline };
        Ok(self.chain.read(self.escrow_at(), &call).await?.0)
    }

    /// Token units that a dataset's owner could withdraw now.
    pub async fn provider_due(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<U256> {
        let call = Abi::providerDueCall { agentId: word(agent), version, datasetId: word(dataset) };
        self.chain.read(self.escrow_at(), &call).await
    }

    /// Token units that an agent's owner could withdraw now.
    pub async fn owner_due(&self, agent: &AgentId, version: u32) -> Result<U256> {
        self.chain.read(self.escrow_at(), &Abi::ownerDueCall { agentId: word(agent), version }).await
    }

    /// Queries of a version that were paid for, over all sessions: by proven claims, and by settlements that clients
    /// signed.
    pub async fn served_queries(&self, agent: &AgentId, version: u32) -> Result<(U256, U256)> {
        let call = Abi::servedQueriesCall { agentId: word(agent), version };
        let served = self.chain.read(self.escrow_at(), &call).await?;
        Ok((served.proven, served.settled))
    }

    /// Token units accrued for a version's data providers since it was certified, paid or not.
    pub async fn data_accrued(&self, agent: &AgentId, version: u32) -> Result<U256> {
        self.chain.read(self.escrow_at(), &Abi::dataAccruedCall { agentId: word(agent), version }).await
    }

    pub(crate) fn escrow_at(&self) -> Address {
        self.deployment.session_escrow.address
    }
}
