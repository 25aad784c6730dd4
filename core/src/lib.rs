//! Quick, Draw! drawings as ink, and the recurrent network that recognises them.
//!
//! ```text
//! ndjson line | pen strokes -> Drawing -> Ink [n, C] -> InkBatch [B, T, C] + lengths
//!     -> Model -> logits [B, K] -> Prediction
//! ```
//!
//! In: bytes and strokes. Out: predictions. There is no I/O here, no clock and no choice of a
//! backend: trainer, browser and tests choose their own.

#![deny(missing_docs)]
// bf16 arithmetic, which browsers do not have.
#![cfg_attr(target_family = "wasm", allow(unreachable_patterns, unreachable_code))]

mod batch;
mod card;
mod classifier;
mod config;
mod drawing;
mod error;
mod ink;
mod ink_format;
mod int8;
mod model;
pub mod ops;
mod prediction;
mod quantized;
mod raster;
mod record;
mod simplify;
mod trace;
pub mod weights;

pub use batch::InkBatch;
pub use card::{Calibration, MODEL_FORMAT, ModelCard, PenCalibration};
pub use classifier::{Classifier, Outputs, QuantizedClassifier};
pub use config::{Activation, CellType, ModelConfig, Pooling};
pub use drawing::{Drawing, keep_first_points};
pub use error::Error;
pub use ink::Ink;
pub use ink_format::InkFormat;
pub use model::{BATCH_NORM_EPSILON, Model};
pub use ops::ModelBackend;
pub use prediction::Prediction;
pub use quantized::{QuantizedModel, Workspace};
pub use raster::IMAGE_SIDE;
pub use record::Record;
pub use simplify::Simplifier;
pub use trace::Image;
