//! A request with its participants, their records, nodes and stores in memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use alloy::signers::local::PrivateKeySigner;
use tribute_core::head::{lambda_units, Weights};
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId, ShardDigest, SrsDigest};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_federation::node::{Call, Store, Stored};
use tribute_federation::owner::{Journal, State};
use tribute_federation::request::PROGRAM;
use tribute_federation::rule::Next;
use tribute_federation::{Answer, Consent, Lot, Node, NodeKeys, Owner, Participant, Refusal, Request, ShardOf};
use tribute_records::{Options, Predicts, Range, Source};

/// Reads a CSV of `examples/` with the schema inferred from it.
pub(crate) fn example(file: &str) -> (Schema, Records) {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(file))
}

/// Reads a CSV with the schema inferred from it.
pub(crate) fn read(path: &Path) -> (Schema, Records) {
    let options = Options::default();
    let source = Source::open(path, &options).unwrap();
    let schema = source.infer("a test", Predicts::Classes, Range::MinMax, &options).unwrap().into_schema().unwrap();
    let records = source.records(&schema, &options).unwrap().into_records().unwrap();
    (schema, records)
}

/// A node's store in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What was stored last, as bytes: what is read back is what a disk would give.
    pub(crate) last: RefCell<Option<Vec<u8>>>,
    factors: RefCell<HashMap<u32, Vec<u8>>>,
    /// Whether the next write fails.
    pub(crate) fails: RefCell<bool>,
}

impl Memory {
    /// Cuts the factors stored with a round.
    pub(crate) fn lose_factors(&self, round: u32) {
        self.factors.borrow_mut().get_mut(&round).unwrap().pop();
    }
}

impl Store for &Memory {
    fn load(&self) -> Result<Option<Stored>, String> {
        Ok(self.last.borrow().as_ref().map(|bytes| serde_json::from_slice(bytes).unwrap()))
    }
    fn factors(&self, round: u32) -> Result<Vec<u8>, String> {
        self.factors.borrow().get(&round).cloned().ok_or_else(|| "no factors".into())
    }
    fn store(&self, next: &Stored, factors: Option<&[u8]>) -> Result<Option<Stored>, String> {
        if self.fails.replace(false) {
            return Err("the disk is full".into());
        }
        let last = self.load()?;
        if last.as_ref().is_some_and(|last| last.rule.round() >= next.rule.round()) {
            return Ok(last);
        }
        if let Some(factors) = factors {
            self.factors.replace(HashMap::from([(next.rule.round(), factors.to_vec())]));
        }
        self.last.replace(Some(serde_json::to_vec(next).unwrap()));
        Ok(None)
    }
}

/// An owner's journal in memory.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    state: RefCell<Option<Vec<u8>>>,
    factors: RefCell<HashMap<u32, Vec<u8>>>,
    answers: RefCell<HashMap<(u32, usize), Answer>>,
}

impl Journal for &Diary {
    fn state(&self) -> Result<Option<State>, String> {
        Ok(self.state.borrow().as_ref().map(|bytes| serde_json::from_slice(bytes).unwrap()))
    }
    fn keep_state(&self, state: &State) -> Result<(), String> {
        self.state.replace(Some(serde_json::to_vec(state).unwrap()));
        Ok(())
    }
    fn factors(&self, round: u32) -> Result<Vec<u8>, String> {
        self.factors.borrow().get(&round).cloned().ok_or_else(|| "no factors".into())
    }
    fn keep_factors(&self, round: u32, factors: &[u8]) -> Result<(), String> {
        self.factors.borrow_mut().insert(round, factors.to_vec());
        Ok(())
    }
    fn answer(&self, round: u32, participant: usize) -> Result<Option<Answer>, String> {
        Ok(self.answers.borrow().get(&(round, participant)).cloned())
    }
    fn keep_answer(&self, round: u32, participant: usize, answer: &Answer) -> Result<(), String> {
        self.answers.borrow_mut().insert((round, participant), answer.clone());
        Ok(())
    }
}

/// Everything that a training needs.
pub(crate) struct Setting {
    pub(crate) request: Request,
    pub(crate) schema: Schema,
    pub(crate) records: Vec<Records>,
    pub(crate) accounts: Vec<PrivateKeySigner>,
    pub(crate) keys: Vec<NodeKeys>,
    pub(crate) stores: Vec<Memory>,
}

