//! Parts of files on their way: threads read them in turns, and find out what can be told of each
//! drawing alone.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};

use anyhow::{Context, Result, ensure};
use quickdraw_core::{Drawing, Record};
use serde_json::json;

use super::options::{Format, Options};
use crate::data::format::batch::Batch;
use crate::data::format::open::Records;
use crate::data::format::packed;
use crate::data::format::record::{Fields, Found};
use crate::data::{set, write};
use crate::hash::{FNV_OFFSET, fnv};

/// The most points of a drawing in simplified form; real ones have a few dozen, and a thousandth of
/// them 300.
const MAX_POINTS: usize = 2000;

/// Parts of files on their way, for each thread that reads: one at work, and one that waits for
/// those before it.
pub(super) const PARTS_PER_READER: usize = 2;

/// A part of a file on its way: what was read, and then what became of it. When it is done with it
/// takes the next part, so that the memory is that of a few, however many there are.
#[derive(Default)]
pub(super) struct Part {
    pub(super) batch: Batch,
    pub(super) judged: Vec<Judged>,
    /// Of a file of lines.
    pub(super) n_lines: u64,
    pub(super) drawings: Drawings,
}

/// Drawings of a part that passed everything that can be told of them alone.
#[derive(Default)]
pub(super) struct Drawings {
    /// Their words, one after the other wherever it changes.
    pub(super) words: Vec<String>,
    /// Themselves, as [`pack`] makes them, one after the other.
    pub(super) packed: Vec<u8>,
}

/// What a thread made of an entry of a file.
pub(super) enum Judged {
    Drawing(Kept),
    Bad { number: u64, message: String },
    OtherClass,
    NotRecognized,
    OtherCountry,
    Empty,
    Absurd,
}

/// One of the [`Drawings`] of a part.
pub(super) struct Kept {
    /// Index of its word.
    pub(super) word: usize,
    /// Hash of `key_id`, or of the points where there is none.
    pub(super) identity: u64,
    /// Hash of the points.
    pub(super) content: u64,
    pub(super) has_key: bool,
    pub(super) was_simplified: bool,
    /// Where it is.
    pub(super) packed: Range<usize>,
}

/// What comes from the files, in their order.
pub(super) enum Message {
    /// A part of a file, as soon as a thread has judged it.
    Part(Receiver<Part>),
    /// The file is over, or cannot be read on.
    End(Result<()>),
}

/// The files, of which threads read one part after the other.
pub(super) struct Source<'a> {
    pub(super) files: &'a [PathBuf],
    /// The size of each when the run began; nothing of standard input.
    pub(super) sizes: &'a [Option<u64>],
    pub(super) index: usize,
    /// Of the file that was begun.
    pub(super) records: Option<Records>,
    /// A file whose index is below is not read on.
    pub(super) enough: &'a AtomicUsize,
    /// Parts that are done with.
    pub(super) spare: Receiver<Part>,
    pub(super) to: Sender<Message>,
}

