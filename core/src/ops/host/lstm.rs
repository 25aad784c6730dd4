//! The bidirectional LSTM layer on packed rows.
//!
//! Drawings are ordered by length, longest first, and cut into shards, which are processed in
//! parallel. The time steps of a shard are stored step-major: at step `t` the drawings that still
//! run are a prefix of the order. So each step is one product over exactly the valid rows, the
//! previous state is a prefix of the rows of the neighbouring step, and the backward direction
//! starts at each drawing's own last row without any reversal.

use std::ops::Range;

use super::gates::StepBackward;
use super::recurrent::{PackedWeights, Step};
use super::{
    Arithmetic, Matrix, Packed, Scratch, add, add_rows, for_each, join, product, sum_rows, tiled_lstm,
    transposed_products, uninitialised,
};

/// Drawings of a shard. It is constant, so that results do not depend on the number of threads.
const SHARD_DRAWINGS: usize = 32;

/// Rows whose inputs are projected together: enough for an efficient product, few enough to stay in
/// the cache until the recurrence uses them.
const CHUNK_ROWS: usize = 256;

/// The step-major layout of packed drawings.
struct Packing {
    /// The drawings' indices, longest first.
    order: Vec<usize>,
    /// The length of each, in that order.
    lengths: Vec<usize>,
    /// First packed row of each step, and the number of packed rows at the end.
    starts: Vec<usize>,
    n_steps: usize,
}

impl Packing {
    /// Packs a batch of drawings of these lengths, padded to `n_steps`, shard by shard.
    fn shards(lengths: &[usize], n_steps: usize) -> Vec<Self> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(lengths[b]));
        order.chunks(SHARD_DRAWINGS).map(|order| Self::new(order.to_vec(), lengths, n_steps)).collect()
    }

    /// Packs the drawings of `order`, longest first.
    fn new(order: Vec<usize>, lengths: &[usize], n_steps: usize) -> Self {
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
        let lengths = order.iter().map(|&b| lengths[b]).collect();
        Self { order, lengths, starts, n_steps }
    }

    fn longest(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of packed rows: the sum of the lengths.
    fn n_rows(&self) -> usize {
        self.starts[self.longest()]
    }

    fn step(&self, t: usize) -> Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// Columns `columns` of `[B, T, padded_width]` -> `[N, width]`.
    fn gather(&self, padded: &[f32], padded_width: usize, columns: Range<usize>) -> Scratch {
        Scratch::filled(self.n_rows() * columns.len(), |packed| {
            for t in 0..self.longest() {
                for &b in &self.order[..self.step(t).len()] {
                    let row = &padded[(b * self.n_steps + t) * padded_width..][..padded_width];
                    packed.extend_from_slice(&row[columns.clone()]);
                }
            }
        })
    }

    /// `[N, width]` -> columns `column..column + width` of this shard's drawings, each `[T,
    /// padded_width]`. The first columns bring the zeros of the padding along, for all columns.
    fn scatter(
        &self,
        packed: &[f32],
        width: usize,
        drawings: &mut [&mut [f32]],
        padded_width: usize,
        column: usize,
    ) {
        let mut rows = packed.chunks_exact(width);
        for t in 0..self.longest() {
            for drawing in &mut drawings[..self.step(t).len()] {
                let row = rows.next().expect("a packed row for each running drawing");
                drawing[t * padded_width + column..][..width].copy_from_slice(row);
            }
        }
        if column == 0 {
            for (&length, drawing) in self.lengths.iter().zip(drawings) {
                drawing[length * padded_width..].fill(0.0);
            }
        }
    }
}

/// Cuts `[B, T * width]` into the drawings of each shard, in its order.
fn drawings_of<'a>(shards: &[Packing], padded: &'a mut [f32], drawing_len: usize) -> Vec<Vec<&'a mut [f32]>> {
    let mut drawings: Vec<Option<&mut [f32]>> =
        padded.chunks_exact_mut(drawing_len.max(1)).map(Some).collect();
    let mut take = |b: usize| drawings.get_mut(b).and_then(Option::take).unwrap_or_default();
    shards.iter().map(|shard| shard.order.iter().map(|&b| take(b)).collect()).collect()
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
    /// From a direction's previous output to its gates.
    pub recurrent: &'a [f32],
    /// Added to the gates.
    pub bias: &'a [f32],
}

