//! kill -9 of the owner and of a node while they train: whatever came last over a link, the training ends in one agent.
//!
//! A strike kills a process when a certain piece of data comes by on a link, before it is passed on. The short tier strikes the owner
//! and the node a few times in one training; `make kills` sets TRIBUTE_KILLS to n, and strikes at every n-th piece, one training for
//! each.

use std::process::Child;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tribute_testing::process::kill_hard;

use crate::party::Party;

/// Three providers with their wines, and an owner.
struct Stage {
    providers: Vec<Party>,
    owner: Party,
    nodes: Vec<String>,
    /// Trainings so far: each asks with another lambda, so that its commitments are its own.
    trainings: u32,
}

impl Stage {
    async fn new() -> Self {
        let providers: Vec<Party> = (0..3).map(|_| Party::new()).collect();
        let mut nodes = Vec::new();
        for (i, provider) in providers.iter().enumerate() {
            nodes.push(provider.wines(i).await);
        }
        Stage { providers, owner: Party::new(), nodes, trainings: 0 }
    }

    /// Asks, and has all approve; the request's file.
    fn asked(&mut self) -> String {
        self.trainings += 1;
        let file = format!("request-{}.json", self.trainings);
        let lambda = (0.0078125 + 1e-6 * f64::from(self.trainings)).to_string();
        let mut ask = vec!["request", "ask", "--purpose", "wines", "--lambda", &lambda, "--out", &file];
        ask.extend(self.nodes.iter().flat_map(|node| ["--node", node]));
        let id = self.owner.says(&ask)["request"].as_str().unwrap().to_owned();
        for provider in &self.providers {
            provider.says(&["request", "approve", &id]);
        }
        file
    }

    /// Starts the owner's side.
    fn start(&self, request: &str) -> Child {
        let train = ["request", "train", request, "--patience", "120", "--out", "agent.json"];
        self.owner.command(&train).spawn().unwrap()
    }

    /// Trains while the owner is killed at each of these pieces on a link, and a node at those; the agent, and whether all struck.
    fn trained(&mut self, owner_at: &[usize], node_at: &[usize]) -> (Value, bool) {
        let request = self.asked();
        let _ = std::fs::remove_file(self.owner.place.path().join("agent.json"));
        let mut struck = true;
        let mut owner_at = owner_at.iter();
        let mut node_at = node_at.iter();
        loop {
            let child = Arc::new(Mutex::new(self.start(&request)));
            let mut waits = false;
            if let Some(at) = owner_at.next() {
                let child = child.clone();
                self.providers[0].link.strike(*at, move || drop(child.lock().unwrap().kill()));
                waits = true;
            }
            let gone = Arc::new(Mutex::new(false));
            if let Some(at) = node_at.next() {
                let (node, gone) = (self.providers[1].served.process.id(), gone.clone());
                self.providers[1].link.strike(*at, move || {
                    kill_hard(node);
                    *gone.lock().unwrap() = true;
                });
                waits = true;
            }
            let status = loop {
                if std::mem::take(&mut *gone.lock().unwrap()) {
                    self.providers[1].restart();
                }
                if let Some(status) = child.lock().unwrap().try_wait().unwrap() {
                    break status;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            };
            if std::mem::take(&mut *gone.lock().unwrap()) {
                self.providers[1].restart();
            }
            for provider in &self.providers[..2] {
                struck &= !provider.link.calm();
            }
            if status.success() {
                let file = self.owner.place.path().join("agent.json");
                return (serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(), struck);
            }
            assert!(waits, "the owner's side failed without being killed");
            // what it had kept is whole: it goes on from there
        }
    }

    /// Checks what a training ended in.
    fn check(&self, agent: &Value) {
        assert_eq!((&agent["gradients_proven"], &agent["records"]), (&3.into(), &178.into()));
        assert!(agent["training"]["rounds"].as_u64().unwrap() <= 15);
        assert!(agent["relative_distance"].as_f64().unwrap() < 1e-3);
        for provider in &self.providers {
            let listed = provider.says(&["request", "list"]);
            assert_eq!(listed[0]["rounds_answered"], agent["training"]["rounds"], "each round is answered once");
        }
    }

    fn certify(&self, agent: &Value) {
        let weights = agent["weights_digest"].as_str().unwrap();
        self.owner.says(&["agent", "prove-optimum", weights]);
        self.owner.says(&["agent", "certificate", weights]);
        self.owner.says(&["verify", "certificate.json", "--allow-dev-srs"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_owners_and_nodes_go_on_to_one_certificate() {
    let mut stage = Stage::new().await;
    if let Ok(every) = std::env::var("TRIBUTE_KILLS") {
        return everywhere(&mut stage, every.parse().unwrap());
    }
    // pieces of a training: some 20 until the consents are known, 10 in each round, then the proofs
    let (agent, _) = stage.trained(&[3, 31, 55, 40], &[22, 37, 60, 26]);
    stage.check(&agent);
    stage.certify(&agent);
}

/// Every n-th piece of a training, for the owner and for a node.
fn everywhere(stage: &mut Stage, every: usize) {
    for party in ["owner", "node"] {
        for (at, count) in (0..).step_by(every).zip(0..) {
            let (agent, struck) = match party {
                "owner" => stage.trained(&[at], &[]),
                _ => stage.trained(&[], &[at]),
            };
            stage.check(&agent);
            if count % 20 == 0 {
                stage.certify(&agent);
            }
            println!("{party} killed at piece {at}: {struck}");
            if !struck {
                break;
            }
        }
    }
}
