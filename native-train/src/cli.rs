//! Every flag, and how flags and presets become a job.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use quickdraw_core::{Activation, CellType, InkFormat, ModelConfig, Pooling};
use serde::de::DeserializeOwned;

use crate::bench;
use crate::checkpoint::RunState;
use crate::data::{Augmentation, Sampling};
use crate::device::{DeviceChoice, DeviceChoices, Precision};
use crate::report::drawings::Glyphs;
use crate::train::{OptimizerKind, Schedule, TrainConfig};
use crate::weighted::Weighted;
use crate::{augment, average, download, label, prepare, show};

/// Trains recognisers of Quick, Draw! drawings and tries them out.
///
/// Without a command it trains on drawings that it makes itself, which takes a minute or two and needs nothing.
#[derive(Debug, Parser)]
#[command(name = "native-train", version, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a recogniser on a folder of ndjson files, or on built-in sample drawings
    Train(Box<TrainArgs>),
    /// Measure a model on a folder of ndjson files
    Eval(EvalArgs),
    /// Find out how sure a model may be, on drawings it was not trained on, and write that into its model.json
    Calibrate(CalibrateArgs),
    /// Recognise drawings: ndjson lines, or bare lists of strokes
    Predict(PredictArgs),
    /// Write a model folder with smaller weights, to put into the browser, or an ONNX model
    Export(ExportArgs),
    /// Time training and recognising on made-up drawings
    Bench(BenchArgs),
    /// Download the data set, or some of its categories; goes on where it was interrupted
    Download(DownloadArgs),
    /// Tell what files of drawings are made of, and what looks wrong in them
    Stats(StatsArgs),
    /// Convert drawings into shuffled shards to train and to evaluate on, as the tutorial's create_dataset.py does
    Prepare(PrepareArgs),
    /// Draw one drawing of a file: in the terminal, as SVG or PNG
    Show(ShowArgs),
    /// Make varied copies and combinations of drawings, as a file of lines
    Augment(Box<augment::Args>),
    /// Add the opinions of teacher models to drawings, as soft labels
    Label(label::Args),
    /// Average the weights of several networks, or checkpoints of a run, into one model folder
    Average(average::Args),
}

/// Where a preset starts from; flags override it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// What learns most in the same time: strided, rectified convolutions, absolute coordinates, large batches,
    /// augmentation, class-balanced sampling, warm-up and cosine
    #[default]
    Fast,
    /// A network that reads twice as finely, for three times the steps, on drawings that vary more, are unfinished or come as a browser gets them;
    /// the last steps with weights of 8 bits
    Best,
    /// The TensorFlow tutorial to the letter: its network, Adam 0.0001, batches of 8, no augmentation
    Tutorial,
}

/// A switch with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

impl Switch {
    fn is_on(self) -> bool {
        self == Self::On
    }
}

/// Parses the name of a value as configurations write it.
fn by_name<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).map_err(|error| error.to_string())
}

