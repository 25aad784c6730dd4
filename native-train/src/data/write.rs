//! Drawings as lines of JSON, and a file of them that is written atomically.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use quickdraw_core::Drawing;
use serde_json::{Value, json};

use super::format::entry::Fields;
use crate::fs::sync_folder;

/// Buffer size.
const BUFFER: usize = 1 << 17;

/// A line of JSON as the data set has it, of a drawing in simplified form; `fields` are those of
/// [`fields`].
pub(crate) fn line(drawing: &Drawing, fields: &str, word: &str) -> String {
    let mut line = format!("{{\"word\":{},{fields}\"drawing\":[", Value::from(word));
    for (index, stroke) in drawing.strokes().iter().enumerate() {
        line.push_str(if index == 0 { "[" } else { ",[" });
        for axis in 0..2 {
            line.push_str(if axis == 0 { "[" } else { ",[" });
            for (index, point) in stroke.iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(line, "{}{}", if index == 0 { "" } else { "," }, point[axis] as u8);
            }
            line.push(']');
        }
        line.push(']');
    }
    line.push_str("]}\n");
    line
}

/// The fields of a line of JSON besides `word` and `drawing`, each followed by a comma.
pub(crate) fn fields(fields: &Fields<'_>) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            let _ = write!(text, "\"{name}\":{value},");
        }
    };
    add("countrycode", fields.countrycode.map(Value::from));
    add("timestamp", fields.timestamp.map(Value::from));
    add("recognized", fields.recognized.map(Value::from));
    add("key_id", fields.key_id.map(Value::from));
    add("soft", fields.soft.as_ref().map(|soft| json!(soft)));
    text
}

/// Probabilities as the JSON object `{category: probability}`, in their order, to six decimals.
pub(crate) fn probabilities<'a>(soft: impl IntoIterator<Item = (&'a str, f64)>) -> String {
    let mut text = String::from("{");
    for (category, probability) in soft {
        let comma = if text.len() > 1 { "," } else { "" };
        let rounded = (1e6 * probability).round() / 1e6;
        let _ = write!(text, "{comma}{}:{}", Value::from(category), Value::from(rounded));
    }
    text.push('}');
    text
}

/// A file of lines, compressed if its name ends with `.gz`. It is written to a temporary file,
/// synced and renamed at the end; if that never happens it is removed.
pub(crate) struct LinesFile {
    path: PathBuf,
    partial: PathBuf,
    /// `None` once it is finished.
    out: Option<Output>,
}

enum Output {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl LinesFile {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// A name that is not one of a file of lines, or a file that cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let shown = path.display();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (plain, is_packed) = name.strip_suffix(".gz").map_or((name, false), |plain| (plain, true));
        ensure!(
            plain.ends_with(".ndjson") || plain.ends_with(".jsonl"),
            "{shown}: the name of a file of lines ends with .ndjson or .ndjson.gz"
        );
        ensure!(!path.is_dir(), "{shown} is a folder; a file was expected");
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let partial = path.with_file_name(format!("{name}.partial"));
        let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
        let out = BufWriter::with_capacity(BUFFER, file);
        let out = match is_packed {
            true => Output::Gzip(GzEncoder::new(out, Compression::default())),
            false => Output::Plain(out),
        };
        Ok(Self { path: path.to_owned(), partial, out: Some(out) })
    }

    /// Writes complete lines.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<()> {
        let written = match &mut self.out {
            Some(Output::Plain(out)) => out.write_all(lines),
            Some(Output::Gzip(out)) => out.write_all(lines),
            None => Ok(()),
        };
        written.with_context(|| format!("cannot write {}", self.partial.display()))
    }

    /// Syncs and renames the file.
    pub(crate) fn finish(mut self) -> Result<()> {
        let finish = |out: Output| -> io::Result<()> {
            let out = match out {
                Output::Plain(out) => out,
                Output::Gzip(out) => out.finish()?,
            };
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(&self.partial, &self.path)
        };
        match self.out.take().map_or(Ok(()), finish) {
            Ok(()) => self.path.parent().map_or(Ok(()), sync_folder),
            Err(error) => {
                // The first error is the one to report.
                let _ = fs::remove_file(&self.partial);
                Err(error).with_context(|| format!("cannot write {}", self.path.display()))
            }
        }
    }
}

impl Drop for LinesFile {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            // A temporary file that stays is harmless, and the error is reported already.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
