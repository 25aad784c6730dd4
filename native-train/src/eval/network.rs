//! A network in float32 or int8: drawings in, log-probabilities out.

use anyhow::{Result, ensure};
use quickdraw_core::{Drawing, Ink, Model, ModelBackend, ModelConfig, QuantizedModel, Workspace};
use rayon::prelude::*;

use crate::data::DataSet;

/// Batch size.
pub(super) const BATCH_SIZE: usize = 128;

/// A network in float32 or int8.
#[derive(Debug)]
pub enum Network<'a, B: ModelBackend> {
    /// In float32.
    Float(&'a Model<B>),
    /// In int8, as the browser runs it.
    Quantized(&'a QuantizedModel),
}

impl<B: ModelBackend> Clone for Network<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: ModelBackend> Copy for Network<'_, B> {}

impl<B: ModelBackend> Network<'_, B> {
    pub(super) fn config(&self) -> &ModelConfig {
        match self {
            Self::Float(model) => model.config(),
            Self::Quantized(model) => model.config(),
        }
    }

    /// Logits `[B, K]`, row-major.
    pub(super) fn logits(&self, inks: &[Ink], device: &B::Device) -> Result<Vec<f32>> {
        match self {
            Self::Float(model) => {
                let logits = model.forward(&model.config().batch(inks, device)?)?; // [B, K]
                Ok(logits.into_data().iter::<f32>().collect())
            }
            Self::Quantized(model) => {
                let rows = inks.par_iter().map_init(Workspace::default, |work, ink| {
                    let embedding = model.embedding(ink, work)?;
                    Ok(model.logits(&embedding, work))
                });
                Ok(rows.collect::<Result<Vec<_>>>()?.concat())
            }
        }
    }
}

/// The drawing as it is.
pub(super) fn whole(drawing: Drawing) -> Drawing {
    drawing
}

/// Logits `[K]` to log-probabilities at a temperature.
pub(crate) fn log_softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let row: Vec<f32> = logits.iter().map(|logit| logit / temperature).collect();
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = row.iter().map(|value| (value - largest).exp()).sum();
    let shift = largest + sum.ln();
    row.into_iter().map(|value| value - shift).collect()
}

/// Runs the network over `view` of each drawing; passes on the drawing's index and its
/// log-probabilities `[K]` at the temperature for a pen that is down or not, in no particular
/// order.
pub(crate) fn for_each_drawing<B: ModelBackend>(
    network: Network<'_, B>,
    temperature: impl Fn(bool) -> f32,
    data: &DataSet,
    mut view: impl FnMut(Drawing) -> Drawing,
    device: &B::Device,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<()> {
    let n_classes = network.config().n_classes;
    ensure!(
        data.n_classes() == n_classes,
        "the drawings have {} categories, the network has {n_classes}",
        data.n_classes()
    );
    // Sorted by length: less padding.
    let mut order: Vec<usize> = (0..data.len()).collect();
    order.sort_by_key(|&index| data.n_points(index));
    for chunk in order.chunks(BATCH_SIZE) {
        let drawings: Vec<Drawing> = chunk.iter().map(|&index| view(data.drawing(index))).collect();
        let inks: Vec<Ink> = drawings.iter().map(|drawing| network.config().ink_of(drawing)).collect();
        let logits = network.logits(&inks, device)?;
        for ((&index, drawing), row) in chunk.iter().zip(&drawings).zip(logits.chunks_exact(n_classes)) {
            let row = log_softmax(row, temperature(drawing.is_pen_down()));
            let found = row[data.label(index)];
            ensure!(found.is_finite(), "the network gives {found} for a drawing");
            each(index, &row);
        }
    }
    Ok(())
}
