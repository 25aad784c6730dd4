//! The optimiser's step: each value is read and written once, in one launch for a parameter.

use burn::tensor::TensorMetadata;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{array, empty, flat_cubes};
use crate::ops::AdamStep;

/// See [`KernelBackend::adam`](crate::ops::KernelBackend::adam).
pub(super) fn step<R: CubeRuntime>(
    parameter: CubeTensor<R>,
    gradient: CubeTensor<R>,
    moments: [CubeTensor<R>; 2],
    step: AdamStep,
) -> (CubeTensor<R>, [CubeTensor<R>; 2]) {
    let AdamStep { learning_rate, beta_1, beta_2, epsilon, weight_decay, time } = step;
    let n_values = parameter.shape().num_elements();
    let out = || empty(&parameter, parameter.shape());
    let (new_parameter, new_moments) = (out(), [out(), out()]);
    let client = parameter.client.clone();
    let (count, dim) = flat_cubes(&client, n_values);
    let [first, second] = moments;
    // SAFETY: all tensors have so many values.
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
            beta_1,
            beta_2,
            epsilon,
            (1.0 - learning_rate * f64::from(weight_decay)) as f32,
            learning_rate as f32 / (1.0 - beta_1.powi(time)),
            1.0 / (1.0 - beta_2.powi(time)),
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
