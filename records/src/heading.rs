//! Finds the header of a table of text: its first row, or a comment above it.

use std::borrow::Cow;
use std::collections::HashSet;

use tribute_core::schema::{Schema, Target};

use crate::cells::Cells;
use crate::dialect::Separator;
use crate::error::{DataError, Fault};
use crate::header::{self, First, Header};
use crate::inputs::input_names;
use crate::labels::Key;
use crate::number::{is_gap, is_numeric, Decimal};
use crate::options::Options;
use crate::phrase::{folded, same_name};
use crate::selector::numbered;

/// What the header is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against<'s> {
    /// Nothing: a schema is being inferred.
    Nothing,
    /// The names and labels of this schema.
    Schema(&'s Schema),
    /// Names of which one shows that it is a header; `texts` if they are of a column of texts.
    Names { names: &'s [&'s str], texts: bool },
}

/// The header, if there is one; its row is then no longer among the cells.
///
/// # Errors
/// A first row that may be either, or a comment that names the columns without one name for each.
pub(crate) fn find_header<'t>(
    cells: &mut Cells<'t>,
    separator: Separator,
    file: &str,
    options: &Options,
    against: Against<'_>,
) -> Result<Option<Header<'t>>, DataError> {
    if cells.len() == 0 {
        return Ok(None);
    }
    if options.header != Some(true) {
        if let Some(header) = commented(cells, separator, file, options, against)? {
            return Ok(Some(header));
        }
    }
    let first = match options.header {
        Some(true) => First::Header,
        Some(false) => First::Record,
        None => judged(cells, options, against),
    };
    match first {
        First::Record => Ok(None),
        First::Unclear(why) => Err(Fault::Header { why }.at_row(file, cells.line(0))),
        First::Header => {
            let names = fields(cells);
            let header = Header { line: cells.line(0), comment: false, names, raw: cells.raw(0) };
            cells.drop_first();
            Ok(Some(header))
        }
    }
}

/// Classifies the first row: one with the schema's names, or with a column's name that an option gives, is a header, unless it may also
/// be a record.
fn judged(cells: &Cells<'_>, options: &Options, against: Against<'_>) -> First {
    let asked = options.label.iter().chain(&options.drop).chain(&options.one_hot);
    if asked.map(String::as_str).any(|name| !is_place(cells, name) && has(cells, name)) {
        return First::Header;
    }
    let schema = match against {
        Against::Schema(schema) => schema,
        Against::Names { names, .. } => return named(cells, names),
        Against::Nothing => return header::first_row(cells, &|_, _| false),
    };
    let keys: Vec<Key> = match schema.target() {
        Target::Classes(labels) => labels.iter().map(|l| Key::of(l, Decimal::Point)).collect(),
        Target::Real { .. } => Vec::new(),
    };
    let is_class = |text: &str| keys.contains(&Key::of(text, Decimal::Point));
    let names = fields(cells);
    let wanted = wanted(against);
    if has_all(&names, &wanted) {
        return with_names(&names, &wanted, &is_class, keys.is_empty());
    }
    let last = names.last().map_or("", |n| n.as_ref());
    let is_category = |text: &str| schema.categories().iter().any(|c| c.values.iter().any(|value| value == text));
    let known = |column: usize, text: &str| (column + 1 == names.len() && is_class(text)) || is_category(text);
    let labelled = options.label.is_none() && names.len() > wanted.len();
    let values = names.iter().take(names.len() - 1).all(|n| is_numeric(n));
    match header::first_row(cells, &known) {
        // a record with an unknown label gets an error of its own
        First::Unclear(_) if labelled && values && !keys.is_empty() && !is_class(last) => First::Record,
        first => first,
    }
}

