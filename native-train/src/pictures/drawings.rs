//! Drawings in any unit in, pictures out: SVG, pixels, and characters for a terminal.

use std::path::Path;

use anyhow::Result;
use maud::{Markup, html};
use plotters::coord::Shift;
use plotters::prelude::*;
use quickdraw_core::Drawing;

use super::canvas::{Drawn, GREY, INK, PALE, picture, text};

/// Strokes of points `[x, y]`, y down.
type Strokes = Vec<Vec<[f32; 2]>>;

/// Of the side of a picture: the room around the drawing, and the width of the pen.
const MARGIN: f32 = 0.045;
const PEN: f32 = 0.018;

/// Characters with which a terminal shows a drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Glyphs {
    /// Dots of Braille: eight to a character
    #[default]
    Braille,
    /// Half blocks: two to a character, for typefaces without Braille
    Blocks,
}

/// The strokes of a drawing in the middle of a square of `side`, `margin` from the nearest edges.
fn placed(drawing: &Drawing, side: f32, margin: f32) -> Strokes {
    let points = || drawing.strokes().iter().flatten();
    let low = [0, 1].map(|axis| points().map(|point| point[axis]).fold(f32::INFINITY, f32::min));
    let high = [0, 1].map(|axis| points().map(|point| point[axis]).fold(f32::NEG_INFINITY, f32::max));
    let larger = (high[0] - low[0]).max(high[1] - low[1]);
    // A dot has no size that could be scaled.
    let scale = if larger > 0.0 { (side - 2.0 * margin) / larger } else { 1.0 };
    let middle = [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0);
    let place = |point: &[f32; 2]| [0, 1].map(|axis| (point[axis] - middle[axis]) * scale + side / 2.0);
    drawing.strokes().iter().map(|stroke| stroke.iter().map(place).collect()).collect()
}

/// The attribute `d` of a path along strokes; a point alone becomes a dot.
pub(crate) fn path(strokes: &[Vec<[f32; 2]>]) -> String {
    let mut path = String::new();
    for stroke in strokes {
        for (index, [x, y]) in stroke.iter().enumerate() {
            path += &match index {
                0 => format!("M{x} {y}"),
                // More pairs after a move are lines.
                _ => format!(" {x} {y}"),
            };
        }
        if stroke.len() == 1 {
            // A move alone is nothing; to its own place it is a dot.
            path += "h0";
        }
    }
    path
}

fn hex(colour: RGBColor) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2)
}

/// The path of a drawing in a square of `side`, with all that it needs to be seen.
fn element(drawing: &Drawing, side: f32) -> Markup {
    let tenth = |value: f32| (10.0 * value).round() / 10.0;
    let strokes: Strokes = placed(drawing, side, MARGIN * side)
        .into_iter()
        .map(|stroke| stroke.into_iter().map(|point| point.map(tenth)).collect())
        .collect();
    html! {
        path d=(path(&strokes)) fill="none" stroke=(hex(INK)) stroke-width=(tenth(PEN * side))
            stroke-linecap="round" stroke-linejoin="round" {}
    }
}

/// A file of SVG with one drawing on white; `name` is what it is called.
pub fn svg(drawing: &Drawing, name: &str, side: u32) -> String {
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(side) height=(side) viewBox=(format!("0 0 {side} {side}"))
            role="img" aria-label=(name) {
            title { (name) }
            rect width="100%" height="100%" fill="#fff" {}
            (element(drawing, side as f32))
        }
    };
    markup.into_string() + "\n"
}

/// A file of PNG with one drawing on white.
///
/// # Errors
/// When the file cannot be written.
pub fn write_png(path: &Path, drawing: &Drawing, side: u32) -> Result<()> {
    picture(BitMapBackend::new(path, (side, side)), path, |area| pixels(area, drawing, (0, 0), side))
}

/// How much of each pixel of a square the pen covers, 0 to 1, row by row.
fn coverage(strokes: &Strokes, side: usize, pen: f32) -> Vec<f32> {
    let mut covered = vec![0.0_f32; side * side];
    for stroke in strokes {
        // A dot between four pixels must cover at least half of each, or a thin pen leaves none.
        let is_dot = stroke.iter().all(|point| Some(point) == stroke.first());
        let reach = 0.5 + if is_dot { pen.max(1.5) } else { pen } / 2.0;
        let range = |a: f32, b: f32| {
            let end = (a.max(b) + reach).ceil().clamp(0.0, side as f32);
            (a.min(b) - reach).floor().clamp(0.0, side as f32) as usize..end as usize
        };
        let ends = stroke.iter().zip(stroke.iter().skip(1).chain(stroke.last()));
        for (&[ax, ay], &[bx, by]) in ends {
            let (dx, dy) = (bx - ax, by - ay);
            let squared = dx * dx + dy * dy;
            for row in range(ay, by) {
                for column in range(ax, bx) {
                    let (x, y) = (column as f32 + 0.5 - ax, row as f32 + 0.5 - ay);
                    let along =
                        if squared > 0.0 { ((x * dx + y * dy) / squared).clamp(0.0, 1.0) } else { 0.0 };
                    let distance = (x - along * dx).hypot(y - along * dy);
                    let pixel = &mut covered[row * side + column];
                    *pixel = pixel.max((reach - distance).clamp(0.0, 1.0));
                }
            }
        }
    }
    covered
}

