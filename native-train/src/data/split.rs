//! Splits a data set into a training and a validation part.

use std::collections::{HashMap, HashSet};

use super::set::DataSet;

/// Which drawings of a data set become the validation part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validation {
    /// About this fraction of all drawings, 0..1. A drawing stays in its part when others are
    /// added.
    Fraction(f64),
    /// This many of every class, but never more than half of it.
    PerClass(usize),
    /// The last ones of every class, this many, but never more than half of it.
    LastPerClass(usize),
}

impl DataSet {
    /// The training part and the validation part.
    ///
    /// Copies of one drawing stay together, whatever their classes. With [`Validation::Fraction`]
    /// no drawing changes its part when the data grows.
    pub fn split_validation(&self, validation: Validation, seed: u64) -> (DataSet, DataSet) {
        let is_validation: Vec<bool> = match validation {
            Validation::Fraction(fraction) => {
                // 2^64 as f64: a hash is below `fraction` of the whole range.
                let bound = fraction.clamp(0.0, 1.0) * 18_446_744_073_709_551_616.0;
                (0..self.len()).map(|index| (self.content_hash(index, seed) as f64) < bound).collect()
            }
            Validation::PerClass(n_drawings) => self.choose(n_drawings, seed, |indices, hashes| {
                indices.sort_by_key(|&index| (hashes[index as usize], index));
            }),
            Validation::LastPerClass(n_drawings) => {
                self.choose(n_drawings, seed, |indices, _| indices.reverse())
            }
        };
        let side = |wanted: bool| -> DataSet {
            let indices: Vec<usize> =
                (0..self.len()).filter(|&index| is_validation[index] == wanted).collect();
            self.subset(&indices)
        };
        (side(false), side(true))
    }

    /// Chooses `n_drawings` of each class, or half of it where that is less: the first in the order
    /// that `sort` puts their indices in, by their hashes or not. Of copies of a drawing all are
    /// chosen or none, also in other classes.
    fn choose(&self, n_drawings: usize, seed: u64, sort: impl Fn(&mut Vec<u32>, &[u64])) -> Vec<bool> {
        let hashes: Vec<u64> = (0..self.len()).map(|index| self.content_hash(index, seed)).collect();
        let mut chosen = HashSet::new();
        for mut indices in self.indices_by_class() {
            let mut n_copies = HashMap::<u64, usize>::new();
            for &index in &indices {
                *n_copies.entry(hashes[index as usize]).or_default() += 1;
            }
            let mut n_left = n_drawings.min(indices.len() / 2);
            sort(&mut indices, &hashes);
            for index in indices {
                if n_left == 0 {
                    break;
                }
                let hash = hashes[index as usize];
                // Removed, so that the second copy is passed over.
                if let Some(n) = n_copies.remove(&hash).filter(|&n| n <= n_left) {
                    n_left -= n;
                    chosen.insert(hash);
                }
            }
        }
        hashes.iter().map(|hash| chosen.contains(hash)).collect()
    }
}
