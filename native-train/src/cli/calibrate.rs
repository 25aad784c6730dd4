//! `calibrate`: temperature and threshold of a model, written into its `model.json`.

use std::fs;
use std::io::{self, Write, stdout};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use burn_flex::Flex;
use quickdraw_core::ModelBackend;
use quickdraw_core::weights::{self, WeightType};
use serde_json::json;

use super::compute::Compute;
use crate::data::ReadReport;
use crate::device::Device;
use crate::eval::calibrate::{self, Calibrated, ConfidenceFit};
use crate::fs::write_all_atomic;
use crate::model_folder::{self, card_text, write_card};
use crate::tell::tell;

/// Flags of `calibrate`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Model folder, whose model.json is changed, and with --class-biases the weights
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder, file or pattern of drawings, of any form that train reads, that the model is neither
    /// trained nor evaluated on
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Also add a bias for each category to the last layer, so that it is predicted about as often
    /// as it occurs in the data, which should be as often as in use: once per model, before its
    /// export to int8
    #[arg(long)]
    pub class_biases: bool,
    /// Add class biases to a model that already has some
    #[arg(long, requires = "class_biases")]
    pub again: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// The field by which `model.json` says that `calibrate --class-biases` has changed the weights.
const CLASS_BIASES: &str = "class_biases";

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    let device = args.compute.start()?;
    // The model that is changed and written, on whichever device it is measured.
    let classifier = model_folder::open::<Flex>(&args.model, &Default::default())?;
    let weights_path = args.model.join("weights.safetensors");
    let weight_type = weights::weight_type(&fs::read(&weights_path)?)?;
    if args.class_biases {
        ensure!(
            weight_type != WeightType::Int8,
            "{}: these weights are int8; --class-biases needs the model before its export",
            weights_path.display()
        );
        ensure!(
            args.again || !classifier.card().training.contains_key(CLASS_BIASES),
            "{} has class biases already, as its model.json says; --again adds more",
            args.model.display()
        );
    }
    let (found, report) = match device {
        Device::Cpu => find::<Flex>(args, &Default::default())?,
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => find::<burn_cuda::Cuda>(args, &burn_cuda::CudaDevice::new(index))?,
        #[cfg(feature = "wgpu")]
        Device::Wgpu => find::<burn_wgpu::Wgpu>(args, &Default::default())?,
    };
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

fn find<B: ModelBackend>(args: &Args, device: &B::Device) -> Result<(Calibrated, ReadReport)> {
    let classifier = model_folder::open::<B>(&args.model, device)?;
    calibrate::calibrate(&classifier, &args.data, args.class_biases, device)
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
        writeln!(out, "each of the following figures is of drawings that the biases were not fitted on")?;
        writeln!(
            out,
            "class-balanced top-1 {:.2} % (before {:.2} %)",
            100.0 * balanced_top1.after,
            100.0 * balanced_top1.before
        )?;
    }
    writeln!(out, "loss {:.4} (before {:.4})", loss.after, loss.before)?;
    writeln!(out, "whole drawings, of which there are {n}:")?;
    print_calibration(out, whole)?;
    writeln!(out, "moments of the same drawings at which the pen was down:")?;
    print_calibration(out, pen_down)
}

fn print_calibration(
    out: &mut impl Write,
    ConfidenceFit { calibration, ece, share_above }: &ConfidenceFit,
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
        "    top-1 predictions of at least {:.3} are correct in {:.0} of 100 cases; {:.1} % have one",
        calibration.threshold,
        100.0 * calibrate::TARGET_ACCURACY,
        100.0 * share_above
    )
}
