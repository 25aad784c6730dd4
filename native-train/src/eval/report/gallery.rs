//! The mistakes of a measurement in, those worth looking at out: grouped by confusion, in markup.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use quickdraw_core::Drawing;

use crate::eval::measure::{Measurement, Mistake};
use crate::numbers::{percent, thousands};
use crate::pictures::drawings;

/// Confusions that are shown, and drawings of each.
const N_GROUPS: usize = 48;
const N_IN_GROUP: usize = 6;

/// Drawings that come first, whatever the confusion.
const N_FIRST: usize = 12;

/// The drawings of one category that were taken for one other.
struct Group<'a> {
    label: usize,
    guess: usize,
    /// How many there are in all, shown or not.
    n: usize,
    /// Most confident first.
    mistakes: Vec<&'a Mistake>,
}

/// The commonest confusions of which drawings were kept, commonest first.
fn groups(measurement: &Measurement) -> Vec<Group<'_>> {
    let mut by_pair = BTreeMap::<(usize, usize), Vec<&Mistake>>::new();
    for mistake in measurement.mistakes() {
        by_pair.entry((mistake.label, mistake.predictions[0].0)).or_default().push(mistake);
    }
    let mut groups: Vec<Group<'_>> = by_pair
        .into_iter()
        .map(|((label, guess), mut mistakes)| {
            mistakes.truncate(N_IN_GROUP);
            Group { label, guess, n: measurement.tally().predictions(label)[guess] as usize, mistakes }
        })
        .collect();
    groups.sort_by(|a, b| {
        let confidence = |group: &Group<'_>| group.mistakes[0].predictions[0].1;
        b.n.cmp(&a.n).then(confidence(b).total_cmp(&confidence(a)))
    });
    groups.truncate(N_GROUPS);
    groups
}

/// The most confident mistakes, no two of the same confusion.
fn first(measurement: &Measurement) -> Vec<&Mistake> {
    let mut seen = BTreeSet::new();
    let is_new = |mistake: &&Mistake| seen.insert((mistake.label, mistake.predictions[0].0));
    measurement.mistakes().iter().filter(is_new).take(N_FIRST).collect()
}

/// The gallery; empty where there is no mistake.
pub(super) fn gallery(measurement: &Measurement) -> Markup {
    let name = |class: usize| measurement.labels()[class].as_str();
    html! {
        @if !measurement.mistakes().is_empty() {
            section id="mistakes" {
                h2 { "Most sure, and wrong" }
                p class="lead" { "The mistakes with the highest probabilities, one of each confusion." }
                div class="drawings wide" {
                    @for mistake in first(measurement) {
                        (figure(mistake, measurement.labels(), true))
                    }
                }
                h2 { "Mistakes by confusion" }
                p class="lead" { "The commonest confusions, and in each the surest mistakes first." }
                div class="groups" {
                    @for group in groups(measurement) {
                        article class="group" {
                            h3 {
                                b { (name(group.label)) } " taken for " b { (name(group.guess)) }
                                span class="count" {
                                    (thousands(group.n)) " of " (thousands(measurement.tally().n_of(group.label)))
                                }
                            }
                            div class="drawings" {
                                @for mistake in group.mistakes {
                                    (figure(mistake, measurement.labels(), false))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A drawing with its top predictions, and with its category where `is_named`.
fn figure(mistake: &Mistake, labels: &[String], is_named: bool) -> Markup {
    let is_guessed = mistake.predictions.iter().any(|&(class, _)| class == mistake.label);
    let predictions = mistake.predictions.iter().copied();
    // The category itself always, whatever its rank.
    let missing = (!is_guessed).then_some((mistake.label, mistake.probability));
    html! {
        figure {
            (picture(&mistake.drawing))
            figcaption {
                @if is_named { p class="label" { (labels[mistake.label]) } }
                ol {
                    @for (class, probability) in predictions.chain(missing) {
                        li class=[(class == mistake.label).then_some("truth")]
                            style=(format!("--p:{:.1}%", 100.0 * probability)) {
                            span { (labels[class]) }
                            span class="number" { (percent(probability.into())) }
                        }
                    }
                }
            }
        }
    }
}

/// The strokes of a drawing in the data set's simplified form, in the middle of a square.
fn picture(drawing: &Drawing) -> Markup {
    const SIDE: f32 = 255.0;
    const MARGIN: f32 = 12.0;
    let points = || drawing.strokes().iter().flatten();
    let [width, height] = [0, 1].map(|axis| points().map(|point| point[axis]).fold(0.0, f32::max));
    let [left, top] = [width, height].map(|extent| (extent - SIDE) / 2.0 - MARGIN);
    let side = SIDE + 2.0 * MARGIN;
    let path = drawings::path(drawing.strokes());
    html! {
        svg class="drawing" viewBox=(format!("{left} {top} {side} {side}")) { path d=(path) {} }
    }
}
