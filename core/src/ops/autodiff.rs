//! Gradients of the operations: the backward kernels of the inner backend as nodes of burn's graph.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::Pooling;

use super::{
    ConvWeights, CrossEntropy, Dropout, Float, KernelBackend, Lengths, LstmSaved, LstmWeights, ModelBackend,
    Normalized,
};

/// The backward pass of an LSTM layer; parents: x, input weights, recurrent weights, bias.
#[derive(Debug)]
struct LstmStep;

#[derive(Clone, Debug)]
struct LstmState<T> {
    x: T,
    weights: LstmWeights<T>,
    saved: LstmSaved<T>,
    lengths: Lengths,
}

impl<B: KernelBackend> Backward<B, 4> for LstmStep {
    type State = LstmState<Float<B>>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_output = grads.consume::<B>(&ops.node);
        let LstmState { x, weights, saved, lengths } = ops.state;
        let (d_x, d_weights) = B::lstm_backward(d_output, x, weights, &lengths, saved);
        let all = [d_x, d_weights.input, d_weights.recurrent, d_weights.bias].map(Some);
        register::<B, 4>(ops.parents.map(|parent| Some(parent?.id)), all, grads);
    }
}

/// The backward pass of a convolution; parents: x, weight, bias.
#[derive(Debug)]
struct ConvStep;

#[derive(Clone, Debug)]
struct ConvState<T> {
    x: T,
    weights: ConvWeights<T>,
    stride: usize,
    lengths: Lengths,
}

impl<B: KernelBackend> Backward<B, 3> for ConvStep {
    type State = ConvState<Float<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_output = grads.consume::<B>(&ops.node);
        let ConvState { x, weights, stride, lengths } = ops.state;
        // The input of the first convolution needs no gradient.
        let wants_d_x = ops.parents[0].is_some();
        let (d_x, d_weights) = B::conv_backward(d_output, x, weights, stride, &lengths, wants_d_x);
        register::<B, 3>(
            ops.parents.map(|parent| Some(parent?.id)),
            [d_x, Some(d_weights.weight), Some(d_weights.bias)],
            grads,
        );
    }
}

/// Registers the gradient of each parent that requires one.
fn register<B: Backend, const N: usize>(
    parents: [Option<NodeId>; N],
    gradients: [Option<Float<B>>; N],
    grads: &mut Gradients,
) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let (Some(parent), Some(gradient)) = (parent, gradient) {
            grads.register::<B>(parent, gradient);
        }
    }
}

/// The backward pass of a 2-d convolution; parents: x, weight, bias.
#[derive(Debug)]
struct ImageConvStep;

#[derive(Clone, Debug)]
struct ImageConvState<T> {
    x: T,
    weights: ConvWeights<T>,
    stride: usize,
}

impl<B: KernelBackend> Backward<B, 3> for ImageConvStep {
    type State = ImageConvState<Float<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_output = grads.consume::<B>(&ops.node);
        let ImageConvState { x, weights, stride } = ops.state;
        // The input image needs no gradient.
        let wants_d_x = ops.parents[0].is_some();
        let (d_x, d_weights) = B::image_conv_backward(d_output, x, weights, stride, wants_d_x);
        register::<B, 3>(
            ops.parents.map(|parent| Some(parent?.id)),
            [d_x, Some(d_weights.weight), Some(d_weights.bias)],
            grads,
        );
    }
}

/// The backward pass of batch normalisation and ReLU; parents: x, gamma, beta.
#[derive(Debug)]
struct NormStep;

#[derive(Clone, Debug)]
struct NormState<T> {
    x: T,
    gamma: T,
    beta: T,
    statistics: [T; 2],
    epsilon: f32,
}

impl<B: KernelBackend> Backward<B, 3> for NormStep {
    type State = NormState<Float<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_output = grads.consume::<B>(&ops.node);
        let NormState { x, gamma, beta, statistics, epsilon } = ops.state;
        let all = B::norm_relu_backward(d_output, x, gamma, beta, statistics, epsilon).map(Some);
        register::<B, 3>(ops.parents.map(|parent| Some(parent?.id)), all, grads);
    }
}

/// The backward pass of pooling; parent: x.
#[derive(Debug)]
struct PoolStep;

#[derive(Clone, Debug)]
struct PoolState<T> {
    x: T,
    pooling: Pooling,
    lengths: Lengths,
}

impl<B: KernelBackend> Backward<B, 1> for PoolStep {
    type State = PoolState<Float<B>>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_output = grads.consume::<B>(&ops.node);
        let PoolState { x, pooling, lengths } = ops.state;
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::pool_backward(d_output, x, pooling, &lengths));
        }
    }
}

