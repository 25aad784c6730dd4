//! The reference implementation in tensor operations: for any backend, and what the others are
//! tested against.
//!
//! One small matrix product per time step makes the LSTM slow here; the backends that matter have
//! their own kernels.

use burn::tensor::backend::Backend;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, IndexingUpdateOp, Int, Tensor, TensorData, TensorMetadata, activation};

use crate::Pooling;

use super::{
    AdamStep, ConvWeights, CrossEntropy, Dropout, Float, IMAGE_KERNEL, Lengths, LstmSaved, LstmWeights,
    Normalized, float, tensor,
};

/// `x` `[B, T, C]` with zeros in the padding, whatever it held: a product with the mask would keep
/// NaN.
fn without_padding<B: Backend>(x: Tensor<B, 3>, lengths: &Lengths) -> Tensor<B, 3> {
    let missing = lengths.mask::<B>(x.dims()[1], &x.device()).equal_elem(0.0).expand(x.dims());
    x.mask_fill(missing, 0.0)
}

/// An LSTM layer over `x` `[B, T, I]`, differentiable by autodiff.
///
/// Gives output `[B, T, D * H]`, activated gates `[B, T, D * 4H]` and cells `[B, T, D * H]`.
pub fn lstm<B: Backend>(
    x: Tensor<B, 3>,
    weights: LstmWeights<Tensor<B, 3>>,
    lengths: &Lengths,
) -> [Tensor<B, 3>; 3] {
    let [n_drawings, n_steps, d_input] = x.dims();
    let [n_directions, h, _] = weights.recurrent.dims();
    let device = x.device();
    let mask = lengths.mask::<B>(n_steps, &device);
    let x = without_padding(x, lengths);
    let projected = x.reshape([1, n_drawings * n_steps, d_input]).matmul(weights.input) + weights.bias;
    let projected = projected.reshape([n_drawings, n_steps, n_directions * 4 * h]);

    let directions: Vec<[Tensor<B, 3>; 3]> = (0..n_directions)
        .map(|d| {
            let projected = projected.clone().narrow(2, d * 4 * h, 4 * h);
            let recurrent = weights.recurrent.clone().narrow(0, d, 1);
            let zero = || Tensor::<B, 3>::zeros([1, n_drawings, h], &device);
            let (mut output, mut cell) = (zero(), zero());
            let mut steps: Vec<[Tensor<B, 3>; 3]> = Vec::with_capacity(n_steps);
            for k in 0..n_steps {
                let t = if d == 1 { n_steps - 1 - k } else { k };
                let z = projected.clone().narrow(1, t, 1).swap_dims(0, 1) + output.matmul(recurrent.clone());
                let gate = |k: usize| z.clone().narrow(2, k * h, h);
                let i = activation::sigmoid(gate(0));
                let f = activation::sigmoid(gate(1));
                let g = gate(2).tanh();
                let o = activation::sigmoid(gate(3));
                // Zero past the end, which is also the state from which the backward direction
                // starts.
                let mask = mask.clone().narrow(1, t, 1).swap_dims(0, 1);
                cell = (f.clone() * cell + i.clone() * g.clone()) * mask.clone();
                output = o.clone() * cell.clone().tanh() * mask;
                steps.push([output.clone(), Tensor::cat(vec![i, f, g, o], 2), cell.clone()]);
            }
            if d == 1 {
                steps.reverse();
            }
            [0, 1, 2].map(|part| {
                let parts = steps.iter().map(|step| step[part].clone()).collect();
                Tensor::cat(parts, 0).swap_dims(0, 1)
            })
        })
        .collect();
    [0, 1, 2].map(|part| Tensor::cat(directions.iter().map(|direction| direction[part].clone()).collect(), 2))
}

/// Weights as tensors of rank 3: `[1, I, D * 4H]`, `[D, H, 4H]`, `[1, 1, D * 4H]`.
fn rank_3<B: Backend>(weights: LstmWeights<Float<B>>) -> LstmWeights<Tensor<B, 3>> {
    LstmWeights {
        input: tensor::<B, 2>(weights.input).unsqueeze(),
        recurrent: tensor(weights.recurrent),
        bias: tensor::<B, 1>(weights.bias).unsqueeze(),
    }
}

