//! Verifiers and circuits: deploys and measures verifiers, and registers circuits in the gate.

use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::sol_types::{SolCall, SolEvent};
use serde::{Deserialize, Serialize};
use tribute_core::digest::{CircuitIdentity, Digest};
use tribute_core::id::{CircuitId, CodeHash, GroupDigest, KeyDigest, LayoutHash, SrsDigest};
use tribute_core::proof::Proof;

use crate::abi::{bytes, inputs, word, ICircuitTimelock, IProofGate as Abi};
use crate::call::{Call, Done, Events};
use crate::chain::code_hash;
use crate::contracts::Contracts;
use crate::deployment::Deployed;
use crate::error::{ChainError, Result};
use crate::sync;
use crate::timelock::Operation;
use crate::transaction::{as_data, Sent};
use crate::wallet::Wallet;

pub use crate::abi::IProofGate::CircuitInfo;

/// Everything about a circuit except its verifier's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCircuit {
    /// `tribute_core::statement::Statement::code`.
    pub statement: u8,
    /// Hash of the layout.
    pub layout: LayoutHash,
    /// 0: none, 1: squared, 2: logistic, 3: softmax.
    pub link: u8,
    /// Columns of each committed group.
    pub group_columns: Vec<u16>,
    /// Number of public inputs.
    pub input_count: u16,
    /// Length of a proof in bytes.
    pub proof_length: u32,
    /// Maximum gas forwarded to the verifier; about three times the measured cost.
    pub gas_cap: u32,
    /// Digest of the SRS.
    pub srs: SrsDigest,
    /// Digest of the verifying key.
    pub verifying_key: KeyDigest,
}

impl NewCircuit {
    /// The gate's `CircuitInfo`, with the verifier at `verifier`.
    #[must_use]
    pub fn info(&self, verifier: Deployed) -> CircuitInfo {
        CircuitInfo {
            verifier: verifier.address,
            codeHash: word(&verifier.code_hash),
            proofLength: self.proof_length,
            inputCount: self.input_count,
            gasCap: self.gas_cap,
            statement: self.statement,
            layoutHash: word(&self.layout),
            link: self.link,
            groupColumns: self.group_columns.clone(),
            srsDigest: word(&self.srs),
            vkDigest: word(&self.verifying_key),
        }
    }

    /// The circuit's id with a verifier of this code hash.
    #[must_use]
    pub fn id(&self, code_hash: &CodeHash) -> CircuitId {
        let identity = CircuitIdentity {
            verifying_key: self.verifying_key,
            srs: self.srs,
            layout: self.layout,
            statement: self.statement,
            link: self.link,
            code: *code_hash,
            inputs: self.input_count,
            proof_length: self.proof_length,
            groups: self.group_columns.clone(),
        };
        identity.id()
    }
}

/// A field whose registered value differs from the computed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Name of the field.
    pub what: String,
    /// Value computed here.
    pub expected: String,
    /// Value registered.
    pub found: String,
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, found: T) -> Option<Difference> {
    let show = |value: &T| format!("{value:?}");
    (expected != found).then(|| Difference { what: what.to_owned(), expected: show(&expected), found: show(&found) })
}

