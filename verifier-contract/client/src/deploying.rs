//! Deployment in resumable steps: each deployed contract is recorded in a file, and the next run resumes from there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, Bytes, B256, U256};
use alloy::sol_types::{SolCall, SolValue};
use serde::{Deserialize, Serialize};

use crate::abi::{IAgreedWeights, IDatasetRegistry};
use crate::artifacts::Artifacts;
use crate::call::Call;
use crate::chain::code_hash;
use crate::deployment::{code_at, DeployOptions, Deployed, Deployment};
use crate::error::{ChainError, Result};
use crate::journal::{write_whole, ChainName};
use crate::lag::{caught_up, repeated};
use crate::transaction::Sent;
use crate::wallet::Wallet;

/// The contracts deployed so far; the content of `deployment.json.unfinished`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unfinished {
    chain_id: u64,
    genesis: Option<B256>,
    deployer: Address,
    options: DeployOptions,
    contracts: BTreeMap<String, Address>,
    /// The contract being deployed, and the deployer's nonce at the start.
    under_way: Option<(String, u64)>,
    /// First block that may hold events of the contracts.
    first_block: Option<u64>,
    sent: Vec<Sent>,
}

impl Deployment {
    /// Deploys all contracts, binds them together and checks them; also returns every transaction. Not resumable; see
    /// [`Deployment::deploy_to`] for that.
    pub async fn deploy(
        wallet: &Wallet,
        artifacts: &Artifacts,
        options: &DeployOptions,
    ) -> Result<(Deployment, Vec<Sent>)> {
        Steps::new(wallet, artifacts, *options, None).await?.run().await
    }

    /// Deploys all contracts and writes their addresses to `file`. After an interruption the same call resumes:
    /// deployed contracts are recorded in `file.unfinished`, the transaction in flight in the journal
    /// ([`crate::Options::journal`]). If `file` exists and has the same options, nothing is sent.
    pub async fn deploy_to(
        wallet: &Wallet,
        artifacts: &Artifacts,
        options: &DeployOptions,
        file: &Path,
    ) -> Result<(Deployment, Vec<Sent>)> {
        if file.exists() {
            let there = Deployment::load(file)?;
            let differs = |cause: String| ChainError::AlreadyDeployed { path: file.to_owned(), cause };
            there.same_options(wallet.address(), options).map_err(differs)?;
            return match there.check(wallet.chain(), artifacts).await {
                Ok(()) => Ok((there, Vec::new())),
                Err(error) if error.is_transient() => Err(error),
                Err(error) => Err(differs(error.to_string())),
            };
        }
        let mut aside = file.as_os_str().to_owned();
        aside.push(".unfinished");
        let aside = PathBuf::from(aside);
        let steps = Steps::new(wallet, artifacts, *options, Some(aside.clone())).await?;
        let (deployment, sent) = steps.run().await?;
        deployment.save(file)?;
        std::fs::remove_file(&aside).map_err(|e| ChainError::File { path: aside, cause: e.to_string() })?;
        Ok((deployment, sent))
    }

    fn same_options(&self, deployer: Address, options: &DeployOptions) -> Result<(), String> {
        let owner = options.owner.unwrap_or(deployer);
        let guardian = options.guardian.unwrap_or(owner);
        let same = |what: &str, found: String, asked: String| match found == asked {
            true => Ok(()),
            false => Err(format!("its {what} is {found}, not {asked}")),
        };
        same("owner", self.owner.to_string(), owner.to_string())?;
        same("guardian", self.guardian.to_string(), guardian.to_string())?;
        same("thaw period", self.thaw_seconds.to_string(), options.thaw_seconds.to_string())?;
        let asked = options.challenge_seconds.to_string();
        same("challenge period", self.challenge_seconds.to_string(), asked)?;
        same("delay of circuits", self.circuit_delay.to_string(), options.circuit_delay.to_string())?;
        let token = |address: Option<Address>| address.map_or("a test token".to_owned(), |a| a.to_string());
        let found = (!self.test_token).then_some(self.token.address);
        same("token", token(found), token(options.token))
    }
}

struct Steps<'a> {
    wallet: &'a Wallet,
    artifacts: &'a Artifacts,
    state: Unfinished,
    file: Option<PathBuf>,
}

