//! One direction of an LSTM layer with products in bf16.
//!
//! A step's tiles are made while its values are in the cache. In the forward pass a row is the
//! input next to the previous output; its product with the input and recurrent weights, one below
//! the other, gives the gates, which are activated where the sums are. In the backward pass the
//! gradient of a step's gates is rounded twice: as rows for the gradients of input and previous
//! output, as columns for those of the weights, which are products over the rows of many steps.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::bf16::{Instructions, SIDE, Sums, Tile};
use super::gates::{StepBackward, load};
use super::matrix::Matrix;
use super::recurrent::Step;
use super::scratch::Scratch;
use super::tiles::{BLOCK, Operand, Tiles, fill, multiply, n_tiles};

/// Steps whose rows are summed into the gradients of the weights at a time: as many as have tiles
/// that fit into the cache.
pub(super) const STEPS: usize = 24;

/// Weights for the forward pass.
pub(super) struct ForwardWeights {
    instructions: Instructions,
    /// Block after block of [`SIDE`] units: columns of tiles, one for each gate, of the input
    /// weights and below them the recurrent ones.
    tiles: Scratch<Tile>,
    d_input: usize,
    d_hidden: usize,
}

impl ForwardWeights {
    /// Rounds `input` `[I, 4H]` and `recurrent` `[H, 4H]`.
    pub(super) fn new(instructions: Instructions, input: Matrix<'_>, recurrent: Matrix<'_>) -> Self {
        let (d_input, h) = (input.rows, recurrent.rows);
        let (n_input, n_recurrent) = (n_tiles(1, d_input), n_tiles(1, h));
        let mut tiles = Scratch::any(4 * h.div_ceil(SIDE) * (n_input + n_recurrent));
        for (column, tiles) in tiles.chunks_exact_mut(n_input + n_recurrent).enumerate() {
            let (first, gate) = (column / 4 * SIDE, column % 4);
            let columns = gate * h + first..gate * h + h.min(first + SIDE);
            let (input_tiles, recurrent_tiles) = tiles.split_at_mut(n_input);
            fill(instructions, Operand::Right, input.columns_of(columns.clone()), input_tiles);
            fill(instructions, Operand::Right, recurrent.columns_of(columns), recurrent_tiles);
        }
        Self { instructions, tiles, d_input, d_hidden: h }
    }

    /// One step of `n` rows over `x` `[n, I]`. The rest is as in
    /// [`PackedWeights::step_forward`](super::recurrent::PackedWeights::step_forward), but that
    /// `gates` is only written.
    pub(super) fn step(&self, x: &[f32], states_before: &[f32], mut step: Step<'_>) {
        let (d_input, h) = (self.d_input, self.d_hidden);
        let (n, m) = (step.outputs.len() / h, states_before.len() / h);
        let n_input = n_tiles(1, d_input);
        let n_depth = n_input + n_tiles(1, h);
        let mut rows = Tiles::any(self.instructions, n, n_depth);
        rows.fill_columns(Matrix::new(x, n, d_input), 0);
        rows.fill_columns(Matrix::new(states_before, m, h), n_input);
        let arch = Arch::new();
        let kernel = self.instructions.start();
        let mut sums = [Sums::zeros(), Sums::zeros()];
        for first in (0..n).step_by(BLOCK) {
            for (block, weights) in self.tiles.chunks_exact(4 * n_depth).enumerate() {
                for (weights, sums) in weights.chunks_exact(2 * n_depth).zip(&mut sums) {
                    kernel.multiply(rows.block(first), weights, n_depth, sums);
                }
                let rows = first..n.min(first + BLOCK);
                let continuing = first..m.clamp(first, rows.end);
                let units = block * SIDE..h.min((block + 1) * SIDE);
                arch.dispatch(Activate { step: &mut step, sums: &sums, rows, continuing, units });
            }
        }
    }
}

/// Activates the gates of some units, whose products are in `sums`: input and forget gates in the
/// first, candidates and output gates in the second.
struct Activate<'a, 'b> {
    step: &'a mut Step<'b>,
    sums: &'a [Sums; 2],
    rows: Range<usize>,
    /// The first of the rows, which have a previous state.
    continuing: Range<usize>,
    units: Range<usize>,
}

