//! `bench`: the speed of training and inference on this machine, on synthetic drawings.

use std::io::{Write, stdout};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::Flex;
use clap::ValueEnum;
use quickdraw_core::ops::KernelBackend;
use quickdraw_core::{Drawing, Ink, Model, ModelBackend, ModelConfig};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::preset::Preset;
use crate::data::PreparedBatch;
use crate::device::{Device, DeviceChoice, Precision, start_threads};
use crate::train::{Devices, TrainConfig, optimizer};

/// Flags of `bench`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Time training only
    #[arg(long, conflicts_with = "infer")]
    pub train: bool,
    /// Time inference only
    #[arg(long)]
    pub infer: bool,
    /// Network and options of a step, with 345 categories
    #[arg(long, value_enum, default_value_t = Preset::Fast)]
    pub preset: Preset,
    /// Batch size [default: the preset's]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    /// Time steps of every drawing
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
    /// Precision of the factors of matrix products
    #[arg(long, value_enum, default_value_t)]
    pub precision: Precision,
    /// Processor threads to compute with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// What the flags describe.
    ///
    /// # Errors
    /// When the seconds are not a valid duration.
    pub fn options(&self) -> Result<Options> {
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
            true => Lengths::Real,
            false => Lengths::Exactly(self.length.get()),
        };
        Ok(Options { model, train: TrainConfig { batch_size, ..train }, lengths, duration })
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    start_threads(args.threads)?;
    let options = args.options()?;
    let device = args.device.find()?;
    args.precision.set_for(device)?;
    let [train, infer] = match device {
        Device::Cpu => speeds::<Autodiff<Flex>>(args, &options, &Default::default())?,
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => {
            speeds::<Autodiff<burn_cuda::Cuda>>(args, &options, &burn_cuda::CudaDevice::new(index))?
        }
        #[cfg(feature = "wgpu")]
        Device::Wgpu => speeds::<Autodiff<burn_wgpu::Wgpu>>(args, &options, &Default::default())?,
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
            "lengths": batch_lengths(&options)?,
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
        if let Some(Speed { drawings_per_s, n_repetitions }) = speed {
            writeln!(stdout, "{name} {drawings_per_s:.1} (median of {n_repetitions})")?;
        }
    }
    Ok(())
}

/// Times what was asked for: training, inference.
fn speeds<B>(args: &Args, options: &Options, device: &B::Device) -> Result<[Option<Speed>; 2]>
where
    B: AutodiffBackend + ModelBackend,
    B::InnerBackend: KernelBackend,
{
    let train = (!args.infer).then(|| train::<B>(options, device)).transpose()?;
    let infer = (!args.train).then(|| infer::<B>(options, device)).transpose()?;
    Ok([train, infer])
}

/// Points of the simplified drawings of Quick, Draw! by share of drawings, from 24,161 of all 345
/// categories. The longest of all have 800 and more; training cuts them at 250.
const POINTS: [(f64, f64); 14] = [
    (0.0, 2.0),
    (0.05, 16.0),
    (0.1, 19.0),
    (0.2, 25.0),
    (0.3, 30.0),
    (0.4, 35.0),
    (0.5, 40.0),
    (0.6, 45.0),
    (0.7, 52.0),
    (0.8, 60.0),
    (0.9, 75.0),
    (0.95, 89.0),
    (0.99, 141.0),
    (1.0, 250.0),
];

/// Batches of a repetition: enough to represent all lengths of the data set, and to keep a GPU
/// busy.
const N_BATCHES: usize = 8;

/// Warm-up repetitions, and the minimum number of timed ones.
const N_WARM_UP: usize = 2;
const N_TIMED: usize = 3;

/// Lengths of the drawings, in time steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// All the same.
    Exactly(usize),
    /// As the data set's, in batches as training makes them.
    Real,
}

/// What to time.
#[derive(Clone, Debug)]
pub struct Options {
    /// The network.
    pub model: ModelConfig,
    /// Drawings in a batch, and the options of a step.
    pub train: TrainConfig,
    /// Lengths of the drawings, in time steps.
    pub lengths: Lengths,
    /// For how long, each of training and recognising.
    pub duration: Duration,
}

/// Median over the repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Drawings per second.
    pub drawings_per_s: f64,
    /// Repetitions that were timed.
    pub n_repetitions: usize,
}

/// Times whole steps of training: forward, loss, backward, clipping, optimizer.
///
/// # Errors
/// When the options are invalid.
pub fn train<B>(options: &Options, device: &B::Device) -> Result<Speed>
where
    B: AutodiffBackend + ModelBackend,
    B::InnerBackend: KernelBackend,
{
    let batches = batches(options)?;
    let mut model: Option<Model<B>> = Some(options.model.init(device)?);
    let mut optimizer = optimizer::<B>(&options.train, &options.model);
    let mut devices = Devices::new(std::slice::from_ref(device))?;
    time(options, batches.len(), || {
        let mut losses = Vec::new();
        for batch in &batches {
            // A learning rate of zero, so that training cannot diverge; the arithmetic is the same.
            let before = model.take().expect("the step before gave it back");
            let step =
                devices.step(before, &mut optimizer, vec![(batch.clone(), 1)], 0.0, false, &options.train)?;
            losses.extend(step.losses);
            model = Some(step.model);
        }
        // Reading the losses waits for the device, as training does once per window of steps.
        Tensor::cat(losses, 0).into_data();
        Ok(())
    })
}

