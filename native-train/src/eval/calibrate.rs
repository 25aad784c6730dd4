//! From a network's logits on drawings that it was not trained on to the temperature, the threshold
//! and, where they are wanted, the biases of its categories that calibrate its probabilities.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, ensure};
use quickdraw_core::{Calibration, Classifier, Drawing, ModelBackend, PenCalibration};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::network::{Network, for_each_drawing, log_softmax};
use super::tally::Tally;
use crate::data::augment::UNFINISHED;
use crate::data::{ReadReport, for_each_part};

/// Accuracy of the top-1 predictions above the threshold.
pub const TARGET_ACCURACY: f64 = 0.95;

/// Drawings whose logits are kept, chosen at random where there are more, to bound memory.
const MAX_DRAWINGS: usize = 20_000;

/// The one-sided 95 % quantile of the normal distribution, for the confidence bound.
const Z_95: f64 = 1.645;

/// The temperatures that are considered, and how near to the best one the search ends (as
/// logarithms).
const LOG_TEMPERATURES: [f32; 2] = [-3.0, 3.0];
const TOLERANCE: f32 = 1e-4;

/// The precision (inverse variance) of the Gaussian prior on the biases of categories.
const BIAS_PRECISION: f64 = 2.0;

/// The search for biases ends after this many iterations, or when no bias changes by more than the
/// tolerance.
const MAX_BIAS_ITERATIONS: usize = 200;
const BIAS_TOLERANCE: f64 = 1e-3;

/// Cross-validation folds; each is evaluated with the biases fitted on the others.
const FOLDS: usize = 5;

/// A figure before and after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    /// As the network gives it.
    pub before: f64,
    /// With the temperature, and the biases if there are any.
    pub after: f64,
}

/// The calibration of drawings whose pen is up, or down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConfidenceFit {
    /// For `model.json`.
    pub calibration: PenCalibration,
    /// Expected calibration error, 0 to 1; with the pen down before is with the temperature of
    /// whole drawings.
    pub ece: Change,
    /// Coverage: fraction of the drawings whose top-1 prediction is above the threshold, 0 to 1.
    pub share_above: f64,
}

/// The result of [`calibrate`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// Of whole drawings.
    pub whole: ConfidenceFit,
    /// Of unfinished drawings.
    pub pen_down: ConfidenceFit,
    /// Class biases `[K]` for the last layer, if requested (Alexandari et al., "Maximum Likelihood
    /// with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation", 2020).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<Vec<f32>>,
    /// Number of drawings it was fitted on.
    pub n: usize,
    /// Class-balanced top-1 accuracy, 0 to 1.
    pub balanced_top1: Change,
    /// Mean cross-entropy, in nats.
    pub loss: Change,
}

impl Calibrated {
    /// For `model.json`.
    pub fn calibration(&self) -> Calibration {
        let PenCalibration { temperature, threshold } = self.whole.calibration;
        Calibration { temperature, threshold, pen_down: Some(self.pen_down.calibration) }
    }
}

/// Labels and logits `[K]` of drawings.
#[derive(Clone, Debug, Default)]
struct Logits {
    labels: Vec<usize>,
    rows: Vec<Vec<f32>>,
}

/// A uniform random sample of [`Logits`] (reservoir sampling with a fixed seed).
#[derive(Debug)]
struct Reservoir {
    kept: Logits,
    n_seen: usize,
    rng: ChaCha8Rng,
}

impl Reservoir {
    fn new() -> Self {
        Self { kept: Logits::default(), n_seen: 0, rng: ChaCha8Rng::seed_from_u64(0) }
    }

    fn add(&mut self, label: usize, row: &[f32]) {
        self.n_seen += 1;
        if self.n_seen <= MAX_DRAWINGS {
            self.kept.labels.push(label);
            self.kept.rows.push(row.to_vec());
        } else if let place @ 0..MAX_DRAWINGS = self.rng.random_range(0..self.n_seen) {
            self.kept.labels[place] = label;
            self.kept.rows[place].copy_from_slice(row);
        }
    }
}

