//! Addresses of the deployed contracts, stored in `deployment.json`, and their check against the local build.

use std::ops::RangeInclusive;
use std::path::Path;

use alloy::primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};
use tribute_core::id::CodeHash;

use crate::abi::{
    IAgentRegistry, IAgreedWeights, ICircuitTimelock, IDatasetRegistry, IEvaluations, ISessionEscrow, IStandard,
    ITestToken,
};
use crate::artifacts::Artifacts;
use crate::chain::{code_hash, Chain};
use crate::error::{ChainError, Result};
use crate::journal::write_whole;

/// One deployed contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// Address of the contract.
    pub address: Address,
    /// keccak256 of its code, immutables included.
    pub code_hash: CodeHash,
}

/// All contracts of one deployment; the content of `deployment.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// First block that may hold events of the contracts.
    pub block: u64,
    /// Account that deployed the contracts; their owner unless another was named.
    pub deployer: Address,
    /// The account that announces circuits to the gate's timelock and may pause new sessions.
    pub owner: Address,
    /// The guardian, who may stop circuits.
    pub guardian: Address,
    /// Seconds between a thaw request and the refund.
    pub thaw_seconds: u64,
    /// Seconds in which the owner of a dataset can object to weights that it did not sign.
    pub challenge_seconds: u64,
    /// Initial delay in seconds of operations of the gate's owner; it may have been raised since.
    pub circuit_delay: u64,
    /// `CircuitTimelock`, the gate's owner.
    pub circuit_timelock: Deployed,
    /// `ProofGate`.
    pub proof_gate: Deployed,
    /// `DatasetRegistry`.
    pub dataset_registry: Deployed,
    /// `AgentRegistry`.
    pub agent_registry: Deployed,
    /// `SessionEscrow`.
    pub session_escrow: Deployed,
    /// `AgreedWeights`.
    pub agreed_weights: Deployed,
    /// `Evaluations`.
    pub evaluations: Deployed,
    /// `Tribute`, with the views for other contracts.
    pub tribute: Deployed,
    /// The ERC-20 token of all sessions.
    pub token: Deployed,
    /// Whether the token is `TestToken`, which anyone may mint.
    pub test_token: bool,
}

/// Options of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployOptions {
    /// Proposer of the gate's timelock and owner of the escrow; `None`: the deployer.
    pub owner: Option<Address>,
    /// The guardian, who may stop circuits; `None`: the owner.
    pub guardian: Option<Address>,
    /// Seconds between a thaw request and the refund: one minute to ninety days.
    pub thaw_seconds: u64,
    /// Seconds in which the owner of a dataset can object to weights that it did not sign: one minute to ninety days.
    pub challenge_seconds: u64,
    /// Delay in seconds of operations of the gate's owner, including the first circuits; at least a day, except on
    /// local chains.
    pub circuit_delay: u64,
    /// The ERC-20 token of all sessions; `None` deploys `TestToken`, for local chains only.
    pub token: Option<Address>,
}

impl Default for DeployOptions {
    fn default() -> Self {
        DeployOptions {
            owner: None,
            guardian: None,
            thaw_seconds: 60,
            challenge_seconds: 60,
            circuit_delay: 0,
            token: None,
        }
    }
}

/// Least and greatest thaw and challenge periods, in seconds, of the contracts.
const PERIODS: RangeInclusive<u64> = 60..=90 * 86_400;
/// Least delay of new circuits, in seconds, outside local chains: that of `CircuitTimelock`.
const LEAST_CIRCUIT_DELAY: u64 = 86_400;

impl DeployOptions {
    /// Refuses what the contracts would refuse only after several transactions, and what they would accept but could not
    /// work with.
    pub(crate) async fn check(&self, chain: &Chain, deployer: Address) -> Result<()> {
        let wrong = |option, cause: String| Err(ChainError::BadDeployOption { option, cause });
        for (option, seconds) in
            [("--thaw-seconds", self.thaw_seconds), ("--challenge-seconds", self.challenge_seconds)]
        {
            if !PERIODS.contains(&seconds) {
                return wrong(option, format!("{seconds} s; give one minute to ninety days, 60 to {}", PERIODS.end()));
            }
        }
        if !chain.is_local() && self.circuit_delay < LEAST_CIRCUIT_DELAY {
            let (found, id) = (self.circuit_delay, chain.id());
            let cause = format!("{found} s; chain {id} is not local, so give at least a day, {LEAST_CIRCUIT_DELAY}");
            return wrong("--circuit-delay", cause);
        }
        for (option, account) in [("--owner", self.owner), ("--guardian", self.guardian)] {
            if account == Some(Address::ZERO) {
                return wrong(
                    option,
                    "nobody has the key of the zero address; give an account that can act".to_owned(),
                );
            }
        }
        match self.token {
            Some(token) => check_token(chain, token, deployer).await,
            None => Ok(()),
        }
    }
}

