//! Pooling over valid time steps: a thread handles one channel of one drawing.

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{array, dims, empty, flat_cubes, indices};
use crate::Pooling;
use crate::ops::Lengths;

/// See [`KernelBackend::pool_forward`](crate::ops::KernelBackend::pool_forward).
pub(super) fn forward<R: CubeRuntime>(
    x: CubeTensor<R>,
    pooling: Pooling,
    lengths: &Lengths,
) -> CubeTensor<R> {
    let [n_drawings, n_steps, c] = dims(&x);
    let output = empty(&x, [n_drawings, pooling.n_parts() * c]);
    let client = output.client.clone();
    let (count, dim) = flat_cubes(&client, n_drawings * c);
    // SAFETY: time steps are read within a drawing's length, which is at most T; every value of the
    // result is written once.
    unsafe {
        pool_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(x),
            indices(&client, lengths.as_slice()),
            output.clone().into_array_arg(),
            n_drawings as u32,
            n_steps as u32,
            c as u32,
            pooling == Pooling::MeanMax,
        );
    }
    output
}

/// See [`KernelBackend::pool_backward`](crate::ops::KernelBackend::pool_backward).
pub(super) fn backward<R: CubeRuntime>(
    d_output: CubeTensor<R>,
    x: CubeTensor<R>,
    pooling: Pooling,
    lengths: &Lengths,
) -> CubeTensor<R> {
    let [n_drawings, n_steps, c] = dims(&x);
    let d_x = empty(&x, [n_drawings, n_steps, c]);
    let client = d_x.client.clone();
    let (count, dim) = flat_cubes(&client, n_drawings * c);
    // SAFETY: as forward.
    unsafe {
        unpool_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(d_output),
            array(x),
            indices(&client, lengths.as_slice()),
            d_x.clone().into_array_arg(),
            n_drawings as u32,
            n_steps as u32,
            c as u32,
            pooling == Pooling::MeanMax,
        );
    }
    d_x
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn pool_kernel(
    x: &Array<f32>,
    lengths: &Array<u32>,
    output: &mut Array<f32>,
    n_drawings: u32,
    n_steps: u32,
    c: u32,
    #[comptime] mean_max: bool,
) {
    let mut i = ABSOLUTE_POS_X;
    while i < n_drawings * c {
        let (drawing, channel) = (i / c, i % c);
        let length = lengths[drawing as usize];
        let first = drawing * n_steps * c + channel;
        let mut sum = 0.0f32;
        let mut max = 0.0f32;
        for step in 0..length {
            let value = x[(first + step * c) as usize];
            sum += value;
            if step == 0 || value > max {
                max = value;
            }
        }
        if comptime!(mean_max) {
            output[(drawing * 2 * c + channel) as usize] = sum / f32::cast_from(clamp_min(length, 1u32));
            output[((drawing * 2 + 1) * c + channel) as usize] = max;
        } else {
            output[i as usize] = sum;
        }
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}

/// The gradient of a maximum goes to the first step that attains it.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn unpool_kernel(
    d_output: &Array<f32>,
    x: &Array<f32>,
    lengths: &Array<u32>,
    d_x: &mut Array<f32>,
    n_drawings: u32,
    n_steps: u32,
    c: u32,
    #[comptime] mean_max: bool,
) {
    let mut i = ABSOLUTE_POS_X;
    while i < n_drawings * c {
        let (drawing, channel) = (i / c, i % c);
        let length = lengths[drawing as usize];
        let first = drawing * n_steps * c + channel;
        let n_parts = comptime!(if mean_max { 2u32 } else { 1u32 });
        let mut share = d_output[(drawing * n_parts * c + channel) as usize];
        let mut d_max = 0.0f32;
        let mut argmax = 0u32;
        if comptime!(mean_max) {
            share /= f32::cast_from(clamp_min(length, 1u32));
            d_max = d_output[((drawing * 2 + 1) * c + channel) as usize];
            let mut max = 0.0f32;
            for step in 0..length {
                let value = x[(first + step * c) as usize];
                if step == 0 || value > max {
                    max = value;
                    argmax = step;
                }
            }
        }
        for step in 0..n_steps {
            let mut value = 0.0f32;
            if step < length {
                value = share;
                if step == argmax {
                    value += d_max;
                }
            }
            d_x[(first + step * c) as usize] = value;
        }
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}
