//! sketch-rnn's files, `cat.npz`: a zip archive of three arrays, `train`, `valid` and `test`, of
//! drawings -> records.
//!
//! A drawing is an array `[n, 3]` of int16, a row `(dx, dy, pen)` a point: the way from the point
//! before it, the first one from (0, 0), and 1 where the pen is lifted after it (`stroke-3` of
//! magenta's `sketch_rnn/utils.py`). NumPy stores such a list of arrays as a pickle;
//! [`pickle`](super::pickle) reads the necessary subset. The category is only in the file name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use quickdraw_core::{Drawing, Record};
use zip::{CompressionMethod, ZipArchive};

use super::entry::Entry;
use super::pickle::{Block, Unpickler};

/// The arrays of a file, in the order in which they are read.
const ARRAYS: [&str; 3] = ["train.npy", "valid.npy", "test.npy"];

/// The largest declared size of an array; the largest in the data set has a quarter of it.
const MAX_ARRAY_BYTES: u64 = 1 << 30;

/// The largest declared compression ratio of an array; drawings compress to about a third.
const MAX_RATIO: u64 = 200;

/// An archive has three members.
const MAX_MEMBERS: usize = 64;

/// The longest header of an array; NumPy's have about 120 bytes.
const MAX_HEADER_BYTES: usize = 1 << 12;

/// A zip archive can only be read from its end.
#[derive(Clone)]
pub(crate) enum Source {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

trait Seekable: Read + Seek + Send {}

impl<T: Read + Seek + Send> Seekable for T {}

impl Source {
    fn open(&self) -> io::Result<Box<dyn Seekable>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        })
    }
}

/// Where an array is in the archive.
struct Member {
    name: &'static str,
    start: u64,
    compressed: u64,
    size: u64,
    checksum: u32,
    is_deflated: bool,
}

type Raw = BufReader<CrcReader<Box<dyn Read + Send>>>;

/// Reads the drawings of a file.
pub(crate) struct Npz {
    source: Source,
    word: String,
    /// Arrays that are still to be read, the next one last.
    members: Vec<Member>,
    current: Option<(Member, Unpickler<Raw>)>,
    number: u64,
}

impl Npz {
    /// Finds the arrays and checks their declared sizes.
    pub(crate) fn open(source: Source, word: String) -> Result<Self> {
        let input = source.open()?;
        let mut archive =
            ZipArchive::new(BufReader::new(input)).context("not a zip archive that can be read")?;
        ensure!(
            archive.len() <= MAX_MEMBERS,
            "{} members; those of a sketch-rnn file, {}, were expected",
            archive.len(),
            ARRAYS.join(", ")
        );
        let mut members = Vec::new();
        for index in 0..archive.len() {
            let member = archive.by_index_raw(index)?;
            let Some(place) = ARRAYS.iter().position(|&name| name == member.name()) else { continue };
            let name = ARRAYS[place];
            ensure!(!member.encrypted(), "{name}: encrypted");
            let (size, compressed) = (member.size(), member.compressed_size());
            ensure!(
                size <= MAX_ARRAY_BYTES && size <= (1 << 20) + MAX_RATIO * compressed,
                "{name}: claims to have {size} bytes, compressed {compressed}, which no array of drawings has; not read"
            );
            let is_deflated = match member.compression() {
                CompressionMethod::STORE => false,
                CompressionMethod::DEFLATE => true,
                method => anyhow::bail!("{name}: compressed by {method}; deflate was expected"),
            };
            let start = member.data_start().context("a member without a beginning")?;
            let checksum = member.crc32();
            members.push((place, Member { name, start, compressed, size, checksum, is_deflated }));
        }
        ensure!(!members.is_empty(), "none of the arrays of a sketch-rnn file, {}", ARRAYS.join(", "));
        members.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
        let n_bytes = archive.into_inner().seek(SeekFrom::End(0))?;
        for (_, member) in &members {
            ensure!(
                member.start.checked_add(member.compressed).is_some_and(|end| end <= n_bytes),
                "{}: claims to end beyond the file",
                member.name
            );
        }
        let members = members.into_iter().map(|(_, member)| member).collect();
        Ok(Self { source, word, members, current: None, number: 0 })
    }

