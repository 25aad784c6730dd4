//! What each command does. The backends are chosen here and nowhere else in this crate.

use std::fs;
use std::io::{self, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::Flex;
use clap::ValueEnum;
use quickdraw_core::ops::KernelBackend;
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{Classifier, ModelBackend, ModelCard, QuantizedModel};
use serde_json::{Map, Value, json};

use crate::calibrate::{self, Calibrated, Sureness};
use crate::checkpoint::{self, Checkpoint, RunState, write_all_atomic, write_atomic};
use crate::cli::{
    BenchArgs, CalibrateArgs, Cli, Command, DownloadArgs, EvalArgs, ExportArgs, ExportFormat, ExportType,
    PredictArgs, PrepareArgs, StatsArgs, TrainArgs,
};
use crate::data::{DataSet, Mixture, ReadOptions, Validation, read_folder, read_folders, samples};
use crate::device::{Device, DeviceChoices};
use crate::evaluate::{AtFraction, Confusion, Measurement, Network, Summary, compare, evaluate};
use crate::export::onnx;
use crate::tell::tell;
use crate::train::{Difference, Job, Outcome, TrainConfig, differences, train};
use crate::{
    augment, average, bench, download, environment, label, model_folder, predict, prepare, report, show,
    stats, weighted,
};

/// Runs the command.
///
/// # Errors
/// Whatever stops it, with what and where.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        None => run_train(&TrainArgs::default()),
        Some(Command::Train(args)) => run_train(&args),
        Some(Command::Eval(args)) => run_eval(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Calibrate(args)) => run_calibrate(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Predict(args)) => run_predict(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Export(args)) => run_export(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Bench(args)) => run_bench(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Download(args)) => run_download(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Stats(args)) => run_stats(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Prepare(args)) => run_prepare(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Show(args)) => {
            let options = args.options(stdout().is_terminal());
            show::show(&options, &mut stdout().lock()).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Augment(args)) => {
            start_threads(args.threads)?;
            told(augment::run(&args)?)
        }
        Some(Command::Label(args)) => told(run_label(&args)?),
        Some(Command::Average(args)) => told(average::run::<Flex>(&args, &Default::default())?),
    }
}

/// Whether an error is that of a reader that has seen enough, as `head` does, which is no error of
/// ours.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints what a command has done.
fn told(done: String) -> Result<ExitCode> {
    writeln!(stdout(), "{done}")?;
    Ok(ExitCode::SUCCESS)
}

