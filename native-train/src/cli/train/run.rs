//! What `train` does.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use burn::backend::Autodiff;
use burn_flex::Flex;
use clap::ValueEnum;

use super::data::load_data;
use super::flags::Args;
use crate::data::synthetic;
#[cfg(not(feature = "cuda"))]
use crate::device::has_nvidia_driver;
use crate::device::{Device, DeviceChoices, start_threads};
use crate::eval::evaluate;
use crate::tell::{is_closed_pipe, tell};
use crate::train::checkpoint::{self, Checkpoint};
use crate::train::{
    Coordinator, Difference, Job, Node, Outcome, RunState, TrainConfig, Worker, differences, train_with,
};
use crate::{environment, model_folder};

/// A GPU consumes batches faster than one thread prepares them.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
const LOADER_THREADS_PER_GPU: usize = 4;

/// Exit status of a run that was interrupted: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

/// Evaluates an expression with the backend of the devices as a type, and the devices as its.
macro_rules! on_devices {
    ($devices:expr, |$backend:ident, $its:ident| $body:expr) => {
        match $devices[0] {
            Device::Cpu => {
                type $backend = Autodiff<Flex>;
                let $its = vec![Default::default(); $devices.len()];
                $body
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => {
                type $backend = Autodiff<burn_cuda::Cuda>;
                let index = |device: &Device| match device {
                    Device::Cuda(index) => Some(burn_cuda::CudaDevice::new(*index)),
                    _ => None,
                };
                let $its: Vec<_> = $devices.iter().filter_map(index).collect();
                $body
            }
            #[cfg(feature = "wgpu")]
            Device::Wgpu => {
                type $backend = Autodiff<burn_wgpu::Wgpu>;
                let $its = [Default::default()];
                $body
            }
        }
    };
}

/// Whether Ctrl-C was pressed.
static INTERRUPT: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    start_threads(args.threads)?;
    let devices = args.device.find()?;
    args.precision.set_for(devices[0])?;
    if !args.quiet {
        tell!("computing on {}{}", names(&devices), without_cuda(&args.device, devices[0]));
    }
    let node = args.nodes.node()?;
    if let Some(node) = node.as_ref().filter(|node| node.rank > 0) {
        return work(args, node, &devices);
    }
    check_folders(args)?;
    let resumed = match (&args.out, args.resume) {
        (Some(out), true) => Checkpoint::newest(out)?.map(|checkpoint| checkpoint.state),
        _ => None,
    };
    let config = config(args, &devices, resumed.as_ref())?;
    if let Some(run) = &resumed {
        run.train.check_resumable(&config)?;
        tell_changes(args, run, &config, devices.len())?;
    }
    // The others can connect while data is read.
    let coordinator = node.map(|node| Coordinator::listen(&node, args.quiet)).transpose()?;
    let (train_set, validation, data_facts) = load_data(args, &config)?;
    let model = args.model(train_set.n_classes(), resumed.as_ref())?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => next_free_run(if args.data.is_empty() { "samples" } else { "train" }),
    };
    if !args.quiet {
        tell!(
            "{} drawings of {} categories to train on, {} to validate on; run folder {}",
            train_set.len(),
            train_set.n_classes(),
            validation.len(),
            out.display()
        );
    }
    let job = Job {
        train: train_set,
        validation,
        data_facts,
        environment: environment::describe(&names(&devices)),
        model,
        config,
        out,
        resume: args.resume,
        init_from: args.init_from.clone(),
        quiet: args.quiet,
    };
    listen_for_interrupts()?;
    let outcome =
        on_devices!(devices, |B, devices| train_with::<B>(&job, &devices, coordinator, &INTERRUPT)?);
    match report(args, &job, &outcome) {
        // The run has succeeded, even if nobody reads the report.
        Err(error) if !is_closed_pipe(&error) => return Err(error),
        _ => {}
    }
    Ok(exit_code(outcome.finished))
}