/// Flags of `train`. Those without a default have the preset's.
#[derive(Args, Clone, Debug, Default)]
pub struct TrainArgs {
    /// Folder, file or pattern of drawings: .ndjson (simplified or raw), .csv of Kaggle, .bin, .npz of sketch-rnn,
    /// TFRecords of the tutorial, each also as .gz or .zst; without it the built-in sample drawings are used. Several, as
    /// --data A=0.7 --data B=0.3, are drawn from by their shares
    #[arg(long, visible_alias = "training-data", value_name = "DIR[=SHARE]", value_parser = Weighted::parser(),
          help_heading = "Data")]
    pub data: Vec<Weighted>,
    /// Folder to validate on, in full unless --eval-observations-per-class limits it; without it a
    /// part of the first --data is put aside
    #[arg(long, value_name = "DIR", requires = "data", help_heading = "Data")]
    pub eval_data: Option<PathBuf>,
    /// Category names to learn, one a line; without it all words of the data
    #[arg(long, value_name = "FILE", requires = "data", help_heading = "Data")]
    pub classes_file: Option<PathBuf>,
    /// At most this many drawings of each category to train on [default: all, with --preset tutorial 10000]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub train_observations_per_class: Option<usize>,
    /// Drawings of each category put aside to validate on, never more than half of them [default: 6, with --preset
    /// tutorial 1000; of --eval-data all]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub eval_observations_per_class: Option<usize>,

    /// Run folder: checkpoints, metrics and the model; by default the next free one under runs/
    #[arg(long, visible_alias = "model-dir", value_name = "DIR", help_heading = "Run")]
    pub out: Option<PathBuf>,
    /// Go on with the run in --out exactly where its last checkpoint is. It keeps its network and
    /// its options; of these, flags may change all but seed, batch size, batches a step and
    /// optimizer
    #[arg(long, requires = "out", help_heading = "Run")]
    pub resume: bool,
    /// Begin with the weights of this model folder instead of random ones; if it knows other categories, all but its
    /// last layer. Given twice, the branch that reads strokes comes from one and the image branch from the other. A run that is
    /// resumed has its own
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub init_from: Vec<PathBuf>,
    /// Where to compute: auto, cpu, cuda, cuda:N, wgpu, or several GPUs as cuda:0,1,2,3 (cpu:2 tries that
    /// without one)
    #[arg(long, default_value = "auto", help_heading = "Run")]
    pub device: DeviceChoices,
    /// In which numbers the factors of matrix products are
    #[arg(long, value_enum, default_value_t, help_heading = "Run")]
    pub precision: Precision,
    /// Processor threads to compute with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Run")]
    pub threads: usize,
    /// Everything random follows from it: the same seed gives the same weights on the processor
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub seed: Option<u64>,
    /// Steps between two evaluations on the validation part
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub eval_every_steps: Option<u64>,
    /// End when so many evaluations in a row have not lowered the validation loss; 0 is never [default: 0]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub early_stopping: Option<u64>,
    /// Seconds between two checkpoints [default: 300]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub checkpoint_every_seconds: Option<u64>,
    /// Steps between two checkpoints, besides the clock's; 0 is none [default: 0]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub checkpoint_every_steps: Option<u64>,
    /// Newest checkpoints that are kept, besides the best
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub keep_checkpoints: Option<usize>,
    /// Threads that prepare batches [default: 1, with GPUs 4 for each]
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub loader_threads: Option<usize>,
    /// No progress display
    #[arg(long, short, help_heading = "Run")]
    pub quiet: bool,

    /// Values that the other flags override; a run that is resumed has its own [default: fast]
    #[arg(long, value_enum, help_heading = "Training")]
    pub preset: Option<Preset>,
    /// Steps in all
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub steps: Option<u64>,
    /// Drawings a batch
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Batches a step, whose gradients are averaged: large steps in little memory [default: one for each device]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub accumulate: Option<usize>,
    /// How weights follow their gradients [default: adamw]
    #[arg(long, value_enum, help_heading = "Training")]
    pub optimizer: Option<OptimizerKind>,
    /// Highest learning rate
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// Steps over which the learning rate rises
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub warmup_steps: Option<u64>,
    /// How the learning rate moves after that
    #[arg(long, value_enum, help_heading = "Training")]
    pub schedule: Option<Schedule>,
    /// Decoupled weight decay; with 0 AdamW is plain Adam
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub weight_decay: Option<f32>,
    /// Largest global norm of the gradients
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub gradient_clipping_norm: Option<f64>,
    /// Keep a moving average of the weights, in which the past has this weight (such as 0.999), and evaluate and export
    /// that; from random weights less in the first steps, with --init-from from the first step on; 0 is off [default: 0]
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub ema: Option<f64>,
    /// The last so many steps learn with weights rounded to 8 bits, so that an export in int8 loses nothing [default: 0]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub quantized_steps: Option<u64>,
    /// Share of the targets spread over all categories
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub label_smoothing: Option<f32>,
    /// Share of the `soft` labels in the targets of drawings that have some
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub soft_weight: Option<f32>,
    /// Temperature of the `soft` labels: probabilities are raised to 1/X and normalised, so that above 1 they are spread more
    /// evenly [default: 1]
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub soft_temperature: Option<f32>,
    /// Draw a category with probability ~ (its drawings)^X: 0 all alike, 1 as the data is
    #[arg(long, value_name = "X", help_heading = "Training")]
    pub balance_power: Option<f32>,
    /// How drawings are varied.
    #[command(flatten)]
    pub augmentation: AugmentArgs,

    /// LSTM layers; 0 leaves nothing but the image branch
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub num_layers: Option<usize>,
    /// Width of each LSTM direction
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub num_nodes: Option<usize>,
    /// Channels of each convolution, as 48,64,96
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub num_conv: Option<Vec<usize>>,
    /// Rows that each convolution sees, as 5,5,3
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub conv_len: Option<Vec<usize>>,
    /// Stride of each convolution, as 1,2,2
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub conv_stride: Option<Vec<usize>>,
    /// After each convolution: none or relu
    #[arg(long, value_parser = by_name::<Activation>, help_heading = "Network")]
    pub conv_activation: Option<Activation>,
    /// lstm, block_lstm (the same network) or cudnn_lstm
    #[arg(long, value_parser = by_name::<CellType>, help_heading = "Network")]
    pub cell_type: Option<CellType>,
    /// Batch normalisation before each convolution
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "on", help_heading = "Network")]
    pub batch_norm: Option<Switch>,
    /// Share of values dropped while training
    #[arg(long, value_name = "X", help_heading = "Network")]
    pub dropout: Option<f64>,
    /// Drop the same channels at every step of a drawing
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "on", help_heading = "Network")]
    pub variational_dropout: Option<Switch>,
    /// From steps to one vector: sum or mean_max
    #[arg(long, value_parser = by_name::<Pooling>, help_heading = "Network")]
    pub pooling: Option<Pooling>,
    /// Rows that the network reads: tutorial (dx, dy, end) or absolute (dx, dy, end, x, y)
    #[arg(long, value_parser = by_name::<InkFormat>, help_heading = "Network")]
    pub ink: Option<InkFormat>,
    /// Channels of each convolution of the image branch, as 16,32,64
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub image_conv: Option<Vec<usize>>,
    /// Stride of each convolution of the image branch, as 2,1,2
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Network")]
    pub image_stride: Option<Vec<usize>>,
}

