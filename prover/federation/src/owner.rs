//! The owner's side of a training: collects one answer of every participant, sums them, goes on to the next query.
//!
//! The journal has every answer before it counts and the state after each round, so the owner resumes wherever it stopped.
//! Whatever was lost is asked again, and nodes give the same bytes.

use serde::{Deserialize, Serialize};

use crate::answer::{self, Answer};
use crate::consent::{check_all, Consent};
use crate::node::Call;
use crate::numbers::Format;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::rule::{Next, Rule};

/// Durable storage of the owner's side of one training. Errors are texts for people.
pub trait Journal {
    /// The state that was kept last.
    ///
    /// # Errors
    /// If it cannot be read.
    fn state(&self) -> Result<Option<State>, String>;
    /// Keeps the state, atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    fn keep_state(&self, state: &State) -> Result<(), String>;
    /// The factors that were kept with a round's state.
    ///
    /// # Errors
    /// If they cannot be read.
    fn factors(&self, round: u32) -> Result<Vec<u8>, String>;
    /// Keeps the factors of a round's state, before the state, atomically.
    ///
    /// # Errors
    /// If they cannot be written.
    fn keep_factors(&self, round: u32, factors: &[u8]) -> Result<(), String>;
    /// A participant's answer to a round, if it was kept.
    ///
    /// # Errors
    /// If it cannot be read.
    fn answer(&self, round: u32, participant: usize) -> Result<Option<Answer>, String>;
    /// Keeps an answer, atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    fn keep_answer(&self, round: u32, participant: usize, answer: &Answer) -> Result<(), String>;
}

/// Where the owner is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The consents that the training began with.
    pub consents: Vec<Consent>,
    /// The rule.
    pub rule: Rule,
}

/// The owner's side.
#[derive(Debug)]
pub struct Owner<'a, J> {
    request: &'a Request,
    journal: J,
    state: State,
    /// Answers to the round that is being asked.
    answers: Vec<Option<Answer>>,
    /// Answers to the round before.
    previous: Vec<Answer>,
}

impl<'a, J: Journal> Owner<'a, J> {
    /// Begins a training, or resumes it from the journal.
    ///
    /// # Errors
    /// [`Refusal`], for instance if a consent is missing, or the journal is of a training with other consents.
    pub fn open(request: &'a Request, consents: Vec<Consent>, journal: J) -> Result<Self, Refusal> {
        check_all(request, &consents)?;
        let mut state = match journal.state().map_err(Refusal::Internal)? {
            Some(state) if state.consents == consents => state,
            Some(_) => {
                return Err(Refusal::Ended(
                    "the journal is of a training with other consents: a participant has consented again since, so ask again with a further attempt",
                ))
            }
            None => {
                let state = State { consents, rule: Rule::start(request)? };
                journal.keep_state(&state).map_err(Refusal::Internal)?;
                state
            }
        };
        if let Some(round) = state.rule.lacks_factors() {
            state.rule.take_factors(request, &journal.factors(round).map_err(Refusal::Internal)?)?;
        }
        let (answers, previous) = (Vec::new(), Vec::new());
        let mut owner = Owner { request, journal, state, answers, previous };
        owner.read_answers()?;
        Ok(owner)
    }

    /// What comes next.
    #[must_use]
    pub fn next(&self) -> Next {
        self.state.rule.next()
    }

    /// The rule, for progress.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.state.rule
    }

    /// The consents.
    #[must_use]
    pub fn consents(&self) -> &[Consent] {
        &self.state.consents
    }

    /// Answers to the last complete round.
    #[must_use]
    pub fn previous(&self) -> &[Answer] {
        &self.previous
    }

    /// What to send to a participant for `query`.
    #[must_use]
    pub fn call(&self, query: &Query) -> Call {
        let first = query.round == 0;
        Call {
            round: query.round,
            query: query.digest(),
            consents: if first { self.state.consents.clone() } else { Vec::new() },
            previous: self.previous.clone(),
        }
    }

    /// Participants that have not answered the current round.
    #[must_use]
    pub fn missing(&self) -> Vec<usize> {
        self.answers.iter().enumerate().filter(|(_, a)| a.is_none()).map(|(i, _)| i).collect()
    }

    /// Takes a participant's answer to the current round.
    ///
    /// # Errors
    /// [`Refusal::Answer`], which names the participant.
    pub fn accept(&mut self, participant: usize, answer: Answer) -> Result<(), Refusal> {
        let Next::Ask(query) = self.next() else {
            return Err(Refusal::Ended("the training has reached the optimum"));
        };
        let consent = &self.state.consents[participant];
        let format = Format::of(self.request, &query.asks)?;
        answer::check(&format, consent, query.round, &query.digest(), &answer)?;
        self.journal.keep_answer(query.round, participant, &answer).map_err(Refusal::Internal)?;
        self.answers[participant] = Some(answer);
        Ok(())
    }

    /// Goes on to the next query, once all have answered.
    ///
    /// # Errors
    /// [`Refusal`], if the sum cannot be that of honest answers.
    pub fn advance(&mut self) -> Result<Next, Refusal> {
        let Next::Ask(query) = self.next() else { return Ok(self.next()) };
        let answers: Vec<Answer> = self.answers.iter().flatten().cloned().collect();
        let sums = answer::sum(self.request, &self.state.consents, &query, &answers)?;
        let mut state = self.state.clone();
        state.rule.advance(self.request, &sums)?;
        if let Next::Ask(next) = state.rule.next() {
            if next.round >= self.request.rounds {
                return Err(Refusal::Rounds { rounds: self.request.rounds });
            }
        }
        if let Some(factors) = state.rule.fresh_factors() {
            self.journal.keep_factors(state.rule.round(), &factors).map_err(Refusal::Internal)?;
        }
        self.journal.keep_state(&state).map_err(Refusal::Internal)?;
        self.state = state;
        self.previous = answers;
        self.answers = vec![None; self.request.participants.len()];
        Ok(self.next())
    }

    /// Reads the answers to the current round and to the one before from the journal.
    fn read_answers(&mut self) -> Result<(), Refusal> {
        let members = self.request.participants.len();
        let round = self.state.rule.round();
        let read = |round, i| self.journal.answer(round, i).map_err(Refusal::Internal);
        let answers = (0..members).map(|i| read(round, i)).collect::<Result<_, _>>()?;
        if let Some(before) = round.checked_sub(1) {
            let lost = "the journal lost an answer of the round before: it cannot be asked again";
            self.previous =
                (0..members).map(|i| read(before, i)?.ok_or(Refusal::Ended(lost))).collect::<Result<_, _>>()?;
        }
        self.answers = answers;
        Ok(())
    }
}
