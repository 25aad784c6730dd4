//! Quick, Draw! drawings as ink, and the recurrent network that recognises them.
//!
//! ```text
//! ndjson line | pen strokes -> Drawing -> Ink [n, C] -> InkBatch [B, T, C] + lengths -> Model -> logits [B, K] -> Prediction
//! ```
//!
//! In: bytes and strokes. Out: predictions. There is no input or output here, no clock and no choice of a
//! backend: trainer, browser and tests bring their own.

#![deny(missing_docs)]
// Arithmetic in bf16, which a browser does not have.
#![cfg_attr(target_family = "wasm", allow(unreachable_patterns, unreachable_code))]

mod batch;
mod classifier;
mod drawing;
mod error;
mod ink;
mod int8;
mod model;
pub mod ops;
mod quantized;
mod raster;
mod simplify;
pub mod weights;

pub use batch::InkBatch;
pub use classifier::{
    Calibration, Classifier, MODEL_FORMAT, ModelCard, PenCalibration, Prediction, QuantizedClassifier,
};
pub use drawing::{Drawing, Record, keep_first_points};
pub use error::Error;
pub use ink::{Ink, InkFormat};
pub use model::{Activation, BATCH_NORM_EPSILON, CellType, Model, ModelConfig, Pooling};
pub use ops::ModelBackend;
pub use quantized::{QuantizedModel, Workspace};
pub use raster::IMAGE_SIDE;