/// Flags that vary drawings. Lengths are in units of the 0..255 square of a drawing.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Augmentation")]
pub struct AugmentArgs {
    /// All of the below at their usual strength, or none; each can then be set by itself [default: on, with --preset
    /// tutorial off]
    #[arg(long, value_enum)]
    pub augment: Option<Switch>,
    /// Standard deviation of the rotation, radians
    #[arg(long, value_name = "X")]
    pub augment_rotate: Option<f32>,
    /// Standard deviation of the logarithm of the scale of each axis
    #[arg(long, value_name = "X")]
    pub augment_scale: Option<f32>,
    /// Standard deviation of the horizontal shear
    #[arg(long, value_name = "X")]
    pub augment_shear: Option<f32>,
    /// Probability of a mirror image
    #[arg(long, value_name = "X")]
    pub augment_flip: Option<f32>,
    /// Standard deviation of the amplitude of slow waves that bend the drawing
    #[arg(long, value_name = "X")]
    pub augment_elastic: Option<f32>,
    /// Standard deviation of the shift of each point
    #[arg(long, value_name = "X")]
    pub augment_jitter: Option<f32>,
    /// Probability that a stroke is left out, in half of the drawings of more than three
    #[arg(long, value_name = "X")]
    pub augment_drop_strokes: Option<f32>,
    /// Probability that a stroke is drawn from its other end
    #[arg(long, value_name = "X")]
    pub augment_reverse_strokes: Option<f32>,
    /// Probability that the strokes come in reverse order
    #[arg(long, value_name = "X")]
    pub augment_reverse_order: Option<f32>,
    /// Standard deviation of each stroke's own shift; a sixtieth of it is that of its own turn and stretch
    #[arg(long, value_name = "X")]
    pub augment_loosen_strokes: Option<f32>,
    /// Probability that some strokes are those of another drawing of the category
    #[arg(long, value_name = "X")]
    pub augment_borrow_strokes: Option<f32>,
    /// Probability that a drawing is unfinished: better guesses while somebody draws. In half of those that end within a stroke
    /// the network is told that the pen is down
    #[arg(long, value_name = "X")]
    pub augment_prefix: Option<f32>,
    /// Probability that a drawing comes as a browser gets it, as dense and shaky events of a pen that are then simplified
    #[arg(long, value_name = "X")]
    pub augment_redraw: Option<f32>,
}

