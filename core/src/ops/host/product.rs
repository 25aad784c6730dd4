//! Matrix products on slices, in blocks of rows and columns whose sums fill the registers.
//!
//! The right-hand side is packed first: block after block of columns, each `[K, width]` without
//! gaps, so that the inner loop reads it sequentially. The left-hand side is read in place, by
//! rows; of a transposed one, the columns that a block needs are copied side by side.

use pulp::{Arch, Simd, WithSimd};

use super::gates::{load, store};
use super::matrix::Matrix;
use super::tiles::{self, Operand, Tiles};
use super::{Arithmetic, Scratch};

/// Vectors of a block of columns: with [`block_rows`] rows it fills the registers.
const MAX_VECTORS: usize = 4;

/// Rows of the right-hand side that are packed at a time where there may be very many.
const DEPTH_BLOCK: usize = 256;

/// Rows of a block: what the registers can hold with [`MAX_VECTORS`] vectors of sums each.
pub(super) const fn block_rows<S: Simd>() -> usize {
    // WebAssembly's vectors are in registers of the host machine, usually sixteen.
    if S::REGISTER_COUNT >= 32 && cfg!(not(target_family = "wasm")) { 6 } else { 2 }
}

/// Calls `$body` for rows `$from..$to` in blocks, with the number of rows of each as a constant.
macro_rules! for_blocks {
    ($simd:ty, $from:expr, $to:expr, |$first:ident, $R:ident| $body:expr) => {{
        let (mut $first, to): (usize, usize) = ($from, $to);
        while $first < to {
            let rows = (to - $first).min($crate::ops::host::product::block_rows::<$simd>());
            match rows {
                1 => {
                    const $R: usize = 1;
                    $body
                }
                2 => {
                    const $R: usize = 2;
                    $body
                }
                #[cfg(not(target_family = "wasm"))]
                3 => {
                    const $R: usize = 3;
                    $body
                }
                #[cfg(not(target_family = "wasm"))]
                4 => {
                    const $R: usize = 4;
                    $body
                }
                #[cfg(not(target_family = "wasm"))]
                5 => {
                    const $R: usize = 5;
                    $body
                }
                #[cfg(not(target_family = "wasm"))]
                6 => {
                    const $R: usize = 6;
                    $body
                }
                _ => unreachable!("blocks have no more rows"),
            }
            $first += rows;
        }
    }};
}
pub(super) use for_blocks;

/// A matrix packed as the right-hand side of products.
pub(crate) enum Packed {
    F32(Panels),
    Bf16(Tiles),
}

impl Packed {
    /// Packs `matrix` `[K, columns]`.
    pub(crate) fn new(arithmetic: Arithmetic, matrix: Matrix<'_>) -> Self {
        match arithmetic {
            Arithmetic::F32 => Self::F32(Panels::new(matrix)),
            Arithmetic::Bf16(instructions) => Self::Bf16(Tiles::new(instructions, Operand::Right, matrix)),
        }
    }
}

/// `out = a b`, or `out += a b`; `a` is row-major, and `out` `[rows of a, columns of b]`, its rows
/// `out_stride` values apart.
pub(crate) fn product(out: &mut [f32], out_stride: usize, accumulate: bool, a: Matrix<'_>, b: &Packed) {
    match b {
        Packed::F32(b) => f32_product(out, out_stride, accumulate, a, b),
        Packed::Bf16(b) => tiles::product(out, out_stride, accumulate, a, b),
    }
}

