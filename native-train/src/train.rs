//! The training loop: drawings in, a run folder with a model folder out.
//!
//! Each step: take a batch, forward, cross-entropy, backward, clip by the global norm, Adam. Every so many steps
//! the network is evaluated on the validation part, and the best so far is written as the model folder.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{AdamW, AdamWConfig, GradientsParams, Optimizer};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor, TensorData, activation};
use indicatif::{ProgressBar, ProgressStyle};
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{InkBatch, MODEL_FORMAT, Model, ModelBackend, ModelCard, ModelConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::checkpoint::{self, Checkpoint, RunState};
use crate::data::{Augmentation, DataSet, Loader, LoaderConfig, PreparedBatch, Sampling};
use crate::evaluate::{Evaluation, evaluate};

/// How the learning rate moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays, as in the tutorial.
    Constant,
    /// It falls to zero along half a cosine.
    Cosine,
    /// It stays, and falls to zero in a straight line over the last fifth of the steps: such a run can be prolonged by
    /// --resume with more --steps as long as it has not begun to fall.
    Trapezoid,
}

/// Share of the steps over which [`Schedule::Trapezoid`] falls.
const TRAPEZOID_FALL: f64 = 0.2;

/// The options of a run, besides data and network. Names are those of the flags.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Steps in all.
    pub steps: u64,
    /// Drawings a step.
    pub batch_size: usize,
    /// The highest learning rate of Adam.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    pub warmup_steps: u64,
    /// How it moves then.
    pub schedule: Schedule,
    /// Decoupled weight decay (AdamW).
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm over all parameters together.
    pub gradient_clipping_norm: f64,
    /// Share of the targets that is spread over all classes.
    pub label_smoothing: f32,
    /// Share of the soft labels in the targets of drawings that have some.
    pub soft_weight: f32,
    /// Which drawings come next.
    pub sampling: Sampling,
    /// How drawings are varied.
    pub augmentation: Augmentation,
    /// A drawing with more points ends after this many.
    pub max_rows: usize,
    /// Batches among which drawings are sorted by length; 1 is off.
    pub bucket_batches: usize,
    /// Everything random follows from it.
    pub seed: u64,
    /// Steps between two evaluations on the validation part.
    pub eval_every_steps: u64,
    /// Seconds between two checkpoints.
    pub checkpoint_every_seconds: u64,
    /// Checkpoints that are kept.
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
            learning_rate: 1e-4,
            warmup_steps: 0,
            schedule: Schedule::Constant,
            weight_decay: 0.0,
            gradient_clipping_norm: 9.0,
            label_smoothing: 0.0,
            soft_weight: 0.0,
            sampling: Sampling::Epochs,
            augmentation: Augmentation::none(),
            max_rows: usize::MAX,
            bucket_batches: 1,
            seed: 1,
            eval_every_steps: 1000,
            checkpoint_every_seconds: 300,
            keep_checkpoints: 5,
            loader_threads: 1,
        }
    }

    /// What trains best in the same time.
    ///
    /// Batches of 128 use the processor well; the learning rate suits that size and falls to zero, which is worth
    /// more than any number of steps at a constant one; classes are drawn alike, however many drawings they have;
    /// varied drawings, smoothed labels and a little weight decay keep few drawings a class from being learnt by heart.
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

    /// Checks the values.
    ///
    /// # Errors
    /// Names the first that is out of its range, with what was expected.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("steps", self.steps),
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
        Ok(())
    }

    /// The learning rate of a step, the first of which is 0.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let warm = if step < self.warmup_steps { (step + 1) as f64 / self.warmup_steps as f64 } else { 1.0 };
        let cool = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Cosine => {
                let span = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
                let done = step.saturating_sub(self.warmup_steps) as f64 / span;
                0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
            Schedule::Trapezoid => {
                let left = self.steps.saturating_sub(step) as f64 / self.steps as f64;
                (left / TRAPEZOID_FALL).min(1.0)
            }
        };
        self.learning_rate * warm * cool
    }

    fn loader(&self, model: &ModelConfig, start_step: u64) -> LoaderConfig {
        LoaderConfig {
            batch_size: self.batch_size,
            sampling: self.sampling,
            augmentation: self.augmentation,
            ink_format: model.ink,
            max_rows: self.max_rows,
            soft_weight: self.soft_weight,
            label_smoothing: self.label_smoothing,
            seed: self.seed,
            start_step,
            n_threads: self.loader_threads,
            bucket_batches: self.bucket_batches,
        }
    }
}

