//! The bidirectional LSTM layer on packed rows.
//!
//! Drawings are ordered by length, longest first, and their rows are stored step by step: at step `t` the
//! drawings that still run are a prefix of that order. So each step is one matrix product over exactly the
//! rows that exist, the state before is a prefix of the rows of the neighbouring step, and the backward
//! direction starts at each drawing's own last row without any reversal.

use super::gates::{step_backward, step_forward};
use super::{Matrix, Read, join, matmul, sum_rows};

/// Where the rows of a batch lie once packed step by step.
pub struct Packing {
    /// Drawing at each place, longest first.
    order: Vec<usize>,
    /// First packed row of each step, and the number of packed rows at the end.
    starts: Vec<usize>,
    n_steps: usize,
}

impl Packing {
    /// Packs drawings of these lengths out of a batch padded to `n_steps`.
    pub fn new(lengths: &[usize], n_steps: usize) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(lengths[b]));
        let longest = order.first().map_or(0, |&b| lengths[b]);
        assert!(longest <= n_steps, "a length of {longest} in a batch of {n_steps} steps");
        let mut starts = vec![0; longest + 1];
        let mut running = order.len();
        for t in 0..longest {
            while lengths[order[running - 1]] <= t {
                running -= 1;
            }
            starts[t + 1] = starts[t] + running;
        }
        Self { order, starts, n_steps }
    }

    fn longest(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of packed rows: the sum of the lengths.
    pub fn n_rows(&self) -> usize {
        self.starts[self.longest()]
    }

    fn step(&self, t: usize) -> std::ops::Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// `[B, T, width]` -> `[N, width]`.
    fn gather(&self, padded: &[f32], width: usize) -> Vec<f32> {
        let mut packed = Vec::with_capacity(self.n_rows() * width);
        for t in 0..self.longest() {
            for &b in &self.order[..self.step(t).len()] {
                packed.extend_from_slice(&padded[(b * self.n_steps + t) * width..][..width]);
            }
        }
        packed
    }

    /// `[N, width]` -> columns `column..column + width` of `[B, T, padded_width]`; the rest stays.
    fn scatter(&self, packed: &[f32], width: usize, padded: &mut [f32], padded_width: usize, column: usize) {
        let mut rows = packed.chunks_exact(width);
        for t in 0..self.longest() {
            for &b in &self.order[..self.step(t).len()] {
                let row = rows.next().expect("a packed row for each running drawing");
                let at = (b * self.n_steps + t) * padded_width + column;
                padded[at..at + width].copy_from_slice(row);
            }
        }
    }
}

/// Sizes of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Drawings in the batch, B.
    pub n_drawings: usize,
    /// Steps that the batch is padded to, T.
    pub n_steps: usize,
    /// Width of an input row, I.
    pub d_input: usize,
    /// Width of a direction's output, H.
    pub d_hidden: usize,
    /// 1, or 2 with the backward direction, D.
    pub n_directions: usize,
}

/// Parameters of a layer: `input` `[I, D * 4H]`, `recurrent` `[D, H, 4H]`, `bias` `[D * 4H]`.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// From an input row to the gates of every direction.
    pub input: &'a [f32],
    /// From a direction's output before to its gates.
    pub recurrent: &'a [f32],
    /// Added to the gates.
    pub bias: &'a [f32],
}

/// What [`forward`] gives.
pub struct Forward {
    /// `[B, T, D * H]`, zero past each drawing's length.
    pub output: Vec<f32>,
    /// Activated gates, packed: `[D, N, 4H]`.
    pub gates: Vec<f32>,
    /// Cells, packed: `[D, N, H]`.
    pub cells: Vec<f32>,
}

/// Gradients of the layer's input and parameters, in their shapes.
pub struct Gradients {
    /// `[B, T, I]`.
    pub x: Vec<f32>,
    /// `[I, D * 4H]`.
    pub input: Vec<f32>,
    /// `[D, H, 4H]`.
    pub recurrent: Vec<f32>,
    /// `[D * 4H]`.
    pub bias: Vec<f32>,
}

/// Runs a layer over `x` `[B, T, I]`.
pub fn forward(x: &[f32], weights: Weights<'_>, lengths: &[usize], shape: Shape) -> Forward {
    let Shape { n_drawings, n_steps, d_input, d_hidden: h, n_directions } = shape;
    let packing = Packing::new(lengths, n_steps);
    let n = packing.n_rows();
    let packed = packing.gather(x, d_input);

    let mut gates = vec![0.0; n_directions * n * 4 * h];
    let mut cells = vec![0.0; n_directions * n * h];
    let mut outputs = vec![0.0; n_directions * n * h];
    if n > 0 {
        let run = |d: usize, gates: &mut [f32], cells: &mut [f32], outputs: &mut [f32]| {
            let bias = &weights.bias[d * 4 * h..][..4 * h];
            gates.chunks_exact_mut(4 * h).for_each(|row| row.copy_from_slice(bias));
            let input = Matrix::strided(&weights.input[d * 4 * h..], d_input, 4 * h, n_directions * 4 * h);
            let x = Matrix::new(&packed, n, d_input);
            matmul(gates, 4 * h, true, (x, Read::AsStored), (input, Read::AsStored));
            let recurrent = &weights.recurrent[d * h * 4 * h..][..h * 4 * h];
            run_direction(&packing, d == 1, recurrent, gates, cells, outputs, h);
        };
        each_direction(n_directions, &mut gates, &mut cells, &mut outputs, run);
    }

    let mut output = vec![0.0; n_drawings * n_steps * n_directions * h];
    for d in 0..n_directions {
        let direction = &outputs[d * n * h..][..n * h];
        packing.scatter(direction, h, &mut output, n_directions * h, d * h);
    }
    Forward { output, gates, cells }
}

