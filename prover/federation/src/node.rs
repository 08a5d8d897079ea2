//! A node's side of a training.
//!
//! The node computes each query itself, from the signed answers to the round before. It answers every round once, stores the
//! answer before it gives it out, and gives the identical bytes to whoever asks again.

use serde::{Deserialize, Serialize};
use tribute_core::digest::Digest;
use tribute_core::hexed::AccountAddress;
use tribute_core::records::Records;
use tribute_inference::train::{part, product};

use crate::answer::{self, Answer};
use crate::consent::{check_all, Consent, NodeKeys};
use crate::mask::Masks;
use crate::numbers::{Format, Sums};
use crate::query::{real, Asks, Query, DIRECTION_BITS};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::rule::{Next, Rule};

/// Durable storage of one participant's part in one training. Errors are texts for people.
pub trait Store {
    /// What was stored last.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&self) -> Result<Option<Stored>, String>;
    /// The factors that were stored with a round.
    ///
    /// # Errors
    /// If they cannot be read.
    fn factors(&self, round: u32) -> Result<Vec<u8>, String>;
    /// Stores what follows a round's answer, with the factors if there are any, durably and atomically, unless the round is stored
    /// already: then returns what is stored last. Factors are kept until others are stored.
    ///
    /// # Errors
    /// If it cannot be written.
    fn store(&self, next: &Stored, factors: Option<&[u8]>) -> Result<Option<Stored>, String>;
}

/// What a node stores with a round's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The rule's state: its next query is the one that was answered.
    pub rule: Rule,
    /// The consents, fixed with the first round.
    pub consents: Vec<Consent>,
    /// The answer.
    pub answer: Answer,
}

/// What the owner sends for a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The round, from 0.
    pub round: u32,
    /// [`Query::digest`] of the query that the owner computed, so that a difference is noticed.
    pub query: Digest,
    /// In round 0, the consents of all participants.
    pub consents: Vec<Consent>,
    /// In later rounds, all participants' answers to the round before.
    pub previous: Vec<Answer>,
}

/// One participant at its node.
#[derive(Debug)]
pub struct Node<'a, S> {
    request: &'a Request,
    account: AccountAddress,
    keys: &'a NodeKeys,
    store: S,
}

impl<'a, S: Store> Node<'a, S> {
    /// The participant `account` of a request that it consented to with these keys.
    pub fn new(request: &'a Request, account: AccountAddress, keys: &'a NodeKeys, store: S) -> Self {
        Node { request, account, keys, store }
    }

    /// Answers a round. `records` is called for a round that has not been answered; it returns the participant's records.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has been stored then.
    pub fn answer<E: From<Refusal>>(
        &self,
        call: &Call,
        records: impl FnOnce() -> Result<Records, E>,
    ) -> Result<Answer, E> {
        let last = self.load()?;
        if let Some(answer) = repeated(last.as_ref(), call)? {
            return Ok(answer);
        }
        let (rule, consents) = match &last {
            None => {
                check_all(self.request, &call.consents)?;
                (Rule::start(self.request)?, call.consents.clone())
            }
            Some(last) => (self.advanced(last, &call.previous)?, last.consents.clone()),
        };
        let own = self.position(&consents)?;
        let query = self.expected(&rule, call)?;
        let numbers = {
            let records = records()?;
            let expected = self.request.participants[own].records();
            if records.len() as u64 != expected {
                let what = format!("the records are {}, but the request counts {expected}", records.len());
                return Err(Refusal::Internal(what).into());
            }
            let schema = self.request.schema()?;
            let (loss, weights) = (self.request.loss(), query.real());
            let sums = match &query.asks {
                Asks::Point(curvature) => Sums::Point(part(&schema, &records, &loss, &weights, *curvature)),
                Asks::Product(direction) => {
                    Sums::Product(product(&schema, &records, &loss, &weights, &real(direction, DIRECTION_BITS)))
                }
            };
            let mut numbers = Format::of(self.request, &query.asks)?.encode(call.round, expected, &sums)?;
            Masks::new(self.request.id(), own, self.keys, &consents)?.apply(&call.query, &mut numbers);
            numbers.to_bytes()
        };
        let signature = self.keys.sign(&answer::digest(self.request.id(), &call.query, &numbers))?;
        let stored = Stored { rule, consents, answer: Answer { numbers, signature } };
        let factors = stored.rule.fresh_factors();
        match self.store.store(&stored, factors.as_deref()).map_err(Refusal::Internal)? {
            None => Ok(stored.answer),
            // another call for the same round came first
            Some(first) => {
                repeated(Some(&first), call)?.ok_or_else(|| Refusal::internal("a stored answer vanished").into())
            }
        }
    }

