//! Paths on the command line (files, folders, patterns or `-`) -> files of drawings.
//!
//! Folders and patterns match only files with the names of files of drawings ([`stem`]). Folders
//! are not searched recursively, so that `test` is not read along with `train` and symbolic links
//! cannot lead in circles; `**` in a pattern is recursive, but does not follow links. The format of
//! a file is detected from its content when it is opened.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use glob::{MatchOptions, Pattern};

use super::format::names::{STANDARD_INPUT, stem};

/// Files of drawings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Without duplicates, in the order of the arguments; those of a folder or a pattern are
    /// sorted.
    pub files: Vec<PathBuf>,
    /// Number of other files in the folders, which are ignored.
    pub n_other_files: usize,
}

/// Finds the files.
///
/// # Errors
/// A path or pattern without a match, a folder that cannot be listed or has no file of drawings, a
/// broken or circular link with the name of one.
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
            // A broken link is not a pattern, and its own error says more.
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
        check_name(&path)?;
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

/// Refuses a file of drawings whose name is not UTF-8, because the name may be its category.
fn check_name(path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let is_text = name.to_str().is_some() || stem(Path::new(&*name.to_string_lossy())).is_none();
    let folder = path.parent().unwrap_or(Path::new("")).display();
    ensure!(is_text, "{folder}: the name of the file {name:?} is not UTF-8 text; rename it");
    Ok(())
}

/// [`check_name`] of the files that a pattern matches, if it names their folder: glob skips names
/// that are not UTF-8.
fn check_names(pattern: &str) -> Result<()> {
    let unusable = || format!("{pattern}: not a pattern of file names");
    let path = Path::new(pattern);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names =
        Pattern::new(&path.file_name().unwrap_or_default().to_string_lossy()).with_context(unusable)?;
    // A folder that is itself a pattern is left to glob.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if names.matches(&entry.file_name().to_string_lossy()) {
            check_name(&entry.path())?;
        }
    }
    Ok(())
}

fn match_pattern(pattern: &str, inputs: &mut Inputs) -> Result<()> {
    let unusable = || format!("{pattern}: not a pattern of file names");
    let n_before = inputs.files.len();
    if pattern.contains("**") {
        // Not by glob, which follows links: two circular ones would give 2^40 paths.
        let matcher = Pattern::new(pattern).with_context(unusable)?;
        let is_plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let root: PathBuf = Path::new(pattern).components().take_while(is_plain).collect();
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let mut found = Vec::new();
        walk(&root, &mut |path| {
            if matcher.matches_with(&path.to_string_lossy(), options) {
                found.push(path);
            }
        })?;
        found.sort();
        for path in found {
            check_name(&path)?;
            if stem(&path).is_some() {
                inputs.files.push(path);
            }
        }
    } else {
        check_names(pattern)?;
        for path in glob::glob(pattern).with_context(unusable)? {
            let path = path.with_context(|| format!("{pattern}: cannot be searched"))?;
            if stem(&path).is_some() && path.is_file() {
                inputs.files.push(path);
            }
        }
    }
    ensure!(inputs.files.len() > n_before, "{pattern}: no file of drawings has such a name");
    Ok(())
}

/// Calls `each` with every file below a folder; links to folders are not followed.
fn walk(folder: &Path, each: &mut impl FnMut(PathBuf)) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let unlisted = || format!("{}: cannot be listed", here.display());
        for entry in std::fs::read_dir(here).with_context(unlisted)? {
            let entry = entry.with_context(unlisted)?;
            let path = folder.join(entry.file_name());
            if entry.file_type().with_context(unlisted)?.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                each(path);
            }
        }
    }
    Ok(())
}
