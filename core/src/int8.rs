//! Quantizes float32 matrices to int8 with a scale for each column, and dequantizes them.
//!
//! A column is what one output of a layer multiplies its inputs by, so its weights are of similar
//! magnitude. Quantization is symmetric: a weight is an integer, -127 to 127, times the scale of
//! its column.

/// The largest integer used; -128 is left out, so that quantization is symmetric.
pub(crate) const MAX_INT8: f32 = 127.0;

/// Number of candidate scales of a column, from the one that clips nothing down to three quarters
/// of it.
const N_SCALES: usize = 26;

/// The smallest candidate, as a fraction of the scale that clips nothing.
const MIN_FRACTION: f32 = 0.75;

/// A matrix `[R, C]`, or several `[D, R, C]`, in int8.
pub(crate) struct Quantized {
    /// The matrix's values in its order.
    pub values: Vec<i8>,
    /// One for each column, `[C]` or `[D, C]`.
    pub scales: Vec<f32>,
}

/// The shape of the scales of a matrix: its own without the row dimension. `None` if it is not a
/// matrix.
pub(crate) fn scale_shape(shape: &[usize]) -> Option<Vec<usize>> {
    match *shape {
        [_, columns] => Some(vec![columns]),
        [matrices, _, columns] => Some(vec![matrices, columns]),
        _ => None,
    }
}

/// Quantizes consecutive matrices of `n_rows` by `n_columns`.
///
/// The scale of a column is the candidate with the lowest mean squared error: clipping the few
/// largest weights can pay, because all others are then rounded more finely.
pub(crate) fn quantize(values: &[f32], n_rows: usize, n_columns: usize) -> Quantized {
    let mut quantized = Quantized { values: vec![0; values.len()], scales: Vec::new() };
    let matrices = values.chunks_exact(n_rows * n_columns);
    for (from, to) in matrices.zip(quantized.values.chunks_exact_mut(n_rows * n_columns)) {
        for first in 0..n_columns {
            let column = || from[first..].iter().step_by(n_columns).copied();
            let scale = best_scale(column);
            for (to, value) in to[first..].iter_mut().step_by(n_columns).zip(column()) {
                // The cast is exact: the value is an integer within ±127.
                *to = rounded(value, scale) as i8;
            }
            quantized.scales.push(scale);
        }
    }
    quantized
}

/// The float32 weights of `quantized` matrices of `n_rows` by `n_columns`.
pub(crate) fn dequantize(quantized: &Quantized, n_rows: usize, n_columns: usize) -> Vec<f32> {
    let rows = quantized.values.chunks_exact(n_columns).enumerate();
    rows.flat_map(|(row, values)| {
        let scales = &quantized.scales[row / n_rows * n_columns..][..n_columns];
        values.iter().zip(scales).map(|(&value, scale)| f32::from(value) * scale)
    })
    .collect()
}

fn rounded(value: f32, scale: f32) -> f32 {
    (value / scale).round_ties_even().clamp(-MAX_INT8, MAX_INT8)
}

fn best_scale<I: Iterator<Item = f32>>(column: impl Fn() -> I) -> f32 {
    let max_abs = column().fold(0.0f32, |largest, value| largest.max(value.abs())) / MAX_INT8;
    // For a column of zeros, or of values too small to divide by, any scale gives zeros.
    if max_abs < f32::MIN_POSITIVE {
        return 1.0;
    }
    let squared_error = |scale: f32| {
        column().map(|value| f64::from(value - rounded(value, scale) * scale).powi(2)).sum::<f64>()
    };
    (0..N_SCALES)
        .map(|i| max_abs * (1.0 - (1.0 - MIN_FRACTION) * i as f32 / (N_SCALES - 1) as f32))
        // Ties go to the first, which clips nothing.
        .min_by(|&a, &b| squared_error(a).total_cmp(&squared_error(b)))
        .unwrap_or(max_abs)
}
