//! The network in int8, one drawing at a time: what a browser runs.
//!
//! In: an ink. Out: the vector before the last layer, and logits. Weights are the int8 weights that
//! a file of [`WeightType::Int8`](crate::weights::WeightType) holds. The inputs of a layer are
//! quantized to about 15 bits, so that the logits differ from those of the same weights in float32
//! in the fourth digit; in WebAssembly with relaxed SIMD the inputs of most layers are quantized to
//! 8 bits, and the logits differ by some hundredths. Gates, cells and pooling are float32.

mod arithmetic;
mod linear;
mod lstm;

use self::arithmetic::{Arithmetic, Inputs};
use self::linear::{Linear, Matrix, Precision, Rows, in_order, relu};
use self::lstm::Direction;
use crate::config::IMAGE_POOLING;
use crate::int8::Quantized;
use crate::model::BATCH_NORM_EPSILON;
use crate::ops::IMAGE_KERNEL;
use crate::ops::host::{image_conv, pool};
use crate::raster::{IMAGE_SIDE, image};
use crate::weights::Reader;
use crate::{Activation, Error, Ink, ModelConfig};

/// A trained network in int8.
#[derive(Debug)]
pub struct QuantizedModel {
    config: ModelConfig,
    convs: Vec<Conv>,
    lstms: Vec<[Direction; 2]>,
    image_convs: Vec<ImageConv>,
    dense: Matrix<arithmetic::Int16>,
}

/// Buffers, reused from one prediction to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The inputs and outputs of a layer, `[T, C]`.
    rows: Vec<f32>,
    output: Vec<f32>,
    int8: QuantizedInputs<u8>,
    int16: QuantizedInputs<i16>,
    /// The scale of each quantized row.
    scales: Vec<f32>,
    lstm: lstm::Workspace,
}

/// The inputs of a layer, quantized.
#[derive(Debug, Default)]
struct QuantizedInputs<I> {
    rows: Vec<I>,
    /// The windows of an image convolution.
    windows: Vec<I>,
}

#[derive(Debug)]
struct Conv {
    norm: Option<Norm>,
    linear: Linear,
    kernel_len: usize,
    stride: usize,
    d_input: usize,
    d_output: usize,
}

/// A convolution of the image branch.
#[derive(Debug)]
struct ImageConv {
    linear: Linear,
    shape: image_conv::Shape,
}

/// Batch normalisation with running statistics: a factor and a shift for each channel.
#[derive(Debug)]
struct Norm {
    factors: Vec<f32>,
    shifts: Vec<f32>,
}

