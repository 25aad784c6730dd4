//! The options of a run and what follows from them alone: checks, the learning rate of a step, the
//! loader's options.

use anyhow::{Result, ensure};
use quickdraw_core::ModelConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schedule::Schedule;
use crate::data::{Augmentation, BatchShare, Loader, LoaderConfig, PreparedBatch, Sampling};

/// The optimizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay
    /// Regularization", 2019).
    #[default]
    #[value(name = "adamw")]
    #[serde(rename = "adamw")]
    AdamW,
    /// Muon for the matrices of convolutions and LSTMs (Jordan et al., "Muon: An optimizer for
    /// hidden layers in neural networks", 2024): the momentum, made orthogonal, so that a step is
    /// as long in every direction. AdamW for biases and the last layer. Fewer steps to the same
    /// loss, each of them longer: for large batches.
    Muon,
}

impl std::fmt::Display for OptimizerKind {
    /// The name that configurations and flags use.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::AdamW => "adamw",
            Self::Muon => "muon",
        })
    }
}

/// The options of a run, besides data and network. Names are those of the flags.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Total number of steps.
    pub steps: u64,
    /// Batch size.
    pub batch_size: usize,
    /// Gradient accumulation: batches per step, whose gradients are averaged.
    pub accumulate: usize,
    /// The optimizer. Older checkpoints lack it.
    #[serde(default)]
    pub optimizer: OptimizerKind,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// Warm-up steps.
    pub warmup_steps: u64,
    /// The schedule after that.
    pub schedule: Schedule,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Maximum global norm of the gradients.
    pub gradient_clipping_norm: f64,
    /// EMA decay of the weights; the average is evaluated and saved; 0 is off.
    pub ema: f64,
    /// Number of last steps with quantization-aware training: weights are fake-quantized to int8
    /// ([`quickdraw_core::weights::rounded`]), and so evaluated and saved; 0 is off.
    pub quantized_steps: u64,
    /// Label smoothing.
    pub label_smoothing: f32,
    /// Weight of the soft labels in the targets of drawings that have some.
    pub soft_weight: f32,
    /// Temperature of the soft labels. Older checkpoints lack it.
    #[serde(default = "one")]
    pub soft_temperature: f32,
    /// Sampling of drawings.
    pub sampling: Sampling,
    /// Augmentation.
    pub augmentation: Augmentation,
    /// A drawing with more points ends after this many.
    pub max_rows: usize,
    /// Batches among which drawings are sorted by length; 1 is off.
    pub bucket_batches: usize,
    /// Random seed.
    pub seed: u64,
    /// Steps between two evaluations on the validation part.
    pub eval_every_steps: u64,
    /// Early-stopping patience: evaluations without a lower validation loss after which the run
    /// ends; 0 is off.
    pub early_stopping: u64,
    /// Seconds between two checkpoints.
    pub checkpoint_every_seconds: u64,
    /// Steps between two checkpoints; 0 leaves it to the clock.
    pub checkpoint_every_steps: u64,
    /// Newest checkpoints that are kept, besides the best.
    pub keep_checkpoints: usize,
    /// Threads that prepare batches.
    pub loader_threads: usize,
}

impl TrainConfig {
    /// The tutorial's options.
    pub fn tutorial() -> Self {
        Self {
            steps: 100_000,
            batch_size: 8,
            accumulate: 1,
            optimizer: OptimizerKind::AdamW,
            learning_rate: 1e-4,
            warmup_steps: 0,
            schedule: Schedule::Constant,
            weight_decay: 0.0,
            gradient_clipping_norm: 9.0,
            ema: 0.0,
            quantized_steps: 0,
            label_smoothing: 0.0,
            soft_weight: 0.0,
            soft_temperature: 1.0,
            sampling: Sampling::Epochs,
            augmentation: Augmentation::none(),
            max_rows: usize::MAX,
            bucket_batches: 1,
            seed: 1,
            eval_every_steps: 1000,
            early_stopping: 0,
            checkpoint_every_seconds: 300,
            checkpoint_every_steps: 0,
            keep_checkpoints: 5,
            loader_threads: 1,
        }
    }

    /// The most accurate in the same time.
    ///
    /// Batches of 128 use the processor well; the learning rate suits that size and falls to zero,
    /// which is worth more than any number of steps at a constant one; classes are sampled
    /// uniformly, however many drawings they have; augmentation, label smoothing and a little
    /// weight decay prevent overfitting to few drawings per class.
    pub fn fast() -> Self {
        Self {
            steps: 20_000,
            batch_size: 128,
            learning_rate: 2e-3,
            warmup_steps: 300,
            schedule: Schedule::Cosine,
            weight_decay: 0.01,
            gradient_clipping_norm: 5.0,
            label_smoothing: 0.05,
            sampling: Sampling::Balanced { power: 0.3 },
            augmentation: Augmentation::default(),
            max_rows: 250,
            bucket_batches: 8,
            keep_checkpoints: 2,
            ..Self::tutorial()
        }
    }

