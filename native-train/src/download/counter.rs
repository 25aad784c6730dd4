//! Counts drawings in a stream of bytes.

use super::options::Form;

/// Counts drawings in a stream of bytes.
pub(super) struct Counter {
    pub(super) form: Form,
    pub(super) n: u64,
    /// Bytes of the incomplete drawing; of a binary one those of its current field.
    pub(super) begun: Vec<u8>,
    /// Of a binary drawing: bytes to skip, and remaining strokes; `None` before its header.
    pub(super) n_to_skip: u64,
    pub(super) n_strokes: Option<u16>,
}

impl Counter {
    pub(super) fn new(form: Form) -> Self {
        Self { form, n: 0, begun: Vec::new(), n_to_skip: 0, n_strokes: None }
    }

    /// Counts until there are `limit` drawings; returns the number of bytes read.
    pub(super) fn take(&mut self, bytes: &[u8], limit: u64) -> usize {
        if self.form == Form::Binary {
            return self.take_binary(bytes, limit);
        }
        if self.n >= limit {
            return 0;
        }
        for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            self.n += 1;
            if self.n == limit {
                return index + 1;
            }
        }
        bytes.len()
    }

    pub(super) fn take_binary(&mut self, bytes: &[u8], limit: u64) -> usize {
        /// Size of the header; its last two bytes are the number of strokes.
        const HEADER: usize = 17;
        let mut at = 0;
        while self.n < limit && at < bytes.len() {
            if self.n_to_skip > 0 {
                let n = self.n_to_skip.min((bytes.len() - at) as u64);
                self.n_to_skip -= n;
                at += n as usize;
            } else {
                self.begun.push(bytes[at]);
                at += 1;
            }
            let needed = if self.n_strokes.is_none() { HEADER } else { 2 };
            if self.begun.len() == needed {
                let number = u16::from_le_bytes([self.begun[needed - 2], self.begun[needed - 1]]);
                self.begun.clear();
                match &mut self.n_strokes {
                    None => self.n_strokes = Some(number),
                    Some(n_strokes) => {
                        *n_strokes = n_strokes.saturating_sub(1);
                        self.n_to_skip = 2 * u64::from(number);
                    }
                }
            }
            if self.n_strokes == Some(0) && self.n_to_skip == 0 {
                self.n_strokes = None;
                self.n += 1;
            }
        }
        at
    }
}
