//! Matrix products of bf16 factors: tiled matrices, and the part of the products that all
//! instructions share.
//!
//! The counterpart of [`product`](super::product), which calls this where products are in bf16.

use pulp::{Arch, Simd, WithSimd};

use super::bf16::{DEPTH, Instructions, Rows, SIDE, Sums, Tile};
use super::matrix::Matrix;
use super::scratch::Scratch;

/// Rows of the left-hand side, and columns of the right-hand side, of a block of sums.
pub(super) const BLOCK: usize = 2 * SIDE;

/// Rows that are rounded at a time where there may be very many. More than a shard of drawings of
/// usual length has, so that sums are written once.
const DEPTH_BLOCK: usize = 1024;

/// Which operand of a product a matrix is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    Left,
    Right,
}

/// A matrix rounded to bf16 for one side of products: row of tiles after row of tiles on the left,
/// column after column on the right; zero past the matrix's end.
pub(crate) struct Tiles {
    instructions: Instructions,
    tiles: Scratch<Tile>,
    /// Values along the inner dimension.
    depth: usize,
    /// Rows on the left-hand side, columns on the right-hand side.
    side: usize,
}

impl Tiles {
    /// Rounds `matrix`.
    pub(super) fn new(instructions: Instructions, operand: Operand, matrix: Matrix<'_>) -> Self {
        let [depth, side] = match operand {
            Operand::Left => [matrix.columns, matrix.rows],
            Operand::Right => [matrix.rows, matrix.columns],
        };
        let mut tiles = Scratch::any(n_tiles(side, depth));
        fill(instructions, operand, matrix, &mut tiles);
        Self { instructions, tiles, depth, side }
    }

    /// Room for a matrix of `side` rows on the left-hand or columns on the right-hand side and
    /// `n_depth` tiles along the inner dimension, all of which the caller fills.
    pub(super) fn any(instructions: Instructions, side: usize, n_depth: usize) -> Self {
        let depth = n_depth * DEPTH;
        Self { instructions, tiles: Scratch::any(n_tiles(side, depth)), depth, side }
    }

    /// Rounds a left-hand side's columns from tile `first_depth` on; rows that `matrix` does not
    /// have are zero.
    pub(super) fn fill_columns(&mut self, matrix: Matrix<'_>, first_depth: usize) {
        let n_depth = self.n_depth();
        for (side, tiles) in self.tiles.chunks_exact_mut(n_depth).enumerate() {
            let tiles = &mut tiles[first_depth..][..matrix.columns.div_ceil(DEPTH)];
            for (depth, tile) in tiles.iter_mut().enumerate() {
                self.instructions.round_along(rows(matrix), side, depth, tile);
            }
        }
    }

    /// Rounds `matrix`, at most [`DEPTH`] rows, as tile `depth` of an inner dimension of rows;
    /// missing rows are zero.
    pub(super) fn fill_rows(&mut self, operand: Operand, matrix: Matrix<'_>, depth: usize) {
        assert!(matrix.rows <= DEPTH && matrix.columns == self.side);
        let n_depth = self.n_depth();
        let mut scratch = Tile::ZERO;
        for (side, tiles) in self.tiles.chunks_exact_mut(n_depth).enumerate() {
            let tile = &mut tiles[depth];
            match operand {
                Operand::Right => self.instructions.round_across(rows(matrix), side, 0, tile),
                Operand::Left => {
                    self.instructions.round_across(rows(matrix), side, 0, &mut scratch);
                    self.instructions.transpose(&scratch, tile);
                }
            }
        }
    }

    /// Rows on the left-hand side, columns on the right-hand side.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Tiles along the inner dimension.
    pub(super) fn n_depth(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }

    /// The tiles of rows (on the right-hand side columns) from `first` on, up to those of a block.
    pub(super) fn block(&self, first: usize) -> &[Tile] {
        debug_assert!(first.is_multiple_of(SIDE) && first < self.side);
        let n_sides = (self.side - first).min(BLOCK).div_ceil(SIDE);
        &self.tiles[first / SIDE * self.n_depth()..][..n_sides * self.n_depth()]
    }
}

