//! The built-in sample set: a seed -> drawings of ten simple things, as many people might draw
//! them.
//!
//! It lets the program show training and recognition without any data. A shape is laid out in a
//! square from -1 to 1 with a choice of how its parts become strokes; [`Hand`] draws each stroke
//! with bows, wobble, round corners and ends that miss their aim; then the sheet is turned and
//! stretched, and the result simplified like any pen input.

use std::f32::consts::{PI, TAU};

use quickdraw_core::Drawing;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::set::DataSet;
use crate::random::normal_pair;

/// The classes, sorted. All but `spiral` are categories of Quick, Draw!.
pub const LABELS: [&str; 10] =
    ["circle", "envelope", "ladder", "line", "spiral", "square", "star", "sun", "triangle", "zigzag"];

/// Drawings of a class to train on.
pub const N_TRAIN_PER_CLASS: usize = 400;

/// Drawings of a class that are held out to measure accuracy.
pub const N_HELD_OUT_PER_CLASS: usize = 50;

/// Half of the drawing area, in pixels of an imagined screen, before the drawing is simplified.
const HALF_SIDE: f32 = 200.0;

/// The distance between two pen points of a stroke, in the units of the -1..1 square.
const PEN_STEP: f32 = 0.02;

/// The training drawings and, drawn independently, those to measure accuracy on.
pub fn sample_sets(seed: u64) -> (DataSet, DataSet) {
    (sample_set(seed, 0, N_TRAIN_PER_CLASS), sample_set(seed, 1, N_HELD_OUT_PER_CLASS))
}

/// `n_per_class` drawings of each class; another `part` has other drawings.
pub fn sample_set(seed: u64, part: u64, n_per_class: usize) -> DataSet {
    let mut data = DataSet::new(LABELS.iter().map(|&label| label.to_owned()).collect())
        .expect("ten different labels make a data set");
    for label in 0..LABELS.len() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(part * LABELS.len() as u64 + label as u64);
        for _ in 0..n_per_class {
            data.push(label, &draw(label, &mut rng), &[])
                .expect("a sample drawing is short and its class known");
        }
    }
    data
}

/// One drawing of class `label` (an index into [`LABELS`]), in simplified form.
///
/// # Panics
/// If there is no such class.
pub fn draw(label: usize, rng: &mut ChaCha8Rng) -> Drawing {
    let mut hand = Hand::new(rng);
    let strokes = match LABELS[label] {
        "circle" => circle(&mut hand),
        "envelope" => envelope(&mut hand),
        "ladder" => ladder(&mut hand),
        "line" => line(&mut hand),
        "spiral" => spiral(&mut hand),
        "square" => polygon(&mut hand, 4, PI / 4.0),
        "star" => star(&mut hand),
        "sun" => sun(&mut hand),
        "triangle" => polygon(&mut hand, 3, -PI / 2.0),
        "zigzag" => zigzag(&mut hand),
        other => unreachable!("{other} has no way to draw it"),
    };
    hand.place(strokes)
}

type Stroke = Vec<[f32; 2]>;

/// One person's way of drawing: how unsteady, how careless.
struct Hand<'a> {
    rng: &'a mut ChaCha8Rng,
    /// Amplitude of the slow wobble along a stroke.
    wobble: f32,
    /// Standard deviation of where corners and ends land.
    miss: f32,
    /// Pen points over which corners are rounded.
    rounding: usize,
}

impl<'a> Hand<'a> {
    fn new(rng: &'a mut ChaCha8Rng) -> Self {
        let wobble = rng.random_range(0.004..0.025);
        let miss = rng.random_range(0.01..0.07);
        let rounding = rng.random_range(0..6);
        Self { rng, wobble, miss, rounding }
    }

    fn normal(&mut self) -> f32 {
        normal_pair(self.rng)[0]
    }

    fn flip_coin(&mut self) -> bool {
        self.rng.random()
    }

    /// A point near `point`.
    fn near(&mut self, point: [f32; 2]) -> [f32; 2] {
        let shift = normal_pair(self.rng);
        [0, 1].map(|axis| point[axis] + shift[axis] * self.miss)
    }

    /// A stroke through `corners`, each side a little bowed.
    fn through(&mut self, corners: &[[f32; 2]]) -> Stroke {
        let corners: Vec<[f32; 2]> = corners.iter().map(|&corner| self.near(corner)).collect();
        let mut points = Vec::new();
        for pair in corners.windows(2) {
            let side = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
            let bow = self.normal() * 0.03;
            let n_steps = (side[0].hypot(side[1]) / PEN_STEP).ceil().max(1.0) as usize;
            for step in 0..n_steps {
                let t = step as f32 / n_steps as f32;
                let off = bow * 4.0 * t * (1.0 - t);
                points.push([
                    pair[0][0] + side[0] * t - side[1] * off,
                    pair[0][1] + side[1] * t + side[0] * off,
                ]);
            }
        }
        points.extend(corners.last());
        self.shake(round_corners(&points, self.rounding))
    }

