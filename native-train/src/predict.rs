//! Drawings from a file or standard input, guesses on standard output.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use quickdraw_core::{Classifier, Drawing, ModelBackend, Record};
use serde_json::json;

use crate::data::ndjson::Lines;

/// Recognises every line; `json` prints an object for each, in which `logits` adds those of all classes; a line that is no drawing is reported on standard error with its place, and the rest goes on.
///
/// # Errors
/// When the file cannot be read, the output cannot be written, or, at the end, when lines were bad.
pub fn predict<B: ModelBackend>(
    classifier: &Classifier<B>,
    file: &Path,
    json: bool,
    logits: bool,
    max_results: usize,
    out: &mut impl Write,
) -> Result<()> {
    let (name, input): (String, Box<dyn BufRead>) = if file == Path::new("-") {
        ("standard input".to_owned(), Box::new(std::io::stdin().lock()))
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        (file.display().to_string(), Box::new(BufReader::new(opened)))
    };
    let mut n_bad = 0usize;
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next_line().with_context(|| format!("cannot read {name}"))? {
        let number = line.number;
        let (word, drawing) = match line.text().map_err(anyhow::Error::msg).and_then(parse) {
            Ok(None) => continue,
            Ok(Some(parsed)) => parsed,
            Err(error) => {
                n_bad += 1;
                eprintln!("{name}:{number}: {error:#}");
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
            let guesses: Vec<String> =
                predictions.iter().map(|p| format!("{} {:.1} %", p.label, 100.0 * p.probability)).collect();
            let word = word.map_or(String::new(), |word| format!(" ({word})"));
            writeln!(out, "{number}{word}: {}", guesses.join(", "))?;
        }
    }
    let n_lines = lines.number;
    match (n_lines, n_bad) {
        (0, _) => bail!("{name} is empty; ndjson lines of drawings were expected"),
        (_, 0) => Ok(()),
        _ => bail!("{n_bad} of {n_lines} lines of {name} are no drawings"),
    }
}

/// An ndjson line of the data set, or a bare list of strokes; the word where there is one. Nothing of an empty line.
fn parse(line: &str) -> Result<Option<(Option<String>, Drawing)>> {
    let text = line.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('[') {
        // The reader of records is the only one that knows the form of strokes.
        let record = Record::parse(&format!("{{\"word\":\"-\",\"drawing\":{text}}}"))?;
        return Ok(Some((None, record.drawing)));
    }
    let record = Record::parse(text)?;
    Ok(Some((Some(record.word), record.drawing)))
}
