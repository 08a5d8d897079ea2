//! Whether the rows of a text table have the fields that they must have.

use std::borrow::Cow;
use std::ops::Range;

use crate::cells::Cells;
use crate::dialect::Separator;
use crate::error::{DataError, Fault};
use crate::header::Header;
use crate::number::{is_digits, is_gap, is_numeric};

/// Checks that all rows have the same number of fields, and that no comment looks like a row; where a column of `texts` is asked for,
/// one may begin with `#`. Returns the header, with a name added where it lacks one, and the number of fields.
pub(crate) fn squared<'t>(
    cells: &Cells<'t>,
    separator: Separator,
    mut header: Option<Header<'t>>,
    texts: bool,
    file: &str,
) -> Result<(Option<Header<'t>>, usize), DataError> {
    let first = cells.width(0);
    let mut width = first;
    let mut why = format!("like row {}", cells.line(0));
    if let Some(header) = &mut header {
        let names = header.names.len();
        let even = names < first && (0..cells.len()).all(|r| cells.width(r) == first);
        if even && names + trailing(cells, 0) >= first {
            // some tools end every record with separators
            header.names.resize(first, Cow::Borrowed(""));
        } else if even && names + 1 == first && has_row_names(cells, separator) {
            header.names.insert(0, Cow::Borrowed(""));
        } else {
            width = header.names.len();
            let lacks = match even && names + 1 == first {
                true if may_split_decimals(cells, separator) => {
                    ", which lacks a name: name every column, that of row names, too; if a comma is a decimal mark, write a \
                     point, or put the number in quotes"
                }
                true => ", which lacks a name: name every column, that of row names, too",
                false => "",
            };
            why = format!("like the header in row {}{lacks}", header.line);
        }
    }
    for row in 0..cells.len() {
        let got = cells.width(row);
        if row > 0 && repeats_header(cells, header.as_ref(), row) {
            return Err(Fault::SecondHeader.at_row(file, cells.line(row)));
        }
        if got != width {
            let fault = Fault::Width { expected: width, got, why };
            return Err(fault.at_row(file, cells.line(row)));
        }
    }
    let header_line = header.as_ref().map(|h| h.line);
    // where rows begin with a text, one may begin with `#`
    let begins = !cells.comments.is_empty()
        && !(0..cells.len()).map(|r| cells.get(r, 0)).all(|text| is_numeric(&text) || is_gap(&text));
    for comment in cells.comments.iter().filter(|c| Some(c.line) != header_line) {
        let text = cells.comment(comment);
        let may_be_text = begins && header_line.is_none_or(|line| comment.line > line);
        if texts && may_be_text && text.contains(char::from(separator.byte())) {
            return Err(Fault::TextOrComment.at_row(file, comment.line));
        }
        // words before the first row are a remark, not a record
        let words = comment.rows_before == 0 && !may_be_text && !numbers_in(text, separator);
        if width > 1 && !words && fields(text, separator) == width {
            return Err(Fault::Comment.at_row(file, comment.line));
        }
    }
    Ok((header, width))
}

/// Number of columns at the end that are empty in all rows from `from` on.
fn trailing(cells: &Cells<'_>, from: usize) -> usize {
    let width = (from..cells.len()).map(|r| cells.width(r)).min().unwrap_or(0);
    let empty = |back: &usize| (from..cells.len()).all(|r| cells.get(r, cells.width(r) - back).is_empty());
    (1..=width).take_while(empty).count()
}

/// Whether the first column may be R's row names, whose name it omits: texts, numbers in quotes where not all is quoted, as R never
/// quotes a number, or 1, 2, 3, …. Other numbers may as well be a feature, and the name that is missing another column's. Without their
/// quotes, the field too many may as well be the decimals of a number.
fn has_row_names(cells: &Cells<'_>, separator: Separator) -> bool {
    let all = |is: &dyn Fn(usize) -> bool| (0..cells.len()).all(is);
    let quoted = all(&|r| is_quoted(cells, r, 0));
    let names = all(&|r| !is_numeric(&cells.get(r, 0)))
        || (quoted && all(&|r| (1..cells.width(r)).any(|c| !is_quoted(cells, r, c))))
        || (cells.len() > 1 && all(&|r| cells.get(r, 0).parse() == Ok(r + 1)));
    names && (quoted || !may_split_decimals(cells, separator))
}