impl QuantizedModel {
    /// Reads the weights of a network and quantizes those that are not int8.
    ///
    /// # Errors
    /// Those of [`weights::load`](crate::weights::load).
    pub fn load(config: &ModelConfig, weights: &[u8]) -> Result<Self, Error> {
        config.validate()?;
        let mut reader = Reader::open(weights)?;
        let mut channels = config.ink.n_columns();
        // Batch normalisation comes between ReLU and the next convolution.
        let after_conv = match config.conv_activation {
            Activation::Relu => Inputs::NonNegative,
            Activation::None => Inputs::Signed,
        };
        let between_convs = if config.batch_norm { Inputs::Signed } else { after_conv };
        let mut convs = Vec::with_capacity(config.num_conv.len());
        for (i, (&d_output, &kernel_len)) in config.num_conv.iter().zip(&config.conv_len).enumerate() {
            let depth = kernel_len * channels;
            let name = |part: &str| format!("convs.{i}.{part}");
            let norm = config.batch_norm.then(|| Norm::load(&mut reader, &name("norm"), channels));
            let weight = reader.quantized(&name("weight"), &[depth, d_output])?;
            let bias = reader.floats(&name("bias"), &[d_output])?;
            // Precision lost in the first layers is lost for all later ones, and these are cheap.
            let precision = if i < 2 { Precision::Fine } else { Precision::Fast(between_convs) };
            convs.push(Conv {
                norm: norm.transpose()?,
                linear: Linear::new(&weight, depth, d_output, &bias, &in_order(d_output), precision),
                kernel_len,
                stride: config.conv_stride.get(i).copied().unwrap_or(1),
                d_input: channels,
                d_output,
            });
            channels = d_output;
        }
        let h = config.num_nodes;
        let mut lstms = Vec::with_capacity(config.num_layers);
        for layer in 0..config.num_layers {
            let d_input = if layer == 0 { channels } else { 2 * h };
            let name = |part: &str| format!("lstms.{layer}.{part}");
            let input = reader.quantized(&name("input"), &[d_input, 8 * h])?;
            let recurrent = reader.quantized(&name("recurrent"), &[2, h, 4 * h])?;
            let bias = reader.floats(&name("bias"), &[8 * h])?;
            let inputs = if layer == 0 && !convs.is_empty() { after_conv } else { Inputs::Signed };
            lstms.push([0, 1].map(|d| Direction::new(d, &input, d_input, &recurrent, &bias, h, inputs)));
        }
        let mut image_convs = Vec::with_capacity(config.image_conv.len());
        let mut side = IMAGE_SIDE;
        for (i, (d_input, d_output, stride)) in config.image_layers().enumerate() {
            let depth = IMAGE_KERNEL * IMAGE_KERNEL * d_input;
            let weight = reader.quantized(&format!("image_convs.{i}.weight"), &[depth, d_output])?;
            let bias = reader.floats(&format!("image_convs.{i}.bias"), &[d_output])?;
            let Norm { factors, shifts } =
                Norm::load(&mut reader, &format!("image_convs.{i}.norm"), d_output)?;
            // Batch normalisation is folded into scales and bias.
            let product = |(value, factor): (&f32, &f32)| value * factor;
            let scales = weight.scales.iter().zip(&factors).map(product).collect();
            let weight = Quantized { scales, ..weight };
            let bias = bias.iter().zip(&factors).map(product).zip(&shifts);
            let bias: Vec<f32> = bias.map(|(bias, shift)| bias + shift).collect();
            let precision = Precision::Fast(Inputs::NonNegative);
            let linear = Linear::new(&weight, depth, d_output, &bias, &in_order(d_output), precision);
            let shape = image_conv::Shape { n_images: 1, side, d_input, d_output, stride };
            side = shape.output_side();
            image_convs.push(ImageConv { linear, shape });
        }
        let (depth, n_classes) = (config.d_embedding(), config.n_classes);
        let weight = reader.quantized("dense.weight", &[depth, n_classes])?;
        let bias = reader.floats("dense.bias", &[n_classes])?;
        reader.finish()?;
        let dense = Matrix::int16(&weight, depth, n_classes, &bias, &in_order(n_classes));
        Ok(Self { config: config.clone(), convs, lstms, image_convs, dense })
    }

    /// The configuration of the network.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The vector before the last layer, of [`ModelConfig::d_embedding`] numbers.
    ///
    /// # Errors
    /// When the ink has another format than the network reads.
    pub fn embedding(&self, ink: &Ink, work: &mut Workspace) -> Result<Vec<f32>, Error> {
        if ink.format() != self.config.ink {
            return Err(Error::WrongInkFormat { found: ink.format(), expected: self.config.ink });
        }
        let mut embedding = Vec::with_capacity(self.config.d_embedding());
        if !self.lstms.is_empty() {
            embedding = self.of_strokes(ink, work);
        }
        if !self.image_convs.is_empty() {
            embedding.extend(self.of_image(ink, work));
        }
        Ok(embedding)
    }

    /// The pooled output of the image branch, `[2N]`.
    fn of_image(&self, ink: &Ink, work: &mut Workspace) -> Vec<f32> {
        work.rows.clear();
        work.rows.extend(image(ink));
        for conv in &self.image_convs {
            conv.forward(work);
        }
        let width = self.config.image_conv.last().copied().unwrap_or(1);
        let n_pixels = work.rows.len() / width;
        pool::forward(&work.rows, &[n_pixels], n_pixels, width, IMAGE_POOLING)
    }

    /// The pooled output of the stroke branch, `[2H]`, or with [`Pooling::MeanMax`](crate::Pooling)
    /// `[4H]`.
    fn of_strokes(&self, ink: &Ink, work: &mut Workspace) -> Vec<f32> {
        work.rows.clear();
        work.rows.extend_from_slice(ink.rows());
        let mut n_rows = ink.n_rows();
        for conv in &self.convs {
            n_rows = conv.forward(n_rows, self.config.conv_activation, work);
        }
        let width = 2 * self.config.num_nodes;
        for directions in &self.lstms {
            let channels = work.rows.len() / n_rows.max(1);
            work.output.resize(n_rows * width, 0.0);
            for (d, direction) in directions.iter().enumerate() {
                let Workspace { rows, int8, int16, scales, lstm, .. } = &mut *work;
                // Both directions read the same inputs.
                let round = d == 0;
                match &direction.input {
                    Linear::Int8(matrix) => {
                        project(matrix, rows, channels, round, &mut int8.rows, scales, &mut lstm.projected)
                    }
                    Linear::Int16(matrix) => {
                        project(matrix, rows, channels, round, &mut int16.rows, scales, &mut lstm.projected)
                    }
                }
                direction.run(d == 1, &mut work.output, width, d * width / 2, &mut work.lstm);
            }
            std::mem::swap(&mut work.rows, &mut work.output);
        }
        pool::forward(&work.rows, &[n_rows], n_rows, width, self.config.pooling)
    }

