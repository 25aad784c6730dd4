//! The optimizer step on slices: each value is read and written once.

use pulp::{Arch, Simd, WithSimd};

use super::{for_each, uninitialised};
use crate::ops::AdamStep;

/// Values that one thread takes at a time.
const CHUNK_VALUES: usize = 1 << 15;

/// A step of Adam: parameter, gradient and both moments in, parameter and moments out.
pub fn step(parameter: &[f32], gradient: &[f32], moments: [&[f32]; 2], step: &AdamStep) -> [Vec<f32>; 3] {
    let n = parameter.len();
    assert!(gradient.len() == n && moments.iter().all(|moment| moment.len() == n));
    let mut out = [uninitialised(n), uninitialised(n), uninitialised(n)];
    let [parameters, first, second] = &mut out;
    let outs = parameters
        .chunks_mut(CHUNK_VALUES)
        .zip(first.chunks_mut(CHUNK_VALUES).zip(second.chunks_mut(CHUNK_VALUES)));
    let chunks: Vec<_> = outs.enumerate().collect();
    for_each(chunks, |(chunk, (out, (first, second)))| {
        let part = chunk * CHUNK_VALUES..chunk * CHUNK_VALUES + out.len();
        Arch::new().dispatch(Chunk {
            parameter: &parameter[part.clone()],
            gradient: &gradient[part.clone()],
            moments: moments.map(|moment| &moment[part.clone()]),
            out: [out, first, second],
            step,
        });
    });
    out
}

struct Chunk<'a> {
    parameter: &'a [f32],
    gradient: &'a [f32],
    moments: [&'a [f32]; 2],
    out: [&'a mut [f32]; 3],
    step: &'a AdamStep,
}

impl WithSimd for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let AdamStep { beta_1, beta_2, epsilon, .. } = *self.step;
        let (kept, rate, correction) = (self.step.kept(), self.step.rate(), self.step.correction());
        let n = self.out[0].len();
        let [out, first_out, second_out] = self.out.map(|out| &mut out[..n]);
        let (parameter, gradient) = (&self.parameter[..n], &self.gradient[..n]);
        let [first, second] = self.moments.map(|moment| &moment[..n]);
        for i in 0..n {
            let first = beta_1 * first[i] + (1.0 - beta_1) * gradient[i];
            let second = beta_2 * second[i] + (1.0 - beta_2) * gradient[i] * gradient[i];
            first_out[i] = first;
            second_out[i] = second;
            out[i] = parameter[i] * kept - rate * first / ((second * correction).sqrt() + epsilon);
        }
    }
}

/// The sum of the squares of all values.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let sums = for_each(values.chunks(CHUNK_VALUES).collect(), |chunk| Arch::new().dispatch(Squares(chunk)));
    sums.iter().sum()
}

struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        /// Independent partial sums, against the latency of additions.
        const N_SUMS: usize = 64;
        let mut sums = [0.0f32; N_SUMS];
        let chunks = self.0.chunks_exact(N_SUMS);
        let rest: f32 = chunks.remainder().iter().map(|value| value * value).sum();
        for chunk in chunks {
            for i in 0..N_SUMS {
                sums[i] += chunk[i] * chunk[i];
            }
        }
        sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(rest)
    }
}
