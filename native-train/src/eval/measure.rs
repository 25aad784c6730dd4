//! All figures of a network, accumulated over parts of the drawings.

use std::path::Path;

use anyhow::{Result, ensure};
use quickdraw_core::{Drawing, Ink, Model, ModelBackend};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::evaluate::Evaluation;
use super::network::{BATCH_SIZE, Network, for_each_drawing, log_softmax, whole};
use super::tally::{Confidences, Figures, Tally};
use crate::data::augment::{Picture, redraw, trace};
use crate::data::{DataSet, ReadReport, for_each_part};

/// The fractions of a drawing's points after which it is measured, besides the whole.
const FRACTIONS: [f64; 3] = [0.25, 0.5, 0.75];

/// Mistakes that are kept while measuring: several times more than a report shows, so that it can
/// choose.
const N_MISTAKES: usize = 2000;

/// Top predictions that are kept of a mistake.
const N_PREDICTIONS: usize = 3;

/// A drawing that was taken for another category.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The drawing.
    pub drawing: Drawing,
    /// Its category, an index into the labels.
    pub label: usize,
    /// The probability of its category, 0 to 1.
    pub probability: f32,
    /// The most probable categories with their probabilities, best first; the first is wrong.
    pub predictions: Vec<(usize, f32)>,
}

/// Accuracies when a part of each drawing is seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtFraction {
    /// Fraction of the drawing's points, above 0 to 1.
    pub fraction: f64,
    /// The accuracies.
    #[serde(flatten)]
    pub figures: Figures,
    /// Expected calibration error, 0 to 1.
    pub ece: f64,
}

/// How often the drawings of a category are recognised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The category.
    pub label: String,
    /// Its drawings.
    pub n: usize,
    /// Top-1 accuracy, 0 to 1.
    pub top1: f64,
    /// Top-3 accuracy.
    pub top3: f64,
    /// Top-5 accuracy.
    pub top5: f64,
    /// What its drawings are most often taken for, if they ever are.
    pub confused_with: Option<String>,
    /// How many of them are.
    pub n_confused: usize,
}

/// A measurement in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Accuracies and confusions.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// Expected calibration error of the top-1 prediction, 0 to 1, over 15 bins.
    pub ece: f64,
    /// Accuracies on the same drawings re-rendered as pointer events, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrawn: Option<Figures>,
    /// Accuracies on the same drawings traced from pictures of them, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced: Option<Figures>,
    /// How well the probability of the top-1 prediction separates known categories from unknown
    /// ones ([`Confidences::auroc`]), where unknown ones were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc_of_unknown: Option<f64>,
    /// Whether the network was told that the pen is down, of parts that end within a stroke.
    pub tells_pen: bool,
    /// Accuracies by fraction of the drawing seen, ascending; the last is the whole.
    pub by_fraction: Vec<AtFraction>,
    /// The categories that occur, in the order of the labels.
    pub classes: Vec<ClassFigures>,
}

/// All figures of a network, accumulated over parts of the drawings.
///
/// It keeps counts and a limited number of mistakes, so that it does not grow with the drawings.
#[derive(Clone, Debug)]
pub struct Measurement {
    labels: Vec<String>,
    /// What logits are divided by, with the pen up and down.
    temperatures: [f32; 2],
    /// Whether the network is told that the pen is down, of a drawing that ends within a stroke.
    tells_pen: bool,
    whole: Tally,
    /// Of top-1 predictions for whole drawings.
    confidences: Confidences,
    /// Likewise, for drawings of things that the network does not know.
    unknown: Option<Confidences>,
    /// Of drawings re-rendered as pointer events, where that was asked for.
    redrawn: Option<Tally>,
    /// Of drawings traced from such pictures of them, where that was asked for.
    traced: Option<(Picture, Tally)>,
    /// One for each of [`FRACTIONS`].
    parts: [Tally; FRACTIONS.len()],
    mistakes: Vec<Mistake>,
}

