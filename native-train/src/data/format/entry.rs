//! What every form becomes: records, numbered from 1.

use std::collections::BTreeMap;

use quickdraw_core::Record;

/// A record, or what is wrong with it.
pub(crate) struct Entry {
    /// The line it begins in, for a binary file its place among the drawings, counted from 1.
    pub(crate) number: u64,
    pub(crate) record: Result<Record, String>,
}

/// An entry as it comes from a chunk.
pub(crate) enum Found<'a> {
    /// A drawing in the data set's own form, and its strokes, [packed](super::packed).
    Simplified(Fields<'a>, &'a [u8]),
    Record(Record),
    Bad(String),
}

/// What a line says besides its strokes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fields<'a> {
    pub(crate) word: &'a str,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) countrycode: Option<&'a str>,
    pub(crate) timestamp: Option<&'a str>,
    pub(crate) recognized: Option<bool>,
    pub(crate) soft: Option<BTreeMap<String, f32>>,
}

impl<'a> Fields<'a> {
    /// Those of a record, but for `soft`.
    pub(crate) fn of(record: &'a Record, soft: Option<BTreeMap<String, f32>>) -> Self {
        Self {
            word: &record.word,
            key_id: record.key_id.as_deref(),
            countrycode: record.countrycode.as_deref(),
            timestamp: record.timestamp.as_deref(),
            recognized: record.recognized,
            soft,
        }
    }
}
