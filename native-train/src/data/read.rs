//! A folder of Quick, Draw! files, usually one category each -> a [`DataSet`].
//!
//! The files may have any published [`format`](super::format), and be of different ones. One record
//! is one drawing, simplified or raw; its label is `word`, and `soft` ({label: probability}) where
//! a record has it becomes soft labels. Files are read in parallel; the result does not depend on
//! the number of threads. A bad line is counted, reported and skipped; what makes the whole folder
//! doubtful is an error.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rayon::prelude::*;

use super::format::entry::Entry;
use super::format::names::{is_shard, stem};
use super::format::open::Records;
use super::inputs::find_inputs;
use super::set::DataSet;

/// How many bad lines a report shows.
const MAX_EXAMPLES: usize = 10;

/// Which drawings of a folder to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The classes expected, as those of a model: the labels are in their order, and any other word
    /// is an error. Without them the classes are the words of the folder, sorted.
    pub labels: Option<Vec<String>>,
    /// Whether drawings of other classes than `labels` are skipped instead of being an error.
    pub selects: bool,
    /// Number of drawings to skip at the start of each class of a file.
    pub skip_per_class: usize,
    /// The most drawings of a class to read, after those that are skipped.
    pub max_per_class: Option<usize>,
}

/// Counts of what was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadReport {
    /// Files read.
    pub n_files: usize,
    /// Drawings kept.
    pub n_drawings: usize,
    /// Drawings that were not in simplified form and have been simplified.
    pub n_simplified: usize,
    /// Lines that hold no valid drawing.
    pub n_bad_lines: usize,
    /// The first bad lines, each as `path:line: message`.
    pub examples: Vec<String>,
    /// Drawings of other classes than those selected, as far as files were read.
    pub n_other_classes: usize,
    /// Soft labels of classes that the folder has no drawings of; they were dropped.
    pub n_unknown_soft: usize,
    /// Other files of the folder, which were ignored.
    pub n_other_files: usize,
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", count(self.n_drawings, "drawing"), count(self.n_files, "file"))?;
        if self.n_simplified > 0 {
            write!(f, "; {} simplified first", self.n_simplified)?;
        }
        if self.n_other_files > 0 {
            write!(f, "; {} passed over", count(self.n_other_files, "other file"))?;
        }
        if self.n_other_classes > 0 {
            write!(f, "; {} of other classes passed over", count(self.n_other_classes, "drawing"))?;
        }
        if self.n_unknown_soft > 0 {
            write!(f, "; {} of unknown classes dropped", count(self.n_unknown_soft, "soft label"))?;
        }
        if self.n_bad_lines > 0 {
            write!(f, "\n{} left out:", count(self.n_bad_lines, "bad line"))?;
            for example in &self.examples {
                write!(f, "\n  {example}")?;
            }
            let n_more = self.n_bad_lines - self.examples.len();
            if n_more > 0 {
                write!(f, "\n  and {n_more} more")?;
            }
        }
        Ok(())
    }
}

impl ReadReport {
    /// Counts a line that holds no valid drawing.
    pub(crate) fn add_bad_line(&mut self, path: &Path, line_number: u64, message: &dyn fmt::Display) {
        self.n_bad_lines += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(format!("{}:{line_number}: {message}", path.display()));
        }
    }

    /// Adds the counts of a file.
    fn add(&mut self, part: FilePart) {
        self.n_simplified += part.n_simplified;
        self.n_bad_lines += part.n_bad_lines;
        self.n_other_classes += part.n_other_classes;
        let room = MAX_EXAMPLES - self.examples.len();
        self.examples.extend(part.examples.into_iter().take(room));
    }
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Reads all files of drawings in `folder`, in the sorted order of their names: `*.ndjson`,
/// `*.jsonl`, `*.csv`, `*.bin`, `*.npz`, `*.tfrecord-00000-of-00010`, `*.tar`, and each with `.gz`
/// or `.zst`. It may also be one file, a pattern as `data/training.tfrecord-*`, or `-` for standard
/// input.
///
/// # Errors
/// A folder or file that cannot be read to its end, a folder without such files, a file without a
/// single valid drawing, a word that is not among `options.labels`.
pub fn read_folder(folder: &Path, options: &ReadOptions) -> Result<(DataSet, ReadReport)> {
    let parts = FolderParts::read(folder, options)?;
    let labels = options.labels.clone().unwrap_or_else(|| parts.words().into_iter().collect());
    parts.into_data(labels, options)
}