impl AugmentArgs {
    /// What the flags make of a preset's augmentation.
    pub(crate) fn over(&self, preset: Augmentation) -> Augmentation {
        let base = match self.augment {
            Some(Switch::On) => Augmentation::default(),
            Some(Switch::Off) => Augmentation::none(),
            None => preset,
        };
        Augmentation {
            rotate: self.augment_rotate.unwrap_or(base.rotate),
            scale: self.augment_scale.unwrap_or(base.scale),
            shear: self.augment_shear.unwrap_or(base.shear),
            flip: self.augment_flip.unwrap_or(base.flip),
            elastic: self.augment_elastic.unwrap_or(base.elastic),
            jitter: self.augment_jitter.unwrap_or(base.jitter),
            drop_strokes: self.augment_drop_strokes.unwrap_or(base.drop_strokes),
            reverse_strokes: self.augment_reverse_strokes.unwrap_or(base.reverse_strokes),
            reverse_order: self.augment_reverse_order.unwrap_or(base.reverse_order),
            loosen_strokes: self.augment_loosen_strokes.unwrap_or(base.loosen_strokes),
            borrow_strokes: self.augment_borrow_strokes.unwrap_or(base.borrow_strokes),
            prefix: self.augment_prefix.unwrap_or(base.prefix),
            redraw: self.augment_redraw.unwrap_or(base.redraw),
        }
    }
}

/// Steps and batch size for the ten sample categories, which need no more.
const SAMPLE_STEPS: u64 = 800;
const SAMPLE_BATCH_SIZE: usize = 64;

impl TrainArgs {
    fn preset(&self) -> Preset {
        self.preset.unwrap_or_default()
    }

    /// The network that preset and flags describe, or, if a run is resumed, its network and the
    /// flags.
    ///
    /// # Errors
    /// When the values make no network.
    pub fn model(&self, n_classes: usize, resumed: Option<&RunState>) -> Result<ModelConfig> {
        let preset = match (resumed, self.preset()) {
            (Some(run), _) => run.model.clone(),
            (None, Preset::Fast) => ModelConfig::fast(n_classes),
            (None, Preset::Best) => ModelConfig::best(n_classes),
            (None, Preset::Tutorial) => ModelConfig::tutorial(n_classes),
        };
        let num_layers = self.num_layers.unwrap_or(preset.num_layers);
        // Without an LSTM there is nothing that the convolutions along a drawing could be read by.
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
    /// flags, for a number of devices.
    ///
    /// # Errors
    /// When a value is out of its range.
    pub fn config(&self, n_devices: usize, resumed: Option<&RunState>) -> Result<TrainConfig> {
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
            accumulate: self.accumulate.unwrap_or(resumed.map_or(n_devices, |run| run.train.accumulate)),
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
            config.accumulate.is_multiple_of(n_devices),
            "{} batches a step do not spread evenly over {n_devices} devices; change --accumulate",
            config.accumulate
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

/// Flags of `eval`.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Model folder: model.json and weights.safetensors
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder of .ndjson files
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Measure each drawing a second time, drawn anew as a browser gets it: other sizes, dense and shaky events
    #[arg(long)]
    pub redraw: bool,
    /// Do not tell the model that the pen is down where a drawing is seen in part and ends within a stroke
    #[arg(long)]
    pub pen_up: bool,
    /// Folder of .ndjson files with drawings of things that the model does not know, to see whether it is less sure of them
    #[arg(long, value_name = "DIR")]
    pub unknown: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write a page with charts and the drawings it got wrong, tables and pictures into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
}

/// Flags of `calibrate`.
#[derive(Args, Debug)]
pub struct CalibrateArgs {
    /// Model folder, whose model.json is changed, and with --class-biases the weights
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder of .ndjson files: drawings that the model was neither trained nor is judged on
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Change the last layer, too, so that each category is guessed about as often as the data has it, which should be as often
    /// as in use: once for a model, which notes it in model.json, before its export to 8 bits
    #[arg(long)]
    pub class_biases: bool,
    /// Add class biases to a model that has some already
    #[arg(long, requires = "class_biases")]
    pub again: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `predict`.
#[derive(Args, Debug)]
pub struct PredictArgs {
    /// Model folder: model.json and weights.safetensors
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// File of drawings in any form that train reads, or of lists of strokes, one a line; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Print one JSON object a drawing
    #[arg(long)]
    pub json: bool,
    /// Add the logits of all classes, in the order of the labels
    #[arg(long, requires = "json")]
    pub logits: bool,
    /// Guesses a drawing
    #[arg(long, value_name = "N", default_value = "5")]
    pub max_results: NonZeroUsize,
}

/// What `export` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A model folder, as the browser reads it
    #[default]
    Folder,
    /// model.onnx (opset 17) for other run times, with model.json beside it
    Onnx,
}

/// How exported weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportType {
    /// Four bytes a number, exact
    F32,
    /// Two bytes a number
    F16,
    /// One byte a number, with a scale for each column of a matrix
    Int8,
}

/// Flags of `export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Model folder to read
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = ExportFormat::Folder)]
    pub format: ExportFormat,
    /// How the weights are stored [default: f16, in ONNX f32, which it is always]
    #[arg(long, value_enum)]
    pub weights: Option<ExportType>,
    /// Measure what the stored weights have lost on this folder, and put the figures into model.json under "test"
    #[arg(long, value_name = "DIR")]
    pub test_data: Option<PathBuf>,
}