impl Source<'_> {
    /// The next part, and where to send it when it is judged. Nothing at the end, and when nobody
    /// listens any more: then the run has failed.
    pub(super) fn next(&mut self) -> Option<(Part, SyncSender<Part>)> {
        let mut part = self.spare.recv().ok()?;
        while let Some(path) = self.files.get(self.index) {
            let end = match self.read(path, &mut part.batch) {
                Ok(true) => {
                    let (answer, judged) = sync_channel(1);
                    self.to.send(Message::Part(judged)).ok()?;
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

    /// Checks that a file that was read to its end is as long as it was: one that was cut meanwhile
    /// ends as a shorter one.
    fn check_size(&self, path: &Path) -> Result<()> {
        let Some(before) = self.sizes.get(self.index).copied().flatten() else { return Ok(()) };
        let shown = path.display();
        let now = path.metadata().with_context(|| format!("{shown}: cannot be read to its end"))?.len();
        ensure!(now == before, "{shown}: has {now} bytes, and had {before} before it was read");
        Ok(())
    }

    /// The next part of a file; false at its end.
    pub(super) fn read(&mut self, path: &Path, batch: &mut Batch) -> Result<bool> {
        if self.index < self.enough.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let records = match self.records.take() {
            Some(records) => records,
            None => Records::open(path)?,
        };
        let read = self.records.insert(records).next_batch(batch);
        read.with_context(|| format!("{}: cannot be read to its end", path.display()))
    }
}

/// Where parts come from, and where they go when they are done with.
pub(super) struct Line {
    pub(super) messages: Receiver<Message>,
    pub(super) done_with: Sender<Part>,
}

/// Reads parts of the files and judges them, in turns with other threads.
pub(super) fn read_and_judge(source: &Mutex<Source<'_>>, options: &Options) {
    loop {
        // Another reader's panic ends all of them.
        let next = source.lock().ok().and_then(|mut source| source.next());
        let Some((mut part, answer)) = next else { return };
        part.judge(options);
        // If nobody listens any more, the run has failed.
        let _ = answer.send(part);
    }
}

impl Part {
    /// With room for what most parts hold, so that nothing is copied while it grows.
    pub(super) fn new() -> Self {
        let mut part = Self::default();
        part.judged.reserve(Batch::BYTES / 256);
        part.drawings.packed.reserve(Batch::BYTES / 2);
        part
    }

    /// Finds out what can be told of each entry alone.
    pub(super) fn judge(&mut self, options: &Options) {
        let Self { batch, judged, n_lines, drawings } = self;
        judged.clear();
        drawings.words.clear();
        drawings.packed.clear();
        let mut strokes = Vec::new();
        *n_lines = batch.for_each(|number, found| {
            judged.push(match found {
                Found::Simplified(fields, strokes) => match unwanted(&fields, options) {
                    Some(reason) => reason,
                    None => drawings.add(&fields, strokes, false, options),
                },
                Found::Record(record) => drawings.add_record(record, &mut strokes, options),
                Found::Bad(message) => Judged::Bad { number, message },
            });
        });
    }
}

/// Why a drawing is not kept, as far as that is told by what is said of it.
fn unwanted(fields: &Fields<'_>, options: &Options) -> Option<Judged> {
    if options.classes.as_ref().is_some_and(|classes| !classes.iter().any(|class| class == fields.word)) {
        return Some(Judged::OtherClass);
    }
    if options.recognized_only && fields.recognized != Some(true) {
        return Some(Judged::NotRecognized);
    }
    if let Some(countries) = &options.countries
        && !fields.countrycode.is_some_and(|country| countries.contains(country))
    {
        return Some(Judged::OtherCountry);
    }
    None
}

impl Drawings {
    /// Adds the drawing of a record, if it is wanted, through `strokes`, whose memory serves again.
    pub(super) fn add_record(
        &mut self,
        mut record: Record,
        strokes: &mut Vec<u8>,
        options: &Options,
    ) -> Judged {
        let soft = record.soft.take();
        let fields = Fields::of(&record, soft);
        if let Some(reason) = unwanted(&fields, options) {
            return reason;
        }
        let simplified = set::simplified(&record.drawing);
        let drawing = simplified.as_ref().unwrap_or(&record.drawing);
        if drawing.n_points() > MAX_POINTS {
            return Judged::Absurd;
        }
        strokes.clear();
        packed::pack(drawing, strokes);
        self.add(&fields, strokes, simplified.is_some(), options)
    }

    /// Adds a drawing that has this in simplified form.
    pub(super) fn add(
        &mut self,
        fields: &Fields<'_>,
        strokes: &[u8],
        was_simplified: bool,
        options: &Options,
    ) -> Judged {
        let points = || packed::packed_strokes(strokes).flat_map(|stroke| stroke.chunks_exact(2));
        if points().count() > MAX_POINTS {
            return Judged::Absurd;
        }
        let mut others = points();
        let first = others.next();
        if others.all(|point| Some(point) == first) {
            return Judged::Empty;
        }
        let content = content_hash(strokes);
        let key = fields.key_id.map(|key_id| fnv(FNV_OFFSET, key_id.as_bytes()));
        if self.words.last().is_none_or(|last| last != fields.word) {
            self.words.push(fields.word.to_owned());
        }
        let start = self.packed.len();
        pack(fields, strokes, options.format, &mut self.packed);
        Judged::Drawing(Kept {
            word: self.words.len() - 1,
            identity: key.unwrap_or(content),
            content,
            has_key: key.is_some(),
            was_simplified,
            packed: start..self.packed.len(),
        })
    }
}

/// A hash of the points of a drawing in simplified form, and of which strokes they are.
fn content_hash(strokes: &[u8]) -> u64 {
    packed::packed_strokes(strokes).fold(FNV_OFFSET, |hash, points| {
        let n = (points.len() / 2) as u32;
        fnv(fnv(hash, &n.to_le_bytes()), points)
    })
}

/// Appends what is told of a drawing, and its strokes: length of the text, text, strokes. The text
/// are the fields of a line of JSON besides `word` and `drawing`, or the soft labels, if there are
/// some, where nothing else is written.
fn pack(fields: &Fields<'_>, strokes: &[u8], format: Format, packed: &mut Vec<u8>) {
    let text = match format {
        Format::Tfrecord => fields.soft.as_ref().map_or(String::new(), |soft| json!(soft).to_string()),
        Format::Ndjson | Format::NdjsonGz => write::fields(fields),
    };
    packed.extend((text.len() as u32).to_le_bytes());
    packed.extend(text.as_bytes());
    packed.extend(strokes);
}

/// What [`pack`] was given.
pub(super) fn unpack(packed: &[u8]) -> Result<(&str, Drawing)> {
    let damaged = || "a bucket is damaged";
    let (n, rest) = packed.split_first_chunk::<4>().with_context(damaged)?;
    let (fields, strokes) = rest.split_at_checked(u32::from_le_bytes(*n) as usize).with_context(damaged)?;
    let fields = std::str::from_utf8(fields).with_context(damaged)?;
    Ok((fields, packed::unpack(strokes).with_context(damaged)?))
}