/// The result of [`forward`].
pub struct Forward {
    /// `[B, T, D * H]`, zero past each drawing's length.
    pub output: Vec<f32>,
    /// Activated gates, packed: shard after shard `[D, N, 4H]`.
    pub gates: Vec<f32>,
    /// Cells, packed: shard after shard `[D, N, H]`.
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
pub fn forward(
    x: &[f32],
    weights: Weights<'_>,
    lengths: &[usize],
    shape: Shape,
    arithmetic: Arithmetic,
) -> Forward {
    let Shape { n_drawings, n_steps, d_input, d_hidden: h, n_directions } = shape;
    let shards = Packing::shards(lengths, n_steps);
    let n_rows: usize = shards.iter().map(Packing::n_rows).sum();
    let packed_weights = pack_weights(weights, shape, arithmetic, false);
    let mut gates = uninitialised(n_directions * n_rows * 4 * h);
    let mut cells = uninitialised(n_directions * n_rows * h);
    let mut output = uninitialised(n_drawings * n_steps * n_directions * h);

    let mut tasks = Vec::with_capacity(shards.len());
    let (mut gates_left, mut cells_left) = (&mut gates[..], &mut cells[..]);
    for (shard, drawings) in shards.iter().zip(drawings_of(&shards, &mut output, n_steps * n_directions * h))
    {
        let n = n_directions * shard.n_rows();
        let gates = take(&mut gates_left, n * 4 * h);
        let cells = take(&mut cells_left, n * h);
        tasks.push((shard, gates, cells, drawings));
    }
    for_each(tasks, |(shard, gates, cells, mut drawings)| {
        let n = shard.n_rows();
        let x = shard.gather(x, d_input, 0..d_input);
        let run = |d: usize, gates: &mut [f32], cells: &mut [f32]| {
            let mut outputs = Scratch::any(n * h);
            let direction = Direction { shard, shape, weights: &packed_weights[d], d };
            direction.forward(&x, gates, cells, &mut outputs);
            outputs
        };
        let (gates, backward_gates) = gates.split_at_mut(n * 4 * h);
        let (cells, backward_cells) = cells.split_at_mut(n * h);
        let outputs = if n_directions == 1 {
            vec![run(0, gates, cells)]
        } else {
            let (forward, backward) =
                join(|| run(0, gates, cells), || run(1, backward_gates, backward_cells));
            vec![forward, backward]
        };
        for (d, outputs) in outputs.iter().enumerate() {
            shard.scatter(outputs, h, &mut drawings, n_directions * h, d * h);
        }
    });
    Forward { output, gates, cells }
}

/// Cuts the first `n` values off.
fn take<'a>(rest: &mut &'a mut [f32], n: usize) -> &'a mut [f32] {
    let (first, others) = std::mem::take(rest).split_at_mut(n);
    *rest = others;
    first
}

/// The weights of one direction.
struct DirectionWeights<'a> {
    packed: DirectionPacked,
    /// `[4H]`.
    bias: &'a [f32],
}

/// Packed for products in f32, or rounded for those in bf16.
enum DirectionPacked {
    F32 {
        /// `[I, 4H]`; for a backward pass transposed, `[4H, I]`.
        input: Packed,
        recurrent: PackedWeights,
    },
    Bf16Forward(tiled_lstm::ForwardWeights),
    Bf16Backward(tiled_lstm::BackwardWeights),
}

fn pack_weights(
    weights: Weights<'_>,
    shape: Shape,
    arithmetic: Arithmetic,
    for_backward: bool,
) -> Vec<DirectionWeights<'_>> {
    let Shape { d_input, d_hidden: h, n_directions, .. } = shape;
    for_each((0..n_directions).collect(), |d| {
        let input = Matrix::strided(&weights.input[d * 4 * h..], d_input, 4 * h, n_directions * 4 * h);
        let recurrent = &weights.recurrent[d * h * 4 * h..][..h * 4 * h];
        let packed = match arithmetic {
            Arithmetic::F32 => DirectionPacked::F32 {
                input: Packed::new(arithmetic, if for_backward { input.transposed() } else { input }),
                recurrent: PackedWeights::new(recurrent, h, for_backward),
            },
            Arithmetic::Bf16(instructions) => {
                let recurrent = Matrix::new(recurrent, h, 4 * h);
                if for_backward {
                    let weights = tiled_lstm::BackwardWeights::new(instructions, input, recurrent);
                    DirectionPacked::Bf16Backward(weights)
                } else {
                    let weights = tiled_lstm::ForwardWeights::new(instructions, input, recurrent);
                    DirectionPacked::Bf16Forward(weights)
                }
            }
        };
        DirectionWeights { packed, bias: &weights.bias[d * 4 * h..][..4 * h] }
    })
}

