//! Trains, evaluates and exports recognisers: what the program `native-train` is made of.

pub mod categories;
pub mod cli;
pub mod data;
pub mod device;
pub mod download;
pub mod environment;
pub mod eval;
pub mod export;
mod fs;
mod hash;
pub mod model_folder;
mod numbers;
pub mod pictures;
pub mod prepare;
mod random;
pub mod stats;
mod sync;
mod tell;
pub mod train;
