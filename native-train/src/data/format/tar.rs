//! The files of a tar archive, one after the other: never unpacked onto the disk.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use tar::Header;

use super::input::Input;
use crate::sync::locked;

/// Archives consist of blocks of this size.
const BLOCK: u64 = 512;

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
