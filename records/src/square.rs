//! Whether the rows of a text table have the fields that they must have.

use std::borrow::Cow;

use crate::cells::Cells;
use crate::dialect::Separator;
use crate::error::{DataError, Fault};
use crate::header::Header;

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
    let last_empty = (0..cells.len()).all(|r| cells.get(r, cells.width(r) - 1).is_empty());
    if let Some(header) = &mut header {
        // R omits the index column's name; some tools end every record with a separator
        if header.names.len() + 1 == first && (0..cells.len()).all(|r| cells.width(r) == first) {
            let at = if last_empty { header.names.len() } else { 0 };
            header.names.insert(at, Cow::Borrowed(""));
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
    for comment in &cells.comments {
        // words before the first row are a remark, not a record
        let words = comment.rows_before == 0 && !numbers_in(cells.comment(comment), separator);
        if width > 1 && !words && fields(cells.comment(comment), separator) == width {
            return Err(Fault::Comment.at_row(file, comment.line));
        }
    }
    Ok((header, width))
}

/// Whether a row repeats the header, as if two files were concatenated.
fn repeats_header(cells: &Cells<'_>, header: Option<&Header<'_>>, row: usize) -> bool {
    let Some(header) = header.filter(|h| h.names.len() == cells.width(row)) else {
        return false;
    };
    let same = |(column, name): (usize, &Cow<'_, str>)| {
        cells.get(row, column).trim_start_matches('\u{feff}').trim() == name.trim()
    };
    header.names.iter().enumerate().all(same) && !header.names.iter().all(|n| crate::number::is_numeric(n))
}

fn numbers_in(comment: &str, separator: Separator) -> bool {
    comment.split(char::from(separator.byte())).any(|text| crate::number::is_numeric(text.trim()))
}

fn fields(text: &str, separator: Separator) -> usize {
    Cells::cut(text, separator.byte(), 1).map_or(0, |c| if c.len() == 0 { 0 } else { c.width(0) })
}

/// Number of fields of the first row and of those below, if the first has so few that it is no header. R leaves one name out.
pub(crate) fn title(cells: &Cells<'_>) -> Option<(usize, usize)> {
    if cells.len() < 3 {
        return None;
    }
    let (got, below) = (cells.width(0), cells.width(1));
    (got + 1 < below && (2..cells.len()).all(|r| cells.width(r) == below)).then_some((got, below))
}
