//! The 1-d convolution over rows that exist, as one matrix product over gathered windows.

use super::{Matrix, Read, matmul, sum_rows};

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Drawings in the batch, B.
    pub n_drawings: usize,
    /// Rows that the batch is padded to, T.
    pub n_steps: usize,
    /// Input channels, C.
    pub d_input: usize,
    /// Output channels, N.
    pub d_output: usize,
    /// Rows in a window, K.
    pub kernel_len: usize,
    /// Rows from one window to the next.
    pub stride: usize,
}

impl Shape {
    /// Rows that the output is padded to.
    pub fn n_output_steps(&self) -> usize {
        self.n_steps.div_ceil(self.stride)
    }

    /// Values in a window.
    fn d_window(&self) -> usize {
        self.kernel_len * self.d_input
    }

    /// The part of output row `t`'s window that lies inside a drawing of `length` rows: the first input
    /// row, and the taps it covers.
    fn taps(&self, t: usize, length: usize) -> (usize, std::ops::Range<usize>) {
        let left = (self.kernel_len - 1) / 2;
        let start = t * self.stride;
        let first_tap = left.saturating_sub(start);
        let first_row = start + first_tap - left;
        let n_taps = (self.kernel_len - first_tap).min(length - first_row);
        (first_row, first_tap..first_tap + n_taps)
    }

    /// Every output row that exists: its drawing, its place there, and that drawing's length.
    fn rows<'a>(&self, lengths: &'a [usize]) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        let stride = self.stride;
        lengths
            .iter()
            .enumerate()
            .flat_map(move |(b, &length)| (0..length.div_ceil(stride)).map(move |t| (b, t, length)))
    }

    /// The windows of all output rows that exist, `[N, K * C]`, zero outside the drawing.
    fn windows(&self, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let n: usize = lengths.iter().map(|length| length.div_ceil(self.stride)).sum();
        let mut windows = vec![0.0; n * self.d_window()];
        let c = self.d_input;
        for ((b, t, length), window) in self.rows(lengths).zip(windows.chunks_exact_mut(self.d_window())) {
            let (row, taps) = self.taps(t, length);
            let source = &x[(b * self.n_steps + row) * c..][..taps.len() * c];
            window[taps.start * c..taps.end * c].copy_from_slice(source);
        }
        windows
    }
}

/// Gradients of the convolution's input and parameters, in their shapes.
pub struct Gradients {
    /// `[B, T, C]`.
    pub x: Vec<f32>,
    /// `[K * C, N]`.
    pub weight: Vec<f32>,
    /// `[N]`.
    pub bias: Vec<f32>,
}

/// Convolves `x` `[B, T, C]` with `weight` `[K * C, N]`; gives `[B, ceil(T / stride), N]`, zero past the end
/// of each drawing.
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], lengths: &[usize], shape: Shape) -> Vec<f32> {
    let windows = shape.windows(x, lengths);
    let n = windows.len() / shape.d_window();
    let width = shape.d_output;
    let mut rows = Vec::with_capacity(n * width);
    (0..n).for_each(|_| rows.extend_from_slice(bias));
    let windows = Matrix::new(&windows, n, shape.d_window());
    let weight = Matrix::new(weight, shape.d_window(), width);
    matmul(&mut rows, width, true, (windows, Read::AsStored), (weight, Read::AsStored));

    let n_steps = shape.n_output_steps();
    let mut output = vec![0.0; shape.n_drawings * n_steps * width];
    for ((b, t, _), row) in shape.rows(lengths).zip(rows.chunks_exact(width)) {
        output[(b * n_steps + t) * width..][..width].copy_from_slice(row);
    }
    output
}

/// Takes the gradient of the output, `[B, ceil(T / stride), N]`, back to the input and the parameters.
pub fn backward(d_output: &[f32], x: &[f32], weight: &[f32], lengths: &[usize], shape: Shape) -> Gradients {
    let windows = shape.windows(x, lengths);
    let n = windows.len() / shape.d_window();
    let (width, c) = (shape.d_output, shape.d_input);
    let n_steps = shape.n_output_steps();
    let mut d_rows = Vec::with_capacity(n * width);
    for (b, t, _) in shape.rows(lengths) {
        d_rows.extend_from_slice(&d_output[(b * n_steps + t) * width..][..width]);
    }
    let bias = sum_rows(&d_rows, width);

    let mut d_weight = vec![0.0; shape.d_window() * width];
    let mut d_windows = vec![0.0; n * shape.d_window()];
    let d_rows = Matrix::new(&d_rows, n, width);
    let windows = Matrix::new(&windows, n, shape.d_window());
    let weight = Matrix::new(weight, shape.d_window(), width);
    super::join(
        || matmul(&mut d_weight, width, false, (windows, Read::Transposed), (d_rows, Read::AsStored)),
        || {
            matmul(
                &mut d_windows,
                shape.d_window(),
                false,
                (d_rows, Read::AsStored),
                (weight, Read::Transposed),
            )
        },
    );

    let mut d_x = vec![0.0; shape.n_drawings * shape.n_steps * c];
    for ((b, t, length), window) in shape.rows(lengths).zip(d_windows.chunks_exact(shape.d_window())) {
        let (row, taps) = shape.taps(t, length);
        let target = &mut d_x[(b * shape.n_steps + row) * c..][..taps.len() * c];
        for (sum, value) in target.iter_mut().zip(&window[taps.start * c..]) {
            *sum += value;
        }
    }
    Gradients { x: d_x, weight: d_weight, bias }
}
