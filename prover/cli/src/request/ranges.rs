//! `tribute request schema …`: the ranges of a schema, from rows that stay apart, from both sides.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{json, Value};
use tribute_client::authorizing::canonical_url;
use tribute_client::files::{read_file, write_file};
use tribute_client::{problem, Client};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::RequestId;
use tribute_core::schema::Target;
use tribute_federation::ranges::{numbers, schema as combined, Seat};
use tribute_federation::request::PROGRAM;
use tribute_federation::{wire, Answer, Asked, RangesRequest};
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;
use tribute_records::{Kind, Range, Source};

use super::held::{self, asked, enough_participants, get, state};
use super::nodes::{self, patiently, request_at, Consents, Real};
use crate::output::{emit, grouped};
use crate::schema;
use crate::server_args::ServerArgs;
use crate::table::{told as told_of, FormArgs};
use crate::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// As an agent's owner: write a request for the ranges of a schema, and leave it at the participants' nodes. Nothing is computed.
    Ask(AskArgs),
    /// As an agent's owner: collect the answers, and write the schema.
    Collect(CollectArgs),
    /// As a participant: approve a request with your table, of which only sums go to your own node.
    Approve(ApproveArgs),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RangeArg {
    /// Four and a half standard deviations on each side of the mean, from masked sums: nobody's own numbers are seen.
    Standard,
    /// From the smallest to the largest value: each participant discloses its own to you.
    Minmax,
}

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// A schema file with the names, classes and categories, such as `tribute schema infer` writes for a few invented rows. The ranges
    /// of its numeric features are found.
    #[arg(long, value_name = "FILE")]
    template: PathBuf,
    /// Range that the 256 quantisation steps of a feature cover.
    #[arg(long, value_enum, default_value_t = RangeArg::Standard)]
    range: RangeArg,
    /// A node with the participants there, `URL=ACCOUNT[,ACCOUNT…]`; repeat for every node.
    #[arg(long = "node", value_name = "URL=ACCOUNT[,ACCOUNT]", required = true)]
    nodes: Vec<String>,
    /// What the schema is for: participants read it.
    #[arg(long)]
    purpose: String,
    /// Counts your requests for these ranges, from 0: every further one needs everybody's approval again.
    #[arg(long, default_value_t = 0)]
    attempt: u32,
    /// File to write the request to.
    #[arg(long, value_name = "FILE", default_value = "schema-request.json", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// The file that `ask` wrote.
    request: PathBuf,
    /// How long to wait for a node that is away, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    patience: u64,
    /// File to write the schema to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The request's id.
    request: RequestId,
    /// Your table, a CSV file. It is read here; your node gets the numbers of values, their sums and the sums of their squares.
    table: PathBuf,
    #[command(flatten)]
    form: FormArgs,
    /// Drop records without a label.
    #[arg(long)]
    drop_unlabelled: bool,
    /// Match columns by position although their names differ from the template's.
    #[arg(long)]
    by_position: bool,
    /// Disclose your smallest and largest value of each feature to the owner, if the request needs them. They are values of single
    /// records.
    #[arg(long)]
    disclose_extremes: bool,
    /// Refuse if fewer accounts take part. With two, each learns the other's sums; the owner may hide behind several accounts.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    least_participants: usize,
    /// Refuse if your table has fewer values than this of a feature, and not none. Sums are exact: those of one value are the value, and
    /// with the sum of the squares, so are those of two.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    least_values: usize,
    /// Approve although your node answers another request of this owner for the same features. Rows that came into your table between
    /// the two are their exact difference.
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: SchemaCommand) -> CommandResult {
    match command {
        SchemaCommand::Ask(a) => ask(a).await,
        SchemaCommand::Collect(a) => collect(a).await,
        SchemaCommand::Approve(a) => approve(a).await,
    }
}

