//! Duplicate drawings, counted in memory of a fixed size.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

/// How many of the most frequent duplicates are listed.
const MAX_EXAMPLES: usize = 10;

/// The number of copies of each drawing: exact up to a limit of distinct drawings. Beyond it only
/// drawings whose hash ends in one zero bit are counted, then two and so on: a random half, quarter
/// and so on of the distinct drawings, with all their copies.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    occurrences: HashMap<u64, Occurrences>,
    n_zeros: u32,
    most: usize,
}

/// The copies of a drawing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrences {
    pub(super) n: u32,
    pub(super) file: u32,
    pub(super) number: u64,
    pub(super) word: u32,
    pub(super) has_other_words: bool,
}

impl Distinct {
    /// Empty counts, exact up to `most` distinct drawings, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), ..Self::default() }
    }

    fn is_kept(n_zeros: u32, hash: u64) -> bool {
        hash.trailing_zeros() >= n_zeros
    }

    pub(super) fn add(&mut self, hash: u64, found: Occurrences) {
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

    pub(super) fn figures(&self, files: &[PathBuf]) -> Duplicates {
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

pub(super) fn place(files: &[PathBuf], file: usize, number: u64) -> String {
    files.get(file).map_or_else(String::new, |path| format!("{}:{number}", path.display()))
}

/// Drawings that occur more than once, point for point.
#[derive(Clone, Debug, Serialize)]
pub struct Duplicates {
    /// 1 where all numbers are exact; otherwise they were counted for this part of the drawings and
    /// multiplied.
    pub estimated_from: f64,
    /// Distinct drawings.
    pub different_drawings: u64,
    /// Those of them that occur more than once.
    pub repeated_drawings: u64,
    /// Drawings that deduplication would remove.
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
