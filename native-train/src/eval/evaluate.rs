//! Drawings with labels in, accuracies and confusions out.

use anyhow::{Result, ensure};
use quickdraw_core::{Model, ModelBackend};
use serde::{Deserialize, Serialize};

use super::network::{Network, for_each_drawing, whole};
use super::tally::{Figures, Tally};
use crate::data::DataSet;

/// Number of confusions that are kept.
const N_CONFUSIONS: usize = 10;

/// A category taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// What was drawn.
    pub label: String,
    /// What was predicted.
    pub guess: String,
    /// How many drawings.
    pub n: usize,
    /// Of how many of that category.
    pub of: usize,
}

/// The result of [`evaluate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The accuracies.
    #[serde(flatten)]
    pub figures: Figures,
    /// The most frequent confusions by fraction of their category, worst first.
    pub confusions: Vec<Confusion>,
}

impl std::ops::Deref for Evaluation {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        &self.figures
    }
}

impl Evaluation {
    pub(super) fn of(tally: &Tally, labels: &[String]) -> Self {
        let mut confusions: Vec<(usize, usize, usize, usize)> = (0..tally.n_classes())
            .flat_map(|label| {
                let of = tally.n_of(label);
                tally.confusions_of(label).into_iter().map(move |(guess, n)| (label, guess, n, of))
            })
            .collect();
        // Fraction of the category, compared without division: n / of.
        confusions.sort_by_key(|&(label, guess, n, of)| (std::cmp::Reverse((n << 32) / of), label, guess));
        confusions.truncate(N_CONFUSIONS);
        let name = |class: usize| labels[class].clone();
        let confusions = confusions
            .into_iter()
            .map(|(label, guess, n, of)| Confusion { label: name(label), guess: name(guess), n, of })
            .collect();
        Self { figures: tally.figures(), confusions }
    }
}

/// Runs the network over all drawings of a data set whose labels are the network's.
///
/// # Errors
/// When the data set is empty or has another number of classes than the network.
pub fn evaluate<B: ModelBackend>(model: &Model<B>, data: &DataSet, device: &B::Device) -> Result<Evaluation> {
    ensure!(!data.is_empty(), "there are no drawings to evaluate on");
    let mut tally = Tally::new(model.config().n_classes);
    for_each_drawing(
        Network::Float(model),
        |_| 1.0,
        data,
        whole,
        device,
        |index, row| {
            tally.add(data.label(index), row);
        },
    )?;
    Ok(Evaluation::of(&tally, data.labels()))
}