/// See [`KernelBackend::lstm_forward`](super::KernelBackend::lstm_forward).
pub fn lstm_forward<B: Backend>(
    x: Float<B>,
    weights: LstmWeights<Float<B>>,
    lengths: &Lengths,
) -> LstmSaved<Float<B>> {
    let [output, gates, cells] = lstm::<B>(tensor(x), rank_3::<B>(weights), lengths).map(float);
    LstmSaved { output, gates, cells }
}

/// See [`KernelBackend::lstm_backward`](super::KernelBackend::lstm_backward).
pub fn lstm_backward<B: Backend>(
    d_output: Float<B>,
    x: Float<B>,
    weights: LstmWeights<Float<B>>,
    lengths: &Lengths,
    saved: LstmSaved<Float<B>>,
) -> (Float<B>, LstmWeights<Float<B>>) {
    let (d_output, x): (Tensor<B, 3>, Tensor<B, 3>) = (tensor(d_output), without_padding(tensor(x), lengths));
    let weights = rank_3::<B>(weights);
    let (output, gates, cells): (Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>) =
        (tensor(saved.output), tensor(saved.gates), tensor(saved.cells));
    let [n_drawings, n_steps, d_input] = x.dims();
    let [n_directions, h, _] = weights.recurrent.dims();
    let device = x.device();
    let mask = lengths.mask::<B>(n_steps, &device);
    let zeros = |width: usize| Tensor::<B, 3>::zeros([n_drawings, 1, width], &device);
    let square = |t: Tensor<B, 3>| t.clone() * t;

    let mut d_gates = Vec::with_capacity(n_directions);
    let mut d_recurrent = Vec::with_capacity(n_directions);
    for d in 0..n_directions {
        let recurrent = weights.recurrent.clone().narrow(0, d, 1).swap_dims(1, 2);
        let before = |all: &Tensor<B, 3>, t: usize| match d {
            0 if t > 0 => all.clone().narrow(1, t - 1, 1).narrow(2, 0, h),
            1 if t + 1 < n_steps => all.clone().narrow(1, t + 1, 1).narrow(2, h, h),
            _ => zeros(h),
        };
        let (mut d_state, mut d_cell) = (zeros(h), zeros(h));
        let mut steps = Vec::with_capacity(n_steps);
        for k in 0..n_steps {
            let t = if d == 1 { k } else { n_steps - 1 - k };
            let mask = mask.clone().narrow(1, t, 1);
            let gate = |k: usize| gates.clone().narrow(1, t, 1).narrow(2, (d * 4 + k) * h, h);
            let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3));
            let tanh_c = cells.clone().narrow(1, t, 1).narrow(2, d * h, h).tanh();
            let d_out = (d_output.clone().narrow(1, t, 1).narrow(2, d * h, h) + d_state) * mask.clone();
            let d_c = (d_cell + d_out.clone() * o.clone() * (-square(tanh_c.clone()) + 1.0)) * mask;
            let d_z = Tensor::cat(
                vec![
                    d_c.clone() * g.clone() * i.clone() * (-i.clone() + 1.0),
                    d_c.clone() * before(&cells, t) * f.clone() * (-f.clone() + 1.0),
                    d_c.clone() * i * (-square(g) + 1.0),
                    d_out * tanh_c * o.clone() * (-o + 1.0),
                ],
                2,
            );
            d_cell = d_c * f;
            d_state = d_z.clone().swap_dims(0, 1).matmul(recurrent.clone()).swap_dims(0, 1);
            steps.push(d_z);
        }
        if d == 0 {
            steps.reverse();
        }
        let d_z = Tensor::cat(steps, 1);
        let states = (0..n_steps).map(|t| before(&output, t)).collect();
        let states: Tensor<B, 3> = Tensor::cat(states, 1);
        let rows = n_drawings * n_steps;
        let states = states.reshape([1, rows, h]).swap_dims(1, 2);
        d_recurrent.push(states.matmul(d_z.clone().reshape([1, rows, 4 * h])));
        d_gates.push(d_z);
    }
    let rows = n_drawings * n_steps;
    let d_gates = Tensor::cat(d_gates, 2).reshape([1, rows, n_directions * 4 * h]);
    let d_input = x.reshape([1, rows, d_input]).swap_dims(1, 2).matmul(d_gates.clone());
    let d_x = d_gates.clone().matmul(weights.input.swap_dims(1, 2));
    let d_bias: Tensor<B, 1> = d_gates.sum_dim(1).reshape([n_directions * 4 * h]);
    let d_x = d_x.reshape([n_drawings as i64, n_steps as i64, -1]);
    let weights = LstmWeights {
        input: float(d_input.squeeze_dim::<2>(0)),
        recurrent: float(Tensor::cat(d_recurrent, 0)),
        bias: float(d_bias),
    };
    (float(d_x), weights)
}

