//! One direction of an LSTM layer over one drawing.

use std::ops::Range;

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "wasm32")]
use super::arithmetic::scalar;
use super::arithmetic::{Arithmetic, GROUP, Inputs, Int8, Int16, PANEL};
use super::linear::{Linear, Matrix, Precision};
use crate::int8::Quantized;
use crate::ops::host::gates::{activate, load, store, tanh};

/// Units whose four gates make a panel.
const UNITS: usize = GROUP;

/// The weights of a direction. In panels: four units' input gates, forget gates, candidates and
/// output gates.
#[derive(Debug)]
pub(super) struct Direction {
    pub input: Linear,
    recurrent: Recurrent,
    d_hidden: usize,
}

/// The recurrent weights, for int8 or int16 states.
#[derive(Debug)]
enum Recurrent {
    Int8(Matrix<Int8>),
    /// With int16 weights, because each step reads them again.
    Int16(Matrix<Int16<i16>>),
}

/// Buffers of a direction.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `[T, outputs of the input's matrix]`: the projected inputs of the gates.
    pub projected: Vec<f32>,
    /// The outputs of the previous step, quantized.
    int8: Vec<u8>,
    int16: Vec<i16>,
    cells: Vec<f32>,
    output: Vec<f32>,
}

impl Direction {
    /// Direction `d` of a layer with `input` `[I, 2 * 4H]` and its bias, and `recurrent` `[2, H,
    /// 4H]`.
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

    /// Runs over `work.projected`, from the last step to the first if `backward`; writes its
    /// outputs to columns `column..column + H` of `output` `[T, width]`.
    pub(super) fn run(
        &self,
        backward: bool,
        output: &mut [f32],
        width: usize,
        column: usize,
        work: &mut Workspace,
    ) {
        let Workspace { projected, int8, int16, cells, output: outputs } = work;
        let to = Output { values: output, width, column, d_hidden: self.d_hidden };
        match &self.recurrent {
            Recurrent::Int8(matrix) => run(matrix, backward, projected, int8, cells, outputs, to),
            Recurrent::Int16(matrix) => run(matrix, backward, projected, int16, cells, outputs, to),
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

fn run<A: Arithmetic>(
    matrix: &Matrix<A>,
    backward: bool,
    projected: &mut [f32],
    state: &mut Vec<A::Input>,
    cells: &mut Vec<f32>,
    outputs: &mut Vec<f32>,
    to: Output<'_>,
) {
    // The last panel may have more units than there are.
    let n_units = matrix.n_outputs() / 4;
    state.clear();
    state.resize(matrix.row_len().max(n_units), A::Input::default());
    cells.clear();
    cells.resize(n_units, 0.0);
    outputs.resize(n_units, 0.0);
    let steps = Steps { matrix, backward, projected, state, cells, outputs, to };
    #[cfg(target_arch = "wasm32")]
    if !scalar::is_on() {
        return pulp::Arch::new().dispatch(steps);
    }
    // Only for tests and comparisons: four lanes, as in WebAssembly.
    steps.with_simd(pulp::Scalar128b);
}

/// Activates the gates of a step, updates its cells and writes the outputs.
///
/// In two passes: with short dependency chains the processor overlaps one panel with the next.
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
struct Steps<'a, A: Arithmetic> {
    matrix: &'a Matrix<A>,
    backward: bool,
    projected: &'a mut [f32],
    state: &'a mut [A::Input],
    cells: &'a mut [f32],
    outputs: &'a mut [f32],
    to: Output<'a>,
}

impl<A: Arithmetic> WithSimd for Steps<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, backward, projected, state, cells, outputs, to } = self;
        assert_eq!(S::F32_LANES, UNITS, "a panel holds a vector of each gate");
        let n_steps = projected.len() / matrix.n_outputs();
        for step in 0..n_steps {
            let t = if backward { n_steps - 1 - step } else { step };
            let gates = &mut projected[t * matrix.n_outputs()..][..matrix.n_outputs()];
            // The state before the first step is zero.
            if step > 0 {
                let [factor, scale] = matrix.factor_and_scale(outputs);
                matrix.round(outputs, factor, &mut state[..outputs.len()]);
                matrix.add(&state[..matrix.row_len()], scale, gates);
            }
            activate_units(simd, gates, cells, outputs);
            let row = &mut to.values[t * to.width + to.column..][..to.d_hidden];
            row.copy_from_slice(&outputs[..to.d_hidden]);
        }
    }
}