impl<'a> Steps<'a> {
    /// Starts a deployment, or resumes the one that an earlier run recorded.
    async fn new(
        wallet: &'a Wallet,
        artifacts: &'a Artifacts,
        options: DeployOptions,
        file: Option<PathBuf>,
    ) -> Result<Steps<'a>> {
        options.check(wallet.chain(), wallet.address()).await?;
        let (chain_id, deployer) = (wallet.chain().id(), wallet.address());
        let genesis = wallet.chain().genesis().await?;
        let (contracts, sent) = (BTreeMap::new(), Vec::new());
        let mut state =
            Unfinished { chain_id, genesis, deployer, options, contracts, under_way: None, first_block: None, sent };
        if let Some(path) = file.as_ref().filter(|path| path.exists()) {
            let wrong = |cause: String| ChainError::CannotContinue { path: path.clone(), cause };
            let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
            let left: Unfinished = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
            let (began_on, here) =
                (ChainName { id: left.chain_id, genesis: left.genesis }, ChainName { id: chain_id, genesis });
            if !began_on.may_be(&here) {
                return Err(wrong(format!("it was begun on another chain ({}), or this one was reset", left.chain_id)));
            }
            if left.deployer != deployer {
                return Err(wrong(format!("{} began it, and the key is that of {deployer}", left.deployer)));
            }
            if left.options != options {
                return Err(wrong(format!("it was begun with {:?}", left.options)));
            }
            tracing::info!(contracts = left.contracts.len(), "resuming an interrupted deployment");
            state = left;
        }
        let steps = Steps { wallet, artifacts, state, file };
        for (name, address) in &steps.state.contracts {
            steps.stands(name, *address).await?;
        }
        Ok(steps)
    }

    /// Checks that a contract deployed by an earlier run is still there and matches the local build.
    async fn stands(&self, name: &str, address: Address) -> Result<()> {
        let path = self.file.clone().unwrap_or_default();
        let difference = match self.code(name, address).await {
            Err(ChainError::NoCode { .. }) => Some("no code; is the node behind, or was the chain reset?".to_owned()),
            code => self.artifacts.load(name)?.difference(&code?),
        };
        match difference {
            None => Ok(()),
            Some(difference) => {
                let cause = format!("{name} at {address} is not the local build ({difference})");
                Err(ChainError::CannotContinue { path, cause })
            }
        }
    }

    async fn run(mut self) -> Result<(Deployment, Vec<Sent>)> {
        let options = self.state.options;
        let owner = options.owner.unwrap_or(self.state.deployer);
        let guardian = options.guardian.unwrap_or(owner);
        if self.state.first_block.is_none() {
            self.state.first_block = Some(self.wallet.chain().block_number().await?.saturating_add(1));
        }
        let token = match options.token {
            Some(address) => address,
            None => self.deploy("TestToken", &[]).await?,
        };
        let timelock =
            self.deploy("CircuitTimelock", &(owner, U256::from(options.circuit_delay)).abi_encode_params()).await?;
        let gate = self.deploy("ProofGate", &(timelock, guardian).abi_encode_params()).await?;
        let datasets = self.deploy("DatasetRegistry", &(gate, token).abi_encode_params()).await?;
        let agents = self.deploy("AgentRegistry", &(gate, datasets).abi_encode_params()).await?;
        let call = IDatasetRegistry::bindAgentRegistryCall { registry: agents };
        let bind = Call::new(self.wallet.chain(), datasets, "bind the agent registry", &call, |events| {
            events.one::<IDatasetRegistry::AgentRegistryBound>()
        });
        self.bind(&bind, datasets, &IDatasetRegistry::agentRegistryCall {}, agents).await?;
        let weights = self.deploy("AgreedWeights", &(agents, options.challenge_seconds).abi_encode_params()).await?;
        let arguments = (token, gate, agents, datasets, weights, options.thaw_seconds, owner);
        let escrow = self.deploy("SessionEscrow", &arguments.abi_encode_params()).await?;
        let call = IAgreedWeights::bindEscrowCall { escrow };
        let bind = Call::new(self.wallet.chain(), weights, "bind the escrow contract", &call, |events| {
            events.one::<IAgreedWeights::EscrowBound>()
        });
        self.bind(&bind, weights, &IAgreedWeights::sessionEscrowCall {}, escrow).await?;
        let evaluations = self.deploy("Evaluations", &agents.abi_encode()).await?;
        let tribute = self.deploy("Tribute", &(escrow, evaluations).abi_encode_params()).await?;

        let deployment = Deployment {
            chain_id: self.state.chain_id,
            block: self.state.first_block.unwrap_or_default(),
            deployer: self.state.deployer,
            owner,
            guardian,
            thaw_seconds: options.thaw_seconds,
            challenge_seconds: options.challenge_seconds,
            circuit_delay: options.circuit_delay,
            circuit_timelock: self.deployed("CircuitTimelock", timelock).await?,
            proof_gate: self.deployed("ProofGate", gate).await?,
            dataset_registry: self.deployed("DatasetRegistry", datasets).await?,
            agent_registry: self.deployed("AgentRegistry", agents).await?,
            session_escrow: self.deployed("SessionEscrow", escrow).await?,
            agreed_weights: self.deployed("AgreedWeights", weights).await?,
            evaluations: self.deployed("Evaluations", evaluations).await?,
            tribute: self.deployed("Tribute", tribute).await?,
            token: self.deployed("token", token).await?,
            test_token: options.token.is_none(),
        };
        caught_up(self.wallet.chain(), || deployment.check(self.wallet.chain(), self.artifacts)).await?;
        Ok((deployment, self.state.sent))
    }

    async fn code(&self, name: &str, address: Address) -> Result<Bytes> {
        caught_up(self.wallet.chain(), || code_at(self.wallet.chain(), name, address)).await
    }

    /// A contract with the hash of its code.
    async fn deployed(&self, name: &str, address: Address) -> Result<Deployed> {
        Ok(Deployed { address, code_hash: code_hash(&self.code(name, address).await?) })
    }

    /// Deploys a contract and records its address, unless an earlier run did.
    async fn deploy(&mut self, name: &str, arguments: &[u8]) -> Result<Address> {
        if let Some(address) = self.state.contracts.get(name) {
            return Ok(*address);
        }
        let message = Wallet::deployment(name, self.artifacts.load(name)?.with_arguments(arguments));
        let (address, sent) = match self.wallet.resume(&message).await? {
            Some((sent, receipt)) => (self.wallet.created(&receipt)?, Some(sent)),
            None => match self.unrecorded(name).await? {
                Some(address) => (address, None),
                None => {
                    self.begin(name).await?;
                    let (sent, receipt) = caught_up(self.wallet.chain(), || self.wallet.send(&message)).await?;
                    (self.wallet.created(&receipt)?, Some(sent))
                }
            },
        };
        // recorded before it is looked for, since a node may be behind
        self.state.contracts.insert(name.to_owned(), address);
        self.state.sent.extend(sent);
        self.write()?;
        Ok(address)
    }

    /// Records which contract comes next, and from which nonce on it may have been deployed.
    async fn begin(&mut self, name: &str) -> Result<()> {
        if self.state.under_way.as_ref().is_some_and(|(under_way, _)| under_way == name) {
            return Ok(());
        }
        let nonce = self.wallet.chain().mined_nonce(self.state.deployer).await?;
        self.state.under_way = Some((name.to_owned(), nonce));
        self.write()
    }

    /// Finds a contract that an earlier run deployed but did not live to record. Its address follows from the nonce;
    /// whether it is bound to the right contracts is checked at the end, as for all contracts. A node may be behind the
    /// one that the earlier run asked.
    async fn unrecorded(&self, name: &str) -> Result<Option<Address>> {
        let Some((_, first)) = self.state.under_way.as_ref().filter(|(under_way, _)| under_way == name) else {
            return Ok(None);
        };
        let (chain, artifact) = (self.wallet.chain(), self.artifacts.load(name)?);
        let look = || async {
            for nonce in *first..chain.mined_nonce(self.state.deployer).await? {
                let address = self.state.deployer.create(nonce);
                let code = chain.code(address).await?;
                if !code.is_empty() && artifact.difference(&code).is_none() {
                    return Ok(Some(address));
                }
            }
            Ok(None)
        };
        repeated(chain, look, |found| matches!(found, Ok(None))).await
    }

    /// Binds one contract to another, unless it is already: `bound` reads what `contract` is bound to.
    async fn bind<C: SolCall, T, R: SolCall<Return = Address>>(
        &mut self,
        bind: &Call<C, T>,
        contract: Address,
        bound: &R,
        to: Address,
    ) -> Result<()> {
        let wallet = self.wallet;
        let sent = match wallet.resume(bind.message()).await? {
            Some((sent, _)) => Some(sent),
            None => {
                let attempt = || async move {
                    match wallet.chain().read(contract, bound).await? == to {
                        true => Ok(None),
                        false => Ok(Some(bind.send(wallet).await?.sent)),
                    }
                };
                caught_up(wallet.chain(), attempt).await?
            }
        };
        self.state.sent.extend(sent);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let wrong = |e: serde_json::Error| ChainError::File { path: path.clone(), cause: e.to_string() };
        write_whole(path, &(serde_json::to_string_pretty(&self.state).map_err(wrong)? + "\n"))
    }
}
