//! Arrow's stream format, and its file format (Feather 2).

use std::sync::Arc;

use arrow_ipc::{
    root_as_footer, root_as_message, Endianness, Field, MessageHeader, Precision, RecordBatch, Schema, Type,
};

use super::buffers::{Body, Found};
use super::layout::{Batch, Described, Kind, Width};
use super::{read, Column, ReadAt, Refused, Stored, PANDAS};

/// Beginning and end of a file.
const MARK: &[u8] = b"ARROW1";
/// Largest description of a message.
const MOST_HEAD: usize = 16 << 20;
/// Most batches.
const MOST_BATCHES: usize = 1 << 16;
/// Most values of a dictionary.
const MOST_VALUES: usize = 1 << 22;
/// Deepest nesting of types.
const DEEPEST: usize = 16;

/// A file's schema, and where its batches are.
#[derive(Debug)]
pub(super) struct Parts {
    columns: Vec<Described>,
    batches: Vec<Batch>,
    /// Pandas' description of the data frame.
    pandas: Option<String>,
    rows: u64,
    /// Bytes of all messages so far.
    taken: u64,
}

impl Parts {
    pub(super) fn open(bytes: &dyn ReadAt) -> Result<Self, Refused> {
        let mut parts = Parts { columns: Vec::new(), batches: Vec::new(), pandas: None, rows: 0, taken: 0 };
        if read(bytes, 0, MARK.len())? == MARK {
            parts.open_file(bytes)?;
        } else {
            parts.open_stream(bytes)?;
        }
        if parts.columns.is_empty() {
            return Err(Refused::damaged("it has no schema"));
        }
        Ok(parts)
    }

    /// The file format: its footer says where the batches are.
    fn open_file(&mut self, bytes: &dyn ReadAt) -> Result<(), Refused> {
        let missing = || Refused::damaged("it breaks off before its footer");
        let tail = bytes.size().checked_sub(4 + MARK.len() as u64).ok_or_else(missing)?;
        let end = read(bytes, tail, 4 + MARK.len())?;
        if end[4..] != *MARK {
            return Err(missing());
        }
        let length = within(&end[..4])?;
        let footer = read(bytes, tail.checked_sub(length as u64).ok_or_else(missing)?, length)?;
        let footer = root_as_footer(&footer).map_err(Refused::damaged)?;
        self.describe(footer.schema())?;
        for block in footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten() {
            let at = u64::try_from(block.offset()).map_err(Refused::damaged)?;
            let length = u64::try_from(block.metaDataLength()).map_err(Refused::damaged)?;
            let (head, _) = head(bytes, at)?.ok_or_else(|| Refused::damaged("a batch is missing"))?;
            let body = at.checked_add(length).ok_or_else(missing)?;
            self.message(bytes, head, body)?;
        }
        Ok(())
    }

    fn open_stream(&mut self, bytes: &dyn ReadAt) -> Result<(), Refused> {
        let mut at = 0;
        while let Some((head, body)) = head(bytes, at)? {
            at = self.message(bytes, head, body)?;
        }
        Ok(())
    }