/// What to train, on what, and where to put it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Drawings to learn from.
    pub train: Arc<DataSet>,
    /// Drawings to evaluate on while training.
    pub validation: DataSet,
    /// Where the data came from, for the model card.
    pub data_facts: Map<String, Value>,
    /// The network.
    pub model: ModelConfig,
    /// The options.
    pub config: TrainConfig,
    /// The run folder, which becomes the model folder as well.
    pub out: PathBuf,
    /// Go on with the run in that folder.
    pub resume: bool,
    /// No display.
    pub quiet: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps done.
    pub step: u64,
    /// Whether all steps were done; if not, the run was interrupted and can be resumed.
    pub finished: bool,
    /// The last evaluation on the validation part.
    pub validation: Evaluation,
}

/// Trains a network; writes checkpoints, `metrics.jsonl` and the model folder into the run folder.
///
/// `interrupted` is looked at after every step: once it is set, a checkpoint is written and the run ends.
///
/// # Errors
/// When options, data or folder do not fit together, the disk cannot be written, or the loss is no longer finite.
pub fn train<B>(job: &Job, device: &B::Device, interrupted: &AtomicBool) -> Result<Outcome>
where
    B: AutodiffBackend + ModelBackend,
    B::InnerBackend: ModelBackend,
{
    let Job { config, out, .. } = job;
    config.validate()?;
    config.loader(&job.model, 0).validate()?;
    ensure!(!job.validation.is_empty(), "there are no drawings to validate on");

    // A fixed start for the initial weights.
    B::seed(device, config.seed);
    let mut model: Model<B> = job.model.init(device)?;
    let mut optimizer = optimizer::<B>(config);
    let mut state = RunState {
        step: 0,
        n_drawings: job.train.len(),
        labels: job.train.labels().to_vec(),
        model: job.model.clone(),
        train: *config,
        best: None,
        seconds: 0.0,
    };
    if job.resume {
        let Some(checkpoint) = Checkpoint::newest(out)? else {
            bail!("{} holds no checkpoint to resume from", out.display());
        };
        check_same_run(&checkpoint.state, &state, out)?;
        model = checkpoint.load_model(model, device)?;
        optimizer = optimizer.load_record(checkpoint.optimizer(device)?);
        state = RunState { train: *config, ..checkpoint.state };
    } else {
        checkpoint::refuse_existing(out)?;
        fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    }

    let mut loader = Loader::spawn(Arc::clone(&job.train), config.loader(&job.model, state.step))?;
    let mut metrics = Metrics::open(&out.join("metrics.jsonl"))?;
    let display = Display::new(config.steps, state.step, job.quiet);
    let mut window = Window::<B::InnerBackend>::new(state.step);
    let mut validation = None;
    let started = Instant::now();
    let seconds_before = state.seconds;
    let mut last_checkpoint = Instant::now();

    while state.step < config.steps {
        let batch = loader.next_batch();
        let learning_rate = config.learning_rate_at(state.step);
        let dropout_seed = config.seed ^ (state.step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n_drawings = batch.labels.len();
        let step = train_step(model, &mut optimizer, batch, learning_rate, dropout_seed, config, device)?;
        model = step.model;
        state.step += 1;
        window.push(step.loss, step.norm, n_drawings);

        let finished = state.step == config.steps;
        let evaluates = finished || state.step.is_multiple_of(config.eval_every_steps);
        if window.is_full() || evaluates {
            let summary = window.read(state.step, learning_rate, loader.waited())?;
            display.step(&summary);
            metrics.write(&json!({ "train": summary }))?;
        }
        state.seconds = seconds_before + started.elapsed().as_secs_f64();
        if evaluates {
            let found = evaluate(&model.valid(), &job.validation, device)?;
            display.evaluation(state.step, &found);
            metrics.write(&json!({ "step": state.step, "validation": found }))?;
            if state.best.is_none_or(|(best, _)| found.balanced_top1 >= best) {
                state.best = Some((found.balanced_top1, state.step));
                write_model_folder(job, &state, &model.valid(), &found)?;
            }
            validation = Some(found);
            window = Window::new(state.step);
        }
        let stops = interrupted.load(Ordering::Relaxed);
        let due = last_checkpoint.elapsed() >= Duration::from_secs(config.checkpoint_every_seconds);
        if finished || stops || due {
            let (model, optimizer) = (model.clone().into_record(), optimizer.to_record());
            checkpoint::save::<B>(out, &state, model, optimizer, config.keep_checkpoints)?;
            last_checkpoint = Instant::now();
        }
        if stops && !finished {
            break;
        }
    }
    display.finish();

    let validation = match validation {
        Some(validation) if state.step == config.steps => validation,
        _ => evaluate(&model.valid(), &job.validation, device)?,
    };
    if state.best.is_none() {
        // Interrupted before the first evaluation: the folder still holds a model that can be tried.
        write_model_folder(job, &state, &model.valid(), &validation)?;
    }
    Ok(Outcome { step: state.step, finished: state.step == config.steps, validation })
}

/// The optimiser of a run.
pub fn optimizer<B: AutodiffBackend>(config: &TrainConfig) -> OptimizerAdaptor<AdamW, Model<B>, B> {
    AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(config.weight_decay).init()
}

/// What a step gives.
#[derive(Debug)]
pub struct Step<B: AutodiffBackend> {
    /// The network after it.
    pub model: Model<B>,
    /// The mean cross-entropy before it, `[1]`, still on the device.
    pub loss: Tensor<B::InnerBackend, 1>,
    /// The norm of the gradients over all parameters together, before clipping.
    pub norm: f64,
}

/// One step of training: forward, cross-entropy, backward, clip, Adam.
///
/// # Errors
/// When the batch's ink has another format than the network reads.
pub fn train_step<B: AutodiffBackend + ModelBackend>(
    model: Model<B>,
    optimizer: &mut impl Optimizer<Model<B>, B>,
    batch: PreparedBatch,
    learning_rate: f64,
    dropout_seed: u64,
    config: &TrainConfig,
    device: &B::Device,
) -> Result<Step<B>> {
    let n_drawings = batch.labels.len();
    let logits = model.forward_training(&InkBatch::new(&batch.inks, device)?, dropout_seed)?; // [B, K]
    let targets = TensorData::new(batch.targets, logits.shape());
    let targets = Tensor::<B, 2>::from_data(targets, device);
    let loss = -(activation::log_softmax(logits, 1) * targets).sum() / n_drawings as f64; // [1]
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let (gradients, norm) = clip_global_norm(&model, gradients, config.gradient_clipping_norm);
    let model = optimizer.step(learning_rate, model, gradients);
    Ok(Step { model, loss: loss.inner(), norm })
}

/// A resumed run must be the same run: the same network and labels and as much data. Its number of steps and other
/// options may change, which the caller asked for by giving them.
fn check_same_run(stored: &RunState, asked: &RunState, out: &Path) -> Result<()> {
    let out = out.display();
    ensure!(
        stored.model == asked.model,
        "the run in {out} trains another network: {:?}, asked for {:?}",
        stored.model,
        asked.model
    );
    ensure!(
        stored.labels == asked.labels,
        "the run in {out} has {} other classes than the data, which has {}",
        stored.labels.len(),
        asked.labels.len()
    );
    ensure!(
        stored.n_drawings == asked.n_drawings,
        "the run in {out} was trained on {} drawings, now there are {}",
        stored.n_drawings,
        asked.n_drawings
    );
    ensure!(
        stored.train.seed == asked.train.seed && stored.train.batch_size == asked.train.batch_size,
        "the run in {out} has seed {} and batch size {}, asked for {} and {}",
        stored.train.seed,
        stored.train.batch_size,
        asked.train.seed,
        asked.train.batch_size
    );
    Ok(())
}

fn write_model_folder<B: Backend>(
    job: &Job,
    state: &RunState,
    model: &Model<B>,
    validation: &Evaluation,
) -> Result<()> {
    let mut training = job.data_facts.clone();
    training.extend([
        ("steps".to_owned(), json!(state.step)),
        ("drawings_seen".to_owned(), json!(state.step * state.train.batch_size as u64)),
        ("seconds".to_owned(), json!(state.seconds.round())),
        // Through text, where 0.12 is 0.12 and not the digits of its float32.
        ("options".to_owned(), serde_json::from_str(&serde_json::to_string(&state.train)?)?),
    ]);
    let figures = Map::from_iter([("validation".to_owned(), serde_json::to_value(validation.figures)?)]);
    let card = ModelCard {
        format: MODEL_FORMAT,
        config: state.model.clone(),
        labels: state.labels.clone(),
        training,
        figures,
    };
    // The weights first: the card names what they must be.
    let bytes = weights::save(model, WeightType::F32)?;
    checkpoint::write_atomic(&job.out.join("weights.safetensors"), &bytes)?;
    let card = serde_json::to_string_pretty(&card)?;
    checkpoint::write_atomic(&job.out.join("model.json"), card.as_bytes())
}

/// Scales all gradients so that their norm over all parameters together is at most `max_norm`; gives the norm before
/// too.
fn clip_global_norm<B: AutodiffBackend>(
    model: &Model<B>,
    mut gradients: GradientsParams,
    max_norm: f64,
) -> (GradientsParams, f64) {
    struct SumOfSquares<'a, B: AutodiffBackend> {
        gradients: &'a GradientsParams,
        sum: Option<Tensor<B::InnerBackend, 1>>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for SumOfSquares<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
                let squares = gradient.clone().mul(gradient).sum();
                self.sum = Some(match self.sum.take() {
                    Some(sum) => sum + squares,
                    None => squares,
                });
            }
        }
    }
    struct Scale<'a> {
        gradients: &'a mut GradientsParams,
        scale: f64,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
                let scaled = gradient.mul_scalar(self.scale);
                self.gradients.register::<B::InnerBackend, D>(param.id, scaled);
            }
        }
    }
    let mut squares = SumOfSquares::<B> { gradients: &gradients, sum: None };
    model.visit(&mut squares);
    let norm = squares.sum.map_or(0.0, |sum| sum.into_scalar().elem::<f64>()).sqrt();
    if norm > max_norm {
        model.visit(&mut Scale { gradients: &mut gradients, scale: max_norm / norm });
    }
    (gradients, norm)
}

