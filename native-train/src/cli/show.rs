//! `show`: a file of drawings and a place in it in, a picture of that drawing out.

use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use quickdraw_core::Record;

use crate::data::format::entry::Entry;
use crate::data::format::names::stem;
use crate::data::format::open::Records;
use crate::data::list_files;
use crate::pictures::drawings::{Glyphs, characters, svg, write_png};

/// Flags of `show`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// File of drawings, and which line of it, as cat.ndjson:12; or a folder, with --class
    #[arg(value_name = "FILE[:LINE]")]
    pub file: PathBuf,
    /// The first drawing of this category, from LINE on
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// Write an SVG file; without a file to write, a terminal gets the drawing in characters and
    /// anything else gets SVG
    #[arg(long, value_name = "FILE", conflicts_with = "png")]
    pub svg: Option<PathBuf>,
    /// Write a PNG file
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Side of a picture in pixels
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(16..=8192))]
    pub size: u32,
    /// Width of a drawing in the terminal, in characters
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u16).range(4..=500))]
    pub columns: u16,
    /// How to draw in characters, even if the output is not a terminal
    #[arg(long, value_enum, conflicts_with_all = ["svg", "png"])]
    pub glyphs: Option<Glyphs>,
}

impl Args {
    /// What the flags describe, where the output is a terminal or not.
    pub fn options(&self, is_terminal: bool) -> Options {
        let output = match (&self.svg, &self.png) {
            (Some(path), _) => Output::Svg(path.clone(), self.size),
            (None, Some(path)) => Output::Png(path.clone(), self.size),
            (None, None) if is_terminal || self.glyphs.is_some() => {
                Output::Terminal(self.columns.into(), self.glyphs.unwrap_or_default())
            }
            (None, None) => Output::Stream(self.size),
        };
        Options { file: self.file.clone(), class: self.class.clone(), output }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    show(&args.options(stdout().is_terminal()), &mut stdout().lock())
}

/// What to draw, and what with.
#[derive(Clone, Debug)]
pub struct Options {
    /// A file, with `:LINE` or without it, or a folder where a category is named.
    pub file: PathBuf,
    /// Only drawings of this category count.
    pub class: Option<String>,
    /// What becomes of it.
    pub output: Output,
}

/// Where a picture goes.
#[derive(Clone, Debug)]
pub enum Output {
    /// Into a file of SVG, this wide and high.
    Svg(PathBuf, u32),
    /// Into a file of PNG, this wide and high.
    Png(PathBuf, u32),
    /// Onto a terminal, this many characters wide.
    Terminal(usize, Glyphs),
    /// As SVG to where the output of the program goes.
    Stream(u32),
}

/// A drawing and where it was found.
struct Found {
    path: PathBuf,
    number: u64,
    record: Record,
}

impl Found {
    /// What it is: `cat, cats.ndjson:3, 9 strokes, 98 points, from US, 2017-03-21 12:36:53,
    /// recognised`.
    fn caption(&self) -> String {
        let record = &self.record;
        let (n_strokes, n_points) = (record.drawing.strokes().len(), record.drawing.n_points());
        let plural = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        let mut parts = vec![
            record.word.clone(),
            format!("{}:{}", self.path.display(), self.number),
            plural(n_strokes, "stroke"),
            plural(n_points, "point"),
        ];
        parts.extend(record.countrycode.as_ref().map(|country| format!("from {country}")));
        parts.extend(record.timestamp.clone());
        parts.extend(
            record.recognized.map(|known| if known { "recognised" } else { "not recognised" }.to_owned()),
        );
        parts.join(", ")
    }
}

/// Draws the drawing that the options name.
///
/// # Errors
/// A file that cannot be read, a line that is not there or is no drawing, a category that does not
/// occur, a picture that cannot be written.
pub fn show(options: &Options, out: &mut impl Write) -> Result<()> {
    let found = find(&options.file, options.class.as_deref())?;
    let drawing = &found.record.drawing;
    match &options.output {
        Output::Svg(path, side) => {
            let text = svg(drawing, &found.record.word, *side);
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Output::Png(path, side) => write_png(path, drawing, *side)?,
        Output::Terminal(columns, glyphs) => {
            out.write_all(characters(drawing, *columns, *glyphs).as_bytes())?;
            writeln!(out, "{}", found.caption())?;
            return Ok(());
        }
        Output::Stream(side) => {
            out.write_all(svg(drawing, &found.record.word, *side).as_bytes())?;
            return Ok(());
        }
    }
    writeln!(out, "{}", found.caption())?;
    Ok(())
}

/// A path and the line after its last colon; an existing file of the whole name takes precedence.
fn split_line(given: &Path) -> Result<(PathBuf, Option<u64>)> {
    let parts = given.to_str().filter(|_| !given.exists()).and_then(|text| text.rsplit_once(':'));
    match parts {
        Some((path, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let line: u64 =
                digits.parse().with_context(|| format!("{}: no file has so many lines", given.display()))?;
            ensure!(line > 0, "{}: lines are counted from 1", given.display());
            Ok((PathBuf::from(path), Some(line)))
        }
        _ => Ok((given.to_owned(), None)),
    }
}

fn find(given: &Path, class: Option<&str>) -> Result<Found> {
    let (path, line) = split_line(given)?;
    let shown = path.display();
    if !path.is_dir() {
        ensure!(path.exists(), "{shown}: there is no such file");
        return match find_in(&path, line, class)? {
            Ok(found) => Ok(found),
            Err(n_seen) => match (line, class) {
                (None, None) => bail!("{shown}: the file has no drawing"),
                (Some(line), None) if n_seen < line => {
                    bail!("{shown}:{line}: there is no drawing at this line; the last is at {n_seen}")
                }
                (Some(line), None) => bail!("{shown}:{line}: there is no drawing at this line"),
                (None, Some(class)) => bail!("{shown}: no drawing of {class:?}"),
                (Some(line), Some(class)) => bail!("{shown}: no drawing of {class:?} from line {line} on"),
            },
        };
    }
    let Some(class) = class else {
        bail!("{shown}: this is a folder; name a file, or a category by --class");
    };
    ensure!(line.is_none(), "{shown}: this is a folder, which has no lines; name a file");
    let (mut files, _) = list_files(&path)?;
    // The data set's files are named after their category.
    files.sort_by_key(|file| stem(file).as_deref() != Some(class));
    for file in &files {
        if let Ok(found) = find_in(file, None, Some(class))? {
            return Ok(found);
        }
    }
    bail!("{shown}: no drawing of {class:?} in {} files", files.len())
}

/// The drawing at `line`, or with a category the first of it from there on; without a line the
/// first that is one. The inner error is the number of the last entry.
fn find_in(path: &Path, line: Option<u64>, class: Option<&str>) -> Result<Result<Found, u64>> {
    let mut records = Records::open(path)?;
    let mut last = 0;
    while let Some(Entry { number, record }) =
        records.next_entry().with_context(|| format!("{}: cannot be read to its end", path.display()))?
    {
        last = number;
        if number < line.unwrap_or(0) {
            continue;
        }
        if class.is_none() && line.is_some_and(|line| number > line) {
            break;
        }
        match record {
            Ok(record) if class.is_none_or(|class| record.word == class) => {
                return Ok(Ok(Found { path: path.to_owned(), number, record }));
            }
            Ok(_) => {}
            Err(message) if class.is_none() && line.is_some() => {
                bail!("{}:{number}: {message}", path.display())
            }
            Err(_) => {}
        }
    }
    Ok(Err(last))
}
