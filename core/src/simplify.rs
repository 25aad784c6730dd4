//! Pen strokes in, the form of the data set's simplified drawings out.
//!
//! The data set's documentation names four steps: align to the top-left corner, scale to 0..255,
//! resample at 1 pixel, simplify with Ramer-Douglas-Peucker and epsilon 2. What it leaves open is
//! settled here as its files show it, where a drawing is published both raw and simplified: samples
//! lie at whole multiples of 1 pixel along the stroke, corners between them are cut, the last point
//! is added; distances are to the infinite line through the ends, and of equal distances the first
//! counts; halves are rounded to even; a dot becomes two equal points.

use crate::Drawing;

/// The larger side of a simplified drawing.
const SIDE: f64 = 255.0;

/// Distance of samples along a stroke, in units of the simplified drawing.
const SPACING: f64 = 1.0;

/// Points nearer than this to the simplified line are left out.
const EPSILON: f64 = 2.0;

/// The most samples of the strokes of a drawing together. Real drawings have some thousand, rarely
/// tens of thousands; a scribble of a million points could have a million times the diagonal, so
/// that beyond this number samples lie further apart.
const MAX_SAMPLES: f64 = (1 << 20) as f64;

impl Drawing {
    /// Brings pen strokes of any unit into the data set's simplified form: integers in
    /// 0..=255, the larger side 255 before rounding, few points.
    ///
    /// A drawing already in that form is returned unchanged, because resampling would cut its
    /// corners again. A stroke without extent becomes two equal points, as in the data set. Time is
    /// O(n log n) and memory O(n) in the number of points, whatever the strokes look like.
    pub fn simplify(&self) -> Drawing {
        if is_simplified(self) {
            return self.clone();
        }
        let frame = Frame::of(self);
        // Scaled a stroke at a time, twice, so that no second copy of all points is held.
        let mut work = Workspace::default();
        let length = self.strokes().iter().map(|stroke| frame.length(stroke, &mut work)).sum();
        let spacing = spacing(length);
        let strokes =
            self.strokes().iter().map(|stroke| frame.simplify(stroke, spacing, &mut work)).collect();
        self.with_checked_strokes(strokes)
    }
}

/// The most points of a drawing that a [`Simplifier`] caches: more than anybody draws between two
/// predictions.
const MAX_CACHED_POINTS: usize = 20_000;

/// Simplifies a drawing that grows.
///
/// The result is that of [`Drawing::simplify`]. A stroke that is the same as in the call before is
/// not simplified again while the drawing's top-left corner and its larger side stay the same, on
/// which every point depends.
#[derive(Debug, Default)]
pub struct Simplifier {
    frame: Option<Frame>,
    spacing: f64,
    strokes: Vec<Simplified>,
    work: Workspace,
}

/// A stroke of the call before.
#[derive(Debug)]
struct Simplified {
    points: Vec<[f32; 2]>,
    length: f64,
    corners: Vec<[f32; 2]>,
}

impl Simplifier {
    /// As [`Drawing::simplify`]; each call may have another drawing.
    pub fn simplify(&mut self, drawing: &Drawing) -> Drawing {
        if drawing.n_points() > MAX_CACHED_POINTS {
            *self = Self::default();
            return drawing.simplify();
        }
        if is_simplified(drawing) {
            return drawing.clone();
        }
        let frame = Frame::of(drawing);
        if self.frame != Some(frame) {
            self.frame = Some(frame);
            self.strokes.clear();
        }
        let strokes = drawing.strokes();
        self.strokes.truncate(strokes.len());
        for (index, points) in strokes.iter().enumerate() {
            if self.strokes.get(index).is_some_and(|known| known.points == *points) {
                continue;
            }
            let length = frame.length(points, &mut self.work);
            let stroke = Simplified { points: points.clone(), length, corners: Vec::new() };
            match self.strokes.get_mut(index) {
                Some(known) => *known = stroke,
                None => self.strokes.push(stroke),
            }
        }
        let spacing = spacing(self.strokes.iter().map(|stroke| stroke.length).sum());
        let is_same = spacing == self.spacing;
        self.spacing = spacing;
        for Simplified { points, corners, .. } in &mut self.strokes {
            // Every stroke has a corner: one without is new.
            if !is_same || corners.is_empty() {
                *corners = frame.simplify(points, spacing, &mut self.work);
            }
        }
        drawing.with_checked_strokes(self.strokes.iter().map(|stroke| stroke.corners.clone()).collect())
    }
}

