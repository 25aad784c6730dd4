//! The configuration of the network: sizes, presets and validation.

use serde::{Deserialize, Serialize};

use crate::drawing::Drawing;
use crate::error::Error;
use crate::ink::Ink;
use crate::ink_format::InkFormat;

/// Which LSTM the network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellType {
    /// Respects lengths: the backward direction starts at each drawing's own last time step. Forget
    /// bias 1.
    #[serde(alias = "block_lstm")]
    Lstm,
    /// As the tutorial's cuDNN cell: convolutions and both directions run over the padding, so a
    /// drawing's logits depend on how far its batch is padded. Forget bias 0.
    CudnnLstm,
}

/// The activation after a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing, as in the tutorial.
    None,
    /// `max(0, x)`.
    Relu,
}

/// How the time steps of a drawing are pooled into one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The sum over the drawing's time steps, as in the tutorial.
    Sum,
    /// The mean and the maximum over the drawing's time steps, concatenated.
    MeanMax,
}

impl Pooling {
    /// Number of vectors that are concatenated.
    pub(crate) fn n_parts(self) -> usize {
        match self {
            Self::Sum => 1,
            Self::MeanMax => 2,
        }
    }
}

/// The network's configuration. Names and defaults are the tutorial's; fields it lacks default to
/// its behaviour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Number of classes, K.
    pub n_classes: usize,
    /// Number of LSTM layers; 0 for a network that has only the image branch.
    #[serde(default = "default::num_layers")]
    pub num_layers: usize,
    /// Width of each LSTM direction, H.
    #[serde(default = "default::num_nodes")]
    pub num_nodes: usize,
    /// Output channels of each convolution.
    #[serde(default = "default::num_conv")]
    pub num_conv: Vec<usize>,
    /// Kernel size of each convolution, in time steps.
    #[serde(default = "default::conv_len")]
    pub conv_len: Vec<usize>,
    /// Stride of each convolution. Absent: 1 everywhere.
    #[serde(default)]
    pub conv_stride: Vec<usize>,
    /// The activation after each convolution.
    #[serde(default = "default::conv_activation")]
    pub conv_activation: Activation,
    /// The LSTM cell.
    #[serde(default = "default::cell_type")]
    pub cell_type: CellType,
    /// Batch normalisation before each convolution. In training its statistics count the padding of
    /// a batch too, as the tutorial's do.
    #[serde(default)]
    pub batch_norm: bool,
    /// Dropout rate in training: before every 1-d convolution but the first, and after every LSTM
    /// layer.
    #[serde(default = "default::dropout")]
    pub dropout: f64,
    /// Use one dropout mask for all time steps of a drawing (Gal and Ghahramani, "A Theoretically
    /// Grounded Application of Dropout in Recurrent Neural Networks", 2016) instead of an
    /// independent one for each value.
    #[serde(default)]
    pub variational_dropout: bool,
    /// Pooling over time.
    #[serde(default = "default::pooling")]
    pub pooling: Pooling,
    /// The ink format that the network reads.
    #[serde(default = "default::ink")]
    pub ink: InkFormat,
    /// Whether the last `stroke_end` encodes that the [pen is down](crate::Drawing::is_pen_down).
    /// Absent: it is always 1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pen_state: bool,
    /// Output channels of each convolution of the image branch, which reads the drawing as an image
    /// of 28 x 28 pixels beside the LSTM: kernels of 3 x 3 pixels, batch normalisation and ReLU
    /// after each, then mean and maximum over all pixels. Empty: no such branch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_conv: Vec<usize>,
    /// Stride of each of these convolutions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_stride: Vec<usize>,
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

/// Pooling over the pixels of the image branch.
pub(crate) const IMAGE_POOLING: Pooling = Pooling::MeanMax;

