//! Drawings in, a run folder with a model folder out.
//!
//! [`train`](fn@train) is the training loop from top to bottom. What a [`Job`] asks for is in
//! [`TrainConfig`] and [`Schedule`]; a step is [`gradients`] and an [`optimizer`](fn@optimizer); a
//! run is resumed from its [`checkpoint`]s; the run folder has its metrics, also for TensorBoard. Of
//! several machines one has the [`Coordinator`], the others are its [`Worker`]s.

mod backward;
pub mod checkpoint;
mod config;
mod curves;
mod display;
mod ema;
mod job;
mod metrics;
mod nodes;
mod optimizer;
mod run;
mod run_folder;
mod schedule;
mod state;
mod step;
mod tensorboard;
mod window;
mod worker;

pub use backward::{Gradients, gradients};
pub use config::{Difference, OptimizerKind, TrainConfig, differences};
pub use job::{Job, Outcome};
pub use metrics::Summary;
pub use nodes::{Coordinator, Node};
pub use optimizer::{OptimizerState, WeightOptimizer, optimizer};
pub use run::{train, train_with};
pub use schedule::Schedule;
pub use state::{Fingerprints, RunState, SetShare};
pub use step::{Devices, Step};
pub use worker::Worker;