/// The windows of a convolution (im2col), `[B, T', K * C]`: for each output step the K input steps.
fn windows<B: Backend>(x: Tensor<B, 3>, kernel_len: usize, stride: usize, lengths: &Lengths) -> Tensor<B, 3> {
    let [n_drawings, n_steps, c] = x.dims();
    let device = x.device();
    let n_output = n_steps.div_ceil(stride);
    let left = (kernel_len - 1) / 2;
    // Long enough that every tap is a contiguous slice of whole strides.
    let right = n_output * stride + kernel_len - 1 - left - n_steps;
    let zeros = |n: usize| Tensor::<B, 3>::zeros([n_drawings, n, c], &device);
    let x = Tensor::cat(vec![zeros(left), without_padding(x, lengths), zeros(right)], 1);
    let taps = (0..kernel_len)
        .map(|k| {
            let tap: Tensor<B, 4> =
                x.clone().narrow(1, k, n_output * stride).reshape([n_drawings, n_output, stride, c]);
            tap.narrow(2, 0, 1).reshape([n_drawings, n_output, c])
        })
        .collect();
    Tensor::cat(taps, 2)
}

/// A convolution over `x` `[B, T, C]` with `weight` `[K * C, N]`, differentiable by autodiff.
pub fn conv<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    stride: usize,
    lengths: &Lengths,
) -> Tensor<B, 3> {
    let kernel_len = weight.dims()[0] / x.dims()[2];
    let windows = windows(x, kernel_len, stride, lengths);
    let mask = lengths.strided(stride).mask::<B>(windows.dims()[1], &windows.device());
    (windows.matmul(weight.unsqueeze()) + bias.unsqueeze()) * mask
}

/// See [`KernelBackend::conv_forward`](super::KernelBackend::conv_forward).
pub fn conv_forward<B: Backend>(
    x: Float<B>,
    weights: ConvWeights<Float<B>>,
    stride: usize,
    lengths: &Lengths,
) -> Float<B> {
    float(conv::<B>(tensor(x), tensor(weights.weight), tensor(weights.bias), stride, lengths))
}

/// See [`KernelBackend::conv_backward`](super::KernelBackend::conv_backward).
pub fn conv_backward<B: Backend>(
    d_output: Float<B>,
    x: Float<B>,
    weights: ConvWeights<Float<B>>,
    stride: usize,
    lengths: &Lengths,
    wants_d_x: bool,
) -> (Option<Float<B>>, ConvWeights<Float<B>>) {
    let (d_output, x): (Tensor<B, 3>, Tensor<B, 3>) = (tensor(d_output), tensor(x));
    let weight: Tensor<B, 2> = tensor(weights.weight);
    let device = x.device();
    let [n_drawings, n_steps, c] = x.dims();
    let [d_window, n] = weight.dims();
    let n_output = n_steps.div_ceil(stride);
    let kernel_len = d_window / c;
    let left = (kernel_len - 1) / 2;

    let d_rows = d_output * lengths.strided(stride).mask::<B>(n_output, &device);
    let windows = windows(x, kernel_len, stride, lengths);
    let rows = n_drawings * n_output;
    let d_weight = windows.reshape([rows, d_window]).transpose().matmul(d_rows.clone().reshape([rows, n]));
    let d_bias: Tensor<B, 1> = d_rows.clone().reshape([rows, n]).sum_dim(0).reshape([n]);
    let d_weights = ConvWeights { weight: float(d_weight), bias: float(d_bias) };
    if !wants_d_x {
        return (None, d_weights);
    }

    // Each tap's gradient goes back to the time steps that the tap read.
    let d_windows: Tensor<B, 3> = d_rows.matmul(weight.transpose().unsqueeze());
    let padded = n_output * stride + kernel_len - 1;
    let mut d_x = Tensor::<B, 3>::zeros([n_drawings, padded, c], &device);
    for k in 0..kernel_len {
        let tap: Tensor<B, 4> = d_windows.clone().narrow(2, k * c, c).reshape([n_drawings, n_output, 1, c]);
        let gaps = Tensor::<B, 4>::zeros([n_drawings, n_output, stride - 1, c], &device);
        let tap = if stride == 1 { tap } else { Tensor::cat(vec![tap, gaps], 2) };
        let tap: Tensor<B, 3> = tap.reshape([n_drawings, n_output * stride, c]);
        let zeros = |n: usize| Tensor::<B, 3>::zeros([n_drawings, n, c], &device);
        let parts =
            [(k > 0).then(|| zeros(k)), Some(tap), (k + 1 < kernel_len).then(|| zeros(kernel_len - 1 - k))];
        d_x = d_x + Tensor::cat(parts.into_iter().flatten().collect(), 1);
    }
    let d_x = d_x.narrow(1, left, n_steps) * lengths.mask::<B>(n_steps, &device);
    (Some(float(d_x)), d_weights)
}

