//! Runs: the same seed gives the same weights, an interruption loses nothing, and what does not fit
//! is refused.

mod python;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamWConfig, AdjustLrFn, MuonConfig, Optimizer, SimpleOptimizer};
use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use native_train::data::format::tfrecord::masked_checksum;
use native_train::data::synthetic::sample_set;
use native_train::data::{
    Augmentation, BatchShare, DataSet, Loader, LoaderConfig, Mixture, PreparedBatch, Sampling,
};
use native_train::environment::describe;
use native_train::model_folder;
use native_train::train::checkpoint::{self, Checkpoint, Contents};
use native_train::train::{
    Devices, Job, OptimizerKind, Outcome, Schedule, TrainConfig, WeightOptimizer, gradients, optimizer, train,
};
use quickdraw_core::weights::WeightType;
use quickdraw_core::{Classifier, InkFormat, Model, ModelConfig};
use safetensors::SafeTensors;
use serde_json::{Value, json};

fn job(out: &Path, steps: u64) -> Job {
    Job {
        train: sample_set(1, 0, 6).into(),
        validation: sample_set(1, 1, 2),
        data_facts: Default::default(),
        environment: Default::default(),
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
        init_from: vec![],
        quiet: true,
    }
}

/// The data set that a job trains on.
fn only_set(job: &Job) -> Arc<DataSet> {
    Arc::clone(job.train.sets().next().unwrap().0)
}

/// The backend draws initial weights from one generator of the process: one run at a time.
static ONE_RUN: Mutex<()> = Mutex::new(());

fn run(job: &Job, interrupted: bool) -> anyhow::Result<Outcome> {
    run_on(job, 1, interrupted)
}

/// Runs on `n_devices`, each of which is the processor.
fn run_on(job: &Job, n_devices: usize, interrupted: bool) -> anyhow::Result<Outcome> {
    let _one_run = ONE_RUN.lock().unwrap_or_else(PoisonError::into_inner);
    train::<Autodiff<Flex>>(job, &vec![Default::default(); n_devices], &AtomicBool::new(interrupted))
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

/// The evaluations in a run's metrics, as (step, figures).
fn evaluations(out: &Path) -> Vec<(u64, Value)> {
    let of = |line: &Value| Some((line["step"].as_u64()?, line.get("validation")?.clone()));
    metrics(out).iter().filter_map(of).collect()
}

fn metrics(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_interrupted_at_every_step_ends_as_an_undisturbed_one() {
    for (ema, accumulate, optimizer) in [(0.0, 1, OptimizerKind::AdamW), (0.9, 3, OptimizerKind::Muon)] {
        let folder = tempfile::tempdir().unwrap();
        let (whole, pieces) = (folder.path().join("whole"), folder.path().join("pieces"));
        let job = |out: &Path, steps| {
            let mut job = job(out, steps);
            job.config = TrainConfig { ema, accumulate, optimizer, ..job.config };
            job
        };
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
        assert_eq!(evaluations(&whole), evaluations(&pieces));
        // The moments of the optimizer and the place in the data are whole as well: the next step
        // is the same.
        for out in [&whole, &pieces] {
            let mut longer = job(out, 8);
            longer.resume = true;
            run(&longer, false).unwrap();
        }
        assert!(weights(&whole) == weights(&pieces));
    }
}

#[test]
fn a_run_begins_with_the_weights_of_a_model_folder() {
    let folder = tempfile::tempdir().unwrap();
    let [first, same, other] = ["first", "same", "other"].map(|name| folder.path().join(name));
    run(&job(&first, 4), false).unwrap();
    // A learning rate so small that a step changes almost nothing.
    let from_first = |out: &Path| {
        let mut job = job(out, 1);
        job.init_from = vec![first.clone()];
        job.config.learning_rate = 1e-12;
        job.model.dropout = 0.4;
        job
    };
    run(&from_first(&same), false).unwrap();
    let largest_change = |out: &Path, prefix: &str| {
        let (before, after) = (weights(&first), weights(out));
        let [before, after] = [&before, &after].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        let mut largest = 0.0f32;
        for (name, view) in before.tensors().into_iter().filter(|(name, _)| name.starts_with(prefix)) {
            let found = after.tensor(&name).unwrap();
            assert_eq!(found.shape(), view.shape());
            let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
            for (a, b) in view.data().chunks(4).zip(found.data().chunks(4)) {
                largest = largest.max((float(a) - float(b)).abs());
            }
        }
        largest
    };
    assert!(largest_change(&same, "") < 1e-6);

    // Other names: the same number of classes, but not the same classes.
    let renamed = |data: &DataSet| {
        let labels = data.labels().iter().map(|label| format!("other {label}")).collect();
        let mut renamed = DataSet::new(labels).unwrap();
        for index in 0..data.len() {
            renamed.push(data.label(index), &data.drawing(index), &[]).unwrap();
        }
        renamed
    };
    let mut job = from_first(&other);
    (job.train, job.validation) = (renamed(&only_set(&job)).into(), renamed(&job.validation));
    // Other random weights than those that the first run began with.
    job.config.seed = 2;
    run(&job, false).unwrap();
    assert!(largest_change(&other, "lstms") < 1e-6);
    assert!(largest_change(&other, "dense.weight") > 0.01);

    let mut wider = from_first(&folder.path().join("wider"));
    wider.model.num_nodes = 16;
    let message = refusal(&wider);
    assert!(message.contains("cannot begin with") && message.contains("num_nodes: 8"), "{message}");
    let mut missing = from_first(&folder.path().join("missing"));
    missing.init_from = vec![folder.path().join("nowhere")];
    assert!(refusal(&missing).contains("there is no such folder"));
}

#[test]
fn the_last_steps_train_with_int8_weights() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, pieces, full] = ["whole", "pieces", "full"].map(|name| folder.path().join(name));
    let rounding = |out: &Path| {
        let mut job = job(out, 12);
        job.config.quantized_steps = 5;
        job
    };
    run(&rounding(&whole), false).unwrap();
    let mut part = rounding(&pieces);
    for _ in 0..12 {
        run(&part, true).unwrap();
        part.resume = true;
    }
    assert!(weights(&whole) == weights(&pieces), "interruptions change nothing");
    // What is stored in 8 bits is what was evaluated.
    let stored = |out: &Path| {
        let model = model_folder::open::<Flex>(out, &Default::default()).unwrap().model().clone();
        let bytes = quickdraw_core::weights::save(&model, WeightType::Int8).unwrap();
        let fresh = init(model.config().clone()).valid();
        let read = quickdraw_core::weights::load(fresh, &bytes, &Default::default()).unwrap();
        let [before, after] = [model, read]
            .map(|model| floats(&quickdraw_core::weights::save(&model, WeightType::F32).unwrap()));
        before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(stored(&whole) < 1e-6, "{}", stored(&whole));
    run(&job(&full, 12), false).unwrap();
    assert!(stored(&full) > 1e-4, "{}", stored(&full));
}

#[test]
fn metrics_past_the_checkpoint_and_a_torn_line_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let [out, whole] = ["out", "whole"].map(|name| folder.path().join(name));
    run(&job(&whole, 8), false).unwrap();
    run(&job(&out, 4), false).unwrap();
    let path = out.join("metrics.jsonl");
    let line = |text: String| text.lines().last().unwrap().replace("\"step\":4", "\"step\":6");
    let beyond = line(std::fs::read_to_string(&path).unwrap());
    let text = std::fs::read_to_string(&path).unwrap() + &beyond + "\n" + &beyond[..20];
    std::fs::write(&path, text).unwrap();
    let mut rest = job(&out, 8);
    rest.resume = true;
    run(&rest, false).unwrap();
    let steps = |out: &Path| evaluations(out).into_iter().map(|(step, _)| step).collect::<Vec<_>>();
    assert_eq!(steps(&out), [4, 8]);
    assert_eq!(metrics(&out).len(), metrics(&whole).len());
}

