//! The convolution: the windows of all valid time steps, gathered by a kernel (im2col), and one
//! matrix product.
//!
//! The gradient of the input is gathered as well, each value from the windows that contain it, so
//! that no atomic additions are needed.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::packing::{Packing, SLOT_SIZE, clear, pack, sum_rows, unpack};
use super::{array, dims, empty, product, product_over_rows, zeros};
use crate::ops::{ConvWeights, Lengths, float, tensor};

/// Sizes of a convolution.
#[derive(Clone, Copy)]
struct Sizes {
    n_drawings: usize,
    n_steps: usize,
    d_input: usize,
    d_window: usize,
    d_output: usize,
    stride: usize,
}

impl Sizes {
    fn of<R: CubeRuntime>(x: &CubeTensor<R>, weight: &CubeTensor<R>, stride: usize) -> Self {
        let [n_drawings, n_steps, d_input] = dims(x);
        let [d_window, d_output] = dims(weight);
        Self { n_drawings, n_steps, d_input, d_window, d_output, stride }
    }

    fn n_output_steps(self) -> usize {
        self.n_steps.div_ceil(self.stride)
    }

    /// Time steps of a window before its centre.
    fn left(self) -> usize {
        (self.d_window / self.d_input - 1) / 2
    }
}

/// See [`KernelBackend::conv_forward`](crate::ops::KernelBackend::conv_forward).
pub(super) fn forward<R: CubeRuntime>(
    x: CubeTensor<R>,
    weights: ConvWeights<CubeTensor<R>>,
    stride: usize,
    lengths: &Lengths,
) -> CubeTensor<R> {
    let sizes = Sizes::of(&x, &weights.weight, stride);
    let packing = Packing::new(lengths, stride, 1, &x);
    if packing.n_used == 0 {
        return zeros(&x, [sizes.n_drawings, sizes.n_output_steps(), sizes.d_output]);
    }
    let rows = product(windows(x, sizes, &packing), weights.weight);
    unpack(rows, Some(weights.bias), sizes.n_output_steps(), &packing)
}

/// See [`KernelBackend::conv_backward`](crate::ops::KernelBackend::conv_backward).
pub(super) fn backward<B, R: CubeRuntime>(
    d_output: CubeTensor<R>,
    x: CubeTensor<R>,
    weights: ConvWeights<CubeTensor<R>>,
    stride: usize,
    lengths: &Lengths,
    wants_d_x: bool,
) -> (Option<CubeTensor<R>>, ConvWeights<CubeTensor<R>>)
where
    B: Backend<FloatTensorPrimitive = CubeTensor<R>>,
{
    let sizes = Sizes::of(&x, &weights.weight, stride);
    let Sizes { n_drawings, n_steps, d_input, d_window, d_output: width, .. } = sizes;
    let packing = Packing::new(lengths, stride, 1, &x);
    if packing.n_used == 0 {
        let d_x = wants_d_x.then(|| zeros(&x, [n_drawings, n_steps, d_input]));
        let (weight, bias) = (zeros(&x, [d_window, width]), zeros(&x, [width]));
        return (d_x, ConvWeights { weight, bias });
    }
    let windows = windows(x, sizes, &packing);
    let d_rows = pack(d_output, &packing);
    let d_x = wants_d_x.then(|| {
        let weight = float(tensor::<B, 2>(weights.weight).transpose());
        sum_of_windows(product(d_rows.clone(), weight), sizes, &packing)
    });
    let d_bias: Tensor<B, 1> = tensor::<B, 2>(sum_rows(d_rows.clone())).reshape([width]);
    let d_weight = product_over_rows::<B, R>(windows, d_rows, &packing);
    (d_x, ConvWeights { weight: d_weight, bias: float(d_bias) })
}

