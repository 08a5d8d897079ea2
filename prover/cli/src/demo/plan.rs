//! Plan of a demo: the rows of each provider and client, its settings, and where to find the tools.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tribute_core::head::lambda_units;
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Reason, Result};
use tribute_records::{Options, Predicts, Range, Rows, Source};

use crate::link_arg::LinkArg;
use crate::table::stem;

/// The data of the default demo, from the repository's root.
const DIGITS: &str = "examples/digits.csv.gz";
/// Rows of each provider in the default demo; the rows held out for the clients follow.
const DIGITS_SPLIT: [usize; 3] = [900, 500, 197];
const DIGITS_HOLDOUT: usize = 200;

/// Run the whole life cycle on one machine: a local chain, a service, providers, an agent, clients, and four rejected frauds.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Labelled CSV of numbers, label last, optionally gzip-compressed. [default: the digits in examples/]
    #[arg(long, value_name = "CSV", requires = "split", requires = "holdout")]
    data: Option<PathBuf>,
    /// Number of rows for each provider, taken from the first row on.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    split: Vec<usize>,
    /// Number of rows at the end to hold out as the clients' queries.
    #[arg(long, value_name = "H")]
    holdout: Option<usize>,
    /// Link function, which also selects the loss.
    #[arg(long, value_enum, default_value_t = LinkArg::Softmax)]
    link: LinkArg,
    /// Regularisation strength λ, between 0 and 1.
    #[arg(long, value_name = "L", default_value_t = 1e-3)]
    lambda: f64,
    /// Output folder; created if missing. Files of an earlier demo in it are replaced.
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    /// Keep the service's data folder (database, artefacts, encrypted records) in DIR/service.
    #[arg(long)]
    keep: bool,
    /// The node that runs the chain.
    #[arg(long, value_enum, default_value_t = Node::Anvil)]
    node: Node,
    /// log2 of the circuits' rows.
    #[arg(long, value_name = "K", default_value_t = 15)]
    k: u32,
    /// Data columns of the circuits. [default: as many as fit the data best]
    #[arg(long, value_name = "A")]
    columns: Option<usize>,
}

/// A local Ethereum node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Node {
    /// Foundry's node, installed by `make setup`.
    Anvil,
    /// Hardhat's node, installed by `scripts/test-tools.sh`; it cannot dump the chain's state.
    Hardhat,
}

/// A checked plan.
#[derive(Debug)]
pub(super) struct Plan {
    /// The CSV, absolute.
    pub(super) data: PathBuf,
    /// Header line, if the CSV has one.
    header: Option<String>,
    /// The label's name, if the CSV has a header.
    label: Option<String>,
    /// Rows of the CSV, verbatim, one for each record.
    rows: Vec<String>,
    /// The first row with its label replaced by another label in the data; `None` if all labels are equal.
    relabelled: Option<String>,
    /// Rows of each provider.
    pub(super) split: Vec<usize>,
    /// Queries of each of the two clients.
    pub(super) queries: [usize; 2],
    link: LinkArg,
    /// λ as given on the command line.
    pub(super) lambda: f64,
    /// The output folder, absolute.
    pub(super) out: PathBuf,
    pub(super) keep: bool,
    pub(super) node: Node,
    pub(super) k: u32,
    pub(super) columns: usize,
    /// The repository's root, if it was found: where to look for tools.
    root: Option<PathBuf>,
}

