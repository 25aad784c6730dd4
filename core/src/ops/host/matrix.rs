//! Matrices on slices.

/// A strided matrix in a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix that fills its slice.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` rows of `columns` values, each `row_stride` values after the one before.
    pub(crate) fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(columns <= row_stride);
        assert!(rows == 0 || data.len() >= (rows - 1) * row_stride + columns);
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transpose.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Some of the columns of a row-major matrix.
    pub(super) fn columns_of(self, columns: std::ops::Range<usize>) -> Self {
        Self::strided(&self.data[columns.start..], self.rows, columns.len(), self.row_stride)
    }

    pub(super) fn at(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.row_stride + column * self.column_stride]
    }

    /// Rows `first..first + n`.
    pub(super) fn rows_from(self, first: usize, n: usize) -> Self {
        Self { data: &self.data[(first * self.row_stride).min(self.data.len())..], rows: n, ..self }
    }
}
