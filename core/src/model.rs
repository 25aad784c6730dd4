//! The recurrent network of the TensorFlow tutorial "Recurrent Neural Networks for Drawing
//! Classification" (`train_model.py`), and refinements of it that are more accurate.
//!
//! In: an [`InkBatch`]. Out: logits `[B, K]`. In shape comments B is the number of drawings, T the
//! time steps (fewer after a strided convolution), C channels, H the width of an LSTM direction, S
//! the pixels along a side of an image, K the classes.

use crate::config::IMAGE_POOLING;
use crate::ops::{self, Dropout, IMAGE_KERNEL, Lengths, ModelBackend};
use crate::{Activation, CellType, Error, Ink, InkBatch, ModelConfig};
use burn::module::{Initializer, Module, ModuleVisitor, Param, RunningState};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation};

/// Momentum of batch normalisation's running statistics: TensorFlow's default before the 1-d
/// convolutions, PyTorch's in the image branch, whose batch statistics are over many more values.
const TENSORFLOW_MOMENTUM: f64 = 0.01;
const IMAGE_MOMENTUM: f64 = 0.1;

/// Epsilon of batch normalisation: TensorFlow's default.
pub const BATCH_NORM_EPSILON: f64 = 1e-3;

impl ModelConfig {
    /// Inks as a batch for the network: with images if it has an image branch.
    ///
    /// # Errors
    /// When there is no ink, the inks differ in format, or images cannot be drawn of that format.
    pub fn batch<B: Backend>(&self, inks: &[Ink], device: &B::Device) -> Result<InkBatch<B>, Error> {
        match self.image_conv.is_empty() {
            true => InkBatch::new(inks, device),
            false => InkBatch::with_images(inks, device),
        }
    }

    /// Initialises the network: Glorot uniform weights, zero biases, the forget bias by
    /// [`CellType`].
    ///
    /// # Errors
    /// Those of [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<Model<B>, Error> {
        let model = self.blank(device)?;
        // Burn would initialise them lazily on first use, and differently for each copy of the
        // network.
        model.visit(&mut InitParams);
        Ok(model)
    }

    /// The network with lazily initialised weights: if they are loaded from a file, they are never
    /// sampled.
    pub(crate) fn blank<B: Backend>(&self, device: &B::Device) -> Result<Model<B>, Error> {
        self.validate()?;
        let mut channels = self.ink.n_columns();
        let mut convs = Vec::with_capacity(self.num_conv.len());
        for (i, (&d_output, &kernel_len)) in self.num_conv.iter().zip(&self.conv_len).enumerate() {
            let stride = self.conv_stride.get(i).copied().unwrap_or(1);
            convs.push(Conv {
                norm: self.batch_norm.then(|| batch_norm(channels, TENSORFLOW_MOMENTUM, device)),
                weight: glorot(kernel_len * channels, kernel_len * d_output)
                    .init([kernel_len * channels, d_output], device),
                bias: Initializer::Zeros.init([d_output], device),
                stride,
            });
            channels = d_output;
        }
        let h = self.num_nodes;
        let lstms = (0..self.num_layers)
            .map(|layer| {
                let d_input = if layer == 0 { channels } else { 2 * h };
                // TensorFlow initialises input and recurrent weights of a direction as one kernel
                // [I + H, 4H].
                let initializer = glorot(d_input + h, 4 * h);
                Lstm {
                    input: initializer.init([d_input, 8 * h], device),
                    recurrent: initializer.init([2, h, 4 * h], device),
                    bias: self.forget_bias(device),
                }
            })
            .collect();
        let image_convs = self
            .image_layers()
            .map(|(d_input, d_output, stride)| {
                let d_window = IMAGE_KERNEL * IMAGE_KERNEL * d_input;
                ImageConv {
                    norm: batch_norm(d_output, IMAGE_MOMENTUM, device),
                    weight: fan_in_uniform(d_window).init([d_window, d_output], device),
                    bias: Initializer::Zeros.init([d_output], device),
                    stride,
                }
            })
            .collect();
        let d_embedding = self.d_embedding();
        Ok(Model {
            convs,
            lstms,
            image_convs,
            dense: Dense {
                weight: glorot(d_embedding, self.n_classes).init([d_embedding, self.n_classes], device),
                bias: Initializer::Zeros.init([self.n_classes], device),
            },
            config: self.clone(),
        })
    }

    /// The LSTM's initial bias, `[2 * 4H]`. TensorFlow adds 1 to the forget gate at use; it is kept
    /// in the bias here.
    fn forget_bias<B: Backend>(&self, device: &B::Device) -> Param<Tensor<B, 1>> {
        let h = self.num_nodes;
        let forget = match self.cell_type {
            CellType::Lstm => 1.0f32,
            CellType::CudnnLstm => 0.0,
        };
        let bias: Vec<f32> = (0..8 * h).map(|k| if (k / h) % 4 == 1 { forget } else { 0.0 }).collect();
        Param::from_data(bias.as_slice(), device)
    }
}

