//! Consecutive entries of a file, which threads may look at side by side.

use super::lines::{entry_of, lines_of};
use super::record::{Entry, Found};
use super::simplified;

/// Consecutive entries, which may not have been looked at yet. The memory of one batch serves for
/// the next.
#[derive(Default)]
pub(crate) struct Batch {
    /// Lines, and what is left of longer batches before.
    pub(super) text: Vec<u8>,
    pub(super) n_bytes: usize,
    /// Of files that are not read line by line.
    pub(super) entries: Vec<Entry>,
}

impl Batch {
    /// Bytes of lines, and rarely more.
    pub(crate) const BYTES: usize = 1 << 18;
    /// Entries of other files.
    pub(super) const SIZE: usize = 512;

    /// Hands out the entries with their numbers, those of lines counted from 1 in each batch; all
    /// of the work that can be done apart from the file is done here. Tells how many lines there
    /// were.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(u64, Found<'_>)) -> u64 {
        let mut n_lines = 0;
        let mut packed = Vec::new();
        for line in lines_of(&self.text[..self.n_bytes]) {
            n_lines = line.number;
            match line.bytes().and_then(|bytes| simplified::quick(bytes, &mut packed)) {
                Some(fields) => each(n_lines, Found::Simplified(fields, &packed)),
                None => {
                    if let Some(Entry { number, record }) = entry_of(line) {
                        each(number, record.map_or_else(Found::Bad, Found::Record));
                    }
                }
            }
        }
        for Entry { number, record } in self.entries.drain(..) {
            each(number, record.map_or_else(Found::Bad, Found::Record));
        }
        n_lines
    }
}
