//! The optimizers: gradients in, updated weights out.

use burn::optim::SimpleOptimizer;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use quickdraw_core::ops::{self, AdamStep, KernelBackend};
use quickdraw_core::{Model, ModelConfig};

use super::config::{OptimizerKind, TrainConfig};

/// Muon's momentum.
const MOMENTUM: f32 = 0.95;

/// Newton-Schulz iterations, and their polynomial: singular values between about 0.7 and 1.2 are as
/// good as 1 (Jordan et al.).
const N_ITERATIONS: usize = 5;
const POLYNOMIAL: [f32; 3] = [3.4445, -4.775, 2.0315];

/// RMS of an update relative to the learning rate: that of AdamW, so that the same learning rates
/// work (Liu et al., "Muon is Scalable for LLM Training", 2025).
const MUON_RMS: f64 = 0.2;

/// Both optimizers; the shape of a parameter decides which one updates it.
#[derive(Clone, Debug)]
pub struct WeightOptimizer {
    kind: OptimizerKind,
    weight_decay: f32,
    /// The network.
    model: ModelConfig,
}

/// The optimizer state of a parameter. Muon has one moment; its second is a single zero.
#[derive(Record, Clone, Debug)]
pub struct OptimizerState<B: Backend, const D: usize> {
    time: usize,
    first_moment: Tensor<B, D>,
    second_moment: Tensor<B, D>,
}

/// Equal matrices side by side in a parameter `[n, rows, blocks * columns]`.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    n: usize,
    rows: usize,
    blocks: usize,
    columns: usize,
}

impl WeightOptimizer {
    /// The optimizer of a run for a network of this configuration.
    pub fn new(config: &TrainConfig, model: &ModelConfig) -> Self {
        Self { kind: config.optimizer, weight_decay: config.weight_decay, model: model.clone() }
    }

    /// The matrices of a parameter that Muon updates: one of a convolution `[k * C, C']`, one for
    /// each gate and direction of an LSTM's `[I, 2 * 4H]` and `[2, H, 4H]`.
    fn blocks(&self, dims: &[usize]) -> Option<Blocks> {
        let h = self.model.num_nodes;
        let lstm_inputs = [self.model.d_steps(), 2 * h];
        match *dims {
            _ if self.kind == OptimizerKind::AdamW => None,
            [rows, columns] if [rows, columns] == [self.model.d_embedding(), self.model.n_classes] => None,
            [rows, columns] if columns == 8 * h && lstm_inputs.contains(&rows) => {
                Some(Blocks { n: 1, rows, blocks: 8, columns: h })
            }
            [rows, columns] => Some(Blocks { n: 1, rows, blocks: 1, columns }),
            [n, rows, columns] => Some(Blocks { n, rows, blocks: columns / h, columns: h }),
            _ => None,
        }
    }

    fn muon<B: Backend, const D: usize>(
        &self,
        learning_rate: f64,
        parameter: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<OptimizerState<B, D>>,
        shape: Blocks,
    ) -> (Tensor<B, D>, OptimizerState<B, D>) {
        let (time, moment) = match state {
            Some(state) => (state.time, state.first_moment * MOMENTUM + gradient.clone()),
            None => (0, gradient.clone()),
        };
        let update = gradient + moment.clone() * MOMENTUM; // Nesterov's
        let Blocks { n, rows, blocks, columns } = shape;
        let dims = update.dims();
        let matrices = update.reshape([n, rows, blocks, columns]).swap_dims(1, 2);
        let matrices = orthogonal(matrices.reshape([n * blocks, rows, columns]));
        let update: Tensor<B, D> = matrices.reshape([n, blocks, rows, columns]).swap_dims(1, 2).reshape(dims);
        let length = learning_rate * MUON_RMS * (rows.max(columns) as f64).sqrt();
        let decay = 1.0 - learning_rate * f64::from(self.weight_decay);
        let second_moment = Tensor::zeros([1; D], &parameter.device());
        let parameter = parameter * decay - update * length;
        (parameter, OptimizerState { time: time + 1, first_moment: moment, second_moment })
    }
}

/// Approximately the nearest orthogonal matrices (Newton-Schulz) of `[n, rows, columns]`.
fn orthogonal<B: Backend>(matrices: Tensor<B, 3>) -> Tensor<B, 3> {
    let [_, rows, columns] = matrices.dims();
    let is_tall = rows > columns;
    let mut x = if is_tall { matrices.swap_dims(1, 2) } else { matrices };
    let norm = x.clone().powf_scalar(2.0).sum_dim(1).sum_dim(2).sqrt();
    x = x / norm.add_scalar(1e-7);
    let [a, b, c] = POLYNOMIAL;
    for _ in 0..N_ITERATIONS {
        let squared = x.clone().matmul(x.clone().swap_dims(1, 2));
        let factor = squared.clone() * b + squared.clone().matmul(squared) * c;
        x = x.clone() * a + factor.matmul(x);
    }
    if is_tall { x.swap_dims(1, 2) } else { x }
}

impl<B: KernelBackend> SimpleOptimizer<B> for WeightOptimizer {
    type State<const D: usize> = OptimizerState<B, D>;

    fn step<const D: usize>(
        &self,
        learning_rate: f64,
        parameter: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<OptimizerState<B, D>>,
    ) -> (Tensor<B, D>, Option<OptimizerState<B, D>>) {
        if let Some(blocks) = self.blocks(&parameter.dims()) {
            let (parameter, state) = self.muon(learning_rate, parameter, gradient, state, blocks);
            return (parameter, Some(state));
        }
        let OptimizerState { time, first_moment, second_moment } = state.unwrap_or_else(|| {
            let zeros = gradient.zeros_like();
            OptimizerState { time: 0, first_moment: zeros.clone(), second_moment: zeros }
        });
        let step = AdamStep {
            learning_rate,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: self.weight_decay,
            time: time as i32 + 1,
        };
        let (parameter, [first_moment, second_moment]) =
            ops::adam(parameter, gradient, [first_moment, second_moment], step);
        (parameter, Some(OptimizerState { time: time + 1, first_moment, second_moment }))
    }

    fn to_device<const D: usize>(state: OptimizerState<B, D>, device: &B::Device) -> OptimizerState<B, D> {
        OptimizerState {
            time: state.time,
            first_moment: state.first_moment.to_device(device),
            second_moment: state.second_moment.to_device(device),
        }
    }
}

/// [`WeightOptimizer`] for a whole network.
pub fn optimizer<B: AutodiffBackend>(
    config: &TrainConfig,
    model: &ModelConfig,
) -> OptimizerAdaptor<WeightOptimizer, Model<B>, B>
where
    B::InnerBackend: KernelBackend,
{
    OptimizerAdaptor::from(WeightOptimizer::new(config, model))
}
