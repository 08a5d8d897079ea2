//! A payer behind a node with quirks: whatever the node answers, it pays exactly once or gets an error that says what
//! is wrong.
#![allow(unreachable_pub)]

use std::time::Duration;

use crate::proxy::{Proxy, Quirk};
use tribute_chain::{Address, Anvil, Chain, ChainError, Message, Options, Sent, Wallet, U256};

pub const RECEIVER: Address = Address::repeat_byte(0xb0);

/// A node, and a payer whose in-flight transactions are on file.
pub struct Payer {
    pub anvil: Anvil,
    pub node: Chain,
    folder: tempfile::TempDir,
}

impl Payer {
    pub async fn new() -> Payer {
        let anvil = Anvil::start().unwrap();
        let node = anvil.connect().await.unwrap();
        Payer { anvil, node, folder: tempfile::tempdir().unwrap() }
    }

    pub fn options(&self) -> Options {
        let journal = Some(self.journal());
        Options {
            journal,
            request_timeout: Duration::from_secs(2),
            receipt_timeout: Duration::from_secs(30),
            ..Options::default()
        }
    }

    pub fn journal(&self) -> std::path::PathBuf {
        self.folder.path().join("pending")
    }

    pub async fn behind(&self, quirk: Quirk) -> Proxy {
        Proxy::start(self.anvil.url(), quirk).await
    }

    /// A new process that has only the files.
    pub async fn process(&self, url: &str) -> Wallet {
        let chain = Chain::connect_with(url, self.options()).await.unwrap();
        Wallet::new(&chain, self.anvil.keys()[3].clone())
    }

    pub fn address(&self) -> Address {
        self.anvil.keys()[3].address()
    }

    /// `(transactions of the payer, wei received)`.
    pub async fn paid(&self) -> (u64, u64) {
        let sent = self.node.mined_nonce(self.address()).await.unwrap();
        (sent, self.node.balance(RECEIVER).await.unwrap().to())
    }

    /// Pays one wei through the quirk: one transaction, and no record left.
    pub async fn pays_once(&self, name: &str, quirk: Quirk) -> (Sent, Proxy) {
        let (sent_before, wei_before) = self.paid().await;
        let proxy = self.behind(quirk).await;
        let wallet = self.process(&proxy.url).await;
        let sent = wallet.send_coin(RECEIVER, U256::from(1)).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(self.paid().await, (sent_before + 1, wei_before + 1), "{name}");
        assert!(!self.journal().exists(), "{name}");
        (sent, proxy)
    }

    /// Pays one wei with these options, as a new process.
    pub async fn pay(&self, url: &str, options: Options) -> Result<Sent, ChainError> {
        let chain = Chain::connect_with(url, options).await?;
        Wallet::new(&chain, self.anvil.keys()[3].clone()).send_coin(RECEIVER, U256::from(1)).await
    }

    pub async fn refused(&self, name: &str, options: Options, quirk: Quirk) -> ChainError {
        let before = self.paid().await;
        let proxy = self.behind(quirk).await;
        let error = self.pay(&proxy.url, options).await.err().unwrap_or_else(|| panic!("{name} passed"));
        assert_eq!(self.paid().await, before, "{name}: {error}");
        error
    }
}

pub fn payment(wei: u64) -> Message {
    Message::new("pay", Some(RECEIVER), Default::default(), U256::from(wei))
}