/// Forces each lazy parameter to be initialised now.
struct InitParams;

impl<B: Backend> ModuleVisitor<B> for InitParams {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        param.val();
    }
}

/// Batch normalisation of `channels` channels; `momentum` is the weight of a batch in the running
/// statistics.
fn batch_norm<B: Backend>(channels: usize, momentum: f64, device: &B::Device) -> BatchNorm<B> {
    BatchNormConfig::new(channels).with_epsilon(BATCH_NORM_EPSILON).with_momentum(momentum).init(device)
}

/// The Glorot uniform initialiser.
fn glorot(fan_in: usize, fan_out: usize) -> Initializer {
    let limit = (6.0 / (fan_in + fan_out) as f64).sqrt();
    Initializer::Uniform { min: -limit, max: limit }
}

/// The uniform initialiser with a variance of a third of `1 / fan_in` (LeCun et al., "Efficient
/// BackProp", 1998, and PyTorch's default of convolutions). Weights followed by normalisation learn
/// faster when they start small.
fn fan_in_uniform(fan_in: usize) -> Initializer {
    let limit = 1.0 / (fan_in as f64).sqrt();
    Initializer::Uniform { min: -limit, max: limit }
}

/// A 1-d convolution over time.
#[derive(Module, Debug)]
struct Conv<B: Backend> {
    norm: Option<BatchNorm<B>>,
    /// `[kernel_len * C, N]`
    weight: Param<Tensor<B, 2>>,
    /// `[N]`
    bias: Param<Tensor<B, 1>>,
    stride: usize,
}

/// A bidirectional LSTM layer.
#[derive(Module, Debug)]
struct Lstm<B: Backend> {
    /// `[I, 2 * 4H]`
    input: Param<Tensor<B, 2>>,
    /// `[2, H, 4H]`
    recurrent: Param<Tensor<B, 3>>,
    /// `[2 * 4H]`
    bias: Param<Tensor<B, 1>>,
}

/// A convolution of the image branch.
#[derive(Module, Debug)]
struct ImageConv<B: Backend> {
    norm: BatchNorm<B>,
    /// `[9 * C, N]`
    weight: Param<Tensor<B, 2>>,
    /// `[N]`
    bias: Param<Tensor<B, 1>>,
    stride: usize,
}

