//! The tutorial's TFRecords, `training.tfrecord-00000-of-00010` <-> drawings.
//!
//! A record is a `tf.train.Example` (`tensorflow/core/example/example.proto`): `ink`, the rows
//! `(dx, dy, stroke_end)` of the drawing, whose x and y are each scaled to 0..1
//! ([`InkFormat::Tutorial`]); `shape`, `[n, 3]`; `class_index`, a line of the file
//! `training.tfrecord.classes` beside it, from 0.
//!
//! A drawing with `soft` labels has two features more: `soft_index`, their classes as `class_index`
//! counts them, and `soft_probability`, as many. Readers that ask for the tutorial's features do
//! not see them.
//!
//! Ink of simplified drawings holds multiples of 1/width and 1/height. [`drawing_of`] recovers
//! width and height, and so integer coordinates in 0..255 that give the same ink, bit for bit.

use std::collections::BTreeMap;
use std::io;

use prost::Message;
use quickdraw_core::{Drawing, Ink, InkFormat, Record};

use super::entry::Entry;
use super::input::Input;
use super::tfrecord::{self, ReadError};

/// The longest drawing that is read, in points.
const MAX_POINTS: usize = 1_000_000;

/// The largest coordinate of a simplified drawing.
const SIDE: u32 = 255;

/// The features of soft labels.
const SOFT_INDEX: &str = "soft_index";
const SOFT_PROBABILITY: &str = "soft_probability";

/// How far from an integer a coordinate may be: different multiples of 1/255 are 1/255 apart, and
/// never less.
const TOLERANCE: f64 = 0.45 / 255.0;

/// The records of a file.
pub(crate) struct Examples {
    records: tfrecord::Reader<Input>,
    classes: Vec<String>,
    number: u64,
}

impl Examples {
    pub(super) fn new(input: Input, classes: Vec<String>) -> Self {
        Self { records: tfrecord::Reader::new(input), classes, number: 0 }
    }

