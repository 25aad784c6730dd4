//! The flags of `train`, and how flags and presets become the options of a run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use quickdraw_core::{Activation, CellType, InkFormat, ModelConfig, Pooling};
use serde::de::DeserializeOwned;

use crate::cli::augmentation::{AugmentationFlags, Switch};
use crate::cli::preset::Preset;
use crate::cli::weighted::Weighted;
use crate::data::Sampling;
use crate::device::{DeviceChoices, Precision};
use crate::train::{Node, OptimizerKind, RunState, Schedule, TrainConfig};

/// Parses the name of a value as configurations write it.
fn by_name<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).map_err(|error| error.to_string())
}

/// Flags of `train`. Those without a default have the preset's.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Args {
    /// Folder, file or pattern of drawings: .ndjson (simplified or raw), .csv of Kaggle, .bin, .npz
    /// of sketch-rnn, TFRecords of the tutorial, each also as .gz or .zst; without it the built-in
    /// sample drawings are used. Several, as --data A=0.7 --data B=0.3, are sampled in these
    /// proportions
    #[arg(long, visible_alias = "training-data", value_name = "DIR[=SHARE]", value_parser = Weighted::parser(),
          help_heading = "Data")]
    pub data: Vec<Weighted>,
    /// Folder to validate on, in full unless --eval-observations-per-class limits it; without it a
    /// part of the first --data is held out
    #[arg(long, value_name = "DIR", requires = "data", help_heading = "Data")]
    pub eval_data: Option<PathBuf>,
    /// Only these categories, and in this order: a file with one per line; other drawings are
    /// skipped. Without it all words of the data
    #[arg(long, value_name = "FILE", requires = "data", help_heading = "Data")]
    pub classes_file: Option<PathBuf>,
    /// At most this many drawings of each category to train on [default: all, with --preset
    /// tutorial 10000]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub train_observations_per_class: Option<usize>,
    /// Drawings of each category held out for validation, never more than half of them [default: 6,
    /// with --preset tutorial 1000; of --eval-data all]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub eval_observations_per_class: Option<usize>,

    /// Run folder: checkpoints, metrics and the model; by default the next free one under runs/
    #[arg(long, visible_alias = "model-dir", value_name = "DIR", help_heading = "Run")]
    pub out: Option<PathBuf>,
    /// Resume the run in --out exactly from its last checkpoint. It keeps its network and its
    /// options; of these, flags may change all but seed, batch size, batches per step and optimizer
    #[arg(long, requires = "out", help_heading = "Run")]
    pub resume: bool,
    /// Start from the weights of this model folder instead of random ones; if it knows other
    /// categories, all but its last layer. Of a model with two branches a network with one of them
    /// takes that one. Given twice, the branch that reads strokes comes from one and the image
    /// branch from the other. Ignored by a resumed run
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub init_from: Vec<PathBuf>,
    /// Where to compute: auto, cpu, cuda, cuda:N, wgpu, or several GPUs as cuda:0,1,2,3 (cpu:2
    /// tries that without one)
    #[arg(long, default_value = "auto", help_heading = "Run")]
    pub device: DeviceChoices,
    /// Precision of the factors of matrix products
    #[arg(long, value_enum, default_value_t, help_heading = "Run")]
    pub precision: Precision,
    /// Processor threads to compute with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Run")]
    pub threads: usize,
    /// Random seed: the same seed gives the same weights on the processor
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub seed: Option<u64>,
    /// Several machines.
    #[command(flatten)]
    pub nodes: NodeFlags,
    /// Steps between two evaluations on the validation part
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub eval_every_steps: Option<u64>,
    /// Early-stopping patience: end after this many evaluations in a row without a lower validation
    /// loss; 0 is off [default: 0]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub early_stopping: Option<u64>,
    /// Seconds between two checkpoints [default: 300]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub checkpoint_every_seconds: Option<u64>,
    /// Steps between two checkpoints, besides the clock's; 0 is none [default: 0]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub checkpoint_every_steps: Option<u64>,
    /// Number of newest checkpoints kept, besides the best
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub keep_checkpoints: Option<usize>,
    /// Threads that prepare batches [default: 1, with GPUs 4 for each]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub loader_threads: Option<usize>,
    /// No progress display
    #[arg(long, short, help_heading = "Run")]
    pub quiet: bool,

    /// Options that the other flags override; ignored by a resumed run [default: fast]
    #[arg(long, value_enum, help_heading = "Training")]
    pub preset: Option<Preset>,
    /// Total number of steps
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub steps: Option<u64>,
    /// Batch size
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Gradient accumulation: batches per step, whose gradients are averaged [default: one for each
    /// device of each node]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub accumulate: Option<usize>,
    /// Optimizer [default: adamw]
    #[arg(long, value_enum, help_heading = "Training")]
    pub optimizer: Option<OptimizerKind>,
    /// Peak learning rate
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// Warm-up steps of the learning rate
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub warmup_steps: Option<u64>,
    /// Learning rate schedule after that
    #[arg(long, value_enum, help_heading = "Training")]
    pub schedule: Option<Schedule>,
    /// Decoupled weight decay; with 0 AdamW is plain Adam
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub weight_decay: Option<f32>,
    /// Maximum global norm of the gradients
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub gradient_clipping_norm: Option<f64>,
    /// EMA decay (such as 0.999): evaluate and export an exponential moving average of the weights;
    /// from random weights the decay is lower in the first steps, with --init-from it is constant;
    /// 0 is off [default: 0]
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub ema: Option<f64>,
    /// Quantization-aware training in the last N steps: weights are rounded to int8, so that an
    /// export in int8 loses nothing [default: 0]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub quantized_steps: Option<u64>,
    /// Label smoothing
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub label_smoothing: Option<f32>,
    /// Weight of the `soft` labels in the targets of drawings that have some
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub soft_weight: Option<f32>,
    /// Temperature of the `soft` labels: probabilities are raised to 1/X and normalised, so that
    /// above 1 they are spread more evenly [default: 1]
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub soft_temperature: Option<f32>,
    /// Sample categories with probability ~ (number of drawings)^X: 0 uniformly, 1 as in the data
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub balance_power: Option<f32>,
    /// Augmentation.
    #[command(flatten)]
    pub augmentation: AugmentationFlags,

    /// LSTM layers; 0 leaves only the image branch
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub num_layers: Option<usize>,
    /// Units of each LSTM direction
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub num_nodes: Option<usize>,
    /// Output channels of each convolution, as 48,64,96
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub num_conv: Option<Vec<usize>>,
    /// Kernel size of each convolution, as 5,5,3
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub conv_len: Option<Vec<usize>>,
    /// Stride of each convolution, as 1,2,2
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub conv_stride: Option<Vec<usize>>,
    /// Activation of each convolution: none or relu
    #[arg(long, value_parser = by_name::<Activation>, help_heading = "Network")]
    pub conv_activation: Option<Activation>,
    /// lstm, block_lstm (the same network) or cudnn_lstm
    #[arg(long, value_parser = by_name::<CellType>, help_heading = "Network")]
    pub cell_type: Option<CellType>,
    /// Batch normalisation before each convolution
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "on", help_heading = "Network")]
    pub batch_norm: Option<Switch>,
    /// Dropout rate
    #[arg(long, value_name = "X", help_heading = "Network")]
    pub dropout: Option<f64>,
    /// Use one dropout mask for all time steps of a drawing
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "on", help_heading = "Network")]
    pub variational_dropout: Option<Switch>,
    /// Pooling over time: sum or mean_max
    #[arg(long, value_parser = by_name::<Pooling>, help_heading = "Network")]
    pub pooling: Option<Pooling>,
    /// Time steps that the network reads: tutorial (dx, dy, end) or absolute (dx, dy, end, x, y)
    #[arg(long, value_parser = by_name::<InkFormat>, help_heading = "Network")]
    pub ink: Option<InkFormat>,
    /// Output channels of each convolution of the image branch, as 16,32,64
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub image_conv: Option<Vec<usize>>,
    /// Stride of each convolution of the image branch, as 2,1,2
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub image_stride: Option<Vec<usize>>,
}

