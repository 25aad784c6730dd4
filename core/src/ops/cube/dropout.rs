//! Dropout in one pass and without a mask in memory. It drops the same elements as the CPU
//! implementation.

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{array, dims, empty, flat_cubes};
use crate::ops::Dropout;

/// See [`KernelBackend::dropout`](crate::ops::KernelBackend::dropout).
pub(super) fn dropout<R: CubeRuntime>(x: CubeTensor<R>, dropout: Dropout) -> CubeTensor<R> {
    let [n_drawings, n_steps, d_input] = dims(&x);
    let n_values = n_drawings * n_steps * d_input;
    let output = empty(&x, [n_drawings, n_steps, d_input]);
    let client = output.client.clone();
    let (count, dim) = flat_cubes(&client, n_values);
    // SAFETY: both tensors have `n_values` values.
    unsafe {
        dropout_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(x),
            output.clone().into_array_arg(),
            n_values as u32,
            (n_steps * d_input) as u32,
            d_input as u32,
            dropout.threshold(),
            dropout.scale(),
            dropout.seed as u32,
            (dropout.seed >> 32) as u32,
            dropout.same_at_every_step,
        );
    }
    output
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn dropout_kernel(
    x: &Array<f32>,
    output: &mut Array<f32>,
    n_values: u32,
    drawing_len: u32,
    d_input: u32,
    threshold: u32,
    scale: f32,
    seed_low: u32,
    seed_high: u32,
    #[comptime] same_at_every_step: bool,
) {
    let mut i = ABSOLUTE_POS_X;
    while i < n_values {
        let mut index = i;
        if comptime!(same_at_every_step) {
            index = i / drawing_len * d_input + i % d_input;
        }
        // `Dropout::hash`.
        let mut hash = index ^ seed_low;
        hash = (hash ^ (hash >> 16)) * 0x7feb_352du32;
        hash = ((hash ^ (hash >> 15)) + seed_high) * 0x846c_a68bu32;
        hash = hash ^ (hash >> 16);
        let mut value = 0.0f32;
        if hash >= threshold {
            value = x[i as usize] * scale;
        }
        output[i as usize] = value;
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}
