//! Two networks of the same labels on the same drawings: the cost of storing weights in lower
//! precision.

use std::path::Path;

use anyhow::Result;
use quickdraw_core::ModelBackend;

use super::network::{Network, for_each_drawing, whole};
use super::tally::{Figures, Tally};
use crate::data::{ReadReport, for_each_part};

/// The effect of storing a network in lower precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Accuracies of the first network.
    pub before: Figures,
    /// Accuracies of the second network.
    pub after: Figures,
    /// Fraction of drawings for which both have the same top-1 prediction, 0 to 1.
    pub agreement: f64,
}

/// Measures two networks of the same labels on all drawings of a folder, at a temperature.
///
/// # Errors
/// As [`for_each_part`].
pub fn compare<B: ModelBackend>(
    before: Network<'_, B>,
    after: Network<'_, B>,
    temperature: f32,
    labels: &[String],
    folder: &Path,
    device: &B::Device,
) -> Result<(Comparison, ReadReport)> {
    let mut tallies = [Tally::new(labels.len()), Tally::new(labels.len())];
    let mut n_same = 0usize;
    let report = for_each_part(folder, labels, |data| {
        let mut predictions = [vec![0; data.len()], vec![0; data.len()]];
        for ((network, tally), predictions) in
            [before, after].into_iter().zip(&mut tallies).zip(&mut predictions)
        {
            for_each_drawing(
                network,
                |_| temperature,
                data,
                whole,
                device,
                |index, row| {
                    predictions[index] = tally.add(data.label(index), row);
                },
            )?;
        }
        n_same += predictions[0].iter().zip(&predictions[1]).filter(|(a, b)| a == b).count();
        Ok(())
    })?;
    let [before, after] = tallies.map(|tally| tally.figures());
    Ok((Comparison { before, after, agreement: n_same as f64 / before.n as f64 }, report))
}
