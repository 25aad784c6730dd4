//! A file of drawings in any published form -> records, one by one.
//!
//! Known are lines of JSON (simplified or raw), Kaggle's table (`.csv`, whose column `drawing` holds the same lists of
//! strokes), the binary files of the data set, [sketch-rnn's arrays](super::npz), [the tutorial's TFRecords](super::examples) and
//! [tar archives](super::archive) of any of these, each as it is or compressed by gzip or Zstandard. What a file is its first
//! bytes tell, not its name; only the category of a binary file or an array is nowhere but there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use memchr::memchr;
use quickdraw_core::{Drawing, Record};

use super::archive::{Archive, ClassLists};
use super::examples;
use super::inputs::STANDARD_INPUT;
use super::ndjson::{Line, Lines, lines_of};
use super::npz::{Npz, Source};
use super::simplified::{self, Fields, Strokes};
use super::zstandard::{Zstandard, is_zstandard};
use crate::tfrecord;

/// Bytes at the beginning by which a form is told.
const FIRST_BYTES: usize = 1024;

/// Bytes of a file that are read together by whoever does not ask for more.
const INPUT_BUFFER: usize = 1 << 16;

/// The largest zip archive that is read from where one cannot seek: its table is at its end.
const MAX_ZIP_IN_MEMORY: u64 = 256 << 20;

const ZIP: &[u8] = b"PK\x03\x04";
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Bytes before the strokes of a drawing in a binary file: identifier, country, recognised, time, number of strokes.
const BINARY_HEADER: usize = 8 + 2 + 1 + 4 + 2;

/// A record, or what is wrong with it.
pub(crate) struct Entry {
    /// The line it begins in, for a binary file its place among the drawings, counted from 1.
    pub(crate) number: u64,
    pub(crate) record: Result<Record, String>,
}

/// Consecutive entries, which may not have been looked at yet. The memory of one batch serves for the next.
#[derive(Default)]
pub(crate) struct Batch {
    /// Lines, and what is left of longer batches before.
    text: Vec<u8>,
    n_bytes: usize,
    /// Of files that are not read line by line.
    entries: Vec<Entry>,
}

/// An entry as it comes from a batch.
pub(crate) enum Found<'a> {
    /// A drawing in the data set's own form, and its strokes, [packed](simplified::pack).
    Simplified(Fields<'a>, &'a [u8]),
    Record(Record),
    Bad(String),
}

impl Batch {
    /// Bytes of lines, and rarely more.
    pub(crate) const BYTES: usize = 1 << 18;
    /// Entries of other files.
    const SIZE: usize = 512;

    /// Hands out the entries with their numbers, those of lines counted from 1 in each batch; all of the work that can be done apart from the file is done here.
    /// Tells how many lines there were.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(u64, Found<'_>)) -> u64 {
        let mut n_lines = 0;
        let mut strokes = Strokes::default();
        for line in lines_of(&self.text[..self.n_bytes]) {
            n_lines = line.number;
            match line.bytes().and_then(|bytes| simplified::quick(bytes, &mut strokes)) {
                Some(fields) => each(n_lines, Found::Simplified(fields, &strokes.packed)),
                None => {
                    if let Some(Entry { number, record }) = entry_of(line) {
                        each(number, record.map_or_else(Found::Bad, Found::Record));
                    }
                }
            }
        }
        for Entry { number, record } in self.entries.drain(..) {
            each(number, record.map_or_else(Found::Bad, Found::Record));
        }
        n_lines
    }
}

/// Nothing for an empty line.
fn entry_of(line: Line<'_>) -> Option<Entry> {
    let record = match line.text() {
        Ok(text) if text.trim().is_empty() => return None,
        Ok(text) => simplified::parse(text).map_err(|error| error.to_string()),
        Err(message) => Err(message),
    };
    Some(Entry { number: line.number, record })
}

pub(crate) type Input = Box<dyn BufRead + Send>;

