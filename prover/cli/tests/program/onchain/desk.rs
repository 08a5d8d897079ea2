//! Runs `tribute chain` as any of a world's accounts.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{json, Value};
use tempfile::TempDir;
use tribute_chain::datasets::NewDataset;
use tribute_chain::{Address, PrivateKeySigner, U256};
use tribute_core::context::Terms;
use tribute_core::digest::keccak;
use tribute_core::proof::Proof;
use tribute_core::statement::Statement;
use tribute_testing::chain::{points, World, COLUMNS};
use tribute_testing::{program, ROOT};

/// Indices into the chain's funded accounts, as in [`World`].
pub(crate) const ADMIN: usize = 0;
pub(crate) const ADA: usize = 1;
pub(crate) const BEN: usize = 2;
pub(crate) const OLGA: usize = 3;
pub(crate) const CLEO: usize = 4;

/// A folder of files, and the commands that work in it.
pub(crate) struct Desk {
    pub(crate) w: World,
    folder: TempDir,
}

impl Desk {
    pub(crate) async fn new() -> Desk {
        let desk = Desk { w: World::new().await, folder: tempfile::tempdir().unwrap() };
        desk.w.contracts.deployment().save(&desk.file("deployment.json")).unwrap();
        desk
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, value: &Value) {
        std::fs::write(self.file(name), value.to_string()).unwrap();
    }

    pub(crate) fn address(&self, account: usize) -> Address {
        self.w.anvil.keys()[account].address()
    }

    /// A command with this key; `@` in the arguments is the folder.
    pub(crate) fn command(&self, key: &PrivateKeySigner, arguments: &str) -> Command {
        let folder = format!("{}/", self.folder.path().display());
        let mut command = Command::new(program());
        command
            .args(arguments.split_whitespace().map(|a| a.replace('@', &folder)))
            .current_dir(ROOT)
            .env("TRIBUTE_KEY", hex::encode(key.to_bytes()))
            .env("TRIBUTE_RPC", self.w.anvil.url())
            .env("TRIBUTE_CONTRACTS", self.file("deployment.json"));
        command
    }

    pub(crate) fn output(&self, account: usize, arguments: &str) -> Output {
        self.command(&self.w.anvil.keys()[account].clone(), arguments).output().unwrap()
    }

    /// The result of a command that must succeed, and its standard error.
    pub(crate) fn told(&self, account: usize, arguments: &str) -> (Value, String) {
        let output = self.output(account, &format!("chain {arguments} --json"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "tribute chain {arguments}\n{said}");
        (serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), said)
    }

    pub(crate) fn run(&self, account: usize, arguments: &str) -> Value {
        self.told(account, arguments).0
    }

    /// The error of a command that must fail.
    pub(crate) fn fails(&self, account: usize, arguments: &str) -> String {
        let output = self.output(account, &format!("chain {arguments}"));
        assert!(!output.status.success(), "tribute chain {arguments} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Writes the file of an owner's dataset as `tribute dataset register` would, with one shard for each seed.
    pub(crate) async fn dataset(&self, file: &str, owner: Address, shards: &[(&str, u64)], terms: Terms) {
        let new = NewDataset { terms, ..self.w.register_params() };
        let mut all = Vec::new();
        for (index, (seed, records)) in shards.iter().enumerate() {
            let (layout, index) = (&self.w.layout, index as u32);
            let context = self.w.contracts.shard_context(owner, &new, layout, index, *records).await.unwrap();
            let committed = points(seed, COLUMNS);
            let proof = self.w.proof(Statement::Dataset, vec![context, U256::from(*records)], &committed).await;
            all.push(json!({ "digest": hexed(&keccak(&committed)), "records": records, "proof": proof_file(&proof) }));
        }
        let schema = new.schema;
        self.write(file, &json!({ "owner": owner, "schema_id": schema, "terms": terms, "shards": all }));
    }
}

/// `0x…`
pub(crate) fn hexed(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// A proof as JSON, in the form that files have.
pub(crate) fn proof_file(proof: &Proof) -> Value {
    json!({
        "statement": proof.statement, "circuit_id": proof.circuit, "inputs": proof.inputs, "proof": hexed(&proof.bytes),
        "groups": [], "k": 15, "columns": 8, "seconds": 0.0, "bytes": proof.bytes.len(), "verify_ms": 0.0,
        "gas_verify": 0, "peak_rss_mb": 0,
    })
}

/// The string in a field.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {value}")).to_owned()
}