/// Which of several machines this is.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct NodeFlags {
    /// Train on N machines, each with the same command but for --rank (not --num-nodes, the units of
    /// the network)
    #[arg(long, value_name = "N", requires_all = ["rank", "coordinator"], help_heading = "Several machines")]
    nodes: Option<usize>,
    /// Which of the --nodes this is, from 0: that one evaluates, and has the run folder
    #[arg(long, value_name = "R", requires = "nodes", help_heading = "Several machines")]
    rank: Option<usize>,
    /// Where rank 0 listens and the others connect, unencrypted: for networks that you trust
    #[arg(long, value_name = "HOST:PORT", requires = "nodes", help_heading = "Several machines")]
    coordinator: Option<String>,
    /// Seconds that a node waits at the start until the others can be reached [default: 300]
    #[arg(long, value_name = "N", requires = "nodes", help_heading = "Several machines")]
    node_timeout: Option<u64>,
}

impl NodeFlags {
    fn n_nodes(&self) -> usize {
        self.nodes.unwrap_or(1).max(1)
    }

    /// This machine, if there are several.
    ///
    /// # Errors
    /// When there is none of this rank.
    pub fn node(&self) -> Result<Option<Node>> {
        let (Some(n_nodes), Some(rank), Some(coordinator)) = (self.nodes, self.rank, &self.coordinator)
        else {
            return Ok(None);
        };
        ensure!(n_nodes > 0, "--nodes is 0; at least 1 was expected");
        ensure!(rank < n_nodes, "--rank is {rank}; 0 to {} was expected, for --nodes {n_nodes}", n_nodes - 1);
        let timeout = Duration::from_secs(self.node_timeout.unwrap_or(300));
        let node = Node { rank, n_nodes, coordinator: coordinator.clone(), timeout };
        Ok((n_nodes > 1).then_some(node))
    }
}