#[test]
fn metrics_of_other_programs_stay_when_a_run_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    run(&job(&out, 4), false).unwrap();
    let path = out.join("metrics.jsonl");
    let before = std::fs::read(&path).unwrap();
    // A later version's figures, a note, no text at all; and what lies past the checkpoint.
    let others = b"{\"step\":4,\"test\":{\"top1\":0.5}}\n# a note\n\xff\n";
    let beyond = b"{\"step\":5,\"test\":{\"top1\":0.5}}\n{\"step\":5,\"tra";
    std::fs::write(&path, [&before[..], others, beyond].concat()).unwrap();
    run(&Job { resume: true, ..job(&out, 8) }, false).unwrap();
    let after = std::fs::read(&path).unwrap();
    let kept = [&before[..], others].concat();
    assert_eq!(String::from_utf8_lossy(&after[..kept.len()]), String::from_utf8_lossy(&kept));
    let rest = std::str::from_utf8(&after[kept.len()..]).unwrap();
    let steps: Vec<u64> = rest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [8, 8]);
}

fn init(config: ModelConfig) -> Model<Autodiff<Flex>> {
    let _one_run = ONE_RUN.lock().unwrap_or_else(PoisonError::into_inner);
    config.init(&Default::default()).unwrap()
}

/// Batches of six.
fn loader_config(ink_format: InkFormat) -> LoaderConfig {
    LoaderConfig {
        batch_size: 6,
        sampling: Sampling::Epochs,
        augmentation: Augmentation::none(),
        ink_format,
        pen_state: false,
        max_rows: 100,
        soft_weight: 0.0,
        soft_temperature: 1.0,
        label_smoothing: 0.0,
        seed: 1,
        start_step: 0,
        share: BatchShare::ALL,
        n_threads: 1,
        bucket_batches: 1,
    }
}

/// All numbers of a file of weights, by the names of the tensors.
fn floats(bytes: &[u8]) -> Vec<f32> {
    let tensors = SafeTensors::deserialize(bytes).unwrap().tensors();
    let mut tensors: Vec<_> = tensors.into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    tensors.sort();
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    tensors.iter().flat_map(|(_, data)| data.chunks(4).map(float)).collect()
}

