//! From padded batches `[B, T, C]` to the rows that exist, "packed" `[N, C]`, and back.
//!
//! A drawing's packed rows lie one after the other, those of the last drawing followed by rows of zeros up to a number that
//! can be cut into equal parts. Matrix products see packed rows alone: padding costs no arithmetic, and what lies in it
//! (which may be anything, even no number) reaches nothing.

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::{N_UNITS, array, dims, empty, flat_cubes};
use crate::ops::Lengths;

/// Numbers that a place has in the table on the device: drawing, packed rows, the first of them, and the drawing's length
/// before the stride.
pub(super) const PLACE_SIZE: usize = 4;

/// Parts into which the rows of a product over rows are cut, at most; rows of a part, at least; and what their number is a
/// multiple of, so that the products can read several values at once.
const MAX_PARTS: usize = 64;
const MIN_ROWS_OF_PART: usize = 512;
const PART_ALIGNMENT: usize = 8;

/// The drawings of a batch in the order in which kernels work on them, longest first, so that neighbours end alike.
pub(super) struct Places<R: CubeRuntime> {
    table: Handle,
    n_entries: usize,
    client: ComputeClient<R>,
    /// Drawings, B.
    pub n_drawings: usize,
    /// Packed rows that drawings have.
    pub n_used: usize,
    /// Packed rows, N: with those of zeros at the end, a multiple of the parts.
    pub n_rows: usize,
    /// Equal parts into which a product over rows cuts them.
    pub n_parts: usize,
}

impl<R: CubeRuntime> Places<R> {
    /// The drawings of a batch, every `stride`th row of each packed, on the device of `like`; with empty places up to a
    /// multiple of `tile`.
    pub(super) fn new(lengths: &Lengths, stride: usize, tile: usize, like: &CubeTensor<R>) -> Self {
        let lengths = lengths.as_slice();
        let mut n_used = 0;
        let mut places: Vec<[u32; PLACE_SIZE]> = Vec::with_capacity(lengths.len().next_multiple_of(tile));
        for (drawing, &length) in lengths.iter().enumerate() {
            let n = length.div_ceil(stride);
            places.push([drawing, n, n_used, length].map(|number| number as u32));
            n_used += n;
        }
        places.sort_by_key(|&[_, n, ..]| std::cmp::Reverse(n));
        places.resize(lengths.len().next_multiple_of(tile), [0; PLACE_SIZE]);
        let table = places.as_flattened();
        let n_parts = (n_used / MIN_ROWS_OF_PART).clamp(1, MAX_PARTS);
        Self {
            table: like.client.create_from_slice(u32::as_bytes(table)),
            n_entries: table.len(),
            client: like.client.clone(),
            n_drawings: lengths.len(),
            n_used,
            n_rows: n_used.next_multiple_of(n_parts * PART_ALIGNMENT),
            n_parts,
        }
    }

    /// The table as a kernel's array of `u32`.
    pub(super) fn table(&self) -> ArrayArg<R> {
        // SAFETY: this is the number of values that the buffer was made of.
        unsafe { ArrayArg::from_raw_parts(self.table.clone(), self.n_entries) }
    }

    /// Cubes for a kernel that walks, for each drawing, up to `n_values` values.
    pub(super) fn cubes(&self, n_values: usize) -> (CubeCount, CubeDim) {
        let (max_x, max_y, _) = self.client.properties().hardware.max_cube_count;
        let x = n_values.div_ceil(N_UNITS as usize).clamp(1, max_x as usize) as u32;
        let y = self.n_drawings.clamp(1, max_y as usize) as u32;
        (CubeCount::Static(x, y, 1), CubeDim::new_1d(N_UNITS))
    }
}

