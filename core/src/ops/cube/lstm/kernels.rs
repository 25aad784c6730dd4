//! The LSTM kernels. A block of threads (CubeCL: a cube of units) has one direction of a tile of
//! drawings of similar lengths. Its threads hold the cells in registers; its shared memory holds
//! the state of the previous step and as many rows of the recurrent weights as fit (the others are
//! read from global memory); there are two barriers per step. A thread computes the four gates of
//! one unit of the layer for four drawings: each weight and each state that it reads feeds four
//! products, and gates never leave the registers. Threads are laid out along the layer's units, so
//! that accesses are coalesced, and across groups of four drawings.
//!
//! Sigmoid and tanh use the device's `exp` and `tanh`: within 1e-6 of the exact values.

use cubecl::prelude::*;

use super::layer::{N_GATES, N_LANES};
use super::plan::Plan;
use crate::ops::cube::packing::{SLOT_SIZE, clear};

/// The gates of a unit for one drawing, or its weights.
type Gates<T> = Vector<T, Const<N_GATES>>;

/// A value of a unit for each drawing of a group.
type Lanes = Vector<f32, Const<N_LANES>>;

/// The sigmoid, clamped so that `exp` stays finite: not every shading language defines what happens
/// beyond.
#[cube]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + clamp_max(-x, 80.0).exp())
}

/// The time step of a drawing at a step of the recurrence: direction 1 begins at the drawing's own
/// last time step.
#[cube]
fn row_at(step: u32, length: u32, direction: usize) -> u32 {
    let mut row = step;
    if direction == 1 {
        row = length - 1 - step;
    }
    row
}

/// The unit of the layer that this thread computes in a pass.
#[cube]
fn unit_of(pass: usize, #[comptime] plan: Plan) -> usize {
    pass * plan.n_units + UNIT_POS_X as usize
}

/// Loads the first rows of a direction's recurrent weights into shared memory, as many as fit.
#[cube]
fn weights_on_chip<W: Float>(
    recurrent: &Array<Gates<W>>,
    direction: usize,
    #[comptime] plan: Plan,
) -> SharedMemory<Gates<W>> {
    let n = comptime!(plan.n_rows_on_chip * plan.d_hidden);
    let mut weights = SharedMemory::<Gates<W>>::new(comptime!(n.max(1)));
    let first = direction * comptime!(plan.d_hidden * plan.d_hidden);
    let mut at = UNIT_POS as usize;
    while at < n {
        weights[at] = recurrent[first + at];
        at += CUBE_DIM as usize;
    }
    weights
}

/// Adds the product of a state and its weights to the gates of a unit, for each drawing of a group.
#[cube]
fn add_product<W: Float>(weights: Gates<W>, state: Lanes, sums: &mut Array<Lanes>, #[comptime] first: usize) {
    let weights = Gates::<f32>::cast_from(weights);
    #[unroll]
    for gate in 0..N_GATES {
        sums[first + gate] += Lanes::new(weights[gate]) * state;
    }
}

