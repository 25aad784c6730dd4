//! The pictures of a report, each as SVG and PNG: the confusion matrix as a heat map, and the
//! reliability diagram.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::eval::measure::Measurement;
use crate::eval::tally::{N_BINS, Tally};
use crate::pictures::canvas::{Drawn, GREY, INK, PALE, RIGHT, WRONG, paths, picture, text};

/// Pixels that the longer side of the heat map has at most, unless a class needs more than that by
/// its one pixel.
const HEAT_SIDE: usize = 1200;

/// Categories that are named along the sides of the heat map.
const N_NAMES: usize = 40;

/// Room for names and titles.
const MARGIN: usize = 170;

/// `confusion.svg` and `confusion.png`: rows are the categories drawn, columns the top-1
/// predictions; the darker a cell, the larger its fraction of the row.
pub(crate) fn confusion(folder: &Path, measurement: &Measurement) -> Result<()> {
    let n_classes = measurement.labels().len();
    // Whole pixels, so that all cells are alike.
    let cell = (HEAT_SIDE / n_classes).clamp(1, 60);
    let side = (MARGIN + cell * n_classes + MARGIN / 6) as u32;
    let [svg, png] = paths(folder, "confusion");
    picture(SVGBackend::new(&svg, (side, side)), &svg, |area| heat_map(area, measurement, cell as i32))?;
    picture(BitMapBackend::new(&png, (side, side)), &png, |area| heat_map(area, measurement, cell as i32))
}

/// `reliability.svg` and `reliability.png`: fraction of correct top-1 predictions by their
/// probability.
pub(crate) fn reliability(folder: &Path, tally: &Tally) -> Result<()> {
    let size = (720, 680);
    let [svg, png] = paths(folder, "reliability");
    picture(SVGBackend::new(&svg, size), &svg, |area| reliability_diagram(area, tally))?;
    picture(BitMapBackend::new(&png, size), &png, |area| reliability_diagram(area, tally))
}

fn heat_map<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    measurement: &Measurement,
    cell: i32,
) -> Drawn<B> {
    let (labels, tally) = (measurement.labels(), measurement.tally());
    let n_classes = labels.len() as i32;
    let margin = MARGIN as i32;
    let end = margin + cell * n_classes;
    for row in 0..n_classes {
        let n = tally.n_of(row as usize);
        for (column, &count) in tally.predictions(row as usize).iter().enumerate() {
            if count > 0 {
                let colour = if column as i32 == row { RIGHT } else { WRONG };
                // The square root and a floor, so that a fraction of 1 in 20 is still visible.
                let strength = 0.2 + 0.8 * (f64::from(count) / n as f64).sqrt();
                let corner = (margin + column as i32 * cell, margin + row * cell);
                let opposite = (corner.0 + cell, corner.1 + cell);
                area.draw(&Rectangle::new([corner, opposite], mix(colour, strength).filled()))?;
            }
        }
    }
    area.draw(&Rectangle::new([(margin - 2, margin - 2), (end + 1, end + 1)], GREY))?;
    let every = labels.len().div_ceil(N_NAMES);
    let size = (cell * every as i32 - 2).clamp(9, 15);
    let beside = text(size, INK).pos(Pos::new(HPos::Right, VPos::Center));
    let above = text(size, INK).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Left, VPos::Center));
    for (class, label) in labels.iter().enumerate().step_by(every) {
        let middle = margin + class as i32 * cell + cell / 2;
        area.draw(&Text::new(label.as_str(), (margin - 8, middle), beside.clone()))?;
        area.draw(&Text::new(label.as_str(), (middle, margin - 8), above.clone()))?;
    }
    let title = text(15, INK);
    area.draw(&Text::new("row: drawn", (14, 14), title.clone()))?;
    area.draw(&Text::new("column: top-1 prediction", (14, 34), title))
}

/// A colour on white, from hardly any of it (0) to all of it (1).
fn mix(colour: RGBColor, strength: f64) -> RGBColor {
    let channel = |value: u8| (255.0 - (255.0 - f64::from(value)) * strength).round() as u8;
    RGBColor(channel(colour.0), channel(colour.1), channel(colour.2))
}

fn reliability_diagram<B: DrawingBackend>(area: &DrawingArea<B, Shift>, tally: &Tally) -> Drawn<B> {
    let mut chart = ChartBuilder::on(area)
        .margin(24)
        .x_label_area_size(56)
        .y_label_area_size(64)
        .caption(
            format!("expected calibration error {:.1} %", 100.0 * tally.expected_calibration_error()),
            text(20, INK),
        )
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    let percent = |share: &f64| format!("{:.0} %", 100.0 * share);
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&percent)
        .y_label_formatter(&percent)
        .x_desc("probability of the top-1 prediction")
        .y_desc("correct top-1 predictions")
        .label_style(text(15, INK))
        .axis_style(GREY)
        .light_line_style(WHITE)
        .bold_line_style(PALE)
        .draw()?;
    let width = 1.0 / N_BINS as f64;
    let bins = tally.bins().iter().enumerate().filter(|(_, bin)| bin.n > 0);
    chart.draw_series(bins.clone().map(|(i, bin)| {
        let left = i as f64 * width;
        let share = bin.n_correct as f64 / bin.n as f64;
        Rectangle::new([(left + 0.004, 0.0), (left + width - 0.004, share)], RIGHT.mix(0.75).filled())
    }))?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], GREY.stroke_width(2)))?;
    chart.draw_series(bins.map(|(_, bin)| {
        let [x, y] = [bin.confidence, bin.n_correct as f64].map(|sum| sum / bin.n as f64);
        Circle::new((x, y), 4, WRONG.filled())
    }))?;
    Ok(())
}
