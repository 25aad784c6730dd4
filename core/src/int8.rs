//! Matrices in float32 in, int8 with a scale for each column out, and back.
//!
//! A column is what one output of a layer multiplies its inputs by, so its numbers are of one size.
//! Rounding is symmetric: a weight is its whole number, -127 to 127, times the scale of its column.

/// The largest whole number that is used; -128 is left out, so that a weight and its negative round
/// alike.
pub(crate) const LARGEST: f32 = 127.0;

/// Scales that are tried for a column, from the one that clips nothing down to three quarters of
/// it.
const N_SCALES: usize = 26;

/// The least scale that is tried, as a share of the one that clips nothing.
const LEAST_SHARE: f32 = 0.75;

/// A matrix `[R, C]`, or several `[D, R, C]`, in 8 bits.
pub(crate) struct Quantized {
    /// As many as the matrix has numbers, in its order.
    pub values: Vec<i8>,
    /// One for each column, `[C]` or `[D, C]`.
    pub scales: Vec<f32>,
}

/// The shape of the scales of a matrix: its own without its rows. Nothing for what is no matrix.
pub(crate) fn scale_shape(shape: &[usize]) -> Option<Vec<usize>> {
    match *shape {
        [_, columns] => Some(vec![columns]),
        [matrices, _, columns] => Some(vec![matrices, columns]),
        _ => None,
    }
}

/// Rounds matrices of `n_rows` by `n_columns` that lie one after the other.
///
/// The scale of a column is the one among some that leaves the least mean squared error: to clip
/// the few largest weights can pay, because all others are then rounded more finely.
pub(crate) fn quantize(values: &[f32], n_rows: usize, n_columns: usize) -> Quantized {
    let mut quantized = Quantized { values: vec![0; values.len()], scales: Vec::new() };
    let matrices = values.chunks_exact(n_rows * n_columns);
    for (from, to) in matrices.zip(quantized.values.chunks_exact_mut(n_rows * n_columns)) {
        for first in 0..n_columns {
            let column = || from[first..].iter().step_by(n_columns).copied();
            let scale = best_scale(column);
            for (to, value) in to[first..].iter_mut().step_by(n_columns).zip(column()) {
                // The cast is exact: the number is whole and within ±127.
                *to = rounded(value, scale) as i8;
            }
            quantized.scales.push(scale);
        }
    }
    quantized
}

/// The weights that `quantized` stands for, in matrices of `n_rows` by `n_columns`.
pub(crate) fn dequantize(quantized: &Quantized, n_rows: usize, n_columns: usize) -> Vec<f32> {
    let rows = quantized.values.chunks_exact(n_columns).enumerate();
    rows.flat_map(|(row, values)| {
        let scales = &quantized.scales[row / n_rows * n_columns..][..n_columns];
        values.iter().zip(scales).map(|(&value, scale)| f32::from(value) * scale)
    })
    .collect()
}

fn rounded(value: f32, scale: f32) -> f32 {
    (value / scale).round_ties_even().clamp(-LARGEST, LARGEST)
}

fn best_scale<I: Iterator<Item = f32>>(column: impl Fn() -> I) -> f32 {
    let widest = column().fold(0.0f32, |largest, value| largest.max(value.abs())) / LARGEST;
    // A column of zeros has no size, and so small a one none that division could use: any scale
    // gives zeros.
    if widest < f32::MIN_POSITIVE {
        return 1.0;
    }
    let squared_error = |scale: f32| {
        column().map(|value| f64::from(value - rounded(value, scale) * scale).powi(2)).sum::<f64>()
    };
    (0..N_SCALES)
        .map(|i| widest * (1.0 - (1.0 - LEAST_SHARE) * i as f32 / (N_SCALES - 1) as f32))
        // Of equal ones the first, which clips nothing.
        .min_by(|&a, &b| squared_error(a).total_cmp(&squared_error(b)))
        .unwrap_or(widest)
}
