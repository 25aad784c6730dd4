//! Accuracy and calibration of a network.
//!
//! A [`network`] gives log-probabilities; a [`tally`] counts them. [`evaluate`] is what training
//! asks for, [`measure`] all figures of a model, [`compare`] the cost of lower precision,
//! [`calibrate`] the temperature and threshold of its probabilities, and [`report`] a measurement
//! as a page.

pub mod calibrate;
mod compare;
mod evaluate;
mod measure;
mod network;
pub mod report;
mod tally;

pub use compare::{Comparison, compare};
pub use evaluate::{Confusion, Evaluation, evaluate};
pub use measure::{AtFraction, ClassFigures, Measurement, Mistake, Summary};
pub use network::Network;
pub(crate) use network::log_softmax;
pub use tally::{Bin, Confidences, Figures, N_BINS, Tally};
