//! `label`: files of drawings in, the same lines with the probabilities of teacher models as `soft`
//! labels out.
//!
//! (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.) Lines keep
//! their order and everything but `soft`; drawings of other formats become lines. Memory holds some
//! thousand drawings at a time.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use burn_flex::Flex;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use quickdraw_core::{Classifier, Drawing, Ink, ModelBackend, Record};

use super::compute::Compute;
use super::weighted::{self, Weighted};
use crate::data::format::entry::{Entry, Fields};
use crate::data::format::fast_ndjson;
use crate::data::format::open::Records;
use crate::data::write::{self, LinesFile};
use crate::data::{ReadReport, find_inputs, set};
use crate::device::Device;
use crate::eval::log_softmax;
use crate::model_folder;
use crate::tell::tell;

/// How teachers are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mean {
    /// The weighted geometric mean of the probabilities, normalised: what all teachers agree on
    #[default]
    Geometric,
    /// The weighted arithmetic mean of the probabilities: what any teacher considers possible
    Arithmetic,
}

/// Flags of `label`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Folders, files or patterns of drawings, of any form that train reads
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// File to write, .ndjson or .ndjson.gz
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Model folder of a teacher, whose calibrated probabilities are used; of several with a weight
    /// as a=2, or all alike
    #[arg(long = "teacher", value_name = "MODEL[=WEIGHT]", required = true, value_parser = Weighted::parser())]
    pub teachers: Vec<Weighted>,
    /// How several teachers are combined
    #[arg(long, value_enum, default_value_t)]
    pub mean: Mean,
    /// Number of categories kept, the most probable ones
    #[arg(long, value_name = "K", default_value_t = 20)]
    pub top: usize,
    /// Smallest probability kept; the most probable category always is
    #[arg(long, value_name = "P", default_value_t = 0.001)]
    pub floor: f64,
    /// Use the `soft` labels that a line already has as one more teacher of this weight
    #[arg(long, value_name = "WEIGHT")]
    pub keep_soft: Option<f64>,
    #[command(flatten)]
    pub compute: Compute,
    /// No progress display
    #[arg(long, short)]
    pub quiet: bool,
}

/// Drawings that are read before they are labelled, sorted by length: less padding.
const PART_SIZE: usize = 4096;

/// Drawings that go through a network together.
const BATCH_SIZE: usize = 128;

/// A drawing with more points is truncated to this many, as in a classifier.
const MAX_POINTS: usize = 4096;

/// Lower bound of a probability in a geometric mean.
const SMALLEST: f64 = 1e-6;

