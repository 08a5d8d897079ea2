//! The terms of a training across nodes, which every participant consents to as a whole.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tribute_core::digest::keccak;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, DatasetId, RequestId, ShardDigest, SrsDigest};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::numbers::COUNT_LIMIT_BITS;
use tribute_core::schema::{Schema, Target};
use tribute_inference::train::{check_loss, Curvature};
use tribute_inference::LossOptions;

use crate::refusal::Refusal;

/// Most rows of a system that is solved for a step. Its second derivatives cross the wire in every round.
pub const MOST_ROWS: usize = 2_000;
/// Most second derivatives in one answer: 64 MiB.
pub const MOST_DERIVATIVES: usize = 1 << 23;
/// Most rounds that a request may ask for.
pub const MOST_ROUNDS: u32 = 1_000;
/// Most participants.
pub const MOST_PARTICIPANTS: usize = 256;
/// Most bytes of the owner's words about what a request is for.
pub const MOST_PURPOSE: usize = 1_000;
/// Most bytes of a name in a schema, and of a node's URL.
pub const MOST_NAME: usize = 256;
/// Most bytes of a schema, or of a template for one.
pub const MOST_SCHEMA: usize = 1 << 18;

/// Version of the program. All nodes of a training and its owner need the same: they compute each query on their own, bit for bit.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// A request to train an agent across nodes. Its canonical JSON identifies it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Version of the program that trains: [`PROGRAM`].
    pub program: String,
    /// EIP-155 id of the chain that the proofs are for; 0 off chain.
    pub chain_id: u64,
    /// The agent registry there; zero off chain.
    pub agent_registry: AccountAddress,
    /// The agent's owner, who asks.
    pub owner: AccountAddress,
    /// The agent's id in the registry.
    pub agent: AgentId,
    /// Version of the agent that is trained.
    pub version: u32,
    /// Counts the owner's requests for this version, from 0. Every further one needs everybody's consent again.
    pub attempt: u32,
    /// What the agent is for, in the owner's words.
    pub purpose: String,
    /// Canonical JSON of the schema.
    pub schema: String,
    /// log2 of the circuits' rows.
    pub k: u32,
    /// Data columns of the circuits.
    pub columns: usize,
    /// The bias feature is `2^intercept_scale`.
    pub intercept_scale: u32,
    /// Digest of the SRS that everybody proves under.
    pub srs: SrsDigest,
    /// Link function of the loss.
    pub link: Link,
    /// λ in units of 2^-44.
    pub lambda: u64,
    /// Price of a query, in the token's smallest unit, as decimal digits.
    pub price: String,
    /// Part of the fees that goes to the datasets, in basis points.
    pub data_bps: u16,
    /// Most rounds.
    pub rounds: u32,
    /// Openings of the weights that each shard's proofs get.
    pub openings: u32,
    /// Who takes part, in the order of the agent's version.
    pub participants: Vec<Participant>,
}

/// One participant: an account with its datasets at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// The datasets' owner.
    pub account: AccountAddress,
    /// URL of its node.
    pub node: String,
    /// Its datasets.
    pub datasets: Vec<Lot>,
}

/// A dataset that takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lot {
    /// Its id.
    pub dataset: DatasetId,
    /// All of its shards, in order.
    pub shards: Vec<ShardOf>,
}

/// A shard that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardOf {
    /// Digest of its commitments.
    pub digest: ShardDigest,
    /// Number of records.
    pub records: u64,
}