/// Times inference: ink in, logits out.
///
/// # Errors
/// When the options are invalid.
pub fn infer<B>(options: &Options, device: &B::Device) -> Result<Speed>
where
    B: AutodiffBackend,
    B::InnerBackend: KernelBackend,
{
    let batches = batches(options)?;
    let model: Model<B> = options.model.init(device)?;
    let model = model.valid();
    time(options, batches.len(), || {
        for batch in &batches {
            model.forward(&model.config().batch(&batch.inks, device)?)?.into_data();
        }
        Ok(())
    })
}

fn time(options: &Options, n_batches: usize, mut repeat: impl FnMut() -> Result<()>) -> Result<Speed> {
    for _ in 0..N_WARM_UP {
        repeat()?;
    }
    let mut seconds = Vec::new();
    let started = Instant::now();
    while seconds.len() < N_TIMED || started.elapsed() < options.duration {
        let start = Instant::now();
        repeat()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let n_drawings = options.train.batch_size * n_batches;
    Ok(Speed { drawings_per_s: n_drawings as f64 / median, n_repetitions: seconds.len() })
}

/// The length of each drawing of each batch of a repetition, the same at every call.
///
/// # Errors
/// When batches are to have no drawings.
pub fn batch_lengths(options: &Options) -> Result<Vec<Vec<usize>>> {
    let batch_size = options.train.batch_size;
    ensure!(batch_size > 0, "batch_size is 0; at least 1 was expected");
    let mut rng = ChaCha8Rng::seed_from_u64(options.train.seed);
    let mut lengths = match options.lengths {
        Lengths::Exactly(length) => vec![length; batch_size * N_BATCHES],
        Lengths::Real => real_lengths(batch_size * N_BATCHES),
    };
    if options.train.bucket_batches == 1 {
        // Training without sorting by length puts long and short ones together.
        rand::seq::SliceRandom::shuffle(lengths.as_mut_slice(), &mut rng);
    }
    Ok(lengths.chunks_exact(batch_size).map(<[_]>::to_vec).collect())
}

/// The batches of a repetition, the same at every call.
fn batches(options: &Options) -> Result<Vec<PreparedBatch>> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.train.seed);
    let n_classes = options.model.n_classes;
    let mut batch = |(step, lengths): (usize, Vec<usize>)| {
        let labels: Vec<usize> = lengths.iter().map(|_| rng.random_range(0..n_classes)).collect();
        let mut targets = vec![0.0; lengths.len() * n_classes];
        for (row, &label) in targets.chunks_exact_mut(n_classes).zip(&labels) {
            row[label] = 1.0;
        }
        let inks = lengths.iter().map(|&length| ink(length, options, &mut rng)).collect();
        PreparedBatch { step: step as u64, inks, targets, labels }
    };
    Ok(batch_lengths(options)?.into_iter().enumerate().map(&mut batch).collect())
}

/// Lengths of `n` drawings, ascending: evenly spread over the quantiles of [`POINTS`].
fn real_lengths(n: usize) -> Vec<usize> {
    let length = |share: f64| {
        let after = POINTS.partition_point(|&(known, _)| known < share).clamp(1, POINTS.len() - 1);
        let ((left, low), (right, high)) = (POINTS[after - 1], POINTS[after]);
        (low + (high - low) * (share - left) / (right - left)).round() as usize
    };
    (0..n).map(|i| length((i as f64 + 0.5) / n as f64)).collect()
}

/// A scribble of `n_rows` time steps.
fn ink(n_rows: usize, options: &Options, rng: &mut impl Rng) -> Ink {
    /// Points of a stroke, which is about what drawings have.
    const STROKE: usize = 10;
    let format = options.model.ink;
    let points = |n: usize, rng: &mut dyn rand::RngCore| -> Vec<[f32; 2]> {
        (0..n).map(|_| [0, 1].map(|_| rng.random_range(0..=255u8).into())).collect()
    };
    let scribble = |n_points: usize, rng: &mut dyn rand::RngCore| {
        let strokes = points(n_points, rng).chunks(STROKE).map(<[_]>::to_vec).collect();
        let drawing = Drawing::from_strokes(strokes).expect("points of a byte each make a drawing");
        Ink::from_drawing(&drawing, format)
    };
    let ink = scribble(n_rows.max(1), rng);
    // In one of the formats the first point gives no row.
    if ink.n_rows() < n_rows { scribble(n_rows + 1, rng) } else { ink }
}
