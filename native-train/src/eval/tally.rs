//! Labels and log-probabilities in, counts out: the confusion matrix and other sums from which all
//! figures follow.
//!
//! A tally takes K x K counts and a few more, however many drawings it counts.

use serde::{Deserialize, Serialize};

/// Bins of confidence, of equal width.
pub const N_BINS: usize = 15;

/// Top-1, top-3 and top-5 accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Drawings.
    pub n: usize,
    /// Top-1 accuracy, 0 to 1.
    pub top1: f64,
    /// Top-3 accuracy.
    pub top3: f64,
    /// Top-5 accuracy.
    pub top5: f64,
    /// Class-balanced top-1 accuracy: the mean over the categories that occur.
    pub balanced_top1: f64,
    /// Class-balanced top-3 accuracy.
    pub balanced_top3: f64,
    /// Class-balanced top-5 accuracy.
    pub balanced_top5: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

/// The drawings whose top-1 prediction had a probability in the same bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Drawings.
    pub n: usize,
    /// Drawings whose top-1 prediction was correct.
    pub n_correct: usize,
    /// Sum of the probabilities of their top-1 predictions.
    pub confidence: f64,
}

/// A fine histogram of the probabilities of top-1 predictions, of constant size.
#[derive(Clone, Debug, PartialEq)]
pub struct Confidences {
    bins: Vec<u64>,
}

impl Default for Confidences {
    fn default() -> Self {
        Self { bins: vec![0; 10_000] }
    }
}

impl Confidences {
    /// Counts a drawing whose top-1 prediction has this probability, 0 to 1.
    pub fn add(&mut self, probability: f32) {
        let n_bins = self.bins.len();
        self.bins[((f64::from(probability) * n_bins as f64) as usize).min(n_bins - 1)] += 1;
    }

    /// Drawings counted.
    pub fn n(&self) -> u64 {
        self.bins.iter().sum()
    }

    /// The probability that the top-1 prediction for one of these drawings is more probable than
    /// that for one of `others`, equal ones counted half: the area under the curve of the receiver
    /// operating characteristic. NaN without drawings.
    pub fn auroc(&self, others: &Self) -> f64 {
        let (mut less_probable, mut area) = (0.0, 0.0);
        for (&ours, &theirs) in self.bins.iter().zip(&others.bins) {
            area += ours as f64 * (less_probable + theirs as f64 / 2.0);
            less_probable += theirs as f64;
        }
        area / (self.n() as f64 * others.n() as f64)
    }
}

/// Counts over drawings.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    n_classes: usize,
    /// `[K, K]`: drawings by category (row) and top-1 prediction (column).
    predictions: Vec<u32>,
    /// `[K]` each: drawings whose category was among the first three, five.
    hits: [Vec<u32>; 2],
    /// Sum of the cross-entropies, in nats.
    loss: f64,
    bins: [Bin; N_BINS],
}

impl Tally {
    /// A tally of no drawings.
    pub fn new(n_classes: usize) -> Self {
        Self {
            n_classes,
            predictions: vec![0; n_classes * n_classes],
            hits: [vec![0; n_classes], vec![0; n_classes]],
            loss: 0.0,
            bins: [Bin::default(); N_BINS],
        }
    }

    /// Counts a drawing of category `label` with the network's log-probabilities `[K]`; gives its
    /// top-1 prediction. Ties count as wrong: a network with uniform probabilities is never
    /// correct.
    pub fn add(&mut self, label: usize, log_probabilities: &[f32]) -> usize {
        let found = log_probabilities[label];
        let others = || (0..self.n_classes).filter(|&class| class != label);
        let rank = others().filter(|&class| log_probabilities[class] >= found).count();
        let guess = if rank == 0 {
            label
        } else {
            let wrong = others().max_by(|&a, &b| log_probabilities[a].total_cmp(&log_probabilities[b]));
            wrong.expect("another class was at least as likely")
        };
        self.predictions[label * self.n_classes + guess] += 1;
        for (hits, within) in self.hits.iter_mut().zip([3, 5]) {
            hits[label] += u32::from(rank < within);
        }
        self.loss -= f64::from(found);
        let confidence = f64::from(log_probabilities[guess]).exp();
        let bin = &mut self.bins[((confidence * N_BINS as f64) as usize).min(N_BINS - 1)];
        bin.n += 1;
        bin.n_correct += usize::from(rank == 0);
        bin.confidence += confidence;
        guess
    }

    /// Number of classes, K.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Drawings counted.
    pub fn n(&self) -> usize {
        self.bins.iter().map(|bin| bin.n).sum()
    }

    /// Drawings of a category by their top-1 prediction, `[K]`.
    pub fn predictions(&self, label: usize) -> &[u32] {
        &self.predictions[label * self.n_classes..][..self.n_classes]
    }

    /// Drawings of a category.
    pub fn n_of(&self, label: usize) -> usize {
        self.predictions(label).iter().map(|&n| n as usize).sum()
    }

    /// Drawings of a category that were recognised by the first, the first three and the first five
    /// predictions.
    pub fn hits_of(&self, label: usize) -> [usize; 3] {
        [self.predictions(label)[label], self.hits[0][label], self.hits[1][label]].map(|n| n as usize)
    }

    /// The confusions of a category with their numbers of drawings, the most frequent first.
    pub fn confusions_of(&self, label: usize) -> Vec<(usize, usize)> {
        let row = self.predictions(label).iter().enumerate();
        let mut wrong: Vec<(usize, usize)> = row
            .filter(|&(guess, &n)| guess != label && n > 0)
            .map(|(guess, &n)| (guess, n as usize))
            .collect();
        wrong.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        wrong
    }

    /// The bins of confidence, from 0 to 1.
    pub fn bins(&self) -> &[Bin; N_BINS] {
        &self.bins
    }

    /// Accuracies and loss; NaN without drawings.
    pub fn figures(&self) -> Figures {
        let n = self.n();
        let counted = (0..self.n_classes).map(|label| (self.n_of(label), self.hits_of(label)));
        let present: Vec<(usize, [usize; 3])> = counted.filter(|&(n_of, _)| n_of > 0).collect();
        let [top1, top3, top5] = [0, 1, 2]
            .map(|within| present.iter().map(|(_, hits)| hits[within]).sum::<usize>() as f64 / n as f64);
        let [balanced_top1, balanced_top3, balanced_top5] = [0, 1, 2].map(|within| {
            let shares = present.iter().map(|&(n_of, hits)| hits[within] as f64 / n_of as f64);
            shares.sum::<f64>() / present.len() as f64
        });
        let loss = self.loss / n as f64;
        Figures { n, top1, top3, top5, balanced_top1, balanced_top3, balanced_top5, loss }
    }

    /// The expected calibration error (Guo et al., "On Calibration of Modern Neural Networks",
    /// 2017): the mean absolute difference between confidence and accuracy, weighted by the
    /// drawings of a bin, 0 to 1.
    pub fn expected_calibration_error(&self) -> f64 {
        // n/N * |correct/n - confidence/n|, where n is cancelled.
        let differences = self.bins.iter().map(|bin| (bin.n_correct as f64 - bin.confidence).abs());
        differences.sum::<f64>() / self.n() as f64
    }
}
