//! The training loop.
//!
//! Each step: take its batches, forward, cross-entropy, backward, clip by the global norm, Adam. At
//! regular steps the network is evaluated on the validation part, and the best so far is written as
//! the model folder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use burn::module::AutodiffModule;
use burn::optim::Optimizer;
use burn::tensor::backend::AutodiffBackend;
use quickdraw_core::ops::KernelBackend;
use quickdraw_core::{Model, ModelBackend, ModelConfig, weights};

use super::checkpoint::{self, Checkpoint, Contents};
use super::display::Display;
use super::ema;
use super::job::{Job, Outcome};
use super::nodes::{Coordinator, End};
use super::optimizer::optimizer;
use super::run_folder::{self, RunFolder};
use super::state::{RunState, check_same_run};
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
    train_with::<B>(job, devices, None, interrupted)
}

/// As [`train`], with other machines, whose [`Worker`](super::Worker)s the coordinator waits for.
///
/// # Errors
/// As [`train`], and when another machine is missing, does not fit or fails; the steps until then
/// are saved.
///
/// # Panics
/// Without any device.
pub fn train_with<B>(
    job: &Job,
    devices: &[B::Device],
    coordinator: Option<Coordinator>,
    interrupted: &AtomicBool,
) -> Result<Outcome>
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
    let share = config.share(0, coordinator.as_ref().map_or(1, Coordinator::n_nodes))?;
    config.loader(&network, 0, share).validate()?;
    ensure!(!job.validation.is_empty(), "there are no drawings to validate on");
    let devices = Devices::<B>::new(devices)?;
    let device = devices.first();

    // A fixed start for the initial weights.
    B::seed(device, config.seed);
    let mut model: Model<B> = network.init(device)?;
    let mut optimizer = optimizer::<B>(config, &network);
    let mut average = None;
    let mut state = RunState::new(&job.train, &job.validation, network, *config);
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
    let nodes = coordinator.map(|coordinator| coordinator.gather(&state, interrupted)).transpose()?;
    let mut devices = devices.with_nodes(nodes);
    let device = &devices.first().clone();
    let mut folder = RunFolder::open(job, &state)?;
    let mut loader = Loader::spawn(job.train.clone(), config.loader(&state.model, state.step, share))?;
    let display = Display::new(config.steps, state.step, job.quiet);
    let mut window = Window::<B::InnerBackend>::new(loader.waited());
    let mut validation = None;
    let started = Instant::now();
    let seconds_before = state.seconds;
    let mut last_checkpoint = Instant::now();
    let mut finished = is_finished(&state);

    while !finished {
        let batches = config.next_batches(&mut loader, share);
        let learning_rate = config.learning_rate_at(state.step);
        let is_quantized = config.rounds_after(state.step);
        if is_quantized && !config.rounds_after(state.step.saturating_sub(1)) {
            // The best so far was not quantized: not comparable.
            (state.best, state.lowest_loss, state.n_without_progress) = (None, None, 0);
        }
        let step = devices.step(model.clone(), &mut optimizer, batches, learning_rate, is_quantized, config);
        if let (Err(error), Some(nodes)) = (&step, devices.nodes()) {
            nodes.end(&End::failed(error));
            window.check(state.step)?;
            checkpoint::save(
                out,
                &state,
                &Contents::of(&model, &average, &optimizer)?,
                config.keep_checkpoints,
            )?;
            return Err(step.unwrap_err().context(format!(
                "a node has failed after step {}, which is saved: start all nodes again with --resume",
                state.step
            )));
        }
        let Step { model: better, losses, n_correct, norm } = step?;
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
        let stops = interrupted.load(Ordering::Relaxed)
            || devices.nodes().is_some_and(|nodes| nodes.is_interrupted());
        let due = last_checkpoint.elapsed() >= Duration::from_secs(config.checkpoint_every_seconds)
            || (config.checkpoint_every_steps > 0
                && state.step.is_multiple_of(config.checkpoint_every_steps));
        if finished || stops || due || is_best {
            window.check(state.step)?;
            checkpoint::save(
                out,
                &state,
                &Contents::of(&model, &average, &optimizer)?,
                config.keep_checkpoints,
            )?;
            last_checkpoint = Instant::now();
        }
        if stops {
            break;
        }
    }
    if let Some(nodes) = devices.nodes() {
        nodes.end(if finished { &End::Finished } else { &End::Interrupted });
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