    /// Takes in the message that is described at `head`, whose body is at `body`; returns its end.
    fn message(&mut self, bytes: &dyn ReadAt, head: (u64, usize), body: u64) -> Result<u64, Refused> {
        let described = read(bytes, head.0, head.1)?;
        let message = root_as_message(&described).map_err(Refused::damaged)?;
        let length = u64::try_from(message.bodyLength()).map_err(Refused::damaged)?;
        let end = body.checked_add(length).filter(|end| *end <= bytes.size());
        // a footer may name one message many times, and each costs a look
        self.taken = self.taken.saturating_add(head.1 as u64).saturating_add(length);
        if end.is_some() && self.taken > bytes.size() {
            return Err(Refused::damaged("its messages overlap"));
        }
        let missing = || Refused::damaged("a message lacks its description");
        let batch = |dictionary, batch: RecordBatch<'_>| {
            let rows = usize::try_from(batch.length()).map_err(Refused::damaged)?;
            Ok::<_, Refused>(Batch { dictionary, rows, head, body: (body, length) })
        };
        match message.header_type() {
            MessageHeader::Schema if self.columns.is_empty() => self.describe(message.header_as_schema())?,
            MessageHeader::RecordBatch => {
                let found = batch(None, message.header_as_record_batch().ok_or_else(missing)?)?;
                self.rows = self.rows.saturating_add(found.rows as u64);
                self.batches.push(found);
            }
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch().ok_or_else(missing)?;
                let id = Some((dictionary.id(), dictionary.isDelta()));
                let found = batch(id, dictionary.data().ok_or_else(missing)?)?;
                if found.rows > MOST_VALUES {
                    return Err(Refused::damaged(format!("a dictionary has more than {MOST_VALUES} values")));
                }
                self.batches.push(found);
            }
            _ => return Err(Refused::damaged("a message is neither a schema nor a batch")),
        }
        if self.batches.len() > MOST_BATCHES {
            return Err(Refused::damaged(format!("it has more than {MOST_BATCHES} batches")));
        }
        end.ok_or_else(|| Refused::damaged("it breaks off within a batch"))
    }

    fn describe(&mut self, schema: Option<Schema<'_>>) -> Result<(), Refused> {
        let schema = schema.ok_or_else(|| Refused::damaged("it lacks its schema"))?;
        if schema.endianness() != Endianness::Little {
            return Err(Refused::damaged("its numbers are big-endian"));
        }
        let mut place = Place::default();
        for field in schema.fields().into_iter().flatten() {
            self.columns.push(place.describe(&field)?);
        }
        let mut metadata = schema.custom_metadata().into_iter().flatten();
        self.pandas = metadata.find(|entry| entry.key() == Some(PANDAS)).and_then(|e| e.value()).map(str::to_owned);
        Ok(())
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn pandas(&self) -> Option<&str> {
        self.pandas.as_deref()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    pub(super) fn load(&self, bytes: &Arc<dyn ReadAt>, column: usize, rows: usize) -> Result<Column, Refused> {
        let described = &self.columns[column];
        if let Kind::Other(what) = described.kind {
            return Err(Refused::held(what));
        }
        let mut all = Found::new(&described.kind, rows);
        let mut dictionary = Found::new(&described.kind, 0);
        for batch in &self.batches {
            let own = described.dictionary.map(|(id, _)| id);
            if batch.dictionary.is_some_and(|(id, _)| Some(id) != own) {
                continue;
            }
            let head = read(&**bytes, batch.head.0, batch.head.1)?;
            let message = root_as_message(&head).map_err(Refused::damaged)?;
            match (batch.dictionary, described.dictionary) {
                (Some((_, delta)), _) => {
                    let data = message.header_as_dictionary_batch().and_then(|d| d.data());
                    if !delta {
                        dictionary = Found::new(&described.kind, 0);
                    }
                    let place = Described { node: 0, views: 0, ..described.at(0) };
                    Body::of(&**bytes, batch, data)?.read(&place, &mut dictionary)?;
                }
                (None, None) => {
                    Body::of(&**bytes, batch, message.header_as_record_batch())?.read(described, &mut all)?;
                }
                (None, Some((_, width))) => {
                    let body = Body::of(&**bytes, batch, message.header_as_record_batch())?;
                    for index in body.indices(described, width)? {
                        all.copy(&dictionary, index)?;
                    }
                }
            }
        }
        Ok(all.finish(match described.kind {
            Kind::Whole(_) => Stored::Whole,
            Kind::Half => Stored::Half,
            Kind::Single => Stored::Single,
            _ => Stored::Double,
        }))
    }
}

/// Where something is in a file, and its length in bytes.
type Extent = (u64, usize);

/// Where the description of the message at `at` is, and where its body begins; `None` at the end of a stream.
fn head(bytes: &dyn ReadAt, at: u64) -> Result<Option<(Extent, u64)>, Refused> {
    if at.saturating_add(8) > bytes.size() {
        return Ok(None);
    }
    let mark = read(bytes, at, 8)?;
    // files of old and of some new writers leave the mark out
    let (length, start) =
        if mark[..4] == [0xff; 4] { (within(&mark[4..])?, at + 8) } else { (within(&mark[..4])?, at + 4) };
    Ok((length > 0).then_some(((start, length), start + length as u64)))
}

/// The length of a description.
fn within(bytes: &[u8]) -> Result<usize, Refused> {
    let length = bytes.first_chunk().map_or(usize::MAX, |length| u32::from_le_bytes(*length) as usize);
    if length > MOST_HEAD {
        return Err(Refused::damaged(format!("a description has {length} bytes, and the most are {MOST_HEAD}")));
    }
    Ok(length)
}

/// Counts nodes and buffers while columns are described.
#[derive(Default)]
struct Place {
    node: usize,
    buffer: usize,
    views: usize,
}

impl Place {
    fn describe(&mut self, field: &Field<'_>) -> Result<Described, Refused> {
        let (node, buffer, views) = (self.node, self.buffer, self.views);
        let dictionary = field.dictionary().map(|d| {
            // an index without a type is a signed one of 4 bytes
            let width = d.indexType().map_or(Ok(Width { bytes: 4, signed: true }), |int| width(&int));
            width.map(|width| (d.id(), width))
        });
        let dictionary = dictionary.transpose()?;
        if dictionary.is_some() {
            self.node += 1;
            self.buffer += 2;
        } else {
            self.pass(field, DEEPEST)?;
        }
        let name = field.name().unwrap_or_default().to_owned();
        Ok(Described { name, kind: kind(field)?, dictionary, node, buffer, views })
    }

    /// Passes over a field with its children.
    fn pass(&mut self, field: &Field<'_>, depth: usize) -> Result<(), Refused> {
        let deeper = depth.checked_sub(1).ok_or_else(|| Refused::damaged("its types are nested too deeply"))?;
        self.node += 1;
        self.buffer += match field.type_type() {
            _ if field.dictionary().is_some() => 2,
            Type::Null | Type::RunEndEncoded => 0,
            Type::Struct_ | Type::FixedSizeList => 1,
            Type::Binary | Type::LargeBinary | Type::Utf8 | Type::LargeUtf8 | Type::ListView | Type::LargeListView => 3,
            // the views' buffers are counted in every batch
            Type::BinaryView | Type::Utf8View => {
                self.views += 1;
                2
            }
            Type::Union => match field.type_as_union() {
                Some(union) if union.mode() == arrow_ipc::UnionMode::Dense => 2,
                _ => 1,
            },
            _ => 2,
        };
        if field.dictionary().is_none() {
            for child in field.children().into_iter().flatten() {
                self.pass(&child, deeper)?;
            }
        }
        Ok(())
    }
}

fn width(int: &arrow_ipc::Int<'_>) -> Result<Width, Refused> {
    match int.bitWidth() {
        bits @ (8 | 16 | 32 | 64) => Ok(Width { bytes: bits as usize / 8, signed: int.is_signed() }),
        bits => Err(Refused::damaged(format!("whole numbers have {bits} bits"))),
    }
}

fn kind(field: &Field<'_>) -> Result<Kind, Refused> {
    Ok(match field.type_type() {
        Type::Null => Kind::Missing,
        Type::Bool => Kind::Truths,
        Type::Int => {
            let int = field.type_as_int().ok_or_else(|| Refused::damaged("a column lacks its type"))?;
            width(&int).map_or(Kind::Other("whole numbers of another size than 8, 16, 32 or 64 bits"), Kind::Whole)
        }
        Type::FloatingPoint => match field.type_as_floating_point().map(|f| f.precision()) {
            Some(Precision::HALF) => Kind::Half,
            Some(Precision::SINGLE) => Kind::Single,
            Some(Precision::DOUBLE) => Kind::Double,
            _ => return Err(Refused::damaged("a column lacks its precision")),
        },
        Type::Utf8 => Kind::Texts(4),
        Type::LargeUtf8 => Kind::Texts(8),
        Type::Utf8View => Kind::Views,
        Type::Decimal => Kind::Other("decimal numbers"),
        Type::Date | Type::Time | Type::Timestamp | Type::Interval | Type::Duration => Kind::Other("dates or times"),
        Type::Binary | Type::LargeBinary | Type::FixedSizeBinary | Type::BinaryView => Kind::Other("bytes"),
        _ => Kind::Other("lists or structures"),
    })
}