/// A row-major matrix.
fn rows(matrix: Matrix<'_>) -> Rows<'_> {
    debug_assert_eq!(matrix.column_stride, 1);
    Rows { values: matrix.data, n_rows: matrix.rows, n_columns: matrix.columns, stride: matrix.row_stride }
}

/// Number of tiles for `side` rows or columns and `depth` values along the inner dimension.
pub(super) fn n_tiles(side: usize, depth: usize) -> usize {
    side.div_ceil(SIDE) * depth.div_ceil(DEPTH)
}

/// Rounds `matrix` into `tiles`, as many as it needs as that operand.
pub(super) fn fill(instructions: Instructions, operand: Operand, matrix: Matrix<'_>, tiles: &mut [Tile]) {
    // The values of a transposed matrix lie as the other operand's; its tiles are transposed once
    // they are pairs.
    let is_transposed = matrix.column_stride != 1;
    let stored = if is_transposed { matrix.transposed() } else { matrix };
    let rows = rows(stored);
    let along = (operand == Operand::Left) != is_transposed;
    let n_depth = if operand == Operand::Left { matrix.columns } else { matrix.rows }.div_ceil(DEPTH);
    if n_depth == 0 {
        return;
    }
    let mut scratch = Tile::ZERO;
    let mut round = |side: usize, depth: usize| {
        let tile = &mut tiles[side * n_depth + depth];
        let to = if is_transposed { &mut scratch } else { &mut *tile };
        match along {
            true => instructions.round_along(rows, side, depth, to),
            false => instructions.round_across(rows, side, depth, to),
        }
        if is_transposed {
            instructions.transpose(&scratch, tile);
        }
    };
    // In the order in which the values lie.
    let n_sides = if operand == Operand::Left { matrix.rows } else { matrix.columns }.div_ceil(SIDE);
    match along {
        true => (0..n_sides).for_each(|side| (0..n_depth).for_each(|depth| round(side, depth))),
        false => (0..n_depth).for_each(|depth| (0..n_sides).for_each(|side| round(side, depth))),
    }
}

/// As [`product`](super::product::product()).
pub(super) fn product(out: &mut [f32], out_stride: usize, accumulate: bool, a: Matrix<'_>, b: &Tiles) {
    assert_eq!(a.columns, b.depth, "inner dimensions of a matrix product");
    assert!(a.column_stride == 1 && b.side <= out_stride);
    assert!(a.rows == 0 || out.len() >= (a.rows - 1) * out_stride + b.side);
    for first in (0..a.rows).step_by(BLOCK) {
        let left = a.rows_from(first, BLOCK.min(a.rows - first));
        let left = Tiles::new(b.instructions, Operand::Left, left);
        multiply(&mut out[first * out_stride..], out_stride, left.side, accumulate, &left, b);
    }
}

/// As [`transposed_products`](super::product::transposed_products).
pub(super) fn transposed_products(
    instructions: Instructions,
    products: &mut [(&mut [f32], Matrix<'_>)],
    b: Matrix<'_>,
) {
    // At least once: without any rows the products are zero.
    for first in (0..b.rows.max(1)).step_by(DEPTH_BLOCK) {
        let n = DEPTH_BLOCK.min(b.rows - first);
        let right = Tiles::new(instructions, Operand::Right, b.rows_from(first, n));
        for (out, a) in &mut *products {
            let left = Tiles::new(instructions, Operand::Left, a.rows_from(first, n).transposed());
            multiply(out, b.columns, left.side, first > 0, &left, &right);
        }
    }
}

/// `out = left right` or `out += left right`, for the first rows of `left`, `n_rows` of them.
pub(super) fn multiply(
    out: &mut [f32],
    out_stride: usize,
    n_rows: usize,
    accumulate: bool,
    left: &Tiles,
    right: &Tiles,
) {
    assert!(left.n_depth() == right.n_depth() && n_rows <= left.side);
    let arch = Arch::new();
    let kernel = right.instructions.start();
    let mut sums = Sums::zeros();
    for row in (0..n_rows).step_by(BLOCK) {
        for column in (0..right.side).step_by(BLOCK) {
            kernel.multiply(left.block(row), right.block(column), right.n_depth(), &mut sums);
            let n_rows = BLOCK.min(n_rows - row);
            let n_columns = BLOCK.min(right.side - column);
            let out = &mut out[row * out_stride + column..];
            arch.dispatch(Write { sums: &sums, n_rows, n_columns, out, out_stride, accumulate });
        }
    }
}

/// Writes a block of sums, or adds it.
struct Write<'a> {
    sums: &'a Sums,
    n_rows: usize,
    n_columns: usize,
    out: &'a mut [f32],
    out_stride: usize,
    accumulate: bool,
}

impl WithSimd for Write<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { sums, n_rows, n_columns, out, out_stride, accumulate } = self;
        for (r, out) in out.chunks_mut(out_stride).take(n_rows).enumerate() {
            let sums = sums.row(r);
            // The usual width as a constant, so that the loops are a few vectors.
            match (<&mut [f32; BLOCK]>::try_from(&mut out[..n_columns]), accumulate) {
                (Ok(out), false) => *out = *sums,
                (Ok(out), true) => out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum),
                (Err(_), false) => out[..n_columns].copy_from_slice(&sums[..n_columns]),
                (Err(_), true) => {
                    out[..n_columns].iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                }
            }
        }
    }
}
