//! One direction of an LSTM layer over one drawing.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::linear::{GROUP, Linear, PANEL, Rows, round};
use crate::int8::Quantized;
use crate::ops::host::gates::{activate, load, store, tanh};

/// Units whose four gates make a panel.
const UNITS: usize = GROUP;

/// The weights of a direction. In panels: four units' input gates, forget gates, candidates and output gates.
#[derive(Debug)]
pub(super) struct Direction {
    input: Linear,
    recurrent: Linear<i16>,
    /// The scales of `recurrent` times what 1 stands for in a rounded state.
    scales: Vec<f32>,
    d_hidden: usize,
}

/// What the steps of a direction work on.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `[T, places]`: what the input gives to the gates.
    projected: Vec<f32>,
    /// The outputs of the step before, rounded.
    state: Vec<i16>,
    cells: Vec<f32>,
    output: Vec<f32>,
}

impl Direction {
    /// Direction `d` of a layer with `input` `[I, 2 * 4H]` and its bias, and `recurrent` `[2, H, 4H]`.
    pub(super) fn new(
        d: usize,
        input: &Quantized,
        d_input: usize,
        recurrent: &Quantized,
        bias: &[f32],
        d_hidden: usize,
    ) -> Self {
        let h = d_hidden;
        // The columns of the gates from `first` on: panel by panel, those of each gate.
        let groups = |first: usize| -> Vec<Range<usize>> {
            let gates = |unit: usize| (0..4).map(move |gate| first + gate * h + unit);
            let units = |start: usize| start..start + UNITS.min(h - (start - first) % h);
            (0..h).step_by(UNITS).flat_map(gates).map(units).collect()
        };
        let input = Linear::new(input, d_input, 8 * h, bias, &groups(d * 4 * h));
        let len = h * 4 * h;
        let recurrent = Quantized {
            values: recurrent.values[d * len..][..len].to_vec(),
            scales: recurrent.scales[d * 4 * h..][..4 * h].to_vec(),
        };
        let recurrent = Linear::new(&recurrent, h, 4 * h, &[], &groups(0));
        let factor = 1.0 / recurrent.largest();
        let scales = (0..recurrent.n_panels()).flat_map(|panel| recurrent.scales(panel).to_vec());
        let scales = scales.map(|scale| scale * factor).collect();
        Self { input, recurrent, scales, d_hidden }
    }

    /// The largest whole number that a row of the input may hold.
    pub(super) fn largest(&self) -> f32 {
        self.input.largest()
    }

    /// Runs over the rows, from the last to the first if `backward`; writes its outputs to columns `column..column + H` of
    /// `output` `[T, width]`.
    pub(super) fn run(
        &self,
        rows: Rows<'_>,
        backward: bool,
        output: &mut [f32],
        width: usize,
        column: usize,
        work: &mut Workspace,
    ) {
        let places = self.input.n_places();
        work.projected.resize(rows.n_rows * places, 0.0);
        self.input.forward(rows, &mut work.projected);
        work.state.clear();
        // The last panel may have more units than there are.
        work.state.resize(self.recurrent.row_len().max(places / 4), 0);
        work.cells.clear();
        work.cells.resize(places / 4, 0.0);
        work.output.resize(places / 4, 0.0);
        let steps = Steps { direction: self, backward, output, width, column, work };
        #[cfg(target_arch = "wasm32")]
        pulp::Arch::new().dispatch(steps);
        // Elsewhere for tests and comparisons alone: four numbers at a time as there.
        #[cfg(not(target_arch = "wasm32"))]
        steps.with_simd(pulp::Scalar128b);
    }

    /// Adds what the state gives to the gates of a step, `P` panels from `first` on.
    #[inline(always)]
    fn add_state<const P: usize>(&self, first: usize, state: &[i16], gates: &mut [f32]) {
        let sums = self.recurrent.dot_panels::<P>(&state[..self.recurrent.row_len()], first);
        for (p, sums) in sums.iter().enumerate() {
            let places = (first + p) * PANEL..(first + p + 1) * PANEL;
            let (gates, scales) = (&mut gates[places.clone()], &self.scales[places]);
            for (i, gate) in gates.iter_mut().enumerate() {
                *gate += sums[i] as f32 * scales[i];
            }
        }
    }
}

/// Activates the gates of a step and with them moves its cells; gives the outputs.
///
/// In two passes: in each, what one panel waits for leaves the processor time for the next, which there is only if the
/// chain of operations on a panel is short.
#[inline(always)]
fn activate_units<S: Simd>(simd: S, gates: &mut [f32], cells: &mut [f32], outputs: &mut [f32]) {
    for (gates, cells) in gates.chunks_exact_mut(PANEL).zip(cells.chunks_exact_mut(UNITS)) {
        let gate = |k: usize| load(simd, &gates[k * UNITS..][..UNITS]);
        let [i, f, g, o] = activate(simd, [gate(0), gate(1), gate(2), gate(3)]);
        let cell = simd.mul_add_e_f32s(f, load(simd, cells), simd.mul_f32s(i, g));
        store(simd, cells, cell);
        store(simd, &mut gates[3 * UNITS..], o);
    }
    for ((gates, cells), outputs) in
        gates.chunks_exact(PANEL).zip(cells.chunks_exact(UNITS)).zip(outputs.chunks_exact_mut(UNITS))
    {
        let output = load(simd, &gates[3 * UNITS..]);
        store(simd, outputs, simd.mul_f32s(output, tanh(simd, load(simd, cells))));
    }
}

/// All steps of a direction.
struct Steps<'a> {
    direction: &'a Direction,
    backward: bool,
    output: &'a mut [f32],
    width: usize,
    column: usize,
    work: &'a mut Workspace,
}

impl WithSimd for Steps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { direction, backward, output, width, column, work } = self;
        assert_eq!(S::F32_LANES, UNITS, "a panel holds a vector of each gate");
        let Workspace { projected, state, cells, output: outputs } = work;
        let places = direction.input.n_places();
        let n_steps = projected.len() / places;
        let n_panels = direction.recurrent.n_panels();
        let largest = direction.recurrent.largest();
        let h = direction.d_hidden;
        for step in 0..n_steps {
            let t = if backward { n_steps - 1 - step } else { step };
            let gates = &mut projected[t * places..][..places];
            // The state before the first step is zero.
            let mut panel = if step == 0 { n_panels } else { 0 };
            while panel + 1 < n_panels {
                direction.add_state::<2>(panel, state, gates);
                panel += 2;
            }
            if panel < n_panels {
                direction.add_state::<1>(panel, state, gates);
            }
            activate_units(simd, gates, cells, outputs);
            round(outputs, largest, &mut state[..outputs.len()]);
            output[t * width + column..][..h].copy_from_slice(&outputs[..h]);
        }
    }
}
