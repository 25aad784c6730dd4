//! The manifest of an output folder: options and inputs, so that the same work is not done twice.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::options::Options;
use super::summary::Summary;
use crate::data::format::names::STANDARD_INPUT;
use crate::fs::write_synced;

/// The file name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// Version of the manifest format.
const MANIFEST_VERSION: u32 = 1;

/// A file of the output folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OutputFile {
    pub(super) name: String,
    pub(super) records: usize,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The request as the manifest records it: options, and inputs by path and size.
pub(super) fn asked(files: &[PathBuf], options: &Options) -> Result<Value> {
    let mut inputs = Vec::new();
    for path in files {
        let bytes = match path.as_os_str() == STANDARD_INPUT {
            true => None,
            false => {
                Some(path.metadata().with_context(|| format!("{}: cannot be opened", path.display()))?.len())
            }
        };
        inputs.push(json!({"path": path.to_string_lossy(), "bytes": bytes}));
    }
    Ok(json!({"options": options, "inputs": inputs}))
}

/// The summary of `out`, if it was made by the same request; `None` if there is no such folder, or
/// it is empty.
pub(super) fn existing_summary(out: &Path, asked: &Value) -> Result<Option<Summary>> {
    let shown = out.display();
    if !out.exists() {
        return Ok(None);
    }
    ensure!(out.is_dir(), "{shown}: there is a file of this name; a folder to write was expected");
    let is_empty = fs::read_dir(out).with_context(|| format!("{shown}: cannot be listed"))?.next().is_none();
    if is_empty {
        return Ok(None);
    }
    let refusal = "it is not overwritten; name another folder or remove this one";
    let manifest = out.join(MANIFEST);
    let text = fs::read_to_string(&manifest).with_context(|| {
        format!("{shown}: the folder holds something else and has no {MANIFEST}; {refusal}")
    })?;
    let found: Value = serde_json::from_str(&text)
        .with_context(|| format!("{}: not a manifest; {refusal}", manifest.display()))?;
    ensure!(
        found["version"] == MANIFEST_VERSION && found["asked"] == *asked && is_repeatable(asked),
        "{shown}: the folder was made with other options or of other files, as its {MANIFEST} tells; {refusal}"
    );
    let files: Vec<OutputFile> =
        serde_json::from_value(found["files"].clone()).context("the list of files")?;
    for file in files {
        let size = out.join(&file.name).metadata().map(|data| data.len()).ok();
        ensure!(size == Some(file.bytes), "{shown}: {} is not as {MANIFEST} tells; {refusal}", file.name);
    }
    let summary: Summary = serde_json::from_value(found["summary"].clone()).context("the summary")?;
    Ok(Some(Summary { was_there: true, ..summary }))
}

/// The size of each input when the run began; `None` for standard input.
pub(super) fn sizes(asked: &Value) -> Vec<Option<u64>> {
    asked["inputs"].as_array().into_iter().flatten().map(|input| input["bytes"].as_u64()).collect()
}

/// Whether the inputs can be read again: none is standard input.
pub(super) fn is_repeatable(asked: &Value) -> bool {
    !asked["inputs"]
        .as_array()
        .is_some_and(|inputs| inputs.iter().any(|input| input["path"] == STANDARD_INPUT))
}

/// Writes the manifest.
pub(super) fn write(folder: &Path, asked: &Value, summary: &Summary, files: &[OutputFile]) -> Result<()> {
    let manifest = json!({
        "version": MANIFEST_VERSION,
        "program": concat!("native-train ", env!("CARGO_PKG_VERSION")),
        "asked": asked,
        "summary": summary,
        "files": files,
    });
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    write_synced(&folder.join(MANIFEST), text.as_bytes())
}
