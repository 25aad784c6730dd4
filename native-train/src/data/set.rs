//! A data set in memory: drawings with labels, by index.
//!
//! The data set's simplified form has integer coordinates from 0 to 255, so two bytes hold a point
//! without loss and fifty million drawings fit into the memory of one machine (about 100 bytes
//! each). Other drawings are simplified when they are added, because the network is trained on
//! simplified ones anyway. Drawings come from [`read`](super::read) and
//! [`synthetic`](super::synthetic).

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use quickdraw_core::Drawing;

use crate::hash::{FNV_OFFSET, fnv, hash_all, mix};

/// Drawings with their labels, packed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSet {
    /// Class names; a label is an index into them.
    labels: Vec<String>,
    /// The points of all strokes of all drawings, one after the other.
    points: Vec<[u8; 2]>,
    /// The number of points of each stroke.
    stroke_lengths: Vec<u16>,
    /// The end offsets of each drawing's points and strokes.
    ends: Vec<End>,
    /// The class of each drawing.
    classes: Vec<u16>,
    /// Soft labels of all drawings, one after the other.
    soft: Vec<(u16, f32)>,
    /// Where each drawing's soft labels end; shorter than `classes` when the last drawings have
    /// none.
    soft_ends: Vec<u64>,
}

/// The end of a drawing in `points` and `stroke_lengths`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct End {
    point: u64,
    stroke: u64,
}

impl DataSet {
    /// The most classes a data set can have.
    pub const MAX_CLASSES: usize = 1 << 16;

