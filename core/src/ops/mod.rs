//! The network's operations over batches of drawings of different lengths: the 1-d convolution, the
//! bidirectional LSTM layer, the convolution of images, pooling, dropout and the loss, each one
//! operation with its own backward pass; and the optimizer step.
//!
//! In: padded batches `[B, T, C]` with [`Lengths`]. Out: padded batches, zero past each drawing's
//! length. [`KernelBackend`] is what a backend provides: its defaults are the reference
//! implementation in tensor operations ([`plain`]), which works on every backend; backends in host
//! memory use [`host`]. [`ModelBackend`] is what the model asks for: a kernel backend, or
//! `Autodiff` of one.

#[cfg(feature = "autodiff")]
mod autodiff;
mod backends;
#[cfg(feature = "cubecl")]
pub mod cube;
pub mod host;
pub mod plain;
mod precision;

use std::sync::Arc;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};

use crate::config::Pooling;
pub use precision::{Precision, PrecisionAlreadySet};

/// A backend's float tensor of any rank.
pub type Float<B> = burn::tensor::ops::FloatTensor<B>;

/// Number of time steps of each drawing in a batch.
///
/// They are kept in host memory, because every implementation needs them to plan its work; a device
/// kernel uploads these few integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lengths(Arc<[usize]>);

impl Lengths {
    /// The lengths of a batch's drawings, in its order.
    pub fn new(lengths: impl Into<Arc<[usize]>>) -> Self {
        Self(lengths.into())
    }

    /// The lengths as a slice.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// The lengths after a convolution with this stride.
    pub fn strided(&self, stride: usize) -> Self {
        Self(self.0.iter().map(|length| length.div_ceil(stride)).collect())
    }

    /// The mask: one for valid time steps, zero in the padding: `[B, T, 1]`.
    pub fn mask<B: Backend>(&self, n_steps: usize, device: &B::Device) -> Tensor<B, 3> {
        let mut mask = vec![0.0f32; self.0.len() * n_steps];
        for (row, &length) in mask.chunks_exact_mut(n_steps.max(1)).zip(self.0.iter()) {
            row[..length].fill(1.0);
        }
        from_values(mask, [self.0.len(), n_steps, 1], device)
    }
}

/// A tensor of these values, row-major, transferred to the device in one piece: GPU memory pads the
/// rows of a matrix, and a copy for each row of a batch takes longer than a training step.
///
/// # Panics
/// Unless there are as many values as the shape has.
pub fn from_values<B: Backend, const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    let n_values = values.len();
    Tensor::<B, 1>::from_data(TensorData::new(values, [n_values]), device).reshape(shape)
}

/// Parameters of a bidirectional LSTM layer (D directions of width H over rows of width I), or
/// their gradients.
///
/// The gates are ordered input, forget, candidate, output; direction 0 runs forward.
#[derive(Clone, Debug)]
pub struct LstmWeights<T> {
    /// From an input time step to the gates of every direction: `[I, D * 4H]`.
    pub input: T,
    /// From a direction's previous output to its gates: `[D, H, 4H]`.
    pub recurrent: T,
    /// Added to the gates: `[D * 4H]`.
    pub bias: T,
}

/// What a forward pass saves for its backward pass. The shapes are up to the backend.
#[derive(Clone, Debug)]
pub struct LstmSaved<T> {
    /// `[B, T, D * H]`.
    pub output: T,
    /// Activated gates.
    pub gates: T,
    /// Cells.
    pub cells: T,
}

/// Parameters of a convolution of C channels to N, or their gradients.
#[derive(Clone, Debug)]
pub struct ConvWeights<T> {
    /// `[K * C, N]`, the window's rows in order.
    pub weight: T,
    /// `[N]`.
    pub bias: T,
}

/// The result of batch normalisation.
#[derive(Clone, Debug)]
pub struct Normalized<T> {
    /// In the shape of its input.
    pub output: T,
    /// Of each channel over the batch, `[C]`.
    pub mean: T,
    /// Likewise, `[C]`.
    pub variance: T,
}