/// Calls `run` with each direction's share of three buffers, both directions at once where possible.
fn each_direction(
    n_directions: usize,
    a: &mut [f32],
    b: &mut [f32],
    c: &mut [f32],
    run: impl Fn(usize, &mut [f32], &mut [f32], &mut [f32]) + Sync,
) {
    if n_directions == 1 {
        return run(0, a, b, c);
    }
    let (a, a_backward) = a.split_at_mut(a.len() / 2);
    let (b, b_backward) = b.split_at_mut(b.len() / 2);
    let (c, c_backward) = c.split_at_mut(c.len() / 2);
    join(|| run(0, a, b, c), || run(1, a_backward, b_backward, c_backward));
}

/// The steps in the order in which a direction walks them, each with the step before it on that walk.
fn walk(longest: usize, backward: bool) -> impl DoubleEndedIterator<Item = (usize, Option<usize>)> {
    (0..longest).map(move |k| {
        let step_at = |k: usize| if backward { longest - 1 - k } else { k };
        (step_at(k), k.checked_sub(1).map(step_at))
    })
}

/// Rows of two neighbouring steps: the step's own, and those of the step before that it continues.
fn step_rows(
    packing: &Packing,
    t: usize,
    before: Option<usize>,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let rows = packing.step(t);
    let before = before.map_or(0..0, |before| {
        let all = packing.step(before);
        all.start..all.start + all.len().min(rows.len())
    });
    (rows, before)
}

fn run_direction(
    packing: &Packing,
    backward: bool,
    recurrent: &[f32],
    gates: &mut [f32],
    cells: &mut [f32],
    outputs: &mut [f32],
    h: usize,
) {
    let recurrent = Matrix::new(recurrent, h, 4 * h);
    for (t, before) in walk(packing.longest(), backward) {
        let (rows, before) = step_rows(packing, t, before);
        let gates = &mut gates[rows.start * 4 * h..rows.end * 4 * h];
        let state = Matrix::new(&outputs[before.start * h..before.end * h], before.len(), h);
        matmul(gates, 4 * h, true, (state, Read::AsStored), (recurrent, Read::AsStored));
        let (cells_before, cells) = disjoint(cells, before, rows.clone(), h);
        let outputs = &mut outputs[rows.start * h..rows.end * h];
        step_forward(gates, cells_before, cells, outputs, h);
    }
}

/// Splits the rows of a buffer into those of the step before, to read, and those of this step, to write.
fn disjoint(
    buffer: &mut [f32],
    read: std::ops::Range<usize>,
    write: std::ops::Range<usize>,
    width: usize,
) -> (&[f32], &mut [f32]) {
    if read.start < write.start {
        let (low, high) = buffer.split_at_mut(write.start * width);
        (&low[read.start * width..read.end * width], &mut high[..write.len() * width])
    } else {
        let (low, high) = buffer.split_at_mut(write.end * width);
        let read = read.start.max(write.end)..read.end.max(write.end);
        let high = &high[(read.start - write.end) * width..(read.end - write.end) * width];
        (high, &mut low[write.start * width..])
    }
}

