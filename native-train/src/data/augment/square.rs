//! The square of 0..255 that a drawing fills.

/// The lowest and highest coordinates.
pub(super) fn extent<'a>(points: impl IntoIterator<Item = &'a [f32; 2]>) -> ([f32; 2], [f32; 2]) {
    let mut low = [f32::INFINITY; 2];
    let mut high = [f32::NEG_INFINITY; 2];
    for point in points {
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    (low, high)
}

/// Moves and scales to 0..255, the aspect ratio kept. A drawing of less than one unit is only
/// moved.
pub(super) fn fill_square(strokes: &mut [Vec<[f32; 2]>]) {
    let (low, high) = extent(strokes.iter().flatten());
    let scale = 255.0 / (high[0] - low[0]).max(high[1] - low[1]).max(1.0);
    for point in strokes.iter_mut().flatten() {
        *point = [0, 1].map(|axis| ((point[axis] - low[axis]) * scale).clamp(0.0, 255.0));
    }
}
