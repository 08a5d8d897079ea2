//! Every party dies at every write, before it takes effect or after it, and starts again from what was stored: the training ends with the
//! same weights, and no node ever gives two answers to a round.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tribute_federation::node::{Call, Store, Stored};
use tribute_federation::owner::{Journal, State};
use tribute_federation::rule::Next;
use tribute_federation::{Answer, Node, Owner, Refusal};

use crate::setting::{Diary, Memory, Setting};

const DIES: &str = "kill -9";

/// When parties die.
struct Fate<'a> {
    /// By the number of a write: whether the party dies before it (`Some(false)`), after it (`Some(true)`), or not.
    strikes: &'a dyn Fn(u32) -> Option<bool>,
    writes: Cell<u32>,
    deaths: Cell<u32>,
}

impl<'a> Fate<'a> {
    fn new(strikes: &'a dyn Fn(u32) -> Option<bool>) -> Self {
        Fate { strikes, writes: Cell::new(0), deaths: Cell::new(0) }
    }

    fn write<T>(&self, write: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let number = self.writes.replace(self.writes.get() + 1);
        let strikes = (self.strikes)(number);
        let done = if strikes == Some(false) { None } else { Some(write()?) };
        match done {
            Some(done) if strikes.is_none() => Ok(done),
            _ => {
                self.deaths.set(self.deaths.get() + 1);
                Err(DIES.into())
            }
        }
    }
}

/// A store or journal of a party that can die.
struct Mortal<'a, S>(S, &'a Fate<'a>);

impl Store for Mortal<'_, &Memory> {
    fn load(&self) -> Result<Option<Stored>, String> {
        self.0.load()
    }
    fn factors(&self, round: u32) -> Result<Vec<u8>, String> {
        Store::factors(&self.0, round)
    }
    fn store(&self, next: &Stored, factors: Option<&[u8]>) -> Result<Option<Stored>, String> {
        self.1.write(|| self.0.store(next, factors))
    }
}

impl Journal for Mortal<'_, &Diary> {
    fn state(&self) -> Result<Option<State>, String> {
        self.0.state()
    }
    fn keep_state(&self, state: &State) -> Result<(), String> {
        self.1.write(|| self.0.keep_state(state))
    }
    fn factors(&self, round: u32) -> Result<Vec<u8>, String> {
        Journal::factors(&self.0, round)
    }
    fn keep_factors(&self, round: u32, factors: &[u8]) -> Result<(), String> {
        self.1.write(|| self.0.keep_factors(round, factors))
    }
    fn answer(&self, round: u32, participant: usize) -> Result<Option<Answer>, String> {
        self.0.answer(round, participant)
    }
    fn keep_answer(&self, round: u32, participant: usize, answer: &Answer) -> Result<(), String> {
        self.1.write(|| self.0.keep_answer(round, participant, answer))
    }
}

/// One training among mortals.
struct World<'a> {
    setting: &'a Setting,
    stores: Vec<Memory>,
    diary: Diary,
    fate: Fate<'a>,
    /// Every answer that left a node, with its query.
    given: RefCell<HashMap<(usize, u32), (Call, Answer)>>,
}

impl World<'_> {
    /// A node's answer; it is started again until it lives to give one.
    fn ask(&self, i: usize, call: &Call) -> Answer {
        loop {
            let account = self.setting.request.participants[i].account;
            let store = Mortal(&self.stores[i], &self.fate);
            let node = Node::new(&self.setting.request, account, &self.setting.keys[i], store);
            match node.answer(call, || Ok::<_, Refusal>(self.setting.records[i].clone())) {
                Err(Refusal::Internal(why)) if why == DIES => {}
                answer => {
                    let answer = answer.unwrap();
                    let mut given = self.given.borrow_mut();
                    let (first, same) = given.entry((i, call.round)).or_insert_with(|| (call.clone(), answer.clone()));
                    assert_eq!(
                        (first.query, &*same),
                        (call.query, &answer),
                        "two answers of node {i} to round {}",
                        call.round
                    );
                    return answer;
                }
            }
        }
    }

    /// The owner's side, until it ends or dies.
    fn life(&self) -> Result<Vec<i64>, Refusal> {
        let mut owner = Owner::open(&self.setting.request, self.setting.consents(), Mortal(&self.diary, &self.fate))?;
        loop {
            let query = match owner.next() {
                Next::Finished(weights) => return Ok(weights),
                Next::Ask(query) => query,
            };
            let call = owner.call(&query);
            for i in owner.missing() {
                owner.accept(i, self.ask(i, &call))?;
            }
            owner.advance()?;
        }
    }
}

/// Trains while fate strikes; returns the weights with the numbers of writes and deaths.
fn train(setting: &Setting, strikes: &dyn Fn(u32) -> Option<bool>) -> (Vec<i64>, u32, u32) {
    let world = World {
        setting,
        stores: setting.records.iter().map(|_| Memory::default()).collect(),
        diary: Diary::default(),
        fate: Fate::new(strikes),
        given: RefCell::default(),
    };
    loop {
        match world.life() {
            Err(Refusal::Internal(why)) if why == DIES => {}
            weights => return (weights.unwrap(), world.fate.writes.get(), world.fate.deaths.get()),
        }
    }
}

#[test]
fn a_death_at_any_write_changes_nothing() {
    let setting = Setting::wine();
    let (expected, writes, _) = train(&setting, &|_| None);
    assert!(writes > 7 * 7, "{writes} writes");
    for write in 0..writes {
        for after in [false, true] {
            let (weights, _, deaths) = train(&setting, &|number| (number == write).then_some(after));
            assert_eq!((&weights, deaths), (&expected, 1), "write {write}, after it: {after}");
        }
    }
}

#[test]
fn many_deaths_change_nothing() {
    let setting = Setting::wine();
    let (expected, ..) = train(&setting, &|_| None);
    for seed in 0..40 {
        let random = RefCell::new(StdRng::seed_from_u64(seed));
        let strikes = |_| {
            let mut random = random.borrow_mut();
            random.gen_bool(0.4).then(|| random.gen_bool(0.5))
        };
        let (weights, _, deaths) = train(&setting, &strikes);
        assert_eq!(weights, expected, "seed {seed}");
        assert!(deaths > 5, "{deaths} deaths");
    }
}

/// A large model stores factors beside its state. Every third write is a death, before it or after it in turns.
#[test]
fn deaths_around_factors_change_nothing() {
    let setting = Setting::large(1e-1);
    let (expected, writes, _) = train(&setting, &|_| None);
    let (weights, _, deaths) = train(&setting, &|number| (number % 3 == 0).then_some(number % 2 == 0));
    assert_eq!(weights, expected);
    assert!(deaths > writes / 3, "{deaths} deaths, {writes} writes");
}
