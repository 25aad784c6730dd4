//! TFRecord: TensorFlow's files of records, each framed by its length and two checksums.
//!
//! Record: length as u64, masked CRC-32C of the length, the data, masked CRC-32C of the data; all
//! little-endian (`tensorflow/core/lib/io/record_writer.h`).

use std::fmt;
use std::io::{self, Read, Write};

/// Writes one record, in one call of `write_all`, so that a file never ends within a record unless
/// the disk is full.
///
/// # Errors
/// Those of the writer.
pub fn write_record(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_checksum(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_checksum(data).to_le_bytes());
    out.write_all(&record)
}

/// CRC-32C, rotated and shifted, because checksums of data that holds checksums are weak.
pub fn masked_checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The longest record that is read. A drawing of a million points has a fifth of it.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// What is wrong with a file of records, and where: `offset` is that of the record's first byte in
/// the file, from 0.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be read.
    Io(io::Error),
    /// The checksum of a record's length is wrong, or the length absurd; the start of the next
    /// record is unknown.
    WrongLength {
        /// Where the record begins.
        offset: u64,
    },
    /// The checksum of a record's data is wrong; the next record can be read.
    WrongData {
        /// Where the record begins.
        offset: u64,
    },
    /// The file ends in the middle of a record.
    Truncated {
        /// Where the record begins.
        offset: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::WrongLength { offset } => {
                write!(f, "offset {offset}: wrong checksum of a record's length; the rest cannot be read")
            }
            Self::WrongData { offset } => write!(f, "offset {offset}: wrong checksum of the record"),
            Self::Truncated { offset } => {
                write!(f, "offset {offset}: the file ends in the middle of this record")
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// Reads the records of a file one by one and checks both checksums of each.
pub struct Reader<R> {
    input: R,
    offset: u64,
    is_over: bool,
}

impl<R: Read> Reader<R> {
    /// Reads from the beginning of a file.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0, is_over: false }
    }

    /// The data of the next record; none at the end, and after an error that hides where the next
    /// one begins.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn next_record(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        let offset = self.offset;
        // Until a record is read in full nothing says where the next one would begin.
        self.is_over = true;
        let mut head = Vec::with_capacity(12);
        self.input.by_ref().take(12).read_to_end(&mut head).map_err(ReadError::Io)?;
        if head.is_empty() {
            return Ok(None);
        }
        let Some(length) = length_of(&head) else {
            let is_whole = head.len() == 12;
            return Err(if is_whole {
                ReadError::WrongLength { offset }
            } else {
                ReadError::Truncated { offset }
            });
        };
        if length > MAX_RECORD_BYTES {
            return Err(ReadError::WrongLength { offset });
        }
        // Not the length at once: the file may end long before it.
        let mut data = Vec::new();
        self.input.by_ref().take(length + 4).read_to_end(&mut data).map_err(ReadError::Io)?;
        if data.len() as u64 != length + 4 {
            return Err(ReadError::Truncated { offset });
        }
        self.offset += 16 + length;
        self.is_over = false;
        let checksum = data.split_off(length as usize);
        if masked_checksum(&data).to_le_bytes() != checksum.as_slice() {
            return Err(ReadError::WrongData { offset });
        }
        Ok(Some(data))
    }
}

/// The length that the first 12 bytes of a record tell, if its checksum is right.
pub fn length_of(head: &[u8]) -> Option<u64> {
    let (length, checksum) = head.get(..12)?.split_at(8);
    let length: [u8; 8] = length.try_into().ok()?;
    (masked_checksum(&length).to_le_bytes() == checksum).then(|| u64::from_le_bytes(length))
}
