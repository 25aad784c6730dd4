//! Parts of files: threads read them in turns, then parse and filter what they hold in parallel.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};

use anyhow::{Context, Result, ensure};
use quickdraw_core::{Drawing, Record};
use serde_json::json;

use super::options::{Format, Options};
use crate::data::format::chunk::Chunk;
use crate::data::format::entry::{Fields, Found};
use crate::data::format::open::Records;
use crate::data::format::packed;
use crate::data::{set, write};
use crate::hash::{FNV_OFFSET, fnv};

/// The most points of a drawing in simplified form. Real ones have a few dozen; one in a thousand
/// has 300.
const MAX_POINTS: usize = 2000;

/// Number of parts for each reader thread: one being filtered, and one that waits for the parts
/// before it.
pub(super) const PARTS_PER_READER: usize = 2;

/// A part of a file: what was read, and what filtering made of it. Its buffers are reused for later
/// parts.
#[derive(Default)]
pub(super) struct Part {
    pub(super) chunk: Chunk,
    pub(super) outcomes: Vec<Outcome>,
    /// Number of lines, in a file of lines.
    pub(super) n_lines: u64,
    pub(super) drawings: Drawings,
}

/// The accepted drawings of a part.
#[derive(Default)]
pub(super) struct Drawings {
    /// Their words, run-length encoded: one for each run of equal words.
    pub(super) words: Vec<String>,
    /// The concatenated results of [`pack`].
    pub(super) packed: Vec<u8>,
}

/// What became of an entry of a file.
pub(super) enum Outcome {
    Drawing(Accepted),
    Bad { number: u64, message: String },
    OtherClass,
    NotRecognized,
    OtherCountry,
    Empty,
    TooManyPoints,
}

/// An accepted drawing, one of the [`Drawings`] of a part.
pub(super) struct Accepted {
    /// Index of its word.
    pub(super) word: usize,
    /// Hash of `key_id`, or of the points where there is none.
    pub(super) identity: u64,
    /// Hash of the points.
    pub(super) content: u64,
    pub(super) has_key: bool,
    pub(super) was_simplified: bool,
    /// Its bytes in [`Drawings::packed`].
    pub(super) packed: Range<usize>,
}

/// From the readers, in the order of the files.
pub(super) enum Message {
    /// Where a part of a file arrives once it is filtered.
    Part(Receiver<Part>),
    /// The end of the file, or why it cannot be read to its end.
    End(Result<()>),
}

/// The files, of which threads take one part after the other.
pub(super) struct Source<'a> {
    pub(super) files: &'a [PathBuf],
    /// The size of each when the run began; `None` for standard input.
    pub(super) sizes: &'a [Option<u64>],
    pub(super) index: usize,
    /// The open file.
    pub(super) records: Option<Records>,
    /// Files with a smaller index are not read any further.
    pub(super) skip_below: &'a AtomicUsize,
    /// Parts to reuse.
    pub(super) free_parts: Receiver<Part>,
    pub(super) to: Sender<Message>,
}

impl Source<'_> {
    /// The next part, and where to send it once it is filtered. `None` at the end, and when the
    /// receiver is gone because the run has failed.
    pub(super) fn next(&mut self) -> Option<(Part, SyncSender<Part>)> {
        let mut part = self.free_parts.recv().ok()?;
        while let Some(path) = self.files.get(self.index) {
            let end = match self.read(path, &mut part.chunk) {
                Ok(true) => {
                    let (answer, filtered) = sync_channel(1);
                    self.to.send(Message::Part(filtered)).ok()?;
                    return Some((part, answer));
                }
                Ok(false) => self.check_size(path),
                Err(error) => Err(error),
            };
            self.records = None;
            self.index += 1;
            self.to.send(Message::End(end)).ok()?;
        }
        None
    }

    /// Checks that a file that was read to its end has not been truncated meanwhile.
    fn check_size(&self, path: &Path) -> Result<()> {
        let Some(before) = self.sizes.get(self.index).copied().flatten() else { return Ok(()) };
        let shown = path.display();
        let now = path.metadata().with_context(|| format!("{shown}: cannot be read to its end"))?.len();
        ensure!(now == before, "{shown}: has {now} bytes, and had {before} before it was read");
        Ok(())
    }

    /// The next part of a file; false at its end.
    pub(super) fn read(&mut self, path: &Path, chunk: &mut Chunk) -> Result<bool> {
        if self.index < self.skip_below.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let records = match self.records.take() {
            Some(records) => records,
            None => Records::open(path)?,
        };
        let read = self.records.insert(records).next_chunk(chunk);
        read.with_context(|| format!("{}: cannot be read to its end", path.display()))
    }
}

/// The receiving end: filtered parts arrive, and used ones go back.
pub(super) struct Channels {
    pub(super) messages: Receiver<Message>,
    pub(super) back: Sender<Part>,
}

/// Reads parts of the files, in turns with other threads, and filters them.
pub(super) fn read_and_filter(source: &Mutex<Source<'_>>, options: &Options) {
    loop {
        // A panic of another reader ends all of them.
        let next = source.lock().ok().and_then(|mut source| source.next());
        let Some((mut part, answer)) = next else { return };
        part.filter(options);
        // Without a receiver the run has failed.
        let _ = answer.send(part);
    }
}