/// Sets the values from `first` to `end` to zero; to be called by all units of a row of cubes.
#[cube]
pub(super) fn clear(values: &mut Array<f32>, first: u32, end: u32) {
    let mut i = first + ABSOLUTE_POS_X;
    while i < end {
        values[i as usize] = 0.0;
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}

/// `[B, T, C]` -> `[N, C]`.
pub(super) fn pack<R: CubeRuntime>(padded: CubeTensor<R>, places: &Places<R>) -> CubeTensor<R> {
    let [_, n_steps, width] = dims(&padded);
    let packed = empty(&padded, [places.n_rows, width]);
    let client = packed.client.clone();
    let (count, dim) = places.cubes(n_steps * width);
    // SAFETY: a place's rows lie in both tensors, as the lengths are at most T.
    unsafe {
        pack_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(padded),
            places.table(),
            packed.clone().into_array_arg(),
            places.n_drawings as u32,
            places.n_used as u32,
            places.n_rows as u32,
            n_steps as u32,
            width as u32,
        );
    }
    packed
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn pack_kernel(
    padded: &Array<f32>,
    places: &Array<u32>,
    packed: &mut Array<f32>,
    n_drawings: u32,
    n_used: u32,
    n_rows: u32,
    n_steps: u32,
    width: u32,
) {
    if CUBE_POS_Y == 0 {
        clear(packed, n_used * width, n_rows * width);
    }
    let mut place = CUBE_POS_Y;
    while place < n_drawings {
        let entry = place as usize * PLACE_SIZE;
        let (drawing, length, first_row) = (places[entry], places[entry + 1], places[entry + 2]);
        let from = (drawing * n_steps * width) as usize;
        let to = (first_row * width) as usize;
        let n_values = (length * width) as usize;
        let mut i = ABSOLUTE_POS_X as usize;
        while i < n_values {
            packed[to + i] = padded[from + i];
            i += (CUBE_COUNT_X * CUBE_DIM_X) as usize;
        }
        place += CUBE_COUNT_Y;
    }
}

/// `[N, C]` -> `[B, T, C]`, zero in the padding; with a bias `[C]`, added to every row that exists.
pub(super) fn unpack<R: CubeRuntime>(
    packed: CubeTensor<R>,
    bias: Option<CubeTensor<R>>,
    n_steps: usize,
    places: &Places<R>,
) -> CubeTensor<R> {
    let [_, width] = dims(&packed);
    let padded = empty(&packed, [places.n_drawings, n_steps, width]);
    let client = padded.client.clone();
    let (count, dim) = places.cubes(n_steps * width);
    let has_bias = bias.is_some();
    // A kernel has all its arguments; without a bias it does not look at this one.
    let bias = bias.unwrap_or_else(|| packed.clone());
    // SAFETY: every value of the padded tensor is written once; a place's rows lie in the packed one.
    unsafe {
        unpack_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(packed),
            array(bias),
            places.table(),
            padded.clone().into_array_arg(),
            places.n_drawings as u32,
            n_steps as u32,
            width as u32,
            has_bias,
        );
    }
    padded
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn unpack_kernel(
    packed: &Array<f32>,
    bias: &Array<f32>,
    places: &Array<u32>,
    padded: &mut Array<f32>,
    n_drawings: u32,
    n_steps: u32,
    width: u32,
    #[comptime] has_bias: bool,
) {
    let mut place = CUBE_POS_Y;
    while place < n_drawings {
        let entry = place as usize * PLACE_SIZE;
        let (drawing, length, first_row) = (places[entry], places[entry + 1], places[entry + 2]);
        let from = (first_row * width) as usize;
        let to = (drawing * n_steps * width) as usize;
        let n_values = (length * width) as usize;
        let n_padded = (n_steps * width) as usize;
        let mut i = ABSOLUTE_POS_X as usize;
        while i < n_padded {
            let mut value = 0.0f32;
            if i < n_values {
                value = packed[from + i];
                if comptime!(has_bias) {
                    value += bias[i % width as usize];
                }
            }
            padded[to + i] = value;
            i += (CUBE_COUNT_X * CUBE_DIM_X) as usize;
        }
        place += CUBE_COUNT_Y;
    }
}

/// Rows that a unit of the device sums up, one after the other.
const N_ROWS_SUMMED: usize = 256;

/// The sum over the rows of `[N, C]`, `[1, C]`, by stages: a batch has up to a million rows, and a unit for each column
/// alone would leave a device idle.
pub(super) fn sum_rows<R: CubeRuntime>(mut rows: CubeTensor<R>) -> CubeTensor<R> {
    let client = rows.client.clone();
    let [mut n_rows, width] = dims(&rows);
    while n_rows > 1 {
        let n_sums = n_rows.div_ceil(N_ROWS_SUMMED);
        let sums = empty(&rows, [n_sums, width]);
        let (count, dim) = flat_cubes(&client, n_sums * width);
        // SAFETY: every sum is written once, from rows before the last.
        unsafe {
            sum_rows_kernel::launch_unchecked::<R>(
                &client,
                count,
                dim,
                array(rows),
                sums.clone().into_array_arg(),
                n_rows as u32,
                n_sums as u32,
                width as u32,
            );
        }
        (rows, n_rows) = (sums, n_sums);
    }
    rows
}

#[cube(launch_unchecked)]
fn sum_rows_kernel(rows: &Array<f32>, sums: &mut Array<f32>, n_rows: u32, n_sums: u32, width: u32) {
    let mut i = ABSOLUTE_POS_X;
    while i < n_sums * width {
        let first = i / width * N_ROWS_SUMMED as u32;
        let end = min(first + N_ROWS_SUMMED as u32, n_rows);
        let mut sum = 0.0f32;
        for row in first..end {
            sum += rows[(row * width + i % width) as usize];
        }
        sums[i as usize] = sum;
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}
