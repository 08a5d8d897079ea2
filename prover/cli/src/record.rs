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
    /// Which record, from 0, in the order of registration.
    record: u64,
    /// What it is shown for: 32 bytes chosen by whoever asked, so that they know it was made for them.
    #[arg(long, value_name = "HEX", default_value_t = RecordContext::ZERO, hide_default_value = true)]
    context: RecordContext,
    /// File to write to.
    #[arg(long, value_name = "FILE", default_value = "record.json")]
    out: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The shown record.
    file: PathBuf,
    /// The dataset it must be of. Without it, compare the id that is printed.
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    /// What it must have been shown for.
    #[arg(long, value_name = "HEX")]
    context: Option<RecordContext>,
    /// Accept the development SRS, for which anyone can forge records.
    #[arg(long)]
    allow_dev_srs: bool,
    /// The SRS that the dataset is committed under: a powers-of-tau file (.ptau), or a file or folder of `tribute srs
    /// import`. Take it from the ceremony, not from whoever shows the record.
    #[arg(long, value_name = "FILE|DIR", env = "TRIBUTE_SRS")]
    srs: Option<PathBuf>,
}

pub(super) async fn show(a: &ShowArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let request =
        v1::ShowRecordRequest { dataset_id: a.dataset.to_vec(), record: a.record, context: a.context.to_vec() };
    let shown = client.datasets().show_record(request).await.map_err(problem)?.into_inner();
    write_file(&a.out, &shown.record_json)?;
    eprintln!("wrote {}", a.out.display());
    Ok(())
}

pub(super) fn check(a: &CheckArgs) -> CommandResult {
    let record = ShownRecord::from_json(&read_file(&a.file)?)?;
    let options =
        Options { allow_dev_srs: a.allow_dev_srs, srs: a.srs.clone(), dataset: a.dataset, context: a.context };
    emit(&record.check(&options)?, None)
}
