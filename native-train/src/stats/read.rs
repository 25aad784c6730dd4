//! Reads files of drawings and collects the statistics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use quickdraw_core::Record;
use rayon::prelude::*;
use serde::Serialize;

use super::duplicates::{Distinct, Duplicates, Occurrences, place};
use super::group::{Figures, Group, Size, hash, seconds};
use super::oddities::{Oddity, Places};
use crate::categories;
use crate::data::format::entry::Entry;
use crate::data::format::names::stem;
use crate::data::format::open::Records;
use crate::data::list_files;
use crate::hash::{FNV_OFFSET, fnv, mix};
use crate::numbers::thousands;
use crate::sync::locked;

/// The most categories and countries with separate counts; drawings of others count in the totals
/// only.
const MAX_CLASSES: usize = 1024;
const MAX_COUNTRIES: usize = 1024;

/// Distinct drawings that are kept in memory to find duplicates. The whole program then takes up to
/// 240 MB, most while their table grows.
const MAX_DISTINCT: usize = 1_800_000;

/// Drawings that a thread hashes before it waits for the others.
const HASHES_AT_ONCE: usize = 4096;

/// A drawing with more points, or of a larger extent, is suspicious: no real one comes near.
const MANY_POINTS: u64 = 5000;
const LARGE_EXTENT: u64 = 10_000;

/// Minimum share of a file's drawings that one word must have for others to be called wrong.
const OWN_WORD_SHARE: f64 = 0.9;

/// Options of the statistics.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Drawings of each category that are kept for its sheet.
    pub samples_per_class: usize,
    /// The most distinct drawings for which duplicates are counted exactly.
    pub max_distinct: usize,
    /// No progress display.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { samples_per_class: 0, max_distinct: MAX_DISTINCT, quiet: true }
    }
}

/// What was found in files of drawings.
#[derive(Debug, Default)]
pub struct Stats {
    options: Option<Options>,
    pub(super) all: Group,
    pub(super) classes: BTreeMap<String, Group>,
    n_of_further_classes: u64,
    pub(super) countries: BTreeMap<String, u64>,
    oddities: BTreeMap<Oddity, Places>,
    /// Number of the file and what is wrong with it.
    odd_files: Vec<(usize, String)>,
    n_unreadable: usize,
    /// Number of drawings and sum of their hashes -> the files with these.
    contents: BTreeMap<(u64, u64), Vec<usize>>,
    duplicates: Option<Duplicates>,
    files: Vec<PathBuf>,
}

/// Statistics of files of drawings.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Files that were read.
    pub files: usize,
    /// Of all drawings together.
    pub all: Figures,
    /// Of each category.
    pub classes: BTreeMap<String, Figures>,
    /// Drawings of categories beyond the first thousand, which are not counted separately.
    pub of_further_classes: u64,
    /// Drawings by country, most first.
    pub countries: Vec<(String, u64)>,
    /// Drawings that occur more than once.
    pub duplicates: Option<Duplicates>,
    /// Suspicious drawings, by kind.
    pub suspicious: Vec<Suspicious>,
    /// Suspicious files.
    pub suspicious_files: Vec<String>,
}

/// Drawings with something wrong.
#[derive(Debug, Serialize)]
pub struct Suspicious {
    /// What it is.
    pub kind: Oddity,
    /// How many there are.
    pub n: u64,
    /// The first ones: `path:line`, and more where there is more to say.
    pub first: Vec<String>,
}

