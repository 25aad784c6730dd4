//! What a run tells while it goes: sums over the last steps, a bar or lines for people.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::evaluate::Evaluation;
use crate::tell::tell;

/// A window ends at steps divisible by this: losses of so many steps are read back from the device together.
const WINDOW_STEPS: u64 = 20;

/// The steps since the last summary. What they gave is read back from the device together, so that it need not wait for
/// this program after each.
pub(super) struct Window<B: Backend> {
    losses: Vec<Tensor<B, 1>>,
    n_right: Vec<Tensor<B, 1>>,
    /// Of the steps that [`Window::check`] has not seen.
    norms: Vec<Tensor<B, 1>>,
    /// Of those that it has.
    checked_norms: Vec<f64>,
    n_drawings: usize,
    since: Instant,
    waited_before: Duration,
}

/// What a window of steps amounts to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean cross-entropy, with all that is done to the targets.
    pub loss: f64,
    /// Share of the training drawings, as they are varied, that were recognised at the first guess, 0 to 1.
    pub accuracy: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Mean norm of the gradients, before clipping.
    pub gradient_norm: f64,
    /// Drawings a second.
    pub drawings_per_s: f64,
    /// Share of the time that was spent waiting for batches, 0 to 1. A GPU computes on meanwhile, so there it is the most
    /// that the waiting can have cost.
    pub waiting: f64,
}

impl<B: Backend> Window<B> {
    /// A new window, after the loader has been waited for so long in all.
    pub(super) fn new(waited: Duration) -> Self {
        Self {
            losses: Vec::new(),
            n_right: Vec::new(),
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
        n_right: Vec<Tensor<B, 1>>,
        norm: Tensor<B, 1>,
        n_drawings: usize,
    ) {
        self.losses.extend(losses);
        self.n_right.extend(n_right);
        self.norms.push(norm);
        self.n_drawings += n_drawings;
    }

    /// Whether all is well up to `step`, which was pushed last: to be asked before anything of it is kept.
    ///
    /// # Errors
    /// When the gradients are no longer finite, by which a loss that is not shows at once.
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
        let Self { losses, n_right, checked_norms, n_drawings, since, waited_before, .. } =
            std::mem::replace(self, Self::new(waited));
        let n_right = read(n_right).iter().sum::<f64>();
        let loss = mean(&read(losses));
        let seconds = since.elapsed().as_secs_f64();
        Ok(Summary {
            loss,
            accuracy: n_right / n_drawings as f64,
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

/// Progress for people: a bar on a terminal, plain lines elsewhere.
pub(super) enum Display {
    Bar(ProgressBar),
    Lines { n_steps: u64, last: Cell<Option<Instant>> },
    Quiet,
}

/// Seconds between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Display {
    pub(super) fn new(n_steps: u64, step: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { n_steps, last: Cell::new(None) };
        }
        let style = "{bar:24} {pos}/{len} steps, {msg}, {eta} to go";
        let bar = ProgressBar::new(n_steps)
            .with_style(ProgressStyle::with_template(style).expect("a valid template"))
            .with_position(step);
        bar.reset_eta();
        bar.set_message("warming up");
        Self::Bar(bar)
    }

    pub(super) fn step(&self, step: u64, summary: &Summary) {
        let text = format!(
            "loss {:.3}, {:.1} % right, {:.0} drawings/s, {:.0} % waiting for data",
            summary.loss,
            100.0 * summary.accuracy,
            summary.drawings_per_s,
            100.0 * summary.waiting
        );
        match self {
            Self::Bar(bar) => {
                bar.set_position(step);
                bar.set_message(text);
            }
            Self::Lines { n_steps, last } => {
                if last.get().is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                    tell!("step {step}/{n_steps}: {text}");
                    last.set(Some(Instant::now()));
                }
            }
            Self::Quiet => {}
        }
    }

    pub(super) fn evaluation(&self, step: u64, found: &Evaluation) {
        self.line(&format!(
            "step {step}: validation loss {:.3}, top-1 {:.1} %, top-3 {:.1} % (class-balanced {:.1} %, {:.1} %)",
            found.loss,
            100.0 * found.top1,
            100.0 * found.top3,
            100.0 * found.balanced_top1,
            100.0 * found.balanced_top3
        ));
    }

    pub(super) fn line(&self, text: &str) {
        match self {
            Self::Bar(bar) => bar.println(text),
            Self::Lines { .. } => tell!("{text}"),
            Self::Quiet => {}
        }
    }

    pub(super) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
