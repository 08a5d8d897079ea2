//! A life cycle of the contracts on a real anvil. Its verifier accepts exactly the calldata that a test commits to, as
//! in the contracts' own tests: it is for testing clients, not circuits.

use std::path::Path;

use alloy::sol_types::SolCall as _;
use tribute_chain::agents::{Gradient, NewVersion};
use tribute_chain::chain::code_hash;
use tribute_chain::claims::Claim;
use tribute_chain::datasets::{GrantTerms, NewDataset};
use tribute_chain::sessions::NewSession;
use tribute_chain::{
    Address, Anvil, Artifacts, Chain, Contracts, DeployOptions, Deployed, Deployment, Message, NewCircuit, Options,
    PrivateKeySigner, SignedVoucher, Voucher, Wallet, U256,
};
use tribute_core::context::Terms;
use tribute_core::digest::keccak;
use tribute_core::hexed::Hex;
use tribute_core::id::{
    AgentId, CircuitId, DatasetId, KeyDigest, LayoutHash, ModelDigest, SchemaId, SessionId, SrsDigest, Transcript,
    WeightsDigest,
};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::proof::Proof;
use tribute_core::statement::Statement;

use crate::ROOT;

mod verifier {
    #![allow(missing_docs)]
    alloy::sol! {
        function commit(uint256[] inputs, bytes proof);
    }
}

/// Statements that have a circuit here.
pub const STATEMENTS: [Statement; 4] =
    [Statement::Dataset, Statement::Gradient, Statement::Optimum, Statement::Service];
/// Number of columns of a shard, including labels.
pub const COLUMNS: u16 = 9;
/// λ = 1e-3, in units of 2^-44.
pub const LAMBDA: u64 = 17_592_186_044;
/// Part of the fees that goes to data, in basis points.
pub const DATA_BPS: u16 = 6_000;
/// Price of an answer, in token units.
pub const PRICE: u128 = 1_000;
/// Escrow of a session, in token units.
pub const ESCROW: u128 = 1_000_000;
/// Contributions of the datasets, in units of 2^-45; their sum is slightly above nλ‖W‖².
pub const CONTRIBUTIONS: [u64; 2] = [800_000_000_000_000, 400_000_000_000_000];

/// The artifacts built by forge.
#[must_use]
pub fn artifacts() -> Artifacts {
    Artifacts::at(&Path::new(ROOT).join("verifier-contract/out")).expect("run `make setup`")
}

/// Contracts on a chain, with the wallets of all participants.
#[derive(Debug)]
pub struct World {
    /// The node.
    pub anvil: Anvil,
    /// A connection to the node.
    pub chain: Chain,
    /// The contracts.
    pub contracts: Contracts,
    /// Owner of the proof gate.
    pub admin: Wallet,
    /// Owner of the first dataset.
    pub ada: Wallet,
    /// Owner of the second dataset.
    pub ben: Wallet,
    /// Owner of the agent.
    pub olga: Wallet,
    /// A client.
    pub cleo: Wallet,
    /// Key that signs vouchers.
    pub session_key: PrivateKeySigner,
    /// The verifier of all circuits.
    pub verifier: Deployed,
    /// The circuits of [`STATEMENTS`].
    pub circuits: [CircuitId; 4],
    /// Hash of the layout of all circuits.
    pub layout: LayoutHash,
}

/// A certified agent and its datasets.
#[derive(Debug)]
pub struct Certified {
    /// The agent.
    pub agent: AgentId,
    /// The agent's version.
    pub version: u32,
    /// Ada's and Ben's datasets.
    pub datasets: [DatasetId; 2],
}

impl World {
    /// Starts a chain and deploys the contracts.
    pub async fn new() -> World {
        World::with(Options::default()).await
    }