/// The kernel of a 2-d convolution in the backend's layout: `[9 * C, N]` -> `[N, C, 3, 3]`.
fn image_kernel<B: Backend>(weight: Tensor<B, 2>) -> Tensor<B, 4> {
    let [d_window, n] = weight.dims();
    let c = d_window / (IMAGE_KERNEL * IMAGE_KERNEL);
    weight.reshape([IMAGE_KERNEL, IMAGE_KERNEL, c, n]).permute([3, 2, 0, 1])
}

/// Images in the backend's layout: `[B, S * S, C]` -> `[B, C, S, S]`.
fn channels_first<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 4> {
    let [n_images, n_pixels, c] = x.dims();
    let side = n_pixels.isqrt();
    x.reshape([n_images, side, side, c]).permute([0, 3, 1, 2])
}

/// Back from `[B, C, S, S]` to `[B, S * S, C]`.
fn channels_last<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 3> {
    let [n_images, c, side, _] = x.dims();
    x.permute([0, 2, 3, 1]).reshape([n_images, side * side, c])
}

/// Padding of one pixel, so that there is a window around every `stride`-th pixel.
fn image_options(stride: usize) -> ConvOptions<2> {
    ConvOptions::new([stride; 2], [1; 2], [1; 2], 1)
}

/// See [`KernelBackend::image_conv_forward`](super::KernelBackend::image_conv_forward).
pub fn image_conv_forward<B: Backend>(
    x: Float<B>,
    weights: ConvWeights<Float<B>>,
    stride: usize,
) -> Float<B> {
    let x = float(channels_first::<B>(tensor(x)));
    let kernel = float(image_kernel::<B>(tensor(weights.weight)));
    let output = B::conv2d(x, kernel, Some(weights.bias), image_options(stride));
    float(channels_last::<B>(tensor(output)))
}

/// See [`KernelBackend::image_conv_backward`](super::KernelBackend::image_conv_backward).
pub fn image_conv_backward<B: Backend>(
    d_output: Float<B>,
    x: Float<B>,
    weights: ConvWeights<Float<B>>,
    stride: usize,
    wants_d_x: bool,
) -> (Option<Float<B>>, ConvWeights<Float<B>>) {
    let d_output: Tensor<B, 3> = tensor(d_output);
    let d_bias: Tensor<B, 1> = d_output.clone().sum_dim(1).sum_dim(0).flatten(0, 2);
    let d_output = float(channels_first(d_output));
    let x = float(channels_first::<B>(tensor(x)));
    let kernel = float(image_kernel::<B>(tensor(weights.weight)));
    let d_x = wants_d_x.then(|| {
        let options = image_options(stride);
        let d_x = B::conv2d_x_backward(x.clone(), kernel.clone(), d_output.clone(), options);
        float(channels_last::<B>(tensor(d_x)))
    });
    let d_kernel: Tensor<B, 4> =
        tensor(B::conv2d_weight_backward(x, kernel, d_output, image_options(stride)));
    let [n, c, ..] = d_kernel.dims();
    let d_weight: Tensor<B, 2> = d_kernel.permute([2, 3, 1, 0]).reshape([IMAGE_KERNEL * IMAGE_KERNEL * c, n]);
    (d_x, ConvWeights { weight: float(d_weight), bias: float(d_bias) })
}