/// `out = aᵀ b` for each `(out, a)`: `a` is `[N, M]` and `out` `[M, columns]`, each with its own M;
/// `b` is `[N, columns]` of very many rows.
pub(crate) fn transposed_products<const P: usize>(
    arithmetic: Arithmetic,
    mut products: [(&mut [f32], Matrix<'_>); P],
    b: Matrix<'_>,
) {
    for (out, a) in &products {
        assert_eq!(a.rows, b.rows, "inner dimensions of a matrix product");
        assert!(a.column_stride == 1 && out.len() >= a.columns * b.columns);
    }
    match arithmetic {
        Arithmetic::F32 => f32_transposed_products(&mut products, b),
        Arithmetic::Bf16(instructions) => tiles::transposed_products(instructions, &mut products, b),
    }
}

/// A matrix of f32 packed as the right-hand side of products, in blocks of columns.
pub(crate) struct Panels {
    arch: Arch,
    values: Aligned,
    depth: usize,
    columns: usize,
    n_blocks: usize,
    /// Vectors in a row of a block.
    n_vectors: usize,
}

impl Panels {
    /// Packs `matrix` `[K, columns]`.
    fn new(matrix: Matrix<'_>) -> Self {
        let arch = Arch::new();
        let n_vectors = matrix.columns.div_ceil(arch.dispatch(Lanes));
        let n_blocks = n_vectors.div_ceil(MAX_VECTORS).max(1);
        let mut packed = Self {
            arch,
            values: Aligned::default(),
            depth: 0,
            columns: matrix.columns,
            n_blocks,
            n_vectors: n_vectors.div_ceil(n_blocks).max(1),
        };
        packed.fill(matrix);
        packed
    }

    /// Replaces the contents with another matrix of as many columns.
    fn fill(&mut self, matrix: Matrix<'_>) {
        debug_assert_eq!(matrix.columns, self.columns);
        let width = self.width();
        self.depth = matrix.rows;
        self.values.resize(self.n_blocks * matrix.rows * width);
        let blocks = self.values.as_mut_slice().chunks_exact_mut((matrix.rows * width).max(1));
        for (block, values) in blocks.take(self.n_blocks).enumerate() {
            let first = block * width;
            let n = width.min(matrix.columns.saturating_sub(first));
            for (k, row) in values.chunks_exact_mut(width).enumerate() {
                if matrix.column_stride == 1 {
                    row[..n].copy_from_slice(&matrix.data[k * matrix.row_stride + first..][..n]);
                } else {
                    for (lane, value) in row[..n].iter_mut().enumerate() {
                        *value = matrix.at(k, first + lane);
                    }
                }
                row[n..].fill(0.0);
            }
        }
    }

    /// The values of a block, `[K, width]`.
    fn panel(&self, block: usize) -> &[f32] {
        let len = self.depth * self.width();
        &self.values.as_slice()[block * len..][..len]
    }

    /// Values in a row of a block.
    fn width(&self) -> usize {
        self.n_vectors * self.arch.dispatch(Lanes)
    }
}

fn f32_product(out: &mut [f32], out_stride: usize, accumulate: bool, a: Matrix<'_>, b: &Panels) {
    assert_eq!(a.columns, b.depth, "inner dimensions of a matrix product");
    assert!(a.column_stride == 1 && b.columns <= out_stride);
    assert!(a.rows == 0 || out.len() >= (a.rows - 1) * out_stride + b.columns);
    b.arch.dispatch(Product { out, out_stride, accumulate, a, b });
}

fn f32_transposed_products(products: &mut [(&mut [f32], Matrix<'_>)], b: Matrix<'_>) {
    products.iter_mut().for_each(|(out, a)| out[..a.columns * b.columns].fill(0.0));
    let mut packed: Option<Panels> = None;
    for first in (0..b.rows).step_by(DEPTH_BLOCK) {
        let n = DEPTH_BLOCK.min(b.rows - first);
        let b_rows = b.rows_from(first, n);
        match &mut packed {
            Some(packed) => packed.fill(b_rows),
            None => packed = Some(Panels::new(b_rows)),
        }
        let packed = packed.as_ref().expect("packed above");
        for (out, a) in &mut *products {
            let a = a.rows_from(first, n);
            packed.arch.dispatch(AddTransposedProduct { out, a, b: packed });
        }
    }
}

struct Product<'a> {
    out: &'a mut [f32],
    out_stride: usize,
    accumulate: bool,
    a: Matrix<'a>,
    b: &'a Panels,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, out_stride, accumulate, a, b } = self;
        for block in 0..b.n_blocks {
            for_blocks!(S, 0, a.rows, |row, R| {
                let a_rows = (&a.data[row * a.row_stride..], a.row_stride, 1);
                rows::<S, R>(simd, &mut out[row * out_stride..], out_stride, accumulate, a_rows, b, block);
            });
        }
    }
}

/// `out += aᵀ b`: the columns of `a` that a block needs, which are far apart in memory, are first
/// copied side by side.
struct AddTransposedProduct<'a> {
    /// `[columns of a, columns of b]`.
    out: &'a mut [f32],
    a: Matrix<'a>,
    b: &'a Panels,
}

impl WithSimd for AddTransposedProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, a, b } = self;
        let (depth, out_stride) = (a.rows, b.columns);
        let mut side_by_side = Scratch::any(depth * a.columns);
        for_blocks!(S, 0, a.columns, |first, R| {
            let block = &mut side_by_side[first * depth..][..R * depth];
            for (k, values) in block.chunks_exact_mut(R).enumerate() {
                values.copy_from_slice(&a.data[k * a.row_stride + first..][..R]);
            }
        });
        for block in 0..b.n_blocks {
            for_blocks!(S, 0, a.columns, |first, R| {
                let a_columns = (&side_by_side[first * depth..][..R * depth], 1, R);
                rows::<S, R>(simd, &mut out[first * out_stride..], out_stride, true, a_columns, b, block);
            });
        }
    }
}

