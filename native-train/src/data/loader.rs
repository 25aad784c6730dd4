//! Batches for training, made by background threads: a data set -> ink and targets, step by step.
//!
//! The batch of a step depends on the configuration, the seed and the step's number alone, not on
//! the number of threads or on where a run began. So a resumed run goes on exactly as if it had
//! never stopped.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use quickdraw_core::{Ink, InkFormat};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augment::{Augmentation, borrow_strokes};
use super::mixture::Mixture;
use super::set::DataSet;
use crate::hash::mix;
use crate::random::chance;

/// Batches that each thread makes ahead of time.
const N_BATCHES_AHEAD: usize = 4;

/// Which drawings come next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every drawing once per epoch, in a new random order. With several data sets a drawing is
    /// skipped in an epoch where its position goes to another set.
    Epochs,
    /// First a class, with a probability proportional to its number of drawings raised to `power`,
    /// then any drawing of it. 0 is the same for all classes, 1 the same for all drawings.
    Balanced {
        /// The exponent, usually 0..1.
        power: f32,
    },
}

/// The batches that one of several machines takes: of every `of` batches in a row `n`, from the
/// `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShare {
    /// The first, below `of`.
    pub first: u64,
    /// How many, at least 1; `first + n` is at most `of`.
    pub n: u64,
    /// Of how many.
    pub of: u64,
}

impl BatchShare {
    /// All batches.
    pub const ALL: Self = Self { first: 0, n: 1, of: 1 };

    fn contains(self, step: u64) -> bool {
        (self.first..self.first + self.n).contains(&(step % self.of))
    }
}

/// What batches are made of.
#[derive(Clone, Copy, Debug)]
pub struct LoaderConfig {
    /// Batch size, B.
    pub batch_size: usize,
    /// Which drawings come next.
    pub sampling: Sampling,
    /// Augmentation.
    pub augmentation: Augmentation,
    /// The ink format that the model reads.
    pub ink_format: InkFormat,
    /// Whether the model reads that the pen is down
    /// ([`ModelConfig::pen_state`](quickdraw_core::ModelConfig)).
    pub pen_state: bool,
    /// A drawing with more points ends after this many, as if it had been stopped there.
    pub max_rows: usize,
    /// Weight of the soft labels in the targets of drawings that have some, 0..1.
    pub soft_weight: f32,
    /// Temperature of the soft labels, which are raised to its inverse: above 1 they are flatter.
    pub soft_temperature: f32,
    /// Label smoothing, 0..1.
    pub label_smoothing: f32,
    /// Random seed; a batch depends on it and on the step.
    pub seed: u64,
    /// The first step to make a batch for.
    pub start_step: u64,
    /// Which batches are handed out; the others are skipped.
    pub share: BatchShare,
    /// Background threads, at least 1.
    pub n_threads: usize,
    /// Drawings of this many batches are sorted by length and cut into batches that come in random
    /// order, so that a batch has less padding. 1 is off.
    pub bucket_batches: usize,
}

impl LoaderConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// The first value that is out of its range, by name.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("batch_size", self.batch_size),
            ("max_rows", self.max_rows),
            ("n_threads", self.n_threads),
            ("bucket_batches", self.bucket_batches),
        ] {
            ensure!(value > 0, "{name} is 0; at least 1 was expected");
        }
        for (name, value) in [("soft_weight", self.soft_weight), ("label_smoothing", self.label_smoothing)] {
            ensure!((0.0..=1.0).contains(&value), "{name} is {value}; 0 to 1 was expected");
        }
        ensure!(
            self.soft_temperature.is_finite() && self.soft_temperature > 0.0,
            "soft_temperature is {}; more than 0 was expected",
            self.soft_temperature
        );
        let BatchShare { first, n, of } = self.share;
        ensure!(n > 0 && first + n <= of, "a share of {n} batches from {first} on of {of} is none");
        if let Sampling::Balanced { power } = self.sampling {
            ensure!(power.is_finite(), "balance_power is {power}; a finite number was expected");
        }
        self.augmentation.validate()
    }

    /// Whether the batch of a step is handed out.
    fn asks_for(&self, step: u64) -> bool {
        step >= self.start_step && self.share.contains(step)
    }

    /// The groups of `bucket_batches` batches that have one which is handed out.
    fn groups(self) -> impl Iterator<Item = u64> + Send {
        let n = self.bucket_batches as u64;
        let has_some = move |group: &u64| (group * n..(group + 1) * n).any(|step| self.asks_for(step));
        (self.start_step / n..).filter(has_some)
    }
}