impl<B: ModelBackend> ImageConv<B> {
    /// Convolution, batch normalisation and ReLU of `x` `[B, S * S, C]`: with the statistics of the
    /// batch in training, which update the running ones, and with the running statistics otherwise.
    fn forward(&self, x: Tensor<B, 3>, is_training: bool) -> Tensor<B, 3> {
        let Self { norm, weight, bias, stride } = self;
        let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
        if !is_training {
            // Folded into the weights: a factor for each column, and another bias.
            let factors = gamma / (norm.running_var.value() + norm.epsilon).sqrt();
            let bias = (bias.val() - norm.running_mean.value()) * factors.clone() + beta;
            let weight = weight.val() * factors.unsqueeze();
            return activation::relu(ops::image_conv(x, weight, bias, *stride));
        }
        let x = ops::image_conv(x, weight.val(), bias.val(), *stride);
        let (output, statistics) = ops::norm_relu(x, gamma, beta, norm.epsilon as f32);
        for (running, now) in [&norm.running_mean, &norm.running_var].into_iter().zip(statistics) {
            let before = running.value_sync().mul_scalar(1.0 - norm.momentum);
            running.update((before + now.mul_scalar(norm.momentum)).detach());
        }
        output
    }
}

/// The last layer.
#[derive(Module, Debug)]
struct Dense<B: Backend> {
    /// `[pooled, K]`
    weight: Param<Tensor<B, 2>>,
    /// `[K]`
    bias: Param<Tensor<B, 1>>,
}

/// The network: convolutions, bidirectional LSTM layers, pooling over time, an optional image
/// branch, a dense layer over both.
#[derive(Module, Debug)]
pub struct Model<B: Backend> {
    convs: Vec<Conv<B>>,
    lstms: Vec<Lstm<B>>,
    image_convs: Vec<ImageConv<B>>,
    dense: Dense<B>,
    #[module(skip)]
    config: ModelConfig,
}

impl<B: Backend> Model<B> {
    /// The network's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// This network with its branches replaced by those of `others`, whose further branches are
    /// ignored. If they have the `same_classes`, its last layer outputs the mean of their logits,
    /// with zero weights for a branch that none of them has; otherwise it stays.
    ///
    /// # Errors
    /// When another network has no branch of this one, or one with other layers (see
    /// [`ModelConfig`]; classes, dropout and the pen's state may differ), or two of them have the
    /// same branch.
    pub fn with_branches_of(mut self, others: Vec<Self>, same_classes: bool) -> Result<Self, Error> {
        let n_others = others.len() as f64;
        let [mut strokes, mut image, mut bias] = [const { Vec::new() }; 3];
        for Self { convs, lstms, image_convs, dense, config } in others {
            self.config.check_branches_of(&config)?;
            let weight = dense.weight.val().detach().mul_scalar(1.0 / n_others); // [E, K]
            bias.push(dense.bias.val().detach().mul_scalar(1.0 / n_others).unsqueeze::<2>());
            let d_strokes = config.d_pooled();
            let [takes_strokes, takes_image] = self.config.shared_branches(&config);
            if takes_strokes {
                (self.convs, self.lstms) = (convs, lstms);
                strokes.push(weight.clone().narrow(0, 0, d_strokes));
            }
            if takes_image {
                self.image_convs = image_convs;
                image.push(weight.narrow(0, d_strokes, config.d_embedding() - d_strokes));
            }
        }
        if strokes.len() > 1 || image.len() > 1 {
            let message = "two networks have the same branch; expected each branch of one of them".to_owned();
            return Err(Error::InvalidConfig { field: "network", message });
        }
        if same_classes && !bias.is_empty() {
            let Self { dense, config, .. } = &mut self;
            let d_strokes = config.d_pooled();
            let zeros =
                |height: usize| Tensor::<B, 2>::zeros([height, config.n_classes], &dense.bias.device());
            let heights = [d_strokes, config.d_embedding() - d_strokes];
            let rows = [strokes, image].into_iter().zip(heights).filter(|(_, height)| *height > 0);
            let rows = rows.map(|(mut rows, height)| rows.pop().unwrap_or_else(|| zeros(height))).collect();
            dense.weight = with_values(&dense.weight, Tensor::cat(rows, 0));
            dense.bias = with_values(&dense.bias, Tensor::cat(bias, 0).sum_dim(0).squeeze_dim(0));
        }
        Ok(self)
    }

