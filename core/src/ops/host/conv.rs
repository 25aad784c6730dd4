//! The 1-d convolution over valid time steps, as one matrix product over gathered windows (im2col).

use super::{
    Arithmetic, Matrix, Packed, Scratch, add, for_each, product, sum_rows, transposed_products, uninitialised,
};

/// Drawings that one thread takes at a time. It is constant, so that results do not depend on the
/// number of threads.
const CHUNK_DRAWINGS: usize = 16;

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Drawings in the batch, B.
    pub n_drawings: usize,
    /// Time steps that the batch is padded to, T.
    pub n_steps: usize,
    /// Input channels, C.
    pub d_input: usize,
    /// Output channels, N.
    pub d_output: usize,
    /// Kernel size, K.
    pub kernel_len: usize,
    /// Stride.
    pub stride: usize,
}

impl Shape {
    /// Time steps that the output is padded to.
    pub fn n_output_steps(&self) -> usize {
        self.n_steps.div_ceil(self.stride)
    }

    /// Values in a window.
    fn d_window(&self) -> usize {
        self.kernel_len * self.d_input
    }

    /// The part of output row `t`'s window that lies inside a drawing of `length` rows: the first
    /// input row, and the taps it covers.
    fn taps(&self, t: usize, length: usize) -> (usize, std::ops::Range<usize>) {
        let left = (self.kernel_len - 1) / 2;
        let start = t * self.stride;
        let first_tap = left.saturating_sub(start);
        let first_row = start + first_tap - left;
        let n_taps = (self.kernel_len - first_tap).min(length - first_row);
        (first_row, first_tap..first_tap + n_taps)
    }

    /// Every valid output step: its drawing, its index there, and that drawing's length.
    fn rows<'a>(&self, lengths: &'a [usize]) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        let stride = self.stride;
        lengths
            .iter()
            .enumerate()
            .flat_map(move |(b, &length)| (0..length.div_ceil(stride)).map(move |t| (b, t, length)))
    }

    /// The windows of all valid output steps, `[N, K * C]`, zero outside the drawing.
    fn windows(&self, x: &[f32], lengths: &[usize]) -> Scratch {
        let n: usize = lengths.iter().map(|length| length.div_ceil(self.stride)).sum();
        let mut windows = Scratch::any(n * self.d_window());
        let c = self.d_input;
        for ((b, t, length), window) in self.rows(lengths).zip(windows.chunks_exact_mut(self.d_window())) {
            let (row, taps) = self.taps(t, length);
            let source = &x[(b * self.n_steps + row) * c..][..taps.len() * c];
            window[..taps.start * c].fill(0.0);
            window[taps.start * c..taps.end * c].copy_from_slice(source);
            window[taps.end * c..].fill(0.0);
        }
        windows
    }
}

/// Gradients of the convolution's input and parameters, in their shapes.
pub struct Gradients {
    /// `[B, T, C]`, or of images `[B, S * S, C]`, where it was wanted.
    pub x: Option<Vec<f32>>,
    /// `[K * C, N]`, or of images `[9 * C, N]`.
    pub weight: Vec<f32>,
    /// `[N]`.
    pub bias: Vec<f32>,
}

impl Gradients {
    /// The sums of what the parts of a batch give for `[n_weights]` and `[n_biases]`, in their
    /// order.
    pub(super) fn of_parts(
        x: Option<Vec<f32>>,
        parts: Vec<(Scratch, Vec<f32>)>,
        n_weights: usize,
        n_biases: usize,
    ) -> Self {
        let mut gradients = Self { x, weight: vec![0.0; n_weights], bias: vec![0.0; n_biases] };
        for (d_weight, d_bias) in parts {
            add(&mut gradients.weight, &d_weight);
            add(&mut gradients.bias, &d_bias);
        }
        gradients
    }
}

