//! The recurrent network of the TensorFlow tutorial "Recurrent Neural Networks for Drawing Classification"
//! (`train_model.py`), and the refinements of it that recognise better.
//!
//! In: an [`InkBatch`]. Out: logits `[B, K]`. In shape comments B is the number of drawings, T the steps (fewer
//! after a strided convolution), C channels, H the width of an LSTM direction, K the classes.

use burn::module::{Initializer, Module, ModuleVisitor, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::ops::{self, Dropout, Lengths, ModelBackend};
use crate::{Drawing, Error, Ink, InkBatch, InkFormat};

/// Which LSTM the network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellType {
    /// Honours lengths: the backward direction starts at each drawing's own last row. Forget bias 1.
    #[serde(alias = "block_lstm")]
    Lstm,
    /// As the tutorial's cuDNN cell: convolutions and both directions run over the padding, so a drawing's
    /// logits depend on how far its batch is padded. Forget bias 0.
    CudnnLstm,
}

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing, as in the tutorial.
    None,
    /// `max(0, x)`.
    Relu,
}

/// How the steps of a drawing become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The sum over the drawing's steps, as in the tutorial.
    Sum,
    /// The mean and the maximum over the drawing's steps, side by side.
    MeanMax,
}

impl Pooling {
    /// Vectors that lie side by side in the result.
    pub(crate) fn n_parts(self) -> usize {
        match self {
            Self::Sum => 1,
            Self::MeanMax => 2,
        }
    }
}

/// The network's configuration. Names and defaults are the tutorial's; those it does not have default to what
/// it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Number of classes, K.
    pub n_classes: usize,
    /// Number of LSTM layers.
    #[serde(default = "default::num_layers")]
    pub num_layers: usize,
    /// Width of each LSTM direction, H.
    #[serde(default = "default::num_nodes")]
    pub num_nodes: usize,
    /// Output channels of each convolution.
    #[serde(default = "default::num_conv")]
    pub num_conv: Vec<usize>,
    /// Rows that each convolution sees.
    #[serde(default = "default::conv_len")]
    pub conv_len: Vec<usize>,
    /// Rows from one window of each convolution to the next. Absent: 1 everywhere.
    #[serde(default)]
    pub conv_stride: Vec<usize>,
    /// What follows each convolution.
    #[serde(default = "default::conv_activation")]
    pub conv_activation: Activation,
    /// The LSTM cell.
    #[serde(default = "default::cell_type")]
    pub cell_type: CellType,
    /// Batch normalisation before each convolution.
    #[serde(default)]
    pub batch_norm: bool,
    /// Share of values dropped before every convolution but the first, and after every LSTM layer, in training.
    #[serde(default = "default::dropout")]
    pub dropout: f64,
    /// Drop the same channels at every step of a drawing (Gal and Ghahramani, "A Theoretically Grounded Application of
    /// Dropout in Recurrent Neural Networks", 2016) instead of choosing anew for each value.
    #[serde(default)]
    pub variational_dropout: bool,
    /// How steps become one vector.
    #[serde(default = "default::pooling")]
    pub pooling: Pooling,
    /// The rows that the network reads.
    #[serde(default = "default::ink")]
    pub ink: InkFormat,
    /// Whether the last row's `stroke_end` tells that the [pen is down](crate::Drawing::is_pen_down). Absent: it is 1 always, as
    /// for a network that was never told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pen_state: bool,
}

mod default {
    use super::{Activation, CellType, InkFormat, Pooling};

    pub fn num_layers() -> usize {
        3
    }
    pub fn num_nodes() -> usize {
        128
    }
    pub fn num_conv() -> Vec<usize> {
        vec![48, 64, 96]
    }
    pub fn conv_len() -> Vec<usize> {
        vec![5, 5, 3]
    }
    pub fn conv_activation() -> Activation {
        Activation::None
    }
    pub fn cell_type() -> CellType {
        CellType::Lstm
    }
    pub fn dropout() -> f64 {
        0.3
    }
    pub fn pooling() -> Pooling {
        Pooling::Sum
    }
    pub fn ink() -> InkFormat {
        InkFormat::Tutorial
    }
}

