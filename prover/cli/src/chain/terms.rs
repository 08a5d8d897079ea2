//! Terms of datasets and grants, and warnings about missing ones.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{json, Value};
use tribute_chain::datasets::GrantTerms;
use tribute_core::context::{list_hash, Terms};
use tribute_core::id::DatasetId;
use tribute_core::link::Link;

use crate::link_arg::LinkArg;
use crate::typed::units;

/// Terms of a grant; the stricter of these and the dataset's own terms applies.
#[derive(Clone, Debug, Args)]
pub(crate) struct GrantTermsArgs {
    /// Number of agent versions that may list the dataset.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// Days until the grant expires.
    #[arg(long, default_value_t = 365, conflicts_with = "until")]
    days: u64,
    /// Unix time, in seconds, until which the grant is valid; replaces --days.
    #[arg(long, value_name = "SECOND")]
    until: Option<u64>,
    /// Minimum share of the fees for data, in basis points; below it the agent is not certified.
    #[arg(long, value_name = "BPS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    min_share_bps: u16,
    /// Minimum part of the fees that goes to data providers, in basis points.
    #[arg(long, value_name = "BPS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    min_data_bps: u16,
    /// Minimum price of a query, in the token's base units.
    #[arg(long, value_name = "AMOUNT", default_value_t = 0, value_parser = units)]
    min_price: u128,
    /// A link function that the agent may use; repeatable. [default: logistic and softmax. Squared has to be named, here or in
    /// the dataset's terms, because under it small changes of the data move shares far]
    #[arg(long = "link", value_name = "LINK", value_enum)]
    links: Vec<LinkArg>,
    /// Also grant later versions of the dataset.
    #[arg(long)]
    covers_later: bool,
    /// The agent version must list exactly these datasets, including this one, in this order; repeatable.
    #[arg(long = "participant", value_name = "ID")]
    participants: Vec<DatasetId>,
}

impl GrantTermsArgs {
    /// The terms with a relative expiry, and the Unix time that it is relative to (0 if the expiry is absolute). So the same
    /// command a minute later makes an equal grant.
    pub(super) fn terms(&self) -> (GrantTerms, u64) {
        let (expiry, now) = match self.until {
            Some(second) => (second, 0),
            None => (self.days.saturating_mul(86_400), now()),
        };
        let terms = GrantTerms {
            uses: self.uses,
            expiry,
            links: self.links.iter().fold(0, |bits, link| bits | 1 << link.link().code()),
            min_share_bps: self.min_share_bps,
            min_data_bps: self.min_data_bps,
            min_price: self.min_price,
            covers_later: self.covers_later,
            participants: (!self.participants.is_empty()).then(|| list_hash(self.participants.iter().copied())),
        };
        (terms, now)
    }
}

/// This machine's Unix time in seconds.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The effective terms: the stricter of a dataset's terms and a grant's, one by one.
pub(super) fn effective(terms: &Terms, grant: &GrantTerms) -> Value {
    json!({
        "min_share_bps": terms.min_share_bps.max(grant.min_share_bps),
        "min_data_bps": terms.min_data_bps.max(grant.min_data_bps),
        "min_price": terms.min_price.max(grant.min_price).to_string(),
        "links": names(both(terms.links, grant.links)),
        "list": grant.participants.map(|hash| format!("0x{}", hex::encode(hash))),
    })
}

/// The links that both terms and a grant allow, as a bit set. 0 is a wildcard, but never for the squared link, which one of
/// them has to name.
fn both(terms: u8, grant: u8) -> u8 {
    let either = |links: u8| if links == 0 { u8::MAX } else { links };
    let squared = 1 << Link::Squared.code();
    either(terms) & either(grant) & (terms | grant | !squared)
}

/// The links that terms or a grant alone allow.
pub(crate) fn links(bits: u8) -> Vec<&'static str> {
    names(both(bits, 0))
}

fn names(bits: u8) -> Vec<&'static str> {
    let all = [Link::Squared, Link::Logistic, Link::Softmax];
    all.into_iter().filter(|link| bits >> link.code() & 1 == 1).map(Link::name).collect()
}

/// One warning for each minimum that is 0. `named`: the grant fixes the list of datasets, so that nobody can dilute shares.
pub(crate) fn unset(min_share_bps: u16, min_data_bps: u16, min_price: u128, named: bool) -> Vec<&'static str> {
    let mut all = Vec::new();
    if min_share_bps == 0 && !named {
        all.push(
            "no least share: anyone who trains can list other datasets beside yours, even made-up ones, and leave you next \
             to nothing of the fees for data (--min-share-bps, of 10,000; or fix the list with --participant)",
        );
    }
    if min_data_bps == 0 {
        all.push("no least part for data: an agent may keep all of its fees (--min-data-bps, of 10,000)");
    }
    if min_price == 0 {
        all.push("no least price: an agent may answer for next to nothing (--min-price, in the token's base units)");
    }
    all
}

/// Prints these warnings on standard error, followed by `then` if there are any.
pub(crate) fn warn(unset: &[&str], then: &str) {
    for what in unset {
        note!("warning: {what}");
    }
    if !unset.is_empty() {
        note!("{then}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_terms_and_grant_counts() {
        let terms = Terms { min_data_bps: 3_000, min_share_bps: 10, links: 0b1100, ..Terms::default() };
        let grant = GrantTerms { min_share_bps: 20, min_price: 7, links: 0b1010, ..GrantTerms::default() };
        let value = effective(&terms, &grant);
        assert_eq!(value["min_share_bps"], 20);
        assert_eq!(value["min_data_bps"], 3_000);
        assert_eq!(value["min_price"], "7");
        assert_eq!(value["links"], json!(["softmax"]));
        assert_eq!(links(0), ["logistic", "softmax"], "the squared link has to be named");
        let either_names_it = [(0b0010, 0), (0, 0b0110), (0b0010, 0b0010)];
        assert!(either_names_it.iter().all(|(terms, grant)| names(both(*terms, *grant)).contains(&"squared")));
        assert!(names(both(0b1100, 0b0010)).is_empty());
    }

    #[test]
    fn each_least_value_that_is_missing_is_told_once() {
        assert_eq!(unset(0, 0, 0, false).len(), 3);
        assert_eq!(unset(0, 0, 0, true).len(), 2);
        assert_eq!(unset(1, 1, 1, false).len(), 0);
        assert!(unset(1, 0, 1, false)[0].contains("--min-data-bps"));
    }
}
