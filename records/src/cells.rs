//! Splits text into lines and fields, strictly by RFC 4180: what a lenient reader would repair silently is an error
//! here.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Fault;

/// Byte range of one field, without surrounding blanks or quotes. Eight bytes, because a table has many: a field of one digit
/// has two in the file.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// From the start of its row.
    start: u32,
    /// Length, and in the highest bit whether it contains doubled quotes.
    length: u32,
}

/// The bit of [`Cell::length`] that says that quotes are doubled.
const DOUBLED: u32 = 1 << 31;
/// Longest row, bytes.
const LONGEST: usize = DOUBLED as usize - 1;

impl Cell {
    /// Its range in the text, if its row starts at `row`.
    fn range(self, row: usize) -> Range<usize> {
        let start = row + self.start as usize;
        start..start + (self.length & !DOUBLED) as usize
    }

    fn is_empty(self) -> bool {
        self.length & !DOUBLED == 0
    }
}

/// One line, or several where quoted fields contain line breaks.
#[derive(Clone, Debug)]
struct Row {
    /// First line, from 1.
    line: u64,
    /// Byte range of the row, without the line break.
    span: Range<usize>,
    /// Its fields, as indices into [`Cells::cells`].
    cells: Range<usize>,
}

/// A comment line.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) line: u64,
    /// Byte range of the text after the `#`.
    pub(crate) span: Range<usize>,
    /// Number of rows before it.
    pub(crate) rows_before: usize,
}

/// The rows of a text. Rows without any value are dropped and counted.
#[derive(Clone, Debug)]
pub(crate) struct Cells<'t> {
    text: &'t str,
    rows: Vec<Row>,
    cells: Vec<Cell>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) blank: usize,
}

impl<'t> Cells<'t> {
    /// Splits at most `most` rows of `text` at `separator`.
    ///
    /// # Errors
    /// An unclosed quote, or text after a closing quote, with its line.
    pub(crate) fn cut(text: &'t str, separator: u8, most: usize) -> Result<Self, (Fault, u64)> {
        let mut cells = Cells { text, rows: Vec::new(), cells: Vec::new(), comments: Vec::new(), blank: 0 };
        if most == usize::MAX {
            // a vector that grows would for a moment take three times what it holds
            let ends = text.bytes().filter(|b| [separator, b'\n', b'\r'].contains(b)).count();
            cells.cells.reserve_exact(ends + 1);
        }
        let mut cursor = Cursor { bytes: text.as_bytes(), at: 0, line: 1, separator };
        while cursor.at < text.len() && cells.rows.len() < most {
            if cursor.peek() == Some(b'#') {
                let (line, start) = (cursor.line, cursor.at + 1);
                let end = cursor.skip_line();
                cells.comments.push(Comment { line, span: start..end, rows_before: cells.rows.len() });
                cursor.line_break();
                continue;
            }
            let (line, start, first) = (cursor.line, cursor.at, cells.cells.len());
            loop {
                let (field, doubled) = cursor.field()?;
                if cursor.at - start > LONGEST {
                    return Err((Fault::TooLarge { most: LONGEST }, line));
                }
                let doubled = if doubled { DOUBLED } else { 0 };
                cells.cells.push(Cell { start: (field.start - start) as u32, length: field.len() as u32 | doubled });
                if cursor.peek() != Some(separator) {
                    break;
                }
                cursor.at += 1;
            }
            let span = start..cursor.at;
            cursor.line_break();
            if cells.cells[first..].iter().all(|c| c.is_empty()) {
                cells.cells.truncate(first);
                cells.blank += 1;
            } else {
                cells.rows.push(Row { line, span, cells: first..cells.cells.len() });
            }
        }
        Ok(cells)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
    /// Number of fields in a row.
    pub(crate) fn width(&self, row: usize) -> usize {
        self.rows[row].cells.len()
    }
    /// First line of a row, from 1.
    pub(crate) fn line(&self, row: usize) -> u64 {
        self.rows[row].line
    }
    /// The text of a field, with doubled quotes undone.
    pub(crate) fn get(&self, row: usize, column: usize) -> Cow<'t, str> {
        let row = &self.rows[row];
        let cell = self.cells[row.cells.start + column];
        let text = &self.text[cell.range(row.span.start)];
        if cell.length & DOUBLED != 0 {
            Cow::Owned(text.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(text)
        }
    }
    /// The original text of a row.
    pub(crate) fn raw(&self, row: usize) -> &'t str {
        &self.text[self.rows[row].span.clone()]
    }
    /// The text of a comment, with the blanks around it: a tab may separate fields.
    pub(crate) fn comment(&self, comment: &Comment) -> &'t str {
        self.text[comment.span.clone()].trim_start_matches('#')
    }
    /// Byte range of a field within [`Cells::raw`], including its quotes.
    pub(crate) fn place(&self, row: usize, column: usize) -> Range<usize> {
        let Row { span, cells, .. } = &self.rows[row];
        let field = self.cells[cells.start + column].range(span.start);
        let quoted = usize::from(field.start > span.start && self.text.as_bytes()[field.start - 1] == b'"');
        field.start - quoted - span.start..field.end + quoted - span.start
    }
    /// Removes the first row (the header).
    pub(crate) fn drop_first(&mut self) {
        self.rows.remove(0);
    }
    /// Keeps only these rows.
    pub(crate) fn keep(&mut self, rows: Range<usize>) {
        self.rows.truncate(rows.end);
        self.rows.drain(..rows.start);
    }
}

