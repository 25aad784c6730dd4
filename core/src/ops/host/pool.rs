//! Pooling over the time steps of a drawing, on slices.

use super::{add, for_each, uninitialised};
use crate::Pooling;

/// Pools `x` `[B, T, C]` over valid time steps: `[B, C]`, or with [`Pooling::MeanMax`] `[B, 2C]`.
/// An empty drawing gives zeros.
pub fn forward(x: &[f32], lengths: &[usize], n_steps: usize, channels: usize, pooling: Pooling) -> Vec<f32> {
    let c = channels;
    let width = pooling.n_parts() * c;
    let mut output = vec![0.0; lengths.len() * width];
    let drawings = x.chunks_exact((n_steps * c).max(1)).zip(output.chunks_exact_mut(width)).zip(lengths);
    for ((x, output), &length) in drawings {
        let mut steps = x[..length * c].chunks_exact(c);
        match pooling {
            Pooling::Sum => steps.for_each(|step| add(output, step)),
            Pooling::MeanMax => {
                let (mean, max) = output.split_at_mut(c);
                let Some(first) = steps.next() else { continue };
                mean.copy_from_slice(first);
                max.copy_from_slice(first);
                for step in steps {
                    add(mean, step);
                    max.iter_mut().zip(step).for_each(|(max, value)| *max = max.max(*value));
                }
                mean.iter_mut().for_each(|sum| *sum /= length as f32);
            }
        }
    }
    output
}

/// The backward pass: the gradient of `x`. That of a maximum goes to the first step that attains
/// it.
pub fn backward(
    d_output: &[f32],
    x: &[f32],
    lengths: &[usize],
    n_steps: usize,
    channels: usize,
    pooling: Pooling,
) -> Vec<f32> {
    let c = channels;
    let width = pooling.n_parts() * c;
    let mut d_x = uninitialised(x.len());
    let drawings: Vec<_> = d_x
        .chunks_exact_mut((n_steps * c).max(1))
        .zip(x.chunks_exact((n_steps * c).max(1)))
        .zip(d_output.chunks_exact(width).zip(lengths))
        .collect();
    for_each(drawings, |((d_x, x), (d_output, &length))| {
        let (d_steps, padding) = d_x.split_at_mut(length * c);
        padding.fill(0.0);
        let d_steps = d_steps.chunks_exact_mut(c);
        match pooling {
            Pooling::Sum => d_steps.for_each(|d_step| d_step.copy_from_slice(d_output)),
            Pooling::MeanMax if length > 0 => {
                let (d_mean, d_max) = d_output.split_at(c);
                let share = 1.0 / length as f32;
                for d_step in d_steps {
                    d_step.iter_mut().zip(d_mean).for_each(|(d, d_mean)| *d = d_mean * share);
                }
                let mut max = x[..c].to_vec();
                let mut argmax = vec![0; c];
                for (t, step) in x[..length * c].chunks_exact(c).enumerate().skip(1) {
                    for ((max, step_of_max), &value) in max.iter_mut().zip(&mut argmax).zip(step) {
                        if value > *max {
                            (*max, *step_of_max) = (value, t);
                        }
                    }
                }
                for ((k, step_of_max), d_max) in argmax.into_iter().enumerate().zip(d_max) {
                    d_x[step_of_max * c + k] += d_max;
                }
            }
            Pooling::MeanMax => {}
        }
    });
    d_x
}