/// See [`KernelBackend::norm_relu_forward`](super::KernelBackend::norm_relu_forward).
pub fn norm_relu_forward<B: Backend>(
    x: Float<B>,
    gamma: Float<B>,
    beta: Float<B>,
    epsilon: f32,
) -> Normalized<Float<B>> {
    let shape = x.shape();
    let x: Tensor<B, 2> = rows(tensor(x));
    let mean = x.clone().mean_dim(0); // [1, C]
    let variance = (x.clone() - mean.clone()).square().mean_dim(0); // [1, C]
    let (gamma, beta): (Tensor<B, 1>, Tensor<B, 1>) = (tensor(gamma), tensor(beta));
    let normal = (x - mean.clone()) / (variance.clone() + epsilon).sqrt();
    let output = activation::relu(normal * gamma.unsqueeze() + beta.unsqueeze());
    Normalized {
        output: B::float_reshape(float(output), shape),
        mean: float(mean.squeeze_dim::<1>(0)),
        variance: float(variance.squeeze_dim::<1>(0)),
    }
}

/// See [`KernelBackend::norm_relu_backward`](super::KernelBackend::norm_relu_backward).
pub fn norm_relu_backward<B: Backend>(
    d_output: Float<B>,
    x: Float<B>,
    gamma: Float<B>,
    beta: Float<B>,
    statistics: [Float<B>; 2],
    epsilon: f32,
) -> [Float<B>; 3] {
    let shape = x.shape();
    let (d_output, x): (Tensor<B, 2>, Tensor<B, 2>) = (rows(tensor(d_output)), rows(tensor(x)));
    let [gamma, beta] = [gamma, beta].map(|values| tensor::<B, 1>(values).unsqueeze::<2>()); // [1, C]
    let [mean, variance] = statistics.map(|values| tensor::<B, 1>(values).unsqueeze::<2>());
    let inverse = (variance + epsilon).sqrt().recip();
    let normal = (x - mean) * inverse.clone(); // [N, C]
    let is_clamped = (normal.clone() * gamma.clone() + beta).lower_equal_elem(0.0);
    let d = d_output.mask_fill(is_clamped, 0.0);
    let d_beta = d.clone().sum_dim(0); // [1, C]
    let d_gamma = (d.clone() * normal.clone()).sum_dim(0);
    let n = d.dims()[0].max(1) as f64;
    let d_x = (d - d_beta.clone() / n - normal * (d_gamma.clone() / n)) * (gamma * inverse);
    let of_channels = |values: Tensor<B, 2>| float(values.squeeze_dim::<1>(0));
    [B::float_reshape(float(d_x), shape), of_channels(d_gamma), of_channels(d_beta)]
}

/// `[B, P, C]` -> `[B * P, C]`.
fn rows<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 2> {
    x.flatten(0, 1)
}

/// See [`KernelBackend::pool_forward`](super::KernelBackend::pool_forward).
pub fn pool_forward<B: Backend>(x: Float<B>, pooling: Pooling, lengths: &Lengths) -> Float<B> {
    let x: Tensor<B, 3> = without_padding(tensor(x), lengths);
    let mask = lengths.mask::<B>(x.dims()[1], &x.device());
    let sum = x.clone().sum_dim(1); // [B, 1, C]
    let pooled = match pooling {
        Pooling::Sum => sum,
        Pooling::MeanMax => {
            let mean = sum / counts(&mask);
            Tensor::cat(vec![mean, maxima(x, mask).0], 2)
        }
    };
    float(pooled.squeeze_dim::<2>(1))
}

/// See [`KernelBackend::pool_backward`](super::KernelBackend::pool_backward).
pub fn pool_backward<B: Backend>(
    d_output: Float<B>,
    x: Float<B>,
    pooling: Pooling,
    lengths: &Lengths,
) -> Float<B> {
    let (d_output, x): (Tensor<B, 2>, Tensor<B, 3>) = (tensor(d_output), tensor(x));
    let [_, n_steps, c] = x.dims();
    let mask = lengths.mask::<B>(n_steps, &x.device());
    let d_output: Tensor<B, 3> = d_output.unsqueeze_dim(1); // [B, 1, C] or [B, 1, 2C]
    let d_x = match pooling {
        Pooling::Sum => d_output * mask,
        Pooling::MeanMax => {
            let d_mean = d_output.clone().narrow(2, 0, c) * mask.clone() / counts(&mask);
            let (_, places) = maxima(x.clone(), mask.clone());
            let d_max = d_output.narrow(2, c, c) * mask.narrow(1, 0, 1);
            d_mean + x.zeros_like().scatter(1, places, d_max, IndexingUpdateOp::Add)
        }
    };
    float(d_x)
}

/// The length of each drawing, at least 1: `[B, 1, 1]`.
fn counts<B: Backend>(mask: &Tensor<B, 3>) -> Tensor<B, 3> {
    mask.clone().sum_dim(1).clamp_min(1.0)
}

