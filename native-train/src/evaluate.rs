//! How often a network is right: drawings with labels in, accuracies and confusions out.

use std::path::Path;

use anyhow::{Result, ensure};
use quickdraw_core::{Drawing, Ink, Model, ModelBackend, ModelConfig, QuantizedModel, Workspace};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::redraw::redraw;
use crate::data::{DataSet, ReadReport, ndjson};
pub use crate::tally::{Confidences, Figures, Tally};

/// Drawings that go through the network together.
const BATCH_SIZE: usize = 128;

/// Confusions that are kept.
const N_CONFUSIONS: usize = 10;

/// The shares of a drawing's points after which it is measured, besides the whole.
const FRACTIONS: [f64; 3] = [0.25, 0.5, 0.75];

/// Mistakes that are kept while measuring: several times more than a report shows, so that it can choose.
const N_MISTAKES: usize = 2000;

/// Guesses that are kept of a mistake.
const N_GUESSES: usize = 3;

/// A category taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// What was drawn.
    pub label: String,
    /// What was guessed.
    pub guess: String,
    /// How many drawings.
    pub n: usize,
    /// Of how many of that category.
    pub of: usize,
}

/// What [`evaluate`] finds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The accuracies.
    #[serde(flatten)]
    pub figures: Figures,
    /// The commonest confusions by share of their category, worst first.
    pub confusions: Vec<Confusion>,
}

impl std::ops::Deref for Evaluation {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        &self.figures
    }
}

impl Evaluation {
    fn of(tally: &Tally, labels: &[String]) -> Self {
        let mut confusions: Vec<(usize, usize, usize, usize)> = (0..tally.n_classes())
            .flat_map(|label| {
                let of = tally.n_of(label);
                tally.wrong_guesses(label).into_iter().map(move |(guess, n)| (label, guess, n, of))
            })
            .collect();
        // Share of the category, compared without division: n / of.
        confusions.sort_by_key(|&(label, guess, n, of)| (std::cmp::Reverse((n << 32) / of), label, guess));
        confusions.truncate(N_CONFUSIONS);
        let name = |class: usize| labels[class].clone();
        let confusions = confusions
            .into_iter()
            .map(|(label, guess, n, of)| Confusion { label: name(label), guess: name(guess), n, of })
            .collect();
        Self { figures: tally.figures(), confusions }
    }
}

/// Runs the network over all drawings of a data set whose labels are the network's.
///
/// # Errors
/// When the data set is empty or has another number of classes than the network.
pub fn evaluate<B: ModelBackend>(model: &Model<B>, data: &DataSet, device: &B::Device) -> Result<Evaluation> {
    ensure!(!data.is_empty(), "there are no drawings to evaluate on");
    let mut tally = Tally::new(model.config().n_classes);
    for_each_drawing(
        Network::Float(model),
        |_| 1.0,
        data,
        whole,
        device,
        |index, row| {
            tally.add(data.label(index), row);
        },
    )?;
    Ok(Evaluation::of(&tally, data.labels()))
}

/// A network in one of its forms.
#[derive(Debug)]
pub enum Network<'a, B: ModelBackend> {
    /// In float32.
    Float(&'a Model<B>),
    /// On whole numbers, as the browser runs it.
    Quantized(&'a QuantizedModel),
}

impl<B: ModelBackend> Clone for Network<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: ModelBackend> Copy for Network<'_, B> {}

impl<B: ModelBackend> Network<'_, B> {
    fn config(&self) -> &ModelConfig {
        match self {
            Self::Float(model) => model.config(),
            Self::Quantized(model) => model.config(),
        }
    }

    /// Logits `[B, K]`, row-major.
    fn logits(&self, inks: &[Ink], device: &B::Device) -> Result<Vec<f32>> {
        match self {
            Self::Float(model) => {
                let logits = model.forward(&model.config().batch(inks, device)?)?; // [B, K]
                Ok(logits.into_data().iter::<f32>().collect())
            }
            Self::Quantized(model) => {
                let rows = inks.par_iter().map_init(Workspace::default, |work, ink| {
                    let embedding = model.embedding(ink, work)?;
                    Ok(model.logits(&embedding, work))
                });
                Ok(rows.collect::<Result<Vec<_>>>()?.concat())
            }
        }
    }
}

fn whole(drawing: Drawing) -> Drawing {
    drawing
}

