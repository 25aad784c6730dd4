//! TFRecord: TensorFlow's files of records, each framed by its length and two checksums.
//!
//! Record: length as u64, masked CRC-32C of the length, the data, masked CRC-32C of the data; all little-endian
//! (`tensorflow/core/lib/io/record_writer.h`).

use std::io::{self, Write};

/// Writes one record, in one call of `write_all`, so that a file never ends within a record unless the disk is full.
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
