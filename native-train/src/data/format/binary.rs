//! The binary files of the data set -> records. The category is only in the file name.

use std::io::{self, BufRead, Read};

use quickdraw_core::{Drawing, Record};

use super::entry::Entry;
use super::input::Input;

/// Size of the header of a drawing: identifier, country, recognised, time, number of strokes.
const HEADER: usize = 8 + 2 + 1 + 4 + 2;

/// The drawings of a file.
pub(crate) struct Binary {
    /// `None` after an error.
    input: Option<Input>,
    word: String,
    number: u64,
}

impl Binary {
    pub(super) fn new(input: Input, word: String) -> Self {
        Self { input: Some(input), word, number: 0 }
    }

    /// The next drawing.
    pub(super) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let Some(input) = &mut self.input else { return Ok(None) };
        if input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        match drawing(input, &self.word) {
            Ok(record) => Ok(Some(Entry { number, record })),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // The start of the next drawing is unknown.
                self.input = None;
                let record = Err("the file ends in the middle of this drawing".to_owned());
                Ok(Some(Entry { number, record }))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a file with these first bytes is a binary file: country code and boolean are in place.
pub(super) fn is_binary(first: &[u8]) -> bool {
    let Some(header) = first.get(..HEADER) else { return false };
    let text_begins = header.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    !text_begins && header[8..10].iter().all(u8::is_ascii_uppercase) && header[10] <= 1
}

/// The next drawing of a binary file; the outer error is that of reading.
fn drawing(input: &mut Input, word: &str) -> io::Result<Result<Record, String>> {
    let mut header = [0; HEADER];
    input.read_exact(&mut header)?;
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    let n_strokes = u16::from_le_bytes([header[15], header[16]]);
    let mut strokes = Vec::new();
    for _ in 0..n_strokes {
        let mut n_points = [0; 2];
        input.read_exact(&mut n_points)?;
        let mut points = vec![0; 2 * usize::from(u16::from_le_bytes(n_points))];
        input.read_exact(&mut points)?;
        let (x, y) = points.split_at(points.len() / 2);
        strokes.push(x.iter().zip(y).map(|(&x, &y)| [f32::from(x), f32::from(y)]).collect());
    }
    Ok(Drawing::from_strokes(strokes).map_err(|error| error.to_string()).map(|drawing| Record {
        word: word.to_owned(),
        drawing,
        key_id: Some(u64_at(0).to_string()),
        countrycode: Some(String::from_utf8_lossy(&header[8..10]).into_owned()),
        timestamp: Some(u32_at(11).to_string()),
        recognized: Some(header[10] == 1),
        soft: None,
    }))
}