#[test]
fn accumulated_batches_count_as_one_large_batch() {
    type B = Autodiff<Flex>;
    let folder = tempfile::tempdir().unwrap();
    let Job { train, model, config, .. } = job(folder.path(), 1);
    // Dropout goes by a value's place in its batch.
    let model = init(ModelConfig { dropout: 0.0, ..model });
    let mut loader = Loader::spawn(train, loader_config(model.config().ink)).unwrap();
    let parts: Vec<PreparedBatch> = (0..3).map(|_| loader.next_batch()).collect();
    let whole = parts.iter().skip(1).fold(parts[0].clone(), |mut whole, part| {
        whole.inks.extend(part.inks.clone());
        whole.targets.extend(&part.targets);
        whole.labels.extend(&part.labels);
        whole
    });
    let step = |batches: Vec<PreparedBatch>| {
        let batches = batches.into_iter().map(|batch| (batch, 1)).collect();
        let mut devices = Devices::<B>::new(&[Default::default()]).unwrap();
        let mut optimizer = optimizer::<B>(&config, model.config());
        let step = devices.step(model.clone(), &mut optimizer, batches, 1e-2, false, &config).unwrap();
        let losses: Vec<f64> =
            step.losses.into_iter().map(|loss| loss.into_data().iter::<f64>().sum()).collect();
        let n_correct: Vec<i64> =
            step.n_correct.into_iter().map(|n| n.into_data().iter::<i64>().sum()).collect();
        let mean_loss = losses.iter().sum::<f64>() / losses.len() as f64;
        (mean_loss, n_correct.iter().sum::<i64>(), step.norm.into_data().iter::<f64>().sum::<f64>())
    };
    let (one, several) = (step(vec![whole]), step(parts));
    assert!((one.0 - several.0).abs() < 1e-5, "{one:?} {several:?}");
    assert_eq!(one.1, several.1);
    assert!((one.2 / several.2 - 1.0).abs() < 1e-5, "{one:?} {several:?}");
}

#[test]
fn the_optimizer_is_the_one_of_burn() {
    type B = Autodiff<Flex>;
    let folder = tempfile::tempdir().unwrap();
    let Job { train, model, config, .. } = job(folder.path(), 1);
    // Wide enough that a parameter is cut into several pieces.
    let start = init(ModelConfig { num_nodes: 70, ..model });
    let config = TrainConfig { weight_decay: 0.1, ..config };
    let mut loader = Loader::spawn(train, loader_config(start.config().ink)).unwrap();
    let mut ours = (start.clone(), optimizer::<B>(&config, start.config()));
    let burns = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(config.weight_decay);
    let mut burns = (start, burns.init::<B, Model<B>>());
    for step in 0..5 {
        let batch = loader.next_batch();
        let gradients = || gradients(&burns.0, batch.clone(), step, &Default::default()).unwrap().gradients;
        ours.0 = ours.1.step(1e-2, ours.0, gradients());
        let same = gradients();
        burns.0 = burns.1.step(1e-2, burns.0, same);
    }
    let [ours, burns] = [ours.0, burns.0].map(|model| {
        let bytes = quickdraw_core::weights::save(&model.valid(), WeightType::F32).unwrap();
        floats(&bytes)
    });
    let moved = ours.iter().zip(&burns).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved < 1e-5, "{moved}");
    assert!(ours.len() > 70 * 70);
}