impl Plan {
    /// Reads the CSV and checks that everything fits, before anything is started.
    pub(super) fn new(args: DemoArgs) -> Result<Self> {
        lambda_units(args.lambda).map_err(|e| Problem::field("lambda", e.to_string()))?;
        let root = upward(DIGITS);
        let (data, split, holdout) = match args.data {
            Some(data) => (data, args.split, args.holdout.unwrap_or_default()),
            None => {
                let data = root.as_ref().map(|r| r.join(DIGITS)).ok_or_else(|| {
                    Problem::field(
                        "data",
                        format!("no {DIGITS} here or in a folder above: run from the repository, or give --data"),
                    )
                })?;
                let split = if args.split.is_empty() { DIGITS_SPLIT.to_vec() } else { args.split };
                (data, split, args.holdout.unwrap_or(DIGITS_HOLDOUT))
            }
        };
        if split.is_empty() || split.contains(&0) {
            return Err(Problem::field("split", "give at least one provider, each with at least one row"));
        }
        if holdout < 2 {
            return Err(Problem::field(
                "holdout",
                format!("{holdout} is too small: two clients need at least two rows"),
            ));
        }

        let source = Source::open(&data, &Options::default())?;
        let (schema, options) = schema(&source, &stem(&data))?;
        let rows = source.rows(&schema, &options)?;
        let wanted = split.iter().sum::<usize>() + holdout;
        if wanted > rows.len() {
            let (file, records) = (source.file(), rows.len());
            return Err(Problem::field(
                "split",
                format!("{file} has {records} records, but split and holdout need {wanted}"),
            ));
        }
        let columns = args.columns.unwrap_or_else(|| schema.fitting_columns());
        schema.layout(args.k, columns)?;
        // three fifths to the first client
        let first = (holdout * 3).div_ceil(5).min(holdout - 1);
        Ok(Plan {
            data: std::path::absolute(data)?,
            header: rows.header().map(str::to_owned),
            relabelled: rows.relabelled(0),
            rows: texts(&rows),
            label: options.label,
            split,
            queries: [first, holdout - first],
            link: args.link,
            lambda: args.lambda,
            out: std::path::absolute(&args.out)?,
            keep: args.keep,
            node: args.node,
            k: args.k,
            columns,
            root,
        })
    }

    /// Text of a provider's file.
    pub(super) fn provider_csv(&self, index: usize) -> String {
        let start: usize = self.split[..index].iter().sum();
        self.csv(start..start + self.split[index])
    }

    /// Text of a client's file: its part of the held-out rows.
    pub(super) fn client_csv(&self, index: usize) -> String {
        let first = self.rows.len() - self.queries.iter().sum::<usize>();
        let start = first + self.queries[..index].iter().sum::<usize>();
        self.csv(start..start + self.queries[index])
    }

    /// The first provider's file, with the label of its first record changed to another label in the data.
    pub(super) fn altered_csv(&self) -> Result<String> {
        let other = self.relabelled.as_ref().ok_or_else(|| {
            Problem::new(Reason::BadRecord, format!("{}: all labels are the same", self.data.display()))
        })?;
        Ok(self.provider_csv(0).replacen(&self.rows[0], other, 1))
    }

    /// The arguments that say how the files of providers and clients are to be read.
    pub(super) fn form(&self) -> Vec<&str> {
        self.label.iter().flat_map(|label| ["--label", label.as_str()]).collect()
    }

    /// The link's name on the command line.
    pub(super) fn link(&self) -> &'static str {
        match self.link {
            LinkArg::Squared => "squared",
            LinkArg::Logistic => "logistic",
            LinkArg::Softmax => "softmax",
        }
    }

    /// Absolute path of the CSV.
    pub(super) fn data_file(&self) -> String {
        self.data.to_string_lossy().into_owned()
    }

    /// Name of the data: the CSV's file name without extensions.
    pub(super) fn name(&self) -> String {
        stem(&self.data)
    }

    /// Path of a tool: the value of `variable`, otherwise `relative` under this folder, the program's, or one above them.
    pub(super) fn tool(&self, variable: &str, relative: &str) -> Result<PathBuf> {
        let found = match std::env::var_os(variable) {
            Some(named) => Some(PathBuf::from(named)),
            None => upward(relative).or_else(|| self.root.clone()).map(|root| root.join(relative)),
        };
        found.filter(|p| p.exists()).and_then(|p| std::path::absolute(p).ok()).ok_or_else(|| {
            Problem::new(
                Reason::ToolMissing,
                format!("{relative} is missing: run `make setup`, or set {variable} to its path"),
            )
        })
    }

    fn csv(&self, rows: std::ops::Range<usize>) -> String {
        let rows = self.header.iter().chain(&self.rows[rows]);
        rows.flat_map(|row| [row.as_str(), "\n"]).collect()
    }
}

