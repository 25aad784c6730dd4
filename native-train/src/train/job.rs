//! The task of a run, and its outcome.

use std::path::PathBuf;

use quickdraw_core::ModelConfig;
use serde_json::{Map, Value};

use super::config::TrainConfig;
use crate::data::{DataSet, Mixture};
use crate::eval::Evaluation;

/// What to train, on what, and where to put it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Drawings to learn from, of one data set or several with their shares.
    pub train: Mixture,
    /// Drawings to evaluate on while training.
    pub validation: DataSet,
    /// Where the data came from, for the model card.
    pub data_facts: Map<String, Value>,
    /// Program, machine and devices, for the run folder.
    pub environment: Map<String, Value>,
    /// The network.
    pub model: ModelConfig,
    /// The options.
    pub config: TrainConfig,
    /// The run folder, which becomes the model folder as well.
    pub out: PathBuf,
    /// Resume the run in that folder.
    pub resume: bool,
    /// Model folders whose weights the network begins with, instead of random ones: one, or one for
    /// each branch; the last layer only if all know the same classes. Ignored by a resumed run.
    pub init_from: Vec<PathBuf>,
    /// No progress display.
    pub quiet: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps done.
    pub step: u64,
    /// Whether it is done: all steps, or as many as early stopping allowed. If not, it was
    /// interrupted and can be resumed.
    pub finished: bool,
    /// The last evaluation on the validation part.
    pub validation: Evaluation,
    /// Fraction of the time that was spent waiting for batches, 0 to 1, as
    /// [`Summary`](super::metrics::Summary) has it.
    pub waiting: f64,
}
