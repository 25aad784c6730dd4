//! A fast path for lines as in the simplified files of the data set, without a JSON parser.
//!
//! Such a line has no white space between its values, text without escapes, strokes of two lists of
//! integers from 0 to 255, and no fields but the known ones and text. Any other line, and one with
//! an error, is left to [`Record::parse`], so the result is the same, only several times as fast.
//! Nothing is allocated: text is borrowed, and strokes are packed into a buffer that the caller
//! reuses.

use std::collections::BTreeMap;

use quickdraw_core::{Error, Record};

use super::entry::Fields;
use super::packed::{pack_stroke, unpack};

/// The most points of a stroke; a line with a longer one is read by [`Record::parse`].
const MAX_POINTS: usize = 512;

/// Reads a line.
///
/// # Errors
/// Those of [`Record::parse`].
pub(crate) fn parse(line: &str) -> Result<Record, Error> {
    let mut packed = Vec::new();
    quick(line.as_bytes(), &mut packed)
        .and_then(|fields| record(fields, &packed))
        .map_or_else(|| Record::parse(line), Ok)
}

fn record(fields: Fields<'_>, packed: &[u8]) -> Option<Record> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Some(Record {
        word: fields.word.to_owned(),
        drawing: unpack(packed)?,
        key_id: owned(fields.key_id),
        countrycode: owned(fields.countrycode),
        timestamp: owned(fields.timestamp),
        recognized: fields.recognized,
        soft: fields.soft,
    })
}

/// The fields of a line of this form, `None` for any other line; its strokes,
/// [packed](super::packed), replace those of the previous line.
pub(crate) fn quick<'a>(line: &'a [u8], packed: &mut Vec<u8>) -> Option<Fields<'a>> {
    packed.clear();
    let mut rest = Rest(line);
    let (mut word, mut has_drawing, mut recognized, mut soft) = (None, false, None, None);
    let (mut key_id, mut countrycode, mut timestamp) = (None, None, None);
    rest.skip(b'{')?;
    loop {
        let name = rest.quoted()?;
        rest.skip(b':')?;
        let is_first = match name.bytes {
            b"word" => word.replace(rest.text()?).is_none(),
            b"countrycode" => countrycode.replace(rest.text()?).is_none(),
            b"timestamp" => timestamp.replace(rest.text()?).is_none(),
            b"key_id" => key_id.replace(rest.text()?).is_none(),
            b"recognized" => recognized.replace(rest.truth()?).is_none(),
            b"drawing" => {
                rest.strokes(packed)?;
                !std::mem::replace(&mut has_drawing, true)
            }
            b"soft" => soft.replace(rest.probabilities()?).is_none(),
            // Other fields are ignored, however often they occur.
            _ => name.text().is_some() && rest.text().is_some(),
        };
        if !is_first {
            return None;
        }
        match rest.next()? {
            b',' => {}
            b'}' if rest.0.is_empty() => break,
            _ => return None,
        }
    }
    let word = word.filter(|word| has_drawing && !word.trim().is_empty())?;
    Some(Fields { word, key_id, countrycode, timestamp, recognized, soft })
}

/// What is between two quotes.
struct Quoted<'a> {
    bytes: &'a [u8],
    is_ascii: bool,
}

impl<'a> Quoted<'a> {
    fn text(self) -> Option<&'a str> {
        if self.is_ascii {
            // SAFETY: bytes without the highest bit are UTF-8.
            return Some(unsafe { std::str::from_utf8_unchecked(self.bytes) });
        }
        std::str::from_utf8(self.bytes).ok()
    }
}

