//! Reports the contracts' events as they happen, and those that a reorganisation removed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use alloy::dyn_abi::EventExt as _;
use alloy::json_abi::Event;
use alloy::primitives::B256;
use alloy::rpc::types::Log;
use serde::{Deserialize, Serialize};

use crate::abi::contracts;
use crate::contracts::Contracts;
use crate::error::Result;
use crate::revert::show;
use crate::sync::{logs, UNSETTLED};

/// Events of OpenZeppelin's contracts that ours are built on.
const LIBRARY_EVENTS: &[&str] = &[
    "event OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner)",
    "event Paused(address account)",
    "event Unpaused(address account)",
    "event EIP712DomainChanged()",
];

/// One event, with its operands by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedEvent {
    /// True if a reorganisation removed this reported event.
    pub removed: bool,
    /// Number of the block.
    pub block: u64,
    /// Hash of the block.
    pub block_hash: B256,
    /// Hash of the transaction.
    pub tx: B256,
    /// Index of the log in the block.
    pub index: u64,
    /// Name of the contract.
    pub contract: String,
    /// Name of the event; `Unknown` if none of our contracts declares it.
    pub event: String,
    /// Operands by name, in the order of the declaration.
    pub operands: Vec<(String, String)>,
}

impl fmt::Display for ReportedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let removed = if self.removed { "removed by a reorganisation: " } else { "" };
        write!(f, "block {}: {removed}{}", self.block, self.event)?;
        for (name, value) in &self.operands {
            // owners write metadata and nodes as they like: a terminal must not obey them
            match value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
                true => write!(f, " {name}={value}")?,
                false => write!(f, " {name}={value:?}")?,
            }
        }
        write!(f, " (transaction {})", self.tx)
    }
}

/// Polls for the contracts' events.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// First block whose events may still change.
    next: u64,
    /// Events already reported from such blocks, by block and index.
    reported: BTreeMap<(u64, u64), ReportedEvent>,
}

impl Watcher {
    /// Reports events from block `from` on.
    #[must_use]
    pub fn new(from: u64) -> Watcher {
        Watcher { next: from, reported: BTreeMap::new() }
    }

    /// Changes since the last poll: first the events that a reorganisation removed, newest first, then the new ones in
    /// order. An event counts as removed only if its block was replaced: a node behind another has no such block yet.
    /// After an error nothing is changed.
    pub async fn poll(&mut self, contracts: &Contracts) -> Result<Vec<ReportedEvent>> {
        let head = contracts.chain().block_number().await?;
        let (mut now, mut kept) = (BTreeMap::new(), BTreeMap::new());
        for log in logs(contracts, self.next, head).await? {
            let event = report(contracts, &log);
            now.insert((event.block, event.index), event);
        }
        let mut blocks: BTreeMap<u64, B256> = now.values().map(|event| (event.block, event.block_hash)).collect();
        let mut news = Vec::new();
        for (place, event) in self.reported.iter().rev().filter(|(place, event)| now.get(place) != Some(event)) {
            let hash = match blocks.get(&event.block) {
                Some(hash) => Some(*hash),
                None => contracts.chain().block(event.block).await?.map(|block| block.hash),
            };
            let hash = *blocks.entry(event.block).or_insert(hash.unwrap_or(event.block_hash));
            if hash == event.block_hash && !now.contains_key(place) {
                kept.insert(*place, event.clone());
            } else {
                news.push(ReportedEvent { removed: true, ..event.clone() });
            }
        }
        news.extend(
            now.iter().filter(|(place, event)| self.reported.get(place) != Some(event)).map(|(_, event)| event.clone()),
        );
        now.append(&mut kept);
        let settled = head.saturating_sub(UNSETTLED);
        self.next = self.next.max(settled + 1);
        now.retain(|(block, _), _| *block >= self.next);
        self.reported = now;
        Ok(news)
    }
}

/// Decodes the event in a log; the operands of an unknown one are its raw topics and data.
fn report(contracts: &Contracts, log: &Log) -> ReportedEvent {
    let (event, operands) = decode(log).unwrap_or_else(|| {
        let topics = log.topics().iter().map(|t| ("topic".to_owned(), t.to_string()));
        ("Unknown".to_owned(), topics.chain([("data".to_owned(), log.data().data.to_string())]).collect())
    });
    ReportedEvent {
        removed: false,
        block: log.block_number.unwrap_or_default(),
        block_hash: log.block_hash.unwrap_or_default(),
        tx: log.transaction_hash.unwrap_or_default(),
        index: log.log_index.unwrap_or_default(),
        contract: contracts
            .deployment()
            .contract_at(log.address())
            .map_or_else(|| log.address().to_string(), str::to_owned),
        event,
        operands,
    }
}

fn decode(log: &Log) -> Option<(String, Vec<(String, String)>)> {
    let event = known().get(log.topic0()?)?;
    let decoded = event.decode_log(log.data()).ok()?;
    let (mut indexed, mut body) = (decoded.indexed.iter(), decoded.body.iter());
    let operands = event.inputs.iter().map(|input| {
        let value = if input.indexed { indexed.next() } else { body.next() };
        (input.name.clone(), value.map(show).unwrap_or_default())
    });
    Some((event.name.clone(), operands.collect()))
}

/// Every event by its selector.
fn known() -> &'static BTreeMap<B256, Event> {
    static KNOWN: LazyLock<BTreeMap<B256, Event>> = LazyLock::new(|| {
        let contracts = contracts();
        let ours = contracts.iter().flat_map(|(_, abi)| abi.events()).cloned();
        let others = LIBRARY_EVENTS.iter().filter_map(|declaration| Event::parse(declaration).ok());
        ours.chain(others).map(|event| (event.selector(), event)).collect()
    });
    &KNOWN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::ISessionEscrow;
    use alloy::primitives::{Address, U256};
    use alloy::sol_types::SolEvent;

    #[test]
    fn an_event_is_reported_by_its_name_and_operands() {
        assert!(known().len() > 30 + LIBRARY_EVENTS.len());
        let event = ISessionEscrow::QueriesClaimed {
            session: B256::repeat_byte(7),
            agentId: B256::repeat_byte(8),
            version: 1,
            count: 5,
            transcript: U256::MAX,
            paid: 5,
            queries: 3,
            amount: U256::from(60),
        };
        let log = Log {
            inner: alloy::primitives::Log { address: Address::ZERO, data: event.encode_log_data() },
            ..Default::default()
        };
        let (name, operands) = decode(&log).unwrap();
        assert_eq!(name, "QueriesClaimed");
        let names: Vec<&str> = operands.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["session", "agentId", "version", "count", "transcript", "paid", "queries", "amount"]);
        assert_eq!((operands[3].1.as_str(), operands[7].1.as_str()), ("5", "60"));
    }

    #[test]
    fn a_text_in_an_event_gives_a_terminal_no_orders() {
        let event = |node: &str| ReportedEvent {
            removed: false,
            block: 7,
            block_hash: B256::ZERO,
            tx: B256::ZERO,
            index: 0,
            contract: "DatasetRegistry".to_owned(),
            event: "NodeSet".to_owned(),
            operands: vec![("node".to_owned(), node.to_owned())],
        };
        assert!(event("https://node.example").to_string().starts_with("block 7: NodeSet node=https://node.example ("));
        assert!(event("\u{1b}[2J\n").to_string().starts_with("block 7: NodeSet node=\"\\u{1b}[2J\\n\" ("));
    }
}
