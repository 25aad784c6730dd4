//! Sums over the last steps, read back from the device together.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::metrics::Summary;

/// A window ends at steps divisible by this: their losses are read back from the device together.
const WINDOW_STEPS: u64 = 20;

/// The steps since the last summary. Their results are read back from the device together, so that
/// it is not synchronised after each.
pub(super) struct Window<B: Backend> {
    losses: Vec<Tensor<B, 1>>,
    n_correct: Vec<Tensor<B, 1>>,
    /// Of the steps that [`Window::check`] has not seen.
    norms: Vec<Tensor<B, 1>>,
    /// Of those that it has.
    checked_norms: Vec<f64>,
    n_drawings: usize,
    since: Instant,
    waited_before: Duration,
}

impl<B: Backend> Window<B> {
    /// A new window; `waited` is the total time spent waiting for the loader so far.
    pub(super) fn new(waited: Duration) -> Self {
        Self {
            losses: Vec::new(),
            n_correct: Vec::new(),
            norms: Vec::new(),
            checked_norms: Vec::new(),
            n_drawings: 0,
            since: Instant::now(),
            waited_before: waited,
        }
    }

    /// Adds a step.
    pub(super) fn push(
        &mut self,
        losses: Vec<Tensor<B, 1>>,
        n_correct: Vec<Tensor<B, 1>>,
        norm: Tensor<B, 1>,
        n_drawings: usize,
    ) {
        self.losses.extend(losses);
        self.n_correct.extend(n_correct);
        self.norms.push(norm);
        self.n_drawings += n_drawings;
    }

    /// Checks the gradients up to `step`, which was pushed last, for NaN and infinity: to be called
    /// before anything of it is saved.
    ///
    /// # Errors
    /// When the gradients are no longer finite, as they are not if the loss is not.
    pub(super) fn check(&mut self, step: u64) -> Result<()> {
        self.checked_norms.extend(read(std::mem::take(&mut self.norms)));
        let n_steps = self.checked_norms.len();
        if let Some(i) = self.checked_norms.iter().position(|norm| !norm.is_finite()) {
            let losses_of_step = self.losses.len() / n_steps;
            let losses = self.losses.drain(i * losses_of_step..(i + 1) * losses_of_step).collect();
            bail!(
                "at step {} the loss is {} and the gradient's norm {}: training has diverged. The last checkpoint is \
                 kept; try a lower --learning-rate or --gradient-clipping-norm",
                step - (n_steps - 1 - i) as u64,
                mean(&read(losses)),
                self.checked_norms[i]
            );
        }
        Ok(())
    }

    /// Whether it ends at this step, which was pushed last.
    pub(super) fn ends_at(&self, step: u64) -> bool {
        step.is_multiple_of(WINDOW_STEPS)
    }

    /// Sums the window up after `step`, which was pushed last, and begins the next.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(super) fn read(&mut self, step: u64, learning_rate: f64, waited: Duration) -> Result<Summary> {
        self.check(step)?;
        let Self { losses, n_correct, checked_norms, n_drawings, since, waited_before, .. } =
            std::mem::replace(self, Self::new(waited));
        let n_correct = read(n_correct).iter().sum::<f64>();
        let loss = mean(&read(losses));
        let seconds = since.elapsed().as_secs_f64();
        Ok(Summary {
            loss,
            accuracy: n_correct / n_drawings as f64,
            learning_rate,
            gradient_norm: mean(&checked_norms),
            drawings_per_s: n_drawings as f64 / seconds,
            waiting: (waited - waited_before).as_secs_f64() / seconds,
        })
    }
}

/// The values of tensors of one.
fn read<B: Backend>(tensors: Vec<Tensor<B, 1>>) -> Vec<f64> {
    if tensors.is_empty() { Vec::new() } else { Tensor::cat(tensors, 0).into_data().iter().collect() }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