/// R rows of a block of a product: value (r, k) of the left-hand side is `a[r * row_stride + k *
/// k_stride]`.
#[inline(always)]
fn rows<S: Simd, const R: usize>(
    simd: S,
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
    (a, row_stride, k_stride): (&[f32], usize, usize),
    b: &Panels,
    block: usize,
) {
    let panel = b.panel(block);
    // Written where they are computed: otherwise the compiler would spill the sums.
    macro_rules! of_vectors {
        ($C:expr) => {{
            let sums = block_product::<S, R, $C>(simd, a, row_stride, k_stride, panel);
            write(simd, out, out_stride, accumulate, b.columns, block, sums);
        }};
    }
    match b.n_vectors {
        1 => of_vectors!(1),
        2 => of_vectors!(2),
        3 => of_vectors!(3),
        _ => of_vectors!(MAX_VECTORS),
    }
}

/// Writes the sums of R rows of a block, or adds them.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // See `block_product`.
fn write<S: Simd, const R: usize, const C: usize>(
    simd: S,
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
    n_columns: usize,
    block: usize,
    sums: [[S::f32s; C]; R],
) {
    let width = C * S::F32_LANES;
    let first = block * width;
    if first + width <= n_columns {
        for r in 0..R {
            let out = &mut out[r * out_stride + first..][..width];
            let (out, _) = S::as_mut_simd_f32s(out);
            for c in 0..C {
                let before = if accumulate { out[c] } else { simd.splat_f32s(0.0) };
                out[c] = simd.add_f32s(before, sums[r][c]);
            }
        }
    } else {
        // Through memory, for the part of the block that exists. A copy, so that the sums above
        // need none.
        let mut copy = [[simd.splat_f32s(0.0); C]; R];
        for r in 0..R {
            for c in 0..C {
                copy[r][c] = sums[r][c];
            }
        }
        for (r, sums) in copy.iter().enumerate() {
            let out = &mut out[r * out_stride..][..n_columns];
            for (sums, part) in sums.iter().zip(out[first..].chunks_mut(S::F32_LANES)) {
                let before = if accumulate { load(simd, part) } else { simd.splat_f32s(0.0) };
                store(simd, part, simd.add_f32s(before, *sums));
            }
        }
    }
}

/// `a panel` for R rows of K values: value (r, k) of `a` is `a[r * row_stride + k * k_stride]`;
/// `panel` is `[K, C]` vectors. One of the strides should be a constant 1 where this is inlined.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Iterators zipped in here are not always inlined.
pub(super) fn block_product<S: Simd, const R: usize, const C: usize>(
    simd: S,
    a: &[f32],
    row_stride: usize,
    k_stride: usize,
    panel: &[f32],
) -> [[S::f32s; C]; R] {
    let (vectors, rest) = S::as_simd_f32s(panel);
    debug_assert!(rest.is_empty());
    let depth = vectors.len() / C;
    // Returned, not added in the caller's memory, so that they stay in registers.
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    if depth > 0 {
        assert!(a.len() > (R - 1) * row_stride + (depth - 1) * k_stride);
    }
    for (k, weights) in vectors.chunks_exact(C).enumerate() {
        for r in 0..R {
            // SAFETY: r < R and k < depth, so the index is at most the asserted one.
            let value = simd.splat_f32s(unsafe { *a.get_unchecked(r * row_stride + k * k_stride) });
            for c in 0..C {
                sums[r][c] = simd.mul_add_e_f32s(value, weights[c], sums[r][c]);
            }
        }
    }
    sums
}

/// The number of f32 in a vector.
pub(super) struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Values aligned to a cache line, so that no vector straddles two.
pub(super) struct Aligned {
    values: Scratch,
    /// Where the first cache line begins in them.
    start: usize,
    len: usize,
}

impl Default for Aligned {
    fn default() -> Self {
        Self { values: Scratch::any(0), start: 0, len: 0 }
    }
}

impl Aligned {
    /// `n` zeros.
    pub(super) fn zeros(n: usize) -> Self {
        let mut aligned = Self::default();
        aligned.resize(n);
        aligned.as_mut_slice().fill(0.0);
        aligned
    }

