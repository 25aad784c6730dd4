//! The moving average of the weights: the network of each step in, a steadier one out.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use quickdraw_core::Model;

/// Moves `average` towards `model` after a step, the first of which is 1: the weight of the past is `decay`, and less in
/// the first steps, when the past is mostly the random start (as TensorFlow's `ExponentialMovingAverage` with
/// `num_updates`). The statistics of batch normalisation are averaged likewise.
pub fn update<B: AutodiffBackend>(
    average: Model<B::InnerBackend>,
    model: &Model<B>,
    decay: f64,
    step: u64,
) -> Model<B::InnerBackend> {
    let mut before = Weights::default();
    average.visit(&mut before);
    let decay = decay.min((1 + step) as f64 / (10 + step) as f64);
    model.valid().map(&mut Blend { before, decay })
}

/// The weights of a network by the ids of its parameters. Burn's gradients are a map from ids to tensors of any rank.
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
