//! The state of a run besides its network and optimizer, and whether a run that is resumed is the
//! same.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use quickdraw_core::ModelConfig;
use serde::{Deserialize, Serialize};

use super::config::{TrainConfig, differences};
use crate::data::{DataSet, Mixture};

/// The state of a run, besides the network and the optimizer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunState {
    /// Steps done.
    pub step: u64,
    /// Drawings in the data that the run trains on, to notice other data.
    pub n_drawings: usize,
    /// The data sets and their shares, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetShare>,
    /// Fingerprints of the data. Older checkpoints lack them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprints: Option<Fingerprints>,
    /// Whether the run began with all weights of a trained network. Older checkpoints lack it.
    #[serde(default)]
    pub starts_trained: bool,
    /// The classes, in the order of the logits.
    pub labels: Vec<String>,
    /// The network.
    pub model: ModelConfig,
    /// The options of the run.
    pub train: TrainConfig,
    /// The best class-balanced top-1 on the validation part so far, and its step.
    pub best: Option<(f64, u64)>,
    /// The lowest loss on the validation part so far.
    pub lowest_loss: Option<f64>,
    /// Evaluations since then.
    pub n_without_progress: u64,
    /// Seconds spent training so far.
    pub seconds: f64,
}

impl RunState {
    /// The state before the first step.
    pub(crate) fn new(
        train: &Mixture,
        validation: &DataSet,
        model: ModelConfig,
        config: TrainConfig,
    ) -> Self {
        Self {
            step: 0,
            n_drawings: train.len(),
            sets: SetShare::all_of(train),
            fingerprints: Some(Fingerprints::of(train, validation)),
            starts_trained: false,
            labels: train.labels().to_vec(),
            model,
            train: config,
            best: None,
            lowest_loss: None,
            n_without_progress: 0,
            seconds: 0.0,
        }
    }
}

/// Fingerprints of the data of a run ([`DataSet::fingerprint`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprints {
    /// Of each data set to train on.
    pub train: Vec<String>,
    /// Of the validation part.
    pub validation: String,
}

impl Fingerprints {
    /// Those of the data of a run.
    pub(super) fn of(train: &Mixture, validation: &DataSet) -> Self {
        Self {
            train: train.sets().map(|(set, _)| set.fingerprint()).collect(),
            validation: validation.fingerprint(),
        }
    }

    /// Which data differ, and both fingerprints, these first.
    fn difference<'a>(&'a self, other: &'a Self) -> Option<(String, &'a str, &'a str)> {
        let mut train = self.train.iter().zip(&other.train).enumerate();
        if let Some((index, (own, other))) = train.find(|(_, (own, other))| own != other) {
            let which =
                if self.train.len() > 1 { format!(" {} (counted from 1)", index + 1) } else { String::new() };
            return Some((format!("the data to train on{which}"), own, other));
        }
        let is_other = self.validation != other.validation;
        is_other.then(|| ("the validation data".to_owned(), &*self.validation, &*other.validation))
    }
}

/// One of several data sets that a run trains on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetShare {
    /// Its drawings.
    pub n_drawings: usize,
    /// The probability that a drawing of a batch is one of them.
    pub share: f64,
}

impl SetShare {
    /// The data sets of a mixture; empty for a single one.
    pub(crate) fn all_of(data: &Mixture) -> Vec<Self> {
        let all = data.sets().map(|(set, share)| Self { n_drawings: set.len(), share });
        let all: Vec<Self> = all.collect();
        if all.len() > 1 { all } else { Vec::new() }
    }

    /// Whether they are the same, up to rounding of the stored shares.
    pub(crate) fn are_same(a: &[Self], b: &[Self]) -> bool {
        let is_same =
            |(a, b): (&Self, &Self)| a.n_drawings == b.n_drawings && (a.share - b.share).abs() < 1e-9;
        a.len() == b.len() && a.iter().zip(b).all(is_same)
    }

    /// What they are, in words.
    pub(crate) fn names(sets: &[Self]) -> String {
        if sets.is_empty() {
            return "one data set".to_owned();
        }
        let names: Vec<String> =
            sets.iter().map(|set| format!("{} drawings (share {:.4})", set.n_drawings, set.share)).collect();
        format!("several data sets: {}", names.join(", "))
    }
}

/// A resumed run must be the same run: the same network and labels and as much data. Its number of
/// steps and other options may change, which the caller asked for by giving them.
pub(super) fn check_same_run(stored: &RunState, asked: &RunState, out: &Path) -> Result<()> {
    let out = out.display();
    let changed: Vec<String> = differences(&stored.model, &asked.model)?
        .into_iter()
        .map(|(name, stored, asked)| format!("{name} is {stored}, asked for {asked}"))
        .collect();
    ensure!(changed.is_empty(), "the run in {out} trains another network: {}", changed.join("; "));
    ensure!(
        stored.labels == asked.labels,
        "the run in {out} has {} other classes than the data, which has {}",
        stored.labels.len(),
        asked.labels.len()
    );
    ensure!(
        stored.n_drawings == asked.n_drawings,
        "the run in {out} was trained on {} drawings, now there are {}; --data and what limits it stay as they were",
        stored.n_drawings,
        asked.n_drawings
    );
    ensure!(
        SetShare::are_same(&stored.sets, &asked.sets),
        "the run in {out} takes its drawings from {}, asked for {}",
        SetShare::names(&stored.sets),
        SetShare::names(&asked.sets)
    );
    if let (Some(stored), Some(asked)) = (&stored.fingerprints, &asked.fingerprints)
        && let Some((which, stored, asked)) = stored.difference(asked)
    {
        bail!(
            "cannot go on with {out}: {which} are others: fingerprint {asked}, and {stored} when the run began; --data, --eval-data and what limits them stay as they were"
        );
    }
    stored.train.check_resumable(&asked.train).with_context(|| format!("cannot go on with {out}"))
}

/// All machines of a run must train the same network on the same data with the same options.
pub(super) fn check_same_node(coordinator: &RunState, own: &RunState) -> Result<()> {
    let mut changed = differences(&coordinator.model, &own.model)?;
    changed.extend(differences(&coordinator.train, &own.train)?);
    let changed: Vec<String> = changed
        .into_iter()
        // The number of threads changes no result.
        .filter(|(name, ..)| name != "loader_threads")
        .map(|(name, coordinator, own)| format!("{name} is {coordinator} there and {own} here"))
        .collect();
    ensure!(changed.is_empty(), "rank 0 has other options: {}", changed.join("; "));
    ensure!(
        coordinator.labels == own.labels,
        "rank 0 has {} other classes than the data here, which has {}",
        coordinator.labels.len(),
        own.labels.len()
    );
    ensure!(
        SetShare::are_same(&coordinator.sets, &own.sets),
        "rank 0 takes its drawings from {}, the data here are {}",
        SetShare::names(&coordinator.sets),
        SetShare::names(&own.sets)
    );
    let both = coordinator.fingerprints.as_ref().zip(own.fingerprints.as_ref());
    if let Some((which, coordinator, own)) = both.and_then(|(coordinator, own)| coordinator.difference(own)) {
        bail!("{which} are others: fingerprint {coordinator} at rank 0, and {own} here");
    }
    Ok(())
}