/// Steps and batch size for the ten sample categories, which need no more.
const SAMPLE_STEPS: u64 = 800;
const SAMPLE_BATCH_SIZE: usize = 64;

impl Args {
    fn preset(&self) -> Preset {
        self.preset.unwrap_or_default()
    }

    /// The network that preset and flags describe, or, if a run is resumed, its network and the
    /// flags.
    ///
    /// # Errors
    /// When the values are invalid.
    pub fn model(&self, n_classes: usize, resumed: Option<&RunState>) -> Result<ModelConfig> {
        let preset = match (resumed, self.preset()) {
            (Some(run), _) => run.model.clone(),
            (None, Preset::Fast) => ModelConfig::fast(n_classes),
            (None, Preset::Best) => ModelConfig::best(n_classes),
            (None, Preset::Tutorial) => ModelConfig::tutorial(n_classes),
        };
        let num_layers = self.num_layers.unwrap_or(preset.num_layers);
        // Without an LSTM nothing reads the 1-d convolutions.
        let preset = match num_layers {
            0 => ModelConfig { num_conv: vec![], conv_len: vec![], conv_stride: vec![], ..preset },
            _ => preset,
        };
        let num_conv = self.num_conv.clone().unwrap_or(preset.num_conv);
        let config = ModelConfig {
            n_classes,
            num_layers,
            num_nodes: self.num_nodes.unwrap_or(preset.num_nodes),
            conv_len: self.conv_len.clone().unwrap_or(preset.conv_len),
            conv_stride: self.conv_stride.clone().unwrap_or(preset.conv_stride),
            num_conv,
            conv_activation: self.conv_activation.unwrap_or(preset.conv_activation),
            cell_type: self.cell_type.unwrap_or(preset.cell_type),
            batch_norm: self.batch_norm.map_or(preset.batch_norm, Switch::is_on),
            dropout: self.dropout.unwrap_or(preset.dropout),
            variational_dropout: self.variational_dropout.map_or(preset.variational_dropout, Switch::is_on),
            pooling: self.pooling.unwrap_or(preset.pooling),
            ink: self.ink.unwrap_or(preset.ink),
            // Follows from options, which may change; a run keeps what it began with.
            pen_state: match resumed {
                Some(run) => run.model.pen_state,
                None => self.config(1, None)?.augmentation.prefix > 0.0,
            },
            image_conv: self.image_conv.clone().unwrap_or(preset.image_conv),
            image_stride: self.image_stride.clone().unwrap_or(preset.image_stride),
        };
        config.validate()?;
        Ok(config)
    }

