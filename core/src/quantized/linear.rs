//! Products of quantized inputs with matrices of int8 weights.
//!
//! A matrix is packed in panels of sixteen columns, in which the weights of a column that one
//! instruction multiplies lie side by side (two or four, see [`Arithmetic`]). Sums of 32 bits are
//! exact: inputs are rounded to as many bits as leave room for them.

use std::ops::Range;

use super::arithmetic::{
    Arithmetic, Encoding, GROUP, Inputs, Int8, Int16, MAX_DEPTH, PANEL, factor_and_scale,
};
use crate::int8::Quantized;

/// Rows that go through a panel together: as many sums as the registers of x86-64 hold.
const ROWS_TOGETHER: usize = 2;

/// How inputs of a layer are quantized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Precision {
    /// To int8 where the engine multiplies that faster, else to int16.
    Fast(Inputs),
    /// To int16, for the layers whose rounding errors affect the logits most.
    Fine,
}

/// Quantized rows: a row's values are its integers times its scale.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, I> {
    /// Distance from the start of a row to that of the next.
    pub stride: usize,
    /// The last row is followed by as many inputs as [`Matrix::row_len`] is longer than it; they
    /// are multiplied by zero.
    pub values: &'a [I],
    /// One for each row.
    pub scales: &'a [f32],
}

/// The columns of a matrix in order, as groups.
pub(super) fn in_order(width: usize) -> Vec<Range<usize>> {
    (0..width).step_by(GROUP).map(|first| first..width.min(first + GROUP)).collect()
}

/// A [`Matrix`] for int8 or int16 inputs.
#[derive(Debug)]
pub(super) enum Linear {
    Int8(Matrix<Int8>),
    Int16(Matrix<Int16>),
}

impl Linear {
    /// As [`Matrix::new`], for the inputs that `precision` asks for.
    pub(super) fn new(
        matrix: &Quantized,
        n_rows: usize,
        width: usize,
        bias: &[f32],
        groups: &[Range<usize>],
        precision: Precision,
    ) -> Self {
        if let Precision::Fast(inputs) = precision
            && let Some(encoding) = Int8::fast_encoding(n_rows, inputs)
        {
            return Self::Int8(Matrix::new(matrix, n_rows, width, bias, groups, encoding));
        }
        Self::Int16(Matrix::int16(matrix, n_rows, width, bias, groups))
    }
}

/// A matrix `[R, C]` of int8 weights with a scale and a bias for each column.
#[derive(Debug)]
pub(super) struct Matrix<A: Arithmetic> {
    /// Panel after panel: `[R / DEPTH, 16, DEPTH]`, zero past the last row and column.
    weights: Vec<A::Weight>,
    /// Of each column of the panels, zero where the matrix has none.
    scales: Vec<f32>,
    /// Likewise.
    bias: Vec<f32>,
    /// Initial value of a sum, which cancels the zero point of the inputs. Likewise.
    start: Vec<i32>,
    row_len: usize,
    encoding: Encoding,
}

impl<W> Matrix<Int16<W>>
where
    Int16<W>: Arithmetic<Weight = W>,
{
    /// As [`Matrix::new`], for int16 inputs.
    pub(super) fn int16(
        matrix: &Quantized,
        n_rows: usize,
        width: usize,
        bias: &[f32],
        groups: &[Range<usize>],
    ) -> Self {
        Self::new(matrix, n_rows, width, bias, groups, Int16::<W>::encoding(n_rows))
    }
}