/// Takes the gradient of the output, `[B, T, D * H]`, back to the input and the parameters.
///
/// `output`, `gates` and `cells` are those that [`forward`] gave for the same `x` and `weights`.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    d_output: &[f32],
    x: &[f32],
    weights: Weights<'_>,
    lengths: &[usize],
    shape: Shape,
    output: &[f32],
    gates: &[f32],
    cells: &[f32],
) -> Gradients {
    let Shape { n_drawings, n_steps, d_input, d_hidden: h, n_directions } = shape;
    let packing = Packing::new(lengths, n_steps);
    let n = packing.n_rows();
    let width = n_directions * h;
    let mut gradients = Gradients {
        x: vec![0.0; n_drawings * n_steps * d_input],
        input: vec![0.0; d_input * n_directions * 4 * h],
        recurrent: vec![0.0; n_directions * h * 4 * h],
        bias: vec![0.0; n_directions * 4 * h],
    };
    if n == 0 {
        return gradients;
    }
    let packed = packing.gather(x, d_input);
    let outputs = packing.gather(output, width);
    let mut d_outputs = packing.gather(d_output, width);
    // Each direction reads its own columns; split them, so that they can be written at the same time.
    d_outputs = split_columns(&d_outputs, h, n_directions);

    let mut d_inputs = vec![0.0; n_directions * n * d_input];
    // A direction's gradients of its input and recurrent weights, `[I + H, 4H]`, side by side.
    let mut d_weights = vec![0.0; n_directions * (d_input + h) * 4 * h];
    let run = |d: usize, gates_and_d_outputs: &mut [f32], d_inputs: &mut [f32], d_weights: &mut [f32]| {
        let (gates, d_outputs) = gates_and_d_outputs.split_at_mut(n * 4 * h);
        let recurrent = Matrix::new(&weights.recurrent[d * h * 4 * h..][..h * 4 * h], h, 4 * h);
        let cells = &cells[d * n * h..][..n * h];
        let (d_input_weights, d_recurrent) = d_weights.split_at_mut(d_input * 4 * h);
        // The output before each row, zero where a drawing begins: one product instead of one a step.
        let mut states = vec![0.0; n * h];
        let mut d_cells = vec![0.0; n_drawings * h];
        for (t, before) in walk(packing.longest(), d == 1).rev() {
            let (rows, before) = step_rows(&packing, t, before);
            let gates = &mut gates[rows.start * 4 * h..rows.end * 4 * h];
            step_backward(
                gates,
                &cells[before.start * h..before.end * h],
                &cells[rows.start * h..rows.end * h],
                &d_outputs[rows.start * h..rows.end * h],
                &mut d_cells[..rows.len() * h],
                h,
            );
            // A drawing that began at this step passes nothing further back.
            d_cells[before.len() * h..rows.len() * h].fill(0.0);
            for (state, output) in states[rows.start * h..]
                .chunks_exact_mut(h)
                .zip(outputs[before.start * width..before.end * width].chunks_exact(width))
            {
                state.copy_from_slice(&output[d * h..][..h]);
            }
            let d_state = Matrix::new(&gates[..before.len() * 4 * h], before.len(), 4 * h);
            let d_before = &mut d_outputs[before.start * h..before.end * h];
            matmul(d_before, h, true, (d_state, Read::AsStored), (recurrent, Read::Transposed));
        }
        let d_gates = Matrix::new(gates, n, 4 * h);
        let input = Matrix::strided(&weights.input[d * 4 * h..], d_input, 4 * h, n_directions * 4 * h);
        matmul(d_inputs, d_input, false, (d_gates, Read::AsStored), (input, Read::Transposed));
        let states = Matrix::new(&states, n, h);
        matmul(d_recurrent, 4 * h, false, (states, Read::Transposed), (d_gates, Read::AsStored));
        let x = Matrix::new(&packed, n, d_input);
        matmul(d_input_weights, 4 * h, false, (x, Read::Transposed), (d_gates, Read::AsStored));
    };
    // Gates and output gradients of a direction side by side: one buffer a direction.
    let mut states = Vec::with_capacity(gates.len() + d_outputs.len());
    for d in 0..n_directions {
        states.extend_from_slice(&gates[d * n * 4 * h..][..n * 4 * h]);
        states.extend_from_slice(&d_outputs[d * n * h..][..n * h]);
    }
    each_direction(n_directions, &mut states, &mut d_inputs, &mut d_weights, run);

    for d in 0..n_directions {
        let d_weights = &d_weights[d * (d_input + h) * 4 * h..][..(d_input + h) * 4 * h];
        let (d_input_weights, d_recurrent) = d_weights.split_at(d_input * 4 * h);
        for (i, row) in d_input_weights.chunks_exact(4 * h).enumerate() {
            let at = i * n_directions * 4 * h + d * 4 * h;
            gradients.input[at..at + 4 * h].copy_from_slice(row);
        }
        gradients.recurrent[d * h * 4 * h..][..h * 4 * h].copy_from_slice(d_recurrent);
        let d_gates = &states[d * n * 5 * h..][..n * 4 * h];
        gradients.bias[d * 4 * h..][..4 * h].copy_from_slice(&sum_rows(d_gates, 4 * h));
    }
    if n_directions == 2 {
        let (forward, backward) = d_inputs.split_at_mut(n * d_input);
        forward.iter_mut().zip(&*backward).for_each(|(a, b)| *a += b);
    }
    packing.scatter(&d_inputs[..n * d_input], d_input, &mut gradients.x, d_input, 0);
    gradients
}

/// `[N, D * H]` -> `[D, N, H]`.
fn split_columns(rows: &[f32], h: usize, n_directions: usize) -> Vec<f32> {
    let mut split = Vec::with_capacity(rows.len());
    for d in 0..n_directions {
        for row in rows.chunks_exact(n_directions * h) {
            split.extend_from_slice(&row[d * h..][..h]);
        }
    }
    split
}
