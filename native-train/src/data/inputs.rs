//! What somebody names, files, folders, patterns or `-`, in; the files of drawings that are meant, out.
//!
//! In a folder and by a pattern only files whose names are those of drawings count ([`stem`]); a folder within a folder is
//! not entered, so that links cannot lead in circles and `test` is not read along with `train`; `**` in a pattern
//! does enter. What is in a file its content tells when it is opened.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::records::stem;

/// The name of standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// Files of drawings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Each once: in the order in which they were named, those of a folder or a pattern sorted.
    pub files: Vec<PathBuf>,
    /// Other files of the folders, which are not read.
    pub n_other_files: usize,
}

/// Finds the files that are meant.
///
/// # Errors
/// A path or a pattern that leads to nothing, a folder that cannot be listed or has no file of drawings, a link to nowhere or
/// in circles under the name of one.
pub fn find_inputs(paths: &[PathBuf]) -> Result<Inputs> {
    let mut inputs = Inputs::default();
    for path in paths {
        let shown = path.display();
        if path.as_os_str() == STANDARD_INPUT || path.is_file() {
            inputs.files.push(path.clone());
        } else if path.is_dir() {
            list_folder(path, &mut inputs)?;
        } else {
            let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
            // A link that leads nowhere is no reason to look for a pattern, and its own error says more.
            if let Err(error) = path.metadata()
                && path.symlink_metadata().is_ok()
            {
                return Err(error).with_context(|| format!("{shown}: cannot be opened"));
            }
            let pattern = pattern.with_context(|| format!("{shown}: there is no such folder or file"))?;
            match_pattern(pattern, &mut inputs)?;
        }
    }
    if paths.len() > 1 {
        let mut seen = HashSet::new();
        inputs.files.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    }
    Ok(inputs)
}

fn list_folder(folder: &Path, inputs: &mut Inputs) -> Result<()> {
    let shown = folder.display();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{shown}: cannot be listed"))? {
        let path = entry.with_context(|| format!("{shown}: cannot be listed"))?.path();
        let is_named_like_one = stem(&path).is_some();
        match path.metadata() {
            Ok(found) if !found.is_file() => {}
            Ok(_) if is_named_like_one => files.push(path),
            Err(error) if is_named_like_one => {
                return Err(error).with_context(|| format!("{}: cannot be opened", path.display()));
            }
            _ => inputs.n_other_files += 1,
        }
    }
    ensure!(
        !files.is_empty(),
        "{shown}: no .ndjson, .csv or .bin file in this folder, nor another form of drawings; files like cat.ndjson with one \
         drawing a line were expected"
    );
    files.sort();
    inputs.files.append(&mut files);
    Ok(())
}

fn match_pattern(pattern: &str, inputs: &mut Inputs) -> Result<()> {
    let paths = glob::glob(pattern).with_context(|| format!("{pattern}: not a pattern of file names"))?;
    let n_before = inputs.files.len();
    for path in paths {
        let path = path.with_context(|| format!("{pattern}: cannot be searched"))?;
        if stem(&path).is_some() && path.is_file() {
            inputs.files.push(path);
        }
    }
    ensure!(inputs.files.len() > n_before, "{pattern}: no file of drawings has such a name");
    Ok(())
}
