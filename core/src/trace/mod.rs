//! An image of a sketch in, strokes out: a scan, a photograph or a PNG becomes a [`Drawing`].
//!
//! ```text
//! RGBA -> luminance, 256 to 512 pixels -> ink or paper (Otsu)
//!     -> skeleton: lines of one pixel (thinning) -> graph -> spurs pruned
//!     -> lines joined straight through crossings -> in the order in which people draw
//! ```
//!
//! Decoding of files is left to the caller. What is not in an image, the order and direction of its
//! strokes, is guessed.

mod graph;
mod order;
mod pixels;
mod thin;

use crate::error::Error;
use crate::{Drawing, trace::pixels::Mask};

/// The most pixels of an image: a photograph of 64 megapixels.
const MAX_PIXELS: usize = 1 << 26;

/// The luminance of an image, reduced or enlarged to the size at which lines are traced.
#[derive(Debug, Clone)]
pub struct Image {
    luminance: pixels::Luminance,
    /// Pixels of the original to one of `luminance`.
    scale: f32,
}

impl Image {
    /// Takes the pixels of an image, `[height, width, 4]` from the top left: red, green, blue and
    /// alpha, not premultiplied.
    ///
    /// Transparent pixels are paper.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidImage`] if there are none, too many, or not as many as width and height say.
    pub fn from_rgba(width: usize, height: usize, rgba: &[u8]) -> Result<Self, Error> {
        let invalid = |message: String| Err(Error::InvalidImage { message });
        let n_pixels = width.saturating_mul(height);
        if n_pixels == 0 || n_pixels > MAX_PIXELS {
            return invalid(format!("{width} x {height} pixels: expected 1 to {MAX_PIXELS} in all"));
        }
        if rgba.len() != 4 * n_pixels {
            return invalid(format!(
                "{} bytes: expected 4 for each of {width} x {height} pixels",
                rgba.len()
            ));
        }
        let (luminance, scale) = pixels::luminance(width, height, rgba);
        Ok(Self { luminance, scale })
    }
}

impl Drawing {
    /// Traces the lines of an image, dark on light or light on dark.
    ///
    /// Points are in the image's pixels. Time and memory are linear in the number of pixels.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyDrawing`] if the image is all paper.
    pub fn from_image(image: &Image) -> Result<Self, Error> {
        let mut mask = Mask::of_ink(&image.luminance);
        let skeleton = thin::thinned(&mask);
        mask.open_blots(&skeleton);
        let radius = mask.distances_to_paper();
        let skeleton = thin::thinned(&mask);
        let mut strokes = graph::Graph::of(&skeleton, &radius).into_strokes();
        strokes.extend(mask.dots_without(&skeleton));
        order::as_people_draw(&mut strokes);
        for point in strokes.iter_mut().flatten() {
            // From the centre of a pixel to its place in the original.
            *point = point.map(|value| (value + 0.5) * image.scale - 0.5);
        }
        Drawing::from_strokes(strokes)
    }
}
