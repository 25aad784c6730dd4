//! The statistics as text.

use std::io::Write;

use anyhow::Result;

use super::histogram::Sizes;
use super::read::{Summary, Suspicious};
use crate::numbers::{percent, thousands};

/// Prints the statistics.
///
/// # Errors
/// When it cannot be written.
pub fn print(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let number = |n: u64| thousands(n as usize);
    let all = &summary.all;
    writeln!(
        out,
        "{} drawings of {} categories in {} files",
        number(all.drawings),
        summary.classes.len(),
        summary.files
    )?;
    writeln!(
        out,
        "\n{:20} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "of a drawing", "mean", "5 %", "median", "95 %", "max"
    )?;
    for (name, sizes) in [("points", &all.points), ("strokes", &all.strokes), ("length", &all.length)] {
        let Sizes { mean, p5, median, p95, max } = sizes;
        writeln!(out, "{name:20} {mean:8.1} {p5:8} {median:8} {p95:8} {max:8}")?;
    }
    writeln!(out)?;
    if let Some(share) = all.recognised {
        writeln!(out, "recognised by the game: {}", percent(share))?;
    }
    if let (Some(first), Some(last)) = (&all.first, &all.last) {
        writeln!(out, "drawn between {first} and {last}")?;
    }
    if !summary.countries.is_empty() {
        let largest: Vec<String> = summary
            .countries
            .iter()
            .take(8)
            .map(|(name, n)| format!("{name} {}", percent(*n as f64 / all.drawings as f64)))
            .collect();
        writeln!(out, "from {} countries: {}", summary.countries.len(), largest.join(", "))?;
    }
    if let Some(found) = &summary.duplicates {
        let about = if found.estimated_from < 1.0 {
            format!(" (estimated from 1 of {:.0} drawings)", 1.0 / found.estimated_from)
        } else {
            String::new()
        };
        writeln!(
            out,
            "duplicates: {} drawings occur more than once, {} are surplus, {} come under several words{about}",
            number(found.repeated_drawings),
            number(found.surplus),
            number(found.with_several_words)
        )?;
        for repeated in found.most_frequent.iter().take(3) {
            writeln!(out, "    {} times: {}", number(repeated.n), repeated.first)?;
        }
    }
    for Suspicious { kind, n, first } in &summary.suspicious {
        writeln!(out, "suspicious: {} {kind}", number(*n))?;
        for text in first.iter().take(3) {
            writeln!(out, "    {text}")?;
        }
    }
    for text in &summary.suspicious_files {
        writeln!(out, "suspicious file: {text}")?;
    }
    let width = summary.classes.keys().map(|name| name.chars().count()).max().unwrap_or(0).clamp(8, 32);
    writeln!(
        out,
        "\n{:width$} {:>11} {:>8} {:>8} {:>8} {:>11}",
        "category", "drawings", "points", "strokes", "length", "recognised"
    )?;
    for (name, class) in &summary.classes {
        let share = class.recognised.map_or("-".to_owned(), percent);
        writeln!(
            out,
            "{name:width$} {:>11} {:8.1} {:8.1} {:8.0} {share:>11}",
            number(class.drawings),
            class.points.mean,
            class.strokes.mean,
            class.length.mean
        )?;
    }
    if summary.of_further_classes > 0 {
        writeln!(out, "and {} drawings of further categories", number(summary.of_further_classes))?;
    }
    Ok(())
}