/// Flags of `bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Time training only
    #[arg(long, conflicts_with = "infer")]
    pub train: bool,
    /// Time recognising only
    #[arg(long)]
    pub infer: bool,
    /// Network and options of a step, with 345 categories
    #[arg(long, value_enum, default_value_t = Preset::Fast)]
    pub preset: Preset,
    /// Drawings a batch [default: the preset's]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    /// Rows of every drawing
    #[arg(long, value_name = "N", default_value = "45")]
    pub length: NonZeroUsize,
    /// Lengths as those of Quick, Draw!, 45 on average, in batches as training makes them
    #[arg(long, conflicts_with = "length")]
    pub real_lengths: bool,
    /// For how long, each
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    pub seconds: f64,
    /// Where to compute: auto, cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// In which numbers the factors of matrix products are
    #[arg(long, value_enum, default_value_t)]
    pub precision: Precision,
    /// Processor threads to compute with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl BenchArgs {
    /// What the flags describe.
    ///
    /// # Errors
    /// When the seconds are no time.
    pub fn options(&self) -> Result<bench::Options> {
        const N_CLASSES: usize = 345;
        let duration = Duration::try_from_secs_f64(self.seconds);
        let duration = duration.map_err(|error| {
            anyhow!("--seconds {}: {error}; a number from 0 on was expected", self.seconds)
        })?;
        let (model, train) = match self.preset {
            Preset::Fast => (ModelConfig::fast(N_CLASSES), TrainConfig::fast()),
            Preset::Best => (ModelConfig::best(N_CLASSES), TrainConfig::best()),
            Preset::Tutorial => (ModelConfig::tutorial(N_CLASSES), TrainConfig::tutorial()),
        };
        let batch_size = self.batch_size.map_or(train.batch_size, NonZeroUsize::get);
        let lengths = match self.real_lengths {
            true => bench::Lengths::Real,
            false => bench::Lengths::Exactly(self.length.get()),
        };
        Ok(bench::Options { model, train: TrainConfig { batch_size, ..train }, lengths, duration })
    }
}

/// Flags of `download`.
#[derive(Args, Debug)]
pub struct DownloadArgs {
    /// Categories, as: cat "alarm clock"; without any all 345
    #[arg(value_name = "CLASS")]
    pub classes: Vec<String>,
    /// Folder that the files go into
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Drawings as they were drawn, with times, instead of simplified ones; about eight times as large
    #[arg(long, conflicts_with = "binary")]
    pub raw: bool,
    /// Simplified drawings in the binary form, about a quarter as large
    #[arg(long)]
    pub binary: bool,
    /// Only the first so many drawings of each category
    #[arg(long, value_name = "N")]
    pub max_drawings_per_class: Option<NonZeroU64>,
    /// Files at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub parallel: u8,
    /// Attempts in a row that bring nothing, besides the first, before a file is given up
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub retries: u32,
    /// Where the folders simplified, raw and binary are: a mirror
    #[arg(long, value_name = "URL", default_value = download::BASE_URL)]
    pub base_url: String,
    /// No progress display
    #[arg(long, short)]
    pub quiet: bool,
}

impl DownloadArgs {
    /// What the flags describe.
    pub fn options(&self) -> download::Options {
        download::Options {
            form: match (self.raw, self.binary) {
                (true, _) => download::Form::Raw,
                (_, true) => download::Form::Binary,
                _ => download::Form::Simplified,
            },
            base_url: self.base_url.clone(),
            max_drawings_per_class: self.max_drawings_per_class.map(NonZeroU64::get),
            n_parallel: self.parallel.into(),
            n_retries: self.retries,
            quiet: self.quiet,
            ..download::Options::new(self.out.clone())
        }
    }
}

