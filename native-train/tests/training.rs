//! Runs: the same seed gives the same weights, an interruption loses nothing, and what does not fit is refused.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::Autodiff;
use burn_flex::Flex;
use native_train::data::samples::sample_set;
use native_train::data::{DataSet, Sampling};
use native_train::model_folder;
use native_train::train::{Job, Outcome, Schedule, TrainConfig, train};
use quickdraw_core::{Classifier, ModelConfig};

fn job(out: &Path, steps: u64) -> Job {
    Job {
        train: Arc::new(sample_set(1, 0, 6)),
        validation: sample_set(1, 1, 2),
        data_facts: Default::default(),
        model: ModelConfig {
            num_nodes: 8,
            num_conv: vec![8, 8],
            conv_len: vec![5, 3],
            conv_stride: vec![2, 2],
            ..ModelConfig::fast(10)
        },
        config: TrainConfig {
            steps,
            batch_size: 5,
            warmup_steps: 2,
            bucket_batches: 2,
            eval_every_steps: 4,
            checkpoint_every_seconds: 3600,
            ..TrainConfig::fast()
        },
        out: out.to_owned(),
        resume: false,
        quiet: true,
    }
}

/// The backend draws all random numbers from one generator of the process: one run at a time.
static ONE_RUN: Mutex<()> = Mutex::new(());

fn run(job: &Job, interrupted: bool) -> anyhow::Result<Outcome> {
    let _one_run = ONE_RUN.lock().unwrap_or_else(PoisonError::into_inner);
    train::<Autodiff<Flex>>(job, &Default::default(), &AtomicBool::new(interrupted))
}

fn refusal(job: &Job) -> String {
    format!("{:#}", run(job, false).unwrap_err())
}

fn weights(out: &Path) -> Vec<u8> {
    std::fs::read(out.join("weights.safetensors")).unwrap()
}

#[test]
fn one_seed_gives_one_model_and_another_seed_another() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    run(&job(&a, 8), false).unwrap();
    run(&job(&b, 8), false).unwrap();
    let mut other = job(&c, 8);
    other.config.seed = 2;
    run(&other, false).unwrap();
    assert!(weights(&a) == weights(&b));
    assert!(weights(&a) != weights(&c));
}

#[test]
fn a_run_interrupted_at_every_step_ends_with_the_weights_of_an_undisturbed_one() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, pieces) = (folder.path().join("whole"), folder.path().join("pieces"));
    assert!(run(&job(&whole, 7), false).unwrap().finished);
    let mut part = job(&pieces, 7);
    for step in 1..=7 {
        let outcome = run(&part, true).unwrap();
        assert_eq!((outcome.step, outcome.finished), (step, step == 7));
        // Even after the first step there is a model to try.
        model_folder::open::<Flex>(&pieces, &Default::default()).unwrap();
        part.resume = true;
    }
    assert!(weights(&whole) == weights(&pieces));
    // The moments of the optimiser and the place in the data are whole as well: the next step is the same.
    for out in [&whole, &pieces] {
        let mut longer = job(out, 8);
        longer.resume = true;
        run(&longer, false).unwrap();
    }
    assert!(weights(&whole) == weights(&pieces));
}

#[test]
fn a_run_learns_and_its_folder_tells_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut job = job(&out, 150);
    job.config.batch_size = 16;
    job.config.learning_rate = 1e-2;
    job.config.eval_every_steps = 50;
    job.model.num_nodes = 24;
    job.model.dropout = 0.0;
    job.train = Arc::new(sample_set(1, 0, 40));
    job.validation = sample_set(1, 1, 10);
    let outcome = run(&job, false).unwrap();
    assert!(outcome.validation.top1 > 0.6, "{:?}", outcome.validation.figures);
    let classifier: Classifier<Flex> = model_folder::open(&out, &Default::default()).unwrap();
    let card = classifier.card();
    assert_eq!(card.training["drawings_seen"], card.training["steps"].as_u64().unwrap() * 16);
    let stated = card.figures["validation"]["balanced_top1"].as_f64().unwrap();
    let found =
        native_train::evaluate::evaluate(classifier.model(), &job.validation, &Default::default()).unwrap();
    assert!((stated - found.balanced_top1).abs() < 1e-9);
    let metrics = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = metrics.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| !line["validation"].is_null()).count(), 3);
    assert!(lines.iter().any(|line| line["train"]["drawings_per_s"].as_f64() > Some(0.0)));
}

