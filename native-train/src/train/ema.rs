//! The exponential moving average (EMA) of the weights.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use quickdraw_core::Model;

/// The decay after a step, counted from 1: lower than `decay` in the first steps, when the average
/// is mostly the random initialisation (as TensorFlow's `ExponentialMovingAverage` with
/// `num_updates`). From trained weights it is `decay` at once.
pub fn decay_after(step: u64, decay: f64, starts_trained: bool) -> f64 {
    if starts_trained { decay } else { decay.min((1 + step) as f64 / (10 + step) as f64) }
}

/// Moves `average` towards `model` after a step; with this `decay`. The statistics of batch
/// normalisation are averaged likewise.
pub fn update<B: AutodiffBackend>(
    average: Model<B::InnerBackend>,
    model: &Model<B>,
    decay: f64,
) -> Model<B::InnerBackend> {
    let mut before = Weights::default();
    average.visit(&mut before);
    model.valid().map(&mut Blend { before, decay })
}

/// The weights of a network by the ids of its parameters. Burn's gradients are a map from ids to
/// tensors of any rank.
#[derive(Default)]
struct Weights(GradientsParams);

impl<B: Backend> ModuleVisitor<B> for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.register::<B, D>(param.id, param.val());
    }
}

struct Blend {
    before: Weights,
    decay: f64,
}

impl<B: Backend> ModuleMapper<B> for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let before = self.before.0.remove::<B, D>(param.id).expect("both networks have the same parameters");
        param.map(|now| before.mul_scalar(self.decay) + now.mul_scalar(1.0 - self.decay))
    }
}