    /// For the best network of the browser's size, in several times the steps: stronger
    /// augmentation, with unfinished and re-rendered drawings, a learning rate that is constant
    /// until the last fifth, and quantization-aware training at the end.
    pub fn best() -> Self {
        Self {
            steps: 60_000,
            schedule: Schedule::Trapezoid,
            quantized_steps: 2000,
            label_smoothing: 0.02,
            soft_weight: 0.75,
            sampling: Sampling::Balanced { power: 0.2 },
            augmentation: Augmentation {
                loosen_strokes: 5.0,
                borrow_strokes: 0.3,
                prefix: 0.35,
                redraw: 0.5,
                ..Augmentation::default()
            },
            ..Self::fast()
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// Names the first that is out of its range, with what was expected.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("steps", self.steps),
            ("accumulate", self.accumulate as u64),
            ("eval_every_steps", self.eval_every_steps),
            ("keep_checkpoints", self.keep_checkpoints as u64),
        ] {
            ensure!(value > 0, "{name} is 0; at least 1 was expected");
        }
        for (name, value) in
            [("learning_rate", self.learning_rate), ("gradient_clipping_norm", self.gradient_clipping_norm)]
        {
            ensure!(value.is_finite() && value > 0.0, "{name} is {value}; more than 0 was expected");
        }
        ensure!(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "weight_decay is {}; 0 or more was expected",
            self.weight_decay
        );
        ensure!(
            (0.0..1.0).contains(&self.ema),
            "ema is {}; 0 or more and less than 1 was expected",
            self.ema
        );
        Ok(())
    }

    /// Checks that a run with these options can be resumed with others: what its steps so far
    /// depend on is fixed.
    ///
    /// # Errors
    /// Names what differs and may not.
    pub fn check_resumable(&self, asked: &Self) -> Result<()> {
        ensure!(
            self.optimizer == asked.optimizer,
            "the run was begun with --optimizer {}, asked for {}",
            self.optimizer,
            asked.optimizer
        );
        let fixed = |config: &Self| [config.seed, config.batch_size as u64, config.accumulate as u64];
        for (name, (begun, asked)) in
            ["--seed", "--batch-size", "--accumulate"].iter().zip(fixed(self).into_iter().zip(fixed(asked)))
        {
            ensure!(begun == asked, "the run was begun with {name} {begun}, asked for {asked}");
        }
        Ok(())
    }

    /// The learning rate of a step, the first of which is 0.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let factor = self.schedule.factor(step, self.steps, self.warmup_steps);
        self.learning_rate * factor
    }

    /// Whether the step after `step` steps is quantization-aware.
    pub fn rounds_after(&self, step: u64) -> bool {
        step + self.quantized_steps >= self.steps && self.quantized_steps > 0
    }

    /// Drawings per step.
    pub fn drawings_per_step(&self) -> usize {
        self.batch_size * self.accumulate
    }

    /// The batches of a step that one of `n_nodes` machines takes.
    ///
    /// # Errors
    /// When they cannot all have as many.
    pub(super) fn share(&self, rank: usize, n_nodes: usize) -> Result<BatchShare> {
        let n_batches = self.accumulate;
        ensure!(
            n_batches.is_multiple_of(n_nodes),
            "{n_batches} batches per step do not spread evenly over {n_nodes} nodes; change --accumulate"
        );
        let n = (n_batches / n_nodes) as u64;
        Ok(BatchShare { first: rank as u64 * n, n, of: n_batches as u64 })
    }

    /// The next batches of the loader for one step, each with its dropout seed.
    pub(super) fn next_batches(&self, loader: &mut Loader, share: BatchShare) -> Vec<(PreparedBatch, u64)> {
        let batches = (0..share.n).map(|_| {
            let batch = loader.next_batch();
            let seed = self.seed ^ (batch.step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (batch, seed)
        });
        batches.collect()
    }

    /// What the loader makes for the run from a step on; it numbers batches, of which a step takes
    /// several.
    pub(super) fn loader(&self, model: &ModelConfig, start_step: u64, share: BatchShare) -> LoaderConfig {
        LoaderConfig {
            batch_size: self.batch_size,
            sampling: self.sampling,
            augmentation: self.augmentation,
            ink_format: model.ink,
            pen_state: model.pen_state,
            max_rows: self.max_rows,
            soft_weight: self.soft_weight,
            soft_temperature: self.soft_temperature,
            label_smoothing: self.label_smoothing,
            seed: self.seed,
            start_step: start_step * self.accumulate as u64,
            share,
            n_threads: self.loader_threads,
            // Batch statistics of drawings of one length are biased.
            bucket_batches: if model.image_conv.is_empty() { self.bucket_batches } else { 1 },
        }
    }
}

/// A field in which two values differ, and what they have there.
pub type Difference = (String, Value, Value);

/// The fields in which two values differ, sorted by their names; nested fields as
/// `augmentation.prefix`.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn differences<T: Serialize>(before: &T, after: &T) -> Result<Vec<Difference>> {
    // Through text, where 0.12 is 0.12 and not the digits of its float32.
    let value = |value: &T| -> Result<Value> { Ok(serde_json::from_str(&serde_json::to_string(value)?)?) };
    let mut found = Vec::new();
    add_differences(String::new(), value(before)?, value(after)?, &mut found);
    Ok(found)
}

fn add_differences(name: String, before: Value, after: Value, found: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(before), Value::Object(mut after)) => {
            // A field that one of them leaves out is null in it.
            let only_after: Vec<String> =
                after.keys().filter(|key| !before.contains_key(*key)).cloned().collect();
            let missing = only_after.into_iter().map(|key| (key, Value::Null));
            for (key, before) in before.into_iter().chain(missing) {
                let after = after.remove(&key).unwrap_or_default();
                let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                add_differences(name, before, after, found);
            }
        }
        (before, after) if before != after => found.push((name, before, after)),
        _ => {}
    }
}

fn one() -> f32 {
    1.0
}
