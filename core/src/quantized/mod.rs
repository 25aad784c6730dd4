//! The network on whole numbers, one drawing at a time: what a browser runs.
//!
//! In: an ink. Out: the vector before the last layer, and logits. Weights are the 8-bit numbers that a file of
//! [`WeightType::Int8`](crate::weights::WeightType) holds; what they are multiplied by is rounded to about 15 bits, so that
//! the logits are those of the same weights in float32 but for some units in the fourth digit. Gates, cells and pooling
//! are float32.

mod linear;
mod lstm;

use self::linear::{Linear, Rows, factor_and_scale, in_order, rectified, round, round_rows};
use self::lstm::Direction;
use crate::int8::Quantized;
use crate::model::{BATCH_NORM_EPSILON, IMAGE_POOLING};
use crate::ops::IMAGE_KERNEL;
use crate::ops::host::{image_conv, pool};
use crate::raster::{IMAGE_SIDE, image};
use crate::weights::Reader;
use crate::{Activation, Error, Ink, ModelConfig};

/// A trained network in 8 bits.
#[derive(Debug)]
pub struct QuantizedModel {
    config: ModelConfig,
    convs: Vec<Conv>,
    lstms: Vec<[Direction; 2]>,
    image_convs: Vec<ImageConv>,
    dense: Linear,
}

/// Memory that one guess leaves for the next.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The rows of a layer, rounded.
    rounded: Vec<i16>,
    /// The rows before and after a layer, `[T, C]`.
    rows: Vec<f32>,
    output: Vec<f32>,
    /// The windows of an image convolution.
    windows: Vec<i16>,
    lstm: lstm::Workspace,
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

/// Batch normalisation of trained statistics: a factor and a shift for each channel.
#[derive(Debug)]
struct Norm {
    factors: Vec<f32>,
    shifts: Vec<f32>,
}

