//! Arguments of commands that call a server.

use alloy::signers::local::PrivateKeySigner;
use clap::Args;
use tribute_client::Client;
use tribute_problem::Result;

use super::keys::KeyArgs;

/// The server's address and the caller's key.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address.
    #[arg(long, value_name = "URL", env = "TRIBUTE_SERVER", default_value = "http://127.0.0.1:7410")]
    server: String,
    #[command(flatten)]
    key: KeyArgs,
}

impl ServerArgs {
    /// The caller's key.
    pub(crate) fn signer(&self) -> Result<PrivateKeySigner> {
        self.key.signer()
    }

    /// Connects to the server as the key's account.
    pub(crate) async fn connect(&self) -> Result<Client> {
        Client::connect(&self.server, self.key.signer()?).await
    }
}
