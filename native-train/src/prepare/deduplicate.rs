//! Duplicates, found by fingerprints on disk.

use std::ops::Range;

use anyhow::Result;

use super::spool::CompleteSpool;
use crate::hash::mix;

/// Size of a fingerprint with the number of its drawing.
pub(super) const FINGERPRINT_BYTES: usize = 16;

/// Number of streams that fingerprints are partitioned into by their high bits.
pub(super) const N_FINGERPRINT_STREAMS: usize = 64;

/// The most bytes of fingerprints that are sorted at a time.
pub(super) const MAX_FINGERPRINT_BYTES: u64 = 32 << 20;

/// The stream of a fingerprint.
pub(super) fn fingerprint_stream(fingerprint: u64) -> usize {
    (fingerprint >> 58) as usize
}

pub(super) fn fingerprint_bytes(fingerprint: u64, number: u64) -> [u8; FINGERPRINT_BYTES] {
    (u128::from(fingerprint) | u128::from(number) << 64).to_le_bytes()
}

/// Calls `each` with the number of every drawing that shares a fingerprint with an earlier one.
/// Equal fingerprints are in the same one of the `streams`, of which about `max_bytes` are in
/// memory at a time.
pub(super) fn find_duplicates(
    file: &CompleteSpool,
    streams: Range<usize>,
    max_bytes: u64,
    mut each: impl FnMut(u64),
) -> Result<()> {
    let mut reader = file.reader()?;
    let mut fingerprints: Vec<(u64, u64)> = Vec::new();
    for stream in streams {
        let n_parts = file.n_parts(stream, max_bytes);
        for part in 0..n_parts {
            fingerprints.clear();
            reader.read(stream, |bytes| {
                let (found, _) = bytes.as_chunks::<FINGERPRINT_BYTES>();
                let both = found.iter().map(|&bytes| u128::from_le_bytes(bytes));
                let both = both.map(|both| (both as u64, (both >> 64) as u64));
                fingerprints.extend(both.filter(|(fingerprint, _)| fingerprint & (n_parts - 1) == part));
                Ok(())
            })?;
            fingerprints.sort_unstable();
            for pair in fingerprints.windows(2) {
                if pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1 {
                    each(pair[1].1);
                }
            }
        }
    }
    Ok(())
}

/// A set of numbers, one bit each, that grows as needed.
#[derive(Default)]
pub(super) struct BitSet(Vec<u64>);

impl BitSet {
    pub(super) fn set(&mut self, number: u64) {
        let word = (number / 64) as usize;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub(super) fn get(&self, number: u64) -> bool {
        self.0.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// A Bloom filter of fingerprints, of fixed size: it has no false negatives, and more false
/// positives the more it has seen.
pub(super) struct BloomFilter(Vec<u64>);

impl BloomFilter {
    const BITS: u64 = 1 << 25;

    pub(super) fn new() -> Self {
        Self(vec![0; (Self::BITS / 64) as usize])
    }

    /// Whether the fingerprint was certainly not inserted before.
    pub(super) fn insert(&mut self, fingerprint: u64) -> bool {
        let mut is_new = false;
        for bit in [fingerprint % Self::BITS, mix(fingerprint) % Self::BITS] {
            let word = &mut self.0[(bit / 64) as usize];
            is_new |= *word >> (bit % 64) & 1 == 0;
            *word |= 1 << (bit % 64);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::spool::{Checkpoint, Spool};
    use super::*;

    /// More fingerprints in one stream than are sorted at a time.
    #[test]
    fn equal_fingerprints_are_found_in_a_stream_of_several_parts() {
        const N: u64 = 150_000;
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("spool");
        let mut spool = Spool::open(path, 3, Checkpoint::default(), |_, _| {}).expect("a file");
        // Every 1000th drawing has the fingerprint of the one 500 before it, and every 5000th that
        // of the one 2500 before.
        let original = |number: u64| match number % 1000 {
            500 if number % 5000 == 2500 => number - 2500,
            500 => number - 500,
            _ => number,
        };
        let fingerprint = |number: u64| mix(original(number)) >> 6;
        for number in 0..N {
            assert_eq!(fingerprint_stream(fingerprint(number)), 0);
            spool.append(1, &[&fingerprint_bytes(fingerprint(number), number)]).expect("room on the disk");
        }
        let file = spool.finish().expect("room on the disk");
        const LIMIT: u64 = 1 << 20;
        assert_eq!(file.n_parts(1, LIMIT), 4);
        let mut found = Vec::new();
        find_duplicates(&file, 1..3, LIMIT, |number| found.push(number)).expect("a whole file");
        found.sort_unstable();
        let expected: Vec<u64> = (0..N).filter(|&number| original(number) != number).collect();
        assert_eq!(found, expected);
    }
}
