//! `tribute dataset …`

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;
use tribute_client::{problem, Client};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::DatasetId;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Result};
use tribute_proto::v1;
use tribute_records::Source;

use super::chain::terms::{unset, warn};
use super::link_arg::LinkArg;
use super::output::{self, emit};
use super::table::{told, AcceptArgs, FormArgs};
use super::{progress, record, schema, CommandResult};
use crate::job_options::JobOptionArgs;
use crate::server_args::ServerArgs;
use crate::typed::{somebody, units};

#[derive(Debug, Subcommand)]
pub(super) enum DatasetCommand {
    /// Commit records and prove the commitment; writes the dataset file with its proofs.
    Register(RegisterArgs),
    /// Add records to a dataset as further shards of its next version. Those it has are not proven again; writes the dataset file.
    Extend(ExtendArgs),
    /// Show one of your datasets with its proofs and versions.
    Get(GetArgs),
    /// List your datasets, newest first.
    List(ServerArgs),
    /// Let an agent owner train on a dataset, or have an agent evaluated on it, through this server. Versions on chain need
    /// `tribute chain grant` instead.
    Grant(GrantArgs),
    /// Delete a dataset's records from the server for good; its commitment and its proofs stay.
    Forget(ForgetArgs),
    /// Reveal one record of your dataset, label included, with a proof of its membership; nothing else is revealed.
    ShowRecord(record::ShowArgs),
    /// Verify a shown record against its dataset's id, offline.
    CheckRecord(record::CheckArgs),
}

/// Which records of a file to read, and how.
#[derive(Debug, Args)]
struct ReadingArgs {
    /// Only records A..B of the file, counted from 0, B excluded.
    #[arg(long, value_name = "A..B", value_parser = range)]
    rows: Option<Range<usize>>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    accept: AcceptArgs,
    /// Report what was found in the file and exit. Fails if registration would.
    #[arg(long)]
    dry_run: bool,
    /// Print the report on the file as JSON: on standard output with --dry-run, otherwise on standard error.
    #[arg(long)]
    json: bool,
}

impl ReadingArgs {
    /// Reads a file's records and reports on them; `None` if that was all that was asked for. `before` runs between.
    ///
    /// # Errors
    /// Where and why a record cannot be read, or a doubt that was not accepted.
    fn records(&self, csv: &Path, schema: &Schema, before: impl FnOnce()) -> Result<Option<Records>> {
        let options = self.form.options(self.rows.clone(), &self.accept.accepted());
        let found = Source::open(csv, &options)?.records(schema, &options)?;
        before();
        let report = told(&found.report, self.json)?;
        if self.dry_run {
            say!("{report}");
            found.report.settled()?;
            return Ok(None);
        }
        note!("{report}");
        Ok(Some(found.into_records()?))
    }
}

#[derive(Debug, Args)]
pub(super) struct RegisterArgs {
    /// The table: CSV, optionally gzip-compressed, Parquet or Arrow. A header is checked against the schema's names.
    csv: PathBuf,
    /// The schema file.
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Minimum part of an agent's fees that goes to data, in basis points.
    #[arg(long, value_name = "BPS", default_value_t = 0)]
    min_data_bps: u32,
    /// Let anyone train without a grant.
    #[arg(long)]
    open_training: bool,
    /// Minimum share of the fees for data that this dataset must get, in basis points; below it no agent is certified.
    #[arg(long, value_name = "BPS", default_value_t = 0)]
    min_share_bps: u32,
    /// Minimum price of a query, in the token's base units.
    #[arg(long, value_name = "AMOUNT", default_value_t = 0, value_parser = units)]
    min_price: u128,
    /// A link function that agents may use; repeatable. [default: any, but on chain squared only if a grant names it]
    #[arg(long = "allow-link", value_name = "LINK", value_enum)]
    links: Vec<LinkArg>,
    /// Prove for no chain, although the server has one.
    #[arg(long)]
    off_chain: bool,
    #[command(flatten)]
    profile: ProfileArgs,
    /// File to write the dataset to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExtendArgs {
    /// Id of the dataset's latest version. Schema, terms and profile are its own.
    id: DatasetId,
    /// The table of the further records only: CSV, optionally gzip-compressed, Parquet or Arrow.
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    #[command(flatten)]
    reading: ReadingArgs,
    /// File to write the dataset to, with the shards of all versions; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ProfileArgs {
    /// log2 of the circuits' rows. [default: the server's]
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    k: u32,
    /// Data columns of the circuits. [default: the server's, by default as many as fit the schema best]
    #[arg(long, value_name = "A", default_value_t = 0, hide_default_value = true)]
    columns: u32,
    /// Constant feature of the bias, as 2^S. The larger it is, the less the bias is penalised: at 4 hardly at all.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=4))]
    intercept_scale: u32,
}

impl ProfileArgs {
    pub(crate) fn message(self) -> Option<v1::Profile> {
        Some(v1::Profile { k: self.k, columns: self.columns, intercept_scale: self.intercept_scale })
    }
}

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The dataset's id.
    id: DatasetId,
    /// File to write to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// The dataset's id.
    id: DatasetId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// The dataset's id.
    id: DatasetId,
    /// The agent owner's account.
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    to: AccountAddress,
    /// Number of agents that may be trained.
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// Days until the grant expires.
    #[arg(long, default_value_t = 365)]
    days: u64,
    #[command(flatten)]
    server: ServerArgs,
}

fn bps(given: u32) -> u16 {
    u16::try_from(given).unwrap_or(u16::MAX)
}

/// Parses `A..B`.
pub(crate) fn range(text: &str) -> std::result::Result<Range<usize>, String> {
    text.split_once("..")
        .and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?))
        .filter(|r| r.start < r.end)
        .ok_or_else(|| format!("`{text}` is not a range A..B with A below B"))
}

