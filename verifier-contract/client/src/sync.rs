//! Keeps the contracts' state up to date from their events, through reorganisations.

use std::path::Path;

use alloy::primitives::B256;
use alloy::rpc::types::{Filter, Log};
use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::contracts::Contracts;
use crate::error::{ChainError, Result};
use crate::state::Tables;

/// Number of newest blocks whose events are read again each time, so that a reorganisation in them needs no undoing.
pub(crate) const UNSETTLED: u64 = 64;

/// The contracts' state as of some block, rebuilt from events. Can be saved and resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    chain_id: u64,
    start: u64,
    /// First block that is not settled yet.
    next: u64,
    /// Hash of the block before; `None` at the start.
    settled_hash: Option<B256>,
    settled: Tables,
    /// Newest block in `current`.
    head: u64,
    current: Tables,
}

/// Outcome of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// First block read.
    pub from: u64,
    /// Newest block.
    pub to: u64,
    /// Number of events read.
    pub events: usize,
    /// True if settled blocks were replaced, so that all events were read again.
    pub rebuilt: bool,
}

impl Follower {
    /// Starts at the contracts' first block.
    #[must_use]
    pub fn new(contracts: &Contracts) -> Follower {
        let deployment = contracts.deployment();
        Follower::empty(deployment.chain_id, deployment.block)
    }

    fn empty(chain_id: u64, start: u64) -> Follower {
        Follower {
            chain_id,
            start,
            next: start,
            settled_hash: None,
            settled: Tables::default(),
            head: start.saturating_sub(1),
            current: Tables::default(),
        }
    }

    /// The contracts' state at [`Follower::head`].
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.current
    }

    /// Number of the newest block read.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Reads up to the newest block. After an error the state is unchanged.
    pub async fn follow(&mut self, contracts: &Contracts) -> Result<Followed> {
        let chain = contracts.chain();
        chain.require_id(self.chain_id)?;
        let to = chain.block_number().await?;
        let mut work = self.clone();
        let rebuilt = match (work.settled_hash, work.next.checked_sub(1)) {
            (Some(hash), Some(number)) => chain.block(number).await?.map(|b| b.hash) != Some(hash),
            _ => false,
        };
        if rebuilt {
            tracing::warn!(block = work.next - 1, "settled blocks were replaced, reading all events again");
            work = Follower::empty(self.chain_id, self.start);
        }
        let from = work.next;
        let logs = logs(contracts, from, to).await?;
        let settle = to.saturating_sub(UNSETTLED);
        for log in logs.iter().filter(|log| block_of(log) <= settle) {
            work.settled.apply(contracts.deployment(), log)?;
        }
        work.current = work.settled.clone();
        for log in logs.iter().filter(|log| block_of(log) > settle) {
            work.current.apply(contracts.deployment(), log)?;
        }
        if settle >= work.next {
            work.settled_hash = chain.block(settle).await?.map(|b| b.hash);
            work.next = settle + 1;
        }
        work.head = to;
        *self = work;
        Ok(Followed { from, to, events: logs.len(), rebuilt })
    }

    /// Writes the state to a file, to be resumed later.
    pub fn save(&self, path: &Path) -> Result<()> {
        let wrong = |cause: String| ChainError::File { path: path.to_owned(), cause };
        let text = serde_json::to_string(self).map_err(|e| wrong(e.to_string()))?;
        std::fs::write(path, text).map_err(|e| wrong(e.to_string()))
    }

    /// Reads what [`Follower::save`] wrote.
    pub fn load(path: &Path) -> Result<Follower> {
        let wrong = |cause: String| ChainError::File { path: path.to_owned(), cause };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))
    }
}

impl Contracts {
    /// All logs of the contracts in `from..=to`, in order.
    pub async fn logs(&self, from: u64, to: u64) -> Result<Vec<Log>> {
        logs(self, from, to).await
    }
}

/// All logs of the contracts in `from..=to`, in order.
pub(crate) async fn logs(contracts: &Contracts, from: u64, to: u64) -> Result<Vec<Log>> {
    let d = contracts.deployment();
    let addresses = vec![
        d.proof_gate.address,
        d.dataset_registry.address,
        d.agent_registry.address,
        d.session_escrow.address,
        d.agreed_weights.address,
        d.evaluations.address,
        d.circuit_timelock.address,
    ];
    windows(contracts.chain(), &Filter::new().address(addresses), from, to).await
}

/// All logs of a filter in `from..=to`, in order, asked for in windows that shrink if they are too large for the node.
pub(crate) async fn windows(chain: &Chain, filter: &Filter, from: u64, to: u64) -> Result<Vec<Log>> {
    let mut all = Vec::new();
    let mut start = from;
    while start <= to {
        let window = chain.log_window();
        let end = to.min(start.saturating_add(window - 1));
        let filter = filter.clone().from_block(start).to_block(end);
        let found = match end > start {
            true => chain.logs_of_range(&filter).await?,
            false => Some(chain.logs(&filter).await?),
        };
        match found {
            Some(found) => {
                all.extend(found.into_iter().filter(|log| !log.removed));
                start = end + 1;
            }
            None => chain.narrow_log_window((end - start).div_ceil(2)),
        }
    }
    all.sort_by_key(|log| (block_of(log), log.log_index));
    Ok(all)
}

fn block_of(log: &Log) -> u64 {
    log.block_number.unwrap_or(u64::MAX)
}
