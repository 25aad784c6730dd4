//! A measurement in, a folder out that people can look at: a page, tables and pictures.
//!
//! `report.html` is one file that asks nobody for anything; `confusion.csv` and `classes.csv` are
//! for programs and spreadsheets; `confusion` and `reliability` are pictures, each as SVG and PNG.

mod charts;
mod gallery;
mod page;
mod pictures;
mod tables;
mod write;

pub use page::Subject;
pub use write::write;
