//! A node's rounds in a real database. In every round every node dies twice, before its write and after it, and its database is opened
//! again before every call: one answer for each round, and the same weights.

use std::path::Path;

use alloy::signers::local::PrivateKeySigner;
use tokio::runtime::Runtime;
use tribute_core::head::lambda_units;
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId, ShardDigest, SrsDigest};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_custody::{Custody, KeySource};
use tribute_federation::node::{Call, Store, Stored};
use tribute_federation::request::PROGRAM;
use tribute_federation::rule::{Next, Rule};
use tribute_federation::{answer, Answer, Asked, Consent, Lot, Node, NodeKeys, Participant, Refusal, Request, ShardOf};
use tribute_service::registry::training::{Rounds, Trainings};
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

const NODES: usize = 3;
const RECORDS: usize = 60;
const CLASSES: usize = 10;

/// A node's records, made up.
fn records(features: usize, node: usize) -> Records {
    let mut records = Records::new(features);
    for i in (node..).step_by(NODES).take(RECORDS) {
        let row: Vec<u8> = (0..features).map(|j| ((i * (j + 7) + i * i * (j % 5 + 1)) % 256) as u8).collect();
        let class = (usize::from(row[0]) + usize::from(row[features / 2])) / 52;
        records.push(&row, class as u16);
    }
    records
}

/// A request to train on them. With 202 features it has more than 2,000 weights, and steps by conjugate gradients.
fn request(features: usize, accounts: &[PrivateKeySigner]) -> Request {
    let feature = |i| Feature { name: format!("f{i}"), lo: 0.0, hi: 1.0 };
    let classes = Target::Classes((0..CLASSES).map(|u| u.to_string()).collect());
    let schema = Schema::new("a test".into(), (0..features).map(feature).collect(), classes, None).unwrap();
    let participants = accounts.iter().zip(1..).map(|(key, i)| Participant {
        account: key.address().into_array().into(),
        node: format!("http://node{i}:7410"),
        datasets: vec![Lot {
            dataset: DatasetId::new([i + 100; 32]),
            shards: vec![ShardOf { digest: ShardDigest::new([i; 32]), records: RECORDS as u64 }],
        }],
    });
    let request = Request {
        program: PROGRAM.into(),
        chain_id: 0,
        agent_registry: Hex([0; 20]),
        owner: Hex([9; 20]),
        agent: AgentId::ZERO,
        version: 1,
        attempt: 0,
        purpose: "a test".into(),
        schema: schema.canonical(),
        k: 15,
        columns: 8,
        intercept_scale: 0,
        srs: SrsDigest::ZERO,
        link: Link::Softmax,
        lambda: lambda_units(1e-2).unwrap(),
        price: "0".into(),
        data_bps: 0,
        rounds: 200,
        openings: 4,
        participants: participants.collect(),
    };
    request.check().unwrap();
    request
}

/// A node's store, in a process that dies at its next write.
struct Dying {
    rounds: Rounds,
    /// Before the write takes effect (`Some(false)`), after it (`Some(true)`), or not.
    dies: Option<bool>,
}

impl Store for Dying {
    fn load(&self) -> Result<Option<Stored>, String> {
        self.rounds.load()
    }
    fn factors(&self, round: u32) -> Result<Vec<u8>, String> {
        self.rounds.factors(round)
    }
    fn store(&self, next: &Stored, factors: Option<&[u8]>) -> Result<Option<Stored>, String> {
        if self.dies == Some(false) {
            return Err("kill -9".into());
        }
        let stored = self.rounds.store(next, factors)?;
        if self.dies.is_some() {
            return Err("kill -9".into());
        }
        Ok(stored)
    }
}

async fn open(folder: &Path) -> Trainings {
    let db = Database::open(&format!("sqlite:{}", folder.join("t.db").display())).await.unwrap();
    let artefacts = Artefacts::in_folder(&folder.join("artefacts")).unwrap();
    let custody = Custody::open(db.clone(), artefacts, &KeySource::in_folder(folder)).await.unwrap();
    Trainings::new(db, custody)
}

/// Trains; with `deaths`, every node dies before and after every write. Returns the weights and the number of rounds.
fn train(features: usize, deaths: bool) -> (Vec<i64>, u32) {
    let runtime = Runtime::new().unwrap();
    let _guard = runtime.enter();
    let accounts: Vec<PrivateKeySigner> =
        (1..=NODES).map(|i| PrivateKeySigner::from_slice(&[i as u8; 32]).unwrap()).collect();
    let request = request(features, &accounts);
    let folders: Vec<_> = accounts.iter().map(|_| tempfile::tempdir().unwrap()).collect();
    let mut keys: Vec<NodeKeys> = Vec::new();
    for (participant, folder) in request.participants.iter().zip(&folders) {
        keys.push(runtime.block_on(async {
            let trainings = open(folder.path()).await;
            trainings.ask(&Asked::Training(Box::new(request.clone())), participant.account).await.unwrap();
            trainings.keys(request.id(), participant.account).await.unwrap()
        }));
    }
    let consents: Vec<Consent> = (accounts.iter().zip(&keys))
        .map(|(key, node)| Consent::sign(key, request.id(), node.mask_key(), node.answer_key()).unwrap())
        .collect();
    let answered = |i: usize, call: &Call, dies: Option<bool>| -> Result<Answer, Refusal> {
        let account = request.participants[i].account;
        let trainings = runtime.block_on(open(folders[i].path()));
        // the keys are those that were stored
        let keys = runtime.block_on(trainings.keys(request.id(), account)).unwrap();
        let store = Dying { rounds: trainings.store(request.id(), account), dies };
        let answer = Node::new(&request, account, &keys, store).answer(call, || Ok::<_, Refusal>(records(features, i)));
        runtime.block_on(trainings.database().pool().close());
        answer
    };

    let mut rule = Rule::start(&request).unwrap();
    let mut previous: Vec<Answer> = Vec::new();
    loop {
        let query = match rule.next() {
            Next::Ask(query) => query,
            Next::Finished(weights) => return (weights, rule.round()),
        };
        let first = if query.round == 0 { consents.clone() } else { Vec::new() };
        let call = Call { round: query.round, query: query.digest(), consents: first, previous };
        previous = (0..NODES)
            .map(|i| {
                if deaths {
                    for after in [false, true] {
                        assert_eq!(answered(i, &call, Some(after)).unwrap_err(), Refusal::Internal("kill -9".into()));
                    }
                    // what was stored is what everybody gets, also after another start
                    assert_eq!(answered(i, &call, Some(true)).unwrap(), answered(i, &call, None).unwrap());
                    let other = Call { query: [7; 32], ..call.clone() };
                    assert_eq!(answered(i, &other, None).unwrap_err(), Refusal::Answered { round: query.round });
                }
                answered(i, &call, None).unwrap()
            })
            .collect();
        let sums = answer::sum(&request, &consents, &query, &previous).unwrap();
        rule.advance(&request, &sums).unwrap();
        let trainings = runtime.block_on(open(folders[0].path()));
        let count = runtime.block_on(trainings.rounds(request.id(), request.participants[0].account)).unwrap();
        assert_eq!(count, rule.round(), "each round is stored once");
    }
}

#[test]
fn nodes_die_before_and_after_every_write() {
    assert_eq!(train(12, true), train(12, false));
}

/// A large model: factors are stored beside the state, in the same transaction, and kept until there are others.
#[test]
fn nodes_of_a_large_model_start_again_from_stored_factors() {
    let (weights, rounds) = train(202, false);
    assert_eq!(weights.len(), 203 * CLASSES);
    assert!(rounds > 20, "{rounds} rounds");
}
