//! The plots of the statistics, each as SVG and PNG.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::histogram::Histogram;
use super::read::{Stats, Summary};
use crate::numbers::thousands;
use crate::pictures::canvas::{Drawn, GREY, INK, PALE, RIGHT, paths, picture, text};

const SIZE: (u32, u32) = (1100, 800);

/// Number of bars of a histogram, and of countries shown.
const N_BARS: usize = 50;
const N_COUNTRIES: usize = 20;

/// Rows in a column of the plot of categories, and their size in pixels.
const N_ROWS: usize = 70;
const ROW: i32 = 15;
const COLUMN: i32 = 330;

/// `histograms.svg` and `histograms.png`: points, strokes and lengths of drawings, and where they
/// come from.
pub(crate) fn histograms(folder: &Path, stats: &Stats, summary: &Summary) -> Result<()> {
    let [svg, png] = paths(folder, "histograms");
    picture(SVGBackend::new(&svg, SIZE), &svg, |area| panels(area, stats, summary))?;
    picture(BitMapBackend::new(&png, SIZE), &png, |area| panels(area, stats, summary))
}

fn panels<B: DrawingBackend>(area: &DrawingArea<B, Shift>, stats: &Stats, summary: &Summary) -> Drawn<B> {
    let areas = area.split_evenly((2, 2));
    histogram(&areas[0], "points of a drawing", &stats.all.points)?;
    histogram(&areas[1], "strokes of a drawing", &stats.all.strokes)?;
    histogram(&areas[2], "length of a drawing's strokes", &stats.all.length)?;
    let largest: Vec<(&str, u64)> =
        summary.countries.iter().take(N_COUNTRIES).map(|(name, n)| (name.as_str(), *n)).collect();
    rows(&areas[3], "drawings by country", &largest)
}

/// Bars up to the 99th percentile; the rest would only squeeze them together.
fn histogram<B: DrawingBackend>(area: &DrawingArea<B, Shift>, title: &str, values: &Histogram) -> Drawn<B> {
    let end = values.quantile(0.99) + 1;
    // Integers have bars of integer width.
    let n_bars = usize::try_from(end).map_or(N_BARS, |end| end.min(N_BARS));
    let end = end.next_multiple_of(n_bars as u64);
    let bars = values.bars(end, n_bars);
    let width = end as f64 / n_bars as f64;
    let highest = bars.iter().copied().fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(18)
        .x_label_area_size(30)
        .y_label_area_size(84)
        .caption(title, text(19, INK))
        .build_cartesian_2d(0.0..end as f64, 0.0..1.05 * highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(8)
        .y_labels(5)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| thousands(value.round() as usize))
        .label_style(text(15, INK))
        .axis_style(GREY)
        .light_line_style(WHITE)
        .bold_line_style(PALE)
        .draw()?;
    chart.draw_series(bars.iter().enumerate().map(|(bar, &height)| {
        let left = bar as f64 * width;
        let gap = 0.06 * width;
        Rectangle::new([(left + gap, 0.0), (left + width - gap, height)], RIGHT.mix(0.8).filled())
    }))?;
    let median = values.quantile(0.5);
    let middle = median as f64 + if width <= 1.0 { 0.5 } else { 0.0 };
    chart.draw_series([PathElement::new([(middle, 0.0), (middle, 1.05 * highest)], GREY.stroke_width(2))])?;
    let note = format!("median {}, mean {:.1}", thousands(median as usize), values.mean());
    let right = area.dim_in_pixel().0 as i32 - 24;
    area.draw(&Text::new(note, (right, 56), text(15, INK).pos(Pos::new(HPos::Right, VPos::Top))))
}

/// A row for each number, with a bar as long.
fn rows<B: DrawingBackend>(area: &DrawingArea<B, Shift>, title: &str, numbers: &[(&str, u64)]) -> Drawn<B> {
    let (width, height) = area.dim_in_pixel();
    let style = text(19, INK).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(title, (width as i32 / 2, 18), style))?;
    let row = ((height as i32 - 70) / numbers.len().max(1) as i32).min(24);
    bars(area, numbers, (24, 52), (width as i32 - 48, row), 44)
}

/// Names, bars and numbers below each other from `corner` on; names have the room `beside`.
fn bars<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    numbers: &[(&str, u64)],
    corner: (i32, i32),
    (width, row): (i32, i32),
    beside: i32,
) -> Drawn<B> {
    const FIGURES: i32 = 78;
    let largest = numbers.iter().map(|&(_, n)| n).max().unwrap_or(0).max(1);
    let size = (row - 2).clamp(8, 15);
    for (index, &(name, n)) in numbers.iter().enumerate() {
        let top = corner.1 + index as i32 * row;
        let middle = top + row / 2;
        let left = corner.0 + beside;
        let length = ((width - beside - FIGURES) as f64 * n as f64 / largest as f64).round() as i32;
        let right = |size| text(size, INK).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(name, (left - 8, middle), right(size)))?;
        let bar =
            Rectangle::new([(left, top + 2), (left + length.max(1), top + row - 2)], RIGHT.mix(0.8).filled());
        area.draw(&bar)?;
        let number = text(size, GREY).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(thousands(n as usize), (left + length + 6, middle), number))?;
    }
    Ok(())
}

/// `classes.svg` and `classes.png`: how many drawings each category has, most first.
pub(crate) fn classes(folder: &Path, summary: &Summary) -> Result<()> {
    let mut numbers: Vec<(&str, u64)> =
        summary.classes.iter().map(|(label, class)| (label.as_str(), class.drawings)).collect();
    numbers.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let n_columns = numbers.len().div_ceil(N_ROWS).max(1) as i32;
    let n_rows = numbers.len().min(N_ROWS) as i32;
    let size = ((COLUMN * n_columns + 24) as u32, (ROW * n_rows + 64) as u32);
    let [svg, png] = paths(folder, "classes");
    picture(SVGBackend::new(&svg, size), &svg, |area| columns(area, &numbers))?;
    picture(BitMapBackend::new(&png, size), &png, |area| columns(area, &numbers))
}

fn columns<B: DrawingBackend>(area: &DrawingArea<B, Shift>, numbers: &[(&str, u64)]) -> Drawn<B> {
    area.draw(&Text::new("drawings by category", (14, 14), text(19, INK)))?;
    // All columns have one scale, which the first category of all sets.
    let most = numbers.first().map_or(1, |&(_, n)| n).max(1);
    for (column, part) in numbers.chunks(N_ROWS).enumerate() {
        let share = part.first().map_or(1, |&(_, n)| n).max(1) as f64 / most as f64;
        let (beside, figures) = (130, 78);
        let width = beside + figures + ((COLUMN - 16 - beside - figures) as f64 * share).round() as i32;
        bars(area, part, (8 + column as i32 * COLUMN, 50), (width, ROW), beside)?;
    }
    Ok(())
}