/// Reads several folders as [`read_folder`] does, each with its own options, into data sets of the
/// same classes: `labels`, or without them the words of all folders, sorted. (The `labels` of the
/// options do not count.)
///
/// # Errors
/// As [`read_folder`].
pub fn read_folders(
    folders: &[(&Path, ReadOptions)],
    labels: Option<Vec<String>>,
) -> Result<Vec<(DataSet, ReadReport)>> {
    let mut all = Vec::with_capacity(folders.len());
    let mut words = BTreeSet::new();
    for (folder, options) in folders {
        let options = ReadOptions { labels: labels.clone(), ..options.clone() };
        let parts = FolderParts::read(folder, &options)?;
        if labels.is_none() {
            words.extend(parts.words());
        }
        all.push((parts, options));
    }
    let labels = labels.unwrap_or_else(|| words.into_iter().collect());
    all.into_iter().map(|(parts, options)| parts.into_data(labels.clone(), &options)).collect()
}

/// The files of a folder, read, before the classes are known.
struct FolderParts {
    folder: PathBuf,
    parts: Vec<FilePart>,
    n_other_files: usize,
}

impl FolderParts {
    fn read(folder: &Path, options: &ReadOptions) -> Result<Self> {
        let (files, n_other_files) = list_files(folder)?;
        let parts = files
            .par_iter()
            .map(|path| read_file(path, options))
            .collect::<Vec<Result<FilePart>>>()
            .into_iter()
            // Not in the parallel part, so that it is always the first file's error that is
            // reported.
            .collect::<Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), parts, n_other_files })
    }

    /// The words that have drawings.
    fn words(&self) -> BTreeSet<String> {
        self.parts.iter().flat_map(FilePart::words).cloned().collect()
    }

    fn into_data(self, labels: Vec<String>, options: &ReadOptions) -> Result<(DataSet, ReadReport)> {
        let Self { folder, parts, n_other_files } = self;
        let mut data = DataSet::new(labels)?;
        let mut report = ReadReport { n_files: parts.len(), n_other_files, ..ReadReport::default() };
        for part in parts {
            report.n_unknown_soft += data.append(&part.data, options.max_per_class)?;
            report.add(part);
        }
        report.n_drawings = data.len();
        ensure!(
            !data.is_empty() || report.n_other_classes == 0,
            "{}: no drawing is of the {} classes asked for: {}",
            folder.display(),
            data.n_classes(),
            abbreviate(data.labels())
        );
        ensure!(
            !data.is_empty(),
            "{}: no drawing is left after passing over {} of each class",
            folder.display(),
            options.skip_per_class
        );
        Ok((data, report))
    }
}

/// The number of drawings of a part of [`for_each_part`], unless a single file has more.
const PART_SIZE: usize = 8192;

/// Reads all files of drawings in `folder`, as [`read_folder`] does, and hands their drawings on in
/// parts of whole files, so that a folder of any size takes the memory of its largest file.
///
/// # Errors
/// A folder or file that cannot be read to its end, a folder without such files, a file without a
/// single valid drawing, a word that is not among `labels`, and whatever `each` fails with.
pub fn for_each_part(
    folder: &Path,
    labels: &[String],
    mut each: impl FnMut(&DataSet) -> Result<()>,
) -> Result<ReadReport> {
    let (files, n_other_files) = list_files(folder)?;
    let options = ReadOptions { labels: Some(labels.to_vec()), ..ReadOptions::default() };
    let mut report = ReadReport { n_files: files.len(), n_other_files, ..ReadReport::default() };
    let empty = DataSet::new(labels.to_vec())?;
    let mut waiting = empty.clone();
    for path in &files {
        let part = read_file(path, &options)?;
        report.n_unknown_soft += waiting.append(&part.data, None)?;
        report.n_drawings += part.data.len();
        report.add(part);
        if waiting.len() >= PART_SIZE {
            each(&waiting)?;
            waiting = empty.clone();
        }
    }
    if !waiting.is_empty() {
        each(&waiting)?;
    }
    Ok(report)
}