    /// The final weights, units of 2^-32, with the masks of this participant's columns, from the answers to the last round.
    ///
    /// # Errors
    /// [`Refusal`], for instance if the training has not ended.
    pub fn finish(&self, previous: &[Answer]) -> Result<(Vec<i64>, Masks), Refusal> {
        let last = self.load()?.ok_or(Refusal::Ended("no round has been answered yet"))?;
        match self.advanced(&last, previous)?.next() {
            Next::Finished(weights) => {
                let own = self.position(&last.consents)?;
                Ok((weights, Masks::new(self.request.id(), own, self.keys, &last.consents)?))
            }
            Next::Ask(_) => Err(Refusal::Ended("the training has not reached the optimum: ask the next round")),
        }
    }

    fn load(&self) -> Result<Option<Stored>, Refusal> {
        let mut last = self.store.load().map_err(Refusal::Internal)?;
        if let Some(Stored { rule, .. }) = &mut last {
            if let Some(round) = rule.lacks_factors() {
                rule.take_factors(self.request, &self.store.factors(round).map_err(Refusal::Internal)?)?;
            }
        }
        Ok(last)
    }

    /// The rule after the round that was answered last, from everybody's answers to it.
    fn advanced(&self, last: &Stored, previous: &[Answer]) -> Result<Rule, Refusal> {
        let Next::Ask(query) = last.rule.next() else {
            return Err(Refusal::internal("an answer was stored after the training's end"));
        };
        let own = self.position(&last.consents)?;
        if previous.get(own).is_some_and(|answer| *answer != last.answer) {
            let why = "is not the one that this node gave".into();
            return Err(Refusal::Answer { account: self.account, round: query.round, why });
        }
        let sums = answer::sum(self.request, &last.consents, &query, previous)?;
        let mut rule = last.rule.clone();
        rule.advance(self.request, &sums)?;
        Ok(rule)
    }

    /// The rule's query, which must be the call's.
    fn expected(&self, rule: &Rule, call: &Call) -> Result<Query, Refusal> {
        let Next::Ask(query) = rule.next() else {
            return Err(Refusal::Ended("the training has reached the optimum: there is no further round"));
        };
        if query.round >= self.request.rounds {
            return Err(Refusal::Rounds { rounds: self.request.rounds });
        }
        if query.digest() != call.query {
            return Err(Refusal::Deviates { round: call.round });
        }
        Ok(query)
    }

    /// Own position. The keys must be those of the consent.
    fn position(&self, consents: &[Consent]) -> Result<usize, Refusal> {
        let other = Refusal::OtherKeys { account: self.account };
        let own = self.request.position(self.account).ok_or_else(|| other.clone())?;
        let mine = consents.get(own).is_some_and(|consent| {
            consent.mask_key == self.keys.mask_key() && consent.answer_key == self.keys.answer_key()
        });
        mine.then_some(own).ok_or(other)
    }
}

/// The stored answer, if the call repeats the last round; `None` if it asks the next one.
fn repeated(last: Option<&Stored>, call: &Call) -> Result<Option<Answer>, Refusal> {
    let answered = last.map(|last| match last.rule.next() {
        Next::Ask(query) => Ok((query, last)),
        Next::Finished(_) => Err(Refusal::internal("an answer was stored after the training's end")),
    });
    match answered.transpose()? {
        Some((query, last)) if query.round == call.round => {
            if query.digest() == call.query {
                return Ok(Some(last.answer.clone()));
            }
            Err(Refusal::Answered { round: call.round })
        }
        Some((query, _)) if query.round + 1 != call.round => {
            Err(Refusal::Order { asked: call.round, next: query.round + 1 })
        }
        None if call.round != 0 => Err(Refusal::Order { asked: call.round, next: 0 }),
        _ => Ok(None),
    }
}
