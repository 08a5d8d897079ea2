//! `tribute api-key`

use clap::{Args, Subcommand, ValueEnum};
use tribute_client::problem;
use tribute_proto::v1::{self, KeyRole};

use super::server_args::ServerArgs;
use super::CommandResult;
use crate::demo::table::Table;

#[derive(Debug, Subcommand)]
pub(super) enum ApiKeyCommand {
    /// Make a key and print it, once; the server keeps only its hash.
    Create(CreateArgs),
    /// List the account's keys.
    List(ServerArgs),
    /// Make a key void at once.
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// A name for it.
    name: String,
    /// What it allows.
    #[arg(long, value_enum)]
    role: RoleArg,
    /// Days for which it is good, up to 366.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    days: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    /// Look at the account's jobs, with their outcomes.
    Watcher,
    /// Read all that is the account's.
    Reader,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The key's name.
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: ApiKeyCommand) -> CommandResult {
    match command {
        ApiKeyCommand::Create(a) => {
            let role = match a.role {
                RoleArg::Watcher => KeyRole::Watcher,
                RoleArg::Reader => KeyRole::Reader,
            };
            let request = v1::CreateKeyRequest { name: a.name, role: role.into(), days: a.days };
            let made = a.server.connect().await?.logins().create_key(request).await.map_err(problem)?.into_inner();
            say!("{}", made.key);
        }
        ApiKeyCommand::List(a) => {
            let client = a.connect().await?;
            let found = client.logins().list_keys(v1::ListKeysRequest {}).await.map_err(problem)?.into_inner();
            let mut table = Table::new("Keys", &["name", "role", "created", "expires"]);
            for key in &found.keys {
                let role = match key.role() {
                    KeyRole::Watcher => "watcher",
                    KeyRole::Reader => "reader",
                    KeyRole::Unspecified => "unknown",
                };
                table.row([key.name.clone(), role.into(), key.created.to_string(), key.expires.to_string()]);
            }
            say_part!("{table}");
        }
        ApiKeyCommand::Revoke(a) => {
            let request = v1::RevokeKeyRequest { name: a.name };
            a.server.connect().await?.logins().revoke_key(request).await.map_err(problem)?;
        }
    }
    Ok(())
}
