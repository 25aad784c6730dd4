//! Files of drawings in, what they are made of out: counts, sizes, countries, times, duplicates, and what looks wrong.
//!
//! Everything is read once, drawing by drawing, by all threads, and the memory does not grow with the number of
//! drawings: sizes go into histograms whose buckets are at most 3 % wide; the drawings of a category that are kept as
//! samples are those with the smallest hashes; so are those by which duplicates are counted, once there are more than
//! 1.8 million different ones ([`Distinct`]). All of these can be joined in any order, so that the result depends on
//! the drawings alone.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use quickdraw_core::{Drawing, Record};
use rayon::prelude::*;
use serde::Serialize;

use crate::checkpoint::write_atomic;
use crate::data::mix;
use crate::data::ndjson::list_files;
use crate::data::records::{Entry, Records, stem};
use crate::download::categories;
use crate::report::{drawings, percent, stats as pictures, thousands};

/// Categories and countries that are counted apart; drawings of further ones only count in the sums.
const MAX_CLASSES: usize = 1024;
const MAX_COUNTRIES: usize = 1024;

/// Different drawings that are remembered to find duplicates. The whole program then takes up to 240 MB, most while their
/// table grows.
const MAX_DISTINCT: usize = 1_800_000;

/// Drawings that a thread hashes before it waits for the others.
const HASHES_AT_ONCE: usize = 4096;

/// Places that are told of each kind of finding.
const MAX_EXAMPLES: usize = 10;

/// A drawing with more points, or of a larger extent, is suspicious: no real one comes near.
const MANY_POINTS: u64 = 5000;
const LARGE_EXTENT: u64 = 10_000;

/// Part of a file that one word must have, for the others to be called wrong.
const OWN_WORD_SHARE: f64 = 0.9;

/// How to look at the data.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Drawings of each category that are kept for its sheet.
    pub samples_per_class: usize,
    /// Different drawings remembered to find duplicates, exactly up to so many.
    pub max_distinct: usize,
    /// No progress display.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { samples_per_class: 0, max_distinct: MAX_DISTINCT, quiet: true }
    }
}

/// Counts of whole numbers: exactly below 64, above that in buckets of a thirty-second of an octave.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    n: u64,
    sum: u128,
    most: u64,
}

impl Histogram {
    const EXACT: u64 = 64;
    const PER_OCTAVE: u64 = 32;

    fn add(&mut self, value: u64) {
        let bucket = match value {
            0..Self::EXACT => value,
            // 2^exponent <= value, and the five bits after the first.
            _ => {
                let exponent = u64::from(value.ilog2());
                Self::EXACT + (exponent - 6) * Self::PER_OCTAVE + ((value >> (exponent - 5)) & 31)
            }
        } as usize;
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.n += 1;
        self.sum += u128::from(value);
        self.most = self.most.max(value);
    }

    fn join(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (own, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += others;
        }
        self.n += other.n;
        self.sum += other.sum;
        self.most = self.most.max(other.most);
    }

    /// Where a bucket begins, and how many numbers it is for.
    fn bounds(bucket: usize) -> (u64, u64) {
        let bucket = bucket as u64;
        if bucket < Self::EXACT {
            return (bucket, 1);
        }
        let (octave, part) =
            ((bucket - Self::EXACT) / Self::PER_OCTAVE, (bucket - Self::EXACT) % Self::PER_OCTAVE);
        ((Self::PER_OCTAVE + part) << (octave + 1), 1 << (octave + 1))
    }

