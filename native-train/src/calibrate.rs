//! From a network's logits on drawings that it was not trained on to the temperature and the threshold that make its
//! probabilities those that its guesses deserve.

use std::path::Path;

use anyhow::{Result, ensure};
use quickdraw_core::{Calibration, Classifier, ModelBackend};

use crate::data::{ReadReport, ndjson};
use crate::evaluate::{Network, for_each_drawing};
use crate::tally::Tally;

/// How often first guesses above the threshold are right.
pub const SURE: f64 = 0.95;

/// Drawings whose logits are kept: two numbers need no more, and their memory has an end.
const MAX_DRAWINGS: usize = 20_000;

/// First guesses that must lie above a threshold before it says anything.
const MIN_SURE: usize = 20;

/// The temperatures that are considered, and how near to the best one the search ends (as logarithms).
const LOG_TEMPERATURES: [f32; 2] = [-3.0, 3.0];
const TOLERANCE: f32 = 1e-4;

/// A figure before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// As the network gives it.
    pub before: f64,
    /// With the temperature.
    pub after: f64,
}

/// What [`calibrate`] finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibrated {
    /// For `model.json`.
    pub calibration: Calibration,
    /// Drawings it was found on.
    pub n: usize,
    /// Mean cross-entropy, in nats.
    pub loss: Change,
    /// Expected calibration error, 0 to 1.
    pub ece: Change,
    /// Share of the drawings whose first guess is above the threshold, 0 to 1.
    pub share_above: f64,
}

/// Labels and logits `[K]` of drawings.
#[derive(Debug, Default)]
struct Logits {
    labels: Vec<usize>,
    rows: Vec<Vec<f32>>,
}

/// Finds the temperature of the least cross-entropy on the drawings of a folder, at most 20,000, and the least probability
/// from which on first guesses are right 95 of 100 times (1 if they nowhere are).
///
/// # Errors
/// As [`ndjson::for_each_part`].
pub fn calibrate<B: ModelBackend>(
    classifier: &Classifier<B>,
    folder: &Path,
    device: &B::Device,
) -> Result<(Calibrated, ReadReport)> {
    let mut logits = Logits::default();
    let report = ndjson::for_each_part(folder, classifier.labels(), |data| {
        for_each_drawing(
            Network::Float(classifier.model()),
            1.0,
            data,
            |drawing| drawing,
            device,
            |index, row| {
                if logits.rows.len() < MAX_DRAWINGS {
                    logits.labels.push(data.label(index));
                    logits.rows.push(row.to_vec());
                }
            },
        )
    })?;
    ensure!(!logits.rows.is_empty(), "{}: there are no drawings", folder.display());
    let temperature = logits.best_temperature();
    let [before, after] = [1.0, temperature].map(|temperature| logits.tally(temperature));
    let (threshold, share_above) = logits.threshold(temperature);
    let change = |figure: fn(&Tally) -> f64| Change { before: figure(&before), after: figure(&after) };
    let calibrated = Calibrated {
        calibration: Calibration { temperature, threshold },
        n: logits.rows.len(),
        loss: change(|tally| tally.figures().loss),
        ece: change(Tally::expected_calibration_error),
        share_above,
    };
    Ok((calibrated, report))
}

impl Logits {
    fn log_probabilities(&self, temperature: f32) -> impl Iterator<Item = (usize, Vec<f32>)> + '_ {
        self.labels.iter().zip(&self.rows).map(move |(&label, row)| (label, scaled(row, temperature)))
    }

    fn tally(&self, temperature: f32) -> Tally {
        let mut tally = Tally::new(self.rows.first().map_or(0, Vec::len));
        for (label, row) in self.log_probabilities(temperature) {
            tally.add(label, &row);
        }
        tally
    }

    /// Golden-section search: the loss has one minimum in the temperature's inverse, and so in its logarithm.
    fn best_temperature(&self) -> f32 {
        let loss = |log: f32| self.tally(log.exp()).figures().loss;
        let golden = (5.0f32.sqrt() - 1.0) / 2.0;
        let [mut low, mut high] = LOG_TEMPERATURES;
        while high - low > TOLERANCE {
            let [left, right] = [high - golden * (high - low), low + golden * (high - low)];
            if loss(left) < loss(right) { high = right } else { low = left }
        }
        ((low + high) / 2.0).exp()
    }

    /// The least probability from which on enough first guesses are right, and the share of them.
    fn threshold(&self, temperature: f32) -> (f32, f64) {
        let mut guesses: Vec<(f32, bool)> = self
            .log_probabilities(temperature)
            .map(|(label, row)| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                (most.exp(), row[label] >= most)
            })
            .collect();
        guesses.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut n_right, mut found) = (0, (1.0, 0.0));
        for (i, &(probability, right)) in guesses.iter().enumerate() {
            n_right += usize::from(right);
            let n = i + 1;
            if n >= MIN_SURE && n_right as f64 >= SURE * n as f64 {
                found = (probability, n as f64 / guesses.len() as f64);
            }
        }
        found
    }
}

/// Log-probabilities at another temperature.
fn scaled(row: &[f32], temperature: f32) -> Vec<f32> {
    let row: Vec<f32> = row.iter().map(|value| value / temperature).collect();
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = row.iter().map(|value| (value - largest).exp()).sum();
    let shift = largest + sum.ln();
    row.into_iter().map(|value| value - shift).collect()
}
