//! A file of categories, one a line.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

pub(super) fn read_classes(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let classes: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    ensure!(!classes.is_empty(), "{} names no category; one a line was expected", path.display());
    Ok(classes)
}
