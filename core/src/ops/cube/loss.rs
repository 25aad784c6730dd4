//! Softmax and cross-entropy: one block per row.

use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::reshape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::packing::sum_rows;
use super::{array, dims, empty, indices};
use crate::ops::CrossEntropy;

/// Threads per block: a row has some hundred classes.
const N_UNITS: u32 = 64;

/// See [`KernelBackend::cross_entropy`](crate::ops::KernelBackend::cross_entropy).
pub(super) fn cross_entropy<R: CubeRuntime>(
    logits: CubeTensor<R>,
    targets: CubeTensor<R>,
    labels: &[usize],
) -> CrossEntropy<CubeTensor<R>> {
    let [n_drawings, n_classes] = dims(&logits);
    assert_eq!(labels.len(), n_drawings, "labels of a batch");
    assert_eq!(dims(&targets), [n_drawings, n_classes], "targets of a batch");
    let client = logits.client.clone();
    let d_logits = empty(&logits, [n_drawings, n_classes]);
    let (losses, correct) = (empty(&logits, [n_drawings, 1]), empty(&logits, [n_drawings, 1]));
    let n_cubes = n_drawings.min(client.properties().hardware.max_cube_count.0 as usize);
    // SAFETY: rows are read and written within B and K.
    unsafe {
        cross_entropy_kernel::launch_unchecked::<R>(
            &client,
            CubeCount::Static(n_cubes as u32, 1, 1),
            CubeDim::new_1d(N_UNITS),
            array(logits),
            array(targets),
            indices(&client, labels),
            d_logits.clone().into_array_arg(),
            losses.clone().into_array_arg(),
            correct.clone().into_array_arg(),
            n_drawings as u32,
            n_classes as u32,
            1.0 / n_drawings as f32,
        );
    }
    let sum = |rows| reshape(sum_rows(rows), [1].into());
    CrossEntropy { loss: sum(losses), d_logits, n_correct: sum(correct) }
}

/// Writes `losses` `[B]`, each times its `share` in the mean, and `correct` `[B]`, 1 or 0.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn cross_entropy_kernel(
    logits: &Array<f32>,
    targets: &Array<f32>,
    labels: &Array<u32>,
    d_logits: &mut Array<f32>,
    losses: &mut Array<f32>,
    correct: &mut Array<f32>,
    n_drawings: u32,
    n_classes: u32,
    share: f32,
) {
    let unit = UNIT_POS_X as usize;
    let n_units = comptime!(N_UNITS as usize);
    // Each thread's maximum over its classes.
    let mut maxima = SharedMemory::<f32>::new(n_units);
    let mut argmaxes = SharedMemory::<u32>::new(n_units);
    let mut sums = SharedMemory::<f32>::new(n_units);
    let mut target_sums = SharedMemory::<f32>::new(n_units);
    let mut products = SharedMemory::<f32>::new(n_units);
    let mut drawing = CUBE_POS_X;
    while drawing < n_drawings {
        let first = drawing * n_classes;
        // A thread without a class repeats the first.
        let mut max = logits[first as usize];
        let mut argmax = 0u32;
        let mut class = UNIT_POS_X;
        while class < n_classes {
            let logit = logits[(first + class) as usize];
            if logit > max {
                max = logit;
                argmax = class;
            }
            class += N_UNITS;
        }
        maxima[unit] = max;
        argmaxes[unit] = argmax;
        sync_cube();
        max = maxima[0];
        argmax = argmaxes[0];
        for i in 1..n_units {
            let (other, other_argmax) = (maxima[i], argmaxes[i]);
            if other > max || (other == max && other_argmax < argmax) {
                max = other;
                argmax = other_argmax;
            }
        }

        let mut sum = 0.0f32;
        let mut target_sum = 0.0f32;
        let mut product = 0.0f32;
        let mut class = UNIT_POS_X;
        while class < n_classes {
            let below = logits[(first + class) as usize] - max;
            let target = targets[(first + class) as usize];
            sum += below.exp();
            target_sum += target;
            product += target * below;
            class += N_UNITS;
        }
        sums[unit] = sum;
        target_sums[unit] = target_sum;
        products[unit] = product;
        sync_cube();
        sum = 0.0f32;
        target_sum = 0.0f32;
        product = 0.0f32;
        for i in 0..n_units {
            sum += sums[i];
            target_sum += target_sums[i];
            product += products[i];
        }

        let scale = target_sum / sum;
        let mut class = UNIT_POS_X;
        while class < n_classes {
            let at = (first + class) as usize;
            d_logits[at] = ((logits[at] - max).exp() * scale - targets[at]) * share;
            class += N_UNITS;
        }
        if UNIT_POS_X == 0 {
            losses[drawing as usize] = (sum.ln() * target_sum - product) * share;
            let mut is_correct = 0.0f32;
            if argmax == labels[drawing as usize] {
                is_correct = 1.0f32;
            }
            correct[drawing as usize] = is_correct;
        }
        drawing += CUBE_COUNT_X;
        // The next row's maxima overwrite values that all threads have read before the second
        // barrier.
    }
}
