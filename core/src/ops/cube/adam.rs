//! The optimizer step, which reads and writes each value once in one launch per parameter; before
//! it the global gradient norm and the scaling by it.

use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{N_UNITS, array, empty, flat_cubes};
use crate::ops::AdamStep;

/// See [`KernelBackend::adam`](crate::ops::KernelBackend::adam).
pub(super) fn step<R: CubeRuntime>(
    parameter: CubeTensor<R>,
    gradient: CubeTensor<R>,
    moments: [CubeTensor<R>; 2],
    step: AdamStep,
) -> (CubeTensor<R>, [CubeTensor<R>; 2]) {
    let n_values = parameter.shape().num_elements();
    let all = moments.iter().chain([&gradient]);
    assert!(
        all.map(CubeTensor::shape).all(|shape| shape == parameter.shape()),
        "a parameter's gradient and moments"
    );
    let out = || empty(&parameter, parameter.shape());
    let (new_parameter, new_moments) = (out(), [out(), out()]);
    let client = parameter.client.clone();
    let (count, dim) = flat_cubes(&client, n_values);
    let [first, second] = moments;
    // SAFETY: all tensors have `n_values` values.
    unsafe {
        adam_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(parameter),
            array(gradient),
            array(first),
            array(second),
            new_parameter.clone().into_array_arg(),
            new_moments[0].clone().into_array_arg(),
            new_moments[1].clone().into_array_arg(),
            n_values as u32,
            step.beta_1,
            step.beta_2,
            step.epsilon,
            step.kept(),
            step.rate(),
            step.correction(),
        );
    }
    (new_parameter, new_moments)
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn adam_kernel(
    parameter: &Array<f32>,
    gradient: &Array<f32>,
    first: &Array<f32>,
    second: &Array<f32>,
    new_parameter: &mut Array<f32>,
    new_first: &mut Array<f32>,
    new_second: &mut Array<f32>,
    n_values: u32,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    kept: f32,
    rate: f32,
    correction: f32,
) {
    let mut i = ABSOLUTE_POS_X;
    while i < n_values {
        let at = i as usize;
        let gradient = gradient[at];
        let mean = beta_1 * first[at] + (1.0 - beta_1) * gradient;
        let mean_square = beta_2 * second[at] + (1.0 - beta_2) * gradient * gradient;
        new_first[at] = mean;
        new_second[at] = mean_square;
        let root = (mean_square * correction).sqrt() + epsilon;
        new_parameter[at] = parameter[at] * kept - rate * mean / root;
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}

/// See [`KernelBackend::scale`](crate::ops::KernelBackend::scale).
pub(super) fn scale<R: CubeRuntime>(x: CubeTensor<R>, factor: CubeTensor<R>) -> CubeTensor<R> {
    assert_eq!(factor.shape().num_elements(), 1, "values of a factor");
    let n_values = x.shape().num_elements();
    let scaled = empty(&x, x.shape());
    let client = x.client.clone();
    let (count, dim) = flat_cubes(&client, n_values);
    // SAFETY: both tensors have `n_values` values.
    unsafe {
        scale_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(x),
            array(factor),
            scaled.clone().into_array_arg(),
            n_values as u32,
        );
    }
    scaled
}

#[cube(launch_unchecked)]
fn scale_kernel(x: &Array<f32>, factor: &Array<f32>, scaled: &mut Array<f32>, n_values: u32) {
    let factor = factor[0];
    let mut i = ABSOLUTE_POS_X;
    while i < n_values {
        scaled[i as usize] = x[i as usize] * factor;
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}

/// Values per block of [`squares_kernel`], and the maximum number of blocks.
const VALUES_PER_CUBE: usize = 4096;
const MAX_CUBES: usize = 64;

/// See [`KernelBackend::sum_of_squares`](crate::ops::KernelBackend::sum_of_squares). The summation
/// order is fixed.
pub(super) fn sum_of_squares<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>) -> CubeTensor<R> {
    let n_cubes = |x: &CubeTensor<R>| x.shape().num_elements().div_ceil(VALUES_PER_CUBE).clamp(1, MAX_CUBES);
    let like = tensors.first().expect("at least one tensor");
    let client = like.client.clone();
    let n_parts = tensors.iter().map(n_cubes).sum::<usize>();
    let (parts, sum) = (empty(like, [n_parts]), empty(like, [1]));
    let launch = |x: ArrayArg<R>, n_values, squares, first, n_cubes, sums: &CubeTensor<R>| {
        // SAFETY: each block writes one sum, and there is room for all of them from `first` on.
        unsafe {
            squares_kernel::launch_unchecked::<R>(
                &client,
                CubeCount::Static(n_cubes as u32, 1, 1),
                CubeDim::new_1d(N_UNITS),
                x,
                sums.clone().into_array_arg(),
                n_values as u32,
                first as u32,
                squares,
            );
        }
    };
    let mut first = 0;
    for x in tensors {
        let (n_cubes, n_values) = (n_cubes(&x), x.shape().num_elements());
        launch(array(x), n_values, true, first, n_cubes, &parts);
        first += n_cubes;
    }
    launch(array(parts), n_parts, false, 0, 1, &sum);
    sum
}

/// The sum of all values, or of their squares: block i's partial sum into `sums[first + i]`.
#[cube(launch_unchecked)]
fn squares_kernel(
    x: &Array<f32>,
    sums: &mut Array<f32>,
    n_values: u32,
    first: u32,
    #[comptime] squares: bool,
) {
    let mut parts = SharedMemory::<f32>::new(comptime!(N_UNITS as usize));
    let mut sum = 0.0f32;
    let mut i = ABSOLUTE_POS_X;
    while i < n_values {
        let value = x[i as usize];
        if comptime!(squares) {
            sum += value * value;
        } else {
            sum += value;
        }
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
    parts[UNIT_POS_X as usize] = sum;
    sync_cube();
    let mut width = comptime!(N_UNITS / 2).runtime();
    while width > 0 {
        if UNIT_POS_X < width {
            let other = parts[(UNIT_POS_X + width) as usize];
            parts[UNIT_POS_X as usize] += other;
        }
        sync_cube();
        width /= 2;
    }
    if UNIT_POS_X == 0 {
        sums[(first + CUBE_POS_X) as usize] = parts[0];
    }
}