impl<A: Arithmetic> Matrix<A> {
    /// Packs a matrix of `n_rows` rows whose width is `width`. Columns `4 i..` of the panels are
    /// the columns of `groups[i]`, at most four.
    pub(super) fn new(
        matrix: &Quantized,
        n_rows: usize,
        width: usize,
        bias: &[f32],
        groups: &[Range<usize>],
        encoding: Encoding,
    ) -> Self {
        let n_panels = groups.len().div_ceil(PANEL / GROUP);
        let row_len = n_rows.next_multiple_of(A::DEPTH);
        let panel_len = row_len * PANEL;
        let mut packed = Self {
            weights: vec![A::Weight::default(); n_panels * panel_len],
            scales: vec![0.0; n_panels * PANEL],
            bias: vec![0.0; n_panels * PANEL],
            start: vec![0; n_panels * PANEL],
            row_len,
            encoding,
        };
        for (group, columns) in groups.iter().enumerate() {
            for (to, column) in (group * GROUP..).zip(columns.clone()) {
                packed.scales[to] = matrix.scales[column];
                packed.bias[to] = bias.get(column).copied().unwrap_or(0.0);
            }
        }
        // Blocks of `DEPTH` rows by four columns, as they lie in memory: a browser runs this before
        // it has had time to compile it well.
        for (block, rows) in
            matrix.values.chunks(A::DEPTH * width).take(n_rows.div_ceil(A::DEPTH)).enumerate()
        {
            for (group, columns) in groups.iter().enumerate() {
                let mut weights = [[0; GROUP]; MAX_DEPTH];
                for (weights, row) in weights.iter_mut().zip(rows.chunks_exact(width)) {
                    let row = &row[columns.clone()];
                    match <[i8; GROUP]>::try_from(row) {
                        Ok(row) => *weights = row,
                        Err(_) => weights[..row.len()].copy_from_slice(row),
                    }
                }
                let column = group % (PANEL / GROUP) * GROUP;
                let first = group / (PANEL / GROUP) * panel_len + (block * PANEL + column) * A::DEPTH;
                A::interleave(&weights, &mut packed.weights[first..first + GROUP * A::DEPTH]);
            }
        }
        if encoding.shift != 0 {
            // Times a row of ones, the sums are those of the weights.
            let ones = vec![A::Input::from(1); row_len];
            let mut start = Vec::with_capacity(packed.start.len());
            A::vectorize(
                #[inline(always)]
                || packed.for_panels(&ones, |_, sums| start.extend(sums.map(|sum| -encoding.shift * sum))),
            );
            packed.start = start;
        }
        packed
    }

    /// Values of an output row: the columns, and the padding of the last panel.
    pub(super) fn n_outputs(&self) -> usize {
        self.scales.len()
    }

    fn n_panels(&self) -> usize {
        self.scales.len() / PANEL
    }

    /// Inputs that are read of each row.
    pub(super) fn row_len(&self) -> usize {
        self.row_len
    }

    /// The quantized 0.
    pub(super) fn zero(&self) -> A::Input {
        let mut zero = [A::Input::default()];
        A::round(&[0.0], 0.0, self.encoding.shift, &mut zero);
        zero[0]
    }

    /// The factor that values are multiplied by before they are rounded, and the scale of the
    /// result.
    pub(super) fn factor_and_scale(&self, values: &[f32]) -> [f32; 2] {
        factor_and_scale(values, self.encoding.largest)
    }

    /// Quantizes values by `factor`.
    pub(super) fn round(&self, values: &[f32], factor: f32, rounded: &mut [A::Input]) {
        A::round(values, factor, self.encoding.shift, rounded);
    }

    /// Quantizes each row of `values`, whose width is `width`, with its own scale, for
    /// [`forward`](Self::forward).
    pub(super) fn round_rows(
        &self,
        values: &[f32],
        width: usize,
        rounded: &mut Vec<A::Input>,
        scales: &mut Vec<f32>,
    ) {
        rounded.clear();
        rounded.resize(values.len() + self.row_len.saturating_sub(width), A::Input::default());
        scales.clear();
        // A drawing may have no step at all, and so no width.
        let width = width.max(1);
        for (row, to) in values.chunks_exact(width).zip(rounded.chunks_exact_mut(width)) {
            let [factor, scale] = self.factor_and_scale(row);
            self.round(row, factor, to);
            scales.push(scale);
        }
    }

    /// `rows` times the matrix, plus the bias; `out` is `[n_rows, n_outputs]`.
    pub(super) fn forward(&self, rows: Rows<'_, A::Input>, out: &mut [f32]) {
        assert_eq!(out.len(), rows.scales.len() * self.n_outputs());
        A::vectorize(
            #[inline(always)]
            || self.forward_panels(rows, out),
        );
    }

    #[inline(always)]
    fn forward_panels(&self, rows: Rows<'_, A::Input>, out: &mut [f32]) {
        let n_rows = rows.scales.len();
        if n_rows == 1 {
            let row = &rows.values[..self.row_len];
            return self.for_panels(
                row,
                #[inline(always)]
                |panel, sums| {
                    self.finish(sums, rows.scales[0], panel, &mut out[panel * PANEL..][..PANEL]);
                },
            );
        }
        for panel in 0..self.n_panels() {
            let mut row = 0;
            while row + ROWS_TOGETHER <= n_rows {
                self.forward_rows::<ROWS_TOGETHER>(rows, row, panel, out);
                row += ROWS_TOGETHER;
            }
            while row < n_rows {
                self.forward_rows::<1>(rows, row, panel, out);
                row += 1;
            }
        }
    }

