//! An ink in, the image that the image branch reads out: strokes as antialiased lines on a small
//! square of pixels.
//!
//! As the data set's own bitmaps of 28 x 28 pixels: round pens, the drawing centred by its bounding
//! box.

use crate::{Ink, InkFormat};

/// Pixels along a side of an image.
pub const IMAGE_SIDE: usize = 28;

/// Pixels to a unit of the ink's absolute coordinates, in which the larger side of a drawing is 2.
/// The data set's bitmaps show a square of 256 units with a margin of 24 on each side, and drawings
/// of 255.
const PIXELS_PER_UNIT: f32 = 127.5 * IMAGE_SIDE as f32 / 304.0;

/// Half of the width of the pen, in pixels: 8 of the same 304 units.
const PEN_RADIUS: f32 = 8.0 * IMAGE_SIDE as f32 / 304.0;

/// A pixel whose centre is at least this far from a line, in pixels, is paper; one pixel nearer it
/// is all ink.
const REACH: f32 = PEN_RADIUS + 0.5;

/// The image of an ink in [`InkFormat::Absolute`], `[IMAGE_SIDE, IMAGE_SIDE]` from the top left, 0
/// for paper and 1 for ink.
pub(crate) fn image(ink: &Ink) -> [f32; IMAGE_SIDE * IMAGE_SIDE] {
    debug_assert_eq!(ink.format(), InkFormat::Absolute);
    let mut image = [0.0; IMAGE_SIDE * IMAGE_SIDE];
    let middle = IMAGE_SIDE as f32 / 2.0;
    let mut before = None;
    for row in ink.rows().chunks_exact(InkFormat::Absolute.n_columns()) {
        let point = [row[3], row[4]].map(|value| middle + value * PIXELS_PER_UNIT);
        // The first point of a stroke is a dot, which the line to the next one covers.
        draw_line(before.unwrap_or(point), point, &mut image);
        before = (row[2] == 0.0).then_some(point);
    }
    image
}

/// Draws a line of the pen's width from one point to another, in pixels. Where lines cross a pixel
/// has the darker ink.
fn draw_line(from: [f32; 2], to: [f32; 2], image: &mut [f32; IMAGE_SIDE * IMAGE_SIDE]) {
    let [x, y] = [0, 1].map(|axis| pixels(from[axis].min(to[axis]), from[axis].max(to[axis])));
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let squared_length = dx * dx + dy * dy;
    let inverse = if squared_length > 0.0 { 1.0 / squared_length } else { 0.0 };
    for row in y {
        let v = row as f32 + 0.5 - from[1];
        for column in x.clone() {
            let u = column as f32 + 0.5 - from[0];
            let along = ((u * dx + v * dy) * inverse).clamp(0.0, 1.0);
            let (off_x, off_y) = (u - along * dx, v - along * dy);
            let squared_distance = off_x * off_x + off_y * off_y;
            if squared_distance < REACH * REACH {
                let coverage = (REACH - squared_distance.sqrt()).min(1.0);
                let pixel = &mut image[row * IMAGE_SIDE + column];
                *pixel = pixel.max(coverage);
            }
        }
    }
}

/// The pixels whose centres are within reach of the range from `low` to `high`.
fn pixels(low: f32, high: f32) -> std::ops::Range<usize> {
    let first = (low - REACH).max(0.0) as usize;
    let end = (high + REACH).ceil().clamp(0.0, IMAGE_SIDE as f32) as usize;
    first..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Drawing;

    fn image_of(strokes: Vec<Vec<[f32; 2]>>) -> [f32; IMAGE_SIDE * IMAGE_SIDE] {
        image(&Ink::from_drawing(&Drawing::from_strokes(strokes).unwrap(), InkFormat::Absolute))
    }

    #[test]
    fn a_horizontal_line_is_as_wide_as_the_pen_and_centred() {
        let image = image_of(vec![vec![[0.0, 40.0], [255.0, 40.0]]]);
        // The line lies on the border of rows 13 and 14, whose centres are half a pixel away; the
        // next ones are three halves.
        let column = |row: usize| image[row * IMAGE_SIDE + 14];
        assert_eq!(column(13), 1.0_f32.min(REACH - 0.5));
        assert_eq!(column(14), column(13));
        assert_eq!([column(12), column(15)], [0.0; 2]);
        // 127.5 units on each side of the middle, and the round end of the pen.
        let row: Vec<usize> = (0..IMAGE_SIDE).filter(|&x| image[13 * IMAGE_SIDE + x] > 0.0).collect();
        assert_eq!((row[0], *row.last().unwrap()), (1, 26));
    }

    #[test]
    fn the_pen_draws_nothing_between_two_strokes() {
        let image = image_of(vec![vec![[0.0, 0.0], [0.0, 255.0]], vec![[255.0, 0.0], [255.0, 255.0]]]);
        for row in 0..IMAGE_SIDE {
            assert_eq!(image[row * IMAGE_SIDE + 14], 0.0, "row {row}");
        }
        assert!(image[14 * IMAGE_SIDE + 2] > 0.9 && image[14 * IMAGE_SIDE + 25] > 0.9);
    }

    #[test]
    fn a_single_point_is_a_dot_in_the_middle() {
        let image = image_of(vec![vec![[3.0, 7.0]]]);
        let ink: f32 = image.iter().sum();
        // The disc of the pen, its border softened over a pixel.
        assert!((ink - std::f32::consts::PI * PEN_RADIUS * PEN_RADIUS).abs() < 0.5, "{ink}");
        assert_eq!(image[13 * IMAGE_SIDE + 13], image[14 * IMAGE_SIDE + 14]);
    }
}
