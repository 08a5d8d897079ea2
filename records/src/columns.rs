//! Assigns columns to features and to the label; the rest are left out.

use std::collections::{HashMap, HashSet};

use tribute_core::schema::{Schema, Target};

use crate::doubt::{Doubt, Kind};
use crate::error::{DataError, Fault};
use crate::header::is_label_name;
use crate::inputs::input_names;
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::phrase::{folded, same_name, some};
use crate::report::LeftOut;
use crate::selector::{meant, numbered};
use crate::table::Table;
use crate::targets::Targets;

/// Column indices by role, from 0 in the file.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    /// The column of each schema input, in the schema's order.
    pub(crate) features: Vec<usize>,
    /// The label's column; `None` for queries without one.
    pub(crate) label: Option<usize>,
    pub(crate) left_out: Vec<LeftOut>,
    /// Whether the file's column order differs from the schema's.
    pub(crate) reordered: bool,
    /// Whether the header's names match the schema's.
    pub(crate) matched: bool,
    pub(crate) doubts: Vec<Doubt>,
}

impl Roles {
    /// Roles in a file from which a schema is inferred: the label is the last column that is no data frame's index, or the one
    /// named.
    ///
    /// # Errors
    /// Another column is named like a label, the last one counts or identifies the records, or columns without a name or with equal
    /// names.
    pub(crate) fn found(table: &Table<'_>, options: &Options) -> Result<Self, DataError> {
        let (mut rest, mut roles) = kept(table, options)?;
        let label = match roles.label {
            Some(label) => label,
            None => last_as_label(table, &rest)?,
        };
        rest.retain(|c| *c != label);
        if rest.is_empty() {
            return Err(Fault::one_column().of(table.file));
        }
        if let Some(header) = &table.header {
            let mut named = HashMap::from([(folded(&table.name(label)), label)]);
            for &column in &rest {
                let name = header.names[column].as_ref();
                if name.is_empty() {
                    let said = format!("has no name: name it, or {}", leave_out(table, column));
                    return Err(Fault::Names(said).at_column(table.file, column));
                }
                if let Some(other) = named.insert(folded(name), column) {
                    let (other, leave_out) = (other + 1, leave_out(table, column));
                    let said =
                        format!("is named `{name}` like column {other}: give them different names, or {leave_out}");
                    return Err(Fault::Names(said).at_column(table.file, column));
                }
            }
        }
        roles.doubts.extend(indices(table, &rest));
        (roles.features, roles.label) = (rest, Some(label));
        Ok(roles)
    }

    /// Roles in a file from whose columns a model computes features: its inputs as they are named, otherwise all but the label; the
    /// label is the last of the others, or the one named.
    ///
    /// # Errors
    /// An input or a label that is not in the file, a label that is an input, or, if none is named, as [`Roles::found`].
    pub(crate) fn raw(table: &Table<'_>, options: &Options, inputs: &[&str]) -> Result<Self, DataError> {
        let (rest, mut roles) = kept(table, options)?;
        let inputs = inputs.iter().map(|named| select(table, named)).collect::<Result<Vec<_>, _>>()?;
        let others: Vec<usize> = rest.iter().copied().filter(|c| !inputs.contains(c)).collect();
        let label = match roles.label {
            Some(label) => label,
            None if others.is_empty() => {
                let said = "has no column for the label beside the model's inputs: add it, or name it with --label";
                return Err(Fault::Label(said.into()).of(table.file));
            }
            None => last_as_label(table, &others)?,
        };
        let others: Vec<usize> = others.into_iter().filter(|c| *c != label).collect();
        (roles.features, roles.label) = if inputs.is_empty() { (others, Some(label)) } else { (inputs, Some(label)) };
        if roles.features.is_empty() || roles.features.contains(&label) {
            let said = format!("(`{}`) is the label, so it cannot be an input of the model", table.name(label));
            return Err(Fault::Label(said).at_column(table.file, label));
        }
        for column in rest {
            if column != label && !roles.features.contains(&column) {
                roles.left_out.push(LeftOut::new(column, table.name(column), "no input of the model"));
            }
        }
        roles.doubts = indices(table, &roles.features);
        Ok(roles)
    }

