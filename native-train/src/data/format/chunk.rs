//! Consecutive entries of a file, which threads can parse in parallel.

use super::entry::{Entry, Found};
use super::fast_ndjson;
use super::lines::{entry_of, lines_of};

/// Consecutive entries, perhaps not parsed yet. The buffers are reused for the next chunk.
#[derive(Default)]
pub(crate) struct Chunk {
    /// Lines; what follows them is left over from a longer chunk before.
    pub(super) text: Vec<u8>,
    pub(super) n_bytes: usize,
    /// Entries of files that are not read line by line.
    pub(super) entries: Vec<Entry>,
}

impl Chunk {
    /// Bytes of lines, rarely exceeded.
    pub(crate) const BYTES: usize = 1 << 18;
    /// Number of entries of other files.
    pub(super) const SIZE: usize = 512;

    /// Parses the entries and calls `each` with their numbers (lines are counted from 1 in each
    /// chunk) and contents. Returns the number of lines.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(u64, Found<'_>)) -> u64 {
        let mut n_lines = 0;
        let mut packed = Vec::new();
        for line in lines_of(&self.text[..self.n_bytes]) {
            n_lines = line.number;
            match line.bytes().and_then(|bytes| fast_ndjson::quick(bytes, &mut packed)) {
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
