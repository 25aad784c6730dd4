//! A drawing in, the time steps that the network reads out: the only normalisation there is.
//!
//! Padding and lengths are left to [`InkBatch`](crate::InkBatch).

use crate::drawing::Drawing;
use crate::ink_format::InkFormat;

/// A drawing as a sequence of pen movements.
#[derive(Debug, Clone, PartialEq)]
pub struct Ink {
    /// `[n_rows, n_columns]`, row-major.
    rows: Vec<f32>,
    n_rows: usize,
    format: InkFormat,
}

impl Ink {
    /// Turns a drawing into ink.
    ///
    /// The `stroke_end` of a time step is 1 where its point is the last of a stroke and 0
    /// elsewhere, so the first step after a 1 is the jump of the lifted pen. With the [pen
    /// down](Drawing::is_pen_down) the last step has a 0 too: its stroke goes on. In the
    /// [`Tutorial`](InkFormat::Tutorial) format a drawing of one point gives no time step, and a
    /// first stroke of one point leaves no `stroke_end`.
    pub fn from_drawing(drawing: &Drawing, format: InkFormat) -> Self {
        let bounds = Bounds::of(drawing);
        match format {
            InkFormat::Tutorial => tutorial(drawing, &bounds),
            InkFormat::Absolute => absolute(drawing, &bounds),
        }
    }

    /// The same with the pen lifted at the end.
    pub(crate) fn with_pen_up(mut self) -> Self {
        let n_columns = self.format.n_columns();
        if let Some(last) = self.rows.chunks_mut(n_columns).last() {
            last[2] = 1.0;
        }
        self
    }

    /// The values, `[n_rows, n_columns]` in row-major order: a row for each time step.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// Number of time steps, T. It can be zero in the [`Tutorial`](InkFormat::Tutorial) format.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Which values a time step has.
    pub fn format(&self) -> InkFormat {
        self.format
    }
}

/// The smallest upright rectangle around all points.
struct Bounds {
    lower: [f32; 2],
    extent: [f32; 2],
}

impl Bounds {
    fn of(drawing: &Drawing) -> Self {
        let mut lower = [f32::INFINITY; 2];
        let mut upper = [f32::NEG_INFINITY; 2];
        for point in drawing.strokes().iter().flatten() {
            for axis in 0..2 {
                lower[axis] = lower[axis].min(point[axis]);
                upper[axis] = upper[axis].max(point[axis]);
            }
        }
        Self { lower, extent: [upper[0] - lower[0], upper[1] - lower[1]] }
    }
}

/// All points in order, each with its `stroke_end`.
fn points(drawing: &Drawing) -> impl Iterator<Item = ([f32; 2], f32)> {
    let unfinished = drawing.is_pen_down().then(|| drawing.strokes().len() - 1);
    drawing.strokes().iter().enumerate().flat_map(move |(stroke_index, stroke)| {
        let last = (unfinished != Some(stroke_index)).then(|| stroke.len() - 1);
        stroke
            .iter()
            .enumerate()
            .map(move |(index, point)| (*point, f32::from(u8::from(last == Some(index)))))
    })
}

/// The extent as a divisor: 1 where it is zero.
fn divisor(extent: f32) -> f32 {
    if extent == 0.0 { 1.0 } else { extent }
}

fn tutorial(drawing: &Drawing, bounds: &Bounds) -> Ink {
    let scale = bounds.extent.map(divisor);
    // In this order, in f32, as NumPy does it: first all points to 0..1, then the differences.
    let normalise =
        |point: [f32; 2]| [(point[0] - bounds.lower[0]) / scale[0], (point[1] - bounds.lower[1]) / scale[1]];

    let n_rows = drawing.n_points() - 1;
    let mut rows = Vec::with_capacity(n_rows * InkFormat::Tutorial.n_columns());
    let mut before = normalise(drawing.strokes()[0][0]);
    for (point, stroke_end) in points(drawing).skip(1) {
        let [x, y] = normalise(point);
        rows.extend_from_slice(&[x - before[0], y - before[1], stroke_end]);
        before = [x, y];
    }
    Ink { rows, n_rows, format: InkFormat::Tutorial }
}

fn absolute(drawing: &Drawing, bounds: &Bounds) -> Ink {
    let [width, height] = bounds.extent;
    let scale = divisor(width.max(height) / 2.0);
    // Relative to the corner first: the far corner then lands on 1 exactly, however far the drawing
    // is from the origin.
    let normalise = |point: [f32; 2]| {
        [
            (point[0] - bounds.lower[0] - width / 2.0) / scale,
            (point[1] - bounds.lower[1] - height / 2.0) / scale,
        ]
    };

    let n_rows = drawing.n_points();
    let mut rows = Vec::with_capacity(n_rows * InkFormat::Absolute.n_columns());
    let mut before = normalise(drawing.strokes()[0][0]);
    for (point, stroke_end) in points(drawing) {
        let [x, y] = normalise(point);
        rows.extend_from_slice(&[x - before[0], y - before[1], stroke_end, x, y]);
        before = [x, y];
    }
    Ink { rows, n_rows, format: InkFormat::Absolute }
}