pub(super) async fn run(command: DatasetCommand) -> CommandResult {
    match command {
        DatasetCommand::Register(a) => register(a).await?,
        DatasetCommand::Extend(a) => extend(a).await?,
        DatasetCommand::Get(a) => {
            let dataset = get(&a.server.connect().await?, &a.id).await?;
            emit(&output::dataset(&dataset)?, a.out.as_deref())?;
        }
        DatasetCommand::List(a) => {
            let client = a.connect().await?;
            let request = v1::ListDatasetsRequest::default();
            let list = client.datasets().list_datasets(request).await.map_err(problem)?.into_inner().datasets;
            emit(&Value::Array(list.iter().map(output::dataset).collect::<Result<_>>()?), None)?;
        }
        DatasetCommand::Forget(a) => {
            let client = a.server.connect().await?;
            let request = v1::ForgetDatasetRequest { id: a.id.to_vec() };
            let told = client.datasets().forget_dataset(request).await.map_err(problem)?.into_inner();
            let deleted = told.deleted;
            say!("the records of {} are deleted from the server ({deleted} artefacts); its commitment stays", a.id);
            for other in told.kept_for {
                say!("those that {} has, too, stay until it is forgotten as well", output::hexed(&other));
            }
        }
        DatasetCommand::ShowRecord(a) => record::show(&a).await?,
        DatasetCommand::CheckRecord(a) => record::check(&a)?,
        DatasetCommand::Grant(a) => {
            let client = a.server.connect().await?;
            let request = v1::GrantTrainingRequest {
                dataset_id: a.id.to_vec(),
                grantee: a.to.to_vec(),
                uses: a.uses,
                expiry: client.info.now_ms / 1000 + a.days * 86_400,
            };
            let uses = client.datasets().grant_training(request).await.map_err(problem)?.into_inner().uses;
            say!("{} may train on {}: {uses} uses left", a.to, a.id);
        }
    }
    Ok(())
}

async fn register(a: RegisterArgs) -> CommandResult {
    let schema = schema::read(&a.schema)?;
    let warned = || {
        if a.off_chain {
            return;
        }
        let unset = unset(bps(a.min_share_bps), bps(a.min_data_bps), a.min_price, false);
        warn(
            &unset,
            if a.open_training {
                "These terms hold for everyone who trains, and can never change: a grant cannot restrict an open dataset further."
            } else {
                "These terms can never change; each grant may ask for more (tribute chain grant)."
            },
        );
    };
    let Some(records) = a.reading.records(&a.csv, &schema, warned)? else { return Ok(()) };
    let client = a.server.connect().await?;
    let work = v1::DatasetWork {
        schema_json: schema.canonical().into_bytes(),
        records: Some(sent(&client, &records).await?),
        profile: a.profile.message(),
        context: a.off_chain.then(v1::ChainContext::default),
        terms: Some(v1::Terms {
            min_data_bps: a.min_data_bps,
            open_training: a.open_training,
            min_share_bps: a.min_share_bps,
            min_price: if a.min_price == 0 { String::new() } else { a.min_price.to_string() },
            links: a.links.iter().map(|link| link.message()).collect(),
        }),
        extends: Vec::new(),
    };
    let Some(dataset) = proven(&client, work, &a.job).await? else { return Ok(()) };
    note!("dataset {}: {} records committed and proven", output::hexed(&dataset.id), dataset.records);
    emit(&output::dataset(&dataset)?, a.out.as_deref())
}

async fn extend(a: ExtendArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let earlier = get(&client, &a.id).await?;
    let schema = Schema::from_json(&String::from_utf8_lossy(&earlier.schema_json))?;
    let Some(records) = a.reading.records(&a.csv, &schema, || {})? else { return Ok(()) };
    let records = Some(sent(&client, &records).await?);
    let work = v1::DatasetWork { extends: a.id.to_vec(), records, ..v1::DatasetWork::default() };
    let Some(dataset) = proven(&client, work, &a.job).await? else { return Ok(()) };
    note!(
        "dataset {}: {} more records committed and proven, {} in all; agents trained on {} keep that version",
        output::hexed(&dataset.id),
        dataset.records - earlier.records,
        dataset.records,
        a.id
    );
    emit(&output::dataset(&dataset)?, a.out.as_deref())
}

async fn get(client: &Client, id: &DatasetId) -> Result<v1::Dataset> {
    let request = v1::GetDatasetRequest { id: id.to_vec() };
    Ok(client.datasets().get_dataset(request).await.map_err(problem)?.into_inner())
}

/// Uploads records. Only those in the report leave this machine: no text, and no row that is not registered.
async fn sent(client: &Client, records: &Records) -> Result<v1::dataset_work::Records> {
    let rows = records.iter().flat_map(|(f, t)| [f, &t.to_be_bytes()].concat()).collect();
    Ok(v1::dataset_work::Records::Quantised(v1::QuantisedRecords { upload: client.upload(rows).await? }))
}

/// The committed and proven dataset; `None` if only its estimate was asked for, which is printed.
async fn proven(client: &Client, work: v1::DatasetWork, job: &JobOptionArgs) -> Result<Option<v1::Dataset>> {
    if job.estimated(client, v1::work::Work::Dataset(work.clone())).await? {
        return Ok(None);
    }
    let request = v1::RegisterDatasetRequest { work: Some(work), options: job.message(client) };
    let job = client.datasets().register_dataset(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
    let done = progress::finish(client, "registering", &job).await?;
    match done.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Dataset(v1::DatasetOutcome { dataset: Some(dataset) })) => Ok(Some(dataset)),
        _ => Err(Problem::internal("the job came back without its dataset")),
    }
}