impl CircuitInfo {
    /// Every field in which `found` differs from this one; the verifier's address does not matter.
    #[must_use]
    pub fn differences(&self, found: &CircuitInfo) -> Vec<Difference> {
        // destructured, so that the compiler catches a forgotten new field
        let CircuitInfo {
            verifier: _,
            codeHash,
            proofLength,
            inputCount,
            gasCap,
            statement,
            layoutHash,
            link,
            groupColumns,
            srsDigest,
            vkDigest,
        } = self;
        [
            differs("verifying key digest", *vkDigest, found.vkDigest),
            differs("SRS digest", *srsDigest, found.srsDigest),
            differs("layout hash", *layoutHash, found.layoutHash),
            differs("statement", *statement, found.statement),
            differs("link", *link, found.link),
            differs("code hash", *codeHash, found.codeHash),
            differs("proof length", *proofLength, found.proofLength),
            differs("group columns", groupColumns.clone(), found.groupColumns.clone()),
            differs("input count", *inputCount, found.inputCount),
            differs("gas cap", *gasCap, found.gasCap),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Gas cost of checking one proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierGas {
    /// Gas of the gate's call to the verifier.
    pub execution: u64,
    /// Gas of a transaction that only checks the proof, calldata included.
    pub transaction: u64,
}

/// Outcome of [`Contracts::ensure_circuit`].
#[derive(Clone, Debug, PartialEq)]
pub struct Ensured {
    /// The circuit.
    pub id: CircuitId,
    /// Transactions that were needed.
    pub sent: Vec<Sent>,
    /// The operation that adds it, if it is announced and not executed yet.
    pub announced: Option<Digest>,
}

impl Contracts {
    /// Deploys a verifier from its creation code; fails unless its deployed code has `expected_hash`.
    pub async fn deploy_verifier(
        &self,
        wallet: &Wallet,
        name: &str,
        creation: Bytes,
        expected_hash: &CodeHash,
    ) -> Result<(Deployed, Sent)> {
        let (address, sent) = wallet.deploy(&format!("verifier of {name}"), creation).await?;
        let code = self.chain.code(address).await?;
        let found = code_hash(&code);
        if found != *expected_hash {
            return Err(ChainError::CodeDiffers {
                contract: format!("verifier of {name}"),
                address,
                difference: format!("code hash {found} instead of {expected_hash} ({} bytes)", code.len()),
            });
        }
        Ok((Deployed { address, code_hash: found }, sent))
    }

    /// Deploys a verifier from its runtime code.
    pub async fn deploy_verifier_runtime(
        &self,
        wallet: &Wallet,
        name: &str,
        runtime: &[u8],
    ) -> Result<(Deployed, Sent)> {
        self.deploy_verifier(wallet, name, creation_of(runtime), &code_hash(runtime)).await
    }

    /// Registers a circuit; its id must be the one computed here. Only the timelock's proposer, while it has no delay.
    pub async fn register_circuit(
        &self,
        wallet: &Wallet,
        circuit: &NewCircuit,
        verifier: Deployed,
    ) -> Result<Done<CircuitId>> {
        let info = self.named_alike(circuit, verifier).await?;
        self.add_circuit(info).send(wallet).await
    }

    /// The gate's `CircuitInfo` for a circuit; fails unless the gate computes the same id as this client.
    async fn named_alike(&self, circuit: &NewCircuit, verifier: Deployed) -> Result<CircuitInfo> {
        let info = circuit.info(verifier);
        let expected = circuit.id(&verifier.code_hash);
        let found = self.chain.read(self.gate_at(), &Abi::circuitIdOfCall { info: info.clone() }).await?;
        let found = CircuitId::new(found.0);
        if found != expected {
            return Err(ChainError::CircuitIdDiffers { expected, found });
        }
        Ok(info)
    }

    /// Ensures that a circuit is registered: if it is, compares it; if not, deploys its verifier and registers it, or
    /// announces it if the timelock has a delay. Whatever the gate would refuse, for its sender or its content, is
    /// refused before paying for a verifier.
    pub async fn ensure_circuit(
        &self,
        wallet: &Wallet,
        name: &str,
        circuit: &NewCircuit,
        creation: Bytes,
        code_hash: &CodeHash,
    ) -> Result<Ensured> {
        let id = circuit.id(code_hash);
        if self.find_circuit(&id).await?.is_some() {
            self.check_circuit(circuit, code_hash).await?;
            return Ok(Ensured { id, sent: Vec::new(), announced: None });
        }
        let delay = self.circuit_delay().await?;
        let nowhere = Deployed { address: Address::ZERO, code_hash: *code_hash };
        let info = self.named_alike(circuit, nowhere).await?;
        if delay > 0 {
            for announced in self.announced().await? {
                let wanted = |i: &CircuitInfo| circuit.info(Deployed { address: i.verifier, code_hash: *code_hash });
                let same = |o: &Operation| matches!(o, Operation::AddCircuit(i) if wanted(i).differences(i).is_empty());
                if announced.operations.iter().any(same) && announced.is_pending() {
                    return Ok(Ensured { id, sent: Vec::new(), announced: Some(announced.id) });
                }
            }
            // anybody but the proposer would pay for a verifier in vain
            let add = Operation::AddCircuit(Box::new(info));
            self.announce(&add, delay, [0; 32]).simulate(wallet.address()).await?;
            let (verifier, deployed) = self.deploy_verifier(wallet, name, creation, code_hash).await?;
            let add = Operation::AddCircuit(Box::new(self.named_alike(circuit, verifier).await?));
            let done = self.announce(&add, delay, [0; 32]).send(wallet).await?;
            return Ok(Ensured { id, sent: vec![deployed, done.sent], announced: Some(done.event) });
        }
        match self.add_circuit(info).simulate(wallet.address()).await {
            // expected: only the verifier's code is missing
            Err(error) if error.is_revert("VerifierWithoutCode") => {}
            other => {
                other?;
            }
        }
        let (verifier, deployed) = self.deploy_verifier(wallet, name, creation, code_hash).await?;
        let added = self.register_circuit(wallet, circuit, verifier).await?;
        Ok(Ensured { id, sent: vec![deployed, added.sent], announced: None })
    }

    /// Compares every field of a registered circuit with the one computed here, and the code at the verifier's address;
    /// fails if it differs or was stopped. Its gas cap may be higher than here.
    pub async fn check_circuit(&self, circuit: &NewCircuit, expected_hash: &CodeHash) -> Result<CircuitInfo> {
        let id = circuit.id(expected_hash);
        let info = self.circuit(&id).await?;
        let mut differences = self.differences(&id, &info, circuit, expected_hash).await?;
        differences.retain(|d| d.what != "gas cap" || info.gasCap < circuit.gas_cap);
        match differences.into_iter().next() {
            None => Ok(info),
            Some(Difference { what, expected, found }) => {
                Err(ChainError::CircuitDiffers { circuit: id, what, expected, found })
            }
        }
    }

    /// The fields in which a registered circuit differs from the one computed here; being stopped is one of them.
    pub async fn differences(
        &self,
        id: &CircuitId,
        info: &CircuitInfo,
        circuit: &NewCircuit,
        expected_hash: &CodeHash,
    ) -> Result<Vec<Difference>> {
        let code = self.chain.code(info.verifier).await?;
        let mut all = circuit.info(Deployed { address: info.verifier, code_hash: *expected_hash }).differences(info);
        all.extend(differs("code at the verifier's address", *expected_hash, code_hash(&code)));
        all.extend(differs("stopped", false, self.is_circuit_stopped(id).await?));
        Ok(all)
    }

    /// Adds a circuit at once, through the timelock that owns the gate: only its proposer, and only while it has no delay.
    /// Under a delay a circuit is announced ([`Contracts::announce`]) and executed when it is due.
    pub fn add_circuit(&self, info: CircuitInfo) -> Call<ICircuitTimelock::runCall, CircuitId> {
        let action = format!("add a circuit of statement {}", info.statement);
        let call = ICircuitTimelock::runCall {
            target: self.gate_at(),
            data: Abi::addCircuitCall { info }.abi_encode().into(),
        };
        self.call(self.timelock_at(), action, &call, added).emitted_by(self.gate_at())
    }

    /// Stops a circuit permanently; only the guardian or the gate's owner.
    pub fn stop_circuit(&self, circuit: &CircuitId) -> Call<Abi::stopCall, ()> {
        let call = Abi::stopCall { circuitId: word(circuit) };
        self.call(self.gate_at(), format!("stop circuit {circuit}"), &call, |e| {
            e.one().map(|_: Abi::CircuitStopped| ())
        })
    }

    /// Stops a circuit permanently, by a proof of it with impossible public inputs; anybody may.
    pub fn stop_unsound(&self, proof: &Proof) -> Call<Abi::stopUnsoundCall, ()> {
        let call = Abi::stopUnsoundCall { circuitId: word(&proof.circuit), inputs: inputs(proof), proof: bytes(proof) };
        self.call(self.gate_at(), format!("show that circuit {} is unsound", proof.circuit), &call, |e| {
            e.one().map(|_: Abi::CircuitStopped| ())
        })
    }

    /// A circuit as registered; reverts with `UnknownCircuit`.
    pub async fn circuit(&self, circuit: &CircuitId) -> Result<CircuitInfo> {
        self.chain.read(self.gate_at(), &Abi::circuitCall { circuitId: word(circuit) }).await
    }

    /// Ids of all circuits, in the order in which they were added.
    pub async fn circuits(&self) -> Result<Vec<CircuitId>> {
        let count = self.chain.read(self.gate_at(), &Abi::circuitCountCall {}).await?;
        let mut ids = Vec::new();
        for index in 0..count.saturating_to::<u64>() {
            let id = self.chain.read(self.gate_at(), &Abi::circuitAtCall { index: U256::from(index) }).await?;
            ids.push(CircuitId::new(id.0));
        }
        Ok(ids)
    }

    /// A circuit as registered; `None` if the gate has none of this id.
    pub async fn find_circuit(&self, circuit: &CircuitId) -> Result<Option<CircuitInfo>> {
        Self::known(self.circuit(circuit).await, "UnknownCircuit")
    }

    /// The gas cap that a circuit was last raised to; `None` if it was never raised.
    pub async fn raised_gas_cap(&self, circuit: &CircuitId) -> Result<Option<u32>> {
        let filter = Filter::new()
            .address(self.gate_at())
            .event_signature(Abi::GasCapRaised::SIGNATURE_HASH)
            .topic1(word(circuit));
        let newest = self.chain.block_number().await?;
        let raised = sync::windows(&self.chain, &filter, self.deployment.block, newest).await?;
        Ok(raised.last().and_then(|log| Abi::GasCapRaised::decode_log(&log.inner).ok()).map(|e| e.to))
    }

    /// Whether a circuit was stopped; reverts with `UnknownCircuit`.
    pub async fn is_circuit_stopped(&self, circuit: &CircuitId) -> Result<bool> {
        self.chain.read(self.gate_at(), &Abi::isStoppedCall { circuitId: word(circuit) }).await
    }

    /// Checks a proof by a view call of the gate; returns the digests of the committed groups.
    pub async fn check_proof(&self, proof: &Proof) -> Result<Vec<GroupDigest>> {
        let call = Abi::checkCall { circuitId: word(&proof.circuit), inputs: inputs(proof), proof: bytes(proof) };
        let groups = self.chain.read(self.gate_at(), &call).await?;
        Ok(groups.into_iter().map(|group| GroupDigest::new(group.0)).collect())
    }

    /// Measures a verifier's gas on a valid proof; `calldata` is inputs ‖ proof.
    pub async fn verifier_gas(&self, verifier: Address, calldata: &[u8]) -> Result<VerifierGas> {
        let probe = probe(verifier, calldata)?;
        let request = TransactionRequest {
            to: Some(alloy::primitives::TxKind::Create),
            input: as_data(probe),
            gas: Some(self.chain.options().gas_cap),
            ..Default::default()
        };
        let answer = self.chain.call("measure a verifier", &request, "latest").await?;
        let word = |i: usize| answer.get(32 * i..32 * (i + 1)).map(U256::from_be_slice).unwrap_or_default();
        let execution: u64 = word(1).saturating_to();
        if word(0).is_zero() {
            return Err(ChainError::VerifierRejected { verifier, gas: execution });
        }
        let request = TransactionRequest::default().to(verifier).input(as_data(Bytes::copy_from_slice(calldata)));
        let transaction = self.chain.estimate_gas("measure a verifier", &request).await?;
        Ok(VerifierGas { execution, transaction })
    }

    pub(crate) fn gate_at(&self) -> Address {
        self.deployment.proof_gate.address
    }
}

fn added(events: &Events<'_>) -> Result<CircuitId> {
    events.one().map(|e: Abi::CircuitAdded| CircuitId::new(e.circuitId.0))
}

/// Creation code that deploys `runtime` unchanged.
#[must_use]
pub fn creation_of(runtime: &[u8]) -> Bytes {
    let length = u32::try_from(runtime.len()).unwrap_or(u32::MAX).to_be_bytes();
    // PUSH4 length · DUP1 · PUSH1 12 · PUSH0 · CODECOPY · PUSH0 · RETURN
    let header = [0x63, length[0], length[1], length[2], length[3], 0x80, 0x60, 12, 0x5f, 0x39, 0x5f, 0xf3];
    [&header[..], runtime].concat().into()
}

/// Creation code that calls `verifier` with `calldata` and "deploys" two words: success, and the gas that the call took.
fn probe(verifier: Address, calldata: &[u8]) -> Result<Bytes> {
    const HEADER: u16 = 55;
    let too_long = ChainError::VerifierRejected { verifier, gas: 0 };
    let length = u16::try_from(calldata.len()).map_err(|_| too_long)?.to_be_bytes();
    let header = HEADER.to_be_bytes();
    let mut code = vec![0x61, length[0], length[1], 0x61, header[0], header[1], 0x5f, 0x39]; // CODECOPY(0, header, length)
    code.push(0x5a); // GAS
    code.extend_from_slice(&[0x5f, 0x5f, 0x61, length[0], length[1], 0x5f, 0x73]); // no output; input 0..length
    code.extend_from_slice(verifier.as_slice());
    code.extend_from_slice(&[0x5a, 0xfa]); // GAS · STATICCALL
    code.push(0x5a); // GAS                                        stack: before, success, after
    code.extend_from_slice(&[0x91, 0x90]); // SWAP2 · SWAP1        stack: after, before, success -> success on top
    code.extend_from_slice(&[0x5f, 0x52]); // MSTORE(0, success)   stack: after, before
    code.extend_from_slice(&[0x03, 0x60, 0x20, 0x52]); // SUB · MSTORE(32, before - after)
    code.extend_from_slice(&[0x60, 0x40, 0x5f, 0xf3]); // RETURN(0, 64)
    code.resize(usize::from(HEADER), 0);
    code.extend_from_slice(calldata);
    Ok(code.into())
}
