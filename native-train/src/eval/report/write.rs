//! The files of a report.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::page::{self, Subject};
use super::{pictures, tables};
use crate::eval::measure::Measurement;

/// Writes the report of a measurement into `folder`, which is made where it is missing.
///
/// # Errors
/// When the folder cannot be made or a file cannot be written.
pub fn write(folder: &Path, subject: &Subject, measurement: &Measurement) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let summary = measurement.summary();
    let file = |name: &str, contents: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))
    };
    file("report.html", page::html(subject, measurement, &summary).into_bytes())?;
    file("classes.csv", tables::classes(&summary.classes)?)?;
    file("confusion.csv", tables::confusion(measurement)?)?;
    pictures::confusion(folder, measurement)?;
    pictures::reliability(folder, measurement.tally())
}