/// Kernel size of the 2-d convolution.
pub const IMAGE_KERNEL: usize = 3;

/// The mean cross-entropy of a batch, its gradient and the number of correct predictions.
#[derive(Clone, Debug)]
pub struct CrossEntropy<T> {
    /// Mean over the drawings, `[1]`.
    pub loss: T,
    /// Its gradient, `[B, K]`.
    pub d_logits: T,
    /// Number of correct top-1 predictions, `[1]`.
    pub n_correct: T,
}

/// Which elements dropout sets to zero: the same in the forward and in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The dropout rate, 0 or more and less than 1; the kept values are scaled up to compensate.
    pub probability: f64,
    /// Determines which elements are dropped.
    pub seed: u64,
    /// Use one mask for all time steps of a drawing (Gal and Ghahramani, 2016).
    pub same_at_every_step: bool,
}

impl Dropout {
    /// Values whose [hash](Self::hash) is below this are dropped.
    pub(crate) fn threshold(self) -> u32 {
        (self.probability * 4_294_967_296.0) as u32
    }

    /// What the others are multiplied by.
    pub(crate) fn scale(self) -> f32 {
        (1.0 / (1.0 - self.probability)) as f32
    }

    /// The hash of an element index: in `[B, T, C]`, or with `same_at_every_step` in `[B, C]`.
    /// Every bit depends on every bit of the index and the seed (the constants are those of
    /// Wellons' lowbias32).
    #[inline(always)]
    pub(crate) fn hash(self, index: u32) -> u32 {
        let mut x = index ^ self.seed as u32;
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15)).wrapping_add((self.seed >> 32) as u32).wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    }
}

/// A step of Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay
/// Regularization", 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// The learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the square root, against division by zero.
    pub epsilon: f32,
    /// Decoupled weight decay, scaled by the learning rate.
    pub weight_decay: f32,
    /// Number of the step, starting at 1.
    pub time: i32,
}

impl AdamStep {
    /// The factor of a parameter under weight decay.
    pub(crate) fn kept(&self) -> f32 {
        (1.0 - self.learning_rate * f64::from(self.weight_decay)) as f32
    }

    /// The learning rate with the bias correction of the first moment.
    pub(crate) fn rate(&self) -> f32 {
        self.learning_rate as f32 / (1.0 - self.beta_1.powi(self.time))
    }

    /// The bias correction of the second moment.
    pub(crate) fn correction(&self) -> f32 {
        1.0 / (1.0 - self.beta_2.powi(self.time))
    }
}

/// What a backend provides: forward and backward passes of the operations and the optimizer step,
/// without autodiff.
///
/// The defaults are built of tensor operations and fit any backend; a backend with kernels of its
/// own overrides them.
pub trait KernelBackend: Backend {
    /// Runs an LSTM layer over `x` `[B, T, I]`; the output is `[B, T, D * H]`, zero past each
    /// length.
    fn lstm_forward(
        x: Float<Self>,
        weights: LstmWeights<Float<Self>>,
        lengths: &Lengths,
    ) -> LstmSaved<Float<Self>> {
        plain::lstm_forward::<Self>(x, weights, lengths)
    }

