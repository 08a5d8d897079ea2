//! The timelock that owns the proof gate: operations on the gate, or on the timelock itself, are announced, wait, and
//! are executed.

use std::fmt;

use alloy::primitives::{keccak256, Address, Bytes, B256, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use tribute_core::digest::Digest;
use tribute_core::id::CircuitId;
use tribute_core::statement::Statement;

use crate::abi::IProofGate::CircuitInfo;
use crate::abi::{word, ICircuitTimelock as Abi, IProofGate};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;
use crate::sync::windows;

/// An operation that only the timelock may perform.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Adds a circuit to the gate.
    AddCircuit(Box<CircuitInfo>),
    /// Raises the gas cap of a circuit.
    RaiseGasCap {
        /// The circuit.
        circuit: CircuitId,
        /// The new maximum gas forwarded to its verifier.
        cap: u32,
    },
    /// Sets the guardian, who may stop circuits besides the timelock; `None` for nobody.
    SetGuardian(Option<Address>),
    /// Changes the delay, in seconds.
    SetDelay(u64),
    /// Lets an account announce and cancel operations.
    AddProposer(Address),
    /// Revokes that right.
    RemoveProposer(Address),
    /// Offers the gate to another owner, who has to accept it.
    OfferGate(Address),
    /// Makes the timelock accept the gate, which was offered to it.
    AcceptGate,
    /// Any other call.
    Other {
        /// The contract called.
        target: Address,
        /// The calldata.
        data: Bytes,
    },
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::AddCircuit(info) => {
                let statement = Statement::ALL.into_iter().find(|s| s.code() == info.statement);
                let name = statement.map_or("unknown", |s| s.name());
                write!(f, "add a `{name}` circuit of verifying key {}", info.vkDigest)
            }
            Operation::RaiseGasCap { circuit, cap } => write!(f, "raise the gas cap of circuit {circuit} to {cap}"),
            Operation::SetGuardian(Some(account)) => write!(f, "make {account} the guardian"),
            Operation::SetGuardian(None) => write!(f, "leave the gate without a guardian"),
            Operation::SetDelay(seconds) => write!(f, "let operations wait {seconds} s"),
            Operation::AddProposer(account) => write!(f, "let {account} announce and cancel operations"),
            Operation::RemoveProposer(account) => write!(f, "no longer let {account} announce and cancel operations"),
            Operation::OfferGate(account) => write!(f, "offer the proof gate to {account}"),
            Operation::AcceptGate => write!(f, "accept the proof gate"),
            Operation::Other { target, data } => write!(f, "call {target} with {data}"),
        }
    }
}

/// Status of an announced operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits until this Unix time, in seconds.
    Waiting(u64),
    /// Anybody may execute it.
    Ready,
    /// It was executed.
    Done,
    /// It was cancelled.
    Cancelled,
}

/// An announced operation: one call, or a batch of calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Announced {
    /// The timelock's id of the operation.
    pub id: Digest,
    /// Its calls, in order.
    pub operations: Vec<Operation>,
    /// Its status.
    pub progress: Progress,
    calls: Vec<(Address, U256, Bytes)>,
    predecessor: B256,
    salt: B256,
}

impl Announced {
    /// Whether it is still to be executed.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.progress, Progress::Waiting(_) | Progress::Ready)
    }

    /// The call, if it was announced on its own and not as a batch; the two kinds of ids are hashed differently.
    fn single(&self) -> Option<&(Address, U256, Bytes)> {
        let [call] = self.calls.as_slice() else { return None };
        let (target, value, data) = call.clone();
        let encoded = (target, value, data, self.predecessor, self.salt).abi_encode_params();
        (keccak256(encoded).0 == self.id).then_some(call)
    }

    fn action(&self) -> String {
        format!("execute operation {}", B256::new(self.id))
    }
}

/// Roles of a proposer.
const PROPOSER: &str = "PROPOSER_ROLE";
const CANCELLER: &str = "CANCELLER_ROLE";

impl Contracts {
    /// Delay of an operation, in seconds.
    pub async fn circuit_delay(&self) -> Result<u64> {
        let delay = self.chain.read(self.timelock_at(), &Abi::getMinDelayCall {}).await?;
        Ok(delay.saturating_to())
    }

    /// Whether an account may announce and cancel operations.
    pub async fn proposes(&self, account: Address) -> Result<bool> {
        let call = Abi::hasRoleCall { role: keccak256(PROPOSER), account };
        self.chain.read(self.timelock_at(), &call).await
    }

    /// The guardian, who may stop circuits besides the timelock, if any.
    pub async fn guardian(&self) -> Result<Option<Address>> {
        let account = self.chain.read(self.gate_at(), &IProofGate::guardianCall {}).await?;
        Ok((!account.is_zero()).then_some(account))
    }