#[test]
fn muon_is_the_one_of_burn_for_each_matrix() {
    type Matrix = Tensor<Flex, 2>;
    let folder = tempfile::tempdir().unwrap();
    let Job { model, config, .. } = job(folder.path(), 1);
    let h = model.num_nodes;
    let config = TrainConfig { optimizer: OptimizerKind::Muon, weight_decay: 0.1, ..config };
    let ours = WeightOptimizer::new(&config, &model);
    let burns = MuonConfig::new()
        .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
        .with_weight_decay(Some(WeightDecayConfig::new(0.1)))
        .build::<Flex>();
    let random = |dims: [usize; 2]| Matrix::random(dims, Distribution::Normal(0.0, 1.0), &Default::default());
    // Steps of the matrices side by side in a parameter, and of each by itself.
    let assert_same = |dims: [usize; 2], columns: usize| {
        let (mut whole, mut state) = (random(dims), None);
        let mut parts: Vec<(Matrix, _)> =
            whole.clone().split(columns, 1).into_iter().map(|part| (part, None)).collect();
        for _ in 0..3 {
            let gradient = random(dims);
            (whole, state) = ours.step(1e-2, whole, gradient.clone(), state);
            for ((part, state), gradient) in parts.iter_mut().zip(gradient.split(columns, 1)) {
                let (moved, next) = burns.step(1e-2, part.clone(), gradient, state.take());
                (*part, *state) = (moved, next);
            }
        }
        let parts = Matrix::cat(parts.into_iter().map(|(part, _)| part).collect(), 1);
        let difference = (whole - parts).abs().max().into_scalar();
        assert!(difference < 1e-4, "{dims:?}: {difference}");
    };
    assert_same([40, 24], 24); // a convolution
    assert_same([12, 24], 24);
    assert_same([40, model.n_classes], model.n_classes);
    assert_same([40, 8 * h], 8 * h);
    assert_same([model.d_steps(), 8 * h], h); // the gates of an LSTM
    assert_same([2 * h, 8 * h], h);

    // The recurrent weights of both directions: each gate of each by itself.
    let zeros = Tensor::<Flex, 3>::zeros([2, h, 4 * h], &Default::default());
    let gradient = zeros.random_like(Distribution::Normal(0.0, 1.0));
    let (moved, _) = ours.step(1e-2, zeros, gradient.clone(), None);
    for (moved, gradient) in moved.chunk(2, 0).into_iter().zip(gradient.chunk(2, 0)) {
        for (moved, gradient) in moved.chunk(4, 2).into_iter().zip(gradient.chunk(4, 2)) {
            let start = Matrix::zeros([h, h], &Default::default());
            let (expected, _) = burns.step(1e-2, start, gradient.reshape([h, h]), None);
            let difference = (moved.reshape([h, h]) - expected).abs().max().into_scalar();
            assert!(difference < 1e-5, "{difference}");
        }
    }

    // The last layer and biases go by AdamW: the first step is the learning rate long everywhere.
    let bias = Tensor::<Flex, 1>::zeros([8], &Default::default());
    let (moved, _) = ours.step(1e-2, bias.clone(), bias.ones_like() * 7.0, None);
    let last = Matrix::zeros([model.d_embedding(), model.n_classes], &Default::default());
    let (last, _) = ours.step(1e-2, last.clone(), last.ones_like() * 7.0, None);
    for value in moved.into_data().iter::<f32>().chain(last.into_data().iter::<f32>()) {
        assert!((value + 1e-2).abs() < 1e-6, "{value}");
    }
}

#[test]
fn muon_learns_and_a_run_ends_with_the_optimizer_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut first = job(&out, 40);
    first.config.optimizer = OptimizerKind::Muon;
    first.config.learning_rate = 0.02;
    assert!(run(&first, false).unwrap().finished);
    let losses: Vec<f64> =
        evaluations(&out).iter().map(|(_, found)| found["loss"].as_f64().unwrap()).collect();
    assert!(losses[losses.len() - 1] < losses[0] - 0.03, "{losses:?}");
    let mut other = job(&out, 50);
    other.resume = true;
    let message = refusal(&other);
    assert!(message.contains("begun with --optimizer muon, asked for adamw"), "{message}");
}

#[test]
fn several_devices_give_the_weights_of_one() {
    for (name, image_conv) in [("strokes", vec![]), ("image", vec![4, 6])] {
        let folder = tempfile::tempdir().unwrap();
        let of = |n_devices: usize| {
            let out = folder.path().join(n_devices.to_string());
            let mut job = job(&out, 5);
            job.config.accumulate = 4;
            // The running statistics of batch normalization are among the weights.
            job.model.batch_norm = true;
            job.model.image_stride = vec![2; image_conv.len()];
            job.model.image_conv = image_conv.clone();
            assert!(run_on(&job, n_devices, false).unwrap().finished);
            weights(&out)
        };
        let one = of(1);
        assert!([2, 4].into_iter().all(|n_devices| of(n_devices) == one), "{name}");
    }
}

#[test]
fn the_average_lies_between_the_start_and_the_present() {
    let folder = tempfile::tempdir().unwrap();
    let [after_one_step, a_tenth, most] = [0.0, 0.1, 0.999].map(|ema| {
        let out = folder.path().join(ema.to_string());
        let mut job = job(&out, 1);
        job.config = TrainConfig { ema, warmup_steps: 0, learning_rate: 0.1, ..job.config };
        run(&job, false).unwrap();
        floats(&weights(&out))
    });
    let mut farthest = 0.0f32;
    for ((now, tenth), most) in after_one_step.iter().zip(&a_tenth).zip(&most) {
        // tenth = 0.1 start + 0.9 now; at the first step the past weighs 2 / 11 at most.
        let start = (tenth - 0.9 * now) / 0.1;
        assert!((2.0 / 11.0 * start + 9.0 / 11.0 * now - most).abs() < 1e-4, "{start} {now} {most}");
        farthest = farthest.max((start - now).abs());
    }
    assert!(farthest > 0.05, "a step of 0.1 moves the weights: {farthest}");
}

