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
use tribute_federation::rule::Next;
use tribute_federation::{Answer, Consent, Lot, Node, NodeKeys, Owner, Participant, Refusal, Request, ShardOf};
use tribute_records::{Options, Predicts, Range, Source};

/// Reads a CSV of `examples/` with the schema inferred from it.
pub(crate) fn example(file: &str) -> (Schema, Records) {
    let options = Options::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(file);
    let source = Source::open(&path, &options).unwrap();
    let schema = source.infer(file, Predicts::Classes, Range::MinMax, &options).unwrap().into_schema().unwrap();
    let records = source.records(&schema, &options).unwrap().into_records().unwrap();
    (schema, records)
}

/// A node's store in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) last: RefCell<Option<Stored>>,
    /// Whether the next write fails.
    pub(crate) fails: RefCell<bool>,
}

impl Store for &Memory {
    fn load(&self) -> Result<Option<Stored>, String> {
        Ok(self.last.borrow().clone())
    }
    fn store(&self, next: &Stored) -> Result<Option<Stored>, String> {
        if self.fails.replace(false) {
            return Err("the disk is full".into());
        }
        let last = self.last.borrow().clone();
        if last.as_ref().is_some_and(|last| last.rule.round() >= next.rule.round()) {
            return Ok(last);
        }
        self.last.replace(Some(next.clone()));
        Ok(None)
    }
}

/// An owner's journal in memory.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    state: RefCell<Option<State>>,
    answers: RefCell<HashMap<(u32, usize), Answer>>,
}

impl Journal for &Diary {
    fn state(&self) -> Result<Option<State>, String> {
        Ok(self.state.borrow().clone())
    }
    fn keep_state(&self, state: &State) -> Result<(), String> {
        self.state.replace(Some(state.clone()));
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
            rounds: 40,
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
}