    /// The value that a share of all does not exceed, to 3 %.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = (share * self.n as f64).ceil().max(1.0) as u64;
        let mut n = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            n += count;
            if n >= rank {
                let (begin, width) = Self::bounds(bucket);
                return (begin + (width - 1) / 2).min(self.most);
            }
        }
        self.most
    }

    /// The mean, exactly.
    pub fn mean(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.sum as f64 / self.n as f64 }
    }

    /// Counts in bars of equal width from 0 up to `end`; a bucket wider than a bar is spread over those it covers.
    pub(crate) fn bars(&self, end: u64, n_bars: usize) -> Vec<f64> {
        let mut bars = vec![0.0; n_bars];
        let width = end as f64 / n_bars as f64;
        for (bucket, &count) in self.buckets.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let (begin, length) = Self::bounds(bucket);
            let (begin, finish) = (begin as f64, (begin + length) as f64);
            let first = (begin / width) as usize;
            for (bar, height) in bars.iter_mut().enumerate().skip(first) {
                let overlap = finish.min((bar + 1) as f64 * width) - begin.max(bar as f64 * width);
                if overlap <= 0.0 {
                    break;
                }
                *height += count as f64 * overlap / length as f64;
            }
        }
        bars
    }

    fn figures(&self) -> Sizes {
        let [p5, median, p95] = [0.05, 0.5, 0.95].map(|share| self.quantile(share));
        Sizes { mean: self.mean(), p5, median, p95, max: self.most }
    }
}

/// A histogram in five numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Sizes {
    /// Mean, exactly.
    pub mean: f64,
    /// What 5 % do not exceed, to 3 %, as the next two.
    pub p5: u64,
    /// What half do not exceed.
    pub median: u64,
    /// What 95 % do not exceed.
    pub p95: u64,
    /// The largest, exactly.
    pub max: u64,
}

/// Some drawings of a category, those with the smallest hashes: whatever the order, the same.
#[derive(Clone, Debug, Default)]
struct Samples(BTreeMap<u64, Drawing>);

impl Samples {
    fn add(&mut self, hash: u64, drawing: &Drawing, most: usize) {
        // Mixed once more, because the hash itself decides which duplicates are remembered.
        let rank = mix(hash);
        if self.0.len() < most || self.0.last_key_value().is_some_and(|(&last, _)| rank < last) {
            self.0.entry(rank).or_insert_with(|| drawing.simplify());
            self.trim(most);
        }
    }

    fn trim(&mut self, most: usize) {
        while self.0.len() > most {
            self.0.pop_last();
        }
    }

    fn join(&mut self, other: Self, most: usize) {
        self.0.extend(other.0);
        self.trim(most);
    }
}

/// What is counted of all drawings, and of those of a category.
#[derive(Clone, Debug, Default)]
pub struct Group {
    n: u64,
    /// Points, strokes, length of all strokes in units of the file.
    pub(crate) points: Histogram,
    pub(crate) strokes: Histogram,
    pub(crate) length: Histogram,
    n_judged: u64,
    n_recognised: u64,
    /// First and last time, seconds since 1970.
    times: Option<(i64, i64)>,
    samples: Samples,
}

impl Group {
    fn add(&mut self, record: &Record, size: &Size, time: Option<i64>) {
        self.n += 1;
        self.points.add(size.n_points);
        self.strokes.add(record.drawing.strokes().len() as u64);
        self.length.add(size.length);
        self.n_judged += u64::from(record.recognized.is_some());
        self.n_recognised += u64::from(record.recognized == Some(true));
        self.join_times(time.map(|time| (time, time)));
    }

    fn join_times(&mut self, others: Option<(i64, i64)>) {
        self.times = match (self.times, others) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
    }

    fn join(&mut self, other: Self, most: usize) {
        self.n += other.n;
        self.points.join(&other.points);
        self.strokes.join(&other.strokes);
        self.length.join(&other.length);
        self.n_judged += other.n_judged;
        self.n_recognised += other.n_recognised;
        self.join_times(other.times);
        self.samples.join(other.samples, most);
    }

    fn figures(&self) -> Figures {
        Figures {
            drawings: self.n,
            points: self.points.figures(),
            strokes: self.strokes.figures(),
            length: self.length.figures(),
            recognised: (self.n_judged > 0).then(|| self.n_recognised as f64 / self.n_judged as f64),
            first: self.times.map(|times| date(times.0)),
            last: self.times.map(|times| date(times.1)),
        }
    }
}

