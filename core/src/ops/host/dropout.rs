//! Dropout on slices, in one pass and without a mask in memory: which elements stay follows from
//! their index and a seed.

use pulp::{Arch, Simd, WithSimd};

use super::{for_each, uninitialised};
use crate::ops::Dropout;

/// Values that one thread takes at a time.
const CHUNK_VALUES: usize = 1 << 16;

/// Drops values of `x` `[B, T, C]`, of which `drawing_len` = T C belong to a drawing and `d_input`
/// = C to a row.
///
/// The gradient is the same function of the gradient of the output.
pub fn dropout(x: &[f32], drawing_len: usize, d_input: usize, dropout: Dropout) -> Vec<f32> {
    let mut output = uninitialised(x.len());
    let chunk_len = drawing_len.max(1) * (CHUNK_VALUES / drawing_len.max(1)).max(1);
    let chunks: Vec<_> = x.chunks(chunk_len).zip(output.chunks_mut(chunk_len)).enumerate().collect();
    for_each(chunks, |(number, (x, output))| {
        let first = number * chunk_len;
        Arch::new().dispatch(Drop { x, output, first, drawing_len, d_input, dropout });
    });
    output
}

struct Drop<'a> {
    x: &'a [f32],
    output: &'a mut [f32],
    /// Element index of the first value in the batch, the start of a drawing.
    first: usize,
    drawing_len: usize,
    d_input: usize,
    dropout: Dropout,
}

impl WithSimd for Drop<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, output, first, drawing_len, d_input, dropout } = self;
        let (threshold, scale) = (dropout.threshold(), dropout.scale());
        let keep = |index: usize| if dropout.hash(index as u32) < threshold { 0.0 } else { scale };
        if dropout.same_at_every_step {
            let drawings = x.chunks_exact(drawing_len).zip(output.chunks_exact_mut(drawing_len));
            for (b, (x, output)) in drawings.enumerate() {
                let index = (first / drawing_len + b) * d_input;
                let factors: Vec<f32> = (0..d_input).map(|c| keep(index + c)).collect();
                for (x, output) in x.chunks_exact(d_input).zip(output.chunks_exact_mut(d_input)) {
                    for ((output, x), factor) in output.iter_mut().zip(x).zip(&factors) {
                        *output = x * factor;
                    }
                }
            }
        } else {
            for (i, (output, x)) in output.iter_mut().zip(x).enumerate() {
                *output = x * keep(first + i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_dropped_with_the_given_probability_and_the_rest_scaled_up() {
        let (n_drawings, n_steps, c) = (40, 50, 60);
        let x: Vec<f32> = (0..n_drawings * n_steps * c).map(|i| 1.0 + (i % 7) as f32).collect();
        for same_at_every_step in [false, true] {
            let options = Dropout { probability: 0.3, seed: 5 << 40 | 17, same_at_every_step };
            let output = dropout(&x, n_steps * c, c, options);
            let n_dropped = output.iter().filter(|&&value| value == 0.0).count();
            let share = n_dropped as f64 / x.len() as f64;
            let n_choices = if same_at_every_step { n_drawings * c } else { x.len() } as f64;
            let deviation = (0.3 * 0.7 / n_choices).sqrt();
            assert!((share - 0.3).abs() < 4.0 * deviation, "{share} dropped");
            for (x, y) in x.iter().zip(&output) {
                assert!(*y == 0.0 || (y / x - 1.0 / 0.7).abs() < 1e-6, "{x} became {y}");
            }
            let rows: Vec<Vec<bool>> =
                output.chunks(c).map(|row| row.iter().map(|&y| y == 0.0).collect()).collect();
            assert_eq!(rows[0] == rows[1], same_at_every_step, "rows of one drawing");
            assert_ne!(rows[0], rows[n_steps], "rows of two drawings");
            assert_ne!(output, dropout(&x, n_steps * c, c, Dropout { seed: 18, ..options }));
        }
    }
}
