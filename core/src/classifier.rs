//! A model folder as bytes in, predictions out.
//!
//! The folder holds `model.json` (a [`ModelCard`]) and `weights.safetensors`; it is all that passes from training
//! to the browser.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Drawing, Error, Ink, Model, ModelBackend, ModelConfig, QuantizedModel, Workspace, weights};

/// The format of model folders that this version writes and reads.
pub const MODEL_FORMAT: u32 = 1;

/// Drawings that go through the network together.
const BATCH_SIZE: usize = 64;

/// A drawing is recognised by this many of its points, the first: several times more than any of the data set has once it
/// is simplified, and few enough that a scribble of a million points is answered at once.
const MAX_POINTS: usize = 4096;

/// What makes the probabilities of a network those that its guesses deserve, found on drawings that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What the logits are divided by before the softmax (Guo et al., "On Calibration of Modern Neural Networks", 2017).
    pub temperature: f32,
    /// First guesses of at least this probability were right 95 of 100 times.
    pub threshold: f32,
    /// Both for a drawing whose [pen is down](Drawing::is_pen_down): a part of a drawing often looks like a whole one of
    /// something else. Absent: as for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pen_down: Option<PenCalibration>,
}

/// [`Calibration`] for one state of the pen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenCalibration {
    /// As [`Calibration::temperature`].
    pub temperature: f32,
    /// As [`Calibration::threshold`].
    pub threshold: f32,
}

impl Calibration {
    /// Checks that temperatures are sizes and thresholds probabilities.
    fn validate(&self) -> Result<(), Error> {
        let invalid = |field, message| Err(Error::InvalidConfig { field, message });
        for (is_pen_down, names) in
            [(false, ["temperature", "threshold"]), (true, ["pen_down.temperature", "pen_down.threshold"])]
        {
            let PenCalibration { temperature, threshold } = self.for_pen(is_pen_down);
            // By a subnormal number a processor may divide as by 0.
            if !(temperature.is_normal() && temperature > 0.0) {
                return invalid(
                    names[0],
                    format!("found {temperature:?}, expected more than 0, and no subnormal number"),
                );
            }
            if !(0.0..=1.0).contains(&threshold) {
                return invalid(names[1], format!("found {threshold}, expected 0 to 1"));
            }
        }
        Ok(())
    }

    /// Temperature and threshold for drawings whose pen is down or not.
    pub fn for_pen(&self, is_pen_down: bool) -> PenCalibration {
        let Self { temperature, threshold, pen_down } = *self;
        pen_down.filter(|_| is_pen_down).unwrap_or(PenCalibration { temperature, threshold })
    }
}

/// `model.json`: what a model is, besides its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// [`MODEL_FORMAT`] of the version that wrote it.
    pub format: u32,
    /// The network.
    pub config: ModelConfig,
    /// Name of each class, in the order of the logits.
    pub labels: Vec<String>,
    /// How sure to be of what; without it the network's probabilities are taken as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Facts of the training, for people: data, steps, options.
    #[serde(default)]
    pub training: Map<String, Value>,
    /// Measured accuracy, for people: which drawings, how many, how many were right.
    #[serde(default)]
    pub figures: Map<String, Value>,
}

