//! Forward, cross-entropy and backward of one batch.

use anyhow::Result;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use quickdraw_core::{Model, ModelBackend, ops};

use crate::data::PreparedBatch;

/// The result of a batch, still on its device.
#[derive(Debug)]
pub struct Gradients<B: AutodiffBackend> {
    /// The gradients of the mean cross-entropy.
    pub gradients: GradientsParams,
    /// The mean cross-entropy, `[1]`.
    pub loss: Tensor<B::InnerBackend, 1>,
    /// Number of correct top-1 predictions, `[1]`.
    pub n_correct: Tensor<B::InnerBackend, 1>,
    /// What the batch adds to the running statistics of batch normalisation
    /// ([`Model::add_statistics`]).
    pub statistics: Vec<Tensor<B::InnerBackend, 1>>,
}

/// Forward, cross-entropy and backward.
///
/// # Errors
/// When the batch's ink has another format than the network reads.
pub fn gradients<B: AutodiffBackend + ModelBackend>(
    model: &Model<B>,
    batch: PreparedBatch,
    dropout_seed: u64,
    device: &B::Device,
) -> Result<Gradients<B>> {
    let PreparedBatch { inks, targets, labels, .. } = batch;
    // Other threads may compute other batches with the same network.
    let model = model.clone().with_zero_statistics();
    let logits = model.forward_training(&model.config().batch(&inks, device)?, dropout_seed)?; // [B, K]
    let targets = ops::from_values(targets, logits.dims(), device);
    let [loss, n_correct] = ops::cross_entropy(logits, targets, &labels);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let statistics = model.statistics().into_iter().map(Tensor::inner).collect();
    Ok(Gradients { gradients, loss: loss.inner(), n_correct: n_correct.inner(), statistics })
}

impl<B: AutodiffBackend> Gradients<B> {
    /// The same on another device.
    pub(super) fn moved_to(self, device: &B::Device, model: &Model<B>) -> Self {
        let Self { gradients, loss, n_correct, statistics } = self;
        Self {
            gradients: gradients.to_device(device, model),
            loss: loss.to_device(device),
            n_correct: n_correct.to_device(device),
            statistics: statistics.into_iter().map(|part| part.to_device(device)).collect(),
        }
    }
}
