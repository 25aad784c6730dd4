//! `average`: networks of one configuration in, the weighted average of their weights out.
//!
//! (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018;
//! Wortsman et al., "Model soups", 2022.) The statistics of batch normalisation are averaged with
//! the same weights.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{MODEL_FORMAT, Model, ModelBackend, ModelCard, ModelConfig};
use serde_json::{Map, Value, json};

use super::weighted::{self, Weighted};
use crate::fs::write_all_atomic;
use crate::model_folder;
use crate::train::checkpoint::Checkpoint;

/// Flags of `average`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Model folders, or checkpoints of a run as runs/mine/checkpoints/step-000001000, whose
    /// averaged weights are taken where the run keeps some; with weights as a=2 b=1, or all alike
    #[arg(value_name = "MODEL[=WEIGHT]", required = true, value_parser = Weighted::parser())]
    pub models: Vec<Weighted>,
    /// Model folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Runs the command; tells what was written. Where it computes does not matter.
pub(super) fn run(args: &Args) -> Result<String> {
    average::<Flex>(args, &Default::default())
}

/// Averages the models; tells what was written.
///
/// # Errors
/// A model that cannot be read, has int8 weights, another network or other labels than the first; a
/// folder that cannot be written.
fn average<B: ModelBackend>(args: &Args, device: &B::Device) -> Result<String> {
    let weights = weighted::normalized(&weighted::weights(&args.models, "MODEL")?);
    let out = fs::canonicalize(&args.out).ok();
    for Weighted { path, .. } in &args.models {
        ensure!(
            out.is_none() || fs::canonicalize(path).ok() != out,
            "--out is the folder of {}: choose another, so that it is kept",
            path.display()
        );
    }
    let mut first: Option<Read<B>> = None;
    let mut sums = Sums { weight: 0.0, next: 0, values: Vec::new() };
    let mut sources = Vec::new();
    for (Weighted { path, .. }, &weight) in args.models.iter().zip(&weights) {
        let read = Read::<B>::open(path, device)?;
        if let Some(first) = &first {
            check_same(first, &read)?;
        }
        (sums.weight, sums.next) = (weight, 0);
        read.model.visit(&mut sums);
        sources.push(json!({ "model": read.name, "weight": weight, "training": read.training }));
        first.get_or_insert(read);
    }
    let Some(Read { model, labels, .. }) = first else { bail!("no model is named") };
    sums.next = 0;
    let model = model.map(&mut sums);
    let card = ModelCard {
        format: MODEL_FORMAT,
        config: model.config().clone(),
        labels,
        // Those of other weights.
        calibration: None,
        training: Map::from_iter([("averaged_from".to_owned(), Value::from(sources))]),
        figures: Map::new(),
    };
    let bytes = weights::save(&model, WeightType::F32)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    write_all_atomic(&[
        (&args.out.join("weights.safetensors"), &bytes),
        (&args.out.join("model.json"), (serde_json::to_string_pretty(&card)? + "\n").as_bytes()),
    ])?;
    Ok(format!("{}: the average of {} models", args.out.display(), args.models.len()))
}

/// A network with what must be the same of all.
struct Read<B: Backend> {
    path: PathBuf,
    /// What to call it in the result: no path of this machine.
    name: String,
    model: Model<B>,
    labels: Vec<String>,
    training: Value,
}

impl<B: ModelBackend> Read<B> {
    /// Reads a model folder or a checkpoint.
    fn open(path: &Path, device: &B::Device) -> Result<Self> {
        let last_part = |path: &Path| {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = last_part(&whole);
        let path = path.to_owned();
        if Checkpoint::is_one(&path) {
            let checkpoint = Checkpoint::open(&path)?;
            let blank: Model<B> = checkpoint.state.model.init(device)?;
            let model = match checkpoint.load_average(blank.clone(), device)? {
                Some(average) => average,
                None => checkpoint.load_model(blank, device)?,
            };
            let state = checkpoint.state;
            // RUN/checkpoints/step-000001000
            let run = whole.ancestors().nth(2).map(last_part).unwrap_or_default();
            let training = json!({ "steps": state.step });
            return Ok(Self { path, name: format!("{run}/{name}"), model, labels: state.labels, training });
        }
        let classifier = model_folder::open::<B>(&path, device)?;
        let weights_path = path.join("weights.safetensors");
        ensure!(
            !weights::are_int8(&fs::read(&weights_path)?)?,
            "{}: these weights are int8; average needs the model before its export",
            weights_path.display()
        );
        let training = classifier.card().training.clone().into();
        let labels = classifier.labels().to_vec();
        Ok(Self { path, name, model: classifier.model().clone(), labels, training })
    }
}

/// Names the first difference between two models, if there is one.
fn check_same<B: Backend>(first: &Read<B>, other: &Read<B>) -> Result<()> {
    let shown = other.path.display();
    let first_shown = first.path.display();
    // Dropout plays no part outside training.
    let fields = |config: &ModelConfig| -> Result<Map<String, Value>> {
        let config = ModelConfig { dropout: 0.0, variational_dropout: false, ..config.clone() };
        match serde_json::to_value(config)? {
            Value::Object(fields) => Ok(fields),
            other => bail!("a configuration is an object, found {other}"),
        }
    };
    let (expected, found) = (fields(first.model.config())?, fields(other.model.config())?);
    for name in expected.keys().chain(found.keys()) {
        let [expected, found] = [&expected, &found].map(|fields| fields.get(name).unwrap_or(&Value::Null));
        ensure!(
            expected == found,
            "{shown}: another network than {first_shown}: {name} is {found}, expected {expected}"
        );
    }
    if let Some(index) = (0..first.labels.len()).find(|&index| first.labels[index] != other.labels[index]) {
        bail!(
            "{shown}: other labels than {first_shown}: label {index} (counted from 0) is {:?}, expected {:?}",
            other.labels[index],
            first.labels[index]
        );
    }
    Ok(())
}

/// Weighted sums of all parameters, in the order in which a network is visited.
struct Sums {
    weight: f64,
    /// The parameter that is next.
    next: usize,
    values: Vec<Vec<f64>>,
}

impl<B: Backend> ModuleVisitor<B> for Sums {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let data = param.val().into_data();
        if self.next == self.values.len() {
            self.values.push(vec![0.0; data.num_elements()]);
        }
        for (sum, value) in self.values[self.next].iter_mut().zip(data.iter::<f64>()) {
            *sum += self.weight * value;
        }
        self.next += 1;
    }
}

impl<B: Backend> ModuleMapper<B> for Sums {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let values: Vec<f32> = self.values[self.next].iter().map(|&sum| sum as f32).collect();
        self.next += 1;
        param.map(|before| Tensor::from_data(TensorData::new(values, before.dims()), &before.device()))
    }
}
