//! What is known of a session's agent from elsewhere than the server that answers.

use std::path::PathBuf;

use clap::Args;
use tribute_chain::Contracts;
use tribute_client::files::read_file;
use tribute_client::session::{ClientSession, Known, KnownVersion};
use tribute_core::certificate::Certificate;
use tribute_core::context::Domain;
use tribute_core::id::SessionId;
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Result};

use crate::chain::contracts_at;

/// Where to compare the server's schema and agent with.
#[derive(Clone, Debug, Args)]
pub(crate) struct KnownArgs {
    /// JSON-RPC URL of an Ethereum node: the session's agent and its schema are compared with the chain.
    #[arg(long, value_name = "URL", env = "TRIBUTE_RPC", hide_env_values = true)]
    rpc: Option<String>,
    /// PEM file of additional certificate authorities to trust, for your own https node.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_RPC_CA")]
    rpc_ca: Option<PathBuf>,
    /// File with the contracts' addresses, as `tribute chain deploy` writes it.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_CONTRACTS", default_value = "deployment.json")]
    contracts: PathBuf,
    /// The agent's certificate, to compare the session's agent and its schema with.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The schema's file, to compare the server's with.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
}

impl KnownArgs {
    /// Compares a session as the server tells it with all that is given, and says so if nothing is. Returns the names of what
    /// it was compared with.
    pub(super) async fn check(&self, session: &ClientSession) -> Result<Vec<String>> {
        let mut compared = Vec::new();
        for known in self.known(session.session).await? {
            session.check(&known)?;
            compared.push(known.source);
        }
        if compared.is_empty() {
            note!(
                "the server's schema, by which queries are quantised and answers named, was compared with nothing: give --rpc \
                 and --contracts, --certificate or --schema"
            );
        }
        Ok(compared)
    }

    async fn known(&self, session: SessionId) -> Result<Vec<Known>> {
        let mut all = Vec::new();
        if let Some(rpc) = &self.rpc {
            all.push(on_chain(&contracts_at(rpc, self.rpc_ca.clone(), &self.contracts).await?, session).await?);
        }
        if let Some(file) = &self.certificate {
            let unusable =
                |e: &dyn std::fmt::Display| Problem::field("certificate", format!("{}: {e}", file.display()));
            let certificate = Certificate::from_json(&read_file(file)?).map_err(|e| unusable(&e))?;
            let agent = &certificate.agent;
            all.push(Known {
                source: file.display().to_string(),
                schema: Schema::from_json(&certificate.schema).map_err(|e| unusable(&e))?.id(),
                version: Some(KnownVersion { agent: agent.id, version: agent.version, weights: agent.weights_digest }),
                escrow: None,
            });
        }
        if let Some(file) = &self.schema {
            let schema = crate::schema::read(file)?.id();
            all.push(Known { source: file.display().to_string(), schema, version: None, escrow: None });
        }
        Ok(all)
    }
}

async fn on_chain(contracts: &Contracts, session: SessionId) -> Result<Known> {
    let opened = contracts.session(&session).await?;
    let version = contracts.version(&opened.agent, opened.version).await?;
    let deployment = contracts.deployment();
    Ok(Known {
        source: "the chain".into(),
        schema: version.schema,
        version: Some(KnownVersion { agent: opened.agent, version: opened.version, weights: version.weights }),
        escrow: Some(Domain {
            chain_id: deployment.chain_id,
            contract: deployment.session_escrow.address.into_array(),
        }),
    })
}
