//! What jobs produce: datasets, agents, proofs, circuits. Rows are written in the transaction that ends the job, so
//! nothing is ever partially registered.

pub mod datasets;
pub mod grants;
pub mod sessions;
pub mod training;

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde::Serialize;
use sqlx::Row as _;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{CircuitId, WeightsDigest};
use tribute_problem::Result;
use tribute_steps::circuit::{CircuitBody, ProofBody};
use tribute_steps::gradient::GradientOutcome;
use tribute_steps::optimum::OptimumOutcome;
use tribute_steps::shape::ShapeBody;
use tribute_steps::train::AgentBody;
use tribute_steps::work::Outcome;
use tribute_store::db::{Database, Tx};

use crate::jobs::Job;

/// The tables of datasets, agents, proofs, circuits, grants and sessions.
#[derive(Clone, Debug)]
pub struct Registry {
    db: Database,
}

/// A row's body with its creation time.
#[derive(Clone, Debug)]
pub struct Dated<T> {
    /// The body.
    pub body: T,
    /// Unix milliseconds.
    pub created_ms: i64,
}

/// The proofs of an agent.
#[derive(Clone, Debug, Default)]
pub struct AgentProofs {
    /// The gradients proven so far, in slot order.
    pub gradients: Vec<GradientOutcome>,
    /// The optimum, once proven.
    pub optimum: Option<OptimumOutcome>,
}

/// How much of an agent's certificate is proven.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proven {
    /// Number of proven gradients.
    pub gradients: u32,
    /// Whether the optimum is proven.
    pub optimum: bool,
}

