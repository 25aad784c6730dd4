//! Checkpoints: everything that is needed to resume a run exactly.
//!
//! `OUT/checkpoints/step-000001234/` holds the network, the moving average of its weights if there
//! is one, the optimizer's moments and the state of the run, which has the checksums of the other
//! files. A checkpoint is written to a temporary folder, synced and renamed, so it is always
//! complete.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use burn::module::Module;
use burn::optim::Optimizer;
use burn::record::{BinBytesRecorder, BinFileRecorder, FullPrecisionSettings, Record, Recorder};
use burn::tensor::backend::{AutodiffBackend, Backend};
use quickdraw_core::Model;
use serde::{Deserialize, Serialize};

use super::state::RunState;
use crate::fs::{sync_folder, write_synced};

const FOLDER: &str = "checkpoints";
const PREFIX: &str = "step-";
const MODEL: &str = "model.bin";
const AVERAGE: &str = "average.bin";
const OPTIMIZER: &str = "optimizer.bin";
const STATE: &str = "state.json";

/// The format of checkpoints that this version writes. It reads earlier ones as well, the first of
/// which have neither format number nor checksums.
const FORMAT: u32 = 1;

/// The version of burn whose records these are; burn promises nothing about another's.
const BURN: &str = "0.21.0";

/// The header of `state.json`, read before the state of the run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Header {
    format: u32,
    /// The version of burn that wrote the records.
    burn: Option<String>,
    /// CRC-32C of the other files by their names.
    crc32c: BTreeMap<String, u32>,
}

/// `state.json`.
#[derive(Serialize)]
struct Stored<'a> {
    format: u32,
    burn: &'static str,
    crc32c: BTreeMap<&'a str, u32>,
    #[serde(flatten)]
    state: &'a RunState,
}

/// A checkpoint on disk.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    /// CRC-32C of its files, where that is known.
    crc32c: BTreeMap<String, u32>,
    /// The state that it holds.
    pub state: RunState,
}

impl Checkpoint {
    /// The newest complete checkpoint of a run, or none.
    ///
    /// # Errors
    /// When the folder or the checkpoint's state cannot be read.
    pub fn newest(out: &Path) -> Result<Option<Self>> {
        list(out)?.pop().map(|(_, folder)| Self::open(&folder)).transpose()
    }

    /// Opens the checkpoint in a folder.
    ///
    /// # Errors
    /// When its state cannot be read, or its files are of a later version or of another one of
    /// burn.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        let shown = path.display();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
        let not_a_state = || format!("{shown} is not the state of a run");
        // The format first: the rest of a later one may look quite different.
        let Header { format, burn, crc32c } = serde_json::from_str(&text).with_context(not_a_state)?;
        ensure!(
            format <= FORMAT,
            "{shown}: format {format} is unknown, this version reads formats up to {FORMAT}"
        );
        // The earliest checkpoints lack the field; they were written by this version.
        let burn = burn.as_deref().unwrap_or(BURN);
        ensure!(
            burn == BURN,
            "{shown}: its records were written with burn {burn}, and this version has burn {BURN}: finish the run with the version that began it, or begin another from its model by --init-from"
        );
        let state = serde_json::from_str(&text).with_context(not_a_state)?;
        Ok(Self { folder: folder.to_owned(), crc32c, state })
    }

    /// Whether a folder looks like a checkpoint.
    pub fn is_one(folder: &Path) -> bool {
        folder.join(STATE).is_file()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Loads the stored network into a fresh one of the same configuration.
    ///
    /// # Errors
    /// When the file cannot be read or is not such a record.
    pub fn load_model<B: Backend, M: Module<B>>(&self, model: M, device: &B::Device) -> Result<M> {
        Ok(model.load_record(self.read::<B, M::Record>(MODEL, device)?))
    }

    /// Loads the stored average, if there is one, into a network of the same configuration.
    ///
    /// # Errors
    /// As [`load_model`](Self::load_model).
    pub fn load_average<B: Backend, M: Module<B>>(&self, model: M, device: &B::Device) -> Result<Option<M>> {
        if !self.folder.join(AVERAGE).exists() && !self.crc32c.contains_key(AVERAGE) {
            return Ok(None);
        }
        Ok(Some(model.load_record(self.read::<B, M::Record>(AVERAGE, device)?)))
    }

    /// The stored record of the optimizer.
    ///
    /// # Errors
    /// When the file cannot be read or is not such a record.
    pub fn optimizer<B: Backend, R: Record<B>>(&self, device: &B::Device) -> Result<R> {
        self.read(OPTIMIZER, device)
    }

    fn read<B: Backend, R: Record<B>>(&self, name: &str, device: &B::Device) -> Result<R> {
        let path = self.folder.join(name);
        if let Some(&expected) = self.crc32c.get(name) {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let found = crc32c::crc32c(&bytes);
            ensure!(
                found == expected,
                "{} is damaged: its checksum is {found:08x}, and was {expected:08x} when it was written",
                path.display()
            );
        }
        // From the file: the recorder of bytes, which writes the same, panics on a record that is
        // cut short.
        BinFileRecorder::<FullPrecisionSettings>::default().load(path.clone(), device).with_context(|| {
            format!("{} cannot be read, or is damaged or of another network", path.display())
        })
    }
}