/// Refuses an address that does not answer as an ERC-20 token.
async fn check_token(chain: &Chain, token: Address, holder: Address) -> Result<()> {
    let answers = async {
        chain.read_newest(token, &ITestToken::balanceOfCall { account: holder }).await?;
        chain.read_newest(token, &ITestToken::allowanceCall { owner: holder, spender: token }).await
    };
    let cause = match answers.await {
        Ok(_) => return Ok(()),
        Err(ChainError::NoCode { .. }) => format!("chain {} has no contract at {token}", chain.id()),
        Err(ChainError::Reverted { action, .. }) => format!("the contract at {token} does not answer {action}"),
        Err(ChainError::CodeDiffers { difference, .. }) => format!("the contract at {token}: {difference}"),
        Err(error) => return Err(error),
    };
    Err(ChainError::BadDeployOption { option: "--token", cause: cause + "; give the address of an ERC-20 token" })
}

impl Deployment {
    /// Name of the contract at this address, one of [`contracts`](crate::abi::contracts); `None` if it is none of them.
    #[must_use]
    pub fn contract_at(&self, address: Address) -> Option<&'static str> {
        let names = [
            (self.proof_gate, "ProofGate"),
            (self.dataset_registry, "DatasetRegistry"),
            (self.agent_registry, "AgentRegistry"),
            (self.session_escrow, "SessionEscrow"),
            (self.agreed_weights, "AgreedWeights"),
            (self.evaluations, "Evaluations"),
            (self.circuit_timelock, "CircuitTimelock"),
        ];
        names.into_iter().find(|(deployed, _)| deployed.address == address).map(|(_, name)| name)
    }

    /// Reads `deployment.json`.
    pub fn load(path: &Path) -> Result<Deployment> {
        let wrong = |cause: String| ChainError::File { path: path.to_owned(), cause };
        let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => wrong(
                "no such file: name the file with the contracts' addresses (--contracts), or deploy them (tribute chain deploy)"
                    .to_owned(),
            ),
            _ => wrong(e.to_string()),
        })?;
        serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|e| wrong(format!("not a deployment file: {e}")))
    }

    /// Writes `deployment.json`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let wrong = |cause: String| ChainError::File { path: path.to_owned(), cause };
        let text = serde_json::to_string_pretty(self).map_err(|e| wrong(e.to_string()))?;
        write_whole(path, &(text + "\n"))
    }

    /// Checks the chain id, that every contract's code matches the local build and is unchanged since deployment, and
    /// that the contracts refer to each other as recorded here.
    pub async fn check(&self, chain: &Chain, artifacts: &Artifacts) -> Result<()> {
        chain.require_id(self.chain_id)?;
        let mut contracts = vec![
            ("CircuitTimelock", self.circuit_timelock),
            ("ProofGate", self.proof_gate),
            ("DatasetRegistry", self.dataset_registry),
            ("AgentRegistry", self.agent_registry),
            ("AgreedWeights", self.agreed_weights),
            ("SessionEscrow", self.session_escrow),
            ("Evaluations", self.evaluations),
            ("Tribute", self.tribute),
        ];
        if self.test_token {
            contracts.push(("TestToken", self.token));
        }
        for (name, deployed) in contracts {
            let code = code_at(chain, name, deployed.address).await?;
            let differs = |difference: String| ChainError::CodeDiffers {
                contract: name.to_owned(),
                address: deployed.address,
                difference,
            };
            if let Some(difference) = artifacts.load(name)?.difference(&code) {
                return Err(differs(difference));
            }
            let found = code_hash(&code);
            if found != deployed.code_hash {
                return Err(differs(format!("code hash {found}, the deployment says {}", deployed.code_hash)));
            }
        }
        if !self.test_token {
            code_at(chain, "token", self.token.address).await?;
        }
        self.check_wiring(chain).await
    }

    /// The comparison of code masks immutables, so they are checked by the views that read them.
    async fn check_wiring(&self, chain: &Chain) -> Result<()> {
        let (gate, datasets) = (self.proof_gate.address, self.dataset_registry.address);
        let (agents, escrow) = (self.agent_registry.address, self.session_escrow.address);

        let found = chain.read(datasets, &IDatasetRegistry::gateCall {}).await?;
        same("DatasetRegistry", datasets, "gate", gate, found)?;
        let found = chain.read(datasets, &IDatasetRegistry::tokenCall {}).await?;
        same("DatasetRegistry", datasets, "token", self.token.address, found)?;
        let found = chain.read(datasets, &IDatasetRegistry::agentRegistryCall {}).await?;
        same("DatasetRegistry", datasets, "agentRegistry", agents, found)?;
        let found = chain.read(agents, &IAgentRegistry::gateCall {}).await?;
        same("AgentRegistry", agents, "gate", gate, found)?;
        let found = chain.read(agents, &IAgentRegistry::datasetRegistryCall {}).await?;
        same("AgentRegistry", agents, "datasetRegistry", datasets, found)?;
        let found = chain.read(escrow, &ISessionEscrow::gateCall {}).await?;
        same("SessionEscrow", escrow, "gate", gate, found)?;
        let found = chain.read(escrow, &ISessionEscrow::agentRegistryCall {}).await?;
        same("SessionEscrow", escrow, "agentRegistry", agents, found)?;
        let found = chain.read(escrow, &ISessionEscrow::datasetRegistryCall {}).await?;
        same("SessionEscrow", escrow, "datasetRegistry", datasets, found)?;
        let found = chain.read(escrow, &ISessionEscrow::tokenCall {}).await?;
        same("SessionEscrow", escrow, "token", self.token.address, found)?;
        let found = chain.read(escrow, &ISessionEscrow::thawPeriodCall {}).await?;
        same("SessionEscrow", escrow, "thawPeriod", self.thaw_seconds, found)?;
        let found = chain.read(escrow, &IStandard::ownerCall {}).await?;
        same("SessionEscrow", escrow, "owner", self.owner, found)?;
        let weights = self.agreed_weights.address;
        let found = chain.read(escrow, &ISessionEscrow::agreedWeightsCall {}).await?;
        same("SessionEscrow", escrow, "agreedWeights", weights, found)?;
        let found = chain.read(weights, &IAgreedWeights::agentRegistryCall {}).await?;
        same("AgreedWeights", weights, "agentRegistry", agents, found)?;
        let found = chain.read(weights, &IAgreedWeights::sessionEscrowCall {}).await?;
        same("AgreedWeights", weights, "sessionEscrow", escrow, found)?;
        let found = chain.read(weights, &IAgreedWeights::challengePeriodCall {}).await?;
        same("AgreedWeights", weights, "challengePeriod", self.challenge_seconds, found)?;
        let evaluations = self.evaluations.address;
        let found = chain.read(evaluations, &IEvaluations::agentRegistryCall {}).await?;
        same("Evaluations", evaluations, "agentRegistry", agents, found)?;
        let timelock = self.circuit_timelock.address;
        let found = chain.read(gate, &IStandard::ownerCall {}).await?;
        same("ProofGate", gate, "owner", timelock, found)?;
        let role = chain.read(timelock, &ICircuitTimelock::PROPOSER_ROLECall {}).await?;
        let proposes = ICircuitTimelock::hasRoleCall { role, account: self.owner };
        let found = chain.read(timelock, &proposes).await?;
        same("CircuitTimelock", timelock, "hasRole(PROPOSER_ROLE, owner)", true, found)
    }
}

pub(crate) async fn code_at(chain: &Chain, contract: &str, address: Address) -> Result<Bytes> {
    let code = chain.code(address).await?;
    match code.is_empty() {
        true => Err(ChainError::NoCode { contract: contract.to_owned(), address }),
        false => Ok(code),
    }
}

fn same<T: PartialEq + ToString>(
    contract: &str,
    address: Address,
    view: &'static str,
    expected: T,
    found: T,
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(ChainError::WiringDiffers {
        contract: contract.to_owned(),
        address,
        view,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}