/// What is told of all drawings, and of those of a category.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// How many there are.
    pub drawings: u64,
    /// Points of a drawing.
    pub points: Sizes,
    /// Strokes of a drawing.
    pub strokes: Sizes,
    /// Length of all its strokes together, in units of its file: of the larger side's 255th in simplified drawings.
    pub length: Sizes,
    /// Share that the game recognised, of those that say.
    pub recognised: Option<f64>,
    /// When the first was drawn.
    pub first: Option<String>,
    /// When the last was drawn.
    pub last: Option<String>,
}

/// Sizes of one drawing.
struct Size {
    n_points: u64,
    length: u64,
    extent: u64,
}

impl Size {
    fn of(drawing: &Drawing) -> Self {
        let mut length = 0.0_f64;
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for stroke in drawing.strokes() {
            for pair in stroke.windows(2) {
                length += f64::from((pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]));
            }
            for point in stroke {
                for axis in 0..2 {
                    low[axis] = low[axis].min(point[axis]);
                    high[axis] = high[axis].max(point[axis]);
                }
            }
        }
        let extent = (high[0] - low[0]).max(high[1] - low[1]);
        // Rounded up, so that only what has none is 0.
        Self {
            n_points: drawing.n_points() as u64,
            length: length.round() as u64,
            extent: extent.ceil() as u64,
        }
    }
}

/// What a drawing, or a line that should be one, can have wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// The line is no drawing at all.
    NoDrawing,
    /// There is one point only.
    OnePoint,
    /// All its points lie at one place.
    NoExtent,
    /// It has more than 5,000 points.
    ManyPoints,
    /// It is larger than 10,000 units.
    Large,
    /// Its word is not that of nearly all others of its file.
    WrongWord,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDrawing => "lines that are no drawings",
            Self::OnePoint => "drawings of one point",
            Self::NoExtent => "drawings whose points all lie at one place",
            Self::ManyPoints => "drawings of more than 5,000 points",
            Self::Large => "drawings larger than 10,000 units",
            Self::WrongWord => "drawings whose word is not that of their file",
        })
    }
}

/// How often something was found, and the first places.
#[derive(Clone, Debug, Default)]
struct Places {
    n: u64,
    /// Number of the file, line, and what is to be said.
    first: Vec<(usize, u64, String)>,
}

impl Places {
    fn add(&mut self, n: u64, file: usize, number: u64, message: impl FnOnce() -> String) {
        self.n += n;
        if self.first.len() < MAX_EXAMPLES {
            self.first.push((file, number, message()));
        }
    }

    fn join(&mut self, other: Self) {
        self.n += other.n;
        self.first.extend(other.first);
        self.first.sort();
        self.first.truncate(MAX_EXAMPLES);
    }
}

/// How often each drawing occurs: exactly while there are at most so many different ones; with more, only of those whose hash ends in a zero
/// bit, then in two and so on, which are a random half, a quarter and so on of the drawings, with all their copies.
#[derive(Debug, Default)]
struct Distinct {
    occurrences: HashMap<u64, Occurrences>,
    n_zeros: u32,
    most: usize,
}

/// The copies of a drawing.
#[derive(Clone, Copy, Debug)]
struct Occurrences {
    n: u32,
    file: u32,
    number: u64,
    word: u32,
    has_other_words: bool,
}

impl Distinct {
    fn is_kept(n_zeros: u32, hash: u64) -> bool {
        hash.trailing_zeros() >= n_zeros
    }

    fn add(&mut self, hash: u64, found: Occurrences) {
        if !Self::is_kept(self.n_zeros, hash) {
            return;
        }
        self.occurrences
            .entry(hash)
            .and_modify(|known| {
                known.n = known.n.saturating_add(1);
                known.has_other_words |= known.word != found.word;
                if (found.file, found.number) < (known.file, known.number) {
                    (known.file, known.number) = (found.file, found.number);
                }
            })
            .or_insert(found);
        while self.occurrences.len() > self.most {
            self.n_zeros += 1;
            let n_zeros = self.n_zeros;
            self.occurrences.retain(|&hash, _| Self::is_kept(n_zeros, hash));
        }
    }