    /// Roles in a file of records, or of queries, in which the label is optional.
    ///
    /// # Errors
    /// Names that do not match the schema's, or too many or too few columns.
    pub(crate) fn of(table: &Table<'_>, options: &Options, schema: &Schema, query: bool) -> Result<Self, DataError> {
        let (rest, mut roles) = kept(table, options)?;
        let names = input_names(schema);
        let wanted = names.len();
        let selected = roles.label;
        if table.header.is_some() {
            if let Some(features) = matching(table, &rest, &names, selected) {
                roles.matched = true;
                roles.reordered = features.windows(2).any(|w| w[0] > w[1]);
                let left: Vec<usize> = rest.iter().copied().filter(|c| !features.contains(c)).collect();
                let classes = |column| holds_classes(table, column, schema, options);
                roles.label = the_label(table, &left, selected, query, &classes)?;
                roles.features = features;
                return Ok(roles);
            }
        }
        let labelled = rest.len() == wanted + 1 || (rest.len() > wanted && selected.is_some());
        let label = selected.or_else(|| if labelled { rest.last().copied() } else { None });
        let features: Vec<usize> = rest.iter().copied().filter(|c| Some(*c) != label).collect();
        let fits = features.len() == wanted && (label.is_some() || query);
        if table.header.is_some() {
            let (column, message) = differing(table, &features, &names);
            if !fits {
                return Err(Fault::Names(message).at_column(table.file, column));
            }
            let flag = Kind::Position.flag();
            let advice = format!("rename the columns, or take them by position with {flag}");
            roles.doubts.push(Doubt::new(Kind::Position, None, Some(column), message, advice));
        } else if !fits {
            let expected = wanted + 1;
            let why = format!("{wanted} features and the label");
            return Err(Fault::Width { expected, got: rest.len(), why }.at_row(table.file, table.line(0)));
        }
        (roles.features, roles.label) = (features, label);
        Ok(roles)
    }
}

/// Doubts about features that count or identify the records.
fn indices(table: &Table<'_>, features: &[usize]) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for &column in features {
        let Some(what) = counted(table, column) else { continue };
        let name = table.name(column);
        let (leave_out, flag) = (leave_out(table, column), Kind::Index.flag());
        let advice = format!("if it is an index, {leave_out}; if it is a feature, pass {flag}");
        doubts.push(Doubt::new(Kind::Index, None, Some(column), format!("(`{name}`) {what}"), advice));
    }
    doubts
}

