//! A drawing -> a varied copy of it.
//!
//! In order: whole strokes are left out, the order of strokes and their directions change, the end
//! is cut off; each stroke moves by itself; then the points are distorted elastically, rotated,
//! sheared, scaled, mirrored and jittered; at last the drawing may be re-rendered as pointer
//! events, or traced from a picture. Before all this some strokes may be exchanged for another
//! drawing's ([`borrow_strokes`](super::borrow_strokes)). The result again fills 0..255 from the
//! top-left corner, as a simplified drawing does, with fractions: rounding would only lose what the
//! jitter added. All lengths are in units of that 0..255 square.

use std::f32::consts::TAU;

use anyhow::{Result, ensure};
use quickdraw_core::{Drawing, keep_first_points};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::redraw::redraw;
use super::square::{extent, fill_square};
use super::trace::{Picture, trace};
use crate::random::{chance, normal_pair};

/// Drawings with this many strokes or fewer keep them all: each one may be decisive for the class.
const MAX_STROKES_KEPT: usize = 3;

/// The length over which the elastic waves turn by one radian: waves are longer than a drawing, so
/// that they bend it and do not crumple it.
const ELASTIC_WAVELENGTH_PER_RADIAN: f32 = 50.0;

/// The share of its points that is left of an unfinished drawing.
pub const UNFINISHED: std::ops::Range<f32> = 0.15..1.0;

/// Probability that the network is told that the pen is down, where an unfinished drawing ends
/// within a stroke: not everybody who asks for a guess says so.
const PEN_KNOWN: f32 = 0.5;

/// A stroke's own rotation (radians) and scale (logarithm), per unit of its shift.
const LOOSE_TURN_PER_UNIT: f32 = 1.0 / 60.0;

/// Augmentation strengths; 0 switches a kind off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Standard deviation of the rotation, radians.
    pub rotate: f32,
    /// Standard deviation of the logarithm of the scale, for each axis by itself.
    pub scale: f32,
    /// Standard deviation of the horizontal shear.
    pub shear: f32,
    /// Probability of a mirror image (left and right).
    pub flip: f32,
    /// Standard deviation of the amplitude of the elastic distortion, for each axis by itself.
    pub elastic: f32,
    /// Standard deviation of the shift of each point, for each axis by itself.
    pub jitter: f32,
    /// Probability that a stroke is left out; only in every other drawing of more than three
    /// strokes.
    pub drop_strokes: f32,
    /// Probability that a stroke is drawn from its other end, for each stroke by itself.
    pub reverse_strokes: f32,
    /// Probability that the last stroke comes first and the first last.
    pub reverse_order: f32,
    /// Standard deviation of each stroke's own shift, for each axis by itself; by a sixtieth of as
    /// much it is also rotated (radians) and scaled (logarithm) about its centre.
    pub loosen_strokes: f32,
    /// Probability that some strokes are those of another drawing of the class
    /// ([`borrow_strokes`](super::borrow_strokes)).
    pub borrow_strokes: f32,
    /// Probability that the drawing is unfinished: it ends after 15 to 100 % of its points, and
    /// where that is within a stroke the pen is [down](Drawing::is_pen_down) in half of the cases.
    pub prefix: f32,
    /// Probability that the drawing is re-rendered as pointer events and simplified ([`redraw`]).
    pub redraw: f32,
    /// Probability that the drawing is traced from a picture of it ([`trace`]), whatever else was
    /// done to it; the pen is up then.
    #[serde(default)]
    pub trace: f32,
}

impl Default for Augmentation {
    /// Values that work well for the 345 classes of Quick, Draw!. `borrow_strokes`, `redraw` and
    /// `trace` are off; so is `prefix`, which improves predictions while somebody draws and
    /// slightly degrades those of finished drawings.
    fn default() -> Self {
        Self {
            rotate: 0.15,
            scale: 0.12,
            shear: 0.12,
            flip: 0.3,
            elastic: 5.0,
            jitter: 1.2,
            drop_strokes: 0.12,
            reverse_strokes: 0.15,
            reverse_order: 0.15,
            loosen_strokes: 0.0,
            borrow_strokes: 0.0,
            prefix: 0.0,
            redraw: 0.0,
            trace: 0.0,
        }
    }
}

impl Augmentation {
    /// No change at all.
    pub const fn none() -> Self {
        Self {
            rotate: 0.0,
            scale: 0.0,
            shear: 0.0,
            flip: 0.0,
            elastic: 0.0,
            jitter: 0.0,
            drop_strokes: 0.0,
            reverse_strokes: 0.0,
            reverse_order: 0.0,
            loosen_strokes: 0.0,
            borrow_strokes: 0.0,
            prefix: 0.0,
            redraw: 0.0,
            trace: 0.0,
        }
    }

