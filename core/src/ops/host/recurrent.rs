//! The recurrent half of an LSTM step: the product of the previous outputs with the recurrent
//! weights, fused with the activation of the gates.
//!
//! In: rows that hold the projected input, and the outputs and cells of the previous step. Out:
//! activated gates, cells, outputs; for the backward pass the gradient of the previous outputs. The
//! weights are packed once for all steps.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::Arithmetic;
use super::gates::{StepBackward, activate, load, store, tanh};
use super::matrix::Matrix;
use super::product::{Aligned, Lanes, Packed, block_product, for_blocks, product};

/// The recurrent weights of one direction, `[H, 4H]`, packed for the machine it runs on.
pub(super) struct PackedWeights {
    arch: Arch,
    /// For the forward pass, block after block of as many units as a vector has lanes: `[H, 4 *
    /// lanes]`, the columns of the units' four gates side by side, zero past the last unit.
    forward: Aligned,
    /// The transposed weights `[4H, H]`, for the backward pass.
    backward: Option<Packed>,
    d_hidden: usize,
}

impl PackedWeights {
    /// Packs `recurrent` `[H, 4H]`, for a backward pass too if there will be one.
    pub(super) fn new(recurrent: &[f32], d_hidden: usize, with_backward: bool) -> Self {
        let arch = Arch::new();
        let lanes = arch.dispatch(Lanes);
        let h = d_hidden;
        let mut forward = Aligned::zeros(h.div_ceil(lanes) * h * 4 * lanes);
        for (block, values) in forward.as_mut_slice().chunks_exact_mut(h * 4 * lanes).enumerate() {
            let units = block * lanes..h.min((block + 1) * lanes);
            for (row, weights) in values.chunks_exact_mut(4 * lanes).zip(recurrent.chunks_exact(4 * h)) {
                for (gate, weights) in row.chunks_exact_mut(lanes).zip(weights.chunks_exact(h)) {
                    gate[..units.len()].copy_from_slice(&weights[units.clone()]);
                }
            }
        }
        let recurrent = Matrix::new(recurrent, h, 4 * h);
        let backward = with_backward.then(|| Packed::new(Arithmetic::F32, recurrent.transposed()));
        Self { arch, forward, backward, d_hidden }
    }

    /// One step of `n` rows: adds the product of the previous states to the pre-activations,
    /// activates the gates in place, and writes cells and outputs.
    ///
    /// `gates` is `[n, 4H]` in the order input, forget, candidate, output; `bias` `[4H]` is added
    /// to it. `before` holds the outputs and cells of the previous step, `[m, H]` each with
    /// `m <= n`: rows from `m` on start from zero. `cells` and `outputs` are `[n, H]`.
    pub(super) fn step_forward(
        &self,
        bias: &[f32],
        gates: &mut [f32],
        before: [&[f32]; 2],
        cells: &mut [f32],
        outputs: &mut [f32],
    ) {
        let [states_before, cells_before] = before;
        let h = self.d_hidden;
        let n = gates.len() / (4 * h);
        assert!(bias.len() == 4 * h && states_before.len() == cells_before.len());
        assert!(cells.len() == n * h && outputs.len() == n * h && states_before.len() <= n * h);
        let step = Step { bias, gates, cells_before, cells, outputs, h };
        self.arch.dispatch(StepForward { step, weights: self.forward.as_slice(), states_before });
    }

    /// The gradient of [`step_forward`](Self::step_forward): of its element-wise half, see
    /// [`StepBackward`], and, added to `d_states_before` `[m, H]`, that of the previous outputs.
    ///
    /// # Panics
    /// When the weights were packed without a backward pass.
    pub(super) fn step_backward(&self, step: StepBackward<'_>, d_states_before: &mut [f32]) {
        let weights = self.backward.as_ref().expect("weights packed for a backward pass");
        let h = self.d_hidden;
        let StepBackward { gates, d_gates, cells_before, cells, d_outputs, d_cells, d_hidden } = step;
        self.arch.dispatch(StepBackward {
            gates,
            d_gates: &mut *d_gates,
            cells_before,
            cells,
            d_outputs,
            d_cells,
            d_hidden,
        });
        let m = d_states_before.len() / h;
        product(d_states_before, h, true, Matrix::new(&d_gates[..m * 4 * h], m, 4 * h), weights);
    }
}

