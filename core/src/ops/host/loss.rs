//! The softmax and its cross-entropy on slices, value and gradient in one pass over the rows.

use super::{for_each, uninitialised};

/// Rows that one thread takes at a time.
const CHUNK_ROWS: usize = 64;

/// The result of [`cross_entropy`].
pub struct CrossEntropy {
    /// Mean over the rows.
    pub loss: f32,
    /// Its gradient, `[B, K]`.
    pub d_logits: Vec<f32>,
    /// Number of correct top-1 predictions (the first maximum counts).
    pub n_correct: usize,
}

/// The mean cross-entropy of the softmax of `logits` `[B, K]` and `targets` `[B, K]`.
///
/// # Panics
/// When the sizes do not fit together.
pub fn cross_entropy(logits: &[f32], targets: &[f32], labels: &[usize], n_classes: usize) -> CrossEntropy {
    assert_eq!(logits.len(), labels.len() * n_classes, "labels of a batch");
    assert_eq!(targets.len(), logits.len(), "targets of a batch");
    let chunk_len = CHUNK_ROWS * n_classes;
    let share = 1.0 / labels.len() as f32;
    let mut d_logits = uninitialised(logits.len());
    let inputs = logits.chunks(chunk_len).zip(targets.chunks(chunk_len)).zip(labels.chunks(CHUNK_ROWS));
    let chunks: Vec<_> = inputs.zip(d_logits.chunks_mut(chunk_len)).collect();
    let sums = for_each(chunks, |(((logits, targets), labels), d_logits)| {
        let (mut loss, mut n_correct) = (0.0f64, 0);
        let rows = logits.chunks_exact(n_classes).zip(targets.chunks_exact(n_classes)).zip(labels);
        for (((logits, targets), &label), d_logits) in rows.zip(d_logits.chunks_exact_mut(n_classes)) {
            let max = logits.iter().fold(f32::NEG_INFINITY, |max, &logit| max.max(logit));
            n_correct += usize::from(logits.iter().position(|&logit| logit == max) == Some(label));
            let (mut sum, mut target_sum, mut product) = (0.0, 0.0, 0.0);
            for ((exp, &logit), &target) in d_logits.iter_mut().zip(logits).zip(targets) {
                *exp = (logit - max).exp();
                sum += *exp;
                target_sum += target;
                product += target * (logit - max);
            }
            loss += f64::from(sum.ln() * target_sum - product);
            let scale = target_sum / sum;
            for (d_logit, &target) in d_logits.iter_mut().zip(targets) {
                *d_logit = (*d_logit * scale - target) * share;
            }
        }
        (loss, n_correct)
    });
    let loss = sums.iter().map(|&(loss, _)| loss).sum::<f64>() / labels.len() as f64;
    let n_correct = sums.iter().map(|&(_, n_correct)| n_correct).sum();
    CrossEntropy { loss: loss as f32, d_logits, n_correct }
}
