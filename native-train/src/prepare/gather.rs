//! Reads all files and puts the drawings that may be kept into buckets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use serde_json::Value;

use super::bucket::{CANDIDATES, Candidate, N_STREAMS, PRINTS, bucket_header, bucket_of};
use super::deduplicate::{
    Bits, MAX_PRINTS_BYTES, PRINT_BYTES, Seen, find_repeated, print_bytes, print_stream,
};
use super::manifest::{is_repeatable, sizes};
use super::options::Options;
use super::part::{Judged, Kept, Line, Message, PARTS_PER_READER, Part, Source, read_and_judge};
use super::spool::{Finished, Spool};
use super::summary::{ClassCount, Summary};
use super::workspace::{Progress, SPOOL};
use crate::data::DataSet;
use crate::data::format::names::stem;
use crate::hash::{fnv, mix};

/// Drawings after which, at the end of a file, progress is noted.
const NOTED_EVERY: usize = 10_000;

/// Bad lines that are shown.
const MAX_EXAMPLES: usize = 10;

/// What was read: drawings in buckets, and everything about them.
pub(super) struct Gathered {
    pub(super) summary: Summary,
    /// In the order in which they were met, which is what the buckets count by.
    pub(super) words: Vec<String>,
    pub(super) spool: Finished,
    /// By number, the candidates that are not kept.
    pub(super) left_out: Bits,
}

/// Reads all files and puts what may be kept into buckets.
pub(super) fn gather(files: &[PathBuf], mut gatherer: Gatherer<'_>, bar: &ProgressBar) -> Result<Gathered> {
    let options = gatherer.options;
    bar.set_position(gatherer.progress.n_files as u64);
    let sizes = sizes(&gatherer.progress.asked);
    let (files, sizes) = (&files[gatherer.progress.n_files..], &sizes[gatherer.progress.n_files..]);
    let n_readers = rayon::current_num_threads();
    let enough = AtomicUsize::new(0);
    let (to, messages) = channel();
    let (done_with, spare) = channel();
    for _ in 0..PARTS_PER_READER * n_readers {
        done_with.send(Part::new()).context("no reader")?;
    }
    let source =
        Arc::new(Mutex::new(Source { files, sizes, index: 0, records: None, enough: &enough, spare, to }));
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
/// Which of them are duplicates is known when all are there. So that files are not read on in vain,
/// a filter counts those that certainly are none.
pub(super) struct Gatherer<'a> {
    options: &'a Options,
    folder: &'a Path,
    spool: Spool,
    seen: Seen,
    indices: HashMap<String, usize>,
    progress: Progress,
    n_noted: usize,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(
        folder: &'a Path,
        options: &'a Options,
        asked: &Value,
        mut progress: Progress,
    ) -> Result<Self> {
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
        // Copies that are kept stay together, whatever their key_id.
        let identity = if self.options.keep_duplicates { kept.content } else { kept.identity };
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

    /// Decides what is kept: in the order of the files what is no duplicate, as many as a class may
    /// have.
    fn finish(self) -> Result<Gathered> {
        let spool = self.spool.finish()?;
        drop(self.seen);
        let mut left_out = Bits::default();
        find_repeated(&spool, PRINTS, MAX_PRINTS_BYTES, |number| left_out.set(number))?;

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
