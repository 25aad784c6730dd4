//! The charts of the page as inline SVG, coloured by the page's style sheet.

use maud::{Markup, html};

use crate::eval::measure::{AtFraction, Measurement};
use crate::eval::tally::{N_BINS, Tally};
use crate::numbers::{percent, thousands};

/// Width and height of a chart, and the room around its plane on three sides.
const SIZE: (f64, f64) = (480.0, 320.0);
const LEFT: f64 = 46.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;

/// Minimum distance of two names beside their lines.
const NAME_HEIGHT: f64 = 15.0;

/// The plane of a chart, given the room on its right.
#[derive(Clone, Copy)]
struct Plane {
    width: f64,
    height: f64,
}

impl Plane {
    fn beside(right: f64) -> Self {
        Self { width: SIZE.0 - LEFT - right, height: SIZE.1 - TOP - BOTTOM }
    }

    /// A point from fractions of the sides, the second counted upwards.
    fn place(self, x: f64, y: f64) -> (f64, f64) {
        (LEFT + x * self.width, TOP + (1.0 - y) * self.height)
    }

    /// A chart with a scale of percents on its left, `ticks` as (place, name) below and `title`
    /// under them.
    fn chart(self, name: &str, ticks: &[(f64, String)], title: &str, contents: Markup) -> Markup {
        html! {
            svg class="chart" viewBox=(format!("0 0 {} {}", SIZE.0, SIZE.1)) role="img" aria-label=(name) {
                @for i in 0..=4 {
                    @let share = f64::from(i) / 4.0;
                    @let (x, y) = self.place(0.0, share);
                    line class="grid" x1=(x) x2=(x + self.width) y1=(y) y2=(y) {}
                    text class="tick" x=(x - 8.0) y=(y + 4.0) text-anchor="end" { (whole_percent(share)) }
                }
                @for (at, tick) in ticks {
                    @let (x, y) = self.place(*at, 0.0);
                    text class="tick" x=(x) y=(y + 18.0) text-anchor="middle" { (tick) }
                }
                @let (x, y) = self.place(0.5, 0.0);
                text class="axis" x=(x) y=(y + 40.0) text-anchor="middle" { (title) }
                (contents)
            }
        }
    }
}

fn whole_percent(share: f64) -> String {
    format!("{:.0}\u{202f}%", 100.0 * share)
}

/// Fraction of correct top-1 predictions by their probability: bars, and the diagonal on which a
/// calibrated network lies.
pub(super) fn reliability(tally: &Tally) -> Markup {
    let plane = Plane::beside(14.0);
    let width = 1.0 / N_BINS as f64;
    let ticks: Vec<(f64, String)> =
        (0..=4).map(|i| f64::from(i) / 4.0).map(|share| (share, whole_percent(share))).collect();
    let largest = tally.bins().iter().map(|bin| bin.n).max().unwrap_or(0).max(1);
    let contents = html! {
        @for (i, bin) in tally.bins().iter().enumerate().filter(|(_, bin)| bin.n > 0) {
            @let right = bin.n_correct as f64 / bin.n as f64;
            @let (x, y) = plane.place(i as f64 * width, right);
            // A bin of few drawings says little, which a paler bar shows.
            @let opacity = 0.3 + 0.7 * (bin.n as f64 / largest as f64).sqrt();
            rect class="bar" x=(format!("{:.1}", x + 1.5)) y=(format!("{y:.1}"))
                width=(format!("{:.1}", width * plane.width - 3.0))
                height=(format!("{:.1}", right * plane.height)) fill-opacity=(format!("{opacity:.2}")) {
                title {
                    (format!(
                        "{} drawings: {} correct, mean probability {}",
                        thousands(bin.n),
                        percent(right),
                        percent(bin.confidence / bin.n as f64)
                    ))
                }
            }
        }
        @let ((x1, y1), (x2, y2)) = (plane.place(0.0, 0.0), plane.place(1.0, 1.0));
        line class="ideal" x1=(x1) y1=(y1) x2=(x2) y2=(y2) {}
    };
    plane.chart("Reliability diagram", &ticks, "probability of the top-1 prediction", contents)
}