/// The backward pass of dropout.
#[derive(Debug)]
struct DropoutStep;

impl<B: KernelBackend> Backward<B, 1> for DropoutStep {
    type State = Dropout;

    fn backward(self, ops: Ops<Dropout, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_output = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::dropout(d_output, ops.state));
        }
    }
}

/// The backward pass of the loss; parent: logits. Its state is their gradient.
#[derive(Debug)]
struct LossStep;

impl<B: KernelBackend> Backward<B, 1> for LossStep {
    type State = Float<B>;

    fn backward(self, ops: Ops<Float<B>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_loss = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::scale(ops.state, d_loss));
        }
    }
}

impl<B: KernelBackend, C: CheckpointStrategy> ModelBackend for Autodiff<B, C> {
    fn lstm(x: Float<Self>, weights: LstmWeights<Float<Self>>, lengths: &Lengths) -> Float<Self> {
        let LstmWeights { input, recurrent, bias } = weights;
        let nodes = [x.node.clone(), input.node.clone(), recurrent.node.clone(), bias.node.clone()];
        let x = x.primitive;
        let weights =
            LstmWeights { input: input.primitive, recurrent: recurrent.primitive, bias: bias.primitive };
        match Backward::<B, 4>::prepare::<C>(LstmStep, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let saved = B::lstm_forward(x.clone(), weights.clone(), lengths);
                let output = saved.output.clone();
                prep.finish(LstmState { x, weights, saved, lengths: lengths.clone() }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::lstm_forward(x, weights, lengths).output),
        }
    }

    fn conv(
        x: Float<Self>,
        weights: ConvWeights<Float<Self>>,
        stride: usize,
        lengths: &Lengths,
    ) -> Float<Self> {
        let ConvWeights { weight, bias } = weights;
        let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
        let x = x.primitive;
        let weights = ConvWeights { weight: weight.primitive, bias: bias.primitive };
        let output = B::conv_forward(x.clone(), weights.clone(), stride, lengths);
        match Backward::<B, 3>::prepare::<C>(ConvStep, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(ConvState { x, weights, stride, lengths: lengths.clone() }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn image_conv(x: Float<Self>, weights: ConvWeights<Float<Self>>, stride: usize) -> Float<Self> {
        let ConvWeights { weight, bias } = weights;
        let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
        let x = x.primitive;
        let weights = ConvWeights { weight: weight.primitive, bias: bias.primitive };
        let output = B::image_conv_forward(x.clone(), weights.clone(), stride);
        match Backward::<B, 3>::prepare::<C>(ImageConvStep, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(ImageConvState { x, weights, stride }, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn norm_relu(
        x: Float<Self>,
        gamma: Float<Self>,
        beta: Float<Self>,
        epsilon: f32,
    ) -> Normalized<Float<Self>> {
        let nodes = [x.node.clone(), gamma.node.clone(), beta.node.clone()];
        let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.primitive);
        let Normalized { output, mean, variance } =
            B::norm_relu_forward(x.clone(), gamma.clone(), beta.clone(), epsilon);
        let output = match Backward::<B, 3>::prepare::<C>(NormStep, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let statistics = [mean.clone(), variance.clone()];
                prep.finish(NormState { x, gamma, beta, statistics, epsilon }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        Normalized { output, mean: Self::from_inner(mean), variance: Self::from_inner(variance) }
    }

    fn pool(x: Float<Self>, pooling: Pooling, lengths: &Lengths) -> Float<Self> {
        let output = B::pool_forward(x.primitive.clone(), pooling, lengths);
        match Backward::<B, 1>::prepare::<C>(PoolStep, [x.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(PoolState { x: x.primitive, pooling, lengths: lengths.clone() }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn drop_values(x: Float<Self>, dropout: Dropout) -> Float<Self> {
        let output = B::dropout(x.primitive, dropout);
        match Backward::<B, 1>::prepare::<C>(DropoutStep, [x.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(dropout, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn loss(logits: Float<Self>, targets: Float<Self>, labels: &[usize]) -> [Float<Self>; 2] {
        let CrossEntropy { loss, d_logits, n_correct } =
            B::cross_entropy(logits.primitive, targets.primitive, labels);
        let loss = match Backward::<B, 1>::prepare::<C>(LossStep, [logits.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(d_logits, loss),
            OpsKind::UnTracked(prep) => prep.finish(loss),
        };
        [loss, Self::from_inner(n_correct)]
    }
}