/// The forward pass. `projected` `[N, D, H]` has gates without their bias `[D, H]`, `recurrent`
/// `[D, H, H]` those of (state, unit); `output` `[B, T, D * H]`, `gates` `[N, D, H]` and `cells`
/// `[N, D, H]` are written.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub(super) fn forward_kernel<W: Float>(
    projected: &Array<Gates<f32>>,
    recurrent: &Array<Gates<W>>,
    bias: &Array<Gates<f32>>,
    packing: &Array<u32>,
    output: &mut Array<f32>,
    gates: &mut Array<Gates<f32>>,
    cells: &mut Array<f32>,
    n_drawings: u32,
    n_steps: u32,
    #[comptime] plan: Plan,
) {
    let h = comptime!(plan.d_hidden);
    let n_directions = comptime!(plan.n_directions);
    let n_groups = comptime!(plan.n_groups);
    let n_rows_on_chip = comptime!(plan.n_rows_on_chip);
    let group = UNIT_POS_Y as usize;
    let direction = CUBE_POS_Y as usize;
    let first_of_tile = CUBE_POS_X as usize * n_groups * N_LANES;
    let first_place = first_of_tile + group * N_LANES;
    let longest = packing[first_of_tile * SLOT_SIZE + 1];

    let weights = weights_on_chip::<W>(recurrent, direction, plan);
    // The outputs of the previous step: [H, groups].
    let mut states = SharedMemory::<Lanes>::new(comptime!(plan.d_hidden * plan.n_groups));
    let mut lane_cells = Array::<f32>::new(comptime!(plan.n_passes * N_LANES));
    #[unroll]
    for pass in 0..plan.n_passes {
        let unit = unit_of(pass, plan);
        if unit < h {
            states[unit * n_groups + group] = Lanes::new(0.0);
        }
        #[unroll]
        for lane in 0..N_LANES {
            lane_cells[pass * N_LANES + lane] = 0.0;
        }
    }
    sync_cube();

    for step in 0..longest {
        // Global memory is requested before the products, which hide its latency.
        let mut inputs = Array::<Gates<f32>>::new(comptime!(plan.n_passes * N_LANES));
        let mut sums = Array::<Lanes>::new(comptime!(plan.n_passes * N_GATES));
        #[unroll]
        for pass in 0..plan.n_passes {
            let unit = unit_of(pass, plan);
            #[unroll]
            for gate in 0..N_GATES {
                sums[pass * N_GATES + gate] = Lanes::new(0.0);
            }
            if unit < h {
                #[unroll]
                for lane in 0..N_LANES {
                    let entry = (first_place + lane) * SLOT_SIZE;
                    let length = packing[entry + 1];
                    inputs[pass * N_LANES + lane] = Gates::new(0.0);
                    if step < length {
                        let row = (packing[entry + 2] + row_at(step, length, direction)) as usize;
                        inputs[pass * N_LANES + lane] =
                            projected[(row * n_directions + direction) * h + unit];
                    }
                }
                for k in 0..n_rows_on_chip {
                    let state = states[k * n_groups + group];
                    add_product::<W>(weights[k * h + unit], state, &mut sums, pass * N_GATES);
                }
                if comptime!(n_rows_on_chip < h) {
                    for k in n_rows_on_chip..h {
                        let weights = recurrent[(direction * h + k) * h + unit];
                        let state = states[k * n_groups + group];
                        add_product::<W>(weights, state, &mut sums, pass * N_GATES);
                    }
                }
            }
        }
        // All threads have read the previous states.
        sync_cube();

        #[unroll]
        for pass in 0..plan.n_passes {
            let unit = unit_of(pass, plan);
            if unit < h {
                let bias = bias[direction * h + unit];
                let (sum_i, sum_f) = (sums[pass * N_GATES], sums[pass * N_GATES + 1]);
                let (sum_g, sum_o) = (sums[pass * N_GATES + 2], sums[pass * N_GATES + 3]);
                let mut state = Lanes::new(0.0);
                #[unroll]
                for lane in 0..N_LANES {
                    let entry = (first_place + lane) * SLOT_SIZE;
                    let (drawing, length) = (packing[entry], packing[entry + 1]);
                    if step < length {
                        let row = row_at(step, length, direction);
                        let packed = (packing[entry + 2] + row) as usize;
                        let at = (packed * n_directions + direction) * h + unit;
                        let z = inputs[pass * N_LANES + lane] + bias;
                        let i = sigmoid(z[0] + sum_i[lane]);
                        let f = sigmoid(z[1] + sum_f[lane]);
                        let g = (z[2] + sum_g[lane]).tanh();
                        let o = sigmoid(z[3] + sum_o[lane]);
                        let cell = f * lane_cells[pass * N_LANES + lane] + i * g;
                        let out = o * cell.tanh();
                        lane_cells[pass * N_LANES + lane] = cell;
                        state[lane] = out;
                        let mut gate = Gates::new(0.0);
                        gate[0] = i;
                        gate[1] = f;
                        gate[2] = g;
                        gate[3] = o;
                        gates[at] = gate;
                        cells[at] = cell;
                        let padded = (drawing * n_steps + row) as usize;
                        output[(padded * n_directions + direction) * h + unit] = out;
                    }
                }
                states[unit * n_groups + group] = state;
            }
        }
        sync_cube();
    }

    #[unroll]
    for pass in 0..plan.n_passes {
        let unit = unit_of(pass, plan);
        #[unroll]
        for lane in 0..N_LANES {
            let slot = first_place + lane;
            if unit < h && slot < n_drawings as usize {
                let first = packing[slot * SLOT_SIZE] * n_steps;
                for row in packing[slot * SLOT_SIZE + 1]..n_steps {
                    output[((first + row) as usize * n_directions + direction) * h + unit] = 0.0;
                }
            }
        }
    }
}

