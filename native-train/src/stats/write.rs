//! The folder of plots and tables.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use quickdraw_core::Drawing;
use rayon::prelude::*;

use super::group::Group;
use super::pictures;
use super::read::{Stats, Summary, word_hash};
use crate::fs::write_atomic;
use crate::numbers::thousands;
use crate::pictures::drawings;

impl Stats {
    /// Writes `stats.json`, `classes.csv`, `histograms` and `classes` as SVG and PNG, and a sheet
    /// of each category into `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let sheets = folder.join("sheets");
        fs::create_dir_all(&sheets).with_context(|| format!("cannot make {}", sheets.display()))?;
        let summary = self.summary();
        write_atomic(&folder.join("stats.json"), &serde_json::to_vec_pretty(&summary)?)?;
        write_atomic(&folder.join("classes.csv"), &table(&summary)?)?;
        pictures::histograms(folder, self, &summary)?;
        pictures::classes(folder, &summary)?;
        let classes: Vec<(&String, &Group)> = self.classes.iter().collect();
        classes.into_par_iter().filter(|(_, group)| !group.samples.0.is_empty()).try_for_each(
            |(word, group)| {
                let title = format!("{word}: {} drawings", thousands(group.n as usize));
                let chosen: Vec<&Drawing> = group.samples.0.values().collect();
                let name = file_name(word);
                let svg = sheets.join(format!("{name}.svg"));
                fs::write(&svg, drawings::sheet_svg(&title, &chosen))
                    .with_context(|| format!("cannot write {}", svg.display()))?;
                drawings::sheet_png(&sheets.join(format!("{name}.png")), &title, &chosen)
            },
        )
    }
}

/// A word as a file name: characters with a special meaning on some system become underscores.
fn file_name(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let name: String = word.chars().map(|c| if is_plain(c) { c } else { '_' }).take(80).collect();
    if name == word { name } else { format!("{name}-{:08x}", word_hash(word)) }
}

fn table(summary: &Summary) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "label",
        "drawings",
        "mean_points",
        "median_points",
        "mean_strokes",
        "median_strokes",
        "mean_length",
        "recognised",
        "first",
        "last",
    ])?;
    for (label, class) in &summary.classes {
        let share = class.recognised.map_or(String::new(), |share| format!("{share:.4}"));
        table.write_record([
            label.clone(),
            class.drawings.to_string(),
            format!("{:.2}", class.points.mean),
            class.points.median.to_string(),
            format!("{:.2}", class.strokes.mean),
            class.strokes.median.to_string(),
            format!("{:.1}", class.length.mean),
            share,
            class.first.clone().unwrap_or_default(),
            class.last.clone().unwrap_or_default(),
        ])?;
    }
    Ok(table.into_inner()?)
}
