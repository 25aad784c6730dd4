//! A file of drawings in any published form -> records, one by one.
//!
//! Known are lines of JSON (simplified or raw), Kaggle's table (`.csv`, whose column `drawing` holds the same lists of
//! strokes) and the binary files of the data set, each as it is or compressed by gzip or Zstandard. What a file is its first
//! bytes tell, not its name; only the category of a binary file is nowhere but there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use quickdraw_core::{Drawing, Record};
use ruzstd::decoding::StreamingDecoder;

use super::ndjson::Lines;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTANDARD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Bytes before the strokes of a drawing in a binary file: identifier, country, recognised, time, number of strokes.
const BINARY_HEADER: usize = 8 + 2 + 1 + 4 + 2;

/// A record, or what is wrong with it.
pub(crate) struct Entry {
    /// The line it begins in, for a binary file its place among the drawings, counted from 1.
    pub(crate) number: u64,
    pub(crate) record: Result<Record, String>,
}

type Input = Box<dyn BufRead + Send>;

/// The records of a file.
pub(crate) enum Records {
    Lines(Lines<Input>),
    Table(csv::Reader<Input>, Columns),
    Binary {
        input: Input,
        word: String,
        number: u64,
    },
    /// Nothing more can be read.
    End,
}

/// Where the columns of a table are.
pub(crate) struct Columns {
    word: usize,
    drawing: usize,
    key_id: Option<usize>,
    countrycode: Option<usize>,
    timestamp: Option<usize>,
    recognized: Option<usize>,
}

/// The name of a file without what tells its form: `cat` of `cat.ndjson.gz`.
pub(crate) fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    ["ndjson", "jsonl", "csv", "bin"]
        .into_iter()
        .find_map(|extension| name.strip_suffix(extension)?.strip_suffix('.'))
        .map(str::to_owned)
}

impl Records {
    /// Opens a file and finds out what it is.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("{shown}: cannot be opened"))?;
        let mut input: Input = Box::new(BufReader::with_capacity(1 << 18, file));
        let unreadable = || format!("{shown}: cannot be read");
        let first = input.fill_buf().with_context(unreadable)?;
        if first.starts_with(GZIP) {
            input = Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(input)));
        } else if first.starts_with(ZSTANDARD) {
            let decoder = StreamingDecoder::new(input)
                .map_err(|error| anyhow::anyhow!("{shown}: not a Zstandard file: {error}"))?;
            input = Box::new(BufReader::with_capacity(1 << 18, decoder));
        }
        let first = input.fill_buf().with_context(unreadable)?;
        if is_binary(first) {
            let Some(word) = stem(path) else {
                bail!("{shown}: a binary file is named after its category, as cat.bin");
            };
            return Ok(Self::Binary { input, word, number: 0 });
        }
        if is_table(first) {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
            let columns = Columns::of(&mut reader).with_context(unreadable)?;
            return Ok(Self::Table(reader, columns));
        }
        Ok(Self::Lines(Lines::new(input)))
    }

    /// The next record; empty lines are none.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::Lines(lines) => {
                while let Some(line) = lines.next_line()? {
                    let number = line.number;
                    let record = match line.text() {
                        Ok(text) if text.trim().is_empty() => continue,
                        Ok(text) => Record::parse(text).map_err(|error| error.to_string()),
                        Err(message) => Err(message),
                    };
                    return Ok(Some(Entry { number, record }));
                }
                Ok(None)
            }
            Self::Table(reader, columns) => {
                let mut row = csv::StringRecord::new();
                let number = reader.position().line();
                match reader.read_record(&mut row) {
                    Ok(false) => Ok(None),
                    Ok(true) => {
                        let number = row.position().map_or(number, csv::Position::line);
                        Ok(Some(Entry { number, record: columns.record(&row) }))
                    }
                    Err(error) if error.is_io_error() => Err(io::Error::other(error)),
                    Err(error) => Ok(Some(Entry { number, record: Err(error.to_string()) })),
                }
            }
            Self::Binary { input, word, number } => {
                if input.fill_buf()?.is_empty() {
                    return Ok(None);
                }
                *number += 1;
                let number = *number;
                match binary_record(input, word) {
                    Ok(record) => Ok(Some(Entry { number, record })),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        // Where the next one would begin nobody knows.
                        *self = Self::End;
                        let record = Err("the file ends in the middle of this drawing".to_owned());
                        Ok(Some(Entry { number, record }))
                    }
                    Err(error) => Err(error),
                }
            }
            Self::End => Ok(None),
        }
    }
}

/// Whether these first bytes are those of a table: its first line has the columns that it must have.
fn is_table(first: &[u8]) -> bool {
    let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let mut names = line.trim_start_matches('\u{feff}').trim().split(',').map(|name| name.trim_matches('"'));
    names.clone().any(|name| name == "word") && names.any(|name| name == "drawing")
}

/// Whether these first bytes are those of a binary file: letters for a country and a truth value are where they must be.
fn is_binary(first: &[u8]) -> bool {
    let Some(header) = first.get(..BINARY_HEADER) else { return false };
    let text_begins = header.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    !text_begins && header[8..10].iter().all(u8::is_ascii_uppercase) && header[10] <= 1
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
        // The reader of records is the only one that knows the form of strokes.
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

/// The next drawing of a binary file; the outer error is that of reading.
fn binary_record(input: &mut Input, word: &str) -> io::Result<Result<Record, String>> {
    let mut header = [0; BINARY_HEADER];
    input.read_exact(&mut header)?;
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    let n_strokes = u16::from_le_bytes([header[15], header[16]]);
    let mut strokes = Vec::new();
    for _ in 0..n_strokes {
        let mut n_points = [0; 2];
        input.read_exact(&mut n_points)?;
        let mut points = vec![0; 2 * usize::from(u16::from_le_bytes(n_points))];
        input.read_exact(&mut points)?;
        let (x, y) = points.split_at(points.len() / 2);
        strokes.push(x.iter().zip(y).map(|(&x, &y)| [f32::from(x), f32::from(y)]).collect());
    }
    Ok(Drawing::from_strokes(strokes).map_err(|error| error.to_string()).map(|drawing| Record {
        word: word.to_owned(),
        drawing,
        key_id: Some(u64_at(0).to_string()),
        countrycode: Some(String::from_utf8_lossy(&header[8..10]).into_owned()),
        timestamp: Some(u32_at(11).to_string()),
        recognized: Some(header[10] == 1),
        soft: None,
    }))
}