/// The drawing at some moment at which the pen was down, as a browser sees it.
fn with_pen_down(drawing: Drawing, rng: &mut impl Rng) -> Drawing {
    let n_points = (drawing.n_points() as f32 * rng.random_range(UNFINISHED)).ceil() as usize;
    drawing.first_points(n_points).with_pen_down(true).simplify()
}

/// Finds the temperature of the least cross-entropy on the drawings of a folder, on 20,000 of them
/// chosen at random where there are more, and the minimum probability from which on top-1
/// predictions are correct in 95 of 100 cases, by a lower confidence bound (1 if there is none);
/// both also for a moment of each drawing, chosen at random, at which the pen was down. With
/// `with_class_biases` also the bias of each category with which it is predicted about as often as
/// it is drawn; temperature, threshold and figures are then those of drawings with the biases found
/// on others of the folder, in five parts.
///
/// # Errors
/// As [`for_each_part`]; when there are no drawings, or, with `with_class_biases`, fewer than two
/// of a category.
pub fn calibrate<B: ModelBackend>(
    classifier: &Classifier<B>,
    folder: &Path,
    with_class_biases: bool,
    device: &B::Device,
) -> Result<(Calibrated, ReadReport)> {
    // Both keep the same drawings.
    let mut reservoirs = [Reservoir::new(), Reservoir::new()];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let network = Network::Float(classifier.model());
    let report = for_each_part(folder, classifier.labels(), |data| {
        let [whole, pen_down] = &mut reservoirs;
        for_each_drawing(
            network,
            |_| 1.0,
            data,
            |drawing| drawing,
            device,
            |index, row| {
                whole.add(data.label(index), row);
            },
        )?;
        let view = |drawing| with_pen_down(drawing, &mut rng);
        for_each_drawing(
            network,
            |_| 1.0,
            data,
            view,
            device,
            |index, row| {
                pen_down.add(data.label(index), row);
            },
        )
    })?;
    let [mut whole, mut pen_down] = reservoirs.map(|reservoir| reservoir.kept);
    ensure!(!whole.rows.is_empty(), "{}: there are no drawings", folder.display());
    if with_class_biases {
        for (n, name) in whole.n_drawings().into_iter().zip(classifier.labels()) {
            ensure!(
                n >= 2,
                "{}: {n} drawings of {name}; class biases want two or more of each category",
                folder.display()
            );
        }
    }
    let before = whole.tally(1.0);
    let shift = with_class_biases.then(|| {
        let shift = whole.best_shift();
        let shifts = whole.cross_shifts();
        [&mut whole, &mut pen_down].into_iter().for_each(|logits| logits.shift(&shifts));
        shift
    });
    let (of_whole, after) = confidence_fit(&before, &whole);
    // The calibration error with the temperature of whole drawings.
    let before_pen_down = pen_down.tally(of_whole.calibration.temperature);
    let (of_pen_down, _) = confidence_fit(&before_pen_down, &pen_down);
    let change = |figure: fn(&Tally) -> f64| Change { before: figure(&before), after: figure(&after) };
    let calibrated = Calibrated {
        whole: of_whole,
        pen_down: of_pen_down,
        shift,
        n: whole.rows.len(),
        balanced_top1: change(|tally| tally.figures().balanced_top1),
        loss: change(|tally| tally.figures().loss),
    };
    Ok((calibrated, report))
}

/// The calibration for these logits, and the tally at its temperature; `before` is the tally
/// without it.
fn confidence_fit(before: &Tally, logits: &Logits) -> (ConfidenceFit, Tally) {
    let temperature = logits.best_temperature();
    let (threshold, share_above) = logits.threshold(temperature);
    let after = logits.tally(temperature);
    let [before, after_ece] = [before, &after].map(Tally::expected_calibration_error);
    let calibration = PenCalibration { temperature, threshold };
    (ConfidenceFit { calibration, ece: Change { before, after: after_ece }, share_above }, after)
}

