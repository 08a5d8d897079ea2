//! Keys and verifiers. They depend only on the circuit's shape, so anyone can reproduce them.

use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::keys::{key_digest, Keys, Origin};
use tribute_circuits::prove::{prove_timed, Proven};
use tribute_core::digest::{keccak, CircuitIdentity};
use tribute_core::hexed::Hex;
use tribute_core::id::{CircuitId, CodeHash, GroupDigest, KeyDigest, LayoutHash, SrsDigest};
use tribute_core::proof::Proof;
use tribute_core::shape::Shape;
use tribute_custody::Opened;
use tribute_engine::field::word;
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::{ArtefactId, Artefacts};

use crate::cache::tidy;
use crate::loaded::{refused, tool, Loaded};
use crate::rebuilt::proof_length;
use crate::shape::ShapeBody;
use crate::toolbox::Toolbox;

/// Generates the keys and the verifier of a circuit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CircuitJob {
    /// The circuit's shape.
    pub shape: ShapeBody,
}

/// A circuit with its verifier: everything that the proof gate registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CircuitBody {
    /// The circuit's shape.
    pub shape: ShapeBody,
    /// Id of the circuit at the proof gate.
    pub circuit_id: CircuitId,
    /// Digest of the verifying key.
    pub vk_digest: KeyDigest,
    /// Digest of the SRS.
    pub srs_digest: SrsDigest,
    /// Hash of the layout.
    pub layout_hash: LayoutHash,
    /// keccak256 of the deployed verifier's code.
    pub code_hash: CodeHash,
    /// Size of the deployed verifier in bytes.
    pub code_bytes: u64,
    /// Length of a proof in bytes.
    pub proof_length: u64,
    /// Execution gas of verifying one proof; 0 if the circuit was made by an older version.
    #[serde(default)]
    pub gas: u64,
    /// Creation code of the verifier.
    pub creation: ArtefactId,
    /// Runtime code of the verifier.
    pub runtime: ArtefactId,
}

/// A proof as stored in the database, already verified natively and by the verifier's bytecode. Its bytes are an
/// artefact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProofBody {
    /// The proof's circuit.
    pub circuit: CircuitBody,
    /// Public inputs, big-endian words.
    pub inputs: Vec<Hex<32>>,
    /// The proof's bytes.
    pub proof: ArtefactId,
    /// Digests of the committed groups.
    pub groups: Vec<GroupDigest>,
    /// Cost of making and verifying it.
    pub stats: ProofStats,
}

impl ProofBody {
    /// Loads the proof.
    pub async fn load(&self, artefacts: &Artefacts) -> Result<Proof> {
        Ok(Proof {
            statement: self.circuit.shape.statement,
            circuit: self.circuit.circuit_id,
            inputs: self.inputs.clone(),
            bytes: artefacts.get(&self.proof).await?,
        })
    }
}

/// Cost of a proof.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProofStats {
    /// Number of advice columns.
    pub columns: u32,
    /// Wall time of proving, without key generation.
    pub seconds: f64,
    /// Length of the proof.
    pub bytes: u64,
    /// Time of native verification in milliseconds.
    pub verify_ms: f64,
    /// Execution gas of the verifier.
    pub gas_verify: u64,
    /// Peak memory of the proving process in MiB.
    pub peak_rss_mb: u64,
}

/// Everything needed to prove with a circuit.
pub(super) struct Prepared {
    pub(super) srs: Srs,
    pub(super) keys: Keys,
    pub(super) body: CircuitBody,
    runtime: Vec<u8>,
}

/// Generates the keys and the verifier of a circuit.
pub fn run(job: &CircuitJob, toolbox: &Toolbox) -> Result<CircuitBody> {
    Ok(prepare(&job.shape, toolbox)?.body)
}

