//! One data set becomes two: one to train on, one to validate on.

use super::set::DataSet;

/// Which part of a data set is put aside to validate on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validation {
    /// About this share of all drawings, 0..1. A drawing keeps its side when others are added.
    Fraction(f64),
    /// This many of every class, but never more than half of it.
    PerClass(usize),
    /// The last so many of every class, but never more than half of it.
    LastPerClass(usize),
}

impl DataSet {
    /// Two data sets: one to train on, one to validate on.
    ///
    /// A drawing's side follows from a hash of its points and `seed` alone, except with [`Validation::LastPerClass`]. So copies of one drawing
    /// stay together, and with [`Validation::Fraction`] no drawing changes sides when the data grows.
    pub fn split_validation(&self, validation: Validation, seed: u64) -> (DataSet, DataSet) {
        let mut is_validation = vec![false; self.len()];
        match validation {
            Validation::Fraction(fraction) => {
                // 2^64 as f64: a hash is below `fraction` of the whole range.
                let bound = fraction.clamp(0.0, 1.0) * 18_446_744_073_709_551_616.0;
                for (index, side) in is_validation.iter_mut().enumerate() {
                    *side = (self.content_hash(index, seed) as f64) < bound;
                }
            }
            Validation::PerClass(n_drawings) => {
                for indices in self.indices_by_class() {
                    let mut hashes: Vec<(u64, u32)> = indices
                        .iter()
                        .map(|&index| (self.content_hash(index as usize, seed), index))
                        .collect();
                    hashes.sort_unstable();
                    for &(_, index) in &hashes[..n_drawings.min(indices.len() / 2)] {
                        is_validation[index as usize] = true;
                    }
                }
            }
            Validation::LastPerClass(n_drawings) => {
                for indices in self.indices_by_class() {
                    for &index in indices.iter().rev().take(n_drawings.min(indices.len() / 2)) {
                        is_validation[index as usize] = true;
                    }
                }
            }
        }
        let side = |wanted: bool| -> DataSet {
            let indices: Vec<usize> =
                (0..self.len()).filter(|&index| is_validation[index] == wanted).collect();
            self.subset(&indices)
        };
        (side(false), side(true))
    }
}