impl WithSimd for Activate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { step, sums: [first, second], rows, continuing, units } = self;
        for start in units.clone().step_by(S::F32_LANES) {
            let part = start..units.end.min(start + S::F32_LANES);
            let column = start - units.start;
            let gate = |sums: &Sums, r: usize, gate: usize| {
                load(simd, &sums.row(r)[gate * SIDE + column..][..S::F32_LANES])
            };
            let z = |r: usize| [gate(first, r, 0), gate(first, r, 1), gate(second, r, 0), gate(second, r, 1)];
            for row in continuing.clone() {
                step.activate::<S, true, false>(simd, row, part.clone(), z(row - rows.start));
            }
            for row in continuing.end..rows.end {
                step.activate::<S, false, false>(simd, row, part.clone(), z(row - rows.start));
            }
        }
    }
}

/// Weights for the backward pass.
pub(super) struct BackwardWeights {
    instructions: Instructions,
    /// `[4H, I]`.
    input: Tiles,
    /// `[4H, H]`.
    recurrent: Tiles,
}

impl BackwardWeights {
    /// Rounds `input` `[I, 4H]` and `recurrent` `[H, 4H]`.
    pub(super) fn new(instructions: Instructions, input: Matrix<'_>, recurrent: Matrix<'_>) -> Self {
        Self {
            instructions,
            input: Tiles::new(instructions, Operand::Right, input.transposed()),
            recurrent: Tiles::new(instructions, Operand::Right, recurrent.transposed()),
        }
    }

    /// Rows of `n_steps` steps, none yet.
    pub(super) fn steps(&self, n_steps: usize, d_input: usize, h: usize) -> Steps {
        let tiles = |side| Tiles::any(self.instructions, side, n_steps);
        Steps { inputs: tiles(d_input), states: tiles(h), d_gates: tiles(4 * h), n_filled: 0 }
    }

    /// The gradient of [`ForwardWeights::step`]: writes that of `x` `[n, I]` to `d_x`, adds that of
    /// the `states_before` `[m, H]` to `d_before`, and keeps in `steps` what those of the weights
    /// need.
    pub(super) fn step(
        &self,
        step: StepBackward<'_>,
        [x, states_before]: [&[f32]; 2],
        [d_x, d_before]: [&mut [f32]; 2],
        steps: &mut Steps,
    ) {
        let (h, n) = (step.d_hidden, step.gates.len() / (4 * step.d_hidden));
        let (d_input, m) = (x.len() / n, states_before.len() / h);
        let StepBackward { gates, d_gates, cells_before, cells, d_outputs, d_cells, d_hidden } = step;
        let step =
            StepBackward { gates, d_gates: &mut *d_gates, cells_before, cells, d_outputs, d_cells, d_hidden };
        Arch::new().dispatch(step);
        let d_gates = Matrix::new(d_gates, n, 4 * h);
        let rows = Tiles::new(self.instructions, Operand::Left, d_gates);
        multiply(d_before, h, m, true, &rows, &self.recurrent);
        multiply(d_x, d_input, n, false, &rows, &self.input);
        steps.d_gates.fill_rows(Operand::Right, d_gates, steps.n_filled);
        steps.inputs.fill_rows(Operand::Left, Matrix::new(x, n, d_input), steps.n_filled);
        steps.states.fill_rows(Operand::Left, Matrix::new(states_before, m, h), steps.n_filled);
        steps.n_filled += 1;
    }
}

/// Rows of several steps, a tile along the inner dimension for each: at most as many rows a step as
/// a tile has.
pub(super) struct Steps {
    inputs: Tiles,
    states: Tiles,
    d_gates: Tiles,
    n_filled: usize,
}

impl Steps {
    /// Writes the gradients of the weights, `[I, 4H]` and `[H, 4H]`, once all steps are there, or
    /// adds them to what is there.
    pub(super) fn weight_gradients(&self, input: &mut [f32], recurrent: &mut [f32], accumulate: bool) {
        assert_eq!(self.n_filled, self.d_gates.n_depth(), "steps whose rows are there");
        let (d_input, h, width) = (self.inputs.side(), self.states.side(), self.d_gates.side());
        multiply(input, width, d_input, accumulate, &self.inputs, &self.d_gates);
        multiply(recurrent, width, h, accumulate, &self.states, &self.d_gates);
    }
}
