//! Hashes that stay the same from one version of Rust to the next, which the standard library does
//! not promise for its own.

use std::fmt::Write as _;

use rayon::prelude::*;

/// The mixing step of SplitMix64: every bit of the input changes about half of the output's bits.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, written out because the standard library's hash may change from one version of Rust to
/// the next.
pub(crate) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash of `word` of each value, in order; it does not depend on the number of threads.
pub(crate) fn hash_all<T: Sync>(values: &[T], word: impl Fn(&T) -> u64 + Sync) -> u64 {
    const PART: usize = 1 << 16;
    let hash = |part: &[T]| part.iter().fold(0, |hash, value| mix(hash ^ word(value)));
    let parts: Vec<u64> = values.par_chunks(PART).map(hash).collect();
    parts.into_iter().fold(values.len() as u64, |all, part| mix(all ^ part))
}
