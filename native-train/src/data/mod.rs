//! Data for training: where drawings come from, how they are kept, and how they become batches.
//!
//! Files of drawings in any published form, one by one or in folders ([`ndjson`]), or the built-in [`samples`], fill a [`store::DataSet`]. From there [`loader`] takes drawings, lets [`augment`] vary them, and hands
//! out batches of ink with their targets.

pub(crate) mod archive;
pub mod augment;
pub(crate) mod examples;
pub mod inputs;
pub mod loader;
pub mod mixture;
pub mod ndjson;
pub(crate) mod npz;
pub(crate) mod pickle;
pub(crate) mod records;
pub mod redraw;
pub mod samples;
pub(crate) mod simplified;
pub mod store;
#[cfg(target_arch = "x86_64")]
pub(crate) mod vectors;
pub(crate) mod write;
pub(crate) mod zstandard;

pub use augment::Augmentation;
pub use inputs::{Inputs, find_inputs};
pub use loader::{Loader, LoaderConfig, PreparedBatch, Sampling};
pub use mixture::Mixture;
pub use ndjson::{ReadOptions, ReadReport, read_folder, read_folders};
pub use store::{DataSet, Validation};

/// The mixing step of SplitMix64: every bit of the input changes about half of the output's bits.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
