//! A schema's ranges from rows that stay apart.
//!
//! Names, classes and categories come with the owner's template. For [`Range::Standard`], every node sums how many values each
//! numeric feature has, the values and their squares, as exact integers under masks: only the sums over all participants can be
//! read, and mean and standard deviation follow from them. For [`Range::MinMax`], every participant discloses its own smallest and
//! largest values. Nothing else is possible: a quantile is no sum.
//!
//! There is one round, and a node answers it once.

use serde::{Deserialize, Serialize};
use tribute_core::digest::{keccak, Digest};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;
use tribute_core::numbers::COUNT_LIMIT_BITS;
use tribute_core::schema::{Feature, Schema};
use tribute_core::{I256, U256};
use tribute_records::Range;

use crate::answer::{signed_by_node, Answer};
use crate::consent::{check_members, Consent, NodeKeys};
use crate::mask::Masks;
use crate::refusal::Refusal;
use crate::request::{
    canonical, check_count, check_length, check_names, check_program, check_text, parse, MOST_NAME, MOST_PURPOSE,
    MOST_SCHEMA,
};

/// Fractional bits of a value, which is rounded to them before it is summed.
pub const VALUE_BITS: u32 = 48;
/// Values stay below this power of two in magnitude. Sums of values and of squares are then exact in 256 bits.
pub const VALUE_LIMIT_BITS: u32 = 44;
/// A standard deviation that is not zero is at least 2^-this. Rounding then moves an end by less than a tenth of one of the 256 steps.
const LEAST_DEVIATION_BITS: u32 = 36;
/// Bytes of a sum. An answer has three for each numeric feature.
const WORD: usize = 32;

/// A request to find ranges. Its canonical JSON identifies it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangesRequest {
    /// Version of the program: [`crate::request::PROGRAM`].
    pub program: String,
    /// Who asks.
    pub owner: AccountAddress,
    /// Counts the owner's requests for these ranges, from 0.
    pub attempt: u32,
    /// What the schema is for, in the owner's words.
    pub purpose: String,
    /// Canonical JSON of a schema: names, classes and categories. The ranges of its numeric features are to be found, a real target's
    /// stays.
    pub template: String,
    /// How ranges are chosen.
    pub range: Range,
    /// Who takes part, in order.
    pub participants: Vec<Seat>,
}

/// One participant: an account at its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// The account.
    pub account: AccountAddress,
    /// URL of its node.
    pub node: String,
}

/// What one participant's values of a numeric feature sum up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moments {
    count: U256,
    /// In units of 2^-[`VALUE_BITS`], two's complement.
    sum: U256,
    /// In units of 2^-2·[`VALUE_BITS`].
    squares: U256,
}

impl RangesRequest {
    /// Parses and checks a request.
    ///
    /// # Errors
    /// If it is not the canonical JSON of a request whose ranges can be found.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let request: RangesRequest = parse(json, "tribute request schema ask")?;
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

    /// Whether this program answers it.
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
        check_length("template", &self.template, MOST_SCHEMA)?;
        let template = self.template()?;
        check_names("template", &template)?;
        if template.canonical() != self.template {
            return refuse("template", "is not canonical JSON".into());
        }
        if template.extractor().is_some() {
            let why =
                "is of a model's features, whose one range `tribute schema infer --extractor` chooses from a sample";
            return refuse("template", why.into());
        }
        if numeric(&template).next().is_none() {
            return refuse("template", "has no numeric feature: its ranges are all known".into());
        }
        if self.range == Range::Quantile {
            let why = "quantiles cannot be found from rows that stay apart: they are no sums. Ask for standard ranges, or for minmax, \
                       if all participants disclose their smallest and largest values";
            return refuse("range", why.into());
        }
        check_count(self.participants.len())?;
        for (i, seat) in self.participants.iter().enumerate() {
            check_text("participants", &seat.node, MOST_NAME)?;
            if self.participants[..i].iter().any(|other| other.account == seat.account) {
                return refuse("participants", format!("{} is listed twice", seat.account));
            }
        }
        Ok(())
    }

    /// The template.
    pub fn template(&self) -> Result<Schema, Refusal> {
        Schema::from_json(&self.template).map_err(|e| Refusal::request("template", e.to_string()))
    }

    /// Names of the numeric features, in order.
    pub fn names(&self) -> Result<Vec<String>, Refusal> {
        let template = self.template()?;
        let names = numeric(&template).map(|i| template.features()[i].name.clone()).collect();
        Ok(names)
    }

    /// Position of an account among the participants.
    #[must_use]
    pub fn position(&self, account: AccountAddress) -> Option<usize> {
        self.participants.iter().position(|seat| seat.account == account)
    }

    /// Number of bytes of a participant's numbers.
    pub fn bytes(&self) -> Result<usize, Refusal> {
        let features = numeric(&self.template()?).count();
        Ok(features * if self.range == Range::Standard { 3 * WORD } else { 16 })
    }

    /// Digest of the one query, on which the masks depend.
    fn query() -> Digest {
        keccak(b"tribute.ranges.v1")
    }
}