/// Where the names of classes are that TFRecords only count.
#[derive(Clone, Copy)]
pub(crate) enum Beside<'a> {
    Folder(&'a Path),
    Archive(&'a ClassLists),
}

/// The records of a file.
pub(crate) enum Records {
    Lines(Lines<Input>),
    Table(csv::Reader<Input>, Columns),
    Binary {
        input: Input,
        word: String,
        number: u64,
    },
    Examples {
        records: tfrecord::Reader<Input>,
        classes: Vec<String>,
        number: u64,
    },
    Npz(Box<Npz>),
    Archive(Box<Archive>),
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

/// The name of a file without what tells its form: `cat` of `cat.ndjson.gz`, `sketchrnn_cat.full.npz`, and `training` of
/// `training.tfrecord-00003-of-00010`. Nothing for a file that is not named as one of drawings.
pub(crate) fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with('.') {
        return None;
    }
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    if let Some(name) = name.strip_suffix(".npz") {
        let name = name.strip_suffix(".full").unwrap_or(name);
        return Some(name.strip_prefix("sketchrnn_").unwrap_or(name).to_owned());
    }
    if let Some(name) = without_shard(name).strip_suffix(".tfrecord") {
        return Some(name.to_owned());
    }
    ["ndjson", "jsonl", "csv", "bin", "tar", "tgz"]
        .into_iter()
        .find_map(|extension| name.strip_suffix(extension)?.strip_suffix('.'))
        .map(str::to_owned)
}

/// `training.tfrecord` of `training.tfrecord-00003-of-00010`.
fn without_shard(name: &str) -> &str {
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once("-of-") {
        Some((rest, n)) if is_number(n) => match rest.rsplit_once('-') {
            Some((rest, index)) if is_number(index) => rest,
            _ => name,
        },
        _ => name,
    }
}

/// Whether a file is one of several that drawings were scattered over, of which some may be empty.
pub(crate) fn is_shard(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let name = name.strip_suffix(".ndjson").unwrap_or(name);
    without_shard(name) != name
}

/// The file that has the classes of a file of TFRecords, `training.tfrecord.classes`; nothing for other files.
pub(crate) fn classes_file(name: &str) -> Option<String> {
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let name = without_shard(name);
    name.ends_with(".tfrecord").then(|| format!("{name}.classes"))
}

/// The lines of a list of classes. Its last line may lack an end; no other is left out, because lines are counted.
pub(crate) fn parse_classes(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// Opens a file and undoes its compression; says whether there was any.
fn open_file(path: &Path) -> Result<(Input, bool)> {
    let shown = path.display();
    let input: Input = if path.as_os_str() == STANDARD_INPUT {
        Box::new(BufReader::with_capacity(INPUT_BUFFER, io::stdin()))
    } else {
        let file = File::open(path).with_context(|| format!("{shown}: cannot be opened"))?;
        Box::new(BufReader::with_capacity(INPUT_BUFFER, file))
    };
    unpacked(input).with_context(|| format!("{shown}: cannot be read"))
}

/// Undoes compression by gzip or Zstandard; says whether there was any.
fn unpacked(input: Input) -> Result<(Input, bool)> {
    let (first, input) = peek(input)?;
    if first.starts_with(GZIP) {
        return Ok((Box::new(BufReader::with_capacity(INPUT_BUFFER, MultiGzDecoder::new(input))), true));
    }
    if is_zstandard(&first) {
        return Ok((Box::new(BufReader::with_capacity(INPUT_BUFFER, Zstandard::new(input))), true));
    }
    Ok((input, false))
}

/// The first bytes, and the input with them.
fn peek(mut input: Input) -> io::Result<(Vec<u8>, Input)> {
    let (mut first, mut n) = (vec![0; FIRST_BYTES], 0);
    // A pipe may hand over less at a time than is needed; but whoever writes one line may wait for what becomes of it.
    while n < FIRST_BYTES && !begins_with_line_of_json(&first[..n]) {
        match input.read(&mut first[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    first.truncate(n);
    Ok((first.clone(), Box::new(Cursor::new(first).chain(input))))
}

/// Whether these first bytes are a line of text and begin as JSON does.
fn begins_with_line_of_json(first: &[u8]) -> bool {
    let Some(end) = memchr(b'\n', first) else { return false };
    matches!(first[0], b'{' | b'[') && !first[..end].contains(&0)
}

impl Records {
    /// Opens a file, or standard input as `-`, and finds out what it is.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let is_file = path.as_os_str() != STANDARD_INPUT;
        let (input, was_packed) = open_file(path)?;
        let (first, input) = peek(input).with_context(|| format!("{shown}: cannot be read"))?;
        if is_file && !was_packed && first.starts_with(ZIP) {
            let npz = Npz::open(Source::File(path.to_owned()), npz_word(path)?);
            return Ok(Self::Npz(Box::new(npz.with_context(|| format!("{shown}: cannot be read"))?)));
        }
        if is_tar(&first) {
            let path = path.to_owned();
            let again = move || open_file(&path).map(|(input, _)| input);
            return Ok(Self::Archive(Box::new(Archive::new(input, is_file.then(|| Box::new(again) as _)))));
        }
        Self::of(input, path, Beside::Folder(path))
    }

    /// Finds out what an input is that has this name.
    pub(crate) fn of(input: Input, name: &Path, beside: Beside<'_>) -> Result<Self> {
        let shown = name.display();
        let unreadable = || format!("{shown}: cannot be read");
        let (input, _) = unpacked(input).with_context(unreadable)?;
        let (first, input) = peek(input).with_context(unreadable)?;
        if is_tar(&first) {
            return Ok(Self::Archive(Box::new(Archive::new(input, None))));
        }
        if first.starts_with(ZIP) {
            let word = npz_word(name)?;
            let mut bytes = Vec::new();
            input.take(MAX_ZIP_IN_MEMORY + 1).read_to_end(&mut bytes).with_context(unreadable)?;
            ensure!(
                bytes.len() as u64 <= MAX_ZIP_IN_MEMORY,
                "{shown}: a zip archive of more than {} MiB must be a file by itself",
                MAX_ZIP_IN_MEMORY >> 20
            );
            let npz = Npz::open(Source::Memory(bytes.into()), word).with_context(unreadable)?;
            return Ok(Self::Npz(Box::new(npz)));
        }
        if tfrecord::length_of(&first).is_some() {
            let classes = classes_beside(name, beside)
                .with_context(|| format!("{shown}: TFRecords without classes"))?;
            return Ok(Self::Examples { records: tfrecord::Reader::new(input), classes, number: 0 });
        }
        if is_binary(&first) {
            let Some(word) = stem(name) else {
                bail!("{shown}: a binary file is named after its category, as cat.bin");
            };
            return Ok(Self::Binary { input, word, number: 0 });
        }
        if is_table(&first) {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
            let columns = Columns::of(&mut reader).with_context(unreadable)?;
            return Ok(Self::Table(reader, columns));
        }
        // Lines may be damaged, but the first of a text has no zero byte.
        let first_line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
        ensure!(
            !first_line.contains(&0),
            "{shown}: not a form of drawings that is known; its first bytes are {:02x?}",
            &first[..first.len().min(8)]
        );
        Ok(Self::Lines(Lines::new(input)))
    }

    /// Puts the next records into `batch`; false at the end.
    pub(crate) fn next_batch(&mut self, batch: &mut Batch) -> io::Result<bool> {
        batch.n_bytes = 0;
        if let Self::Lines(lines) = self {
            batch.n_bytes = lines.read_text(&mut batch.text, Batch::BYTES)?;
            return Ok(batch.n_bytes > 0);
        }
        while batch.entries.len() < Batch::SIZE
            && let Some(entry) = self.next_entry()?
        {
            batch.entries.push(entry);
        }
        Ok(!batch.entries.is_empty())
    }

    /// The next record; empty lines are none.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::Lines(lines) => {
                while let Some(line) = lines.next_line()? {
                    if let Some(entry) = entry_of(line) {
                        return Ok(Some(entry));
                    }
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
            Self::Examples { records, classes, number } => {
                *number += 1;
                let number = *number;
                match records.next_record() {
                    Ok(None) => Ok(None),
                    Ok(Some(data)) => Ok(Some(Entry { number, record: examples::decode(&data, classes) })),
                    Err(tfrecord::ReadError::Io(error)) => Err(error),
                    Err(error) => Ok(Some(Entry { number, record: Err(error.to_string()) })),
                }
            }
            Self::Npz(npz) => npz.next_entry(),
            Self::Archive(archive) => archive.next_entry(),
            Self::End => Ok(None),
        }
    }
}

/// Whether these first bytes are those of a tar archive (POSIX or GNU).
fn is_tar(first: &[u8]) -> bool {
    first.get(257..262) == Some(b"ustar")
}

fn npz_word(path: &Path) -> Result<String> {
    let named = stem(path).filter(|word| !word.is_empty());
    named.with_context(|| {
        format!("{}: arrays of sketch-rnn are named after their category, as cat.npz", path.display())
    })
}

/// The classes that belong to a file of TFRecords.
fn classes_beside(name: &Path, beside: Beside<'_>) -> Result<Vec<String>> {
    let file = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let wanted = classes_file(file).with_context(|| {
        format!("{file:?} does not tell the name of its list; NAME.tfrecord-00000-of-00010 would")
    })?;
    let classes = match beside {
        Beside::Folder(path) => {
            let path = path.with_file_name(&wanted);
            let text = std::fs::read_to_string(&path);
            parse_classes(&text.with_context(|| format!("{}: cannot be read", path.display()))?)
        }
        Beside::Archive(lists) => {
            let list = lists.get(&wanted);
            list.with_context(|| format!("no {wanted} comes before it; unpack the archive first"))?.clone()
        }
    };
    ensure!(!classes.is_empty(), "{wanted} is empty; one class a line was expected");
    Ok(classes)
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