/// A record as the bytes of a file.
///
/// # Errors
/// When it cannot be written down.
pub fn to_bytes<B: Backend>(record: impl Record<B>) -> Result<Vec<u8>> {
    let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
    Ok(Recorder::<B>::record(&recorder, record, ())?)
}

/// The files of a checkpoint, as bytes.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The network.
    pub model: Vec<u8>,
    /// The moving average of its weights.
    pub average: Option<Vec<u8>>,
    /// The optimizer.
    pub optimizer: Vec<u8>,
}

impl Contents {
    /// A network, the moving average of its weights and its optimizer.
    ///
    /// # Errors
    /// When they cannot be written down.
    pub fn of<B: AutodiffBackend>(
        model: &Model<B>,
        average: &Option<Model<B::InnerBackend>>,
        optimizer: &impl Optimizer<Model<B>, B>,
    ) -> Result<Self> {
        Ok(Self {
            model: to_bytes::<B>(model.clone().into_record())?,
            average: average.clone().map(|average| to_bytes(average.into_record())).transpose()?,
            optimizer: to_bytes::<B>(optimizer.to_record())?,
        })
    }
}

/// Writes a checkpoint, and removes all but the newest `keep` and that of the best evaluation.
///
/// # Errors
/// When the disk is full or the folder cannot be written; the checkpoints before are then still
/// there.
pub fn save(out: &Path, state: &RunState, contents: &Contents, keep: usize) -> Result<()> {
    let root = out.join(FOLDER);
    let whole = root.join(format!("{PREFIX}{:09}", state.step));
    let partial = root.join("partial");
    let write = || -> Result<()> {
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        let Contents { model, average, optimizer } = contents;
        let average = average.iter().map(|average| (AVERAGE, average));
        let mut crc32c = BTreeMap::new();
        for (name, bytes) in [(MODEL, model), (OPTIMIZER, optimizer)].into_iter().chain(average) {
            write_synced(&partial.join(name), bytes)?;
            crc32c.insert(name, crc32c::crc32c(bytes));
        }
        let stored = Stored { format: FORMAT, burn: BURN, crc32c, state };
        write_synced(&partial.join(STATE), serde_json::to_string_pretty(&stored)?.as_bytes())?;
        fs::rename(&partial, &whole)?;
        sync_folder(&root)
    };
    // A run that was resumed at this step and stopped before the next has nothing to add.
    if !whole.exists() {
        write().with_context(|| format!("cannot write the checkpoint {}", whole.display()))?;
    }
    let best = state.best.map(|(_, step)| step);
    let all = list(out)?;
    let n_old = all.len().saturating_sub(keep.max(1));
    for (_, folder) in all[..n_old].iter().filter(|(step, _)| Some(*step) != best) {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove the old checkpoint {}", folder.display()))?;
    }
    Ok(())
}

/// Checks that a folder is one for a new run, or, to resume, that it holds one: a new run does not
/// mix with another.
///
/// # Errors
/// When a new run finds a checkpoint there, or one that is to be resumed none.
pub fn check_folder(out: &Path, is_resumed: bool) -> Result<()> {
    let shown = out.display();
    match list(out)?.pop() {
        None if is_resumed => bail!("{shown} holds no checkpoint to resume from"),
        Some((step, _)) if !is_resumed => bail!(
            "{shown} already holds a run (at step {step}): go on with it by --resume, or choose another folder by --out"
        ),
        _ => Ok(()),
    }
}

/// Step and folder of each complete checkpoint, oldest first.
fn list(out: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let root = out.join(FOLDER);
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", root.display())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        found.extend(step.map(|step| (step, entry.path())));
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::BURN;

    #[test]
    fn the_version_of_burn_is_the_one_that_is_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        let package = format!("name = \"burn\"\nversion = \"{BURN}\"\n");
        assert!(lock.contains(&package), "Cargo.lock has another version of burn than {BURN}");
    }
}
