//! Options of `prepare`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::DataSet;
use crate::hash::mix;

const MAX_SHARDS: usize = 99_999;

/// Format of the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub enum Format {
    /// The tutorial's TFRecords, for TensorFlow and for this program; `soft` labels are two
    /// features more, soft_index and soft_probability
    #[default]
    Tfrecord,
    /// Lines of JSON as the data set has them, simplified
    Ndjson,
    /// The same compressed, about a quarter as large
    NdjsonGz,
}

/// What to read, which drawings to keep, and what to write. Equal options and inputs give equal
/// bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Format of the shards.
    pub format: Format,
    /// The most training drawings of a class.
    pub train_observations_per_class: usize,
    /// The most evaluation drawings of a class. The ratio of the two limits is that of the split.
    pub eval_observations_per_class: usize,
    /// Number of shards on each side of the split.
    pub output_shards: usize,
    /// Seed of the shuffle.
    pub seed: u64,
    /// Only these classes, and in this order; otherwise all, sorted.
    pub classes: Option<Vec<String>>,
    /// Only drawings from these countries, two letters each.
    pub countries: Option<BTreeSet<String>>,
    /// Only drawings that the game recognised.
    pub recognized_only: bool,
    /// The most drawings of a class on both sides of the split together.
    pub max_per_class: Option<usize>,
    /// Whether to keep duplicates: drawings with the strokes or the `key_id` of another of their
    /// class.
    pub keep_duplicates: bool,
    /// Whether the first bad line is an error.
    pub strict: bool,
}

impl Default for Options {
    /// The tutorial's.
    fn default() -> Self {
        Self {
            format: Format::Tfrecord,
            train_observations_per_class: 10_000,
            eval_observations_per_class: 1000,
            output_shards: 10,
            seed: 1,
            classes: None,
            countries: None,
            recognized_only: false,
            max_per_class: None,
            keep_duplicates: false,
            strict: false,
        }
    }
}

impl Options {
    pub(super) fn validate(&self) -> Result<()> {
        ensure!(
            self.train_observations_per_class > 0,
            "--train-observations-per-class is 0; at least 1 was expected"
        );
        ensure!(
            (1..=MAX_SHARDS).contains(&self.output_shards),
            "--output-shards is {}; 1 to {MAX_SHARDS} were expected",
            self.output_shards
        );
        if let Some(classes) = &self.classes {
            ensure!(!classes.is_empty(), "--classes names none");
            // Checks that there are not too many, and none twice.
            DataSet::new(classes.clone()).context("--classes")?;
        }
        Ok(())
    }

    /// Whether a drawing is in the evaluation part.
    pub(super) fn is_eval(&self, identity: u64) -> bool {
        let (train, eval) =
            (self.train_observations_per_class as f64, self.eval_observations_per_class as f64);
        // Independent of the sort key, or each side would occupy a range of it.
        const SPLIT: u64 = 0x5149_4c50_5351_4144;
        // 2^64 as f64: a hash is below the share of the whole range.
        (mix(identity ^ SPLIT) as f64) < eval / (train + eval) * 18_446_744_073_709_551_616.0
    }
}