    /// An empty data set of the given classes.
    ///
    /// # Errors
    /// More than 65,536 labels, or one label twice.
    pub fn new(labels: Vec<String>) -> Result<Self> {
        ensure!(
            labels.len() <= Self::MAX_CLASSES,
            "{} classes are too many: at most {} are possible",
            labels.len(),
            Self::MAX_CLASSES
        );
        let mut sorted: Vec<&String> = labels.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            anyhow::bail!("the class {:?} is listed twice", pair[0]);
        }
        Ok(Self { labels, ..Self::default() })
    }

    /// Adds a drawing of class `label`, with soft labels (class, probability) or none.
    /// Says whether it had to be simplified.
    ///
    /// # Errors
    /// A label or a soft label that is no class, a soft probability that is negative or not finite,
    /// or a stroke that still has more than 65,535 points when simplified.
    pub fn push(&mut self, label: usize, drawing: &Drawing, soft: &[(u16, f32)]) -> Result<bool> {
        let n_classes = self.labels.len();
        ensure!(label < n_classes, "label {label} is no class: there are {n_classes}, counted from 0");
        for &(class, probability) in soft {
            ensure!(
                usize::from(class) < n_classes,
                "soft label {class} is no class: there are {n_classes}, counted from 0"
            );
            ensure!(
                probability.is_finite() && probability >= 0.0,
                "soft label {:?} has probability {probability}; a finite number from 0 on was expected",
                self.labels[usize::from(class)]
            );
        }
        let simplified = simplified(drawing);
        let was_simplified = simplified.is_some();
        let drawing = simplified.as_ref().unwrap_or(drawing);
        for (index, stroke) in drawing.strokes().iter().enumerate() {
            ensure!(
                stroke.len() <= usize::from(u16::MAX),
                "stroke {index} (counted from 0) has {} points; at most {} were expected",
                stroke.len(),
                u16::MAX
            );
        }
        for stroke in drawing.strokes() {
            self.stroke_lengths.push(stroke.len() as u16);
            // `as` saturates: nothing outside 0..255 can wrap around.
            self.points.extend(stroke.iter().map(|point| point.map(|value| value.round() as u8)));
        }
        self.ends.push(End { point: self.points.len() as u64, stroke: self.stroke_lengths.len() as u64 });
        if !soft.is_empty() {
            // Drawings before this one that had no soft labels get their empty ranges now.
            self.soft_ends.resize(self.classes.len(), self.soft.len() as u64);
            self.soft.extend_from_slice(soft);
            self.soft_ends.push(self.soft.len() as u64);
        }
        self.classes.push(label as u16);
        Ok(was_simplified)
    }

    /// The class of that name, which is added where it is missing.
    ///
    /// # Errors
    /// More than 65,536 classes.
    pub fn label_of(&mut self, label: &str) -> Result<usize> {
        // A file has one class and soft labels a few dozen: a search is quicker than hashing.
        if let Some(index) = self.labels.iter().position(|known| known == label) {
            return Ok(index);
        }
        ensure!(
            self.labels.len() < Self::MAX_CLASSES,
            "{label:?} is one class too many: at most {} are possible",
            Self::MAX_CLASSES
        );
        self.labels.push(label.to_owned());
        Ok(self.labels.len() - 1)
    }

    /// Adds all drawings of `other`, whose classes are mapped by name; at most `max_per_class` of a
    /// class in the whole (the first ones stay). Soft labels of classes unknown here are dropped
    /// and counted.
    ///
    /// # Errors
    /// A class of a drawing of `other` that this data set does not have.
    pub fn append(&mut self, other: &DataSet, max_per_class: Option<usize>) -> Result<usize> {
        let index_of: HashMap<&str, u16> =
            self.labels.iter().enumerate().map(|(index, label)| (label.as_str(), index as u16)).collect();
        let map: Vec<Option<u16>> =
            other.labels.iter().map(|label| index_of.get(label.as_str()).copied()).collect();
        let mut counts = self.class_counts();
        let mut n_dropped = 0;
        for index in 0..other.len() {
            let label = other.label(index);
            let class = map[label].with_context(|| format!("unknown class {:?}", other.labels[label]))?;
            let count = &mut counts[usize::from(class)];
            if max_per_class.is_some_and(|most| *count >= most) {
                continue;
            }
            *count += 1;
            self.push_strokes(other, index);
            let soft = other.soft(index);
            if !soft.is_empty() {
                self.soft_ends.resize(self.classes.len(), self.soft.len() as u64);
                let before = self.soft.len();
                self.soft.extend(
                    soft.iter()
                        .filter_map(|&(class, probability)| Some((map[usize::from(class)]?, probability))),
                );
                n_dropped += soft.len() - (self.soft.len() - before);
                self.soft_ends.push(self.soft.len() as u64);
            }
            self.classes.push(class);
        }
        Ok(n_dropped)
    }

    /// Adds the strokes of a drawing of another set; its class and labels are left to the caller.
    fn push_strokes(&mut self, other: &DataSet, index: usize) {
        let (start, end) = other.range(index);
        self.points.extend_from_slice(&other.points[start.point as usize..end.point as usize]);
        self.stroke_lengths
            .extend_from_slice(&other.stroke_lengths[start.stroke as usize..end.stroke as usize]);
        self.ends.push(End { point: self.points.len() as u64, stroke: self.stroke_lengths.len() as u64 });
    }

    /// The drawings of the given indices, in their order, with the same classes.
    pub fn subset(&self, indices: &[usize]) -> DataSet {
        let mut part = DataSet { labels: self.labels.clone(), ..DataSet::default() };
        part.ends.reserve_exact(indices.len());
        part.classes.reserve_exact(indices.len());
        for &index in indices {
            part.push_strokes(self, index);
            let soft = self.soft(index);
            if !soft.is_empty() {
                part.soft_ends.resize(part.classes.len(), part.soft.len() as u64);
                part.soft.extend_from_slice(soft);
                part.soft_ends.push(part.soft.len() as u64);
            }
            part.classes.push(self.classes[index]);
        }
        part.points.shrink_to_fit();
        part.stroke_lengths.shrink_to_fit();
        part.soft.shrink_to_fit();
        part
    }

    /// The class names.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The number of classes.
    pub fn n_classes(&self) -> usize {
        self.labels.len()
    }

    /// The number of drawings.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is no drawing.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Whether any drawing has soft labels.
    pub fn has_soft(&self) -> bool {
        !self.soft.is_empty()
    }

    /// Drawing `index`, in simplified form.
    ///
    /// # Panics
    /// If there is no such drawing.
    pub fn drawing(&self, index: usize) -> Drawing {
        let (start, end) = self.range(index);
        let mut points = self.points[start.point as usize..end.point as usize].iter();
        let strokes = self.stroke_lengths[start.stroke as usize..end.stroke as usize]
            .iter()
            .map(|&length| points.by_ref().take(length.into()).map(|point| point.map(f32::from)).collect())
            .collect();
        Drawing::from_strokes(strokes).expect("what is stored came from a valid drawing")
    }

    /// The number of points of drawing `index`.
    pub fn n_points(&self, index: usize) -> usize {
        let (start, end) = self.range(index);
        (end.point - start.point) as usize
    }

    /// The class of drawing `index`.
    pub fn label(&self, index: usize) -> usize {
        self.classes[index].into()
    }

    /// The soft labels of drawing `index`, (class, probability); empty where there are none.
    pub fn soft(&self, index: usize) -> &[(u16, f32)] {
        let Some(&end) = self.soft_ends.get(index) else { return &[] };
        let start = if index == 0 { 0 } else { self.soft_ends[index - 1] };
        &self.soft[start as usize..end as usize]
    }

    /// The number of drawings of each class, `[K]`.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for &class in &self.classes {
            counts[usize::from(class)] += 1;
        }
        counts
    }

    /// The indices of the drawings of each class, `[K][..]`, rising.
    pub fn indices_by_class(&self) -> Vec<Vec<u32>> {
        let mut indices: Vec<Vec<u32>> = self.class_counts().into_iter().map(Vec::with_capacity).collect();
        for (index, &class) in self.classes.iter().enumerate() {
            indices[usize::from(class)].push(index as u32);
        }
        indices
    }

    /// The bytes of memory that the drawings take, divided by their number.
    pub fn bytes_per_drawing(&self) -> f64 {
        let bytes = size_of_val(self.points.as_slice())
            + size_of_val(self.stroke_lengths.as_slice())
            + size_of_val(self.ends.as_slice())
            + size_of_val(self.classes.as_slice())
            + size_of_val(self.soft.as_slice())
            + size_of_val(self.soft_ends.as_slice());
        bytes as f64 / self.len().max(1) as f64
    }

    fn range(&self, index: usize) -> (End, End) {
        let start = if index == 0 { End::default() } else { self.ends[index - 1] };
        (start, self.ends[index])
    }

    /// A hash of the drawings, their classes and soft labels, in hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        // Eight bytes at a time.
        let of_u16 = |values: &[u16]| {
            let (fours, rest) = values.as_chunks::<4>();
            let word = |four: &[u16; 4]| four.iter().fold(0, |word, &value| word << 16 | u64::from(value));
            [hash_all(fours, word), hash_all(rest, |&value| value.into())]
        };
        let (fours, rest) = self.points.as_chunks::<4>();
        let word = |points: &[[u8; 2]]| {
            points.as_flattened().iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        let parts = [
            [hash_all(fours, |four| word(four)), hash_all(rest, |point| word(&[*point]))],
            of_u16(&self.stroke_lengths),
            of_u16(&self.classes),
            [hash_all(&self.ends, |end| end.stroke), hash_all(&self.soft_ends, |&end| end)],
            [hash_all(&self.soft, |(class, p)| u64::from(*class) << 32 | u64::from(p.to_bits())), 0],
        ];
        format!("{:016x}", parts.as_flattened().iter().fold(0, |all, &part| mix(all ^ part)))
    }

    /// A hash of the drawing's points and strokes.
    pub(super) fn content_hash(&self, index: usize, seed: u64) -> u64 {
        let (start, end) = self.range(index);
        let points = &self.points[start.point as usize..end.point as usize];
        let lengths = &self.stroke_lengths[start.stroke as usize..end.stroke as usize];
        let hash = points.iter().fold(FNV_OFFSET, |hash, point| fnv(hash, point));
        let hash = lengths.iter().fold(hash, |hash, length| fnv(hash, &length.to_le_bytes()));
        mix(hash ^ mix(seed))
    }
}

/// The drawing in simplified form, with integer coordinates in 0..255; `None` if it is in that form
/// already.
pub(crate) fn simplified(drawing: &Drawing) -> Option<Drawing> {
    let is_simplified = drawing.strokes().iter().flatten().flatten().all(|&value| is_byte(value));
    (!is_simplified).then(|| drawing.simplify())
}

fn is_byte(value: f32) -> bool {
    value == f32::from(value as u8)
}
