//! `model.json`: what a model is besides its weights.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::ModelConfig;
use crate::error::Error;

/// The format of model folders that this version writes and reads.
pub const MODEL_FORMAT: u32 = 1;

/// Calibration of a network's probabilities, fitted on drawings that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Softmax temperature, by which the logits are divided (Guo et al., "On Calibration of Modern
    /// Neural Networks", 2017).
    pub temperature: f32,
    /// Top-1 predictions of at least this probability were correct in 95 of 100 cases.
    pub threshold: f32,
    /// Temperature and threshold for a drawing whose [pen is down](Drawing::is_pen_down): an
    /// unfinished drawing often looks like a finished one of something else. Absent: the values for
    /// whole drawings.
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
    /// Checks that temperatures are positive and thresholds are probabilities.
    fn validate(&self) -> Result<(), Error> {
        let invalid = |field, message| Err(Error::InvalidConfig { field, message });
        for (is_pen_down, names) in
            [(false, ["temperature", "threshold"]), (true, ["pen_down.temperature", "pen_down.threshold"])]
        {
            let PenCalibration { temperature, threshold } = self.for_pen(is_pen_down);
            // A processor may treat a subnormal divisor as 0.
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
    /// Temperature and threshold; without it the network's probabilities are used as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// How it was trained (informational): data, steps, options.
    #[serde(default)]
    pub training: Map<String, Value>,
    /// Measured accuracy (informational): which drawings, how many, how many correct.
    #[serde(default)]
    pub figures: Map<String, Value>,
}

impl ModelCard {
    /// Reads `model.json`.
    ///
    /// # Errors
    /// When it is not JSON or lacks a field, has an unknown format number, describes an invalid
    /// network, or its labels differ in number from the classes or are not distinct.
    pub fn parse(model_json: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let invalid = |error: serde_json::Error| Error::InvalidModelJson { message: error.to_string() };
        // The format first: the rest of an unknown format may look quite different.
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

    /// The softmax temperature; 1 without calibration.
    pub fn temperature(&self, is_pen_down: bool) -> f32 {
        self.calibration.map_or(1.0, |calibration| calibration.for_pen(is_pen_down).temperature)
    }

    /// The confidence threshold: top-1 predictions of at least this probability are correct in 95
    /// of 100 cases. `None` without calibration.
    pub fn threshold(&self, is_pen_down: bool) -> Option<f32> {
        self.calibration.map(|calibration| calibration.for_pen(is_pen_down).threshold)
    }
}