    /// The gradients of `x` and the weights, from that of the output.
    fn lstm_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        weights: LstmWeights<Float<Self>>,
        lengths: &Lengths,
        saved: LstmSaved<Float<Self>>,
    ) -> (Float<Self>, LstmWeights<Float<Self>>) {
        plain::lstm_backward::<Self>(d_output, x, weights, lengths, saved)
    }

    /// Convolves `x` `[B, T, C]`: step `t` of the output `[B, ceil(T / stride), N]` sees the K time
    /// steps around step `t * stride`, of which `(K - 1) / 2` come before it; steps outside a
    /// drawing count as zero, whatever they hold, and the output past its length is zero.
    fn conv_forward(
        x: Float<Self>,
        weights: ConvWeights<Float<Self>>,
        stride: usize,
        lengths: &Lengths,
    ) -> Float<Self> {
        plain::conv_forward::<Self>(x, weights, stride, lengths)
    }

    /// The gradients of `x`, where it `wants_d_x`, and of the weights, from that of the output.
    fn conv_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        weights: ConvWeights<Float<Self>>,
        stride: usize,
        lengths: &Lengths,
        wants_d_x: bool,
    ) -> (Option<Float<Self>>, ConvWeights<Float<Self>>) {
        plain::conv_backward::<Self>(d_output, x, weights, stride, lengths, wants_d_x)
    }

    /// Convolves square images `x` `[B, S * S, C]` with `weight` `[9 * C, N]` (windows of 3 x 3
    /// pixels, their rows in order): the pixel at row `i` and column `j` of the output `[B, S' *
    /// S', N]`, where S' is `ceil(S / stride)`, sees those around row
    /// `i * stride` and column `j * stride`; outside of the image all is zero.
    fn image_conv_forward(x: Float<Self>, weights: ConvWeights<Float<Self>>, stride: usize) -> Float<Self> {
        plain::image_conv_forward::<Self>(x, weights, stride)
    }

    /// The gradients of `x`, where it `wants_d_x`, and of the weights, from that of the output.
    fn image_conv_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        weights: ConvWeights<Float<Self>>,
        stride: usize,
        wants_d_x: bool,
    ) -> (Option<Float<Self>>, ConvWeights<Float<Self>>) {
        plain::image_conv_backward::<Self>(d_output, x, weights, stride, wants_d_x)
    }

    /// Normalises each channel of `x` `[B, P, C]` by its mean and variance over the batch, scales
    /// and shifts it by `gamma` and `beta` `[C]`, and applies ReLU.
    fn norm_relu_forward(
        x: Float<Self>,
        gamma: Float<Self>,
        beta: Float<Self>,
        epsilon: f32,
    ) -> Normalized<Float<Self>> {
        plain::norm_relu_forward::<Self>(x, gamma, beta, epsilon)
    }

    /// The gradients of `x`, `gamma` and `beta`, from that of the output; `statistics` are the mean
    /// and the variance that the forward pass found.
    fn norm_relu_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        gamma: Float<Self>,
        beta: Float<Self>,
        statistics: [Float<Self>; 2],
        epsilon: f32,
    ) -> [Float<Self>; 3] {
        plain::norm_relu_backward::<Self>(d_output, x, gamma, beta, statistics, epsilon)
    }

    /// Pools `x` `[B, T, C]` over valid time steps: `[B, C]`, or with [`Pooling::MeanMax`]
    /// `[B, 2C]`.
    fn pool_forward(x: Float<Self>, pooling: Pooling, lengths: &Lengths) -> Float<Self> {
        plain::pool_forward::<Self>(x, pooling, lengths)
    }

    /// The gradient of `x`, from that of the output.
    fn pool_backward(
        d_output: Float<Self>,
        x: Float<Self>,
        pooling: Pooling,
        lengths: &Lengths,
    ) -> Float<Self> {
        plain::pool_backward::<Self>(d_output, x, pooling, lengths)
    }

    /// Dropout of `x` `[B, T, C]`. It is linear, so the backward pass is the same function.
    fn dropout(x: Float<Self>, dropout: Dropout) -> Float<Self> {
        plain::dropout::<Self>(x, dropout)
    }

    /// A step of Adam: the parameter and its moments after it. All have the same shape.
    fn adam(
        parameter: Float<Self>,
        gradient: Float<Self>,
        moments: [Float<Self>; 2],
        step: AdamStep,
    ) -> (Float<Self>, [Float<Self>; 2]) {
        plain::adam::<Self>(parameter, gradient, moments, step)
    }

    /// The mean cross-entropy of the softmax of `logits` `[B, K]` and `targets` `[B, K]`, and the
    /// number of correct top-1 predictions.
    ///
    /// # Panics
    /// Unless targets have the shape of logits, and there are as many labels as rows.
    fn cross_entropy(
        logits: Float<Self>,
        targets: Float<Self>,
        labels: &[usize],
    ) -> CrossEntropy<Float<Self>> {
        plain::cross_entropy::<Self>(logits, targets, labels)
    }

    /// The sum of squares of all values of some tensors of any shapes, `[1]`.
    ///
    /// # Panics
    /// Without any tensor.
    fn sum_of_squares(tensors: Vec<Float<Self>>) -> Float<Self> {
        plain::sum_of_squares::<Self>(tensors)
    }

    /// All values times a factor `[1]`, which stays on the device.
    fn scale(x: Float<Self>, factor: Float<Self>) -> Float<Self> {
        plain::scale::<Self>(x, factor)
    }
}

