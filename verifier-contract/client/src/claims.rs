//! Claims: proven answers that are paid for, and what a claim did.

use alloy::primitives::U256;
use tribute_core::id::{AgentId, SessionId};
use tribute_core::proof::Proof;

use crate::abi::ISessionEscrow::ClaimBatch;
use crate::abi::{bytes, inputs, word, ISessionEscrow as Abi};
use crate::call::Events;
use crate::error::Result;
use crate::voucher::SignedVoucher;

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
    pub(crate) fn batch(&self) -> ClaimBatch {
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

impl SkipReason {
    /// By its code in the contract's `Skip`.
    fn of(code: u8) -> Self {
        match code {
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
    pub sessions: Vec<ClaimedSession>,
    /// One for each slot that paid nothing.
    pub skipped: Vec<Skipped>,
    /// One for each claim.
    pub fees: Vec<Fees>,
}

/// A session's part in [`Claimed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedSession {
    /// The session.
    pub session: SessionId,
    /// Answers proven since it was opened.
    pub count: u64,
    /// Answers paid since it was opened.
    pub paid: u64,
    /// Token units claimed.
    pub amount: U256,
}

/// A slot that paid nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The session that its voucher names.
    pub session: SessionId,
    /// Which slot of its claim, counted from 0.
    pub slot: u64,
    /// Why.
    pub reason: SkipReason,
}

/// Fees that an agent version has earned, token units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// For data providers.
    pub to_data: U256,
    /// For the agent's owner.
    pub to_owner: U256,
}

impl Claimed {
    pub(crate) fn of(events: &Events<'_>) -> Result<Self> {
        let session = |e: Abi::QueriesClaimed| ClaimedSession {
            session: SessionId::new(e.session.0),
            count: e.count,
            paid: e.paid,
            amount: e.amount,
        };
        let skipped = |e: Abi::SlotSkipped| Skipped {
            session: SessionId::new(e.session.0),
            slot: e.slot.saturating_to(),
            reason: SkipReason::of(e.reason),
        };
        let fees = |e: Abi::FeesAccrued| Fees { to_data: e.toData, to_owner: e.toOwner };
        Ok(Claimed {
            sessions: events.all()?.into_iter().map(session).collect(),
            skipped: events.all()?.into_iter().map(skipped).collect(),
            fees: events.all()?.into_iter().map(fees).collect(),
        })
    }
}
