//! Files of drawings in any published form in, shuffled shards of drawings to train on and to evaluate on out.
//!
//! This is what the tutorial's `create_dataset.py` does, its names and its layout included, for data of any size. Everything
//! is read once: threads read ahead and judge, the drawings that may be kept go into one of 256 buckets on the disk, and
//! their fingerprints beside them. Then duplicates are found where equal fingerprints lie together, and each bucket is put
//! in order in memory and written on. So the memory is that of a part of a bucket for each thread, and of a bit a drawing.
//!
//! What happens to a drawing follows from itself: the side, training or evaluation, from a hash of its `key_id` (of its points
//! where it has none), so that it stays the same when the data grows and for every seed; its place from that hash
//! and the seed. The order of the files only decides which drawings are the first so many of their class.
//!
//! Everything is written into `OUT.partial`, synced, and takes the name `OUT` in the end, so that `OUT` is whole whenever
//! it is there. An interrupted run can be resumed behind the last file that it noted as done; otherwise
//! what it left behind is removed by the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write as _};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use quickdraw_core::{Drawing, Record};
use rayon::prelude::*;
use ring::digest::{Context as Digest, SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::data::inputs::{STANDARD_INPUT, find_inputs};
use crate::data::records::{Batch, Entry, Records, stem};
use crate::data::{DataSet, examples, mix, store};
use crate::spool::{
    Bits, Finished, Mark, N_PRINT_FILES, PRINT_BYTES, Seen, Spool, find_repeated, print_bytes, print_file,
    read_next,
};
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

const N_BUCKETS: usize = 256;

/// Groups of shards that threads write, each group from its buckets: few enough that not many buckets are read for two.
const MAX_GROUPS: usize = 64;

/// Bytes of a bucket that a thread has in memory together.
const MAX_BUCKET_BYTES: u64 = 8 << 20;

/// The most points of a drawing in simplified form; real ones have a few dozen, and a thousandth of them 300.
const MAX_POINTS: usize = 2000;

/// Batches that a reader may be ahead.
const BATCHES_AHEAD: usize = 16;

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

/// Goes on where an interrupted [`prepare`] stopped, and gives the same bytes; where none was interrupted it starts from the
/// beginning.
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
    let n_resumed = progress.n_files;
    let gatherer = Gatherer::new(&workplace.folder, options, &asked, progress)?;
    let mut gathered = gather(&found.files, gatherer, &bar)?;
    gathered.summary.other_files = found.n_other_files;
    bar.set_message("writing");
    let files = write_shards(&workplace.folder, &mut gathered, options)?;
    let summary = Summary { n_resumed, ..gathered.summary };
    for spool in gathered.buckets.iter().chain(&gathered.prints).chain([&gathered.candidates]) {
        fs::remove_file(&spool.path)
            .with_context(|| format!("{}: cannot be removed", spool.path.display()))?;
    }
    let manifest = json!({
        "version": MANIFEST_VERSION,
        "program": concat!("native-train ", env!("CARGO_PKG_VERSION")),
        "asked": asked,
        "summary": summary,
        "files": files,
    });
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    write_synced(&workplace.folder.join(MANIFEST), text.as_bytes())?;
    workplace.finish(out)?;
    bar.finish_and_clear();
    if let (Some(message), false) = (summary.too_few(options), quiet) {
        eprintln!("note: {message}");
    }
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

/// `OUT.partial`, ours until it is dropped, which removes it, or finished, which gives it its name.
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
        let file = File::options().create(true).truncate(false).write(true).open(&lock);
        let file = file.with_context(|| format!("{}: cannot be written", lock.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("{shown}: another run is at work there"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{}: no lock", lock.display()));
            }
        }
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

    fn finish(mut self, out: &Path) -> Result<()> {
        let shown = out.display();
        for name in [PROGRESS, LOCK] {
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
        if !self.is_finished {
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
    /// Buckets, fingerprints, candidates.
    marks: Vec<Mark>,
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
        ensure!(
            found.asked == *asked,
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

/// What a thread made of an entry of a file.
enum Found {
    Drawing(Box<Kept>),
    Bad { number: u64, message: String },
    OtherClass,
    NotRecognized,
    OtherCountry,
    Empty,
    Absurd,
}

/// A drawing that passed everything that can be told of it alone.
struct Kept {
    word: String,
    /// Hash of `key_id`, or of the points where there is none.
    identity: u64,
    /// Hash of the points.
    content: u64,
    has_key: bool,
    was_simplified: bool,
    /// As [`pack`] makes it.
    packed: Vec<u8>,
}

/// What comes from a file, in its order.
enum Message {
    /// Entries, as soon as a thread has judged them.
    Entries(Receiver<Vec<Found>>),
    /// The file is over, or cannot be read on.
    End(Result<()>),
}

/// Reads the files `first`, `first + step`, ..., lets other threads judge what is in them, and sends that in its order. A file
/// whose index is below `enough` is not read on.
fn read_ahead<'scope>(
    files: &[PathBuf],
    first: usize,
    step: usize,
    options: &'scope Options,
    enough: &AtomicUsize,
    judges: &rayon::Scope<'scope>,
    to: &SyncSender<Message>,
) {
    for (index, path) in files.iter().enumerate().skip(first).step_by(step) {
        let read = || -> Result<bool> {
            let mut records = Records::open(path)?;
            let unreadable = || format!("{}: cannot be read to its end", path.display());
            while enough.load(Ordering::Relaxed) <= index
                && let Some(batch) = records.next_batch().with_context(unreadable)?
            {
                let (answer, judged) = sync_channel(1);
                if to.send(Message::Entries(judged)).is_err() {
                    return Ok(false);
                }
                judges.spawn(move |_| {
                    let mut found = Vec::with_capacity(Batch::SIZE);
                    batch.for_each(|entry| found.push(judge(entry, options)));
                    // If nobody listens any more, the run has failed.
                    let _ = answer.send(found);
                });
            }
            Ok(true)
        };
        let end = match read() {
            Ok(true) => Ok(()),
            // Nobody listens any more.
            Ok(false) => return,
            Err(error) => Err(error),
        };
        if to.send(Message::End(end)).is_err() {
            return;
        }
    }
}

/// What can be told of an entry alone.
fn judge(Entry { number, record }: Entry, options: &Options) -> Found {
    let record = match record {
        Ok(record) => record,
        Err(message) => return Found::Bad { number, message },
    };
    if options.classes.as_ref().is_some_and(|classes| !classes.contains(&record.word)) {
        return Found::OtherClass;
    }
    if options.recognized_only && record.recognized != Some(true) {
        return Found::NotRecognized;
    }
    if let Some(countries) = &options.countries
        && !record.countrycode.as_ref().is_some_and(|country| countries.contains(country))
    {
        return Found::OtherCountry;
    }
    let simplified = store::simplified(&record.drawing);
    let drawing = simplified.as_ref().unwrap_or(&record.drawing);
    if drawing.n_points() > MAX_POINTS {
        return Found::Absurd;
    }
    let first = drawing.strokes()[0][0];
    if drawing.strokes().iter().flatten().all(|&point| point == first) {
        return Found::Empty;
    }
    let content = content_hash(drawing);
    let key = record.key_id.as_ref().map(|key_id| fnv(FNV_OFFSET, key_id.as_bytes()));
    let packed = pack(drawing, &record, options.format);
    Found::Drawing(Box::new(Kept {
        word: record.word,
        identity: key.unwrap_or(content),
        content,
        has_key: key.is_some(),
        was_simplified: simplified.is_some(),
        packed,
    }))
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, written out because the standard library's hash may change from one version of Rust to the next.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A hash of the points of a drawing in simplified form, and of which strokes they are.
fn content_hash(drawing: &Drawing) -> u64 {
    let mut hash = FNV_OFFSET;
    for stroke in drawing.strokes() {
        hash = fnv(hash, &(stroke.len() as u32).to_le_bytes());
        for point in stroke {
            hash = fnv(hash, &point.map(|value| value as u8));
        }
    }
    hash
}

/// The fields of a line of JSON besides `word` and `drawing`, and the strokes: length of the fields, fields, then for each
/// stroke its length and its points.
fn pack(drawing: &Drawing, record: &Record, format: Format) -> Vec<u8> {
    let mut fields = String::new();
    if format != Format::Tfrecord {
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                // Writing into a String cannot fail.
                let _ = write!(fields, "\"{name}\":{value},");
            }
        };
        add("countrycode", record.countrycode.as_deref().map(Value::from));
        add("timestamp", record.timestamp.as_deref().map(Value::from));
        add("recognized", record.recognized.map(Value::from));
        add("key_id", record.key_id.as_deref().map(Value::from));
        add("soft", record.soft.as_ref().map(|soft| json!(soft)));
    }
    let mut packed =
        Vec::with_capacity(4 + fields.len() + 2 * drawing.n_points() + 2 * drawing.strokes().len());
    packed.extend((fields.len() as u32).to_le_bytes());
    packed.extend(fields.as_bytes());
    for stroke in drawing.strokes() {
        packed.extend((stroke.len() as u16).to_le_bytes());
        packed.extend(stroke.iter().flat_map(|point| point.map(|value| value as u8)));
    }
    packed
}

/// What [`pack`] was given.
fn unpack(packed: &[u8]) -> Result<(&str, Drawing)> {
    let damaged = || "a bucket is damaged";
    let (n, rest) = packed.split_first_chunk::<4>().with_context(damaged)?;
    let (fields, mut rest) = rest.split_at_checked(u32::from_le_bytes(*n) as usize).with_context(damaged)?;
    let mut strokes = Vec::new();
    while let Some((n, points)) = rest.split_first_chunk::<2>() {
        let n = 2 * usize::from(u16::from_le_bytes(*n));
        let (points, others) = points.split_at_checked(n).with_context(damaged)?;
        strokes
            .push(points.chunks_exact(2).map(|point| [f32::from(point[0]), f32::from(point[1])]).collect());
        rest = others;
    }
    Ok((std::str::from_utf8(fields).with_context(damaged)?, Drawing::from_strokes(strokes)?))
}

/// What was read: drawings in buckets, and everything about them.
struct Gathered {
    summary: Summary,
    /// In the order in which they were met, which is what the buckets count by.
    words: Vec<String>,
    buckets: Vec<Finished>,
    prints: Vec<Finished>,
    candidates: Finished,
    /// By number, the candidates that are not kept.
    left_out: Bits,
}

/// Reads all files and puts what may be kept into buckets.
fn gather(files: &[PathBuf], mut gatherer: Gatherer<'_>, bar: &ProgressBar) -> Result<Gathered> {
    let options = gatherer.options;
    bar.set_position(gatherer.progress.n_files as u64);
    let files = &files[gatherer.progress.n_files..];
    let n_readers = thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let enough = AtomicUsize::new(0);
    rayon::in_place_scope(|judges| {
        thread::scope(|readers| {
            let receivers: Vec<Receiver<Message>> = (0..n_readers)
                .map(|first| {
                    let (to, from) = sync_channel(BATCHES_AHEAD);
                    let enough = &enough;
                    readers.spawn(move || read_ahead(files, first, n_readers, options, enough, judges, &to));
                    from
                })
                .collect();
            for (index, path) in files.iter().enumerate() {
                gather_file(index, path, &receivers[index % n_readers], &mut gatherer, &enough, bar)?;
                gatherer.end_file()?;
                bar.inc(1);
            }
            gatherer.finish()
        })
    })
}

fn gather_file(
    index: usize,
    path: &Path,
    messages: &Receiver<Message>,
    gatherer: &mut Gatherer<'_>,
    enough: &AtomicUsize,
    bar: &ProgressBar,
) -> Result<()> {
    let own = stem(path);
    let mut is_complete = false;
    let lost = || format!("{}: its reader ended", path.display());
    loop {
        let judged = match messages.recv().with_context(lost)? {
            Message::Entries(judged) => judged,
            Message::End(end) => return end,
        };
        // How much its reader had ready before it was told differs from run to run.
        if is_complete {
            continue;
        }
        for entry in judged.recv().with_context(lost)? {
            gatherer.add(entry, path)?;
        }
        bar.set_message(format!("{} drawings", gatherer.progress.summary.read));
        // The data set's own files are named after their one word: nothing else can follow.
        is_complete = own.as_ref().is_some_and(|own| gatherer.is_complete(own));
        if is_complete {
            enough.fetch_max(index + 1, Ordering::Relaxed);
        }
    }
}

/// Puts drawings into buckets.
///
/// Which of them are duplicates is known when all are there. So that files are not read on in vain, a filter
/// counts those that certainly are none.
struct Gatherer<'a> {
    options: &'a Options,
    folder: &'a Path,
    buckets: Vec<Spool>,
    prints: Vec<Spool>,
    candidates: Spool,
    seen: Seen,
    indices: HashMap<String, usize>,
    progress: Progress,
    n_noted: usize,
}

impl<'a> Gatherer<'a> {
    fn new(folder: &'a Path, options: &'a Options, asked: &Value, mut progress: Progress) -> Result<Self> {
        progress.asked = asked.clone();
        let mut seen = Seen::new();
        let mut marks = std::mem::take(&mut progress.marks).into_iter();
        let mut open = |name: String, each: &mut dyn FnMut(&[u8])| {
            Spool::open(folder.join(name), marks.next().unwrap_or_default(), each)
                .context("it cannot be resumed; start from the beginning without --resume")
        };
        let buckets = (0..N_BUCKETS).map(|index| open(format!("bucket-{index:03}"), &mut |_| {}));
        let buckets = buckets.collect::<Result<_>>()?;
        let mut add = |bytes: &[u8]| {
            for print in bytes.chunks_exact(PRINT_BYTES) {
                seen.insert(u64::from_le_bytes(std::array::from_fn(|i| print[i])));
            }
        };
        let prints = (0..N_PRINT_FILES).map(|index| open(format!("prints-{index:02}"), &mut add));
        let prints = prints.collect::<Result<_>>()?;
        let candidates = open("candidates".to_owned(), &mut |_| {})?;
        let indices = progress.certain.iter().enumerate();
        let indices = indices.map(|(index, class)| (class.name.clone(), index)).collect();
        let n_noted = progress.summary.read;
        Ok(Self { options, folder, buckets, prints, candidates, seen, indices, progress, n_noted })
    }

    fn add(&mut self, found: Found, path: &Path) -> Result<()> {
        let summary = &mut self.progress.summary;
        summary.read += 1;
        let left_out = &mut summary.left_out;
        let kept = match found {
            Found::Drawing(kept) => kept,
            Found::Bad { number, message } => {
                let place = format!("{}:{number}: {message}", path.display());
                ensure!(!self.options.strict, "{place}");
                left_out.bad_lines += 1;
                if summary.examples.len() < MAX_EXAMPLES {
                    summary.examples.push(place);
                }
                return Ok(());
            }
            Found::OtherClass => return count(&mut left_out.other_class),
            Found::NotRecognized => return count(&mut left_out.not_recognized),
            Found::OtherCountry => return count(&mut left_out.other_country),
            Found::Empty => return count(&mut left_out.empty),
            Found::Absurd => return count(&mut left_out.absurd),
        };
        let index = match self.indices.get(&kept.word) {
            Some(&index) => index,
            None => {
                let index = self.progress.certain.len();
                ensure!(index < DataSet::MAX_CLASSES, "{:?} is one class too many", kept.word);
                self.progress.certain.push(ClassCount { name: kept.word.clone(), ..ClassCount::default() });
                self.indices.insert(kept.word.clone(), index);
                index
            }
        };
        let is_eval = self.options.is_eval(kept.identity);
        let certain = &mut self.progress.certain[index];
        if !has_room(certain, is_eval, self.options) {
            return count(&mut left_out.over_limit);
        }
        let number = self.progress.n_candidates;
        let mut is_new = true;
        if !self.options.keep_duplicates {
            let class = mix(index as u64);
            // The two kinds of hashes must not meet.
            let key = kept.has_key.then_some(!kept.identity);
            for print in [Some(kept.content), key].into_iter().flatten().map(|hash| mix(hash ^ class)) {
                is_new &= self.seen.insert(print);
                self.prints[print_file(print)].append(&print_bytes(print, number))?;
            }
        }
        *side(certain, is_eval) += usize::from(is_new);
        self.progress.n_candidates += 1;
        let candidate = Candidate { index, is_eval, was_simplified: kept.was_simplified };
        self.candidates.append(&candidate.to_bytes())?;

        let order = mix(fnv(kept.identity ^ mix(self.options.seed), kept.word.as_bytes()));
        let bucket = &mut self.buckets[bucket_of(u128::from(order))];
        bucket.append(&bucket_header(kept.packed.len(), order, number, &candidate))?;
        bucket.append(&kept.packed)
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
        if self.progress.summary.read < self.n_noted + NOTED_EVERY {
            return Ok(());
        }
        self.n_noted = self.progress.summary.read;
        let spools = self.buckets.iter_mut().chain(&mut self.prints).chain([&mut self.candidates]);
        self.progress.marks = spools.map(Spool::flush).collect::<Result<_>>()?;
        self.progress.write(self.folder)
    }

    /// Decides what is kept: in the order of the files what is no duplicate, as many as a class may have.
    fn finish(self) -> Result<Gathered> {
        let finished = |spools: Vec<Spool>| spools.into_iter().map(Spool::finish).collect::<Result<Vec<_>>>();
        let (buckets, prints) = (finished(self.buckets)?, finished(self.prints)?);
        let candidates = self.candidates.finish()?;
        let mut left_out = Bits::default();
        find_repeated(&prints, |number| left_out.set(number))?;

        let mut summary = self.progress.summary;
        let words: Vec<String> = self.progress.certain.into_iter().map(|class| class.name).collect();
        let empty = |name: &String| ClassCount { name: name.clone(), ..ClassCount::default() };
        summary.classes = words.iter().map(empty).collect();
        let mut input = candidates.read()?;
        let mut bytes = [0; Candidate::BYTES];
        let mut number = 0;
        while read_next(&mut input, &mut bytes, &candidates.path)? {
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
        ensure!(number == self.progress.n_candidates, "the list of candidates is damaged");
        summary.train = summary.classes.iter().map(|class| class.train).sum();
        summary.eval = summary.classes.iter().map(|class| class.eval).sum();
        if summary.train + summary.eval == 0 {
            bail!("no drawing is left to write: {summary}");
        }
        Ok(Gathered { summary, words, buckets, prints, candidates, left_out })
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

fn count(n: &mut usize) -> Result<()> {
    *n += 1;
    Ok(())
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
    let mut bytes = Vec::new();
    let mut places = Vec::new();
    for bucket in &gathered.buckets[bucket_of(orders.start)..=bucket_of(orders.end - 1)] {
        let n_parts = bucket.n_parts(MAX_BUCKET_BYTES);
        for part in 0..n_parts {
            read_part(bucket, part, n_parts, &orders, &gathered.left_out, &mut bytes, &mut places)?;
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
    bucket: &Finished,
    part: u64,
    n_parts: u64,
    orders: &Range<u128>,
    left_out: &Bits,
    bytes: &mut Vec<u8>,
    places: &mut Vec<Place>,
) -> Result<()> {
    bytes.clear();
    places.clear();
    let mut input = bucket.read()?;
    let mut header = [0; BUCKET_HEADER];
    while read_next(&mut input, &mut header, &bucket.path)? {
        let u64_at = |at| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let length = u64::from(u32::from_le_bytes([header[0], header[1], header[2], header[3]]));
        let (order, number) = (u64_at(4), u64_at(12));
        let is_here = (u128::from(order << 8) * u128::from(n_parts)) >> 64 == u128::from(part);
        if !is_here || !orders.contains(&u128::from(order)) || left_out.get(number) {
            input.seek_relative(length as i64)?;
            continue;
        }
        let at = bytes.len();
        let read = input.by_ref().take(length).read_to_end(bytes);
        let n = read.with_context(|| format!("{}: cannot be read", bucket.path.display()))?;
        ensure!(n as u64 == length, "{}: is damaged", bucket.path.display());
        let candidate = Candidate::from_bytes(std::array::from_fn(|i| header[20 + i]));
        let Candidate { index, is_eval, .. } = candidate;
        places.push(Place { order, at, end: bytes.len(), index, is_eval });
    }
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
        let shown = self.file_name(shard as usize);
        let Some((out, n_records)) = &mut self.current else { bail!("{shown}: not open") };
        *n_records += 1;
        let written = match self.options.format {
            Format::Tfrecord => tfrecord::write_record(out, &examples::encode(drawing, class)),
            Format::Ndjson | Format::NdjsonGz => out.write_all(line(drawing, fields, word).as_bytes()),
        };
        written.with_context(|| format!("{shown}: cannot be written"))
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

/// A line of JSON as the data set has it.
fn line(drawing: &Drawing, fields: &str, word: &str) -> String {
    let mut line = format!("{{\"word\":{},{fields}\"drawing\":[", Value::from(word));
    for (index, stroke) in drawing.strokes().iter().enumerate() {
        line.push_str(if index == 0 { "[" } else { ",[" });
        for axis in 0..2 {
            line.push_str(if axis == 0 { "[" } else { ",[" });
            for (index, point) in stroke.iter().enumerate() {
                // Writing into a String cannot fail.
                let _ = write!(line, "{}{}", if index == 0 { "" } else { "," }, point[axis] as u8);
            }
            line.push(']');
        }
        line.push(']');
    }
    line.push_str("]}\n");
    line
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
        const N: u64 = 6000;
        let folder = TempDir::new().expect("a folder");
        let mut spool = Spool::open(folder.path().join("bucket"), Mark::default(), |_| {}).expect("a file");
        let mut left_out = Bits::default();
        let mut expected = Vec::new();
        let half = 0x7f << 56 | 1 << 55;
        for number in 0..N {
            let order = mix(number) >> 8 | 0x7f << 56;
            let content = number.to_le_bytes().repeat(500);
            let candidate =
                Candidate { index: number as usize % 7, is_eval: number % 3 == 0, was_simplified: false };
            spool.append(&bucket_header(content.len(), order, number, &candidate)).expect("room on the disk");
            spool.append(&content).expect("room on the disk");
            if number % 10 == 0 {
                left_out.set(number);
            } else if order >= half {
                expected.push((order, candidate.index, candidate.is_eval, content));
            }
        }
        expected.sort();
        let bucket = spool.finish().expect("room on the disk");
        let n_parts = bucket.n_parts(MAX_BUCKET_BYTES);
        assert_eq!(n_parts, 4);
        let (mut bytes, mut places, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let orders = u128::from(half)..1 << 64;
        for part in 0..n_parts {
            read_part(&bucket, part, n_parts, &orders, &left_out, &mut bytes, &mut places)
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
