//! Records from a table, with their report.

use tribute_core::records::Records;
use tribute_core::schema::{Schema, Target};

use crate::assess::{Assessment, Purpose};
use crate::columns::Roles;
use crate::error::DataError;
use crate::heading::Against;
use crate::inputs::{inputs, Input};
use crate::number::Decimal;
use crate::options::Options;
use crate::report::Report;
use crate::table::{Source, Table};
use crate::values::Values;

/// Records with a report; they are released only when every doubt is accepted.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What was found in the file.
    pub report: Report,
    records: Records,
    labelled: Vec<bool>,
}

/// One query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// One step for each feature of the schema.
    pub features: Vec<u8>,
    /// Its class or 16-bit target step, if the file has it.
    pub target: Option<u16>,
}

impl Reading {
    /// The records, once every doubt is accepted.
    ///
    /// # Errors
    /// Doubts that were not accepted.
    pub fn into_records(self) -> Result<Records, DataError> {
        self.report.settled()?;
        Ok(self.records)
    }

    /// The queries, with the target of each that has a label.
    ///
    /// # Errors
    /// Doubts that were not accepted.
    pub fn into_queries(self) -> Result<Vec<Query>, DataError> {
        self.report.settled()?;
        let all = self.records.iter().zip(&self.labelled);
        Ok(all.map(|((f, t), labelled)| Query { features: f.to_vec(), target: labelled.then_some(t) }).collect())
    }
}

impl Source {
    /// Reads records of `schema`.
    ///
    /// # Errors
    /// The first field that cannot be read, with its position. Doubts are in the report.
    pub fn records(&self, schema: &Schema, options: &Options) -> Result<Reading, DataError> {
        let table = Table::cut(self, options, Against::Schema(schema))?;
        let roles = Roles::of(&table, options, schema, false)?;
        read(&table, roles, schema, options, Purpose::Records)
    }

    /// The report on records of `schema`, without the records: in less memory.
    ///
    /// # Errors
    /// As [`Source::records`].
    pub fn report(&self, schema: &Schema, options: &Options) -> Result<Report, DataError> {
        let table = Table::cut(self, options, Against::Schema(schema))?;
        let roles = Roles::of(&table, options, schema, false)?;
        let values = values(&table, &roles, schema, options)?;
        Assessment::new(&table, roles, &values, schema, options, Purpose::Records)?.report()
    }

    /// Reads queries of `schema`: records whose label is optional.
    ///
    /// # Errors
    /// As [`Source::records`].
    pub fn queries(&self, schema: &Schema, options: &Options) -> Result<Reading, DataError> {
        let table = Table::cut(self, options, Against::Schema(schema))?;
        let roles = Roles::of(&table, options, schema, true)?;
        read(&table, roles, schema, options, Purpose::Queries)
    }
}

fn read<'t>(
    table: &'t Table<'t>,
    roles: Roles,
    schema: &Schema,
    options: &Options,
    purpose: Purpose,
) -> Result<Reading, DataError> {
    let values = values(table, &roles, schema, options)?;
    let (report, records, labelled) = Assessment::new(table, roles, &values, schema, options, purpose)?.finish()?;
    Ok(Reading { report, records, labelled })
}

/// Reads the values of a schema's features.
///
/// # Errors
/// A field that cannot be read.
pub(crate) fn values<'t>(
    table: &'t Table<'t>,
    roles: &Roles,
    schema: &Schema,
    options: &Options,
) -> Result<Values<'t>, DataError> {
    table.settled()?;
    let inputs: Vec<(usize, Input)> =
        roles.features.iter().copied().zip(inputs(schema).into_iter().map(|(_, input)| input)).collect();
    let target = roles.label.filter(|_| matches!(schema.target(), Target::Real { .. }));
    let decimal = decimal(table, &inputs, target, options)?;
    Values::read(table, &inputs, decimal)
}

/// The decimal mark of the numeric features and of a regression target.
pub(crate) fn decimal(
    table: &Table<'_>,
    inputs: &[(usize, Input)],
    target: Option<usize>,
    options: &Options,
) -> Result<Decimal, DataError> {
    let numbers = inputs.iter().filter(|(_, input)| matches!(input, Input::Number)).map(|(column, _)| *column);
    let numbers: Vec<usize> = numbers.chain(target).collect();
    options.decimal.map_or_else(|| crate::values::decimal(table, &numbers), Ok)
}