/// How a column counts or identifies the records, if it does.
fn counted(table: &Table<'_>, column: usize) -> Option<&'static str> {
    let name = table.name(column);
    let unnamed = name.starts_with(PANDAS_UNNAMED);
    let many = table.len() >= 10;
    match () {
        () if table.is_index(column) => Some("is the index of the data frame that was written"),
        () if many && counts_up(table, column) => Some("counts the records"),
        () if many && is_identifier(&name) && is_index(table, column) => {
            Some("has another whole number in every record, and an identifier's name")
        }
        () if many && (is_identifier(&name) || unnamed) && counts_anew(table, column) => {
            Some("counts the records, several times from the start")
        }
        () if unnamed && is_whole(table, column) => {
            Some("holds whole numbers under the name that pandas gives to an index that it reads as a column")
        }
        () => None,
    }
}

/// The label, unless it is only the last column and counts or identifies the records.
fn not_an_index(table: &Table<'_>, label: usize) -> Result<usize, DataError> {
    let name = table.name(label);
    match counted(table, label).filter(|_| !is_label_name(&name)) {
        None => Ok(label),
        Some(what) => {
            let option = selector(table, label).unwrap_or_else(|| " COLUMN".into());
            let leave_out = leave_out(table, label);
            let said = format!(
                "(`{name}`), taken as the label because it is the last, {what}: name the label with --label (--label{option} if \
                 this is it), or {leave_out}"
            );
            Err(Fault::Label(said).at_column(table.file, label))
        }
    }
}

/// Beginning of the names that pandas gives to an index without one in columnar files.
const PANDAS_INDEX: &str = "__index_level_";
/// Beginning of the names that pandas gives to columns without one.
const PANDAS_UNNAMED: &str = "Unnamed: ";

/// The columns to read, and the label if the caller names it. Left out: those the caller drops, unnamed empty ones, and an unnamed
/// index.
fn kept(table: &Table<'_>, options: &Options) -> Result<(Vec<usize>, Roles), DataError> {
    let label = options.label.as_deref().map(|named| select(table, named)).transpose()?;
    let mut roles = Roles { label, ..Roles::default() };
    let mut gone = vec![false; table.width];
    for named in &options.drop {
        let column = select(table, named)?;
        if label == Some(column) {
            let said =
                format!("(`{}`) is named by --label, but also by --drop: name it in one of them", table.name(column));
            return Err(Fault::Label(said).at_column(table.file, column));
        }
        gone[column] = true;
        roles.left_out.push(LeftOut::new(column, table.name(column), "dropped on request"));
    }
    if let Some(header) = &table.header {
        for (column, name) in header.names.iter().enumerate() {
            let index = name.starts_with(PANDAS_INDEX);
            let unnamed = index || name.is_empty() || name == "#" || name.starts_with(PANDAS_UNNAMED);
            if gone[column] || label == Some(column) || !unnamed {
                continue;
            }
            let empty = || (0..table.len()).all(|r| table.get(r, column).is_empty());
            let why = match () {
                () if index => "an unnamed index",
                () if empty() => "no name and no values",
                () if column == 0 && is_index(table, column) => "an unnamed index",
                () => continue,
            };
            gone[column] = true;
            roles.left_out.push(LeftOut::new(column, name.clone().into_owned(), why));
        }
    }
    Ok(((0..table.width).filter(|c| !gone[*c]).collect(), roles))
}

/// A column by name, or by number from 1; a name that several columns have is refused.
pub(crate) fn select(table: &Table<'_>, named: &str) -> Result<usize, DataError> {
    if let Some(header) = &table.header {
        match meant(&header.names, named)[..] {
            [] => {}
            [column] => return Ok(column),
            [first, second, ..] => {
                let (first, second) = (first + 1, second + 1);
                let said = format!(
                    "columns {first} and {second} are both named `{named}`: give the number of the one you mean"
                );
                return Err(Fault::Names(said).of(table.file));
            }
        }
    }
    if let Some(column) = numbered(named, table.width) {
        return Ok(column);
    }
    let said = match &table.header {
        Some(h) => format!("no column is named `{named}`; there are {}", some(h.names.iter().map(AsRef::as_ref))),
        None => format!("`{named}` is not a column: without a header, columns are numbered 1 to {}", table.width),
    };
    Err(Fault::Names(said).of(table.file))
}

/// What follows an option that names a column, [`crate::selector::of`].
pub(crate) fn selector(table: &Table<'_>, column: usize) -> Option<String> {
    let names = table.header.as_ref().map(|h| h.names.as_slice()).unwrap_or_default();
    crate::selector::of(names, column)
}

/// How to tell that a column is the label.
pub(crate) fn as_label(table: &Table<'_>, column: usize) -> String {
    selector(table, column).map_or("name it `label`".into(), |s| format!("pass --label{s}"))
}

/// What to do about a column that is not wanted.
pub(crate) fn leave_out(table: &Table<'_>, column: usize) -> String {
    crate::selector::leave_out(selector(table, column))
}

/// The last column that is no data frame's index.
///
/// # Errors
/// Another column has a label's name, or, unless it has one itself, this one counts or identifies the records.
fn last_as_label(table: &Table<'_>, rest: &[usize]) -> Result<usize, DataError> {
    // an index, which pandas writes last, is no label
    let last = rest.iter().rfind(|c| !table.is_index(**c)).or(rest.last());
    let Some(&last) = last else { return Err(Fault::Empty.of(table.file)) };
    if table.header.is_some() {
        // `y` beside a label is a coordinate
        let sure = is_label_name(&table.name(last));
        let like = |c: &usize| {
            is_label_name(&table.name(*c))
                && !(sure && ["y", "response", "category"].contains(&table.name(*c).trim().to_lowercase().as_str()))
        };
        if let Some(other) = rest.iter().find(|c| **c != last && like(c)) {
            let option = |column| selector(table, column).map_or(String::new(), |s| format!(" --label{s}"));
            let said = format!(
                "is named `{}`, but the last column (`{}`) is taken as the label: pass{} or{}",
                table.name(*other),
                table.name(last),
                option(*other),
                option(last)
            );
            return Err(Fault::Label(said).at_column(table.file, *other));
        }
    }
    not_an_index(table, last)
}

/// Whether the values of a target are numbers, so that they do not tell its column: a feature's may be the same.
pub(crate) fn are_numbers(target: &Target) -> bool {
    match target {
        Target::Classes(labels) => labels.iter().any(|label| number::is_numeric(label)),
        Target::Real { .. } => true,
    }
}

/// Whether a column's values show that it is the label: all that are not missing are classes of the schema, and those are no numbers.
fn holds_classes(table: &Table<'_>, column: usize, schema: &Schema, options: &Options) -> bool {
    if are_numbers(schema.target()) {
        return false;
    }
    let targets = Targets::new(schema);
    let texts = (0..table.len()).map(|row| table.get(row, column));
    let mut labels = texts.filter(|text| !targets.is_gap(text.trim(), options)).peekable();
    labels.peek().is_some() && labels.all(|label| targets.class(label.trim(), Decimal::Point).is_ok())
}

/// The label among the columns that are not features; `classes` says whether a column's values show that it is the label.
fn the_label(
    table: &Table<'_>,
    left: &[usize],
    selected: Option<usize>,
    query: bool,
    classes: &dyn Fn(usize) -> bool,
) -> Result<Option<usize>, DataError> {
    if let Some(label) = selected {
        if let Some(extra) = left.iter().find(|c| **c != label) {
            return Err(not_in_schema(table, *extra));
        }
        return Ok(Some(label));
    }
    match left {
        [label] if is_label_name(&table.name(*label)) || classes(*label) => Ok(Some(*label)),
        [label] => {
            let (name, leave_out) = (table.name(*label), leave_out(table, *label));
            let option = as_label(table, *label);
            let said = format!(
                "(`{name}`) is the only column that is not in the schema, but neither its name nor its values show \
                 that it is the label: {option} if it is, or {leave_out}"
            );
            Err(Fault::Label(said).at_column(table.file, *label))
        }
        [] if query => Ok(None),
        [] => {
            let said = "has the schema's features but no label: add a label column";
            Err(Fault::Label(said.into()).of(table.file))
        }
        [first, ..] => {
            let told = |column: &usize| match table.name(*column) {
                name if select(table, &name).is_ok_and(|found| found == *column) => name,
                _ => format!("column {}", column + 1),
            };
            let names: Vec<String> = left.iter().map(told).collect();
            let listed = some(names.iter().map(String::as_str));
            let said = format!(
                "columns {listed} are not in the schema: name the label with --label, and leave out the others with \
                 --drop, each by its name or its number"
            );
            Err(Fault::Names(said).at_column(table.file, *first)).map_err(|e| DataError { column: None, ..e })
        }
    }
}

fn not_in_schema(table: &Table<'_>, column: usize) -> DataError {
    let said =
        format!("(`{}`) is neither in the schema nor the label: {}", table.name(column), leave_out(table, column));
    Fault::Names(said).at_column(table.file, column)
}

/// The columns of the schema's features by name, if each occurs exactly once.
fn matching(table: &Table<'_>, rest: &[usize], names: &[&str], label: Option<usize>) -> Option<Vec<usize>> {
    let open: Vec<usize> = rest.iter().copied().filter(|c| Some(*c) != label).collect();
    // names in the schema's order may even repeat
    let in_order = || names.iter().zip(&open).all(|(n, c)| *n == table.name(*c));
    if open.len() >= names.len() && in_order() {
        return Some(open[..names.len()].to_vec());
    }
    let plain: Vec<String> = open.iter().map(|c| folded(&table.name(*c))).collect();
    let mut taken = vec![false; table.width];
    let mut features = Vec::with_capacity(names.len());
    for name in names {
        let by = |same: &dyn Fn(usize) -> bool| {
            let mut found = (0..open.len()).filter(|i| same(*i)).map(|i| open[i]);
            found.next().filter(|_| found.next().is_none())
        };
        let wanted = folded(name);
        let column = by(&|i| table.name(open[i]) == *name).or_else(|| by(&|i| plain[i] == wanted))?;
        if std::mem::replace(&mut taken[column], true) {
            return None;
        }
        features.push(column);
    }
    Some(features)
}

/// The first column whose name differs from the schema's, and a message about it.
fn differing(table: &Table<'_>, features: &[usize], names: &[&str]) -> (usize, String) {
    let there = |name: &str| features.iter().any(|c| same_name(&table.name(*c), name));
    let missing = names.iter().find(|n| !there(n));
    let lacking = missing.map_or(String::new(), |n| format!(" (`{n}` is not in the header)"));
    for (i, &column) in features.iter().enumerate() {
        let name = table.name(column);
        match names.get(i) {
            Some(wanted) if same_name(&name, wanted) => {}
            Some(wanted) => return (column, format!("is named `{name}`, where the schema has `{wanted}`{lacking}")),
            None => return (column, format!("(`{name}`) is not in the schema: {}", leave_out(table, column))),
        }
    }
    let column = table.width - 1;
    (column, format!("is the last, but one of the schema's {} columns is missing{lacking}", names.len()))
}

/// Whether a column holds distinct whole numbers in any order, like an index.
fn is_index(table: &Table<'_>, column: usize) -> bool {
    let mut seen = HashSet::new();
    (0..table.len()).all(|row| whole(table, row, column).is_some_and(|n| seen.insert(n)))
}

fn whole(table: &Table<'_>, row: usize, column: usize) -> Option<u64> {
    number::whole(&table.get(row, column))
}

/// Whether a column holds only whole numbers and gaps.
fn is_whole(table: &Table<'_>, column: usize) -> bool {
    let mut any = false;
    let all = (0..table.len()).all(|row| {
        let text = table.get(row, column);
        let found = number::whole(&text).is_some();
        any |= found;
        found || number::is_gap(&text)
    });
    all && any
}

/// Whether a column counts up by one.
fn counts_up(table: &Table<'_>, column: usize) -> bool {
    let Some(start) = whole(table, 0, column) else { return false };
    (0..table.len()).all(|row| whole(table, row, column) == Some(start.saturating_add(row as u64)))
}

/// Whether a column counts up by one, and from its first number again, like the index of tables put together.
fn counts_anew(table: &Table<'_>, column: usize) -> bool {
    let start = whole(table, 0, column);
    let mut last = None;
    let mut counts = 0;
    (0..table.len()).all(|row| {
        let number = whole(table, row, column);
        let next = last.map(|n: u64| n.saturating_add(1));
        counts += usize::from(next.is_some() && number == next);
        last = number;
        number.is_some() && (number == start || number == next)
    }) && counts > table.len() / 2
}

/// Whether a column's name says that it identifies records: `id`, `patient_id`, `RowID`, `index`, `nr`.
fn is_identifier(name: &str) -> bool {
    let plain = name.trim().to_lowercase();
    let whole =
        ["id", "ids", "idx", "index", "key", "nr", "no", "row", "rownum", "record", "uid", "uuid", "rowid", "recordid"];
    whole.contains(&plain.as_str())
        || plain.ends_with("_id")
        || plain.ends_with(" id")
        || name.trim().ends_with("Id")
        || name.trim().ends_with("ID")
}