fn run_label(args: &label::Args) -> Result<String> {
    match args.device.find()? {
        Device::Cpu => label::run::<Flex>(args, &Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => label::run::<burn_cuda::Cuda>(args, &burn_cuda::CudaDevice::new(index)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => label::run::<burn_wgpu::Wgpu>(args, &Default::default()),
    }
}

/// A GPU eats batches faster than one thread prepares them.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
const LOADER_THREADS_PER_GPU: usize = 4;

/// Exit status of a run that was interrupted: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

fn run_train(args: &TrainArgs) -> Result<ExitCode> {
    start_threads(args.threads)?;
    let devices = args.device.find()?;
    args.precision.set_for(devices[0])?;
    check_folders(args)?;
    let resumed = match (&args.out, args.resume) {
        (Some(out), true) => Checkpoint::newest(out)?.map(|checkpoint| checkpoint.state),
        _ => None,
    };
    let config = TrainConfig {
        loader_threads: args.loader_threads.unwrap_or(match devices[0] {
            Device::Cpu => 1,
            #[cfg(any(feature = "cuda", feature = "wgpu"))]
            _ => LOADER_THREADS_PER_GPU * devices.len(),
        }),
        ..args.config(devices.len(), resumed.as_ref())?
    };
    if let Some(run) = &resumed {
        run.train.check_resumable(&config)?;
        tell_changes(args, run, &config, devices.len())?;
    }
    let (train_set, validation, data_facts) = load_data(args, &config)?;
    let model = args.model(train_set.n_classes(), resumed.as_ref())?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => next_free_run(if args.data.is_empty() { "samples" } else { "train" }),
    };
    if !args.quiet {
        tell!(
            "{} drawings of {} categories to train on, {} to validate on; computing on {}{}; run folder {}",
            train_set.len(),
            train_set.n_classes(),
            validation.len(),
            names(&devices),
            without_cuda(&args.device, devices[0]),
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
    static INTERRUPT: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        // The second time at once: somebody does not want to wait for the step and the checkpoint.
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .context("cannot listen for Ctrl-C")?;
    let outcome = match devices[0] {
        Device::Cpu => train::<Autodiff<Flex>>(&job, &vec![Default::default(); devices.len()], &INTERRUPT)?,
        #[cfg(feature = "cuda")]
        Device::Cuda(_) => {
            let index = |device: &Device| match device {
                Device::Cuda(index) => Some(burn_cuda::CudaDevice::new(*index)),
                _ => None,
            };
            let devices: Vec<_> = devices.iter().filter_map(index).collect();
            train::<Autodiff<burn_cuda::Cuda>>(&job, &devices, &INTERRUPT)?
        }
        #[cfg(feature = "wgpu")]
        Device::Wgpu => train::<Autodiff<burn_wgpu::Wgpu>>(&job, &[Default::default()], &INTERRUPT)?,
    };
    match report(args, &job, &outcome) {
        // The run is what was asked for, whether or not somebody reads of it.
        Err(error) if !is_closed_pipe(&error) => return Err(error),
        _ => {}
    }
    Ok(if outcome.finished { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
}

/// Tells which options of a run that is resumed are changed by flags, and which a preset does not
/// change.
fn tell_changes(args: &TrainArgs, run: &RunState, config: &TrainConfig, n_devices: usize) -> Result<()> {
    if args.quiet {
        return Ok(());
    }
    let list = |found: Vec<Difference>| -> Vec<String> {
        // Threads change no result.
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
        // With the flags for this run, another preset may make no network at all.
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
fn check_folders(args: &TrainArgs) -> Result<()> {
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

fn start_threads(n: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(n).build_global().context("cannot start the threads")
}

#[cfg(feature = "cuda")]
fn without_cuda(asked: &DeviceChoices, found: Device) -> &'static str {
    if asked.is_automatic() && found == Device::Cpu { ", because no CUDA device was found" } else { "" }
}

#[cfg(not(feature = "cuda"))]
fn without_cuda(_: &DeviceChoices, _: Device) -> &'static str {
    " (for an NVIDIA GPU build with --features cuda)"
}

/// `runs/NAME-1`, or the first number that is free.
fn next_free_run(name: &str) -> PathBuf {
    (1..)
        .map(|number| PathBuf::from(format!("runs/{name}-{number}")))
        .find(|path| !path.exists())
        .expect("some number is free")
}

/// Drawings to train on, drawings to validate on, and what the model card says of them.
fn load_data(args: &TrainArgs, config: &TrainConfig) -> Result<(Mixture, DataSet, Map<String, Value>)> {
    if args.data.is_empty() {
        let (train_set, validation) = samples::sample_sets(config.seed);
        let facts = [("data", json!("built-in sample drawings")), ("drawings", json!(train_set.len()))];
        return Ok((train_set.into(), validation, card_facts(facts)));
    }
    let shares = weighted::weights(&args.data, "--data")?;
    let labels = args.classes_file.as_deref().map(read_classes).transpose()?;
    let (n_train, n_eval) = args.observations_per_class()?;
    let options = |index: usize| {
        // The validation part comes out of the first set, unless it has a folder of its own.
        let n_aside = if index == 0 && args.eval_data.is_none() { n_eval } else { 0 };
        ReadOptions { max_per_class: n_train.map(|n_train| n_train + n_aside), ..ReadOptions::default() }
    };
    let folders: Vec<(&Path, ReadOptions)> =
        args.data.iter().enumerate().map(|(index, set)| (set.path.as_path(), options(index))).collect();
    let mut sets = Vec::with_capacity(folders.len());
    for ((folder, _), (data, report)) in folders.iter().zip(read_folders(&folders, labels)?) {
        if !args.quiet {
            tell!("{}: {report}", folder.display());
        }
        sets.push(data);
    }
    let validation = match &args.eval_data {
        Some(folder) => {
            let labels = Some(sets[0].labels().to_vec());
            // All of it, unless a limit is asked for.
            let max_per_class = args.eval_observations_per_class;
            let options = ReadOptions { labels, max_per_class, ..ReadOptions::default() };
            let (data, report) = read_folder(folder, &options)?;
            if !args.quiet {
                tell!("{}: {report}", folder.display());
            }
            data
        }
        None => {
            let (rest, validation) = sets[0].split_validation(Validation::PerClass(n_eval), 1);
            sets[0] = rest;
            validation
        }
    };
    for ((folder, _), set) in folders.iter().zip(&sets) {
        ensure!(!set.is_empty(), "{}: no drawings are left to train on", folder.display());
    }
    let train_set = Mixture::new(sets.into_iter().map(Into::into).zip(shares).collect())?;
    let name = |folder: &Path| json!(folder.file_name().map(|name| name.to_string_lossy()));
    let data = match folders.as_slice() {
        [(folder, _)] => name(folder),
        _ => folders
            .iter()
            .zip(train_set.sets())
            .map(|((folder, _), (set, share))| {
                json!({ "data": name(folder), "drawings": set.len(), "share": share })
            })
            .collect(),
    };
    let facts = [
        ("data", data),
        ("drawings", json!(train_set.len())),
        ("soft_labels", json!(train_set.has_soft() && config.soft_weight > 0.0)),
    ];
    Ok((train_set, validation, card_facts(facts)))
}

fn card_facts(facts: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read_classes(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let classes: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    ensure!(!classes.is_empty(), "{} names no category; one a line was expected", path.display());
    Ok(classes)
}

fn report(args: &TrainArgs, job: &Job, outcome: &Outcome) -> Result<()> {
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
        // Of sample drawings there are fresh ones, by which nothing was chosen.
        true => {
            let held_out = samples::sample_set(job.config.seed, 2, samples::N_HELD_OUT_PER_CLASS);
            ("held-out", evaluate(classifier.model(), &held_out, &Default::default())?.figures)
        }
        false => {
            let figures = classifier.card().figures["validation"].clone();
            ("validation", serde_json::from_value(figures).context("model.json has no figures")?)
        }
    };
    writeln!(
        stdout,
        "accuracy on {} {name} drawings: {:.1} % at the first guess, {:.1} % within three",
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

fn run_eval(args: &EvalArgs) -> Result<()> {
    let measurement = match args.device.find()? {
        Device::Cpu => measure::<Flex>(args, &Default::default())?,
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => measure::<burn_cuda::Cuda>(args, &burn_cuda::CudaDevice::new(index))?,
        #[cfg(feature = "wgpu")]
        Device::Wgpu => measure::<burn_wgpu::Wgpu>(args, &Default::default())?,
    };
    if let Some(folder) = &args.report {
        let subject = report::Subject { model: folder_name(&args.model), data: folder_name(&args.data) };
        report::write(folder, &subject, &measurement)?;
        tell!("report: {}", folder.join("report.html").display());
    }
    let mut stdout = stdout().lock();
    let summary = measurement.summary();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&summary)?)?;
    } else {
        print_summary(&mut stdout, &summary)?;
    }
    Ok(())
}

fn measure<B: ModelBackend>(args: &EvalArgs, device: &B::Device) -> Result<Measurement> {
    let classifier = model_folder::open::<B>(&args.model, device)?;
    let mut measurement = Measurement::new(classifier.labels().to_vec(), |is_pen_down| {
        classifier.card().temperature(is_pen_down)
    });
    if args.pen_up {
        measurement = measurement.with_pen_up();
    }
    if args.redraw {
        measurement = measurement.with_redrawn();
    }
    let report = measurement.add_folder(classifier.model(), &args.data, device)?;
    tell!("{report}");
    if let Some(folder) = &args.unknown {
        let (data, report) = read_folder(folder, &ReadOptions::default())?;
        tell!("{}: {report}", folder.display());
        measurement.add_unknown(classifier.model(), &data, device)?;
    }
    Ok(measurement)
}

/// What people call a folder: its last part, also of `.`.
fn folder_name(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| whole.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn print_summary(out: &mut impl Write, summary: &Summary) -> Result<()> {
    let figures = &summary.evaluation.figures;
    writeln!(out, "{} drawings, loss {:.4}", figures.n, figures.loss)?;
    writeln!(out, "                    top-1    top-3    top-5  calibration error")?;
    let mut line = |name: &str, shares: [f64; 3], ece: Option<f64>| {
        let [one, three, five] = shares.map(|share| 100.0 * share);
        let ece = ece.map_or(String::new(), |ece| format!("  {:6.2} %", 100.0 * ece));
        writeln!(out, "{name:17} {one:6.2} % {three:6.2} % {five:6.2} %{ece}")
    };
    line("all drawings", [figures.top1, figures.top3, figures.top5], Some(summary.ece))?;
    line("class-balanced", [figures.balanced_top1, figures.balanced_top3, figures.balanced_top5], None)?;
    for AtFraction { fraction, figures, ece } in summary.by_fraction.iter().filter(|part| part.fraction < 1.0)
    {
        let pen = if summary.tells_pen { "" } else { ", pen up" };
        let name = format!("after {:.0} %{pen}", 100.0 * fraction);
        line(&name, [figures.top1, figures.top3, figures.top5], Some(*ece))?;
    }
    if let Some(redrawn) = &summary.redrawn {
        let [all, balanced] = [redrawn.top1, redrawn.balanced_top1].map(|share| 100.0 * share);
        writeln!(out, "drawn anew as events of a pen: top-1 {all:.2} %, class-balanced {balanced:.2} %")?;
    }
    if let Some(auroc) = summary.auroc_of_unknown {
        writeln!(out, "known things told from unknown ones: AUROC {auroc:.3}")?;
    }
    writeln!(out, "worst confusions:")?;
    for Confusion { label, guess, n, of } in &summary.evaluation.confusions {
        writeln!(out, "    {label} taken for {guess}: {n} of {of}")?;
    }
    Ok(())
}

/// By this `model.json` says that `calibrate --class-biases` has changed the weights.
const CLASS_BIASES: &str = "class_biases";

fn run_calibrate(args: &CalibrateArgs) -> Result<()> {
    let classifier = model_folder::open::<Flex>(&args.model, &Default::default())?;
    let weights_path = args.model.join("weights.safetensors");
    let weight_type = weights::weight_type(&fs::read(&weights_path)?)?;
    if args.class_biases {
        ensure!(
            weight_type != WeightType::Int8,
            "{}: these weights are in 8 bits; --class-biases wants the model before its export",
            weights_path.display()
        );
        ensure!(
            args.again || !classifier.card().training.contains_key(CLASS_BIASES),
            "{} has class biases already, as its model.json says; --again adds more",
            args.model.display()
        );
    }
    let (found, report) =
        calibrate::calibrate(&classifier, &args.data, args.class_biases, &Default::default())?;
    tell!("{report}");
    let mut card = classifier.card().clone();
    card.calibration = Some(found.calibration());
    if let Some(shift) = &found.shift {
        card.figures.clear(); // those of other weights
        card.training.insert(CLASS_BIASES.to_owned(), json!({ "drawings": found.n }));
        let model = classifier.model().clone().with_shifted_logits(shift)?;
        let bytes = weights::save(&model, weight_type)?;
        write_all_atomic(&[
            (&weights_path, &bytes),
            (&args.model.join("model.json"), card_text(&card)?.as_bytes()),
        ])?;
    } else {
        write_card(&args.model, &card)?;
    }
    let mut stdout = stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&found)?)?;
    } else {
        print_calibrated(&mut stdout, &found)?;
    }
    Ok(())
}

fn print_calibrated(
    out: &mut impl Write,
    Calibrated { whole, pen_down, shift, n, balanced_top1, loss }: &Calibrated,
) -> io::Result<()> {
    if let Some(shift) = shift {
        let [lowest, highest] =
            [f32::min, f32::max].map(|best| shift.iter().copied().reduce(best).unwrap_or(0.0));
        writeln!(
            out,
            "biases of {} categories, {lowest:.2} to {highest:.2}, added to the last layer",
            shift.len()
        )?;
        writeln!(out, "each of the following figures is of drawings that the biases were not found on")?;
        writeln!(
            out,
            "class-balanced top-1 {:.2} % (before {:.2} %)",
            100.0 * balanced_top1.after,
            100.0 * balanced_top1.before
        )?;
    }
    writeln!(out, "loss {:.4} (before {:.4})", loss.after, loss.before)?;
    writeln!(out, "whole drawings, of which there are {n}:")?;
    print_sureness(out, whole)?;
    writeln!(out, "moments of the same drawings at which the pen was down:")?;
    print_sureness(out, pen_down)
}

fn print_sureness(
    out: &mut impl Write,
    Sureness { calibration, ece, share_above }: &Sureness,
) -> io::Result<()> {
    writeln!(out, "    temperature {:.4}", calibration.temperature)?;
    writeln!(
        out,
        "    expected calibration error {:.2} % (before {:.2} %)",
        100.0 * ece.after,
        100.0 * ece.before
    )?;
    writeln!(
        out,
        "    first guesses of at least {:.3} are right {:.0} of 100 times; {:.1} % have one",
        calibration.threshold,
        100.0 * calibrate::SURE,
        100.0 * share_above
    )
}

fn run_predict(args: &PredictArgs) -> Result<()> {
    let classifier = model_folder::open::<Flex>(&args.model, &Default::default())?;
    let (json, logits) = (args.json, args.logits);
    predict::predict(&classifier, &args.file, json, logits, args.max_results.get(), &mut stdout().lock())
}

fn run_export(args: &ExportArgs) -> Result<()> {
    let classifier = model_folder::open::<Flex>(&args.model, &Default::default())?;
    ensure!(
        fs::canonicalize(&args.out).ok() != fs::canonicalize(&args.model).ok(),
        "--out is the folder of --model: choose another, so that the full weights are kept"
    );
    match args.format {
        ExportFormat::Folder => export_folder(args, &classifier),
        ExportFormat::Onnx => export_onnx(args, &classifier),
    }
}

fn export_folder(args: &ExportArgs, classifier: &Classifier<Flex>) -> Result<()> {
    let weight_type = match args.weights.unwrap_or(ExportType::F16) {
        ExportType::F32 => WeightType::F32,
        ExportType::F16 => WeightType::F16,
        ExportType::Int8 => WeightType::Int8,
    };
    let bytes = weights::save(classifier.model(), weight_type)?;
    let mut card = classifier.card().clone();
    make_folder(&args.out)?;
    write_all_atomic(&[
        (&args.out.join("weights.safetensors"), &bytes),
        (&args.out.join("model.json"), card_text(&card)?.as_bytes()),
    ])?;
    // Printed in the end, so that the figures are written even if nobody reads.
    let mut text = format!("{}: {} bytes of weights", args.out.display(), bytes.len());
    if let Some(data) = &args.test_data {
        // What ships is measured, not what it was made from.
        let (exported, quantized);
        let after = match weight_type {
            WeightType::Int8 => {
                quantized = QuantizedModel::load(&card.config, &bytes)?;
                Network::Quantized(&quantized)
            }
            WeightType::F32 | WeightType::F16 => {
                exported = model_folder::open::<Flex>(&args.out, &Default::default())?;
                Network::Float(exported.model())
            }
        };
        let (before, labels) = (Network::Float(classifier.model()), classifier.labels());
        let (found, report) =
            compare(before, after, card.temperature(false), labels, data, &Default::default())?;
        tell!("{report}");
        card.figures.insert("test".to_owned(), serde_json::to_value(found.after)?);
        write_card(&args.out, &card)?;
        let [before, after] = [found.before, found.after]
            .map(|figures| [figures.top1, figures.balanced_top1].map(|share| 100.0 * share));
        text += &format!(
            "\ntop-1 {:.2} % (before {:.2} %)\nclass-balanced top-1 {:.2} % (before {:.2} %)\n\
             the same first guess for {:.2} % of {} drawings",
            after[0],
            before[0],
            after[1],
            before[1],
            100.0 * found.agreement,
            found.after.n
        );
    }
    Ok(writeln!(stdout(), "{text}")?)
}

fn export_onnx(args: &ExportArgs, classifier: &Classifier<Flex>) -> Result<()> {
    ensure!(
        matches!(args.weights, None | Some(ExportType::F32)),
        "--format onnx writes f32 weights; leave --weights out"
    );
    ensure!(args.test_data.is_none(), "--test-data measures model folders; export one without --format onnx");
    let bytes = onnx::to_bytes(classifier.model(), classifier.labels())?;
    make_folder(&args.out)?;
    let path = args.out.join("model.onnx");
    write_all_atomic(&[
        (&path, &bytes),
        (&args.out.join("model.json"), card_text(classifier.card())?.as_bytes()),
    ])?;
    Ok(writeln!(stdout(), "{}: {} bytes", path.display(), bytes.len())?)
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

fn write_card(folder: &Path, card: &ModelCard) -> Result<()> {
    write_atomic(&folder.join("model.json"), card_text(card)?.as_bytes())
}

fn card_text(card: &ModelCard) -> Result<String> {
    Ok(serde_json::to_string_pretty(card)? + "\n")
}

fn run_download(args: &DownloadArgs) -> Result<()> {
    let names = download::choose(&args.classes, &args.base_url)?;
    let report = download::download(&names, &args.options())?;
    Ok(writeln!(stdout(), "{}: {report}", args.out.display())?)
}

fn run_prepare(args: &PrepareArgs) -> Result<()> {
    let classes = match &args.classes {
        Some(text) if Path::new(text).is_file() => Some(read_classes(Path::new(text))?),
        Some(text) => Some(text.split(',').map(|name| name.trim().to_owned()).collect()),
        None => None,
    };
    without_huge_pages();
    let prepare = if args.resume { prepare::resume } else { prepare::prepare };
    let summary = prepare(&args.inputs, &args.out, &args.options(classes), args.quiet)?;
    Ok(writeln!(stdout(), "{}: {summary}", args.out.display())?)
}

/// Asks the system for memory in small pages only. The allocator wants huge ones, which help tensors; but of each that a few kilobytes
/// are used of all two megabytes count, and which those are differs from run to run.
fn without_huge_pages() {
    // Where that cannot be asked for, only more memory is used.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

fn run_stats(args: &StatsArgs) -> Result<()> {
    let options = stats::Options {
        samples_per_class: args.out.as_ref().map_or(0, |_| args.samples_per_class.into()),
        quiet: args.quiet,
        ..stats::Options::default()
    };
    let found = stats::read(stats::files_of(&args.paths)?, options)?;
    if let Some(folder) = &args.out {
        found.write(folder)?;
        tell!("pictures and tables: {}", folder.display());
    }
    let summary = found.summary();
    let mut stdout = stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&summary)?)?;
    } else {
        stats::print(&summary, &mut stdout)?;
    }
    let n = found.n_unreadable();
    ensure!(n == 0, "{n} of {} files could not be read to their ends", summary.files);
    Ok(())
}

fn run_bench(args: &BenchArgs) -> Result<()> {
    start_threads(args.threads)?;
    let options = args.options()?;
    let device = args.device.find()?;
    args.precision.set_for(device)?;
    let [train, infer] = match device {
        Device::Cpu => time::<Autodiff<Flex>>(args, &options, &Default::default())?,
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => {
            time::<Autodiff<burn_cuda::Cuda>>(args, &options, &burn_cuda::CudaDevice::new(index))?
        }
        #[cfg(feature = "wgpu")]
        Device::Wgpu => time::<Autodiff<burn_wgpu::Wgpu>>(args, &options, &Default::default())?,
    };
    let length = (!args.real_lengths).then_some(args.length);
    let mut stdout = stdout().lock();
    if args.json {
        let found = json!({
            "train_drawings_per_s": train.map(|speed| speed.drawings_per_s),
            "train_repetitions": train.map(|speed| speed.n_repetitions),
            "infer_drawings_per_s": infer.map(|speed| speed.drawings_per_s),
            "infer_repetitions": infer.map(|speed| speed.n_repetitions),
            "device": device.to_string(),
            "threads": rayon::current_num_threads(),
            "preset": args.preset.to_possible_value().map(|preset| preset.get_name().to_owned()),
            "batch_size": options.train.batch_size,
            "length": length,
            "lengths": bench::batch_lengths(&options)?,
        });
        writeln!(stdout, "{found}")?;
        return Ok(());
    }
    let lengths = length.map_or("lengths of the data set".to_owned(), |length| format!("length {length}"));
    writeln!(
        stdout,
        "{device}, {} threads, batches of {}, {lengths}",
        rayon::current_num_threads(),
        options.train.batch_size
    )?;
    for (name, speed) in [("train_drawings_per_s", train), ("infer_drawings_per_s", infer)] {
        if let Some(bench::Speed { drawings_per_s, n_repetitions }) = speed {
            writeln!(stdout, "{name} {drawings_per_s:.1} (median of {n_repetitions})")?;
        }
    }
    Ok(())
}

/// Times what was asked for: training, recognising.
fn time<B>(
    args: &BenchArgs,
    options: &bench::Options,
    device: &B::Device,
) -> Result<[Option<bench::Speed>; 2]>
where
    B: AutodiffBackend + ModelBackend,
    B::InnerBackend: KernelBackend,
{
    let train = (!args.infer).then(|| bench::train::<B>(options, device)).transpose()?;
    let infer = (!args.train).then(|| bench::infer::<B>(options, device)).transpose()?;
    Ok([train, infer])
}