impl ModelCard {
    /// Reads `model.json`.
    ///
    /// # Errors
    /// When it is not JSON or lacks a field, has an unknown format number, describes no network, or its labels
    /// are not as many as the classes or not distinct.
    pub fn parse(model_json: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let invalid = |error: serde_json::Error| Error::InvalidModelJson { message: error.to_string() };
        // The format alone first: the rest of an unknown format may look quite different.
        let Format { format } = serde_json::from_slice(model_json).map_err(invalid)?;
        if format != MODEL_FORMAT {
            return Err(Error::UnknownFormat { found: format, supported: MODEL_FORMAT });
        }
        let card: Self = serde_json::from_slice(model_json).map_err(invalid)?;
        card.config.validate()?;
        if let Some(calibration) = &card.calibration {
            calibration.validate()?;
        }
        if card.labels.len() != card.config.n_classes {
            return Err(Error::LabelCount { found: card.labels.len(), expected: card.config.n_classes });
        }
        let mut sorted: Vec<&String> = card.labels.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::DuplicateLabel { label: pair[0].clone() });
        }
        Ok(card)
    }

    /// What logits are divided by before the softmax; 1 without calibration.
    pub fn temperature(&self, is_pen_down: bool) -> f32 {
        self.calibration.map_or(1.0, |calibration| calibration.for_pen(is_pen_down).temperature)
    }

    /// The probability from which on a first guess is right 95 of 100 times; nothing without calibration.
    pub fn threshold(&self, is_pen_down: bool) -> Option<f32> {
        self.calibration.map(|calibration| calibration.for_pen(is_pen_down).threshold)
    }

    /// The likeliest classes, best first, at most `max_results`; those of equal probability in the labels' order.
    fn likeliest(&self, probabilities: &[f32], max_results: usize) -> Vec<Prediction> {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        order.truncate(max_results);
        let prediction = |class: usize| Prediction {
            label: self.labels[class].clone(),
            probability: probabilities[class],
        };
        order.into_iter().map(prediction).collect()
    }
}

/// What a drawing may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The category.
    pub label: String,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// A trained network with its labels.
#[derive(Clone, Debug)]
pub struct Classifier<B: Backend> {
    card: ModelCard,
    model: Model<B>,
    device: B::Device,
}

impl<B: ModelBackend> Classifier<B> {
    /// Opens a model folder, given the bytes of its two files.
    ///
    /// # Errors
    /// Those of [`ModelCard::parse`] and of [`weights::load`].
    pub fn from_bytes(model_json: &[u8], weights: &[u8], device: &B::Device) -> Result<Self, Error> {
        let card = ModelCard::parse(model_json)?;
        let model = weights::load(card.config.blank(device)?, weights, device)?;
        Ok(Self { card, model, device: device.clone() })
    }

    /// What `model.json` says.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Name of each class, in the order of logits and probabilities.
    pub fn labels(&self) -> &[String] {
        &self.card.labels
    }

    /// The network.
    pub fn model(&self) -> &Model<B> {
        &self.model
    }

    /// Logits of drawings in the data set's simplified form: one vector of `n_classes` each.
    ///
    /// # Errors
    /// When there is no drawing, or the network gives a number that is not finite.
    pub fn logits(&self, drawings: &[Drawing]) -> Result<Vec<Vec<f32>>, Error> {
        if drawings.is_empty() {
            return Err(Error::EmptyBatch);
        }
        let n_classes = self.card.config.n_classes;
        let mut all = Vec::with_capacity(drawings.len());
        for chunk in drawings.chunks(BATCH_SIZE) {
            let logits = finite(values(self.forward(chunk)?))?;
            all.extend(logits.chunks_exact(n_classes).map(<[f32]>::to_vec));
        }
        Ok(all)
    }

    /// The probability of each class for a drawing in the data set's simplified form, calibrated if the model is.
    ///
    /// # Errors
    /// None that a [`Drawing`] can cause, but weights that make the network give a number that is
    /// not finite.
    pub fn probabilities(&self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        let logits = finite(values(self.forward(std::slice::from_ref(drawing))?))?;
        Ok(softmax(logits, self.card.temperature(drawing.is_pen_down())))
    }

