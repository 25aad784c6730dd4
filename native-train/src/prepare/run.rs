//! The whole command: find the files, lock the folder, gather, write the shards, rename the folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::gather::{Gatherer, gather};
use super::manifest::{self, asked, existing_summary};
use super::options::Options;
use super::shards::write_shards;
use super::summary::Summary;
use super::workspace::{Progress, Workspace, remove_lock};
use crate::data::{Inputs, find_inputs};
use crate::tell::tell;

/// Reads `inputs` (files, folders, patterns, `-`) and writes the folder `out`.
///
/// Does nothing if `out` was made with the same options from the same inputs. Warnings go to
/// standard error.
///
/// # Errors
/// Options out of range; missing inputs; a file that cannot be read to its end or whose format is
/// unknown; with `strict` a bad line; no drawing to write; an `out` that holds something else;
/// another run that writes to it; a full disk.
pub fn prepare(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool) -> Result<Summary> {
    run(inputs, out, options, quiet, false)
}

/// Resumes a [`prepare`] that was interrupted or failed, with the same result, byte for byte;
/// starts from the beginning where none left anything. Files that were not read yet may have
/// changed.
///
/// # Errors
/// As [`prepare`]; also when the interrupted run had other options or inputs, or what it left is
/// damaged.
pub fn resume(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool) -> Result<Summary> {
    run(inputs, out, options, quiet, true)
}

fn run(inputs: &[PathBuf], out: &Path, options: &Options, quiet: bool, is_resumed: bool) -> Result<Summary> {
    options.validate()?;
    let found = find_inputs(inputs)?;
    let asked = asked(&found.files, options)?;
    if let Some(summary) = existing_summary(out, &asked)? {
        remove_lock(out);
        return Ok(summary);
    }
    let (workspace, progress) = Workspace::claim(out, is_resumed.then_some(&asked))?;
    let bar = progress_bar(found.files.len(), quiet);
    let summary = match build(&found, &workspace.folder, options, &asked, progress, &bar) {
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

/// Reads the files and writes the output into `folder`.
fn build(
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