/// The keys and the verifier of a circuit, unless its process has them already.
pub(super) fn prepare(body: &ShapeBody, toolbox: &Toolbox) -> Result<Prepared> {
    let shape = body.shape()?;
    toolbox.progress("keys", 0, 1);
    let srs = toolbox.srs(shape.layout.k())?;
    let (loaded, origin) = match toolbox.loaded(body, &srs) {
        Some(loaded) => (loaded, "warm"),
        None => {
            let (loaded, origin) = Loaded::load(&srs, &shape, &toolbox.cache)?;
            let origin = match origin {
                Origin::Kept => "kept",
                Origin::Made => "made",
                Origin::Remade(e) => {
                    tracing::warn!(error = %e, "corrupt keys were generated again");
                    "remade"
                }
            };
            (loaded, origin)
        }
    };
    // what was read beforehand is used only now
    tidy(&toolbox.cache, &format!("{}-", shape.name()), toolbox.cache_bytes);
    toolbox.keys(body, origin);
    toolbox.progress("verifier", 0, 1);
    let Loaded { keys, creation, runtime, gas, .. } = loaded;
    let identity = CircuitIdentity {
        verifying_key: key_digest(keys.vk()),
        srs: srs.digest(),
        layout: shape.layout.hash(),
        statement: shape.statement.code(),
        link: shape.link_code(),
        code: CodeHash::new(keccak(&runtime)),
        inputs: shape.statement.inputs() as u16,
        proof_length: proof_length(keys.vk()) as u32,
        groups: shape.groups().into_iter().map(|columns| columns as u16).collect(),
    };
    let body = CircuitBody {
        shape: *body,
        circuit_id: identity.id(),
        vk_digest: identity.verifying_key,
        srs_digest: identity.srs,
        layout_hash: identity.layout,
        code_hash: identity.code,
        code_bytes: runtime.len() as u64,
        proof_length: identity.proof_length.into(),
        gas,
        creation: toolbox.wait(toolbox.artefacts.put(creation))?,
        runtime: toolbox.wait(toolbox.artefacts.put(runtime.clone()))?,
    };
    Ok(Prepared { srs, keys, body, runtime })
}

impl Prepared {
    /// The circuit's shape.
    pub(super) fn shape(&self) -> &Shape {
        self.keys.shape()
    }

    /// Proves, checks the proof with the native verifier and in the EVM, and stores it. `opened` holds the witness's
    /// committed columns.
    pub(super) fn prove(
        &self,
        toolbox: &Toolbox,
        witness: &dyn StatementWitness,
        opened: &Opened,
        inputs: Vec<Fr>,
    ) -> Result<ProofBody> {
        let counted = opened.groups().iter().flat_map(|g| &g.columns).map(|c| c.point);
        if !counted.eq(witness.committed().iter().map(|c| c.point)) {
            return Err(Problem::internal(
                "the witness's committed columns differ from those whose openings were counted",
            ));
        }
        toolbox.progress("prove", 0, 1);
        let Proven { proof, proving, verifying } =
            prove_timed(&self.srs, &self.keys, witness, inputs).map_err(refused)?;

        toolbox.progress("verify", 1, 2);
        let report = tribute_evm::run(&self.runtime, &proof.calldata()).map_err(tool)?;
        if !report.success {
            return Err(self.rejected("the EVM verifier"));
        }
        if proof.bytes.len() as u64 != self.body.proof_length {
            let (got, expected) = (proof.bytes.len(), self.body.proof_length);
            return Err(self.rejected(&format!("the length check ({got} bytes, expected {expected})")));
        }
        toolbox.progress("verify", 2, 2);
        Ok(ProofBody {
            circuit: self.body.clone(),
            inputs: proof.inputs.iter().map(|x| Hex(word(x))).collect(),
            groups: opened.groups().iter().map(|g| GroupDigest::new(g.digest())).collect(),
            stats: ProofStats {
                columns: self.keys.vk().cs().num_advice_columns() as u32,
                seconds: proving.as_secs_f64(),
                bytes: proof.bytes.len() as u64,
                verify_ms: verifying.as_secs_f64() * 1e3,
                gas_verify: report.execution_gas,
                peak_rss_mb: peak_rss_mb(),
            },
            proof: toolbox.wait(toolbox.artefacts.put(proof.bytes))?,
        })
    }

    fn rejected(&self, by: &str) -> Problem {
        Problem::new(
            Reason::ProofRejected,
            format!("a new {} proof was rejected by {by} and is withheld", self.shape().name()),
        )
        .with("circuit", self.shape().name())
    }
}

/// Peak memory of this process in MiB; 0 if the system does not provide it.
fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1024)
}