#[test]
fn a_new_run_does_not_mix_with_an_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&job(&out, 2), false).unwrap();
    let before = weights(&out);
    assert!(refusal(&job(&out, 2)).contains("--resume"));
    let resumed = |change: &dyn Fn(&mut Job)| {
        let mut job = job(&out, 3);
        job.resume = true;
        change(&mut job);
        refusal(&job)
    };
    assert!(resumed(&|job| job.model.num_nodes = 9).contains("another network"));
    assert!(resumed(&|job| job.config.seed = 3).contains("seed"));
    assert!(resumed(&|job| job.train = Arc::new(sample_set(1, 0, 5))).contains("60 drawings"));
    let renamed = |job: &mut Job| {
        let mut labels: Vec<String> = job.train.labels().to_vec();
        labels[0] = "round".to_owned();
        let mut data = DataSet::new(labels).unwrap();
        for i in 0..job.train.len() {
            data.push(job.train.label(i), &job.train.drawing(i), &[]).unwrap();
        }
        job.train = Arc::new(data);
    };
    assert!(resumed(&renamed).contains("classes"));
    assert!(weights(&out) == before);
}

#[test]
fn a_run_that_cannot_be_resumed_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut resumed = job(&out, 3);
    resumed.resume = true;
    assert!(refusal(&resumed).contains("no checkpoint"));
    run(&job(&out, 2), false).unwrap();
    let newest = out.join("checkpoints/step-000000002");
    let whole = std::fs::read(newest.join("optimizer.bin")).unwrap();
    std::fs::write(newest.join("optimizer.bin"), &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(&resumed).contains("optimizer.bin"));
    std::fs::write(newest.join("state.json"), "{").unwrap();
    assert!(refusal(&resumed).contains("state.json"));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&job(&out, 2), false).unwrap();
    let mut wild = job(&out, 60);
    wild.resume = true;
    wild.config.learning_rate = 1e38;
    wild.config.schedule = Schedule::Constant;
    let message = refusal(&wild);
    assert!(message.contains("diverged"), "{message}");
    assert!(out.join("checkpoints/step-000000002/state.json").exists());
}

#[test]
fn options_out_of_range_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let refused = |change: &dyn Fn(&mut TrainConfig)| {
        let mut job = job(&out, 2);
        change(&mut job.config);
        refusal(&job)
    };
    assert!(refused(&|c| c.steps = 0).contains("steps"));
    assert!(refused(&|c| c.batch_size = 0).contains("batch_size"));
    assert!(refused(&|c| c.learning_rate = f64::NAN).contains("learning_rate"));
    assert!(refused(&|c| c.gradient_clipping_norm = 0.0).contains("gradient_clipping_norm"));
    assert!(refused(&|c| c.label_smoothing = 1.5).contains("label_smoothing"));
    assert!(refused(&|c| c.weight_decay = -1.0).contains("weight_decay"));
    assert!(refused(&|c| c.sampling = Sampling::Balanced { power: f32::NAN }).contains("balance_power"));
}

#[test]
fn the_learning_rate_rises_and_falls() {
    let config = TrainConfig { steps: 110, warmup_steps: 10, learning_rate: 1.0, ..TrainConfig::fast() };
    assert!((config.learning_rate_at(0) - 0.1).abs() < 1e-12);
    assert!((config.learning_rate_at(9) - 1.0).abs() < 1e-12);
    assert!((config.learning_rate_at(60) - 0.5).abs() < 1e-12);
    assert!(config.learning_rate_at(109) < 1e-3);
    let constant = TrainConfig::tutorial();
    assert_eq!(constant.learning_rate_at(0), constant.learning_rate_at(99_999));
    let trapezoid = TrainConfig { schedule: Schedule::Trapezoid, ..config };
    for (step, expected) in [(0, 0.1), (9, 1.0), (88, 1.0), (99, 0.5), (110, 0.0)] {
        assert!((trapezoid.learning_rate_at(step) - expected).abs() < 1e-12, "{step}");
    }
    let longer = TrainConfig { steps: 1000, ..trapezoid };
    assert!((0..=88).all(|step| longer.learning_rate_at(step) == trapezoid.learning_rate_at(step)));
}
