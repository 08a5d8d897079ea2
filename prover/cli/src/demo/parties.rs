//! The parties and their keys.

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use tribute_problem::{Problem, Result};

/// A party with a key. Commands get the key through an environment variable, never as an argument.
#[derive(Clone, Debug)]
pub(super) struct Party {
    /// Display name.
    pub(super) name: String,
    /// Name of the environment variable with its key.
    pub(super) variable: String,
    pub(super) key: PrivateKeySigner,
}

impl Party {
    fn new(name: &str, key: PrivateKeySigner) -> Self {
        let variable = format!("{}_KEY", name.to_uppercase().replace([' ', '\''], "_"));
        Party { name: name.to_owned(), variable, key }
    }

    /// Address of its account.
    pub(super) fn address(&self) -> Address {
        self.key.address()
    }

    /// Value of its environment variable: the private key in hex.
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

/// All parties.
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
    /// Assigns the chain's funded accounts to the parties.
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

    /// All parties in one list.
    pub(super) fn all(&self) -> Vec<&Party> {
        let clients = self.clients.iter().flat_map(|c| [&c.wallet, &c.session]);
        [&self.deployer, &self.owner].into_iter().chain(&self.providers).chain(clients).collect()
    }
}