/// Flags of `stats`.
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// Folders or files of drawings
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write histograms, tables and a sheet of drawings of each category into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Drawings of a sheet
    #[arg(long, value_name = "N", default_value_t = 36, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub samples_per_class: u16,
    /// No progress display
    #[arg(long, short)]
    pub quiet: bool,
}

/// Flags of `prepare`.
#[derive(Args, Debug)]
pub struct PrepareArgs {
    /// Files, folders, patterns as 'data/*.npz', or - for standard input; of any form that can be read
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Folder to write; it must not hold anything else
    #[arg(long, visible_alias = "output-path", value_name = "DIR")]
    pub out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    pub format: prepare::Format,
    /// At most this many drawings of each category to train on
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub train_observations_per_class: usize,
    /// At most this many drawings of each category to evaluate on; their share of both is put aside, by a hash of key_id
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub eval_observations_per_class: usize,
    /// Files that each of the two parts is scattered over
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub output_shards: usize,
    /// The order follows from it; the split does not
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only these categories, and numbered in this order: a file with one a line, or names as cat,dog [default: all, sorted]
    #[arg(long, value_name = "FILE|NAME,..")]
    pub classes: Option<String>,
    /// Only drawings from these countries, as KR,US
    #[arg(long, value_name = "CODE,..", value_delimiter = ',')]
    pub countries: Option<Vec<String>>,
    /// Only drawings that the game recognised
    #[arg(long)]
    pub recognized_only: bool,
    /// At most this many drawings of each category, the first ones, in both parts together
    #[arg(long, value_name = "N")]
    pub max_per_class: Option<usize>,
    /// Keep drawings whose strokes or key_id their category has already
    #[arg(long)]
    pub keep_duplicates: bool,
    /// End at the first bad line
    #[arg(long)]
    pub strict: bool,
    /// Go on where a run with the same flags and files was interrupted or ended by an error
    #[arg(long)]
    pub resume: bool,
    /// No progress display
    #[arg(long, short)]
    pub quiet: bool,
}

impl PrepareArgs {
    /// What the flags describe, if `classes` is what --classes says.
    pub fn options(&self, classes: Option<Vec<String>>) -> prepare::Options {
        prepare::Options {
            format: self.format,
            train_observations_per_class: self.train_observations_per_class,
            eval_observations_per_class: self.eval_observations_per_class,
            output_shards: self.output_shards,
            seed: self.seed,
            classes,
            countries: self.countries.as_ref().map(|codes| codes.iter().cloned().collect()),
            recognized_only: self.recognized_only,
            max_per_class: self.max_per_class,
            keep_duplicates: self.keep_duplicates,
            strict: self.strict,
        }
    }
}

/// Flags of `show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// File of drawings, and which line of it, as cat.ndjson:12; or a folder, with --class
    #[arg(value_name = "FILE[:LINE]")]
    pub file: PathBuf,
    /// The first drawing of this category, from LINE on
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// Write an SVG file; without a file to write, a terminal gets the drawing in characters and anything else gets SVG
    #[arg(long, value_name = "FILE", conflicts_with = "png")]
    pub svg: Option<PathBuf>,
    /// Write a PNG file
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Pixels that a picture is wide and high
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(16..=8192))]
    pub size: u32,
    /// Characters that a drawing in the terminal is wide
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u16).range(4..=500))]
    pub columns: u16,
    /// What a terminal shows it with, even if the output is none
    #[arg(long, value_enum, conflicts_with_all = ["svg", "png"])]
    pub glyphs: Option<Glyphs>,
}

impl ShowArgs {
    /// What the flags describe, where the output is a terminal or not.
    pub fn options(&self, is_terminal: bool) -> show::Options {
        let output = match (&self.svg, &self.png) {
            (Some(path), _) => show::Output::Svg(path.clone(), self.size),
            (None, Some(path)) => show::Output::Png(path.clone(), self.size),
            (None, None) if is_terminal || self.glyphs.is_some() => {
                show::Output::Terminal(self.columns.into(), self.glyphs.unwrap_or_default())
            }
            (None, None) => show::Output::Stream(self.size),
        };
        show::Options { file: self.file.clone(), class: self.class.clone(), output }
    }
}
