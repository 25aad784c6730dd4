//! Learning rate schedules.

use serde::{Deserialize, Serialize};

/// A learning rate schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Constant, as in the tutorial.
    Constant,
    /// It falls to zero along half a cosine.
    Cosine,
    /// It stays, and falls to zero in a straight line over the last fifth of the steps: such a run
    /// can be prolonged by --resume with more --steps as long as it has not begun to fall.
    Trapezoid,
    /// It rises along half a cosine over the first three tenths of the steps and falls along
    /// another to next to nothing (Smith and Topin, "Super-Convergence", 2018, with PyTorch's
    /// defaults); warm-up steps do not apply.
    OneCycle,
}

/// Share of the steps over which [`Schedule::Trapezoid`] falls.
const TRAPEZOID_FALL: f64 = 0.2;

/// Share of the steps over which [`Schedule::OneCycle`] rises, and the fractions of the peak at
/// which it begins and ends.
const ONE_CYCLE_RISE: f64 = 0.3;
const ONE_CYCLE_START: f64 = 1.0 / 25.0;
const ONE_CYCLE_END: f64 = ONE_CYCLE_START / 1e4;

impl Schedule {
    /// The learning rate of a step, counted from 0, relative to the peak.
    pub(super) fn factor(self, step: u64, steps: u64, warmup_steps: u64) -> f64 {
        let done = step.min(steps) as f64 / steps as f64;
        let warm = if step < warmup_steps { (step + 1) as f64 / warmup_steps as f64 } else { 1.0 };
        match self {
            Self::Constant => warm,
            Self::Cosine => {
                let span = steps.saturating_sub(warmup_steps).max(1) as f64;
                let done = step.saturating_sub(warmup_steps) as f64 / span;
                warm * half_cosine(1.0, 0.0, done.min(1.0))
            }
            Self::Trapezoid => {
                let left = steps.saturating_sub(step) as f64 / steps as f64;
                warm * (left / TRAPEZOID_FALL).min(1.0)
            }
            Self::OneCycle if done < ONE_CYCLE_RISE => {
                half_cosine(ONE_CYCLE_START, 1.0, done / ONE_CYCLE_RISE)
            }
            Self::OneCycle => {
                half_cosine(1.0, ONE_CYCLE_END, (done - ONE_CYCLE_RISE) / (1.0 - ONE_CYCLE_RISE))
            }
        }
    }
}

/// From one value to another as `done` goes from 0 to 1, gently at both ends.
fn half_cosine(from: f64, to: f64, done: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}
