//! Arguments of commands that call a server.

use std::path::PathBuf;

use alloy::signers::local::PrivateKeySigner;
use clap::Args;
use tribute_client::files::read_given;
use tribute_client::{Client, Tls};
use tribute_problem::Result;

use super::keys::KeyArgs;

/// The server's address and the caller's key.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    #[command(flatten)]
    address: AddressArgs,
    #[command(flatten)]
    key: KeyArgs,
}

impl ServerArgs {
    /// Connects to the server as the key's account.
    pub(crate) async fn connect(&self) -> Result<Client> {
        self.address.connect(self.key.signer()?).await
    }

    /// Connects to another server, under the same authorities and certificate.
    pub(crate) async fn connect_to(&self, url: &str) -> Result<Client> {
        Client::connect_with(url, self.key.signer()?, &self.address.tls()?).await
    }
}

/// The server's address, and certificates for TLS.
#[derive(Clone, Debug, Args)]
pub(crate) struct AddressArgs {
    /// The server's address.
    #[arg(long, value_name = "URL", env = "TRIBUTE_SERVER", default_value = "http://127.0.0.1:7410")]
    server: String,
    /// PEM file of further certificate authorities to trust, for servers at https addresses: yours, and the nodes of a training.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_SERVER_CA")]
    server_ca: Option<PathBuf>,
    /// PEM file of your certificate, for a server that asks for one, with its private key: a file of both.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_CLIENT_CERTIFICATE")]
    client_certificate: Option<PathBuf>,
}

impl AddressArgs {
    /// Connects to the server as a key's account.
    pub(crate) async fn connect(&self, key: PrivateKeySigner) -> Result<Client> {
        Client::connect_with(&self.server, key, &self.tls()?).await
    }

    /// What connections by TLS need.
    fn tls(&self) -> Result<Tls> {
        let read = |option, file: &Option<PathBuf>| file.as_ref().map(|file| read_given(option, file)).transpose();
        let identity = read("client-certificate", &self.client_certificate)?;
        Ok(Tls { roots: read("server-ca", &self.server_ca)?, identity: identity.map(|both| (both.clone(), both)) })
    }
}
