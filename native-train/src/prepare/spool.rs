//! The temporary file of `prepare` between reading and writing.
//!
//! It is a single file, because creating and removing hundreds takes longer than reading a small
//! data set. Records belong to streams; each stream is buffered in memory and appended to the file
//! in chunks of whole records. The file is append-only: its length and a checksum identify a state,
//! and a resumed run truncates it to the last saved one.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// A state of the file: its length and the checksum of its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) bytes: u64,
    crc32c: u32,
}

impl Checkpoint {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
    }
}

/// Buffer size of a stream. A chunk is larger only if a single record is.
const CHUNK_BYTES: usize = 1 << 15;

/// Size of the header of a chunk: number of the stream, length of the records.
const CHUNK_HEADER: usize = 4 + 4;

/// The position of the records of a chunk in the file.
#[derive(Clone, Copy)]
struct Chunk {
    at: u64,
    n_bytes: u32,
}

/// A spool file that is being written.
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    checkpoint: Checkpoint,
    /// By stream: room for a header, then the records that are not written yet.
    buffers: Vec<Vec<u8>>,
    /// By stream: the chunks in the file.
    chunks: Vec<Vec<Chunk>>,
}

impl Spool {
    /// Opens a file of so many streams at the state `checkpoint` (for a new file the default), and
    /// calls `each` with the stream and the records of every chunk before it.
    pub(super) fn open(
        path: PathBuf,
        n_streams: usize,
        checkpoint: Checkpoint,
        mut each: impl FnMut(usize, &[u8]),
    ) -> Result<Self> {
        let unwritable = || format!("{}: cannot be written", path.display());
        let damaged = || format!("{}: is damaged", path.display());
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.with_context(unwritable)?;
        let mut chunks = vec![Vec::new(); n_streams];
        let mut found = Checkpoint::default();
        let mut input = BufReader::with_capacity(1 << 18, &file);
        let mut bytes = Vec::new();
        while found.bytes < checkpoint.bytes {
            bytes.resize(CHUNK_HEADER, 0);
            let too_short = || format!("{}: is shorter than it was", path.display());
            input.read_exact(&mut bytes).with_context(too_short)?;
            let [stream, n_bytes] =
                [0, 4].map(|at| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i])));
            let at = found.bytes + CHUNK_HEADER as u64;
            ensure!(at + u64::from(n_bytes) <= checkpoint.bytes, damaged());
            bytes.resize(CHUNK_HEADER + n_bytes as usize, 0);
            input.read_exact(&mut bytes[CHUNK_HEADER..]).with_context(too_short)?;
            found.add(&bytes);
            chunks.get_mut(stream as usize).with_context(damaged)?.push(Chunk { at, n_bytes });
            each(stream as usize, &bytes[CHUNK_HEADER..]);
        }
        ensure!(found == checkpoint, damaged());
        file.set_len(checkpoint.bytes).with_context(unwritable)?;
        file.seek(SeekFrom::End(0)).with_context(unwritable)?;
        let buffer = |_| {
            let mut buffer = Vec::with_capacity(CHUNK_BYTES);
            buffer.resize(CHUNK_HEADER, 0);
            buffer
        };
        Ok(Self { path, file, checkpoint, buffers: (0..n_streams).map(buffer).collect(), chunks })
    }

    /// Appends a record, given in parts, to a stream.
    pub(super) fn append(&mut self, stream: usize, record: &[&[u8]]) -> Result<()> {
        let n_bytes: usize = record.iter().map(|part| part.len()).sum();
        if self.buffers[stream].len() + n_bytes > CHUNK_BYTES {
            self.write(stream)?;
        }
        let buffer = &mut self.buffers[stream];
        record.iter().for_each(|part| buffer.extend_from_slice(part));
        Ok(())
    }

    /// Writes the buffer of a stream.
    fn write(&mut self, stream: usize) -> Result<()> {
        let buffer = &mut self.buffers[stream];
        let n_bytes = (buffer.len() - CHUNK_HEADER) as u32;
        if n_bytes > 0 {
            buffer[..4].copy_from_slice(&(stream as u32).to_le_bytes());
            buffer[4..CHUNK_HEADER].copy_from_slice(&n_bytes.to_le_bytes());
            let written = self.file.write_all(buffer);
            written.with_context(|| format!("{}: cannot be written", self.path.display()))?;
            self.chunks[stream].push(Chunk { at: self.checkpoint.bytes + CHUNK_HEADER as u64, n_bytes });
            self.checkpoint.add(buffer);
            buffer.truncate(CHUNK_HEADER);
        }
        Ok(())
    }

    /// Writes all buffers (without syncing) and returns the state.
    pub(super) fn flush(&mut self) -> Result<Checkpoint> {
        (0..self.buffers.len()).try_for_each(|stream| self.write(stream))?;
        Ok(self.checkpoint)
    }

    /// Writes all buffers and closes the file for writing.
    pub(super) fn finish(mut self) -> Result<CompleteSpool> {
        self.flush()?;
        Ok(CompleteSpool { path: self.path, chunks: self.chunks })
    }
}

