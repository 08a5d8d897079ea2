//! Parquet: its footer, and one column of all row groups.

use std::sync::Arc;

use half::f16;
use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{get_column_reader, get_typed_column_reader};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::ColumnDescPtr;

use super::codec::Codec;
use super::pages::Pages;
use super::{read, whole, Column, ReadAt, Refused, Stored, Words, PANDAS};

/// Largest footer.
const MOST_FOOTER: usize = 16 << 20;
/// Rows read at a time.
const BATCH: usize = 8192;
/// Length of the footer's length, and of the mark behind it.
const TAIL: usize = 8;

impl From<ParquetError> for Refused {
    fn from(e: ParquetError) -> Self {
        match e {
            ParquetError::External(inner) => match inner.downcast::<Refused>() {
                Ok(refused) => *refused,
                Err(other) => Refused::damaged(other),
            },
            other => Refused::damaged(other),
        }
    }
}

/// How a column's values become ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    Truths,
    /// Whole numbers; of unsigned ones, the bits.
    Whole {
        signed: bool,
    },
    Single,
    Double,
    Half,
    Texts,
}

/// A file's footer.
#[derive(Debug)]
pub(super) struct Parts {
    metadata: ParquetMetaData,
    rows: u64,
}

impl Parts {
    pub(super) fn open(bytes: &dyn ReadAt) -> Result<Self, Refused> {
        let size = bytes.size();
        let start = size.checked_sub(TAIL as u64).ok_or_else(|| Refused::damaged("it has no footer"))?;
        let tail = read(bytes, start, TAIL)?;
        match &tail[4..] {
            b"PAR1" => {}
            b"PARE" => return Err(Refused::damaged("its footer is encrypted")),
            _ => return Err(Refused::damaged("it breaks off before its footer")),
        }
        let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize;
        if length > MOST_FOOTER {
            return Err(Refused::damaged(format!("its footer has {length} bytes, and the most are {MOST_FOOTER}")));
        }
        let at = start.checked_sub(length as u64).ok_or_else(|| Refused::damaged("its footer is longer than it"))?;
        let metadata = ParquetMetaDataReader::decode_metadata(&read(bytes, at, length)?)?;
        let mut rows = 0u64;
        for group in metadata.row_groups() {
            let own = u64::try_from(group.num_rows()).map_err(Refused::damaged)?;
            rows = rows.checked_add(own).ok_or_else(|| Refused::damaged("it has too many rows"))?;
            if group.num_columns() != metadata.file_metadata().schema_descr().num_columns() {
                return Err(Refused::damaged("a row group has other columns than the file"));
            }
        }
        Ok(Parts { metadata, rows })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.metadata.file_metadata().schema_descr().columns().iter().map(|c| c.path().string()).collect()
    }

    /// Pandas' description of the data frame.
    pub(super) fn pandas(&self) -> Option<&str> {
        let metadata = self.metadata.file_metadata().key_value_metadata()?;
        metadata.iter().find(|entry| entry.key == PANDAS)?.value.as_deref()
    }

    fn column(&self, column: usize) -> ColumnDescPtr {
        self.metadata.file_metadata().schema_descr().column(column)
    }

    pub(super) fn load(&self, bytes: &Arc<dyn ReadAt>, column: usize, rows: usize) -> Result<Column, Refused> {
        match values(&self.column(column))? {
            Values::Truths => {
                let mut all = Vec::with_capacity(rows);
                self.each::<BoolType>(bytes, column, |value| {
                    all.push(value.copied());
                    Ok(())
                })?;
                Ok(Column::Truths(all))
            }
            Values::Texts => {
                let mut words = Words::default();
                self.each::<ByteArrayType>(bytes, column, |value| words.push(value.map_or(&[], |v| v.data())))?;
                Ok(words.finish())
            }
            Values::Whole { signed } if self.column(column).physical_type() == Physical::INT32 => {
                let number = |x: &i32| whole(if signed { i128::from(*x) } else { i128::from(*x as u32) });
                self.numbers::<Int32Type>(bytes, column, rows, Stored::Whole, number)
            }
            Values::Whole { signed } => {
                let number = |x: &i64| whole(if signed { i128::from(*x) } else { i128::from(*x as u64) });
                self.numbers::<Int64Type>(bytes, column, rows, Stored::Whole, number)
            }
            Values::Single => self.numbers::<FloatType>(bytes, column, rows, Stored::Single, |x| Ok(f64::from(*x))),
            Values::Double => self.numbers::<DoubleType>(bytes, column, rows, Stored::Double, |x| Ok(*x)),
            Values::Half => self.numbers::<FixedLenByteArrayType>(bytes, column, rows, Stored::Half, |x| {
                let bytes = x.data().first_chunk().copied().unwrap_or_default();
                Ok(f16::from_le_bytes(bytes).to_f64())
            }),
        }
    }

    fn numbers<T: DataType>(
        &self,
        bytes: &Arc<dyn ReadAt>,
        column: usize,
        rows: usize,
        stored: Stored,
        number: impl Fn(&T::T) -> Result<f64, Refused>,
    ) -> Result<Column, Refused> {
        let mut values = Vec::with_capacity(rows);
        self.each::<T>(bytes, column, |value| {
            values.push(value.map_or(Ok(f64::NAN), &number)?);
            Ok(())
        })?;
        Ok(Column::Numbers { values, stored })
    }