    /// Checks that deviations are not negative and probabilities lie in 0..1.
    ///
    /// # Errors
    /// The first value that does not, by name.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("rotate", self.rotate),
            ("scale", self.scale),
            ("shear", self.shear),
            ("elastic", self.elastic),
            ("jitter", self.jitter),
            ("loosen_strokes", self.loosen_strokes),
        ] {
            ensure!(
                value.is_finite() && value >= 0.0,
                "augmentation: {name} is {value}; 0 or more was expected"
            );
        }
        for (name, value) in [
            ("flip", self.flip),
            ("drop_strokes", self.drop_strokes),
            ("reverse_strokes", self.reverse_strokes),
            ("reverse_order", self.reverse_order),
            ("borrow_strokes", self.borrow_strokes),
            ("prefix", self.prefix),
            ("redraw", self.redraw),
            ("trace", self.trace),
        ] {
            ensure!((0.0..=1.0).contains(&value), "augmentation: {name} is {value}; 0 to 1 was expected");
        }
        Ok(())
    }

    /// A varied copy of `drawing` (simplified form, pen up), at 0..255 again. With
    /// [`Augmentation::none`] it is the same.
    pub fn apply(&self, drawing: &Drawing, rng: &mut impl Rng) -> Drawing {
        if *self == Self::none() {
            return drawing.clone();
        }
        let (mut strokes, is_pen_down) = self.choose_strokes(drawing.strokes(), rng);
        if self.loosen_strokes > 0.0 {
            for stroke in &mut strokes {
                self.loosen(stroke, rng);
            }
        }
        self.move_points(&mut strokes, rng);
        fill_square(&mut strokes);
        let drawing = Drawing::from_strokes(strokes)
            .expect("strokes are never emptied and points stay finite")
            .with_pen_down(is_pen_down);
        let drawing = if chance(self.redraw, rng) { redraw(&drawing, rng) } else { drawing };
        if chance(self.trace, rng) { trace(&drawing, Picture::random(rng)) } else { drawing }
    }

    /// The strokes that are drawn, in their order and direction, and whether the pen is still down.
    fn choose_strokes(&self, strokes: &[Vec<[f32; 2]>], rng: &mut impl Rng) -> (Vec<Vec<[f32; 2]>>, bool) {
        let drops = strokes.len() > MAX_STROKES_KEPT && self.drop_strokes > 0.0 && rng.random::<bool>();
        let mut chosen: Vec<Vec<[f32; 2]>> = Vec::with_capacity(strokes.len());
        for stroke in strokes {
            if !(drops && chance(self.drop_strokes, rng)) {
                chosen.push(stroke.clone());
            }
        }
        if chosen.is_empty() {
            chosen.extend_from_slice(strokes);
        }
        if chance(self.reverse_order, rng) {
            chosen.reverse();
        }
        for stroke in &mut chosen {
            if chance(self.reverse_strokes, rng) {
                stroke.reverse();
            }
        }
        let is_pen_down = chance(self.prefix, rng) && {
            let n_points: usize = chosen.iter().map(Vec::len).sum();
            let n_kept = (n_points as f32 * rng.random_range(UNFINISHED)).ceil() as usize;
            keep_first_points(&mut chosen, n_kept) && chance(PEN_KNOWN, rng)
        };
        (chosen, is_pen_down)
    }

    /// Moves one stroke by itself.
    fn loosen(&self, stroke: &mut [[f32; 2]], rng: &mut impl Rng) {
        let shift = normal_pair(rng).map(|value| value * self.loosen_strokes);
        let [turn, stretch] = normal_pair(rng).map(|value| value * self.loosen_strokes * LOOSE_TURN_PER_UNIT);
        let (low, high) = extent(&*stroke);
        let middle = [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0);
        let (sin, cos) = turn.sin_cos();
        for point in stroke {
            let [x, y] = [0, 1].map(|axis| (point[axis] - middle[axis]) * stretch.exp());
            *point = [middle[0] + shift[0] + cos * x - sin * y, middle[1] + shift[1] + sin * x + cos * y];
        }
    }

    fn move_points(&self, strokes: &mut [Vec<[f32; 2]>], rng: &mut impl Rng) {
        let [turn, shear] = normal_pair(rng);
        let scale = normal_pair(rng).map(|value| (value * self.scale).exp());
        let mirror = if chance(self.flip, rng) { -1.0 } else { 1.0 };
        let (sin, cos) = (turn * self.rotate).sin_cos();
        let shear = shear * self.shear;
        // rotation * [scale_x, shear; 0, scale_y] * mirror
        let matrix = [
            [cos * scale[0] * mirror, cos * shear - sin * scale[1]],
            [sin * scale[0] * mirror, sin * shear + cos * scale[1]],
        ];
        let amplitude = normal_pair(rng).map(|value| value * self.elastic);
        let phase = [rng.random::<f32>() * TAU, rng.random::<f32>() * TAU];
        for point in strokes.iter_mut().flatten() {
            let [mut x, mut y] = *point;
            if self.elastic > 0.0 {
                let per_radian = ELASTIC_WAVELENGTH_PER_RADIAN;
                (x, y) = (
                    x + amplitude[0] * (y / per_radian + phase[0]).sin(),
                    y + amplitude[1] * (x / per_radian + phase[1]).sin(),
                );
            }
            let shift = if self.jitter > 0.0 { normal_pair(rng) } else { [0.0; 2] };
            *point = [0, 1].map(|axis| matrix[axis][0] * x + matrix[axis][1] * y + shift[axis] * self.jitter);
        }
    }
}
