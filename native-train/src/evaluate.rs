//! How often a network is right: drawings with labels in, accuracies and confusions out.

use anyhow::{Result, ensure};
use burn::tensor::activation;
use quickdraw_core::{Ink, InkBatch, Model, ModelBackend};
use serde::{Deserialize, Serialize};

use crate::data::DataSet;

/// Drawings that go through the network together.
const BATCH_SIZE: usize = 128;

/// Confusions that are kept.
const N_CONFUSIONS: usize = 10;

/// A category taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// What was drawn.
    pub label: String,
    /// What was guessed.
    pub guess: String,
    /// How many drawings.
    pub n: usize,
    /// Of how many of that category.
    pub of: usize,
}

/// The figures without the confusions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Drawings.
    pub n: usize,
    /// Share of drawings whose category is the first guess, 0 to 1.
    pub top1: f64,
    /// Among the first three.
    pub top3: f64,
    /// Among the first five.
    pub top5: f64,
    /// Mean over the categories that occur of their share, first guess.
    pub balanced_top1: f64,
    /// Among the first three.
    pub balanced_top3: f64,
    /// Among the first five.
    pub balanced_top5: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

/// What [`evaluate`] finds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The accuracies.
    #[serde(flatten)]
    pub figures: Figures,
    /// The commonest confusions by share of their category, worst first.
    pub confusions: Vec<Confusion>,
}

impl std::ops::Deref for Evaluation {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        &self.figures
    }
}

/// Runs the network over all drawings of a data set whose labels are the network's.
///
/// # Errors
/// When the data set is empty or has another number of classes than the network.
pub fn evaluate<B: ModelBackend>(model: &Model<B>, data: &DataSet, device: &B::Device) -> Result<Evaluation> {
    ensure!(!data.is_empty(), "there are no drawings to evaluate on");
    let n_classes = model.config().n_classes;
    ensure!(
        data.n_classes() == n_classes,
        "the drawings have {} categories, the network has {n_classes}",
        data.n_classes()
    );
    // Drawings of like length together: less padding.
    let mut order: Vec<usize> = (0..data.len()).collect();
    order.sort_by_key(|&index| data.n_points(index));

    let mut hits = [vec![0usize; n_classes], vec![0; n_classes], vec![0; n_classes]];
    let mut guesses = std::collections::BTreeMap::<(usize, usize), usize>::new();
    let mut loss = 0.0;
    for chunk in order.chunks(BATCH_SIZE) {
        let inks: Vec<Ink> =
            chunk.iter().map(|&index| Ink::from_drawing(&data.drawing(index), model.config().ink)).collect();
        let logits = model.forward(&InkBatch::new(&inks, device)?)?;
        let log_probabilities: Vec<f32> =
            activation::log_softmax(logits, 1).into_data().iter::<f32>().collect();
        for (&index, row) in chunk.iter().zip(log_probabilities.chunks_exact(n_classes)) {
            let label = data.label(index);
            ensure!(row[label].is_finite(), "the network gives {} for a drawing", row[label]);
            loss -= f64::from(row[label]);
            // Ties count against the network, except with itself.
            let rank = (0..n_classes).filter(|&k| k != label && row[k] >= row[label]).count();
            for (hits, within) in hits.iter_mut().zip([1, 3, 5]) {
                hits[label] += usize::from(rank < within);
            }
            if rank > 0 {
                let best = (0..n_classes)
                    .filter(|&k| k != label)
                    .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                    .expect("another class was at least as likely");
                *guesses.entry((label, best)).or_default() += 1;
            }
        }
    }

    let counts = data.class_counts();
    let n_present = counts.iter().filter(|&&count| count > 0).count();
    let share = |hits: &[usize]| hits.iter().sum::<usize>() as f64 / data.len() as f64;
    let balanced = |hits: &[usize]| {
        let shares = hits.iter().zip(&counts).filter(|&(_, &count)| count > 0);
        shares.map(|(&hits, &count)| hits as f64 / count as f64).sum::<f64>() / n_present as f64
    };
    let mut confusions: Vec<((usize, usize), usize)> = guesses.into_iter().collect();
    // Share of the category, compared without division: n / of.
    confusions.sort_by_key(|&((label, _), n)| std::cmp::Reverse((n << 32) / counts[label]));
    let name = |class: usize| data.labels()[class].clone();
    Ok(Evaluation {
        figures: Figures {
            n: data.len(),
            top1: share(&hits[0]),
            top3: share(&hits[1]),
            top5: share(&hits[2]),
            balanced_top1: balanced(&hits[0]),
            balanced_top3: balanced(&hits[1]),
            balanced_top5: balanced(&hits[2]),
            loss: loss / data.len() as f64,
        },
        confusions: confusions
            .into_iter()
            .take(N_CONFUSIONS)
            .map(|((label, guess), n)| Confusion {
                label: name(label),
                guess: name(guess),
                n,
                of: counts[label],
            })
            .collect(),
    })
}