/// Larger networks than this are a mistake in a configuration, not a wish.
const MAX_WIDTH: usize = 1 << 14;

/// What batch normalisation adds to the variance: TensorFlow's.
pub const BATCH_NORM_EPSILON: f64 = 1e-3;

impl ModelConfig {
    /// The tutorial's network.
    pub fn tutorial(n_classes: usize) -> Self {
        Self {
            n_classes,
            num_layers: default::num_layers(),
            num_nodes: default::num_nodes(),
            num_conv: default::num_conv(),
            conv_len: default::conv_len(),
            conv_stride: vec![1; 3],
            conv_activation: default::conv_activation(),
            cell_type: default::cell_type(),
            batch_norm: false,
            dropout: default::dropout(),
            variational_dropout: false,
            pooling: default::pooling(),
            ink: default::ink(),
            pen_state: false,
        }
    }

    /// The same road with a strided stem: a quarter of the recurrent steps, which are nearly all of the cost.
    ///
    /// Rectified convolutions can pick out corners and curves, absolute coordinates say where a stroke lies
    /// and keep the aspect ratio, and mean with maximum makes the vector independent of the drawing's length.
    pub fn fast(n_classes: usize) -> Self {
        Self {
            num_layers: 2,
            num_nodes: 144,
            num_conv: vec![64, 96, 128],
            conv_len: vec![5, 5, 5],
            conv_stride: vec![1, 2, 2],
            conv_activation: Activation::Relu,
            dropout: 0.2,
            variational_dropout: true,
            pooling: Pooling::MeanMax,
            ink: InkFormat::Absolute,
            ..Self::tutorial(n_classes)
        }
    }

    /// [`fast`](Self::fast) with half of the recurrent steps instead of a quarter: more accurate in twice the time. For a long
    /// training on strongly varied drawings, which need less dropout.
    pub fn best(n_classes: usize) -> Self {
        Self { conv_stride: vec![1, 2, 1], dropout: 0.1, ..Self::fast(n_classes) }
    }