/// Buffers, reused from one stroke to the next.
#[derive(Debug, Default)]
struct Workspace {
    points: Vec<[f64; 2]>,
    samples: Vec<[f64; 2]>,
    kept: Vec<bool>,
}

/// The scaling of a drawing, by its top-left corner and its larger side.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    lower: [f64; 2],
    divisor: f64,
}

impl Frame {
    fn of(drawing: &Drawing) -> Self {
        let (lower, extent) = bounds(drawing);
        let larger = extent[0].max(extent[1]);
        Self { lower, divisor: if larger == 0.0 { 1.0 } else { larger } }
    }

    fn scale(&self, stroke: &[[f32; 2]], points: &mut Vec<[f64; 2]>) {
        let Self { lower, divisor } = self;
        points.clear();
        points.extend(stroke.iter().map(|&[x, y]| {
            [(f64::from(x) - lower[0]) * SIDE / divisor, (f64::from(y) - lower[1]) * SIDE / divisor]
        }));
    }

    /// The length of a stroke once it is scaled.
    fn length(&self, stroke: &[[f32; 2]], work: &mut Workspace) -> f64 {
        self.scale(stroke, &mut work.points);
        work.points.windows(2).map(|ends| distance(ends[0], ends[1])).sum()
    }

    fn simplify(&self, stroke: &[[f32; 2]], spacing: f64, work: &mut Workspace) -> Vec<[f32; 2]> {
        let Workspace { points, samples, kept } = work;
        self.scale(stroke, points);
        resample(points, spacing, samples);
        ramer_douglas_peucker(samples, EPSILON, kept);
        let corners = samples.iter().zip(kept).filter(|(_, kept)| **kept);
        corners.map(|(&[x, y], _)| [x.round_ties_even() as f32, y.round_ties_even() as f32]).collect()
    }
}

/// The distance of samples in a drawing whose strokes have this length in all.
fn spacing(length: f64) -> f64 {
    SPACING.max(length / MAX_SAMPLES)
}

/// Whether the four steps have been done already.
///
/// They leave integers in 0..=255, take little from the larger side, and leave points that
/// nearly all stand out from the line between their neighbours. Rounding moves a point by up to
/// 0.7, so that some no longer stand out by 2: of the points of simplified drawings at least 86 %
/// stand out by 1, of 99 % of raw ones less than 80 % do.
fn is_simplified(drawing: &Drawing) -> bool {
    const MIN_SIDE: f64 = 250.0;
    const MIN_SHARE: f64 = 0.85;

    let whole = |v: &f32| (0.0..=255.0).contains(v) && v.fract() == 0.0;
    if !drawing.strokes().iter().flatten().flatten().all(whole) {
        return false;
    }
    let (_, extent) = bounds(drawing);
    if extent[0].max(extent[1]) < MIN_SIDE {
        return false;
    }
    let mut points = Vec::new();
    let mut kept = Vec::new();
    let mut n_kept = 0;
    for stroke in drawing.strokes() {
        points.clear();
        points.extend(stroke.iter().map(|point| point.map(f64::from)));
        ramer_douglas_peucker(&points, EPSILON / 2.0, &mut kept);
        n_kept += kept.iter().filter(|kept| **kept).count();
    }
    n_kept as f64 >= MIN_SHARE * drawing.n_points() as f64
}

/// The top-left corner and the width and height of the drawing.
fn bounds(drawing: &Drawing) -> ([f64; 2], [f64; 2]) {
    let mut lower = [f64::INFINITY; 2];
    let mut upper = [f64::NEG_INFINITY; 2];
    for point in drawing.strokes().iter().flatten() {
        for axis in 0..2 {
            lower[axis] = lower[axis].min(point[axis].into());
            upper[axis] = upper[axis].max(point[axis].into());
        }
    }
    (lower, [upper[0] - lower[0], upper[1] - lower[1]])
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    // Not `hypot`, which differs between mathematical libraries in the last bit.
    (dx * dx + dy * dy).sqrt()
}

