//! Proofs in JSON files that commands write and read.

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

/// A proof with its measurements.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProofFile {
    pub(crate) statement: Statement,
    circuit_id: CircuitId,
    inputs: Vec<Hex<32>>,
    proof: HexBytes,
    /// Digests of the committed column groups.
    groups: Vec<GroupDigest>,
    /// log2 of the circuit's rows.
    pub(crate) k: u32,
    /// Number of advice columns.
    pub(crate) columns: u32,
    /// Wall time of proving, without key generation.
    pub(crate) seconds: f64,
    /// Length of the proof.
    pub(crate) bytes: u64,
    pub(crate) verify_ms: f64,
    /// Execution gas of the verifier contract.
    pub(crate) gas_verify: u64,
    pub(crate) peak_rss_mb: u64,
}

impl ProofFile {
    /// A server's proof.
    ///
    /// # Errors
    /// Names the malformed field.
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

    /// Shard of a gradient proof: the digest of its first committed group.
    pub(crate) fn shard(&self) -> Option<ShardDigest> {
        self.groups.first().map(|digest| ShardDigest::new(*digest.as_bytes()))
    }

    /// The proof without measurements.
    pub(crate) fn proof(&self) -> Proof {
        let ProofFile { statement, circuit_id, inputs, proof, .. } = self;
        Proof { statement: *statement, circuit: *circuit_id, inputs: inputs.clone(), bytes: proof.0.clone() }
    }
}

/// A service proof with the vouchers of its sessions, ready to be claimed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClaimFile {
    agent_id: AgentId,
    version: u32,
    pub(crate) proof: ProofFile,
    vouchers: Vec<SignedVoucher>,
}

impl ClaimFile {
    /// From the outcome of a server's job.
    ///
    /// # Errors
    /// Names the malformed field.
    pub(crate) fn of(message: &v1::ServiceOutcome) -> Result<Self> {
        Ok(ClaimFile {
            agent_id: field("agent_id", &message.agent_id)?,
            version: message.version,
            proof: ProofFile::of(&message.proof.clone().unwrap_or_default())?,
            vouchers: message.vouchers.iter().map(wire::signed_voucher).collect::<Result<_>>()?,
        })
    }

    /// In the form that the contract takes.
    pub(crate) fn claim(&self) -> Claim {
        let ClaimFile { agent_id, version, proof, vouchers } = self;
        Claim { agent: *agent_id, version: *version, proof: proof.proof(), vouchers: vouchers.clone() }
    }
}