/// Infers a schema from the whole file, whose records must all be committable without changes; also how they are read.
fn schema(source: &Source, name: &str) -> Result<(Schema, Options)> {
    let found = source.infer(name, Predicts::Classes, Range::MinMax, &Options::default())?;
    let options = Options { label: found.report.label_name.clone(), ..Options::default() };
    let schema = found.into_schema()?;
    source.records(&schema, &options)?.into_records()?;
    Ok((schema, options))
}

fn texts(rows: &Rows<'_>) -> Vec<String> {
    (0..rows.len()).map(|i| rows.get(i).to_owned()).collect()
}

/// The nearest folder that contains `relative`: from the current folder upwards, then from the program's.
fn upward(relative: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let program = std::env::current_exe().ok();
    let starts = here.iter().chain(program.iter());
    starts.flat_map(|start| start.ancestors()).find(|folder| folder.join(relative).exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DemoArgs,
    }

    fn plan(args: &[&str]) -> Result<Plan> {
        Plan::new(Line::try_parse_from([&["demo"], args].concat()).map_err(Problem::internal)?.args)
    }

    fn wine(extra: &[&str]) -> Result<Plan> {
        let csv = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wine.csv");
        plan(&[&["--data", csv, "--link", "logistic"], extra].concat())
    }

    #[test]
    fn the_digits_are_the_default() {
        let plan = plan(&[]).unwrap();
        assert_eq!((plan.split.as_slice(), plan.queries), (&[900, 500, 197][..], [120, 80]));
        assert_eq!(plan.provider_csv(2).lines().count(), 197);
        let cut: String = (0..3).map(|i| plan.provider_csv(i)).chain((0..2).map(|i| plan.client_csv(i))).collect();
        let whole = Source::open(&plan.data, &Options::default()).unwrap();
        assert_eq!(cut, whole.text());
        assert!(plan.form().is_empty());
    }

    #[test]
    fn the_last_column_is_the_label_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("wine.csv");
        let wine = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wine.csv")).unwrap();
        std::fs::write(&csv, wine.replacen(",class", ",cultivar", 1)).unwrap();
        let plan = plan(&["--data", csv.to_str().unwrap(), "--split", "50", "--holdout", "10"]).unwrap();
        assert_eq!(plan.form(), ["--label", "cultivar"]);
    }

    #[test]
    fn other_data_keep_their_header_and_split_queries_three_to_two() {
        let plan = wine(&["--split", "50,45,43", "--holdout", "40"]).unwrap();
        assert_eq!(plan.queries, [24, 16]);
        assert_eq!(plan.provider_csv(1).lines().count(), 46);
        assert_eq!(plan.provider_csv(1).lines().next(), plan.client_csv(1).lines().next());
    }

    #[test]
    fn one_label_differs_in_the_altered_file() {
        let plan = wine(&["--split", "50,45,43", "--holdout", "40"]).unwrap();
        let (honest, altered) = (plan.provider_csv(0), plan.altered_csv().unwrap());
        let different: Vec<(&str, &str)> = honest.lines().zip(altered.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!(different.len(), 1);
        assert_eq!(different[0].0.rsplit_once(',').unwrap().0, different[0].1.rsplit_once(',').unwrap().0);
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_starts() {
        for (extra, field) in [
            (&["--split", "150,45,43", "--holdout", "40"][..], "split"),
            (&["--split", "50,0", "--holdout", "40"], "split"),
            (&["--split", "50", "--holdout", "1"], "holdout"),
            (&["--split", "50", "--holdout", "10", "--lambda", "0"], "lambda"),
        ] {
            let refused = wine(extra).unwrap_err();
            assert_eq!(refused.metadata.get("field").map(String::as_str), Some(field), "{extra:?}: {refused}");
        }
        assert!(wine(&[]).is_err(), "other data need their split");
    }
}