/// A line of the accuracies: as (share seen, accuracy), with the height of its name.
struct Line {
    name: &'static str,
    class: &'static str,
    points: Vec<(f64, f64)>,
    name_y: f64,
}

/// Accuracy by fraction of the drawing seen: a line each for top-1, top-3 and top-5.
pub(super) fn by_fraction(parts: &[AtFraction]) -> Markup {
    let plane = Plane::beside(78.0);
    let ticks: Vec<(f64, String)> =
        parts.iter().map(|part| (part.fraction, whole_percent(part.fraction))).collect();
    let mut lowest = f64::NEG_INFINITY;
    // From the top, so that each name is moved down as far as the one above it demands.
    let lines = [("top-5", "third"), ("top-3", "second"), ("top-1", "first")].map(|(name, class)| {
        let accuracy = |part: &AtFraction| match class {
            "first" => part.figures.top1,
            "second" => part.figures.top3,
            _ => part.figures.top5,
        };
        let points: Vec<(f64, f64)> = parts.iter().map(|part| (part.fraction, accuracy(part))).collect();
        let end = points.last().map_or(0.0, |&(_, share)| plane.place(1.0, share).1);
        lowest = end.max(lowest + NAME_HEIGHT);
        Line { name, class, points, name_y: lowest }
    });
    let contents = html! { @for each in &lines { (line(plane, each)) } };
    plane.chart("Accuracy by share of the drawing seen", &ticks, "share of the drawing's points", contents)
}

fn line(plane: Plane, line: &Line) -> Markup {
    let places: Vec<(f64, f64)> = line.points.iter().map(|&(x, y)| plane.place(x, y)).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    html! {
        g class=(format!("line {}", line.class)) {
            polyline points=(path.join(" ")) {}
            @for (index, ((x, y), (_, share))) in places.iter().zip(&line.points).enumerate() {
                circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3.5" {
                    title { (line.name) ": " (percent(*share)) }
                }
                @if line.class == "first" {
                    // Below the line; the first one beside it, where nothing else is.
                    @let (dx, dy, anchor) = if index == 0 { (-9.0, 4.0, "end") } else { (4.0, 20.0, "middle") };
                    text class="value" x=(format!("{:.1}", x + dx)) y=(format!("{:.1}", y + dy)) text-anchor=(anchor) {
                        (whole_percent(*share))
                    }
                }
            }
            @if let Some((x, _)) = places.last() {
                text class="name" x=(format!("{:.1}", x + 10.0)) y=(format!("{:.1}", line.name_y + 4.0)) {
                    (line.name)
                }
            }
        }
    }
}

/// Steps of darkness in the heat map.
const N_LEVELS: usize = 8;

/// The confusion matrix: rows are categories, columns top-1 predictions; the darker, the larger the
/// share of the row.
pub(super) fn heat_map(measurement: &Measurement) -> Markup {
    let tally = measurement.tally();
    let n_classes = tally.n_classes();
    // One path for each level of correct and of wrong predictions: a cell then takes ten bytes.
    let mut paths = vec![[String::new(), String::new()]; N_LEVELS];
    for row in 0..n_classes {
        let n = tally.n_of(row) as f64;
        for (column, &count) in tally.predictions(row).iter().enumerate().filter(|&(_, &count)| count > 0) {
            // The square root, so that a fraction of 1 in 20 is still visible.
            let level = ((f64::from(count) / n).sqrt() * N_LEVELS as f64).ceil() as usize;
            paths[level.clamp(1, N_LEVELS) - 1][usize::from(column != row)] += &format!("M{column} {row}h1");
        }
    }
    html! {
        svg id="heat" viewBox=(format!("0 0 {n_classes} {n_classes}")) role="img"
            aria-label="Confusion matrix: rows are categories, columns top-1 predictions" {
            g transform="translate(0 .5)" {
                @for (level, both) in paths.iter().enumerate() {
                    @for (path, class) in both.iter().zip(["right", "wrong"]).filter(|(path, _)| !path.is_empty()) {
                        // Even the palest is seen on a dark page.
                        @let opacity = 0.3 + 0.7 * (level + 1) as f64 / N_LEVELS as f64;
                        path class=(class) d=(path) stroke-opacity=(format!("{opacity:.2}")) {}
                    }
                }
            }
        }
    }
}