/// Runs the command; tells what was written.
pub(super) fn run(args: &Args) -> Result<String> {
    match args.compute.start()? {
        Device::Cpu => label::<Flex>(args, &Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => label::<burn_cuda::Cuda>(args, &burn_cuda::CudaDevice::new(index)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => label::<burn_wgpu::Wgpu>(args, &Default::default()),
    }
}

/// Labels all drawings; tells what was written.
///
/// # Errors
/// Flags out of their range, a model that cannot be read or knows other categories than the first,
/// drawings that cannot be read to their end, none at all, an output that cannot be written.
fn label<B: ModelBackend>(args: &Args, device: &B::Device) -> Result<String> {
    ensure!(args.top > 0, "--top is 0; at least 1 was expected");
    ensure!((0.0..1.0).contains(&args.floor), "--floor is {}; 0 to less than 1 was expected", args.floor);
    if let Some(weight) = args.keep_soft {
        ensure!(weight.is_finite() && weight > 0.0, "--keep-soft is {weight}; more than 0 was expected");
    }
    let ensemble = Ensemble::<B>::open(args, device)?;
    let files = find_inputs(&args.inputs)?;
    let mut report = ReadReport {
        n_files: files.files.len(),
        n_other_files: files.n_other_files,
        ..ReadReport::default()
    };
    let mut out = LinesFile::create(&args.out)?;
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{pos} drawings, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    let mut n_agreed = 0;
    let mut waiting = Vec::with_capacity(PART_SIZE);
    for path in &files.files {
        let mut records = Records::open(path)?;
        while let Some((number, found)) =
            next(&mut records).with_context(|| format!("{}: cannot be read to its end", path.display()))?
        {
            match found {
                Ok(line) => waiting.extend(line),
                Err(message) => report.add_bad_line(path, number, &message),
            }
            if waiting.len() == PART_SIZE {
                n_agreed += ensemble.write(&mut waiting, &mut out, &mut report)?;
                bar.set_position(report.n_drawings as u64);
            }
        }
    }
    n_agreed += ensemble.write(&mut waiting, &mut out, &mut report)?;
    bar.finish_and_clear();
    tell!("{report}");
    ensure!(report.n_drawings > 0, "there are no drawings to label");
    out.finish()?;
    Ok(format!(
        "{}: {} drawings labelled; the most probable category is the drawing's own for {:.2} %",
        args.out.display(),
        report.n_drawings,
        100.0 * n_agreed as f64 / report.n_drawings as f64
    ))
}

/// A drawing that is to be labelled, and the text that it becomes.
struct Line {
    text: String,
    word: String,
    drawing: Drawing,
    was_simplified: bool,
    soft: Option<BTreeMap<String, f32>>,
}

impl Line {
    /// `text` is that of the line, if there is one.
    fn of(record: Record, text: Option<&str>) -> Self {
        let simplified = set::simplified(&record.drawing);
        let was_simplified = simplified.is_some();
        let text = match text {
            Some(text) => text.to_owned(),
            None => {
                let fields = write::fields(&Fields::of(&record, record.soft.clone()));
                let drawing = simplified.as_ref().unwrap_or(&record.drawing);
                write::line(drawing, &fields, &record.word)
            }
        };
        let Record { word, drawing, soft, .. } = record;
        Self { text, word, drawing: simplified.unwrap_or(drawing), was_simplified, soft }
    }
}

/// The next drawing or what is wrong with it, and its number; `None` for an empty line.
type Found = (u64, Result<Option<Line>, String>);

fn next(records: &mut Records) -> std::io::Result<Option<Found>> {
    if let Records::Lines(lines) = records {
        let Some(line) = lines.next_line()? else { return Ok(None) };
        let number = line.number;
        let found = line.text().and_then(|text| {
            // Editors on some systems begin a file with a byte order mark.
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() {
                return Ok(None);
            }
            let record = fast_ndjson::parse(text).map_err(|error| error.to_string())?;
            Ok(Some(Line::of(record, Some(text))))
        });
        return Ok(Some((number, found)));
    }
    let entry = records.next_entry()?;
    Ok(entry.map(|Entry { number, record }| (number, record.map(|record| Some(Line::of(record, None))))))
}

/// The ensemble of teachers, and how they are combined.
struct Ensemble<'a, B: ModelBackend> {
    args: &'a Args,
    /// Each with its weight, and the index of each of its labels among those of the first.
    teachers: Vec<(Classifier<B>, f64, Vec<usize>)>,
    labels: Vec<String>,
    index_of: HashMap<String, usize>,
    device: B::Device,
}

impl<'a, B: ModelBackend> Ensemble<'a, B> {
    fn open(args: &'a Args, device: &B::Device) -> Result<Self> {
        let weights = weighted::weights(&args.teachers, "--teacher")?;
        let mut ensemble = Self {
            args,
            teachers: Vec::new(),
            labels: Vec::new(),
            index_of: HashMap::new(),
            device: device.clone(),
        };
        for (Weighted { path, .. }, weight) in args.teachers.iter().zip(weights) {
            let teacher = model_folder::open::<B>(path, device)?;
            if ensemble.teachers.is_empty() {
                ensemble.labels = teacher.labels().to_vec();
                let indices = ensemble.labels.iter().cloned().zip(0..);
                ensemble.index_of = indices.collect();
            }
            let shown = path.display();
            let n = ensemble.labels.len();
            ensure!(
                teacher.labels().len() == n,
                "{shown} knows {} categories, the first teacher {n}; the same ones were expected",
                teacher.labels().len()
            );
            let map = teacher.labels().iter().map(|label| match ensemble.index_of.get(label) {
                Some(&index) => Ok(index),
                None => bail!("{shown} knows the category {label:?}, which the first teacher does not"),
            });
            let map = map.collect::<Result<_>>()?;
            ensemble.teachers.push((teacher, weight, map));
        }
        Ok(ensemble)
    }

    /// Labels the waiting drawings and writes them in their order. Returns for how many the most
    /// probable category is their own.
    fn write(&self, waiting: &mut Vec<Line>, out: &mut LinesFile, report: &mut ReadReport) -> Result<usize> {
        let mut n_agreed = 0;
        let mut text = String::new();
        for (line, probabilities) in waiting.iter().zip(self.probabilities_of(waiting)?) {
            report.n_drawings += 1;
            report.n_simplified += usize::from(line.was_simplified);
            let soft = self.top_k(&probabilities);
            n_agreed += usize::from(soft.first().is_some_and(|&(label, _)| label == line.word));
            push_with_soft(&line.text, &write::probabilities(soft), &mut text);
        }
        waiting.clear();
        out.write(text.as_bytes())?;
        Ok(n_agreed)
    }

    /// The ensemble's probabilities `[K]` of each drawing.
    fn probabilities_of(&self, lines: &[Line]) -> Result<Vec<Vec<f64>>> {
        let n_classes = self.labels.len();
        let mut sums = vec![vec![0.0; n_classes]; lines.len()];
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.sort_by_key(|&index| lines[index].drawing.n_points());
        for (teacher, weight, map) in &self.teachers {
            let temperature = teacher.card().temperature(false);
            for batch in order.chunks(BATCH_SIZE) {
                let inks: Vec<Ink> = batch
                    .iter()
                    .map(|&index| {
                        let drawing = lines[index].drawing.clone().limited_to(MAX_POINTS);
                        teacher.card().config.ink_of(&drawing)
                    })
                    .collect();
                let logits =
                    teacher.model().forward(&teacher.model().config().batch(&inks, &self.device)?)?; // [B, K]
                let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
                for (&index, row) in batch.iter().zip(logits.chunks_exact(n_classes)) {
                    let row = log_softmax(row, temperature);
                    ensure!(row.iter().all(|value| value.is_finite()), "a teacher gives NaN for a drawing");
                    let probabilities = row.iter().map(|&value| f64::from(value).exp());
                    for (&class, probability) in map.iter().zip(probabilities) {
                        sums[index][class] += weight * self.term(probability);
                    }
                }
            }
        }
        let total: f64 = self.teachers.iter().map(|(_, weight, _)| weight).sum();
        for (sums, line) in sums.iter_mut().zip(lines) {
            let kept = self.args.keep_soft.zip(line.soft.as_ref()).and_then(|(weight, soft)| {
                let kept = self.kept(soft)?;
                sums.iter_mut().zip(kept).for_each(|(sum, p)| *sum += weight * self.term(p));
                Some(weight)
            });
            self.finish(sums, total + kept.unwrap_or(0.0));
        }
        Ok(sums)
    }

    /// The term of a probability in the mean.
    fn term(&self, probability: f64) -> f64 {
        match self.args.mean {
            Mean::Geometric => probability.max(SMALLEST).ln(),
            Mean::Arithmetic => probability,
        }
    }

    /// Normalises the sums of terms to probabilities.
    fn finish(&self, sums: &mut [f64], total: f64) {
        sums.iter_mut().for_each(|sum| *sum /= total);
        if self.args.mean == Mean::Geometric {
            sums.iter_mut().for_each(|sum| *sum = sum.exp());
        }
        let sum: f64 = sums.iter().sum();
        sums.iter_mut().for_each(|value| *value /= sum);
    }

    /// The probabilities `[K]` that a line already has; `None` if it has none of known categories.
    /// In a geometric mean a missing one counts as the floor below which it was left out.
    fn kept(&self, soft: &BTreeMap<String, f32>) -> Option<Vec<f64>> {
        let missing = match self.args.mean {
            Mean::Geometric => self.args.floor.max(SMALLEST),
            Mean::Arithmetic => 0.0,
        };
        let known: Vec<(usize, f64)> =
            soft.iter().filter_map(|(name, &p)| Some((*self.index_of.get(name)?, f64::from(p)))).collect();
        let sum: f64 = known.iter().map(|(_, p)| p).sum();
        if sum <= 0.0 {
            return None;
        }
        let mut kept = vec![missing; self.labels.len()];
        known.into_iter().for_each(|(class, p)| kept[class] = p / sum);
        Some(kept)
    }

    /// The categories that are kept, most probable first.
    fn top_k(&self, probabilities: &[f64]) -> Vec<(&str, f64)> {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        // Probabilities that would be written as 0 are left out.
        let floor = self.args.floor.max(SMALLEST / 2.0);
        let kept = order.into_iter().take(self.args.top).enumerate();
        let kept = kept.filter(|&(place, class)| place == 0 || probabilities[class] >= floor);
        kept.map(|(_, class)| (self.labels[class].as_str(), probabilities[class])).collect()
    }
}

/// Appends the text of a line, which is known to be a JSON object with some field, with these soft
/// labels in place of its own or behind its last field, and the end of the line.
fn push_with_soft(line: &str, soft: &str, to: &mut String) {
    let line = line.trim_end();
    match value_of(line, "soft") {
        Some(place) => {
            to.push_str(&line[..place.start]);
            to.push_str(soft);
            to.push_str(&line[place.end..]);
        }
        None => {
            to.push_str(line.strip_suffix('}').unwrap_or(line).trim_end());
            // Writing into a String cannot fail.
            let _ = write!(to, ",\"soft\":{soft}}}");
        }
    }
    to.push('\n');
}

/// Where the value of a field lies in a line that is known to be a JSON object.
fn value_of(line: &str, field: &str) -> Option<Range<usize>> {
    let bytes = line.as_bytes();
    let mut depth = 0;
    // Start of the current value, if it is the one sought.
    let mut begin = None;
    let mut name: Option<&str> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let start = at;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if depth == 1 && name.is_none() {
                    name = line.get(start..=at);
                }
            }
            b':' if depth == 1 => {
                let is_it = name.and_then(|name| serde_json::from_str::<String>(name).ok());
                begin = (is_it.as_deref() == Some(field)).then_some(at + 1);
            }
            b'{' | b'[' => depth += 1,
            byte @ (b'}' | b']' | b',') => {
                if depth == 1 {
                    if let Some(begin) = begin {
                        return Some(begin..at);
                    }
                    name = None;
                }
                depth -= i32::from(byte != b',');
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_labels_are_put_into_a_line_and_the_rest_stays() {
        let put = |line: &str| {
            let mut text = String::new();
            push_with_soft(line, r#"{"cat":1}"#, &mut text);
            text
        };
        for (line, expected) in [
            (
                r#"{"word":"cat","n":[1, {"soft":2}]}"#,
                r#"{"word":"cat","n":[1, {"soft":2}],"soft":{"cat":1}}"#,
            ),
            (
                r#"{"soft":{"a":{"}":1}},"word":"a\"soft\":\\"}"#,
                r#"{"soft":{"cat":1},"word":"a\"soft\":\\"}"#,
            ),
            (r#"{ "word" : "soft" , "soft" : null }"#, r#"{ "word" : "soft" , "soft" :{"cat":1}}"#),
            (
                r#"{"word":"고양이", "s\u006fft":{} , "x":1.5e3 } "#,
                r#"{"word":"고양이", "s\u006fft":{"cat":1}, "x":1.5e3 }"#,
            ),
            (r#"{"word":"soft" }"#, r#"{"word":"soft","soft":{"cat":1}}"#),
        ] {
            assert_eq!(put(line), format!("{expected}\n"));
        }
    }
}
