//! Two drawings -> one of the strokes of both, or one that lies between them.

use quickdraw_core::Drawing;
use rand::Rng;

use super::square::fill_square;
use crate::random::chance;

/// A drawing of some strokes of `drawing` and some of `other`, which lie where they lay and come in
/// the order in which they came, each by its place among the strokes of its own drawing. At least
/// one stroke of `drawing` stays.
pub fn borrow_strokes(drawing: &Drawing, other: &Drawing, rng: &mut impl Rng) -> Drawing {
    with_strokes_of(drawing, other, rng).0
}

/// As [`borrow_strokes`], with the share of the points that are those of `other`, 0 to 1.
pub(crate) fn with_strokes_of(drawing: &Drawing, other: &Drawing, rng: &mut impl Rng) -> (Drawing, f32) {
    let share = rng.random_range(0.2..0.6);
    let mut placed: Vec<(f32, &Vec<[f32; 2]>)> = Vec::new();
    let place = |index: usize, n: usize| (index as f32 + 0.5) / n as f32;
    let strokes = drawing.strokes();
    let mut n_borrowed = 0;
    let kept = rng.random_range(0..strokes.len());
    for (index, stroke) in strokes.iter().enumerate() {
        if !chance(share, rng) || index == kept {
            placed.push((place(index, strokes.len()), stroke));
        }
    }
    for (index, stroke) in other.strokes().iter().enumerate() {
        if chance(share, rng) {
            placed.push((place(index, other.strokes().len()), stroke));
            n_borrowed += stroke.len();
        }
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut strokes: Vec<Vec<[f32; 2]>> = placed.into_iter().map(|(_, stroke)| stroke.clone()).collect();
    fill_square(&mut strokes);
    let drawing = Drawing::from_strokes(strokes).expect("a stroke stays and points stay finite");
    let share = n_borrowed as f32 / drawing.n_points() as f32;
    (drawing, share)
}

/// The distance between the points that two strokes are compared by, in units of the 0..255 square.
const PAIRED_SPACING: f32 = 2.0;

/// The most points that they are compared by.
const MAX_PAIRED_POINTS: usize = 512;

/// The drawing that lies at `place` on the way from one drawing (0) to another (1): strokes are
/// paired in their order, the other's reversed where its ends then lie nearer, and points that are
/// as far along both move in straight lines. `None` where the numbers of strokes differ.
pub fn interpolate(drawing: &Drawing, other: &Drawing, place: f32) -> Option<Drawing> {
    if drawing.strokes().len() != other.strokes().len() {
        return None;
    }
    let between =
        |a: [f32; 2], b: [f32; 2], place: f32| [0, 1].map(|axis| a[axis] + place * (b[axis] - a[axis]));
    let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let mut strokes: Vec<Vec<[f32; 2]>> = Vec::with_capacity(drawing.strokes().len());
    for (from, to) in drawing.strokes().iter().zip(other.strokes()) {
        let length = path_length(from).max(path_length(to));
        let n = (length / PAIRED_SPACING).ceil().min(MAX_PAIRED_POINTS as f32) as usize + 1;
        let [from, mut to] = [from, to].map(|stroke| evenly_spaced(stroke, n));
        let last = n - 1;
        let [as_it_is, turned] = [
            distance(from[0], to[0]) + distance(from[last], to[last]),
            distance(from[0], to[last]) + distance(from[last], to[0]),
        ];
        if turned < as_it_is {
            to.reverse();
        }
        strokes.push(from.iter().zip(&to).map(|(&a, &b)| between(a, b, place)).collect());
    }
    fill_square(&mut strokes);
    Some(Drawing::from_strokes(strokes).expect("as many strokes, none empty, between finite points"))
}

fn path_length(stroke: &[[f32; 2]]) -> f32 {
    stroke.windows(2).map(|pair| (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1])).sum()
}

/// `n` points, at least one, at equal distances along a stroke.
fn evenly_spaced(stroke: &[[f32; 2]], n: usize) -> Vec<[f32; 2]> {
    let total = path_length(stroke);
    let mut points = Vec::with_capacity(n);
    let (mut segment, mut begin) = (0, 0.0);
    for index in 0..n {
        let aim = total * index as f32 / (n - 1).max(1) as f32;
        // The segment in which the aim lies; what rounding leaves over belongs to the last.
        while segment + 2 < stroke.len() && begin + path_length(&stroke[segment..segment + 2]) < aim {
            begin += path_length(&stroke[segment..segment + 2]);
            segment += 1;
        }
        let a = stroke[segment];
        let b = stroke[(segment + 1).min(stroke.len() - 1)];
        let length = path_length(&[a, b]);
        let part = if length > 0.0 { ((aim - begin) / length).clamp(0.0, 1.0) } else { 0.0 };
        points.push([0, 1].map(|axis| a[axis] + part * (b[axis] - a[axis])));
    }
    points
}
