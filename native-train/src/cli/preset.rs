//! Where the options of `train` and `bench` start from.

use clap::ValueEnum;

/// Where a preset starts from; flags override it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// The most accurate in the same time: strided convolutions with ReLU, absolute coordinates,
    /// large batches, augmentation, class-balanced sampling, warm-up and cosine
    #[default]
    Fast,
    /// Twice as many LSTM time steps, three times the training steps, stronger augmentation with
    /// unfinished drawings and drawings re-rendered as pointer events; the last steps with int8
    /// weights
    Best,
    /// The TensorFlow tutorial to the letter: its network, Adam 0.0001, batches of 8, no
    /// augmentation
    Tutorial,
}
