//! The order of things: find the files, claim the folder, gather, write, give it its name.

use std::path::{Path, PathBuf};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::gather::{Gatherer, gather};
use super::manifest::{self, already_there, asked};
use super::options::Options;
use super::shards::write_shards;
use super::summary::Summary;
use super::workspace::{Progress, Workspace, remove_lock};
use crate::data::{Inputs, find_inputs};
use crate::tell::tell;

/// Reads `inputs` (files, folders, patterns, `-`) and writes the folder `out`.
///
/// If `out` is already what the same options make of the same inputs, nothing is done. Problems
/// that are no errors are told on standard error.
///
/// # Errors
/// Options out of their range; inputs that are not there; a file that cannot be read to its end or
/// is of no known form; with `strict` a bad line; not a single drawing to keep; an `out` that holds
/// something else; another run at work on it; a full disk.
pub fn prepare(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool) -> Result<Summary> {
    run(inputs, out, options, quiet, false)
}

/// Goes on where a [`prepare`] stopped, by an interruption or an error, and gives the same bytes;
/// where nothing is left of one it starts from the beginning. Files that were not read yet may be
/// others by now.
///
/// # Errors
/// As [`prepare`]; an interrupted run with other options or of other files, or what it left is
/// damaged.
pub fn resume(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool) -> Result<Summary> {
    run(inputs, out, options, quiet, true)
}

fn run(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool, is_resumed: bool) -> Result<Summary> {
    options.validate()?;
    let found = find_inputs(inputs)?;
    let asked = asked(&found.files, options)?;
    if let Some(summary) = already_there(out, &asked)? {
        remove_lock(out);
        return Ok(summary);
    }
    let (workspace, progress) = Workspace::claim(out, is_resumed.then_some(&asked))?;
    let bar = progress_bar(found.files.len(), quiet);
    let summary = match make(&found, &workspace.folder, options, &asked, progress, &bar) {
        Ok(summary) => summary,
        Err(error) => return Err(workspace.give_up(error)),
    };
    workspace.finish(out)?;
    bar.finish_and_clear();
    if let (Some(message), false) = (summary.too_few(options), quiet) {
        tell!("note: {message}");
    }
    Ok(summary)
}

/// Reads the files and writes everything into `folder`.
fn make(
    found: &Inputs,
    folder: &Path,
    options: &Options,
    asked: &Value,
    progress: Progress,
    bar: &ProgressBar,
) -> Result<Summary> {
    let n_resumed = progress.n_files;
    let gatherer = Gatherer::new(folder, options, asked, progress)?;
    let mut gathered = gather(&found.files, gatherer, bar)?;
    gathered.summary.other_files = found.n_other_files;
    bar.set_message("writing");
    let files = write_shards(folder, &mut gathered, options)?;
    let summary = Summary { n_resumed, ..gathered.summary };
    manifest::write(folder, asked, &summary, &files)?;
    Ok(summary)
}

fn progress_bar(n_files: usize, quiet: bool) -> ProgressBar {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(n_files as u64) };
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} files, {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}
