//! Reads all files and appends accepted drawings to buckets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use serde_json::Value;

use super::bucket::{CANDIDATES, Candidate, FINGERPRINTS, N_STREAMS, bucket_header, bucket_of};
use super::deduplicate::{
    BitSet, BloomFilter, FINGERPRINT_BYTES, MAX_FINGERPRINT_BYTES, find_duplicates, fingerprint_bytes,
    fingerprint_stream,
};
use super::manifest::{is_repeatable, sizes};
use super::options::Options;
use super::part::{Accepted, Channels, Message, Outcome, PARTS_PER_READER, Part, Source, read_and_filter};
use super::spool::{CompleteSpool, Spool};
use super::summary::{ClassCount, Summary};
use super::workspace::{Progress, SPOOL};
use crate::data::DataSet;
use crate::data::format::names::stem;
use crate::hash::{fnv, mix};

/// Progress is saved at the end of a file, at most once in so many drawings.
const SAVE_EVERY: usize = 10_000;

/// How many bad lines are reported in full.
const MAX_EXAMPLES: usize = 10;

/// The accepted drawings in buckets, and their statistics.
pub(super) struct Gathered {
    pub(super) summary: Summary,
    /// Class names in the order in which they first occurred: the class indices of the buckets.
    pub(super) words: Vec<String>,
    pub(super) spool: CompleteSpool,
    /// The numbers of the candidates that are not written.
    pub(super) left_out: BitSet,
}

/// Reads all files and appends accepted drawings to buckets.
pub(super) fn gather(files: &[PathBuf], mut gatherer: Gatherer<'_>, bar: &ProgressBar) -> Result<Gathered> {
    let options = gatherer.options;
    bar.set_position(gatherer.progress.n_files as u64);
    let sizes = sizes(&gatherer.progress.asked);
    let (files, sizes) = (&files[gatherer.progress.n_files..], &sizes[gatherer.progress.n_files..]);
    let n_readers = rayon::current_num_threads();
    let skip_below = AtomicUsize::new(0);
    let (to, messages) = channel();
    let (back, free_parts) = channel();
    for _ in 0..PARTS_PER_READER * n_readers {
        back.send(Part::new()).context("no reader")?;
    }
    let source = Arc::new(Mutex::new(Source {
        files,
        sizes,
        index: 0,
        records: None,
        skip_below: &skip_below,
        free_parts,
        to,
    }));
    thread::scope(|readers| {
        for _ in 0..n_readers {
            let source = Arc::clone(&source);
            readers.spawn(move || read_and_filter(&source, options));
        }
        // Only the readers hold it, so that the channel closes when they have ended.
        drop(source);
        // Dropped at the end of this scope, which ends the readers.
        let channels = Channels { messages, back };
        for (index, path) in files.iter().enumerate() {
            gather_file(index, path, &channels, &mut gatherer, &skip_below, bar)?;
            gatherer.end_file()?;
            bar.inc(1);
        }
        gatherer.finish()
    })
}

fn gather_file(
    index: usize,
    path: &Path,
    channels: &Channels,
    gatherer: &mut Gatherer<'_>,
    skip_below: &AtomicUsize,
    bar: &ProgressBar,
) -> Result<()> {
    let own = stem(path);
    let mut is_complete = false;
    let mut n_lines = 0;
    let lost = || format!("{}: its reader ended", path.display());
    loop {
        let filtered = match channels.messages.recv().with_context(lost)? {
            Message::Part(filtered) => filtered,
            Message::End(end) => return end,
        };
        let mut part = filtered.recv().with_context(lost)?;
        // How much more is read before the readers stop differs from run to run.
        if !is_complete {
            gatherer.add(&mut part, path, n_lines)?;
            n_lines += part.n_lines;
            bar.set_message(format!("{} drawings", gatherer.progress.summary.read));
            // A file of the data set is named after its only class: nothing else can follow.
            is_complete = own.as_ref().is_some_and(|own| gatherer.is_complete(own));
            if is_complete {
                skip_below.fetch_max(index + 1, Ordering::Relaxed);
            }
        }
        // At the end the readers are gone.
        let _ = channels.back.send(part);
    }
}