impl Logits {
    fn n_classes(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Drawings of each category.
    fn n_drawings(&self) -> Vec<usize> {
        let mut n_drawings = vec![0; self.n_classes()];
        self.labels.iter().for_each(|&label| n_drawings[label] += 1);
        n_drawings
    }

    /// The MAP estimate of each category's bias, at the best temperature without it, by Newton's
    /// method with a diagonal Hessian: it matches the expected count of each category to the
    /// observed one.
    fn best_shift(&self) -> Vec<f32> {
        let temperature = self.best_temperature();
        let seen = self.n_drawings();
        let mut biases = vec![0.0; self.n_classes()];
        let mut shift = vec![0.0; self.n_classes()];
        for _ in 0..MAX_BIAS_ITERATIONS {
            let mut expected = vec![0.0; self.n_classes()];
            for row in &self.rows {
                let log_probabilities = log_softmax(&shifted(row, &shift), temperature);
                for (sum, log_probability) in expected.iter_mut().zip(log_probabilities) {
                    *sum += f64::from(log_probability.exp());
                }
            }
            let mut farthest = 0.0f64;
            for (bias, (&seen, expected)) in biases.iter_mut().zip(seen.iter().zip(&expected)) {
                let step = (seen as f64 - expected - BIAS_PRECISION * *bias) / (expected + BIAS_PRECISION);
                // The second derivative is unreliable where nothing is expected.
                let step = step.clamp(-1.0, 1.0);
                *bias += step;
                farthest = farthest.max(step.abs());
            }
            shift = biases.iter().map(|bias| *bias as f32 * temperature).collect();
            if farthest < BIAS_TOLERANCE {
                break;
            }
        }
        shift
    }

    /// For each drawing the biases fitted on the other folds, so that none is evaluated on drawings
    /// that it was fitted on. Folds are stratified by category.
    fn cross_shifts(&self) -> Vec<Rc<[f32]>> {
        let mut seen = vec![0; self.n_classes()];
        let parts: Vec<usize> = (self.labels.iter())
            .map(|&label| {
                seen[label] += 1;
                (seen[label] - 1) % FOLDS
            })
            .collect();
        let shifts: Vec<Rc<[f32]>> = (0..FOLDS)
            .map(|part| {
                let of_others = || (0..self.rows.len()).filter(|&i| parts[i] != part);
                let others = Self {
                    labels: of_others().map(|i| self.labels[i]).collect(),
                    rows: of_others().map(|i| self.rows[i].clone()).collect(),
                };
                others.best_shift().into()
            })
            .collect();
        parts.into_iter().map(|part| Rc::clone(&shifts[part])).collect()
    }

    /// Adds to each drawing's logits its shift.
    fn shift(&mut self, shifts: &[Rc<[f32]>]) {
        for (row, shift) in self.rows.iter_mut().zip(shifts) {
            *row = shifted(row, shift);
        }
    }

    fn log_probabilities(&self, temperature: f32) -> impl Iterator<Item = (usize, Vec<f32>)> + '_ {
        self.labels.iter().zip(&self.rows).map(move |(&label, row)| (label, log_softmax(row, temperature)))
    }

    fn tally(&self, temperature: f32) -> Tally {
        let mut tally = Tally::new(self.n_classes());
        for (label, row) in self.log_probabilities(temperature) {
            tally.add(label, &row);
        }
        tally
    }

    /// Golden-section search: the loss has one minimum in the temperature's inverse, and so in its
    /// logarithm.
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

