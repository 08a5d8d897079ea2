//! The pages of one column in one row group, read and unpacked one after the other.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::basic::Type as Physical;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};

use super::codec::{unpack, Codec};
use super::thrift::{Kind, Thrift};
use super::{read, ReadAt, Refused};

/// Largest page, unpacked.
const MOST_PAGE: usize = 64 << 20;
/// Largest dictionary, unpacked.
const MOST_DICTIONARY: usize = 8 << 20;
/// Sizes of header that are tried: statistics, which nobody needs here, can make it long.
const HEADERS: [usize; 2] = [4 << 10, 4 << 20];

/// Where a column's pages are.
pub(super) struct Pages {
    pub(super) bytes: Arc<dyn ReadAt>,
    pub(super) at: u64,
    pub(super) end: u64,
    pub(super) codec: Codec,
    pub(super) physical: Physical,
    /// Bytes of a value of fixed length.
    pub(super) width: usize,
    /// Values that are still to come.
    pub(super) values: u64,
}

/// A page's header.
#[derive(Debug, Default)]
struct Header {
    kind: i64,
    unpacked: i64,
    packed: i64,
    /// Of the header that fits the kind, by number.
    own: [i64; 8],
    plain: bool,
}

const DATA: i64 = 0;
const INDEX: i64 = 1;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

impl Header {
    fn parse(bytes: &[u8]) -> std::result::Result<(Header, usize), Refused> {
        let (mut header, mut thrift, mut last) = (Header::default(), Thrift::new(bytes), 0);
        while let Some((number, kind)) = thrift.field(last)? {
            last = number;
            match (number, kind) {
                (1, Kind::Whole) => header.kind = thrift.whole()?,
                (2, Kind::Whole) => header.unpacked = thrift.whole()?,
                (3, Kind::Whole) => header.packed = thrift.whole()?,
                (5 | 7 | 8, Kind::Struct) => {
                    let mut last = 0;
                    while let Some((own, kind)) = thrift.field(last)? {
                        last = own;
                        match (usize::try_from(own), kind) {
                            (Ok(at @ 1..8), Kind::Whole) => header.own[at] = thrift.whole()?,
                            // the seventh of a second version's says whether it is packed
                            (Ok(7), Kind::False) if number == 8 => header.plain = true,
                            (_, kind) => thrift.skip(kind)?,
                        }
                    }
                }
                (_, kind) => thrift.skip(kind)?,
            }
        }
        Ok((header, thrift.read()))
    }

    fn size(stated: i64, most: usize) -> std::result::Result<usize, Refused> {
        usize::try_from(stated)
            .ok()
            .filter(|size| *size <= most)
            .ok_or_else(|| Refused::damaged(format!("a page has {stated} bytes, and the most are {most}")))
    }
}

/// An encoding whose decoder allocates no more than it is given.
fn encoding(code: i64) -> std::result::Result<Encoding, Refused> {
    Ok(match code {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        other => {
            let what = format!("values in Parquet's encoding {other}, which few writers use by default");
            return Err(Refused::Held(what, "write the file with its writer's default encodings"));
        }
    })
}

impl Pages {
    fn next_page(&mut self) -> std::result::Result<Option<Page>, Refused> {
        loop {
            if self.at >= self.end {
                return Ok(None);
            }
            let (header, length) = self.header()?;
            self.at += length as u64;
            let packed = Header::size(header.packed, MOST_PAGE)?;
            if packed as u64 > self.end - self.at {
                return Err(Refused::damaged("a page goes beyond its column"));
            }
            let at = self.at;
            self.at += packed as u64;
            if header.kind != INDEX {
                let bytes = read(&*self.bytes, at, packed)?;
                return self.page(&header, &bytes).map(Some);
            }
        }
    }

    fn header(&self) -> std::result::Result<(Header, usize), Refused> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let short = Header::parse(&read(&*self.bytes, self.at, left.min(HEADERS[0]))?);
        if short.is_ok() || left <= HEADERS[0] {
            return short;
        }
        Header::parse(&read(&*self.bytes, self.at, left.min(HEADERS[1]))?)
    }

    fn page(&mut self, header: &Header, packed: &[u8]) -> std::result::Result<Page, Refused> {
        let most = if header.kind == DICTIONARY { MOST_DICTIONARY } else { MOST_PAGE };
        let length = Header::size(header.unpacked, most)?;
        let count = |stated: i64| u32::try_from(stated).map_err(|_| Refused::damaged("a page has a negative count"));
        let values = count(header.own[1])?;
        if header.kind != DICTIONARY {
            self.values = self
                .values
                .checked_sub(values.into())
                .ok_or_else(|| Refused::damaged("a column has more values than its row group has rows"))?;
        }
        match header.kind {
            DATA => Ok(Page::DataPage {
                buf: unpack(self.codec, packed, length)?.into(),
                num_values: values,
                encoding: encoding(header.own[2])?,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            }),
            DICTIONARY => {
                let smallest = match self.physical {
                    Physical::INT32 | Physical::FLOAT | Physical::BYTE_ARRAY => 4,
                    Physical::FIXED_LEN_BYTE_ARRAY => self.width.max(1),
                    _ => 8,
                };
                if (values as usize).checked_mul(smallest).is_none_or(|bytes| bytes > length) {
                    return Err(Refused::damaged("a dictionary has fewer bytes than its values need"));
                }
                Ok(Page::DictionaryPage {
                    buf: unpack(self.codec, packed, length)?.into(),
                    num_values: values,
                    encoding: encoding(header.own[2])?,
                    is_sorted: false,
                })
            }
            DATA_V2 => {
                let (definitions, repetitions) = (count(header.own[5])?, count(header.own[6])?);
                // levels are never packed
                let levels = definitions.checked_add(repetitions).map_or(usize::MAX, |l| l as usize);
                if levels > packed.len().min(length) {
                    return Err(Refused::damaged("a page's levels are longer than the page"));
                }
                let codec = if header.plain { Codec::Plain } else { self.codec };
                let mut bytes = packed[..levels].to_vec();
                if length > levels {
                    bytes.extend_from_slice(&unpack(codec, &packed[levels..], length - levels)?);
                }
                Ok(Page::DataPageV2 {
                    buf: Bytes::from(bytes),
                    num_values: values,
                    encoding: encoding(header.own[4])?,
                    num_nulls: count(header.own[2])?,
                    num_rows: count(header.own[3])?,
                    def_levels_byte_len: definitions,
                    rep_levels_byte_len: repetitions,
                    is_compressed: false,
                    statistics: None,
                })
            }
            other => Err(Refused::damaged(format!("a page is of the unknown kind {other}"))),
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.next_page().map_err(|refused| ParquetError::External(Box::new(refused)))
    }

    /// Nothing is skipped here.
    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(ParquetError::NYI("pages are read in order".into()))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Err(ParquetError::NYI("pages are read in order".into()))
    }
}