    /// Checks that the fields make a network.
    ///
    /// # Errors
    /// Names the first field that does not, with what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |field: &'static str, holds: bool, message: String| {
            if holds { Ok(()) } else { Err(Error::InvalidConfig { field, message }) }
        };
        let width = |field: &'static str, value: usize| {
            check(
                field,
                (1..=MAX_WIDTH).contains(&value),
                format!("found {value}, expected 1 to {MAX_WIDTH}"),
            )
        };
        width("n_classes", self.n_classes)?;
        width("num_nodes", self.num_nodes)?;
        check(
            "num_layers",
            (1..=64).contains(&self.num_layers),
            format!("found {}, expected 1 to 64", self.num_layers),
        )?;
        check(
            "num_conv",
            self.num_conv.len() <= 64,
            format!("found {} convolutions, expected at most 64", self.num_conv.len()),
        )?;
        for &channels in &self.num_conv {
            width("num_conv", channels)?;
        }
        check(
            "conv_len",
            self.conv_len.len() == self.num_conv.len(),
            format!(
                "found {} lengths, expected {}, one for each of num_conv",
                self.conv_len.len(),
                self.num_conv.len()
            ),
        )?;
        for &length in &self.conv_len {
            check(
                "conv_len",
                (1..=255).contains(&length),
                format!("found {length}, expected 1 to 255 rows"),
            )?;
        }
        check(
            "conv_stride",
            self.conv_stride.is_empty() || self.conv_stride.len() == self.num_conv.len(),
            format!(
                "found {} strides, expected none or {}, one for each of num_conv",
                self.conv_stride.len(),
                self.num_conv.len()
            ),
        )?;
        for &stride in &self.conv_stride {
            check("conv_stride", (1..=16).contains(&stride), format!("found {stride}, expected 1 to 16"))?;
        }
        check(
            "dropout",
            (0.0..1.0).contains(&self.dropout),
            format!("found {}, expected 0 or more and less than 1", self.dropout),
        )
    }

    /// What the network reads of a drawing in the data set's simplified form.
    pub fn ink_of(&self, drawing: &Drawing) -> Ink {
        let ink = Ink::from_drawing(drawing, self.ink);
        if self.pen_state { ink } else { ink.with_pen_up() }
    }

    /// Numbers of a step that the first LSTM layer reads.
    pub fn d_steps(&self) -> usize {
        self.num_conv.last().copied().unwrap_or(self.ink.n_columns())
    }

    /// Numbers of the vector before the last layer.
    pub fn d_embedding(&self) -> usize {
        self.pooling.n_parts() * 2 * self.num_nodes
    }

    /// Makes the network with fresh weights: Glorot uniform, zero bias, forget bias by [`CellType`].
    ///
    /// # Errors
    /// Those of [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<Model<B>, Error> {
        let model = self.blank(device)?;
        // Burn would draw them when they are first used, and for each copy of the network anew.
        model.visit(&mut DrawWeights);
        Ok(model)
    }

    /// Makes the network whose weights are drawn when they are first used, which for one that is read from a file is never.
    pub(crate) fn blank<B: Backend>(&self, device: &B::Device) -> Result<Model<B>, Error> {
        self.validate()?;
        let mut channels = self.ink.n_columns();
        let mut convs = Vec::with_capacity(self.num_conv.len());
        for (i, (&d_output, &kernel_len)) in self.num_conv.iter().zip(&self.conv_len).enumerate() {
            let stride = self.conv_stride.get(i).copied().unwrap_or(1);
            // TensorFlow's momentum.
            let norm = BatchNormConfig::new(channels).with_epsilon(BATCH_NORM_EPSILON).with_momentum(0.01);
            convs.push(Conv {
                norm: self.batch_norm.then(|| norm.init(device)),
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
                // TensorFlow draws input and recurrent weights of a direction as one kernel [I + H, 4H].
                let initializer = glorot(d_input + h, 4 * h);
                Lstm {
                    input: initializer.init([d_input, 8 * h], device),
                    recurrent: initializer.init([2, h, 4 * h], device),
                    bias: self.forget_bias(device),
                }
            })
            .collect();
        let d_pooled = self.d_embedding();
        Ok(Model {
            convs,
            lstms,
            dense: Dense {
                weight: glorot(d_pooled, self.n_classes).init([d_pooled, self.n_classes], device),
                bias: Initializer::Zeros.init([self.n_classes], device),
            },
            config: self.clone(),
        })
    }

    /// The LSTM's first bias, `[2 * 4H]`. TensorFlow adds 1 to the forget gate at use; it is kept in the bias here.
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

/// Makes each parameter draw its first values now.
struct DrawWeights;

impl<B: Backend> ModuleVisitor<B> for DrawWeights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        param.val();
    }
}

/// Glorot's uniform initialiser for these numbers of inputs and outputs.
fn glorot(fan_in: usize, fan_out: usize) -> Initializer {
    let limit = (6.0 / (fan_in + fan_out) as f64).sqrt();
    Initializer::Uniform { min: -limit, max: limit }
}

/// A convolution along the drawing.
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

/// The last layer.
#[derive(Module, Debug)]
struct Dense<B: Backend> {
    /// `[pooled, K]`
    weight: Param<Tensor<B, 2>>,
    /// `[K]`
    bias: Param<Tensor<B, 1>>,
}