impl Request {
    /// Parses and checks a request.
    ///
    /// # Errors
    /// If it is not the canonical JSON of a request that can be trained.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let request: Request = parse(json, "tribute request ask")?;
        request.check()?;
        Ok(request)
    }

    /// The canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Identifies the request.
    #[must_use]
    pub fn id(&self) -> RequestId {
        RequestId::new(keccak(&self.to_json()))
    }

    /// Whether this program trains it.
    ///
    /// # Errors
    /// [`Refusal::Request`] with both versions.
    pub fn check_program(&self) -> Result<(), Refusal> {
        check_program(&self.program)
    }

    /// Checks everything that follows from the request alone.
    ///
    /// # Errors
    /// [`Refusal::Request`].
    pub fn check(&self) -> Result<(), Refusal> {
        let refuse = |field, why: String| Err(Refusal::request(field, why));
        check_text("purpose", &self.purpose, MOST_PURPOSE)?;
        check_length("schema", &self.schema, MOST_SCHEMA)?;
        let schema = self.schema()?;
        check_names("schema", &schema)?;
        if schema.canonical() != self.schema {
            return refuse("schema", "is not canonical JSON".into());
        }
        check_loss(&schema, &self.loss()).map_err(|e| Refusal::request("loss", e.to_string()))?;
        self.layout()?;
        let (blocks, classes) = (schema.features().len() + 1, schema.classes());
        if blocks > MOST_ROWS {
            return refuse(
                "schema",
                format!("{} features are too many across nodes: use at most {}", blocks - 1, MOST_ROWS - 1),
            );
        }
        let derivatives = self.largest()?.numbers(blocks, classes);
        if derivatives > MOST_DERIVATIVES {
            return refuse(
                "schema",
                format!("{derivatives} second derivatives would be summed in one round, at most {MOST_DERIVATIVES} can be: use fewer features or classes"),
            );
        }
        if self.rounds == 0 || self.rounds > MOST_ROUNDS {
            return refuse("rounds", format!("{} is not from 1 to {MOST_ROUNDS}", self.rounds));
        }
        if self.openings == 0 {
            return refuse("openings", "a proof needs at least one".into());
        }
        if self.price.parse::<u128>().map_or(true, |p| p.to_string() != self.price) || self.data_bps > 10_000 {
            return refuse("price", "is not a whole number, or more than all of the fees goes to the datasets".into());
        }
        check_count(self.participants.len())?;
        let mut datasets = std::collections::HashSet::new();
        let mut accounts = std::collections::HashSet::new();
        for one in &self.participants {
            check_text("participants", &one.node, MOST_NAME)?;
            if !accounts.insert(one.account) {
                return refuse("participants", format!("{} is listed twice", one.account));
            }
            if one.datasets.is_empty() || one.datasets.iter().any(|lot| lot.shards.is_empty()) {
                return refuse("participants", format!("{} brings no dataset, or one without shards", one.account));
            }
            if let Some(twice) = one.datasets.iter().find(|lot| !datasets.insert(lot.dataset)) {
                return refuse("participants", format!("dataset {} is listed twice", twice.dataset));
            }
        }
        let records = self.records();
        if records == 0 || records >> COUNT_LIMIT_BITS != 0 {
            return refuse(
                "participants",
                format!("they have {records} records, from 1 to 2^{COUNT_LIMIT_BITS} - 1 can be certified"),
            );
        }
        Ok(())
    }

    /// The schema.
    pub fn schema(&self) -> Result<Schema, Refusal> {
        Schema::from_json(&self.schema).map_err(|e| Refusal::request("schema", e.to_string()))
    }

    /// The circuits' layout.
    pub fn layout(&self) -> Result<Layout, Refusal> {
        let bad = |e: &dyn std::fmt::Display| Refusal::request("layout", e.to_string());
        let layout = self.schema()?.layout(self.k, self.columns).map_err(|e| bad(&e))?;
        layout.with_intercept_scale(self.intercept_scale).map_err(|e| bad(&e))
    }

    /// The loss.
    #[must_use]
    pub fn loss(&self) -> LossOptions {
        LossOptions { link: self.link, lambda: self.lambda, intercept_scale: self.intercept_scale }
    }

    /// Records of all participants.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.participants.iter().map(Participant::records).fold(0, u64::saturating_add)
    }

    /// Position of an account among the participants.
    #[must_use]
    pub fn position(&self, account: AccountAddress) -> Option<usize> {
        self.participants.iter().position(|one| one.account == account)
    }

    /// Whether steps are found by conjugate gradients, because the second derivatives that couple all weights are too many.
    pub fn conjugate(&self) -> Result<bool, Refusal> {
        let schema = self.schema()?;
        let rows = (schema.features().len() + 1) * schema.classes();
        Ok(Curvature::of(self.link) == Curvature::Coupled && rows > MOST_ROWS)
    }

    /// The most second derivatives that a round asks.
    pub fn largest(&self) -> Result<Curvature, Refusal> {
        Ok(if self.conjugate()? { Curvature::PerClass } else { Curvature::of(self.link) })
    }

    /// Rounds that are plenty for such a request.
    pub fn usual_rounds(&self) -> Result<u32, Refusal> {
        Ok(if self.conjugate()? { 200 } else { 40 })
    }
}

