//! Model folders on disk.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use quickdraw_core::{Classifier, ModelBackend, ModelCard};

use crate::fs::write_atomic;

/// Opens a model folder.
///
/// # Errors
/// When there is no such folder, a file cannot be read, or is not what core expects.
pub fn open<B: ModelBackend>(folder: &Path, device: &B::Device) -> Result<Classifier<B>> {
    let shown = folder.display();
    ensure!(folder.is_dir(), "{shown}: there is no such folder; a model folder was expected");
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).with_context(|| {
            format!("cannot read {}; a model folder holds model.json and weights.safetensors", path.display())
        })
    };
    Classifier::from_bytes(&read("model.json")?, &read("weights.safetensors")?, device)
        .with_context(|| format!("{shown} is not a usable model folder"))
}

/// Rewrites `model.json`.
pub(crate) fn write_card(folder: &Path, card: &ModelCard) -> Result<()> {
    write_atomic(&folder.join("model.json"), card_text(card)?.as_bytes())
}

/// What `model.json` holds.
pub(crate) fn card_text(card: &ModelCard) -> Result<String> {
    Ok(serde_json::to_string_pretty(card)? + "\n")
}
