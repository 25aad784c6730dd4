//! Where the options of `train` and `bench` start from.

use clap::ValueEnum;

/// Where a preset starts from; flags override it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// What learns most in the same time: strided, rectified convolutions, absolute coordinates,
    /// large batches, augmentation, class-balanced sampling, warm-up and cosine
    #[default]
    Fast,
    /// A network that reads twice as finely, for three times the steps, on drawings that vary more,
    /// are unfinished or come as a browser gets them; the last steps with weights of 8 bits
    Best,
    /// The TensorFlow tutorial to the letter: its network, Adam 0.0001, batches of 8, no
    /// augmentation
    Tutorial,
}
