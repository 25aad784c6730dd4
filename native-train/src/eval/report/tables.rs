//! The tables of a report as CSV.

use anyhow::Result;

use crate::eval::measure::{ClassFigures, Measurement};

/// One line per category that occurs: drawings, top-1, top-3 and top-5 accuracy, the most frequent
/// confusion.
///
/// # Errors
/// None that the figures can cause; the signature leaves room for the writer's.
pub(super) fn classes(classes: &[ClassFigures]) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for class in classes {
        table.serialize(class)?;
    }
    Ok(table.into_inner()?)
}

/// The confusion matrix: a line for each category drawn, a column for each top-1 prediction,
/// drawings in the cells.
///
/// # Errors
/// As [`classes`].
pub(super) fn confusion(measurement: &Measurement) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(std::iter::once("label").chain(measurement.labels().iter().map(String::as_str)))?;
    for (class, label) in measurement.labels().iter().enumerate() {
        let counts = measurement.tally().predictions(class).iter().map(u32::to_string);
        table.write_record(std::iter::once(label.clone()).chain(counts))?;
    }
    Ok(table.into_inner()?)
}
