//! Runs the program's commands in a folder, with an optional server and chain.

use std::path::PathBuf;
use std::process::{Command, Output};

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;
use tribute_chain::{Anvil, Contracts, Deployment};

use crate::{program, Place, Served, ROOT};

/// A folder with an optional server and chain. Accounts are identified by index: among the chain's funded accounts, or,
/// without a chain, among arbitrary keys.
///
/// `@` in command arguments is replaced by the folder's path.
#[derive(Debug)]
pub struct World {
    /// The folder.
    pub place: Place,
    /// The server.
    pub served: Option<Served>,
    anvil: Option<Anvil>,
    keys: Vec<PrivateKeySigner>,
}

impl World {
    /// Creates a world without a chain.
    #[must_use]
    #[allow(clippy::new_without_default)] // it makes a folder
    pub fn new() -> Self {
        let keys = (1..=14).map(|i| PrivateKeySigner::from_bytes(&B256::repeat_byte(0x11 * i)).unwrap()).collect();
        World { place: Place::new(), served: None, anvil: None, keys }
    }

    /// Creates a world with a chain that has no contracts yet.
    #[must_use]
    pub fn with_chain() -> Self {
        let anvil = Anvil::start().unwrap();
        World { keys: anvil.keys().to_vec(), anvil: Some(anvil), ..World::new() }
    }

    /// The chain.
    #[must_use]
    pub fn anvil(&self) -> &Anvil {
        self.anvil.as_ref().expect("a world with a chain")
    }

    /// Path of a file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Parses a JSON file in the folder.
    #[must_use]
    pub fn json(&self, name: &str) -> Value {
        crate::json(&self.file(name))
    }

    /// Path of the deployment file that [`World::command`] uses.
    #[must_use]
    pub fn deployment(&self) -> PathBuf {
        self.file("deployment.json")
    }

    /// The contracts, which must be deployed.
    pub async fn contracts(&self) -> Contracts {
        let chain = self.anvil().connect().await.unwrap();
        Contracts::new(&chain, Deployment::load(&self.deployment()).unwrap()).unwrap()
    }

    /// Key of an account.
    #[must_use]
    pub fn key(&self, account: usize) -> &PrivateKeySigner {
        &self.keys[account]
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.served.as_ref().expect("a world that is served").url
    }

    /// Stops the server, if there is one, and starts another on the same data.
    pub fn serve(&mut self, extra: &[&str]) {
        self.served = None;
        self.served = Some(self.place.serve(extra));
    }

    /// A command to run as an account.
    #[must_use]
    pub fn command(&self, account: usize, arguments: &str) -> Command {
        let folder = format!("{}/", self.place.path().display());
        let mut command = Command::new(program());
        command
            .args(arguments.split_whitespace().map(|a| a.replace('@', &folder)))
            .current_dir(ROOT)
            .env("TRIBUTE_KEY", hex::encode(self.key(account).to_bytes()))
            .env("TRIBUTE_CACHE", self.file("cache"));
        if let Some(anvil) = &self.anvil {
            command.env("TRIBUTE_RPC", anvil.url()).env("TRIBUTE_CONTRACTS", self.deployment());
        }
        if let Some(served) = &self.served {
            command.env("TRIBUTE_SERVER", &served.url);
        }
        command
    }

    /// Runs a command and returns its output.
    #[must_use]
    pub fn output(&self, account: usize, arguments: &str) -> Output {
        self.command(account, arguments).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub fn says(&self, account: usize, arguments: &str) -> String {
        let output = self.output(account, arguments);
        assert!(output.status.success(), "tribute {arguments}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, parsed as JSON if possible; adds `--json` to `chain` commands.
    pub fn run(&self, account: usize, arguments: &str) -> Value {
        let json = if arguments.starts_with("chain") { " --json" } else { "" };
        serde_json::from_str(&self.says(account, &format!("{arguments}{json}"))).unwrap_or(Value::Null)
    }

    /// Standard error of a command that must fail.
    pub fn fails(&self, account: usize, arguments: &str) -> String {
        let output = self.output(account, arguments);
        assert!(!output.status.success(), "tribute {arguments} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}
