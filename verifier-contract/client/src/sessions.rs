//! Sessions: opening, claims, refunds, withdrawals, views.

use alloy::primitives::{Address, Bytes, B256, U256};

use tribute_core::digest::Digest;
use tribute_core::id::{AgentId, DatasetId, SessionId, Transcript, WeightsDigest};
use tribute_core::proof::Proof;

use crate::abi::ISessionEscrow::ClaimBatch;
use crate::abi::{bytes, inputs, word, ISessionEscrow as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;
use crate::signing::{self, SignedPermit};
use crate::voucher::SignedVoucher;
use crate::wallet::Wallet;

pub use crate::abi::ISessionEscrow::{
    FeesAccrued, OpenParams, OwnerPaid, ProviderPaid, QueriesClaimed, Session, SessionOpened, SessionSettled,
    SessionToppedUp, SlotSkipped, ThawRequested, ThawedWithdrawn,
};

/// Proven answers of sessions with one version of an agent, and the vouchers for them in slot order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The agent.
    pub agent: AgentId,
    /// Its version.
    pub version: u32,
    /// That the answers are its own.
    pub proof: Proof,
    /// One for each session: its count and transcript are where the slot ends.
    pub vouchers: Vec<SignedVoucher>,
}

impl Claim {
    fn batch(&self) -> ClaimBatch {
        ClaimBatch {
            agentId: word(&self.agent),
            version: self.version,
            inputs: inputs(&self.proof),
            proof: bytes(&self.proof),
            slots: self.vouchers.iter().map(SignedVoucher::slot).collect(),
        }
    }
}

/// Why a slot of a claim paid nothing, as the contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// No session has this id.
    UnknownSession,
    /// The session belongs to another agent or version.
    OtherVersion,
    /// The proof does not start where the session stands.
    StaleTranscript,
    /// The slot proves no query.
    Empty,
    /// The voucher counts other queries than are paid and proven.
    OtherCount,
    /// The proof does not end where the voucher says.
    OtherTranscript,
    /// The voucher is not signed by the session's key.
    OtherSigner,
}

impl SkipReason {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            SkipReason::UnknownSession => "there is no such session",
            SkipReason::OtherVersion => "the session is of another agent or version",
            SkipReason::StaleTranscript => "the proof does not start where the session stands: was it claimed before?",
            SkipReason::Empty => "the slot proves no query",
            SkipReason::OtherCount => "the voucher counts other queries than are paid and proven",
            SkipReason::OtherTranscript => "the proof does not end where the voucher says",
            SkipReason::OtherSigner => "the voucher is not signed by the session's key",
        }
    }
}

impl SlotSkipped {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> SkipReason {
        match self.reason {
            1 => SkipReason::UnknownSession,
            2 => SkipReason::OtherVersion,
            3 => SkipReason::StaleTranscript,
            4 => SkipReason::Empty,
            5 => SkipReason::OtherCount,
            6 => SkipReason::OtherTranscript,
            _ => SkipReason::OtherSigner,
        }
    }
}

/// What a claim did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// One for each session that was paid from.
    pub sessions: Vec<QueriesClaimed>,
    /// One for each slot that paid nothing, with the reason.
    pub skipped: Vec<SlotSkipped>,
    /// One for each batch.
    pub fees: Vec<FeesAccrued>,
}

impl Contracts {
    /// Opens a session for the sender, who has approved the escrow contract.
    pub fn open_session(&self, params: OpenParams) -> Call<Abi::openCall, SessionOpened> {
        self.call(self.escrow_at(), opening(&params), &Abi::openCall { params }, |e| e.one())
    }

    /// Opens a session for the sender, with an ERC-2612 permit instead of an approval (see [`Contracts::permit`]).
    ///
    /// In a journal, the same opening under another permit is the same call.
    pub fn open_session_with_permit(
        &self,
        params: OpenParams,
        permit: &SignedPermit,
    ) -> Call<Abi::openWithPermitCall, SessionOpened> {
        let (r, s, v) = permit.parts();
        let action = opening(&params);
        let call = Abi::openWithPermitCall { params, deadline: permit.deadline, v, r, s };
        let without =
            Abi::openWithPermitCall { deadline: U256::ZERO, v: 0, r: B256::ZERO, s: B256::ZERO, ..call.clone() };
        self.call(self.escrow_at(), action, &call, |e| e.one()).identified_as(&without)
    }

    /// Opens a session for `client`, who signed for it ([`signing::sign_opening`]) and has approved the contract.
    pub fn open_session_for(
        &self,
        client: Address,
        params: OpenParams,
        deadline: u64,
        signature: Bytes,
    ) -> Call<Abi::openForCall, SessionOpened> {
        let action = format!("{} for {client}", opening(&params));
        let call = Abi::openForCall { client, params, deadline: U256::from(deadline), signature };
        self.call(self.escrow_at(), action, &call, |e| e.one())
    }

    /// Signs a permit by which the escrow contract takes `amount` of the wallet's tokens until `deadline`.
    pub async fn permit(&self, wallet: &Wallet, amount: U256, deadline: u64) -> Result<SignedPermit> {
        let separator = self.token_separator().await?;
        let nonce = self.token_nonce(wallet.address()).await?;
        signing::sign_permit(wallet.signer(), separator, self.escrow_at(), amount, nonce, deadline)
    }

