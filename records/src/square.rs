//! Whether the rows of a text table have the fields that they must have.

use std::borrow::Cow;
use std::ops::Range;

use crate::cells::Cells;
use crate::dialect::Separator;
use crate::error::{DataError, Fault};
use crate::header::Header;
use crate::number::{is_gap, is_numeric};

/// Checks that all rows have the same number of fields, and that no comment looks like a row. Returns the header, with a name
/// added where it lacks one, and the number of fields.
pub(crate) fn squared<'t>(
    cells: &Cells<'t>,
    separator: Separator,
    mut header: Option<Header<'t>>,
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
        } else if even && names + 1 == first && has_row_names(cells) {
            header.names.insert(0, Cow::Borrowed(""));
        } else {
            width = header.names.len();
            why = format!("like the header in row {}", header.line);
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
    let texts = !cells.comments.is_empty()
        && !(0..cells.len()).map(|r| cells.get(r, 0)).all(|text| is_numeric(&text) || is_gap(&text));
    for comment in cells.comments.iter().filter(|c| Some(c.line) != header_line) {
        let text = cells.comment(comment);
        // words before the first row are a remark, not a record
        let words = comment.rows_before == 0 && !numbers_in(text, separator);
        let below = comment.rows_before > 0 || header.is_none();
        let like_a_row = width > 1 && !words && fields(text, separator) == width;
        if like_a_row || (texts && below && text.contains(char::from(separator.byte()))) {
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

/// Whether the first column may be R's row names, whose name it omits: texts, quoted numbers, or 1, 2, 3, …. Other numbers may as
/// well be a feature, and the name that is missing another column's.
fn has_row_names(cells: &Cells<'_>) -> bool {
    let quoted = |r: usize, c: usize| cells.raw(r)[cells.place(r, c)].starts_with('"');
    let all = |is: &dyn Fn(usize) -> bool| (0..cells.len()).all(is);
    all(&|r| !is_numeric(&cells.get(r, 0)))
        || all(&|r| quoted(r, 0) && !quoted(r, 1))
        || (cells.len() > 1 && all(&|r| cells.get(r, 0).parse() == Ok(r + 1)))
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

/// Number of fields of the first row and of those below, if the first has so few that it is no header: R leaves one name out, and some
/// tools end every record with separators. Spreadsheets fill a title's row with empty fields.
pub(crate) fn title(cells: &Cells<'_>) -> Option<(usize, usize)> {
    if cells.len() < 3 {
        return None;
    }
    let below = cells.width(1);
    let words = |row: usize, columns: Range<usize>| {
        columns.map(|c| cells.get(row, c)).all(|text| !is_numeric(&text) && !is_gap(&text))
    };
    let filled = (1..cells.width(0)).all(|c| cells.get(0, c).is_empty()) && words(0, 0..1) && words(1, 0..below);
    let got = if filled { 1 } else { cells.width(0) };
    let even = (2..cells.len()).all(|r| cells.width(r) == below);
    (got + 1 < below && even && got + trailing(cells, 1) < below).then_some((got, below))
}
