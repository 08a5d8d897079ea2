//! Which server a command speaks to, and whose key signs.

use clap::Args;
use tribute_client::Client;
use tribute_problem::Result;

use super::keys::KeyArgs;

/// Which server, and who calls.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address.
    #[arg(long, value_name = "URL", env = "TRIBUTE_SERVER", default_value = "http://127.0.0.1:7410")]
    server: String,
    #[command(flatten)]
    key: KeyArgs,
}

impl ServerArgs {
    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Client> {
        Client::connect(&self.server, self.key.signer()?).await
    }
}
