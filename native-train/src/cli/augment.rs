//! `augment`: files of drawings in, one file of augmented copies and combinations of them out.
//!
//! A drawing of the output depends on the data, the options, the seed and its number alone, so that
//! the number of threads changes nothing. The drawings that are read are kept in memory, about a
//! hundred bytes each; those that are made are written in parts.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use quickdraw_core::Drawing;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::augmentation::AugmentationFlags;
use crate::data::augment::{interpolate, with_strokes_of};
use crate::data::loader::ClassSampler;
use crate::data::write::{LinesFile, line, probabilities};
use crate::data::{Augmentation, DataSet, ReadOptions, Validation, read_folders, synthetic};
use crate::device::start_threads;
use crate::tell::tell;

/// Flags of `augment`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Folders, files or patterns of drawings, in any format that train reads; without any the
    /// built-in sample drawings
    #[arg(value_name = "IN")]
    pub inputs: Vec<PathBuf>,
    /// File to write, .ndjson or .ndjson.gz
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Copies of each drawing
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub copies: u64,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Fraction of the output that is interpolated between two drawings of a category with as many
    /// strokes, paired in order, by 20 to 80 %
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub between: f32,
    /// Fraction of the output with some strokes of another drawing of the category; another name of
    /// --augment-borrow-strokes [default: 0]
    #[arg(long, value_name = "SHARE", conflicts_with = "augment_borrow_strokes")]
    pub borrow: Option<f32>,
    /// Fraction of the output that mixes strokes of drawings of two categories; its word is the
    /// category of most points. Meant to be labelled by teacher models
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub mix: f32,
    /// Make COPIES x drawings in all, whose category is chosen with probability ~ (its drawings)^X:
    /// 0 all alike, 1 as the data is [default: COPIES of each drawing]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub balance_power: Option<f32>,
    /// Leave out the last N drawings of each category, but never more than half of them: the
    /// validation part
    #[arg(long, value_name = "N", conflicts_with = "only_last")]
    pub skip_last: Option<usize>,
    /// Only the drawings that --skip-last N leaves out
    #[arg(long, value_name = "N")]
    pub only_last: Option<usize>,
    /// Keep the `soft` labels; a drawing made of two gets those of both, weighted
    #[arg(long)]
    pub keep_soft: bool,
    /// Processor threads to compute with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Augmentation. A drawing that is truncated by --augment-prefix does not say that the pen was
    /// down.
    #[command(flatten)]
    pub augmentation: AugmentationFlags,
}

impl Args {
    fn options(&self) -> Result<Options> {
        let augmentation = self.augmentation.over(Augmentation::default());
        augmentation.validate()?;
        let borrow = self.borrow.unwrap_or(augmentation.borrow_strokes);
        let shares = [("--between", self.between), ("--borrow", borrow), ("--mix", self.mix)];
        for (flag, share) in shares {
            ensure!((0.0..=1.0).contains(&share), "{flag} is {share}; 0 to 1 was expected");
        }
        let sum: f32 = shares.iter().map(|(_, share)| share).sum();
        ensure!(sum <= 1.0 + 1e-6, "--between, --borrow and --mix add up to {sum}; at most 1 was expected");
        if let Some(power) = self.balance_power {
            ensure!(power.is_finite(), "--balance-power is {power}; a finite number was expected");
        }
        ensure!(self.copies > 0, "--copies is 0; at least 1 was expected");
        Ok(Options {
            n_copies: self.copies,
            seed: self.seed,
            between: self.between,
            borrow,
            mix: self.mix,
            balance_power: self.balance_power,
            keep_soft: self.keep_soft,
            // Borrowing is a separate kind here.
            augmentation: Augmentation { borrow_strokes: 0.0, ..augmentation },
        })
    }
}

/// Runs the command; tells what was written.
///
/// # Errors
/// Flags out of their range, drawings that cannot be read, an output that cannot be written.
pub(super) fn run(args: &Args) -> Result<String> {
    start_threads(args.threads)?;
    let options = args.options()?;
    let folders: Vec<_> = args.inputs.iter().map(|input| (input.as_path(), ReadOptions::default())).collect();
    let mut data = DataSet::default();
    for (input, (part, report)) in args.inputs.iter().zip(read_folders(&folders, None)?) {
        tell!("{}: {report}", input.display());
        if data.n_classes() == 0 {
            data = part;
        } else {
            data.append(&part, None)?;
        }
    }
    if args.inputs.is_empty() {
        data = synthetic::sample_set(args.seed, 0, synthetic::N_TRAIN_PER_CLASS);
    }
    if let Some(n) = args.skip_last {
        data = data.split_validation(Validation::LastPerClass(n), 0).0;
    } else if let Some(n) = args.only_last {
        data = data.split_validation(Validation::LastPerClass(n), 0).1;
    }
    ensure!(!data.is_empty(), "no drawings are left to make others of");
    let mut file = LinesFile::create(&args.out)?;
    let n = augment(&data, &options, |lines| file.write(lines))?;
    file.finish()?;
    Ok(format!("{}: {n} drawings made of {}", args.out.display(), data.len()))
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Copies of each drawing.
    pub n_copies: u64,
    /// Random seed.
    pub seed: u64,
    /// Fraction of the drawings that are interpolated between two of a category.
    pub between: f32,
    /// Fraction with some strokes of another drawing of the category.
    pub borrow: f32,
    /// Fraction with strokes of drawings of two categories.
    pub mix: f32,
    /// If set, categories are sampled by their number of drawings raised to this power; otherwise
    /// each drawing is used equally often.
    pub balance_power: Option<f32>,
    /// Whether soft labels are kept.
    pub keep_soft: bool,
    /// Augmentation.
    pub augmentation: Augmentation,
}

