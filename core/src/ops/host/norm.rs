//! Batch normalisation and ReLU of rows of channels, in as few passes over memory as possible: two
//! per direction.

use pulp::Arch;

use super::{for_each, uninitialised};

/// Rows that one thread takes at a time. It is constant, so that results do not depend on the
/// number of threads.
const CHUNK_ROWS: usize = 1024;

/// The result of [`forward`].
pub struct Normalized {
    /// In the shape of its input.
    pub output: Vec<f32>,
    /// Of each channel over all rows, `[C]`.
    pub mean: Vec<f32>,
    /// Likewise, `[C]`; divided by the number of rows.
    pub variance: Vec<f32>,
}

/// Normalises each channel of `x` `[N, C]` by its mean and variance over all rows, scales and
/// shifts it by `gamma` and `beta` `[C]`, and applies ReLU.
pub fn forward(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32) -> Normalized {
    let c = gamma.len();
    let chunks = x.chunks(CHUNK_ROWS * c).collect();
    let sums = for_each(chunks, |x: &[f32]| {
        let (mut sum, mut squares) = (vec![0.0f32; c], vec![0.0f32; c]);
        Arch::new().dispatch(|| {
            for row in x.chunks_exact(c) {
                for ((sum, square), value) in sum.iter_mut().zip(&mut squares).zip(row) {
                    *sum += value;
                    *square += value * value;
                }
            }
        });
        [sum, squares]
    });
    let n = (x.len() / c).max(1) as f64;
    let [sum, squares] = total(sums, c);
    let mean: Vec<f32> = sum.iter().map(|sum| (sum / n) as f32).collect();
    let variance: Vec<f32> = sum
        .iter()
        .zip(&squares)
        .map(|(sum, squares)| (squares / n - (sum / n) * (sum / n)).max(0.0) as f32)
        .collect();
    let [scale, shift] = affine(gamma, beta, &mean, &variance, epsilon);
    let mut output = uninitialised(x.len());
    let chunks = x.chunks(CHUNK_ROWS * c).zip(output.chunks_mut(CHUNK_ROWS * c)).collect();
    for_each(chunks, |(x, output): (&[f32], &mut [f32])| {
        Arch::new().dispatch(|| {
            for (row, output) in x.chunks_exact(c).zip(output.chunks_exact_mut(c)) {
                for ((output, value), (scale, shift)) in
                    output.iter_mut().zip(row).zip(scale.iter().zip(&shift))
                {
                    *output = (value * scale + shift).max(0.0);
                }
            }
        });
    });
    Normalized { output, mean, variance }
}

/// The gradients of `x`, `gamma` and `beta`, from that of the output, with the mean and the
/// variance that [`forward`] returned.
pub fn backward(
    d_output: &[f32],
    x: &[f32],
    [gamma, beta]: [&[f32]; 2],
    [mean, variance]: [&[f32]; 2],
    epsilon: f32,
) -> [Vec<f32>; 3] {
    let c = gamma.len();
    let [scale, shift] = affine(gamma, beta, mean, variance, epsilon);
    let chunks = x.chunks(CHUNK_ROWS * c).zip(d_output.chunks(CHUNK_ROWS * c)).collect();
    // The sums of the gradient where ReLU passed the output, and of its products with x.
    let sums = for_each(chunks, |(x, d_output): (&[f32], &[f32])| {
        let (mut sum, mut products) = (vec![0.0f32; c], vec![0.0f32; c]);
        Arch::new().dispatch(|| {
            for (x, d_output) in x.chunks_exact(c).zip(d_output.chunks_exact(c)) {
                let of_channels = sum.iter_mut().zip(&mut products).zip(scale.iter().zip(&shift));
                for (((sum, product), (scale, shift)), (x, d)) in of_channels.zip(x.iter().zip(d_output)) {
                    let d = if x * scale + shift > 0.0 { *d } else { 0.0 };
                    *sum += d;
                    *product += d * x;
                }
            }
        });
        [sum, products]
    });
    let n = (x.len() / c).max(1) as f64;
    let [sum, products] = total(sums, c);
    let (mut d_gamma, mut factors, mut summands) = (vec![0.0; c], vec![0.0; c], vec![0.0; c]);
    for k in 0..c {
        let inverse = 1.0 / f64::from(variance[k] + epsilon).sqrt();
        let d = inverse * (products[k] - f64::from(mean[k]) * sum[k]);
        let by_x = -f64::from(scale[k]) * inverse * d / n;
        d_gamma[k] = d as f32;
        factors[k] = by_x as f32;
        summands[k] = (-f64::from(scale[k]) * sum[k] / n - by_x * f64::from(mean[k])) as f32;
    }
    let mut d_x = uninitialised(x.len());
    let inputs = x.chunks(CHUNK_ROWS * c).zip(d_output.chunks(CHUNK_ROWS * c));
    let chunks = inputs.zip(d_x.chunks_mut(CHUNK_ROWS * c)).collect();
    for_each(chunks, |((x, d_output), d_x): ((&[f32], &[f32]), &mut [f32])| {
        Arch::new().dispatch(|| {
            let rows = x.chunks_exact(c).zip(d_output.chunks_exact(c)).zip(d_x.chunks_exact_mut(c));
            for ((x, d_output), d_x) in rows {
                let of_channels = scale.iter().zip(&shift).zip(factors.iter().zip(&summands));
                let values = x.iter().zip(d_output).zip(d_x);
                for (((x, d), d_x), ((scale, shift), (factor, summand))) in values.zip(of_channels) {
                    let d = if x * scale + shift > 0.0 { *d } else { 0.0 };
                    *d_x = d * scale + x * factor + summand;
                }
            }
        });
    });
    [d_x, d_gamma, sum.iter().map(|sum| *sum as f32).collect()]
}

/// Scale and shift of a channel.
fn affine(gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32], epsilon: f32) -> [Vec<f32>; 2] {
    let scale: Vec<f32> =
        gamma.iter().zip(variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    let shift = beta.iter().zip(mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
    [scale, shift]
}

/// The sums of the chunks, in double precision.
fn total(chunks: Vec<[Vec<f32>; 2]>, c: usize) -> [Vec<f64>; 2] {
    let mut total = [vec![0.0; c], vec![0.0; c]];
    for chunk in chunks {
        for (total, chunk) in total.iter_mut().zip(chunk) {
            total.iter_mut().zip(chunk).for_each(|(total, value)| *total += f64::from(value));
        }
    }
    total
}