struct Cursor<'t> {
    bytes: &'t [u8],
    at: usize,
    line: u64,
    separator: u8,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| (b == b' ' || b == b'\t') && b != self.separator) {
            self.at += 1;
        }
    }

    fn ends_field(&self) -> bool {
        self.peek().is_none_or(|b| b == self.separator || b == b'\n' || b == b'\r')
    }

    /// Advances to the end of the line and returns its position.
    fn skip_line(&mut self) -> usize {
        while self.peek().is_some_and(|b| b != b'\n' && b != b'\r') {
            self.at += 1;
        }
        self.at
    }

    /// Consumes `\n`, `\r\n` or `\r`, if present.
    fn line_break(&mut self) {
        match self.bytes.get(self.at..) {
            Some([b'\r', b'\n', ..]) => self.at += 2,
            Some([b'\r' | b'\n', ..]) => self.at += 1,
            _ => return,
        }
        self.line += 1;
    }

    /// The range of the next field, and whether it contains doubled quotes.
    fn field(&mut self) -> Result<(Range<usize>, bool), (Fault, u64)> {
        self.blanks();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let start = self.at;
        while !self.ends_field() {
            self.at += 1;
        }
        let end = start + self.bytes[start..self.at].trim_ascii_end().len();
        Ok((start..end, false))
    }

    fn quoted(&mut self) -> Result<(Range<usize>, bool), (Fault, u64)> {
        let opened = self.line;
        self.at += 1;
        let (start, mut doubled) = (self.at, false);
        loop {
            match self.bytes.get(self.at..) {
                Some([b'"', b'"', ..]) => {
                    doubled = true;
                    self.at += 2;
                }
                Some([b'"', ..]) => break,
                Some([b'\n' | b'\r', ..]) => self.line_break(),
                Some([_, ..]) => self.at += 1,
                _ => return Err((Fault::OpenQuote, opened)),
            }
        }
        let end = self.at;
        self.at += 1;
        self.blanks();
        if !self.ends_field() {
            return Err((Fault::AfterQuote, self.line));
        }
        Ok((start..end, doubled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
        let cells = Cells::cut(text, b',', usize::MAX).unwrap();
        (0..cells.len())
            .map(|r| (cells.line(r), (0..cells.width(r)).map(|c| cells.get(r, c).into_owned()).collect()))
            .collect()
    }

    fn owned(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|f| (*f).to_owned()).collect()
    }

    #[test]
    fn fields_lines_and_quotes() {
        let text = "a, b ,\"c\"\r\n\r\n1,\"x,\"\"y\"\"\nz\" ,3\r4,,\n , ,\n\"5\",6,7";
        assert_eq!(
            rows(text),
            [
                (1, owned(&["a", "b", "c"])),
                (3, owned(&["1", "x,\"y\"\nz", "3"])),
                (5, owned(&["4", "", ""])),
                (7, owned(&["5", "6", "7"])),
            ]
        );
        let cells = Cells::cut(text, b',', usize::MAX).unwrap();
        assert_eq!((cells.blank, cells.raw(1)), (2, "1,\"x,\"\"y\"\"\nz\" ,3"));
    }

    #[test]
    fn comments_are_kept_apart() {
        let cells = Cells::cut("# from \"here\n1,2\n##3,4\n", b',', usize::MAX).unwrap();
        assert_eq!(cells.len(), 1);
        let seen: Vec<_> = cells.comments.iter().map(|c| (c.line, c.rows_before, cells.comment(c))).collect();
        assert_eq!(seen, [(1, 0, " from \"here"), (3, 1, "3,4")]);
    }

    #[test]
    fn quotes_that_a_lenient_reader_mends_are_refused() {
        let fault = |text| Cells::cut(text, b',', usize::MAX).unwrap_err();
        assert_eq!(fault("1,\"a\n2,b\n3,c\n"), (Fault::OpenQuote, 1));
        assert_eq!(fault("1,a\n2,\"b\"c\n"), (Fault::AfterQuote, 2));
        assert_eq!(fault("1,\"say \\\"hi\\\"\"\n"), (Fault::AfterQuote, 1));
        // a quote inside a plain field is text
        assert_eq!(rows("5\" pipe,x\n"), [(1, owned(&["5\" pipe", "x"]))]);
    }
}
