//! Kaggle's CSV, whose column `drawing` holds strokes as JSON -> records.

use std::io;

use anyhow::{Context, Result};
use quickdraw_core::Record;

use super::entry::Entry;
use super::input::Input;

/// The rows of a table.
pub(crate) struct Table {
    reader: csv::Reader<Input>,
    columns: Columns,
}

impl Table {
    /// Reads the header.
    pub(super) fn open(input: Input) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
        let columns = Columns::of(&mut reader)?;
        Ok(Self { reader, columns })
    }

    /// The next row; `number` is its first line.
    pub(super) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut row = csv::StringRecord::new();
        let number = self.reader.position().line();
        match self.reader.read_record(&mut row) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let number = row.position().map_or(number, csv::Position::line);
                Ok(Some(Entry { number, record: self.columns.record(&row) }))
            }
            Err(error) if error.is_io_error() => Err(io::Error::other(error)),
            Err(error) => Ok(Some(Entry { number, record: Err(error.to_string()) })),
        }
    }
}

/// The indices of the columns.
struct Columns {
    word: usize,
    drawing: usize,
    key_id: Option<usize>,
    countrycode: Option<usize>,
    timestamp: Option<usize>,
    recognized: Option<usize>,
}

/// Whether a file with these first bytes is such a CSV file: its header has the required columns.
pub(super) fn is_table(first: &[u8]) -> bool {
    let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let mut names = line.trim_start_matches('\u{feff}').trim().split(',').map(|name| name.trim_matches('"'));
    names.clone().any(|name| name == "word") && names.any(|name| name == "drawing")
}

impl Columns {
    fn of(reader: &mut csv::Reader<Input>) -> Result<Self> {
        let names = reader.headers()?;
        let find = |name: &str| names.iter().position(|found| found.trim_start_matches('\u{feff}') == name);
        let needed = |name: &str| find(name).with_context(|| format!("the column {name:?} is missing"));
        Ok(Self {
            word: needed("word")?,
            drawing: needed("drawing")?,
            key_id: find("key_id"),
            countrycode: find("countrycode"),
            timestamp: find("timestamp"),
            recognized: find("recognized"),
        })
    }

    fn record(&self, row: &csv::StringRecord) -> Result<Record, String> {
        let field = |name: &str, column: usize| {
            row.get(column).ok_or_else(|| format!("{} fields, and none for {name:?}", row.len()))
        };
        let optional = |column: Option<usize>| {
            column.and_then(|column| row.get(column)).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let word = serde_json::Value::from(field("word", self.word)?);
        // Only the reader of JSON records knows the format of strokes.
        let line = format!("{{\"word\":{word},\"drawing\":{}}}", field("drawing", self.drawing)?);
        let record = Record::parse(&line).map_err(|error| error.to_string())?;
        Ok(Record {
            key_id: optional(self.key_id),
            countrycode: optional(self.countrycode),
            timestamp: optional(self.timestamp),
            recognized: optional(self.recognized).map(|text| text.eq_ignore_ascii_case("true")),
            ..record
        })
    }
}
