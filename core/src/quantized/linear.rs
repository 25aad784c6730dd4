//! Products of rows of 16-bit whole numbers with matrices of 8-bit ones.
//!
//! A matrix is packed in panels of sixteen columns, in which two weights of a column that lie below each other are side by
//! side: one instruction multiplies two neighbouring numbers of a row with them and adds the products, for four columns at
//! a time. Sums of 32 bits are exact, because rows are rounded to as many bits as leave room for them.

use std::ops::Range;

use crate::int8::Quantized;

/// Columns of a panel.
pub(super) const PANEL: usize = 16;

/// The largest 16-bit number that rows are rounded to.
const LARGEST_ROW_VALUE: f32 = 32767.0;

/// Columns of a matrix that lie side by side in a panel too.
pub(super) const GROUP: usize = 4;

/// The largest size of an 8-bit weight.
const LARGEST_WEIGHT: usize = 127;

/// Rows that go through a panel together: what the registers of WebAssembly's machines hold of sums.
const ROWS_TOGETHER: usize = 2;

/// Rows of whole numbers, each of which stands for `scale` times as much.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// From the beginning of a row to that of the next.
    pub stride: usize,
    pub n_rows: usize,
    /// One number more than the last row has where its length is odd; it is multiplied by zero.
    pub values: &'a [i16],
    pub scale: f32,
}

/// All columns of a matrix in their order, as groups.
pub(super) fn in_order(width: usize) -> Vec<Range<usize>> {
    (0..width).step_by(GROUP).map(|first| first..width.min(first + GROUP)).collect()
}

/// How 8-bit weights lie in memory: as they are, or widened to 16 bits, which takes twice the room and saves an instruction
/// where they are used again and again.
pub(super) trait Weight: Copy + From<i8> + Into<i32> {
    /// Eight weights in 16 bits each.
    ///
    /// # Safety
    /// Eight weights are read from `weights` on, which needs no alignment.
    #[cfg(target_arch = "wasm32")]
    unsafe fn load(weights: *const Self) -> std::arch::wasm32::v128;
}

impl Weight for i8 {
    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    unsafe fn load(weights: *const Self) -> std::arch::wasm32::v128 {
        // SAFETY: the caller's.
        unsafe { std::arch::wasm32::i16x8_load_extend_i8x8(weights) }
    }
}

impl Weight for i16 {
    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    unsafe fn load(weights: *const Self) -> std::arch::wasm32::v128 {
        // SAFETY: the caller's.
        unsafe { std::arch::wasm32::v128_load(weights.cast()) }
    }
}

/// A matrix `[R, C]` of 8-bit weights with a scale and a bias for each column.
#[derive(Debug)]
pub(super) struct Linear<W = i8> {
    /// Panel after panel: `[R / 2, 16, 2]`, zero past the last row and column.
    weights: Vec<W>,
    /// Of each place, zero where there is no column.
    scales: Vec<f32>,
    /// Likewise.
    bias: Vec<f32>,
    n_pairs: usize,
    largest: f32,
}

impl<W: Weight> Linear<W> {
    /// Packs a matrix of `n_rows` rows whose width is `width`. At places `4 i..` come the columns of `groups[i]`, at most four.
    pub(super) fn new(
        matrix: &Quantized,
        n_rows: usize,
        width: usize,
        bias: &[f32],
        groups: &[Range<usize>],
    ) -> Self {
        let n_panels = groups.len().div_ceil(PANEL / GROUP);
        let n_pairs = n_rows.div_ceil(2);
        let panel_len = n_pairs * PANEL * 2;
        let mut linear = Self {
            weights: vec![W::from(0); n_panels * panel_len],
            scales: vec![0.0; n_panels * PANEL],
            bias: vec![0.0; n_panels * PANEL],
            n_pairs,
            largest: LARGEST_ROW_VALUE.min((i32::MAX as usize / (LARGEST_WEIGHT * n_rows.max(1))) as f32),
        };
        for (group, columns) in groups.iter().enumerate() {
            for (place, column) in (group * GROUP..).zip(columns.clone()) {
                linear.scales[place] = matrix.scales[column];
                linear.bias[place] = bias.get(column).copied().unwrap_or(0.0);
            }
        }
        // As the matrix lies in memory, and whole groups at once: a browser runs this before it has had time to compile it well.
        for (pair, rows) in matrix.values.chunks(2 * width).take(n_pairs).enumerate() {
            let (above, below) = rows.split_at(width);
            for (group, columns) in groups.iter().enumerate() {
                let at = group / (PANEL / GROUP) * panel_len
                    + (pair * PANEL + group % (PANEL / GROUP) * GROUP) * 2;
                let to = &mut linear.weights[at..at + 2 * GROUP];
                let whole = |row: &[i8]| <[i8; GROUP]>::try_from(row.get(columns.clone())?).ok();
                if let (Some(above), Some(below)) = (whole(above), whole(below)) {
                    for i in 0..GROUP {
                        (to[2 * i], to[2 * i + 1]) = (W::from(above[i]), W::from(below[i]));
                    }
                } else {
                    for (to, column) in to.chunks_exact_mut(2).zip(columns.clone()) {
                        to[0] = W::from(above[column]);
                        to[1] = W::from(below.get(column).copied().unwrap_or(0));
                    }
                }
            }
        }
        linear
    }