/// The positions of the numeric features of a schema: those that are no category.
pub fn numeric(schema: &Schema) -> impl Iterator<Item = usize> + '_ {
    let category = |i: usize| schema.categories().iter().any(|c| (c.first..c.first + c.values.len()).contains(&i));
    (0..schema.features().len()).filter(move |i| !category(*i))
}

/// A participant's numbers, in plain, from its values of each numeric feature, in order; values that are missing are left out.
/// They go to its own node only.
///
/// # Errors
/// [`Refusal::Values`] with the feature, if a value is beyond the fixed-point range, or all are too small for it.
pub fn numbers(request: &RangesRequest, values: &[Vec<f64>]) -> Result<Vec<u8>, Refusal> {
    let template = request.template()?;
    let positions: Vec<usize> = numeric(&template).collect();
    if positions.len() != values.len() {
        return Err(Refusal::internal("values of another number of features than the template's"));
    }
    let mut bytes = Vec::with_capacity(request.bytes()?);
    for (position, values) in positions.iter().zip(values) {
        let feature = || template.features()[*position].name.clone();
        if request.range == Range::MinMax {
            let (least, most) =
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
            bytes.extend(least.to_le_bytes().into_iter().chain(most.to_le_bytes()));
            continue;
        }
        let mut total = Moments::default();
        for x in values {
            let units = (x * f64::from(VALUE_BITS).exp2()).round_ties_even();
            if units.is_nan() || units.abs() >= f64::from(VALUE_BITS + VALUE_LIMIT_BITS).exp2() {
                let why = format!(
                    "{x:e} is not below 2^{VALUE_LIMIT_BITS} in magnitude: divide the column by a power of ten"
                );
                return Err(Refusal::Values { feature: feature(), why });
            }
            let units = I256::from(units as i128);
            total.count += 1;
            total.sum = total.sum.wrapping_add(units.as_u256());
            total.squares += (units * units).as_u256();
        }
        if total.squares == 0 && values.iter().any(|x| *x != 0.0) {
            let why = format!("its values are all below 2^-{VALUE_BITS}: multiply the column by a power of ten");
            return Err(Refusal::Values { feature: feature(), why });
        }
        for word in [total.count, total.sum, total.squares] {
            bytes.extend(word.to_le_bytes());
        }
    }
    Ok(bytes)
}

/// A node's answer: the participant's numbers, under masks if they are sums, signed.
///
/// # Errors
/// [`Refusal`], for instance if a consent is missing, or is not to these keys.
pub fn answer(
    request: &RangesRequest,
    account: AccountAddress,
    keys: &NodeKeys,
    consents: &[Consent],
    numbers: &[u8],
) -> Result<Answer, Refusal> {
    check_consents(request, consents)?;
    let own = request
        .position(account)
        .filter(|own| consents[*own].mask_key == keys.mask_key() && consents[*own].answer_key == keys.answer_key());
    let own = own.ok_or(Refusal::OtherKeys { account })?;
    if numbers.len() != request.bytes()? {
        return Err(Refusal::internal("stored numbers of another request"));
    }
    let mut sent = numbers.to_vec();
    if request.range == Range::Standard {
        let mut words = words(numbers);
        Masks::new(request.id(), own, keys, consents)?.apply_words(&RangesRequest::query(), &mut words);
        sent = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    }
    let signature = keys.sign(&crate::answer::digest(request.id(), &RangesRequest::query(), &sent))?;
    Ok(Answer { numbers: sent, signature })
}

/// The consents to a request: one of every participant, in order.
///
/// # Errors
/// [`Refusal::Consent`].
pub fn check_consents(request: &RangesRequest, consents: &[Consent]) -> Result<(), Refusal> {
    let accounts: Vec<AccountAddress> = request.participants.iter().map(|seat| seat.account).collect();
    check_members(request.id(), &accounts, consents)
}