/// The time steps in a direction's order, each with its predecessor.
fn walk(longest: usize, backward: bool) -> impl DoubleEndedIterator<Item = (usize, Option<usize>)> {
    (0..longest).map(move |k| {
        let step_at = |k: usize| if backward { longest - 1 - k } else { k };
        (step_at(k), k.checked_sub(1).map(step_at))
    })
}

/// Rows of two consecutive steps: the step's own, and those of the previous step that it continues.
fn step_rows(packing: &Packing, t: usize, before: Option<usize>) -> (Range<usize>, Range<usize>) {
    let rows = packing.step(t);
    let before = before.map_or(0..0, |before| {
        let all = packing.step(before);
        all.start..all.start + all.len().min(rows.len())
    });
    (rows, before)
}

/// Splits the rows of a buffer into those of the previous step, to read, and those of this step, to
/// write.
fn disjoint(
    buffer: &mut [f32],
    read: Range<usize>,
    write: Range<usize>,
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

/// One direction of a layer over one shard.
struct Direction<'a> {
    shard: &'a Packing,
    shape: Shape,
    weights: &'a DirectionWeights<'a>,
    /// 0 runs forward, 1 backward.
    d: usize,
}

impl Direction<'_> {
    /// Runs over packed `x` `[N, I]`; fills `gates` `[N, 4H]`, `cells` and `outputs` `[N, H]`.
    fn forward(&self, x: &[f32], gates: &mut [f32], cells: &mut [f32], outputs: &mut [f32]) {
        let Shape { d_input, d_hidden: h, .. } = self.shape;
        let n = self.shard.n_rows();
        // Rows whose input is projected: from `projected` to the end at which the direction
        // started.
        let backward = self.d == 1;
        let mut projected = if backward { n } else { 0 };
        for (t, before) in walk(self.shard.longest(), backward) {
            let (rows, before) = step_rows(self.shard, t, before);
            if let DirectionPacked::F32 { input, .. } = &self.weights.packed {
                let missing = if backward { rows.start < projected } else { rows.end > projected };
                if missing {
                    let chunk = self.chunk(t);
                    let x = Matrix::new(&x[chunk.start * d_input..chunk.end * d_input], chunk.len(), d_input);
                    let out = &mut gates[chunk.start * 4 * h..chunk.end * 4 * h];
                    product(out, 4 * h, false, x, input);
                    projected = if backward { chunk.start } else { chunk.end };
                }
            }
            let (states_before, outputs) = disjoint(outputs, before.clone(), rows.clone(), h);
            let (cells_before, cells) = disjoint(cells, before, rows.clone(), h);
            let gates = &mut gates[rows.start * 4 * h..rows.end * 4 * h];
            let bias = self.weights.bias;
            match &self.weights.packed {
                DirectionPacked::F32 { recurrent, .. } => {
                    recurrent.step_forward(bias, gates, [states_before, cells_before], cells, outputs);
                }
                DirectionPacked::Bf16Forward(weights) => {
                    let x = &x[rows.start * d_input..rows.end * d_input];
                    weights.step(x, states_before, Step { bias, gates, cells_before, cells, outputs, h });
                }
                DirectionPacked::Bf16Backward(_) => unreachable!("weights packed for a forward pass"),
            }
        }
    }

    /// Rows of step `t` and of the following ones in the direction's order, up to [`CHUNK_ROWS`] or
    /// one step.
    fn chunk(&self, t: usize) -> Range<usize> {
        let rows = self.shard.step(t);
        let starts = &self.shard.starts;
        if self.d == 1 {
            let first = starts[..t].iter().find(|&&start| rows.end - start <= CHUNK_ROWS);
            first.copied().unwrap_or(rows.start)..rows.end
        } else {
            let last = starts[t + 1..].iter().rev().find(|&&end| end - rows.start <= CHUNK_ROWS);
            rows.start..last.copied().unwrap_or(rows.end)
        }
    }

    /// The backward pass: from the gradient of the outputs, `[N, H]`, to those of input and
    /// weights.
    ///
    /// `gates` `[N, 4H]`, `cells` and `outputs` `[N, H]` are those of the forward pass.
    fn backward(
        &self,
        x: &[f32],
        d_outputs: &mut [f32],
        gates: &[f32],
        cells: &[f32],
        outputs: &[f32],
    ) -> DirectionGradients {
        let Shape { d_input, d_hidden: h, .. } = self.shape;
        let n = self.shard.n_rows();
        let (input_weights, recurrent_weights) = match &self.weights.packed {
            DirectionPacked::F32 { input, recurrent } => (input, recurrent),
            DirectionPacked::Bf16Backward(weights) => {
                return self.bf16_backward(weights, x, d_outputs, gates, cells, outputs);
            }
            DirectionPacked::Bf16Forward(_) => unreachable!("weights packed for a backward pass"),
        };
        // The previous output of each row, zero where a drawing begins: one product instead of one
        // per step.
        let mut states = Scratch::any(n * h);
        let mut d_cells = Scratch::zeros(self.shard.order.len() * h);
        let mut d_gates = Scratch::any(n * 4 * h);
        for (t, before) in walk(self.shard.longest(), self.d == 1).rev() {
            let (rows, before) = step_rows(self.shard, t, before);
            let (d_before, d_rows) = disjoint_mut(d_outputs, before.clone(), rows.clone(), h);
            let step = StepBackward {
                gates: &gates[rows.start * 4 * h..rows.end * 4 * h],
                d_gates: &mut d_gates[rows.start * 4 * h..rows.end * 4 * h],
                cells_before: &cells[before.start * h..before.end * h],
                cells: &cells[rows.start * h..rows.end * h],
                d_outputs: d_rows,
                d_cells: &mut d_cells[..rows.len() * h],
                d_hidden: h,
            };
            recurrent_weights.step_backward(step, d_before);
            // A drawing that began at this step passes nothing further back.
            d_cells[before.len() * h..rows.len() * h].fill(0.0);
            let (continued, begun) = states[rows.start * h..rows.end * h].split_at_mut(before.len() * h);
            continued.copy_from_slice(&outputs[before.start * h..before.end * h]);
            begun.fill(0.0);
        }
        let mut gradients = DirectionGradients {
            x: Scratch::any(n * d_input),
            input: Scratch::any(d_input * 4 * h),
            recurrent: Scratch::any(h * 4 * h),
            bias: sum_rows(&d_gates, 4 * h),
        };
        let d_gates = Matrix::new(&d_gates, n, 4 * h);
        product(&mut gradients.x, d_input, false, d_gates, input_weights);
        let (x, states) = (Matrix::new(x, n, d_input), Matrix::new(&states, n, h));
        transposed_products(
            Arithmetic::F32,
            [(&mut gradients.input, x), (&mut gradients.recurrent, states)],
            d_gates,
        );
        gradients
    }

    /// [`backward`](Self::backward) with products in bf16.
    fn bf16_backward(
        &self,
        weights: &tiled_lstm::BackwardWeights,
        x: &[f32],
        d_outputs: &mut [f32],
        gates: &[f32],
        cells: &[f32],
        outputs: &[f32],
    ) -> DirectionGradients {
        let Shape { d_input, d_hidden: h, .. } = self.shape;
        let mut d_cells = Scratch::zeros(self.shard.order.len() * h);
        let mut d_gates = Scratch::any(self.shard.order.len() * 4 * h);
        let mut gradients = DirectionGradients {
            x: Scratch::any(self.shard.n_rows() * d_input),
            input: Scratch::any(d_input * 4 * h),
            recurrent: Scratch::any(h * 4 * h),
            bias: vec![0.0; 4 * h],
        };
        let walk: Vec<_> = walk(self.shard.longest(), self.d == 1).rev().collect();
        if walk.is_empty() {
            gradients.input.fill(0.0);
            gradients.recurrent.fill(0.0);
        }
        for (number, part) in walk.chunks(tiled_lstm::STEPS).enumerate() {
            let mut steps = weights.steps(part.len(), d_input, h);
            for &(t, before) in part {
                let (rows, before) = step_rows(self.shard, t, before);
                let (d_before, d_rows) = disjoint_mut(d_outputs, before.clone(), rows.clone(), h);
                let d_gates = &mut d_gates[..rows.len() * 4 * h];
                let step = StepBackward {
                    gates: &gates[rows.start * 4 * h..rows.end * 4 * h],
                    d_gates: &mut *d_gates,
                    cells_before: &cells[before.start * h..before.end * h],
                    cells: &cells[rows.start * h..rows.end * h],
                    d_outputs: d_rows,
                    d_cells: &mut d_cells[..rows.len() * h],
                    d_hidden: h,
                };
                let x = &x[rows.start * d_input..rows.end * d_input];
                let states_before = &outputs[before.start * h..before.end * h];
                let d_x = &mut gradients.x[rows.start * d_input..rows.end * d_input];
                weights.step(step, [x, states_before], [d_x, d_before], &mut steps);
                add_rows(&mut gradients.bias, d_gates);
                // A drawing that began at this step passes nothing further back.
                d_cells[before.len() * h..rows.len() * h].fill(0.0);
            }
            steps.weight_gradients(&mut gradients.input, &mut gradients.recurrent, number > 0);
        }
        gradients
    }
}

