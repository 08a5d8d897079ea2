//! Reads users' tables into records.
//!
//! Committing a dataset is permanent and costs money, so nothing is changed silently. A [`Source`] is read into a
//! [`Reading`]: the records, plus a [`Report`] of what was found and what was reordered, merged, skipped or clamped.
//! Anything that may be a mistake is a [`Doubt`], which names the flag that accepts it; the records are released only
//! when every doubt is accepted. Input that cannot be read is a [`DataError`]: where, what, and what to do.
//!
//! | module | contents |
//! |---|---|
//! | `columnar` | Parquet and Arrow: columns of typed values, read one at a time |
//! | `unpack` | bytes to text: gzip members, encodings, recognition of other formats |
//! | `dialect`, `cells` | text to fields: separator, decimal mark, quotes, comments |
//! | `header`, `heading`, `table` | header detection, named columns |
//! | `columns` | columns to features and label, matched by the schema's names |
//! | `selector` | the columns that options name |
//! | `inputs`, `number`, `values` | fields to numbers, categories to one-hot columns |
//! | `labels`, `targets` | spellings to classes |
//! | `gaps` | doubts about rows that lack something |
//! | `range`, `steps` | choosing a feature's range; how much resolution quantisation leaves |
//! | `raw` | records from which a model computes features |
//! | `spread` | the values from which ranges are found where the rows are in several places |
//! | `infer`, `reading`, `assess` | inferring a schema, or reading records of one, with a report |

mod assess;
mod cells;
mod columnar;
mod columns;
mod dialect;
mod doubt;
mod error;
mod gaps;
mod header;
mod heading;
mod infer;
mod inputs;
mod labels;
mod number;
mod options;
mod phrase;
mod range;
mod raw;
mod reading;
mod report;
mod rows;
mod selector;
mod spread;
mod square;
mod steps;
mod table;
mod targets;
mod unpack;
mod values;

pub use columnar::ReadAt;
pub use dialect::Separator;
pub use doubt::{Doubt, Kind};
pub use error::{DataError, Fault};
pub use infer::{Inferred, Predicts};
pub use number::Decimal;
pub use options::Options;
pub use range::Range;
pub use raw::{Raw, RawInput, RawRecord, Takes};
pub use reading::{Query, Reading};
pub use report::{ClassReport, ColumnReport, HeaderReport, LeftOut, Report};
pub use rows::Rows;
pub use spread::Spread;
pub use table::Source;
