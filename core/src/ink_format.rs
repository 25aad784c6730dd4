//! Which features a time step of the ink has.

use serde::{Deserialize, Serialize};

/// Which features a time step of the ink has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InkFormat {
    /// `(dx, dy, stroke_end)`, x and y scaled to 0..1 independently: `create_dataset.py` of the
    /// tutorial.
    ///
    /// n points give n - 1 time steps, because the first point has no predecessor.
    Tutorial,
    /// `(dx, dy, stroke_end, x, y)`, x and y in -1..1 with their aspect ratio kept.
    ///
    /// n points give n time steps. The bounding box is centred on 0, and its larger side is 2.
    Absolute,
}

impl InkFormat {
    /// Features of a time step, C.
    pub const fn n_columns(self) -> usize {
        match self {
            Self::Tutorial => 3,
            Self::Absolute => 5,
        }
    }
}

impl std::fmt::Display for InkFormat {
    /// The name that configurations use.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Tutorial => "tutorial",
            Self::Absolute => "absolute",
        })
    }
}
