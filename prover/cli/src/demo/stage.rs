//! The demo's infrastructure: a local chain with the contracts, and a service. Both stop with the demo, however it ends.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tribute_chain::{AnvilOptions, Chain, Contracts, Deployment, Hardhat, HardhatOptions, LocalChain};
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::calibrate;

use super::parties::Parties;
use super::plan::{Node, Plan};
use super::shell::{Running, Shell};
use super::steps::{Failure, Steps};

/// Thaw period in seconds: the minimum that the contract accepts.
pub(super) const THAW: u64 = 60;
/// Number of concurrent jobs in the service: a single proof already uses all cores.
const WORKERS: &str = "1";
/// Time that the service has to start listening.
const START: Duration = Duration::from_secs(60);
/// Everything that a demo leaves in its folder.
const LEFT_BEHIND: &[&str] = &[
    "commands.sh",
    "keys.env",
    "data",
    "steps",
    "logs",
    "service",
    "summary.json",
    "certificate.json",
    "agent.onnx",
    "schema.json",
    "vouchers.json",
    "deployment.json",
    "deployment.json.unfinished",
    "deployment.json.pending",
    "transactions.json",
    "state.json",
];
/// File that marks a folder as a demo's output.
const MARK: &str = ".tribute-demo";

/// The parties' data files, and the machine's benchmark.
pub(super) struct Files {
    /// SHA-256 of each provider's file.
    pub(super) digests: Vec<String>,
    /// Best of three multi-scalar multiplications of 2^15 points, in milliseconds.
    pub(super) calibration_ms: f64,
}

/// A running chain and service.
pub(super) struct Stage {
    pub(super) shell: Shell,
    pub(super) parties: Parties,
    pub(super) contracts: Contracts,
    node: LocalChain,
    service: Running,
}

/// Prepares the folder: deletes an earlier demo's files, and fails rather than touch any others.
pub(super) fn clear(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mark = folder.join(MARK);
    for name in LEFT_BEHIND {
        let path = folder.join(name);
        if path.symlink_metadata().is_err() {
            continue;
        }
        if !mark.exists() {
            return Err(Problem::field(
                "out",
                format!("{} exists and is not from an earlier demo: choose another folder", path.display()),
            ));
        }
        match path.is_dir() {
            true => std::fs::remove_dir_all(&path)?,
            false => std::fs::remove_file(&path)?,
        }
    }
    Ok(std::fs::write(mark, "The next demo replaces this demo's files.\n")?)
}

/// Benchmarks the machine and writes every party's rows to a file.
pub(super) async fn prepare(plan: &Plan) -> Result<Files> {
    let calibration_ms =
        tokio::task::spawn_blocking(|| calibrate::measure(15, 3, |_| {})).await.map_err(Problem::internal)?;
    let data = plan.out.join("data");
    std::fs::create_dir_all(&data)?;
    std::fs::create_dir_all(plan.out.join("steps"))?;
    let mut digests = Vec::with_capacity(plan.split.len());
    for i in 0..plan.split.len() {
        let text = plan.provider_csv(i);
        digests.push(hex::encode(Sha256::digest(&text)));
        std::fs::write(data.join(format!("provider-{}.csv", i + 1)), text)?;
    }
    for i in 0..plan.queries.len() {
        std::fs::write(data.join(format!("client-{}.csv", i + 1)), plan.client_csv(i))?;
    }
    std::fs::write(data.join("altered.csv"), plan.altered_csv()?)?;
    Ok(Files { digests, calibration_ms })
}

/// A function that starts the plan's node. Fails if the node is not installed.
fn starter(plan: &Plan) -> Result<impl FnOnce() -> tribute_chain::Result<LocalChain> + Send + 'static> {
    let (anvil, hardhat) = match plan.node {
        Node::Anvil => (Some(plan.tool("TRIBUTE_ANVIL", "verifier-contract/bin/anvil")?), None),
        Node::Hardhat => (None, Some(Hardhat::find()?)),
    };
    Ok(move || match hardhat {
        None => LocalChain::anvil(&AnvilOptions { program: anvil, ..AnvilOptions::default() }),
        folder => LocalChain::hardhat(&HardhatOptions { folder }),
    })
}