    /// The largest whole number that a row may hold, so that no sum can overflow.
    pub(super) fn largest(&self) -> f32 {
        self.largest
    }

    /// Places of an output row: the columns, and what the last panel has more.
    pub(super) fn n_places(&self) -> usize {
        self.scales.len()
    }

    pub(super) fn n_panels(&self) -> usize {
        self.scales.len() / PANEL
    }

    /// Numbers that are read of each row.
    pub(super) fn row_len(&self) -> usize {
        2 * self.n_pairs
    }

    /// Scales of a panel's columns.
    pub(super) fn scales(&self, panel: usize) -> &[f32] {
        &self.scales[panel * PANEL..][..PANEL]
    }

    /// `rows` times the matrix, plus the bias; `out` is `[n_rows, n_places]`.
    pub(super) fn forward(&self, rows: Rows<'_>, out: &mut [f32]) {
        assert_eq!(out.len(), rows.n_rows * self.n_places());
        if rows.n_rows == 1 {
            return self.forward_one(rows, out);
        }
        for panel in 0..self.n_panels() {
            let mut row = 0;
            while row < rows.n_rows {
                row += match rows.n_rows - row {
                    1 => self.forward_rows::<1>(rows, row, panel, out),
                    2 => self.forward_rows::<2>(rows, row, panel, out),
                    _ => self.forward_rows::<ROWS_TOGETHER>(rows, row, panel, out),
                };
            }
        }
    }

    fn forward_one(&self, rows: Rows<'_>, out: &mut [f32]) {
        let row = &rows.values[..self.row_len()];
        let mut panel = 0;
        while panel + 1 < self.n_panels() {
            let sums = self.dot_panels::<2>(row, panel);
            for (i, sums) in sums.iter().enumerate() {
                self.finish(sums, rows.scale, panel + i, &mut out[(panel + i) * PANEL..][..PANEL]);
            }
            panel += 2;
        }
        if panel < self.n_panels() {
            let [sums] = self.dot_panels::<1>(row, panel);
            self.finish(&sums, rows.scale, panel, &mut out[panel * PANEL..]);
        }
    }

    fn forward_rows<const R: usize>(
        &self,
        rows: Rows<'_>,
        first: usize,
        panel: usize,
        out: &mut [f32],
    ) -> usize {
        let row = |r: usize| &rows.values[(first + r) * rows.stride..][..self.row_len()];
        let sums = dot::<W, R, 1>(std::array::from_fn(row), [self.panel(panel)]);
        for (r, [sums]) in sums.iter().enumerate() {
            let to = (first + r) * self.n_places() + panel * PANEL;
            self.finish(sums, rows.scale, panel, &mut out[to..to + PANEL]);
        }
        R
    }

    /// Sums into numbers.
    #[inline(always)]
    fn finish(&self, sums: &[i32; PANEL], scale: f32, panel: usize, out: &mut [f32]) {
        let scales = self.scales(panel);
        let bias = &self.bias[panel * PANEL..][..PANEL];
        for (i, out) in out.iter_mut().enumerate() {
            *out = sums[i] as f32 * (scales[i] * scale) + bias[i];
        }
    }

    /// One row times `P` panels from `first` on, without scales and bias.
    #[inline(always)]
    pub(super) fn dot_panels<const P: usize>(&self, row: &[i16], first: usize) -> [[i32; PANEL]; P] {
        let [sums] = dot::<W, 1, P>([row], std::array::from_fn(|p| self.panel(first + p)));
        sums
    }

