//! Claims: proven answers to be paid for, and the outcome of a claim.

use alloy::primitives::U256;
use tribute_core::id::{AgentId, SessionId};
use tribute_core::proof::Proof;

use crate::abi::ISessionEscrow::ClaimBatch;
use crate::abi::{bytes, inputs, word, ISessionEscrow as Abi};
use crate::call::Events;
use crate::error::Result;
use crate::voucher::SignedVoucher;

/// A proof of answers in sessions with one agent version, and the vouchers for them in slot order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The agent.
    pub agent: AgentId,
    /// Its version.
    pub version: u32,
    /// Proof that the answers are the version's own.
    pub proof: Proof,
    /// One voucher per session; its count and transcript are those at the end of the slot.
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

/// The contract's reason why a slot of a claim paid nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// No session has this id.
    UnknownSession,
    /// The session belongs to another agent or version.
    OtherVersion,
    /// The proof does not start at the session's transcript.
    StaleTranscript,
    /// The slot proves no query.
    Empty,
    /// The voucher's count is not the number of queries already proven plus those in this proof.
    OtherCount,
    /// The proof does not end at the voucher's transcript.
    OtherTranscript,
    /// The voucher is not signed by the session's key.
    OtherSigner,
}

impl SkipReason {
    /// Description for messages.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            SkipReason::UnknownSession => "there is no such session",
            SkipReason::OtherVersion => "the session is of another agent or version",
            SkipReason::StaleTranscript => {
                "the proof does not start at the session's transcript: was it already claimed?"
            }
            SkipReason::Empty => "the slot proves no query",
            SkipReason::OtherCount => "the voucher's count is not the number of queries proven",
            SkipReason::OtherTranscript => "the proof does not end at the voucher's transcript",
            SkipReason::OtherSigner => "the voucher is not signed by the session's key",
        }
    }
}

impl SkipReason {
    /// From its code in the contract's `Skip`.
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

/// Outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// One for each session that the claim advanced.
    pub sessions: Vec<ClaimedSession>,
    /// One for each skipped slot.
    pub skipped: Vec<Skipped>,
    /// One for each claim.
    pub fees: Vec<Fees>,
}

/// A session's part in [`Claimed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedSession {
    /// The session.
    pub session: SessionId,
    /// Total number of answers proven since it was opened.
    pub count: u64,
    /// Total number of answers paid since it was opened.
    pub paid: u64,
    /// Token units claimed.
    pub amount: U256,
}

/// A slot that paid nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The session that its voucher names.
    pub session: SessionId,
    /// Index of the slot in its batch, from 0.
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