/// Classifies a first row that has all names of the schema: a header, unless they are numbers, and what stands beside them may be a
/// record's label. `real` if the target is a number.
fn with_names(names: &[Cow<'_, str>], wanted: &[&str], is_class: &dyn Fn(&str) -> bool, real: bool) -> First {
    let those: HashSet<String> = wanted.iter().map(|name| folded(name)).collect();
    let beside = names.iter().map(AsRef::as_ref).filter(|n| !is_gap(n) && !those.contains(&folded(n)));
    let beside: Vec<&str> = beside.collect();
    let is_name = |text: &&str| !is_numeric(text) && !is_class(text);
    if !wanted.iter().all(|name| is_numeric(name)) || beside.iter().any(is_name) {
        return First::Header;
    }
    let in_order = wanted.iter().zip(names).all(|(wanted, n)| same_name(n, wanted));
    let label = beside.iter().any(|text| !is_numeric(text));
    // few values may well count up like names
    let few = names.len() < 4 && (real || beside.iter().all(|text| is_class(text)));
    if label || !in_order || few {
        return First::Unclear("its fields are names of the schema, but could be values".into());
    }
    First::Header
}

/// Whether a column's name in an option may be its number.
fn is_place(cells: &Cells<'_>, name: &str) -> bool {
    numbered(name, cells.width(0)).is_some()
}

/// Whether the first row has a name.
fn has(cells: &Cells<'_>, name: &str) -> bool {
    (0..cells.width(0)).any(|c| same_name(&cells.get(0, c), name))
}

/// Classifies the first row by names of which one shows that it is a header. The number of a column shows nothing: it may be a value,
/// too.
fn named(cells: &Cells<'_>, names: &[&str]) -> First {
    if names.iter().any(|name| !is_place(cells, name) && has(cells, name)) {
        return First::Header;
    }
    match names.iter().find(|name| has(cells, name)) {
        Some(name) => First::Unclear(format!("`{name}` is the number of a column, but also stands in this row")),
        None => header::first_row(cells, &|_, _| false),
    }
}

/// The names by which a header is known: the schema's, or those of a model's inputs.
fn wanted(against: Against<'_>) -> Vec<&str> {
    match against {
        Against::Nothing => Vec::new(),
        Against::Schema(schema) => input_names(schema),
        Against::Names { names, .. } => names.iter().copied().filter(|name| name.parse::<usize>().is_err()).collect(),
    }
}

/// Whether all names that are wanted are among `names`; not if none is wanted.
fn has_all(names: &[Cow<'_, str>], wanted: &[&str]) -> bool {
    // there may be many comments to look at
    let may = wanted.first().is_some_and(|first| names.iter().any(|name| same_name(name, first)));
    if !may || names.len() < wanted.len() {
        return false;
    }
    let there: HashSet<String> = names.iter().map(|name| folded(name)).collect();
    wanted.iter().all(|name| there.contains(&folded(name)))
}

/// The fields of the first row.
fn fields<'t>(cells: &Cells<'t>) -> Vec<Cow<'t, str>> {
    (0..cells.width(0)).map(|column| cells.get(0, column)).collect()
}

/// The comment before the first row that is the header, as NumPy's `savetxt` writes it: the last one with all names that are wanted,
/// or with none for a first column that numbers the rows, because that is called `#`; if there is no such comment, and the first row
/// is found to be a record, the last one that is not blank, if it has a word for every field.
///
/// # Errors
/// A comment with all names that are wanted, but not one for every field, unless it lacks only the label's behind a schema's names in
/// order, which is how the fields are read anyway.
fn commented<'t>(
    cells: &Cells<'t>,
    separator: Separator,
    file: &str,
    options: &Options,
    against: Against<'_>,
) -> Result<Option<Header<'t>>, DataError> {
    let width = cells.width(0);
    let cut = |text: &'t str, separator: Separator| {
        Cells::cut(text, separator.byte(), 1).ok().filter(|c| c.len() == 1).map_or(Vec::new(), |c| fields(&c))
    };
    let above = cells.comments.iter().rev().filter(|c| c.rows_before == 0).map(|c| (c.line, cells.comment(c)));
    let above: Vec<_> = above.map(|(line, text)| (line, text, cut(text, separator))).collect();
    if above.is_empty() {
        return Ok(None);
    }
    let wanted = wanted(against);
    if has_all(&fields(cells), &wanted) {
        return Ok(None);
    }
    let words = |names: &[Cow<'_, str>]| names.iter().all(|n| !n.is_empty() && !is_numeric(n));
    for &(line, text, ref names) in &above {
        let numbered =
            names.len() == width && names[0].is_empty() && words(&names[1..]) && is_numeric(&cells.get(0, 0));
        let named = has_all(names, &wanted);
        let blanks = || text.split_whitespace().map(Cow::Borrowed).collect::<Vec<_>>();
        let otherwise = || {
            let mut others = Separator::ALL.iter().filter(|other| text.contains(char::from(other.byte())));
            others.any(|other| has_all(&cut(text, *other), &wanted))
                || (text.split_whitespace().count() == width && has_all(&blanks(), &wanted))
        };
        if names.len() == width && (named || (numbered && width > 1)) {
            let mut names = names.clone();
            if names[0].is_empty() {
                names[0] = Cow::Borrowed("#");
            }
            return Ok(Some(Header { line, comment: true, names, raw: text }));
        }
        let in_order = matches!(against, Against::Schema(_)) && names.len() + 1 == width && *names == wanted;
        if in_order {
            return Ok(None);
        }
        if named || otherwise() {
            let said = format!(
                "names the columns in a comment, but not one for each of the {width} fields of the rows, with {}s between them: write \
                 it so, or delete it",
                separator.name()
            );
            return Err(Fault::Names(said).at_row(file, line));
        }
    }
    // above a real header these would be duplicate names
    let records = || options.header.is_none() && header::first_row(cells, &|_, _| false) == First::Record;
    let fits = |names: &[Cow<'_, str>]| {
        let distinct: HashSet<_> = names.iter().collect();
        names.len() == width && width > 1 && distinct.len() == width && words(names)
    };
    let last = above.into_iter().find(|(_, text, _)| !text.trim().is_empty());
    let found = last.filter(|(_, _, names)| fits(names) && records());
    Ok(found.map(|(line, raw, names)| Header { line, comment: true, names, raw }))
}