    fn panel(&self, panel: usize) -> &[W] {
        let len = self.n_pairs * PANEL * 2;
        &self.weights[panel * len..][..len]
    }
}

/// The sums of products of each row with each column of each panel.
#[cfg(target_arch = "wasm32")]
#[allow(clippy::needless_range_loop)] // Loops over constants are unrolled, and the sums stay in registers.
#[inline(always)]
fn dot<W: Weight, const R: usize, const P: usize>(
    rows: [&[i16]; R],
    panels: [&[W]; P],
) -> [[[i32; PANEL]; P]; R] {
    use std::arch::wasm32::{i32x4_add, i32x4_dot_i16x8, i32x4_splat, v128, v128_load32_splat};
    const VECTORS: usize = PANEL / 4;
    let n_pairs = panels[0].len() / (2 * PANEL);
    assert!(panels.iter().all(|panel| panel.len() == n_pairs * 2 * PANEL));
    assert!(rows.iter().all(|row| row.len() == 2 * n_pairs));
    let mut sums: [[[v128; VECTORS]; P]; R] = [[[i32x4_splat(0); VECTORS]; P]; R];
    for k in 0..n_pairs {
        // SAFETY: k < n_pairs, and the lengths are checked above; loads need no alignment.
        let pairs: [v128; R] =
            std::array::from_fn(|r| unsafe { v128_load32_splat(rows[r].as_ptr().add(2 * k).cast()) });
        for p in 0..P {
            // SAFETY: as above.
            let row = unsafe { panels[p].as_ptr().add(k * 2 * PANEL) };
            for v in 0..VECTORS {
                // SAFETY: as above.
                let weights = unsafe { W::load(row.add(v * 8)) };
                for r in 0..R {
                    sums[r][p][v] = i32x4_add(sums[r][p][v], i32x4_dot_i16x8(pairs[r], weights));
                }
            }
        }
    }
    // SAFETY: both are R * P * 16 numbers of 32 bits without gaps.
    unsafe { std::mem::transmute_copy(&sums) }
}

/// The sums of products of each row with each column of each panel.
#[cfg(not(target_arch = "wasm32"))]
fn dot<W: Weight, const R: usize, const P: usize>(
    rows: [&[i16]; R],
    panels: [&[W]; P],
) -> [[[i32; PANEL]; P]; R] {
    let mut sums = [[[0i32; PANEL]; P]; R];
    for (sums, row) in sums.iter_mut().zip(rows) {
        for (sums, panel) in sums.iter_mut().zip(panels) {
            for (pair, weights) in row.chunks_exact(2).zip(panel.chunks_exact(2 * PANEL)) {
                let [x, y] = [i32::from(pair[0]), i32::from(pair[1])];
                for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(2)) {
                    let products = x * weights[0].into() + y * weights[1].into();
                    *sum = sum.wrapping_add(products);
                }
            }
        }
    }
    sums
}

/// Rounds values to whole numbers of at most `largest` and appends them; gives what 1 stands for.
pub(super) fn round_rows(values: &[f32], largest: f32, rounded: &mut Vec<i16>) -> f32 {
    let before = rounded.len();
    rounded.resize(before + values.len(), 0);
    let [factor, scale] = factor_and_scale(values, largest);
    round(values, factor, &mut rounded[before..]);
    scale
}

/// What values are multiplied by so that the largest of them becomes `largest`, and what 1 stands for then.
pub(super) fn factor_and_scale(values: &[f32], largest: f32) -> [f32; 2] {
    // Lanes by themselves, and a comparison instead of `max`, which has rules of its own for NaN: both become vectors.
    let mut lanes = [0.0f32; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    let chunks = chunks.iter().map(<[f32; 8]>::as_slice).chain([rest]);
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            let size = value.abs();
            *lane = if size > *lane { size } else { *lane };
        }
    }
    let size = lanes.into_iter().fold(0.0, f32::max);
    // Values of next to nothing have no size that could be divided by; they are zero in 16 bits of anything else.
    let factor = if size < f32::MIN_POSITIVE * largest { 0.0 } else { largest / size };
    [factor, size / largest]
}

/// What is below zero becomes zero.
#[inline(always)]
pub(super) fn rectified(value: &f32) -> f32 {
    if *value > 0.0 { *value } else { 0.0 }
}