/// Fills `samples` with the points at 0, 1, 2, ... times `spacing` along the line through `points`,
/// and the last one.
fn resample(points: &[[f64; 2]], spacing: f64, samples: &mut Vec<[f64; 2]>) {
    samples.clear();
    samples.push(points[0]);
    let mut n_passed = 1.0;
    let mut begin = 0.0;
    for ends in points.windows(2) {
        let [a, b] = [ends[0], ends[1]];
        let length = distance(a, b);
        let end = begin + length;
        // A segment without length adds no sample, because the one at its begin has been passed.
        while n_passed * spacing <= end {
            let part = (n_passed * spacing - begin) / length;
            samples.push([a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]);
            n_passed += 1.0;
        }
        begin = end;
    }
    samples.push(points[points.len() - 1]);
}

/// A part of a stroke whose ends are kept and whose inner points are undecided.
struct Part {
    first: usize,
    last: usize,
    /// Its length, or that of the last part around it that was more than twice as long.
    whole: usize,
    /// How often a part of more than half of `whole` has been searched since.
    n_searches: usize,
}

/// Fills `kept` with whether each of `points` stays, and returns how many distances were measured.
///
/// The textbook's recursion is quadratic where every search splits off one point at an end, as in a
/// zigzag that slowly fades. After [`max_searches`] searches that have not halved a part, its
/// middle is therefore kept without a search: at most `max_searches * n * log2(n)` distances for n
/// points, and no change for strokes of less than 2896 samples.
fn ramer_douglas_peucker(points: &[[f64; 2]], epsilon: f64, kept: &mut Vec<bool>) -> usize {
    let n = points.len();
    kept.clear();
    kept.resize(n, false);
    kept[0] = true;
    kept[n - 1] = true;

    let max_searches = max_searches(n);
    let mut n_distances = 0;
    let mut parts = vec![Part { first: 0, last: n - 1, whole: n, n_searches: 0 }];
    while let Some(mut part) = parts.pop() {
        let n_inside = (part.last - part.first).saturating_sub(1);
        if n_inside == 0 {
            continue;
        }
        if n_inside <= part.whole / 2 {
            part.whole = n_inside;
            part.n_searches = 0;
        }
        let middle = if part.n_searches == max_searches {
            part.first + n_inside.div_ceil(2)
        } else {
            n_distances += n_inside;
            let (farthest, distance) = farthest(points, part.first, part.last);
            if distance <= epsilon {
                continue;
            }
            farthest
        };
        kept[middle] = true;
        let n_searches = part.n_searches + 1;
        let Part { first, last, whole, .. } = part;
        parts.push(Part { first, last: middle, whole, n_searches });
        parts.push(Part { first: middle, last, whole, n_searches });
    }
    n_distances
}

/// How many searches may fail to halve a part of a stroke of n points.
fn max_searches(n: usize) -> usize {
    ((1 << 22) / n).max(64)
}