/// The schema, from one answer of every participant, in order: the template with the ranges that [`Range`] would have chosen from
/// all rows in one place. The ends of standard ranges differ from those by at most `5.5·2^-49`, the rounding of values, beside
/// the rounding of `f64`.
///
/// # Errors
/// [`Refusal::Answer`] with the participant whose answer is missing or is not its node's; [`Refusal::Values`] with the feature
/// whose sums no values have.
pub fn schema(request: &RangesRequest, consents: &[Consent], answers: &[Answer]) -> Result<Schema, Refusal> {
    check_consents(request, consents)?;
    let bytes = request.bytes()?;
    for (i, consent) in consents.iter().enumerate() {
        let refused = |why: String| Refusal::Answer { account: consent.account, round: 0, why };
        let answer = answers.get(i).ok_or_else(|| refused("is missing: ranges need all participants".into()))?;
        if !signed_by_node(consent, &RangesRequest::query(), answer) {
            return Err(refused("is not signed by its node for this request".into()));
        }
        if answer.numbers.len() != bytes {
            return Err(refused(format!("has {} bytes, {bytes} are needed", answer.numbers.len())));
        }
    }
    let template = request.template()?;
    let mut features = template.features().to_vec();
    for (k, position) in numeric(&template).enumerate() {
        let feature = &mut features[position];
        let (lo, hi) = match request.range {
            Range::Standard => standard(&feature.name, &summed(answers, k))?,
            _ => extremes(&feature.name, consents, answers, k)?,
        };
        *feature = Feature { name: feature.name.clone(), lo, hi };
    }
    let schema = Schema::new(
        template.name().to_owned(),
        features,
        template.target().clone(),
        template.extractor().map(Into::into),
    )
    .and_then(|schema| schema.with_categories(template.categories().to_vec()));
    schema.map_err(|e| Refusal::request("template", e.to_string()))
}

/// The words of an answer.
fn words(bytes: &[u8]) -> Vec<U256> {
    bytes.as_chunks::<WORD>().0.iter().map(|b| U256::from_le_bytes(*b)).collect()
}

/// The sums of a numeric feature over all answers.
fn summed(answers: &[Answer], feature: usize) -> Moments {
    let mut total = Moments::default();
    for answer in answers {
        let at = &words(&answer.numbers[feature * 3 * WORD..(feature + 1) * 3 * WORD]);
        total.count = total.count.wrapping_add(at[0]);
        total.sum = total.sum.wrapping_add(at[1]);
        total.squares = total.squares.wrapping_add(at[2]);
    }
    total
}

/// [`Range::DEVIATIONS`] on each side of the mean.
fn standard(name: &str, m: &Moments) -> Result<(f64, f64), Refusal> {
    let refused = |why: &str| Refusal::Values { feature: name.into(), why: why.into() };
    let impossible = || {
        refused("no values have such sums: a node sent other numbers than its data's. Which one cannot be told from a sum; ask again")
    };
    if m.count == 0 {
        return Err(refused("no participant has a value of it: leave it out of the template"));
    }
    let magnitude = m.sum.as_i256().unsigned_abs();
    if m.count >> COUNT_LIMIT_BITS != 0
        || magnitude > m.count << (VALUE_BITS + VALUE_LIMIT_BITS)
        || m.squares > m.count << (2 * (VALUE_BITS + VALUE_LIMIT_BITS))
    {
        return Err(impossible());
    }
    // n·Σx² − (Σx)², below 2^237, is n² times the variance
    let (all, square) = (m.count * m.squares, magnitude * magnitude);
    if all < square {
        return Err(impossible());
    }
    let scale = m.count.as_f64() * f64::from(VALUE_BITS).exp2();
    let mean = m.sum.as_i256().as_f64() / scale;
    let deviation = (all - square).as_f64().sqrt() / scale;
    if deviation > 0.0 && deviation < (-f64::from(LEAST_DEVIATION_BITS)).exp2() {
        return Err(refused(
            "its values differ too little for fixed-point sums: have all participants multiply it by a power of ten",
        ));
    }
    Ok(Range::widened(mean - Range::DEVIATIONS * deviation, mean + Range::DEVIATIONS * deviation))
}

/// From the smallest value that a participant disclosed to the largest.
fn extremes(name: &str, consents: &[Consent], answers: &[Answer], feature: usize) -> Result<(f64, f64), Refusal> {
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    for (consent, answer) in consents.iter().zip(answers) {
        let at = answer.numbers[16 * feature..16 * (feature + 1)].as_chunks::<8>().0;
        let (least, most) = (f64::from_le_bytes(at[0]), f64::from_le_bytes(at[1]));
        let none = (least, most) == (f64::INFINITY, f64::NEG_INFINITY);
        let whole = least <= most && least.is_finite() && most.is_finite();
        if !(none || whole) {
            let why = format!("says that `{name}` runs from {least:e} to {most:e}, which no values do");
            return Err(Refusal::Answer { account: consent.account, round: 0, why });
        }
        (lo, hi) = (lo.min(least), hi.max(most));
    }
    if lo > hi {
        let why = "no participant has a value of it: leave it out of the template".into();
        return Err(Refusal::Values { feature: name.into(), why });
    }
    Ok(Range::widened(lo, hi))
}