/// What one direction of one shard adds to the gradients.
struct DirectionGradients {
    /// `[N, I]`, packed.
    x: Scratch,
    /// `[I, 4H]`.
    input: Scratch,
    /// `[H, 4H]`.
    recurrent: Scratch,
    /// `[4H]`.
    bias: Vec<f32>,
}

/// As [`disjoint`], both mutable.
fn disjoint_mut(
    buffer: &mut [f32],
    before: Range<usize>,
    rows: Range<usize>,
    width: usize,
) -> (&mut [f32], &[f32]) {
    if before.start < rows.start {
        let (low, high) = buffer.split_at_mut(rows.start * width);
        (&mut low[before.start * width..before.end * width], &high[..rows.len() * width])
    } else {
        let (low, high) = buffer.split_at_mut(rows.end * width);
        let before = before.start.max(rows.end)..before.end.max(rows.end);
        (
            &mut high[(before.start - rows.end) * width..(before.end - rows.end) * width],
            &low[rows.start * width..],
        )
    }
}

/// Cuts rows `[I, D * width]` into those of each direction.
fn by_direction(rows: &mut [f32], n_directions: usize, width: usize) -> Vec<Vec<&mut [f32]>> {
    let mut directions: Vec<Vec<&mut [f32]>> = (0..n_directions).map(|_| Vec::new()).collect();
    for row in rows.chunks_exact_mut(n_directions * width) {
        for (direction, part) in directions.iter_mut().zip(row.chunks_exact_mut(width)) {
            direction.push(part);
        }
    }
    directions
}