    /// Makes room for `n` values, uninitialised.
    fn resize(&mut self, n: usize) {
        const LINE_VALUES: usize = 64 / size_of::<f32>();
        if self.values.len() < n + LINE_VALUES {
            self.values = Scratch::any(n + LINE_VALUES);
        }
        self.start = self.values.as_ptr().align_offset(64).min(LINE_VALUES);
        self.len = n;
    }

    pub(super) fn as_slice(&self) -> &[f32] {
        &self.values[self.start..self.start + self.len]
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows, inner dimension and columns, odd ones among them.
    const SIZES: [[usize; 3]; 11] = [
        [1, 1, 1],
        [7, 5, 3],
        [6, 16, 64],
        [13, 300, 70],
        [5, 0, 4],
        [0, 4, 4],
        [23, 9, 144],
        [33, 31, 33],
        [17, 33, 17],
        [64, 144, 576],
        [49, 700, 40],
    ];

    fn arithmetics() -> Vec<Arithmetic> {
        #[cfg(target_family = "wasm")]
        let bf16 = [];
        #[cfg(not(target_family = "wasm"))]
        let bf16 = crate::ops::host::Instructions::all().into_iter().map(Arithmetic::Bf16);
        std::iter::once(Arithmetic::F32).chain(bf16).collect()
    }

    fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect()
    }

    /// Calls `check` with the product `a b` `[m, n]` and the arithmetic that computed it, in every
    /// arithmetic and layout.
    fn in_all_arithmetics([m, k, n]: [usize; 3], a: &[f32], b: &[f32], check: impl Fn(Arithmetic, &[f32])) {
        let (a_t, b_t) = (transposed(a, m, k), transposed(b, k, n));
        for arithmetic in arithmetics() {
            for b in [Matrix::new(b, k, n), Matrix::new(&b_t, n, k).transposed()] {
                let (a, b) = (Matrix::new(a, m, k), Packed::new(arithmetic, b));
                let mut out = vec![f32::NAN; m * n];
                product(&mut out, n, false, a, &b);
                check(arithmetic, &out);
                // Added to what is there, with columns between the rows that stay as they are.
                let stride = n + 3;
                let mut wide = vec![1.0; m * stride];
                product(&mut wide, stride, true, a, &b);
                for (wide, row) in wide.chunks(stride).zip(out.chunks(n)) {
                    assert!(wide[n..].iter().all(|&value| value == 1.0));
                    for (wide, value) in wide.iter().zip(row) {
                        assert_eq!(*wide, 1.0 + value);
                    }
                }
            }
            let mut out = vec![f32::NAN; m * n];
            transposed_products(arithmetic, [(&mut out, Matrix::new(&a_t, k, m))], Matrix::new(b, k, n));
            check(arithmetic, &out);
        }
    }

    #[test]
    fn products_of_all_sizes_and_layouts_are_exact() {
        /// Numbers that are exact in bf16, and in f32 after any sum of their products.
        fn values(n: usize, factor: usize) -> Vec<f32> {
            (0..n).map(|i| ((i * factor) % 17) as f32 - 8.0).collect()
        }
        for size @ [m, k, n] in SIZES {
            let (a, b) = (values(m * k, 7), values(k * n, 5));
            let expected: Vec<f32> = (0..m * n)
                .map(|i| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum::<f32>())
                .collect();
            in_all_arithmetics(size, &a, &b, |arithmetic, out| {
                assert_eq!(out, expected, "{size:?} {arithmetic:?}")
            });
        }
    }

    #[test]
    fn products_in_bf16_err_by_no_more_than_the_rounding_of_their_factors() {
        let values = |n: usize, factor: f64| -> Vec<f32> {
            (0..n).map(|i| (f64::sin(i as f64 * factor) * 3.0) as f32).collect()
        };
        for size @ [m, k, n] in SIZES {
            let (a, b) = (values(m * k, 0.7), values(k * n, 1.3));
            in_all_arithmetics(size, &a, &b, |arithmetic, out| {
                for (i, &found) in out.iter().enumerate() {
                    let products = (0..k).map(|j| f64::from(a[i / n * k + j]) * f64::from(b[j * n + i % n]));
                    let exact: f64 = products.clone().sum();
                    let magnitude: f64 = products.map(f64::abs).sum();
                    // Each factor is rounded to 8 bits, and each sum to 24.
                    let factors =
                        if arithmetic == Arithmetic::F32 { 0.0 } else { 2.0 / 512.0 + 1.0 / 262_144.0 };
                    let bound = magnitude * (factors + k as f64 / 16_777_216.0);
                    let error = (f64::from(found) - exact).abs();
                    assert!(error <= bound, "{size:?} {arithmetic:?}: {found}, expected {exact}");
                }
            });
        }
    }
}
