//! Lines of JSON (ndjson), the data set's main format -> records.

use std::io::{self, BufRead, Read};

use memchr::{memchr, memrchr};

use super::entry::Entry;
use super::fast_ndjson;

/// The longest line that is read; raw drawings of the data set stay below a tenth of it.
const MAX_LINE_BYTES: usize = 8 << 20;

/// The record of a line; `None` for an empty one.
pub(super) fn entry_of(line: Line<'_>) -> Option<Entry> {
    let record = match line.text() {
        Ok(text) if text.trim().is_empty() => return None,
        Ok(text) => fast_ndjson::parse(text).map_err(|error| error.to_string()),
        Err(message) => Err(message),
    };
    Some(Entry { number: line.number, record })
}

/// The lines of a text, numbered from 1.
pub(crate) fn lines_of(mut text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut number = 0;
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let (line, rest) = text.split_at(memchr(b'\n', text).map_or(text.len(), |end| end + 1));
        text = rest;
        number += 1;
        let is_too_long = line.strip_suffix(b"\n").unwrap_or(line).len() > MAX_LINE_BYTES;
        let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        Some(Line { number, bytes: &line[..end], is_too_long })
    })
}

/// Reads lines of bounded length, numbered from 1.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Lines read so far.
    pub(crate) number: u64,
}

/// One line without its end, or too long.
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    bytes: &'a [u8],
    is_too_long: bool,
}

impl<'a> Line<'a> {
    /// Its bytes, unless it is too long.
    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        (!self.is_too_long).then_some(self.bytes)
    }

    /// The text, or what is wrong with it.
    pub(crate) fn text(&self) -> Result<&str, String> {
        if self.is_too_long {
            return Err(format!("the line is longer than {} MiB", MAX_LINE_BYTES >> 20));
        }
        std::str::from_utf8(self.bytes).map_err(|error| format!("not UTF-8 text: {error}"))
    }
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0 }
    }

    /// Reads complete lines of about `n_bytes` into `text`, for [`lines_of`], and returns their
    /// length in bytes, 0 at the end. The start of the following line is kept for the next call, so
    /// that [`next_line`](Self::next_line) cannot be mixed with it.
    pub(crate) fn read_text(&mut self, text: &mut Vec<u8>, n_bytes: usize) -> io::Result<usize> {
        let mut n = self.buffer.len();
        let mut size = n_bytes.max(n);
        // Old contents are overwritten; zeroing them first would take time.
        text.resize(text.len().max(size), 0);
        text[..n].copy_from_slice(&self.buffer);
        self.buffer.clear();
        loop {
            let start = n;
            n += read_up_to(&mut self.reader, &mut text[n..size])?;
            if n < size {
                return Ok(n);
            }
            if let Some(last) = memrchr(b'\n', &text[start..n]) {
                let end = start + last + 1;
                self.buffer.extend_from_slice(&text[end..n]);
                return Ok(end);
            }
            if n > MAX_LINE_BYTES {
                self.reader.skip_until(b'\n')?;
                // The rest also shows that it is too long.
                return Ok(n);
            }
            size += n_bytes;
            text.resize(text.len().max(size), 0);
        }
    }

    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_too_long = self.buffer.len() > MAX_LINE_BYTES && self.buffer.last() != Some(&b'\n');
        if is_too_long {
            self.reader.skip_until(b'\n')?;
        }
        while matches!(self.buffer.last(), Some(b'\n' | b'\r')) {
            self.buffer.pop();
        }
        Ok(Some(Line { number: self.number, bytes: &self.buffer, is_too_long }))
    }
}

/// Fills `bytes` until the input ends, and returns the number of bytes read.
fn read_up_to(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < bytes.len() {
        match input.read(&mut bytes[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}