/// A spool file that is complete.
pub(super) struct CompleteSpool {
    pub(super) path: PathBuf,
    chunks: Vec<Vec<Chunk>>,
}

impl CompleteSpool {
    /// The number of parts, a power of two, in which to read a stream so that each has about
    /// `limit` bytes at most.
    pub(super) fn n_parts(&self, stream: usize, limit: u64) -> u64 {
        let n_bytes: u64 = self.chunks[stream].iter().map(|chunk| u64::from(chunk.n_bytes)).sum();
        n_bytes.div_ceil(limit).next_power_of_two()
    }

    /// A reader; each thread needs its own.
    pub(super) fn reader(&self) -> Result<Reader<'_>> {
        let file =
            File::open(&self.path).with_context(|| format!("{}: cannot be read", self.path.display()))?;
        Ok(Reader { path: &self.path, chunks: &self.chunks, file, bytes: Vec::new() })
    }
}

/// Reads streams of a complete file.
pub(super) struct Reader<'a> {
    path: &'a Path,
    chunks: &'a [Vec<Chunk>],
    file: File,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    /// Calls `each` with the stream in pieces of whole records.
    pub(super) fn read(&mut self, stream: usize, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for chunk in &self.chunks[stream] {
            self.bytes.resize(chunk.n_bytes as usize, 0);
            let read =
                self.file.seek(SeekFrom::Start(chunk.at)).and_then(|_| self.file.read_exact(&mut self.bytes));
            read.with_context(|| format!("{}: cannot be read", self.path.display()))?;
            each(&self.bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn new(path: &Path, n_streams: usize) -> Spool {
        Spool::open(path.to_owned(), n_streams, Checkpoint::default(), |_, _| {}).expect("a file")
    }

    #[test]
    fn a_stream_is_what_was_appended_to_it() {
        let folder = TempDir::new().expect("a folder");
        let mut spool = new(&folder.path().join("spool"), 4);
        // Of all lengths, among them none and more than a chunk has.
        let record =
            |number: usize| vec![number as u8; number * number % 997 + number / 4999 * 3 * CHUNK_BYTES];
        let mut expected = vec![Vec::new(); 4];
        for number in 0..5000 {
            let (stream, record) = (number % 3, record(number));
            let (first, second) = record.split_at(record.len() / 2);
            spool.append(stream, &[first, second]).expect("room on the disk");
            expected[stream].extend(record);
            if number % 1000 == 0 {
                spool.flush().expect("room on the disk");
            }
        }
        let file = spool.finish().expect("room on the disk");
        let mut reader = file.reader().expect("a file");
        for (stream, expected) in expected.iter().enumerate() {
            let mut found: Vec<u8> = Vec::new();
            reader
                .read(stream, |bytes| {
                    found.extend(bytes);
                    Ok(())
                })
                .expect("a whole file");
            assert!(found == *expected, "stream {stream}");
        }
    }

    #[test]
    fn a_file_goes_on_from_its_mark_and_is_refused_when_it_was_changed() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("spool");
        let mut spool = new(&path, 2);
        for _ in 0..1000 {
            spool.append(0, &[&[7; 60], &[8; 40]]).expect("room on the disk");
            spool.append(1, &[&[9; 10]]).expect("room on the disk");
        }
        let checkpoint = spool.flush().expect("room on the disk");
        spool.append(1, &[b"lost"]).expect("room on the disk");
        spool.flush().expect("room on the disk");

        let mut n_bytes = [0; 2];
        let mut spool =
            Spool::open(path.clone(), 2, checkpoint, |stream, bytes| n_bytes[stream] += bytes.len())
                .expect("the same file");
        assert_eq!(n_bytes, [100_000, 10_000]);
        assert_eq!(path.metadata().expect("a file").len(), checkpoint.bytes);
        spool.append(1, &[b"found"]).expect("room on the disk");
        let file = spool.finish().expect("room on the disk");
        let mut found = Vec::new();
        let mut reader = file.reader().expect("a file");
        reader
            .read(1, |bytes| {
                found.extend_from_slice(bytes);
                Ok(())
            })
            .expect("a whole file");
        assert_eq!(found, [&[9; 10_000][..], b"found"].concat());

        let open =
            || Spool::open(path.clone(), 2, checkpoint, |_, _| {}).err().expect("a bad file").to_string();
        let good = std::fs::read(&path).expect("a file");
        // Of a header, of a record.
        for at in [0, 5, 50_000] {
            let mut bytes = good.clone();
            bytes[at] ^= 0x40;
            std::fs::write(&path, &bytes).expect("room on the disk");
            assert!(open().contains("spool: is damaged"), "{}", open());
        }
        std::fs::write(&path, &good[..checkpoint.bytes as usize - 1]).expect("room on the disk");
        assert!(open().contains("spool: is shorter than it was"), "{}", open());
    }
}