    /// The same, with these connection options.
    pub async fn with(options: Options) -> World {
        let anvil = Anvil::start().unwrap();
        let chain = Chain::connect_with(anvil.url(), options).await.unwrap();
        let wallet = |i: usize| Wallet::new(&chain, anvil.keys()[i].clone());
        let (admin, ada, ben, olga, cleo) = (wallet(0), wallet(1), wallet(2), wallet(3), wallet(4));
        let (deployment, _) = Deployment::deploy(&admin, &artifacts(), &DeployOptions::default()).await.unwrap();
        let contracts = Contracts::new(&chain, deployment).unwrap();
        let creation = artifacts().load("CommittedVerifier").unwrap().creation;
        let (address, _) = admin.deploy("CommittedVerifier", creation).await.unwrap();
        let code_hash = code_hash(&chain.code(address).await.unwrap());
        let layout = layout().hash();
        let session_key = anvil.keys()[10].clone();
        let mut world = World {
            chain,
            contracts,
            admin,
            ada,
            ben,
            olga,
            cleo,
            session_key,
            layout,
            anvil,
            verifier: Deployed { address, code_hash },
            circuits: [CircuitId::ZERO; 4],
        };
        for (i, statement) in STATEMENTS.into_iter().enumerate() {
            let circuit = world.circuit(statement.code());
            let done = world.contracts.register_circuit(&world.admin, &circuit, world.verifier).await.unwrap();
            assert_eq!(done.event, circuit.id(&code_hash));
            world.circuits[i] = done.event;
        }
        world
    }

    /// The parameters with which a circuit is registered.
    #[must_use]
    pub fn circuit(&self, statement: u8) -> NewCircuit {
        let (input_count, link, group_columns) = match statement {
            1 => (2, 0, vec![COLUMNS]),
            2 => (2, 3, vec![COLUMNS, 1, 1]),
            3 => (5, 0, vec![1, 1]),
            4 => (4, 3, vec![COLUMNS, 1]),
            _ => (49, 0, vec![1]),
        };
        NewCircuit {
            statement,
            layout: self.layout,
            link,
            proof_length: u32::from(group_columns.iter().sum::<u16>()) * 64 + 64,
            group_columns,
            input_count,
            gas_cap: 300_000,
            srs: SrsDigest::new(keccak(b"srs")),
            verifying_key: KeyDigest::new(keccak(&[statement])),
        }
    }

    /// Makes the verifier accept these inputs with a proof that begins with `committed`.
    pub async fn proof(&self, statement: Statement, inputs: Vec<U256>, committed: &[u8]) -> Proof {
        let bytes = [committed, &points("rest", 1)].concat();
        let place = STATEMENTS.iter().position(|s| *s == statement).unwrap();
        let words = inputs.iter().map(|x| Hex(x.to_be_bytes())).collect();
        let call = verifier::commitCall { inputs, proof: bytes.clone().into() };
        let message = Message::new("commit", Some(self.verifier.address), call.abi_encode().into(), U256::ZERO);
        self.admin.send(&message).await.unwrap();
        Proof { statement, circuit: self.circuits[place], inputs: words, bytes }
    }

    /// Registers a dataset of one shard, whose commitments are derived from `seed`.
    pub async fn register(&self, owner: &Wallet, seed: &str, records: u64) -> DatasetId {
        let new = self.register_params();
        let ctx = self.contracts.shard_context(owner.address(), &new, &self.layout, 0, records).await.unwrap();
        let inputs = vec![ctx, U256::from(records)];
        let proof = self.proof(Statement::Dataset, inputs, &points(seed, COLUMNS)).await;
        let done = self.contracts.register_dataset(&new, &[proof]).send(owner).await.unwrap();
        assert_eq!(done.event.owner, owner.address());
        assert_eq!(done.event.records, records);
        done.event.dataset
    }

    /// Parameters of every dataset.
    #[must_use]
    pub fn register_params(&self) -> NewDataset {
        let terms = Terms { min_data_bps: 5_000, ..Terms::default() };
        NewDataset { schema: SchemaId::new(keccak(b"schema")), circuit: self.circuits[0], terms }
    }

    /// Terms of a grant with this number of uses, valid for a day.
    pub async fn grant_terms(&self, uses: u32) -> GrantTerms {
        GrantTerms { uses, expiry: self.chain.time().await.unwrap() + 86_400, ..GrantTerms::default() }
    }