impl Measurement {
    /// A measurement of no drawings, for a network with these labels whose logits are divided by a
    /// temperature, for a pen that is down or not.
    pub fn new(labels: Vec<String>, temperature: impl Fn(bool) -> f32) -> Self {
        let tally = Tally::new(labels.len());
        Self {
            labels,
            temperatures: [false, true].map(temperature),
            tells_pen: true,
            whole: tally.clone(),
            confidences: Confidences::default(),
            unknown: None,
            redrawn: None,
            traced: None,
            parts: FRACTIONS.map(|_| tally.clone()),
            mistakes: Vec::new(),
        }
    }

    /// From now on, unfinished drawings are passed to the network as whole ones, with the pen up.
    pub fn with_pen_up(mut self) -> Self {
        self.tells_pen = false;
        self
    }

    /// Measures each drawing a second time from now on: re-rendered as pointer events ([`redraw`]).
    pub fn with_redrawn(mut self) -> Self {
        self.redrawn = Some(Tally::new(self.labels.len()));
        self
    }

    /// Measures each drawing a second time from now on: traced from such a picture of it
    /// ([`trace`]).
    pub fn with_traced(mut self, picture: Picture) -> Self {
        self.traced = Some((picture, Tally::new(self.labels.len())));
        self
    }

    /// Adds all drawings of a folder, of which it holds few in memory at a time.
    ///
    /// # Errors
    /// As [`for_each_part`].
    pub fn add_folder<B: ModelBackend>(
        &mut self,
        model: &Model<B>,
        folder: &Path,
        device: &B::Device,
    ) -> Result<ReadReport> {
        let labels = self.labels.clone();
        for_each_part(folder, &labels, |part| self.add(model, part, device))
    }

    /// Measures the network on more drawings, whole and in part. An unfinished drawing is
    /// simplified again, as in a browser while somebody draws, so that it fills the square. Where
    /// it ends within a stroke, the pen is down.
    ///
    /// # Errors
    /// When the drawings have other classes than the network.
    pub fn add<B: ModelBackend>(
        &mut self,
        model: &Model<B>,
        data: &DataSet,
        device: &B::Device,
    ) -> Result<()> {
        ensure!(
            data.labels() == self.labels,
            "the drawings have other categories than the network: {:?}, expected {:?}",
            data.labels(),
            self.labels
        );
        let Self { temperatures, tells_pen, .. } = self;
        let temperature = |is_pen_down| temperatures[usize::from(is_pen_down)];
        let network = Network::Float(model);
        let count = |tally: &mut Tally, view: &mut dyn FnMut(Drawing) -> Drawing| {
            for_each_drawing(network, temperature, data, view, device, |index, row| {
                tally.add(data.label(index), row);
            })
        };
        for (fraction, tally) in FRACTIONS.iter().zip(&mut self.parts) {
            let mut view = |drawing: Drawing| {
                let part = part(drawing, *fraction);
                let is_pen_down = *tells_pen && part.is_pen_down();
                part.with_pen_down(is_pen_down)
            };
            count(tally, &mut view)?;
        }
        if let Some(tally) = &mut self.redrawn {
            // A fixed seed: the same at each measurement.
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut view = |drawing: Drawing| redraw(&drawing, &mut rng);
            count(tally, &mut view)?;
        }
        if let Some((picture, tally)) = &mut self.traced {
            let mut view = |drawing: Drawing| trace(&drawing, *picture);
            count(tally, &mut view)?;
        }
        let Self { whole: tally, confidences, mistakes, .. } = self;
        for_each_drawing(network, temperature, data, whole, device, |index, row| {
            let label = data.label(index);
            let guess = tally.add(label, row);
            confidences.add(row[guess].exp());
            if guess != label {
                keep(
                    mistakes,
                    Mistake {
                        drawing: data.drawing(index),
                        label,
                        probability: row[label].exp(),
                        predictions: top_k(row, guess),
                    },
                );
            }
        })?;
        by_confidence(mistakes);
        Ok(())
    }