/// The operands of a step besides its products.
pub(super) struct Step<'a> {
    pub(super) bias: &'a [f32],
    pub(super) gates: &'a mut [f32],
    pub(super) cells_before: &'a [f32],
    pub(super) cells: &'a mut [f32],
    pub(super) outputs: &'a mut [f32],
    pub(super) h: usize,
}

impl Step<'_> {
    /// Computes `units`, at most a vector of them, of a row from its pre-activations `z` without
    /// bias. `CONTINUES`: the row has a previous state. `IS_PROJECTED`: the projected input is in
    /// `gates` and still to be added to `z`.
    #[inline(always)]
    pub(super) fn activate<S: Simd, const CONTINUES: bool, const IS_PROJECTED: bool>(
        &mut self,
        simd: S,
        row: usize,
        units: Range<usize>,
        mut z: [S::f32s; 4],
    ) {
        let h = self.h;
        let gate = |k: usize| row * 4 * h + k * h + units.start..row * 4 * h + k * h + units.end;
        let unit = row * h + units.start..row * h + units.end;
        for (k, z) in z.iter_mut().enumerate() {
            let mut others = load(simd, &self.bias[k * h + units.start..k * h + units.end]);
            if IS_PROJECTED {
                others = simd.add_f32s(load(simd, &self.gates[gate(k)]), others);
            }
            *z = simd.add_f32s(*z, others);
        }
        let [i, f, g, o] = activate(simd, z);
        let mut cell = simd.mul_f32s(i, g);
        if CONTINUES {
            let before = load(simd, &self.cells_before[unit.clone()]);
            cell = simd.mul_add_e_f32s(f, before, cell);
        }
        let output = simd.mul_f32s(o, tanh(simd, cell));
        for (k, values) in [i, f, g, o].into_iter().enumerate() {
            store(simd, &mut self.gates[gate(k)], values);
        }
        store(simd, &mut self.cells[unit.clone()], cell);
        store(simd, &mut self.outputs[unit], output);
    }
}

struct StepForward<'a> {
    step: Step<'a>,
    weights: &'a [f32],
    states_before: &'a [f32],
}

impl WithSimd for StepForward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let h = self.step.h;
        let (n, m) = (self.step.outputs.len() / h, self.states_before.len() / h);
        for block in 0..h.div_ceil(S::F32_LANES) {
            let first_unit = block * S::F32_LANES;
            let units = first_unit..h.min(first_unit + S::F32_LANES);
            for_blocks!(S, 0, m, |row, R| self.rows::<S, R, true>(simd, row, block, units.clone()));
            for_blocks!(S, m, n, |row, R| self.rows::<S, R, false>(simd, row, block, units.clone()));
        }
    }
}

impl StepForward<'_> {
    /// Units `units` of rows `row..row + R`, which have a previous state if `CONTINUES`.
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const CONTINUES: bool>(
        &mut self,
        simd: S,
        row: usize,
        block: usize,
        units: Range<usize>,
    ) {
        let h = self.step.h;
        let sums = if CONTINUES {
            let panel_len = h * 4 * S::F32_LANES;
            let panel = &self.weights[block * panel_len..][..panel_len];
            block_product::<S, R, 4>(simd, &self.states_before[row * h..], h, 1, panel)
        } else {
            [[simd.splat_f32s(0.0); 4]; R]
        };
        for (r, sums) in sums.iter().enumerate() {
            self.step.activate::<S, CONTINUES, true>(simd, row + r, units.clone(), *sums);
        }
    }
}
