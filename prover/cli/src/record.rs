//! `tribute dataset show-record` and `check-record`.

use std::path::PathBuf;

use clap::Args;
use tribute_client::files::{read_file, write_file};
use tribute_client::problem;
use tribute_core::id::{DatasetId, RecordContext};
use tribute_proto::v1;
use tribute_steps::membership::{Options, ShownRecord};

use super::output::emit;
use super::CommandResult;
use crate::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The dataset's id.
    dataset: DatasetId,
    /// Position of the record in the order of registration, from 0.
    record: u64,
    /// 32-byte challenge from the party that asked for the record; it shows them that the proof was made for them.
    #[arg(long, value_name = "HEX", default_value_t = RecordContext::ZERO, hide_default_value = true)]
    context: RecordContext,
    /// File to write to.
    #[arg(long, value_name = "FILE", default_value = "record.json", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The record file, as `show-record` wrote it.
    file: PathBuf,
    /// Expected dataset id. Without it, compare the printed id yourself.
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    /// Expected challenge (the `--context` of `show-record`).
    #[arg(long, value_name = "HEX")]
    context: Option<RecordContext>,
    /// Accept the development SRS, for which anyone can forge records.
    #[arg(long)]
    allow_dev_srs: bool,
    /// The SRS under which the dataset is committed: a powers-of-tau file (.ptau), or a file or folder from `tribute srs
    /// import`. Get it from the ceremony, not from the party that shows the record.
    #[arg(long, value_name = "FILE|DIR", env = "TRIBUTE_SRS")]
    srs: Option<PathBuf>,
}

pub(super) async fn show(a: &ShowArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let request =
        v1::ShowRecordRequest { dataset_id: a.dataset.to_vec(), record: a.record, context: a.context.to_vec() };
    let shown = client.datasets().show_record(request).await.map_err(problem)?.into_inner();
    write_file(&a.out, &shown.record_json)?;
    note!("wrote {}", a.out.display());
    Ok(())
}

pub(super) fn check(a: &CheckArgs) -> CommandResult {
    let record = ShownRecord::from_json(&read_file(&a.file)?)?;
    let options =
        Options { allow_dev_srs: a.allow_dev_srs, srs: a.srs.clone(), dataset: a.dataset, context: a.context };
    emit(&record.check(&options)?, None)
}
