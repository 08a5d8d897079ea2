//! The buffers of a batch of Arrow's formats, and the values in them.

use arrow_ipc::{Buffer, CompressionType, RecordBatch};
use half::f16;

use super::codec::{unpack, Codec};
use super::layout::{Batch, Described, Kind, Width};
use super::{read, whole, Column, ReadAt, Refused, Stored, Words};

/// Largest buffer of texts, unpacked.
const MOST_TEXTS: usize = 64 << 20;

/// Values found so far.
pub(super) enum Found {
    Numbers(Vec<f64>),
    Truths(Vec<Option<bool>>),
    Texts(Words),
}

impl Found {
    pub(super) fn new(kind: &Kind, rows: usize) -> Self {
        match kind {
            Kind::Truths => Found::Truths(Vec::with_capacity(rows)),
            Kind::Texts(_) | Kind::Views => Found::Texts(Words::default()),
            _ => Found::Numbers(Vec::with_capacity(rows)),
        }
    }

    /// Appends a dictionary's value, or a missing one.
    pub(super) fn copy(&mut self, dictionary: &Found, index: Option<usize>) -> Result<(), Refused> {
        let beyond = || Refused::damaged("an index goes beyond its dictionary");
        match (self, dictionary) {
            (Found::Numbers(all), Found::Numbers(own)) => {
                all.push(index.map_or(Ok(f64::NAN), |i| own.get(i).copied().ok_or_else(beyond))?);
            }
            (Found::Truths(all), Found::Truths(own)) => {
                all.push(index.map_or(Ok(None), |i| own.get(i).copied().ok_or_else(beyond))?);
            }
            (Found::Texts(all), Found::Texts(own)) => match index {
                None => all.push(b"")?,
                Some(i) => {
                    let word = own.rows.get(i).and_then(|word| own.words.get(*word as usize)).ok_or_else(beyond)?;
                    all.push(word.as_bytes())?;
                }
            },
            _ => return Err(Refused::damaged("a dictionary is of another type")),
        }
        Ok(())
    }

    pub(super) fn finish(self, stored: Stored) -> Column {
        match self {
            Found::Numbers(values) => Column::Numbers { values, stored },
            Found::Truths(values) => Column::Truths(values),
            Found::Texts(words) => words.finish(),
        }
    }
}

/// The buffers of a batch.
pub(super) struct Body<'b> {
    bytes: &'b dyn ReadAt,
    data: RecordBatch<'b>,
    codec: Codec,
    body: (u64, u64),
    rows: usize,
}

impl<'b> Body<'b> {
    pub(super) fn of(bytes: &'b dyn ReadAt, batch: &Batch, data: Option<RecordBatch<'b>>) -> Result<Self, Refused> {
        let data = data.ok_or_else(|| Refused::damaged("a message lacks its batch"))?;
        let codec = match data.compression().map(|c| c.codec()) {
            None => Codec::Plain,
            Some(CompressionType::LZ4_FRAME) => Codec::Lz4Frame,
            Some(CompressionType::ZSTD) => Codec::Zstd,
            Some(_) => return Err(Refused::damaged("its buffers are packed in an unknown way")),
        };
        Ok(Body { bytes, data, codec, body: batch.body, rows: batch.rows })
    }

    /// A buffer of values, of at least `least` bytes, unpacked.
    fn buffer(&self, number: usize, least: usize) -> Result<Vec<u8>, Refused> {
        // writers pad buffers, and may write more of one than a slice needs
        self.buffer_of(number, least, least.saturating_mul(2).saturating_add(4096))
    }