/// Computes gradients for a run whose folder is at rank 0.
fn work(args: &Args, node: &Node, devices: &[Device]) -> Result<ExitCode> {
    let mut worker = Worker::connect(node)?;
    let state = worker.state();
    let begin = || {
        let resumed = args.resume.then_some(state);
        let config = config(args, devices, resumed)?;
        let (train_set, validation, _) = load_data(args, &config)?;
        let model = args.model(train_set.n_classes(), resumed)?;
        let own = RunState::new(&train_set, &validation, model, config);
        anyhow::Ok((train_set, own))
    };
    let (train_set, own) = match begin() {
        Ok(begun) => begun,
        Err(error) => {
            worker.fail(&error);
            return Err(error);
        }
    };
    if !args.quiet {
        tell!("rank {} of {} nodes, from step {} on", node.rank, node.n_nodes, state.step);
    }
    listen_for_interrupts()?;
    let is_finished =
        on_devices!(devices, |B, devices| worker.work::<B>(&train_set, &own, &devices, &INTERRUPT)?);
    if !args.quiet {
        tell!("rank 0 has {} the run", if is_finished { "finished" } else { "interrupted" });
    }
    Ok(exit_code(is_finished))
}

/// The options of the run on these devices.
fn config(args: &Args, devices: &[Device], resumed: Option<&RunState>) -> Result<TrainConfig> {
    let loader_threads = args.loader_threads.unwrap_or(match devices[0] {
        Device::Cpu => 1,
        #[cfg(any(feature = "cuda", feature = "wgpu"))]
        _ => LOADER_THREADS_PER_GPU * devices.len(),
    });
    Ok(TrainConfig { loader_threads, ..args.config(devices.len(), resumed)? })
}

fn listen_for_interrupts() -> Result<()> {
    let listens = ctrlc::set_handler(|| {
        // The second time at once, without waiting for the step and the checkpoint.
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    });
    listens.context("cannot listen for Ctrl-C")
}

fn exit_code(is_finished: bool) -> ExitCode {
    if is_finished { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) }
}

/// Tells which options of a run that is resumed are changed by flags, and which a preset does not
/// change.
fn tell_changes(args: &Args, run: &RunState, config: &TrainConfig, n_devices: usize) -> Result<()> {
    if args.quiet {
        return Ok(());
    }
    let list = |found: Vec<Difference>| -> Vec<String> {
        // The number of threads changes no result.
        let found = found.into_iter().filter(|(name, ..)| name != "loader_threads");
        found.map(|(name, before, after)| format!("{name} {before} -> {after}")).collect()
    };
    let changed = list(differences(&run.train, config)?);
    if !changed.is_empty() {
        tell!("changed from this step on: {}", changed.join(", "));
    }
    if let Some(preset) = args.preset {
        let mut ignored = list(differences(config, &args.config(n_devices, None)?)?);
        let n_classes = run.model.n_classes;
        // Combined with this run's flags, another preset may be invalid.
        if let Ok(network) = args.model(n_classes, None) {
            ignored.extend(list(differences(&args.model(n_classes, Some(run))?, &network)?));
        }
        if !ignored.is_empty() {
            let preset = preset.to_possible_value();
            let name = preset.as_ref().map_or("", |preset| preset.get_name());
            tell!("the run has its own options; not changed by --preset {name}: {}", ignored.join(", "));
        }
    }
    Ok(())
}

/// Checks the folders that the run is to begin with, before all its data is read.
fn check_folders(args: &Args) -> Result<()> {
    if let Some(out) = &args.out {
        checkpoint::check_folder(out, args.resume)?;
    }
    if !args.resume {
        for folder in &args.init_from {
            model_folder::open::<Flex>(folder, &Default::default())?;
        }
    }
    Ok(())
}

/// Devices in words: `CUDA device 0, CUDA device 1`.
fn names(devices: &[Device]) -> String {
    devices.iter().map(Device::to_string).collect::<Vec<_>>().join(", ")
}

