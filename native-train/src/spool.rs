//! What `prepare` puts aside on the disk between reading and writing, so that its memory does not grow with the data.
//!
//! Files are only appended to. So a state is known by their lengths, and an interrupted run goes on from it by cutting
//! off what came later. Sums tell whether the disk still holds what was written.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::mix;

/// How far a file has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) bytes: u64,
    crc32c: u32,
}

/// A file that is appended to.
pub(crate) struct Spool {
    path: PathBuf,
    file: BufWriter<File>,
    mark: Mark,
}

impl Spool {
    /// Opens a file at its state `mark`, and hands all bytes before it to `each`; a new one at its beginning.
    pub(crate) fn open(path: PathBuf, mark: Mark, mut each: impl FnMut(&[u8])) -> Result<Self> {
        let unwritable = || format!("{}: cannot be written", path.display());
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.with_context(unwritable)?;
        let mut found = Mark::default();
        let mut bytes = vec![0; 1 << 16];
        while found.bytes < mark.bytes {
            let n = (mark.bytes - found.bytes).min(bytes.len() as u64) as usize;
            let read = (&file).read_exact(&mut bytes[..n]);
            read.with_context(|| format!("{}: is shorter than it was", path.display()))?;
            found = Mark {
                bytes: found.bytes + n as u64,
                crc32c: crc32c::crc32c_append(found.crc32c, &bytes[..n]),
            };
            each(&bytes[..n]);
        }
        ensure!(found == mark, "{}: is damaged", path.display());
        // The place to write is where reading ended.
        file.set_len(mark.bytes).with_context(unwritable)?;
        let file = BufWriter::with_capacity(1 << 15, file);
        Ok(Self { path, file, mark })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).with_context(|| format!("{}: cannot be written", self.path.display()))?;
        self.mark.bytes += bytes.len() as u64;
        self.mark.crc32c = crc32c::crc32c_append(self.mark.crc32c, bytes);
        Ok(())
    }

    /// Hands over to the system what was appended, and tells the state.
    pub(crate) fn flush(&mut self) -> Result<Mark> {
        self.file.flush().with_context(|| format!("{}: cannot be written", self.path.display()))?;
        Ok(self.mark)
    }

    /// Ends the writing.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        let Mark { bytes, .. } = self.flush()?;
        Ok(Finished { path: self.path, bytes })
    }
}

/// A file that is complete.
pub(crate) struct Finished {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

impl Finished {
    pub(crate) fn read(&self) -> Result<BufReader<File>> {
        let file =
            File::open(&self.path).with_context(|| format!("{}: cannot be read", self.path.display()))?;
        Ok(BufReader::with_capacity(1 << 16, file))
    }

    /// In how many parts it is to be read so that each takes about `limit` bytes at most: a power of two.
    pub(crate) fn n_parts(&self, limit: u64) -> u64 {
        self.bytes.div_ceil(limit).next_power_of_two()
    }
}

/// The next bytes; false at the end of the file.
pub(crate) fn read_next(input: &mut impl Read, bytes: &mut [u8], path: &Path) -> Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{}: cannot be read", path.display())),
    }
}

/// A fingerprint and the number of its drawing.
pub(crate) const PRINT_BYTES: usize = 16;

/// Files that fingerprints are divided among by their first bits.
pub(crate) const N_PRINT_FILES: usize = 64;

/// Bytes of fingerprints that are looked at together.
const MAX_PRINTS_BYTES: u64 = 4 << 20;

/// The file that a fingerprint belongs into.
pub(crate) fn print_file(print: u64) -> usize {
    (print >> 58) as usize
}

pub(crate) fn print_bytes(print: u64, number: u64) -> [u8; PRINT_BYTES] {
    (u128::from(print) | u128::from(number) << 64).to_le_bytes()
}