/// Starts the chain and the service.
pub(super) async fn start(plan: &Plan, steps: &Steps) -> Result<Stage, Failure> {
    steps
        .run("chain and service", "local chain, contracts, service", 3, |bar| async move {
            let start = starter(plan)?;
            let mut environment = Vec::new();
            for (variable, place) in
                [("TRIBUTE_ONNXRUNTIME", ".deps/ort/libonnxruntime.so"), ("TRIBUTE_ARTIFACTS", "verifier-contract/out")]
            {
                environment.push((variable.to_owned(), plan.tool(variable, place)?.to_string_lossy().into_owned()));
            }
            let mut shell = Shell::new(&plan.out, environment)?;
            let node = tokio::task::spawn_blocking(start).await.map_err(Problem::internal)??;
            let parties = Parties::new(node.keys(), plan.split.len())?;
            shell.write_keys(&parties.all())?;
            shell.note(match node.dumps_state() {
                true => "# The chain: a local anvil, started by the demo; `anvil --load-state state.json` restores it.",
                false => "# The chain: a local Hardhat node, started by the demo; it stops with the demo.",
            })?;
            shell.set("TRIBUTE_RPC", node.url())?;
            shell.set("TRIBUTE_CONTRACTS", "deployment.json")?;
            bar.done("chain");

            let schema = ["schema", "infer", &plan.data_file(), "--name", &plan.name(), "--out", "schema.json"];
            shell.run(None, &schema).await?;
            shell
                .note("rm -rf deployment.json deployment.json.*  # an earlier run's contracts are on another chain")?;
            let thaw = THAW.to_string();
            let deploy = ["chain", "deploy", "--thaw-seconds", &thaw, "--deployment", "deployment.json"];
            shell.run(Some(&parties.deployer), &deploy).await?;
            let chain = node.connect().await?;
            let contracts = Contracts::new(&chain, Deployment::load(&plan.out.join("deployment.json"))?)?;
            bar.done("contracts");

            let service = serve(plan, &mut shell, node.url()).await?;
            bar.done("service");
            Ok(Stage { shell, parties, contracts, node, service })
        })
        .await
}

async fn serve(plan: &Plan, shell: &mut Shell, rpc: &str) -> Result<Running> {
    let (k, columns) = (plan.k.to_string(), plan.columns.to_string());
    let mut service = shell.start(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--port-file",
        "service/address",
        "--data",
        "service",
        "--workers",
        WORKERS,
        "--k",
        &k,
        "--columns",
        &columns,
        "--rpc",
        rpc,
        "--contracts",
        "deployment.json",
        "--stop-with-stdin",
    ])?;
    let start = Instant::now();
    let address = loop {
        if let Ok(address) = std::fs::read_to_string(plan.out.join("service/address")) {
            break address;
        }
        if !service.is_running() || start.elapsed() > START {
            let log = plan.out.join("logs");
            return Err(Problem::new(
                Reason::Internal,
                format!("the service did not start; its log is in {}", log.display()),
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    shell.note("until [ -s service/address ]; do sleep 0.1; done")?;
    shell.set("TRIBUTE_SERVER", &format!("http://{}", address.trim()))?;
    Ok(service)
}

impl Stage {
    /// The chain.
    pub(super) fn chain(&self) -> &Chain {
        self.contracts.chain()
    }

    /// Advances the chain's clock.
    pub(super) async fn wait_on_chain(&self, seconds: u64) -> Result<()> {
        self.shell.note(&format!(
            "# {seconds} seconds pass on the chain: evm_increaseTime, then a block\n\
             for call in '\"evm_increaseTime\",\"params\":[{seconds}]' '\"evm_mine\",\"params\":[]'; do\n  \
             curl -s \"$TRIBUTE_RPC\" -H 'content-type: application/json' -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":'\"$call\"'}}' > /dev/null\ndone"
        ))?;
        Ok(self.chain().advance_time(seconds).await?)
    }

    /// Writes every transaction's receipt, and the chain's state if the node can dump it.
    pub(super) async fn write_chain(&self, folder: &Path) -> Result<()> {
        let newest = self.chain().block_number().await?;
        let mut receipts: Vec<Value> = Vec::new();
        for number in 0..=newest {
            let block: Value = self.chain().request("eth_getBlockByNumber", (format!("{number:#x}"), false)).await?;
            for tx in block["transactions"].as_array().into_iter().flatten() {
                receipts.push(self.chain().request("eth_getTransactionReceipt", (tx.clone(),)).await?);
            }
        }
        std::fs::write(folder.join("transactions.json"), serde_json::to_string_pretty(&receipts)? + "\n")?;
        if self.node.dumps_state() {
            self.chain().dump_state(&folder.join("state.json")).await?;
        }
        Ok(())
    }

    /// Stops the service, then the chain.
    pub(super) async fn stop(self) -> Result<()> {
        self.service.stop().await?;
        tokio::task::spawn_blocking(move || self.node.stop()).await.map_err(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_demos_files_go_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("data")).unwrap();
        let refused = clear(folder.path()).unwrap_err();
        assert!(refused.message.contains("data") && at("data").exists(), "{refused}");

        std::fs::remove_dir(at("data")).unwrap();
        clear(folder.path()).unwrap();
        std::fs::create_dir_all(at("data/x")).unwrap();
        std::fs::create_dir(at("wine")).unwrap();
        std::fs::write(at("summary.json"), "{}").unwrap();
        clear(folder.path()).unwrap();
        assert!(!at("data").exists() && !at("summary.json").exists() && at("wine").exists());
    }
}