/// The operations of the model and its training, differentiable if the backend is `Autodiff`.
pub trait ModelBackend: Backend {
    /// See [`KernelBackend::lstm_forward`].
    fn lstm(x: Float<Self>, weights: LstmWeights<Float<Self>>, lengths: &Lengths) -> Float<Self>;

    /// See [`KernelBackend::conv_forward`].
    fn conv(
        x: Float<Self>,
        weights: ConvWeights<Float<Self>>,
        stride: usize,
        lengths: &Lengths,
    ) -> Float<Self>;

    /// See [`KernelBackend::image_conv_forward`].
    fn image_conv(x: Float<Self>, weights: ConvWeights<Float<Self>>, stride: usize) -> Float<Self>;

    /// See [`KernelBackend::norm_relu_forward`]; mean and variance have no gradient.
    fn norm_relu(
        x: Float<Self>,
        gamma: Float<Self>,
        beta: Float<Self>,
        epsilon: f32,
    ) -> Normalized<Float<Self>>;

    /// See [`KernelBackend::pool_forward`].
    fn pool(x: Float<Self>, pooling: Pooling, lengths: &Lengths) -> Float<Self>;

    /// See [`KernelBackend::dropout`].
    fn drop_values(x: Float<Self>, dropout: Dropout) -> Float<Self>;

    /// See [`KernelBackend::cross_entropy`]; returns the loss and the number of correct top-1
    /// predictions.
    fn loss(logits: Float<Self>, targets: Float<Self>, labels: &[usize]) -> [Float<Self>; 2];
}

impl<B: KernelBackend> ModelBackend for B {
    fn lstm(x: Float<B>, weights: LstmWeights<Float<B>>, lengths: &Lengths) -> Float<B> {
        B::lstm_forward(x, weights, lengths).output
    }

    fn conv(x: Float<B>, weights: ConvWeights<Float<B>>, stride: usize, lengths: &Lengths) -> Float<B> {
        B::conv_forward(x, weights, stride, lengths)
    }

    fn image_conv(x: Float<B>, weights: ConvWeights<Float<B>>, stride: usize) -> Float<B> {
        B::image_conv_forward(x, weights, stride)
    }

    fn norm_relu(x: Float<B>, gamma: Float<B>, beta: Float<B>, epsilon: f32) -> Normalized<Float<B>> {
        B::norm_relu_forward(x, gamma, beta, epsilon)
    }

    fn pool(x: Float<B>, pooling: Pooling, lengths: &Lengths) -> Float<B> {
        B::pool_forward(x, pooling, lengths)
    }

    fn drop_values(x: Float<B>, dropout: Dropout) -> Float<B> {
        B::dropout(x, dropout)
    }

    fn loss(logits: Float<B>, targets: Float<B>, labels: &[usize]) -> [Float<B>; 2] {
        let CrossEntropy { loss, n_correct, .. } = B::cross_entropy(logits, targets, labels);
        [loss, n_correct]
    }
}

/// A bidirectional LSTM layer over `x` `[B, T, I]`; returns `[B, T, D * H]`, zero past each
/// drawing's length.
pub fn lstm<B: ModelBackend>(
    x: Tensor<B, 3>,
    input: Tensor<B, 2>,
    recurrent: Tensor<B, 3>,
    bias: Tensor<B, 1>,
    lengths: &Lengths,
) -> Tensor<B, 3> {
    let weights = LstmWeights { input: float(input), recurrent: float(recurrent), bias: float(bias) };
    tensor(B::lstm(float(x), weights, lengths))
}