impl QuantizedModel {
    /// Reads the weights of a network; those that are not in 8 bits are rounded.
    ///
    /// # Errors
    /// Those of [`weights::load`](crate::weights::load).
    pub fn load(config: &ModelConfig, weights: &[u8]) -> Result<Self, Error> {
        config.validate()?;
        let mut reader = Reader::open(weights)?;
        let mut channels = config.ink.n_columns();
        let mut convs = Vec::with_capacity(config.num_conv.len());
        for (i, (&d_output, &kernel_len)) in config.num_conv.iter().zip(&config.conv_len).enumerate() {
            let depth = kernel_len * channels;
            let name = |part: &str| format!("convs.{i}.{part}");
            let norm = config.batch_norm.then(|| Norm::load(&mut reader, &name("norm"), channels));
            let weight = reader.quantized(&name("weight"), &[depth, d_output])?;
            let bias = reader.floats(&name("bias"), &[d_output])?;
            convs.push(Conv {
                norm: norm.transpose()?,
                linear: Linear::new(&weight, depth, d_output, &bias, &in_order(d_output)),
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
            lstms.push([0, 1].map(|d| Direction::new(d, &input, d_input, &recurrent, &bias, h)));
        }
        let mut image_convs = Vec::with_capacity(config.image_conv.len());
        let mut side = IMAGE_SIDE;
        for (i, (d_input, d_output, stride)) in config.image_layers().enumerate() {
            let depth = IMAGE_KERNEL * IMAGE_KERNEL * d_input;
            let weight = reader.quantized(&format!("image_convs.{i}.weight"), &[depth, d_output])?;
            let bias = reader.floats(&format!("image_convs.{i}.bias"), &[d_output])?;
            let Norm { factors, shifts } =
                Norm::load(&mut reader, &format!("image_convs.{i}.norm"), d_output)?;
            // What normalises a column of sums multiplies its scale.
            let product = |(value, factor): (&f32, &f32)| value * factor;
            let scales = weight.scales.iter().zip(&factors).map(product).collect();
            let weight = Quantized { scales, ..weight };
            let bias = bias.iter().zip(&factors).map(product).zip(&shifts);
            let bias: Vec<f32> = bias.map(|(bias, shift)| bias + shift).collect();
            let linear = Linear::new(&weight, depth, d_output, &bias, &in_order(d_output));
            let shape = image_conv::Shape { n_images: 1, side, d_input, d_output, stride };
            side = shape.output_side();
            image_convs.push(ImageConv { linear, shape });
        }
        let (depth, n_classes) = (config.d_embedding(), config.n_classes);
        let weight = reader.quantized("dense.weight", &[depth, n_classes])?;
        let bias = reader.floats("dense.bias", &[n_classes])?;
        reader.finish()?;
        let dense = Linear::new(&weight, depth, n_classes, &bias, &in_order(n_classes));
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

    /// What the image branch makes of an ink: `[2N]`.
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

    /// What the LSTM makes of an ink: `[2H]`, or with [`Pooling::MeanMax`](crate::Pooling) `[4H]`.
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
            work.rounded.clear();
            let largest = directions[0].largest().min(directions[1].largest());
            let scale = round_rows(&work.rows, largest, &mut work.rounded);
            // An odd last row is read with one number more.
            work.rounded.push(0);
            work.output.resize(n_rows * width, 0.0);
            for (d, direction) in directions.iter().enumerate() {
                let rows = Rows { stride: channels, n_rows, values: &work.rounded, scale };
                let (output, column) = (&mut work.output, d * width / 2);
                direction.run(rows, d == 1, output, width, column, &mut work.lstm);
            }
            std::mem::swap(&mut work.rows, &mut work.output);
        }
        pool::forward(&work.rows, &[n_rows], n_rows, width, self.config.pooling)
    }

    /// The logits of an embedding, `[K]`.
    pub fn logits(&self, embedding: &[f32], work: &mut Workspace) -> Vec<f32> {
        work.rounded.clear();
        let scale = round_rows(embedding, self.dense.largest(), &mut work.rounded);
        work.rounded.push(0);
        let rows = Rows { stride: embedding.len(), n_rows: 1, values: &work.rounded, scale };
        let mut logits = vec![0.0; self.dense.n_places()];
        self.dense.forward(rows, &mut logits);
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

impl ImageConv {
    /// From `work.rows` `[S * S, C]` to `work.rows` `[S' * S', N]`, rectified.
    fn forward(&self, work: &mut Workspace) {
        let Workspace { rounded, rows, output, windows, .. } = work;
        let image_conv::Shape { side, d_input, stride, .. } = self.shape;
        // One pixel of zeros around the image, so that each row of a window is a slice.
        let padded = (side + 2) * d_input;
        rounded.clear();
        rounded.resize((side + 2) * padded, 0);
        let [factor, scale] = factor_and_scale(rows, self.linear.largest());
        for (row, to) in rows.chunks_exact(side * d_input).zip(rounded.chunks_exact_mut(padded).skip(1)) {
            round(row, factor, &mut to[d_input..][..row.len()]);
        }
        let (n_windows, d_window) = (self.shape.n_windows(), self.shape.d_window());
        // An odd last window is read with one number more.
        windows.resize(n_windows * d_window + 1, 0);
        let output_side = self.shape.output_side();
        let row_len = IMAGE_KERNEL * d_input;
        for (number, window) in windows.chunks_exact_mut(d_window).take(n_windows).enumerate() {
            let first = (number / output_side * (side + 2) + number % output_side) * stride * d_input;
            for (row, to) in window.chunks_exact_mut(row_len).enumerate() {
                to.copy_from_slice(&rounded[first + row * padded..][..row_len]);
            }
        }
        let places = self.linear.n_places();
        output.resize(n_windows * places, 0.0);
        let stride = self.shape.d_window();
        self.linear.forward(Rows { stride, n_rows: n_windows, values: windows, scale }, output);
        rows.clear();
        for row in output.chunks_exact(places) {
            rows.extend(row[..self.shape.d_output].iter().map(rectified));
        }
    }
}

impl Conv {
    /// From `work.rows` `[T, C]` to `work.rows` `[ceil(T / stride), N]`; gives the number of rows.
    fn forward(&self, n_rows: usize, activation: Activation, work: &mut Workspace) -> usize {
        let Workspace { rounded, rows, output, .. } = work;
        let channels = self.d_input;
        if let Some(Norm { factors, shifts }) = &self.norm {
            for row in rows.chunks_exact_mut(channels) {
                for (value, (factor, shift)) in row.iter_mut().zip(factors.iter().zip(shifts)) {
                    *value = *value * factor + shift;
                }
            }
        }
        // Rows of zeros before and after, so that every window is a slice.
        let n_windows = n_rows.div_ceil(self.stride);
        let before = (self.kernel_len - 1) / 2;
        rounded.clear();
        rounded.resize(before * channels, 0);
        let scale = round_rows(rows, self.linear.largest(), rounded);
        let end = n_windows.saturating_sub(1) * self.stride + self.kernel_len;
        // An odd last window is read with one number more.
        rounded.resize(rounded.len().max(end * channels) + 1, 0);
        let places = self.linear.n_places();
        output.resize(n_windows * places, 0.0);
        let stride = self.stride * channels;
        self.linear.forward(Rows { stride, n_rows: n_windows, values: rounded, scale }, output);
        rows.clear();
        for row in output.chunks_exact(places) {
            let row = row[..self.d_output].iter();
            match activation {
                Activation::None => rows.extend(row),
                Activation::Relu => rows.extend(row.map(rectified)),
            }
        }
        n_windows
    }
}
