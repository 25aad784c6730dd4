//! A line as the simplified files of the data set write it -> a record, without a reader of JSON.
//!
//! Such a line has no white space between its values, text without escapes, strokes of two lists of whole numbers, and no fields
//! but the known ones and text. Any other line, and one with an error, is left to [`Record::parse`]. So what is read is the
//! same, only several times as fast.

use std::collections::BTreeMap;

use quickdraw_core::{Drawing, Error, Record};

/// Digits of a number: f32 holds all whole numbers of so many.
const MAX_DIGITS: usize = 7;

/// The most points of a stroke.
const MAX_POINTS: usize = 512;

/// Reads a line.
///
/// # Errors
/// Those of [`Record::parse`].
pub(crate) fn parse(line: &str) -> Result<Record, Error> {
    quick(line).map_or_else(|| Record::parse(line), Ok)
}

/// The record of a line of the form that is read here.
fn quick(line: &str) -> Option<Record> {
    let mut rest = Rest(line);
    let (mut word, mut drawing, mut recognized, mut soft) = (None, None, None, None);
    let (mut key_id, mut countrycode, mut timestamp) = (None, None, None);
    rest.skip(b'{')?;
    loop {
        let name = rest.text()?;
        rest.skip(b':')?;
        let is_first = match name {
            "word" => word.replace(rest.text()?).is_none(),
            "countrycode" => countrycode.replace(rest.text()?).is_none(),
            "timestamp" => timestamp.replace(rest.text()?).is_none(),
            "key_id" => key_id.replace(rest.text()?).is_none(),
            "recognized" => recognized.replace(rest.truth()?).is_none(),
            "drawing" => drawing.replace(rest.strokes()?).is_none(),
            "soft" => soft.replace(rest.probabilities()?).is_none(),
            // Other fields count for nothing, however often they come.
            _ => rest.text().is_some(),
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
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Some(Record {
        word: owned(word.filter(|word| !word.trim().is_empty()))?,
        drawing: Drawing::from_strokes(drawing?).ok()?,
        key_id: owned(key_id),
        countrycode: owned(countrycode),
        timestamp: owned(timestamp),
        recognized,
        soft,
    })
}

/// What of a line is not read yet. Every step is nothing where the line has another form.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.0.as_bytes().first()?;
        self.0 = self.0.get(1..)?;
        Some(byte)
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        self.skip(b'"')?;
        let end = self.0.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let text = self.0.get(..end)?;
        self.0 = self.0.get(end..)?;
        self.skip(b'"')?;
        Some(text)
    }

    fn truth(&mut self) -> Option<bool> {
        let (value, rest) = match self.0.strip_prefix("true") {
            Some(rest) => (true, rest),
            None => (false, self.0.strip_prefix("false")?),
        };
        self.0 = rest;
        Some(value)
    }

    /// `{"cat":0.9,"dog":0.1}`
    fn probabilities(&mut self) -> Option<BTreeMap<String, f32>> {
        // If a name has a brace, what is before it is no JSON.
        let (object, rest) = self.0.split_at_checked(self.0.find('}')? + 1)?;
        self.0 = rest;
        let found: BTreeMap<String, f32> = serde_json::from_str(object).ok()?;
        found.values().all(|value| value.is_finite() && *value >= 0.0).then_some(found)
    }

    /// `[[[x...],[y...]],...]`
    fn strokes(&mut self) -> Option<Vec<Vec<[f32; 2]>>> {
        let mut strokes = Vec::with_capacity(8);
        let mut x = [0.0; MAX_POINTS];
        self.skip(b'[')?;
        loop {
            self.skip(b'[')?;
            let mut n = 0;
            self.numbers(|value| {
                *x.get_mut(n)? = value;
                n += 1;
                Some(())
            })?;
            self.skip(b',')?;
            let mut x = x[..n].iter();
            let mut stroke = Vec::with_capacity(n);
            self.numbers(|y| {
                stroke.push([*x.next()?, y]);
                Some(())
            })?;
            self.skip(b']')?;
            if stroke.len() != n {
                return None;
            }
            strokes.push(stroke);
            match self.next()? {
                b',' => {}
                b']' => return Some(strokes),
                _ => return None,
            }
        }
    }

    /// `[29,27,32]`
    fn numbers(&mut self, mut each: impl FnMut(f32) -> Option<()>) -> Option<()> {
        self.skip(b'[')?;
        let mut bytes = self.0.as_bytes();
        loop {
            let (value, n) = match short_number(bytes) {
                Some(found) => found,
                None => long_number(bytes)?,
            };
            each(value as f32)?;
            let end = *bytes.get(n)?;
            bytes = &bytes[n + 1..];
            match end {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        self.0 = self.0.get(self.0.len() - bytes.len()..)?;
        Some(())
    }
}

/// A number of up to three digits at the beginning, and how many they are. Nothing depends on that number but what is shifted: a processor cannot guess it.
fn short_number(bytes: &[u8]) -> Option<(u32, usize)> {
    let digits = u32::from_le_bytes(*bytes.first_chunk::<4>()?) ^ u32::from_le_bytes(*b"0000");
    // The highest bit of each byte that is no digit. What is carried comes from one and spoils only those after it.
    let others = (digits.wrapping_add(0x7676_7676) | digits) & 0x8080_8080;
    let n = others.trailing_zeros() / 8;
    let has_leading_zero = digits & 0xff == 0 && n > 1;
    if n == 0 || n > 3 || has_leading_zero {
        return None;
    }
    let right = digits << (8 * (4 - n));
    let digit = |place: u32| right >> place & 0xff;
    Some((100 * digit(8) + 10 * digit(16) + digit(24), n as usize))
}

/// A number at the beginning, and how many digits it has.
fn long_number(bytes: &[u8]) -> Option<(u32, usize)> {
    let n = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_leading_zero = bytes.first() == Some(&b'0') && n > 1;
    if n == 0 || n > MAX_DIGITS || has_leading_zero {
        return None;
    }
    Some((bytes[..n].iter().fold(0, |value, byte| 10 * value + u32::from(byte - b'0')), n))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const LINES: [&str; 4] = [
        r#"{"word":"cat","countrycode":"KR","timestamp":"2017-03-21 12:36:53.49503 UTC","recognized":true,"key_id":"5774548320387072","drawing":[[[29,0,255],[70,56,9]],[[41],[47]]]}"#,
        r#"{"word":"고양이","drawing":[[[0],[1]]],"recognized":false,"source":"a file","soft":{"cat":0.75,"lion":1e-3}}"#,
        r#"{"drawing":[[[9999999,0],[1000000,7]]],"word":"The Eiffel Tower"}"#,
        r#"{"key_id":"","word":"dog","drawing":[[[1,2,3],[4,5,6]],[[7,8],[9,10]],[[11],[12]]],"countrycode":""}"#,
    ];

    #[test]
    fn lines_of_the_data_set_are_read_here() {
        for line in LINES {
            assert_eq!(quick(line), Some(Record::parse(line).expect("a valid line")), "{line}");
        }
    }

    #[test]
    fn other_lines_are_left_alone() {
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
            r#"{"word":"cat","drawing":[[[12345678],[2]]]}"#,
            r#"{"word":"cat","drawing":[[[1],[2]]],"soft":{"}":1}}"#,
            r#"{"word":"cat","drawing":[[[1],[2]]],"soft":{"cat":-1}}"#,
            r#"{"word":"cat","drawing":[[[1],[2"#,
        ] {
            assert_eq!(quick(line), None, "{line}");
        }
        let long = format!(r#"{{"word":"cat","drawing":[[[{0}1],[{0}2]]]}}"#, "1,".repeat(MAX_POINTS));
        assert_eq!(quick(&long), None);
        assert!(parse(&long).is_ok());
    }

    /// Lines with a byte or two changed, added or missing: whatever is read here `Record::parse` reads alike.
    #[test]
    fn nothing_is_read_otherwise() {
        const BYTES: &[u8] = br#"[]{}",:\ 0123456789.-+eEtfn"#;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut n_quick = 0;
        for round in 0..40_000 {
            let mut line = LINES[round % LINES.len()].as_bytes().to_vec();
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
            if let Some(record) = quick(&line) {
                n_quick += 1;
                assert_eq!(Record::parse(&line), Ok(record), "{line}");
            }
        }
        assert!(n_quick > 1000, "only {n_quick} changed lines were read");
    }
}