    fn buffer_of(&self, number: usize, least: usize, most: usize) -> Result<Vec<u8>, Refused> {
        let short = || Refused::damaged(format!("a buffer has fewer than {least} bytes"));
        let place: &Buffer =
            self.data.buffers().filter(|b| number < b.len()).map(|b| b.get(number)).ok_or_else(short)?;
        let (at, length) = (u64::try_from(place.offset()), u64::try_from(place.length()));
        let (Ok(at), Ok(length)) = (at, length) else { return Err(short()) };
        if at.checked_add(length).is_none_or(|end| end > self.body.1) {
            return Err(Refused::damaged("a buffer goes beyond its batch"));
        }
        let length = usize::try_from(length).ok().filter(|l| *l <= most.saturating_add(8));
        let length = length.ok_or_else(|| Refused::damaged(format!("a buffer has more than {most} bytes")))?;
        let mut bytes = read(self.bytes, self.body.0 + at, length)?;
        if self.codec != Codec::Plain && !bytes.is_empty() {
            let stated = bytes.first_chunk().map(|head| i64::from_le_bytes(*head)).ok_or_else(short)?;
            bytes = match usize::try_from(stated) {
                Ok(stated) if stated <= most => unpack(self.codec, &bytes[8..], stated)?,
                // a buffer that would not shrink is plain
                Err(_) if stated == -1 => bytes.split_off(8),
                _ => return Err(Refused::damaged(format!("a buffer unpacks to more than {most} bytes"))),
            };
        }
        if bytes.len() < least {
            return Err(short());
        }
        Ok(bytes)
    }

    /// For each row whether it has a value.
    fn there(&self, column: &Described) -> Result<Vec<bool>, Refused> {
        let nodes = self.data.nodes().filter(|nodes| column.node < nodes.len());
        let node =
            nodes.map(|nodes| *nodes.get(column.node)).ok_or_else(|| Refused::damaged("a batch lacks columns"))?;
        if usize::try_from(node.length()) != Ok(self.rows) {
            return Err(Refused::damaged("a column has another length than its batch"));
        }
        if node.null_count() == 0 {
            return Ok(vec![true; self.rows]);
        }
        bits(&self.buffer(column.buffer, self.rows.div_ceil(8))?, self.rows)
    }

    /// The number of the buffer behind the first one: view columns before this one have buffers of their own number.
    fn second(&self, column: &Described) -> Result<usize, Refused> {
        let counts = self.data.variadicBufferCounts();
        let mut extra = 0usize;
        for view in 0..column.views {
            let count = counts.filter(|c| view < c.len()).map(|c| c.get(view)).and_then(|c| usize::try_from(c).ok());
            let count = count.ok_or_else(|| Refused::damaged("a batch lacks counts of buffers"))?;
            extra = extra.saturating_add(count);
        }
        Ok(column.buffer.saturating_add(extra).saturating_add(1))
    }

    /// The rows' positions in the dictionary.
    pub(super) fn indices(&self, column: &Described, width: Width) -> Result<Vec<Option<usize>>, Refused> {
        let at = self.second(column)?;
        let column = &column.at(at - 1);
        let there = self.there(column)?;
        let bytes = self.buffer(at, self.rows.saturating_mul(width.bytes))?;
        let index = |(there, bytes): (&bool, &[u8])| {
            there.then(|| usize::try_from(integer(bytes, width)).map_err(Refused::damaged)).transpose()
        };
        there.iter().zip(bytes.chunks_exact(width.bytes)).map(index).collect()
    }

    /// Appends a column's values.
    pub(super) fn read(&self, column: &Described, found: &mut Found) -> Result<(), Refused> {
        let at = self.second(column)?;
        let column = &column.at(at - 1);
        if let (Kind::Missing, Found::Numbers(all)) = (&column.kind, &mut *found) {
            all.extend(std::iter::repeat_n(f64::NAN, self.rows));
            return Ok(());
        }
        let there = self.there(column)?;
        let rows = self.rows;
        match (&column.kind, found) {
            (Kind::Truths, Found::Truths(all)) => {
                let truths = bits(&self.buffer(at, rows.div_ceil(8))?, rows)?;
                all.extend(there.iter().zip(truths).map(|(there, truth)| there.then_some(truth)));
            }
            (Kind::Whole(width), Found::Numbers(all)) => {
                let bytes = self.buffer(at, rows.saturating_mul(width.bytes))?;
                for (there, bytes) in there.iter().zip(bytes.chunks_exact(width.bytes)) {
                    all.push(if *there { whole(integer(bytes, *width))? } else { f64::NAN });
                }
            }
            (Kind::Half, Found::Numbers(all)) => {
                self.floats(at, &there, all, |b: [u8; 2]| f16::from_le_bytes(b).into())?
            }
            (Kind::Single, Found::Numbers(all)) => {
                self.floats(at, &there, all, |b: [u8; 4]| f32::from_le_bytes(b).into())?
            }
            (Kind::Double, Found::Numbers(all)) => self.floats(at, &there, all, f64::from_le_bytes)?,
            (Kind::Texts(width), Found::Texts(words)) => self.texts(at, *width, &there, words)?,
            (Kind::Views, Found::Texts(words)) => self.views(at, column.views, &there, words)?,
            _ => return Err(Refused::damaged("a batch is of another type")),
        }
        Ok(())
    }

