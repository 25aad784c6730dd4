//! Trains, evaluates and exports recognisers: what the program `native-train` is made of.

pub mod augment;
pub mod average;
pub mod bench;
pub mod calibrate;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod device;
pub mod download;
pub mod environment;
pub mod evaluate;
pub mod export;
pub mod label;
mod lock;
pub mod model_folder;
pub mod predict;
pub mod prepare;
pub mod report;
pub mod run;
pub mod show;
mod spool;
pub mod stats;
pub mod tally;
mod tell;
pub mod tfrecord;
pub mod train;
pub mod weighted;
