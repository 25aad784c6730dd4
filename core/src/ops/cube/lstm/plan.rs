//! Launch configuration of the kernels: tiles, threads, and how many of the weights stay in shared
//! memory.

use burn_cubecl::CubeRuntime;
use cubecl::ir::DeviceProperties;
use cubecl::prelude::*;

use super::layer::{Layer, N_GATES, N_LANES};
use crate::ops::cube::packing::Packing;
use crate::ops::cube::precision;

/// Maximum threads of a block (CubeCL's cube): more would leave each too few registers, of which
/// the kernels need about 70.
const MAX_UNITS: usize = 768;

/// Maximum threads of a block along the layer's units: in a wider layer each thread has several,
/// for which a state is read once.
const MAX_UNITS_ALONG: usize = 256;

/// Maximum units of the layer per thread: the loop over them is unrolled.
const MAX_PASSES: usize = 8;

/// Overhead of a time step (memory latency and barriers), in units of the cost of a group's
/// products.
const STEP_COST_IN_GROUPS: usize = 1;

/// Number of multiprocessors assumed for a device that does not report it.
const DEFAULT_PROCESSORS: usize = 32;

/// The launch configuration of a kernel, which is compiled for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    /// Width of a direction, H.
    pub d_hidden: usize,
    /// Directions, D.
    pub n_directions: usize,
    /// Threads of a block along the layer's units.
    pub n_units: usize,
    /// Units of the layer per thread, computed one after the other.
    pub n_passes: usize,
    /// Groups of four drawings in a tile.
    pub n_groups: usize,
    /// Rows of the recurrent weights in shared memory.
    pub n_rows_on_chip: usize,
}

impl Plan {
    /// The plan for a layer and a batch on a device, where a group needs `n_state_vectors` in
    /// shared memory for each unit of the layer. `None` if the device has too little of it, or
    /// allows too few blocks in a launch.
    pub fn new(layer: Layer, device: &DeviceProperties, n_state_vectors: usize) -> Option<Self> {
        let Layer { n_drawings, d_hidden, n_directions, .. } = layer;
        let hardware = &device.hardware;
        let max_units =
            MAX_UNITS.min(hardware.max_units_per_cube as usize).min(hardware.max_cube_dim.0 as usize);
        let n_passes = d_hidden.div_ceil(max_units.min(MAX_UNITS_ALONG));
        let n_units = d_hidden.div_ceil(n_passes);

        // The kernel declares shared memory for one vector of weights even where it keeps no row of
        // them.
        let weight_vector_bytes = N_GATES * precision().dtype().size();
        let shared_bytes = hardware.max_shared_memory_size.saturating_sub(weight_vector_bytes);
        let group_bytes = d_hidden * n_state_vectors * N_LANES * size_of::<f32>();
        let max_groups =
            (max_units / n_units).min(hardware.max_cube_dim.1 as usize).min(shared_bytes / group_bytes);
        if n_passes > MAX_PASSES || max_groups == 0 {
            return None;
        }
        // A multiprocessor holds one block. The time of a step grows with the tile, and the number
        // of rounds is that of tiles per multiprocessor.
        let n_processors = hardware.num_streaming_multiprocessors.map_or(DEFAULT_PROCESSORS, |n| n as usize);
        let time = |n_groups: usize| {
            let n_cubes = n_drawings.div_ceil(n_groups * N_LANES) * n_directions;
            n_cubes.div_ceil(n_processors) * (n_groups + STEP_COST_IN_GROUPS)
        };
        let n_groups = (1..=max_groups).min_by_key(|&n_groups| time(n_groups)).unwrap_or(1);
        if n_drawings.div_ceil(n_groups * N_LANES) > hardware.max_cube_count.0 as usize {
            return None;
        }
        let rest = shared_bytes - n_groups * group_bytes;
        let n_rows_on_chip = (rest / (d_hidden * weight_vector_bytes)).min(d_hidden);
        Some(Self { d_hidden, n_directions, n_units, n_passes, n_groups, n_rows_on_chip })
    }

    /// Drawings in a tile.
    pub fn tile(&self) -> usize {
        self.n_groups * N_LANES
    }

    /// Blocks and their threads for the drawings of a batch: tiles by directions.
    pub fn cubes<R: CubeRuntime>(&self, packing: &Packing<R>) -> (CubeCount, CubeDim) {
        let n_tiles = packing.n_drawings.div_ceil(self.tile());
        let count = CubeCount::Static(n_tiles as u32, self.n_directions as u32, 1);
        (count, CubeDim::new_2d(self.n_units as u32, self.n_groups as u32))
    }
}
