//! Drawings to train on, drawings to validate on, and what the model card says of them.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::flags::Args;
use crate::cli::classes::read_classes;
use crate::cli::weighted;
use crate::data::{DataSet, Mixture, ReadOptions, Validation, read_folder, read_folders, synthetic};
use crate::tell::tell;
use crate::train::TrainConfig;

/// Drawings to train on, drawings to validate on, and what the model card says of them.
pub(super) fn load_data(args: &Args, config: &TrainConfig) -> Result<(Mixture, DataSet, Map<String, Value>)> {
    if args.data.is_empty() {
        let (train_set, validation) = synthetic::sample_sets(config.seed);
        let facts = [("data", json!("built-in sample drawings")), ("drawings", json!(train_set.len()))];
        return Ok((train_set.into(), validation, card_facts(facts)));
    }
    let shares = weighted::weights(&args.data, "--data")?;
    let labels = args.classes_file.as_deref().map(read_classes).transpose()?;
    let (n_train, n_eval) = args.observations_per_class()?;
    let options = |index: usize| {
        // The validation part is split off the first set, unless it has its own folder.
        let n_aside = if index == 0 && args.eval_data.is_none() { n_eval } else { 0 };
        ReadOptions {
            selects: args.classes_file.is_some(),
            max_per_class: n_train.map(|n_train| n_train + n_aside),
            ..ReadOptions::default()
        }
    };
    let folders: Vec<(&Path, ReadOptions)> =
        args.data.iter().enumerate().map(|(index, set)| (set.path.as_path(), options(index))).collect();
    let mut sets = Vec::with_capacity(folders.len());
    for ((folder, _), (data, report)) in folders.iter().zip(read_folders(&folders, labels)?) {
        if !args.quiet {
            tell!("{}: {report}", folder.display());
        }
        sets.push(data);
    }
    let validation = match &args.eval_data {
        Some(folder) => {
            let labels = Some(sets[0].labels().to_vec());
            // All of it, unless a limit is asked for.
            let max_per_class = args.eval_observations_per_class;
            let selects = args.classes_file.is_some();
            let options = ReadOptions { labels, selects, max_per_class, ..ReadOptions::default() };
            let (data, report) = read_folder(folder, &options)?;
            if !args.quiet {
                tell!("{}: {report}", folder.display());
            }
            data
        }
        None => {
            let (rest, validation) = sets[0].split_validation(Validation::PerClass(n_eval), 1);
            sets[0] = rest;
            validation
        }
    };
    for ((folder, _), set) in folders.iter().zip(&sets) {
        ensure!(!set.is_empty(), "{}: no drawings are left to train on", folder.display());
    }
    let train_set = Mixture::new(sets.into_iter().map(Into::into).zip(shares).collect())?;
    let name = |folder: &Path| json!(folder.file_name().map(|name| name.to_string_lossy()));
    let data = match folders.as_slice() {
        [(folder, _)] => name(folder),
        _ => folders
            .iter()
            .zip(train_set.sets())
            .map(|((folder, _), (set, share))| {
                json!({ "data": name(folder), "drawings": set.len(), "share": share })
            })
            .collect(),
    };
    let facts = [
        ("data", data),
        ("drawings", json!(train_set.len())),
        ("soft_labels", json!(train_set.has_soft() && config.soft_weight > 0.0)),
    ];
    Ok((train_set, validation, card_facts(facts)))
}

fn card_facts(facts: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