/// One batch.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedBatch {
    /// The step it is for.
    pub step: u64,
    /// The drawings, B of them.
    pub inks: Vec<Ink>,
    /// Class probabilities `[B, K]`, row-major; every row sums to 1.
    pub targets: Vec<f32>,
    /// The class of each drawing, `[B]`.
    pub labels: Vec<usize>,
}

/// Hands out batches in the order of their steps. Its threads end when it is dropped.
#[derive(Debug)]
pub struct Loader {
    /// One channel for each thread; thread i makes every n-th group of batches from the i-th on. A
    /// group without a batch of the share does not count.
    channels: Vec<Receiver<PreparedBatch>>,
    threads: Vec<JoinHandle<()>>,
    bucket_batches: u64,
    share: BatchShare,
    next_step: u64,
    /// The group of the batch before, and how many groups came before it.
    group: Option<(u64, u64)>,
    waited: Duration,
}

impl Loader {
    /// Starts the threads.
    ///
    /// # Errors
    /// An empty data set, or a configuration that [`LoaderConfig::validate`] rejects.
    pub fn spawn(data: impl Into<Mixture>, config: LoaderConfig) -> Result<Self> {
        let data = data.into();
        config.validate()?;
        ensure!(!data.is_empty(), "there are no drawings to train on");
        let source = Arc::new(Source::new(&data, config));
        let mut channels = Vec::with_capacity(config.n_threads);
        let mut threads = Vec::with_capacity(config.n_threads);
        for thread in 0..config.n_threads {
            // A thread that has finished a group can start the next one while the first is used up.
            let (sender, receiver) = sync_channel(N_BATCHES_AHEAD.max(config.bucket_batches));
            let source = Arc::clone(&source);
            let groups = config.groups().skip(thread).step_by(config.n_threads);
            threads.push(
                std::thread::Builder::new()
                    .name(format!("loader {thread}"))
                    .spawn(move || source.send_groups(groups, &sender))?,
            );
            channels.push(receiver);
        }
        Ok(Self {
            channels,
            threads,
            bucket_batches: config.bucket_batches as u64,
            share: config.share,
            next_step: config.start_step,
            group: None,
            waited: Duration::ZERO,
        })
    }

    /// The batch of the next step of this [share](LoaderConfig::share); there is always one.
    ///
    /// # Panics
    /// If a thread of the loader has panicked.
    pub fn next_batch(&mut self) -> PreparedBatch {
        while !self.share.contains(self.next_step) {
            self.next_step += 1;
        }
        let group = self.next_step / self.bucket_batches;
        let n_before = match self.group {
            Some((before, n_before)) if before == group => n_before,
            Some((_, n_before)) => n_before + 1,
            None => 0,
        };
        self.group = Some((group, n_before));
        let thread = (n_before % self.channels.len() as u64) as usize;
        let start = Instant::now();
        let Ok(batch) = self.channels[thread].recv() else {
            // The thread ends only when the receiver is gone: here it must have panicked.
            let thread = self.threads.swap_remove(thread);
            match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("a loader thread ended while batches were expected"),
            }
        };
        self.waited += start.elapsed();
        debug_assert_eq!(batch.step, self.next_step);
        self.next_step += 1;
        batch
    }

    /// The time that [`Loader::next_batch`] has spent waiting, in all: when it grows, data is the
    /// bottleneck.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Sending fails from now on, which ends the threads.
        self.channels.clear();
        for thread in self.threads.drain(..) {
            // A panic has been reported by the thread itself; a second one must not follow here.
            let _ = thread.join();
        }
    }
}