    /// Parameters of every version.
    #[must_use]
    pub fn version_params(&self) -> NewVersion {
        let [_, gradient, optimum, service] = self.circuits;
        NewVersion {
            layout: layout(),
            lambda: LAMBDA,
            link: Link::Softmax,
            price: PRICE,
            data_bps: DATA_BPS,
            weights: weights(),
            gradient,
            optimum,
            service,
            model: ModelDigest::new(keccak(b"agent.onnx")),
        }
    }

    /// A closed version of Olga's agent that lists these datasets.
    pub async fn closed(&self, agent: &AgentId, datasets: &[DatasetId]) -> u32 {
        let version = self.contracts.propose(agent, &self.version_params()).send(&self.olga).await.unwrap().event;
        let listed = self.contracts.add_datasets(agent, version, datasets).send(&self.olga).await.unwrap();
        assert_eq!(listed.event.len(), datasets.len());
        self.contracts.close(agent, version).send(&self.olga).await.unwrap();
        version
    }

    /// The gradient proof of a dataset's only shard, committed from `seed`, with this point and contribution.
    pub async fn gradient(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: DatasetId,
        seed: &str,
        point: &[u8],
        contribution: u64,
    ) -> Gradient {
        let context = self.contracts.gradient_context(agent, version, &dataset, 0).await.unwrap();
        let committed = [&points(seed, COLUMNS), &points("weights", 1), point].concat();
        let proof = self.proof(Statement::Gradient, vec![context, U256::from(contribution)], &committed).await;
        Gradient { dataset, shard: 0, proof }
    }

    /// Registers Ada's 900 and Ben's 500 records, and certifies Olga's agent on both.
    pub async fn certified(&self) -> Certified {
        let datasets = [self.register(&self.ada, "ada", 900).await, self.register(&self.ben, "ben", 500).await];
        for (owner, dataset) in [(&self.ada, &datasets[0]), (&self.ben, &datasets[1])] {
            let terms = self.grant_terms(2).await;
            self.contracts.grant_training(dataset, self.olga.address(), terms).send(owner).await.unwrap();
        }
        let name = tribute_chain::agents::short_name("digits").unwrap();
        let agent = self.contracts.create_agent(name, "https://digits.example").send(&self.olga).await.unwrap().event;
        let version = self.certify(&agent, datasets).await;
        Certified { agent, version, datasets }
    }

    /// Certifies another version of Olga's agent on Ada's and Ben's datasets, which their grants allow once more.
    pub async fn certify(&self, agent: &AgentId, datasets: [DatasetId; 2]) -> u32 {
        let version = self.closed(agent, &datasets).await;
        let [ada, ben, sum] = gradient_points();
        let gradients = [
            self.gradient(agent, version, datasets[0], "ada", &ada, CONTRIBUTIONS[0]).await,
            self.gradient(agent, version, datasets[1], "ben", &ben, CONTRIBUTIONS[1]).await,
        ];
        let [first, last] = gradients.each_ref().map(std::slice::from_ref);
        let added = self.contracts.add_gradients(agent, version, first).send(&self.olga).await.unwrap();
        assert_eq!(added.event.len(), 1);
        let context = self.contracts.optimum_context(agent, version).await.unwrap();
        let inputs = vec![context, U256::from(1_400), U256::from(LAMBDA), U256::from(100), U256::from(5_000)];
        let proof = self.proof(Statement::Optimum, inputs, &[points("weights", 1), sum].concat()).await;
        let certify = self.contracts.add_gradients_and_certify(agent, version, last, &proof);
        let done = certify.send(&self.olga).await.unwrap();
        assert_eq!(done.event.records, 1_400);
        version
    }

    /// Parameters of a session with an agent.
    #[must_use]
    pub fn open_params(&self, certified: &Certified) -> NewSession {
        NewSession {
            agent: certified.agent,
            version: certified.version,
            price: PRICE,
            escrow: ESCROW,
            session_key: self.session_key.address(),
        }
    }