/// The backward pass. `d_output` is `[B, T, D * H]`, `recurrent` `[D, H, H]` has the gates of
/// (unit, state), `gates` and `cells` are those of the forward pass; `d_gates` `[N, D, H]`, the
/// gradient of the pre-activations, is written, and is zero from row `n_used` on: alignment
/// padding.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub(super) fn backward_kernel<W: Float>(
    d_output: &Array<f32>,
    recurrent: &Array<Gates<W>>,
    gates: &Array<Gates<f32>>,
    cells: &Array<f32>,
    packing: &Array<u32>,
    d_gates: &mut Array<Gates<f32>>,
    n_steps: u32,
    n_used: u32,
    n_rows: u32,
    #[comptime] plan: Plan,
) {
    let h = comptime!(plan.d_hidden);
    let n_directions = comptime!(plan.n_directions);
    let n_groups = comptime!(plan.n_groups);
    let n_rows_on_chip = comptime!(plan.n_rows_on_chip);
    let group = UNIT_POS_Y as usize;
    let direction = CUBE_POS_Y as usize;
    let first_of_tile = CUBE_POS_X as usize * n_groups * N_LANES;
    let first_place = first_of_tile + group * N_LANES;
    let longest = packing[first_of_tile * SLOT_SIZE + 1];

    let weights = weights_on_chip::<W>(recurrent, direction, plan);
    // The gradients of the gates at the following step: [gates, H, groups].
    let mut d_after = SharedMemory::<Lanes>::new(comptime!(plan.d_hidden * N_GATES * plan.n_groups));
    let mut d_cells = Array::<f32>::new(comptime!(plan.n_passes * N_LANES));
    #[unroll]
    for pass in 0..plan.n_passes {
        let unit = unit_of(pass, plan);
        if unit < h {
            #[unroll]
            for gate in 0..N_GATES {
                d_after[(gate * h + unit) * n_groups + group] = Lanes::new(0.0);
            }
        }
        #[unroll]
        for lane in 0..N_LANES {
            d_cells[pass * N_LANES + lane] = 0.0;
        }
    }
    sync_cube();

    for done in 0..longest {
        let step = longest - 1 - done;
        // As in the forward pass, memory is requested before the products.
        let mut lane_gates = Array::<Gates<f32>>::new(comptime!(plan.n_passes * N_LANES));
        let mut lane_cells = Array::<f32>::new(comptime!(plan.n_passes * N_LANES));
        let mut cells_before = Array::<f32>::new(comptime!(plan.n_passes * N_LANES));
        let mut d_outputs = Array::<f32>::new(comptime!(plan.n_passes * N_LANES));
        // The following step's contribution to the gradients of the outputs.
        let mut sums = Array::<Lanes>::new(plan.n_passes);
        #[unroll]
        for pass in 0..plan.n_passes {
            let unit = unit_of(pass, plan);
            sums[pass] = Lanes::new(0.0);
            if unit < h {
                #[unroll]
                for lane in 0..N_LANES {
                    let i = pass * N_LANES + lane;
                    let entry = (first_place + lane) * SLOT_SIZE;
                    let (drawing, length) = (packing[entry], packing[entry + 1]);
                    if step < length {
                        let row = row_at(step, length, direction);
                        let at = ((packing[entry + 2] + row) as usize * n_directions + direction) * h + unit;
                        lane_gates[i] = gates[at];
                        lane_cells[i] = cells[at];
                        cells_before[i] = 0.0;
                        if step > 0 {
                            let row = row_at(step - 1, length, direction);
                            let packed = (packing[entry + 2] + row) as usize;
                            cells_before[i] = cells[(packed * n_directions + direction) * h + unit];
                        }
                        let padded = (drawing * n_steps + row) as usize;
                        d_outputs[i] = d_output[(padded * n_directions + direction) * h + unit];
                    }
                }
                let mut sum = Lanes::new(0.0);
                for k in 0..n_rows_on_chip {
                    let weights = Gates::<f32>::cast_from(weights[k * h + unit]);
                    #[unroll]
                    for gate in 0..N_GATES {
                        sum += Lanes::new(weights[gate]) * d_after[(gate * h + k) * n_groups + group];
                    }
                }
                if comptime!(n_rows_on_chip < h) {
                    for k in n_rows_on_chip..h {
                        let weights = Gates::<f32>::cast_from(recurrent[(direction * h + k) * h + unit]);
                        #[unroll]
                        for gate in 0..N_GATES {
                            sum += Lanes::new(weights[gate]) * d_after[(gate * h + k) * n_groups + group];
                        }
                    }
                }
                sums[pass] = sum;
            }
        }
        // All threads have read the gradients of the following step.
        sync_cube();

        #[unroll]
        for pass in 0..plan.n_passes {
            let unit = unit_of(pass, plan);
            if unit < h {
                let sum = sums[pass];
                let mut d_i = Lanes::new(0.0);
                let mut d_f = Lanes::new(0.0);
                let mut d_g = Lanes::new(0.0);
                let mut d_o = Lanes::new(0.0);
                #[unroll]
                for lane in 0..N_LANES {
                    let at = pass * N_LANES + lane;
                    let entry = (first_place + lane) * SLOT_SIZE;
                    let length = packing[entry + 1];
                    if step < length {
                        let gate = lane_gates[at];
                        let (i, f, g, o) = (gate[0], gate[1], gate[2], gate[3]);
                        let tanh_c = lane_cells[at].tanh();
                        let d_out = d_outputs[at] + sum[lane];
                        let d_cell = d_cells[at] + d_out * o * (1.0 - tanh_c * tanh_c);
                        d_cells[at] = d_cell * f;
                        let mut d_gate = Gates::new(0.0);
                        d_gate[0] = d_cell * g * i * (1.0 - i);
                        d_gate[1] = d_cell * cells_before[at] * f * (1.0 - f);
                        d_gate[2] = d_cell * i * (1.0 - g * g);
                        d_gate[3] = d_out * tanh_c * o * (1.0 - o);
                        d_i[lane] = d_gate[0];
                        d_f[lane] = d_gate[1];
                        d_g[lane] = d_gate[2];
                        d_o[lane] = d_gate[3];
                        let row = (packing[entry + 2] + row_at(step, length, direction)) as usize;
                        d_gates[(row * n_directions + direction) * h + unit] = d_gate;
                    }
                }
                let first = unit * n_groups + group;
                let n_values = h * n_groups;
                d_after[first] = d_i;
                d_after[first + n_values] = d_f;
                d_after[first + 2 * n_values] = d_g;
                d_after[first + 3 * n_values] = d_o;
            }
        }
        sync_cube();
    }

    // The alignment padding.
    if CUBE_POS_X == 0 {
        let mut row = n_used + UNIT_POS_Y;
        while row < n_rows {
            #[unroll]
            for pass in 0..plan.n_passes {
                let unit = unit_of(pass, plan);
                if unit < h {
                    d_gates[(row as usize * n_directions + direction) * h + unit] = Gates::new(0.0);
                }
            }
            row += CUBE_DIM_Y;
        }
    }
}