async fn ask(a: AskArgs) -> CommandResult {
    let own = a.server.connect().await?;
    let mut participants = Vec::new();
    for text in &a.nodes {
        let (node, accounts) = text
            .split_once('=')
            .ok_or_else(|| Problem::field("node", format!("`{text}` is not of the form URL=ACCOUNT[,ACCOUNT…]")))?;
        let node = canonical_url(node)?;
        for account in accounts.split(',') {
            let account =
                account.parse::<AccountAddress>().map_err(|e| Problem::field("node", format!("`{account}`: {e}")))?;
            participants.push(Seat { account, node: node.clone() });
        }
    }
    let request = RangesRequest {
        program: PROGRAM.into(),
        owner: own.account()?,
        attempt: a.attempt,
        purpose: a.purpose,
        template: schema::read(&a.template)?.canonical(),
        range: match a.range {
            RangeArg::Standard => Range::Standard,
            RangeArg::Minmax => Range::MinMax,
        },
        participants,
    };
    request.check()?;
    write_file(&a.out, &request.to_json())?;
    for url in nodes::urls(request.participants.iter().map(|seat| seat.node.as_str())) {
        let node = nodes::connect(url, &a.server).await?;
        let here = request.participants.iter().filter(|seat| seat.node == url);
        let accounts = here.map(|seat| seat.account.to_vec()).collect();
        let ask = v1::AskTrainingRequest { request_json: request.to_json(), accounts };
        node.trainings().ask_training(ask).await.map_err(|s| nodes::named(url, problem(s)))?;
    }
    let members = request.participants.len();
    note!(
        "request {} is at {members} participants; wrote {}. Each has to approve it: `tribute request schema approve`",
        request.id(),
        a.out.display()
    );
    emit(&json!({ "request": request.id(), "participants": members }), None)
}

async fn collect(a: CollectArgs) -> CommandResult {
    let request = RangesRequest::parse(&read_file(&a.request)?)?;
    request.check_program()?;
    let patience = Duration::from_secs(a.patience);
    let mut said = Consents::new(request.id());
    for seat in &request.participants {
        let state = patiently(&seat.node, patience, &Real::new(), async || {
            let node: Client = a.server.connect_to(&seat.node).await?;
            request_at(&node, request.id(), seat.account).await
        })
        .await?;
        said.hear(seat.account, &seat.node, &state)?;
    }
    let consents = said.all()?;
    let mut answers: Vec<Answer> = Vec::new();
    for seat in &request.participants {
        let answer = patiently(&seat.node, patience, &Real::new(), async || {
            let node: Client = a.server.connect_to(&seat.node).await?;
            let ask = v1::AnswerRangesRequest {
                id: request.id().to_vec(),
                account: seat.account.to_vec(),
                consents: consents.iter().map(wire::consent_message).collect(),
            };
            Ok(wire::answer(node.trainings().answer_ranges(ask).await.map_err(problem)?.into_inner()))
        })
        .await?;
        answers.push(answer);
    }
    let found = combined(&request, &consents, &answers)?;
    match &a.out {
        Some(out) => {
            write_file(out, found.canonical().as_bytes())?;
            note!("schema {} from {} participants; wrote {}", found.id(), consents.len(), out.display());
        }
        None => say!("{}", found.canonical()),
    }
    Ok(())
}

async fn approve(a: ApproveArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let message = get(&client, a.request).await?;
    let request = match asked(&message, a.request)? {
        Asked::Ranges(request) => request,
        Asked::Training(_) => {
            let text = format!("{} is to train: `tribute request approve {}`", a.request, a.request);
            return Err(Problem::field("request", text));
        }
        Asked::Other(other) => return Err(other.refusal.into()),
    };
    note_part!("{}", told(&message, &request)?);
    enough_participants(request.participants.len(), a.least_participants)?;
    if request.range == Range::MinMax && !a.disclose_extremes {
        let text = "the request needs your smallest and largest value of each feature, which are values of single records: decline, or \
                    disclose them with --disclose-extremes";
        return Err(Problem::new(Reason::NotAllowed, text));
    }
    let kinds = [
        (Kind::Unlabelled, a.drop_unlabelled),
        (Kind::Position, a.by_position),
        // what a schema is inferred from may be anything
        (Kind::Index, true),
    ];
    let options = a.form.options(None, &kinds);
    let read = Source::open(&a.table, &options)?.spread(&request.template()?, &options)?;
    note!("{}", told_of(&read.report, false)?);
    let values = read.into_values()?;
    let names = request.names()?;
    let counts: Vec<String> = names.iter().zip(&values).map(|(name, own)| format!("{name} {}", own.len())).collect();
    note!("your values of each feature: {}", counts.join(", "));
    if request.range == Range::Standard {
        enough(&names, &values, a.least_values)?;
    }
    let numbers = numbers(&request, &values)?;
    let with = v1::ApproveTrainingRequest { numbers, again: a.again, ..Default::default() };
    let approved = held::approve(&client, a.request, with).await?;
    note!("approved request {}: your node answers it once", a.request);
    emit(&summary(&approved, &request), None)
}

