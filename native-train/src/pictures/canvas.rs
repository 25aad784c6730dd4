//! Shared by all pictures: a font, colours, and a white canvas for SVG or PNG.

use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

/// The typeface that the program brings along, since a machine may have none.
fn with_typeface() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let registered = register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
        assert!(registered.is_ok(), "the typeface that comes with the program is one");
    });
}

pub(crate) const INK: RGBColor = RGBColor(32, 33, 36);
pub(crate) const GREY: RGBColor = RGBColor(140, 143, 150);
pub(crate) const RIGHT: RGBColor = RGBColor(38, 84, 196);
pub(crate) const WRONG: RGBColor = RGBColor(214, 64, 28);
/// Lines of a grid.
pub(crate) const PALE: RGBColor = RGBColor(232, 233, 236);

/// The result of drawing.
pub(crate) type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// The files of a picture.
pub(crate) fn paths(folder: &Path, name: &str) -> [PathBuf; 2] {
    ["svg", "png"].map(|extension| folder.join(name).with_extension(extension))
}

/// Draws a picture on white and writes it.
pub(crate) fn picture<B: DrawingBackend>(
    backend: B,
    path: &Path,
    contents: impl FnOnce(&DrawingArea<B, Shift>) -> Drawn<B>,
) -> Result<()> {
    with_typeface();
    let area = backend.into_drawing_area();
    let drawn = area.fill(&WHITE).and_then(|()| contents(&area)).and_then(|()| area.present());
    // The error borrows from the path, so that its text alone can be passed on.
    drawn.map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
}

/// Text of a height in pixels.
pub(crate) fn text(size: i32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}