/// Logits `[K]` to log-probabilities at a temperature.
pub(crate) fn log_softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let row: Vec<f32> = logits.iter().map(|logit| logit / temperature).collect();
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = row.iter().map(|value| (value - largest).exp()).sum();
    let shift = largest + sum.ln();
    row.into_iter().map(|value| value - shift).collect()
}

/// Runs the network over what `view` makes of each drawing; hands on the drawing's index and its log-probabilities
/// `[K]` at the temperature for a pen that is down or not, in no particular order.
pub(crate) fn for_each_drawing<B: ModelBackend>(
    network: Network<'_, B>,
    temperature: impl Fn(bool) -> f32,
    data: &DataSet,
    mut view: impl FnMut(Drawing) -> Drawing,
    device: &B::Device,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<()> {
    let n_classes = network.config().n_classes;
    ensure!(
        data.n_classes() == n_classes,
        "the drawings have {} categories, the network has {n_classes}",
        data.n_classes()
    );
    // Drawings of like length together: less padding.
    let mut order: Vec<usize> = (0..data.len()).collect();
    order.sort_by_key(|&index| data.n_points(index));
    for chunk in order.chunks(BATCH_SIZE) {
        let drawings: Vec<Drawing> = chunk.iter().map(|&index| view(data.drawing(index))).collect();
        let inks: Vec<Ink> = drawings.iter().map(|drawing| network.config().ink_of(drawing)).collect();
        let logits = network.logits(&inks, device)?;
        for ((&index, drawing), row) in chunk.iter().zip(&drawings).zip(logits.chunks_exact(n_classes)) {
            let row = log_softmax(row, temperature(drawing.is_pen_down()));
            let found = row[data.label(index)];
            ensure!(found.is_finite(), "the network gives {found} for a drawing");
            each(index, &row);
        }
    }
    Ok(())
}

/// A drawing that was taken for another category.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The drawing.
    pub drawing: Drawing,
    /// Its category, an index into the labels.
    pub label: usize,
    /// The probability of its category, 0 to 1.
    pub probability: f32,
    /// The likeliest categories with their probabilities, best first; the first is wrong.
    pub guesses: Vec<(usize, f32)>,
}

/// Accuracies when a part of each drawing is seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtFraction {
    /// Share of the drawing's points, above 0 to 1.
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
    /// Share of drawings recognised at the first guess, 0 to 1.
    pub top1: f64,
    /// Among the first three.
    pub top3: f64,
    /// Among the first five.
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
    /// Expected calibration error of the first guess, 0 to 1, over 15 bins.
    pub ece: f64,
    /// Accuracies on the same drawings drawn anew as events of a pen, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrawn: Option<Figures>,
    /// How well the probability of the first guess tells known things from unknown ones
    /// ([`Confidences::auroc`](crate::tally::Confidences::auroc)), where unknown ones were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc_of_unknown: Option<f64>,
    /// Whether the network was told that the pen is down, of parts that end within a stroke.
    pub tells_pen: bool,
    /// Accuracies by share of the drawing seen, rising; the last is the whole.
    pub by_fraction: Vec<AtFraction>,
    /// The categories that occur, in the order of the labels.
    pub classes: Vec<ClassFigures>,
}

/// All that is found out about a network on drawings that come piece by piece.
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
    /// Of first guesses for whole drawings.
    confidences: Confidences,
    /// Likewise, for drawings of things that the network does not know.
    unknown: Option<Confidences>,
    /// Of drawings as a pen draws them, where that was asked for.
    redrawn: Option<Tally>,
    /// One for each of [`FRACTIONS`].
    parts: [Tally; FRACTIONS.len()],
    mistakes: Vec<Mistake>,
}