/// The whole numbers nearest to the values times `factor`, which are within 16 bits.
pub(super) fn round(values: &[f32], factor: f32, rounded: &mut [i16]) {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let (values, rounded) = (values.chunks(8), rounded.chunks_mut(8));
    for (values, rounded) in values.zip(rounded) {
        #[cfg(target_arch = "wasm32")]
        if let (Ok(values), 8) = (<&[f32; 8]>::try_from(values), rounded.len()) {
            use std::arch::wasm32::{
                f32x4_add, f32x4_mul, f32x4_splat, i16x8_narrow_i32x4, i32x4_splat, i32x4_sub, v128_load,
                v128_store,
            };
            let (factor, shift) = (f32x4_splat(factor), f32x4_splat(ROUND));
            let zero = i32x4_splat(ROUND.to_bits() as i32);
            // SAFETY: eight f32 are read, eight i16 written; neither needs alignment.
            unsafe {
                let whole = |part: usize| {
                    let values = v128_load(values.as_ptr().add(part).cast());
                    i32x4_sub(f32x4_add(f32x4_mul(values, factor), shift), zero)
                };
                v128_store(rounded.as_mut_ptr().cast(), i16x8_narrow_i32x4(whole(0), whole(4)));
            }
            continue;
        }
        for (rounded, value) in rounded.iter_mut().zip(values) {
            *rounded = (value * factor + ROUND).to_bits() as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::int8::quantize;

    #[test]
    fn rounding_is_to_the_nearest_whole_number_and_to_the_even_one_between_two() {
        for (value, expected) in
            [(0.0, 0), (0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (1.49, 1), (-7.6, -8)]
        {
            let mut rounded = [7];
            round(&[value], 1.0, &mut rounded);
            assert_eq!(rounded, [expected], "{value}");
        }
        let whole: Vec<i16> = (-32767..=32767).collect();
        let values: Vec<f32> = whole.iter().map(|&value| f32::from(value)).collect();
        let mut rounded = vec![0; whole.len()];
        round(&values, 1.0, &mut rounded);
        assert_eq!(rounded, whole);
        let mut rounded = Vec::new();
        assert_eq!(round_rows(&[0.5, -1.0, 0.0], 100.0, &mut rounded), 0.01);
        assert_eq!(round_rows(&[0.0, 0.0], 100.0, &mut rounded), 0.0);
        assert_eq!(rounded, [50, -100, 0, 0, 0]);
    }

    #[test]
    fn products_are_those_of_the_numbers_that_rows_and_weights_stand_for() {
        for (n_rows_of_x, depth, width) in [(1, 1, 1), (1, 7, 33), (2, 8, 16), (3, 25, 64), (7, 30, 50)] {
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
            let column = |place: usize| groups.get(place / 4)?.clone().nth(place % 4);
            let linear = Linear::<i8>::new(&quantized, depth, width, &bias, &groups);
            assert_eq!(linear.n_places(), groups.len().div_ceil(4) * 16);
            let x: Vec<f32> = (0..n_rows_of_x * depth).map(|i| ((i * 53 % 89) as f32 - 44.0) * 0.3).collect();
            let mut values = Vec::new();
            let scale = round_rows(&x, linear.largest(), &mut values);
            values.push(999);
            let rows = Rows { stride: depth, n_rows: n_rows_of_x, values: &values, scale };
            let mut out = vec![f32::NAN; n_rows_of_x * linear.n_places()];
            linear.forward(rows, &mut out);
            for (r, out) in out.chunks_exact(linear.n_places()).enumerate() {
                for (place, &found) in out.iter().enumerate() {
                    let expected = match column(place) {
                        Some(column) => {
                            let products = (0..depth).map(|k| {
                                let weight = f32::from(quantized.values[k * width + column])
                                    * quantized.scales[column];
                                f64::from(x[r * depth + k]) * f64::from(weight)
                            });
                            products.sum::<f64>() + f64::from(bias[column])
                        }
                        None => 0.0,
                    };
                    assert!((f64::from(found) - expected).abs() < 1e-2, "{found}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn the_heaviest_column_and_the_largest_row_do_not_overflow() {
        let depth = 5000;
        let quantized = Quantized { values: vec![127; depth], scales: vec![1.0] };
        let linear = Linear::<i16>::new(&quantized, depth, 1, &[], &in_order(1));
        let values = vec![linear.largest() as i16; depth];
        let mut out = vec![0.0; PANEL];
        linear.forward(Rows { stride: depth, n_rows: 1, values: &values, scale: 1.0 }, &mut out);
        assert_eq!(out[0], 127.0 * linear.largest() * depth as f32);
        assert!(linear.largest() > 3000.0);
    }
}