    /// The logits of an embedding, `[K]`.
    pub fn logits(&self, embedding: &[f32], work: &mut Workspace) -> Vec<f32> {
        let (rounded, scales) = (&mut work.int16.rows, &mut work.scales);
        self.dense.round_rows(embedding, embedding.len(), rounded, scales);
        let mut logits = vec![0.0; self.dense.n_outputs()];
        self.dense.forward(Rows { stride: embedding.len(), values: rounded, scales }, &mut logits);
        logits.truncate(self.config.n_classes);
        logits
    }
}

impl Norm {
    fn load(reader: &mut Reader<'_>, name: &str, channels: usize) -> Result<Self, Error> {
        let mut part = |part: &str| reader.floats(&format!("{name}.{part}"), &[channels]);
        let (gamma, beta) = (part("gamma")?, part("beta")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let factors: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| gamma / (variance + BATCH_NORM_EPSILON as f32).sqrt())
            .collect();
        let shifts = beta.iter().zip(&mean).zip(&factors).map(|((beta, mean), factor)| beta - mean * factor);
        Ok(Self { shifts: shifts.collect(), factors })
    }
}

/// Projects rows of `width` values, quantized first if they are not yet.
fn project<A: Arithmetic>(
    matrix: &Matrix<A>,
    rows: &[f32],
    width: usize,
    round: bool,
    rounded: &mut Vec<A::Input>,
    scales: &mut Vec<f32>,
    projected: &mut Vec<f32>,
) {
    if round {
        matrix.round_rows(rows, width, rounded, scales);
    }
    projected.resize(scales.len() * matrix.n_outputs(), 0.0);
    matrix.forward(Rows { stride: width, values: rounded, scales }, projected);
}

impl ImageConv {
    /// From `work.rows` `[S * S, C]` to `work.rows` `[S' * S', N]`, with ReLU.
    fn forward(&self, work: &mut Workspace) {
        let Workspace { rows, output, int8, int16, scales, .. } = work;
        match &self.linear {
            Linear::Int8(matrix) => self.convolve(matrix, rows, int8, scales, output),
            Linear::Int16(matrix) => self.convolve(matrix, rows, int16, scales, output),
        }
    }

    fn convolve<A: Arithmetic>(
        &self,
        matrix: &Matrix<A>,
        rows: &mut Vec<f32>,
        rounded: &mut QuantizedInputs<A::Input>,
        scales: &mut Vec<f32>,
        output: &mut Vec<f32>,
    ) {
        let image_conv::Shape { side, d_input, d_output, stride, .. } = self.shape;
        let QuantizedInputs { rows: padded, windows } = rounded;
        // One pixel of zeros around the image, so that each row of a window is a slice.
        let padded_len = (side + 2) * d_input;
        padded.clear();
        padded.resize((side + 2) * padded_len, matrix.zero());
        let [factor, scale] = matrix.factor_and_scale(rows);
        for (row, to) in rows.chunks_exact(side * d_input).zip(padded.chunks_exact_mut(padded_len).skip(1)) {
            matrix.round(row, factor, &mut to[d_input..][..row.len()]);
        }
        let (n_windows, d_window) = (self.shape.n_windows(), self.shape.d_window());
        windows.resize((n_windows - 1) * d_window + matrix.row_len(), A::Input::default());
        let output_side = self.shape.output_side();
        let row_len = IMAGE_KERNEL * d_input;
        for (number, window) in windows.chunks_exact_mut(d_window).take(n_windows).enumerate() {
            let first = (number / output_side * (side + 2) + number % output_side) * stride * d_input;
            for (row, to) in window.chunks_exact_mut(row_len).enumerate() {
                to.copy_from_slice(&padded[first + row * padded_len..][..row_len]);
            }
        }
        scales.clear();
        scales.resize(n_windows, scale);
        output.resize(n_windows * matrix.n_outputs(), 0.0);
        matrix.forward(Rows { stride: d_window, values: windows, scales }, output);
        rows.clear();
        for row in output.chunks_exact(matrix.n_outputs()) {
            rows.extend(row[..d_output].iter().map(relu));
        }
    }
}

