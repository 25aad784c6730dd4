//! The run folder besides its checkpoints: the merged configuration, the environment, the metrics
//! in three formats, and the best network as a model folder.
//!
//! `config.json`, `environment.json`, `metrics.jsonl`, `events.out.tfevents.*` for TensorBoard,
//! `curves.svg` and `curves.png`, `model.json` and `weights.safetensors`. After an interruption,
//! whatever was written past the checkpoint is removed, so that the metrics are those of an
//! uninterrupted run.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use quickdraw_core::weights::{self, WeightType};
use quickdraw_core::{MODEL_FORMAT, Model, ModelCard};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::curves::{self, Curves};
use super::job::Job;
use super::metrics::{Entry, Line, Summary, read_lines, remove_after};
use super::state::RunState;
use super::tensorboard::EventFile;
use crate::eval::{Evaluation, Figures};
use crate::fs::{try_lock, write_all_atomic, write_atomic};

const METRICS: &str = "metrics.jsonl";

/// The lock file, held by the process that works on the run.
const LOCK: &str = "run.lock";

/// The folder of a run in progress.
#[derive(Debug)]
pub(super) struct RunFolder {
    out: PathBuf,
    metrics: File,
    events: EventFile,
}

/// Makes the folder if there is none, and locks it as long as what is returned is open.
pub(super) fn lock(out: &Path) -> Result<File> {
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let lock = try_lock(&out.join(LOCK))?;
    lock.with_context(|| format!("{}: another process is at work on this run", out.display()))
}

impl RunFolder {
    /// Opens the files of a new run, or those of a resumed one from its step on.
    pub(super) fn open(job: &Job, state: &RunState) -> Result<Self> {
        let out = job.out.clone();
        let mut config = json!({
            "network": state.model,
            "options": exact(&state.train)?,
            "data": job.data_facts,
            "n_train": job.train.len(),
            "n_validation": job.validation.len(),
            "fingerprints": state.fingerprints,
            "labels": state.labels,
        });
        if !state.sets.is_empty() {
            config["sets"] = json!(state.sets);
        }
        write_json(&out.join("config.json"), &config)?;
        add_session(&out.join("environment.json"), job, state.step)?;
        let path = out.join(METRICS);
        remove_after(&path, state.step)?;
        let metrics = OpenOptions::new().create(true).append(true).open(&path);
        let metrics = metrics.with_context(|| format!("cannot write {}", path.display()))?;
        let events = EventFile::create(&out, state.step + 1)?;
        Ok(Self { out, metrics, events })
    }

    /// Writes the summary of a window that ended at `step`.
    pub(super) fn train(&mut self, step: u64, summary: &Summary) -> Result<()> {
        self.line(step, Entry::Train(summary.clone()))?;
        let Summary { loss, accuracy, learning_rate, gradient_norm, drawings_per_s, waiting } = *summary;
        let scalars = [
            ("train/loss", loss),
            ("train/accuracy", accuracy),
            ("train/learning_rate", learning_rate),
            ("train/gradient_norm", gradient_norm),
            ("train/drawings_per_s", drawings_per_s),
            ("train/waiting", waiting),
        ];
        self.events.scalars(step, &scalars)
    }

    /// Writes an evaluation on the validation part, and redraws the curves.
    pub(super) fn validation(&mut self, step: u64, figures: Figures) -> Result<()> {
        self.line(step, Entry::Validation(figures))?;
        let scalars = [
            ("validation/loss", figures.loss),
            ("validation/top1", figures.top1),
            ("validation/top3", figures.top3),
            ("validation/top5", figures.top5),
            ("validation/balanced_top1", figures.balanced_top1),
            ("validation/balanced_top3", figures.balanced_top3),
            ("validation/balanced_top5", figures.balanced_top5),
        ];
        self.events.scalars(step, &scalars)?;
        let mut history = Curves::default();
        for Line { step, what } in read_lines(&self.out.join(METRICS))? {
            match what {
                Entry::Train(summary) => history.train.push((step, summary)),
                Entry::Validation(figures) => history.validation.push((step, figures)),
            }
        }
        curves::draw(&self.out, &history)
    }

    fn line(&mut self, step: u64, what: Entry) -> Result<()> {
        let line = serde_json::to_string(&Line { step, what })? + "\n";
        let written = self.metrics.write_all(line.as_bytes());
        written.with_context(|| format!("cannot write {}", self.out.join(METRICS).display()))
    }

    /// Writes the network into the folder as its model.
    pub(super) fn model<B: Backend>(
        &self,
        job: &Job,
        state: &RunState,
        model: &Model<B>,
        validation: &Evaluation,
    ) -> Result<()> {
        let mut training = job.data_facts.clone();
        training.extend([
            ("steps".to_owned(), json!(state.step)),
            ("drawings_seen".to_owned(), json!(state.step * state.train.drawings_per_step() as u64)),
            ("seconds".to_owned(), json!(state.seconds.round())),
            ("options".to_owned(), exact(&state.train)?),
        ]);
        let figures = Map::from_iter([("validation".to_owned(), serde_json::to_value(validation.figures)?)]);
        let card = ModelCard {
            calibration: None,
            format: MODEL_FORMAT,
            config: state.model.clone(),
            labels: state.labels.clone(),
            training,
            figures,
        };
        write_all_atomic(&[
            (&self.out.join("weights.safetensors"), &weights::save(model, WeightType::F32)?),
            (&self.out.join("model.json"), &serde_json::to_vec_pretty(&card)?),
        ])
    }
}

/// A value as JSON through text, where 0.12 is 0.12 and not the digits of its float32.
fn exact(value: &impl Serialize) -> Result<Value> {
    Ok(serde_json::from_str(&serde_json::to_string(value)?)?)
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_atomic(path, (serde_json::to_string_pretty(value)? + "\n").as_bytes())
}

/// Adds this session of the run to the list in `environment.json`.
fn add_session(path: &Path, job: &Job, step: u64) -> Result<()> {
    let mut sessions: Vec<Value> = match fs::read_to_string(path) {
        Ok(text) => {
            serde_json::from_str(&text).with_context(|| format!("{} is no JSON list", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut session = job.environment.clone();
    session.insert("from_step".to_owned(), json!(step));
    sessions.push(session.into());
    write_json(path, &sessions.into())
}
