//! The files of a tar archive, one after the other: never unpacked onto the disk.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use tar::{Header, PaxExtensions};

use super::input::Input;
use crate::sync::locked;

/// Archives consist of blocks of this size.
const BLOCK: u64 = 512;

/// The longest extended header: a long name, and other attributes of a file.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// Whether these first bytes are those of a tar archive (POSIX or GNU).
pub(super) fn is_tar(first: &[u8]) -> bool {
    first.get(257..262) == Some(b"ustar")
}

/// An archive and how much of the current member is left.
struct Stream {
    input: Input,
    left: u64,
    padding: u64,
}

/// The rest of the current member.
pub(super) struct Member(Arc<Mutex<Stream>>);

impl Read for Member {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut stream = locked(&self.0);
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
        // Extended headers come before that of the file: GNU's for a long name, POSIX's (pax) for
        // one that is not ASCII.
        let (mut long_path, mut long_size) = (None, None);
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
            let stored: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
            if header.cksum()? != sum - stored + 8 * u32::from(b' ') {
                return Err(io::Error::other("wrong checksum of a header of the archive"));
            }
            self.set_size(header.entry_size()?)?;
            let kind = header.entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                let content = self.read_extension()?;
                if kind.is_gnu_longname() {
                    long_path = content.split(|&byte| byte == 0).next().map(<[u8]>::to_vec);
                    continue;
                }
                for extension in PaxExtensions::new(&content) {
                    let extension = extension?;
                    match extension.key_bytes() {
                        b"path" => long_path = Some(extension.value_bytes().to_vec()),
                        b"size" => long_size = extension.value().ok().and_then(|size| size.parse().ok()),
                        _ => {}
                    }
                }
                continue;
            }
            if kind.is_gnu_longlink() || kind.is_pax_global_extensions() {
                continue;
            }
            if let Some(size) = long_size.take() {
                self.set_size(size)?;
            }
            let path = long_path.take().unwrap_or_else(|| header.path_bytes().into_owned());
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            // Names that begin with a dot are what other systems add to an archive.
            if kind.is_file() && !name.starts_with(b".") {
                let name = String::from_utf8(name.to_vec());
                return name.map(Some).map_err(|error| {
                    let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    io::Error::other(format!("the name {name:?} is not UTF-8 text"))
                });
            }
        }
    }

    /// Sets how many bytes come before the next header.
    fn set_size(&mut self, size: u64) -> io::Result<()> {
        if size > u64::MAX - BLOCK {
            return Err(io::Error::other("a file of the archive claims an absurd size"));
        }
        (self.left, self.padding) = (size, (BLOCK - size % BLOCK) % BLOCK);
        Ok(())
    }

    /// Reads the extended header of the next file.
    fn read_extension(&mut self) -> io::Result<Vec<u8>> {
        if self.left > MAX_EXTENSION_BYTES {
            return Err(io::Error::other(format!(
                "{} bytes about a file of the archive are too many",
                self.left
            )));
        }
        let mut content = vec![0; self.left as usize];
        let read = self.input.read_exact(&mut content);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the archive ends in the middle of a header")
            }
            _ => error,
        })?;
        self.left = 0;
        Ok(content)
    }
}

/// An archive that is read from front to end.
pub(super) struct Members(Arc<Mutex<Stream>>);

impl Members {
    pub(super) fn new(input: Input) -> Self {
        Self(Arc::new(Mutex::new(Stream { input, left: 0, padding: 0 })))
    }

    /// The next file: its name, and its content, which is to be read before the next is asked for.
    pub(super) fn next(&mut self) -> io::Result<Option<(String, Member)>> {
        let name = locked(&self.0).next_member()?;
        Ok(name.map(|name| (name, Member(Arc::clone(&self.0)))))
    }
}
