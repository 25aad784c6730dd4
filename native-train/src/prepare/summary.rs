//! Counts of drawings read, written and left out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::options::Options;

/// How many classes with too few drawings are named.
const MAX_NAMES: usize = 8;

/// Drawings that were read and not written, by reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Lines that hold no valid drawing.
    pub bad_lines: usize,
    /// Of a class that was not selected.
    pub other_class: usize,
    /// Not recognised, or without that field.
    pub not_recognized: usize,
    /// Of another country, or without one.
    pub other_country: usize,
    /// Fewer than two different points: no ink.
    pub empty: usize,
    /// More than 2,000 points, even when simplified.
    pub absurd: usize,
    /// Duplicates within their class, by strokes or by `key_id`.
    pub duplicate: usize,
    /// Beyond the limit of their class.
    pub over_limit: usize,
}

/// Drawings of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Its name.
    pub name: String,
    /// To train on.
    pub train: usize,
    /// To evaluate on.
    pub eval: usize,
}

/// The result of [`prepare`](super::prepare).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Drawings and bad lines that were read. A file whose class is full is not read to its end.
    pub read: usize,
    /// Drawings to train on.
    pub train: usize,
    /// Drawings to evaluate on.
    pub eval: usize,
    /// Of these, drawings that were not in simplified form and have been simplified.
    pub simplified: usize,
    /// Drawings that were not written.
    pub left_out: LeftOut,
    /// The first bad lines, each as `path:line: message`.
    pub examples: Vec<String>,
    /// Every class in the order of its index.
    pub classes: Vec<ClassCount>,
    /// Soft labels of classes that have no drawing, which TFRecords cannot hold.
    #[serde(default)]
    pub unknown_soft: usize,
    /// Files that were ignored, because their names are not those of files of drawings.
    #[serde(default)]
    pub other_files: usize,
    /// Whether the output already existed.
    #[serde(skip)]
    pub was_there: bool,
    /// Files that the interrupted run had read.
    #[serde(skip)]
    pub n_resumed: usize,
}

impl Summary {
    /// A warning about classes with fewer drawings than requested.
    pub(super) fn too_few(&self, options: &Options) -> Option<String> {
        let wants = |class: &&ClassCount| {
            let limit = options.max_per_class.unwrap_or(usize::MAX);
            let wanted = options.train_observations_per_class + options.eval_observations_per_class;
            class.train + class.eval < wanted.min(limit)
        };
        let few: Vec<String> = self
            .classes
            .iter()
            .filter(wants)
            .map(|class| format!("{} ({} + {})", class.name, class.train, class.eval))
            .collect();
        if few.is_empty() {
            return None;
        }
        let more = if few.len() > MAX_NAMES { ", ..." } else { "" };
        let shown = few[..few.len().min(MAX_NAMES)].join(", ");
        Some(format!(
            "{} of {} classes have fewer drawings than {} + {}: {shown}{more}",
            few.len(),
            self.classes.len(),
            options.train_observations_per_class,
            options.eval_observations_per_class
        ))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.classes.len();
        write!(f, "{} drawings to train on, {} to evaluate on, of {n} classes", self.train, self.eval)?;
        if self.was_there {
            return f.write_str("; they were there already");
        }
        if self.simplified > 0 {
            write!(f, "; {} simplified first", self.simplified)?;
        }
        if self.n_resumed > 0 {
            write!(f, "\nread before the interruption: {} files", self.n_resumed)?;
        }
        let left_out = &self.left_out;
        for (n, reason) in [
            (left_out.other_class, "of other classes"),
            (left_out.not_recognized, "not recognised"),
            (left_out.other_country, "from other countries"),
            (left_out.empty, "empty"),
            (left_out.absurd, "absurdly long"),
            (left_out.duplicate, "duplicates"),
            (left_out.over_limit, "beyond what a class may have"),
        ] {
            if n > 0 {
                write!(f, "\nleft out: {n} {reason}")?;
            }
        }
        if self.unknown_soft > 0 {
            write!(f, "\nleft out: {} soft labels of classes without drawings", self.unknown_soft)?;
        }
        if self.other_files > 0 {
            write!(f, "\nother files passed over: {}", self.other_files)?;
        }
        if left_out.bad_lines > 0 {
            write!(f, "\nbad lines left out: {}", left_out.bad_lines)?;
            for example in &self.examples {
                write!(f, "\n  {example}")?;
            }
            if left_out.bad_lines > self.examples.len() {
                write!(f, "\n  and {} more", left_out.bad_lines - self.examples.len())?;
            }
        }
        Ok(())
    }
}
