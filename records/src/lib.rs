//! Tables that people have, read into records.
//!
//! Committing a dataset is for ever and pays money, so nothing is changed silently. A [`Source`] is read into a
//! [`Reading`]: the records, and a [`Report`] that says what was found, what was put in order, joined, skipped or moved to
//! the end of a range. What may be a mistake is a [`Doubt`] with the flag that accepts it, and the records are given out
//! only when all are accepted. What cannot be read is a [`DataError`]: where, what, and what to do.
//!
//! | module | holds |
//! |---|---|
//! | `unpack` | bytes to text: gzip members, encodings, other formats by name |
//! | `dialect`, `cells` | text to fields: separator, decimal mark, quotes, comments |
//! | `header`, `table` | fields to named columns |
//! | `columns` | columns to features and label, by the schema's names |
//! | `inputs`, `number`, `values` | fields to numbers, categories to zeros and ones |
//! | `labels`, `targets` | spellings to classes |
//! | `range`, `steps` | what a range makes of a feature's values |
//! | `infer`, `reading`, `assess` | a schema, or records of one, with the report |

mod assess;
mod cells;
mod columns;
mod dialect;
mod doubt;
mod error;
mod header;
mod infer;
mod inputs;
mod labels;
mod number;
mod options;
mod phrase;
mod range;
mod reading;
mod report;
mod rows;
mod steps;
mod table;
mod targets;
mod unpack;
mod values;

pub use dialect::Separator;
pub use doubt::{Doubt, Kind};
pub use error::{DataError, Fault};
pub use infer::{Inferred, Predicts};
pub use number::Decimal;
pub use options::Options;
pub use range::Range;
pub use reading::{Query, Reading};
pub use report::{ClassReport, ColumnReport, HeaderReport, LeftOut, Report};
pub use rows::Rows;
pub use table::Source;