/// The first point between two others that is farthest from the line through them, and its
/// distance.
fn farthest(points: &[[f64; 2]], first: usize, last: usize) -> (usize, f64) {
    let [origin, end] = [points[first], points[last]];
    let [dx, dy] = [end[0] - origin[0], end[1] - origin[1]];
    let length = distance(origin, end);
    let mut farthest = (first, f64::NEG_INFINITY);
    for (index, point) in points.iter().enumerate().take(last).skip(first + 1) {
        let distance = if length == 0.0 {
            // The ends of a closed line define no line.
            distance(origin, *point)
        } else {
            (dx * (point[1] - origin[1]) - dy * (point[0] - origin[0])).abs() / length
        };
        if distance > farthest.1 {
            farthest = (index, distance);
        }
    }
    farthest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the points that are left out, the largest distance to the line between their kept
    /// neighbours.
    fn largest_deviation(points: &[[f64; 2]], kept: &[bool]) -> f64 {
        let corners: Vec<usize> = (0..points.len()).filter(|&index| kept[index]).collect();
        corners.windows(2).map(|ends| farthest(points, ends[0], ends[1]).1).fold(0.0, f64::max)
    }

    #[test]
    fn a_fading_zigzag_costs_no_quadratic_number_of_distances() {
        // Each search finds the farthest point next to the end of its part.
        let n = 100_000;
        let points: Vec<[f64; 2]> = (0..n)
            .map(|i| {
                let height = 250.0 * (1.0 - i as f64 / n as f64);
                [1e-3 * i as f64, if i % 2 == 0 { height } else { -height }]
            })
            .collect();
        let mut kept = Vec::new();
        let n_distances = ramer_douglas_peucker(&points, EPSILON, &mut kept) as u64;
        // Their bounds do not fit into 32 bits.
        let [n, max_searches] = [n, max_searches(n)].map(|count| count as u64);
        assert!(n_distances <= max_searches * n * u64::from(n.ilog2()), "{n_distances}");
        assert!(n_distances < n * n / 20, "{n_distances}");
        assert!(largest_deviation(&points, &kept) <= EPSILON);
    }

    #[test]
    fn the_limit_of_searches_is_never_reached_in_a_stroke_of_usual_length() {
        let n = 2895;
        assert!(n / 2 < max_searches(n));
    }

    #[test]
    fn samples_of_a_scribble_are_bounded() {
        // 300,000 times along the diagonal: 108 million pixels, were each of them sampled.
        let points: Vec<[f64; 2]> =
            (0..300_000).map(|i| if i % 2 == 0 { [0.0, 0.0] } else { [255.0, 255.0] }).collect();
        let length: f64 = points.windows(2).map(|ends| distance(ends[0], ends[1])).sum();
        let mut samples = Vec::new();
        resample(&points, length / MAX_SAMPLES, &mut samples);
        assert!(samples.len() <= MAX_SAMPLES as usize + 2, "{}", samples.len());
    }

    #[test]
    fn a_drawing_that_grows_shrinks_and_changes_is_simplified_as_from_scratch() {
        let mut state = 7_u32;
        let mut random = move |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        let mut simplifier = Simplifier::default();
        let mut strokes: Vec<Vec<[f32; 2]>> = Vec::new();
        let (mut n_reused, mut n_moved) = (0, 0);
        for _ in 0..4000 {
            match random(40) {
                0 => strokes.clear(),
                1..=2 => drop(strokes.pop()),
                3..=7 => strokes.push(vec![[random(600) as f32 / 2.0, random(600) as f32 / 2.0]]),
                8 if !strokes.is_empty() => drop(strokes.remove(0)),
                _ => {
                    if let Some(stroke) = strokes.last_mut() {
                        let [x, y] = stroke[stroke.len() - 1];
                        stroke.push([x + random(41) as f32 - 20.0, y + random(41) as f32 - 20.0]);
                    }
                }
            }
            let Ok(drawing) = Drawing::from_strokes(strokes.clone()) else { continue };
            let drawing = drawing.with_pen_down(random(2) == 0);
            if simplifier.frame == Some(Frame::of(&drawing)) {
                n_reused += 1
            } else {
                n_moved += 1
            }
            assert_eq!(simplifier.simplify(&drawing), drawing.simplify());
        }
        assert!(n_reused > 500 && n_moved > 100, "{n_reused}, {n_moved}");
    }

    #[test]
    fn strokes_are_simplified_anew_where_samples_come_to_lie_further_apart() {
        let mut simplifier = Simplifier::default();
        let curve =
            (0..600).map(|i| [(i as f32 / 9.0).cos() * 300.0, (i as f32 / 7.0).sin() * 300.0]).collect();
        let scribble =
            (0..9000).map(|i| if i % 2 == 0 { [-250.0, -250.0] } else { [250.0, 250.0] }).collect();
        for strokes in [vec![curve], vec![scribble]].into_iter().scan(Vec::new(), |all, next| {
            all.extend(next);
            Some(all.clone())
        }) {
            let drawing = Drawing::from_strokes(strokes).unwrap();
            assert_eq!(simplifier.simplify(&drawing), drawing.simplify());
        }
        assert!(simplifier.spacing > SPACING, "{}", simplifier.spacing);
    }

    #[test]
    fn samples_lie_one_pixel_apart_and_the_end_is_added() {
        let mut samples = Vec::new();
        resample(&[[0.0, 0.0], [1.5, 0.0], [1.5, 2.25]], SPACING, &mut samples);
        assert_eq!(samples, [[0.0, 0.0], [1.0, 0.0], [1.5, 0.5], [1.5, 1.5], [1.5, 2.25]]);
        resample(&[[4.0, 4.0]], SPACING, &mut samples);
        assert_eq!(samples, [[4.0, 4.0], [4.0, 4.0]]);
        resample(&[[4.0, 4.0], [4.0, 4.0], [4.0, 6.0]], SPACING, &mut samples);
        assert_eq!(samples, [[4.0, 4.0], [4.0, 5.0], [4.0, 6.0], [4.0, 6.0]]);
    }
}