    /// Rows `first..first + R` times a panel.
    #[inline(always)]
    fn forward_rows<const R: usize>(
        &self,
        rows: Rows<'_, A::Input>,
        first: usize,
        panel: usize,
        out: &mut [f32],
    ) {
        let row = |r: usize| &rows.values[(first + r) * rows.stride..][..self.row_len];
        let sums = self.dot::<R, 1>(std::array::from_fn(row), panel);
        for (r, [sums]) in sums.iter().enumerate() {
            let to = (first + r) * self.n_outputs() + panel * PANEL;
            self.finish(sums, rows.scales[first + r], panel, &mut out[to..to + PANEL]);
        }
    }

    /// Adds `row`, whose scale is `scale`, times the matrix to `out` `[n_outputs]`.
    pub(super) fn add(&self, row: &[A::Input], scale: f32, out: &mut [f32]) {
        A::vectorize(
            #[inline(always)]
            || {
                self.for_panels(
                    row,
                    #[inline(always)]
                    |panel, sums| {
                        let columns = panel * PANEL..(panel + 1) * PANEL;
                        let (out, scales) = (&mut out[columns.clone()], &self.scales[columns]);
                        for (i, out) in out.iter_mut().enumerate() {
                            *out += sums[i] as f32 * (scales[i] * scale);
                        }
                    },
                );
            },
        );
    }

    /// Calls `each` with each panel and the sums of its products with a row.
    #[inline(always)]
    fn for_panels(&self, row: &[A::Input], mut each: impl FnMut(usize, &[i32; PANEL])) {
        let mut panel = 0;
        // Two at a time: one row keeps the registers of one panel waiting for its sums.
        while panel + 1 < self.n_panels() {
            let [sums] = self.dot::<1, 2>([row], panel);
            each(panel, &sums[0]);
            each(panel + 1, &sums[1]);
            panel += 2;
        }
        if panel < self.n_panels() {
            let [[sums]] = self.dot::<1, 1>([row], panel);
            each(panel, &sums);
        }
    }

    /// `R` rows times `P` panels from `first` on, without scales and bias.
    #[inline(always)]
    fn dot<const R: usize, const P: usize>(
        &self,
        rows: [&[A::Input]; R],
        first: usize,
    ) -> [[[i32; PANEL]; P]; R] {
        let panel_len = self.row_len * PANEL;
        let panel = |p: usize| &self.weights[(first + p) * panel_len..][..panel_len];
        let start = |p: usize| &self.start[(first + p) * PANEL..][..PANEL];
        A::dot(rows, std::array::from_fn(panel), std::array::from_fn(start), self.encoding.operand)
    }

    /// Dequantizes sums and adds the bias.
    #[inline(always)]
    fn finish(&self, sums: &[i32; PANEL], scale: f32, panel: usize, out: &mut [f32]) {
        let scales = &self.scales[panel * PANEL..][..PANEL];
        let bias = &self.bias[panel * PANEL..][..PANEL];
        for (i, out) in out.iter_mut().enumerate() {
            *out = sums[i] as f32 * (scales[i] * scale) + bias[i];
        }
    }
}

