//! The 3 x 3 convolution of square images, as matrix products over gathered windows.

use super::conv::Gradients;
use super::{
    Arithmetic, Matrix, Packed, Scratch, add, for_each, product, sum_rows, transposed_products, uninitialised,
};
use crate::ops::IMAGE_KERNEL as KERNEL;

/// Images that one thread takes at a time. It is constant, so that results do not depend on the
/// number of threads.
const CHUNK_IMAGES: usize = 16;

/// Values of the windows that are gathered at a time, which stay in the cache for their product.
const GATHERED_VALUES: usize = 1 << 18;

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Images in the batch, B.
    pub n_images: usize,
    /// Pixels along a side, S.
    pub side: usize,
    /// Input channels, C.
    pub d_input: usize,
    /// Output channels, N.
    pub d_output: usize,
    /// Stride along both axes.
    pub stride: usize,
}

impl Shape {
    /// Pixels along a side of the output.
    pub fn output_side(&self) -> usize {
        self.side.div_ceil(self.stride)
    }

    /// Windows of an image.
    pub(crate) fn n_windows(&self) -> usize {
        self.output_side() * self.output_side()
    }

    /// Values in a window.
    pub(crate) fn d_window(&self) -> usize {
        KERNEL * KERNEL * self.d_input
    }

    /// Images whose windows are gathered together.
    fn gathered(&self) -> usize {
        (GATHERED_VALUES / (self.n_windows() * self.d_window())).clamp(1, CHUNK_IMAGES)
    }

    /// The part of a window that lies inside the image, along one axis: the first pixel, and the
    /// taps it covers.
    fn taps(&self, at: usize) -> (usize, std::ops::Range<usize>) {
        let start = at * self.stride; // of the pixel before the centre, plus one
        let first_tap = usize::from(start == 0);
        let first_pixel = start + first_tap - 1;
        (first_pixel, first_tap..KERNEL.min(self.side + 1 - start))
    }

    /// Calls `run` with each run of neighbouring values that a window of an image shares with it:
    /// where it begins in the window and in the image, and its length. The rest of the window is
    /// padding.
    fn for_each_run(&self, mut run: impl FnMut(usize, usize, usize)) {
        let (c, side) = (self.d_input, self.output_side());
        for y in 0..side {
            let (first_row, rows) = self.taps(y);
            for x in 0..side {
                let (first_column, columns) = self.taps(x);
                let window = (y * side + x) * self.d_window();
                for (row, tap) in rows.clone().enumerate() {
                    run(
                        window + (tap * KERNEL + columns.start) * c,
                        ((first_row + row) * self.side + first_column) * c,
                        columns.len() * c,
                    );
                }
            }
        }
    }

    /// The windows of some images `[n, S * S, C]`: `[n * windows, 9 * C]`, zero outside the images.
    fn windows(&self, images: &[f32]) -> Scratch {
        let image_len = self.side * self.side * self.d_input;
        let windows_len = self.n_windows() * self.d_window();
        let mut windows = Scratch::zeros(images.len() / image_len * windows_len);
        for (windows, image) in windows.chunks_exact_mut(windows_len).zip(images.chunks_exact(image_len)) {
            self.for_each_run(|to, from, len| {
                windows[to..to + len].copy_from_slice(&image[from..from + len]);
            });
        }
        windows
    }
}

/// Convolves `x` `[B, S * S, C]` with `weight` `[9 * C, N]`; returns `[B, S' * S', N]`, S' being
/// `ceil(S / stride)`.
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], shape: Shape, arithmetic: Arithmetic) -> Vec<f32> {
    let width = shape.d_output;
    let weight = Packed::new(arithmetic, Matrix::new(weight, shape.d_window(), width));
    let mut output = uninitialised(shape.n_images * shape.n_windows() * width);
    let n = shape.gathered();
    let groups = x
        .chunks(n * shape.side * shape.side * shape.d_input)
        .zip(output.chunks_mut(n * shape.n_windows() * width))
        .collect();
    for_each(groups, |(x, output)| {
        output.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(bias));
        let windows = shape.windows(x);
        let windows = Matrix::new(&windows, output.len() / width, shape.d_window());
        product(output, width, true, windows, &weight);
    });
    output
}

/// The backward pass: from the gradient of the output, `[B, S' * S', N]`, to those of the
/// parameters and, if `wants_d_x`, the input.
pub fn backward(
    d_output: &[f32],
    x: &[f32],
    weight: &[f32],
    shape: Shape,
    arithmetic: Arithmetic,
    wants_d_x: bool,
) -> Gradients {
    let (width, d_window) = (shape.d_output, shape.d_window());
    let (image_len, output_len) = (shape.side * shape.side * shape.d_input, shape.n_windows() * width);
    let weight = Packed::new(arithmetic, Matrix::new(weight, d_window, width).transposed());
    // Without a gradient of the input its pieces are empty.
    let d_x_len = if wants_d_x { image_len } else { 0 };
    let mut d_x = vec![0.0; shape.n_images * d_x_len];
    let mut d_x_chunks = d_x.chunks_mut((CHUNK_IMAGES * d_x_len).max(1));
    let chunks: Vec<_> = x
        .chunks(CHUNK_IMAGES * image_len)
        .zip(d_output.chunks(CHUNK_IMAGES * output_len))
        .map(|(x, d_output)| (x, d_output, d_x_chunks.next().unwrap_or_default()))
        .collect();
    let n = shape.gathered();
    let parts = for_each(chunks, |(x, d_output, d_x)| {
        let mut d_weight = Scratch::zeros(d_window * width);
        let mut d_x_groups = d_x.chunks_mut((n * d_x_len).max(1));
        for (x, d_output) in x.chunks(n * image_len).zip(d_output.chunks(n * output_len)) {
            let n_windows = d_output.len() / width;
            let d_rows = Matrix::new(d_output, n_windows, width);
            let windows = shape.windows(x);
            let mut products = Scratch::any(d_window * width);
            let factors = [(&mut products[..], Matrix::new(&windows, n_windows, d_window))];
            transposed_products(arithmetic, factors, d_rows);
            add(&mut d_weight, &products);
            if wants_d_x {
                // Of the same size, and no longer needed.
                let mut d_windows = windows;
                product(&mut d_windows, d_window, false, d_rows, &weight);
                let d_x = d_x_groups.next().unwrap_or_default();
                let windows_len = shape.n_windows() * d_window;
                for (d_x, d_windows) in d_x.chunks_exact_mut(image_len).zip(d_windows.chunks(windows_len)) {
                    shape.for_each_run(|from, to, len| {
                        add(&mut d_x[to..to + len], &d_windows[from..from + len]);
                    });
                }
            }
        }
        (d_weight, sum_rows(d_output, width))
    });
    Gradients::of_parts(wants_d_x.then_some(d_x), parts, d_window * width, width)
}