/// The windows of all valid time steps, `[N, K * C]`, zero outside the drawing.
fn windows<R: CubeRuntime>(x: CubeTensor<R>, sizes: Sizes, packing: &Packing<R>) -> CubeTensor<R> {
    let windows = empty(&x, [packing.n_rows, sizes.d_window]);
    let client = x.client.clone();
    let (count, dim) = packing.cubes(sizes.n_output_steps() * sizes.d_window);
    // SAFETY: a slot's windows lie in the result, and rows of the input are read within a drawing's
    // length alone.
    unsafe {
        windows_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(x),
            packing.table(),
            windows.clone().into_array_arg(),
            sizes.n_drawings as u32,
            packing.n_used as u32,
            packing.n_rows as u32,
            sizes.n_steps as u32,
            sizes.d_input as u32,
            sizes.d_window as u32,
            sizes.left() as u32,
            sizes.stride as u32,
        );
    }
    windows
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn windows_kernel(
    x: &Array<f32>,
    packing: &Array<u32>,
    windows: &mut Array<f32>,
    n_drawings: u32,
    n_used: u32,
    n_rows: u32,
    n_steps: u32,
    d_input: u32,
    d_window: u32,
    left: u32,
    stride: u32,
) {
    if CUBE_POS_Y == 0 {
        clear(windows, n_used * d_window, n_rows * d_window);
    }
    let mut slot = CUBE_POS_Y;
    while slot < n_drawings {
        let entry = slot as usize * SLOT_SIZE;
        let (drawing, n_windows) = (packing[entry], packing[entry + 1]);
        let (first_row, length) = (packing[entry + 2], packing[entry + 3]);
        let mut i = ABSOLUTE_POS_X;
        while i < n_windows * d_window {
            let column = i % d_window;
            // One row of the padding before the drawing is row 0 here, so that nothing is below
            // zero.
            let shifted = i / d_window * stride + column / d_input;
            let mut value = 0.0f32;
            if shifted >= left && shifted - left < length {
                let row = drawing * n_steps + shifted - left;
                value = x[(row * d_input + column % d_input) as usize];
            }
            windows[(first_row * d_window + i) as usize] = value;
            i += CUBE_COUNT_X * CUBE_DIM_X;
        }
        slot += CUBE_COUNT_Y;
    }
}

/// `d_windows` `[N, K * C]` scattered back to the time steps of the windows, `[B, T, C]`, zero in
/// the padding.
fn sum_of_windows<R: CubeRuntime>(
    d_windows: CubeTensor<R>,
    sizes: Sizes,
    packing: &Packing<R>,
) -> CubeTensor<R> {
    let d_x = empty(&d_windows, [sizes.n_drawings, sizes.n_steps, sizes.d_input]);
    let client = d_x.client.clone();
    let (count, dim) = packing.cubes(sizes.n_steps * sizes.d_input);
    // SAFETY: every value of the result is written once; windows are read within a slot's rows
    // alone.
    unsafe {
        sum_of_windows_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(d_windows),
            packing.table(),
            d_x.clone().into_array_arg(),
            sizes.n_drawings as u32,
            sizes.n_steps as u32,
            sizes.d_input as u32,
            sizes.d_window as u32,
            sizes.left() as u32,
            sizes.stride as u32,
        );
    }
    d_x
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn sum_of_windows_kernel(
    d_windows: &Array<f32>,
    packing: &Array<u32>,
    d_x: &mut Array<f32>,
    n_drawings: u32,
    n_steps: u32,
    d_input: u32,
    d_window: u32,
    left: u32,
    stride: u32,
) {
    let mut slot = CUBE_POS_Y;
    while slot < n_drawings {
        let entry = slot as usize * SLOT_SIZE;
        let (drawing, n_rows) = (packing[entry], packing[entry + 1]);
        let (first_row, length) = (packing[entry + 2], packing[entry + 3]);
        let mut i = ABSOLUTE_POS_X;
        while i < n_steps * d_input {
            let (row, column) = (i / d_input, i % d_input);
            let mut sum = 0.0f32;
            if row < length {
                let kernel_len = d_window / d_input;
                for tap in 0..kernel_len {
                    // This row is number `tap` in the window that starts `left` rows before row
                    // `shifted - tap`.
                    let shifted = row + left;
                    if shifted >= tap && (shifted - tap).is_multiple_of(stride) {
                        let output_row = (shifted - tap) / stride;
                        if output_row < n_rows {
                            let window = (first_row + output_row) * d_window;
                            sum += d_windows[(window + tap * d_input + column) as usize];
                        }
                    }
                }
            }
            d_x[(drawing * n_steps * d_input + i) as usize] = sum;
            i += CUBE_COUNT_X * CUBE_DIM_X;
        }
        slot += CUBE_COUNT_Y;
    }
}