/// ReLU.
#[inline(always)]
pub(super) fn relu(value: &f32) -> f32 {
    if *value > 0.0 { *value } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::arithmetic::{Operand, operands};
    use super::*;
    use crate::int8::quantize;

    /// Checks products with matrices of some sizes, packed in groups of several; `encoding` maps
    /// the number of rows to an encoding.
    fn check<A: Arithmetic>(inputs: Inputs, encoding: impl Fn(usize) -> Encoding, tolerance: f64) {
        for (n_rows, depth, width) in [(1, 1, 1), (1, 7, 33), (2, 8, 16), (3, 25, 64), (7, 30, 50)] {
            let matrix: Vec<f32> =
                (0..depth * width).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.01).collect();
            let bias: Vec<f32> = (0..width).map(|i| i as f32 * 0.1).collect();
            let quantized = quantize(&matrix, depth, width);
            // From the last to the first, in groups of one, two and four.
            let mut groups = Vec::new();
            let mut end = width;
            for n in [1, 2, 4].into_iter().cycle() {
                let first = end.saturating_sub(n);
                groups.push(first..end);
                end = first;
                if end == 0 {
                    break;
                }
            }
            let column = |to: usize| groups.get(to / 4)?.clone().nth(to % 4);
            let encoding = encoding(depth);
            let matrix = Matrix::<A>::new(&quantized, depth, width, &bias, &groups, encoding);
            assert_eq!(matrix.n_outputs(), groups.len().div_ceil(4) * 16);
            let least = if inputs == Inputs::NonNegative { 0.0 } else { 44.0 };
            let x: Vec<f32> = (0..n_rows * depth).map(|i| ((i * 53 % 89) as f32 - least) * 0.3).collect();
            let (mut values, mut scales) = (Vec::new(), Vec::new());
            matrix.round_rows(&x, depth, &mut values, &mut scales);
            let padding = values.len() - x.len();
            // What follows the last row has no effect.
            A::round(&[77.0, 88.0, 99.0][..padding], 1.0, 0, &mut values[x.len()..]);
            let rows = Rows { stride: depth, values: &values, scales: &scales };
            let mut out = vec![f32::NAN; n_rows * matrix.n_outputs()];
            matrix.forward(rows, &mut out);
            for (r, out) in out.chunks_exact(matrix.n_outputs()).enumerate() {
                let mut added = vec![1.0; out.len()];
                matrix.add(&values[r * depth..][..matrix.row_len()], scales[r], &mut added);
                for (to, &found) in out.iter().enumerate() {
                    let (mut expected, bias) = (0.0, column(to).map_or(0.0, |column| bias[column]));
                    if let Some(column) = column(to) {
                        let weights = quantized.values.iter().skip(column).step_by(width);
                        for (x, &weight) in x[r * depth..].iter().zip(weights.take(depth)) {
                            let weight = f32::from(weight) * quantized.scales[column];
                            expected += f64::from(*x) * f64::from(weight);
                        }
                    }
                    let difference = (f64::from(found - bias) - expected).abs();
                    assert!(difference < tolerance, "{inputs:?} {encoding:?}: {found}, {expected}");
                    let difference = (f64::from(added[to] - 1.0) - expected).abs();
                    assert!(difference < tolerance, "{inputs:?} {encoding:?}: {}, {expected}", added[to]);
                }
            }
        }
    }

    #[test]
    fn products_agree_with_those_of_the_dequantized_inputs_and_weights() {
        check::<Int16<i8>>(Inputs::Signed, Int16::<i8>::encoding, 1e-2);
        check::<Int16<i16>>(Inputs::Signed, Int16::<i16>::encoding, 1e-2);
        for operand in operands() {
            for inputs in [Inputs::Signed, Inputs::NonNegative] {
                check::<Int8>(inputs, |n_rows| Int8::encoding(n_rows, inputs, operand).unwrap(), 0.3);
            }
        }
    }

    #[test]
    fn the_heaviest_column_and_the_largest_row_do_not_overflow() {
        for weight in [127, -128] {
            let depth = 5000;
            let quantized = Quantized { values: vec![weight; depth], scales: vec![1.0] };
            let matrix = Matrix::<Int16<i16>>::int16(&quantized, depth, 1, &[], &in_order(1));
            let largest = matrix.encoding.largest;
            assert!(largest > 3000.0);
            let mut out = vec![0.0; PANEL];
            let values = vec![largest as i16; depth];
            matrix.forward(Rows { stride: depth, values: &values, scales: &[1.0] }, &mut out);
            assert_eq!(out[0], f32::from(weight) * largest * depth as f32);

            if !operands().contains(&Operand::Unsigned) {
                continue;
            }
            let depth = 32_000;
            let quantized = Quantized { values: vec![weight; depth], scales: vec![1.0] };
            let encoding = Int8::encoding(depth, Inputs::Signed, Operand::Unsigned).unwrap();
            let matrix = Matrix::<Int8>::new(&quantized, depth, 1, &[], &in_order(1), encoding);
            let values = vec![255; depth];
            matrix.forward(Rows { stride: depth, values: &values, scales: &[1.0] }, &mut out);
            assert_eq!(out[0], f32::from(weight) * 127.0 * depth as f32);
            assert!(Int8::encoding(33_000, Inputs::Signed, Operand::Unsigned).is_none());
        }
    }
}
