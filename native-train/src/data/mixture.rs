//! Several data sets to train on together, each with its share of the training drawings.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::set::DataSet;

/// Data sets of the same classes, and the probability with which a drawing comes from each.
#[derive(Clone, Debug)]
pub struct Mixture {
    sets: Vec<Arc<DataSet>>,
    /// The share of each; their sum is 1.
    shares: Vec<f64>,
}

impl Mixture {
    /// A mixture of data sets; shares are relative to their sum.
    ///
    /// # Errors
    /// No data set, one without drawings or with other labels than the first, or a share that is
    /// not above 0.
    pub fn new(sets: Vec<(Arc<DataSet>, f64)>) -> Result<Self> {
        ensure!(!sets.is_empty(), "there are no drawings to train on");
        let (sets, shares): (Vec<Arc<DataSet>>, Vec<f64>) = sets.into_iter().unzip();
        for (index, (set, &share)) in sets.iter().zip(&shares).enumerate() {
            ensure!(!set.is_empty(), "data set {index} (counted from 0) has no drawings to train on");
            ensure!(
                set.labels() == sets[0].labels(),
                "data set {index} (counted from 0) has other categories than the first"
            );
            ensure!(
                share.is_finite() && share > 0.0,
                "data set {index} (counted from 0) has the share {share}; more than 0 was expected"
            );
        }
        let sum: f64 = shares.iter().sum();
        Ok(Self { shares: shares.iter().map(|share| share / sum).collect(), sets })
    }

    /// The data sets with their shares, whose sum is 1.
    pub fn sets(&self) -> impl Iterator<Item = (&Arc<DataSet>, f64)> {
        self.sets.iter().zip(self.shares.iter().copied())
    }

    /// The class names.
    pub fn labels(&self) -> &[String] {
        self.sets[0].labels()
    }

    /// The number of classes.
    pub fn n_classes(&self) -> usize {
        self.sets[0].n_classes()
    }

    /// The number of drawings of all sets together.
    pub fn len(&self) -> usize {
        self.sets.iter().map(|set| set.len()).sum()
    }

    /// Whether there is no drawing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any drawing has soft labels.
    pub fn has_soft(&self) -> bool {
        self.sets.iter().any(|set| set.has_soft())
    }
}

impl From<Arc<DataSet>> for Mixture {
    fn from(set: Arc<DataSet>) -> Self {
        Self { sets: vec![set], shares: vec![1.0] }
    }
}

impl From<DataSet> for Mixture {
    fn from(set: DataSet) -> Self {
        Arc::new(set).into()
    }
}