/// The unread rest of a line. Every step returns `None` where the line has another form.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        self.quoted()?.text()
    }

    /// Eight bytes at a time, up to one of `"`, `\\` and control characters, of which only the
    /// first may end a text.
    fn quoted(&mut self) -> Option<Quoted<'a>> {
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        const HIGHEST: u64 = ONES << 7;
        self.skip(b'"')?;
        let (mut n, mut highest) = (0, 0);
        loop {
            let eight = first_eight(self.0.get(n..)?);
            // SWAR: the highest bit of each byte that is less than `most` (at most 128). A borrow
            // can corrupt only bytes after the first such byte.
            let less = |eight: u64, most: u8| eight.wrapping_sub(ONES * u64::from(most)) & !eight & HIGHEST;
            let equal = |byte: u8| less(eight ^ (ONES * u64::from(byte)), 1);
            let ends = equal(b'"') | equal(b'\\') | less(eight, b' ');
            // Of the bytes before the first end.
            highest |= eight & HIGHEST & ((ends & ends.wrapping_neg()) >> 7).wrapping_sub(1);
            if ends != 0 {
                n += ends.trailing_zeros() as usize / 8;
                break;
            }
            n += 8;
        }
        let (bytes, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        self.skip(b'"')?;
        Some(Quoted { bytes, is_ascii: highest == 0 })
    }

    fn truth(&mut self) -> Option<bool> {
        let (value, rest) = match self.0.strip_prefix(b"true") {
            Some(rest) => (true, rest),
            None => (false, self.0.strip_prefix(b"false")?),
        };
        self.0 = rest;
        Some(value)
    }

    /// `{"cat":0.9,"dog":0.1}`
    fn probabilities(&mut self) -> Option<BTreeMap<String, f32>> {
        // If a name has a brace, what is before it is no JSON.
        let (object, rest) = self.0.split_at(self.0.iter().position(|&byte| byte == b'}')? + 1);
        self.0 = rest;
        let found: BTreeMap<String, f32> = serde_json::from_slice(object).ok()?;
        found.values().all(|value| value.is_finite() && *value >= 0.0).then_some(found)
    }

    /// `[[[x...],[y...]],...]`
    fn strokes(&mut self, packed: &mut Vec<u8>) -> Option<()> {
        let (mut x, mut y) = ([0; MAX_POINTS], [0; MAX_POINTS]);
        self.skip(b'[')?;
        loop {
            self.skip(b'[')?;
            let n = self.numbers(&mut x)?;
            self.skip(b',')?;
            if self.numbers(&mut y)? != n {
                return None;
            }
            self.skip(b']')?;
            pack_stroke(&x, &y, n, packed)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// `[29,27,32]`, and how many they are.
    fn numbers(&mut self, to: &mut [u8; MAX_POINTS]) -> Option<usize> {
        self.skip(b'[')?;
        // Two at a time: with their separators they have at most eight bytes.
        for (index, pair) in to.chunks_exact_mut(2).enumerate() {
            let eight = first_eight(self.0);
            let digits = eight ^ u64::from_le_bytes([b'0'; 8]);
            // The highest bit of each byte that is not a digit. A carry can corrupt only bytes
            // after the first such byte.
            let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
            let first_end = others.trailing_zeros() / 8;
            pair[0] = number(digits, first_end)?;
            match (eight >> (8 * first_end)) as u8 {
                b',' => {}
                b']' => {
                    self.0 = self.0.get(first_end as usize + 1..)?;
                    return Some(2 * index + 1);
                }
                _ => return None,
            }
            let end = (others & (others - 1)).trailing_zeros() / 8;
            pair[1] = number(digits >> (8 * (first_end + 1)), end - (first_end + 1))?;
            let mark = (eight >> (8 * end)) as u8;
            self.0 = self.0.get(end as usize + 1..)?;
            match mark {
                b',' => {}
                b']' => return Some(2 * index + 2),
                _ => return None,
            }
        }
        None
    }
}

/// The first bytes as a little-endian number; zeros after the end.
fn first_eight(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => bytes.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)),
    }
}