#[test]
fn the_average_of_a_run_that_begins_with_trained_weights_has_its_decay_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    run(&job(&first, 4), false).unwrap();
    let start = floats(&weights(&first));
    let from_first = |name: &str, ema: f64, steps| {
        let mut job = job(&folder.path().join(name), steps);
        job.init_from = vec![first.clone()];
        job.config = TrainConfig { ema, warmup_steps: 0, learning_rate: 0.1, ..job.config };
        job
    };
    let trained = |job: &Job| {
        run(job, false).unwrap();
        floats(&weights(&job.out))
    };
    let now = trained(&from_first("now", 0.0, 1));
    let average = trained(&from_first("average", 0.9, 1));
    let mut farthest = 0.0f32;
    for ((start, now), average) in start.iter().zip(&now).zip(&average) {
        assert!((0.9 * start + 0.1 * now - average).abs() < 1e-5, "{start} {now} {average}");
        farthest = farthest.max((start - now).abs());
    }
    assert!(farthest > 0.05, "a step of 0.1 moves the weights: {farthest}");

    // A run that is resumed does not need the folder for that.
    let whole = trained(&from_first("whole", 0.9, 3));
    let mut pieces = from_first("pieces", 0.9, 3);
    for _ in 0..3 {
        run(&pieces, true).unwrap();
        (pieces.resume, pieces.init_from) = (true, vec![]);
    }
    assert!(whole == floats(&weights(&pieces.out)));
}

/// Two sets of the same categories, of which the first has three times the share of the second.
fn two_sets() -> Mixture {
    let sets = [(sample_set(1, 0, 6), 0.75), (sample_set(2, 0, 3), 0.25)];
    Mixture::new(sets.map(|(set, share)| (Arc::new(set), share)).into()).unwrap()
}

#[test]
fn a_run_on_several_sets_is_resumed_exactly_and_refuses_other_shares() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, pieces, single] = ["whole", "pieces", "single"].map(|name| folder.path().join(name));
    let on_two = |out: &Path| Job { train: two_sets(), ..job(out, 6) };
    run(&on_two(&whole), false).unwrap();
    let mut part = on_two(&pieces);
    for _ in 0..6 {
        run(&part, true).unwrap();
        part.resume = true;
    }
    assert!(weights(&whole) == weights(&pieces));
    run(&job(&single, 6), false).unwrap();
    assert!(weights(&whole) != weights(&single));
    let config: Value = serde_json::from_slice(&std::fs::read(whole.join("config.json")).unwrap()).unwrap();
    let sets = json!([{ "n_drawings": 60, "share": 0.75 }, { "n_drawings": 30, "share": 0.25 }]);
    assert_eq!((&config["sets"], &config["n_train"]), (&sets, &json!(90)));

    let other_shares =
        Mixture::new(two_sets().sets().map(|(set, _)| (Arc::clone(set), 1.0)).collect()).unwrap();
    let message = refusal(&Job { train: other_shares, resume: true, ..job(&whole, 7) });
    assert!(message.contains("60 drawings (share 0.7500), 30 drawings (share 0.2500)"), "{message}");
    assert!(message.contains("asked for several data sets: 60 drawings (share 0.5000)"), "{message}");
    let one_set = sample_set(1, 0, 9);
    let message = refusal(&Job { train: one_set.into(), resume: true, ..job(&whole, 7) });
    assert!(message.contains("asked for one data set"), "{message}");
}

#[test]
fn a_run_is_not_resumed_on_other_drawings() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&job(&out, 2), false).unwrap();
    let config: Value = serde_json::from_slice(&std::fs::read(out.join("config.json")).unwrap()).unwrap();
    let told = &config["fingerprints"];
    assert_eq!(told["train"], json!([only_set(&job(&out, 2)).fingerprint()]), "{told}");
    assert_eq!(told["validation"], json!(job(&out, 2).validation.fingerprint()), "{told}");

    // As many drawings of the same categories, and others.
    let resumed = || Job { resume: true, ..job(&out, 3) };
    let message = refusal(&Job { train: sample_set(2, 0, 6).into(), ..resumed() });
    assert!(message.contains("the data to train on are others: fingerprint "), "{message}");
    let message = refusal(&Job { validation: sample_set(2, 1, 2), ..resumed() });
    assert!(message.contains("the validation data are others: fingerprint "), "{message}");
    assert!(message.contains(told["validation"].as_str().unwrap()), "{message}");
    // A checkpoint without fingerprints is resumed without this check.
    let state_path = out.join("checkpoints/step-000000002/state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&state_path).unwrap()).unwrap();
    assert_eq!(&state.as_object_mut().unwrap().remove("fingerprints").unwrap(), told);
    std::fs::write(&state_path, state.to_string()).unwrap();
    assert!(run(&Job { validation: sample_set(2, 1, 2), ..resumed() }, false).unwrap().finished);
}

#[test]
fn a_run_without_progress_stops_early_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut job = job(&out, 100);
    // Nothing changes at this learning rate.
    job.config = TrainConfig { early_stopping: 2, learning_rate: 1e-30, ..job.config };
    let outcome = run(&job, false).unwrap();
    assert_eq!((outcome.step, outcome.finished), (12, true));
    job.resume = true;
    let outcome = run(&job, false).unwrap();
    assert_eq!((outcome.step, outcome.finished), (12, true));
    job.config.early_stopping = 0;
    assert_eq!(run(&job, false).unwrap().step, 100);
}