/// Reads the canonical JSON of a request, as `command` writes it; what it says is not checked.
pub(crate) fn parse<R: Serialize + DeserializeOwned>(json: &[u8], command: &str) -> Result<R, Refusal> {
    let request: R =
        serde_json::from_slice(json).map_err(|e| Refusal::request("JSON", format!("is not a request: {e}")))?;
    if canonical(&request) != json {
        return Err(Refusal::request("JSON", format!("is not canonical: send the file that `{command}` wrote")));
    }
    Ok(request)
}

/// The canonical JSON of a request.
pub(crate) fn canonical<R: Serialize>(request: &R) -> Vec<u8> {
    // strings, integers and lists of them always have a JSON form
    serde_json::to_vec(request).unwrap_or_default()
}

/// How many may take part.
pub(crate) fn check_count(members: usize) -> Result<(), Refusal> {
    if (2..=MOST_PARTICIPANTS).contains(&members) {
        return Ok(());
    }
    Err(Refusal::request(
        "participants",
        format!(
            "{members} take part, at least 2 and at most {MOST_PARTICIPANTS} can: the sum over one is that one's own"
        ),
    ))
}

/// Whether a request is of this version of the program.
pub(crate) fn check_program(program: &str) -> Result<(), Refusal> {
    if program == PROGRAM {
        return Ok(());
    }
    let why = format!(
        "it was written by version {program} of Tribute, and this is {PROGRAM}: all nodes of a training and its owner need one \
         version; the owner asks again once they have it"
    );
    Err(Refusal::request("program", why))
}

/// Nodes store a request once for each participant, before anybody has approved it.
pub(crate) fn check_length(field: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() > most {
        return Err(Refusal::request(field, format!("has {} bytes, at most {most} are stored", text.len())));
    }
    Ok(())
}

/// Checks an owner's text. Participants read it before they consent, so a terminal has to show it as it is.
pub(crate) fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    check_length(field, text, most)?;
    if let Some(c) = text.chars().find(|c| is_hidden(*c)) {
        let why = format!("has the character U+{:04X}, which is not shown as it is: leave it out", u32::from(c));
        return Err(Refusal::request(field, why));
    }
    Ok(())
}

/// Checks the names in a schema.
pub(crate) fn check_names(field: &'static str, schema: &Schema) -> Result<(), Refusal> {
    check_text(field, schema.name(), MOST_NAME)?;
    let labels: &[String] = match schema.target() {
        Target::Classes(labels) => labels,
        Target::Real { .. } => &[],
    };
    let categories = schema.categories().iter().flat_map(|c| std::iter::once(&c.column).chain(&c.values));
    let features = schema.features().iter().map(|f| &f.name);
    for name in features.chain(labels).chain(categories) {
        check_text(field, name, MOST_NAME)?;
    }
    Ok(())
}

/// Control characters, and those that break, turn or hide what stands around them.
fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}');
    c.is_control() || turns || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl Participant {
    /// Its shards, in order.
    pub fn shards(&self) -> impl Iterator<Item = &ShardOf> {
        self.datasets.iter().flat_map(|lot| &lot.shards)
    }

    /// Its records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.shards().map(|shard| shard.records).fold(0, u64::saturating_add)
    }
}
