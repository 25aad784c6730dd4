//! The charts of the page as inline SVG, coloured by the page's style sheet.

use maud::{Markup, html};

use crate::evaluate::{AtFraction, Measurement};
use crate::tally::{N_BINS, Tally};

/// Width and height of a chart's plane, and the room around it.
const PLANE: (f64, f64) = (400.0, 260.0);
const LEFT: f64 = 52.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;

/// A place in the plane from shares of its sides, the second counted upwards.
fn place(x: f64, y: f64) -> (f64, f64) {
    (LEFT + x * PLANE.0, TOP + (1.0 - y) * PLANE.1)
}

/// A chart with a scale of percents on its left: `ticks` as (place, name) below, `title` under them.
fn chart(name: &str, right: f64, ticks: &[(f64, String)], title: &str, contents: Markup) -> Markup {
    let (width, height) = (LEFT + PLANE.0 + right, TOP + PLANE.1 + BOTTOM);
    html! {
        svg class="chart" viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(name) {
            @for i in 0..=4 {
                @let share = f64::from(i) / 4.0;
                @let (x, y) = place(0.0, share);
                line class="grid" x1=(x) x2=(x + PLANE.0) y1=(y) y2=(y) {}
                text class="tick" x=(x - 8.0) y=(y + 4.0) text-anchor="end" { (format!("{:.0}%", 100.0 * share)) }
            }
            @for (at, tick) in ticks {
                @let (x, y) = place(*at, 0.0);
                text class="tick" x=(x) y=(y + 18.0) text-anchor="middle" { (tick) }
            }
            @let (x, y) = place(0.5, 0.0);
            text class="axis" x=(x) y=(y + 38.0) text-anchor="middle" { (title) }
            (contents)
        }
    }
}

/// Share of right first guesses by their probability: bars, and the diagonal on which a calibrated network lies.
pub(super) fn reliability(tally: &Tally) -> Markup {
    let width = 1.0 / N_BINS as f64;
    let ticks: Vec<(f64, String)> = (0..=4).map(|i| (f64::from(i) / 4.0, format!("{}%", 25 * i))).collect();
    let largest = tally.bins().iter().map(|bin| bin.n).max().unwrap_or(0).max(1);
    let contents = html! {
        @for (i, bin) in tally.bins().iter().enumerate().filter(|(_, bin)| bin.n > 0) {
            @let right = bin.n_right as f64 / bin.n as f64;
            @let (x, y) = place(i as f64 * width, right);
            // A bin of few drawings says little, which a paler bar shows.
            @let opacity = 0.3 + 0.7 * (bin.n as f64 / largest as f64).sqrt();
            rect class="bar" x=(format!("{:.1}", x + 1.5)) y=(format!("{y:.1}"))
                width=(format!("{:.1}", width * PLANE.0 - 3.0)) height=(format!("{:.1}", right * PLANE.1))
                fill-opacity=(format!("{opacity:.2}")) {
                title {
                    (format!(
                        "{} drawings: {} right, mean probability {}",
                        super::thousands(bin.n),
                        super::percent(right),
                        super::percent(bin.confidence / bin.n as f64)
                    ))
                }
            }
        }
        @let ((x1, y1), (x2, y2)) = (place(0.0, 0.0), place(1.0, 1.0));
        line class="ideal" x1=(x1) y1=(y1) x2=(x2) y2=(y2) {}
    };
    chart("Reliability diagram", 16.0, &ticks, "probability of the first guess", contents)
}

/// Accuracy by share of the drawing seen: a line each for one, three and five guesses.
pub(super) fn by_fraction(points: &[AtFraction]) -> Markup {
    let ticks: Vec<(f64, String)> =
        points.iter().map(|point| (point.fraction, format!("{:.0}%", 100.0 * point.fraction))).collect();
    let lines = [
        ("within 5", "third", points.iter().map(|point| (point.fraction, point.figures.top5)).collect()),
        ("within 3", "second", points.iter().map(|point| (point.fraction, point.figures.top3)).collect()),
        ("first guess", "first", points.iter().map(|point| (point.fraction, point.figures.top1)).collect()),
    ];
    let contents = html! {
        @for (name, class, points) in &lines { (line(name, class, points)) }
    };
    chart("Accuracy by share of the drawing seen", 80.0, &ticks, "share of the drawing's points", contents)
}

fn line(name: &str, class: &str, points: &Vec<(f64, f64)>) -> Markup {
    let places: Vec<(f64, f64)> = points.iter().map(|&(x, y)| place(x, y)).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    html! {
        g class=(format!("line {class}")) {
            polyline points=(path.join(" ")) {}
            @for ((x, y), (_, share)) in places.iter().zip(points) {
                circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3.5" {}
                @if class == "first" {
                    text class="value" x=(format!("{x:.1}")) y=(format!("{:.1}", y + 19.0)) text-anchor="middle" {
                        (format!("{:.0}", 100.0 * share))
                    }
                }
            }
            @if let Some((x, y)) = places.last() {
                text class="name" x=(format!("{:.1}", x + 10.0)) y=(format!("{:.1}", y + 4.0)) { (name) }
            }
        }
    }
}

/// Steps of darkness in the heat map.
const N_LEVELS: usize = 8;

/// The confusion matrix: rows are categories, columns first guesses; the darker, the larger the share of the row.
pub(super) fn heat_map(measurement: &Measurement) -> Markup {
    let tally = measurement.tally();
    let n_classes = tally.n_classes();
    // One path for each level of right and of wrong guesses: a cell then takes ten bytes.
    let mut paths = vec![[String::new(), String::new()]; N_LEVELS];
    for row in 0..n_classes {
        let n = tally.n_of(row) as f64;
        for (column, &count) in tally.guesses(row).iter().enumerate().filter(|&(_, &count)| count > 0) {
            // The root, so that a share of 1 in 20 is still seen.
            let level = ((f64::from(count) / n).sqrt() * N_LEVELS as f64).ceil() as usize;
            paths[level.clamp(1, N_LEVELS) - 1][usize::from(column != row)] += &format!("M{column} {row}h1");
        }
    }
    html! {
        svg id="heat" viewBox=(format!("0 0 {n_classes} {n_classes}")) role="img"
            aria-label="Confusion matrix: rows are categories, columns first guesses" {
            g transform="translate(0 .5)" {
                @for (level, both) in paths.iter().enumerate() {
                    @for (path, class) in both.iter().zip(["right", "wrong"]).filter(|(path, _)| !path.is_empty()) {
                        @let opacity = (level + 1) as f64 / N_LEVELS as f64;
                        path class=(class) d=(path) stroke-opacity=(format!("{opacity:.2}")) {}
                    }
                }
            }
        }
    }
}
