//! What each command does. The backends are chosen here and nowhere else in this crate.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use burn::backend::Autodiff;
use burn_flex::Flex;
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{ModelBackend, ModelCard};
use serde_json::{Map, Value, json};

use crate::checkpoint::write_atomic;
use crate::cli::{Cli, Command, EvalArgs, ExportArgs, ExportType, PredictArgs, TrainArgs};
use crate::data::{DataSet, ReadOptions, Validation, read_folder, samples};
use crate::device::Device;
use crate::evaluate::{Evaluation, evaluate};
use crate::train::{Job, Outcome, train};
use crate::{model_folder, predict};

/// Runs the command.
///
/// # Errors
/// Whatever stops it, with what and where.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        None => run_train(&TrainArgs::default()),
        Some(Command::Train(args)) => run_train(&args),
        Some(Command::Eval(args)) => run_eval(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Predict(args)) => run_predict(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Export(args)) => run_export(&args).map(|()| ExitCode::SUCCESS),
    }
}

/// Exit status of a run that was interrupted: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

fn run_train(args: &TrainArgs) -> Result<ExitCode> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build_global()
        .context("cannot start the threads")?;
    let device = args.device.find()?;
    let config = args.config()?;
    let (train_set, validation, data_facts) = load_data(args)?;
    let model = args.model(train_set.n_classes())?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => next_free_run(if args.data.is_some() { "train" } else { "samples" }),
    };
    if !args.quiet {
        eprintln!(
            "{} drawings of {} categories to train on, {} to validate on; computing on {device}{}; run folder {}",
            train_set.len(),
            train_set.n_classes(),
            validation.len(),
            without_cuda(device),
            out.display()
        );
    }
    let job = Job {
        train: Arc::new(train_set),
        validation,
        data_facts,
        model,
        config,
        out,
        resume: args.resume,
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
    let outcome = match device {
        Device::Cpu => train::<Autodiff<Flex>>(&job, &Default::default(), &INTERRUPT)?,
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => {
            train::<Autodiff<burn_cuda::Cuda>>(&job, &burn_cuda::CudaDevice::new(index), &INTERRUPT)?
        }
    };
    report(args, &job, &outcome)?;
    Ok(if outcome.finished { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
}

#[cfg(feature = "cuda")]
fn without_cuda(_: Device) -> &'static str {
    ""
}

#[cfg(not(feature = "cuda"))]
fn without_cuda(_: Device) -> &'static str {
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
fn load_data(args: &TrainArgs) -> Result<(DataSet, DataSet, Map<String, Value>)> {
    let Some(folder) = &args.data else {
        let (train_set, validation) = samples::sample_sets(args.config()?.seed);
        let facts = [("data", json!("built-in sample drawings")), ("drawings", json!(train_set.len()))];
        return Ok((train_set, validation, card_facts(facts)));
    };
    let labels = args.classes_file.as_deref().map(read_classes).transpose()?;
    let read = |folder: &Path, labels: Option<Vec<String>>, max_per_class: Option<usize>| {
        let options = ReadOptions { labels, max_per_class, ..ReadOptions::default() };
        let (data, report) = read_folder(folder, &options)?;
        if !args.quiet {
            eprintln!("{}: {report}", folder.display());
        }
        anyhow::Ok(data)
    };
    let (n_train, n_eval) = args.observations_per_class()?;
    let (train_set, validation) = match &args.eval_data {
        Some(eval_folder) => {
            let all = read(folder, labels, n_train)?;
            let labels = all.labels().to_vec();
            (all, read(eval_folder, Some(labels), Some(n_eval))?)
        }
        None => read(folder, labels, n_train.map(|n_train| n_train + n_eval))?
            .split_validation(Validation::PerClass(n_eval), 1),
    };
    ensure!(!train_set.is_empty(), "{}: no drawings are left to train on", folder.display());
    let facts = [
        ("data", json!(folder.file_name().map(|name| name.to_string_lossy()))),
        ("drawings", json!(train_set.len())),
        ("soft_labels", json!(train_set.has_soft() && args.config()?.soft_weight > 0.0)),
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
    // The folder holds the best network of the run, which is not always the last. Of sample drawings there are fresh
    // ones, by which nothing was chosen.
    let held_out = match args.data {
        None => samples::sample_set(job.config.seed, 2, samples::N_HELD_OUT_PER_CLASS),
        Some(_) => job.validation.clone(),
    };
    let classifier = model_folder::open::<Flex>(&job.out, &Default::default())?;
    let found = evaluate(classifier.model(), &held_out, &Default::default())?;
    writeln!(
        stdout,
        "accuracy on {} held-out drawings: {:.1} % at the first guess, {:.1} % within three",
        found.n,
        100.0 * found.top1,
        100.0 * found.top3
    )?;
    writeln!(stdout, "model folder: {out} (model.json, weights.safetensors)")?;
    let run = "cargo run --release -p native-train --";
    if args.data.is_none() {
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
    let evaluation = match args.device.find()? {
        Device::Cpu => evaluate_folder::<Flex>(&args.model, &args.data, &Default::default())?,
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => {
            evaluate_folder::<burn_cuda::Cuda>(&args.model, &args.data, &burn_cuda::CudaDevice::new(index))?
        }
    };
    let mut stdout = stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&evaluation)?)?;
        return Ok(());
    }
    writeln!(stdout, "{} drawings, loss {:.4}", evaluation.n, evaluation.loss)?;
    writeln!(stdout, "                 top-1    top-3    top-5")?;
    for (name, shares) in [
        ("all drawings  ", [evaluation.top1, evaluation.top3, evaluation.top5]),
        ("class-balanced", [evaluation.balanced_top1, evaluation.balanced_top3, evaluation.balanced_top5]),
    ] {
        let [one, three, five] = shares.map(|share| 100.0 * share);
        writeln!(stdout, "{name} {one:6.2} % {three:6.2} % {five:6.2} %")?;
    }
    writeln!(stdout, "worst confusions:")?;
    for confusion in &evaluation.confusions {
        let crate::evaluate::Confusion { label, guess, n, of } = confusion;
        writeln!(stdout, "    {label} taken for {guess}: {n} of {of}")?;
    }
    Ok(())
}

