//! The training loop.
//!
//! Each step: take its batches, forward, cross-entropy, backward, clip by the global norm, Adam. At
//! regular steps the network is evaluated on the validation part, and the best so far is written as
//! the model folder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use burn::module::{AutodiffModule, Module};
use burn::optim::Optimizer;
use burn::tensor::backend::AutodiffBackend;
use quickdraw_core::ops::KernelBackend;
use quickdraw_core::{Model, ModelBackend, ModelConfig, weights};

use super::checkpoint::{self, Checkpoint, Contents, to_bytes};
use super::display::Display;
use super::ema;
use super::job::{Job, Outcome};
use super::optimizer::optimizer;
use super::run_folder::{self, RunFolder};
use super::state::{Fingerprints, RunState, SetShare, check_same_run};
use super::step::{Devices, Step};
use super::window::Window;
use crate::data::Loader;
use crate::eval::evaluate;
use crate::model_folder;

/// Trains a network; writes checkpoints, metrics and the model folder into the run folder.
///
/// `interrupted` is checked after every step: once it is set, a checkpoint is written and the run
/// ends.
///
/// # Errors
/// When options, data or folder do not fit together, the disk cannot be written, or the loss is no
/// longer finite.
///
/// # Panics
/// Without any device.
pub fn train<B>(job: &Job, devices: &[B::Device], interrupted: &AtomicBool) -> Result<Outcome>
where
    B: AutodiffBackend + ModelBackend,
    B::InnerBackend: KernelBackend,
{
    let Job { config, out, .. } = job;
    config.validate()?;
    checkpoint::check_folder(out, job.resume)?;
    // One process at a time writes into the folder. That of a new run is created after all other
    // checks.
    let mut lock = None;
    let resumed = match job.resume {
        true => {
            lock = Some(run_folder::lock(out)?);
            Checkpoint::newest(out)?
        }
        false => None,
    };
    // Whether the network knows the pen's state follows from options, which may change; a run keeps
    // what it began with.
    let network = match &resumed {
        Some(checkpoint) => ModelConfig { pen_state: checkpoint.state.model.pen_state, ..job.model.clone() },
        None => job.model.clone(),
    };
    config.loader(&network, 0).validate()?;
    ensure!(!job.validation.is_empty(), "there are no drawings to validate on");
    let devices = Devices::<B>::new(devices)?;
    let device = devices.first();

    // A fixed start for the initial weights.
    B::seed(device, config.seed);
    let mut model: Model<B> = network.init(device)?;
    let mut optimizer = optimizer::<B>(config, &network);
    let mut average = None;
    let mut state = RunState {
        step: 0,
        n_drawings: job.train.len(),
        sets: SetShare::all_of(&job.train),
        fingerprints: Some(Fingerprints::of(&job.train, &job.validation)),
        starts_trained: false,
        labels: job.train.labels().to_vec(),
        model: network,
        train: *config,
        best: None,
        lowest_loss: None,
        n_without_progress: 0,
        seconds: 0.0,
    };
    if let Some(checkpoint) = resumed {
        check_same_run(&checkpoint.state, &state, out)?;
        model = checkpoint.load_model(model, device)?;
        average = checkpoint.load_average(model.valid(), device)?;
        optimizer = optimizer.load_record(checkpoint.optimizer(device)?);
        state = RunState { train: *config, fingerprints: state.fingerprints, ..checkpoint.state };
    } else {
        let trained: Vec<_> = job
            .init_from
            .iter()
            .map(|folder| model_folder::open::<B>(folder, device))
            .collect::<Result<_>>()?;
        let same_classes = trained.iter().all(|trained| trained.labels() == state.labels);
        let branches = trained.iter().map(|trained| trained.model().clone()).collect();
        model = model.with_branches_of(branches, same_classes).with_context(|| {
            let names: Vec<_> = job.init_from.iter().map(|folder| folder.display().to_string()).collect();
            format!("cannot begin with {}", names.join(", "))
        })?;
        state.starts_trained = same_classes && !job.init_from.is_empty();
    }
    average = (config.ema > 0.0).then(|| average.unwrap_or_else(|| model.valid()));

    if lock.is_none() {
        lock = Some(run_folder::lock(out)?);
        checkpoint::check_folder(out, job.resume)?;
    }
    let mut folder = RunFolder::open(job, &state)?;
    let mut loader = Loader::spawn(job.train.clone(), config.loader(&state.model, state.step))?;
    let display = Display::new(config.steps, state.step, job.quiet);
    let mut window = Window::<B::InnerBackend>::new(loader.waited());
    let mut validation = None;
    let started = Instant::now();
    let seconds_before = state.seconds;
    let mut last_checkpoint = Instant::now();
    let mut finished = is_finished(&state);

    while !finished {
        let batches = (0..config.accumulate as u64).map(|i| {
            let seed = state.step * config.accumulate as u64 + i + 1;
            (loader.next_batch(), config.seed ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        });
        let batches = batches.collect();
        let learning_rate = config.learning_rate_at(state.step);
        let is_quantized = config.rounds_after(state.step);
        if is_quantized && !config.rounds_after(state.step.saturating_sub(1)) {
            // The best so far was not quantized: not comparable.
            (state.best, state.lowest_loss, state.n_without_progress) = (None, None, 0);
        }
        let Step { model: better, losses, n_correct, norm } =
            devices.step(model, &mut optimizer, batches, learning_rate, is_quantized, config)?;
        model = better;
        state.step += 1;
        window.push(losses, n_correct, norm, config.drawings_per_step());
        let decay = ema::decay_after(state.step, config.ema, state.starts_trained);
        average = average.map(|average| ema::update(average, &model, decay));

        let evaluates = state.step == config.steps || state.step.is_multiple_of(config.eval_every_steps);
        if window.ends_at(state.step) || evaluates {
            let summary = window.read(state.step, learning_rate, loader.waited())?;
            display.step(state.step, &summary);
            folder.train(state.step, &summary)?;
        }
        state.seconds = seconds_before + started.elapsed().as_secs_f64();
        let mut is_best = false;
        if evaluates {
            let evaluated = kept(&average, &model, is_quantized);
            let found = evaluate(&evaluated, &job.validation, device)?;
            display.evaluation(state.step, &found);
            folder.validation(state.step, found.figures)?;
            is_best = state.best.is_none_or(|(best, _)| found.balanced_top1 >= best);
            if is_best {
                state.best = Some((found.balanced_top1, state.step));
                folder.model(job, &state, &evaluated, &found)?;
            }
            if state.lowest_loss.is_none_or(|lowest| found.loss < lowest) {
                state.lowest_loss = Some(found.loss);
                state.n_without_progress = 0;
            } else {
                state.n_without_progress += 1;
            }
            validation = Some(found);
            window = Window::new(loader.waited());
        }
        finished = is_finished(&state);
        let stops = interrupted.load(Ordering::Relaxed);
        let due = last_checkpoint.elapsed() >= Duration::from_secs(config.checkpoint_every_seconds)
            || (config.checkpoint_every_steps > 0
                && state.step.is_multiple_of(config.checkpoint_every_steps));
        if finished || stops || due || is_best {
            window.check(state.step)?;
            let contents = Contents {
                model: to_bytes::<B>(model.clone().into_record())?,
                average: average.clone().map(|average| to_bytes(average.into_record())).transpose()?,
                optimizer: to_bytes::<B>(optimizer.to_record())?,
            };
            checkpoint::save(out, &state, &contents, config.keep_checkpoints)?;
            last_checkpoint = Instant::now();
        }
        if stops {
            break;
        }
    }
    if finished && state.step < config.steps {
        display.line(&format!(
            "stopped early at step {}: {} evaluations without a lower validation loss",
            state.step, state.n_without_progress
        ));
    }
    display.finish();

    let evaluated = kept(&average, &model, config.rounds_after(state.step.saturating_sub(1)));
    let validation = match validation {
        Some(validation) if finished => validation,
        _ => evaluate(&evaluated, &job.validation, device)?,
    };
    if state.best.is_none() {
        // Interrupted before the first evaluation: the folder still gets a usable model.
        folder.model(job, &state, &evaluated, &validation)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let waiting = if seconds > 0.0 { loader.waited().as_secs_f64() / seconds } else { 0.0 };
    drop(lock);
    Ok(Outcome { step: state.step, finished, validation, waiting })
}

/// The network that is evaluated and saved.
fn kept<B: AutodiffBackend>(
    average: &Option<Model<B::InnerBackend>>,
    model: &Model<B>,
    is_quantized: bool,
) -> Model<B::InnerBackend> {
    let model = average.clone().unwrap_or_else(|| model.valid());
    if is_quantized { weights::rounded(model) } else { model }
}

/// Whether all steps are done, or enough evaluations have brought no progress.
fn is_finished(state: &RunState) -> bool {
    let patience = state.train.early_stopping;
    state.step >= state.train.steps || (patience > 0 && state.n_without_progress >= patience)
}
