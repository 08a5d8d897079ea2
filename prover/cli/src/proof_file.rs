//! Proofs in the files that commands write and read.

use serde::{Deserialize, Serialize};
use tribute_chain::claims::Claim;
use tribute_chain::SignedVoucher;
use tribute_client::wire;
use tribute_core::hexed::{Hex, HexBytes};
use tribute_core::id::{AgentId, CircuitId, GroupDigest, ShardDigest};
use tribute_core::proof::Proof;
use tribute_core::statement::Statement;
use tribute_problem::{field, Result};
use tribute_proto::v1;

/// A proof with what it cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProofFile {
    pub(crate) statement: Statement,
    circuit_id: CircuitId,
    inputs: Vec<Hex<32>>,
    proof: HexBytes,
    /// Digests of the committed groups.
    groups: Vec<GroupDigest>,
    /// log2 of the rows.
    pub(crate) k: u32,
    /// Advice columns.
    pub(crate) columns: u32,
    /// Wall time, key generation excluded.
    pub(crate) seconds: f64,
    /// Length.
    pub(crate) bytes: u64,
    pub(crate) verify_ms: f64,
    /// Execution gas of the verifier.
    pub(crate) gas_verify: u64,
    pub(crate) peak_rss_mb: u64,
}

impl ProofFile {
    /// A server's proof.
    ///
    /// # Errors
    /// Names the field that is none of its kind.
    pub(crate) fn of(message: &v1::Proof) -> Result<Self> {
        let Proof { statement, circuit, inputs, bytes } = wire::proof(message)?;
        let stats = message.stats.unwrap_or_default();
        Ok(ProofFile {
            statement,
            circuit_id: circuit,
            inputs,
            proof: HexBytes(bytes),
            groups: message.groups.iter().map(|x| field("proof.groups", x)).collect::<Result<_>>()?,
            k: stats.k,
            columns: stats.columns,
            seconds: stats.seconds,
            bytes: stats.bytes,
            verify_ms: stats.verify_ms,
            gas_verify: stats.gas_verify,
            peak_rss_mb: stats.peak_rss_mb,
        })
    }

    /// The shard that a gradient is over: the digest of its first committed group.
    pub(crate) fn shard(&self) -> Option<ShardDigest> {
        self.groups.first().map(|digest| ShardDigest::new(*digest.as_bytes()))
    }

    /// The proof itself.
    pub(crate) fn proof(&self) -> Proof {
        let ProofFile { statement, circuit_id, inputs, proof, .. } = self;
        Proof { statement: *statement, circuit: *circuit_id, inputs: inputs.clone(), bytes: proof.0.clone() }
    }
}

/// Proven answers of sessions, to be claimed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClaimFile {
    agent_id: AgentId,
    version: u32,
    pub(crate) proof: ProofFile,
    vouchers: Vec<SignedVoucher>,
}

impl ClaimFile {
    /// What a server proved.
    ///
    /// # Errors
    /// Names the field that is none of its kind.
    pub(crate) fn of(message: &v1::ServiceOutcome) -> Result<Self> {
        Ok(ClaimFile {
            agent_id: field("agent_id", &message.agent_id)?,
            version: message.version,
            proof: ProofFile::of(&message.proof.clone().unwrap_or_default())?,
            vouchers: message.vouchers.iter().map(wire::signed_voucher).collect::<Result<_>>()?,
        })
    }

    /// As the contract takes it.
    pub(crate) fn claim(&self) -> Claim {
        let ClaimFile { agent_id, version, proof, vouchers } = self;
        Claim { agent: *agent_id, version: *version, proof: proof.proof(), vouchers: vouchers.clone() }
    }
}