/// Steps whose losses are read back from the device together.
const WINDOW_STEPS: usize = 20;

/// The last steps.
struct Window<B: Backend> {
    losses: Vec<Tensor<B, 1>>,
    norms: Vec<f64>,
    n_drawings: usize,
    since: Instant,
    first_step: u64,
}

/// What a window of steps amounts to.
#[derive(Clone, Debug, Serialize)]
struct Summary {
    step: u64,
    loss: f64,
    learning_rate: f64,
    gradient_norm: f64,
    drawings_per_s: f64,
    waited_s: f64,
}

impl<B: Backend> Window<B> {
    fn new(first_step: u64) -> Self {
        Self { losses: Vec::new(), norms: Vec::new(), n_drawings: 0, since: Instant::now(), first_step }
    }

    fn push(&mut self, loss: Tensor<B, 1>, norm: f64, n_drawings: usize) {
        self.losses.push(loss);
        self.norms.push(norm);
        self.n_drawings += n_drawings;
    }

    fn is_full(&self) -> bool {
        self.losses.len() >= WINDOW_STEPS
    }

    /// Sums the window up and begins the next.
    fn read(&mut self, step: u64, learning_rate: f64, waited: Duration) -> Result<Summary> {
        let losses: Vec<f64> =
            Tensor::cat(std::mem::take(&mut self.losses), 0).into_data().iter::<f64>().collect();
        let norms = std::mem::take(&mut self.norms);
        for (i, (loss, norm)) in losses.iter().zip(&norms).enumerate() {
            ensure!(
                loss.is_finite() && norm.is_finite(),
                "at step {} the loss is {loss} and the gradient's norm {norm}: training has diverged. The last \
                 checkpoint is kept; try a lower --learning-rate or --gradient-clipping-norm",
                self.first_step + i as u64 + 1
            );
        }
        let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let summary = Summary {
            step,
            loss: average(&losses),
            learning_rate,
            gradient_norm: average(&norms),
            drawings_per_s: self.n_drawings as f64 / self.since.elapsed().as_secs_f64(),
            waited_s: waited.as_secs_f64(),
        };
        *self = Self::new(step);
        Ok(summary)
    }
}

