//! One direction of an LSTM layer, over one drawing or some side by side.

use std::ops::Range;

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "wasm32")]
use super::arithmetic::scalar;
use super::arithmetic::{Arithmetic, GROUP, Inputs, Int8, Int16, PANEL};
use super::linear::{Linear, Matrix, Precision, Rows};
use crate::int8::Quantized;
use crate::ops::host::gates::{activate, load, store, tanh};

/// Units whose four gates make a panel.
const UNITS: usize = GROUP;

/// The weights of a direction. In panels: four units' input gates, forget gates, candidates and output gates.
#[derive(Debug)]
pub(super) struct Direction {
    pub input: Linear,
    recurrent: Recurrent,
    d_hidden: usize,
}

/// The matrix of the states, for states of 8 or 16 bits.
#[derive(Debug)]
enum Recurrent {
    Int8(Matrix<Int8>),
    /// With weights of 16 bits, because each step reads them again.
    Int16(Matrix<Int16<i16>>),
}

/// What the steps of a direction work on.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `[N, outputs of the input's matrix]`: what the inputs give to the gates, N rows of all drawings.
    pub projected: Vec<f32>,
    /// The outputs of the step before, rounded, and the scale of each drawing's.
    int8: Vec<u8>,
    int16: Vec<i16>,
    scales: Vec<f32>,
    /// `[B, units]`, as the outputs of the step.
    cells: Vec<f32>,
    outputs: Vec<f32>,
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
        inputs: Inputs,
    ) -> Self {
        let h = d_hidden;
        // The columns of the gates from `first` on: panel by panel, those of each gate.
        let groups = |first: usize| -> Vec<Range<usize>> {
            let gates = |unit: usize| (0..4).map(move |gate| first + gate * h + unit);
            let units = |start: usize| start..start + UNITS.min(h - (start - first) % h);
            (0..h).step_by(UNITS).flat_map(gates).map(units).collect()
        };
        let input = Linear::new(input, d_input, 8 * h, bias, &groups(d * 4 * h), Precision::Fast(inputs));
        let len = h * 4 * h;
        let recurrent = Quantized {
            values: recurrent.values[d * len..][..len].to_vec(),
            scales: recurrent.scales[d * 4 * h..][..4 * h].to_vec(),
        };
        let recurrent = match Int8::fast_encoding(h, Inputs::Signed) {
            Some(encoding) => Recurrent::Int8(Matrix::new(&recurrent, h, 4 * h, &[], &groups(0), encoding)),
            None => Recurrent::Int16(Matrix::int16(&recurrent, h, 4 * h, &[], &groups(0))),
        };
        Self { input, recurrent, d_hidden }
    }

    /// Runs over `work.projected`, the rows of one drawing after the other's, from the last step to the first if
    /// `backward`; writes its outputs to columns `column..column + H` of `output` `[N, width]`. `lengths` are the rows of
    /// each drawing, the most first.
    pub(super) fn run(
        &self,
        backward: bool,
        lengths: &[usize],
        output: &mut [f32],
        width: usize,
        column: usize,
        work: &mut Workspace,
    ) {
        let to = Output { values: output, width, column, d_hidden: self.d_hidden };
        let Workspace { projected, int8, int16, scales, cells, outputs } = work;
        let rest = Steps { backward, lengths, projected, scales, cells, outputs, to };
        match &self.recurrent {
            Recurrent::Int8(matrix) => rest.run(matrix, int8),
            Recurrent::Int16(matrix) => rest.run(matrix, int16),
        }
    }
}

/// Where outputs go: columns `column..column + d_hidden` of rows whose width is `width`.
struct Output<'a> {
    values: &'a mut [f32],
    width: usize,
    column: usize,
    d_hidden: usize,
}

/// What all steps of a direction work on, whatever its arithmetic.
struct Steps<'a> {
    backward: bool,
    lengths: &'a [usize],
    projected: &'a mut [f32],
    scales: &'a mut Vec<f32>,
    cells: &'a mut Vec<f32>,
    outputs: &'a mut Vec<f32>,
    to: Output<'a>,
}

impl Steps<'_> {
    fn run<A: Arithmetic>(self, matrix: &Matrix<A>, states: &mut Vec<A::Input>) {
        // The last panel may have more units than there are.
        let n_units = matrix.n_outputs() / 4;
        let n_drawings = self.lengths.len();
        states.clear();
        states.resize(n_drawings * matrix.row_len().max(n_units), A::Input::default());
        self.scales.resize(n_drawings, 0.0);
        self.cells.clear();
        self.cells.resize(n_drawings * n_units, 0.0);
        self.outputs.resize(n_drawings * n_units, 0.0);
        let steps = StepsOf { matrix, states, steps: self };
        #[cfg(target_arch = "wasm32")]
        if !scalar::is_asked_for() {
            return pulp::Arch::new().dispatch(steps);
        }
        // For tests and comparisons alone: four numbers at a time as there.
        steps.with_simd(pulp::Scalar128b);
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

/// The same with the matrix of the states.
struct StepsOf<'a, A: Arithmetic> {
    matrix: &'a Matrix<A>,
    /// `[B, the longer of a row of the matrix and the units]`
    states: &'a mut [A::Input],
    steps: Steps<'a>,
}

impl<A: Arithmetic> WithSimd for StepsOf<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, states, steps } = self;
        let Steps { backward, lengths, projected, scales, cells, outputs, to } = steps;
        assert_eq!(S::F32_LANES, UNITS, "a panel holds a vector of each gate");
        let n_outputs = matrix.n_outputs();
        let n_units = n_outputs / 4;
        let state_len = matrix.row_len().max(n_units);
        // Where each drawing's rows begin.
        let firsts: Vec<usize> =
            lengths.iter().scan(0, |end, n| Some(std::mem::replace(end, *end + n))).collect();
        // The row of each drawing at a step.
        let mut rows = firsts.clone();
        let mut n_drawings = lengths.len();
        for step in 0..lengths.first().copied().unwrap_or(0) {
            while lengths[n_drawings - 1] <= step {
                n_drawings -= 1;
            }
            for ((row, first), length) in rows.iter_mut().zip(&firsts).zip(lengths).take(n_drawings) {
                *row = if backward { first + length - 1 - step } else { first + step };
            }
            let rows = &rows[..n_drawings];
            // The state before the first step is zero.
            if step > 0 {
                let outputs = outputs.chunks_exact(n_units);
                for ((state, output), scale) in
                    states.chunks_exact_mut(state_len).zip(outputs).zip(&mut *scales).take(n_drawings)
                {
                    let factor;
                    [factor, *scale] = matrix.factor_and_scale(output);
                    matrix.round(output, factor, &mut state[..n_units]);
                }
                let states = Rows { stride: state_len, values: states, scales: &scales[..n_drawings] };
                matrix.add(states, rows, projected);
            }
            let units = cells.chunks_exact_mut(n_units).zip(outputs.chunks_exact_mut(n_units));
            for (&row, (cells, outputs)) in rows.iter().zip(units) {
                activate_units(simd, &mut projected[row * n_outputs..][..n_outputs], cells, outputs);
                let to_row = &mut to.values[row * to.width + to.column..][..to.d_hidden];
                to_row.copy_from_slice(&outputs[..to.d_hidden]);
            }
        }
    }
}
