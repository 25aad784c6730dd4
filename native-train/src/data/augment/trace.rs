//! A drawing -> the strokes that are traced from a picture of it.
//!
//! A sketch may come as a picture. Its lines can be traced ([`Drawing::from_image`]), but their
//! order and direction are guessed, a thick pen fills corners, and lines that touch become one.

use std::ops::Range;
use std::str::FromStr;

use anyhow::{Context, Error, Result};
use quickdraw_core::{Drawing, Image};
use rand::Rng;

use super::square::extent;

/// Sides of random pictures, in pixels.
const SIDES: [usize; 5] = [64, 96, 128, 192, 256];

/// Widths of random pens, as a fraction of the side.
const PENS: Range<f32> = 0.01..0.065;

/// The thinnest random pen, in pixels.
const MIN_PEN: f32 = 1.2;

/// A square picture in black on white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picture {
    /// Pixels along a side, 1 to 4096.
    pub side: usize,
    /// Width of the pen, in pixels: above 0, less than a third of the side.
    pub pen: f32,
}

/// The most pixels along a side.
const MAX_SIDE: usize = 4096;

impl FromStr for Picture {
    type Err = Error;

    /// Reads `SIDE:PEN`.
    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (side, pen) = text.split_once(':')?;
            Some(Self { side: side.parse().ok()?, pen: pen.parse().ok()? })
        };
        let fits = |picture: &Self| {
            (1..=MAX_SIDE).contains(&picture.side)
                && picture.pen > 0.0
                && 3.0 * picture.pen < picture.side as f32
        };
        read().filter(fits).with_context(|| {
            format!("{text:?} is no picture; expected SIDE:PEN in pixels, as 256:10, a side of at most {MAX_SIDE} and a pen of less than a third of it")
        })
    }
}

impl Picture {
    /// One of the usual sizes, with a thin or a thick pen.
    pub fn random(rng: &mut impl Rng) -> Self {
        let side = SIDES[rng.random_range(0..SIDES.len())];
        Self { side, pen: (side as f32 * rng.random_range(PENS)).max(MIN_PEN) }
    }

    /// The pixels of a drawing in its middle, with a margin of the pen's width: `[side, side, 4]`.
    fn rgba(self, drawing: &Drawing) -> Vec<u8> {
        let Self { side, pen } = self;
        let (low, high) = extent(drawing.strokes().iter().flatten());
        let scale = (side as f32 - 3.0 * pen) / (high[0] - low[0]).max(high[1] - low[1]).max(1.0);
        let pixel = |point: &[f32; 2]| {
            [0, 1].map(|axis| side as f32 / 2.0 + (point[axis] - (low[axis] + high[axis]) / 2.0) * scale)
        };
        let mut ink = vec![0.0; side * side];
        for stroke in drawing.strokes() {
            let pixels: Vec<[f32; 2]> = stroke.iter().map(pixel).collect();
            // A point alone is a line to itself.
            for ends in pixels.windows(2).chain((pixels.len() == 1).then_some(&[pixels[0]; 2][..])) {
                draw_line(ends[0], ends[1], pen / 2.0, side, &mut ink);
            }
        }
        ink.iter()
            .flat_map(|ink| [[(255.0 * (1.0 - ink)).round() as u8; 3].as_slice(), &[255]].concat())
            .collect()
    }
}

/// Draws an anti-aliased line with round ends into `ink` `[side, side]`, 0 for paper and 1 for ink.
fn draw_line(from: [f32; 2], to: [f32; 2], radius: f32, side: usize, ink: &mut [f32]) {
    let reach = radius + 0.5;
    let range = |axis: usize| {
        let [low, high] = [from[axis].min(to[axis]) - reach, from[axis].max(to[axis]) + reach];
        low.max(0.0) as usize..(high.ceil().max(0.0) as usize).min(side)
    };
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    for y in range(1) {
        for x in range(0) {
            let [u, v] = [x as f32 + 0.5 - from[0], y as f32 + 0.5 - from[1]];
            let along = ((u * dx + v * dy) / squared).clamp(0.0, 1.0);
            let distance = (u - along * dx).hypot(v - along * dy);
            let pixel = &mut ink[y * side + x];
            *pixel = pixel.max((reach - distance).clamp(0.0, 1.0));
        }
    }
}

/// `drawing` as it is traced from a picture of it, in the data set's simplified form, pen up.
///
/// # Panics
/// If the picture has no pixels, or more than an [`Image`] may have.
pub fn trace(drawing: &Drawing, picture: Picture) -> Drawing {
    let image =
        Image::from_rgba(picture.side, picture.side, &picture.rgba(drawing)).expect("a picture's pixels");
    // Where the pen is thinner than a pixel, there may be nothing to see.
    Drawing::from_image(&image)
        .map_or_else(|_| drawing.clone().with_pen_down(false), |traced| traced.simplify())
}
