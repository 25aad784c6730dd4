//! `report.html`: a measurement as one self-contained page.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::json;

use super::{charts, gallery};
use crate::eval::measure::{ClassFigures, Measurement, Summary};
use crate::eval::tally::Figures;
use crate::numbers::{percent, thousands};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Categories in the lists of the best and the worst.
const N_LISTED: usize = 12;

/// What was measured, in words.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name of the model.
    pub model: String,
    /// Name of the data.
    pub data: String,
}

/// The page.
pub(super) fn html(subject: &Subject, measurement: &Measurement, summary: &Summary) -> String {
    let Figures { n, .. } = summary.evaluation.figures;
    let title = format!("{} on {}", subject.model, subject.data);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p class="overline" { "quickdraw-rnn · evaluation" }
                    h1 { (subject.model) }
                    p class="lead" {
                        (thousands(n)) " drawings of " (thousands(summary.classes.len())) " categories from "
                        (subject.data)
                    }
                }
                main {
                    (headline(summary))
                    section class="columns" {
                        figure {
                            h2 { "While it is being drawn" }
                            p class="lead" { "Accuracy after a part of the drawing's points." }
                            (charts::by_fraction(&summary.by_fraction))
                        }
                        figure {
                            h2 { "Does it know when it knows?" }
                            p class="lead" { "Correct top-1 predictions by their probability; ideal on the dashes." }
                            (charts::reliability(measurement.tally()))
                        }
                    }
                    (best_and_worst(&summary.classes))
                    (gallery::gallery(measurement))
                    (confusion(measurement))
                    (table(&summary.classes))
                }
                script id="confusion" type="application/json" { (PreEscaped(counts(measurement))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn headline(summary: &Summary) -> Markup {
    let figures = &summary.evaluation.figures;
    let shares = [
        ("top-1", figures.top1, figures.balanced_top1),
        ("top-3", figures.top3, figures.balanced_top3),
        ("top-5", figures.top5, figures.balanced_top5),
    ];
    html! {
        section class="headline" {
            @for (name, share, balanced) in shares {
                div {
                    p class="big" { (percent(share)) }
                    p class="what" { (name) }
                    p class="note" { (percent(balanced)) " class-balanced" }
                }
            }
            div {
                p class="big" { (format!("{:.3}", figures.loss)) }
                p class="what" { "cross-entropy" }
                p class="note" { "nats a drawing" }
            }
            div {
                p class="big" { (percent(summary.ece)) }
                p class="what" { "calibration error" }
                p class="note" { "expected, 15 bins" }
            }
        }
    }
}

fn best_and_worst(classes: &[ClassFigures]) -> Markup {
    let mut order: Vec<&ClassFigures> = classes.iter().collect();
    // Of equal ones first the more certain: those with more drawings.
    order.sort_by(|a, b| b.top1.total_cmp(&a.top1).then(b.n.cmp(&a.n)));
    let best: Vec<&ClassFigures> = order.iter().copied().take(N_LISTED).collect();
    order.sort_by(|a, b| a.top1.total_cmp(&b.top1).then(b.n.cmp(&a.n)));
    let worst: Vec<&ClassFigures> = order.into_iter().take(N_LISTED).collect();
    html! {
        section class="columns" {
            @for (title, name, list) in [("Best categories", "best", best), ("Worst categories", "worst", worst)] {
                div {
                    h2 { (title) }
                    ol class=(format!("bars {name}")) {
                        @for class in list {
                            li style=(format!("--p:{:.1}%", 100.0 * class.top1)) {
                                span { (class.label) }
                                @if let Some(other) = class.confused_with.as_ref().filter(|_| name == "worst") {
                                    span class="other" { "often " (other) }
                                }
                                span class="number" { (percent(class.top1)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn confusion(measurement: &Measurement) -> Markup {
    html! {
        section id="confusions" {
            h2 { "Confusion matrix" }
            p class="lead" {
                "Rows are what was drawn, columns the top-1 prediction, both in the order of the labels. "
                span id="cell" { "Point at a cell to read it." }
            }
            (charts::heat_map(measurement))
        }
    }
}

fn table(classes: &[ClassFigures]) -> Markup {
    let columns = ["category", "drawings", "top-1", "top-3", "top-5", "most often taken for"];
    html! {
        section id="categories" {
            h2 { "All categories" }
            p class="lead" { "A click on a column's name sorts by it." }
            div class="scroll" {
                table {
                    thead {
                        tr {
                            @for (index, column) in columns.iter().enumerate() {
                                th scope="col" aria-sort=[(index == 0).then_some("ascending")] {
                                    button type="button" { (column) }
                                }
                            }
                        }
                    }
                    tbody {
                        @for class in classes {
                            tr {
                                th scope="row" { (class.label) }
                                td data-value=(class.n) { (thousands(class.n)) }
                                @for share in [class.top1, class.top3, class.top5] {
                                    td data-value=(share) { (percent(share)) }
                                }
                                td class="text" data-value=(class.n_confused as f64 / class.n as f64) {
                                    @if let Some(other) = &class.confused_with {
                                        (other) span class="count" { (thousands(class.n_confused)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Labels and counts that are not zero, as the page's script reads them.
fn counts(measurement: &Measurement) -> String {
    let rows: Vec<Vec<[usize; 2]>> = (0..measurement.labels().len())
        .map(|row| {
            let counts = measurement.tally().predictions(row).iter().enumerate();
            counts.filter(|&(_, &n)| n > 0).map(|(column, &n)| [column, n as usize]).collect()
        })
        .collect();
    // Inside a script nothing but `<` could end it.
    json!({ "labels": measurement.labels(), "rows": rows }).to_string().replace('<', "\\u003c")
}