impl Part {
    /// With enough capacity for most parts, so that buffers are rarely reallocated.
    pub(super) fn new() -> Self {
        let mut part = Self::default();
        part.outcomes.reserve(Chunk::BYTES / 256);
        part.drawings.packed.reserve(Chunk::BYTES / 2);
        part
    }

    /// Parses the entries and keeps those that the options ask for.
    pub(super) fn filter(&mut self, options: &Options) {
        let Self { chunk, outcomes, n_lines, drawings } = self;
        outcomes.clear();
        drawings.words.clear();
        drawings.packed.clear();
        let mut strokes = Vec::new();
        *n_lines = chunk.for_each(|number, found| {
            outcomes.push(match found {
                Found::Simplified(fields, strokes) => match unwanted(&fields, options) {
                    Some(reason) => reason,
                    None => drawings.add(&fields, strokes, false, options),
                },
                Found::Record(record) => drawings.add_record(record, &mut strokes, options),
                Found::Bad(message) => Outcome::Bad { number, message },
            });
        });
    }
}

/// Why the metadata of a drawing excludes it, if it does.
fn unwanted(fields: &Fields<'_>, options: &Options) -> Option<Outcome> {
    if options.classes.as_ref().is_some_and(|classes| !classes.iter().any(|class| class == fields.word)) {
        return Some(Outcome::OtherClass);
    }
    if options.recognized_only && fields.recognized != Some(true) {
        return Some(Outcome::NotRecognized);
    }
    if let Some(countries) = &options.countries
        && !fields.countrycode.is_some_and(|country| countries.contains(country))
    {
        return Some(Outcome::OtherCountry);
    }
    None
}

impl Drawings {
    /// Adds the drawing of a record, unless it is excluded; `strokes` is a buffer to reuse.
    pub(super) fn add_record(
        &mut self,
        mut record: Record,
        strokes: &mut Vec<u8>,
        options: &Options,
    ) -> Outcome {
        let soft = record.soft.take();
        let fields = Fields::of(&record, soft);
        if let Some(reason) = unwanted(&fields, options) {
            return reason;
        }
        let simplified = set::simplified(&record.drawing);
        let drawing = simplified.as_ref().unwrap_or(&record.drawing);
        if drawing.n_points() > MAX_POINTS {
            return Outcome::TooManyPoints;
        }
        strokes.clear();
        packed::pack(drawing, strokes);
        self.add(&fields, strokes, simplified.is_some(), options)
    }

    /// Adds a drawing of these packed strokes, in simplified form.
    pub(super) fn add(
        &mut self,
        fields: &Fields<'_>,
        strokes: &[u8],
        was_simplified: bool,
        options: &Options,
    ) -> Outcome {
        let points = || packed::packed_strokes(strokes).flat_map(|stroke| stroke.chunks_exact(2));
        if points().count() > MAX_POINTS {
            return Outcome::TooManyPoints;
        }
        let mut others = points();
        let first = others.next();
        if others.all(|point| Some(point) == first) {
            return Outcome::Empty;
        }
        let content = content_hash(strokes);
        let key = fields.key_id.map(|key_id| fnv(FNV_OFFSET, key_id.as_bytes()));
        if self.words.last().is_none_or(|last| last != fields.word) {
            self.words.push(fields.word.to_owned());
        }
        let start = self.packed.len();
        pack(fields, strokes, options.format, &mut self.packed);
        Outcome::Drawing(Accepted {
            word: self.words.len() - 1,
            identity: key.unwrap_or(content),
            content,
            has_key: key.is_some(),
            was_simplified,
            packed: start..self.packed.len(),
        })
    }
}

/// A hash of the strokes of a drawing in simplified form.
fn content_hash(strokes: &[u8]) -> u64 {
    packed::packed_strokes(strokes).fold(FNV_OFFSET, |hash, points| {
        let n = (points.len() / 2) as u32;
        fnv(fnv(hash, &n.to_le_bytes()), points)
    })
}

/// Serializes a drawing: length of the metadata, metadata, strokes. The metadata are the fields of
/// a line of JSON besides `word` and `drawing`; for TFRecords only the soft labels, if any.
fn pack(fields: &Fields<'_>, strokes: &[u8], format: Format, packed: &mut Vec<u8>) {
    let text = match format {
        Format::Tfrecord => fields.soft.as_ref().map_or(String::new(), |soft| json!(soft).to_string()),
        Format::Ndjson | Format::NdjsonGz => write::fields(fields),
    };
    packed.extend((text.len() as u32).to_le_bytes());
    packed.extend(text.as_bytes());
    packed.extend(strokes);
}

/// Metadata and drawing of what [`pack`] wrote.
pub(super) fn unpack(packed: &[u8]) -> Result<(&str, Drawing)> {
    let damaged = || "a bucket is damaged";
    let (n, rest) = packed.split_first_chunk::<4>().with_context(damaged)?;
    let (fields, strokes) = rest.split_at_checked(u32::from_le_bytes(*n) as usize).with_context(damaged)?;
    let fields = std::str::from_utf8(fields).with_context(damaged)?;
    Ok((fields, packed::unpack(strokes).with_context(damaged)?))
}