    /// This network with `shift` `[K]` added to the logits of every drawing, through the last
    /// layer's bias.
    ///
    /// # Errors
    /// When `shift` does not have a number for each class.
    pub fn with_shifted_logits(mut self, shift: &[f32]) -> Result<Self, Error> {
        let n_classes = self.config.n_classes;
        if shift.len() != n_classes {
            let message =
                format!("found {} numbers, expected one for each of {n_classes} classes", shift.len());
            return Err(Error::InvalidConfig { field: "shift", message });
        }
        let bias = self.dense.bias.val().detach();
        let shift = Tensor::from_floats(shift, &bias.device());
        self.dense.bias = with_values(&self.dense.bias, bias + shift);
        Ok(self)
    }
}

/// A parameter with other values.
fn with_values<B: Backend, const D: usize>(
    param: &Param<Tensor<B, D>>,
    values: Tensor<B, D>,
) -> Param<Tensor<B, D>> {
    param.clone().map(|before| values.detach().set_require_grad(before.is_require_grad()))
}

impl<B: Backend> Model<B> {
    fn norms(&self) -> impl Iterator<Item = &BatchNorm<B>> {
        let of_strokes = self.convs.iter().filter_map(|conv| conv.norm.as_ref());
        of_strokes.chain(self.image_convs.iter().map(|conv| &conv.norm))
    }

    /// This network with running statistics of its own, which are zero, so that those after a
    /// forward pass in training are the part that its batch adds to them
    /// ([`add_statistics`](Self::add_statistics)). A clone shares them with the network that it was
    /// made of, and several threads must not update them at once.
    pub fn with_zero_statistics(mut self) -> Self {
        let of_strokes = self.convs.iter_mut().filter_map(|conv| conv.norm.as_mut());
        for norm in of_strokes.chain(self.image_convs.iter_mut().map(|conv| &mut conv.norm)) {
            for running in [&mut norm.running_mean, &mut norm.running_var] {
                *running = RunningState::new(running.value_sync().zeros_like());
            }
        }
        self
    }

    /// The running statistics of batch normalisation, layer by layer: mean and variance, `[C]` each.
    pub fn statistics(&self) -> Vec<Tensor<B, 1>> {
        self.norms()
            .flat_map(|norm| [norm.running_mean.value_sync(), norm.running_var.value_sync()])
            .collect()
    }

    /// Moves the running statistics by a batch, whose part [`statistics`](Self::statistics) has
    /// after a forward pass in training that began [with zeros](Self::with_zero_statistics).
    ///
    /// # Panics
    /// If `parts` are fewer than [`statistics`](Self::statistics) gives.
    pub fn add_statistics(&self, parts: Vec<Tensor<B, 1>>) {
        let mut parts = parts.into_iter();
        for norm in self.norms() {
            for running in [&norm.running_mean, &norm.running_var] {
                let part = parts.next().expect("mean and variance of each layer");
                running.update(running.value_sync().mul_scalar(1.0 - norm.momentum) + part);
            }
        }
    }
}

impl<B: ModelBackend> Model<B> {
    /// Runs the network over a batch; returns logits `[B, K]`.
    ///
    /// # Errors
    /// When the batch's ink has another format than the network reads.
    pub fn forward(&self, batch: &InkBatch<B>) -> Result<Tensor<B, 2>, Error> {
        self.logits(batch, None)
    }

