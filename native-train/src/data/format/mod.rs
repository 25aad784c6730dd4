//! The published forms of drawings: a file in, records out.
//!
//! Each form has a file of its own and knows no other; [`open`] alone knows them all and tells by
//! the first bytes which one a file has. [`names`] is what names of files say.

pub(crate) mod batch;
mod binary;
mod csv;
pub(crate) mod example;
mod input;
mod lines;
pub(crate) mod names;
mod npz;
pub(crate) mod open;
pub(crate) mod packed;
mod pickle;
pub(crate) mod record;
pub(crate) mod simplified;
mod tar;
pub mod tfrecord;
mod zstandard;
