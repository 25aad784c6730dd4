//! Inks in, one padded tensor with lengths out.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::ops::{Lengths, from_values};
use crate::{Error, Ink, InkFormat};

/// Inks of different lengths as one tensor.
#[derive(Clone, Debug)]
pub struct InkBatch<B: Backend> {
    rows: Tensor<B, 3>,
    lengths: Lengths,
    format: InkFormat,
}

impl<B: Backend> InkBatch<B> {
    /// Puts inks of one format into a batch, padded with zeros to the longest (and to one row at least).
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
        Ok(Self { rows, lengths: Lengths::new(lengths), format })
    }

    /// The rows, `[B, T, C]`, zero past each ink's length.
    pub fn rows(&self) -> Tensor<B, 3> {
        self.rows.clone()
    }

    /// Number of rows of each ink.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// The inks' format, which fixes C.
    pub fn format(&self) -> InkFormat {
        self.format
    }

    /// Number of inks, B.
    pub fn n_inks(&self) -> usize {
        self.lengths.as_slice().len()
    }
}
