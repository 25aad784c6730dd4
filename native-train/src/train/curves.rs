//! Learning curves: metrics in, `curves.svg` and `curves.png` out.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::metrics::Summary;
use crate::eval::Figures;
use crate::pictures::canvas::{Drawn, GREY, INK, PALE, RIGHT, WRONG, paths, picture, text};

/// The metrics of a run so far, by steps done, ascending.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    /// Sums over the steps before.
    pub train: Vec<(u64, Summary)>,
    /// On the validation part.
    pub validation: Vec<(u64, Figures)>,
}

/// Width and height.
const SIZE: (u32, u32) = (900, 1000);

/// Points a line has at most: more than there are pixels only slow the picture down.
const MAX_POINTS: usize = 600;

/// Draws the curves into `folder`.
///
/// # Errors
/// When a picture cannot be written.
pub fn draw(folder: &Path, curves: &Curves) -> Result<()> {
    let [svg, png] = paths(folder, "curves");
    picture(SVGBackend::new(&svg, SIZE), &svg, |area| panels(area, curves))?;
    picture(BitMapBackend::new(&png, SIZE), &png, |area| panels(area, curves))
}

/// A line of a panel.
struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

fn panels<B: DrawingBackend>(area: &DrawingArea<B, Shift>, curves: &Curves) -> Drawn<B> {
    let train = |value: fn(&Summary) -> f64| -> Vec<(f64, f64)> {
        thinned(curves.train.iter().map(|(step, summary)| (*step as f64, value(summary))).collect())
    };
    let validation = |value: fn(&Figures) -> f64| -> Vec<(f64, f64)> {
        curves.validation.iter().map(|(step, figures)| (*step as f64, value(figures))).collect()
    };
    let areas = area.split_evenly((3, 1));
    let number = |value: &f64| format!("{value:.1}");
    let share = |value: &f64| format!("{:.0} %", 100.0 * value);
    let rate = |value: &f64| format!("{value:.1e}");
    let loss = [
        Line { name: "training", colour: GREY, points: train(|summary| summary.loss) },
        Line { name: "validation", colour: RIGHT, points: validation(|figures| figures.loss) },
    ];
    panel(&areas[0], "loss", &loss, None, &number)?;
    let accuracy = [
        Line { name: "training, top-1", colour: GREY, points: train(|summary| summary.accuracy) },
        Line { name: "validation, top-1", colour: RIGHT, points: validation(|figures| figures.top1) },
        Line { name: "validation, top-3", colour: WRONG, points: validation(|figures| figures.top3) },
    ];
    panel(&areas[1], "accuracy", &accuracy, Some(1.0), &share)?;
    let rates = [Line { name: "", colour: INK, points: train(|summary| summary.learning_rate) }];
    panel(&areas[2], "learning rate", &rates, None, &rate)
}

/// A chart of lines over steps, from zero to `top` or to what the lines need.
fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    title: &str,
    lines: &[Line],
    top: Option<f64>,
    label: &dyn Fn(&f64) -> String,
) -> Drawn<B> {
    let highest = |axis: fn(&(f64, f64)) -> f64| {
        lines
            .iter()
            .flat_map(|line| &line.points)
            .map(axis)
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max)
    };
    let top = top.unwrap_or(1.05 * highest(|point| point.1)).max(f64::MIN_POSITIVE);
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .x_label_area_size(34)
        .y_label_area_size(74)
        .caption(title, text(19, INK))
        .build_cartesian_2d(0.0..highest(|point| point.0).max(1.0), 0.0..top)?;
    chart
        .configure_mesh()
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(label)
        .label_style(text(15, INK))
        .axis_style(GREY)
        .light_line_style(WHITE)
        .bold_line_style(PALE)
        .draw()?;
    for Line { name, colour, points } in lines {
        let style = colour.stroke_width(2);
        let series = chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        if !name.is_empty() {
            series.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        if let &[(step, value)] = points.as_slice() {
            // A line of one point would not be seen.
            chart.draw_series([Circle::new((step, value), 3, colour.filled())])?;
        }
    }
    if lines.iter().any(|line| !line.name.is_empty()) {
        let mut legend = chart.configure_series_labels();
        legend.position(SeriesLabelPosition::MiddleRight).label_font(text(15, INK));
        legend.background_style(WHITE.mix(0.85)).draw()?;
    }
    Ok(())
}

/// The same curve in fewer points, each the mean of its neighbours.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let n = points.len().div_ceil(MAX_POINTS).max(1);
    let mean = |part: &[(f64, f64)]| {
        let sum = part.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / part.len() as f64, sum.1 / part.len() as f64)
    };
    points.chunks(n).map(mean).collect()
}
