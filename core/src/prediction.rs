//! Probabilities in, the most probable classes out.

use serde::{Deserialize, Serialize};

/// A class and its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The category.
    pub label: String,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// The most probable classes, best first, at most `max_results`; ties in the labels' order. Both have
/// an element for each class.
pub(crate) fn top_k(labels: &[String], probabilities: &[f32], max_results: usize) -> Vec<Prediction> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    order.truncate(max_results);
    let prediction =
        |class: usize| Prediction { label: labels[class].clone(), probability: probabilities[class] };
    order.into_iter().map(prediction).collect()
}
