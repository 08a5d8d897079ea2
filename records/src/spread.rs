//! The values from which a schema's ranges are found, where the rows are in several places.

use tribute_core::schema::{Feature, Schema};

use crate::assess::{Assessment, Purpose};
use crate::columns::Roles;
use crate::error::{DataError, Fault};
use crate::heading::Against;
use crate::inputs::{inputs, Input};
use crate::range::Range;
use crate::reading::values;
use crate::report::Report;
use crate::table::{Source, Table};
use crate::Options;

/// The values of a table's numeric features, with a report; they are released only when every doubt is accepted.
#[derive(Clone, Debug)]
pub struct Spread {
    /// What was found in the file.
    pub report: Report,
    values: Vec<Vec<f64>>,
}

impl Spread {
    /// The values of each numeric feature, in the schema's order, in the rows' order; rows that lack something are left out.
    ///
    /// # Errors
    /// Doubts that were not accepted.
    pub fn into_values(self) -> Result<Vec<Vec<f64>>, DataError> {
        self.report.settled()?;
        Ok(self.values)
    }
}

impl Source {
    /// Reads the values from which ranges are found. Of `template` count the names, the classes and the categories, and not the
    /// ranges.
    ///
    /// # Errors
    /// The first field that cannot be read, with its position, such as a label that is no class of the template. Doubts are in the
    /// report.
    pub fn spread(&self, template: &Schema, options: &Options) -> Result<Spread, DataError> {
        let table = Table::cut(self, options, Against::Schema(template))?;
        let roles = Roles::of(&table, options, template, false)?;
        let read = values(&table, &roles, template, options)?;
        let purpose = Purpose::Schema { quantiles: false };
        let assessment = Assessment::new(&table, roles, &read, template, options, purpose)?;
        let mut spread = Vec::new();
        let mut features = template.features().to_vec();
        let mut at = 0;
        for (_, input) in inputs(template) {
            match input {
                Input::Number => {
                    let numbers = assessment.feature(at)?;
                    if !numbers.is_empty() {
                        // for the report only
                        let (lo, hi) = Range::MinMax.of(numbers.clone());
                        features[at] = Feature { name: features[at].name.clone(), lo, hi };
                    }
                    spread.push(numbers);
                    at += 1;
                }
                Input::OneHot(known) => at += known.len(),
            }
        }
        let own = Schema::new(template.name().to_owned(), features, template.target().clone(), None)
            .and_then(|schema| schema.with_categories(template.categories().to_vec()))
            .map_err(|e| Fault::Schema(e).of(table.file))?;
        let report = assessment.with_ranges(&own).report()?;
        Ok(Spread { report, values: spread })
    }
}
