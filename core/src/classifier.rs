//! A model folder as bytes in, predictions out.
//!
//! The folder holds `model.json` (a [`ModelCard`]) and `weights.safetensors`; it is all that passes
//! from training to the browser.

use crate::card::ModelCard;
use crate::prediction::{Prediction, top_k};
use crate::{Drawing, Error, Ink, Model, ModelBackend, ModelConfig, QuantizedModel, Workspace, weights};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Batch size of [`Classifier::logits`].
const BATCH_SIZE: usize = 64;

/// A longer drawing is truncated to this many points: several times more than any simplified
/// drawing of the data set has, and few enough that a scribble of a million points is classified at
/// once.
const MAX_POINTS: usize = 4096;

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

    /// The contents of `model.json`.
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
    /// When there is no drawing, or the network gives NaN or an infinity.
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

    /// The probability of each class for a drawing in the data set's simplified form, calibrated if
    /// the model is.
    ///
    /// # Errors
    /// When the weights make the network give NaN or an infinity; no [`Drawing`] alone can cause an
    /// error.
    pub fn probabilities(&self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        let logits = finite(values(self.forward(std::slice::from_ref(drawing))?))?;
        Ok(softmax(logits, self.card.temperature(drawing.is_pen_down())))
    }

    /// The most probable classes of a drawing in the data set's simplified format, best first, at
    /// most `max_results`.
    ///
    /// Pen strokes go through [`Drawing::simplify`] first. Ties keep the labels' order.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn classify(&self, drawing: &Drawing, max_results: usize) -> Result<Vec<Prediction>, Error> {
        Ok(top_k(&self.card.labels, &self.probabilities(drawing)?, max_results))
    }

    /// The vector before the last layer, of a drawing in the data set's simplified form:
    /// [`d_embedding`](ModelConfig::d_embedding) numbers. Drawings of one class have similar
    /// embeddings, also for classes that the network was not trained on.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn embedding(&self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        finite(values(self.embed(drawing)?))
    }

    /// [`embedding`](Self::embedding) and [`probabilities`](Self::probabilities) in one forward
    /// pass.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn outputs(&self, drawing: &Drawing) -> Result<Outputs, Error> {
        let embedding = self.embed(drawing)?;
        let logits = finite(values(self.model.logits_of(embedding.clone())))?;
        let probabilities = softmax(logits, self.card.temperature(drawing.is_pen_down()));
        Ok(Outputs { embedding: finite(values(embedding))?, probabilities })
    }

    /// The embedding of a drawing, `[1, E]`.
    fn embed(&self, drawing: &Drawing) -> Result<Tensor<B, 2>, Error> {
        let inks = [ink(drawing, &self.card.config)];
        self.model.embedding(&self.card.config.batch(&inks, &self.device)?)
    }

    fn forward(&self, drawings: &[Drawing]) -> Result<Tensor<B, 2>, Error> {
        let inks: Vec<Ink> = drawings.iter().map(|drawing| ink(drawing, &self.card.config)).collect();
        self.model.forward(&self.card.config.batch(&inks, &self.device)?)
    }
}

/// The outputs of a network for a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// See [`Classifier::embedding`].
    pub embedding: Vec<f32>,
    /// See [`Classifier::probabilities`].
    pub probabilities: Vec<f32>,
}

/// A trained int8 network with its labels, for one drawing at a time: see [`QuantizedModel`].
#[derive(Debug)]
pub struct QuantizedClassifier {
    card: ModelCard,
    model: QuantizedModel,
    work: Workspace,
}

impl QuantizedClassifier {
    /// Opens a model folder, given the bytes of its two files. Weights that are not int8 are
    /// quantized.
    ///
    /// # Errors
    /// Those of [`ModelCard::parse`] and of [`weights::load`].
    pub fn from_bytes(model_json: &[u8], weights: &[u8]) -> Result<Self, Error> {
        let card = ModelCard::parse(model_json)?;
        let model = QuantizedModel::load(&card.config, weights)?;
        Ok(Self { card, model, work: Workspace::default() })
    }

    /// The contents of `model.json`.
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
        self.logits_of(&embedding)
    }

    /// As [`Classifier::probabilities`].
    ///
    /// # Errors
    /// As [`Classifier::probabilities`].
    pub fn probabilities(&mut self, drawing: &Drawing) -> Result<Vec<f32>, Error> {
        Ok(self.outputs(drawing)?.probabilities)
    }

    /// As [`Classifier::outputs`].
    ///
    /// # Errors
    /// As [`Classifier::probabilities`].
    pub fn outputs(&mut self, drawing: &Drawing) -> Result<Outputs, Error> {
        let embedding = self.embedding(drawing)?;
        let logits = self.logits_of(&embedding)?;
        let probabilities = softmax(logits, self.card.temperature(drawing.is_pen_down()));
        Ok(Outputs { embedding, probabilities })
    }

    fn logits_of(&mut self, embedding: &[f32]) -> Result<Vec<f32>, Error> {
        finite(self.model.logits(embedding, &mut self.work))
    }

    /// As [`Classifier::classify`].
    ///
    /// # Errors
    /// As [`Classifier::probabilities`].
    pub fn classify(&mut self, drawing: &Drawing, max_results: usize) -> Result<Vec<Prediction>, Error> {
        let probabilities = self.probabilities(drawing)?;
        Ok(top_k(&self.card.labels, &probabilities, max_results))
    }
}

/// The ink that the network reads.
fn ink(drawing: &Drawing, config: &ModelConfig) -> Ink {
    match drawing.n_points() {
        ..=MAX_POINTS => config.ink_of(drawing),
        _ => config.ink_of(&drawing.clone().limited_to(MAX_POINTS)),
    }
}

/// The values, if all are finite.
fn finite(values: Vec<f32>) -> Result<Vec<f32>, Error> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(&found) => Err(Error::NotFiniteOutput { found }),
        None => Ok(values),
    }
}

/// The largest logit is subtracted first, so that finite logits never give NaN, whatever the
/// temperature.
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