    fn figures(&self, files: &[PathBuf]) -> Duplicates {
        let scale = 2_f64.powi(self.n_zeros as i32);
        let mut repeated: Vec<&Occurrences> = self.occurrences.values().filter(|found| found.n > 1).collect();
        repeated.sort_by_key(|found| (std::cmp::Reverse(found.n), found.file, found.number));
        let scaled = |n: u64| (n as f64 * scale).round() as u64;
        Duplicates {
            estimated_from: 1.0 / scale,
            different_drawings: scaled(self.occurrences.len() as u64),
            repeated_drawings: scaled(repeated.len() as u64),
            surplus: scaled(repeated.iter().map(|found| u64::from(found.n) - 1).sum()),
            with_several_words: scaled(repeated.iter().filter(|found| found.has_other_words).count() as u64),
            most_frequent: repeated
                .iter()
                .take(MAX_EXAMPLES)
                .map(|found| Repeated {
                    n: u64::from(found.n),
                    first: place(files, found.file as usize, found.number),
                    has_several_words: found.has_other_words,
                })
                .collect(),
        }
    }
}

fn place(files: &[PathBuf], file: usize, number: u64) -> String {
    files.get(file).map_or_else(String::new, |path| format!("{}:{number}", path.display()))
}

/// Drawings that occur more than once, point for point.
#[derive(Clone, Debug, Serialize)]
pub struct Duplicates {
    /// 1 where all numbers are exact; otherwise they were counted for this part of the drawings and multiplied.
    pub estimated_from: f64,
    /// Drawings that differ.
    pub different_drawings: u64,
    /// Those of them that occur more than once.
    pub repeated_drawings: u64,
    /// Drawings that would go if each stayed once.
    pub surplus: u64,
    /// Those that occur under several words.
    pub with_several_words: u64,
    /// The most frequent ones that were counted.
    pub most_frequent: Vec<Repeated>,
}

/// A drawing that occurs more than once.
#[derive(Clone, Debug, Serialize)]
pub struct Repeated {
    /// How often.
    pub n: u64,
    /// Where first.
    pub first: String,
    /// Whether under several words.
    pub has_several_words: bool,
}

/// What was found in files of drawings.
#[derive(Debug, Default)]
pub struct Stats {
    options: Option<Options>,
    pub(crate) all: Group,
    pub(crate) classes: BTreeMap<String, Group>,
    n_of_further_classes: u64,
    pub(crate) countries: BTreeMap<String, u64>,
    oddities: BTreeMap<Oddity, Places>,
    /// Number of the file and what is wrong with it.
    odd_files: Vec<(usize, String)>,
    n_unreadable: usize,
    /// Number of drawings and sum of their hashes -> the files with these.
    contents: BTreeMap<(u64, u64), Vec<usize>>,
    duplicates: Option<Duplicates>,
    files: Vec<PathBuf>,
}

/// What is told of files of drawings.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Files that were read.
    pub files: usize,
    /// Of all drawings together.
    pub all: Figures,
    /// Of each category.
    pub classes: BTreeMap<String, Figures>,
    /// Drawings of categories beyond the first thousand, which are not told apart.
    pub of_further_classes: u64,
    /// Drawings by country, most first.
    pub countries: Vec<(String, u64)>,
    /// Drawings that occur more than once.
    pub duplicates: Option<Duplicates>,
    /// What is suspicious of drawings.
    pub suspicious: Vec<Suspicious>,
    /// What is suspicious of files.
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

/// The files that arguments name: files as they are, and those of folders.
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