/// The backward pass: from the gradient of the output, `[B, T, D * H]`, to those of the input and
/// the parameters.
///
/// `output`, `gates` and `cells` are those that [`forward`] gave for the same `x` and `weights`.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    d_output: &[f32],
    x: &[f32],
    weights: Weights<'_>,
    lengths: &[usize],
    shape: Shape,
    arithmetic: Arithmetic,
    output: &[f32],
    gates: &[f32],
    cells: &[f32],
) -> Gradients {
    let Shape { n_drawings, n_steps, d_input, d_hidden: h, n_directions } = shape;
    let width = n_directions * h;
    let shards = Packing::shards(lengths, n_steps);
    let packed_weights = pack_weights(weights, shape, arithmetic, true);
    let mut gradients = Gradients {
        x: uninitialised(n_drawings * n_steps * d_input),
        input: vec![0.0; d_input * n_directions * 4 * h],
        recurrent: vec![0.0; n_directions * h * 4 * h],
        bias: vec![0.0; n_directions * 4 * h],
    };

    let mut tasks = Vec::with_capacity(shards.len());
    let mut first_row = 0;
    for (shard, drawings) in shards.iter().zip(drawings_of(&shards, &mut gradients.x, n_steps * d_input)) {
        tasks.push((shard, first_row, drawings));
        first_row += n_directions * shard.n_rows();
    }
    let parts = for_each(tasks, |(shard, first_row, mut drawings)| {
        let n = shard.n_rows();
        let x = shard.gather(x, d_input, 0..d_input);
        let run = |d: usize| {
            let rows = first_row + d * n..first_row + (d + 1) * n;
            let columns = d * h..(d + 1) * h;
            let outputs = shard.gather(output, width, columns.clone());
            let mut d_outputs = shard.gather(d_output, width, columns);
            let gates = &gates[rows.start * 4 * h..rows.end * 4 * h];
            let cells = &cells[rows.start * h..rows.end * h];
            let direction = Direction { shard, shape, weights: &packed_weights[d], d };
            direction.backward(&x, &mut d_outputs, gates, cells, &outputs)
        };
        let mut parts = if n_directions == 1 {
            vec![run(0)]
        } else {
            let (forward, backward) = join(|| run(0), || run(1));
            vec![forward, backward]
        };
        if let [forward, backward] = &mut parts[..] {
            add(&mut forward.x, &backward.x);
        }
        shard.scatter(&parts[0].x, d_input, &mut drawings, d_input, 0);
        parts
    });
    // The sums over the shards, of each direction by itself: they lie apart but for the rows of
    // `input`.
    let recurrent = gradients.recurrent.chunks_exact_mut(h * 4 * h);
    let bias = gradients.bias.chunks_exact_mut(4 * h);
    let input = by_direction(&mut gradients.input, n_directions, 4 * h);
    for_each(recurrent.zip(bias).zip(input).enumerate().collect(), |(d, ((recurrent, bias), mut input))| {
        for part in parts.iter().map(|shard| &shard[d]) {
            add(recurrent, &part.recurrent);
            add(bias, &part.bias);
            for (sums, row) in input.iter_mut().zip(part.input.chunks_exact(4 * h)) {
                add(sums, row);
            }
        }
    });
    gradients
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;
    use crate::ops::host::Instructions;

    fn cosine(a: &[f32], b: &[f32]) -> f64 {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    /// The output, and the gradients of `x`, input weights, recurrent weights and bias.
    fn output_and_gradients(lengths: &[usize], shape: Shape, arithmetic: Arithmetic) -> [Vec<f32>; 5] {
        let values = |n: usize, factor: f64, scale: f64| -> Vec<f32> {
            (0..n).map(|i| (f64::sin((i * i) as f64 * factor) * scale) as f32).collect()
        };
        let Shape { n_drawings, n_steps, d_input, d_hidden: h, n_directions } = shape;
        let x = values(n_drawings * n_steps * d_input, 0.37, 1.0);
        let input = values(d_input * n_directions * 4 * h, 0.71, 0.3);
        let recurrent = values(n_directions * h * 4 * h, 0.53, 0.3);
        let bias = values(n_directions * 4 * h, 0.19, 0.5);
        let d_output = values(n_drawings * n_steps * n_directions * h, 0.29, 1.0);
        let weights = Weights { input: &input, recurrent: &recurrent, bias: &bias };
        let Forward { output, gates, cells } = forward(&x, weights, lengths, shape, arithmetic);
        let d = backward(&d_output, &x, weights, lengths, shape, arithmetic, &output, &gates, &cells);
        [output, d.x, d.input, d.recurrent, d.bias]
    }

    #[test]
    fn a_layer_in_bf16_has_the_output_and_gradients_of_f32_but_for_rounding() {
        // Several shards, steps with fewer rows than a tile, drawings that begin and end at all
        // steps, more steps than are summed at a time; and a batch without any rows.
        for (lengths, d_input, d_hidden, n_directions) in [
            ((0..75).map(|b| (b * 7) % 61).collect::<Vec<_>>(), 17, 37, 2),
            (vec![9; 33], 64, 16, 1),
            (vec![3, 1, 4], 5, 3, 2),
            (vec![0, 0], 5, 3, 2),
        ] {
            let n_steps = lengths.iter().max().map_or(0, |longest| longest + 1);
            let shape = Shape { n_drawings: lengths.len(), n_steps, d_input, d_hidden, n_directions };
            let expected = output_and_gradients(&lengths, shape, Arithmetic::F32);
            for instructions in Instructions::all() {
                let found = output_and_gradients(&lengths, shape, Arithmetic::Bf16(instructions));
                for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    if expected.iter().all(|&value| value == 0.0) {
                        assert_eq!(found, expected, "part {part} of {shape:?} by {instructions:?}");
                        continue;
                    }
                    let cosine = cosine(found, expected);
                    assert!(cosine > 0.999, "part {part} of {shape:?} by {instructions:?}: {cosine}");
                }
            }
        }
    }
}