    /// The likeliest classes of a drawing in the data set's simplified form, best first, at most `max_results`.
    ///
    /// Pen strokes go through [`Drawing::simplify`] first. Classes of equal probability keep the labels' order.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn classify(&self, drawing: &Drawing, max_results: usize) -> Result<Vec<Prediction>, Error> {
        Ok(self.card.likeliest(&self.probabilities(drawing)?, max_results))
    }

    /// The vector before the last layer, of a drawing in the data set's simplified form:
    /// [`d_embedding`](ModelConfig::d_embedding) numbers. Drawings of one kind have vectors that lie close to each other, also of
    /// kinds that the network was not trained for.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn embedding(&self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        let inks = [ink(drawing, &self.card.config)];
        finite(values(self.model.embedding(&self.card.config.batch(&inks, &self.device)?)?))
    }

    fn forward(&self, drawings: &[Drawing]) -> Result<Tensor<B, 2>, Error> {
        let inks: Vec<Ink> = drawings.iter().map(|drawing| ink(drawing, &self.card.config)).collect();
        self.model.forward(&self.card.config.batch(&inks, &self.device)?)
    }
}

/// A trained network in 8 bits with its labels, for one drawing at a time: see [`QuantizedModel`].
#[derive(Debug)]
pub struct QuantizedClassifier {
    card: ModelCard,
    model: QuantizedModel,
    work: Workspace,
}

impl QuantizedClassifier {
    /// Opens a model folder, given the bytes of its two files. Weights that are not in 8 bits are rounded.
    ///
    /// # Errors
    /// Those of [`ModelCard::parse`] and of [`weights::load`].
    pub fn from_bytes(model_json: &[u8], weights: &[u8]) -> Result<Self, Error> {
        let card = ModelCard::parse(model_json)?;
        let model = QuantizedModel::load(&card.config, weights)?;
        Ok(Self { card, model, work: Workspace::default() })
    }

    /// What `model.json` says.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Name of each class, in the order of logits and probabilities.
    pub fn labels(&self) -> &[String] {
        &self.card.labels
    }

    /// As [`Classifier::embedding`].
    ///
    /// # Errors
    /// As [`Classifier::embedding`].
    pub fn embedding(&mut self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        finite(self.model.embedding(&ink(drawing, &self.card.config), &mut self.work)?)
    }

    /// The logits of a drawing in the data set's simplified form, `[K]`.
    ///
    /// # Errors
    /// As [`Classifier::probabilities`].
    pub fn logits(&mut self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        let embedding = self.embedding(drawing)?;
        finite(self.model.logits(&embedding, &mut self.work))
    }

    /// As [`Classifier::probabilities`].
    ///
    /// # Errors
    /// As [`Classifier::probabilities`].
    pub fn probabilities(&mut self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        let temperature = self.card.temperature(drawing.is_pen_down());
        Ok(softmax(self.logits(drawing)?, temperature))
    }

    /// As [`Classifier::classify`].
    ///
    /// # Errors
    /// As [`Classifier::probabilities`].
    pub fn classify(&mut self, drawing: &Drawing, max_results: usize) -> Result<Vec<Prediction>, Error> {
        let probabilities = self.probabilities(drawing)?;
        Ok(self.card.likeliest(&probabilities, max_results))
    }
}

/// What the network reads of a drawing.
fn ink(drawing: &Drawing, config: &ModelConfig) -> Ink {
    match drawing.n_points() {
        ..=MAX_POINTS => config.ink_of(drawing),
        _ => config.ink_of(&drawing.clone().limited_to(MAX_POINTS)),
    }
}

/// The numbers, if all are finite.
fn finite(values: Vec<f32>) -> Result<Vec<f32>, Error> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(&found) => Err(Error::NotFiniteOutput { found }),
        None => Ok(values),
    }
}

/// The largest logit is subtracted first, so that of finite logits no temperature makes NaN.
fn softmax(mut logits: Vec<f32>, temperature: f32) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in &mut logits {
        *value = ((*value - largest) / temperature).exp();
        sum += *value;
    }
    logits.iter_mut().for_each(|value| *value /= sum);
    logits
}

fn values<B: Backend>(tensor: Tensor<B, 2>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().into_vec().expect("float32 after the conversion")
}