    /// Calls `take` with each value of a column, `None` for a missing one.
    fn each<T: DataType>(
        &self,
        bytes: &Arc<dyn ReadAt>,
        column: usize,
        mut take: impl FnMut(Option<&T::T>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let description = self.column(column);
        let optional = description.max_def_level() > 0;
        for group in self.metadata.row_groups() {
            let rows = usize::try_from(group.num_rows()).map_err(Refused::damaged)?;
            let pages = pages(bytes, group.column(column), &description, rows as u64)?;
            let mut reader = get_typed_column_reader::<T>(get_column_reader(description.clone(), Box::new(pages)));
            let mut left = rows;
            while left > 0 {
                let (mut levels, mut found) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
                let (read, ..) = reader.read_records(left.min(BATCH), Some(&mut levels), None, &mut found)?;
                if read == 0 || read > left {
                    return Err(Refused::damaged("a column breaks off"));
                }
                let mut found = found.iter();
                for row in 0..read {
                    let there = !optional || levels.get(row).is_some_and(|level| *level > 0);
                    let value = if there { found.next() } else { None };
                    if there && value.is_none() {
                        return Err(Refused::damaged("a column lacks values"));
                    }
                    take(value)?;
                }
                left -= read;
            }
        }
        Ok(())
    }
}

fn pages(
    bytes: &Arc<dyn ReadAt>,
    chunk: &parquet::file::metadata::ColumnChunkMetaData,
    description: &ColumnDescPtr,
    values: u64,
) -> Result<Pages, Refused> {
    let codec = match chunk.compression() {
        Compression::UNCOMPRESSED => Codec::Plain,
        Compression::SNAPPY => Codec::Snappy,
        Compression::GZIP(_) => Codec::Gzip,
        Compression::ZSTD(_) => Codec::Zstd,
        Compression::LZ4_RAW => Codec::Lz4,
        other => {
            let what = format!("values packed by {other}");
            return Err(Refused::Held(what, "write the file with snappy, zstd or gzip"));
        }
    };
    let place = |stated: i64| u64::try_from(stated).map_err(Refused::damaged);
    let first = chunk.dictionary_page_offset().filter(|at| *at > 0).unwrap_or(chunk.data_page_offset());
    let at = place(first.min(chunk.data_page_offset()))?;
    let end = at.checked_add(place(chunk.compressed_size())?).filter(|end| *end <= bytes.size());
    Ok(Pages {
        bytes: bytes.clone(),
        at,
        end: end.ok_or_else(|| Refused::damaged("a column goes beyond its end"))?,
        codec,
        physical: description.physical_type(),
        width: usize::try_from(description.type_length()).unwrap_or(0),
        values,
    })
}

/// How to read a column.
fn values(column: &ColumnDescPtr) -> Result<Values, Refused> {
    if column.max_rep_level() > 0 || column.max_def_level() > 1 || column.path().parts().len() > 1 {
        return Err(Refused::held("lists or structures"));
    }
    let (logical, converted) = (column.logical_type_ref(), column.converted_type());
    let unsigned = matches!(
        converted,
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
    ) || matches!(logical, Some(LogicalType::Integer(int)) if !int.is_signed);
    let text = matches!(logical, None | Some(LogicalType::String | LogicalType::Enum))
        && matches!(converted, ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::ENUM);
    let bare = matches!(logical, None | Some(LogicalType::Integer(_) | LogicalType::Unknown))
        && !matches!(
            converted,
            ConvertedType::DECIMAL
                | ConvertedType::DATE
                | ConvertedType::TIME_MILLIS
                | ConvertedType::TIME_MICROS
                | ConvertedType::TIMESTAMP_MILLIS
                | ConvertedType::TIMESTAMP_MICROS
                | ConvertedType::INTERVAL
        );
    match column.physical_type() {
        Physical::BOOLEAN => Ok(Values::Truths),
        Physical::INT32 | Physical::INT64 if bare => Ok(Values::Whole { signed: !unsigned }),
        Physical::FLOAT => Ok(Values::Single),
        Physical::DOUBLE => Ok(Values::Double),
        Physical::BYTE_ARRAY if text => Ok(Values::Texts),
        Physical::FIXED_LEN_BYTE_ARRAY
            if matches!(logical, Some(LogicalType::Float16)) && column.type_length() == 2 =>
        {
            Ok(Values::Half)
        }
        physical => Err(Refused::held(match (logical, converted, physical) {
            (Some(LogicalType::Decimal(_)), ..) | (_, ConvertedType::DECIMAL, _) => "decimal numbers".to_owned(),
            (Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_)), ..)
            | (None, ConvertedType::DATE | ConvertedType::INTERVAL, _)
            | (None, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS, _)
            | (None, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS, _)
            | (None, _, Physical::INT96) => "dates or times".to_owned(),
            (None, ..) => format!("values of Parquet's type {physical}"),
            (Some(logical), ..) => format!("values of Parquet's type {logical:?}"),
        })),
    }
}
