//! Runs in bf16 on the processor. The precision is a whole program's: all tests here set it, and
//! what is in f32 is computed by a second process.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use burn::backend::Autodiff;
use burn_flex::Flex;
use native_train::data::synthetic::sample_set;
use native_train::train::{Job, Outcome, TrainConfig, train};
use quickdraw_core::ModelConfig;
use quickdraw_core::ops::Precision;
use quickdraw_core::ops::host::set_precision;

/// Tells the second process where to write its result.
const RESULT: &str = "QUICKDRAW_F32_RESULT";

/// A short run whose steps use the same arithmetic as those of larger networks.
fn job(out: &Path, steps: u64) -> Job {
    Job {
        train: sample_set(1, 0, 40).into(),
        validation: sample_set(1, 1, 20),
        data_facts: Default::default(),
        environment: Default::default(),
        model: ModelConfig {
            num_nodes: 24,
            num_conv: vec![16, 16],
            conv_len: vec![5, 3],
            conv_stride: vec![2, 2],
            dropout: 0.0,
            ..ModelConfig::fast(10)
        },
        config: TrainConfig {
            steps,
            batch_size: 16,
            learning_rate: 1e-2,
            warmup_steps: 2,
            bucket_batches: 2,
            eval_every_steps: 100,
            checkpoint_every_seconds: 3600,
            ..TrainConfig::fast()
        },
        out: out.to_owned(),
        resume: false,
        init_from: vec![],
        quiet: true,
    }
}

/// The backend draws initial weights from one generator of the process: one run at a time.
static ONE_RUN: Mutex<()> = Mutex::new(());

fn run(job: &Job, interrupted: bool) -> Outcome {
    let _one_run = ONE_RUN.lock().unwrap_or_else(PoisonError::into_inner);
    train::<Autodiff<Flex>>(job, &[Default::default()], &AtomicBool::new(interrupted)).unwrap()
}

fn weights(out: &Path) -> Vec<u8> {
    std::fs::read(out.join("weights.safetensors")).unwrap()
}

#[test]
fn a_run_learns_as_much_as_one_in_f32() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(&folder.path().join("run"), 200);
    if let Some(path) = std::env::var_os(RESULT) {
        std::fs::write(path, run(&job, false).validation.top1.to_string()).unwrap();
        return;
    }
    set_precision(Precision::Bf16).unwrap();
    let path = folder.path().join("f32");
    let this_test = ["--exact", "a_run_learns_as_much_as_one_in_f32"];
    let status =
        Command::new(std::env::current_exe().unwrap()).args(this_test).env(RESULT, &path).status().unwrap();
    assert!(status.success(), "the second process: {status}");
    let in_f32: f64 = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    let in_bf16 = run(&job, false).validation.top1;
    assert!(in_f32 > 0.6, "{in_f32} in f32");
    // 200 drawings to validate on: two standard deviations of one run's accuracy.
    assert!(in_bf16 > in_f32 - 0.07, "{in_bf16} in bf16, {in_f32} in f32");
}

#[test]
fn a_run_ends_with_the_same_weights_whether_interrupted_or_not_and_on_any_number_of_threads() {
    set_precision(Precision::Bf16).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let of = |n_threads: usize| {
        let out = folder.path().join(n_threads.to_string());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| run(&job(&out, 5), false));
        weights(&out)
    };
    let expected = of(1);
    assert!(of(3) == expected);
    let out = folder.path().join("pieces");
    let mut part = job(&out, 5);
    for step in 1..=5 {
        assert_eq!(run(&part, true).step, step);
        part.resume = true;
    }
    assert!(weights(&out) == expected);
}
