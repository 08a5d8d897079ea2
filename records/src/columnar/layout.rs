//! How Arrow's formats lay columns and batches out.

/// What a column's buffers hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Truths,
    Whole(Width),
    Single,
    Double,
    Half,
    /// Texts with offsets of 4 or 8 bytes.
    Texts(usize),
    /// Texts in views of 16 bytes.
    Views,
    Missing,
    /// What we do not read, named.
    Other(&'static str),
}

/// A whole number's bytes and sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    pub(super) bytes: usize,
    pub(super) signed: bool,
}

/// A column as the schema describes it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Its dictionary's number, and the width of its indices; `kind` is that of the dictionary's values.
    pub(super) dictionary: Option<(i64, Width)>,
    /// Where its first node, buffer and count of views' buffers are in every batch.
    pub(super) node: usize,
    pub(super) buffer: usize,
    pub(super) views: usize,
}

/// A batch of rows, or of a dictionary.
#[derive(Debug)]
pub(super) struct Batch {
    /// The dictionary's number, and whether it adds to what there is.
    pub(super) dictionary: Option<(i64, bool)>,
    pub(super) rows: usize,
    /// Where its description and its body are.
    pub(super) head: (u64, usize),
    pub(super) body: (u64, u64),
}

impl Described {
    /// The same without its name and dictionary, with another first buffer.
    pub(super) fn at(&self, buffer: usize) -> Described {
        Described { name: String::new(), kind: self.kind.clone(), dictionary: None, buffer, ..*self }
    }
}