    /// Adds to a session's escrow; the sender has approved the escrow contract.
    pub fn top_up(&self, session: &SessionId, amount: u128) -> Call<Abi::topUpCall, SessionToppedUp> {
        let call = Abi::topUpCall { session: word(session), amount };
        self.call(self.escrow_at(), format!("top up session {session} by {amount}"), &call, |e| e.one())
    }

    /// Starts the thaw of so much of a session's escrow, `None` for all that is left by then; only its client.
    pub fn request_thaw(&self, session: &SessionId, amount: Option<u128>) -> Call<Abi::requestThawCall, ThawRequested> {
        let call = Abi::requestThawCall { session: word(session), amount: amount.unwrap_or(u128::MAX) };
        self.call(self.escrow_at(), format!("request the thaw of session {session}"), &call, |e| e.one())
    }

    /// Pays what has thawed back to the client.
    pub fn withdraw_thawed(&self, session: &SessionId) -> Call<Abi::withdrawThawedCall, ThawedWithdrawn> {
        let action = format!("withdraw what has thawed of session {session}");
        self.call(self.escrow_at(), action, &Abi::withdrawThawedCall { session: word(session) }, |e| e.one())
    }

    /// Pays queries by a settlement that the client signed, without a proof; anybody may bring it.
    pub fn settle(&self, session: &SessionId, count: u64, signature: Bytes) -> Call<Abi::settleCall, SessionSettled> {
        let call = Abi::settleCall { session: word(session), count, signature };
        self.call(self.escrow_at(), format!("settle session {session} at {count} queries"), &call, |e| e.one())
    }

    /// Claims proven queries; anybody may, for who is paid is fixed.
    pub fn claim(&self, claims: &[Claim]) -> Call<Abi::claimCall, Claimed> {
        let sessions: usize = claims.iter().map(|c| c.vouchers.len()).sum();
        let batches = claims.iter().map(Claim::batch).collect();
        let action = format!("claim from {sessions} session(s)");
        self.call(self.escrow_at(), action, &Abi::claimCall { batches }, |e| {
            Ok(Claimed { sessions: e.all()?, skipped: e.all()?, fees: e.all()? })
        })
    }

    /// Pays a dataset's owner what it earned with a version.
    pub fn withdraw_provider(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: &DatasetId,
    ) -> Call<Abi::withdrawProviderCall, ProviderPaid> {
        let call = Abi::withdrawProviderCall { agentId: word(agent), version, datasetId: word(dataset) };
        let action = format!("withdraw what dataset {dataset} earned with agent {agent} version {version}");
        self.call(self.escrow_at(), action, &call, |e| e.one())
    }

    /// Pays an agent's owner what a version earned.
    pub fn withdraw_owner(&self, agent: &AgentId, version: u32) -> Call<Abi::withdrawOwnerCall, OwnerPaid> {
        let call = Abi::withdrawOwnerCall { agentId: word(agent), version };
        let action = format!("withdraw what agent {agent} version {version} earned");
        self.call(self.escrow_at(), action, &call, |e| e.one())
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
        self.chain.read(self.escrow_at(), &Abi::getSessionCall { session: word(session) }).await
    }

    /// A session, `None` if there is none of this id.
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
    pub async fn first_transcript(&self, session: &SessionId, version: u32, weights: &WeightsDigest) -> Result<U256> {
        let call = Abi::firstTranscriptCall { session: word(session), version, wDigest: word(weights) };
        self.chain.read(self.escrow_at(), &call).await
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

    /// The digest that a client signs for somebody else to open a session, as the contract computes it.
    pub async fn open_digest(&self, client: Address, params: OpenParams, nonce: u64, deadline: u64) -> Result<B256> {
        let call = Abi::openDigestCall { client, params, nonce: U256::from(nonce), deadline: U256::from(deadline) };
        self.chain.read(self.escrow_at(), &call).await
    }

    /// What a dataset's owner could withdraw now.
    pub async fn provider_due(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<U256> {
        let call = Abi::providerDueCall { agentId: word(agent), version, datasetId: word(dataset) };
        self.chain.read(self.escrow_at(), &call).await
    }

    /// What an agent's owner could withdraw now.
    pub async fn owner_due(&self, agent: &AgentId, version: u32) -> Result<U256> {
        self.chain.read(self.escrow_at(), &Abi::ownerDueCall { agentId: word(agent), version }).await
    }

    /// Token units accrued for a version's data providers since it was certified, paid or not.
    pub async fn data_accrued(&self, agent: &AgentId, version: u32) -> Result<U256> {
        self.chain.read(self.escrow_at(), &Abi::dataAccruedCall { agentId: word(agent), version }).await
    }

    pub(crate) fn escrow_at(&self) -> Address {
        self.deployment.session_escrow.address
    }
}

fn opening(params: &OpenParams) -> String {
    format!("open a session with agent {} version {}", params.agentId, params.version)
}