#[test]
fn the_newest_checkpoints_and_the_best_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut job = job(&out, 12);
    // The first evaluation stays the best: later ones are of weights that were thrown about.
    job.config = TrainConfig {
        checkpoint_every_steps: 1,
        eval_every_steps: 2,
        learning_rate: 50.0,
        gradient_clipping_norm: 1e6,
        keep_checkpoints: 2,
        ..job.config
    };
    run(&job, false).unwrap();
    let (mut best, mut highest) = (0, f64::MIN);
    for (step, figures) in evaluations(&out) {
        let found = figures["balanced_top1"].as_f64().unwrap();
        if found >= highest {
            (best, highest) = (step, found);
        }
    }
    let mut kept: Vec<String> = std::fs::read_dir(out.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    let mut expected = vec![best, 11, 12];
    expected.sort();
    expected.dedup();
    assert_eq!(kept, expected.iter().map(|step| format!("step-{step:09}")).collect::<Vec<_>>());
}

/// The payloads of a TFRecord file, whose checksums are right.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let checksum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        assert_eq!(checksum(8), masked_checksum(&rest[..8]));
        assert_eq!(checksum(12 + length), masked_checksum(&rest[12..12 + length]));
        found.push(rest[12..12 + length].to_vec());
        rest = &rest[16 + length..];
    }
    found
}

#[test]
fn checksums_are_those_of_the_standard() {
    // CRC-32C of 32 zero bytes is 0x8a9136aa (RFC 3720, B.4); turned right by 15 bits, plus
    // 0xa282ead8 (TensorFlow's crc32c.h).
    assert_eq!(masked_checksum(&[0; 32]), 0x0fd7_fffa);
}

#[test]
fn a_run_folder_has_configuration_environment_and_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut job = job(&out, 41);
    job.environment = describe("the processor");
    run(&job, false).unwrap();
    job.resume = true;
    job.config.steps = 44;
    run(&job, false).unwrap();

    let read =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(out.join(name)).unwrap()).unwrap() };
    let config = read("config.json");
    assert_eq!(config["network"]["num_nodes"], 8);
    assert_eq!(config["options"]["steps"], 44);
    assert_eq!((&config["n_train"], &config["n_validation"]), (&json!(60), &json!(20)));
    assert_eq!(config["labels"].as_array().unwrap().len(), 10);
    let sessions = read("environment.json");
    assert_eq!((&sessions[0]["from_step"], &sessions[1]["from_step"]), (&json!(0), &json!(41)));
    for name in ["program", "command", "started", "system", "processor", "cores", "memory_bytes", "device"] {
        assert!(!sessions[0][name].is_null(), "{name} is missing: {sessions}");
    }
    for line in metrics(&out).iter().filter_map(|line| line.get("train")) {
        for share in ["accuracy", "waiting"] {
            assert!((0.0..=1.0).contains(&line[share].as_f64().unwrap()), "{share}: {line}");
        }
    }
    let svg = std::fs::read_to_string(out.join("curves.svg")).unwrap();
    assert!(svg.contains("learning rate") && svg.contains("validation, top-3"));
    assert!(std::fs::read(out.join("curves.png")).unwrap().starts_with(b"\x89PNG"));

    let mut files: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains("tfevents"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 2);
    for file in &files {
        let records = records(&std::fs::read(file).unwrap());
        assert!(records[0].windows(13).any(|part| part == b"brain.Event:2"));
        assert!(records.iter().any(|record| record.windows(15).any(|part| part == b"validation/loss")));
    }
    tensorboard_reads(&out);
}