/// Drawings that are made before they are written.
const PART_SIZE: u64 = 1 << 13;

/// Attempts to find another drawing with as many strokes, or one that lends some of its strokes.
const N_ATTEMPTS: usize = 16;

/// Interpolation weights between two drawings.
const INTERPOLATION_WEIGHTS: std::ops::RangeInclusive<f32> = 0.2..=0.8;

/// Makes drawings and passes their lines to `each` in parts, in order. Returns the number of
/// drawings.
///
/// # Errors
/// Those of `each`.
pub fn augment(data: &DataSet, options: &Options, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let maker =
        Maker { data, options, classes: ClassSampler::new(data, options.balance_power.unwrap_or(1.0)) };
    let n = options.n_copies * data.len() as u64;
    for start in (0..n).step_by(PART_SIZE as usize) {
        let part = start..n.min(start + PART_SIZE);
        let lines: Vec<String> = part.into_par_iter().map(|number| maker.line(number)).collect();
        each(lines.concat().as_bytes())?;
    }
    Ok(n)
}

struct Maker<'a> {
    data: &'a DataSet,
    options: &'a Options,
    classes: ClassSampler,
}

/// A drawing before augmentation.
struct Made {
    drawing: Drawing,
    /// How it was made.
    source: String,
    /// The category of most of its points.
    label: usize,
    /// The other drawing that it was made of, and its share.
    other: Option<(usize, f32)>,
}

impl Maker<'_> {
    /// The line of the drawing of that number.
    fn line(&self, number: u64) -> String {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(number);
        let index = match self.options.balance_power {
            Some(_) => self.classes.choose(&mut rng),
            None => (number % self.data.len() as u64) as usize,
        };
        let Made { drawing, mut source, label, other } = self.combined(index, &mut rng);
        let is_varied = self.options.augmentation != Augmentation::none();
        let drawing = match (is_varied, other) {
            (false, None) => drawing,
            _ => self.options.augmentation.apply(&drawing, &mut rng).simplify(),
        };
        if is_varied {
            source += ", augmented";
        }
        let mut fields = format!("\"source\":{},", serde_json::Value::from(source));
        if self.options.keep_soft {
            let soft = self.soft(index, other);
            if !soft.is_empty() {
                let named = soft.iter().map(|&(class, p)| (self.data.labels()[class].as_str(), p));
                fields += &format!("\"soft\":{},", probabilities(named));
            }
        }
        line(&drawing, &fields, &self.data.labels()[label])
    }

    /// The drawing itself, or one made of it and another; where no other fits, itself.
    fn combined(&self, index: usize, rng: &mut impl Rng) -> Made {
        let (data, Options { between, borrow, mix, .. }) = (self.data, *self.options);
        let label = data.label(index);
        let drawing = data.drawing(index);
        let aim = rng.random::<f32>();
        if aim < between {
            let weight = rng.random_range(INTERPOLATION_WEIGHTS);
            for _ in 0..N_ATTEMPTS {
                let other = self.classes.choose_of(label, rng);
                let fits = other != index;
                if let Some(drawing) =
                    fits.then(|| interpolate(&drawing, &data.drawing(other), weight)).flatten()
                {
                    let source = format!("between {weight:.2}");
                    return Made { drawing, source, label, other: Some((other, weight)) };
                }
            }
        } else if aim < between + borrow {
            for _ in 0..N_ATTEMPTS {
                let other = self.classes.choose_of(label, rng);
                let (drawing, share) = with_strokes_of(&drawing, &data.drawing(other), rng);
                if other != index && share > 0.0 {
                    return Made { drawing, source: "borrow".into(), label, other: Some((other, share)) };
                }
            }
        } else if aim < between + borrow + mix {
            for _ in 0..N_ATTEMPTS {
                let other = self.classes.choose(rng);
                let (drawing, share) = with_strokes_of(&drawing, &data.drawing(other), rng);
                let other_label = data.label(other);
                if other_label != label && share > 0.0 {
                    let is_other = share > 0.5;
                    let [label, with] = if is_other { [other_label, label] } else { [label, other_label] };
                    let source = format!("mix with {}", data.labels()[with]);
                    return Made { drawing, source, label, other: Some((other, share)) };
                }
            }
        }
        Made { drawing, source: "copy".to_owned(), label, other: None }
    }

    /// The soft labels of a drawing, or of two by their shares, most probable first; empty where
    /// neither has any.
    fn soft(&self, index: usize, other: Option<(usize, f32)>) -> Vec<(usize, f64)> {
        let other_share = other.map_or(0.0, |(_, share)| f64::from(share));
        let parts = [(Some(index), 1.0 - other_share), (other.map(|(other, _)| other), other_share)];
        let parts = parts.into_iter().filter_map(|(index, share)| Some((index?, share)));
        let mut soft = vec![0.0; self.data.n_classes()];
        let mut has_any = false;
        for (index, share) in parts {
            let own = self.data.soft(index);
            let sum: f64 = own.iter().map(|&(_, p)| f64::from(p)).sum();
            if sum > 0.0 {
                has_any = true;
                own.iter().for_each(|&(class, p)| soft[usize::from(class)] += share * f64::from(p) / sum);
            } else {
                soft[self.data.label(index)] += share;
            }
        }
        let mut soft: Vec<(usize, f64)> = soft.into_iter().enumerate().filter(|&(_, p)| p >= 5e-7).collect();
        soft.sort_by(|a, b| b.1.total_cmp(&a.1));
        if has_any { soft } else { Vec::new() }
    }
}
