//! `predict`: drawings from a file or standard input, predictions on standard output.

use std::io::{self, Write, stdout};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn_flex::Flex;
use quickdraw_core::{Classifier, Drawing, ModelBackend, Record};
use serde::de::IgnoredAny;
use serde_json::json;

use super::compute::Compute;
use crate::data::format::entry::Entry;
use crate::data::format::names::STANDARD_INPUT;
use crate::data::format::open::Records;
use crate::device::Device;
use crate::model_folder;
use crate::tell::tell;

/// Flags of `predict`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Model folder: model.json and weights.safetensors
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// File of drawings in any form that train reads, or of lists of strokes, one a line; - is
    /// standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Print one JSON object per drawing
    #[arg(long)]
    pub json: bool,
    /// Add the logits of all classes, in the order of the labels
    #[arg(long, requires = "json")]
    pub logits: bool,
    /// Predictions per drawing
    #[arg(long, value_name = "N", default_value = "5")]
    pub max_results: NonZeroUsize,
    #[command(flatten)]
    pub compute: Compute,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    match args.compute.start()? {
        Device::Cpu => run_on::<Flex>(args, &Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => run_on::<burn_cuda::Cuda>(args, &burn_cuda::CudaDevice::new(index)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => run_on::<burn_wgpu::Wgpu>(args, &Default::default()),
    }
}

fn run_on<B: ModelBackend>(args: &Args, device: &B::Device) -> Result<()> {
    let classifier = model_folder::open::<B>(&args.model, device)?;
    let (json, logits) = (args.json, args.logits);
    predict(&classifier, &args.file, json, logits, args.max_results.get(), &mut stdout().lock())
}

/// Recognises every drawing of a file in any published format, also compressed, or of standard
/// input (`-`); a line may also be a bare list of strokes. `json` prints an object for each, in
/// which `logits` adds those of all classes; a line that holds no drawing is reported on standard
/// error with its line number, and the rest goes on.
///
/// # Errors
/// When the file cannot be read, the output cannot be written, or, at the end, when lines were bad.
fn predict<B: ModelBackend>(
    classifier: &Classifier<B>,
    file: &Path,
    json: bool,
    logits: bool,
    max_results: usize,
    out: &mut impl Write,
) -> Result<()> {
    let name = match file.as_os_str() == STANDARD_INPUT {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    };
    let mut n_bad = 0usize;
    let mut n_lines = 0;
    let mut records = Records::open(file)?;
    while let Some((number, parsed)) = next(&mut records).with_context(|| format!("cannot read {name}"))? {
        n_lines = number;
        let (word, drawing) = match parsed {
            Ok(None) => continue,
            Ok(Some(parsed)) => parsed,
            Err(error) => {
                n_bad += 1;
                tell!("{name}:{number}: {error:#}");
                continue;
            }
        };
        let drawing = drawing.simplify();
        let predictions = classifier.classify(&drawing, max_results)?;
        if json {
            let mut object = json!({ "line": number, "word": word, "predictions": predictions });
            if logits {
                object["logits"] = json!(classifier.logits(std::slice::from_ref(&drawing))?[0]);
            }
            writeln!(out, "{object}")?;
        } else {
            let shown: Vec<String> =
                predictions.iter().map(|p| format!("{} {:.1} %", p.label, 100.0 * p.probability)).collect();
            let word = word.map_or(String::new(), |word| format!(" ({word})"));
            writeln!(out, "{number}{word}: {}", shown.join(", "))?;
        }
    }
    match (n_lines, n_bad) {
        (0, _) => bail!("{name} is empty; ndjson lines of drawings were expected"),
        (_, 0) => Ok(()),
        _ => bail!("{n_bad} of {n_lines} lines of {name} are no drawings"),
    }
}

/// The word, where there is one, and the drawing.
type Parsed = (Option<String>, Drawing);

/// The next line or drawing with its number. `None` for an empty line.
fn next(records: &mut Records) -> io::Result<Option<(u64, Result<Option<Parsed>>)>> {
    if let Records::Lines(lines) = records {
        let line = lines.next_line()?;
        return Ok(line.map(|line| (line.number, line.text().map_err(anyhow::Error::msg).and_then(parse))));
    }
    let entry = records.next_entry()?;
    Ok(entry.map(|Entry { number, record }| {
        let parsed = record.map(|record| Some((Some(record.word), record.drawing)));
        (number, parsed.map_err(anyhow::Error::msg))
    }))
}

/// An ndjson line of the data set, or a bare list of strokes; the word where there is one. `None`
/// for an empty line.
fn parse(line: &str) -> Result<Option<Parsed>> {
    // Only white space of JSON; and some editors begin a file with a byte order mark.
    let text = line.strip_prefix('\u{feff}').unwrap_or(line).trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('[') {
        // Anything after the value would be parsed as further fields.
        serde_json::from_str::<IgnoredAny>(text).context("not a list of strokes")?;
        // Only the parser of records knows the format of strokes.
        let record = Record::parse(&format!("{{\"word\":\"-\",\"drawing\":{text}}}"))?;
        return Ok(Some((None, record.drawing)));
    }
    let record = Record::parse(text)?;
    Ok(Some((Some(record.word), record.drawing)))
}