    /// As [`forward`](Self::forward), in training mode; `seed` determines the dropout masks.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_training(&self, batch: &InkBatch<B>, seed: u64) -> Result<Tensor<B, 2>, Error> {
        self.logits(batch, Some(seed))
    }

    /// The vector of each drawing before the last layer, `[B, E]`: [`ModelConfig::d_embedding`]
    /// numbers.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn embedding(&self, batch: &InkBatch<B>) -> Result<Tensor<B, 2>, Error> {
        self.embed(batch, None)
    }

    fn logits(&self, batch: &InkBatch<B>, seed: Option<u64>) -> Result<Tensor<B, 2>, Error> {
        Ok(self.logits_of(self.embed(batch, seed)?))
    }

    /// The last layer: embeddings `[B, E]` to logits `[B, K]`.
    pub(crate) fn logits_of(&self, embedding: Tensor<B, 2>) -> Tensor<B, 2> {
        embedding.matmul(self.dense.weight.val()) + self.dense.bias.val().unsqueeze()
    }

    /// Everything before the last layer: one vector per drawing, `[B, E]`.
    fn embed(&self, batch: &InkBatch<B>, seed: Option<u64>) -> Result<Tensor<B, 2>, Error> {
        if self.image_convs.is_empty() {
            return self.pooled(batch, seed); // [B, 2H] or [B, 4H]
        }
        let mut x = batch.images().ok_or(Error::MissingImages)?; // [B, S * S, 1]
        for conv in &self.image_convs {
            x = conv.forward(x, seed.is_some()); // [B, S * S, N]
        }
        let [n_images, n_pixels, _] = x.dims();
        let image = ops::pool(x, IMAGE_POOLING, &Lengths::new(vec![n_pixels; n_images])); // [B, 2N]
        match self.lstms.is_empty() {
            true => Ok(image),
            false => Ok(Tensor::cat(vec![self.pooled(batch, seed)?, image], 1)),
        }
    }

    /// The stroke branch: one vector per drawing, `[B, 2H]` or with [`Pooling::MeanMax`] `[B, 4H]`.
    fn pooled(&self, batch: &InkBatch<B>, seed: Option<u64>) -> Result<Tensor<B, 2>, Error> {
        if batch.format() != self.config.ink {
            return Err(Error::WrongInkFormat { found: batch.format(), expected: self.config.ink });
        }
        let mut x = batch.rows(); // [B, T, C]
        let mut lengths = batch.lengths().clone();
        // The lengths that the layers see: for the cuDNN cell all padded time steps.
        let mut seen = match self.config.cell_type {
            CellType::Lstm => lengths.clone(),
            CellType::CudnnLstm => Lengths::new(vec![x.dims()[1]; x.dims()[0]]),
        };
        for (i, conv) in self.convs.iter().enumerate() {
            if let Some(norm) = &conv.norm {
                x = norm.forward(x.swap_dims(1, 2)).swap_dims(1, 2);
            }
            if i > 0 {
                x = self.drop(x, seed, i);
            }
            x = ops::conv(x, conv.weight.val(), conv.bias.val(), conv.stride, &seen); // [B, T, N]
            if self.config.conv_activation == Activation::Relu {
                x = activation::relu(x);
            }
            seen = seen.strided(conv.stride);
            lengths = lengths.strided(conv.stride);
        }
        for (i, lstm) in self.lstms.iter().enumerate() {
            let Lstm { input, recurrent, bias } = lstm;
            x = ops::lstm(x, input.val(), recurrent.val(), bias.val(), &seen); // [B, T, 2H]
            x = self.drop(x, seed, self.convs.len() + i);
        }
        Ok(ops::pool(x, self.config.pooling, &lengths)) // [B, 2H] or [B, 4H]
    }

    /// Dropout of `x` `[B, T, C]` before or after a layer, in training only: where there is a seed.
    fn drop(&self, x: Tensor<B, 3>, seed: Option<u64>, layer: usize) -> Tensor<B, 3> {
        let config = &self.config;
        match seed {
            Some(seed) if config.dropout > 0.0 => {
                // Each layer has its own seed (the factor is that of SplitMix64).
                let seed = (seed ^ layer as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let same_at_every_step = config.variational_dropout;
                ops::dropout(x, Dropout { probability: config.dropout, seed, same_at_every_step })
            }
            _ => x,
        }
    }
}
