//! Files of drawings in any published form in, shuffled shards of drawings to train on and to evaluate on out.
//!
//! This is what the tutorial's `create_dataset.py` does, its names and its layout included, for data of any size. Everything
//! is read once: threads take turns to read and judge what each has read, the drawings that may be kept go into one of 256 buckets on the disk, and
//! their fingerprints beside them. Then duplicates are found where equal fingerprints lie together, and each bucket is put
//! in order in memory and written on. So the memory is that of a few parts of a file on their way, which serve again and again, then
//! that of a part of a bucket for each thread, and of a bit a drawing.
//!
//! What happens to a drawing follows from itself: the side, training or evaluation, from a hash of its `key_id` (of its points
//! where it has none), so that it stays the same when the data grows and for every seed; its place from that hash
//! and the seed. The order of the files only decides which drawings are the first so many of their class.
//!
//! Everything is written into `OUT.partial`, synced, and takes the name `OUT` in the end, so that `OUT` is whole whenever
//! it is there. A run that was interrupted or ended by an error can be resumed behind the last file
//! that it noted as done; otherwise what it left behind is removed by the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use quickdraw_core::{Drawing, Record};
use rayon::prelude::*;
use ring::digest::{Context as Digest, SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::data::inputs::{Inputs, STANDARD_INPUT, find_inputs};
use crate::data::records::{Batch, Found, Records, stem};
use crate::data::simplified::{self, Fields};
use crate::data::{DataSet, examples, mix, store, write};
use crate::lock::try_lock;
use crate::spool::{
    Bits, Finished, Mark, N_PRINT_STREAMS, PRINT_BYTES, Reader, Seen, Spool, find_repeated, print_bytes,
    print_stream,
};
use crate::tell::tell;
use crate::tfrecord;

/// What the shards are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub enum Format {
    /// The tutorial's TFRecords, for TensorFlow and for this program
    #[default]
    Tfrecord,
    /// Lines of JSON as the data set has them, simplified
    Ndjson,
    /// The same compressed, about a quarter as large
    NdjsonGz,
}

/// What to read, what to keep of it, and what to make of it. The same options and the same input give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// What the shards are made of.
    pub format: Format,
    /// The most drawings of a class to train on.
    pub train_observations_per_class: usize,
    /// The most drawings of a class to evaluate on. Of all drawings this share of both is put aside for it.
    pub eval_observations_per_class: usize,
    /// Files that the drawings of each side are scattered over.
    pub output_shards: usize,
    /// The order follows from it.
    pub seed: u64,
    /// Only these classes, and in this order; otherwise all, sorted.
    pub classes: Option<Vec<String>>,
    /// Only drawings from these countries, two letters each.
    pub countries: Option<BTreeSet<String>>,
    /// Only drawings that the game recognised.
    pub recognized_only: bool,
    /// The most drawings of a class on both sides together.
    pub max_per_class: Option<usize>,
    /// Also a drawing whose strokes or whose `key_id` its class has already.
    pub keep_duplicates: bool,
    /// The first bad line is an error.
    pub strict: bool,
}

impl Default for Options {
    /// The tutorial's.
    fn default() -> Self {
        Self {
            format: Format::Tfrecord,
            train_observations_per_class: 10_000,
            eval_observations_per_class: 1000,
            output_shards: 10,
            seed: 1,
            classes: None,
            countries: None,
            recognized_only: false,
            max_per_class: None,
            keep_duplicates: false,
            strict: false,
        }
    }
}

impl Options {
    fn validate(&self) -> Result<()> {
        ensure!(
            self.train_observations_per_class > 0,
            "--train-observations-per-class is 0; at least 1 was expected"
        );
        ensure!(
            (1..=MAX_SHARDS).contains(&self.output_shards),
            "--output-shards is {}; 1 to {MAX_SHARDS} were expected",
            self.output_shards
        );
        if let Some(classes) = &self.classes {
            ensure!(!classes.is_empty(), "--classes names none");
            // The same checks as everywhere: not too many, none twice.
            DataSet::new(classes.clone()).context("--classes")?;
        }
        Ok(())
    }

    /// Whether a drawing is one to evaluate on.
    fn is_eval(&self, identity: u64) -> bool {
        let (train, eval) =
            (self.train_observations_per_class as f64, self.eval_observations_per_class as f64);
        // Another hash than that of the order, or the sides would lie apart in it.
        const SPLIT: u64 = 0x5149_4c50_5351_4144;
        // 2^64 as f64: a hash is below the share of the whole range.
        (mix(identity ^ SPLIT) as f64) < eval / (train + eval) * 18_446_744_073_709_551_616.0
    }
}

/// The name of what was made of what, in the folder that was written.
pub const MANIFEST: &str = "manifest.json";

/// The form of the manifest.
const MANIFEST_VERSION: u32 = 1;

/// By this file a folder is known as one that an interrupted run left behind; it is locked as long as one is at work.
const LOCK: &str = "prepare.lock";

const MAX_SHARDS: usize = 99_999;

/// How far an interrupted run had come.
const PROGRESS: &str = "progress.json";

/// Drawings after which, at the end of a file, progress is noted.
const NOTED_EVERY: usize = 10_000;

/// What is put aside between reading and writing.
const SPOOL: &str = "spool";

/// Streams of that: buckets of drawings, their fingerprints, and the list of all.
const N_BUCKETS: usize = 256;
const PRINTS: Range<usize> = N_BUCKETS..N_BUCKETS + N_PRINT_STREAMS;
const CANDIDATES: usize = PRINTS.end;
const N_STREAMS: usize = CANDIDATES + 1;

/// Groups of shards that threads write, each group from its buckets: few enough that not many buckets are read for two.
const MAX_GROUPS: usize = 64;

/// Bytes of a bucket that a thread has in memory together.
const MAX_BUCKET_BYTES: u64 = 2 << 20;

/// The most points of a drawing in simplified form; real ones have a few dozen, and a thousandth of them 300.
const MAX_POINTS: usize = 2000;

/// Parts of files on their way, for each thread that reads: one at work, and one that waits for those before it.
const PARTS_PER_READER: usize = 2;