    /// Executes operations at once, one transaction per call: only a proposer, and only while there is no delay.
    pub fn run(&self, operation: &Operation) -> Vec<Call<Abi::runCall, ()>> {
        let calls = self.encoded(operation).into_iter();
        calls
            .map(|(target, _, data)| {
                let call = Abi::runCall { target, data };
                self.call(self.timelock_at(), operation.to_string(), &call, |e| e.one().map(|_: Abi::CallExecuted| ()))
            })
            .collect()
    }

    /// Announces an operation and returns the timelock's id of it. `salt` distinguishes equal operations.
    pub fn announce(&self, operation: &Operation, delay: u64, salt: Digest) -> Call<Abi::scheduleBatchCall, Digest> {
        let calls = self.encoded(operation);
        let call = Abi::scheduleBatchCall {
            targets: calls.iter().map(|c| c.0).collect(),
            values: calls.iter().map(|c| c.1).collect(),
            payloads: calls.into_iter().map(|c| c.2).collect(),
            predecessor: B256::ZERO,
            salt: word(&salt),
            delay: U256::from(delay),
        };
        self.call(self.timelock_at(), format!("announce: {operation}"), &call, |e| {
            e.one().map(|e: Abi::CallScheduled| e.id.0)
        })
    }

    /// Executes an operation that was announced as one call (`schedule`), when it is due; anybody. `None` if it was a batch.
    pub fn execute(&self, announced: &Announced) -> Option<Call<Abi::executeCall, ()>> {
        let (target, value, payload) = announced.single()?.clone();
        let call =
            Abi::executeCall { target, value, payload, predecessor: announced.predecessor, salt: announced.salt };
        Some(self.call(self.timelock_at(), announced.action(), &call, |e| e.one().map(|_: Abi::CallExecuted| ())))
    }

    /// Executes an operation that was announced as a batch, as [`Contracts::announce`] does.
    pub fn execute_batch(&self, announced: &Announced) -> Call<Abi::executeBatchCall, ()> {
        let calls = &announced.calls;
        let call = Abi::executeBatchCall {
            targets: calls.iter().map(|c| c.0).collect(),
            values: calls.iter().map(|c| c.1).collect(),
            payloads: calls.iter().map(|c| c.2.clone()).collect(),
            predecessor: announced.predecessor,
            salt: announced.salt,
        };
        self.call(self.timelock_at(), announced.action(), &call, |e| e.one().map(|_: Abi::CallExecuted| ()))
    }

    /// Cancels an announced operation; only a proposer.
    pub fn cancel(&self, id: Digest) -> Call<Abi::cancelCall, ()> {
        let action = format!("cancel operation {}", B256::new(id));
        self.call(self.timelock_at(), action, &Abi::cancelCall { id: word(&id) }, |e| {
            e.one().map(|_: Abi::Cancelled| ())
        })
    }

    /// All operations ever announced, in order, from events. Those executed at once are not included.
    pub async fn announced(&self) -> Result<Vec<Announced>> {
        let newest = self.chain.block_number().await?;
        let filter = Filter::new().address(self.timelock_at());
        let (mut all, mut at_once): (Vec<Announced>, Vec<Digest>) = (Vec::new(), Vec::new());
        for log in windows(&self.chain, &filter, self.deployment.block, newest).await? {
            let of = |id: B256| move |a: &&mut Announced| a.id == id.0;
            if let Ok(e) = Abi::CallScheduled::decode_log(&log.inner) {
                if e.delay.is_zero() {
                    at_once.push(e.id.0);
                }
                let call = (e.target, e.value, e.data.data.clone());
                match all.iter_mut().find(|a| a.id == e.id.0 && a.progress != Progress::Cancelled) {
                    Some(same) => same.calls.push(call),
                    None => all.push(Announced {
                        id: e.id.0,
                        operations: Vec::new(),
                        progress: Progress::Ready, // or it is still pending, which is checked below
                        calls: vec![call],
                        predecessor: e.predecessor,
                        salt: B256::ZERO,
                    }),
                }
            } else if let Ok(e) = Abi::CallSalt::decode_log(&log.inner) {
                if let Some(a) = all.iter_mut().rev().find(of(e.id)) {
                    a.salt = e.salt;
                }
            } else if let Ok(e) = Abi::CallExecuted::decode_log(&log.inner) {
                if let Some(a) = all.iter_mut().rev().find(of(e.id)) {
                    a.progress = Progress::Done;
                }
            } else if let Ok(e) = Abi::Cancelled::decode_log(&log.inner) {
                if let Some(a) = all.iter_mut().rev().find(of(e.id)) {
                    a.progress = Progress::Cancelled;
                }
            }
        }
        all.retain(|a| !at_once.contains(&a.id));
        let now = self.chain.time().await?;
        for a in &mut all {
            a.operations = self.decoded(&a.calls);
            if a.progress == Progress::Ready {
                let due: u64 = self
                    .chain
                    .read(self.timelock_at(), &Abi::getTimestampCall { id: word(&a.id) })
                    .await?
                    .saturating_to();
                if due > now {
                    a.progress = Progress::Waiting(due);
                }
            }
        }
        Ok(all)
    }

