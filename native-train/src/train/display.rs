//! Progress of a run: a bar on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::metrics::Summary;
use crate::eval::Evaluation;
use crate::tell::tell;

/// The progress display.
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
            "loss {:.3}, {:.1} % correct, {:.0} drawings/s, {:.0} % waiting for data",
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