/// A convolution over `x` `[B, T, C]` with `weight` `[K * C, N]`; returns `[B, ceil(T / stride),
/// N]`, zero past the end of each drawing.
pub fn conv<B: ModelBackend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    stride: usize,
    lengths: &Lengths,
) -> Tensor<B, 3> {
    let weights = ConvWeights { weight: float(weight), bias: float(bias) };
    tensor(B::conv(float(x), weights, stride, lengths))
}

/// A convolution of square images `x` `[B, S * S, C]` with `weight` `[9 * C, N]`; returns `[B, S' *
/// S', N]`, where S' is
/// `ceil(S / stride)`.
pub fn image_conv<B: ModelBackend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    stride: usize,
) -> Tensor<B, 3> {
    let weights = ConvWeights { weight: float(weight), bias: float(bias) };
    tensor(B::image_conv(float(x), weights, stride))
}

/// Batch normalisation of `x` `[B, P, C]` with scale `gamma` and shift `beta` `[C]`, then ReLU: the
/// output, and the mean and the variance of each channel over the batch, which have no gradient.
pub fn norm_relu<B: ModelBackend>(
    x: Tensor<B, 3>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    epsilon: f32,
) -> (Tensor<B, 3>, [Tensor<B, 1>; 2]) {
    let Normalized { output, mean, variance } = B::norm_relu(float(x), float(gamma), float(beta), epsilon);
    (tensor(output), [tensor(mean), tensor(variance)])
}

/// Pools `x` `[B, T, C]` over valid time steps: `[B, C]`, or with [`Pooling::MeanMax`] `[B, 2C]`.
pub fn pool<B: ModelBackend>(x: Tensor<B, 3>, pooling: Pooling, lengths: &Lengths) -> Tensor<B, 2> {
    tensor(B::pool(float(x), pooling, lengths))
}

/// Dropout of `x` `[B, T, C]`.
pub fn dropout<B: ModelBackend>(x: Tensor<B, 3>, dropout: Dropout) -> Tensor<B, 3> {
    tensor(B::drop_values(float(x), dropout))
}

/// The mean cross-entropy of the softmax of `logits` `[B, K]` and `targets` `[B, K]`, `[1]`, and
/// the number of correct top-1 predictions, `[1]`.
///
/// Targets get no gradient.
///
/// # Panics
/// Unless targets have the shape of logits, and there are as many labels as rows.
pub fn cross_entropy<B: ModelBackend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    labels: &[usize],
) -> [Tensor<B, 1>; 2] {
    B::loss(float(logits), float(targets), labels).map(tensor)
}

/// A step of Adam: the parameter and its moments after it.
pub fn adam<B: KernelBackend, const D: usize>(
    parameter: Tensor<B, D>,
    gradient: Tensor<B, D>,
    moments: [Tensor<B, D>; 2],
    step: AdamStep,
) -> (Tensor<B, D>, [Tensor<B, D>; 2]) {
    let (parameter, moments) = B::adam(float(parameter), float(gradient), moments.map(float), step);
    (tensor(parameter), moments.map(tensor))
}

/// The sum of the squares of all values of some tensors, `[1]`.
///
/// # Panics
/// Without any tensor.
pub fn sum_of_squares<B: KernelBackend>(tensors: Vec<Float<B>>) -> Tensor<B, 1> {
    tensor(B::sum_of_squares(tensors))
}

/// All values times a factor `[1]`, which stays on the device.
pub fn scale<B: KernelBackend, const D: usize>(x: Tensor<B, D>, factor: Tensor<B, 1>) -> Tensor<B, D> {
    tensor(B::scale(float(x), float(factor)))
}

fn float<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Float<B> {
    tensor.into_primitive().tensor()
}

fn tensor<B: Backend, const D: usize>(primitive: Float<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
