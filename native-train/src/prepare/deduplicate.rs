//! Drawings that were met before, by fingerprints that lie on the disk.

use std::ops::Range;

use anyhow::Result;

use super::spool::Finished;
use crate::hash::mix;

/// A fingerprint and the number of its drawing.
pub(super) const PRINT_BYTES: usize = 16;

/// Streams that fingerprints are divided among by their first bits.
pub(super) const N_PRINT_STREAMS: usize = 64;

/// Bytes of fingerprints that are looked at together.
pub(super) const MAX_PRINTS_BYTES: u64 = 32 << 20;

/// The one of those streams that a fingerprint belongs into.
pub(super) fn print_stream(print: u64) -> usize {
    (print >> 58) as usize
}

pub(super) fn print_bytes(print: u64, number: u64) -> [u8; PRINT_BYTES] {
    (u128::from(print) | u128::from(number) << 64).to_le_bytes()
}

/// Tells `each` the number of every drawing one of whose fingerprints a drawing before it has.
/// Equal fingerprints are in the same of the `streams`, and of that only a part of about
/// `max_bytes` is in memory at a time.
pub(super) fn find_repeated(
    file: &Finished,
    streams: Range<usize>,
    max_bytes: u64,
    mut each: impl FnMut(u64),
) -> Result<()> {
    let mut reader = file.reader()?;
    let mut prints: Vec<(u64, u64)> = Vec::new();
    for stream in streams {
        let n_parts = file.n_parts(stream, max_bytes);
        for part in 0..n_parts {
            prints.clear();
            reader.read(stream, |bytes| {
                let (found, _) = bytes.as_chunks::<PRINT_BYTES>();
                let both = found.iter().map(|&bytes| u128::from_le_bytes(bytes));
                let both = both.map(|both| (both as u64, (both >> 64) as u64));
                prints.extend(both.filter(|(print, _)| print & (n_parts - 1) == part));
                Ok(())
            })?;
            prints.sort_unstable();
            for pair in prints.windows(2) {
                if pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1 {
                    each(pair[1].1);
                }
            }
        }
    }
    Ok(())
}

/// Bits by number, as many as are needed.
#[derive(Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
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

/// Remembers fingerprints in memory of a fixed size (a Bloom filter). One that it calls new is new;
/// the more it has seen, the more often it takes a new one for known.
pub(super) struct Seen(Vec<u64>);

impl Seen {
    const BITS: u64 = 1 << 25;

    pub(super) fn new() -> Self {
        Self(vec![0; (Self::BITS / 64) as usize])
    }

    /// Whether the fingerprint is certainly new.
    pub(super) fn insert(&mut self, print: u64) -> bool {
        let mut is_new = false;
        for bit in [print % Self::BITS, mix(print) % Self::BITS] {
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

    use super::super::spool::{Mark, Spool};
    use super::*;

    /// More fingerprints in one stream than are looked at together.
    #[test]
    fn equal_fingerprints_are_found_in_a_stream_of_several_parts() {
        const N: u64 = 150_000;
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("spool");
        let mut spool = Spool::open(path, 3, Mark::default(), |_, _| {}).expect("a file");
        // Every 1000th drawing has the fingerprint of the one 500 before it, and every 5000th that
        // of the one 2500 before.
        let original = |number: u64| match number % 1000 {
            500 if number % 5000 == 2500 => number - 2500,
            500 => number - 500,
            _ => number,
        };
        let print = |number: u64| mix(original(number)) >> 6;
        for number in 0..N {
            assert_eq!(print_stream(print(number)), 0);
            spool.append(1, &[&print_bytes(print(number), number)]).expect("room on the disk");
        }
        let file = spool.finish().expect("room on the disk");
        const LIMIT: u64 = 1 << 20;
        assert_eq!(file.n_parts(1, LIMIT), 4);
        let mut found = Vec::new();
        find_repeated(&file, 1..3, LIMIT, |number| found.push(number)).expect("a whole file");
        found.sort_unstable();
        let expected: Vec<u64> = (0..N).filter(|&number| original(number) != number).collect();
        assert_eq!(found, expected);
    }
}
