//! The decompressed bytes of a file or of standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use memchr::memchr;

use super::names::STANDARD_INPUT;
use super::zstandard::{Zstandard, is_zstandard};

/// Number of bytes from which the format is detected.
const FIRST_BYTES: usize = 1024;

/// Buffer size.
pub(super) const INPUT_BUFFER: usize = 1 << 16;

const GZIP: &[u8] = &[0x1f, 0x8b];

pub(super) type Input = Box<dyn BufRead + Send>;

/// Opens a file and decompresses it; also returns whether it was compressed.
pub(super) fn open_file(path: &Path) -> Result<(Input, bool)> {
    let shown = path.display();
    let input: Input = if path.as_os_str() == STANDARD_INPUT {
        Box::new(BufReader::with_capacity(INPUT_BUFFER, io::stdin()))
    } else {
        let file = File::open(path).with_context(|| format!("{shown}: cannot be opened"))?;
        Box::new(BufReader::with_capacity(INPUT_BUFFER, file))
    };
    unpacked(input).with_context(|| format!("{shown}: cannot be read"))
}

/// Decompresses gzip or Zstandard; also returns whether the input was compressed.
pub(super) fn unpacked(input: Input) -> Result<(Input, bool)> {
    let (first, input) = peek(input)?;
    if first.starts_with(GZIP) {
        return Ok((Box::new(BufReader::with_capacity(INPUT_BUFFER, MultiGzDecoder::new(input))), true));
    }
    if is_zstandard(&first) {
        return Ok((Box::new(BufReader::with_capacity(INPUT_BUFFER, Zstandard::new(input))), true));
    }
    Ok((input, false))
}

/// The first bytes, and the input from its beginning.
pub(super) fn peek(mut input: Input) -> io::Result<(Vec<u8>, Input)> {
    let (mut first, mut n) = (vec![0; FIRST_BYTES], 0);
    // A pipe may deliver less at a time than is needed; but a writer of single lines may wait for
    // an answer to each.
    while n < FIRST_BYTES && !begins_with_line_of_json(&first[..n]) {
        match input.read(&mut first[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    first.truncate(n);
    Ok((first.clone(), Box::new(Cursor::new(first).chain(input))))
}

/// Whether these first bytes are a line of text and begin as JSON does.
fn begins_with_line_of_json(first: &[u8]) -> bool {
    let Some(end) = memchr(b'\n', first) else { return false };
    matches!(first[0], b'{' | b'[') && !first[..end].contains(&0)
}