impl Setting {
    pub(crate) fn new(schema: Schema, records: Vec<Records>, link: Link, lambda: f64) -> Self {
        let accounts: Vec<PrivateKeySigner> = records.iter().map(|_| PrivateKeySigner::random()).collect();
        let participants = records.iter().zip(&accounts).zip(1..).map(|((records, key), i)| {
            let shard = ShardOf { digest: ShardDigest::new([i; 32]), records: records.len() as u64 };
            Participant {
                account: key.address().into_array().into(),
                node: format!("http://node{i}:7410"),
                datasets: vec![Lot { dataset: DatasetId::new([i + 100; 32]), shards: vec![shard] }],
            }
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
            link,
            lambda: lambda_units(lambda).unwrap(),
            price: "0".into(),
            data_bps: 5_000,
            rounds: 200,
            openings: 4,
            participants: participants.collect(),
        };
        request.check().unwrap();
        let keys = records.iter().map(|_| NodeKeys::random()).collect();
        let stores = records.iter().map(|_| Memory::default()).collect();
        Setting { request, schema, records, accounts, keys, stores }
    }

    /// Wine, divided among three.
    pub(crate) fn wine() -> Self {
        let (schema, records) = example("wine.csv");
        let parts = vec![records.slice(0..90), records.slice(90..140), records.slice(140..178)];
        Setting::new(schema, parts, Link::Softmax, 1e-2)
    }

    /// More weights than a step is solved for at once, divided among three: 202 features made of the digits' 64, in 10 classes.
    pub(crate) fn large(lambda: f64) -> Self {
        let (_, digits) = example("digits.csv.gz");
        let q = |record: &[u8], i: usize| u32::from(record[i % 64]);
        let rows = digits.iter().step_by(3).map(|(record, class)| {
            let own = record.iter().map(|q| u32::from(*q)).collect::<Vec<_>>();
            let next = (0..64).map(|i| q(record, i) * q(record, i + 1) / 255);
            let below = (0..74).map(|i| q(record, i) * q(record, i + 8 + i / 64) / 255);
            let all: Vec<String> = own.into_iter().chain(next).chain(below).map(|x| x.to_string()).collect();
            format!("{},{class}", all.join(","))
        });
        let header: Vec<String> = (0..202).map(|i| format!("f{i}")).collect();
        let csv = format!("{},label\n{}\n", header.join(","), rows.collect::<Vec<_>>().join("\n"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("large-{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("large.csv");
        std::fs::write(&file, csv).unwrap();
        let (schema, records) = read(&file);
        let parts = [0, 300, 500, records.len()].windows(2).map(|w| records.slice(w[0]..w[1])).collect();
        Setting::new(schema, parts, Link::Softmax, lambda)
    }

    pub(crate) fn consents(&self) -> Vec<Consent> {
        let one = |(key, keys): (&PrivateKeySigner, &NodeKeys)| {
            Consent::sign(key, self.request.id(), keys.mask_key(), keys.answer_key()).unwrap()
        };
        self.accounts.iter().zip(&self.keys).map(one).collect()
    }

    pub(crate) fn node(&self, i: usize) -> Node<'_, &Memory> {
        Node::new(&self.request, self.request.participants[i].account, &self.keys[i], &self.stores[i])
    }

    pub(crate) fn ask(&self, i: usize, call: &Call) -> Result<Answer, Refusal> {
        self.node(i).answer(call, || Ok::<_, Refusal>(self.records[i].clone()))
    }

    pub(crate) fn owner<'a>(&'a self, diary: &'a Diary) -> Owner<'a, &'a Diary> {
        Owner::open(&self.request, self.consents(), diary).unwrap()
    }

    /// One whole round.
    pub(crate) fn round(&self, owner: &mut Owner<'_, &Diary>) -> Result<Next, Refusal> {
        let Next::Ask(query) = owner.next() else { panic!("the training has ended") };
        let call = owner.call(&query);
        for i in owner.missing() {
            owner.accept(i, self.ask(i, &call)?)?;
        }
        owner.advance()
    }

    /// A whole training: weights, rounds and bytes of one answer.
    pub(crate) fn train(&self) -> Result<(Weights, u32), Refusal> {
        let diary = Diary::default();
        let mut owner = self.owner(&diary);
        loop {
            if let Next::Finished(weights) = self.round(&mut owner)? {
                let weights = Weights::new(self.schema.features().len(), self.schema.classes(), weights).unwrap();
                return Ok((weights.with_intercept_scale(self.request.intercept_scale), owner.rule().round()));
            }
        }
    }

    /// A whole training in which every `full`-th answer is asked of a node whose disk is full first, and the owner starts again
    /// at every `lost`-th, whose first answer is lost on the way: the same weights after as many rounds as without.
    pub(crate) fn train_interrupted(&self, diary: &Diary, full: u32, lost: u32) -> Vec<i64> {
        let mut step = 0;
        loop {
            let mut owner = self.owner(diary);
            let query = match owner.next() {
                Next::Finished(weights) => return weights,
                Next::Ask(query) => query,
            };
            let Some(i) = owner.missing().first().copied() else {
                owner.advance().unwrap();
                continue;
            };
            let call = owner.call(&query);
            step += 1;
            if step % full == 0 {
                // nothing was given out, so asking again is no repetition
                self.stores[i].fails.replace(true);
                assert!(self.ask(i, &call).is_err());
            }
            let answer = self.ask(i, &call).unwrap();
            if step % lost == 0 {
                // and gets the same bytes
                drop(owner);
                owner = self.owner(diary);
                assert_eq!(self.ask(i, &owner.call(&query)).unwrap(), answer);
            }
            owner.accept(i, answer).unwrap();
        }
    }
}