    /// Adds drawings of unknown (out-of-distribution) categories; their words are ignored.
    ///
    /// # Errors
    /// When the network gives numbers that are not finite.
    pub fn add_unknown<B: ModelBackend>(
        &mut self,
        model: &Model<B>,
        data: &DataSet,
        device: &B::Device,
    ) -> Result<()> {
        let unknown = self.unknown.get_or_insert_default();
        let indices: Vec<usize> = (0..data.len()).collect();
        for chunk in indices.chunks(BATCH_SIZE) {
            let ink = |&index: &usize| model.config().ink_of(&data.drawing(index));
            let inks: Vec<Ink> = chunk.iter().map(ink).collect();
            let logits = Network::Float(model).logits(&inks, device)?;
            for row in logits.chunks_exact(model.config().n_classes) {
                let row = log_softmax(row, self.temperatures[0]);
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                ensure!(most.is_finite(), "the network gives {most} for a drawing");
                unknown.add(most.exp());
            }
        }
        Ok(())
    }

    /// Name of each class.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The counts over whole drawings.
    pub fn tally(&self) -> &Tally {
        &self.whole
    }

    /// The most confident mistakes, at most 2,000, most confident first.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// The measurement in numbers.
    pub fn summary(&self) -> Summary {
        let parts = FRACTIONS.iter().zip(&self.parts).chain([(&1.0, &self.whole)]);
        Summary {
            evaluation: Evaluation::of(&self.whole, &self.labels),
            ece: self.whole.expected_calibration_error(),
            redrawn: self.redrawn.as_ref().map(Tally::figures),
            traced: self.traced.as_ref().map(|(_, tally)| tally.figures()),
            auroc_of_unknown: self.unknown.as_ref().map(|unknown| self.confidences.auroc(unknown)),
            tells_pen: self.tells_pen,
            by_fraction: parts
                .map(|(&fraction, tally)| AtFraction {
                    fraction,
                    figures: tally.figures(),
                    ece: tally.expected_calibration_error(),
                })
                .collect(),
            classes: (0..self.labels.len())
                .filter(|&class| self.whole.n_of(class) > 0)
                .map(|class| self.class(class))
                .collect(),
        }
    }

    fn class(&self, class: usize) -> ClassFigures {
        let n = self.whole.n_of(class);
        let [top1, top3, top5] = self.whole.hits_of(class).map(|hits| hits as f64 / n as f64);
        let wrong = self.whole.confusions_of(class).first().copied();
        ClassFigures {
            label: self.labels[class].clone(),
            n,
            top1,
            top3,
            top5,
            confused_with: wrong.map(|(guess, _)| self.labels[guess].clone()),
            n_confused: wrong.map_or(0, |(_, n)| n),
        }
    }
}

/// The first points of a drawing, simplified.
fn part(drawing: Drawing, fraction: f64) -> Drawing {
    let n_points = (fraction * drawing.n_points() as f64).round() as usize;
    drawing.first_points(n_points).simplify()
}

/// The most probable classes with their probabilities, `guess` first.
fn top_k(log_probabilities: &[f32], guess: usize) -> Vec<(usize, f32)> {
    let mut order: Vec<usize> = (0..log_probabilities.len()).collect();
    order.sort_by(|&a, &b| {
        log_probabilities[b].total_cmp(&log_probabilities[a]).then((b == guess).cmp(&(a == guess)))
    });
    order.into_iter().take(N_PREDICTIONS).map(|class| (class, log_probabilities[class].exp())).collect()
}

/// Adds a mistake, and drops the least confident ones once there are twice as many as are kept.
fn keep(mistakes: &mut Vec<Mistake>, mistake: Mistake) {
    mistakes.push(mistake);
    if mistakes.len() >= 2 * N_MISTAKES {
        by_confidence(mistakes);
    }
}

fn by_confidence(mistakes: &mut Vec<Mistake>) {
    mistakes.sort_by(|a, b| b.predictions[0].1.total_cmp(&a.predictions[0].1));
    mistakes.truncate(N_MISTAKES);
}
