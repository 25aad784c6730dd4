//! `train`: its flags, the data that they name, and the run.

mod data;
mod flags;
mod run;

pub use flags::Args;
pub(super) use run::run;