/// Refuses sums of few values, which tell them. Those of none tell nothing.
fn enough(names: &[String], values: &[Vec<f64>], least: usize) -> Result<()> {
    match names.iter().zip(values).find(|(_, own)| !own.is_empty() && own.len() < least) {
        None => Ok(()),
        Some((name, own)) => {
            let text = format!(
                "your table has {} values of `{name}`, at least {least} are wanted: whoever subtracts the others' sums nearly has yours. \
                 Decline, or allow fewer with --least-values",
                own.len()
            );
            Err(Problem::new(Reason::NotAllowed, text).with("feature", name))
        }
    }
}

pub(super) fn summary(message: &v1::TrainingRequest, request: &RangesRequest) -> Value {
    json!({
        "request": request.id(),
        "state": state(message),
        "reason": message.reason,
        "owner": request.owner,
        "attempt": request.attempt,
        "purpose": request.purpose,
        "range": request.range,
        "rounds_answered": message.rounds_answered,
        "participants": request.participants.iter().map(|seat| json!({
            "account": seat.account, "node": seat.node,
        })).collect::<Vec<_>>(),
    })
}

/// What the participant should know before it decides.
pub(super) fn told(message: &v1::TrainingRequest, request: &RangesRequest) -> Result<String> {
    let own: AccountAddress = field("account", &message.account)?;
    let (template, names) = (request.template()?, request.names()?);
    let mut text = format!(
        "Request {} ({})\n  {} asks for the ranges of schema `{}`: {}\n  {} numeric features: {}\n",
        request.id(),
        state(message),
        request.owner,
        template.name(),
        request.purpose,
        grouped(names.len() as u64),
        names.join(", "),
    );
    for categories in template.categories() {
        text += &format!("  {} is one of {}\n", categories.column, categories.values.join(", "));
    }
    match template.target() {
        Target::Classes(classes) => text += &format!("  classes: {}\n", classes.join(", ")),
        Target::Real { lo, hi } => text += &format!("  the target runs from {lo} to {hi}\n"),
    }
    for seat in &request.participants {
        let you = if seat.account == own { ", you" } else { "" };
        text += &format!("  {} at {}{you}\n", seat.account, seat.node);
    }
    text += if request.range == Range::Standard {
        "What becomes known\n  to the owner, and with the schema to everybody: of each feature mean and standard deviation over all participants' values; to the owner also their number, and the exact sums of values and of their squares\n  to nobody: your own numbers, unless all other participants work together with the owner; of few values, exact sums tell each\n"
    } else {
        "What becomes known\n  to the owner: your own smallest and largest value of each feature, as they are\n  with the schema to everybody: the smallest and the largest of all participants' values\n"
    };
    if request.participants.len() == 2 && request.range == Range::Standard {
        text += "Warning: two take part. Whoever knows the other part can subtract it, and has yours.\n";
    }
    if !message.answered_before.is_empty() {
        text += &format!(
            "Warning: your node has answered {} other requests. If one of them differs in its participants only, or in the rows that came into your table since, the difference of its sums and these tells what the others contribute, or those rows.\n",
            message.answered_before.len()
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_few_values_are_refused() {
        let names = ["age".to_owned(), "dose".to_owned()];
        let values = |age: usize, dose: usize| [vec![1.0; age], vec![1.0; dose]];
        assert!(enough(&names, &values(10, 0), 10).is_ok());
        for few in [1, 9] {
            let refused = enough(&names, &values(10, few), 10).unwrap_err();
            assert!(refused.message.contains(&format!("has {few} values of `dose`")), "{refused}");
        }
        assert!(enough(&names, &values(10, 1), 1).is_ok());
    }
}
