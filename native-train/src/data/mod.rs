//! Data for training: where drawings come from, how they are kept, and how they become batches.
//!
//! Files of drawings in any published [`format`], one by one or in folders, or the built-in
//! [`synthetic`] ones, fill a [`DataSet`]. From there a [`Loader`] takes drawings, lets an
//! [`Augmentation`] vary them, and hands out batches of ink with their targets.

pub mod augment;
pub mod format;
mod inputs;
pub(crate) mod loader;
mod mixture;
mod read;
pub(crate) mod set;
mod split;
pub mod synthetic;
pub(crate) mod write;

pub use augment::Augmentation;
pub use inputs::{Inputs, find_inputs};
pub use loader::{BatchShare, Loader, LoaderConfig, PreparedBatch, Sampling};
pub use mixture::Mixture;
pub(crate) use read::list_files;
pub use read::{ReadOptions, ReadReport, for_each_part, read_folder, read_folders};
pub use set::DataSet;
pub use split::Validation;
