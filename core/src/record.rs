//! A line of JSON in, a drawing and what is known about it out.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::drawing::Drawing;
use crate::error::Error;

/// One line of a Quick, Draw! ndjson file: a drawing and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The category that was asked for, never empty.
    pub word: String,
    /// The strokes, in the unit of the file.
    pub drawing: Drawing,
    /// The data set's identifier of the drawing.
    pub key_id: Option<String>,
    /// Two letters for the country where it was drawn.
    pub countrycode: Option<String>,
    /// When it was drawn, as the file writes it.
    pub timestamp: Option<String>,
    /// Whether the game recognised it.
    pub recognized: Option<bool>,
    /// Soft labels: probabilities by category from another classifier, if the file has them. They
    /// need not sum to 1.
    pub soft: Option<BTreeMap<String, f32>>,
}

impl Record {
    /// Reads one ndjson line in the simplified format (`[[x...], [y...]]` per stroke) or the raw
    /// one (`[[x...], [y...], [t...]]`).
    ///
    /// Coordinates may be integers or decimals. Times and unknown fields are ignored; `key_id` and
    /// `timestamp` may be text or numbers.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidJson`] with the position in the line, [`Error::EmptyWord`],
    /// [`Error::WrongChannels`], [`Error::UnequalChannels`], [`Error::InvalidSoft`], and the errors
    /// of [`Drawing::from_strokes`].
    pub fn parse(line: &str) -> Result<Self, Error> {
        // Some editors begin a file with a byte order mark, which is not valid JSON.
        let json = line.strip_prefix('\u{feff}').unwrap_or(line);
        let n_skipped = line.len() - json.trim_start().len();
        // Checked here, because serde would also accept an array of the fields' values.
        if !line[n_skipped..].starts_with('{') {
            let message = "expected `{`, the beginning of a record".to_owned();
            return Err(Error::InvalidJson { column: n_skipped + 1, message });
        }
        let fields: Fields = serde_json::from_str(json)
            .map_err(|error| invalid_json(&error, json, line.len() - json.len()))?;

        if fields.word.trim().is_empty() {
            return Err(Error::EmptyWord);
        }
        for (stroke, channels) in fields.drawing.iter().enumerate() {
            if !(2..=3).contains(&channels.n_channels) {
                return Err(Error::WrongChannels { stroke, found: channels.n_channels });
            }
            if channels.points.len() != channels.n_y {
                return Err(Error::UnequalChannels { stroke, n_x: channels.points.len(), n_y: channels.n_y });
            }
        }
        let soft: Option<BTreeMap<String, f32>> = (fields.soft)
            .map(|soft| soft.into_iter().map(|(name, probability)| (name, probability as f32)).collect());
        if let Some((category, &found)) =
            soft.iter().flatten().find(|(_, probability)| !(probability.is_finite() && **probability >= 0.0))
        {
            return Err(Error::InvalidSoft { category: category.clone(), found });
        }
        Ok(Self {
            word: fields.word,
            drawing: Drawing::from_strokes(
                fields.drawing.into_iter().map(|channels| channels.points).collect(),
            )?,
            key_id: fields.key_id.map(|text| text.0),
            countrycode: fields.countrycode,
            timestamp: fields.timestamp.map(|text| text.0),
            recognized: fields.recognized,
            soft,
        })
    }
}

/// The parser's message without its "at line 1 column 5", which becomes a position in the caller's
/// line.
fn invalid_json(error: &serde_json::Error, json: &str, n_skipped: usize) -> Error {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = text.strip_suffix(&position).unwrap_or(&text).to_owned();
    let n_lines_before = error.line().saturating_sub(1);
    let n_bytes_before: usize = json.split_inclusive('\n').take(n_lines_before).map(str::len).sum();
    Error::InvalidJson { column: n_skipped + n_bytes_before + error.column(), message }
}

/// A line as it is written, with only its types checked. Numbers are read in double precision:
/// whether one that is too large for f32 becomes infinite or a parse error would depend on
/// serde_json's features.
#[derive(Deserialize)]
struct Fields {
    word: String,
    #[serde(deserialize_with = "strokes")]
    drawing: Vec<Channels>,
    key_id: Option<Text>,
    countrycode: Option<String>,
    timestamp: Option<Text>,
    recognized: Option<bool>,
    soft: Option<BTreeMap<String, f64>>,
}

/// Text, or a number kept as text.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Text, E> {
                Ok(Text(value.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// One stroke as a file lists it. Its x and y go straight into points, so that no coordinate is
/// stored twice.
struct Channels {
    points: Vec<[f32; 2]>,
    n_y: usize,
    n_channels: usize,
}

fn strokes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Channels>, D::Error> {
    struct StrokesVisitor;

    impl<'de> Visitor<'de> for StrokesVisitor {
        type Value = Vec<Channels>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of strokes, each [[x...], [y...]] or [[x...], [y...], [t...]]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut strokes: A) -> Result<Self::Value, A::Error> {
            let mut drawing = Vec::new();
            while let Some(channels) = strokes.next_element()? {
                drawing.push(channels);
            }
            Ok(drawing)
        }
    }

    deserializer.deserialize_seq(StrokesVisitor)
}

impl<'de> Deserialize<'de> for Channels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChannelsVisitor;

        impl<'de> Visitor<'de> for ChannelsVisitor {
            type Value = Channels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a stroke, [[x...], [y...]] or [[x...], [y...], [t...]]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut lists: A) -> Result<Channels, A::Error> {
                let mut channels = Channels { points: Vec::new(), n_y: 0, n_channels: 0 };
                if lists.next_element_seed(XChannel(&mut channels.points))?.is_none() {
                    return Ok(channels);
                }
                channels.n_channels = 1;
                let Some(n_y) = lists.next_element_seed(YChannel(&mut channels.points))? else {
                    return Ok(channels);
                };
                channels.n_y = n_y;
                channels.n_channels = 2;
                while lists.next_element::<IgnoredAny>()?.is_some() {
                    channels.n_channels += 1;
                }
                Ok(channels)
            }
        }

        deserializer.deserialize_seq(ChannelsVisitor)
    }
}

/// Appends a point for each x.
struct XChannel<'a>(&'a mut Vec<[f32; 2]>);

impl<'de> DeserializeSeed<'de> for XChannel<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for XChannel<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of a stroke's x coordinates")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(x) = list.next_element::<f64>()? {
            self.0.push([x as f32, 0.0]);
        }
        Ok(())
    }
}

/// Sets the y of each point and returns the number of y values, which may differ from the number of
/// points.
struct YChannel<'a>(&'a mut [[f32; 2]]);

impl<'de> DeserializeSeed<'de> for YChannel<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for YChannel<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of a stroke's y coordinates")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
        let mut n_y = 0;
        while let Some(y) = list.next_element::<f64>()? {
            if let Some(point) = self.0.get_mut(n_y) {
                point[1] = y as f32;
            }
            n_y += 1;
        }
        Ok(n_y)
    }
}