    /// The minimum probability from which on enough top-1 predictions are correct, and its
    /// coverage. The accuracy on the sample itself would be biased upwards by the choice of the
    /// cut; what counts is its lower confidence bound.
    fn threshold(&self, temperature: f32) -> (f32, f64) {
        let mut predictions: Vec<(f32, bool)> = self
            .log_probabilities(temperature)
            .map(|(label, row)| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                (most.exp(), row[label] >= most)
            })
            .collect();
        predictions.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut n_correct, mut found) = (0, (1.0, 0.0));
        for (i, &(probability, is_correct)) in predictions.iter().enumerate() {
            n_correct += usize::from(is_correct);
            let n = i + 1;
            // Equal probabilities lie on one side.
            let is_cut = predictions.get(n).is_none_or(|next| next.0 < probability);
            if is_cut && lower_bound(n_correct, n) >= TARGET_ACCURACY {
                found = (probability, n as f64 / predictions.len() as f64);
            }
        }
        found
    }
}

fn shifted(row: &[f32], shift: &[f32]) -> Vec<f32> {
    row.iter().zip(shift).map(|(value, shift)| value + shift).collect()
}

/// A lower confidence bound of a proportion of which `n_correct` of `n` were seen (Wilson,
/// "Probable inference, the law of succession, and statistical inference", 1927).
fn lower_bound(n_correct: usize, n: usize) -> f64 {
    let (share, n, z2) = (n_correct as f64 / n as f64, n as f64, Z_95 * Z_95);
    let spread = (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (share + z2 / (2.0 * n) - Z_95 * spread) / (1.0 + z2 / n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normal_pair;

    /// Logits of a perfectly calibrated network: labels are drawn from its probabilities.
    fn calibrated(n: usize, rng: &mut ChaCha8Rng) -> Logits {
        const N_CLASSES: usize = 10;
        let mut logits = Logits::default();
        for _ in 0..n {
            let row: Vec<f32> = (0..N_CLASSES).map(|_| 3.0 * normal_pair(rng)[0]).collect();
            let mut left = rng.random::<f32>();
            let label = log_softmax(&row, 1.0).iter().position(|p| {
                left -= p.exp();
                left < 0.0
            });
            logits.labels.push(label.unwrap_or(N_CLASSES - 1));
            logits.rows.push(row);
        }
        logits
    }

    #[test]
    fn the_threshold_holds_on_other_drawings() {
        const N_SAMPLES: usize = 100;
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        // Other drawings, most confident first: their accuracy from a probability on.
        let mut fresh: Vec<f64> = (calibrated(40_000, &mut rng).log_probabilities(1.0))
            .map(|(_, row)| f64::from(row.into_iter().fold(f32::NEG_INFINITY, f32::max).exp()))
            .collect();
        fresh.sort_by(|a, b| b.total_cmp(a));
        let fraction_correct = |threshold: f32| {
            let above = &fresh[..fresh.partition_point(|&p| p >= f64::from(threshold))];
            if above.is_empty() { 1.0 } else { above.iter().sum::<f64>() / above.len() as f64 }
        };
        let (mut n_broken, mut sum_above) = (0, 0.0);
        for _ in 0..N_SAMPLES {
            let (threshold, share_above) = calibrated(2000, &mut rng).threshold(1.0);
            n_broken += usize::from(fraction_correct(threshold) < TARGET_ACCURACY);
            sum_above += share_above;
        }
        // 5 are expected; more than 11 have a probability of 1 in 200.
        assert!(n_broken <= 11, "{n_broken} of {N_SAMPLES} thresholds do not hold");
        // It is not trivial either: the best threshold would keep half of all.
        let share_above = sum_above / N_SAMPLES as f64;
        assert!(share_above > 0.1, "{share_above}");
    }

    #[test]
    fn equal_probabilities_lie_on_one_side_of_the_threshold() {
        // A hundred correct predictions and then a hundred wrong ones, all equally probable.
        let logits = Logits { labels: [[0; 100], [1; 100]].concat(), rows: vec![vec![9.0, 0.0]; 200] };
        assert_eq!(logits.threshold(1.0), (1.0, 0.0));
    }
}