    /// Mints tokens and opens a session.
    pub async fn open(&self, client: &Wallet, certified: &Certified) -> SessionId {
        let amount = U256::from(ESCROW);
        self.contracts.mint(client.address(), amount).unwrap().send(client).await.unwrap();
        self.contracts.approve_escrow(amount).send(client).await.unwrap();
        let params = self.open_params(certified);
        self.contracts.open_session(&params).send(client).await.unwrap().event.session
    }

    /// A claim for further queries of each session, proven and signed; `slots` lists `(session, queries)`.
    pub async fn batch(&self, certified: &Certified, slots: &[(SessionId, u64)]) -> Claim {
        let domain = self.contracts.session_domain();
        let mut inputs = vec![U256::ZERO; 49];
        let mut vouchers = Vec::new();
        for (i, (session, queries)) in slots.iter().enumerate() {
            let stored = self.contracts.session(session).await.unwrap();
            let after =
                U256::from_be_bytes(keccak(&[&session.as_bytes()[..], &stored.count.to_be_bytes()].concat())) >> 8;
            inputs[1 + i] = U256::from_be_bytes(*stored.transcript.as_bytes());
            inputs[17 + i] = after;
            inputs[33 + i] = U256::from(*queries);
            let voucher = Voucher {
                session: *session,
                version: certified.version,
                count: stored.count + queries,
                transcript: Transcript::new(after.to_be_bytes()),
            };
            vouchers.push(SignedVoucher::sign(&self.session_key, &domain, voucher).unwrap());
        }
        let sessions: Vec<SessionId> = slots.iter().map(|(session, _)| *session).collect();
        inputs[0] = self.contracts.service_context(&sessions).await.unwrap();
        let proof = self.proof(Statement::Service, inputs, &points("weights", 1)).await;
        Claim { agent: certified.agent, version: certified.version, proof, vouchers }
    }

    /// Token balance of an account.
    pub async fn balance(&self, account: Address) -> U256 {
        self.contracts.token_balance(account).await.unwrap()
    }
}

/// The layout of all circuits.
#[must_use]
pub fn layout() -> Layout {
    Layout::new(15, 8, 64, 10, Task::Classes).unwrap()
}

/// Curve points that stand for the commitments to Ada's gradient, to Ben's, and to their sum, as the contract computes
/// it: once, twice and three times the generator.
#[must_use]
pub fn gradient_points() -> [Vec<u8>; 3] {
    [
        concat!(
            "0000000000000000000000000000000000000000000000000000000000000001",
            "0000000000000000000000000000000000000000000000000000000000000002"
        ),
        concat!(
            "030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3",
            "15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4"
        ),
        concat!(
            "0769bf9ac56bea3ff40232bcb1b6bd159315d84715b8e679f2d355961915abf0",
            "2ab799bee0489429554fdb7c8d086475319e63b40b9c5b57cdf1ff3dd9fe2261"
        ),
    ]
    .map(|digits| hex::decode(digits).unwrap())
}

/// Digest of the weights of every version.
#[must_use]
pub fn weights() -> WeightsDigest {
    WeightsDigest::new(keccak(&points("weights", 1)))
}

/// Placeholder points for the commitments to something named `seed`.
#[must_use]
pub fn points(seed: &str, count: u16) -> Vec<u8> {
    let coordinate = |i: u16| {
        let mut word = keccak(format!("{seed} {i}").as_bytes());
        word[0] = 0; // below the modulus
        word
    };
    (0..2 * count).flat_map(coordinate).collect()
}

/// Asserts that 7 proven queries of a session, claimed over `w.contracts`, are paid exactly once.
pub async fn assert_paid_once(w: &World, c: &Certified, session: &SessionId) {
    let stored = w.contracts.session(session).await.unwrap();
    assert_eq!((stored.count, stored.remaining), (7, ESCROW - 7 * PRICE));
    let due = w.contracts.owner_due(&c.agent, c.version).await.unwrap()
        + w.contracts.data_accrued(&c.agent, c.version).await.unwrap();
    assert_eq!(due, U256::from(7 * PRICE));
    let holdings = w.contracts.holdings().await.unwrap();
    assert_eq!(holdings.held, holdings.liabilities);
}
