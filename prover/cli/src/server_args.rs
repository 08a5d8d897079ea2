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
    /// The caller's key.
    pub(crate) fn signer(&self) -> Result<PrivateKeySigner> {
        self.key.signer()
    }

    /// Connects to the server as the key's account.
    pub(crate) async fn connect(&self) -> Result<Client> {
        self.address.connect(self.key.signer()?).await
    }
}

/// The server's address, and certificates for TLS.
#[derive(Clone, Debug, Args)]
pub(crate) struct AddressArgs {
    /// The server's address.
    #[arg(long, value_name = "URL", env = "TRIBUTE_SERVER", default_value = "http://127.0.0.1:7410")]
    server: String,
    /// PEM file of further certificate authorities to trust, for a server at an https address.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_SERVER_CA")]
    server_ca: Option<PathBuf>,
    /// PEM file of your certificate, for a server that asks for one, with its private key: a file of both.
    #[arg(long, value_name = "FILE", env = "TRIBUTE_CLIENT_CERTIFICATE")]
    client_certificate: Option<PathBuf>,
}

impl AddressArgs {
    /// Connects to the server as a key's account.
    pub(crate) async fn connect(&self, key: PrivateKeySigner) -> Result<Client> {
        let read = |option, file: &Option<PathBuf>| file.as_ref().map(|file| read_given(option, file)).transpose();
        let identity = read("client-certificate", &self.client_certificate)?;
        let tls =
            Tls { roots: read("server-ca", &self.server_ca)?, identity: identity.map(|both| (both.clone(), both)) };
        Client::connect_with(&self.server, key, &tls).await
    }
}