/// The number up to 255 of the first `n` of `digits`, one per byte. Branchless, because a processor
/// cannot predict `n`.
fn number(digits: u64, n: u32) -> Option<u8> {
    let digits = digits as u32;
    // Hundreds, tens and ones in the upper three bytes.
    let right = digits.wrapping_shl(32_u32.wrapping_sub(8 * n));
    // The upper byte of the product is their sum; lower bytes do not carry into it, higher ones
    // overflow.
    let value = (right.wrapping_mul(100 << 16 | 10 << 8 | 1) >> 24) as u8;
    let hundreds = right >> 8 & 0xff;
    let is_too_large = hundreds > 2 || hundreds == 2 && value < 200;
    let has_leading_zero = digits & 0xff == 0 && n > 1;
    let is_number = (1..=3).contains(&n) && !is_too_large && !has_leading_zero;
    is_number.then_some(value)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::packed::pack;
    use super::*;

    const LINES: [&str; 4] = [
        r#"{"word":"cat","countrycode":"KR","timestamp":"2017-03-21 12:36:53.49503 UTC","recognized":true,"key_id":"5774548320387072","drawing":[[[29,0,255],[70,56,9]],[[41],[47]]]}"#,
        r#"{"word":"고양이","drawing":[[[0],[1]]],"recognized":false,"source":"a file","soft":{"cat":0.75,"lion":1e-3}}"#,
        r#"{"drawing":[[[255,0],[100,7]]],"word":"The Eiffel Tower"}"#,
        r#"{"key_id":"","word":"dog","drawing":[[[1,2,3],[4,5,6]],[[7,8],[9,10]],[[11],[12]]],"countrycode":""}"#,
    ];

    fn quickly(line: &str) -> Option<Record> {
        let mut packed = vec![7; 9];
        quick(line.as_bytes(), &mut packed).and_then(|fields| record(fields, &packed))
    }

    /// A line whose strokes have these numbers of points.
    fn line_of(lengths: impl IntoIterator<Item = usize>, rng: &mut ChaCha8Rng) -> String {
        let mut list = |n| {
            let most = [9, 99, 255][rng.random_range(0..3)];
            let numbers: Vec<String> = (0..n).map(|_| rng.random_range(0..=most).to_string()).collect();
            format!("[{}]", numbers.join(","))
        };
        let strokes: Vec<String> =
            lengths.into_iter().map(|n| format!("[{},{}]", list(n), list(n))).collect();
        format!(r#"{{"word":"cat","drawing":[{}]}}"#, strokes.join(","))
    }

    #[test]
    fn lines_of_the_data_set_take_the_fast_path() {
        for line in LINES {
            assert_eq!(quickly(line), Some(Record::parse(line).expect("a valid line")), "{line}");
        }
    }

    #[test]
    fn other_lines_are_left_to_record_parse() {
        for line in [
            "",
            "{}",
            r#"{"word":"cat"}"#,
            r#"{"drawing":[[[1],[2]]]}"#,
            r#"{"word":" ","drawing":[[[1],[2]]]}"#,
            r#"{"word":"c\u0061t","drawing":[[[1],[2]]]}"#,
            r#"{"word":"cat", "drawing":[[[1],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[1],[2]]]} "#,
            r#"{"word":"cat","drawing":[[[1],[2]]]}}"#,
            r#"{"word":"cat","word":"dog","drawing":[[[1],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[1],[2]]],"colour":7}"#,
            r#"{"word":"cat","key_id":12,"drawing":[[[1],[2]]]}"#,
            r#"{"word":"cat","drawing":[]}"#,
            r#"{"word":"cat","drawing":[[[],[]]]}"#,
            r#"{"word":"cat","drawing":[[[1],[2],[3]]]}"#,
            r#"{"word":"cat","drawing":[[[1,2],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[1],[2,3]]]}"#,
            r#"{"word":"cat","drawing":[[[01],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[-1],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[1.5],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[256],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[1000],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[1],[2]]],"soft":{"}":1}}"#,
            r#"{"word":"cat","drawing":[[[1],[2]]],"soft":{"cat":-1}}"#,
            r#"{"word":"cat","drawing":[[[1],[2"#,
        ] {
            assert_eq!(quickly(line), None, "{line}");
        }
    }

    #[test]
    fn text_of_any_length_and_only_whole_characters_are_read() {
        for n in 0..40 {
            for text in ["", "é", "이", "🐱", "é ~\u{7f}"] {
                let word = format!("{}{text}{}", "a".repeat(n), "b".repeat(n % 3 + 1));
                let line = format!(r#"{{"word":"{word}","drawing":[[[1],[2]]],"{word}":"{word}"}}"#);
                assert_eq!(quickly(&line), Some(Record::parse(&line).expect("a valid line")), "{line}");
                for bad in [&b"\xff"[..], b"\xc3", b"\x80", b"\xe1\x84"] {
                    for part in [["\"word\":\"", ""], ["\"", "\":\"x\","]] {
                        let start =
                            [b"{", part[0].as_bytes(), word.as_bytes(), bad, part[1].as_bytes()].concat();
                        let rest: &[u8] = if part[1].is_empty() { b"\"," } else { b"\"word\":\"cat\"," };
                        let line = [&start, rest, b"\"drawing\":[[[1],[2]]]}"].concat();
                        assert!(quick(&line, &mut Vec::new()).is_none(), "{}", line.escape_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn strokes_of_any_length_are_read() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for n in (0..300).chain([MAX_POINTS - 1, MAX_POINTS, MAX_POINTS + 1, 20_000]) {
            // Lists begin and end at every place of a block.
            for lengths in [vec![n], vec![1 + n % 7; 1 + n / 7], vec![n, 1, n]] {
                let longest = lengths.iter().copied().max().unwrap_or(0);
                let line = line_of(lengths, &mut rng);
                let expected = Record::parse(&line);
                assert_eq!(parse(&line), expected, "{line}");
                let is_quick = longest <= MAX_POINTS && expected.is_ok();
                assert_eq!(quickly(&line).is_some(), is_quick, "{line}");
            }
        }
        let too_long = line_of([usize::from(u16::MAX) + 1], &mut rng);
        assert_eq!(quickly(&too_long), None);
    }

    #[test]
    fn every_number_of_a_byte_is_read() {
        let line = |value: &str| {
            format!(r#"{{"word":"cat","drawing":[[[{value},7],[7,{value}]],[[{value}],[0]]]}}"#)
        };
        for value in 0..=2000 {
            let line = line(&value.to_string());
            let expected = Record::parse(&line).expect("a valid line");
            assert_eq!(quickly(&line), (value < 256).then_some(expected), "{line}");
        }
        for value in ["00", "007", "012", "0255", "", "-1", "1e1", "1 ", " 1", "1/", "1:"] {
            assert_eq!(quickly(&line(value)), None, "{value:?}");
        }
    }

    #[test]
    fn truncated_packed_strokes_are_not_unpacked() {
        let mut packed = Vec::new();
        pack(&Record::parse(LINES[0]).expect("a valid line").drawing, &mut packed);
        assert!(unpack(&packed).is_some());
        for n in 0..packed.len() {
            // The first stroke alone is a drawing as well.
            assert_eq!(unpack(&packed[..n]).is_some(), n == 2 + 2 * 3, "{n} bytes");
        }
    }

    /// Lines with a byte or two changed, added or missing: `Record::parse` agrees with every line
    /// read here.
    #[test]
    fn mutated_lines_are_parsed_as_by_record_parse() {
        const BYTES: &[u8] = br#"[]{}",:\ 0123456789.-+eEtfn"#;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut lines = LINES.map(str::to_owned).to_vec();
        lines.extend([line_of([40, 7, 12], &mut rng), line_of([3, 8, 1, 20, 5, 5, 2], &mut rng)]);
        let mut n_quick = 0;
        for round in 0..60_000 {
            let mut line = lines[round % lines.len()].as_bytes().to_vec();
            for _ in 0..rng.random_range(1..=3) {
                let at = rng.random_range(0..line.len());
                let byte = BYTES[rng.random_range(0..BYTES.len())];
                match rng.random_range(0..4) {
                    0 => line[at] = byte,
                    1 => line.insert(at, byte),
                    2 => drop(line.remove(at)),
                    _ => {
                        let to = rng.random_range(at..line.len());
                        let part = line[at..to].to_vec();
                        line.splice(at..at, part);
                    }
                }
            }
            let Ok(line) = String::from_utf8(line) else { continue };
            if let Some(record) = quickly(&line) {
                n_quick += 1;
                assert_eq!(Record::parse(&line), Ok(record), "{line}");
            }
        }
        assert!(n_quick > 1000, "only {n_quick} changed lines were read");
    }
}