    /// A stroke around the origin from `start` over `sweep` radians, while the radius goes from
    /// `radii[0]` to `radii[1]`.
    fn around(&mut self, start: f32, sweep: f32, radii: [f32; 2]) -> Stroke {
        let n_steps = (sweep.abs() * 0.5 * (radii[0] + radii[1]) / PEN_STEP).ceil().max(2.0) as usize;
        let dent = (self.normal() * 0.05, self.rng.random::<f32>() * TAU);
        let [first, last] = radii;
        let points = (0..=n_steps)
            .map(|step| {
                let share = step as f32 / n_steps as f32;
                // Even steps of the pen along a spiral are even steps of the squared radius.
                let even = (first * first + (last * last - first * first) * share).sqrt();
                let t = if (last - first).abs() > 0.1 { (even - first) / (last - first) } else { share };
                let angle = start + sweep * t;
                let radius = (first + (last - first) * t) * (1.0 + dent.0 * (2.0 * angle + dent.1).sin());
                [radius * angle.cos(), radius * angle.sin()]
            })
            .collect();
        self.shake(points)
    }

    /// Adds the slow wobble of a hand and, one time in three, reverses the direction of the pen.
    fn shake(&mut self, mut points: Stroke) -> Stroke {
        let waves: [[f32; 3]; 4] = std::array::from_fn(|_| {
            [self.normal() * self.wobble, self.rng.random_range(2.0..9.0), self.rng.random::<f32>() * TAU]
        });
        for (index, point) in points.iter_mut().enumerate() {
            let along = index as f32 * PEN_STEP;
            for (wave, [amplitude, frequency, phase]) in waves.iter().enumerate() {
                point[wave % 2] += amplitude * (frequency * along + phase).sin();
            }
        }
        if self.rng.random_range(0..3) == 0 {
            points.reverse();
        }
        points
    }

    /// Turns, stretches and simplifies the whole drawing.
    fn place(&mut self, strokes: Vec<Stroke>) -> Drawing {
        let (sin, cos) = (self.normal() * 0.12).sin_cos();
        let stretch = normal_pair(self.rng).map(|value| (value * 0.15).exp() * HALF_SIDE);
        let strokes = strokes
            .into_iter()
            .map(|stroke| {
                stroke
                    .into_iter()
                    .map(|[x, y]| [(x * cos - y * sin) * stretch[0], (x * sin + y * cos) * stretch[1]])
                    .collect()
            })
            .collect();
        Drawing::from_strokes(strokes).expect("every stroke has points, all finite").simplify()
    }

    /// A closed outline through `corners`: in one go from any corner, side by side, or in two
    /// parts.
    fn outline(&mut self, corners: &[[f32; 2]]) -> Vec<Stroke> {
        let n = corners.len();
        let first = self.rng.random_range(0..n);
        let at = |index: usize| corners[(first + index) % n];
        match self.rng.random_range(0..16) {
            0..12 => {
                let mut path: Vec<[f32; 2]> = (0..=n).map(at).collect();
                // Some go on past the corner where they began, some stop short of it.
                let excess = self.normal() * 0.08;
                let (start, end) = (path[n - 1], path[n]);
                path[n] = [0, 1].map(|axis| end[axis] + (end[axis] - start[axis]) * excess);
                vec![self.through(&path)]
            }
            12..14 => {
                let mut sides: Vec<Stroke> =
                    (0..n).map(|side| self.through(&[at(side), at(side + 1)])).collect();
                if self.flip_coin() {
                    sides.shuffle(self.rng);
                }
                sides
            }
            _ => {
                let cut = self.rng.random_range(1..n);
                let parts: [Vec<[f32; 2]>; 2] = [(0..=cut).map(at).collect(), (cut..=n).map(at).collect()];
                parts.iter().map(|part| self.through(part)).collect()
            }
        }
    }
}

/// A moving average over `2 * reach + 1` points; both ends stay.
fn round_corners(points: &[[f32; 2]], reach: usize) -> Stroke {
    (0..points.len())
        .map(|index| {
            let reach = reach.min(index).min(points.len() - 1 - index);
            let window = &points[index - reach..=index + reach];
            [0, 1].map(|axis| window.iter().map(|point| point[axis]).sum::<f32>() / window.len() as f32)
        })
        .collect()
}

fn circle(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let start = hand.rng.random::<f32>() * TAU;
    let drift = 1.0 + hand.normal() * 0.05;
    if hand.rng.random_range(0..10) == 0 {
        let cut = hand.rng.random_range(0.35..0.65) * TAU;
        return vec![hand.around(start, cut, [1.0, 1.0]), hand.around(start + cut, TAU - cut, [1.0, drift])];
    }
    let sweep = TAU + hand.normal() * 0.2;
    vec![hand.around(start, sweep, [1.0, drift])]
}