    /// The calls of an operation.
    fn encoded(&self, operation: &Operation) -> Vec<(Address, U256, Bytes)> {
        let (gate, timelock) = (self.gate_at(), self.timelock_at());
        let call = |target: Address, data: Vec<u8>| (target, U256::ZERO, Bytes::from(data));
        let role = |name: &str| keccak256(name);
        match operation {
            Operation::AddCircuit(info) => {
                vec![call(gate, IProofGate::addCircuitCall { info: (**info).clone() }.abi_encode())]
            }
            Operation::RaiseGasCap { circuit, cap } => {
                let data = IProofGate::raiseGasCapCall { circuitId: word(circuit), gasCap: *cap };
                vec![call(gate, data.abi_encode())]
            }
            Operation::SetGuardian(account) => {
                let data = IProofGate::setGuardianCall { newGuardian: account.unwrap_or_default() };
                vec![call(gate, data.abi_encode())]
            }
            Operation::SetDelay(seconds) => {
                vec![call(timelock, Abi::updateDelayCall { newDelay: U256::from(*seconds) }.abi_encode())]
            }
            Operation::AddProposer(account) => [PROPOSER, CANCELLER]
                .map(|name| call(timelock, Abi::grantRoleCall { role: role(name), account: *account }.abi_encode()))
                .to_vec(),
            Operation::RemoveProposer(account) => [PROPOSER, CANCELLER]
                .map(|name| call(timelock, Abi::revokeRoleCall { role: role(name), account: *account }.abi_encode()))
                .to_vec(),
            Operation::OfferGate(account) => {
                vec![call(gate, IProofGate::transferOwnershipCall { newOwner: *account }.abi_encode())]
            }
            Operation::AcceptGate => vec![call(gate, IProofGate::acceptOwnershipCall {}.abi_encode())],
            Operation::Other { target, data } => vec![(*target, U256::ZERO, data.clone())],
        }
    }

    /// Decodes calls into operations. Two calls about a proposer's two roles are one operation.
    fn decoded(&self, calls: &[(Address, U256, Bytes)]) -> Vec<Operation> {
        let known = |target: Address, data: &Bytes| {
            let mut found = None;
            if target == self.gate_at() {
                if let Ok(c) = IProofGate::addCircuitCall::abi_decode(data) {
                    found = Some(Operation::AddCircuit(Box::new(c.info)));
                } else if let Ok(c) = IProofGate::raiseGasCapCall::abi_decode(data) {
                    found = Some(Operation::RaiseGasCap { circuit: CircuitId::new(c.circuitId.0), cap: c.gasCap });
                } else if let Ok(c) = IProofGate::setGuardianCall::abi_decode(data) {
                    found = Some(Operation::SetGuardian((!c.newGuardian.is_zero()).then_some(c.newGuardian)));
                } else if let Ok(c) = IProofGate::transferOwnershipCall::abi_decode(data) {
                    found = Some(Operation::OfferGate(c.newOwner));
                } else if IProofGate::acceptOwnershipCall::abi_decode(data).is_ok() {
                    found = Some(Operation::AcceptGate);
                }
            } else if target == self.timelock_at() {
                if let Ok(c) = Abi::updateDelayCall::abi_decode(data) {
                    found = Some(Operation::SetDelay(c.newDelay.saturating_to()));
                } else if let Some(c) = Abi::grantRoleCall::abi_decode(data).ok().filter(|c| ours(c.role)) {
                    found = Some(Operation::AddProposer(c.account));
                } else if let Some(c) = Abi::revokeRoleCall::abi_decode(data).ok().filter(|c| ours(c.role)) {
                    found = Some(Operation::RemoveProposer(c.account));
                }
            }
            found.unwrap_or_else(|| Operation::Other { target, data: data.clone() })
        };
        let mut all: Vec<Operation> = calls.iter().map(|(target, _, data)| known(*target, data)).collect();
        all.dedup();
        all
    }

    pub(crate) fn timelock_at(&self) -> Address {
        self.deployment.circuit_timelock.address
    }
}

/// Whether a role is one of a proposer's two roles.
fn ours(role: B256) -> bool {
    role == keccak256(PROPOSER) || role == keccak256(CANCELLER)
}