/// Reads the event files by TensorBoard's own reader, where Python has it, and compares with
/// `metrics.jsonl`.
fn tensorboard_reads(out: &Path) {
    const READ: &str = "import json, sys\n\
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
        events = EventAccumulator(sys.argv[1]).Reload()\n\
        print(json.dumps({t: [[e.step, e.value] for e in events.Scalars(t)] for t in events.Tags()['scalars']}))";
    let Some(python) = python::with("tensorboard") else { return };
    let output = Command::new(&python).args(["-c", READ]).arg(out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (kind, names) in [
        ("train", ["loss", "accuracy", "learning_rate", "gradient_norm"]),
        ("validation", ["loss", "top1", "top3", "balanced_top1"]),
    ] {
        for name in names {
            let expected: Vec<(u64, f64)> = metrics(out)
                .iter()
                .filter_map(|line| Some((line["step"].as_u64()?, line.get(kind)?[name].as_f64()?)))
                .collect();
            let scalars = found[format!("{kind}/{name}")].as_array().unwrap();
            assert_eq!(scalars.len(), expected.len(), "{kind}/{name}");
            for (scalar, (step, value)) in scalars.iter().zip(expected) {
                assert_eq!(scalar[0], step, "{kind}/{name}");
                assert!((scalar[1].as_f64().unwrap() - value).abs() <= 1e-6 * value.abs().max(1.0));
            }
        }
    }
}

#[test]
fn a_run_learns_and_its_model_card_describes_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut job = job(&out, 150);
    job.config.batch_size = 16;
    job.config.learning_rate = 1e-2;
    job.config.eval_every_steps = 50;
    job.model.num_nodes = 24;
    job.model.dropout = 0.0;
    job.train = sample_set(1, 0, 40).into();
    job.validation = sample_set(1, 1, 10);
    let outcome = run(&job, false).unwrap();
    assert!(outcome.validation.top1 > 0.6, "{:?}", outcome.validation.figures);
    let classifier: Classifier<Flex> = model_folder::open(&out, &Default::default()).unwrap();
    let card = classifier.card();
    assert_eq!(card.training["drawings_seen"], card.training["steps"].as_u64().unwrap() * 16);
    let stated = card.figures["validation"]["balanced_top1"].as_f64().unwrap();
    let found =
        native_train::eval::evaluate(classifier.model(), &job.validation, &Default::default()).unwrap();
    assert!((stated - found.balanced_top1).abs() < 1e-9);
    assert_eq!(evaluations(&out).len(), 3);
    assert!(metrics(&out).iter().any(|line| line["train"]["drawings_per_s"].as_f64() > Some(0.0)));
    let last = metrics(&out).into_iter().rfind(|line| line.get("train").is_some()).unwrap();
    assert!(last["train"]["accuracy"].as_f64() > Some(0.4), "{last}");
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
    assert!(resumed(&|job| job.train = sample_set(1, 0, 5).into()).contains("60 drawings"));
    let renamed = |job: &mut Job| {
        let mut labels: Vec<String> = job.train.labels().to_vec();
        labels[0] = "round".to_owned();
        let mut data = DataSet::new(labels).unwrap();
        let set = only_set(job);
        for i in 0..set.len() {
            data.push(set.label(i), &set.drawing(i), &[]).unwrap();
        }
        job.train = data.into();
    };
    assert!(resumed(&renamed).contains("classes"));
    assert!(weights(&out) == before);
}

#[test]
fn a_checkpoint_keeps_the_best_so_far_to_its_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&job(&out, 2), false).unwrap();
    let mut state = Checkpoint::newest(&out).unwrap().unwrap().state;
    let contents = Contents { model: vec![], average: None, optimizer: vec![] };
    // Read by multiplication with a power of ten, each of these becomes the number beside it.
    for right in [1, 2, 4, 5, 10] {
        let best = f64::from(right) / 11.0;
        state.step += 1;
        (state.best, state.lowest_loss) = (Some((best, state.step)), Some(best));
        checkpoint::save(&out, &state, &contents, 1).unwrap();
        let read = Checkpoint::newest(&out).unwrap().unwrap().state;
        assert_eq!((read.best, read.lowest_loss), (state.best, state.lowest_loss));
    }
}

#[test]
fn a_flipped_bit_in_a_checkpoint_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut resumed = job(&out, 2);
    resumed.config.ema = 0.9;
    run(&resumed, false).unwrap();
    (resumed.resume, resumed.config.steps) = (true, 3);
    let newest = out.join("checkpoints/step-000000002");
    for name in ["model.bin", "average.bin", "optimizer.bin"] {
        let whole = std::fs::read(newest.join(name)).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        std::fs::write(newest.join(name), flipped).unwrap();
        let message = refusal(&resumed);
        assert!(message.contains(&format!("{name} is damaged: its checksum is")), "{message}");
        std::fs::remove_file(newest.join(name)).unwrap();
        assert!(refusal(&resumed).contains(&format!("cannot read {}", newest.join(name).display())));
        std::fs::write(newest.join(name), whole).unwrap();
    }
    let path = newest.join("state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let sums = state.as_object_mut().unwrap().remove("crc32c").unwrap();
    assert_eq!(sums.as_object().unwrap().len(), 3);
    state["format"] = 2.into();
    std::fs::write(&path, state.to_string()).unwrap();
    assert!(refusal(&resumed).contains("state.json: format 2 is unknown"));
    // One without format number and checksums is resumed.
    state.as_object_mut().unwrap().remove("format");
    state["burn"] = "0.20.1".into();
    std::fs::write(&path, state.to_string()).unwrap();
    assert!(refusal(&resumed).contains("state.json: its records were written with burn 0.20.1"));
    state.as_object_mut().unwrap().remove("burn");
    std::fs::write(&path, state.to_string()).unwrap();
    assert!(run(&resumed, false).unwrap().finished);
}