fn evaluate_folder<B: ModelBackend>(model: &Path, data: &Path, device: &B::Device) -> Result<Evaluation> {
    let classifier = model_folder::open::<B>(model, device)?;
    let options = ReadOptions { labels: Some(classifier.labels().to_vec()), ..ReadOptions::default() };
    let (data, report) = read_folder(data, &options)?;
    eprintln!("{report}");
    evaluate(classifier.model(), &data, device)
}

fn run_predict(args: &PredictArgs) -> Result<()> {
    let classifier = model_folder::open::<Flex>(&args.model, &Default::default())?;
    predict::predict(&classifier, &args.file, args.json, args.max_results.get(), &mut stdout().lock())
}

fn run_export(args: &ExportArgs) -> Result<()> {
    let classifier = model_folder::open::<Flex>(&args.model, &Default::default())?;
    ensure!(
        fs::canonicalize(&args.out).ok() != fs::canonicalize(&args.model).ok(),
        "--out is the folder of --model: choose another, so that the full weights are kept"
    );
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let weight_type = match args.weights {
        ExportType::F16 => WeightType::F16,
        ExportType::F32 => WeightType::F32,
    };
    let bytes = weights::save(classifier.model(), weight_type)?;
    let mut card = classifier.card().clone();
    write_atomic(&args.out.join("weights.safetensors"), &bytes)?;
    let write_card = |card: &ModelCard| -> Result<()> {
        write_atomic(&args.out.join("model.json"), (serde_json::to_string_pretty(card)? + "\n").as_bytes())
    };
    write_card(&card)?;
    if let Some(data) = &args.test_data {
        // What ships is measured, not what it was made from.
        let found = evaluate_folder::<Flex>(&args.out, data, &Default::default())?;
        card.figures.insert("test".to_owned(), serde_json::to_value(found.figures)?);
        write_card(&card)?;
    }
    println!("{}: {} bytes of weights", args.out.display(), bytes.len());
    Ok(())
}