/// Appends accepted drawings to buckets.
///
/// Duplicates are known only at the end. To stop reading a file as soon as its class is full, a
/// Bloom filter counts the drawings that certainly are no duplicates.
pub(super) struct Gatherer<'a> {
    options: &'a Options,
    folder: &'a Path,
    spool: Spool,
    seen: BloomFilter,
    indices: HashMap<String, usize>,
    progress: Progress,
    n_saved: usize,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(
        folder: &'a Path,
        options: &'a Options,
        asked: &Value,
        mut progress: Progress,
    ) -> Result<Self> {
        progress.asked = asked.clone();
        let mut seen = BloomFilter::new();
        let spool = Spool::open(folder.join(SPOOL), N_STREAMS, progress.spool, |stream, bytes| {
            if FINGERPRINTS.contains(&stream) {
                for fingerprint in bytes.chunks_exact(FINGERPRINT_BYTES) {
                    seen.insert(u64::from_le_bytes(std::array::from_fn(|i| fingerprint[i])));
                }
            }
        });
        let spool = spool.context("it cannot be resumed; start from the beginning without --resume")?;
        let indices = progress.certain.iter().enumerate();
        let indices = indices.map(|(index, class)| (class.name.clone(), index)).collect();
        let n_saved = progress.summary.read;
        Ok(Self { options, folder, spool, seen, indices, progress, n_saved })
    }

    /// Adds a part of a file, which follows `n_lines` lines.
    fn add(&mut self, part: &mut Part, path: &Path, n_lines: u64) -> Result<()> {
        let words = &part.drawings.words;
        let indices = words.iter().map(|word| self.index_of(word)).collect::<Result<Vec<_>>>()?;
        for outcome in part.outcomes.drain(..) {
            let summary = &mut self.progress.summary;
            summary.read += 1;
            let left_out = &mut summary.left_out;
            match outcome {
                Outcome::Drawing(accepted) => {
                    let packed = &part.drawings.packed[accepted.packed.clone()];
                    self.keep(&accepted, indices[accepted.word], &words[accepted.word], packed)?;
                }
                Outcome::Bad { number, message } => {
                    let place = format!("{}:{}: {message}", path.display(), n_lines + number);
                    ensure!(!self.options.strict, "{place}");
                    left_out.bad_lines += 1;
                    if summary.examples.len() < MAX_EXAMPLES {
                        summary.examples.push(place);
                    }
                }
                Outcome::OtherClass => left_out.other_class += 1,
                Outcome::NotRecognized => left_out.not_recognized += 1,
                Outcome::OtherCountry => left_out.other_country += 1,
                Outcome::Empty => left_out.empty += 1,
                Outcome::TooManyPoints => left_out.absurd += 1,
            }
        }
        Ok(())
    }

    /// The index of a class, in the order in which they first occur.
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

    /// Appends a drawing to its bucket, unless its class is full.
    fn keep(&mut self, accepted: &Accepted, index: usize, word: &str, packed: &[u8]) -> Result<()> {
        // Duplicates that are kept are on the same side of the split, whatever their key_id.
        let identity = if self.options.keep_duplicates { accepted.content } else { accepted.identity };
        let is_eval = self.options.is_eval(identity);
        let certain = &mut self.progress.certain[index];
        if !has_room(certain, is_eval, self.options) {
            self.progress.summary.left_out.over_limit += 1;
            return Ok(());
        }
        let number = self.progress.n_candidates;
        let mut is_new = true;
        if !self.options.keep_duplicates {
            let class = mix(index as u64);
            // Hashes of points and of keys must not collide.
            let key = accepted.has_key.then_some(!accepted.identity);
            for fingerprint in
                [Some(accepted.content), key].into_iter().flatten().map(|hash| mix(hash ^ class))
            {
                is_new &= self.seen.insert(fingerprint);
                self.spool.append(
                    FINGERPRINTS.start + fingerprint_stream(fingerprint),
                    &[&fingerprint_bytes(fingerprint, number)],
                )?;
            }
        }
        *side(certain, is_eval) += usize::from(is_new);
        self.progress.n_candidates += 1;
        let candidate = Candidate { index, is_eval, was_simplified: accepted.was_simplified };
        self.spool.append(CANDIDATES, &[&candidate.to_bytes()])?;

        let order = mix(fnv(accepted.identity ^ mix(self.options.seed), word.as_bytes()));
        let header = bucket_header(packed.len(), order, number, &candidate);
        self.spool.append(bucket_of(u128::from(order)), &[&header, packed])
    }

    /// Whether the class is full, for training and evaluation.
    fn is_complete(&self, word: &str) -> bool {
        self.indices.get(word).is_some_and(|&index| {
            let class = &self.progress.certain[index];
            [false, true].into_iter().all(|is_eval| !has_room(class, is_eval, self.options))
        })
    }

    /// Ends a file, and saves the progress now and then.
    fn end_file(&mut self) -> Result<()> {
        self.progress.n_files += 1;
        // Standard input cannot be read again.
        if self.progress.summary.read < self.n_saved + SAVE_EVERY || !is_repeatable(&self.progress.asked) {
            return Ok(());
        }
        self.n_saved = self.progress.summary.read;
        self.progress.spool = self.spool.flush()?;
        self.progress.write(self.folder)
    }

    /// Decides what is written: in the order of the files, without duplicates, up to the limits of
    /// a class.
    fn finish(self) -> Result<Gathered> {
        let spool = self.spool.finish()?;
        drop(self.seen);
        let mut left_out = BitSet::default();
        find_duplicates(&spool, FINGERPRINTS, MAX_FINGERPRINT_BYTES, |number| left_out.set(number))?;

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

/// The count of a side of the split.
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