fn envelope(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let height = hand.rng.random_range(0.5..0.8);
    let [top_left, top_right, bottom_right, bottom_left] =
        [[-1.0, -height], [1.0, -height], [1.0, height], [-1.0, height]];
    let mut strokes = hand.outline(&[top_left, top_right, bottom_right, bottom_left]);
    let tip = [hand.normal() * 0.08, height * hand.rng.random_range(-0.1..0.5)];
    if hand.rng.random_range(0..4) == 0 {
        strokes.extend([hand.through(&[top_left, tip]), hand.through(&[top_right, tip])]);
    } else {
        strokes.push(hand.through(&[top_left, tip, top_right]));
    }
    if hand.rng.random_range(0..4) == 0 {
        let inner = [tip[0].abs() + 0.25, tip[1] - 0.2 * height];
        strokes.extend([
            hand.through(&[bottom_left, [-inner[0], inner[1]]]),
            hand.through(&[bottom_right, inner]),
        ]);
    }
    strokes
}

fn ladder(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let half_width = hand.rng.random_range(0.25..0.45);
    let narrowing = hand.rng.random_range(0.8..1.0);
    let mut rails = [-1.0, 1.0]
        .map(|side| hand.through(&[[side * half_width, 1.0], [side * half_width * narrowing, -1.0]]));
    if hand.flip_coin() {
        rails.reverse();
    }
    let n_rungs = hand.rng.random_range(3..8);
    let reach = half_width * hand.rng.random_range(0.92..1.12);
    let mut rungs: Vec<Stroke> = (0..n_rungs)
        .map(|rung| {
            let y = -1.0 + 2.0 * (rung as f32 + 0.6) / (n_rungs as f32 + 0.2);
            hand.through(&[[-reach, y], [reach, y]])
        })
        .collect();
    if hand.flip_coin() {
        rungs.reverse();
    }
    rails.into_iter().chain(rungs).collect()
}

fn line(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let angle = if hand.flip_coin() { hand.normal() * 0.15 } else { hand.rng.random::<f32>() * PI };
    let (sin, cos) = angle.sin_cos();
    vec![hand.through(&[[-cos, -sin], [cos, sin]])]
}

fn spiral(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let start = hand.rng.random::<f32>() * TAU;
    let turns = hand.rng.random_range(2.0..4.5) * if hand.flip_coin() { 1.0 } else { -1.0 };
    vec![hand.around(start, turns * TAU, [0.03, 1.0])]
}

/// A regular polygon with `n` corners, the first at angle `start`, and none of them quite in its
/// place.
fn polygon(hand: &mut Hand<'_>, n: usize, start: f32) -> Vec<Stroke> {
    let lean = hand.normal() * 0.15;
    let corners: Vec<[f32; 2]> = (0..n)
        .map(|corner| {
            let (sin, cos) = (start + TAU * corner as f32 / n as f32).sin_cos();
            [cos + lean * sin, sin]
        })
        .collect();
    hand.outline(&corners)
}

fn star(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let tip = |index: usize, radius: f32| {
        let (sin, cos) = (TAU * index as f32 / 10.0 - PI / 2.0).sin_cos();
        [radius * cos, radius * sin]
    };
    if hand.rng.random_range(0..10) < 6 {
        // Five long lines without lifting the pen, every other tip.
        let first = hand.rng.random_range(0..5) * 2;
        let path: Vec<[f32; 2]> = (0..=5).map(|step| tip(first + 4 * step, 1.0)).collect();
        return vec![hand.through(&path)];
    }
    let inner = hand.rng.random_range(0.35..0.5);
    let corners: Vec<[f32; 2]> =
        (0..10).map(|index| tip(index, if index % 2 == 0 { 1.0 } else { inner })).collect();
    hand.outline(&corners)
}

fn sun(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let radius = hand.rng.random_range(0.4..0.6);
    let start = hand.rng.random::<f32>() * TAU;
    let sweep = TAU + hand.normal() * 0.2;
    let last_radius = radius * (1.0 + hand.normal() * 0.05);
    let disc = hand.around(start, sweep, [radius, last_radius]);
    let n_rays = hand.rng.random_range(6..13);
    let first = hand.rng.random::<f32>() * TAU;
    let mut rays: Vec<Stroke> = (0..n_rays)
        .map(|ray| {
            let (sin, cos) = (first + TAU * (ray as f32 + hand.normal() * 0.1) / n_rays as f32).sin_cos();
            let from = radius * hand.rng.random_range(1.05..1.3);
            let to = hand.rng.random_range(0.85..1.1);
            hand.through(&[[from * cos, from * sin], [to * cos, to * sin]])
        })
        .collect();
    if hand.flip_coin() {
        rays.reverse();
    }
    std::iter::once(disc).chain(rays).collect()
}

fn zigzag(hand: &mut Hand<'_>) -> Vec<Stroke> {
    let n_corners = hand.rng.random_range(5..11);
    let height = hand.rng.random_range(0.2..0.6) * if hand.flip_coin() { 1.0 } else { -1.0 };
    let corners: Vec<[f32; 2]> = (0..n_corners)
        .map(|corner| {
            let x = -1.0 + 2.0 * corner as f32 / (n_corners - 1) as f32;
            [x, if corner % 2 == 0 { height } else { -height }]
        })
        .collect();
    vec![hand.through(&corners)]
}