/// `output` `[B, T, D * H]` -> the previous output of each packed row in its direction, zero where
/// a drawing begins: `states` `[D, N, H]`, zero from row `n_used` on.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub(super) fn states_before_kernel(
    output: &Array<f32>,
    packing: &Array<u32>,
    states: &mut Array<f32>,
    n_drawings: u32,
    n_steps: u32,
    n_used: u32,
    n_rows: u32,
    n_directions: u32,
    d_hidden: u32,
) {
    if CUBE_POS_Y == 0 {
        for direction in 0..n_directions {
            let first = direction * n_rows;
            clear(states, (first + n_used) * d_hidden, (first + n_rows) * d_hidden);
        }
    }
    let width = n_directions * d_hidden;
    let mut slot = CUBE_POS_Y;
    while slot < n_drawings {
        let entry = slot as usize * SLOT_SIZE;
        let (drawing, length, first_row) = (packing[entry], packing[entry + 1], packing[entry + 2]);
        let mut i = ABSOLUTE_POS_X;
        while i < length * width {
            let (row, column) = (i / width, i % width);
            let direction = column / d_hidden;
            let mut state = 0.0f32;
            if direction == 0 {
                if row > 0 {
                    state = output[((drawing * n_steps + row - 1) * width + column) as usize];
                }
            } else if row + 1 < length {
                state = output[((drawing * n_steps + row + 1) * width + column) as usize];
            }
            let packed = direction * n_rows + first_row + row;
            states[(packed * d_hidden + column % d_hidden) as usize] = state;
            i += CUBE_COUNT_X * CUBE_DIM_X;
        }
        slot += CUBE_COUNT_Y;
    }
}