    /// The next drawing; `number` counts those of all arrays.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let Some((member, unpickler)) = &mut self.current else {
                let Some(member) = self.members.pop() else { return Ok(None) };
                let unpickler = begin(&self.source, &member)
                    .map_err(|error| io::Error::other(format!("{}: {error:#}", member.name)))?;
                self.current = Some((member, unpickler));
                continue;
            };
            let damaged = |message: String| io::Error::other(format!("{}: {message}", member.name));
            if let Some(block) = unpickler.next_block().map_err(damaged)? {
                self.number += 1;
                let record =
                    drawing(&block).map_err(|message| format!("{}: {message}", member.name)).map(|drawing| {
                        Record {
                            word: self.word.clone(),
                            drawing,
                            key_id: None,
                            countrycode: None,
                            timestamp: None,
                            recognized: None,
                            soft: None,
                        }
                    });
                return Ok(Some(Entry { number: self.number, record }));
            }
            if let Some((member, unpickler)) = self.current.take() {
                end(&member, unpickler)
                    .map_err(|error| io::Error::other(format!("{}: {error:#}", member.name)))?;
            }
        }
    }
}

/// Opens an array up to where its pickle begins.
fn begin(source: &Source, member: &Member) -> Result<Unpickler<Raw>> {
    let mut input = source.open()?;
    input.seek(SeekFrom::Start(member.start))?;
    let packed = BufReader::new(input.take(member.compressed));
    let input: Box<dyn Read + Send> =
        if member.is_deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
    let mut input = BufReader::with_capacity(1 << 16, CrcReader::new(input));

    // `numpy/lib/format.py`: magic, version, length of the header, header.
    let mut start = [0; 8];
    input.read_exact(&mut start).context("too short for an array")?;
    ensure!(start.starts_with(b"\x93NUMPY"), "not a NumPy array");
    let (n, n_start) = if start[6] == 1 {
        let mut n = [0; 2];
        input.read_exact(&mut n)?;
        (usize::from(u16::from_le_bytes(n)), 10)
    } else {
        let mut n = [0; 4];
        input.read_exact(&mut n)?;
        (u32::from_le_bytes(n) as usize, 12)
    };
    ensure!(n <= MAX_HEADER_BYTES, "a header of {n} bytes; at most {MAX_HEADER_BYTES} were expected");
    let mut header = vec![0; n];
    input.read_exact(&mut header).context("too short for its header")?;
    let header = String::from_utf8_lossy(&header);
    ensure!(
        header.contains("'descr': '|O'") || header.contains("'descr': 'O'"),
        "an array of other things than drawings: {}",
        header.trim()
    );
    let left = member.size.checked_sub((n_start + n) as u64).context("larger than it claims to be")?;
    Ok(Unpickler::new(input, left))
}

/// Checks the declared size of the array and its checksum.
fn end(member: &Member, unpickler: Unpickler<Raw>) -> Result<()> {
    let (mut input, n_left) = unpickler.into_input();
    ensure!(n_left == 0 && input.fill_buf()?.is_empty(), "more bytes after the array");
    ensure!(input.get_ref().crc().sum() == member.checksum, "wrong checksum");
    Ok(())
}

fn drawing(block: &Block) -> Result<Drawing, String> {
    let &[n, 3] = block.shape.as_slice() else {
        return Err(format!("an array of the shape {:?}; [n, 3] was expected", block.shape));
    };
    let mut strokes: Vec<Vec<[f32; 2]>> = Vec::new();
    let mut is_lifted = true;
    let (mut place, mut lowest) = ([0.0; 2], [f64::INFINITY; 2]);
    let mut highest = [f64::NEG_INFINITY; 2];
    for row in block.values.chunks_exact(3).take(n) {
        place = [place[0] + row[0], place[1] + row[1]];
        for axis in 0..2 {
            lowest[axis] = lowest[axis].min(place[axis]);
            highest[axis] = highest[axis].max(place[axis]);
        }
        if std::mem::replace(&mut is_lifted, row[2] != 0.0) {
            strokes.push(Vec::new());
        }
        if let Some(stroke) = strokes.last_mut() {
            stroke.push(place.map(|value| value as f32));
        }
    }
    // Files that leave out where the first point was are moved back to the corner, where the data
    // set's drawings are.
    if lowest.iter().any(|&value| value < 0.0) || highest.iter().any(|&value| value > 255.0) {
        for point in strokes.iter_mut().flatten() {
            *point = [0, 1].map(|axis| (f64::from(point[axis]) - lowest[axis]) as f32);
        }
    }
    Drawing::from_strokes(strokes).map_err(|error| error.to_string())
}