    fn floats<const N: usize>(
        &self,
        at: usize,
        there: &[bool],
        all: &mut Vec<f64>,
        float: impl Fn([u8; N]) -> f64,
    ) -> Result<(), Refused> {
        let bytes = self.buffer(at, self.rows.saturating_mul(N))?;
        let values = bytes.as_chunks::<N>().0.iter().map(|bytes| float(*bytes));
        all.extend(there.iter().zip(values).map(|(there, x)| if *there { x } else { f64::NAN }));
        Ok(())
    }

    fn texts(&self, at: usize, width: usize, there: &[bool], words: &mut Words) -> Result<(), Refused> {
        if there.is_empty() {
            return Ok(());
        }
        let offsets = self.buffer(at, (self.rows + 1).saturating_mul(width))?;
        let bytes = self.buffer_of(at + 1, 0, MOST_TEXTS)?;
        let width = Width { bytes: width, signed: true };
        let offset = |row: usize| {
            usize::try_from(integer(&offsets[row * width.bytes..(row + 1) * width.bytes], width))
                .map_err(Refused::damaged)
        };
        for (row, there) in there.iter().enumerate() {
            let text = bytes.get(offset(row)?..offset(row + 1)?);
            let text = text.ok_or_else(|| Refused::damaged("a text goes beyond its buffer"))?;
            words.push(if *there { text } else { b"" })?;
        }
        Ok(())
    }

    fn views(&self, at: usize, view: usize, there: &[bool], words: &mut Words) -> Result<(), Refused> {
        let views = self.buffer(at, self.rows.saturating_mul(16))?;
        let counts = self.data.variadicBufferCounts().filter(|c| view < c.len());
        let count = counts.and_then(|c| usize::try_from(c.get(view)).ok()).unwrap_or(0);
        let total = self.data.buffers().map_or(0, |b| b.len());
        let held =
            (0..count.min(total)).map(|i| self.buffer_of(at + 1 + i, 0, MOST_TEXTS)).collect::<Result<Vec<_>, _>>()?;
        for (there, view) in there.iter().zip(views.as_chunks::<16>().0) {
            let number = |at: usize| u32::from_le_bytes([view[at], view[at + 1], view[at + 2], view[at + 3]]) as usize;
            let (length, buffer, offset) = (number(0), number(8), number(12));
            let text = match length {
                0..=12 => view.get(4..4 + length),
                _ => held.get(buffer).and_then(|bytes| bytes.get(offset..offset.checked_add(length)?)),
            };
            let text = if *there { text } else { Some(&b""[..]) };
            words.push(text.ok_or_else(|| Refused::damaged("a text goes beyond its buffer"))?)?;
        }
        Ok(())
    }
}

/// A whole number of up to 8 bytes, little-endian.
fn integer(bytes: &[u8], width: Width) -> i128 {
    let mut all = [0; 16];
    all[..bytes.len()].copy_from_slice(bytes);
    let bits = 8 * (16 - bytes.len()) as u32;
    let value = i128::from_le_bytes(all);
    if width.signed {
        value << bits >> bits
    } else {
        value
    }
}

fn bits(bytes: &[u8], rows: usize) -> Result<Vec<bool>, Refused> {
    if bytes.len() < rows.div_ceil(8) {
        return Err(Refused::damaged("a buffer has too few bits"));
    }
    Ok((0..rows).map(|row| bytes[row / 8] >> (row % 8) & 1 == 1).collect())
}