/// Why it is not a CUDA device, where one could be expected.
#[cfg(feature = "cuda")]
fn without_cuda(asked: &DeviceChoices, found: Device) -> String {
    let expected = asked.is_automatic() && found == Device::Cpu;
    if expected { ", because no CUDA device was found".to_owned() } else { String::new() }
}

/// How to compute on the machine's NVIDIA GPU, if it has one.
#[cfg(not(feature = "cuda"))]
fn without_cuda(asked: &DeviceChoices, _: Device) -> String {
    if !(asked.is_automatic() && has_nvidia_driver()) {
        return String::new();
    }
    let arguments: Vec<String> = std::env::args().skip(1).map(|argument| for_shell(&argument)).collect();
    format!(
        "; the NVIDIA GPU of this machine is used by\n    cargo run --release -p native-train --features cuda -- {}",
        arguments.join(" ")
    )
}

/// An argument as it is typed.
#[cfg(not(feature = "cuda"))]
fn for_shell(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

/// `runs/NAME-1`, or the first number that is free.
fn next_free_run(name: &str) -> PathBuf {
    (1..)
        .map(|number| PathBuf::from(format!("runs/{name}-{number}")))
        .find(|path| !path.exists())
        .expect("some number is free")
}

fn report(args: &Args, job: &Job, outcome: &Outcome) -> Result<()> {
    let out = job.out.display();
    let mut stdout = stdout().lock();
    if !outcome.finished {
        writeln!(stdout, "stopped at step {} of {}; nothing is lost", outcome.step, job.config.steps)?;
        writeln!(stdout, "go on by the same command with: --out {out} --resume")?;
        return Ok(());
    }
    // The folder holds the best network of the run, which is not always the last.
    let classifier = model_folder::open::<Flex>(&job.out, &Default::default())?;
    let (name, found) = match args.data.is_empty() {
        // For the sample drawings there is a fresh test set, by which nothing was chosen.
        true => {
            let held_out = synthetic::sample_set(job.config.seed, 2, synthetic::N_HELD_OUT_PER_CLASS);
            ("held-out", evaluate(classifier.model(), &held_out, &Default::default())?.figures)
        }
        false => {
            let figures = classifier.card().figures["validation"].clone();
            ("validation", serde_json::from_value(figures).context("model.json has no figures")?)
        }
    };
    writeln!(
        stdout,
        "accuracy on {} {name} drawings: top-1 {:.1} %, top-3 {:.1} %",
        found.n,
        100.0 * found.top1,
        100.0 * found.top3
    )?;
    writeln!(stdout, "time spent waiting for data: {:.1} %", 100.0 * outcome.waiting)?;
    writeln!(
        stdout,
        "model folder: {out} (model.json, weights.safetensors; how it went: curves.svg, or `tensorboard --logdir {out}`)"
    )?;
    let run = "cargo run --release -p native-train --";
    if args.data.is_empty() {
        writeln!(
            stdout,
            "\nThat was the built-in sample set. With real drawings (.ndjson files of Quick, Draw!):"
        )?;
        writeln!(stdout, "    {run} train --data FOLDER --out runs/mine")?;
    } else {
        writeln!(stdout, "\nMeasure it on other drawings:")?;
        writeln!(stdout, "    {run} eval --model {out} --data FOLDER")?;
    }
    writeln!(stdout, "Put it into the browser:")?;
    writeln!(stdout, "    {run} export --model {out} --out wasm/model")?;
    Ok(())
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::for_shell;

    #[test]
    fn arguments_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(for_shell("--data=a/b.ndjson"), "--data=a/b.ndjson");
        assert_eq!(for_shell("my drawings"), "'my drawings'");
        assert_eq!(for_shell("Ann's *"), r"'Ann'\''s *'");
        assert_eq!(for_shell(""), "''");
    }
}
