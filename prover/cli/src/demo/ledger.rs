//! Token balances of all parties, read from the token contract, and the demo's ledger.

use alloy::primitives::{Address, U256};
use serde::Serialize;
use tribute_chain::Contracts;
use tribute_problem::{Problem, Result};

use super::parties::Parties;

/// The token balances of all parties, and the escrow contract's liabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Balances {
    /// Names and balances in base units; the escrow contract comes last.
    pub(super) holders: Vec<(String, i128)>,
    owed: i128,
}

/// The ledger in `summary.json`, in the token's base units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Ledger {
    pub(super) escrowed: u128,
    pub(super) paid_owner: u128,
    pub(super) paid_providers: Vec<u128>,
    pub(super) refundable: u128,
    pub(super) dust: u128,
}

impl Balances {
    /// Reads the current balances.
    pub(super) async fn read(contracts: &Contracts, parties: &Parties) -> Result<Self> {
        let mut accounts: Vec<(String, Address)> =
            parties.clients.iter().map(|c| (c.wallet.name.clone(), c.wallet.address())).collect();
        accounts.push((parties.owner.name.clone(), parties.owner.address()));
        accounts.extend(parties.providers.iter().map(|p| (p.name.clone(), p.address())));
        accounts.push(("escrow contract".into(), contracts.deployment().session_escrow.address));
        let addresses: Vec<Address> = accounts.iter().map(|(_, a)| *a).collect();
        let tokens = contracts.token_balances(&addresses).await?;
        let holders =
            accounts.into_iter().zip(tokens).map(|((name, _), n)| Ok((name, signed(n)?))).collect::<Result<_>>()?;
        Ok(Balances { holders, owed: signed(contracts.holdings().await?.liabilities)? })
    }

    /// The balances before the clients (the first holders) paid these amounts into the escrow contract.
    pub(super) fn before_escrow(mut self, amounts: impl Iterator<Item = u128>) -> Self {
        let mut escrowed = 0;
        for ((_, holds), amount) in self.holders.iter_mut().zip(amounts) {
            *holds += amount as i128;
            escrowed += amount as i128;
        }
        if let Some((_, holds)) = self.holders.last_mut() {
            *holds -= escrowed;
        }
        self.owed -= escrowed;
        self
    }

    /// Each holder's change since `before`.
    pub(super) fn since(&self, before: &Balances) -> Vec<(String, i128)> {
        let pairs = self.holders.iter().zip(&before.holders);
        pairs.map(|((name, now), (_, then))| (name.clone(), now - then)).collect()
    }

    /// The escrow contract's balance and liabilities, which must be equal.
    pub(super) fn escrow(&self) -> (i128, i128) {
        (self.holders.last().map_or(0, |(_, n)| *n), self.owed)
    }
}

impl Ledger {
    /// The escrowed amount minus all payouts: must be zero.
    pub(super) fn sum(&self) -> i128 {
        let paid = self.paid_owner + self.paid_providers.iter().sum::<u128>() + self.refundable + self.dust;
        self.escrowed as i128 - paid as i128
    }
}

fn signed(tokens: U256) -> Result<i128> {
    i128::try_from(tokens).map_err(|_| Problem::internal(format!("a balance of {tokens} tokens is out of range")))
}
