//! The operations on plain slices of `f32`, for backends whose tensors lie in the machine's memory.
//!
//! In: row-major slices and lengths. Out: vectors. Nothing here knows of tensors or backends.
//! Rows past a drawing's length are never computed: the operations gather the rows that exist
//! ("packed", as in PyTorch's `pack_padded_sequence`), so padding costs a copy of zeros and no arithmetic.

pub mod conv;
pub mod gates;
pub mod lstm;

use gemm::Parallelism;

/// Which way a matrix is read.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Read {
    AsStored,
    Transposed,
}

/// A row-major matrix in a slice, whose rows may be a part of wider ones.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix that fills its slice.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` rows of `columns` values, each `row_stride` values after the one before.
    pub(crate) fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(columns <= row_stride);
        assert!(rows == 0 || data.len() >= (rows - 1) * row_stride + columns);
        Self { data, rows, columns, row_stride }
    }
}

/// `out = a b`, or `out += a b`; `out` is `[rows of a, columns of b]`, its rows `out_stride` values apart.
pub(crate) fn matmul(
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
    a: (Matrix<'_>, Read),
    b: (Matrix<'_>, Read),
) {
    let layout = |(m, read): (Matrix<'_>, Read)| match read {
        Read::AsStored => (m.rows, m.columns, m.row_stride as isize, 1),
        Read::Transposed => (m.columns, m.rows, 1, m.row_stride as isize),
    };
    let (m, k, a_row, a_column) = layout(a);
    let (k_of_b, n, b_row, b_column) = layout(b);
    assert_eq!(k, k_of_b, "inner dimensions of a matrix product");
    assert!(n <= out_stride);
    if m == 0 || n == 0 {
        return;
    }
    assert!(out.len() >= (m - 1) * out_stride + n);
    // SAFETY: the pointers and strides stay inside the slices: `Matrix::strided` checked the inputs, the
    // lines above the output; the output is borrowed exclusively, so nothing overlaps it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate,
            a.0.data.as_ptr(),
            a_column,
            a_row,
            b.0.data.as_ptr(),
            b_column,
            b_row,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Runs both closures, on two threads where feature `rayon` is on.
pub(crate) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    #[cfg(feature = "rayon")]
    return rayon::join(a, b);
    #[cfg(not(feature = "rayon"))]
    (a(), b())
}

/// Adds up the columns of `rows` (`[n, width]`) into `[width]`.
pub(crate) fn sum_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums
}