/// The network: convolutions, bidirectional LSTM layers, pooling over time, a dense layer.
#[derive(Module, Debug)]
pub struct Model<B: Backend> {
    convs: Vec<Conv<B>>,
    lstms: Vec<Lstm<B>>,
    dense: Dense<B>,
    #[module(skip)]
    config: ModelConfig,
}

impl<B: Backend> Model<B> {
    /// The configuration that the network was made by.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// This network with the layers of another, without its last one if it was made for other classes.
    ///
    /// # Errors
    /// When `other` has other layers: its configuration may differ only in the classes, in dropout and in the pen's state.
    pub fn with_layers_of(self, other: Self, same_classes: bool) -> Result<Self, Error> {
        let Self { dense, config, .. } = self;
        let ModelConfig { n_classes, dropout, variational_dropout, pen_state, .. } = config;
        let expected =
            ModelConfig { n_classes, dropout, variational_dropout, pen_state, ..other.config.clone() };
        if config != expected {
            let message = format!("expected a network of {config:?}, found {:?}", other.config);
            return Err(Error::InvalidConfig { field: "network", message });
        }
        Ok(Self { dense: if same_classes { other.dense } else { dense }, config, ..other })
    }

    /// This network with `shift` `[K]` added to the logits of every drawing, by way of the last layer's bias.
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
        self.dense.bias = self.dense.bias.map(|bias| {
            let requires_grad = bias.is_require_grad();
            let shift = Tensor::from_floats(shift, &bias.device());
            (bias.detach() + shift).set_require_grad(requires_grad)
        });
        Ok(self)
    }
}

impl<B: ModelBackend> Model<B> {
    /// Runs the network over a batch; gives logits `[B, K]`.
    ///
    /// # Errors
    /// When the batch's ink has another format than the network reads.
    pub fn forward(&self, batch: &InkBatch<B>) -> Result<Tensor<B, 2>, Error> {
        self.logits(batch, None)
    }

    /// As [`forward`](Self::forward), with dropout, in which everything random follows from `seed`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_training(&self, batch: &InkBatch<B>, seed: u64) -> Result<Tensor<B, 2>, Error> {
        self.logits(batch, Some(seed))
    }

    /// The vector of each drawing before the last layer, `[B, 2H]` or with [`Pooling::MeanMax`] `[B, 4H]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn embedding(&self, batch: &InkBatch<B>) -> Result<Tensor<B, 2>, Error> {
        self.pooled(batch, None)
    }

    fn logits(&self, batch: &InkBatch<B>, seed: Option<u64>) -> Result<Tensor<B, 2>, Error> {
        let pooled = self.pooled(batch, seed)?; // [B, 2H] or [B, 4H]
        Ok(pooled.matmul(self.dense.weight.val()) + self.dense.bias.val().unsqueeze()) // [B, K]
    }

    /// Everything before the last layer: one vector a drawing, `[B, 2H]` or with [`Pooling::MeanMax`] `[B, 4H]`.
    fn pooled(&self, batch: &InkBatch<B>, seed: Option<u64>) -> Result<Tensor<B, 2>, Error> {
        if batch.format() != self.config.ink {
            return Err(Error::WrongInkFormat { found: batch.format(), expected: self.config.ink });
        }
        let mut x = batch.rows(); // [B, T, C]
        let mut lengths = batch.lengths().clone();
        // What the layers take for a drawing's length: for the cuDNN cell all of its padded rows.
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

    /// Dropout of `x` `[B, T, C]` before or after a layer, in training alone: where there is a seed.
    fn drop(&self, x: Tensor<B, 3>, seed: Option<u64>, layer: usize) -> Tensor<B, 3> {
        let config = &self.config;
        match seed {
            Some(seed) if config.dropout > 0.0 => {
                // Each layer chooses for itself (the factor is that of SplitMix64).
                let seed = (seed ^ layer as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let same_at_every_step = config.variational_dropout;
                ops::dropout(x, Dropout { probability: config.dropout, seed, same_at_every_step })
            }
            _ => x,
        }
    }
}