    /// The options that preset and flags describe, or, if a run is resumed, its options and the
    /// flags, for a number of devices on each node.
    ///
    /// # Errors
    /// When a value is out of its range.
    pub fn config(&self, n_devices: usize, resumed: Option<&RunState>) -> Result<TrainConfig> {
        let n_nodes = self.nodes.n_nodes();
        let mut preset = match (resumed, self.preset()) {
            (Some(run), _) => run.train,
            (None, Preset::Fast) => TrainConfig::fast(),
            (None, Preset::Best) => TrainConfig::best(),
            (None, Preset::Tutorial) => TrainConfig::tutorial(),
        };
        if resumed.is_none() && self.data.is_empty() && self.preset() != Preset::Tutorial {
            preset = TrainConfig {
                quantized_steps: preset.quantized_steps.min(SAMPLE_STEPS / 10),
                steps: SAMPLE_STEPS,
                batch_size: SAMPLE_BATCH_SIZE,
                warmup_steps: 50,
                eval_every_steps: 200,
                ..preset
            };
        }
        let config = TrainConfig {
            steps: self.steps.unwrap_or(preset.steps),
            batch_size: self.batch_size.unwrap_or(preset.batch_size),
            accumulate: self
                .accumulate
                .unwrap_or(resumed.map_or(n_nodes * n_devices, |run| run.train.accumulate)),
            ema: self.ema.unwrap_or(preset.ema),
            quantized_steps: self.quantized_steps.unwrap_or(preset.quantized_steps),
            optimizer: self.optimizer.unwrap_or(preset.optimizer),
            learning_rate: self.learning_rate.unwrap_or(preset.learning_rate),
            warmup_steps: self.warmup_steps.unwrap_or(preset.warmup_steps),
            schedule: self.schedule.unwrap_or(preset.schedule),
            weight_decay: self.weight_decay.unwrap_or(preset.weight_decay),
            gradient_clipping_norm: self.gradient_clipping_norm.unwrap_or(preset.gradient_clipping_norm),
            label_smoothing: self.label_smoothing.unwrap_or(preset.label_smoothing),
            soft_weight: self.soft_weight.unwrap_or(preset.soft_weight),
            soft_temperature: self.soft_temperature.unwrap_or(preset.soft_temperature),
            sampling: match self.balance_power {
                Some(power) => Sampling::Balanced { power },
                None => preset.sampling,
            },
            augmentation: self.augmentation.over(preset.augmentation),
            seed: self.seed.unwrap_or(preset.seed),
            eval_every_steps: self.eval_every_steps.unwrap_or(preset.eval_every_steps),
            early_stopping: self.early_stopping.unwrap_or(preset.early_stopping),
            checkpoint_every_seconds: self
                .checkpoint_every_seconds
                .unwrap_or(preset.checkpoint_every_seconds),
            checkpoint_every_steps: self.checkpoint_every_steps.unwrap_or(preset.checkpoint_every_steps),
            keep_checkpoints: self.keep_checkpoints.unwrap_or(preset.keep_checkpoints),
            ..preset
        };
        config.validate()?;
        ensure!(
            config.accumulate.is_multiple_of(n_nodes * n_devices),
            "{} batches per step do not spread evenly over {} devices; change --accumulate",
            config.accumulate,
            n_nodes * n_devices
        );
        Ok(config)
    }

    /// Drawings of each category to train on, if that is limited, and to validate on.
    ///
    /// # Errors
    /// When none would be left to validate on.
    pub fn observations_per_class(&self) -> Result<(Option<usize>, usize)> {
        let (train, eval) = match self.preset() {
            Preset::Fast | Preset::Best => (None, 6),
            Preset::Tutorial => (Some(10_000), 1000),
        };
        let eval = self.eval_observations_per_class.unwrap_or(eval);
        ensure!(eval > 0, "--eval-observations-per-class is 0; at least 1 was expected");
        Ok((self.train_observations_per_class.or(train), eval))
    }
}