/// A lock that a thread which panicked cannot spoil: the panic itself ends the program.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    let distinct = Mutex::new(Distinct { most: options.max_distinct.max(1), ..Distinct::default() });
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
        locked(&together).join(part);
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

    /// Tells what is wrong with a file, whose words are given with their numbers of drawings and first lines.
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
            // A file of many categories has no word of its own.
            return;
        }
        for (word, &(n, first)) in words.iter().filter(|(word, _)| *word != own) {
            let places = self.oddities.entry(Oddity::WrongWord).or_default();
            places.add(n, index, first, || format!("{word} ({n}) among drawings of {own}"));
        }
        if let Some(stem) = stem(path).filter(|stem| stem != own && categories().any(|name| name == stem)) {
            self.odd_files.push((index, format!("is called {stem}, but holds drawings of {own}")));
        }
    }

    fn join(&mut self, other: Self) {
        let most = self.samples_per_class();
        self.all.join(other.all, most);
        for (word, group) in other.classes {
            if self.classes.len() < MAX_CLASSES || self.classes.contains_key(&word) {
                self.classes.entry(word).or_default().join(group, most);
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
            self.oddities.entry(kind).or_default().join(places);
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

    /// What is told of all this.
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

    /// Writes `stats.json`, `classes.csv`, `histograms` and `classes` as SVG and PNG, and a sheet of each category into
    /// `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let sheets = folder.join("sheets");
        fs::create_dir_all(&sheets).with_context(|| format!("cannot make {}", sheets.display()))?;
        let summary = self.summary();
        write_atomic(&folder.join("stats.json"), &serde_json::to_vec_pretty(&summary)?)?;
        write_atomic(&folder.join("classes.csv"), &table(&summary)?)?;
        pictures::histograms(folder, self, &summary)?;
        pictures::classes(folder, &summary)?;
        let classes: Vec<(&String, &Group)> = self.classes.iter().collect();
        classes.into_par_iter().filter(|(_, group)| !group.samples.0.is_empty()).try_for_each(
            |(word, group)| {
                let title = format!("{word}: {} drawings", thousands(group.n as usize));
                let chosen: Vec<&Drawing> = group.samples.0.values().collect();
                let name = file_name(word);
                let svg = sheets.join(format!("{name}.svg"));
                fs::write(&svg, drawings::sheet_svg(&title, &chosen))
                    .with_context(|| format!("cannot write {}", svg.display()))?;
                drawings::sheet_png(&sheets.join(format!("{name}.png")), &title, &chosen)
            },
        )
    }
}

/// A word as the name of a file: what some system gives a meaning becomes an underscore.
fn file_name(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let name: String = word.chars().map(|c| if is_plain(c) { c } else { '_' }).take(80).collect();
    if name == word { name } else { format!("{name}-{:08x}", word_hash(word)) }
}

fn table(summary: &Summary) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "label",
        "drawings",
        "mean_points",
        "median_points",
        "mean_strokes",
        "median_strokes",
        "mean_length",
        "recognised",
        "first",
        "last",
    ])?;
    for (label, class) in &summary.classes {
        let share = class.recognised.map_or(String::new(), |share| format!("{share:.4}"));
        table.write_record([
            label.clone(),
            class.drawings.to_string(),
            format!("{:.2}", class.points.mean),
            class.points.median.to_string(),
            format!("{:.2}", class.strokes.mean),
            class.strokes.median.to_string(),
            format!("{:.1}", class.length.mean),
            share,
            class.first.clone().unwrap_or_default(),
            class.last.clone().unwrap_or_default(),
        ])?;
    }
    Ok(table.into_inner()?)
}

