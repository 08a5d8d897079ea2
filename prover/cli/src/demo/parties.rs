//! Who takes part, each with a key of its own.

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use tribute_problem::{Problem, Result};

/// Somebody with a key. Commands get the key through an environment variable, never as an argument.
#[derive(Clone, Debug)]
pub(super) struct Party {
    /// For people.
    pub(super) name: String,
    /// The environment variable.
    pub(super) variable: String,
    pub(super) key: PrivateKeySigner,
}

impl Party {
    fn new(name: &str, key: PrivateKeySigner) -> Self {
        let variable = format!("{}_KEY", name.to_uppercase().replace([' ', '\''], "_"));
        Party { name: name.to_owned(), variable, key }
    }

    /// The party's account.
    pub(super) fn address(&self) -> Address {
        self.key.address()
    }

    /// The private key as environment variables hold it.
    pub(super) fn secret(&self) -> String {
        format!("{:#x}", self.key.to_bytes())
    }
}

/// A client, and the key that signs its session's vouchers.
#[derive(Clone, Debug)]
pub(super) struct ClientParty {
    pub(super) wallet: Party,
    pub(super) session: Party,
}

/// Everybody.
#[derive(Clone, Debug)]
pub(super) struct Parties {
    /// Deploys the contracts and owns the proof gate.
    pub(super) deployer: Party,
    pub(super) providers: Vec<Party>,
    /// The agent's owner, who also serves and claims.
    pub(super) owner: Party,
    pub(super) clients: [ClientParty; 2],
}

impl Parties {
    /// Gives accounts that the chain has funded to everybody.
    pub(super) fn new(funded: &[PrivateKeySigner], providers: usize) -> Result<Self> {
        let mut funded = funded.iter().cloned();
        let mut next = |name: &str| match funded.next() {
            Some(key) => Ok(Party::new(name, key)),
            None => Err(Problem::internal("the local chain has too few funded accounts")),
        };
        let deployer = next("deployer")?;
        let owner = next("agent owner")?;
        // session keys never send transactions: they need no funds
        let mut client = |number: usize| -> Result<ClientParty> {
            let session = Party::new(&format!("session {number}"), PrivateKeySigner::random());
            Ok(ClientParty { wallet: next(&format!("client {number}"))?, session })
        };
        let clients = [client(1)?, client(2)?];
        let providers = (1..=providers).map(|i| next(&format!("provider {i}"))).collect::<Result<_>>()?;
        Ok(Parties { deployer, providers, owner, clients })
    }

    /// Everybody in one list.
    pub(super) fn all(&self) -> Vec<&Party> {
        let clients = self.clients.iter().flat_map(|c| [&c.wallet, &c.session]);
        [&self.deployer, &self.owner].into_iter().chain(&self.providers).chain(clients).collect()
    }
}