/// Tells `each` the number of every drawing one of whose fingerprints a drawing before it has. Equal fingerprints are
/// in the same file, and of that only a part is in memory at a time.
pub(crate) fn find_repeated(files: &[Finished], mut each: impl FnMut(u64)) -> Result<()> {
    let mut prints: Vec<(u64, u64)> = Vec::new();
    for file in files {
        let n_parts = file.n_parts(MAX_PRINTS_BYTES);
        for part in 0..n_parts {
            prints.clear();
            let mut input = file.read()?;
            let mut bytes = [0; PRINT_BYTES];
            while read_next(&mut input, &mut bytes, &file.path)? {
                let both = u128::from_le_bytes(bytes);
                let (print, number) = (both as u64, (both >> 64) as u64);
                if print & (n_parts - 1) == part {
                    prints.push((print, number));
                }
            }
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
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn set(&mut self, number: u64) {
        let word = (number / 64) as usize;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub(crate) fn get(&self, number: u64) -> bool {
        self.0.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// Remembers fingerprints in memory of a fixed size (a Bloom filter). One that it calls new is new; the more it has seen,
/// the more often it takes a new one for known.
pub(crate) struct Seen(Vec<u64>);

impl Seen {
    const BITS: u64 = 1 << 25;

    pub(crate) fn new() -> Self {
        Self(vec![0; (Self::BITS / 64) as usize])
    }

    /// Whether the fingerprint is certainly new.
    pub(crate) fn insert(&mut self, print: u64) -> bool {
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

    use super::*;

    /// More fingerprints in one file than are looked at together.
    #[test]
    fn equal_fingerprints_are_found_in_a_file_of_several_parts() {
        const N: u64 = 600_000;
        let folder = TempDir::new().expect("a folder");
        let mut spool = Spool::open(folder.path().join("prints"), Mark::default(), |_| {}).expect("a file");
        // Every 1000th drawing has the fingerprint of the one 500 before it, and every 5000th that of the one 2500 before.
        let original = |number: u64| match number % 1000 {
            500 if number % 5000 == 2500 => number - 2500,
            500 => number - 500,
            _ => number,
        };
        let print = |number: u64| mix(original(number)) >> 6;
        for number in 0..N {
            assert_eq!(print_file(print(number)), 0);
            spool.append(&print_bytes(print(number), number)).expect("room on the disk");
        }
        let file = spool.finish().expect("room on the disk");
        assert_eq!(file.n_parts(MAX_PRINTS_BYTES), 4);
        let mut found = Vec::new();
        find_repeated(&[file], |number| found.push(number)).expect("a whole file");
        found.sort_unstable();
        let expected: Vec<u64> = (0..N).filter(|&number| original(number) != number).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_goes_on_from_its_mark_and_is_refused_when_it_was_changed() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("bucket");
        let mut spool = Spool::open(path.clone(), Mark::default(), |_| {}).expect("a file");
        spool.append(&[7; 100_000]).expect("room on the disk");
        let mark = spool.flush().expect("room on the disk");
        spool.append(b"lost").expect("room on the disk");
        spool.flush().expect("room on the disk");

        let mut n_bytes = 0;
        let spool = Spool::open(path.clone(), mark, |bytes| n_bytes += bytes.len()).expect("the same file");
        assert_eq!((n_bytes, spool.finish().expect("nothing to write").bytes), (100_000, 100_000));
        assert_eq!(path.metadata().expect("a file").len(), 100_000);

        let mut bytes = std::fs::read(&path).expect("a file");
        bytes[50_000] ^= 1;
        std::fs::write(&path, &bytes).expect("room on the disk");
        let error = Spool::open(path.clone(), mark, |_| {}).err().expect("a damaged file").to_string();
        assert!(error.contains("bucket: is damaged"), "{error}");
        std::fs::write(&path, &bytes[..99_999]).expect("room on the disk");
        let error = Spool::open(path, mark, |_| {}).err().expect("a short file").to_string();
        assert!(error.contains("bucket: is shorter than it was"), "{error}");
    }
}