/// The maximum over valid time steps and its argmax (the first), `[B, 1, C]` each; zero for an
/// empty drawing.
fn maxima<B: Backend>(x: Tensor<B, 3>, mask: Tensor<B, 3>) -> (Tensor<B, 3>, Tensor<B, 3, Int>) {
    let missing = mask.clone().equal_elem(0.0).expand(x.dims());
    let (max, places) = x.mask_fill(missing, f32::MIN).max_dim_with_indices(1);
    (max * mask.narrow(1, 0, 1), places)
}

/// See [`KernelBackend::dropout`](super::KernelBackend::dropout). The backend's random numbers,
/// reseeded.
pub fn dropout<B: Backend>(x: Float<B>, dropout: Dropout) -> Float<B> {
    let x: Tensor<B, 3> = tensor(x);
    let [n_drawings, n_steps, c] = x.dims();
    let device = x.device();
    let shape = [n_drawings, if dropout.same_at_every_step { 1 } else { n_steps }, c];
    let kept = 1.0 - dropout.probability;
    B::seed(&device, dropout.seed);
    let factors = Tensor::<B, 3>::random(shape, Distribution::Bernoulli(kept), &device) / kept;
    float(x * factors)
}

/// See [`KernelBackend::adam`](super::KernelBackend::adam).
pub fn adam<B: Backend>(
    parameter: Float<B>,
    gradient: Float<B>,
    moments: [Float<B>; 2],
    step: AdamStep,
) -> (Float<B>, [Float<B>; 2]) {
    let AdamStep { learning_rate, beta_1, beta_2, epsilon, weight_decay, time } = step;
    let shape = parameter.shape();
    let gradient = flat::<B>(gradient);
    let [first, second] = moments.map(flat::<B>);
    let first = first.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let second = second.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
    let root = second.clone().div_scalar(1.0 - beta_2.powi(time)).sqrt().add_scalar(epsilon);
    let change = first.clone().mul_scalar(learning_rate / f64::from(1.0 - beta_1.powi(time))) / root;
    let kept = 1.0 - learning_rate * f64::from(weight_decay);
    let parameter = flat::<B>(parameter).mul_scalar(kept) - change;
    let back = |x: Tensor<B, 1>| B::float_reshape(float(x), shape.clone());
    (back(parameter), [back(first), back(second)])
}

/// See [`KernelBackend::cross_entropy`](super::KernelBackend::cross_entropy).
pub fn cross_entropy<B: Backend>(
    logits: Float<B>,
    targets: Float<B>,
    labels: &[usize],
) -> CrossEntropy<Float<B>> {
    let (logits, targets): (Tensor<B, 2>, Tensor<B, 2>) = (tensor(logits), tensor(targets));
    let [n_drawings, _] = logits.dims();
    assert_eq!(labels.len(), n_drawings, "labels of a batch");
    assert_eq!(targets.dims(), logits.dims(), "targets of a batch");
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let labels = Tensor::from_data(TensorData::new(labels, [n_drawings, 1]), &logits.device());
    let n_correct: Tensor<B, 1> = logits.clone().argmax(1).equal(labels).float().sum();
    let log_softmax = activation::log_softmax(logits, 1);
    let loss: Tensor<B, 1> = -(log_softmax.clone() * targets.clone()).sum() / n_drawings as f64;
    let d_logits = (log_softmax.exp() * targets.clone().sum_dim(1) - targets) / n_drawings as f64;
    CrossEntropy { loss: float(loss), d_logits: float(d_logits), n_correct: float(n_correct) }
}

/// See [`KernelBackend::sum_of_squares`](super::KernelBackend::sum_of_squares).
pub fn sum_of_squares<B: Backend>(tensors: Vec<Float<B>>) -> Float<B> {
    let squares = tensors.into_iter().map(|x| flat::<B>(x).square().sum());
    float(squares.reduce(|sum, squares| sum + squares).expect("at least one tensor"))
}

/// See [`KernelBackend::scale`](super::KernelBackend::scale).
pub fn scale<B: Backend>(x: Float<B>, factor: Float<B>) -> Float<B> {
    let shape = x.shape();
    B::float_reshape(float(flat::<B>(x) * tensor::<B, 1>(factor)), shape)
}

/// All values as one dimension.
fn flat<B: Backend>(x: Float<B>) -> Tensor<B, 1> {
    let n = x.shape().num_elements();
    tensor(B::float_reshape(x, [n].into()))
}
