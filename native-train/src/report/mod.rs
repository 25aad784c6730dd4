//! A measurement in, a folder out that people can look at: a page, tables and pictures.
//!
//! `report.html` is one file that asks nobody for anything; `confusion.csv` and `classes.csv` are for programs and
//! spreadsheets; `confusion` and `reliability` are pictures, each as SVG and PNG. Runs draw their [`curves`] by the same
//! means.

mod charts;
pub mod curves;
pub mod drawings;
mod gallery;
mod page;
pub(crate) mod pictures;
pub(crate) mod stats;
mod tables;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::evaluate::Measurement;

/// What was measured, in words.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name of the model.
    pub model: String,
    /// Name of the data.
    pub data: String,
}

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

/// A share as people read it: `63.6 %`.
pub(crate) fn percent(share: f64) -> String {
    // Narrow and unbreakable, so that the sign stays with its number.
    format!("{:.1}\u{202f}%", 100.0 * share)
}

/// A number with its thousands apart: `4,307`.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits are text"))
        .collect();
    groups.join(",")
}