/// Bad lines that are shown.
const MAX_EXAMPLES: usize = 10;

/// Classes that are named where there are too few drawings.
const MAX_NAMES: usize = 8;

/// Drawings that were read and not kept, by reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Lines that hold no valid drawing.
    pub bad_lines: usize,
    /// Of a class that was not asked for.
    pub other_class: usize,
    /// Not recognised, or nothing is said about that.
    pub not_recognized: usize,
    /// Of another country, or of none that is told.
    pub other_country: usize,
    /// Less than two different points: no ink.
    pub empty: usize,
    /// More than 2000 points, even simplified.
    pub absurd: usize,
    /// Strokes or `key_id` of a drawing that the class has already.
    pub duplicate: usize,
    /// More than the class may have.
    pub over_limit: usize,
}

/// Drawings of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Its name.
    pub name: String,
    /// To train on.
    pub train: usize,
    /// To evaluate on.
    pub eval: usize,
}

/// What was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Drawings and bad lines that were read. Not every file is read to its end: one of a class that is complete is not.
    pub read: usize,
    /// Drawings to train on.
    pub train: usize,
    /// Drawings to evaluate on.
    pub eval: usize,
    /// Of these, drawings that were not in simplified form and have been simplified.
    pub simplified: usize,
    /// The rest.
    pub left_out: LeftOut,
    /// The first bad lines, each as `path:line: message`.
    pub examples: Vec<String>,
    /// Every class in the order of its index.
    pub classes: Vec<ClassCount>,
    /// Files that were not read, because they are not named as files of drawings.
    #[serde(default)]
    pub other_files: usize,
    /// Whether all of it was there already.
    #[serde(skip)]
    pub was_there: bool,
    /// Files that an interrupted run had read.
    #[serde(skip)]
    pub n_resumed: usize,
}

impl Summary {
    /// What somebody should know besides: classes with fewer drawings than were asked for.
    fn too_few(&self, options: &Options) -> Option<String> {
        let wants = |class: &&ClassCount| {
            let limit = options.max_per_class.unwrap_or(usize::MAX);
            let wanted = options.train_observations_per_class + options.eval_observations_per_class;
            class.train + class.eval < wanted.min(limit)
        };
        let few: Vec<String> = self
            .classes
            .iter()
            .filter(wants)
            .map(|class| format!("{} ({} + {})", class.name, class.train, class.eval))
            .collect();
        if few.is_empty() {
            return None;
        }
        let more = if few.len() > MAX_NAMES { ", ..." } else { "" };
        let shown = few[..few.len().min(MAX_NAMES)].join(", ");
        Some(format!(
            "{} of {} classes have fewer drawings than {} + {}: {shown}{more}",
            few.len(),
            self.classes.len(),
            options.train_observations_per_class,
            options.eval_observations_per_class
        ))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.classes.len();
        write!(f, "{} drawings to train on, {} to evaluate on, of {n} classes", self.train, self.eval)?;
        if self.was_there {
            return f.write_str("; they were there already");
        }
        if self.simplified > 0 {
            write!(f, "; {} simplified first", self.simplified)?;
        }
        if self.n_resumed > 0 {
            write!(f, "\nread before the interruption: {} files", self.n_resumed)?;
        }
        let left_out = &self.left_out;
        for (n, reason) in [
            (left_out.other_class, "of other classes"),
            (left_out.not_recognized, "not recognised"),
            (left_out.other_country, "from other countries"),
            (left_out.empty, "empty"),
            (left_out.absurd, "absurdly long"),
            (left_out.duplicate, "duplicates"),
            (left_out.over_limit, "beyond what a class may have"),
        ] {
            if n > 0 {
                write!(f, "\nleft out: {n} {reason}")?;
            }
        }
        if self.other_files > 0 {
            write!(f, "\nother files passed over: {}", self.other_files)?;
        }
        if left_out.bad_lines > 0 {
            write!(f, "\nbad lines left out: {}", left_out.bad_lines)?;
            for example in &self.examples {
                write!(f, "\n  {example}")?;
            }
            if left_out.bad_lines > self.examples.len() {
                write!(f, "\n  and {} more", left_out.bad_lines - self.examples.len())?;
            }
        }
        Ok(())
    }
}

/// A file of the folder that was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Written {
    name: String,
    records: usize,
    bytes: u64,
    sha256: String,
}

/// Reads `inputs` (files, folders, patterns, `-`) and writes the folder `out`.
///
/// If `out` is already what the same options make of the same inputs, nothing is done. Problems that are no errors are told on
/// standard error.
///
/// # Errors
/// Options out of their range; inputs that are not there; a file that cannot be read to its end or is of no known form; with
/// `strict` a bad line; not a single drawing to keep; an `out` that holds something else; another run at
/// work on it; a full disk.
pub fn prepare(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool) -> Result<Summary> {
    run(inputs, out, options, quiet, false)
}

/// Goes on where a [`prepare`] stopped, by an interruption or an error, and gives the same bytes;
/// where nothing is left of one it starts from the beginning. Files that were not read yet may be
/// others by now.
///
/// # Errors
/// As [`prepare`]; an interrupted run with other options or of other files, or what it left is damaged.
pub fn resume(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool) -> Result<Summary> {
    run(inputs, out, options, quiet, true)
}

fn run(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool, is_resumed: bool) -> Result<Summary> {
    options.validate()?;
    let found = find_inputs(inputs)?;
    let asked = asked(&found.files, options)?;
    if let Some(summary) = already_there(out, &asked)? {
        return Ok(summary);
    }
    let (workplace, progress) = Workplace::claim(out, is_resumed.then_some(&asked))?;
    let bar = progress_bar(found.files.len(), quiet);
    let summary = match make(&found, &workplace.folder, options, &asked, progress, &bar) {
        Ok(summary) => summary,
        Err(error) => return Err(workplace.give_up(error)),
    };
    workplace.finish(out)?;
    bar.finish_and_clear();
    if let (Some(message), false) = (summary.too_few(options), quiet) {
        tell!("note: {message}");
    }
    Ok(summary)
}

