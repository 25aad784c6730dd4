//! The lines of `metrics.jsonl`: metrics of steps and evaluations.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::eval::Figures;
use crate::fs::write_atomic;

/// The metrics of a window of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean cross-entropy, with label smoothing and soft labels.
    pub loss: f64,
    /// Top-1 accuracy on the augmented training drawings, 0 to 1.
    pub accuracy: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Mean norm of the gradients, before clipping.
    pub gradient_norm: f64,
    /// Drawings per second.
    pub drawings_per_s: f64,
    /// Fraction of the time that was spent waiting for batches, 0 to 1. A GPU computes on
    /// meanwhile, so there it is the most that the waiting can have cost.
    pub waiting: f64,
}

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    /// Steps done.
    pub(super) step: u64,
    #[serde(flatten)]
    pub(super) what: Entry,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// The steps since the line before.
    Train(Summary),
    /// The network on the validation part.
    Validation(Figures),
}

/// Removes the lines past `step`, and a last line that was cut short. All others stay as they are,
/// also those that this program does not know.
pub(super) fn remove_after(path: &Path, step: u64) -> Result<()> {
    #[derive(Deserialize)]
    struct Step {
        step: u64,
    }
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        bytes => bytes.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut kept = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let is_past = serde_json::from_slice(line).is_ok_and(|line: Step| line.step > step);
        let is_whole = line.ends_with(b"\n") || serde_json::from_slice::<Value>(line).is_ok();
        if is_whole && !is_past {
            kept.extend_from_slice(line);
        }
        if is_whole && !is_past && !line.ends_with(b"\n") {
            kept.push(b'\n');
        }
    }
    write_atomic(path, &kept)
}

/// The lines that this program writes.
pub(super) fn read_lines(path: &Path) -> Result<Vec<Line>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = bytes.split(|&byte| byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}
