//! `eval`: the accuracy of a model.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::Result;
use burn_flex::Flex;
use quickdraw_core::ModelBackend;

use super::compute::Compute;
use crate::data::augment::Picture;
use crate::data::{ReadOptions, read_folder};
use crate::device::Device;
use crate::eval::{AtFraction, Confusion, Measurement, Summary, report};
use crate::model_folder;
use crate::tell::tell;

/// Flags of `eval`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Model folder: model.json and weights.safetensors
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder, file or pattern of drawings, of any form that train reads
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Measure each drawing a second time, re-rendered as pointer events as in a browser: other
    /// sizes, dense and shaky
    #[arg(long)]
    pub redraw: bool,
    /// Measure each drawing a second time, traced from a picture of it, as strokesFromImage of the
    /// package does: pixels along a side and the width of the pen, as 256:10
    #[arg(long, value_name = "SIDE:PEN")]
    pub trace: Option<Picture>,
    /// Do not tell the model that the pen is down where an unfinished drawing ends within a stroke
    #[arg(long)]
    pub pen_up: bool,
    /// Drawings of unknown categories, to measure whether the model is less confident about them
    #[arg(long, value_name = "DIR")]
    pub unknown: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write a page with charts and the drawings it got wrong, tables and pictures into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub compute: Compute,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    let measurement = match args.compute.start()? {
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

fn measure<B: ModelBackend>(args: &Args, device: &B::Device) -> Result<Measurement> {
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
    if let Some(picture) = args.trace {
        measurement = measurement.with_traced(picture);
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
    for (name, figures) in
        [("re-rendered as pointer events", &summary.redrawn), ("traced from pictures", &summary.traced)]
    {
        let Some(figures) = figures else { continue };
        let [all, balanced] = [figures.top1, figures.balanced_top1].map(|share| 100.0 * share);
        writeln!(out, "{name}: top-1 {all:.2} %, class-balanced {balanced:.2} %")?;
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
