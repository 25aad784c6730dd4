//! Inks in, one padded tensor with lengths out, and images for a network with an image branch.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::ops::{Lengths, from_values};
use crate::raster::{IMAGE_SIDE, image};
use crate::{Error, Ink, InkFormat};

/// Inks of different lengths as one tensor.
#[derive(Clone, Debug)]
pub struct InkBatch<B: Backend> {
    rows: Tensor<B, 3>,
    lengths: Lengths,
    format: InkFormat,
    images: Option<Tensor<B, 3>>,
}

impl<B: Backend> InkBatch<B> {
    /// Puts inks of one format into a batch, padded with zeros to the longest (and to at least one
    /// time step).
    ///
    /// # Errors
    /// When there is no ink, or the inks differ in format.
    pub fn new(inks: &[Ink], device: &B::Device) -> Result<Self, Error> {
        let format = inks.first().ok_or(Error::EmptyBatch)?.format();
        if let Some(index) = inks.iter().position(|ink| ink.format() != format) {
            let found = inks[index].format();
            return Err(Error::MixedInkFormats { index, found, expected: format });
        }
        let lengths: Vec<usize> = inks.iter().map(Ink::n_rows).collect();
        let n_steps = lengths.iter().copied().max().unwrap_or(0).max(1);
        let n_columns = format.n_columns();
        let mut rows = vec![0.0; inks.len() * n_steps * n_columns];
        for (padded, ink) in rows.chunks_exact_mut(n_steps * n_columns).zip(inks) {
            padded[..ink.rows().len()].copy_from_slice(ink.rows());
        }
        let rows = from_values(rows, [inks.len(), n_steps, n_columns], device);
        Ok(Self { rows, lengths: Lengths::new(lengths), format, images: None })
    }

    /// The same with the inks' images, for a network with an image branch.
    ///
    /// # Errors
    /// As [`new`](Self::new); also when the inks lack the absolute coordinates from which images
    /// are drawn.
    pub fn with_images(inks: &[Ink], device: &B::Device) -> Result<Self, Error> {
        let batch = Self::new(inks, device)?;
        if batch.format != InkFormat::Absolute {
            return Err(Error::WrongInkFormat { found: batch.format, expected: InkFormat::Absolute });
        }
        let pixels: Vec<f32> = inks.iter().flat_map(image).collect();
        let images = from_values(pixels, [inks.len(), IMAGE_SIDE * IMAGE_SIDE, 1], device);
        Ok(Self { images: Some(images), ..batch })
    }

    /// The time steps, `[B, T, C]`, zero past each ink's length.
    pub fn rows(&self) -> Tensor<B, 3> {
        self.rows.clone()
    }

    /// Number of time steps of each ink.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// The inks' format, which determines C.
    pub fn format(&self) -> InkFormat {
        self.format
    }

    /// The images, `[B, S * S, 1]` where S is [`IMAGE_SIDE`], 0 for paper and 1 for ink; `None` if
    /// the batch has no images.
    pub fn images(&self) -> Option<Tensor<B, 3>> {
        self.images.clone()
    }

    /// Number of inks, B.
    pub fn n_inks(&self) -> usize {
        self.lengths.as_slice().len()
    }
}
