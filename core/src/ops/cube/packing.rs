//! Packs padded batches `[B, T, C]` into the valid time steps `[N, C]`, and unpacks them.
//!
//! A drawing's packed rows are contiguous; after the last drawing zero rows follow up to a number
//! that can be split into equal parts. Matrix products run over packed rows only: padding costs no
//! arithmetic, and its contents (which may be anything, even NaN) affect nothing.

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::{N_UNITS, array, dims, empty, flat_cubes};
use crate::ops::Lengths;

/// Values of a slot in the table on the device: drawing, number of packed rows, the first of them,
/// and the drawing's length before the stride.
pub(super) const SLOT_SIZE: usize = 4;

/// For a product that sums over rows: the maximum number of parts, the minimum number of rows of a
/// part, and what that number is a multiple of, so that the products can use vector loads.
const MAX_PARTS: usize = 64;
const MIN_ROWS_PER_PART: usize = 512;
const PART_ALIGNMENT: usize = 8;

/// The drawings of a batch in the order in which kernels process them, longest first, so that
/// neighbours have similar lengths.
pub(super) struct Packing<R: CubeRuntime> {
    table: Handle,
    n_entries: usize,
    client: ComputeClient<R>,
    /// Drawings, B.
    pub n_drawings: usize,
    /// Packed rows in use.
    pub n_used: usize,
    /// Packed rows with the zero rows at the end, N: a multiple of the parts.
    pub n_rows: usize,
    /// Equal parts into which a product over rows splits them.
    pub n_parts: usize,
}

impl<R: CubeRuntime> Packing<R> {
    /// The drawings of a batch, every `stride`th row of each packed, on the device of `like`; with
    /// empty slots up to a multiple of `tile`.
    pub(super) fn new(lengths: &Lengths, stride: usize, tile: usize, like: &CubeTensor<R>) -> Self {
        let lengths = lengths.as_slice();
        let mut n_used = 0;
        let mut packing: Vec<[u32; SLOT_SIZE]> = Vec::with_capacity(lengths.len().next_multiple_of(tile));
        for (drawing, &length) in lengths.iter().enumerate() {
            let n = length.div_ceil(stride);
            packing.push([drawing, n, n_used, length].map(|number| number as u32));
            n_used += n;
        }
        packing.sort_by_key(|&[_, n, ..]| std::cmp::Reverse(n));
        packing.resize(lengths.len().next_multiple_of(tile), [0; SLOT_SIZE]);
        let table = packing.as_flattened();
        let n_parts = (n_used / MIN_ROWS_PER_PART).clamp(1, MAX_PARTS);
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

    /// Blocks for a kernel over up to `n_values` values of each drawing.
    pub(super) fn cubes(&self, n_values: usize) -> (CubeCount, CubeDim) {
        let (max_x, max_y, _) = self.client.properties().hardware.max_cube_count;
        let x = n_values.div_ceil(N_UNITS as usize).clamp(1, max_x as usize) as u32;
        let y = self.n_drawings.clamp(1, max_y as usize) as u32;
        (CubeCount::Static(x, y, 1), CubeDim::new_1d(N_UNITS))
    }
}

/// Sets the values from `first` to `end` to zero; to be called by all threads of a row of blocks.
#[cube]
pub(super) fn clear(values: &mut Array<f32>, first: u32, end: u32) {
    let mut i = first + ABSOLUTE_POS_X;
    while i < end {
        values[i as usize] = 0.0;
        i += CUBE_COUNT_X * CUBE_DIM_X;
    }
}

/// `[B, T, C]` -> `[N, C]`.
pub(super) fn pack<R: CubeRuntime>(padded: CubeTensor<R>, packing: &Packing<R>) -> CubeTensor<R> {
    let [_, n_steps, width] = dims(&padded);
    let packed = empty(&padded, [packing.n_rows, width]);
    let client = packed.client.clone();
    let (count, dim) = packing.cubes(n_steps * width);
    // SAFETY: a slot's rows lie in both tensors, as the lengths are at most T.
    unsafe {
        pack_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(padded),
            packing.table(),
            packed.clone().into_array_arg(),
            packing.n_drawings as u32,
            packing.n_used as u32,
            packing.n_rows as u32,
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
    packing: &Array<u32>,
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
    let mut slot = CUBE_POS_Y;
    while slot < n_drawings {
        let entry = slot as usize * SLOT_SIZE;
        let (drawing, length, first_row) = (packing[entry], packing[entry + 1], packing[entry + 2]);
        let from = (drawing * n_steps * width) as usize;
        let to = (first_row * width) as usize;
        let n_values = (length * width) as usize;
        let mut i = ABSOLUTE_POS_X as usize;
        while i < n_values {
            packed[to + i] = padded[from + i];
            i += (CUBE_COUNT_X * CUBE_DIM_X) as usize;
        }
        slot += CUBE_COUNT_Y;
    }
}

/// `[N, C]` -> `[B, T, C]`, zero in the padding; a bias `[C]`, if any, is added to every valid row.
pub(super) fn unpack<R: CubeRuntime>(
    packed: CubeTensor<R>,
    bias: Option<CubeTensor<R>>,
    n_steps: usize,
    packing: &Packing<R>,
) -> CubeTensor<R> {
    let [_, width] = dims(&packed);
    let padded = empty(&packed, [packing.n_drawings, n_steps, width]);
    let client = padded.client.clone();
    let (count, dim) = packing.cubes(n_steps * width);
    let has_bias = bias.is_some();
    // A kernel's arguments are not optional; without a bias it ignores this one.
    let bias = bias.unwrap_or_else(|| packed.clone());
    // SAFETY: every value of the padded tensor is written once; a slot's rows lie in the packed
    // one.
    unsafe {
        unpack_kernel::launch_unchecked::<R>(
            &client,
            count,
            dim,
            array(packed),
            array(bias),
            packing.table(),
            padded.clone().into_array_arg(),
            packing.n_drawings as u32,
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
    packing: &Array<u32>,
    padded: &mut Array<f32>,
    n_drawings: u32,
    n_steps: u32,
    width: u32,
    #[comptime] has_bias: bool,
) {
    let mut slot = CUBE_POS_Y;
    while slot < n_drawings {
        let entry = slot as usize * SLOT_SIZE;
        let (drawing, length, first_row) = (packing[entry], packing[entry + 1], packing[entry + 2]);
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
        slot += CUBE_COUNT_Y;
    }
}

/// Rows that a thread sums.
const N_ROWS_SUMMED: usize = 256;

/// The sum over the rows of `[N, C]`, `[1, C]`, in stages: a batch has up to a million rows, and
/// one thread per column would leave the device idle.
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