impl Registry {
    /// The registry in `db`.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Registry { db }
    }

    /// Stores a finished job's outcome, within the transaction that ends the job.
    pub async fn record(&self, tx: &mut Tx, _job: &Job, outcome: &Outcome) -> Result<()> {
        match outcome {
            Outcome::Calibrate(_) | Outcome::Shard(_) | Outcome::Valuation(_) => Ok(()),
            Outcome::Circuit(circuit) => self.put_circuit(tx, circuit, circuit.gas as i64).await,
            Outcome::Dataset(dataset) => {
                for shard in &dataset.shards {
                    self.put_proof_circuit(tx, &shard.proof).await?;
                }
                self.put_dataset(tx, dataset).await
            }
            Outcome::Train(agent) => self.put_agent(tx, agent).await,
            Outcome::Home(home) => {
                for proof in &home.proofs {
                    self.put_proof_circuit(tx, proof).await?;
                }
                Ok(())
            }
            Outcome::Across(across) => {
                self.put_agent(tx, &across.agent).await?;
                for g in &across.gradients {
                    self.put_circuit(tx, &g.proof.circuit, 0).await?;
                    self.put_agent_proof(tx, g.weights_digest, "gradient", i64::from(g.slot), g).await?;
                }
                Ok(())
            }
            Outcome::Gradient(g) => {
                self.put_proof_circuit(tx, &g.proof).await?;
                self.put_agent_proof(tx, g.weights_digest, "gradient", i64::from(g.slot), g).await
            }
            Outcome::Optimum(o) => {
                self.put_proof_circuit(tx, &o.proof).await?;
                self.put_agent_proof(tx, o.weights_digest, "optimum", 0, o).await
            }
            Outcome::Evaluation(e) => self.put_circuit(tx, &e.circuit, 0).await,
            Outcome::Coalition(c) => {
                for circuit in &c.circuits {
                    self.put_circuit(tx, circuit, 0).await?;
                }
                Ok(())
            }
            Outcome::Service(s) => self.put_proof_circuit(tx, &s.proof).await,
        }
    }

    async fn put_agent(&self, tx: &mut Tx, agent: &AgentBody) -> Result<()> {
        sqlx::query(self.db.sql(
            "INSERT INTO agents (weights_digest, owner, body, created_ms) VALUES ($1, $2, $3, {now})
             ON CONFLICT (weights_digest) DO UPDATE SET body = excluded.body",
        ))
        .bind(agent.weights_digest.to_string())
        .bind(agent.owner.to_string())
        .bind(serde_json::to_string(agent)?)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    async fn put_agent_proof(
        &self,
        tx: &mut Tx,
        agent: WeightsDigest,
        statement: &str,
        slot: i64,
        body: &impl Serialize,
    ) -> Result<()> {
        sqlx::query(self.db.sql(
            "INSERT INTO agent_proofs (weights_digest, statement, slot, body) VALUES ($1, $2, $3, $4)
             ON CONFLICT (weights_digest, statement, slot) DO UPDATE SET body = excluded.body",
        ))
        .bind(agent.to_string())
        .bind(statement)
        .bind(slot)
        .bind(serde_json::to_string(body)?)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    async fn put_proof_circuit(&self, tx: &mut Tx, proof: &ProofBody) -> Result<()> {
        self.put_circuit(tx, &proof.circuit, proof.stats.gas_verify as i64).await
    }

    /// Stores a circuit. A `gas` of 0 keeps the value measured before.
    async fn put_circuit(&self, tx: &mut Tx, circuit: &CircuitBody, gas: i64) -> Result<()> {
        sqlx::query(self.db.sql(
            "INSERT INTO circuits (shape, circuit_id, body, gas) VALUES ($1, $2, $3, $4)
             ON CONFLICT (shape) DO UPDATE SET circuit_id = excluded.circuit_id, body = excluded.body,
                gas = CASE WHEN excluded.gas > 0 THEN excluded.gas ELSE circuits.gas END",
        ))
        .bind(serde_json::to_string(&circuit.shape)?)
        .bind(circuit.circuit_id.to_string())
        .bind(serde_json::to_string(circuit)?)
        .bind(gas)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// A stored circuit by shape, with the gas to verify a proof as measured on a real one (0 if there was none yet).
    pub async fn circuit(&self, shape: &ShapeBody) -> Result<Option<(CircuitBody, u64)>> {
        self.circuit_where("shape = $1", &serde_json::to_string(shape)?).await
    }

    /// A stored circuit by its id, with its gas as in [`Registry::circuit`].
    pub async fn circuit_by_id(&self, id: CircuitId) -> Result<Option<(CircuitBody, u64)>> {
        self.circuit_where("circuit_id = $1", &id.to_string()).await
    }

    async fn circuit_where(&self, condition: &str, operand: &str) -> Result<Option<(CircuitBody, u64)>> {
        let row = sqlx::query(self.db.sql(&format!("SELECT body, gas FROM circuits WHERE {condition}")))
            .bind(operand)
            .fetch_optional(self.db.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let body: String = row.try_get("body")?;
        Ok(Some((serde_json::from_str(&body)?, row.try_get::<i64, _>("gas")?.unsigned_abs())))
    }

    /// An agent by the digest of its weights.
    pub async fn agent(&self, digest: WeightsDigest) -> Result<Option<Dated<AgentBody>>> {
        self.one("agents", "weights_digest", digest).await
    }

    /// An owner's agents, newest first.
    pub async fn agents(
        &self,
        owner: AccountAddress,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Dated<AgentBody>>> {
        self.page("agents", "weights_digest", owner, after, limit).await
    }

    /// The proofs of an agent.
    pub async fn agent_proofs(&self, digest: WeightsDigest) -> Result<AgentProofs> {
        let rows = sqlx::query(
            self.db.sql("SELECT statement, body FROM agent_proofs WHERE weights_digest = $1 ORDER BY slot"),
        )
        .bind(digest.to_string())
        .fetch_all(self.db.pool())
        .await?;
        let mut proofs = AgentProofs::default();
        for row in rows {
            let (statement, body): (String, String) = (row.try_get("statement")?, row.try_get("body")?);
            if statement == "gradient" {
                proofs.gradients.push(serde_json::from_str(&body)?);
            } else {
                proofs.optimum = Some(serde_json::from_str(&body)?);
            }
        }
        Ok(proofs)
    }

    /// How much of an agent's certificate is proven, without loading the proofs.
    pub async fn proven(&self, digest: WeightsDigest) -> Result<Proven> {
        let rows = sqlx::query(
            self.db
                .sql("SELECT statement, COUNT(*) AS n FROM agent_proofs WHERE weights_digest = $1 GROUP BY statement"),
        )
        .bind(digest.to_string())
        .fetch_all(self.db.pool())
        .await?;
        let mut proven = Proven::default();
        for row in rows {
            match row.try_get::<String, _>("statement")?.as_str() {
                "gradient" => proven.gradients = row.try_get::<i64, _>("n")?.unsigned_abs() as u32,
                _ => proven.optimum = true,
            }
        }
        Ok(proven)
    }

    async fn one<T: DeserializeOwned>(&self, table: &str, key: &str, id: impl Display) -> Result<Option<Dated<T>>> {
        let row = sqlx::query(self.db.sql(&format!("SELECT body, created_ms FROM {table} WHERE {key} = $1")))
            .bind(id.to_string())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(dated).transpose()
    }

    async fn page<T: DeserializeOwned>(
        &self,
        table: &str,
        key: &str,
        owner: AccountAddress,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Dated<T>>> {
        let (at, id) = after.unwrap_or((i64::MAX, String::new()));
        let rows = sqlx::query(self.db.sql(&format!(
            "SELECT body, created_ms FROM {table}
             WHERE owner = $1 AND (created_ms < $2 OR (created_ms = $2 AND {key} < $3))
             ORDER BY created_ms DESC, {key} DESC LIMIT $4"
        )))
        .bind(owner.to_string())
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(self.db.pool())
        .await?;
        rows.iter().map(dated).collect()
    }
}

fn dated<T: DeserializeOwned>(row: &sqlx::any::AnyRow) -> Result<Dated<T>> {
    let body: String = row.try_get("body")?;
    Ok(Dated { body: serde_json::from_str(&body)?, created_ms: row.try_get("created_ms")? })
}
