//! A measurement in, a folder with a page, tables and pictures out.
//!
//! `report.html` is one self-contained file; `confusion.csv` and `classes.csv` are for programs and
//! spreadsheets; `confusion` and `reliability` are pictures, each as SVG and PNG.

mod charts;
mod gallery;
mod page;
mod pictures;
mod tables;
mod write;

pub use page::Subject;
pub use write::write;