impl Measurement {
    /// A measurement of no drawings, for a network with these labels whose logits are divided by a temperature, for a pen that
    /// is down or not.
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
            parts: FRACTIONS.map(|_| tally.clone()),
            mistakes: Vec::new(),
        }
    }

    /// Gives unfinished drawings as whole ones from now on, with the pen up.
    pub fn with_pen_up(mut self) -> Self {
        self.tells_pen = false;
        self
    }

    /// Measures each drawing a second time from now on: drawn anew as events of a pen ([`redraw`]).
    pub fn with_redrawn(mut self) -> Self {
        self.redrawn = Some(Tally::new(self.labels.len()));
        self
    }

    /// Adds all drawings of a folder, of which it holds few in memory at a time.
    ///
    /// # Errors
    /// As [`ndjson::for_each_part`].
    pub fn add_folder<B: ModelBackend>(
        &mut self,
        model: &Model<B>,
        folder: &Path,
        device: &B::Device,
    ) -> Result<ReadReport> {
        let labels = self.labels.clone();
        ndjson::for_each_part(folder, &labels, |part| self.add(model, part, device))
    }

    /// Measures the network on more drawings, whole and in part.
    ///
    /// A part is put into the data set's simplified form anew, as a browser does it while somebody draws: it fills the
    /// square by itself. Where it ends within a stroke, the pen is down.
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
        for (fraction, tally) in FRACTIONS.iter().zip(&mut self.parts) {
            let view = |drawing: Drawing| {
                let part = part(drawing, *fraction);
                let is_pen_down = *tells_pen && part.is_pen_down();
                part.with_pen_down(is_pen_down)
            };
            for_each_drawing(network, temperature, data, view, device, |index, row| {
                tally.add(data.label(index), row);
            })?;
        }
        if let Some(tally) = &mut self.redrawn {
            // In the same way at each measurement.
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let view = |drawing: Drawing| redraw(&drawing, &mut rng);
            for_each_drawing(network, temperature, data, view, device, |index, row| {
                tally.add(data.label(index), row);
            })?;
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
                        guesses: likeliest(row, guess),
                    },
                );
            }
        })?;
        by_confidence(mistakes);
        Ok(())
    }

    /// Adds drawings of things that the network does not know: whatever their words are, they do not count.
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
        let wrong = self.whole.wrong_guesses(class).first().copied();
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

/// The likeliest classes with their probabilities, `guess` first.
fn likeliest(log_probabilities: &[f32], guess: usize) -> Vec<(usize, f32)> {
    let mut order: Vec<usize> = (0..log_probabilities.len()).collect();
    order.sort_by(|&a, &b| {
        log_probabilities[b].total_cmp(&log_probabilities[a]).then((b == guess).cmp(&(a == guess)))
    });
    order.into_iter().take(N_GUESSES).map(|class| (class, log_probabilities[class].exp())).collect()
}

/// Adds a mistake, and lets the least confident ones go once there are twice as many as are kept.
fn keep(mistakes: &mut Vec<Mistake>, mistake: Mistake) {
    mistakes.push(mistake);
    if mistakes.len() >= 2 * N_MISTAKES {
        by_confidence(mistakes);
    }
}

fn by_confidence(mistakes: &mut Vec<Mistake>) {
    mistakes.sort_by(|a, b| b.guesses[0].1.total_cmp(&a.guesses[0].1));
    mistakes.truncate(N_MISTAKES);
}

/// What becomes of a network when it is stored with less precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The accuracies of the one.
    pub before: Figures,
    /// The accuracies of the other.
    pub after: Figures,
    /// Share of drawings for which both have the same first guess, 0 to 1.
    pub agreement: f64,
}

/// Measures two networks of the same labels on all drawings of a folder, at a temperature.
///
/// # Errors
/// As [`Measurement::of_folder`].
pub fn compare<B: ModelBackend>(
    before: Network<'_, B>,
    after: Network<'_, B>,
    temperature: f32,
    labels: &[String],
    folder: &Path,
    device: &B::Device,
) -> Result<(Comparison, ReadReport)> {
    let mut tallies = [Tally::new(labels.len()), Tally::new(labels.len())];
    let mut n_same = 0usize;
    let report = ndjson::for_each_part(folder, labels, |data| {
        let mut guesses = [vec![0; data.len()], vec![0; data.len()]];
        for ((network, tally), guesses) in [before, after].into_iter().zip(&mut tallies).zip(&mut guesses) {
            for_each_drawing(
                network,
                |_| temperature,
                data,
                whole,
                device,
                |index, row| {
                    guesses[index] = tally.add(data.label(index), row);
                },
            )?;
        }
        n_same += guesses[0].iter().zip(&guesses[1]).filter(|(a, b)| a == b).count();
        Ok(())
    })?;
    let [before, after] = tallies.map(|tally| tally.figures());
    Ok((Comparison { before, after, agreement: n_same as f64 / before.n as f64 }, report))
}