/// Upper bound of a width: anything larger is taken for a mistake in the configuration.
const MAX_WIDTH: usize = 1 << 14;

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
            image_conv: vec![],
            image_stride: vec![],
        }
    }

    /// The tutorial's architecture with a strided stem: a quarter of the recurrent steps, which are
    /// nearly all of the cost. Convolutions with ReLU can pick out corners and curves, absolute
    /// coordinates say where a stroke lies and keep the aspect ratio, and mean with maximum makes
    /// the vector independent of the drawing's length.
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

    /// [`fast`](Self::fast) with half of the recurrent steps instead of a quarter: more accurate in
    /// twice the time. For long training runs with strong augmentation, which need less dropout.
    pub fn best(n_classes: usize) -> Self {
        Self { conv_stride: vec![1, 2, 1], dropout: 0.1, ..Self::fast(n_classes) }
    }

    /// Validates the fields.
    ///
    /// # Errors
    /// Names the first invalid field, with what was expected.
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
        let has_image_branch = !self.image_conv.is_empty();
        check(
            "num_layers",
            (usize::from(!has_image_branch)..=64).contains(&self.num_layers),
            format!(
                "found {}, expected 1 to 64, or 0 for a network with an image branch alone",
                self.num_layers
            ),
        )?;
        check(
            "num_conv",
            self.num_layers > 0 || self.num_conv.is_empty(),
            format!("found {} convolutions before no LSTM layer, expected none", self.num_conv.len()),
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
        )?;
        check(
            "image_conv",
            self.image_conv.len() <= 64,
            format!("found {} convolutions, expected at most 64", self.image_conv.len()),
        )?;
        for &channels in &self.image_conv {
            width("image_conv", channels)?;
        }
        check(
            "image_conv",
            !has_image_branch || self.ink == InkFormat::Absolute,
            format!("found a branch for images and ink {}, expected ink absolute", self.ink),
        )?;
        check(
            "image_stride",
            self.image_stride.len() == self.image_conv.len(),
            format!(
                "found {} strides, expected {}, one for each of image_conv",
                self.image_stride.len(),
                self.image_conv.len()
            ),
        )?;
        for &stride in &self.image_stride {
            check("image_stride", (1..=4).contains(&stride), format!("found {stride}, expected 1 to 4"))?;
        }
        Ok(())
    }

    /// The convolutions of the image branch: input channels, output channels and stride of each.
    pub(crate) fn image_layers(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let inputs = std::iter::once(&1).chain(&self.image_conv);
        let outputs = self.image_conv.iter().zip(&self.image_stride);
        inputs.zip(outputs).map(|(&d_input, (&d_output, &stride))| (d_input, d_output, stride))
    }

    /// The ink that the network reads, of a drawing in the data set's simplified format.
    pub fn ink_of(&self, drawing: &Drawing) -> Ink {
        let ink = Ink::from_drawing(drawing, self.ink);
        if self.pen_state { ink } else { ink.with_pen_up() }
    }

    /// Input width of the first LSTM layer.
    pub fn d_steps(&self) -> usize {
        self.num_conv.last().copied().unwrap_or(self.ink.n_columns())
    }

    /// Width of the embedding, the input of the last layer: stroke features, then image features.
    pub fn d_embedding(&self) -> usize {
        let d_image = self.image_conv.last().copied().unwrap_or(0);
        self.d_pooled() + IMAGE_POOLING.n_parts() * d_image
    }

    /// Width of the pooled LSTM output.
    pub(crate) fn d_pooled(&self) -> usize {
        if self.num_layers == 0 { 0 } else { self.pooling.n_parts() * 2 * self.num_nodes }
    }

    /// Whether both networks have a stroke branch, and whether both have an image branch.
    pub(crate) fn shared_branches(&self, other: &Self) -> [bool; 2] {
        let have = |has: fn(&Self) -> bool| has(self) && has(other);
        [have(|config| config.num_layers > 0), have(|config| !config.image_conv.is_empty())]
    }

    /// Checks that the branches that both networks have are configured alike. Classes, dropout and
    /// `pen_state` may differ.
    pub(crate) fn check_branches_of(&self, other: &Self) -> Result<(), Error> {
        let mut expected = Self {
            n_classes: other.n_classes,
            dropout: other.dropout,
            variational_dropout: other.variational_dropout,
            pen_state: other.pen_state,
            ..self.clone()
        };
        let [share_strokes, share_image] = self.shared_branches(other);
        if !share_image {
            (expected.image_conv, expected.image_stride) =
                (other.image_conv.clone(), other.image_stride.clone());
        }
        if !share_strokes {
            let Self { image_conv, image_stride, .. } = expected;
            expected = Self { image_conv, image_stride, ..other.clone() };
        }
        if *other == expected && (share_strokes || share_image) {
            return Ok(());
        }
        let message = format!("expected a network of {expected:?}, found {other:?}");
        Err(Error::InvalidConfig { field: "network", message })
    }
}