/// Tells people what was found.
///
/// # Errors
/// When it cannot be written.
pub fn print(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let number = |n: u64| thousands(n as usize);
    let all = &summary.all;
    writeln!(
        out,
        "{} drawings of {} categories in {} files",
        number(all.drawings),
        summary.classes.len(),
        summary.files
    )?;
    writeln!(
        out,
        "\n{:20} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "of a drawing", "mean", "5 %", "median", "95 %", "max"
    )?;
    for (name, sizes) in [("points", &all.points), ("strokes", &all.strokes), ("length", &all.length)] {
        let Sizes { mean, p5, median, p95, max } = sizes;
        writeln!(out, "{name:20} {mean:8.1} {p5:8} {median:8} {p95:8} {max:8}")?;
    }
    writeln!(out)?;
    if let Some(share) = all.recognised {
        writeln!(out, "recognised by the game: {}", percent(share))?;
    }
    if let (Some(first), Some(last)) = (&all.first, &all.last) {
        writeln!(out, "drawn between {first} and {last}")?;
    }
    if !summary.countries.is_empty() {
        let largest: Vec<String> = summary
            .countries
            .iter()
            .take(8)
            .map(|(name, n)| format!("{name} {}", percent(*n as f64 / all.drawings as f64)))
            .collect();
        writeln!(out, "from {} countries: {}", summary.countries.len(), largest.join(", "))?;
    }
    if let Some(found) = &summary.duplicates {
        let about = if found.estimated_from < 1.0 {
            format!(" (estimated from 1 of {:.0} drawings)", 1.0 / found.estimated_from)
        } else {
            String::new()
        };
        writeln!(
            out,
            "duplicates: {} drawings occur more than once, {} are surplus, {} come under several words{about}",
            number(found.repeated_drawings),
            number(found.surplus),
            number(found.with_several_words)
        )?;
        for repeated in found.most_frequent.iter().take(3) {
            writeln!(out, "    {} times: {}", number(repeated.n), repeated.first)?;
        }
    }
    for Suspicious { kind, n, first } in &summary.suspicious {
        writeln!(out, "suspicious: {} {kind}", number(*n))?;
        for text in first.iter().take(3) {
            writeln!(out, "    {text}")?;
        }
    }
    for text in &summary.suspicious_files {
        writeln!(out, "suspicious file: {text}")?;
    }
    let width = summary.classes.keys().map(|name| name.chars().count()).max().unwrap_or(0).clamp(8, 32);
    writeln!(
        out,
        "\n{:width$} {:>11} {:>8} {:>8} {:>8} {:>11}",
        "category", "drawings", "points", "strokes", "length", "recognised"
    )?;
    for (name, class) in &summary.classes {
        let share = class.recognised.map_or("-".to_owned(), percent);
        writeln!(
            out,
            "{name:width$} {:>11} {:8.1} {:8.1} {:8.0} {share:>11}",
            number(class.drawings),
            class.points.mean,
            class.strokes.mean,
            class.length.mean
        )?;
    }
    if summary.of_further_classes > 0 {
        writeln!(out, "and {} drawings of further categories", number(summary.of_further_classes))?;
    }
    Ok(())
}

/// The hash of a drawing's strokes, the same in every run.
fn hash(drawing: &Drawing) -> u64 {
    let mut hasher = DefaultHasher::new();
    for stroke in drawing.strokes() {
        hasher.write_usize(stroke.len());
        for [x, y] in stroke {
            hasher.write_u64((u64::from(x.to_bits()) << 32) | u64::from(y.to_bits()));
        }
    }
    hasher.finish()
}

fn word_hash(word: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(word.as_bytes());
    hasher.finish() as u32
}

/// Seconds since 1970 of a time as files write it: `2017-03-21 12:36:53.49503 UTC`, or the seconds themselves.
fn seconds(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches("UTC").trim_end();
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    }
}

fn date(seconds: i64) -> String {
    let time =
        u64::try_from(seconds).ok().and_then(|since| UNIX_EPOCH.checked_add(Duration::from_secs(since)));
    // Later than humantime writes is no date that anything was drawn on.
    let is_written =
        |time: &SystemTime| time.duration_since(UNIX_EPOCH).is_ok_and(|t| t.as_secs() < 253_402_300_800);
    match time.filter(is_written) {
        Some(time) => {
            humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
        }
        None => format!("{seconds} s since 1970"),
    }
}