/// Whether commas may have split numbers with decimals: two columns hold nothing but digits, the first maybe with a sign.
fn may_split_decimals(cells: &Cells<'_>, separator: Separator) -> bool {
    let split = |r: usize, c: usize| {
        let whole = cells.get(r, c);
        !is_quoted(cells, r, c)
            && !is_quoted(cells, r, c + 1)
            && is_digits(whole.strip_prefix(['-', '+']).unwrap_or(&whole))
            && is_digits(&cells.get(r, c + 1))
    };
    separator == Separator::Comma && (1..cells.width(0)).any(|c| (0..cells.len()).all(|r| split(r, c - 1)))
}

fn is_quoted(cells: &Cells<'_>, row: usize, column: usize) -> bool {
    cells.raw(row)[cells.place(row, column)].starts_with('"')
}

/// Whether all rows have one field.
pub(crate) fn is_one_column(cells: &Cells<'_>) -> bool {
    cells.len() > 0 && (0..cells.len()).all(|r| cells.width(r) == 1)
}

/// The line of the first comment below the header that has as many fields as it, if any.
pub(crate) fn comment_like_record(cells: &Cells<'_>, separator: Separator, header: &Header<'_>) -> Option<u64> {
    let width = header.names.len();
    let like = |line: u64, text: &str| line > header.line && width > 1 && fields(text, separator) == width;
    cells.comments.iter().find(|c| like(c.line, cells.comment(c))).map(|c| c.line)
}

/// Whether a row repeats the header, as if two files were concatenated.
fn repeats_header(cells: &Cells<'_>, header: Option<&Header<'_>>, row: usize) -> bool {
    let Some(header) = header.filter(|h| h.names.len() == cells.width(row)) else {
        return false;
    };
    let same = |(column, name): (usize, &Cow<'_, str>)| {
        cells.get(row, column).trim_start_matches('\u{feff}').trim() == name.trim()
    };
    header.names.iter().enumerate().all(same) && !header.names.iter().all(|n| is_numeric(n))
}

fn numbers_in(comment: &str, separator: Separator) -> bool {
    comment.split(char::from(separator.byte())).any(|text| is_numeric(text.trim()))
}

fn fields(text: &str, separator: Separator) -> usize {
    Cells::cut(text, separator.byte(), 1).map_or(0, |c| if c.len() == 0 { 0 } else { c.width(0) })
}

/// The fault of a first row with so few fields that it is no header: R leaves one name out, and some tools end every record with
/// separators. Spreadsheets fill a title's row with empty fields, unless `header` says that the first row is a record.
pub(crate) fn title(cells: &Cells<'_>, header: Option<bool>) -> Option<Fault> {
    if cells.len() < 3 {
        return None;
    }
    let below = cells.width(1);
    let words = |row: usize, columns: Range<usize>| {
        columns.map(|c| cells.get(row, c)).all(|text| !is_numeric(&text) && !is_gap(&text))
    };
    let filled = header != Some(false)
        && cells.width(0) > 1
        && (1..cells.width(0)).all(|c| cells.get(0, c).is_empty())
        && words(0, 0..1)
        && words(1, 0..below);
    let got = if filled { 1 } else { cells.width(0) };
    let even = || (2..cells.len()).all(|r| cells.width(r) == below);
    let few = got + 1 < below && even() && got + trailing(cells, 1) < below;
    few.then_some(if filled { Fault::FilledTitle { below } } else { Fault::Title { got, below } })
}