/// Cuts a batch into pieces of some drawings: their lengths, and what belongs to them of `input`
/// (`[B, input_len]`) and `output` (`[B, output_len]`, or nothing).
fn pieces<'a>(
    lengths: &'a [usize],
    (input, input_len): (&'a [f32], usize),
    (output, output_len): (&'a mut [f32], usize),
) -> Vec<(&'a [usize], &'a [f32], &'a mut [f32])> {
    let inputs = input.chunks((CHUNK_DRAWINGS * input_len).max(1));
    let mut outputs = output.chunks_mut((CHUNK_DRAWINGS * output_len).max(1));
    let pieces = lengths.chunks(CHUNK_DRAWINGS).zip(inputs);
    pieces.map(|(lengths, input)| (lengths, input, outputs.next().unwrap_or_default())).collect()
}

/// Convolves `x` `[B, T, C]` with `weight` `[K * C, N]`; returns `[B, ceil(T / stride), N]`, zero
/// past the end of each drawing.
pub fn forward(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    lengths: &[usize],
    shape: Shape,
    arithmetic: Arithmetic,
) -> Vec<f32> {
    let (width, n_steps) = (shape.d_output, shape.n_output_steps());
    let weight = Packed::new(arithmetic, Matrix::new(weight, shape.d_window(), width));
    let mut output = uninitialised(shape.n_drawings * n_steps * width);
    let pieces = pieces(lengths, (x, shape.n_steps * shape.d_input), (&mut output, n_steps * width));
    for_each(pieces, |(lengths, x, output)| {
        let windows = shape.windows(x, lengths);
        let n = windows.len() / shape.d_window();
        let mut rows = Scratch::filled(n * width, |rows| (0..n).for_each(|_| rows.extend_from_slice(bias)));
        let windows = Matrix::new(&windows, n, shape.d_window());
        product(&mut rows, width, true, windows, &weight);
        let mut rows = &rows[..];
        for (output, length) in output.chunks_exact_mut((n_steps * width).max(1)).zip(lengths) {
            let (own, others) = rows.split_at(length.div_ceil(shape.stride) * width);
            let (existing, padding) = output.split_at_mut(own.len());
            existing.copy_from_slice(own);
            padding.fill(0.0);
            rows = others;
        }
    });
    output
}

/// The backward pass: from the gradient of the output, `[B, ceil(T / stride), N]`, to those of the
/// parameters and, if `wants_d_x`, the input.
pub fn backward(
    d_output: &[f32],
    x: &[f32],
    weight: &[f32],
    lengths: &[usize],
    shape: Shape,
    wants_d_x: bool,
    arithmetic: Arithmetic,
) -> Gradients {
    let (width, c, d_window) = (shape.d_output, shape.d_input, shape.d_window());
    let n_steps = shape.n_output_steps();
    let weight = Packed::new(arithmetic, Matrix::new(weight, d_window, width).transposed());
    // Without a gradient of the input its pieces are empty.
    let d_x_len = if wants_d_x { shape.n_steps * c } else { 0 };
    let mut d_x = vec![0.0; shape.n_drawings * d_x_len];
    let d_outputs = d_output.chunks((CHUNK_DRAWINGS * n_steps * width).max(1));
    let pieces = pieces(lengths, (x, shape.n_steps * c), (&mut d_x, d_x_len));
    let parts = for_each(pieces.into_iter().zip(d_outputs).collect(), |((lengths, x, d_x), d_output)| {
        let windows = shape.windows(x, lengths);
        let n = windows.len() / d_window;
        let d_rows = Scratch::filled(n * width, |d_rows| {
            for (b, t, _) in shape.rows(lengths) {
                d_rows.extend_from_slice(&d_output[(b * n_steps + t) * width..][..width]);
            }
        });
        let mut d_weight = Scratch::any(d_window * width);
        let bias = sum_rows(&d_rows, width);
        let d_rows = Matrix::new(&d_rows, n, width);
        let windows = Matrix::new(&windows, n, d_window);
        transposed_products(arithmetic, [(&mut d_weight, windows)], d_rows);
        if wants_d_x {
            let mut d_windows = Scratch::any(n * d_window);
            product(&mut d_windows, d_window, false, d_rows, &weight);
            for ((b, t, length), window) in shape.rows(lengths).zip(d_windows.chunks_exact(d_window)) {
                let (row, taps) = shape.taps(t, length);
                let target = &mut d_x[(b * shape.n_steps + row) * c..][..taps.len() * c];
                add(target, &window[taps.start * c..]);
            }
        }
        (d_weight, bias)
    });
    Gradients::of_parts(wants_d_x.then_some(d_x), parts, d_window * width, width)
}