#[test]
fn a_run_folder_has_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&job(&out, 2), false).unwrap();
    let lock = std::fs::File::open(out.join("run.lock")).unwrap();
    lock.lock().unwrap();
    let resumed = Job { resume: true, ..job(&out, 3) };
    assert!(refusal(&resumed).contains("run: another process is at work on this run"));
    assert_eq!(Checkpoint::newest(&out).unwrap().unwrap().state.step, 2);
    // Nor may another run use one that has no checkpoint yet.
    std::fs::remove_dir_all(out.join("checkpoints")).unwrap();
    assert!(refusal(&job(&out, 3)).contains("another process is at work"));
    drop(lock);
    run(&job(&out, 3), false).unwrap();
    run(&Job { resume: true, ..job(&out, 4) }, false).unwrap();
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
    // An older one lacks the optimizer, and is resumed.
    let mut state: Value =
        serde_json::from_slice(&std::fs::read(newest.join("state.json")).unwrap()).unwrap();
    let options = state["train"].as_object_mut().unwrap();
    assert_eq!(options.remove("optimizer"), Some(json!("adamw")));
    // It also lacks the temperature of soft labels, and what the average of the weights begins
    // with.
    assert_eq!(options.remove("soft_temperature"), Some(json!(1.0)));
    assert_eq!(state.as_object_mut().unwrap().remove("starts_trained"), Some(json!(false)));
    std::fs::write(newest.join("state.json"), state.to_string()).unwrap();
    // Its network does not read the pen's state, whatever the options are now.
    let mut asked = Job { resume: true, ..job(&out, 2) };
    asked.model.pen_state = true;
    assert!(run(&asked, false).unwrap().finished);
    for file in ["model.json", "config.json"] {
        assert!(!std::fs::read_to_string(out.join(file)).unwrap().contains("pen_state"), "{file}");
    }
    let whole = std::fs::read(newest.join("optimizer.bin")).unwrap();
    std::fs::write(newest.join("optimizer.bin"), &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(&resumed).contains("optimizer.bin"));
    std::fs::write(newest.join("state.json"), "{").unwrap();
    assert!(refusal(&resumed).contains("state.json"));
}

#[test]
fn a_nan_loss_stops_the_run_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let diverges = |name: &str, checkpoint_every_steps, accumulate| {
        let out = folder.path().join(name);
        let mut tame = job(&out, 2);
        tame.config.accumulate = accumulate;
        run(&tame, false).unwrap();
        let kept = weights(&out);
        let mut wild = job(&out, 60);
        wild.resume = true;
        wild.config.accumulate = accumulate;
        wild.config.learning_rate = 1e38;
        wild.config.schedule = Schedule::Constant;
        wild.config.checkpoint_every_steps = checkpoint_every_steps;
        let message = refusal(&wild);
        assert!(message.contains("diverged"), "{message}");
        assert!(message.contains("the loss is NaN") || message.contains("the loss is inf"), "{message}");
        assert_eq!(weights(&out), kept, "the model of a run that diverged");
        (message, Checkpoint::newest(&out).unwrap().unwrap().state.step)
    };
    let (message, newest) = diverges("each", 1, 1);
    // What is kept as the last checkpoint is from before: its step can be told from the message.
    assert!(message.contains(&format!("at step {} ", newest + 1)), "{message}, kept step {newest}");
    // Steps whose losses are read together: the same is told, and nothing of them was kept.
    assert_eq!(diverges("together", 0, 1), (message, 2));
    assert_eq!(diverges("accumulated", 0, 2).1, 2);
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
    assert!(refused(&|c| c.ema = 1.0).contains("ema"));
    assert!(refused(&|c| c.accumulate = 0).contains("accumulate"));
    assert!(refused(&|c| c.sampling = Sampling::Balanced { power: f32::NAN }).contains("balance_power"));
}

#[test]
fn the_learning_rate_rises_and_falls() {
    let config = TrainConfig { steps: 110, warmup_steps: 10, learning_rate: 1.0, ..TrainConfig::fast() };
    for (schedule, rates) in [
        (Schedule::Constant, [(0, 0.1), (9, 1.0), (60, 1.0), (109, 1.0)].as_slice()),
        (Schedule::Cosine, &[(0, 0.1), (9, 1.0), (60, 0.5), (85, 0.146_446_609_4), (110, 0.0)]),
        (Schedule::Trapezoid, &[(0, 0.1), (9, 1.0), (88, 1.0), (99, 0.5), (110, 0.0)]),
        // PyTorch's OneCycleLR: pct_start 0.3, div_factor 25, final_div_factor 10,000.
        (Schedule::OneCycle, &[(0, 0.04), (33, 1.0), (110, 4e-6)]),
    ] {
        let config = TrainConfig { schedule, ..config };
        for &(step, expected) in rates {
            let found = config.learning_rate_at(step);
            assert!((found - expected).abs() < 1e-9, "{schedule:?}, step {step}: {found}");
        }
    }
    let one_cycle = TrainConfig { schedule: Schedule::OneCycle, ..config };
    assert!((0..32).all(|step| one_cycle.learning_rate_at(step) < one_cycle.learning_rate_at(step + 1)));
    assert!((33..109).all(|step| one_cycle.learning_rate_at(step) > one_cycle.learning_rate_at(step + 1)));
    let trapezoid = TrainConfig { schedule: Schedule::Trapezoid, ..config };
    let longer = TrainConfig { steps: 1000, ..trapezoid };
    assert!((0..=88).all(|step| longer.learning_rate_at(step) == trapezoid.learning_rate_at(step)));
}
