//! Counts over all drawings, or over those of a category.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quickdraw_core::{Drawing, Record};
use serde::Serialize;

use super::histogram::{Histogram, Sizes};
use crate::hash::mix;

/// A sample of the drawings of a category, those with the smallest hashes, so that their order does
/// not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(pub(super) BTreeMap<u64, Drawing>);

impl Samples {
    pub(super) fn add(&mut self, hash: u64, drawing: &Drawing, most: usize) {
        // Mixed once more, because the hash itself decides which duplicates are counted.
        let rank = mix(hash);
        if self.0.len() < most || self.0.last_key_value().is_some_and(|(&last, _)| rank < last) {
            self.0.entry(rank).or_insert_with(|| drawing.simplify());
            self.trim(most);
        }
    }

    pub(super) fn trim(&mut self, most: usize) {
        while self.0.len() > most {
            self.0.pop_last();
        }
    }

    pub(super) fn merge(&mut self, other: Self, most: usize) {
        self.0.extend(other.0);
        self.trim(most);
    }
}

/// Counts over all drawings, or over those of a category.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub(super) n: u64,
    /// Points, strokes, length of all strokes in units of the file.
    pub(super) points: Histogram,
    pub(super) strokes: Histogram,
    pub(super) length: Histogram,
    pub(super) n_judged: u64,
    pub(super) n_recognised: u64,
    /// First and last time, seconds since 1970.
    pub(super) times: Option<(i64, i64)>,
    pub(super) samples: Samples,
}

impl Group {
    pub(super) fn add(&mut self, record: &Record, size: &Size, time: Option<i64>) {
        self.n += 1;
        self.points.add(size.n_points);
        self.strokes.add(record.drawing.strokes().len() as u64);
        self.length.add(size.length);
        self.n_judged += u64::from(record.recognized.is_some());
        self.n_recognised += u64::from(record.recognized == Some(true));
        self.merge_times(time.map(|time| (time, time)));
    }

    pub(super) fn merge_times(&mut self, others: Option<(i64, i64)>) {
        self.times = match (self.times, others) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
    }

    pub(super) fn merge(&mut self, other: Self, most: usize) {
        self.n += other.n;
        self.points.merge(&other.points);
        self.strokes.merge(&other.strokes);
        self.length.merge(&other.length);
        self.n_judged += other.n_judged;
        self.n_recognised += other.n_recognised;
        self.merge_times(other.times);
        self.samples.merge(other.samples, most);
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            drawings: self.n,
            points: self.points.figures(),
            strokes: self.strokes.figures(),
            length: self.length.figures(),
            recognised: (self.n_judged > 0).then(|| self.n_recognised as f64 / self.n_judged as f64),
            first: self.times.map(|times| date(times.0)),
            last: self.times.map(|times| date(times.1)),
        }
    }
}

/// Statistics of all drawings, or of those of a category.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// How many there are.
    pub drawings: u64,
    /// Points of a drawing.
    pub points: Sizes,
    /// Strokes of a drawing.
    pub strokes: Sizes,
    /// Length of all its strokes together, in units of its file: 1/255 of the larger side in
    /// simplified drawings.
    pub length: Sizes,
    /// Share that the game recognised, of those that say.
    pub recognised: Option<f64>,
    /// When the first was drawn.
    pub first: Option<String>,
    /// When the last was drawn.
    pub last: Option<String>,
}

/// Sizes of one drawing.
pub(super) struct Size {
    pub(super) n_points: u64,
    pub(super) length: u64,
    pub(super) extent: u64,
}

impl Size {
    pub(super) fn of(drawing: &Drawing) -> Self {
        let mut length = 0.0_f64;
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for stroke in drawing.strokes() {
            for pair in stroke.windows(2) {
                length += f64::from((pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]));
            }
            for point in stroke {
                for axis in 0..2 {
                    low[axis] = low[axis].min(point[axis]);
                    high[axis] = high[axis].max(point[axis]);
                }
            }
        }
        let extent = (high[0] - low[0]).max(high[1] - low[1]);
        // Rounded up, so that only what has none is 0.
        Self {
            n_points: drawing.n_points() as u64,
            length: length.round() as u64,
            extent: extent.ceil() as u64,
        }
    }
}

/// The hash of a drawing's strokes, the same in every run.
pub(super) fn hash(drawing: &Drawing) -> u64 {
    drawing.strokes().iter().fold(0, |hash, stroke| {
        let start = mix(hash ^ stroke.len() as u64);
        stroke
            .iter()
            .fold(start, |hash, [x, y]| mix(hash ^ ((u64::from(x.to_bits()) << 32) | u64::from(y.to_bits()))))
    })
}

/// Seconds since 1970 of a time as files write it: `2017-03-21 12:36:53.49503 UTC`, or the seconds
/// themselves.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches("UTC").trim_end();
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    }
}

fn date(seconds: i64) -> String {
    let time =
        u64::try_from(seconds).ok().and_then(|since| UNIX_EPOCH.checked_add(Duration::from_secs(since)));
    // humantime writes no later dates, on which nothing was drawn.
    let is_written =
        |time: &SystemTime| time.duration_since(UNIX_EPOCH).is_ok_and(|t| t.as_secs() < 253_402_300_800);
    match time.filter(is_written) {
        Some(time) => {
            humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
        }
        None => format!("{seconds} s since 1970"),
    }
}