impl Conv {
    /// From `work.rows` `[T, C]` to `work.rows` `[ceil(T / stride), N]`; gives the number of rows.
    fn forward(&self, n_rows: usize, activation: Activation, work: &mut Workspace) -> usize {
        let Workspace { rows, output, int8, int16, scales, .. } = work;
        if let Some(Norm { factors, shifts }) = &self.norm {
            for row in rows.chunks_exact_mut(self.d_input) {
                for (value, (factor, shift)) in row.iter_mut().zip(factors.iter().zip(shifts)) {
                    *value = *value * factor + shift;
                }
            }
        }
        let n_windows = n_rows.div_ceil(self.stride);
        match &self.linear {
            Linear::Int8(matrix) => {
                self.convolve(matrix, n_windows, activation, rows, &mut int8.rows, scales, output)
            }
            Linear::Int16(matrix) => {
                self.convolve(matrix, n_windows, activation, rows, &mut int16.rows, scales, output)
            }
        }
        n_windows
    }

    #[expect(clippy::too_many_arguments)] // The parts of the workspace, of which only some depend on the arithmetic.
    fn convolve<A: Arithmetic>(
        &self,
        matrix: &Matrix<A>,
        n_windows: usize,
        activation: Activation,
        rows: &mut Vec<f32>,
        padded: &mut Vec<A::Input>,
        scales: &mut Vec<f32>,
        output: &mut Vec<f32>,
    ) {
        // Rows of zeros before and after, so that every window is a slice.
        let stride = self.stride * self.d_input;
        let before = (self.kernel_len - 1) / 2 * self.d_input;
        let [factor, scale] = matrix.factor_and_scale(rows);
        let end = n_windows.saturating_sub(1) * stride + matrix.row_len();
        padded.clear();
        padded.resize(end.max(before + rows.len()), matrix.zero());
        matrix.round(rows, factor, &mut padded[before..][..rows.len()]);
        scales.clear();
        scales.resize(n_windows, scale);
        output.resize(n_windows * matrix.n_outputs(), 0.0);
        matrix.forward(Rows { stride, values: padded, scales }, output);
        rows.clear();
        for row in output.chunks_exact(matrix.n_outputs()) {
            let row = row[..self.d_output].iter();
            match activation {
                Activation::None => rows.extend(row),
                Activation::Relu => rows.extend(row.map(relu)),
            }
        }
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::*;
    use crate::{Drawing, ModelCard};

    /// Drawings of 1 to 8 strokes of 1 to 40 points that a pen could have drawn.
    fn drawings(n: usize) -> impl Iterator<Item = Drawing> {
        let mut state = 1_u32;
        let mut random = move |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        (0..n).map(move |_| {
            let n_strokes = 1 + random(8);
            let stroke = |_| {
                let mut point = [random(256) as f32, random(256) as f32];
                (0..1 + random(40))
                    .map(|_| {
                        point = point.map(|value| (value + random(51) as f32 - 25.0).clamp(0.0, 255.0));
                        point
                    })
                    .collect()
            };
            let strokes = (0..n_strokes).map(stroke).collect();
            Drawing::from_strokes(strokes).unwrap()
        })
    }

    #[test]
    fn the_shipped_model_has_the_same_logits_without_simd() {
        let card = ModelCard::parse(include_bytes!("../../../wasm/model/model.json")).unwrap();
        let weights = include_bytes!("../../../wasm/model/weights.safetensors");
        let [vectors, scalars] = [false, true].map(|is_scalar| {
            let read = || QuantizedModel::load(&card.config, weights).unwrap();
            if is_scalar { arithmetic::scalar::run(read) } else { read() }
        });
        let mut work = Workspace::default();
        let mut logits = |model: &QuantizedModel, ink: &Ink| {
            let embedding = model.embedding(ink, &mut work).unwrap();
            model.logits(&embedding, &mut work)
        };
        for (number, drawing) in drawings(500).enumerate() {
            let ink = card.config.ink_of(&drawing);
            let found = logits(&vectors, &ink);
            let expected = arithmetic::scalar::run(|| logits(&scalars, &ink));
            // Sums of integers are the same; the gates' last bits are not, and then some input of
            // the next step is rounded to the number beside.
            let size = expected.iter().fold(0.0f32, |size, value| size.max(value.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                let difference = (found - expected).abs() / size;
                assert!(difference < 1e-4, "drawing {number}: {found}, expected {expected}");
            }
        }
    }
}