/// Draws into the square of `side` at `corner`; plotters' own lines have neither round ends nor
/// soft edges.
fn pixels<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    drawing: &Drawing,
    corner: (i32, i32),
    side: u32,
) -> Drawn<B> {
    let whole = side as f32;
    let strokes = placed(drawing, whole, MARGIN * whole);
    let pen = (PEN * whole).max(1.5);
    for (index, share) in coverage(&strokes, side as usize, pen).into_iter().enumerate() {
        if share > 0.0 {
            let (row, column) = (index / side as usize, index % side as usize);
            let place = (corner.0 + column as i32, corner.1 + row as i32);
            area.draw_pixel(place, &INK.mix(share.into()))?;
        }
    }
    Ok(())
}

/// A drawing in lines of `columns` characters, without the empty lines above and below it.
pub fn characters(drawing: &Drawing, columns: usize, glyphs: Glyphs) -> String {
    // Dots of a character, across and down; they are about as wide as high.
    let (across, down) = match glyphs {
        Glyphs::Braille => (2, 4),
        Glyphs::Blocks => (1, 2),
    };
    let side = across * columns;
    let strokes = placed(drawing, side as f32, 0.5);
    let covered = coverage(&strokes, side, 1.0);
    let is_set =
        |x: usize, y: usize| x < side && y < side && covered.get(y * side + x).is_some_and(|&dot| dot >= 0.5);
    let glyph = |column: usize, row: usize| -> char {
        let set = |x: usize, y: usize| is_set(across * column + x, down * row + y);
        match glyphs {
            Glyphs::Braille => {
                // The bits of U+2800 run down the left column of three, then the right one, then
                // the fourth row.
                let dots = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
                let bits =
                    dots.iter().enumerate().map(|(bit, &(x, y))| u32::from(set(x, y)) << bit).sum::<u32>();
                char::from_u32(0x2800 + bits).unwrap_or(' ')
            }
            Glyphs::Blocks => match (set(0, 0), set(0, 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            },
        }
    };
    let lines: Vec<String> = (0..side.div_ceil(down))
        .map(|row| {
            let line: String = (0..columns).map(|column| glyph(column, row)).collect();
            line.trim_end_matches(['\u{2800}', ' ']).to_owned()
        })
        .collect();
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or(0);
    lines[first..=last].iter().map(|line| format!("{line}\n")).collect()
}

/// A sheet of drawings: its cells, and the height of its title.
const CELL: u32 = 150;
const N_COLUMNS: usize = 6;
const TITLE: u32 = 46;

fn sheet_size(n: usize) -> (u32, u32) {
    (CELL * N_COLUMNS as u32, TITLE + CELL * n.div_ceil(N_COLUMNS).max(1) as u32)
}

/// The top-left corner of a cell.
fn cell(index: usize) -> (i32, i32) {
    let (row, column) = (index / N_COLUMNS, index % N_COLUMNS);
    (CELL as i32 * column as i32, TITLE as i32 + CELL as i32 * row as i32)
}

/// A sheet of drawings as a file of SVG.
pub(crate) fn sheet_svg(title: &str, drawings: &[&Drawing]) -> String {
    let (width, height) = sheet_size(drawings.len());
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(title) {
            rect width="100%" height="100%" fill="#fff" {}
            text x="14" y="30" font-family="sans-serif" font-size="20" fill=(hex(INK)) { (title) }
            @for (index, drawing) in drawings.iter().enumerate() {
                @let (x, y) = cell(index);
                g transform=(format!("translate({x} {y})")) {
                    rect x="3" y="3" width=(CELL - 6) height=(CELL - 6) rx="6" fill="none" stroke=(hex(PALE)) {}
                    (element(drawing, CELL as f32))
                }
            }
        }
    };
    markup.into_string() + "\n"
}

/// A sheet of drawings as a file of PNG.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn sheet_png(path: &Path, title: &str, drawings: &[&Drawing]) -> Result<()> {
    picture(BitMapBackend::new(path, sheet_size(drawings.len())), path, |area| {
        area.draw(&Text::new(title, (14, 14), text(20, INK)))?;
        for (index, drawing) in drawings.iter().enumerate() {
            let (x, y) = cell(index);
            let end = CELL as i32 - 3;
            area.draw(&Rectangle::new([(x + 3, y + 3), (x + end, y + end)], GREY.mix(0.25)))?;
            pixels(area, drawing, (x, y), CELL)?;
        }
        Ok(())
    })
}