/// The files of drawings of a folder, a file, a pattern or `-` ([`find_inputs`]), sorted, and the
/// number of other files of the folder.
pub(crate) fn list_files(folder: &Path) -> Result<(Vec<PathBuf>, usize)> {
    let inputs = find_inputs(&[folder.to_owned()])?;
    Ok((inputs.files, inputs.n_other_files))
}

/// The drawings of one file; labels are of this file alone.
struct FilePart {
    data: DataSet,
    n_simplified: usize,
    n_bad_lines: usize,
    n_other_classes: usize,
    examples: Vec<String>,
}

impl FilePart {
    /// The words that have drawings. (Others are known from soft labels only.)
    fn words(&self) -> impl Iterator<Item = &String> {
        let counts = self.data.class_counts();
        self.data
            .labels()
            .iter()
            .enumerate()
            .filter(move |(index, _)| counts[*index] > 0)
            .map(|(_, word)| word)
    }

    fn add_bad_line(&mut self, path: &Path, line_number: u64, message: &dyn fmt::Display) {
        self.n_bad_lines += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(format!("{}:{line_number}: {message}", path.display()));
        }
    }
}

fn read_file(path: &Path, options: &ReadOptions) -> Result<FilePart> {
    let shown = path.display();
    let mut records = Records::open(path)?;
    let stem = stem(path);
    let mut part = FilePart {
        data: DataSet::default(),
        n_simplified: 0,
        n_bad_lines: 0,
        n_other_classes: 0,
        examples: Vec::new(),
    };
    let mut n_valid = 0_usize;
    let mut n_seen: Vec<usize> = Vec::new();
    while let Some(Entry { number, record }) =
        records.next_entry().with_context(|| format!("{shown}: cannot be read to its end"))?
    {
        let record = match record {
            Ok(record) => record,
            Err(message) => {
                part.add_bad_line(path, number, &message);
                continue;
            }
        };
        if let Some(labels) = &options.labels
            && !labels.contains(&record.word)
        {
            if options.selects {
                part.n_other_classes += 1;
                // A file of the data set is named after its only class: nothing else can follow.
                if stem.as_ref() == Some(&record.word) {
                    break;
                }
                continue;
            }
            bail!(
                "{shown}:{number}: the word {:?} is not one of the {} classes expected: {}",
                record.word,
                labels.len(),
                abbreviate(labels)
            );
        }
        let label = part.data.label_of(&record.word)?;
        let soft: Vec<(u16, f32)> = match &record.soft {
            Some(soft) => soft
                .iter()
                .map(|(word, &probability)| Ok((part.data.label_of(word)? as u16, probability)))
                .collect::<Result<_>>()?,
            None => Vec::new(),
        };
        n_seen.resize(part.data.n_classes(), 0);
        n_seen[label] += 1;
        if n_seen[label] <= options.skip_per_class {
            n_valid += 1;
            continue;
        }
        if let Some(most) = options.max_per_class
            && n_seen[label] - options.skip_per_class > most
        {
            // A file of the data set is named after its only class: nothing else can follow.
            if stem.as_ref() == Some(&record.word) {
                break;
            }
            continue;
        }
        match part.data.push(label, &record.drawing, &soft) {
            Ok(was_simplified) => {
                n_valid += 1;
                part.n_simplified += usize::from(was_simplified);
            }
            Err(error) => part.add_bad_line(path, number, &error),
        }
    }
    if n_valid == 0 && part.n_other_classes == 0 {
        match part.examples.first() {
            Some(example) => {
                bail!(
                    "{shown}: no valid drawing in {}; the first: {example}",
                    count(part.n_bad_lines, "line")
                )
            }
            // Few drawings leave some of many shards empty.
            None if is_shard(path) => {}
            None => bail!("{shown}: the file is empty"),
        }
    }
    Ok(part)
}

fn abbreviate(labels: &[String]) -> String {
    const N_SHOWN: usize = 8;
    let shown = labels.iter().take(N_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if labels.len() > N_SHOWN { format!("{shown}, ...") } else { shown }
}