/// Reads the files and writes everything into `folder`.
fn make(
    found: &Inputs,
    folder: &Path,
    options: &Options,
    asked: &Value,
    progress: Progress,
    bar: &ProgressBar,
) -> Result<Summary> {
    let n_resumed = progress.n_files;
    let gatherer = Gatherer::new(folder, options, asked, progress)?;
    let mut gathered = gather(&found.files, gatherer, bar)?;
    gathered.summary.other_files = found.n_other_files;
    bar.set_message("writing");
    let files = write_shards(folder, &mut gathered, options)?;
    let summary = Summary { n_resumed, ..gathered.summary };
    let manifest = json!({
        "version": MANIFEST_VERSION,
        "program": concat!("native-train ", env!("CARGO_PKG_VERSION")),
        "asked": asked,
        "summary": summary,
        "files": files,
    });
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    write_synced(&folder.join(MANIFEST), text.as_bytes())?;
    Ok(summary)
}

fn progress_bar(n_files: usize, quiet: bool) -> ProgressBar {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(n_files as u64) };
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} files, {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// What the manifest remembers of the order: options, and files by name and size.
fn asked(files: &[PathBuf], options: &Options) -> Result<Value> {
    let mut inputs = Vec::new();
    for path in files {
        let bytes = match path.as_os_str() == STANDARD_INPUT {
            true => None,
            false => {
                Some(path.metadata().with_context(|| format!("{}: cannot be opened", path.display()))?.len())
            }
        };
        inputs.push(json!({"path": path.to_string_lossy(), "bytes": bytes}));
    }
    Ok(json!({"options": options, "inputs": inputs}))
}

/// The summary of what is in `out`, if that was made of the same; nothing if there is no such folder or an empty one.
fn already_there(out: &Path, asked: &Value) -> Result<Option<Summary>> {
    let shown = out.display();
    if !out.exists() {
        return Ok(None);
    }
    ensure!(out.is_dir(), "{shown}: there is a file of this name; a folder to write was expected");
    let is_empty = fs::read_dir(out).with_context(|| format!("{shown}: cannot be listed"))?.next().is_none();
    if is_empty {
        return Ok(None);
    }
    let refusal = "it is not overwritten; name another folder or remove this one";
    let manifest = out.join(MANIFEST);
    let text = fs::read_to_string(&manifest).with_context(|| {
        format!("{shown}: the folder holds something else and has no {MANIFEST}; {refusal}")
    })?;
    let found: Value = serde_json::from_str(&text)
        .with_context(|| format!("{}: not a manifest; {refusal}", manifest.display()))?;
    ensure!(
        found["version"] == MANIFEST_VERSION && found["asked"] == *asked && is_repeatable(asked),
        "{shown}: the folder was made with other options or of other files, as its {MANIFEST} tells; {refusal}"
    );
    let files: Vec<Written> = serde_json::from_value(found["files"].clone()).context("the list of files")?;
    for file in files {
        let size = out.join(&file.name).metadata().map(|data| data.len()).ok();
        ensure!(size == Some(file.bytes), "{shown}: {} is not as {MANIFEST} tells; {refusal}", file.name);
    }
    let summary: Summary = serde_json::from_value(found["summary"].clone()).context("the summary")?;
    Ok(Some(Summary { was_there: true, ..summary }))
}

/// Whether the inputs can be read once more.
fn is_repeatable(asked: &Value) -> bool {
    !asked["inputs"]
        .as_array()
        .is_some_and(|inputs| inputs.iter().any(|input| input["path"] == STANDARD_INPUT))
}

/// `OUT.partial`, ours until it is finished, which gives it its name, or dropped, which removes it
/// unless there is progress from which a run can go on.
struct Workplace {
    folder: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
    is_finished: bool,
}

impl Workplace {
    /// Makes the folder. To resume what was `asked` for it also tells how far an interrupted run had come.
    fn claim(out: &Path, asked: Option<&Value>) -> Result<(Self, Progress)> {
        let mut name = out
            .file_name()
            .with_context(|| format!("{}: not the name of a folder", out.display()))?
            .to_owned();
        name.push(".partial");
        let folder = out.with_file_name(name);
        let shown = folder.display();
        let lock = folder.join(LOCK);
        if folder.exists() && !lock.exists() {
            let is_empty = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
            ensure!(
                is_empty,
                "{shown}: the folder holds something else; it is needed to work in, so remove or rename it"
            );
        }
        fs::create_dir_all(&folder).with_context(|| format!("{shown}: cannot be made"))?;
        let Some(file) = try_lock(&lock)? else { bail!("{shown}: another run is at work there") };
        // Without PROGRESS nothing of what an interrupted run left behind is used.
        let progress = match asked {
            Some(asked) => {
                ensure!(
                    is_repeatable(asked),
                    "--resume cannot read standard input again; files were expected"
                );
                Progress::read(&folder, asked)?
            }
            None => None,
        };
        for entry in fs::read_dir(&folder).with_context(|| format!("{shown}: cannot be listed"))? {
            let path = entry?.path();
            if path != lock && progress.is_none() {
                fs::remove_file(&path).with_context(|| format!("{}: cannot be removed", path.display()))?;
            }
        }
        Ok((Self { folder, _lock: file, is_finished: false }, progress.unwrap_or_default()))
    }

    /// Says of an error how to go on, if there is progress to go on from. Of the folder only that
    /// is kept.
    fn give_up(self, error: Error) -> Error {
        if !self.folder.join(PROGRESS).exists() {
            return error;
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in
            entries.filter(|entry| [PROGRESS, SPOOL, LOCK].iter().all(|&name| entry.file_name() != name))
        {
            // There is an error to tell already, and the next run writes over it.
            let _ = fs::remove_file(entry.path());
        }
        anyhow!(
            "{error:#}\nWhat was read before is kept in {}; the same command goes on from there with --resume",
            self.folder.display()
        )
    }

    fn finish(mut self, out: &Path) -> Result<()> {
        let shown = out.display();
        // Without the first nothing of the others is used.
        for name in [PROGRESS, SPOOL, LOCK] {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{shown}: cannot be finished"));
                }
                _ => {}
            }
        }
        sync_folder(&self.folder)?;
        if out.exists() {
            // Known to be empty. If it is no longer, this fails.
            fs::remove_dir(out).with_context(|| format!("{shown}: cannot be replaced"))?;
        }
        fs::rename(&self.folder, out).with_context(|| format!("{shown}: cannot be given its name"))?;
        self.is_finished = true;
        match out.parent() {
            Some(parent) if parent != Path::new("") => sync_folder(parent),
            _ => sync_folder(Path::new(".")),
        }
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if !self.is_finished && !self.folder.join(PROGRESS).exists() {
            // There is an error to tell already; what stays the next run removes.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// How far a run has come: what is needed besides the files of the workplace.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    asked: Value,
    n_files: usize,
    n_candidates: u64,
    summary: Summary,
    /// By class, drawings that are certainly no duplicates, and no more than the class may have.
    certain: Vec<ClassCount>,
    spool: Mark,
}

impl Progress {
    fn read(folder: &Path, asked: &Value) -> Result<Option<Self>> {
        let path = folder.join(PROGRESS);
        let shown = path.display();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("{shown}: cannot be read"))?,
        };
        let way_out = "resume with the same ones, or start from the beginning without --resume";
        let found: Self =
            serde_json::from_str(&text).with_context(|| format!("{shown}: damaged; {way_out}"))?;
        // What has not been read yet may have been mended meanwhile.
        let read = |asked: &Value| {
            asked["inputs"].as_array().and_then(|all| all.get(..found.n_files)).map(<[_]>::to_vec)
        };
        ensure!(
            found.asked["options"] == asked["options"]
                && read(&found.asked) == read(asked)
                && read(asked).is_some(),
            "{shown}: the interrupted run had other options or other files; {way_out}"
        );
        Ok(Some(found))
    }

    /// Writes it in one step: an interruption leaves the one before.
    fn write(&self, folder: &Path) -> Result<()> {
        let (path, new) = (folder.join(PROGRESS), folder.join("progress.new"));
        write_synced(&new, serde_json::to_string(self)?.as_bytes())?;
        fs::rename(&new, &path).with_context(|| format!("{}: cannot be written", path.display()))
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<()> {
    let sync = || File::open(folder)?.sync_all();
    sync().with_context(|| format!("{}: cannot be synced", folder.display()))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("{}: cannot be written", path.display()))
}

/// A part of a file on its way: what was read, and then what became of it. When it is done with it takes the next part, so that
/// the memory is that of a few, however many there are.
#[derive(Default)]
struct Part {
    batch: Batch,
    judged: Vec<Judged>,
    /// Of a file of lines.
    n_lines: u64,
    drawings: Drawings,
}

/// Drawings of a part that passed everything that can be told of them alone.
#[derive(Default)]
struct Drawings {
    /// Their words, one after the other wherever it changes.
    words: Vec<String>,
    /// Themselves, as [`pack`] makes them, one after the other.
    packed: Vec<u8>,
}

/// What a thread made of an entry of a file.
enum Judged {
    Drawing(Kept),
    Bad { number: u64, message: String },
    OtherClass,
    NotRecognized,
    OtherCountry,
    Empty,
    Absurd,
}

/// One of the [`Drawings`] of a part.
struct Kept {
    /// Index of its word.
    word: usize,
    /// Hash of `key_id`, or of the points where there is none.
    identity: u64,
    /// Hash of the points.
    content: u64,
    has_key: bool,
    was_simplified: bool,
    /// Where it is.
    packed: Range<usize>,
}

/// What comes from the files, in their order.
enum Message {
    /// A part of a file, as soon as a thread has judged it.
    Part(Receiver<Part>),
    /// The file is over, or cannot be read on.
    End(Result<()>),
}

/// The files, of which threads read one part after the other.
struct Source<'a> {
    files: &'a [PathBuf],
    index: usize,
    /// Of the file that was begun.
    records: Option<Records>,
    /// A file whose index is below is not read on.
    enough: &'a AtomicUsize,
    /// Parts that are done with.
    spare: Receiver<Part>,
    to: Sender<Message>,
}