/// Draws classes, and drawings of them.
pub(crate) struct ClassSampler {
    /// The drawings of each class.
    indices_by_class: Vec<Vec<u32>>,
    /// The cumulative sum of the class weights; a class without drawings has weight 0.
    cumulative_weights: Vec<f64>,
}

impl ClassSampler {
    /// A class comes with a probability proportional to its number of drawings raised to `power`.
    pub(crate) fn new(data: &DataSet, power: f32) -> Self {
        let indices_by_class = data.indices_by_class();
        let mut sum = 0.0;
        let cumulative_weights = indices_by_class.iter().map(|indices| {
            if !indices.is_empty() {
                sum += (indices.len() as f64).powf(power.into());
            }
            sum
        });
        Self { cumulative_weights: cumulative_weights.collect(), indices_by_class }
    }

    /// A random drawing of a class that is chosen by its weight.
    pub(crate) fn choose(&self, rng: &mut impl Rng) -> usize {
        self.choose_of(choose_by_weight(&self.cumulative_weights, rng), rng)
    }

    /// A random drawing of a class that has some.
    pub(crate) fn choose_of(&self, class: usize, rng: &mut impl Rng) -> usize {
        let indices = &self.indices_by_class[class];
        indices[rng.random_range(0..indices.len())] as usize
    }
}

/// An index chosen by its weight, given the cumulative sum of the weights.
fn choose_by_weight(cumulative_weights: &[f64], rng: &mut impl Rng) -> usize {
    let total = cumulative_weights.last().copied().unwrap_or_default();
    let aim = rng.random::<f64>() * total;
    // Rounding may give the end of the range.
    cumulative_weights.partition_point(|&sum| sum <= aim && sum < total)
}

/// One of the data sets.
struct Part {
    data: Arc<DataSet>,
    /// Where drawings are chosen by class.
    classes: Option<ClassSampler>,
}

/// State shared by all threads.
struct Source {
    parts: Vec<Part>,
    /// The cumulative sum of the shares of the parts.
    cumulative_shares: Vec<f64>,
    config: LoaderConfig,
}

