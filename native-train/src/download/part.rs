//! A partial file, and what the server said about it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::counter::Counter;
use super::http::Version;
use super::options::Options;
use crate::fs::write_atomic;

/// Buffer size.
pub(super) const BUFFER: usize = 1 << 16;

/// A partial file.
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) version_path: PathBuf,
    pub(super) file: File,
    pub(super) len: u64,
    /// Bytes received since it was opened.
    pub(super) n_received: u64,
    pub(super) version: Option<Version>,
    pub(super) counter: Counter,
    /// Whether ranges can be tied to a version; if not, the file must come in one response.
    pub(super) comes_in_ranges: bool,
    /// Bytes that the progress display has counted.
    pub(super) announced: u64,
}

impl Part {
    /// Opens the partial file of `target`, and empties it if it cannot be resumed.
    pub(super) fn open(target: &Path, url: &str, options: &Options) -> Result<Self> {
        let named = |end: &str| {
            let mut name = target.file_name().unwrap_or_default().to_owned();
            name.push(end);
            target.with_file_name(name)
        };
        let (path, version_path) = (named(".part"), named(".part.json"));
        let shown = path.display();
        ensure!(
            !path.is_symlink(),
            "{shown} is a link, and what it leads to would be written over; remove it"
        );
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write {shown}"))?;
        let len = file.metadata().with_context(|| format!("cannot read {shown}"))?.len();
        let version =
            fs::read(&version_path).ok().and_then(|bytes| serde_json::from_slice::<Version>(&bytes).ok());
        let version = version.filter(|version| {
            version.url == url && version.validator.is_some() && version.size.is_none_or(|size| len <= size)
        });
        let counter = Counter::new(options.form);
        let mut part = Self {
            path,
            version_path,
            file,
            len,
            version,
            counter,
            comes_in_ranges: true,
            announced: 0,
            n_received: 0,
        };
        if part.version.is_none() {
            part.empty()?;
        } else if let Some(limit) = options.max_drawings_per_class {
            part.count(limit)?;
        }
        Ok(part)
    }

    /// Counts the drawings of the partial file, and truncates it after the limit.
    pub(super) fn count(&mut self, limit: u64) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        let mut n_taken = 0;
        self.file.seek(SeekFrom::Start(0)).with_context(|| self.unreadable())?;
        loop {
            let n = self.file.read(&mut buffer).with_context(|| self.unreadable())?;
            let taken = self.counter.take(&buffer[..n], limit);
            n_taken += taken as u64;
            if n == 0 || taken < n {
                break;
            }
        }
        if n_taken < self.len {
            self.file.set_len(n_taken).with_context(|| self.unwritable())?;
            self.len = n_taken;
        }
        Ok(())
    }

    pub(super) fn unreadable(&self) -> String {
        format!("cannot read {}", self.path.display())
    }

    pub(super) fn unwritable(&self) -> String {
        format!("cannot write {}", self.path.display())
    }

    /// Restarts.
    pub(super) fn empty(&mut self) -> Result<()> {
        self.file.set_len(0).with_context(|| self.unwritable())?;
        self.len = 0;
        self.version = None;
        self.counter = Counter::new(self.counter.form);
        Ok(())
    }

    /// Records the version of the file before its first bytes are written.
    pub(super) fn set_version(&mut self, version: Version) -> Result<()> {
        if self.version.as_ref() != Some(&version) {
            write_atomic(&self.version_path, &serde_json::to_vec(&version)?)?;
            self.version = Some(version);
        }
        Ok(())
    }

    /// Appends bytes up to the limit of drawings; returns whether it was reached.
    pub(super) fn append(&mut self, bytes: &[u8], limit: Option<u64>) -> Result<bool> {
        let n = limit.map_or(bytes.len(), |limit| self.counter.take(bytes, limit));
        self.file.seek(SeekFrom::Start(self.len)).with_context(|| self.unwritable())?;
        self.file.write_all(&bytes[..n]).with_context(|| self.unwritable())?;
        self.len += n as u64;
        self.n_received += bytes.len() as u64;
        Ok(limit == Some(self.counter.n))
    }

    /// The checksums of the file, as the server writes them: CRC-32C and MD5.
    pub(super) fn sums(&mut self) -> Result<(String, String)> {
        self.file.seek(SeekFrom::Start(0)).with_context(|| self.unreadable())?;
        let mut reader = BufReader::with_capacity(BUFFER, &self.file);
        let (mut crc, mut md5) = (0, md5::Context::new());
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = reader.read(&mut buffer).with_context(|| self.unreadable())?;
            if n == 0 {
                return Ok((base64(&u32::to_be_bytes(crc)), base64(&md5.finalize().0)));
            }
            crc = crc32c::crc32c_append(crc, &buffer[..n]);
            md5.consume(&buffer[..n]);
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().enumerate().fold(0_u32, |bits, (i, &byte)| bits | (u32::from(byte) << (16 - 8 * i)));
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])
            });
        }
    }
    text
}
