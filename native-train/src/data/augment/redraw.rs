//! A drawing of the data set -> re-rendered as pointer events on a page.
//!
//! The page may have any size, the pen any speed, and hands shake: with this, an evaluation
//! measures a model on drawings as a browser gets them. The result is simplified, as every drawing
//! is before it is classified.

use quickdraw_core::Drawing;
use rand::Rng;

use crate::random::normal_pair;

/// Sides of the canvas on which the drawing is drawn, in pixels.
const SIDES: [f32; 2] = [150.0, 900.0];

/// Distances of the pen between two events, in pixels: one for each drawing.
const SPEEDS: [f32; 2] = [2.0, 15.0];

/// The largest standard deviation of the jitter, in pixels on each axis: each drawing has its own,
/// from 0 on.
const MAX_JITTER: f32 = 1.0;

/// `drawing` as a pen would draw it, in the data set's simplified form.
pub fn redraw(drawing: &Drawing, rng: &mut impl Rng) -> Drawing {
    let side = rng.random_range(SIDES[0]..SIDES[1]);
    let scale = side / 256.0;
    let speed = rng.random_range(SPEEDS[0]..SPEEDS[1]);
    let jitter = rng.random_range(0.0..MAX_JITTER);
    let corner = [rng.random_range(0.0..2000.0f32), rng.random_range(0.0..2000.0f32)];
    let strokes = drawing.strokes().iter().map(|stroke| {
        let mut event = |[x, y]: [f32; 2]| {
            let shift = normal_pair(rng).map(|value| value * jitter);
            // Browsers report mouse positions in whole pixels.
            [corner[0] + x * scale + shift[0], corner[1] + y * scale + shift[1]].map(f32::round)
        };
        let mut events = Vec::new();
        for pair in stroke.windows(2) {
            let way = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
            let n = (way[0].hypot(way[1]) * scale / speed).ceil().max(1.0) as usize;
            for i in 0..n {
                let share = i as f32 / n as f32;
                events.push(event([pair[0][0] + share * way[0], pair[0][1] + share * way[1]]));
            }
        }
        events.extend(stroke.last().map(|&last| event(last)));
        events
    });
    let redrawn =
        Drawing::from_strokes(strokes.collect()).expect("strokes are not empty and points are finite");
    redrawn.with_pen_down(drawing.is_pen_down()).simplify()
}