impl Source {
    fn new(data: &Mixture, config: LoaderConfig) -> Self {
        let power = match config.sampling {
            Sampling::Balanced { power } => Some(power),
            Sampling::Epochs => (config.augmentation.borrow_strokes > 0.0).then_some(1.0),
        };
        let (mut parts, mut cumulative_shares, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for (set, share) in data.sets() {
            sum += share;
            cumulative_shares.push(sum);
            let classes = power.map(|power| ClassSampler::new(set, power));
            parts.push(Part { data: Arc::clone(set), classes });
        }
        Self { parts, cumulative_shares, config }
    }

    fn send_groups(&self, groups: impl Iterator<Item = u64>, sender: &SyncSender<PreparedBatch>) {
        for group in groups {
            for batch in self.group(group) {
                if self.config.asks_for(batch.step) && sender.send(batch).is_err() {
                    return;
                }
            }
        }
    }

    /// The `bucket_batches` batches of a group, in the order of their steps.
    fn group(&self, group: u64) -> Vec<PreparedBatch> {
        let config = &self.config;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(group);
        let n_drawings = config.batch_size * config.bucket_batches;
        let mut items: Vec<((usize, usize), Ink)> = (0..n_drawings as u64)
            .map(|offset| {
                let (part, index) = self.choose(group * n_drawings as u64 + offset, &mut rng);
                ((part, index), self.ink(&self.parts[part], index, &mut rng))
            })
            .collect();
        let mut order: Vec<usize> = (0..config.bucket_batches).collect();
        if config.bucket_batches > 1 {
            // Stable, so that drawings of one length keep their random order.
            items.sort_by_key(|(_, ink)| ink.n_rows());
            order.shuffle(&mut rng);
        }
        let mut batches: Vec<PreparedBatch> = Vec::with_capacity(config.bucket_batches);
        let mut items = items.into_iter();
        for place in order {
            let n_classes = self.parts[0].data.n_classes();
            let mut batch = PreparedBatch {
                step: group * config.bucket_batches as u64 + place as u64,
                inks: Vec::with_capacity(config.batch_size),
                targets: vec![0.0; config.batch_size * n_classes],
                labels: Vec::with_capacity(config.batch_size),
            };
            for ((part, index), ink) in items.by_ref().take(config.batch_size) {
                let row = batch.labels.len() * n_classes;
                let data = &self.parts[part].data;
                self.fill_target(data, index, &mut batch.targets[row..row + n_classes]);
                batch.labels.push(data.label(index));
                batch.inks.push(ink);
            }
            batches.push(batch);
        }
        batches.sort_unstable_by_key(|batch| batch.step);
        batches
    }

    /// The part and the index of the drawing at a position counted from the start of training.
    fn choose(&self, position: u64, rng: &mut impl Rng) -> (usize, usize) {
        let part = match self.parts.len() {
            // No random number is used, so that the batches of a single data set do not change.
            1 => 0,
            _ => choose_by_weight(&self.cumulative_shares, rng),
        };
        let Part { data, classes } = &self.parts[part];
        let index = match (self.config.sampling, classes) {
            (Sampling::Balanced { .. }, Some(classes)) => classes.choose(rng),
            _ => {
                let n = data.len() as u64;
                permute(position % n, n, mix(self.config.seed ^ mix(position / n))) as usize
            }
        };
        (part, index)
    }

    fn ink(&self, Part { data, classes }: &Part, index: usize, rng: &mut impl Rng) -> Ink {
        let mut drawing = data.drawing(index);
        if chance(self.config.augmentation.borrow_strokes, rng)
            && let Some(classes) = classes
        {
            let other = classes.choose_of(data.label(index), rng);
            drawing = borrow_strokes(&drawing, &data.drawing(other), rng);
        }
        let drawing = self.config.augmentation.apply(&drawing, rng);
        let is_pen_down = drawing.is_pen_down() && self.config.pen_state;
        let drawing = drawing.with_pen_down(is_pen_down).limited_to(self.config.max_rows);
        Ink::from_drawing(&drawing, self.config.ink_format)
    }

    /// Writes the class probabilities of a drawing into `target`, `[K]`, which is all zero before.
    fn fill_target(&self, data: &DataSet, index: usize, target: &mut [f32]) {
        let temperature = self.config.soft_temperature;
        let sharpened = |probability: f32| match temperature {
            1.0 => probability,
            _ => probability.powf(temperature.recip()),
        };
        let soft = data.soft(index);
        let soft_sum: f32 = soft.iter().map(|&(_, probability)| sharpened(probability)).sum();
        let soft_weight = if soft_sum > 0.0 { self.config.soft_weight } else { 0.0 };
        let hard_weight = 1.0 - soft_weight;
        let smoothing = self.config.label_smoothing;
        target.fill(hard_weight * smoothing / target.len() as f32);
        target[data.label(index)] += hard_weight * (1.0 - smoothing);
        if soft_weight > 0.0 {
            for &(class, probability) in soft {
                target[usize::from(class)] += soft_weight * sharpened(probability) / soft_sum;
            }
        }
    }
}

/// The value at `position` in the random permutation of `0..n` given by `key`.
///
/// Four rounds of a Feistel network permute the next power of four; what falls outside `0..n` is
/// permuted again until it falls inside. So an order needs no memory, and any step of training can
/// be the first.
fn permute(position: u64, n: u64, key: u64) -> u64 {
    let half_bits = (u64::BITS - (n - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1 << half_bits) - 1;
    let mut value = position;
    loop {
        let (mut left, mut right) = (value >> half_bits, value & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (mix(right ^ mix(key.wrapping_add(round))) & mask));
        }
        value = left << half_bits | right;
        if value < n {
            return value;
        }
    }
}