/// The files that the arguments name: files themselves, and those in folders.
///
/// # Errors
/// When something is not there, or a folder has none.
pub fn files_of(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in arguments {
        if path.is_dir() {
            files.extend(list_files(path)?.0);
        } else {
            ensure!(path.exists(), "{}: there is no such file or folder", path.display());
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Reads all files.
///
/// # Errors
/// When there is not a single drawing in them.
pub fn read(files: Vec<PathBuf>, options: Options) -> Result<Stats> {
    let bar = if options.quiet { ProgressBar::hidden() } else { ProgressBar::new(files.len() as u64) };
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} files, {msg} drawings, {elapsed}") {
        bar.set_style(style);
    }
    let n_seen = Mutex::new(0_u64);
    let distinct = Mutex::new(Distinct::new(options.max_distinct));
    let together = Mutex::new(Stats { options: Some(options), ..Stats::default() });
    files.par_iter().enumerate().for_each(|(index, path)| {
        let hand_over = |hashes: &mut Vec<(u64, Occurrences)>| {
            let mut n_seen = locked(&n_seen);
            *n_seen += hashes.len() as u64;
            bar.set_message(thousands(*n_seen as usize));
            drop(n_seen);
            let mut distinct = locked(&distinct);
            hashes.drain(..).for_each(|(hash, found)| distinct.add(hash, found));
        };
        let part = read_file(index, path, options, hand_over);
        locked(&together).merge(part);
        bar.inc(1);
    });
    bar.finish_and_clear();
    let mut stats = together.into_inner().unwrap_or_else(PoisonError::into_inner);
    let distinct = distinct.into_inner().unwrap_or_else(PoisonError::into_inner);
    stats.duplicates = Some(distinct.figures(&files));
    stats.files = files;
    stats.odd_files.sort();
    if stats.all.n == 0 {
        let first = stats.suspicious_files().into_iter().next().unwrap_or_default();
        anyhow::bail!("no drawing in {} files; the first: {first}", stats.files.len());
    }
    Ok(stats)
}

/// The words of a file that are not its own, by number and first line.
const MAX_WORDS: usize = 4096;

fn read_file(
    index: usize,
    path: &Path,
    options: Options,
    hand_over: impl Fn(&mut Vec<(u64, Occurrences)>),
) -> Stats {
    let mut part = Stats { options: Some(options), ..Stats::default() };
    let mut words = BTreeMap::<String, (u64, u64)>::new();
    let mut hashes = Vec::with_capacity(HASHES_AT_ONCE);
    let mut sum_of_hashes = 0_u64;
    let mut records = match Records::open(path) {
        Ok(records) => records,
        Err(error) => {
            part.n_unreadable = 1;
            // The path is told with every file that is odd.
            let text = format!("{error:#}");
            let shown = format!("{}: ", path.display());
            part.odd_files.push((index, text.strip_prefix(&shown).unwrap_or(&text).to_owned()));
            return part;
        }
    };
    loop {
        let (number, record) = match records.next_entry() {
            Ok(Some(Entry { number, record })) => (number, record),
            Ok(None) => break,
            Err(error) => {
                part.n_unreadable = 1;
                part.odd_files.push((index, format!("cannot be read to its end: {error}")));
                break;
            }
        };
        let record = match record {
            Ok(record) => record,
            Err(message) => {
                part.oddities.entry(Oddity::NoDrawing).or_default().add(1, index, number, || message);
                continue;
            }
        };
        let hash = hash(&record.drawing);
        sum_of_hashes = sum_of_hashes.wrapping_add(mix(hash));
        let word = word_hash(&record.word);
        let found = Occurrences { n: 1, file: index as u32, number, word, has_other_words: false };
        hashes.push((hash, found));
        if hashes.len() == HASHES_AT_ONCE {
            hand_over(&mut hashes);
        }
        part.add(index, number, &record, hash, options);
        if let Some((n, _)) = words.get_mut(&record.word) {
            *n += 1;
        } else if words.len() < MAX_WORDS {
            words.insert(record.word, (1, number));
        }
    }
    hand_over(&mut hashes);
    part.judge_file(index, path, &words);
    if part.all.n > 0 {
        part.contents.insert((part.all.n, sum_of_hashes), vec![index]);
    }
    part
}

impl Stats {
    fn samples_per_class(&self) -> usize {
        self.options.map_or(0, |options| options.samples_per_class)
    }

    fn add(&mut self, file: usize, number: u64, record: &Record, hash: u64, options: Options) {
        let size = Size::of(&record.drawing);
        let time = record.timestamp.as_deref().and_then(seconds);
        self.all.add(record, &size, time);
        if self.classes.len() < MAX_CLASSES && !self.classes.contains_key(&record.word) {
            self.classes.insert(record.word.clone(), Group::default());
        }
        if let Some(class) = self.classes.get_mut(&record.word) {
            class.add(record, &size, time);
            if options.samples_per_class > 0 {
                class.samples.add(hash, &record.drawing, options.samples_per_class);
            }
        } else {
            self.n_of_further_classes += 1;
        }
        if let Some(country) = &record.countrycode {
            if let Some(n) = self.countries.get_mut(country) {
                *n += 1;
            } else if self.countries.len() < MAX_COUNTRIES {
                self.countries.insert(country.clone(), 1);
            }
        }
        let mut odd = |kind: Oddity, message: String| {
            self.oddities.entry(kind).or_default().add(1, file, number, || message);
        };
        if size.n_points == 1 {
            odd(Oddity::OnePoint, record.word.clone());
        } else if size.extent == 0 {
            odd(Oddity::NoExtent, record.word.clone());
        }
        if size.n_points > MANY_POINTS {
            odd(Oddity::ManyPoints, format!("{}, {} points", record.word, size.n_points));
        }
        if size.extent > LARGE_EXTENT {
            odd(Oddity::Large, format!("{}, {} units", record.word, size.extent));
        }
    }

    /// Checks a file for suspicious things, given its words with their numbers of drawings and
    /// first lines.
    fn judge_file(&mut self, index: usize, path: &Path, words: &BTreeMap<String, (u64, u64)>) {
        let n = self.all.n;
        let n_bad = self.oddities.get(&Oddity::NoDrawing).map_or(0, |places| places.n);
        if n == 0 && self.n_unreadable == 0 {
            let what = if n_bad == 0 {
                "is empty".to_owned()
            } else {
                format!("none of {n_bad} lines is a drawing")
            };
            self.odd_files.push((index, what));
        } else if n_bad * 100 > n {
            self.odd_files.push((index, format!("{n_bad} of {} lines are no drawings", n + n_bad)));
        }
        let Some((own, &(n_own, _))) = words.iter().max_by_key(|(_, (n, _))| *n) else { return };
        if (n_own as f64) < OWN_WORD_SHARE * n as f64 {
            // A file of many categories has no main word.
            return;
        }
        for (word, &(n, first)) in words.iter().filter(|(word, _)| *word != own) {
            let places = self.oddities.entry(Oddity::WrongWord).or_default();
            places.add(n, index, first, || format!("{word} ({n}) among drawings of {own}"));
        }
        if let Some(stem) =
            stem(path).filter(|stem| stem != own && categories::names().any(|name| name == stem))
        {
            self.odd_files.push((index, format!("is called {stem}, but holds drawings of {own}")));
        }
    }

    fn merge(&mut self, other: Self) {
        let most = self.samples_per_class();
        self.all.merge(other.all, most);
        for (word, group) in other.classes {
            if self.classes.len() < MAX_CLASSES || self.classes.contains_key(&word) {
                self.classes.entry(word).or_default().merge(group, most);
            } else {
                self.n_of_further_classes += group.n;
            }
        }
        self.n_of_further_classes += other.n_of_further_classes;
        for (country, n) in other.countries {
            if self.countries.len() < MAX_COUNTRIES || self.countries.contains_key(&country) {
                *self.countries.entry(country).or_default() += n;
            }
        }
        for (kind, places) in other.oddities {
            self.oddities.entry(kind).or_default().merge(places);
        }
        self.odd_files.extend(other.odd_files);
        self.n_unreadable += other.n_unreadable;
        for (key, files) in other.contents {
            self.contents.entry(key).or_default().extend(files);
        }
    }

    fn suspicious_files(&self) -> Vec<String> {
        let name =
            |index: usize| self.files.get(index).map_or_else(String::new, |path| path.display().to_string());
        let mut texts: Vec<String> =
            self.odd_files.iter().map(|(index, what)| format!("{}: {what}", name(*index))).collect();
        for files in self.contents.values().filter(|files| files.len() > 1) {
            let mut files: Vec<String> = files.iter().map(|&index| name(index)).collect();
            files.sort();
            texts.push(format!("{}: the same drawings as {}", files[1..].join(", "), files[0]));
        }
        texts
    }

    /// The statistics in numbers.
    pub fn summary(&self) -> Summary {
        let mut countries: Vec<(String, u64)> =
            self.countries.iter().map(|(name, &n)| (name.clone(), n)).collect();
        countries.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let first = |places: &Places| -> Vec<String> {
            let text = |(file, number, message): &(usize, u64, String)| {
                format!("{}: {message}", place(&self.files, *file, *number))
            };
            places.first.iter().map(text).collect()
        };
        Summary {
            files: self.files.len(),
            all: self.all.figures(),
            classes: self.classes.iter().map(|(word, group)| (word.clone(), group.figures())).collect(),
            of_further_classes: self.n_of_further_classes,
            countries,
            duplicates: self.duplicates.clone(),
            suspicious: self
                .oddities
                .iter()
                .map(|(&kind, places)| Suspicious { kind, n: places.n, first: first(places) })
                .collect(),
            suspicious_files: self.suspicious_files(),
        }
    }

    /// Files that could not be read to their ends.
    pub fn n_unreadable(&self) -> usize {
        self.n_unreadable
    }
}

/// A hash of a word.
pub(super) fn word_hash(word: &str) -> u32 {
    mix(fnv(FNV_OFFSET, word.as_bytes())) as u32
}
