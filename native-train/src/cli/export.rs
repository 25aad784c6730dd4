//! `export`: a model in another format.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn_flex::Flex;
use clap::ValueEnum;
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{Classifier, QuantizedModel};

use crate::device::start_threads;
use crate::eval::{Network, compare};
use crate::export::onnx;
use crate::fs::write_all_atomic;
use crate::model_folder::{self, card_text, write_card};
use crate::tell::tell;

/// What `export` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A model folder, as the browser reads it
    #[default]
    Folder,
    /// model.onnx (opset 17) for other runtimes, with model.json beside it
    Onnx,
}

/// How exported weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportType {
    /// float32, exact
    F32,
    /// float16
    F16,
    /// int8 with a scale for each column of a matrix
    Int8,
}

/// Flags of `export`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Model folder to read
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = ExportFormat::Folder)]
    pub format: ExportFormat,
    /// How the weights are stored [default: f16, in ONNX f32, which it is always]
    #[arg(long, value_enum)]
    pub weights: Option<ExportType>,
    /// Measure the accuracy lost by the stored weights on these drawings, a folder, file or pattern
    /// of any form that train reads, and put the figures into model.json under "test"
    #[arg(long, value_name = "DIR")]
    pub test_data: Option<PathBuf>,
    /// Processor threads to compute with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    start_threads(args.threads)?;
    let classifier = model_folder::open::<Flex>(&args.model, &Default::default())?;
    ensure!(
        fs::canonicalize(&args.out).ok() != fs::canonicalize(&args.model).ok(),
        "--out is the folder of --model: choose another, so that the original weights are kept"
    );
    match args.format {
        ExportFormat::Folder => export_folder(args, &classifier),
        ExportFormat::Onnx => export_onnx(args, &classifier),
    }
}

fn export_folder(args: &Args, classifier: &Classifier<Flex>) -> Result<()> {
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
    // Printed at the end, so that the figures are written even if nobody reads.
    let mut text = format!("{}: {} bytes of weights", args.out.display(), bytes.len());
    if let Some(data) = &args.test_data {
        // The exported weights are measured, not the original ones.
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
             the same top-1 prediction for {:.2} % of {} drawings",
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

fn export_onnx(args: &Args, classifier: &Classifier<Flex>) -> Result<()> {
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
