//! A tar archive of files of drawings, as the tutorial's `quickdraw_tutorial_dataset_v1.tar.gz` -> records.
//!
//! The archive is read once from front to end, member by member, and never unpacked onto the disk; what a member's name
//! is plays no part but for its form and category. Names of classes that come only after the records they belong to are
//! looked up in a second reading.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use tar::Header;

use super::records::{Beside, Entry, Input, Records, classes_file, parse_classes, stem};

/// Archives consist of blocks of this size.
const BLOCK: u64 = 512;

/// The longest list of classes that is read.
const MAX_CLASSES_BYTES: u64 = 4 << 20;

/// Lists of classes by the name of their file.
pub(crate) type ClassLists = HashMap<String, Vec<String>>;

/// An archive and how much of the current member is left.
struct Stream {
    input: Input,
    left: u64,
    padding: u64,
}

/// The rest of the current member.
struct Member(Arc<Mutex<Stream>>);

impl Read for Member {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let n = into.len().min(usize::try_from(stream.left).unwrap_or(usize::MAX));
        let n_read = stream.input.read(&mut into[..n])?;
        if n_read == 0 && n > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends in the middle of this",
            ));
        }
        stream.left -= n_read as u64;
        Ok(n_read)
    }
}

impl Stream {
    /// The name of the next file, whose content comes next.
    fn next_member(&mut self) -> io::Result<Option<String>> {
        loop {
            let rest = self.left + self.padding;
            if io::copy(&mut self.input.by_ref().take(rest), &mut io::sink())? != rest {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the archive ends in the middle of a file",
                ));
            }
            (self.left, self.padding) = (0, 0);
            let mut block = Vec::with_capacity(BLOCK as usize);
            self.input.by_ref().take(BLOCK).read_to_end(&mut block)?;
            if block.is_empty() || block.iter().all(|&byte| byte == 0) {
                // What follows the end must still be read, or a checksum of gzip would not be.
                io::copy(&mut self.input, &mut io::sink())?;
                return Ok(None);
            }
            if block.len() as u64 != BLOCK {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the archive ends in the middle of a header",
                ));
            }
            let header = Header::from_byte_slice(&block);
            // `tar.h`: the sum of all bytes of the header, those of the sum itself taken as spaces.
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            let own: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
            if header.cksum()? != sum - own + 8 * u32::from(b' ') {
                return Err(io::Error::other("wrong checksum of a header of the archive"));
            }
            self.left = header.entry_size()?;
            self.padding = (BLOCK - self.left % BLOCK) % BLOCK;
            if self.left > u64::MAX - BLOCK {
                return Err(io::Error::other("a file of the archive claims an absurd size"));
            }
            let path = String::from_utf8_lossy(&header.path_bytes()).into_owned();
            let name = path.rsplit('/').next().unwrap_or_default();
            // Names that begin with a dot are what other systems add to an archive.
            if header.entry_type().is_file() && !name.starts_with('.') {
                return Ok(Some(name.to_owned()));
            }
        }
    }
}

/// Reads the files of an archive one after the other.
pub(crate) struct Archive {
    stream: Arc<Mutex<Stream>>,
    /// What to read again for classes that come too late: not there for standard input.
    again: Option<Box<dyn Fn() -> Result<Input> + Send>>,
    classes: ClassLists,
    current: Option<(String, Box<Records>)>,
    number: u64,
}

impl Archive {
    pub(crate) fn new(input: Input, again: Option<Box<dyn Fn() -> Result<Input> + Send>>) -> Self {
        let stream = Arc::new(Mutex::new(Stream { input, left: 0, padding: 0 }));
        Self { stream, again, classes: ClassLists::new(), current: None, number: 0 }
    }

    /// The next drawing; `number` counts those of all files of the archive.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if let Some((name, records)) = &mut self.current {
                let found = records
                    .next_entry()
                    .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
                if let Some(Entry { number, record }) = found {
                    self.number += 1;
                    let record = record.map_err(|message| format!("{name}:{number}: {message}"));
                    return Ok(Some(Entry { number: self.number, record }));
                }
                self.current = None;
            }
            let name = self.stream.lock().unwrap_or_else(PoisonError::into_inner).next_member()?;
            let Some(name) = name else { return Ok(None) };
            self.open(name).map_err(|error| io::Error::other(format!("{error:#}")))?;
        }
    }

    fn open(&mut self, name: String) -> Result<()> {
        let mut member: Input = Box::new(BufReader::with_capacity(1 << 16, Member(Arc::clone(&self.stream))));
        if name.ends_with(".classes") {
            let classes = read_classes(&mut member).with_context(|| name.clone())?;
            self.classes.insert(name, classes);
            return Ok(());
        }
        if stem(Path::new(&name)).is_none() {
            return Ok(());
        }
        let wanted = classes_file(&name);
        if let (Some(wanted), Some(again)) =
            (wanted.filter(|wanted| !self.classes.contains_key(wanted)), &self.again)
        {
            let mut stream = Stream { input: again()?, left: 0, padding: 0 };
            while let Some(other) = stream.next_member()? {
                if other == wanted {
                    let stream = Arc::new(Mutex::new(stream));
                    self.classes.insert(other, read_classes(&mut Member(stream)).context(wanted)?);
                    break;
                }
            }
        }
        let records =
            Records::of(member, Path::new(&name), Beside::Archive(&self.classes)).context(name.clone())?;
        if matches!(records, Records::Archive(_)) {
            bail!("{name}: an archive within the archive");
        }
        self.current = Some((name, Box::new(records)));
        Ok(())
    }
}

fn read_classes(input: &mut impl Read) -> Result<Vec<String>> {
    let mut text = String::new();
    input.take(MAX_CLASSES_BYTES).read_to_string(&mut text).context("cannot be read as a list of classes")?;
    Ok(parse_classes(&text))
}