/// One JSON object a line, appended.
struct Metrics {
    file: fs::File,
    path: PathBuf,
}

impl Metrics {
    fn open(path: &Path) -> Result<Self> {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    fn write(&mut self, value: &Value) -> Result<()> {
        writeln!(self.file, "{value}").with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Progress for people: a bar on a terminal, plain lines elsewhere.
enum Display {
    Bar(ProgressBar),
    Lines { n_steps: u64, last: std::cell::Cell<Option<Instant>> },
    Quiet,
}

/// Seconds between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Display {
    fn new(n_steps: u64, step: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { n_steps, last: std::cell::Cell::new(None) };
        }
        let style = "{bar:30} {pos}/{len} steps, {msg}, {eta} to go";
        let bar = ProgressBar::new(n_steps)
            .with_style(ProgressStyle::with_template(style).expect("a valid template"))
            .with_position(step);
        bar.reset_eta();
        bar.set_message("warming up");
        Self::Bar(bar)
    }

    fn step(&self, summary: &Summary) {
        let text = format!("loss {:.3}, {:.0} drawings/s", summary.loss, summary.drawings_per_s);
        match self {
            Self::Bar(bar) => {
                bar.set_position(summary.step);
                bar.set_message(text);
            }
            Self::Lines { n_steps, last } => {
                if last.get().is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                    eprintln!("step {}/{n_steps}: {text}", summary.step);
                    last.set(Some(Instant::now()));
                }
            }
            Self::Quiet => {}
        }
    }

    fn evaluation(&self, step: u64, found: &Evaluation) {
        let text = format!(
            "step {step}: validation loss {:.3}, top-1 {:.1} %, top-3 {:.1} % (class-balanced {:.1} %, {:.1} %)",
            found.loss,
            100.0 * found.top1,
            100.0 * found.top3,
            100.0 * found.balanced_top1,
            100.0 * found.balanced_top3
        );
        match self {
            Self::Bar(bar) => bar.println(text),
            Self::Lines { .. } => eprintln!("{text}"),
            Self::Quiet => {}
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
