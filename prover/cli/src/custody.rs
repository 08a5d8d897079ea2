//! `tribute custody …`: backup of the column secrets. Without them, nothing about a commitment can be proven again.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tribute_custody::{Custody, KeySource};
use tribute_problem::{Problem, Result};
use tribute_store::db::Database;
use tribute_store::files::write_private;

use super::serve::StorageArgs;
use super::CommandResult;

#[derive(Debug, Subcommand)]
pub(super) enum CustodyCommand {
    /// Write all column secrets and opening counters to an encrypted file.
    ///
    /// The first backup reserves a quarter of every commitment's opening budget for a restored store, so that the live store
    /// and the restored one never exceed the budget together. Restore a backup only once.
    Backup(BackupArgs),
    /// Restore secrets and counters from a backup; counters never decrease.
    Restore(BackupArgs),
    /// Seal all secrets under another master key. Then restart servers and workers with the new one.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// The new master key, in the forms of --master-key.
    #[arg(long, value_name = "FILE|env:NAME|run:COMMAND")]
    to: KeySource,
    #[command(flatten)]
    storage: StorageArgs,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The backup file.
    file: PathBuf,
    /// File with the backup's encryption key (64 hex digits), created by the first backup. Store it apart from the backup.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    #[command(flatten)]
    storage: StorageArgs,
}

pub(super) async fn run(command: CustodyCommand) -> CommandResult {
    let storage = match &command {
        CustodyCommand::Backup(args) | CustodyCommand::Restore(args) => args.storage.storage()?,
        CustodyCommand::Rotate(args) => args.storage.storage()?,
    };
    let (database, artefacts) = (Database::open(&storage.database).await?, storage.workplace.artefacts()?);
    let custody = Custody::open(database, artefacts, &storage.master_key).await?;
    match &command {
        CustodyCommand::Backup(a) => {
            if !a.key_file.exists() {
                write_private(&a.key_file, hex::encode(rand::random::<[u8; 32]>()).as_bytes())?;
            }
            custody.backup(&a.file, &read_key(&a.key_file)?).await?;
            say!("backed up to {}", a.file.display());
        }
        CustodyCommand::Restore(a) => {
            custody.restore(&a.file, &read_key(&a.key_file)?).await?;
            say!("restored from {}", a.file.display());
        }
        CustodyCommand::Rotate(a) => {
            let secrets = custody.rotate(&a.to).await?;
            say!("secrets sealed under {}: {secrets}", a.to);
        }
    }
    Ok(())
}

fn read_key(file: &Path) -> Result<[u8; 32]> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Problem::field("key-file", format!("cannot read {}: {e}", file.display())))?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| Problem::field("key-file", format!("{} must hold 64 hex digits", file.display())))?;
    Ok(key)
}
