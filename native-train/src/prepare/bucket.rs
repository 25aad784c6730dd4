//! Accepted drawings in 256 buckets on disk, by their sort key, and reading a bucket back.

use std::ops::Range;

use anyhow::{Context, Result};

use super::deduplicate::{BitSet, N_FINGERPRINT_STREAMS};
use super::spool::Reader;

/// Streams of the spool: buckets of drawings, fingerprints, and the list of candidates.
const N_BUCKETS: usize = 256;
pub(super) const FINGERPRINTS: Range<usize> = N_BUCKETS..N_BUCKETS + N_FINGERPRINT_STREAMS;
pub(super) const CANDIDATES: usize = FINGERPRINTS.end;
pub(super) const N_STREAMS: usize = CANDIDATES + 1;

/// The most bytes of a bucket that a thread holds in memory at a time. With fifty million drawings
/// a bucket has 40 MiB.
pub(super) const MAX_BUCKET_BYTES: u64 = 64 << 20;

/// An accepted drawing, which is written unless it is a duplicate or its class is full.
pub(super) struct Candidate {
    /// Class index.
    pub(super) index: usize,
    pub(super) is_eval: bool,
    pub(super) was_simplified: bool,
}

impl Candidate {
    pub(super) const BYTES: usize = 4;

    pub(super) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let flags = u32::from(self.is_eval) | u32::from(self.was_simplified) << 1;
        ((self.index as u32) << 2 | flags).to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let value = u32::from_le_bytes(bytes);
        Self { index: (value >> 2) as usize, is_eval: value & 1 != 0, was_simplified: value & 2 != 0 }
    }
}

/// Size of the header of a packed drawing in a bucket: length, sort key, number, candidate.
const BUCKET_HEADER: usize = 4 + 8 + 8 + Candidate::BYTES;

pub(super) fn bucket_header(
    length: usize,
    order: u64,
    number: u64,
    candidate: &Candidate,
) -> [u8; BUCKET_HEADER] {
    let mut header = [0; BUCKET_HEADER];
    header[..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[4..12].copy_from_slice(&order.to_le_bytes());
    header[12..20].copy_from_slice(&number.to_le_bytes());
    header[20..].copy_from_slice(&candidate.to_bytes());
    header
}

/// The bucket of a sort key.
pub(super) fn bucket_of(order: u128) -> usize {
    (order >> 56) as usize
}

/// A drawing of a bucket that is in memory.
pub(super) struct Entry {
    pub(super) order: u64,
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) index: usize,
    pub(super) is_eval: bool,
}

/// Reads one of `n_parts` of a bucket (the high bits of the sort key choose the bucket, the next
/// ones the part), sorted: the drawings whose key is in `orders` and that are not left out.
pub(super) fn read_part(
    reader: &mut Reader<'_>,
    bucket: usize,
    (part, n_parts): (u64, u64),
    orders: &Range<u128>,
    left_out: &BitSet,
    bytes: &mut Vec<u8>,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    bytes.clear();
    entries.clear();
    reader.read(bucket, |mut rest| {
        while !rest.is_empty() {
            let damaged = || "a bucket is damaged";
            let (header, others) = rest.split_first_chunk::<BUCKET_HEADER>().with_context(damaged)?;
            let u64_at = |at| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
            let length = u32::from_le_bytes(std::array::from_fn(|i| header[i])) as usize;
            let (packed, others) = others.split_at_checked(length).with_context(damaged)?;
            rest = others;
            let (order, number) = (u64_at(4), u64_at(12));
            let is_here = (u128::from(order << 8) * u128::from(n_parts)) >> 64 == u128::from(part);
            if !is_here || !orders.contains(&u128::from(order)) || left_out.get(number) {
                continue;
            }
            let at = bytes.len();
            bytes.extend_from_slice(packed);
            let candidate = Candidate::from_bytes(std::array::from_fn(|i| header[20 + i]));
            let Candidate { index, is_eval, .. } = candidate;
            entries.push(Entry { order, at, end: bytes.len(), index, is_eval });
        }
        Ok(())
    })?;
    // Stable: duplicates, if they are kept, stay in the order of the files.
    entries.sort_by_key(|entry| entry.order);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::spool::{Checkpoint, Spool};
    use super::*;
    use crate::hash::mix;

    /// A bucket too large to be in memory as a whole gives the same drawings in the same order.
    #[test]
    fn a_bucket_is_read_in_parts() {
        const N: u64 = 1500;
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("spool");
        let mut spool = Spool::open(path, N_STREAMS, Checkpoint::default(), |_, _| {}).expect("a file");
        let mut left_out = BitSet::default();
        let mut expected = Vec::new();
        let half = 0x7f << 56 | 1 << 55;
        for number in 0..N {
            let order = mix(number) >> 8 | 0x7f << 56;
            let content = number.to_le_bytes().repeat(500);
            let candidate =
                Candidate { index: number as usize % 7, is_eval: number % 3 == 0, was_simplified: false };
            let header = bucket_header(content.len(), order, number, &candidate);
            spool.append(0x7f, &[&header, &content]).expect("room on the disk");
            if number % 10 == 0 {
                left_out.set(number);
            } else if order >= half {
                expected.push((order, candidate.index, candidate.is_eval, content));
            }
        }
        expected.sort();
        let spool = spool.finish().expect("room on the disk");
        let mut reader = spool.reader().expect("a file");
        const LIMIT: u64 = 2 << 20;
        let n_parts = spool.n_parts(0x7f, LIMIT);
        assert_eq!(n_parts, 4);
        let (mut bytes, mut entries, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let orders = u128::from(half)..1 << 64;
        for part in 0..n_parts {
            let part = (part, n_parts);
            read_part(&mut reader, 0x7f, part, &orders, &left_out, &mut bytes, &mut entries)
                .expect("a whole bucket");
            assert!(bytes.len() as u64 <= LIMIT);
            found.extend(
                entries.iter().map(|entry| {
                    (entry.order, entry.index, entry.is_eval, bytes[entry.at..entry.end].to_vec())
                }),
            );
        }
        assert_eq!(found.len(), expected.len());
        assert!(found == expected);
    }
}
