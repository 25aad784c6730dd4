//! Suspicious drawings and bad lines, and where they are.

use std::fmt;

use serde::Serialize;

/// How many examples of each kind are listed.
const MAX_EXAMPLES: usize = 10;

/// What can be wrong with a drawing or a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// The line is not a drawing.
    NoDrawing,
    /// It has a single point.
    OnePoint,
    /// All its points are the same.
    NoExtent,
    /// It has more than 5,000 points.
    ManyPoints,
    /// It is larger than 10,000 units.
    Large,
    /// Its word is not that of nearly all others in its file.
    WrongWord,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDrawing => "lines that are no drawings",
            Self::OnePoint => "drawings of one point",
            Self::NoExtent => "drawings whose points all lie at one place",
            Self::ManyPoints => "drawings of more than 5,000 points",
            Self::Large => "drawings larger than 10,000 units",
            Self::WrongWord => "drawings whose word is not that of their file",
        })
    }
}

/// How often something was found, and its first occurrences.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub(super) n: u64,
    /// Index of the file, line, and message.
    pub(super) first: Vec<(usize, u64, String)>,
}

impl Places {
    pub(super) fn add(&mut self, n: u64, file: usize, number: u64, message: impl FnOnce() -> String) {
        self.n += n;
        if self.first.len() < MAX_EXAMPLES {
            self.first.push((file, number, message()));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.first.extend(other.first);
        self.first.sort();
        self.first.truncate(MAX_EXAMPLES);
    }
}