    /// The next record.
    pub(super) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        self.number += 1;
        let number = self.number;
        match self.records.next_record() {
            Ok(None) => Ok(None),
            Ok(Some(data)) => Ok(Some(Entry { number, record: decode(&data, &self.classes) })),
            Err(ReadError::Io(error)) => Err(error),
            Err(error) => Ok(Some(Entry { number, record: Err(error.to_string()) })),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Example {
    #[prost(message, optional, tag = "1")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
struct Features {
    #[prost(btree_map = "string, message", tag = "1")]
    feature: BTreeMap<String, Feature>,
}

#[derive(Clone, PartialEq, Message)]
struct Feature {
    #[prost(oneof = "Kind", tags = "1, 2, 3")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Bytes(BytesList),
    #[prost(message, tag = "2")]
    Floats(FloatList),
    #[prost(message, tag = "3")]
    Integers(Int64List),
}

#[derive(Clone, PartialEq, Message)]
struct BytesList {
    #[prost(bytes = "vec", repeated, tag = "1")]
    value: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct FloatList {
    #[prost(float, repeated, tag = "1")]
    value: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct Int64List {
    #[prost(int64, repeated, tag = "1")]
    value: Vec<i64>,
}

/// The record that the tutorial's `create_dataset.py` writes for a drawing, with soft labels
/// (class, probability) or none.
pub(crate) fn encode(drawing: &Drawing, class_index: usize, soft: &[(usize, f32)]) -> Vec<u8> {
    let ink = Ink::from_drawing(drawing, InkFormat::Tutorial);
    let integers = |value: Vec<i64>| Feature { kind: Some(Kind::Integers(Int64List { value })) };
    let floats = |value: Vec<f32>| Feature { kind: Some(Kind::Floats(FloatList { value })) };
    let mut feature = BTreeMap::from([
        ("class_index".to_owned(), integers(vec![class_index as i64])),
        ("ink".to_owned(), floats(ink.rows().to_vec())),
        ("shape".to_owned(), integers(vec![ink.n_rows() as i64, 3])),
    ]);
    if !soft.is_empty() {
        let (indices, probabilities) = soft.iter().map(|&(class, p)| (class as i64, p)).unzip();
        feature.insert(SOFT_INDEX.to_owned(), integers(indices));
        feature.insert(SOFT_PROBABILITY.to_owned(), floats(probabilities));
    }
    Example { features: Some(Features { feature }) }.encode_to_vec()
}

/// The drawing of such a record.
fn decode(data: &[u8], classes: &[String]) -> Result<Record, String> {
    let example = Example::decode(data).map_err(|error| format!("not a tf.train.Example: {error}"))?;
    let mut features = example.features.unwrap_or_default().feature;
    let mut take = |name: &str| {
        let feature = features.remove(name).and_then(|feature| feature.kind);
        feature.ok_or_else(|| format!("the feature {name:?} is missing"))
    };
    let wrong = |name: &str, expected: &str| format!("the feature {name:?} is no list of {expected}");
    let Kind::Floats(ink) = take("ink")? else { return Err(wrong("ink", "floats")) };
    let Kind::Integers(shape) = take("shape")? else { return Err(wrong("shape", "int64")) };
    let Kind::Integers(class) = take("class_index")? else { return Err(wrong("class_index", "int64")) };
    let (ink, shape) = (ink.value, shape.value);
    let n_rows = match *shape.as_slice() {
        [n, 3] => usize::try_from(n).ok().filter(|&n| n < MAX_POINTS && ink.len() == 3 * n),
        _ => None,
    };
    n_rows.ok_or_else(|| format!("shape {shape:?} for {} numbers; [n, 3] was expected", ink.len()))?;
    let &[index] = class.value.as_slice() else {
        return Err(format!("class_index has {} values; one was expected", class.value.len()));
    };
    let class_of = |name: &str, index: i64| {
        let class = usize::try_from(index).ok().and_then(|index| classes.get(index));
        class
            .cloned()
            .ok_or_else(|| format!("{name} {index} is none of the {} classes, counted from 0", classes.len()))
    };
    let word = class_of("class_index", index)?;
    let mut optional = |name: &str| features.remove(name).and_then(|feature| feature.kind);
    let soft = match (optional(SOFT_INDEX), optional(SOFT_PROBABILITY)) {
        (None, None) => None,
        (Some(Kind::Integers(indices)), Some(Kind::Floats(probabilities)))
            if indices.value.len() == probabilities.value.len() =>
        {
            let both = indices.value.iter().zip(probabilities.value);
            let named = both.map(|(&index, p)| class_of(SOFT_INDEX, index).map(|name| (name, p)));
            let soft = named.collect::<Result<BTreeMap<String, f32>, String>>()?;
            if let Some((name, p)) = soft.iter().find(|(_, p)| !(p.is_finite() && **p >= 0.0)) {
                return Err(format!(
                    "the soft label {name:?} is {p}; a finite number from 0 on was expected"
                ));
            }
            Some(soft)
        }
        _ => {
            return Err(format!(
                "{SOFT_INDEX} and {SOFT_PROBABILITY} are no int64 and floats, as many of each"
            ));
        }
    };
    Ok(Record {
        word,
        drawing: drawing_of(&ink)?,
        key_id: None,
        countrycode: None,
        timestamp: None,
        recognized: None,
        soft,
    })
}

/// A drawing in simplified form whose tutorial ink are these rows.
///
/// What the ink does not tell: whether the first stroke has only one point, which is then the first
/// of the second; and the ratio of width and height, unless both are found as steps of the
/// coordinates, which they mostly are.
fn drawing_of(rows: &[f32]) -> Result<Drawing, String> {
    let mut points = vec![[0.0_f64; 2]];
    let mut last = [0.0; 2];
    for row in rows.chunks_exact(3) {
        last = [last[0] + f64::from(row[0]), last[1] + f64::from(row[1])];
        points.push(last);
    }
    if let Some(at) = points.iter().position(|point| point.iter().any(|value| !value.is_finite())) {
        return Err(format!("point {at} (counted from 0) is not finite"));
    }
    let sides = [0, 1].map(|axis| {
        let values = || points.iter().map(|point| point[axis]);
        let lowest = values().fold(f64::INFINITY, f64::min);
        let extent = values().fold(f64::NEG_INFINITY, f64::max) - lowest;
        for point in &mut points {
            point[axis] = if extent > 0.0 { (point[axis] - lowest) / extent } else { 0.0 };
        }
        extent
    });
    let steps = [0, 1].map(|axis| steps(points.iter().map(|point| point[axis])));
    let scale = match steps {
        // One side of a simplified drawing is 255 long: the one whose steps are a part of that.
        [Some(width), Some(height)] => match [width, height].map(|n| SIDE.is_multiple_of(n)) {
            [true, true] | [false, false] if sides.iter().all(|&side| side > 0.0) => {
                let whole = |n: u32| if SIDE.is_multiple_of(n) { SIDE } else { n };
                [whole(width), whole(height)]
            }
            [true, _] if sides[0] > 0.0 => [SIDE, height],
            [_, true] if sides[1] > 0.0 => [width, SIDE],
            _ => [width, height],
        },
        // Of finer drawings than simplified ones: the nearest whole coordinates.
        _ => [SIDE, SIDE],
    };
    let mut strokes = vec![Vec::new()];
    let ends = std::iter::once(0.0).chain(rows.chunks_exact(3).map(|row| row[2]));
    for (point, end) in points.iter().zip(ends) {
        let point = [0, 1].map(|axis| (point[axis] * f64::from(scale[axis])).round() as f32);
        if let Some(stroke) = strokes.last_mut() {
            stroke.push(point);
        }
        if end != 0.0 {
            strokes.push(Vec::new());
        }
    }
    strokes.retain(|stroke| !stroke.is_empty());
    Drawing::from_strokes(strokes).map_err(|error| error.to_string())
}

/// The smallest number of steps, up to 255, from 0 to 1 that all values lie on; 1 where all are 0.
fn steps(values: impl Iterator<Item = f64> + Clone) -> Option<u32> {
    (1..=SIDE).find(|&n| {
        values.clone().all(|value| {
            let place = value * f64::from(n);
            (place - place.round()).abs() < TOLERANCE
        })
    })
}