impl Source<'_> {
    /// The next part, and where to send it when it is judged. Nothing at the end, and when nobody listens any more: then the run has
    /// failed.
    fn next(&mut self) -> Option<(Part, SyncSender<Part>)> {
        let mut part = self.spare.recv().ok()?;
        while let Some(path) = self.files.get(self.index) {
            let end = match self.read(path, &mut part.batch) {
                Ok(true) => {
                    let (answer, judged) = sync_channel(1);
                    self.to.send(Message::Part(judged)).ok()?;
                    return Some((part, answer));
                }
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            self.records = None;
            self.index += 1;
            self.to.send(Message::End(end)).ok()?;
        }
        None
    }

    /// The next part of a file; false at its end.
    fn read(&mut self, path: &Path, batch: &mut Batch) -> Result<bool> {
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
struct Line {
    messages: Receiver<Message>,
    done_with: Sender<Part>,
}

/// Reads parts of the files and judges them, in turns with other threads.
fn read_and_judge(source: &Mutex<Source<'_>>, options: &Options) {
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
    fn new() -> Self {
        let mut part = Self::default();
        part.judged.reserve(Batch::BYTES / 256);
        part.drawings.packed.reserve(Batch::BYTES / 2);
        part
    }

    /// Finds out what can be told of each entry alone.
    fn judge(&mut self, options: &Options) {
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
    fn add_record(&mut self, mut record: Record, strokes: &mut Vec<u8>, options: &Options) -> Judged {
        let soft = record.soft.take();
        let fields = Fields::of(&record, soft);
        if let Some(reason) = unwanted(&fields, options) {
            return reason;
        }
        let simplified = store::simplified(&record.drawing);
        let drawing = simplified.as_ref().unwrap_or(&record.drawing);
        if drawing.n_points() > MAX_POINTS {
            return Judged::Absurd;
        }
        strokes.clear();
        simplified::pack(drawing, strokes);
        self.add(&fields, strokes, simplified.is_some(), options)
    }

    /// Adds a drawing that has this in simplified form.
    fn add(
        &mut self,
        fields: &Fields<'_>,
        strokes: &[u8],
        was_simplified: bool,
        options: &Options,
    ) -> Judged {
        let points = || simplified::packed_strokes(strokes).flat_map(|stroke| stroke.chunks_exact(2));
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

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, written out because the standard library's hash may change from one version of Rust to the next.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A hash of the points of a drawing in simplified form, and of which strokes they are.
fn content_hash(strokes: &[u8]) -> u64 {
    simplified::packed_strokes(strokes).fold(FNV_OFFSET, |hash, points| {
        let n = (points.len() / 2) as u32;
        fnv(fnv(hash, &n.to_le_bytes()), points)
    })
}

/// Appends the fields of a line of JSON besides `word` and `drawing`, and the strokes: length of the fields, fields, strokes.
fn pack(fields: &Fields<'_>, strokes: &[u8], format: Format, packed: &mut Vec<u8>) {
    let text = match format {
        Format::Tfrecord => String::new(),
        Format::Ndjson | Format::NdjsonGz => write::fields(fields),
    };
    packed.extend((text.len() as u32).to_le_bytes());
    packed.extend(text.as_bytes());
    packed.extend(strokes);
}

/// What [`pack`] was given.
fn unpack(packed: &[u8]) -> Result<(&str, Drawing)> {
    let damaged = || "a bucket is damaged";
    let (n, rest) = packed.split_first_chunk::<4>().with_context(damaged)?;
    let (fields, strokes) = rest.split_at_checked(u32::from_le_bytes(*n) as usize).with_context(damaged)?;
    let fields = std::str::from_utf8(fields).with_context(damaged)?;
    Ok((fields, simplified::unpack(strokes).with_context(damaged)?))
}

/// What was read: drawings in buckets, and everything about them.
struct Gathered {
    summary: Summary,
    /// In the order in which they were met, which is what the buckets count by.
    words: Vec<String>,
    spool: Finished,
    /// By number, the candidates that are not kept.
    left_out: Bits,
}

/// Reads all files and puts what may be kept into buckets.
fn gather(files: &[PathBuf], mut gatherer: Gatherer<'_>, bar: &ProgressBar) -> Result<Gathered> {
    let options = gatherer.options;
    bar.set_position(gatherer.progress.n_files as u64);
    let files = &files[gatherer.progress.n_files..];
    let n_readers = thread::available_parallelism().map_or(1, usize::from);
    let enough = AtomicUsize::new(0);
    let (to, messages) = channel();
    let (done_with, spare) = channel();
    for _ in 0..PARTS_PER_READER * n_readers {
        done_with.send(Part::new()).context("no reader")?;
    }
    let source = Arc::new(Mutex::new(Source { files, index: 0, records: None, enough: &enough, spare, to }));
    thread::scope(|readers| {
        for _ in 0..n_readers {
            let source = Arc::clone(&source);
            readers.spawn(move || read_and_judge(&source, options));
        }
        // It is the readers' alone, so that nobody waits for more when they have ended.
        drop(source);
        // Dropped here: readers end when nobody listens any more.
        let line = Line { messages, done_with };
        for (index, path) in files.iter().enumerate() {
            gather_file(index, path, &line, &mut gatherer, &enough, bar)?;
            gatherer.end_file()?;
            bar.inc(1);
        }
        gatherer.finish()
    })
}

fn gather_file(
    index: usize,
    path: &Path,
    line: &Line,
    gatherer: &mut Gatherer<'_>,
    enough: &AtomicUsize,
    bar: &ProgressBar,
) -> Result<()> {
    let own = stem(path);
    let mut is_complete = false;
    let mut n_lines = 0;
    let lost = || format!("{}: its reader ended", path.display());
    loop {
        let judged = match line.messages.recv().with_context(lost)? {
            Message::Part(judged) => judged,
            Message::End(end) => return end,
        };
        let mut part = judged.recv().with_context(lost)?;
        // How much was read before the readers were told differs from run to run.
        if !is_complete {
            gatherer.add(&mut part, path, n_lines)?;
            n_lines += part.n_lines;
            bar.set_message(format!("{} drawings", gatherer.progress.summary.read));
            // The data set's own files are named after their one word: nothing else can follow.
            is_complete = own.as_ref().is_some_and(|own| gatherer.is_complete(own));
            if is_complete {
                enough.fetch_max(index + 1, Ordering::Relaxed);
            }
        }
        // At the end nobody needs it any more.
        let _ = line.done_with.send(part);
    }
}

/// Puts drawings into buckets.
///
/// Which of them are duplicates is known when all are there. So that files are not read on in vain, a filter
/// counts those that certainly are none.
struct Gatherer<'a> {
    options: &'a Options,
    folder: &'a Path,
    spool: Spool,
    seen: Seen,
    indices: HashMap<String, usize>,
    progress: Progress,
    n_noted: usize,
}

impl<'a> Gatherer<'a> {
    fn new(folder: &'a Path, options: &'a Options, asked: &Value, mut progress: Progress) -> Result<Self> {
        progress.asked = asked.clone();
        let mut seen = Seen::new();
        let spool = Spool::open(folder.join(SPOOL), N_STREAMS, progress.spool, |stream, bytes| {
            if PRINTS.contains(&stream) {
                for print in bytes.chunks_exact(PRINT_BYTES) {
                    seen.insert(u64::from_le_bytes(std::array::from_fn(|i| print[i])));
                }
            }
        });
        let spool = spool.context("it cannot be resumed; start from the beginning without --resume")?;
        let indices = progress.certain.iter().enumerate();
        let indices = indices.map(|(index, class)| (class.name.clone(), index)).collect();
        let n_noted = progress.summary.read;
        Ok(Self { options, folder, spool, seen, indices, progress, n_noted })
    }

    /// Takes what a part of a file holds that comes after `n_lines` of its lines.
    fn add(&mut self, part: &mut Part, path: &Path, n_lines: u64) -> Result<()> {
        let words = &part.drawings.words;
        let indices = words.iter().map(|word| self.index_of(word)).collect::<Result<Vec<_>>>()?;
        for judged in part.judged.drain(..) {
            let summary = &mut self.progress.summary;
            summary.read += 1;
            let left_out = &mut summary.left_out;
            match judged {
                Judged::Drawing(kept) => {
                    let packed = &part.drawings.packed[kept.packed.clone()];
                    self.keep(&kept, indices[kept.word], &words[kept.word], packed)?;
                }
                Judged::Bad { number, message } => {
                    let place = format!("{}:{}: {message}", path.display(), n_lines + number);
                    ensure!(!self.options.strict, "{place}");
                    left_out.bad_lines += 1;
                    if summary.examples.len() < MAX_EXAMPLES {
                        summary.examples.push(place);
                    }
                }
                Judged::OtherClass => left_out.other_class += 1,
                Judged::NotRecognized => left_out.not_recognized += 1,
                Judged::OtherCountry => left_out.other_country += 1,
                Judged::Empty => left_out.empty += 1,
                Judged::Absurd => left_out.absurd += 1,
            }
        }
        Ok(())
    }

    /// The index of a class, in the order in which they are met.
    fn index_of(&mut self, word: &str) -> Result<usize> {
        if let Some(&index) = self.indices.get(word) {
            return Ok(index);
        }
        let index = self.progress.certain.len();
        ensure!(index < DataSet::MAX_CLASSES, "{word:?} is one class too many");
        self.progress.certain.push(ClassCount { name: word.to_owned(), ..ClassCount::default() });
        self.indices.insert(word.to_owned(), index);
        Ok(index)
    }

    /// Puts a drawing into its bucket, if its class has room.
    fn keep(&mut self, kept: &Kept, index: usize, word: &str, packed: &[u8]) -> Result<()> {
        let is_eval = self.options.is_eval(kept.identity);
        let certain = &mut self.progress.certain[index];
        if !has_room(certain, is_eval, self.options) {
            self.progress.summary.left_out.over_limit += 1;
            return Ok(());
        }
        let number = self.progress.n_candidates;
        let mut is_new = true;
        if !self.options.keep_duplicates {
            let class = mix(index as u64);
            // The two kinds of hashes must not meet.
            let key = kept.has_key.then_some(!kept.identity);
            for print in [Some(kept.content), key].into_iter().flatten().map(|hash| mix(hash ^ class)) {
                is_new &= self.seen.insert(print);
                self.spool.append(PRINTS.start + print_stream(print), &[&print_bytes(print, number)])?;
            }
        }
        *side(certain, is_eval) += usize::from(is_new);
        self.progress.n_candidates += 1;
        let candidate = Candidate { index, is_eval, was_simplified: kept.was_simplified };
        self.spool.append(CANDIDATES, &[&candidate.to_bytes()])?;

        let order = mix(fnv(kept.identity ^ mix(self.options.seed), word.as_bytes()));
        let header = bucket_header(packed.len(), order, number, &candidate);
        self.spool.append(bucket_of(u128::from(order)), &[&header, packed])
    }

    /// Whether nothing of the class is taken any more.
    fn is_complete(&self, word: &str) -> bool {
        self.indices.get(word).is_some_and(|&index| {
            let class = &self.progress.certain[index];
            [false, true].into_iter().all(|is_eval| !has_room(class, is_eval, self.options))
        })
    }

    /// Notes the progress, if it is worth it.
    fn end_file(&mut self) -> Result<()> {
        self.progress.n_files += 1;
        // Standard input cannot be read again.
        if self.progress.summary.read < self.n_noted + NOTED_EVERY || !is_repeatable(&self.progress.asked) {
            return Ok(());
        }
        self.n_noted = self.progress.summary.read;
        self.progress.spool = self.spool.flush()?;
        self.progress.write(self.folder)
    }

    /// Decides what is kept: in the order of the files what is no duplicate, as many as a class may have.
    fn finish(self) -> Result<Gathered> {
        let spool = self.spool.finish()?;
        drop(self.seen);
        let mut left_out = Bits::default();
        find_repeated(&spool, PRINTS, |number| left_out.set(number))?;

        let mut summary = self.progress.summary;
        let words: Vec<String> = self.progress.certain.into_iter().map(|class| class.name).collect();
        let empty = |name: &String| ClassCount { name: name.clone(), ..ClassCount::default() };
        summary.classes = words.iter().map(empty).collect();
        let mut number = 0;
        spool.reader()?.read(CANDIDATES, |bytes| {
            for &bytes in bytes.as_chunks().0 {
                let Candidate { index, is_eval, was_simplified } = Candidate::from_bytes(bytes);
                let class = summary.classes.get_mut(index).context("the list of candidates is damaged")?;
                if !has_room(class, is_eval, self.options) {
                    left_out.set(number);
                    summary.left_out.over_limit += 1;
                } else if left_out.get(number) {
                    summary.left_out.duplicate += 1;
                } else {
                    *side(class, is_eval) += 1;
                    summary.simplified += usize::from(was_simplified);
                }
                number += 1;
            }
            Ok(())
        })?;
        ensure!(number == self.progress.n_candidates, "the list of candidates is damaged");
        summary.train = summary.classes.iter().map(|class| class.train).sum();
        summary.eval = summary.classes.iter().map(|class| class.eval).sum();
        if summary.train + summary.eval == 0 {
            bail!("no drawing is left to write: {summary}");
        }
        Ok(Gathered { summary, words, spool, left_out })
    }
}

/// A drawing that is kept if it is no duplicate and its class has room.
struct Candidate {
    /// Of its class.
    index: usize,
    is_eval: bool,
    was_simplified: bool,
}

impl Candidate {
    const BYTES: usize = 4;

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let flags = u32::from(self.is_eval) | u32::from(self.was_simplified) << 1;
        ((self.index as u32) << 2 | flags).to_le_bytes()
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let value = u32::from_le_bytes(bytes);
        Self { index: (value >> 2) as usize, is_eval: value & 1 != 0, was_simplified: value & 2 != 0 }
    }
}

/// The number of a side.
fn side(class: &mut ClassCount, is_eval: bool) -> &mut usize {
    if is_eval { &mut class.eval } else { &mut class.train }
}

fn has_room(class: &ClassCount, is_eval: bool, options: &Options) -> bool {
    let has_side = if is_eval {
        class.eval < options.eval_observations_per_class
    } else {
        class.train < options.train_observations_per_class
    };
    has_side && options.max_per_class.is_none_or(|most| class.train + class.eval < most)
}

/// Bytes of a drawing in a bucket before what [`pack`] made: length of that, order, number, candidate.
const BUCKET_HEADER: usize = 4 + 8 + 8 + Candidate::BYTES;

fn bucket_header(length: usize, order: u64, number: u64, candidate: &Candidate) -> [u8; BUCKET_HEADER] {
    let mut header = [0; BUCKET_HEADER];
    header[..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[4..12].copy_from_slice(&order.to_le_bytes());
    header[12..20].copy_from_slice(&number.to_le_bytes());
    header[20..].copy_from_slice(&candidate.to_bytes());
    header
}

/// Writes the drawings of the buckets into shards, and the lists of classes; fills in the summary's classes in their order.
fn write_shards(folder: &Path, gathered: &mut Gathered, options: &Options) -> Result<Vec<Written>> {
    let (class_of, classes) = in_order(gathered, options);
    gathered.summary.classes = classes;
    let n_shards = options.output_shards;
    let n_groups = n_shards.min(MAX_GROUPS);
    let groups: Vec<Vec<Vec<Written>>> = (0..n_groups)
        .into_par_iter()
        .map(|group| {
            let shards = group * n_shards / n_groups..(group + 1) * n_shards / n_groups;
            write_group(folder, gathered, &class_of, shards, options)
        })
        .collect::<Result<_>>()?;
    let n_sides = if options.eval_observations_per_class > 0 { 2 } else { 1 };
    let mut files: Vec<Written> = Vec::new();
    for side in 0..n_sides {
        files.extend(groups.iter().flat_map(|sides| &sides[side]).cloned());
    }
    let list: String = gathered.summary.classes.iter().map(|class| class.name.clone() + "\n").collect();
    let names: &[&str] = match options.format {
        Format::Tfrecord if options.eval_observations_per_class == 0 => &["training.tfrecord.classes"],
        Format::Tfrecord => &["training.tfrecord.classes", "eval.tfrecord.classes"],
        Format::Ndjson | Format::NdjsonGz => &["classes.txt"],
    };
    for &name in names {
        write_synced(&folder.join(name), list.as_bytes())?;
        files.push(Written {
            name: name.to_owned(),
            records: gathered.summary.classes.len(),
            bytes: list.len() as u64,
            sha256: hex(digest(&SHA256, list.as_bytes()).as_ref()),
        });
    }
    Ok(files)
}

/// Writes consecutive shards of each side.
fn write_group(
    folder: &Path,
    gathered: &Gathered,
    class_of: &[usize],
    shards: Range<usize>,
    options: &Options,
) -> Result<Vec<Vec<Written>>> {
    let first_order = |shard: usize| ((shard as u128) << 64).div_ceil(options.output_shards as u128);
    let orders = first_order(shards.start)..first_order(shards.end);
    let mut sides = vec![Side::new(folder, "training", shards.clone(), options)];
    if options.eval_observations_per_class > 0 {
        sides.push(Side::new(folder, "eval", shards, options));
    }
    let (mut bytes, mut places) = (Vec::with_capacity(MAX_BUCKET_BYTES as usize), Vec::new());
    let mut reader = gathered.spool.reader()?;
    for bucket in bucket_of(orders.start)..=bucket_of(orders.end - 1) {
        let n_parts = gathered.spool.n_parts(bucket, MAX_BUCKET_BYTES);
        for part in 0..n_parts {
            let left_out = &gathered.left_out;
            read_part(&mut reader, bucket, (part, n_parts), &orders, left_out, &mut bytes, &mut places)?;
            for &Place { order, at, end, index, is_eval } in &places {
                let side = sides.get_mut(usize::from(is_eval)).context("a bucket is damaged")?;
                let (fields, drawing) = unpack(&bytes[at..end])?;
                let name = gathered.words.get(index).context("a bucket is damaged")?;
                side.write(order, &drawing, fields, name, class_of[index])?;
            }
        }
    }
    sides.into_iter().map(Side::finish).collect()
}

/// The bucket of an order.
fn bucket_of(order: u128) -> usize {
    (order >> 56) as usize
}

/// Where a drawing of a bucket is in memory.
struct Place {
    order: u64,
    at: usize,
    end: usize,
    index: usize,
    is_eval: bool,
}

/// Reads one of `n_parts` of a bucket, those of the bits of the order that follow the bucket's: what of it is of these `orders`
/// and not left out.
fn read_part(
    reader: &mut Reader<'_>,
    bucket: usize,
    (part, n_parts): (u64, u64),
    orders: &Range<u128>,
    left_out: &Bits,
    bytes: &mut Vec<u8>,
    places: &mut Vec<Place>,
) -> Result<()> {
    bytes.clear();
    places.clear();
    reader.read(bucket, |mut rest| {
        while !rest.is_empty() {
            let damaged = || "a bucket is damaged";
            let (header, others) = rest.split_first_chunk::<BUCKET_HEADER>().with_context(damaged)?;
            let u64_at = |at| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
            let length = u32::from_le_bytes(std::array::from_fn(|i| header[i])) as usize;
            let (packed, others) = others.split_at_checked(length).with_context(damaged)?;
            rest = others;
            let (order, number) = (u64_at(4), u64_at(12));
            let is_here = (u128::from(order << 8) * u128::from(n_parts)) >> 64 == u128::from(part);
            if !is_here || !orders.contains(&u128::from(order)) || left_out.get(number) {
                continue;
            }
            let at = bytes.len();
            bytes.extend_from_slice(packed);
            let candidate = Candidate::from_bytes(std::array::from_fn(|i| header[20 + i]));
            let Candidate { index, is_eval, .. } = candidate;
            places.push(Place { order, at, end: bytes.len(), index, is_eval });
        }
        Ok(())
    })?;
    // Stable: duplicates, if they are kept, stay in the order of the files.
    places.sort_by_key(|place| place.order);
    Ok(())
}

/// The index of each class by the order in which it was met, and the classes by index.
fn in_order(gathered: &Gathered, options: &Options) -> (Vec<usize>, Vec<ClassCount>) {
    let met: BTreeMap<&String, &ClassCount> = gathered.words.iter().zip(&gathered.summary.classes).collect();
    let names: Vec<&String> = match &options.classes {
        Some(classes) => classes.iter().collect(),
        None => met.keys().copied().collect(),
    };
    let index_of: HashMap<&String, usize> =
        names.iter().enumerate().map(|(index, &name)| (name, index)).collect();
    let none = |name: &String| ClassCount { name: name.clone(), ..ClassCount::default() };
    let classes = names.iter().map(|&name| met.get(name).map_or_else(|| none(name), |&count| count.clone()));
    (gathered.words.iter().map(|word| index_of[word]).collect(), classes.collect())
}

/// Writes through, counts and hashes.
struct Hashing {
    file: File,
    hash: Digest,
    n_bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

type Buffered = BufWriter<Hashing>;

enum Output {
    Plain(Box<Buffered>),
    Gzip(Box<GzEncoder<Buffered>>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
        }
    }
}

/// Shards of one side, which are written one after the other, because buckets come in the order of the drawings.
struct Side<'a> {
    folder: &'a Path,
    name: &'static str,
    shards: Range<usize>,
    options: &'a Options,
    current: Option<(Output, usize)>,
    done: Vec<Written>,
}

impl<'a> Side<'a> {
    fn new(folder: &'a Path, name: &'static str, shards: Range<usize>, options: &'a Options) -> Self {
        Self { folder, name, shards, options, current: None, done: Vec::new() }
    }

    /// The shard that is written, or the next one.
    fn index(&self) -> usize {
        self.shards.start + self.done.len()
    }

    /// The name of a shard.
    fn file_name(&self, shard: usize) -> String {
        let (name, n) = (self.name, self.options.output_shards);
        match self.options.format {
            Format::Tfrecord => format!("{name}.tfrecord-{shard:05}-of-{n:05}"),
            Format::Ndjson => format!("{name}-{shard:05}-of-{n:05}.ndjson"),
            Format::NdjsonGz => format!("{name}-{shard:05}-of-{n:05}.ndjson.gz"),
        }
    }

    fn write(&mut self, order: u64, drawing: &Drawing, fields: &str, word: &str, class: usize) -> Result<()> {
        let shard = (u128::from(order) * self.options.output_shards as u128) >> 64;
        self.go_to(shard as usize)?;
        let Some((out, n_records)) = &mut self.current else { bail!("no shard is open") };
        *n_records += 1;
        let written = match self.options.format {
            Format::Tfrecord => tfrecord::write_record(out, &examples::encode(drawing, class)),
            Format::Ndjson | Format::NdjsonGz => out.write_all(write::line(drawing, fields, word).as_bytes()),
        };
        written.with_context(|| format!("{}: cannot be written", self.file_name(shard as usize)))
    }

    /// Finishes the shards before this one, also those that have no drawing.
    fn go_to(&mut self, shard: usize) -> Result<()> {
        while self.current.is_none() || self.index() < shard {
            self.close()?;
            let path = self.folder.join(self.file_name(self.index()));
            let file =
                File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
            let out =
                BufWriter::with_capacity(1 << 17, Hashing { file, hash: Digest::new(&SHA256), n_bytes: 0 });
            let out = match self.options.format {
                Format::NdjsonGz => Output::Gzip(Box::new(GzEncoder::new(out, Compression::default()))),
                Format::Tfrecord | Format::Ndjson => Output::Plain(Box::new(out)),
            };
            self.current = Some((out, 0));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some((out, records)) = self.current.take() else { return Ok(()) };
        let name = self.file_name(self.index());
        let finish = || -> io::Result<Hashing> {
            let out = match out {
                Output::Plain(out) => *out,
                Output::Gzip(out) => out.finish()?,
            };
            let hashing = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            hashing.file.sync_all()?;
            Ok(hashing)
        };
        let hashing = finish().with_context(|| format!("{name}: cannot be written"))?;
        let sha256 = hex(hashing.hash.finish().as_ref());
        self.done.push(Written { name, records, bytes: hashing.n_bytes, sha256 });
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Written>> {
        self.go_to(self.shards.end - 1)?;
        self.close()?;
        Ok(self.done)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A bucket too large to be in memory as a whole gives the same drawings in the same order.
    #[test]
    fn a_bucket_is_read_in_parts() {
        const N: u64 = 1500;
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join(SPOOL);
        let mut spool = Spool::open(path, N_STREAMS, Mark::default(), |_, _| {}).expect("a file");
        let mut left_out = Bits::default();
        let mut expected = Vec::new();
        let half = 0x7f << 56 | 1 << 55;
        for number in 0..N {
            let order = mix(number) >> 8 | 0x7f << 56;
            let content = number.to_le_bytes().repeat(500);
            let candidate =
                Candidate { index: number as usize % 7, is_eval: number % 3 == 0, was_simplified: false };
            let header = bucket_header(content.len(), order, number, &candidate);
            spool.append(0x7f, &[&header, &content]).expect("room on the disk");
            if number % 10 == 0 {
                left_out.set(number);
            } else if order >= half {
                expected.push((order, candidate.index, candidate.is_eval, content));
            }
        }
        expected.sort();
        let spool = spool.finish().expect("room on the disk");
        let mut reader = spool.reader().expect("a file");
        let n_parts = spool.n_parts(0x7f, MAX_BUCKET_BYTES);
        assert_eq!(n_parts, 4);
        let (mut bytes, mut places, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let orders = u128::from(half)..1 << 64;
        for part in 0..n_parts {
            let part = (part, n_parts);
            read_part(&mut reader, 0x7f, part, &orders, &left_out, &mut bytes, &mut places)
                .expect("a whole bucket");
            assert!(bytes.len() as u64 <= MAX_BUCKET_BYTES);
            found.extend(
                places.iter().map(|place| {
                    (place.order, place.index, place.is_eval, bytes[place.at..place.end].to_vec())
                }),
            );
        }
        assert_eq!(found.len(), expected.len());
        assert!(found == expected);
    }
}
