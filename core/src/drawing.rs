//! Pen strokes in, a validated [`Drawing`] out.
//!
//! Nothing is moved or scaled here: that is left to `simplify` and `ink`. Lines of files are
//! [`Record`](crate::Record)'s.

use crate::error::Error;

/// No screen or tablet has coordinates beyond this; f32 still represents whole pixels exactly
/// there.
const LARGEST_COORDINATE: f32 = 1e7;

/// Strokes of points `[x, y]`: at least one stroke, at least one point in each, all coordinates
/// finite and at most 10 million in magnitude.
///
/// y points down, as on a screen. The unit is the caller's until [`simplify`](Drawing::simplify)
/// makes it 1/255 of the drawing's larger side.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    strokes: Vec<Vec<[f32; 2]>>,
    is_pen_down: bool,
}

impl Drawing {
    /// Makes a drawing of strokes, each a list of points `[x, y]`, and validates it.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyDrawing`], [`Error::EmptyStroke`] or [`Error::InvalidCoordinate`], for the
    /// first violation.
    pub fn from_strokes(strokes: Vec<Vec<[f32; 2]>>) -> Result<Self, Error> {
        if strokes.is_empty() {
            return Err(Error::EmptyDrawing);
        }
        for (stroke, points) in strokes.iter().enumerate() {
            if points.is_empty() {
                return Err(Error::EmptyStroke { stroke });
            }
            // Written so that NaN, for which every comparison is false, does not pass.
            let is_valid = |[x, y]: &[f32; 2]| x.abs() <= LARGEST_COORDINATE && y.abs() <= LARGEST_COORDINATE;
            if let Some(point) = points.iter().position(|point| !is_valid(point)) {
                let [x, y] = points[point];
                return Err(Error::InvalidCoordinate { stroke, point, x, y });
            }
        }
        Ok(Self { strokes, is_pen_down: false })
    }

    /// The same drawing with other strokes, known to be valid.
    pub(crate) fn with_checked_strokes(&self, strokes: Vec<Vec<[f32; 2]>>) -> Self {
        Self { strokes, is_pen_down: self.is_pen_down }
    }

    /// Sets whether the pen is still down: the last stroke is unfinished.
    pub fn with_pen_down(self, is_pen_down: bool) -> Self {
        Self { is_pen_down, ..self }
    }

    /// Whether the pen is still down; false unless set by `with_pen_down`.
    pub fn is_pen_down(&self) -> bool {
        self.is_pen_down
    }

    /// The strokes in the order in which they were drawn, each a list of points `[x, y]`.
    pub fn strokes(&self) -> &[Vec<[f32; 2]>] {
        &self.strokes
    }

    /// Total number of points of all strokes.
    pub fn n_points(&self) -> usize {
        self.strokes.iter().map(Vec::len).sum()
    }

    /// The drawing as it was after `n_points` points; at least one is kept. The pen is down if that
    /// is within a stroke.
    pub fn first_points(mut self, n_points: usize) -> Self {
        if n_points.max(1) < self.n_points() {
            self.is_pen_down = keep_first_points(&mut self.strokes, n_points);
        }
        self
    }

    /// The drawing truncated to its first `n_points` points, the pen state unchanged.
    pub fn limited_to(self, n_points: usize) -> Self {
        let is_pen_down = self.is_pen_down;
        self.first_points(n_points).with_pen_down(is_pen_down)
    }
}

/// Truncates strokes to `n_points` points in all, at least one. Returns whether the last remaining
/// stroke was cut.
pub fn keep_first_points(strokes: &mut Vec<Vec<[f32; 2]>>, n_points: usize) -> bool {
    let mut room = n_points.max(1);
    let mut is_cut = false;
    strokes.retain_mut(|stroke| {
        is_cut |= room > 0 && stroke.len() > room;
        stroke.truncate(room);
        room -= stroke.len();
        !stroke.is_empty()
    });
    is_cut
}
