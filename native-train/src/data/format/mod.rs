//! The published file formats of drawings: a file -> records.
//!
//! Each format has a module that knows no other; only [`open`] knows them all, and detects the
//! format from the first bytes. [`names`] reads the category and the format from file names.

mod binary;
pub(crate) mod chunk;
mod csv;
pub(crate) mod entry;
pub(crate) mod example;
pub(crate) mod fast_ndjson;
mod input;
mod lines;
pub(crate) mod names;
mod npz;
pub(crate) mod open;
pub(crate) mod packed;
mod pickle;
mod tar;
pub mod tfrecord;
mod zstandard;
